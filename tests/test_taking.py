"""`Spool.take`: a small file that nobody reads comes in few steps, and is held to the laws that every download is held to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import CorruptContent, NoSuchBlob, NoSuchFile, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.interfaces import IBlobStore
from pypidaemon.model import Digest
from pypidaemon.spool import STORING, Spool
from pypidaemon.transfers import SMALL, Prefix, Want
from tests.gear import inline, later, now, waiting
from tests.test_spool import CUT, LITTLE, ScriptedBody, line, sha256


@attrs.define(eq=False)
class Scene:
    """A spool over a store in a folder that takes whole contents."""

    blobs: IBlobStore
    spool: Spool = attrs.field(init=False)
    landed: list[tuple[Digest, int]] = attrs.field(factory=list)
    came: list[int] = attrs.field(factory=list)
    asked: list[int] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.spool = Spool(self.blobs, Clock(), 2)
        self.spool.startService()

    def want(self, answer: Any, *, data: bytes = LITTLE, **changes: Any) -> Want:
        """What a run of a mirror wants, of whose upstream this is the answer."""

        async def whole(size: int) -> Any:
            self.asked.append(size)
            said = await answer if isinstance(answer, Deferred) else answer
            if isinstance(said, Exception):
                raise said
            return said

        async def landed(digest: Digest, size: int) -> None:
            self.landed.append((digest, size))

        usual = Want(
            sha256(data), line(), sha256(data), len(data), landed=landed, title="a file", absent=True, came=self.came.append, whole=whole
        )
        return attrs.evolve(usual, **changes)

    def holds(self, data: bytes) -> bool:
        try:
            now(self.blobs.open(sha256(data))).close()
        except NoSuchBlob:
            return False
        return True


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    blobs.startService()
    return Scene(blobs)


def test_it_is_stored_counted_and_told(scene: Scene) -> None:
    assert now(scene.spool.take(scene.want(LITTLE)))
    assert scene.holds(LITTLE)
    assert (scene.landed, scene.came, scene.asked) == ([(sha256(LITTLE), len(LITTLE))], [len(LITTLE)], [len(LITTLE)])
    assert (scene.spool.started, scene.spool.landed, scene.spool.failed, scene.spool.bytes_in) == (1, 1, 0, len(LITTLE))
    assert not scene.spool.flights_now()


@pytest.mark.parametrize(
    "change",
    [{"absent": False}, {"digest": None}, {"size": None}, {"size": SMALL + 1}, {"whole": None}, {"elsewhere": True}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_not_of_that_kind_is_not_begun(scene: Scene, change: dict[str, Any]) -> None:
    assert not now(scene.spool.take(scene.want(LITTLE, **change)))
    assert (scene.asked, scene.spool.started) == ([], 0)


def test_nor_is_what_finds_no_place_or_no_store_that_takes_it_whole(scene: Scene) -> None:
    held = [later(scene.spool.take(scene.want(Deferred(), data=bytes([number])))) for number in range(2)]
    assert not now(scene.spool.take(scene.want(LITTLE)))
    held[0].addErrback(lambda failed: failed.trap(CancelledError))
    held[0].cancel()
    assert now(scene.spool.take(scene.want(LITTLE)))
    assert not now(Scene(MemoryBlobs()).spool.take(scene.want(LITTLE)))


def test_its_place_serves_others_while_it_is_stored(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    storing: Deferred[Digest] = Deferred()

    async def keep(data: bytes, expected: Digest, beside: Any) -> Digest:
        return await storing

    monkeypatch.setattr(scene.blobs, "keep", keep, raising=False)
    taking = [later(scene.spool.take(scene.want(data, data=data))) for data in (b"a", b"b", b"c")]
    assert len(scene.asked) == 3
    scene.spool._storing = STORING
    # Of too many that are in memory each keeps its place.
    more = [later(scene.spool.take(scene.want(data, data=data))) for data in (b"d", b"e")]
    assert not now(scene.spool.take(scene.want(LITTLE)))
    storing.callback(sha256(LITTLE))
    assert all(now(one) for one in (*taking, *more))
    assert scene.spool._slots.tokens == 2


def test_law_9_who_wants_it_meanwhile_shares_it(scene: Scene) -> None:
    answer: Deferred[bytes] = Deferred()
    want = scene.want(answer)
    taking = later(scene.spool.take(want))
    opening = later(scene.spool.open(want))
    assert not now(scene.spool.take(want))
    assert waiting(opening)
    answer.callback(LITTLE)
    assert now(taking)
    content = now(opening)
    assert (content.size, content.digest, now(content.read(0, 100)), now(content.read(len(LITTLE), 1))) == (
        len(LITTLE), sha256(LITTLE), LITTLE, b"",
    )  # fmt: skip
    content.close()
    assert (scene.asked, scene.spool.started) == ([len(LITTLE)], 1)


def test_who_comes_while_it_is_stored_does_not_doubt_whoever_has_given_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it has come, so what becomes of upstream now is nobody's business who waits for it."""
    storing: Deferred[Digest] = Deferred()

    async def keep(*_: object) -> Digest:
        return await storing

    async def doubted() -> PypidaemonError:
        return UpstreamUnavailable("pypi", "it does not answer")

    monkeypatch.setattr(scene.blobs, "keep", keep, raising=False)
    answer: Deferred[bytes] = Deferred()
    want = scene.want(answer)
    taking = later(scene.spool.take(want))
    with pytest.raises(UpstreamUnavailable):
        now(scene.spool.open(attrs.evolve(want, doubted=doubted)))
    answer.callback(LITTLE)
    opening = later(scene.spool.open(attrs.evolve(want, doubted=doubted)))
    assert waiting(opening)
    storing.callback(sha256(LITTLE))
    assert now(taking)
    with closing(now(opening)) as content:
        assert now(content.read(0, 100)) == LITTLE


def test_law_9_who_leaves_does_not_take_it_from_those_who_wait(scene: Scene) -> None:
    want = scene.want(Deferred(), source=line(ScriptedBody(total=len(LITTLE)).feed(LITTLE, b"")))
    taking = later(scene.spool.take(want))
    opening = later(scene.spool.open(want))
    taking.cancel()
    with pytest.raises(CancelledError):
        now(taking)
    assert now(now(opening).read(0, 100)) == LITTLE
    assert scene.landed == [(sha256(LITTLE), len(LITTLE))]
    assert (scene.spool.failed, scene.spool._slots.tokens) == (0, 2)


def test_who_leaves_in_the_middle_of_a_body_does_not_either(scene: Scene) -> None:
    body = ScriptedBody(total=len(LITTLE)).feed(LITTLE[:3])
    want = scene.want(body, source=line(ScriptedBody(total=len(LITTLE)).feed(LITTLE, b"")))
    taking = later(scene.spool.take(want))
    opening = later(scene.spool.open(want))
    taking.cancel()
    with pytest.raises(CancelledError):
        now(taking)
    assert body.closed
    assert now(now(opening).read(0, 100)) == LITTLE


def test_who_leaves_alone_leaves_nothing(scene: Scene) -> None:
    taking = later(scene.spool.take(scene.want(Deferred())))
    taking.cancel()
    with pytest.raises(CancelledError):
        now(taking)
    assert (scene.spool.flights_now(), scene.spool._slots.tokens, scene.spool.failed) == (0, 2, 1)


def test_at_the_end_nothing_is_begun_anew(scene: Scene) -> None:
    want = scene.want(Deferred())
    taking, opening = later(scene.spool.take(want)), later(scene.spool.open(want))
    now(scene.spool.stopService())
    taking.cancel()
    with pytest.raises(CancelledError):
        now(taking)
    with pytest.raises(UpstreamUnavailable, match="stopping"):
        now(opening)


def test_S26_other_bytes_than_promised_are_not_kept(scene: Scene) -> None:
    for change in ({}, {"checks": (("md5", "0" * 32),)}):
        other = b"x" * len(LITTLE) if not change else LITTLE
        with pytest.raises(CorruptContent):
            now(scene.spool.take(scene.want(other, **change)))
        assert not scene.holds(other)
    assert (scene.spool.failed, scene.spool.corrupt, scene.landed, scene.spool.flights_now()) == (2, 2, [], 0)


def test_what_does_not_come_at_once_comes_as_ever(scene: Scene) -> None:
    """It is taken up where it broke off, and that is counted."""
    broken = ScriptedBody(total=len(LITTLE), validator="v").feed(LITTLE[:3], CUT)
    rest = ScriptedBody(offset=3, total=len(LITTLE), validator="v").feed(LITTLE[3:], b"")
    source = line(rest)
    taking = later(scene.spool.take(scene.want(broken, source=source)))
    clock: Any = scene.spool.clock
    clock.advance(1)
    assert now(taking)
    assert (source.asked, scene.spool.resumed, scene.holds(LITTLE)) == ([3], 1, True)


def test_what_cannot_be_had_is_told_and_logged(scene: Scene) -> None:
    for error in (NoSuchFile("it"), UpstreamUnavailable("pypi", "away")):
        with pytest.raises(type(error)):
            now(scene.spool.take(scene.want(error)))
    assert (scene.spool.failed, scene.spool._slots.tokens) == (2, 2)


def test_F53_without_room_whoever_waits_for_it_is_told_how_far_it_was(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def keep(*_: object) -> Digest:
        raise StorageFull("no room")

    monkeypatch.setattr(scene.blobs, "keep", keep, raising=False)
    answer: Deferred[bytes] = Deferred()
    want = scene.want(answer)
    taking, opening = later(scene.spool.take(want)), later(scene.spool.open(want))
    transfer = scene.spool._transfers[want.flight]
    answer.callback(LITTLE)
    for one in (taking, opening):
        with pytest.raises(StorageFull):
            now(one)
    assert transfer.prefix == Prefix(len(LITTLE), sha256(LITTLE))
    assert not now(scene.spool._may_keep(want))
