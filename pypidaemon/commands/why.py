"""The verb `why`: which index answers for a project, since when, and what is hidden by which rule until when."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from pypidaemon.assembly import Made, Plan
from pypidaemon.commands import control
from pypidaemon.commands.looking import Sight, insist_on_data, look
from pypidaemon.commands.speech import Verbs, WrongUsage, named_file, say, wrong
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IRecords
from pypidaemon.model import NormalizedName
from pypidaemon.telling import lines, no_address

_CAUSE = "no daemon is running, so nothing is asked"


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser("why", parents=[shared], help="say why a project or a release is shown or not", allow_abbrev=False)
    verb.add_argument("what", metavar="PROJECT[==VERSION]", help="a project, or one release of it")
    verb.add_argument("--index", metavar="LABEL", help="an index with an address (default: that at /simple/)")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    spelled, marked, version = arguments.what.partition("==")
    try:
        name = project_name(spelled.strip())
    except InvalidName as error:
        return wrong(verb, arguments, str(error))
    if marked and not version.strip():
        return wrong(verb, arguments, f"{arguments.what!r} names no version: say PROJECT==VERSION")
    return why(arguments, name, version.strip() or None)


def why(arguments: argparse.Namespace, name: NormalizedName, version: str | None) -> int:
    """
    Print which index answers for the project, what was asked before it, and everything that is hidden, by which rule and until when.

    A running daemon says it of itself, and may ask its upstreams for the page as it would for a client. Without one it is told by what is remembered.
    The exit status is 1 where the project, or the release, is not shown.

    :raises WrongUsage: no index with that label has an address.
    :raises PypidaemonError: what is remembered cannot be read.
    """
    answer = daemon_or_alone(
        named_file(arguments),
        lambda socket: _of_daemon(socket, name, version, arguments.index),
        lambda planned: _without_daemon(planned, name, version, arguments.index),
    )
    say(arguments, "\n".join(lines(answer)), answer)
    return 0 if answer.get("shown") else 1


def _of_daemon(socket: Path, name: NormalizedName, version: str | None, label: str | None) -> dict[str, Any]:
    given = (("project", name), ("version", version), ("index", label))
    try:
        return control.ask(socket, "GET", "/why", [(key, str(value)) for key, value in given if value is not None])
    except control.Refused as error:
        # Only the daemon knows which there are.
        if error.absent and label is not None:
            raise WrongUsage(str(error)) from None
        raise


def _without_daemon(planned: Plan, name: NormalizedName, version: str | None, label: str | None) -> dict[str, Any]:
    insist_on_data(planned)

    async def work(made: tuple[Made, ...], records: IRecords) -> dict[str, Any]:
        from pypidaemon.explaining import explain
        from pypidaemon.telling import document

        known = made[0].exposed()
        index = known.get(label or planned.parts[planned.index].section.label)
        if index is None:
            raise WrongUsage(no_address(label or "", known))
        return document(await explain(index, name), name, version)

    return reacting(lambda reactor: look(reactor, (Sight(planned, _CAUSE),), work))
