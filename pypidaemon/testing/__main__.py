"""`python -m pypidaemon.testing`: a scriptable index on a port, for trying things out and for measuring."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from pypidaemon.testing.index import TestIndex
from pypidaemon.testing.serving import listen

_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB)?\Z")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(raw: str) -> int:
    """Bytes, as `20MiB`."""
    match = _SIZE.match(raw)
    if match is None:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a size such as 64KiB or 20MiB")
    return int(match[1]) * _UNITS[match[2] or "B"]


def main(arguments: list[str]) -> int:
    """Fill an index, print its URL, and serve it until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m pypidaemon.testing", description="A package index made on the spot.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--interface", default="127.0.0.1")
    parser.add_argument(
        "--projects", nargs="*", default=[], metavar="NAME[==VERSION]", help="projects to have, each with a wheel and an sdist"
    )
    parser.add_argument("--many", type=int, default=0, help="so many more projects, named project-0 and so on")
    parser.add_argument("--versions", type=int, default=1, help="releases of each project that names no version")
    parser.add_argument("--size", type=size, default=0, help="bytes of each wheel, about")
    parser.add_argument("--rate", type=size, default=None, help="bytes a second of each answer")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--html-only", action="store_true")
    options = parser.parse_args(arguments)
    index = TestIndex(rate=options.rate, delay=options.delay, html_only=options.html_only)
    for wanted in [*options.projects, *(f"project-{number}" for number in range(options.many))]:
        name, _, version = wanted.partition("==")
        for number in range(1 if version else options.versions):
            index.add(name, version or f"1.{number}", size=options.size, sdist=not name.startswith("project-"))

    react(_serve, [index, options.port, options.interface])
    return 0


def _serve(reactor: Any, index: TestIndex, port: int, interface: str) -> Deferred[None]:
    print(listen(reactor, index, port, interface).simple, flush=True)  # noqa: T201  # what whoever started it waits for
    # Nothing fires this: a signal ends the process.
    return Deferred()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
