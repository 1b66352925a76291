"""The verbs about files of which upstreams have other bytes by now: `replaced` and `accept`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from pypidaemon.assembly import Made, Plan
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import alone, alone_writing, daemon_or_alone
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import filename, project_name


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser(
        "replaced", parents=[shared], help="print the files of which upstream has other bytes than those first seen", allow_abbrev=False
    )
    verb.set_defaults(act=replaced)
    verb = verbs.add_parser(
        "accept", parents=[shared], help="take the other bytes that upstream has for a file instead of the first ones", allow_abbrev=False
    )
    verb.add_argument("project", metavar="PROJECT", help="the project")
    verb.add_argument("file", metavar="FILE", help="the name of the file, as `pypidaemon replaced` has it")
    verb.add_argument("--index", metavar="LABEL", help="in this index alone (default: in all)")
    verb.set_defaults(act=partial(accept, verb))


def replaced(arguments: argparse.Namespace) -> int:
    """
    Print index, project, file, the sha256 of the first bytes and of the others, and since when they differ. The exit status is 1 where there are any.

    :raises PypidaemonError: the daemon refuses, or the records cannot be read.
    """
    answer = daemon_or_alone(named_file(arguments), lambda socket: control.ask(socket, "GET", "/replaced"), _listed_alone)
    lines = [
        f"{one['index']} {one['project']} {one['file']}: sha256:{one['first'] or 'unknown'} by now sha256:{one['other'] or 'unknown'},"
        f" since {one['since']}"
        for one in answer["replaced"]
    ]
    if answer["more"]:
        lines.append("and more")
    say(arguments, "\n".join(lines) or "upstream has the same bytes for everything", answer)
    return 1 if answer["replaced"] else 0


def accept(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """
    Accept the other bytes of a file.

    :raises PypidaemonError: there are none, the daemon refuses, or it cannot be recorded.
    """
    try:
        name, file = project_name(arguments.project), filename(arguments.file)
    except InvalidName as error:
        return wrong(verb, arguments, str(error))
    label: str | None = arguments.index
    query = [("project", str(name)), ("file", str(file)), *([("index", label)] if label else [])]

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.callers import THE_OPERATOR
        from pypidaemon.replacements import Replacements

        return await Replacements(made.records(), reactor).accept(name, file, label, THE_OPERATOR)

    answer = daemon_or_alone(
        named_file(arguments),
        lambda socket: control.ask(socket, "POST", "/replaced/accept", query),
        lambda planned: alone_writing(planned, work),
    )
    say(
        arguments,
        "\n".join(f"{one['index']}: {file} is now sha256:{one['other'] or 'whatever comes next'}" for one in answer["accepted"]),
        answer,
    )
    return 0


def _listed_alone(planned: Plan) -> dict[str, Any]:
    if not planned.data.is_dir():
        return {"replaced": [], "more": False}

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.replacements import Replacements

        return await Replacements(made.records(), reactor).listed()

    return alone(planned, work)
