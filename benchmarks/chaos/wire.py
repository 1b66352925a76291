"""A TCP proxy that does to connections what networks do to them."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any

import attrs

PIECE = 1 << 14


@attrs.frozen
class Toxics:
    """
    What is done to the bytes that come from the server. Times in seconds, amounts in bytes.

    `latency` before each piece; `bandwidth` at most in a second; `slicer` is the size of pieces that are sent one by one; `slow_close` before the
    end is passed on; `timeout` after which a connection on which nothing passes is closed; `reset` and `limit_data` are the least and the most
    bytes after which, at random, a connection is reset or closed; `black_hole` lets nothing through in either direction. Only `share` of the
    connections are touched.
    """

    latency: float = 0.0
    bandwidth: int | None = None
    slicer: int | None = None
    slow_close: float = 0.0
    timeout: float | None = None
    reset: tuple[int, int] | None = None
    limit_data: tuple[int, int] | None = None
    black_hole: bool = False
    share: float = 1.0

    def stops(self) -> bool:
        """Whether nothing passes."""
        return self.black_hole or self.timeout is not None


NONE = Toxics()


class Wire:
    """
    A port that leads to another one. It works in a thread of its own, and every method may be called from any other.

    :param target: the port that connections are passed on to, on the loopback interface.
    :param chance: decides which connections are touched, and where they break.
    :param tls: speaks TLS to clients where given, and plainly to the target.
    """

    def __init__(self, target: int, chance: random.Random, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.chance = chance
        self.tls = tls
        self.toxics = NONE
        self._moved: dict[asyncio.Task[None], float] = {}
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listening.setblocking(False)
        self.port: int = self.listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._fillers: list[socket.socket] = []
        self._thread.start()
        self._run(self._open())

    def refuse(self) -> None:
        """Refuse connections, and reset those there are."""
        self._run(self._close())

    def swallow(self) -> None:
        """Have the system drop every attempt to connect, by a queue that is full and that nobody takes from; and reset those there are."""
        self._run(self._fill())

    def accept(self) -> None:
        """Accept connections again."""
        self._run(self._close())
        self._run(self._open())

    def busy(self, seconds: float) -> int:
        """How many connections brought bytes from the server in the last so many seconds."""
        return sum(time.monotonic() - moved < seconds for moved in list(self._moved.values()))

    def cut(self) -> None:
        """Reset the connections there are."""
        self._run(self._cut())

    def end(self) -> None:
        """Stop for good."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        if self.listening.fileno() == -1:
            self.listening = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self.listening.setblocking(False)
        self._accepting = self._loop.create_task(self._accept())

    async def _cut(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pause(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting
            self._accepting = None
        await self._cut()

    async def _close(self) -> None:
        await self._pause()
        self.listening.close()
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()

    async def _fill(self) -> None:
        await self._pause()
        self.listening.listen(0)
        while True:
            filler = socket.socket()
            filler.setblocking(False)
            self._fillers.append(filler)
            try:
                await asyncio.wait_for(self._loop.sock_connect(filler, ("127.0.0.1", self.port)), 0.1)
            except TimeoutError:
                return

    async def _accept(self) -> None:
        while True:
            connection, _ = await self._loop.sock_accept(self.listening)
            task = self._loop.create_task(self._serve(connection))
            self._connections.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._moved.pop(task, None)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls is not None and self.toxics.stops():
                await asyncio.sleep(3600)
            reader = asyncio.StreamReader(limit=PIECE)
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self.tls)
            near = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            if self.toxics.timeout is not None:
                await asyncio.sleep(self.toxics.timeout)
                near.close()
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)
        except (OSError, ssl.SSLError):
            connection.close()
            return
        except asyncio.CancelledError:
            _reset(connection)
            connection.close()
            raise
        upwards = self._loop.create_task(_quietly(self._upwards(reader, far)))
        try:
            await _quietly(self._downwards(far_reader, near))
        except asyncio.CancelledError:
            _reset(near.get_extra_info("socket"))
            near.transport.abort()
            raise
        finally:
            upwards.cancel()
            near.close()
            far.close()

    async def _upwards(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        while piece := await near.read(PIECE):
            while self.toxics.stops():
                await asyncio.sleep(0.05)
            far.write(piece)
            await far.drain()

    async def _downwards(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        toxics: Toxics | None = None
        applied, passed, limit = NONE, 0, None
        task = asyncio.current_task()
        assert task is not None
        while piece := await far.read(PIECE):
            self._moved[task] = time.monotonic()
            if toxics is not self.toxics:
                toxics, passed = self.toxics, 0
                applied = toxics if self.chance.random() < toxics.share else NONE
                limits = applied.reset or applied.limit_data
                limit = None if limits is None else self.chance.randint(*limits)
            if limit is not None and passed + len(piece) >= limit:
                near.write(piece[: limit - passed])
                await near.drain()
                if applied.reset:
                    # A reset overtakes what was sent just before it, so that is given time to arrive.
                    await asyncio.sleep(0.02)
                    _reset(near.get_extra_info("socket"))
                    near.transport.abort()
                return
            passed += len(piece)
            await self._pass(piece, near, applied)
        await asyncio.sleep(applied.slow_close)

    async def _pass(self, data: bytes, near: asyncio.StreamWriter, toxics: Toxics) -> None:
        if toxics.timeout is not None:
            await asyncio.sleep(toxics.timeout)
            raise ConnectionAbortedError("nothing passed")
        while toxics.black_hole and self.toxics is toxics:
            await asyncio.sleep(0.05)
        size = toxics.slicer or (PIECE if toxics.bandwidth is None else max(toxics.bandwidth // 20, 1))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await asyncio.sleep(toxics.latency + (0.0 if toxics.bandwidth is None else len(piece) / toxics.bandwidth))
            near.write(piece)
            await near.drain()


def _reset(connection: socket.socket | None) -> None:
    """Have the system reset the connection when it is closed."""
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        await work
