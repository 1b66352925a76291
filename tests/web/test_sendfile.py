"""Files sent by the system itself, over real sockets: every byte, in either way of sending, whatever clients and disks do meanwhile."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import CorruptContent, UpstreamUnavailable
from pypidaemon.files import Files
from pypidaemon.interfaces import IBody
from pypidaemon.model import Digest
from pypidaemon.pace import PIECE, Held
from pypidaemon.transfers import TAIL, Reader, Transfer, Want
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply, Stream
from pypidaemon.web.sendfile import TURN, Kernel
from pypidaemon.web.site import DoorSite
from pypidaemon.web.skin import Skin, nothing_ready
from tests.contracts.blob_store import put
from tests.gear import inline, now
from tests.web.sockets import TURNS, Plug, Turning, unplug
from tests.web.wire import answers, get


async def nobody(offset: int) -> IBody:
    """A source that is never asked."""
    raise AssertionError


DATA = os.urandom(1 << 16) * 50 + b"the end"
"""More than a socket takes at once."""


@attrs.define(eq=False)
class Counting(Kernel):
    """The system's calls, counted; and what is to become of them."""

    sent: list[tuple[int, int]] = attrs.field(factory=list)
    most: int = 1 << 40
    fail: Exception | None = None
    fails_at: int = 1 << 40
    cold: set[int] = attrs.field(factory=set)
    """Offsets, in pieces, of what is on the disk alone."""

    def send(self, socket: int, file: int, offset: int, count: int) -> int:
        if self.fail is not None and offset + count > self.fails_at:
            if offset >= self.fails_at:
                raise self.fail
            count = self.fails_at - offset
        sent = super().send(socket, file, offset, min(count, self.most))
        self.sent.append((offset, sent))
        return sent

    def ready(self, file: int, offset: int, count: int) -> int:
        if offset // PIECE in self.cold:
            self.cold.discard(offset // PIECE)
            return 0
        return super().ready(file, offset, count)


@attrs.define(eq=False)
class Scene:
    """A site whose every answer is a stream of one blob, or of what is put in its place."""

    store: DirectoryBlobs
    data: bytes = DATA
    kernel: Counting = attrs.field(factory=Counting)
    span: tuple[int, int] | None = None
    content: Any = None
    opened: list[Any] = attrs.field(factory=list)
    reactor: Turning = attrs.field(factory=Turning)
    ends: list[tuple[int, int]] = attrs.field(factory=list)
    digest: Digest = attrs.field(init=False)
    site: DoorSite = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.digest = now(put(self.store, self.data))
        skin = Skin(self.handle, nothing_ready, self.reactor, bytes, self.observe, kernel=self.kernel)
        self.site = DoorSite(skin, self.reactor)

    async def handle(self, ask: Ask) -> Reply:
        content = self.content or await self.store.open(self.digest)
        self.opened.append(content)
        offset, length = self.span or (0, len(self.data))
        return Reply(200, stream=Stream(content, offset, length))

    def observe(self, ask: Ask, status: int, sent: int, seconds: float) -> None:
        self.ends.append((status, sent))

    def plug(self, buffers: int = 0) -> Plug:
        return Plug(self.site.buildProtocol(None), self.reactor, buffers)


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is logged of transfers that broke off, while the block lasts."""
    found: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if "broke off" in str(event.get("log_format")):
            found.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        yield found
    finally:
        globalLogPublisher.removeObserver(observe)


@implementer(IOpenSSLServerConnectionCreator)
class Keys:
    """A key and a certificate of its own."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "index.example")])
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(2026, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
        self.context = SSL.Context(SSL.TLS_METHOD)
        self.context.use_privatekey(key)
        self.context.use_certificate(made.sign(key, SHA256()))

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return SSL.Connection(self.context)


@attrs.define(eq=False)
class TlsClient:
    """A client's end of TLS over a plug."""

    plug: Plug
    incoming: ssl.MemoryBIO = attrs.field(factory=ssl.MemoryBIO)
    outgoing: ssl.MemoryBIO = attrs.field(factory=ssl.MemoryBIO)
    line: ssl.SSLObject = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.line = context.wrap_bio(self.incoming, self.outgoing)

    def ask(self, data: bytes, done: Callable[[bytearray], bool]) -> bytes:
        """Shake hands, say that, and hear until it is enough."""
        heard, said = bytearray(), False
        for _ in range(TURNS):
            try:
                if not said:
                    self.line.do_handshake()
                    self.line.write(data)
                    said = True
                while True:
                    heard += self.line.read(1 << 16)
            except ssl.SSLWantReadError:
                pass
            if done(heard):
                break
            if self.outgoing.pending:
                self.plug.socket.sendall(self.outgoing.read())
            self.plug.reactor.turn()
            self.incoming.write(self.plug.take())
        return bytes(heard)


@pytest.fixture(autouse=True)
def unplugged() -> Iterator[None]:
    """No socket is left open, whatever comes of the test."""
    yield
    unplug()


@pytest.fixture
def store(tmp_path: Path) -> DirectoryBlobs:
    return new_store(tmp_path)


def new_store(folder: Path) -> DirectoryBlobs:
    store = DirectoryBlobs(folder / "blobs", "blobs", inline)
    store.startService()
    return store


def whole(heard: bytearray) -> bool:
    """Whether one answer is there."""
    head, blank, _ = bytes(heard[:4096]).partition(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0)
    return bool(blank) and len(heard) >= len(head) + 4 + length


def body(heard: bytes) -> bytes:
    """What came behind a head."""
    return heard.partition(b"\r\n\r\n")[2]


def test_a_stored_file_is_sent_by_the_system(store: DirectoryBlobs) -> None:
    """In turns, to the byte; what it came to is known to observers, and the content is closed."""
    scene = Scene(store)
    client = scene.plug()
    client.say(get())
    (answer,) = answers(client.hear(whole))
    assert answer.body == DATA
    assert sum(count for _, count in scene.kernel.sent) == len(DATA)
    assert max(count for _, count in scene.kernel.sent) <= TURN
    assert scene.ends == [(200, len(DATA))]
    assert scene.opened[0].descriptor() is None
    client.close()


def test_one_call_is_made_for_each_turn_of_the_reactor(store: DirectoryBlobs) -> None:
    """So that others have theirs, however fast the client takes it."""
    scene = Scene(store, kernel=Counting(most=1000))
    client = scene.plug()
    client.say(get())
    for calls in range(2, 20):
        client.take()
        scene.reactor.turn()
        assert len(scene.kernel.sent) == calls
    client.close()


def test_the_connection_goes_on_with_the_requests_behind_it(store: DirectoryBlobs) -> None:
    """Those that were sent before the answer was there, too; the channel has its transport back."""
    scene = Scene(store)
    client = scene.plug()
    client.say(get("/a") + get("/b"))
    heard = client.hear(lambda heard: heard.count(b"the end") == 2)
    assert [answer.body for answer in answers(heard)] == [DATA, DATA]
    client.say(get("/c", "Connection: close"))
    (answer,) = answers(client.hear())
    assert answer.body == DATA
    assert answer.one("connection") == "close"
    assert scene.ends == [(200, len(DATA))] * 3
    assert not scene.site.connections
    client.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(DATA)), st.integers(1, 400_000), st.integers(1000, 300_000))
def test_R90_parts_are_the_same_bytes_on_either_way(offset: int, length: int, most: int) -> None:
    """Sent by the system, in any steps, or read here and written."""
    length = min(length, len(DATA) - offset)
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(new_store(Path(folder)), kernel=Counting(most=most), span=(offset, length))
        by_system = scene.plug()
        by_system.say(get())
        assert body(by_system.hear(whole)) == DATA[offset : offset + length]
        assert bool(scene.kernel.sent) == bool(length)
        scene.content = Held(DATA)
        scene.kernel.sent.clear()
        read = scene.plug()
        read.say(get())
        assert body(read.hear(whole)) == DATA[offset : offset + length]
        assert not scene.kernel.sent
        by_system.close()
        read.close()


def test_S57_a_client_that_takes_nothing_is_dropped(store: DirectoryBlobs) -> None:
    """After `Limits.stall` without a byte; one that takes a little within each goes on."""
    scene = Scene(store)
    client = scene.plug(buffers=8192)
    client.say(get())
    heard = 0
    for _ in range(5):
        scene.reactor.advance(scene.site.limits.stall - 1)
        before = len(scene.kernel.sent)
        heard += len(client.take())
        client.until(lambda: len(scene.kernel.sent) > before)  # noqa: B023  # called here and now
    assert not scene.ends
    scene.reactor.advance(scene.site.limits.stall)
    client.until(lambda: bool(scene.ends))
    ((status, sent),) = scene.ends
    assert status == 200
    assert heard < sent < len(DATA)
    assert scene.opened[0].descriptor() is None
    assert not scene.reactor.getDelayedCalls()
    client.close()


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_ends_it(store: DirectoryBlobs, reset: bool) -> None:
    """Without a word in the log; the file is closed, and nothing is left of the connection."""
    scene = Scene(store)
    client = scene.plug(buffers=8192)
    client.say(get())
    if reset:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    client.until(lambda: bool(scene.ends))
    assert scene.ends[0][1] < len(DATA)
    assert scene.opened[0].descriptor() is None
    client.until(lambda: not scene.site.connections)
    assert not scene.reactor.getDelayedCalls()


def test_F60_a_disk_that_fails_on_the_way_drops_the_connection_short(store: DirectoryBlobs) -> None:
    """So nobody takes the part for the whole (R221), and the log has one line of it."""
    scene = Scene(store, kernel=Counting(fail=OSError(errno.EIO, os.strerror(errno.EIO)), fails_at=100_000))
    client = scene.plug()
    client.say(get())
    with logged() as events:
        heard = client.hear()
    assert body(heard) == DATA[: len(body(heard))]
    assert len(body(heard)) <= 100_000
    assert scene.ends == [(200, 100_000)]
    assert [formatEvent(event) for event in events] == [
        "request 0000000000000000 broke off after 100000 bytes: this machine has trouble: Input/output error"
    ]
    client.close()


def test_F60_a_disk_that_fails_at_once_is_told_by_a_status(store: DirectoryBlobs) -> None:
    """What lies on the disk alone is read before any head goes out."""

    class Failing(Files):
        def read(self, descriptor: int, limit: int, offset: int) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    scene = Scene(store, kernel=Counting(cold={0}))
    store.files = Failing()
    client = scene.plug()
    client.say(get())
    (answer,) = answers(client.hear(whole))
    assert answer.status == 503
    client.close()


def test_what_lies_on_the_disk_alone_is_read_on_a_thread_first(store: DirectoryBlobs) -> None:
    """The reactor waits for no disk: each such piece is read, and only then sent."""
    scene = Scene(store, kernel=Counting(cold={0, 3, 4, 9}))
    reads: list[tuple[int, int]] = []

    class Watched(Files):
        def read(self, descriptor: int, limit: int, offset: int) -> bytes:
            reads.append((offset // PIECE, limit))
            return super().read(descriptor, limit, offset)

    store.files = Watched()
    client = scene.plug()
    client.say(get())
    assert body(client.hear(whole)) == DATA
    assert reads[0][0] == 0
    assert all(limit <= PIECE for _, limit in reads)
    client.close()


def test_a_file_that_is_removed_while_it_is_sent_is_sent(store: DirectoryBlobs) -> None:
    """It was opened, so its bytes are there until they are sent."""
    scene = Scene(store)
    client = scene.plug(buffers=8192)
    client.say(get())
    now(store.remove(scene.digest))
    assert body(client.hear(whole)) == DATA
    client.close()


def test_a_file_that_was_cut_short_is_not_taken_for_whole(store: DirectoryBlobs) -> None:
    """Whoever waits for the rest is told, by the end of the connection."""
    scene = Scene(store)
    client = scene.plug(buffers=8192)
    client.say(get())
    os.truncate(scene.opened[0].path, 1_500_000)
    with logged() as events:
        heard = client.hear()
    assert body(heard) == DATA[: len(body(heard))]
    assert len(body(heard)) < len(DATA)
    assert "the content ended at 1500000 bytes" in formatEvent(events[0])
    client.close()


def test_a_file_that_the_system_cannot_send_is_read(store: DirectoryBlobs) -> None:
    """As some of those that lie on other machines."""
    scene = Scene(store, kernel=Counting(fail=OSError(errno.EINVAL, os.strerror(errno.EINVAL)), fails_at=0))
    client = scene.plug()
    client.say(get())
    assert body(client.hear(whole)) == DATA
    assert scene.ends == [(200, len(DATA))]
    client.close()


def test_law_9_who_follows_a_draft_is_sent_it_as_it_grows(store: DirectoryBlobs) -> None:
    """Each byte as soon as it may be given out, by the system, and the rest when it is there."""
    draft = now(store.draft())
    transfer = Transfer(Want("key", nobody, size=len(DATA)), len(DATA), draft=draft)
    scene = Scene(store, content=Reader(transfer))
    client = scene.plug()
    client.say(get())
    heard = b""
    for start in range(0, len(DATA), 1_000_000):
        piece = DATA[start : start + 1_000_000]
        now(draft.write(piece))
        transfer.took(piece)
        there = transfer.readable
        heard += client.hear(lambda more: len(body(heard + more)) >= there)  # noqa: B023  # called here and now
        assert body(heard) == DATA[:there]
    assert len(body(heard)) == len(DATA) - TAIL
    transfer.end(now(draft.commit(None)))
    heard += client.hear(lambda more: len(body(heard + more)) == len(DATA))
    assert body(heard) == DATA
    assert sum(count for _, count in scene.kernel.sent) == len(DATA)
    client.close()


def test_S26_a_download_that_fails_drops_those_who_follow_it(store: DirectoryBlobs) -> None:
    """Short of what was promised; the descriptor of a draft that was given up is never used again."""
    draft = now(store.draft())
    transfer = Transfer(Want("key", nobody, size=len(DATA)), len(DATA), draft=draft)
    scene = Scene(store, content=Reader(transfer))
    client = scene.plug(buffers=8192)
    client.say(get())
    now(draft.write(DATA))
    transfer.took(DATA)
    client.take()
    transfer.end(CorruptContent("it is another"))
    now(draft.abort())
    with logged() as events:
        heard = client.hear()
    assert body(heard) == DATA[: len(body(heard))]
    assert len(body(heard)) < len(DATA) - TAIL
    assert [event["why"] for event in events] == ["it is another"]
    client.close()


def test_a_download_that_fails_before_its_first_byte_is_told_by_a_status(store: DirectoryBlobs) -> None:
    """No head has gone out by then."""
    transfer = Transfer(Want("key", nobody, size=len(DATA)), len(DATA), draft=now(store.draft()))
    scene = Scene(store, content=Reader(transfer))
    client = scene.plug()
    client.say(get())
    transfer.end(UpstreamUnavailable("pypi", "it is down"))
    (answer,) = answers(client.hear(whole))
    assert answer.status == 503
    client.close()


def test_over_tls_files_are_read_and_written(store: DirectoryBlobs) -> None:
    """The system knows nothing of the keys."""
    scene = Scene(store)
    factory = TLSMemoryBIOFactory(Keys(), False, scene.site, scene.reactor)
    plug = Plug(factory.buildProtocol(None), scene.reactor)
    assert body(TlsClient(plug).ask(get(), whole)) == DATA
    assert not scene.kernel.sent
    assert scene.ends == [(200, len(DATA))]
    plug.close()


def test_a_large_answer_that_waits_before_a_file_is_no_trouble(store: DirectoryBlobs) -> None:
    """What the channel still has to say goes out first, and it hears that its line is free again."""
    scene = Scene(store)
    client = scene.plug(buffers=8192)
    channel = client.transport.protocol
    client.transport.write(b"x" * 3_000_000)
    assert channel._clogged
    client.say(get())
    heard = client.hear(lambda heard: heard.endswith(b"the end"))
    assert heard[:3_000_000] == b"x" * 3_000_000
    assert body(heard[3_000_000:]) == DATA
    assert not channel._clogged
    assert not scene.reactor.getDelayedCalls() or all(call.func.__name__ != "<lambda>" for call in scene.reactor.getDelayedCalls())
    client.close()


def test_the_system_tells_what_it_has_in_memory(tmp_path: Path) -> None:
    """What was just written is, or nothing where no file says so; and where a system cannot tell of any, it is little at a time."""
    (tmp_path / "file").write_bytes(bytes(5_000_000))
    kernel = Kernel()
    with (tmp_path / "file").open("rb") as opened:
        assert kernel.ready(opened.fileno(), 0, 4_000_000) in (4_000_000, 0)
        assert kernel.ready(opened.fileno(), 4_999_999, 1) in (1, 0)
    reading, writing = os.pipe()
    try:
        assert kernel.ready(reading, 0, 4_000_000) == PIECE
        assert kernel.ready(reading, 0, 10) == 10
    finally:
        os.close(reading)
        os.close(writing)


@attrs.define(eq=False)
class Reading(Files):
    """Notes what was read."""

    read_of: list[tuple[int, int]] = attrs.field(factory=list)

    def read(self, descriptor: int, limit: int, offset: int) -> bytes:
        data = super().read(descriptor, limit, offset)
        self.read_of.append((offset, offset + len(data)))
        return data


@pytest.mark.parametrize("wrong", [OSError(errno.EOPNOTSUPP, "not supported"), BlockingIOError()])
def test_what_is_not_known_to_be_in_memory_is_read_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: OSError
) -> None:
    """It may lie on another machine, or on a slow disk, for which everybody would have to wait with the call: every byte of it is read on a thread first."""

    def none(*_: Any) -> int:
        raise wrong

    monkeypatch.setattr(os, "preadv", none)
    files = Reading()
    store = DirectoryBlobs(tmp_path / "blobs", "blobs", inline, files=files)
    store.startService()
    scene = Scene(store)
    client = scene.plug()
    client.say(get())
    assert body(client.hear(lambda heard: heard.endswith(b"the end"))) == DATA
    assert scene.kernel.sent
    for offset, count in scene.kernel.sent:
        assert any(begin <= offset and offset + count <= end for begin, end in files.read_of), (offset, count)
    client.close()


def test_only_what_is_in_memory_up_to_a_gap_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes between the last place that was looked at and the gap may be away as well."""

    def gap(file: int, buffers: Any, offset: int, flags: int) -> int:
        if offset >= 3 * TURN // 4:
            raise BlockingIOError
        return 1

    monkeypatch.setattr(os, "preadv", gap)
    assert Kernel().ready(0, 0, TURN) == TURN // 2 - TURN // 2 % 2
    assert Kernel().ready(0, 3 * TURN // 4, 10) == 0
    assert Kernel().ready(0, 0, 10) == 10
