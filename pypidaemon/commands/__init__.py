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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import MappingProxyType

from pypidaemon import __version__
from pypidaemon.commands.speech import Parser, Unheard, Verbs, WrongUsage, flush, say
from pypidaemon.errors import PypidaemonError

SELDOM = (20_000, 20, 20)
"""
How often garbage is looked for (`gc.set_threshold`): thirty times less often than Python does by itself. Nearly all that is made here goes without that, and
looking through what was imported, which stays, would be a tenth of each start and a twentieth of filling a mirror.
"""


DESCRIBING = "describing"
"""The module whose verbs speak of all others."""

MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "foreground": ("run",),
        "running": ("check", "reload", "status"),
        "starting": ("init",),
        "client": ("client",),
        "why": ("why",),
        "fetching": ("refresh",),
        "syncing": ("sync",),
        "pack": ("pack",),
        "relock": ("relock",),
        "people": ("user", "grant", "ungrant", "group", "token"),
        "releases": ("yank", "hide", "unhide", "delete", "undelete", "promote", "log", "check-upstream"),
        "rulings": ("block", "unblock", "exempt", "unexempt", "rulings", "who", "downloads"),
        "replaced": ("replaced", "accept"),
        "moving": ("makeindex",),
        "adopting": ("adopt",),
        "export": ("export",),
        "verifying": ("verify",),
        "cache": ("cache",),
        "backup": ("backup", "restore"),
        "bundle": ("bundle",),
        "push": ("push",),
        DESCRIBING: ("completion", "manual"),
    }
)
"""
The verbs by the module that has them, in the order of the help. The daemon is there for months, a schedule may run `sync` often, and a person waits for the rest:
none of them has a use for what other verbs are made of, which takes longer to load than most take to do.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Do what the command line says and answer the exit status.

    :param argv: the arguments without the program's name; None means the process's own.
    """
    gc.set_threshold(*SELDOM)
    words = sys.argv[1:] if argv is None else argv
    try:
        status = _done(words)
        flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _fall_silent()
        return 1
    except Unheard as error:
        _fall_silent()
        return _failed(error, in_json=False)
    except KeyboardInterrupt:
        return 1
    return status


def _done(words: Sequence[str]) -> int:
    """The exit status of doing what these say."""
    try:
        arguments = _parser(words[0] if words else None).parse_args(words)
    except SystemExit as leaving:
        # argparse has printed the help, or the version, and leaves by exception.
        return leaving.code if isinstance(leaving.code, int) else 2
    except WrongUsage as error:
        return _failed(error, "--json" in words)
    try:
        with nullcontext() if _speaks_of_files(words, arguments) else _unsaid():
            status: int = arguments.act(arguments)
    except Unheard:
        raise
    except PypidaemonError as error:
        return _failed(error, arguments.json)
    return status


def _fall_silent() -> None:
    """Give the interpreter somewhere to flush to: it would complain of what it still holds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: PypidaemonError, in_json: bool) -> int:
    """Say why, in one line and in JSON where that is wanted; the exit status."""
    line = str(error).removeprefix("pypidaemon: ")
    say(argparse.Namespace(json=in_json), "", {"error": line})
    hint = error.hint if isinstance(error, WrongUsage) else ""
    sys.stderr.write(f"pypidaemon: {line}{hint}\n")
    return 2 if isinstance(error, WrongUsage) else 1


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
    """The parser of all verbs; where the first word is one of them, of its own module's alone."""
    parser = _whole()
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


def _whole() -> argparse.ArgumentParser:
    return Parser(
        prog="pypidaemon",
        description="A Python package index in one daemon, and the commands that work beside it.",
        epilog="Exit status: 0 done, 1 something was found or failed, 2 wrong usage.",
        allow_abbrev=False,
    )


def _groups(first: str | None) -> Iterator[Callable[[Verbs, argparse.ArgumentParser], None]]:
    """What adds the verbs of each module to a parser: of the one that has this verb, where one has, and else of all; of none for the version."""
    if first == "--version":
        return
    alone = [module for module, verbs in MODULES.items() if first in verbs and module != DESCRIBING]
    for module in alone or MODULES:
        yield import_module(f"{__name__}.{module}").add
