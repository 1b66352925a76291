"""What `sync` does: an index is filled now, by the daemon that runs or without one."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pypidaemon.assembly import Made, Plan, make, rulemaking, stores, weighed
from pypidaemon.commands import control
from pypidaemon.commands.progress import Progress, progress
from pypidaemon.commands.speech import WrongUsage, named_file, say
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMirroring
from pypidaemon.services.lock import held
from pypidaemon.services.mirroring.tally import MOST_PLANNED
from pypidaemon.services.ordered import OrderedService
from pypidaemon.telling import plural
from pypidaemon.waits import first, pause

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

PAUSE = 0.3
"""Seconds between two looks at how far a run is."""

Answer = dict[str, Any]


def fill(arguments: argparse.Namespace) -> int:
    """
    Do it, as the verb says; answer its exit status.

    :raises PypidaemonError: there is no such service, or it cannot run.
    """
    bar = progress(arguments)
    try:
        label, answer = daemon_or_alone(
            named_file(arguments),
            lambda socket: _by_the_daemon(socket, arguments, bar),
            lambda planned: _alone(planned, arguments, bar),
        )
    finally:
        bar.clear()
    done = bool(answer.get("complete"))
    text = "\n".join(lines(label, answer, plan_wanted=arguments.dry_run))
    say(arguments, "" if arguments.quiet and done else text, {"service": label, **answer})
    return 0 if done else 1


def _service(known: Sequence[str], wanted: str | None) -> str:
    if not known:
        raise PypidaemonError("the configuration has no mirroring service")
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None or wanted not in known:
        which = "say which service" if wanted is None else f"there is no service {wanted} that fills an index"
        raise WrongUsage(f"{which} (known: {' '.join(sorted(known))})")
    return wanted


def _by_the_daemon(path: Path, arguments: argparse.Namespace, bar: Progress) -> tuple[str, Answer]:
    # Which services there are is for the daemon to say, whatever its file says by now.
    query = [("service", arguments.service)] if arguments.service is not None else []
    if arguments.project:
        query.append(("project", arguments.project))
    if arguments.dry_run:
        query.append(("rehearsal", "yes"))
    try:
        begun = control.ask(path, "POST", "/sync", query)
    except control.Refused as refused:
        if refused.absent:
            _service(list(control.ask(path, "GET", "/sync")["services"]), arguments.service)
        raise
    label, number = str(begun["service"]), str(begun["run"])
    while True:
        state = control.ask(path, "GET", "/sync")["services"].get(label, {})
        answer = _answer(state, number, "the daemon knows nothing of the run any more; its log has more")
        if answer is not None:
            return label, answer
        _show(bar, state["running"][number])
        time.sleep(PAUSE)


def _answer(state: Mapping[str, Any], number: str, lost: str) -> Answer | None:
    """
    What came of that run; None while it goes on.

    :raises PypidaemonError: it neither goes on nor is it known what came of it, so nobody may wait for that.
    """
    if number in state.get("ended", {}):
        answer: Answer = state["ended"][number]
        return answer
    if number not in state.get("running", {}):
        raise PypidaemonError(lost)
    return None


def _alone(planned: Plan, arguments: argparse.Namespace, bar: Progress) -> tuple[str, Answer]:
    services = [part for part in planned.parts.values() if part.section.kind == "service" and IMirroring.implementedBy(part.component)]
    label = _service([part.section.label for part in services], arguments.service)
    # What is written belongs to the daemon's own user alone (S87).
    os.umask(0o077)
    planned.data.parent.mkdir(parents=True, exist_ok=True)
    planned.data.mkdir(mode=0o700, exist_ok=True)
    with held(planned.data):
        return label, reacting(lambda reactor: _between(planned, label, arguments, bar, reactor))


async def _between(planned: Plan, label: str, arguments: argparse.Namespace, bar: Progress, reactor: Any) -> Answer:
    made = make(planned, reactor)
    service: Any = made.mirrorings()[label]
    running = OrderedService(_parts(made, reactor))
    running.startService()
    try:
        await weighed(made, reactor)
        return await _ended(service, service.begin(arguments.project, arguments.dry_run), bar, reactor)
    finally:
        await service.runs.stop()
        await running.stopService()


async def _ended(service: IMirroring, number: int, bar: Progress, clock: IReactorTime) -> Answer:
    """What came of that run, as soon as it has ended; until then it is shown how far it is."""
    while True:
        state = await service.state()
        answer = _answer(state, str(number), "the run ended before it could say what became of it")
        if answer is not None:
            return answer
        _show(bar, state["running"][str(number)])
        await first(service.over(number), pause(clock, PAUSE))


def _parts(made: Made, reactor: Any) -> Sequence[Any]:
    """All that a run needs, in the order of a daemon; the service itself would begin to live by its schedule."""
    return (
        *stores(made),
        rulemaking(made, reactor),
        *made.living("blobs"),
        made.given["lists"],
        made.given["spool"],
        *made.living("upstream", "policy", "index"),
    )


def lines(label: str, answer: Mapping[str, Any], plan_wanted: bool) -> Iterator[str]:
    """What came of a run, in lines for people."""
    for what, rows in (answer.get("plan") or {}).items():
        yield from (f"would {what} {row}" for row in rows)
        if len(rows) >= MOST_PLANNED:
            yield f"would {what} more than these {MOST_PLANNED}, which are not listed"
    if plan_wanted and answer.get("complete") and not answer.get("plan"):
        yield "nothing would be taken, and nothing removed"
    yield f"{label}: {answer.get('outcome', '')}"
    yield from (f"  {error}" for error in answer.get("errors", ())[1:])
    yield from (f"  {line}" for line in answer.get("unmet", ()))
    for file in answer.get("replaced", ()):
        yield f"  {file}: its bytes are lost here and upstream has replaced them, so it is offered no longer"
    if answer.get("absent"):
        yield f"  upstream does not have: {' '.join(answer['absent'])}"


def _show(bar: Progress, tally: Mapping[str, Any]) -> None:
    """Draw how far a run is; of one that has only begun nothing is known."""
    if tally:
        found, looked = tally.get("found", 0), tally.get("looked", 0)
        words = (f"{looked} of {plural(found, 'project')}", plural(tally.get("files", 0), "file"))
        bar.show(looked, found, *words, size=tally.get("bytes", 0))
