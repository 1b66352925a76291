"""The verb about what is stored: `verify`, which finds what is missing, damaged or nobody's, and `verify --repair`, which puts it right."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from pypidaemon.assembly import Made, Plan, make, rulemaking, stores, verification_means
from pypidaemon.commands import control
from pypidaemon.commands.progress import Progress, progress
from pypidaemon.commands.speech import Verbs, flush, named_file, say, wrong
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import InvalidName, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IMendable
from pypidaemon.model import NormalizedName
from pypidaemon.services.lock import held
from pypidaemon.services.ordered import OrderedService
from pypidaemon.telling import plural
from pypidaemon.verification.findings import Finding, Problem, line
from pypidaemon.verification.run import Verification

PAUSE = 0.3
"""Seconds between two looks at how far it has come."""

_NOTHING = {"phase": "ended", "blobs": 0, "of": 0, "bytes": 0, "named": 0, "problems": 0, "unrepaired": 0, "untold": [], "seconds": 0.0}

State = Mapping[str, Any]


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "verify", parents=[shared], help="read everything that is stored, and find what is missing, damaged or nobody's", allow_abbrev=False
    )
    verb.add_argument(
        "projects", nargs="*", metavar="PROJECT", help="only what belongs to these projects; then nothing is looked for that nobody needs"
    )
    verb.add_argument(
        "--repair", action="store_true", help="fetch again what can be fetched, make damaged records again, remove what nobody needs"
    )
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        arguments.projects = sorted({project_name(name) for name in arguments.projects})
    except InvalidName as error:
        return wrong(verb, arguments, str(error))
    return verify(arguments)


def verify(arguments: argparse.Namespace) -> int:
    """
    Verify what is stored, by the running daemon or without one: a line for each finding as it is found, and a summary.

    The exit status is 1 where something was found, or with `--repair` where something could not be put right.

    :raises PypidaemonError: it could not be done to the end.
    """
    bar = progress(arguments)
    findings: list[dict[str, Any]] = []

    def found(finding: dict[str, Any]) -> None:
        findings.append(finding)
        bar.clear()
        if not arguments.json:
            say(arguments, line(finding), {})
            flush()

    try:
        state = daemon_or_alone(
            named_file(arguments),
            lambda socket: _by_the_daemon(socket, arguments, found, partial(_show, bar)),
            lambda planned: _alone(planned, arguments, found, partial(_show, bar)),
        )
    finally:
        bar.clear()
    left = state["unrepaired"] if arguments.repair else state["problems"]
    said = {key: value for key, value in state.items() if key in _NOTHING and key != "phase"}
    say(arguments, _summary(arguments, state), {**said, "repair": arguments.repair, "findings": findings})
    return 1 if left else 0


def _summary(arguments: argparse.Namespace, state: State) -> str:
    of = f" of {' '.join(arguments.projects)}" if arguments.projects else ""
    problems = state["problems"]
    found = plural(problems, "finding") if problems else "nothing is wrong"
    repaired = f", {state['unrepaired']} of them not repaired" if arguments.repair and problems else ""
    untold = f"\nwhat nobody needs cannot be told, since others keep things there: {' '.join(state['untold'])}" if state["untold"] else ""
    read = f"{plural(state['blobs'], 'blob')}{of} with {plural(state['bytes'], 'byte')} read"
    return f"{read}, {plural(state['named'], 'name')} looked at: {found}{repaired}{untold}"


def _by_the_daemon(
    path: Path, arguments: argparse.Namespace, found: Callable[[dict[str, Any]], None], show: Callable[[State], None]
) -> State:
    query = [("project", name) for name in arguments.projects] + ([("repair", "yes")] if arguments.repair else [])
    state = control.ask(path, "POST", "/verify", query)
    run, told = state["run"], 0
    while True:
        for finding in state["findings"]:
            found(finding)
        told += len(state["findings"])
        if not state["running"]:
            break
        show(state)
        if not state["findings"]:
            time.sleep(PAUSE)
        try:
            state = control.ask(path, "GET", "/verify", [("after", str(told))])
        except control.NotRunning:
            state = {}
        if state.get("run") != run:
            raise PypidaemonError("the daemon stopped before everything was verified")
    if state["error"]:
        raise PypidaemonError(state["error"])
    return state


def _alone(planned: Plan, arguments: argparse.Namespace, found: Callable[[dict[str, Any]], None], show: Callable[[State], None]) -> State:
    if not planned.data.is_dir():
        return _NOTHING
    # What is written belongs to the daemon's own user alone (S87).
    os.umask(0o077)

    async def work(reactor: Any) -> State:
        from twisted.internet.task import LoopingCall

        made = make(planned, reactor)
        mended = _mended(made) if arguments.repair else ()
        running = OrderedService(_parts(made, reactor))
        running.startService()
        try:
            verification = _verification(made, reactor, arguments, found, mended)
            showing = LoopingCall(lambda: show(verification.as_json()))
            showing.clock = reactor
            showing.start(PAUSE)
            try:
                await verification.run()
            finally:
                showing.stop()
            return verification.as_json()
        finally:
            await running.stopService()

    # Without a repair nothing is written.
    with held(planned.data) if arguments.repair else nullcontext():
        return reacting(work)


def _mended(made: Made) -> tuple[Finding, ...]:
    """
    What was wrong with the records, which is put right before they are started.

    :raises PypidaemonError: they cannot be made again.
    """
    records = made.records()
    if not IMendable.providedBy(records) or not (ailments := records.ailments()):
        return ()
    outcome = "; ".join(records.mend())
    return tuple(Finding(Problem.RECORDS, "", detail=ailment).mended(outcome) for ailment in ailments)


def _verification(
    made: Made, reactor: Any, arguments: argparse.Namespace, found: Callable[[dict[str, Any]], None], mended: tuple[Finding, ...]
) -> Verification:
    projects: frozenset[NormalizedName] | None = frozenset(arguments.projects) or None

    def told(finding: Finding) -> None:
        found(finding.as_json())

    return Verification(verification_means(made, reactor), projects, arguments.repair, None, told, mended)


def _parts(made: Made, reactor: Any) -> Sequence[Any]:
    """All that fetching takes, in the order of a daemon."""
    return (
        *stores(made),
        rulemaking(made, reactor),
        *made.living("blobs"),
        made.given["lists"],
        made.given["spool"],
        *made.living("upstream", "index"),
    )


def _show(bar: Progress, state: State) -> None:
    bar.show(state["blobs"], state["of"], f"{state['blobs']} of {plural(state['of'], 'blob')}", size=state["bytes"], phase=state["phase"])
