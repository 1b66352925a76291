"""The verb `adopt`: what an older tool has kept, taken into an index here (S3 of switching.md)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from pypidaemon import configuration
from pypidaemon.adoption.beginning import REMOTE, Order, WrongOrder
from pypidaemon.adoption.layouts import LAYOUTS
from pypidaemon.adoption.outcomes import Outcome, line, summary
from pypidaemon.assembly import Plan, adoption_means, make, rulemaking, stores, weighed
from pypidaemon.blueprints import resolve
from pypidaemon.commands import control
from pypidaemon.commands.input import line as line_of_input
from pypidaemon.commands.progress import progress
from pypidaemon.commands.speech import Verbs, WrongUsage, named_file, say, write, wrong
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.services.lock import held
from pypidaemon.services.ordered import OrderedService

PAUSE = 0.3
"""Seconds between two looks at how far it has come."""

State = Mapping[str, Any]


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "adopt",
        parents=[shared],
        help="take over what an older tool has kept, from its folder or from a running server",
        description=(
            "Take what an older tool has kept into an index here: its folder stays as it is. Private files become private here; those of a mirror or a"
            " cache need not be fetched again. Said again it does what is left."
        ),
        epilog="Exit status: 0 done, 1 something was skipped (--json and the lines say what and why) or failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument(
        "source", metavar="DIR|URL", help="the folder of that tool; or, where the layout says so, the URL of a server that runs"
    )
    verb.add_argument("--layout", required=True, choices=sorted({*LAYOUTS, *REMOTE}), help="whose it is")
    verb.add_argument("--index", metavar="LABEL", default="", help="the index that takes it, where several can")
    verb.add_argument(
        "--map",
        metavar="USER/INDEX=LABEL",
        action="append",
        default=[],
        help="of devpi: that index of its into ours of that label; may be said several times",
    )
    verb.add_argument("--owner", metavar="NAME", default="", help="the account that owns private projects that are begun (default: nobody)")
    verb.add_argument("--dry-run", action="store_true", help="say what would be taken, and change nothing")
    verb.add_argument("--copy", action="store_true", help="share no file with the old folder, copy each")
    verb.add_argument("--offline", action="store_true", help="go by what is in the folder, and compare nothing with upstream")
    verb.add_argument("--user", metavar="NAME", default="", help="the account at the server; of a folder this means nothing")
    verb.add_argument("--password-stdin", action="store_true", help="read its password from standard input")
    verb.add_argument("--ca-file", metavar="FILE", help="certificates of authorities to trust besides the machine's own, for a server")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    remote = "://" in arguments.source
    if (arguments.user or arguments.password_stdin or arguments.ca_file) and not remote:
        return wrong(verb, arguments, "--user, --password-stdin and --ca-file are for a server")
    if arguments.password_stdin and not arguments.user:
        return wrong(verb, arguments, "--password-stdin says whose password it is by --user")
    if any(not all(one.partition("=")) for one in arguments.map) or (arguments.map and arguments.index):
        return wrong(verb, arguments, "--map is USER/INDEX=LABEL, and instead of --index")
    more = {"user": arguments.user} if arguments.user else {}
    if arguments.password_stdin:
        more["password"] = line_of_input()
    if arguments.ca_file:
        more["ca-file"] = os.path.abspath(arguments.ca_file)
    source = arguments.source if remote else os.path.abspath(arguments.source)
    try:
        source.encode()
    except UnicodeEncodeError:
        return wrong(verb, arguments, "the folder's path is not UTF-8")
    order = Order(
        layout=arguments.layout,
        source=source,
        index=arguments.index,
        owner=arguments.owner,
        rehearsal=arguments.dry_run,
        copy=arguments.copy,
        unasked=arguments.offline,
        more=more,
    )
    pairs = [one.split("=", 1) for one in arguments.map]
    return adopt(arguments, [attrs.evolve(order, index=label, more={**more, "part": part}) for part, label in pairs] or [order])


def adopt(arguments: argparse.Namespace, orders: Sequence[Order]) -> int:
    """
    Adopt it, one order after the other, by the running daemon or without one: a line for each file that is skipped, and a summary.

    The exit status is 1 where something was skipped.

    :raises WrongUsage: there is no such index, or several may be meant.
    :raises PypidaemonError: it could not be done to the end; what was taken stays.
    """
    telling = _Telling(arguments)
    try:
        states = daemon_or_alone(
            named_file(arguments),
            lambda socket: [_by_the_daemon(socket, order, telling) for order in orders],
            lambda planned: _alone(planned, orders, telling),
        )
    except PypidaemonError as error:
        if telling.begun:
            # The object was begun, so it is ended as one, and says why it is not whole.
            telling.end({"error": str(error)})
            sys.stderr.write(f"pypidaemon: {error}\n")
            return 1
        raise
    finally:
        telling.clear()
    telling.end(_together(states))
    if untold := sum(state.get("untold", 0) for state in states):
        sys.stderr.write(
            f"pypidaemon: what became of {untold} of these things is not told, since it was not read in time; say it again to be told\n"
        )
    if not arguments.json:
        say(arguments, "\n".join(line for state in states for line in summary(state)), {})
    return 1 if any(state["skipped"] for state in states) else 0


def _together(states: Sequence[State]) -> State:
    """What it came to; of several orders the sums, and the `parts` that they are of."""
    if len(states) == 1:
        return states[0]
    counts = {
        word: sum(state[word] for state in states)
        for word in ("taken", "here", "skipped", "passed", "bytes", "linked", "untold")
        if word in states[0]
    }
    return {"dry_run": states[0]["dry_run"], **counts, "parts": [_told(state) for state in states]}


def _told(state: State) -> dict[str, Any]:
    """As much of a state as is told at the end."""
    return {
        key: value
        for key, value in state.items()
        if key not in ("run", "running", "outcomes") and not (key == "error" and value is None) and not (key == "untold" and not value)
    }


def _by_the_daemon(path: Path, order: Order, telling: _Telling) -> State:
    try:
        state: State = control.ask(path, "POST", "/adopt", body=json.dumps(order.as_json()).encode())
    except control.Refused as refused:
        if refused.absent:
            raise WrongUsage(str(refused)) from None
        raise
    try:
        state = _followed(path, state, telling)
    except KeyboardInterrupt:
        control.ask(path, "POST", "/adopt/stop")
        raise
    if state["error"]:
        raise PypidaemonError(state["error"])
    return state


def _followed(path: Path, state: State, telling: _Telling) -> State:
    """Tell of all that becomes of what is found, to the end."""
    run, told = state["run"], 0
    while True:
        for outcome in state["outcomes"]:
            telling.tell(outcome)
        told += len(state["outcomes"])
        if not state["running"]:
            return state
        telling.show(state)
        if not state["outcomes"]:
            time.sleep(PAUSE)
        try:
            state = control.ask(path, "GET", "/adopt", [("after", str(told))])
        except control.NotRunning:
            state = {}
        if state.get("run") != run:
            raise PypidaemonError("the daemon stopped before everything was adopted; say it again for the rest")


def _alone(planned: Plan, orders: Sequence[Order], telling: _Telling) -> list[State]:
    # What is written belongs to the daemon's own user alone (S87).
    os.umask(0o077)
    if all(order.rehearsal for order in orders) and not planned.data.exists():
        # A rehearsal leaves nothing, so there is no data folder afterwards either, which might even belong to the wrong user.
        with tempfile.TemporaryDirectory(prefix="pypidaemon-") as folder:
            return _working(_elsewhere(planned, folder), orders, telling)
    planned.data.parent.mkdir(parents=True, exist_ok=True)
    planned.data.mkdir(mode=0o700, exist_ok=True)
    return _working(planned, orders, telling)


def _elsewhere(planned: Plan, data: str) -> Plan:
    """The same with another data folder."""
    said = configuration.parse(planned.text, planned.file)
    daemon = attrs.evolve(said.daemon, values={**said.daemon.values, "data": data})
    return resolve(attrs.evolve(said, sections={**said.sections, configuration.DAEMON: daemon}))


def _working(planned: Plan, orders: Sequence[Order], telling: _Telling) -> list[State]:
    async def work(reactor: Any) -> list[State]:
        from twisted.internet.task import LoopingCall

        made = make(planned, reactor)
        adoptions = [_begun(partial(adoption_means(made, reactor).adoption, order), telling) for order in orders]
        running = OrderedService(_parts(made, reactor))
        running.startService()
        try:
            await weighed(made, reactor)
            for adoption in adoptions:
                showing = LoopingCall(lambda adoption=adoption: telling.show(adoption.as_json()))
                showing.clock = reactor
                showing.start(PAUSE)
                try:
                    await adoption.run()
                finally:
                    showing.stop()
            return [{**adoption.as_json(), "names": adoption.tally.names} for adoption in adoptions]
        finally:
            await running.stopService()

    with held(planned.data):
        return reacting(work)


def _begun(begin: Callable[[Callable[[Outcome], None]], Any], telling: _Telling) -> Any:
    try:
        return begin(lambda outcome: telling.tell(outcome.as_json()))
    except WrongOrder as error:
        raise WrongUsage(str(error)) from None


def _parts(made: Any, reactor: Any) -> Sequence[Any]:
    """All that adopting takes, in the order of a daemon."""
    return (
        *stores(made),
        rulemaking(made, reactor),
        *made.living("blobs"),
        made.given["lists"],
        made.given["spool"],
        made.given["inspector"],
        *made.living("upstream", "policy", "index"),
    )


class _Telling:
    """
    What is said meanwhile: lines, or one JSON object that is written as it comes, so that a hundred thousand files take no memory; and on a terminal how far it is.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._json = arguments.json
        self._bar = progress(arguments)
        self.begun = False

    def tell(self, outcome: Mapping[str, Any]) -> None:
        """What became of one thing: a line of files that are skipped and of what people should know; in JSON all of it."""
        if self._json:
            write((", " if self.begun else '{"files": [') + json.dumps(outcome))
            self.begun = True
        elif outcome["fate"] in ("skipped", "note"):
            self.clear()
            write(line(outcome) + "\n")

    def end(self, state: State) -> None:
        """Write the rest of the object."""
        if self._json:
            write(("], " if self.begun else '{"files": [], ') + json.dumps(_told(state)).removeprefix("{") + "\n")

    def show(self, state: State) -> None:
        """Draw anew how far it is."""
        counts = (f"{state['taken']} taken", f"{state['here']} already here", f"{state['skipped']} skipped")
        self._bar.show(state["taken"] + state["here"], None, *counts, size=state["bytes"])

    def clear(self) -> None:
        """Take it away."""
        self._bar.clear()
