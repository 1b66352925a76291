"""The verb `push`: what was published here brought to another index, by the service that does it or by this command itself."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IService

from pypidaemon.assembly import Plan, plan
from pypidaemon.commands import control
from pypidaemon.commands.input import password
from pypidaemon.commands.looking import Sight, insist_on_data
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.globs import Globs
from pypidaemon.interfaces import IHostedIndex
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.sockets import CONTROL
from pypidaemon.settings import Secret, url
from pypidaemon.telling import plural

PAUSE = 0.3
"""Seconds between two looks at how far the daemon has come."""


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "push",
        parents=[shared],
        help="bring what was published here to another index that lacks it",
        description=(
            "Without --to, have the running daemon's push service look at everything now. With --to, bring the files of an index to another"
            " one from here, whether a daemon runs or not. What has other bytes there is told, and stays."
        ),
        epilog="Exit status: 0 all is there, 1 something is not, or differs, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument("what", metavar="INDEX", nargs="?", help="an index (default: that for uploads); without --to a push service")
    verb.add_argument("--to", metavar="URL", help="the other daemon's address, or an upload URL that ends in /legacy/")
    verb.add_argument("--simple", metavar="URL", help="the simple index there, where it is not /simple/ beside /legacy/")
    verb.add_argument("--project", metavar="GLOB", action="append", default=[], help="only projects whose names match; may be said again")
    verb.add_argument("--username", metavar="NAME", help="who we are there (default: __token__, where there is a password)")
    verb.add_argument("--password-stdin", action="store_true", help="read the password or token from standard input")
    verb.add_argument("--ca-file", metavar="FILE", type=Path, help="certificates of authorities to trust besides the machine's own (PEM)")
    verb.add_argument("--dry-run", action="store_true", help="with --to: send nothing, and say what would be sent")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if arguments.to is None:
        given = (arguments.simple, arguments.project, arguments.username, arguments.password_stdin, arguments.ca_file, arguments.dry_run)
        if any(given):
            return wrong(verb, arguments, "--simple, --project, --username, --password-stdin, --ca-file and --dry-run belong to --to")
        return by_the_daemon(arguments)
    try:
        arguments.to = url(arguments.to)
        arguments.simple = None if arguments.simple is None else url(arguments.simple)
        arguments.project = Globs(tuple(arguments.project or ("*",)))
    except ValueError as error:
        return wrong(verb, arguments, str(error))
    return push(arguments)


def by_the_daemon(arguments: argparse.Namespace) -> int:
    """
    Have a push service look at everything now, and come back when it has.

    :raises PypidaemonError: no daemon runs, it has no such service, or the other index cannot be reached.
    """

    def ask(socket: Path) -> Mapping[str, Any]:
        begun = control.ask(socket, "POST", "/push", [("service", arguments.what)] if arguments.what else [])
        while True:
            state: Mapping[str, Any] = control.ask(socket, "GET", "/status").get("pushes", {}).get(begun["service"], {})
            if state.get("run", 0) < begun["run"]:
                raise PypidaemonError("the daemon's configuration was read again meanwhile: say it again")
            if not state.get("running") or state["run"] != begun["run"]:
                return state
            time.sleep(PAUSE)

    def nobody(planned: Plan) -> Mapping[str, Any]:
        raise control.NotRunning(planned.data / CONTROL)

    state = daemon_or_alone(named_file(arguments), ask, nobody)
    if state.get("trouble"):
        raise PypidaemonError(f"{state['to']}: {state['trouble']}")
    return _said(arguments, state, state["to"])


def push(arguments: argparse.Namespace) -> int:
    """
    Bring the files of an index to another one.

    :raises PypidaemonError: the other one cannot be reached, takes nothing from us, or the records cannot be read.
    """
    planned = plan(named_file(arguments))
    insist_on_data(planned)
    label = arguments.what or planned.daemon.uploads
    part = planned.parts.get(f"index:{label}")
    if part is None or not IHostedIndex.implementedBy(part.component):
        known = " ".join(one.section.label for one in planned.parts.values() if IHostedIndex.implementedBy(one.component)) or "none"
        raise PypidaemonError(f"there is no index {label} that holds what was published here; there are: {known}")
    shared = Secret(password()) if arguments.password_stdin else None
    done = reacting(lambda reactor: _pushed(planned, str(label), arguments, shared, reactor))
    return _said(arguments, done, arguments.to)


async def _pushed(planned: Plan, label: str, arguments: argparse.Namespace, shared: Secret | None, reactor: Any) -> dict[str, Any]:
    from pypidaemon.pushes.pushing import Pushing, inspection_rules
    from pypidaemon.upstreams.uploading import Destination

    if planned.daemon.offline:
        raise PypidaemonError("[daemon] offline = yes: nobody outside is asked for anything")
    made, records = Sight(planned, "a push asks nobody else").make(reactor, None)
    given = made.given
    try:
        destination = Destination(
            "push", arguments.to, reactor, given["cpu"], records, arguments.username, shared, arguments.ca_file, simple=arguments.simple
        )
    except ValueError as error:
        raise PypidaemonError(str(error)) from error
    running = OrderedService((given["disk"], given["cpu"], IService(records), given["inspector"]))
    running.startService()
    try:
        inspector = given["inspector"].under(inspection_rules())
        index = made.indexes()[label]
        pushing = Pushing("", IHostedIndex(index), records, destination, inspector, reactor, arguments.project, arguments.dry_run)
        return (await pushing.run()).as_json()
    finally:
        await destination.close()
        await running.stopService()


def _said(arguments: argparse.Namespace, state: Mapping[str, Any], to: str) -> int:
    say(
        arguments,
        "\n".join(_lines(state, to)),
        {"to": to, **{word: state.get(word, []) for word in _WORDS}, "there": state.get("there", 0)},
    )
    return 1 if state.get("conflicts") or state.get("refused") or state.get("differs") else 0


_WORDS = ("pushed", "conflicts", "refused", "differs")


def _lines(state: Mapping[str, Any], to: str) -> Iterator[str]:
    for word in _WORDS:
        yield from state.get(word, ())
    there = f"{plural(state.get('there', 0), 'file')} {'was' if state.get('there', 0) == 1 else 'were'} there already"
    yield f"{to}: {plural(len(state.get('pushed', ())), 'file')} pushed, {there}"
