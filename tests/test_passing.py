"""What passes through because it cannot be kept (F53, F58): the right bytes, all of them, or none of the last ones (law 6)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.blobs.drafts import Growth
from pypidaemon.blobs.memory import MemoryBlobs, MemoryDraft
from pypidaemon.errors import CorruptContent, NoSuchFile, StorageFailed, StorageFull, UpstreamUnavailable
from pypidaemon.interfaces import IContent
from pypidaemon.model import Digest
from pypidaemon.passing import MOST, QUEUE
from pypidaemon.spool import AGAIN, Spool
from pypidaemon.transfers import TAIL
from pypidaemon.tries import BASE as PATIENCE
from pypidaemon.tries import ENOUGH, RESUMES
from pypidaemon.waits import Bell
from tests.gear import later, now, waiting
from tests.test_spool import BIG, CUT, LITTLE, Line, Scene, ScriptedBody, line, pull, sha256, want

PIECES = [BIG[at : at + 100_000] for at in range(0, len(BIG), 100_000)]


def full(limit: int = 0) -> Scene:
    """A store that has room for so many bytes."""
    return Scene(MemoryBlobs(limit=limit))


def whole(content: Any) -> bytes:
    found = bytearray()
    now(pull(content, found))
    content.close()
    return bytes(found)


def big() -> ScriptedBody:
    return ScriptedBody(total=len(BIG)).feed(*PIECES, b"")


@pytest.mark.parametrize("data", [LITTLE, BIG, b""])
def test_F53_what_there_is_no_room_for_reaches_whoever_asked_for_it_and_nothing_is_kept(data: bytes) -> None:
    scene = full()
    bodies = [ScriptedBody(total=len(data)).feed(*[data[at : at + 100_000] for at in range(0, len(data), 100_000)], b"") for _ in range(2)]
    if not data:
        # Of nothing there is room.
        scene = Scene(blobs=Closed())
    content = now(scene.spool.give(want(line(*bodies), data)))
    verifyObject(IContent, content)
    assert (content.size, content.digest) == (len(data), sha256(data))
    assert whole(content) == data
    assert all(body.closed for body in bodies)
    assert scene.held() == set()
    assert scene.spool.flights_now() == scene.spool.passing.now() == 0
    assert scene.spool.measures()["passed"] == 1


class Closed(MemoryBlobs):
    """A store on a volume that can only be read."""

    async def draft(self) -> Any:
        raise StorageFailed("this cannot be stored: Read-only file system")


def test_F58_what_cannot_be_stored_at_all_passes_through_and_what_is_here_is_read_from_here() -> None:
    scene = Scene()
    now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE))).close()
    closed = Closed()
    closed._blobs = scene.blobs._blobs
    spool = Spool(closed, scene.clock)
    assert whole(now(spool.give(want(line(big(), big()), BIG)))) == BIG
    assert whole(now(spool.give(want(line(), LITTLE)))) == LITTLE


def test_F53_it_is_kept_again_by_itself_soon_after_there_is_room() -> None:
    scene = full()
    assert whole(now(scene.spool.give(want(line(*[ScriptedBody().feed(LITTLE, b"") for _ in range(2)]), LITTLE)))) == LITTLE
    scene.blobs._room.limit = None
    # For a while the store is not asked at all, so that nobody waits for two transfers.
    source = line(ScriptedBody().feed(LITTLE, b""))
    assert whole(now(scene.spool.give(want(source, LITTLE)))) == LITTLE
    assert scene.held() == set()
    scene.clock.advance(AGAIN)
    assert whole(now(scene.spool.give(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE)))) == LITTLE
    assert scene.held() == {sha256(LITTLE)}


def test_F53_readers_of_a_file_whose_rest_there_is_no_room_for_get_it_to_its_end_and_the_draft_is_gone() -> None:
    scene = full(limit=400_000)
    first = ScriptedBody(total=len(BIG)).feed(*PIECES[:3])
    again = [big(), big(), big()]
    source = line(first, *again)
    readers = [now(scene.spool.give(want(source, BIG))) for _ in range(3)]
    had = [bytearray(), bytearray(now(readers[1].read(0, 250_000))), bytearray(now(readers[2].read(0, 7)))]
    assert had[1] == BIG[:250_000][: len(had[1])]
    first.feed(*PIECES[3:], b"")
    for content, found in zip(readers, had, strict=True):
        now(pull(content, found))
        assert found == BIG
        content.close()
        content.close()
    assert source.asked == [0] * 4
    assert all(body.closed for body in (first, *again))
    assert scene.blobs._room.used == 0
    assert scene.spool.passing.now() == 0


def test_F53_law_6_a_rest_that_belongs_to_other_bytes_is_not_added_to_those_that_were_read() -> None:
    """The second transfer may be the right file and the first one not, or the reverse: neither must come together."""
    scene = full(limit=400_000)
    wrong = b"x" + PIECES[0][1:]
    first = ScriptedBody(total=len(BIG)).feed(wrong, *PIECES[1:3])
    content = now(scene.spool.give(want(line(first, big()), BIG)))
    assert now(content.read(0, 5)) == wrong[:5]
    first.feed(*PIECES[3:], b"")
    with pytest.raises(CorruptContent, match="changed the file"):
        whole(content)


def test_F53_no_room_for_what_was_to_be_committed() -> None:
    scene = Scene(Uncommitted())
    content = now(scene.spool.give(want(line(body := ScriptedBody(total=len(BIG)).feed(*PIECES[:4]), big()), BIG)))
    found = bytearray(now(content.read(0, 100)))
    body.feed(*PIECES[4:], b"")
    now(pull(content, found))
    assert found == BIG


class Uncommitted(MemoryBlobs):
    """A store that finds at the very end that there is no room."""

    async def draft(self) -> Any:
        return UncommittedDraft(self._shelve, self._room)


class UncommittedDraft(MemoryDraft):
    """Its draft."""

    async def commit(self, expected: Digest | None) -> Digest:
        await self.abort()
        raise StorageFull("no room to store this: no space left on device")


def test_F60_of_what_cannot_be_read_any_more_nobody_gets_the_rest_but_who_had_nothing() -> None:
    class Lost(MemoryBlobs):
        async def draft(self) -> Any:
            return LostDraft()

    @attrs.define(eq=False)
    class LostDraft:
        written: int = 0
        growth: Growth = attrs.field(factory=Growth)

        async def write(self, data: bytes) -> None:
            if self.written:
                raise StorageFailed("this cannot be stored: Input/output error")
            self.written = len(data)

        async def read(self, offset: int, limit: int) -> bytes:
            raise OSError(5, "Input/output error")

        async def abort(self) -> None:
            pass

        def close(self) -> None:
            pass

    scene = Scene(Lost())
    body = ScriptedBody(total=len(BIG)).feed(PIECES[0])
    source = line(body, big())
    had_some, had_none = (now(scene.spool.give(want(source, BIG))) for _ in range(2))
    assert now(had_some.read(0, 10)) == BIG[:10]
    body.feed(PIECES[1])
    with pytest.raises(StorageFailed):
        now(had_some.read(10, 10))
    assert whole(had_none) == BIG


def test_S26_law_6_all_but_the_tail_is_given_before_the_verdict_and_of_wrong_bytes_no_last_one() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    body = ScriptedBody(total=len(BIG))
    content = now(scene.spool.give(want(line(body), BIG[:-1] + b"x")))
    reading = later(content.read(0, 10))
    assert waiting(reading)
    body.feed(*PIECES)
    assert now(reading) == BIG[:10]
    found = bytearray()
    pulling = later(pull(content, found))
    assert len(found) == len(BIG) - TAIL
    body.feed(b"")
    with pytest.raises(CorruptContent, match="promised was"):
        now(pulling)
    assert len(found) == len(BIG) - TAIL
    # Nor has whoever asks again for the end of it.
    with pytest.raises(CorruptContent):
        now(content.read(len(BIG) - 1, 1))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (ScriptedBody().feed(LITTLE + b"!", b""), "more than the 12 bytes"),
        (ScriptedBody().feed(LITTLE[:3], b""), "sent 3 bytes, promised were 12"),
        (ScriptedBody(total=13), "13 bytes, promised were 12"),
        (ScriptedBody().feed(LITTLE[::-1], b""), "has sha256"),
    ],
)
def test_S27_a_small_file_that_is_another_is_not_given_at_all(body: ScriptedBody, reason: str) -> None:
    scene = full()
    scene.spool._full_until = 1.0
    with pytest.raises(CorruptContent, match=reason):
        now(scene.spool.give(want(line(body), LITTLE)))
    assert body.closed


def test_other_hashes_that_the_page_promises_are_held_against_it_too() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    with pytest.raises(CorruptContent, match="md5"):
        now(scene.spool.give(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE, checks=(("md5", "0" * 32),))))


def test_law_9_all_who_want_a_small_file_at_once_share_one_transfer() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    body = ScriptedBody()
    source = line(body)
    opened = [later(scene.spool.give(want(source, LITTLE))) for _ in range(50)]
    body.feed(LITTLE, b"")
    assert [whole(now(one)) for one in opened] == [LITTLE] * 50
    assert source.asked == [0]


def test_F8_a_transfer_that_breaks_off_is_taken_up_where_it_was_or_from_its_beginning() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    bodies = [
        ScriptedBody(total=len(BIG)).feed(*PIECES[:2], CUT),
        ScriptedBody(offset=200_000, total=len(BIG)).feed(PIECES[2], CUT),
        # This one does not know ranges.
        ScriptedBody(total=len(BIG)).feed(BIG[:300_001], BIG[300_001:], CUT),
    ]
    source = line(*bodies)
    content = now(scene.spool.give(want(source, BIG)))
    found = bytearray()
    pulling = later(pull(content, found))
    scene.clock.advance(PATIENCE)
    scene.clock.advance(2 * PATIENCE)
    # Where only the end mark is missing, the digest tells (F9).
    now(pulling)
    assert found == BIG
    assert source.asked == [0, 200_000, 300_000]
    content.close()
    assert all(body.closed for body in bodies)


def test_F47_one_that_breaks_off_again_and_again_or_goes_away_is_an_outage() -> None:
    for answers in ([CUT] * RESUMES, [NoSuchFile("a")], [ScriptedBody(offset=5)]):
        scene = full()
        scene.spool._full_until = 1.0
        content = now(scene.spool.give(want(line(ScriptedBody(total=len(BIG)).feed(PIECES[0], CUT), *answers), BIG)))
        pulling = later(pull(content, bytearray()))
        for _ in range(RESUMES):
            scene.clock.advance(10)
        with pytest.raises(UpstreamUnavailable):
            now(pulling)
        content.close()
        assert scene.spool.passing.now() == 0


def test_F35_a_long_one_outlives_a_line_that_breaks_again_and_again_as_long_as_enough_comes_in_between() -> None:
    data = bytes(range(256)) * (ENOUGH * (RESUMES + 2) // 256)
    for piece, whole in ((ENOUGH, True), (ENOUGH - 256, False)):
        scene = full()
        scene.spool._full_until = 1.0
        parts = [ScriptedBody(mark, len(data)).feed(data[mark : mark + piece], CUT) for mark in range(0, len(data), piece)]
        content = now(scene.spool.give(want(line(*parts), data)))
        found = bytearray()
        pulling = later(pull(content, found))
        for _ in parts:
            scene.clock.advance(10)
        if whole:
            now(pulling)
        else:
            with pytest.raises(UpstreamUnavailable):
                now(pulling)
        assert (found == data) is whole
        content.close()


def test_what_upstream_says_at_the_beginning_is_told() -> None:
    for answer, kind in ((NoSuchFile("a"), NoSuchFile), (CUT, UpstreamUnavailable), (ScriptedBody(offset=5), UpstreamUnavailable)):
        scene = full()
        scene.spool._full_until = 1.0
        for data in (LITTLE, BIG):
            with pytest.raises(kind):
                now(scene.spool.give(want(line(answer), data)))


def test_a_part_from_the_middle_and_a_look_back() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    source = line(big(), big())
    content = now(scene.spool.give(want(source, BIG)))
    assert now(content.read(700_000, 10)) == BIG[700_000:700_010]
    assert len(content._held) <= 200_000
    assert now(content.read(len(BIG), 10)) == b""
    # From the front it is fetched again.
    assert now(content.read(5, 10)) == BIG[5:15]
    assert source.asked == [0, 0]
    content.close()


def test_F48_no_more_is_in_memory_than_a_piece_and_a_tail_however_slow_the_reader() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    body = big()
    content = now(scene.spool.give(want(line(body), BIG)))
    offset = 0
    while piece := now(content.read(offset, 1_000)):
        offset += len(piece)
        assert len(content._held) <= TAIL + 200_000
        assert offset >= len(BIG) - 2 * TAIL or body.reads <= offset // 100_000 + 2
    assert offset == len(BIG)


def test_a_file_without_a_sha256_is_not_given_unless_it_is_kept_and_pinned() -> None:
    with pytest.raises(StorageFull):
        now(full().spool.give(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE, digest=None)))


def test_a_file_whose_size_nobody_says_passes_through_if_it_is_small() -> None:
    for data, passes in ((LITTLE, True), (BIG, False)):
        scene = full()
        scene.spool._full_until = 1.0
        opened = later(scene.spool.give(want(line(ScriptedBody().feed(data, b"")), data, size=None)))
        if passes:
            assert whole(now(opened)) == LITTLE
        else:
            with pytest.raises(StorageFull, match="how large"):
                now(opened)


def test_no_more_than_so_many_at_once_and_the_others_have_their_turn() -> None:
    scene = full()
    scene.spool._full_until = 1e9
    sources = [Line(line(big()).answers) for _ in range(MOST + 1)]
    opened = [later(scene.spool.give(want(source, BIG))) for source in sources]
    assert waiting(opened[-1])
    now(opened[0]).close()
    assert not waiting(opened[-1])
    late = later(scene.spool.give(want(line(), BIG)))
    scene.clock.advance(QUEUE)
    with pytest.raises(UpstreamUnavailable, match="too many"):
        now(late)


def test_below_the_floor_nothing_is_kept_that_is_not_here_yet() -> None:
    asked: list[int] = []

    async def room(size: int) -> bool:
        asked.append(size)
        return False

    scene = Scene()
    now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE))).close()
    spool = Spool(scene.blobs, Clock(), room=room)
    assert whole(now(spool.give(want(line(), LITTLE)))) == LITTLE
    assert whole(now(spool.give(want(line(big()), BIG)))) == BIG
    # Of what is here it is not asked.
    assert asked == [len(BIG)]
    assert scene.held() == {sha256(LITTLE)}


def test_stopping_ends_what_passes_through() -> None:
    scene = full()
    scene.spool._full_until = 1.0
    body, small = ScriptedBody(total=len(BIG)).feed(*PIECES[:3]), ScriptedBody()
    content = now(scene.spool.give(want(line(body), BIG)))
    assert now(content.read(0, 3)) == BIG[:3]
    waits = later(scene.spool.give(want(line(small), LITTLE)))
    now(scene.spool.stopService())
    assert body.closed
    assert small.closed
    with pytest.raises(UpstreamUnavailable):
        now(content.read(3 * 100_000, 3))
    waits.addErrback(lambda _: None)


def test_C3_nobody_waits_for_one_who_is_doubted() -> None:
    scene = full()
    scene.spool._full_until = 1e9

    async def doubted() -> UpstreamUnavailable:
        await bell.wait()
        return UpstreamUnavailable("pypi", "it does not answer")

    for data in (LITTLE, BIG):
        bell: Bell = Bell()
        silent: Deferred[ScriptedBody] = Deferred()
        waits = later(scene.spool.give(want(line(silent), data, doubted=doubted)))
        assert waiting(waits)
        bell.ring()
        with pytest.raises(UpstreamUnavailable, match="does not answer"):
            now(waits)
        # One that answers is read to its end, whatever is thought of it meanwhile.
        assert whole(now(scene.spool.give(want(line(ScriptedBody().feed(data, b"")), data, doubted=doubted)))) == data
