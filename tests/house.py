"""A whole daemon in memory, without a reactor: a proxy over a fake upstream, behind the real routes."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.indexes.proxy import Proxy
from pypidaemon.interfaces import IIndex
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.spool import Spool
from pypidaemon.web.ask import Ask, Headers
from pypidaemon.web.door import Door, build
from pypidaemon.web.reply import Reply
from tests.fakes import FakeUpstream
from tests.gear import inline, now

NOON = 1_780_000_000.0


@attrs.define
class House:
    """The parts, for tests to look into."""

    reserved: tuple[str, ...] = ()
    clock: Clock = attrs.field(factory=Clock)
    upstream: FakeUpstream = attrs.field(factory=FakeUpstream)
    announcements: Announcements = attrs.field(factory=Announcements)
    blobs: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    records: MemoryRecords = attrs.field(init=False)
    spool: Spool = attrs.field(init=False)
    proxy: Proxy = attrs.field(init=False)
    door: Door = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        self.records = MemoryRecords(label="records", clock=self.clock)
        self.spool = Spool(self.blobs, self.clock)
        self.proxy = self.new_proxy("pypi")
        self.open({"pypi": self.proxy}, "pypi")

    def new_proxy(self, label: str, upstream: FakeUpstream | None = None) -> Proxy:
        """Another proxy in this house."""
        return Proxy(
            label=label,
            upstream=upstream or self.upstream,
            records=self.records,
            blobs=self.blobs,
            spool=self.spool,
            clock=self.clock,
            cpu=inline,
            disk=inline,
            reserved=self.reserved,
            announcements=self.announcements,
        )

    def open(self, indexes: dict[str, IIndex], default: str) -> None:
        """Put the door before these indexes."""
        self.door = build(
            indexes=indexes,
            default=default,
            upstreams={self.upstream.label: self.upstream},
            records=self.records,
            spool=self.spool,
            lists=MemoryBlobs(),
            announcements=self.announcements,
            clock=self.clock,
            cpu=inline,
            public_url=None,
            local_url="http://127.0.0.1:3141/",
            random=lambda count: b"\x07" * count,
        )

    def restart(self) -> None:
        """A new daemon over the same stores: nothing that was in memory alone is left."""
        self.announcements = Announcements()
        self.spool = Spool(self.blobs, self.clock)
        self.proxy = self.new_proxy("pypi")
        self.open({"pypi": self.proxy}, "pypi")

    def ask(self, path: str, method: str = "GET", **headers: str) -> Ask:
        """A request; a header's `_` stands for `-`."""
        path, _, query = path.partition("?")
        pairs = tuple(tuple(one.split("=", 1)) for one in query.split("&") if "=" in one)
        given = Headers(tuple((name.replace("_", "-"), value) for name, value in headers.items()))
        return Ask(method, tuple(path[1:].split("/")), pairs, given, "127.0.0.1", "127.0.0.1:3141", id="0" * 16)  # type: ignore[arg-type]

    def get(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """What the door answers: the ready answer where there is one. Errors are raised as they are."""
        ask = self.ask(path, method, **headers)
        return self.door.routes.quick(ask) or now(self.door.routes.handle(ask))

    def body(self, reply: Reply) -> bytes:
        """The whole body, streamed or not."""
        if reply.stream is None:
            return reply.body
        content, offset, length = reply.stream.content, reply.stream.offset, reply.stream.length
        assert length is not None
        pieces = []
        while length > 0 and (piece := now(content.read(offset, min(length, 1 << 16)))):
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        reply.close()
        return b"".join(pieces)


def header(reply: Reply, name: str) -> str | None:
    """The value of that header, None where it is missing; a header there twice fails the test."""
    found = [value for key, value in reply.headers if key.lower() == name.lower()]
    assert len(found) < 2, found
    return found[0] if found else None
