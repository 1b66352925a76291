"""What a hundred slow uploads and a hundred slow downloads may make us hold (F82)."""

from __future__ import annotations

from typing import Any

from pypidaemon.pace import PIECE
from pypidaemon.waits import Bell
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply, Stream
from tests.web.wire import Client, Seen, Trickle, get

MANY = 100
READ = 64 * 1024
"""What a transport reads at once."""


class Slow:
    """Takes nothing before it is told to."""

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.taken = 0

    async def write(self, data: bytes) -> None:
        await self.bell.wait()
        self.taken += len(data)

    async def finish(self) -> Reply:
        return Reply(200)

    def drop(self) -> None:
        pass


def pushed(client: Client, most: int) -> int:
    """How many bytes of a body a client gets rid of before it is not read from any more."""
    sent = 0
    while client.wire.reading and sent < most:
        client.channel.dataReceived(bytes(READ))
        sent += READ
    return sent


def test_F82_a_hundred_uploads_that_are_taken_slowly_wait_with_their_clients() -> None:
    """A piece or two of each is here, whatever is to come, and not one byte more however long it takes."""
    bell = Bell()
    slow: list[Slow] = []

    async def receiver(ask: Ask) -> Any:
        slow.append(Slow(bell))
        return slow[-1]

    seen = Seen(receive=lambda ask: receiver(ask) if ask.method == "POST" else None, room=lambda *_: 1 << 40)
    clients = [seen.client() for _ in range(MANY)]
    for client in clients:
        client.say(get("/", f"Content-Length: {1 << 30}", method="POST"))
    held = [pushed(client, 64 * PIECE) for client in clients]
    assert max(held) <= 2 * PIECE + 2 * READ
    assert sum(held) < 64 << 20
    for _ in range(3):
        bell.ring()
        more = [pushed(client, 64 * PIECE) for client in clients]
        assert max(more) <= 2 * PIECE + 2 * READ
    assert sum(held) + 3 * MANY * (2 * PIECE + 2 * READ) > sum(one.taken for one in slow) > 0
    for client in clients:
        client.hang_up()


def test_F82_a_hundred_downloads_that_are_read_slowly_are_not_read_ahead() -> None:
    """No more than a piece beyond what made us stop lies here for each."""

    async def handler(ask: Ask) -> Reply:
        return Reply(200, stream=Stream(Trickle(*[bytes(PIECE)] * 8), 0, 8 * PIECE))

    seen = Seen(handler=handler)
    clients = [seen.client() for _ in range(MANY)]
    for client in clients:
        client.wire.stalled = True
        client.channel.dataReceived(get())
    held = [len(client.wire.out) for client in clients]
    assert max(held) <= 2 * PIECE + 1024
    seen.clock.advance(60)
    assert all(client.wire.aborted for client in clients), "they have had their time"
    for client in clients:
        client.hang_up()
    assert not seen.clock.getDelayedCalls()
