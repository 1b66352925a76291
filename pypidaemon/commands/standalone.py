"""Work on the stores without a daemon: made as the daemon makes them, started, worked on and stopped."""

from __future__ import annotations

import contextlib
import gc
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from pypidaemon.assembly import Made, Plan, make, plan, stores
from pypidaemon.blueprints import data_folder
from pypidaemon.commands.control import NotRunning
from pypidaemon.errors import PypidaemonError
from pypidaemon.services.lock import held
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.sockets import CONTROL

T = TypeVar("T")


def daemon_or_alone(file: str, ask: Callable[[Path], T], otherwise: Callable[[Plan], T]) -> T:
    """
    Have the running daemon do it, or do it without one where none runs.

    Where a daemon runs, the data folder is all that is read of the configuration: an order to block something must not fail because a file that the
    configuration names is half written, or gone, since the daemon was started.

    :param ask: takes the control socket.
    :param otherwise: takes the whole plan.
    :raises ConfigError: the file names no data folder, or no daemon runs and the configuration cannot be used.
    :raises PypidaemonError: either of them raised it, or what is there belongs to another user than to us.
    """
    try:
        return ask(data_folder(file) / CONTROL)
    except NotRunning:
        pass
    planned = plan(file)
    insist_on_our_own(planned.data)
    return otherwise(planned)


def insist_on_our_own(data: Path) -> None:
    """
    Insist that the records are not another user's while we are root: what is written would be root's then, and that user's daemon could not even start.

    :raises PypidaemonError: they are; whose they are, and how to do it as that user.
    """
    if os.geteuid() != 0:
        return
    records = [path for path in (data / "records.sqlite", data / "records.chronicle") if os.path.lexists(path)]
    # Where nothing was written yet, the folder may have been made for somebody.
    for path in records or [data]:
        with contextlib.suppress(OSError):
            owner = path.lstat().st_uid
            if owner != 0:
                who = named_user(owner)
                raise PypidaemonError(
                    f"{data} belongs to the user {who}, whose daemon could not use what root writes there: say it as {who}"
                )


def named_user(number: int) -> str:
    """The name of that user; the number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def alone(planned: Plan, work: Callable[[Made, Any], Awaitable[T]], *kinds: str) -> T:
    """
    Do this work, which only reads, with the plan's records running, and besides only what is named; answer what it answers.

    :param work: takes what was made and the reactor.
    :param kinds: kinds of sections whose parts run too, and `inspector`, which looks into archives.
    :raises PypidaemonError: the work raised it, the records cannot be used, or it was interrupted.
    """
    return reacting(lambda reactor: _between(planned, work, kinds, reactor))


def alone_writing(planned: Plan, work: Callable[[Made, Any], Awaitable[T]], *kinds: str) -> T:
    """
    As `alone`, with the lock of the data folder, which must be there: a daemon that runs would not see what is written.

    :raises PypidaemonError: as `alone`, or a daemon has the lock.
    """
    with held(planned.data):
        return alone(planned, work, *kinds)


def reacting(work: Callable[[Any], Awaitable[T]]) -> T:
    """
    Do this work while the reactor runs, which can be once in a process; answer what it answers.

    :param work: takes the reactor.
    :raises PypidaemonError: the work raised it, or it was interrupted.
    :raises ReactorNotRestartable: it has run before in this process, and nothing was begun.
    """
    from twisted.internet import task
    from twisted.internet.defer import CancelledError, Deferred

    results: list[T] = []
    failures: list[Exception] = []

    async def run(reactor: Any) -> None:
        begun: Deferred[None] = Deferred()
        ended: Deferred[None] = Deferred()
        reactor.callWhenRunning(begun.callback, None)

        async def whole() -> T:
            # Not before: where the reactor runs no more, the threads of what had begun would keep the process for ever.
            await begun
            return await work(reactor)

        working = Deferred.fromCoroutine(whole())

        def interrupt() -> Deferred[None]:
            # Without being told the work would never come to put away what it uses, and its threads would keep the process.
            working.cancel()
            return ended

        reactor.addSystemEventTrigger("before", "shutdown", interrupt)
        try:
            results.append(await working)
        except CancelledError:
            pass
        except Exception as error:  # noqa: BLE001  # it is raised again below, past `react`, which would only print it
            failures.append(error)
        ended.callback(None)

    # Nothing that is here by now ever goes.
    gc.freeze()
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
