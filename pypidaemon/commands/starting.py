"""The verb for the first five minutes: `init` writes a configuration to begin with."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pypidaemon import configuration
from pypidaemon.blueprints import resolve
from pypidaemon.commands.kinds import KINDS, Kind, kind_of, listening, written
from pypidaemon.commands.speech import Verbs, say, wrong
from pypidaemon.commands.writing import put
from pypidaemon.configuration import PLACES
from pypidaemon.errors import PypidaemonError
from pypidaemon.schema import data_beside
from pypidaemon.settings import path

T = TypeVar("T")


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "init",
        parents=[shared],
        help="write a configuration file to begin with",
        description=(
            "Write a commented configuration for one kind of use. What no option says is asked for on a terminal; elsewhere the defaults stand."
            " A file that is there is never overwritten without --force."
        ),
        epilog="Exit status: 0 done, 1 the file is there or cannot be written, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument(
        "file", nargs="?", metavar="FILE", help=f"the file to write, - for standard output (as -c; without either {PLACES[0]})"
    )
    verb.add_argument(
        "--kind", metavar="KIND", choices=[kind.name for kind in KINDS], help=f"what it is for: {' '.join(kind.name for kind in KINDS)}"
    )
    verb.add_argument("--data", metavar="DIR", help="the folder for everything that is kept")
    verb.add_argument(
        "--listen", metavar="WHERE", help="a port, HOST:PORT or a Twisted endpoint description such as tcp:3141:interface=127.0.0.1"
    )
    verb.add_argument("--force", action="store_true", help="replace a file that is there, which is kept as FILE.bak")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        if arguments.data is not None:
            _folder(arguments.data)
        if arguments.listen is not None:
            listening(arguments.listen, KINDS[0])
    except ValueError as error:
        return wrong(verb, arguments, str(error))
    return init(arguments)


def init(arguments: argparse.Namespace) -> int:
    """
    Write a commented configuration. On a terminal three questions come first, save what options say; elsewhere the defaults stand.

    `-` stands for standard output; with `--json` the text is then part of the object.

    :raises PypidaemonError: the file exists, cannot be written, or the last answer makes no sense; then nothing is written.
    """
    if arguments.file == "-":
        # Where the file will stand is not known, and so neither is an absolute path of its data folder.
        kind, text = _asked(arguments, "FILE", "var")
        say(arguments, text, {"file": None, "kind": kind.name, "text": text})
        return 0
    file = Path(arguments.file or arguments.config or os.environ.get("PYPIDAEMON_CONFIG") or PLACES[0])
    if not str(file).isprintable():
        raise PypidaemonError("the name of that file has characters that cannot be printed, which its own first line could not say")
    if os.path.exists(file) and not arguments.force:
        raise PypidaemonError(f"{file} exists and is not overwritten: name another file, or say --force, which keeps it as {file.name}.bak")
    kind, text = _asked(arguments, str(file), str(data_beside(Path(os.path.abspath(file)).parent)))
    kept = None
    if arguments.force:
        kept = put(file, text)
    else:
        _begin(file, text)
    said = {"file": str(file), "kind": kind.name, "backup": None if kept is None else str(kept)}
    say(arguments, "\n".join(_next(file, kind, kept)), said)
    return 0


def _begin(file: Path, text: str) -> None:
    begun = False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            begun = True
            stream.write(text)
    except OSError as error:
        if begun:
            file.unlink()
        raise PypidaemonError(f"cannot write {file}: {error.strerror or error}") from None


def _next(file: Path, kind: Kind, kept: Path | None) -> list[str]:
    lines = [f"wrote {file}" + (f"; what it was is kept as {kept}" if kept is not None else "")]
    if kind.examples:
        lines.append(f"put your own in place of what is an example in it: {kind.examples}")
    return [*lines, f"next: pypidaemon check -c {file}, and then pypidaemon run -c {file}"]


def _asked(arguments: argparse.Namespace, file: str, beside: str) -> tuple[Kind, str]:
    """The kind and the text: by options, by answers, and by defaults."""
    asking = sys.stdin.isatty()
    kind = kind_of(arguments.kind) if arguments.kind else _answer(_menu(), kind_of, asking=asking) or KINDS[0]
    data: str | None = arguments.data
    if data is None:
        data = _answer(f"Folder for everything that is kept [{kind.data or beside}]: ", _folder, asking=asking)
    listen = arguments.listen and listening(arguments.listen, kind)
    if not listen:
        listen = _answer(f"Port, or where else to listen [{kind.listen}]: ", lambda said: listening(said, kind), asking=asking)
    text = written(kind, file, data, listen, beside)
    # What is refused later would be no beginning.
    resolve(configuration.parse(text, file))
    return kind, text


def _menu() -> str:
    lines = [f"  {number}  {kind.name.ljust(11)}  {kind.what}" for number, kind in enumerate(KINDS, 1)]
    return "\n".join(["What is it for?", *lines, "Number or name [1]: "])


def _answer(question: str, convert: Callable[[str], T], *, asking: bool) -> T | None:
    """
    What was typed, as it is meant; None for an empty line, or where nobody is asked. What makes no sense is asked for again.

    :raises PypidaemonError: what was typed last makes no sense.
    """
    if not asking:
        return None
    wrong = ""
    while True:
        sys.stderr.write(f"{wrong}\n{question}" if wrong else question)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if wrong and not line:
            raise PypidaemonError(wrong)
        typed = line.strip()
        try:
            return convert(typed) if typed else None
        except ValueError as error:
            wrong = str(error)


def _folder(raw: str) -> str:
    path(raw)
    if not raw.isprintable():
        raise ValueError("a folder's name has no characters that cannot be printed")
    return raw.strip()
