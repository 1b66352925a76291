"""The verb about what is fetched: `refresh` lets the next request ask upstream again."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pypidaemon.assembly import Made, Plan
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import alone_writing, daemon_or_alone
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser("refresh", parents=[shared], help="have the next request ask upstream again", allow_abbrev=False)
    verb.add_argument("projects", nargs="*", metavar="PROJECT", help="the projects whose pages are to be asked for again")
    verb.add_argument("--all", action="store_true", dest="everything", help="all projects, and the list of them")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if bool(arguments.projects) == arguments.everything:
        return wrong(verb, arguments, "name projects or say --all, and not both")
    try:
        names = [project_name(name) for name in arguments.projects]
    except InvalidName as error:
        return wrong(verb, arguments, str(error))
    return refresh(arguments, names)


def refresh(arguments: argparse.Namespace, names: Sequence[NormalizedName]) -> int:
    """
    Let what is remembered of these projects, or of all where none is named, be fresh no longer.

    A running daemon does it itself; else it is done in the records, which the next daemon reads.
    The exit status is 1 where nothing is remembered of one that was named.

    :raises PypidaemonError: the daemon refuses, or the records cannot be used.
    """
    query = [("name", str(name)) for name in names] or [("all", "yes")]
    answer = daemon_or_alone(
        named_file(arguments),
        lambda socket: control.ask(socket, "POST", "/refresh", query),
        lambda planned: _without_daemon(planned, names),
    )
    counts = answer.get("projects", {})
    say(arguments, "\n".join(_lines(answer, names)), answer)
    return 0 if all(counts.get(name) for name in names) else 1


def _lines(answer: Mapping[str, Any], names: Sequence[NormalizedName]) -> Iterator[str]:
    for name in names:
        if answer.get("projects", {}).get(name):
            yield f"{name}: will be asked for again with the next request"
        else:
            yield f"{name}: nothing is remembered of it, so there is nothing to refresh"
    if not names:
        count = answer.get("refreshed", 0)
        yield f"{count} remembered {'answer' if count == 1 else 'answers'} will be asked for again with the next requests"


def _without_daemon(planned: Plan, names: Sequence[NormalizedName]) -> dict[str, Any]:
    wanted: Sequence[NormalizedName | None] = names or [None]
    counts = [0] * len(wanted)
    if planned.data.is_dir():

        async def work(made: Made, reactor: Any) -> list[int]:
            indexes = made.exposed().values()
            return [sum([await index.refresh(name) for index in indexes]) for name in wanted]

        counts = alone_writing(planned, work)
    return {"refreshed": sum(counts)} | ({"projects": dict(zip(names, counts, strict=True))} if names else {})
