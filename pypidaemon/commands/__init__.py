"""
The command line: one module per group of verbs, each of which adds its own to the parser.

Every verb exits with 0 (done), 1 (something was found, or failed) or 2 (wrong usage); a failure is one line on standard error.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from pypidaemon import __version__
from pypidaemon.commands.speech import Verbs, WrongUsage, say
from pypidaemon.errors import PypidaemonError

SELDOM = (20_000, 20, 20)
"""
How often garbage is looked for (`gc.set_threshold`): thirty times less often than Python does by itself. Nearly all that is made here goes without that, and
looking through what was imported, which stays, would be a tenth of each start and a twentieth of filling a mirror.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Do what the command line says and answer the exit status.

    :param argv: the arguments without the program's name; None means the process's own.
    """
    gc.set_threshold(*SELDOM)
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = _parser(words[0] if words else None).parse_args(words)
    except SystemExit as leaving:
        # argparse has printed the help, or what is wrong with the usage, and leaves by exception.
        return leaving.code if isinstance(leaving.code, int) else 2
    try:
        with nullcontext() if _speaks_of_files(words, arguments) else _unsaid():
            status: int = arguments.act(arguments)
        sys.stdout.flush()
    except PypidaemonError as error:
        line = str(error).removeprefix("pypidaemon: ")
        if arguments.json:
            say(arguments, "", {"error": line})
        sys.stderr.write(f"pypidaemon: {line}\n")
        return 2 if isinstance(error, WrongUsage) else 1
    except BrokenPipeError:
        # Whoever read our output has seen enough. The interpreter would complain when it flushes, so it gets somewhere to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 1
    return status


def _speaks_of_files(words: Sequence[str], arguments: argparse.Namespace) -> bool:
    """Whether what was passed over in files that the configuration names is told: where it is read for itself, and not by every other verb."""
    return words[0] == "run" or (words[0] == "check" and not arguments.effect)


@contextmanager
def _unsaid() -> Iterator[None]:
    """Let our own modules warn of nothing; what fails is the one line of the verb."""
    ours = logging.getLogger("pypidaemon")
    before = ours.level
    ours.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ours.setLevel(before)


def _parser(first: str | None = None) -> argparse.ArgumentParser:
    """The parser of all verbs; where `run` or `sync` is the first word, of its own group alone."""
    parser = argparse.ArgumentParser(
        prog="pypidaemon",
        description="A Python package index in one daemon, and the commands that work beside it.",
        epilog="Exit status: 0 done, 1 something was found or failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pypidaemon {__version__}")
    shared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    shared.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="the configuration: else $PYPIDAEMON_CONFIG, etc/config.ini, /etc/pypidaemon/config.ini",
    )
    shared.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for add in _groups(first):
        add(verbs, shared)
    return parser


def _groups(first: str | None) -> tuple[Callable[[Verbs, argparse.ArgumentParser], None], ...]:
    if first == "sync":
        # A machine's own schedule may run it often, and most of a run that finds nothing new would be the reading of what other verbs are made of.
        from pypidaemon.commands import filling

        return (filling.add,)
    from pypidaemon.commands import foreground

    if first == "run":
        # The daemon is there for months, and has no use for what other verbs are made of.
        return (foreground.add,)
    from pypidaemon.commands import (
        adopting,
        backup,
        bundle,
        cache,
        export,
        fetching,
        filling,
        moving,
        pack,
        people,
        push,
        releases,
        relock,
        replaced,
        rulings,
        running,
        starting,
        verifying,
        why,
    )

    others = (
        starting,
        why,
        fetching,
        filling,
        pack,
        relock,
        people,
        releases,
        rulings,
        replaced,
        moving,
        adopting,
        export,
        verifying,
        cache,
        backup,
        bundle,
        push,
    )
    return (foreground.add, running.add, *(group.add for group in others))
