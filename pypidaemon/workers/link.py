"""
What keeper and front say to each other by: messages of a word, plain values and bytes, with open files beside them, over a pair of Unix sockets.

The sockets keep messages apart and in order (SOCK_SEQPACKET), and a file comes with its message or not at all. Each side believes the other: both are
this daemon, and who could make one of them say something could as well do it.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import orjson
from twisted.internet.interfaces import IReactorFDSet, IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

LARGEST = 384 << 10
"""Bytes of a message: the largest answer that a front is given, its head, and what goes with it."""
ROOM = 1 << 20
"""Bytes that may be under way, where the system gives so much."""
AT_ONCE = 64
"""Messages that are taken in one turn of the reactor."""
_DESCRIPTORS = 4
_OWN = 64
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})
"""What the system says when there is no room just now, or too many open files are under way."""

Heard = Callable[[str, list[Any], bytes, list[int]], None]
"""Takes a word, its values, its bytes and its open files, which it has to close."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends, with as much room between them as the system gives."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    return ends


class TooLarge(Exception):
    """The system takes no message of that size."""


@implementer(IReadWriteDescriptor)
@attrs.define(eq=False)
class Link:
    """
    One end.

    :param heard: called with each message, in their order.
    :param lost: called once, when the other side is gone.
    """

    reactor: IReactorFDSet
    end: socket.socket
    heard: Heard
    lost: Callable[[], None]
    _waiting: deque[tuple[bytes, list[int]]] = attrs.field(factory=deque, init=False, repr=False)
    _buffer: memoryview = attrs.field(factory=lambda: memoryview(bytearray(LARGEST)), init=False, repr=False)
    _open: bool = attrs.field(default=True, init=False)
    _largest: int = attrs.field(init=False, repr=False)
    _log = Logger(namespace="pypidaemon")

    def __attrs_post_init__(self) -> None:
        # The system takes no message that is larger than all its room, less what it needs itself.
        self._largest = min(LARGEST, self.end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - _OWN)

    def begin(self) -> None:
        """Hear from now on."""
        self.reactor.addReader(self)

    @property
    def waiting(self) -> int:
        """Messages that the other side has no room for yet."""
        return len(self._waiting)

    def say(self, word: str, facts: Sequence[Any] = (), data: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """
        Send a message, now or when there is room for it. The open files stay the caller's, who may close them at once.

        :raises TooLarge: it is; nothing was sent.
        """
        if not self._open:
            return
        message = orjson.dumps([word, *facts]) + b"\n" + data
        if len(message) > self._largest:
            raise TooLarge
        if not self._waiting and self._sent(message, descriptors):
            return
        self._waiting.append((message, [os.dup(one) for one in descriptors]))
        self.reactor.addWriter(self)

    def _sent(self, message: bytes, descriptors: Sequence[int]) -> bool:
        try:
            socket.send_fds(self.end, [message], list(descriptors))
        except OSError as error:
            # Else nobody is there any more, as the reactor finds out.
            return error.errno not in _FULL
        return True

    def doRead(self) -> None:
        """Take what is there."""
        for _ in range(AT_ONCE):
            if not self._open:
                return
            try:
                count, descriptors = self._taken()
            except BlockingIOError:
                return
            except OSError:
                count, descriptors = 0, []
            if not count:
                self._lose()
                return
            message = bytes(self._buffer[:count])
            facts, _, data = message.partition(b"\n")
            word, *others = orjson.loads(facts)
            try:
                self.heard(word, others, data, descriptors)
            except Exception:  # noqa: BLE001  # one connection is in trouble, and the others are to go on
                self._log.failure("what another process said could not be done: {word}", word=word)

    def _taken(self) -> tuple[int, list[int]]:
        ancillary = socket.CMSG_LEN(_DESCRIPTORS * 4)
        count, beside, _, _ = self.end.recvmsg_into([self._buffer], ancillary, socket.MSG_CMSG_CLOEXEC)
        found: list[int] = []
        for level, kind, data in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found += memoryview(data[: len(data) - len(data) % 4]).cast("i").tolist()
        return count, found

    def doWrite(self) -> None:
        """Send what waited."""
        while self._waiting:
            message, descriptors = self._waiting[0]
            if not self._sent(message, descriptors):
                return
            self._waiting.popleft()
            _close(descriptors)
        self.reactor.removeWriter(self)

    def end_it(self) -> None:
        """Say and hear nothing any more. `lost` is not called."""
        if not self._open:
            return
        self._open = False
        self.reactor.removeReader(self)
        self.reactor.removeWriter(self)
        for _, descriptors in self._waiting:
            _close(descriptors)
        self._waiting.clear()
        self.end.close()

    def _lose(self) -> None:
        self.end_it()
        self.lost()

    def fileno(self) -> int:
        """As a file."""
        return self.end.fileno()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has no use for this any more."""
        if self._open:
            self._lose()

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "workers"


def _close(descriptors: Sequence[int]) -> None:
    for one in descriptors:
        os.close(one)
