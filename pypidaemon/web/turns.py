"""
Turns of the reactor at what the events in them need, instead of what Twisted does around each.

Twisted calls every reader and writer in a context of its own, in case something below it writes to the log by means that were superseded in 2016. That
is a dictionary, a stack of contexts and six calls for every request, a third of what a ready answer costs besides the system. A connection of plain TCP
that has something to read is read here without that, and everything else is done as ever. What is raised is logged, and the connection lost, as ever too.

Of Twisted's epoll reactor this relies on: every wait is one call of `doIteration`, `_poller` and `_selectables` are what it waits for, `_doReadOrWrite`
calls what an event is for, and `_disconnectSelectable` ends it. Of its TCP transport: `doRead` reads `bufferSize` bytes of `socket` and gives them to
`protocol`, and who is aborted is not waited for any more. `tests/web/test_turns.py` notices when that changes.
"""

from __future__ import annotations

from collections.abc import Callable
from select import EPOLLIN
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.tcp import Server
from twisted.logger import Logger
from twisted.python import log

_log = Logger(namespace="pypidaemon.web")


def quicken(reactor: Any) -> bool:
    """Have that reactor take such turns from now on, if it is one that is known to work as said above; whether it is."""
    known = bool(type(reactor) is EPollReactor)
    if known:
        reactor.doIteration = _turns_of(reactor)
    return known


def _turns_of(reactor: Any) -> Callable[[float | None], None]:
    def turn(timeout: float | None) -> None:
        selectables = reactor._selectables
        for descriptor, event in reactor._poller.poll(timeout, len(selectables)):
            one = selectables.get(descriptor)
            if event != EPOLLIN or type(one) is not Server:
                if one is not None:
                    log.callWithLogger(one, reactor._doReadOrWrite, one, descriptor, event)
                continue
            try:
                data = one.socket.recv(one.bufferSize)
            except BlockingIOError:
                continue
            except OSError:
                reactor._disconnectSelectable(one, CONNECTION_LOST, True)
                continue
            if not data:
                reactor._disconnectSelectable(one, CONNECTION_DONE, True)
                continue
            try:
                one.protocol.dataReceived(data)
            except BaseException as wrong:  # noqa: BLE001  # as the reactor itself does
                _log.failure("Unhandled error")
                reactor._disconnectSelectable(one, wrong, True)

    return turn
