"""
Turns of the reactor at what the events in them need, instead of what Twisted does around each.

Twisted calls every reader and writer in a context of its own, in case something below it writes to the log by means that were superseded in 2016. That
is a dictionary, a stack of contexts and six calls for every request, a third of what a ready answer costs besides the system. A connection of plain TCP
that has something to read is read here without that, what a process of ours says and what a thread has done is looked at without that, and everything
else is done as ever. What is raised is logged, and the connection lost, as ever too.

Who asks for something goes first. A turn may have twenty downloads to hand on, and a page that is ready would wait for all of them: so connections that were
made to us are read before everything else that a turn has to do, and again among it (`LOOK`). What was found in the beginning is done in the same turn, and has
half of it at least: however many ask, they are not read again until other things have had as much time as the last reading took.

Of Twisted's epoll reactor this relies on: every wait is one call of `doIteration`, `_poller` and `_selectables` are what it waits for, `_doReadOrWrite`
calls what an event is for, and `_disconnectSelectable` ends it. Of its TCP transport: `doRead` reads `bufferSize` bytes of `socket` and gives them to
`protocol`, and who is aborted is not waited for any more. `tests/web/test_turns.py` notices when that changes.
"""

from __future__ import annotations

from collections.abc import Callable
from select import EPOLLIN
from time import monotonic
from typing import Any

from twisted.internet._signals import _UnixWaker
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.process import ProcessReader
from twisted.internet.tcp import Port, Server
from twisted.logger import Logger
from twisted.python import log

LOOK = 0.0005
"""Seconds of other things after which it is looked who asks for something by now."""

_INNER = frozenset({ProcessReader, _UnixWaker})
"""What brings word from our own processes and threads."""

_log = Logger(namespace="pypidaemon.web")


def quicken(reactor: Any) -> bool:
    """Have that reactor take such turns from now on, if it is one that is known to work as said above; whether it is."""
    known = bool(type(reactor) is EPollReactor)
    if known:
        reactor.doIteration = _turns_of(reactor)
    return known


def _turns_of(reactor: Any) -> Callable[[float | None], None]:
    def turn(timeout: float | None) -> None:
        others = asked(timeout)
        due = monotonic() + LOOK
        for descriptor, event in others:
            if (began := monotonic()) >= due:
                # What else there is by now waits for the next turn, of which the poller tells again.
                asked(0)
                now = monotonic()
                due = now + max(LOOK, now - began)
            one = reactor._selectables.get(descriptor)
            if type(one) in _INNER:
                reactor._doReadOrWrite(one, descriptor, event)
            elif one is not None:
                log.callWithLogger(one, reactor._doReadOrWrite, one, descriptor, event)

    def asked(timeout: float | None) -> list[tuple[int, int]]:
        """Wait until there is something, let in and read who asks, and answer all other events."""
        selectables = reactor._selectables
        others = []
        for found in reactor._poller.poll(timeout, len(selectables)):
            descriptor, event = found
            one = selectables.get(descriptor)
            if event == EPOLLIN and type(one) is Server:
                _read(reactor, one)
            elif type(one) is Port:
                log.callWithLogger(one, reactor._doReadOrWrite, one, descriptor, event)
            else:
                others.append(found)
        return others

    return turn


def _read(reactor: Any, one: Any) -> None:
    """What `doRead` does of a connection, and what the reactor does of what comes of that."""
    try:
        data = one.socket.recv(one.bufferSize)
    except BlockingIOError:
        return
    except OSError:
        reactor._disconnectSelectable(one, CONNECTION_LOST, True)
        return
    if not data:
        reactor._disconnectSelectable(one, CONNECTION_DONE, True)
        return
    try:
        one.protocol.dataReceived(data)
    except BaseException as wrong:  # noqa: BLE001  # as the reactor itself does
        _log.failure("Unhandled error")
        reactor._disconnectSelectable(one, wrong, True)
