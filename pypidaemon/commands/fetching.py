"""The verb about what is fetched: `refresh` lets the next request ask upstream again."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from pypidaemon.assembly import Plan, make, plan, stores
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, say
from pypidaemon.errors import InvalidName, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.sockets import CONTROL


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser("refresh", parents=[shared], help="have the next request ask upstream again", allow_abbrev=False)
    verb.add_argument("projects", nargs="*", metavar="PROJECT", help="the projects whose pages are to be asked for again")
    verb.add_argument("--all", action="store_true", dest="everything", help="all projects, and the list of them")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if bool(arguments.projects) == arguments.everything:
        return _wrong(verb, "name projects or say --all, and not both")
    try:
        names = [project_name(name) for name in arguments.projects]
    except InvalidName as error:
        return _wrong(verb, str(error))
    return refresh(arguments, names)


def _wrong(verb: argparse.ArgumentParser, line: str) -> int:
    sys.stderr.write(f"{verb.format_usage()}{verb.prog}: error: {line}\n")
    return 2


def refresh(arguments: argparse.Namespace, names: Sequence[NormalizedName]) -> int:
    """
    Let what is remembered of these projects, or of all where none is named, be fresh no longer, and say how much that was.

    A running daemon does it itself; else it is done in the records, which the next daemon reads.

    :raises PypidaemonError: the daemon refuses, or the records cannot be used.
    """
    planned = plan(named_file(arguments))
    query = [("name", str(name)) for name in names] or [("all", "yes")]
    try:
        count = int(control.ask(planned.data / CONTROL, "POST", "/refresh", query).get("refreshed", 0))
    except control.NotRunning:
        count = _without_daemon(planned, names)
    say(arguments, f"{count} will be asked for again", {"refreshed": count})
    return 0


def _without_daemon(planned: Plan, names: Sequence[NormalizedName]) -> int:
    if not planned.data.is_dir():
        return 0
    from twisted.internet import task

    counts: list[int] = []
    failures: list[PypidaemonError] = []

    async def work(reactor: Any) -> None:
        try:
            counts.append(await _expire(planned, names, reactor))
        except PypidaemonError as error:
            failures.append(error)

    # `react` always ends by leaving the process; what came of the work is in the lists.
    with contextlib.suppress(SystemExit):
        task.react(work)
    if failures:
        raise failures[0]
    if not counts:
        raise PypidaemonError("interrupted before everything was refreshed")
    return counts[0]


async def _expire(planned: Plan, names: Sequence[NormalizedName], reactor: Any) -> int:
    made = make(planned, reactor)
    running = OrderedService(stores(made))
    running.startService()
    try:
        wanted: Sequence[NormalizedName | None] = names or [None]
        count = 0
        for index in made.exposed().values():
            for name in wanted:
                count += await index.refresh(name)
        return count
    finally:
        await running.stopService()
