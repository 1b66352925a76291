"""Work on the stores without a daemon: made as the daemon makes them, started, worked on and stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pypidaemon.assembly import Made, Plan, make, stores
from pypidaemon.errors import PypidaemonError
from pypidaemon.services.ordered import OrderedService

T = TypeVar("T")


def alone(planned: Plan, work: Callable[[Made, Any], Awaitable[T]], *kinds: str) -> T:
    """
    Do this work with the plan's records running, and besides only what is named; answer what it answers.

    :param work: takes what was made and the reactor.
    :param kinds: kinds of sections whose parts run too, and `inspector`, which looks into archives.
    :raises PypidaemonError: the work raised it, the records cannot be used, or it was interrupted.
    """
    return reacting(lambda reactor: _between(planned, work, kinds, reactor))


def reacting(work: Callable[[Any], Awaitable[T]]) -> T:
    """
    Do this work while the reactor runs, which can be once in a process; answer what it answers.

    :param work: takes the reactor.
    :raises PypidaemonError: the work raised it, or it was interrupted.
    """
    from twisted.internet import task

    results: list[T] = []
    failures: list[Exception] = []

    async def run(reactor: Any) -> None:
        try:
            results.append(await work(reactor))
        except Exception as error:  # noqa: BLE001  # it is raised again below, past `react`, which would only print it
            failures.append(error)

    # `react` always ends by leaving the process; what came of the work is in the lists.
    with contextlib.suppress(SystemExit):
        task.react(run)
    if failures:
        raise failures[0]
    if not results:
        raise PypidaemonError("interrupted before everything was done")
    return results[0]


async def _between(planned: Plan, work: Callable[[Made, Any], Awaitable[T]], kinds: tuple[str, ...], reactor: Any) -> T:
    made = make(planned, reactor)
    inspector = [made.given["inspector"]] if "inspector" in kinds else []
    running = OrderedService((*stores(made), *made.living(*kinds), *inspector))
    running.startService()
    try:
        return await work(made, reactor)
    finally:
        await running.stopService()
