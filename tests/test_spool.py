"""One download, many readers: laws 6, 7 and 9, and what happens when upstream does not keep its word."""

from __future__ import annotations

import gc
import hashlib
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon import spool as spooling
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import CorruptContent, NoSuchBlob, NoSuchFile, StorageFull, UpstreamTooSlow, UpstreamUnavailable
from pypidaemon.interfaces import IBody, IContent, IOnDisk
from pypidaemon.model import Digest
from pypidaemon.spool import QUEUE, Spool, Want
from pypidaemon.transfers import LARGEST, READ, SMALL, TAIL
from pypidaemon.tries import BASE as PATIENCE
from pypidaemon.tries import ENOUGH, RESUMES
from pypidaemon.waits import Bell
from tests.gear import inline, later, now, waiting

BIG = bytes(range(251)) * ((SMALL + TAIL) // 251 + 1)
"""A file too big to be verified before its first byte."""
LITTLE = b"a small file"
CUT = UpstreamUnavailable("pypi", "broke off")


def sha256(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


@implementer(IBody)
@attrs.define(eq=False)
class ScriptedBody:
    """A body whose bytes come when the test feeds them; b"" is its end, an error is raised."""

    offset: int = 0
    total: int | None = None
    validator: str | None = None
    closed: bool = False
    reads: int = 0
    _fed: deque[bytes | Exception] = attrs.field(factory=deque)
    _bell: Bell = attrs.field(factory=Bell)

    def feed(self, *items: bytes | Exception) -> ScriptedBody:
        self._fed.extend(items)
        self._bell.ring()
        return self

    async def read(self) -> bytes:
        self.reads += 1
        while not self._fed:
            await self._bell.wait()
        item = self._fed.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed = True


@attrs.define(eq=False)
class Line:
    """A source that answers what the test has laid ready, in order, and notes at which offsets it was asked."""

    answers: deque[Any]
    asked: list[int] = attrs.field(factory=list)

    async def __call__(self, offset: int) -> ScriptedBody:
        self.asked.append(offset)
        answer = self.answers.popleft()
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]  # the script is of any kind


def line(*answers: Any) -> Line:
    return Line(deque(answers))


@attrs.define(eq=False)
class Scene:
    """A spool over a store in memory, with a clock that the test moves."""

    blobs: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    clock: Clock = attrs.field(factory=Clock)
    parallel: int = 32
    spool: Spool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.spool = Spool(self.blobs, self.clock, self.parallel)

    def held(self) -> set[Digest]:
        async def all_digests() -> set[Digest]:
            return {digest async for digest in self.blobs.digests()}

        return now(all_digests())


async def pull(content: Any, into: bytearray, limit: int = 1 << 16) -> None:
    """Read a content to its end; what was read before a failure stays in `into`."""
    while piece := await content.read(len(into), limit):
        into += piece


def want(source: Line, data: bytes, **changes: Any) -> Want:
    """What a page that promises everything right would have asked."""
    return attrs.evolve(Want(sha256(data), source, sha256(data), len(data)), **changes)


def test_it_is_a_service_and_its_readers_are_contents_that_are_not_on_disk() -> None:
    scene = Scene()
    verifyObject(IService, scene.spool)
    reader = now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE)))
    verifyObject(IContent, reader)
    assert not IOnDisk.providedBy(reader)


def test_what_is_in_the_store_is_given_without_a_download() -> None:
    scene = Scene()
    source = line(ScriptedBody().feed(LITTLE, b""))
    now(scene.spool.open(want(source, LITTLE))).close()
    again = now(scene.spool.open(want(source, LITTLE)))
    assert now(again.read(0, 100)) == LITTLE
    assert source.asked == [0]
    assert (scene.spool.started, scene.spool.landed, scene.spool.failed, scene.spool.bytes_in) == (1, 1, 0, len(LITTLE))


def test_F45_law_9_twenty_readers_share_one_transfer() -> None:
    scene = Scene()
    body = ScriptedBody(total=len(BIG))
    source = line(body)
    readers = [now(scene.spool.open(want(source, BIG))) for _ in range(20)]
    seen = [bytearray() for _ in readers]
    pulls = [later(pull(reader, into)) for reader, into in zip(readers, seen, strict=True)]
    for start in range(0, len(BIG), 50_000):
        body.feed(BIG[start : start + 50_000])
    assert scene.spool.flights_now() == 1
    body.feed(b"")
    for pulled in pulls:
        now(pulled)
    assert all(into == BIG for into in seen)
    assert source.asked == [0]
    assert [reader.digest for reader in readers] == [sha256(BIG)] * 20
    assert scene.spool.flights_now() == 0
    assert body.closed


def test_S26_law_6_readers_get_all_but_the_tail_until_the_verdict() -> None:
    scene = Scene()
    body = ScriptedBody()
    reader = now(scene.spool.open(want(line(body), BIG)))
    assert (reader.size, reader.digest) == (len(BIG), sha256(BIG))
    into = bytearray()
    pulled = later(pull(reader, into))
    body.feed(BIG)
    assert len(into) == len(BIG) - TAIL
    assert waiting(later(reader.read(len(BIG), 10)))
    body.feed(b"")
    now(pulled)
    assert into == BIG
    assert reader.digest == sha256(BIG)


def test_S26_wrong_bytes_of_the_right_length_give_no_reader_the_last_byte_and_are_not_stored() -> None:
    scene = Scene()
    body = ScriptedBody(total=len(BIG))
    readers = [now(scene.spool.open(want(line(body), BIG))) for _ in range(3)]
    seen = [bytearray() for _ in readers]
    pulls = [later(pull(reader, into)) for reader, into in zip(readers, seen, strict=True)]
    body.feed(BIG[:-1] + b"\x00", b"")
    for pulled, into in zip(pulls, seen, strict=True):
        with pytest.raises(CorruptContent):
            now(pulled)
        assert len(into) == len(BIG) - TAIL
    with pytest.raises(CorruptContent):
        now(readers[0].read(0, 10))
    assert scene.held() == set()
    assert (scene.spool.failed, scene.spool.corrupt, scene.spool.flights_now()) == (1, 1, 0)


@pytest.mark.parametrize("size", [len(LITTLE), None])
def test_S26_law_6_of_small_files_and_those_of_unknown_size_nothing_is_given_before_the_verdict(size: int | None) -> None:
    scene = Scene()
    body = ScriptedBody()
    opened = later(scene.spool.open(want(line(body), LITTLE, size=size)))
    body.feed(LITTLE)
    assert waiting(opened)
    body.feed(b"")
    reader = now(opened)
    assert (reader.size, reader.digest) == (len(LITTLE), sha256(LITTLE))
    assert now(reader.read(0, 100)) == LITTLE
    assert now(reader.read(len(LITTLE), 100)) == b""

    broken = want(line(ScriptedBody().feed(LITTLE, b"")), b"something!!!", size=size)
    with pytest.raises(CorruptContent):
        now(scene.spool.open(broken))


@pytest.mark.parametrize(("size", "waits"), [(SMALL, True), (SMALL + 1, False)])
def test_law_6_the_border_is_at_one_mebibyte(size: int, waits: bool) -> None:
    scene = Scene()
    body = ScriptedBody(total=size)
    opened = later(scene.spool.open(want(line(body), BIG, size=None)))
    assert waiting(opened) is waits


def test_a_file_of_no_bytes_is_a_file() -> None:
    reader = now(Scene().spool.open(want(line(ScriptedBody(total=0).feed(b"")), b"")))
    assert (reader.size, now(reader.read(0, 10))) == (0, b"")


def test_open_waits_for_the_head_and_raises_what_upstream_says_there() -> None:
    scene = Scene()
    head: Deferred[ScriptedBody] = Deferred()
    opened = later(scene.spool.open(want(line(head), BIG)))
    assert waiting(opened)
    head.callback(ScriptedBody())
    assert now(opened).size == len(BIG)
    for error in (NoSuchFile("x"), UpstreamUnavailable("pypi", "down")):
        with pytest.raises(type(error)):
            now(Scene().spool.open(want(line(error), BIG)))


def test_a_failure_is_not_remembered() -> None:
    scene = Scene()
    source = line(NoSuchFile("x"), ScriptedBody().feed(LITTLE, b""))
    with pytest.raises(NoSuchFile):
        now(scene.spool.open(want(source, LITTLE)))
    assert now(now(scene.spool.open(want(source, LITTLE))).read(0, 100)) == LITTLE


def test_one_who_is_told_of_a_failure_may_ask_again_at_once() -> None:
    scene = Scene()
    head: Deferred[ScriptedBody] = Deferred()
    source = line(head, ScriptedBody().feed(LITTLE, b""))

    async def persistent() -> bytes:
        try:
            content = await scene.spool.open(want(source, LITTLE))
        except UpstreamUnavailable:
            content = await scene.spool.open(want(source, LITTLE))
        return await content.read(0, 100)

    asked = later(persistent())
    head.errback(CUT)
    assert now(asked) == LITTLE


def test_S27_a_length_that_contradicts_the_page_is_refused_before_the_first_byte() -> None:
    body = ScriptedBody(total=len(BIG) + 1)
    with pytest.raises(CorruptContent):
        now(Scene().spool.open(want(line(body), BIG)))
    assert body.reads == 0
    assert body.closed


def test_S27_F10_more_bytes_than_promised_stop_the_transfer_as_soon_as_they_are_seen() -> None:
    scene = Scene()
    body = ScriptedBody()
    reader = now(scene.spool.open(want(line(body), BIG)))
    body.feed(BIG, b"x", b"never read")
    with pytest.raises(CorruptContent):
        now(reader.read(0, 10))
    assert body.reads == 2
    assert body.closed
    assert scene.held() == set()


def test_S27_a_clean_end_too_early_is_corrupt() -> None:
    scene = Scene()
    body = ScriptedBody()
    reader = now(scene.spool.open(want(line(body), BIG)))
    body.feed(BIG[:-1], b"")
    with pytest.raises(CorruptContent):
        now(reader.read(0, 10))
    assert scene.held() == set()


def test_S27_a_reader_who_was_promised_another_length_is_refused_and_the_others_are_not() -> None:
    scene = Scene()
    body = ScriptedBody()
    reader = now(scene.spool.open(want(line(body), BIG)))
    with pytest.raises(CorruptContent):
        now(scene.spool.open(want(line(ScriptedBody(total=len(BIG))), BIG, size=len(BIG) + 1)))
    body.feed(BIG, b"")
    assert now(reader.read(len(BIG) - 1, 10)) == BIG[-1:]


def test_law_9_whoever_asks_another_upstream_is_not_hostage_to_the_first_one() -> None:
    """Neither to one that is slow, nor to one that fails, nor to one whose page promises what is not true."""
    scene = Scene()
    silent: Deferred[ScriptedBody] = Deferred()
    hostile = later(scene.spool.open(want(line(silent), LITTLE, origin="evil", checks=(("md5", "0" * 32),))))
    again = later(scene.spool.open(want(line(), LITTLE, origin="evil", checks=(("md5", "0" * 32),))))
    good = now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE, origin="pypi")))
    assert now(good.read(0, 100)) == LITTLE
    assert waiting(hostile)
    assert waiting(again)
    silent.callback(ScriptedBody().feed(b"something!!!", b""))
    for opened in (hostile, again):
        with pytest.raises(CorruptContent):
            now(opened)
    assert now(now(scene.spool.open(want(line(), LITTLE, origin="pypi"))).read(0, 100)) == LITTLE


def test_law_9_false_promises_of_another_page_fail_nobody_else() -> None:
    scene = Scene()
    false = later(scene.spool.open(want(line(ScriptedBody(), CUT, CUT, CUT), LITTLE, checks=(("md5", "0" * 32),))))
    true = now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE)))
    assert waiting(false)
    assert now(true.read(0, 100)) == LITTLE
    now(scene.spool.stopService())
    with pytest.raises(UpstreamUnavailable):
        now(false)


def test_F62_a_blob_that_was_cut_is_not_given_but_fetched_again() -> None:
    with tempfile.TemporaryDirectory() as folder:
        blobs = DirectoryBlobs(Path(folder) / "blobs", "blobs", inline)
        blobs.startService()
        spool = Spool(blobs, Clock())
        source = line(ScriptedBody().feed(LITTLE, b""), ScriptedBody().feed(LITTLE, b""))
        now(spool.open(want(source, LITTLE))).close()
        digest = sha256(LITTLE)
        place = blobs.path / digest[:2] / digest[2:4] / digest
        with place.open("r+b") as file:
            file.truncate(3)
        content = now(spool.open(want(source, LITTLE)))
        assert now(content.read(0, 100)) == LITTLE
        assert place.read_bytes() == LITTLE
        assert source.asked == [0, 0]


def test_F62_a_page_with_a_false_size_does_not_take_a_sound_blob_from_the_store() -> None:
    scene = Scene()
    now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE))).close()
    for _ in range(2):
        with pytest.raises(CorruptContent):
            now(scene.spool.open(want(line(), LITTLE, size=3)))
    assert scene.held() == {sha256(LITTLE)}
    now(scene.spool.open(want(line(), LITTLE))).close()


@pytest.mark.parametrize("total", [None, 11])
def test_S53_a_body_beyond_its_bound_is_refused_as_soon_as_that_is_known(total: int | None) -> None:
    scene = Scene()
    body = ScriptedBody(total=total).feed(b"12345", b"67890")
    if total is None:
        body.feed(b"1", b"2")
    opened = later(scene.spool.open(Want("pypi/x/x.metadata", line(body), at_most=10)))
    with pytest.raises(CorruptContent, match="10 bytes"):
        now(opened)
    assert body.closed
    assert body.reads == (3 if total is None else 0)
    assert scene.held() == set()


def test_S53_a_blob_beyond_its_bound_is_not_given_either() -> None:
    scene = Scene()
    now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE))).close()
    with pytest.raises(CorruptContent):
        now(scene.spool.open(want(line(), LITTLE, size=None, at_most=5)))


def test_S53_no_file_is_larger_than_any_file_can_be_unless_its_size_is_promised() -> None:
    scene = Scene()
    with pytest.raises(CorruptContent):
        now(scene.spool.open(Want("pypi/x/x-1.zip", line(ScriptedBody(total=LARGEST + 1)))))
    body = ScriptedBody(total=LARGEST + 1)
    assert now(scene.spool.open(Want("pypi/x/x-1.zip", line(body), size=LARGEST + 1))).size == LARGEST + 1


def test_F30_a_download_does_not_wait_for_its_turn_for_ever() -> None:
    scene = Scene(parallel=1)
    body = ScriptedBody()
    now(scene.spool.open(want(line(body), BIG)))
    source = line(ScriptedBody().feed(LITTLE, b""), ScriptedBody().feed(LITTLE, b""))
    queued = later(scene.spool.open(want(source, LITTLE)))
    scene.clock.advance(QUEUE - 1)
    assert waiting(queued)
    scene.clock.advance(1)
    with pytest.raises(UpstreamUnavailable, match="too many"):
        now(queued)
    assert source.asked == []
    body.feed(BIG, b"")
    # The turn that nobody waited for any more is not lost.
    assert now(now(scene.spool.open(want(source, LITTLE))).read(0, 100)) == LITTLE


def test_F48_a_slow_reader_holds_up_neither_the_transfer_nor_the_others_and_costs_no_memory() -> None:
    scene = Scene()
    body = ScriptedBody()
    slow, quick = (now(scene.spool.open(want(line(body), BIG))) for _ in range(2))
    into = bytearray()
    pulled = later(pull(quick, into))
    body.feed(BIG, b"")
    now(pulled)
    assert into == BIG
    assert now(slow.read(0, 10 * READ)) == BIG[:READ]
    assert now(slow.read(1, 1)) == BIG[1:2]


def test_F46_a_reader_who_leaves_stops_nobody_and_without_readers_the_transfer_goes_on_to_its_end() -> None:
    scene = Scene()
    body = ScriptedBody()
    leaving, staying = (now(scene.spool.open(want(line(body), BIG))) for _ in range(2))
    reading = later(leaving.read(0, 10))
    reading.addErrback(lambda _: None)
    reading.cancel()
    leaving.close()
    leaving.close()
    into = bytearray()
    pulled = later(pull(staying, into))
    body.feed(BIG[:1000])
    assert into == BIG[:1000]
    pulled.addErrback(lambda _: None)
    pulled.cancel()
    staying.close()
    body.feed(BIG[1000:], b"")
    assert scene.held() == {sha256(BIG)}


def test_F46_one_who_leaves_while_opening_stops_nobody() -> None:
    scene = Scene()
    body = ScriptedBody()
    leaving, staying = (later(scene.spool.open(want(line(body), LITTLE))) for _ in range(2))
    leaving.cancel()
    with pytest.raises(CancelledError):
        now(leaving)
    body.feed(LITTLE, b"")
    assert now(now(staying).read(0, 100)) == LITTLE


def test_F8_a_cut_transfer_is_resumed_where_it_stopped_when_the_file_is_provably_the_same() -> None:
    scene = Scene()
    first = ScriptedBody(validator='"a"').feed(BIG[:1000], CUT)
    second = ScriptedBody(1000, validator='"a"').feed(BIG[1000:], b"")
    source = line(first, second)
    reader = now(scene.spool.open(want(source, BIG)))
    assert now(reader.read(0, 2000)) == BIG[:1000]
    ahead = later(reader.read(1000, 10))
    assert source.asked == [0]
    scene.clock.advance(PATIENCE)
    assert source.asked == [0, 1000]
    assert now(ahead) == BIG[1000:1010]
    assert now(reader.read(len(BIG) - 1, 10)) == BIG[-1:]
    assert first.closed
    assert second.closed
    assert (scene.spool.resumed, scene.spool.bytes_in) == (1, len(BIG))


@pytest.mark.parametrize(
    ("was", "answers"),
    [
        ('"a"', [ScriptedBody(1000, validator='"b"'), ScriptedBody(0, validator='"b"').feed(BIG[:700], BIG[700:], b"")]),
        (None, [ScriptedBody(1000), ScriptedBody(0).feed(BIG, b"")]),
        ('"a"', [ScriptedBody(0, validator='"a"').feed(BIG[:1500], BIG[1500:], b"")]),
    ],
)
def test_F13_what_cannot_be_resumed_is_restarted_and_compared_with_what_readers_may_have_seen(
    was: str | None, answers: list[ScriptedBody]
) -> None:
    scene = Scene()
    source = line(ScriptedBody(validator=was).feed(BIG[:1000], CUT), *answers)
    reader = now(scene.spool.open(want(source, BIG)))
    scene.clock.advance(PATIENCE)
    assert now(reader.read(len(BIG) - 1, 10)) == BIG[-1:]
    assert scene.held() == {sha256(BIG)}
    assert all(answer.closed for answer in answers)


def test_F13_a_restart_with_other_bytes_is_corrupt() -> None:
    scene = Scene()
    source = line(ScriptedBody(validator='"a"').feed(BIG[:1000], CUT), ScriptedBody(validator='"b"').feed(BIG[:999] + b"\x00" + BIG[1000:]))
    reader = now(scene.spool.open(want(source, BIG, digest=None)))
    scene.clock.advance(PATIENCE)
    with pytest.raises(CorruptContent):
        now(reader.read(0, 10))
    assert scene.held() == set()


def test_a_restart_that_is_shorter_than_what_is_here_is_corrupt() -> None:
    scene = Scene()
    source = line(ScriptedBody().feed(BIG[:1000], CUT), ScriptedBody().feed(BIG[:500], b""))
    opened = later(scene.spool.open(want(source, BIG, digest=None, size=None)))
    scene.clock.advance(PATIENCE)
    with pytest.raises(CorruptContent):
        now(opened)


def test_two_states_of_a_file_are_not_mixed_over_several_cuts() -> None:
    """A restart that broke off before it was compared to the end does not count as the same file."""
    scene = Scene()
    source = line(
        ScriptedBody(validator='"a"').feed(BIG[:1000], CUT),
        ScriptedBody(validator='"b"').feed(BIG[:500], CUT),
        ScriptedBody(1000, validator='"b"').feed(BIG[1000:], b""),
        ScriptedBody(validator='"b"').feed(BIG[:900] + b"\x00" * 100),
    )
    reader = now(scene.spool.open(want(source, BIG, digest=None)))
    scene.clock.pump([PATIENCE, 2 * PATIENCE])
    with pytest.raises(CorruptContent):
        now(reader.read(0, 10))
    assert source.asked == [0, 1000, 1000, 0]


def test_F47_when_it_cannot_be_resumed_readers_get_the_cause_after_a_few_tries() -> None:
    scene = Scene()
    source = line(ScriptedBody().feed(BIG[:1000], CUT), *[UpstreamUnavailable("pypi", "down")] * RESUMES)
    reader = now(scene.spool.open(want(source, BIG)))
    reading = later(reader.read(1000, 10))
    scene.clock.pump([PATIENCE, 2 * PATIENCE])
    assert waiting(reading)
    scene.clock.advance(4 * PATIENCE)
    with pytest.raises(UpstreamUnavailable, match="down"):
        now(reading)
    assert scene.held() == set()
    assert scene.clock.getDelayedCalls() == []
    assert (scene.spool.failed, scene.spool.corrupt) == (1, 0)


def test_F35_a_long_file_outlives_a_line_that_breaks_again_and_again_as_long_as_enough_comes_in_between() -> None:
    """Or a large one would never come over a line that is lost every few minutes, and each time all that had come would be lost as well."""
    data = bytes(range(256)) * (ENOUGH * (RESUMES + 2) // 256)
    for piece, whole in ((ENOUGH, True), (ENOUGH - 256, False)):
        scene = Scene()
        marks = range(0, len(data), piece)
        parts = [ScriptedBody(mark, validator='"a"').feed(data[mark : mark + piece], CUT) for mark in marks]
        source = line(*parts)
        reader = now(scene.spool.open(want(source, data)))
        for _ in marks:
            scene.clock.advance(4 * PATIENCE)
        assert (scene.spool.landed, scene.spool.failed) == (whole, not whole)
        assert len(source.asked) == (RESUMES + 2 if whole else RESUMES + 1)
        reader.close()


def test_F30_what_is_too_slow_is_not_taken_up_again_but_elsewhere() -> None:
    for elsewhere in (False, True):
        scene = Scene()
        slow = ScriptedBody(validator='"a"').feed(BIG[:1000])
        source = line(slow, ScriptedBody(1000, validator='"a"').feed(BIG[1000:], b""))
        reader = now(scene.spool.open(attrs.evolve(want(source, BIG), elsewhere=elsewhere)))
        reading = later(reader.read(1000, 10))
        slow.feed(UpstreamTooSlow("pypi", "became too slow"))
        scene.clock.advance(PATIENCE)
        if elsewhere:
            assert now(reading) == BIG[1000:1010]
        else:
            with pytest.raises(UpstreamTooSlow):
                now(reading)
        assert source.asked == ([0, 1000] if elsewhere else [0])


def test_a_file_that_goes_away_while_it_is_fetched_is_an_outage_to_its_readers() -> None:
    scene = Scene()
    source = line(ScriptedBody().feed(BIG[:1000], CUT), *[NoSuchFile("x")] * RESUMES)
    reader = now(scene.spool.open(want(source, BIG)))
    scene.clock.pump([PATIENCE, 2 * PATIENCE, 4 * PATIENCE])
    with pytest.raises(UpstreamUnavailable):
        now(reader.read(0, 10))


def test_F9_F12_where_only_the_end_mark_is_missing_the_digest_decides() -> None:
    scene = Scene()
    reader = now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, CUT)), LITTLE)))
    assert now(reader.read(0, 100)) == LITTLE


def test_F9_without_a_digest_a_missing_end_mark_means_fetching_and_comparing_again() -> None:
    scene = Scene()
    source = line(ScriptedBody().feed(LITTLE, CUT), ScriptedBody().feed(LITTLE, b""))
    opened = later(scene.spool.open(want(source, LITTLE, digest=None)))
    scene.clock.advance(PATIENCE)
    assert now(now(opened).read(0, 100)) == LITTLE
    assert source.asked == [0, 0]


def test_F13_a_part_where_the_whole_was_asked_for_is_not_believed() -> None:
    scene = Scene()
    opened = later(scene.spool.open(want(line(*[ScriptedBody(5).feed(LITTLE, b"") for _ in range(2 * RESUMES + 1)]), LITTLE)))
    scene.clock.pump([PATIENCE, 2 * PATIENCE, 4 * PATIENCE])
    with pytest.raises(UpstreamUnavailable):
        now(opened)
    assert scene.held() == set()


def test_S29_a_file_without_any_hash_is_fetched_and_its_sha256_told() -> None:
    told: list[tuple[Digest, int]] = []

    async def landed(digest: Digest, size: int) -> None:
        told.append((digest, size))

    scene = Scene()
    reader = now(scene.spool.open(Want("pypi/x/x-1.tar.gz", line(ScriptedBody().feed(LITTLE, b"")), landed=landed)))
    assert told == [(sha256(LITTLE), len(LITTLE))]
    assert reader.digest == sha256(LITTLE)
    assert scene.held() == {sha256(LITTLE)}


def test_S29_other_hashes_are_verified_and_unknown_ones_passed_over() -> None:
    md5 = hashlib.md5(LITTLE, usedforsecurity=False).hexdigest()
    for checks, good in (
        ((("md5", md5),), True),
        ((("MD5", md5.upper()),), True),
        ((("md5", "0" * 32),), False),
        ((("sha512", hashlib.sha512(LITTLE).hexdigest()), ("md5", "0" * 32)), False),
        ((("sha256", "0" * 64),), False),
        ((("made-up", "x"), ("shake_128", "x"), ("a\0b", "x"), ("", "x")), True),
    ):
        scene = Scene()
        opened = later(scene.spool.open(Want("pypi/x/x-1.zip", line(ScriptedBody().feed(LITTLE[:3], LITTLE[3:], b"")), checks=checks)))
        if good:
            assert now(now(opened).read(0, 100)) == LITTLE
        else:
            with pytest.raises(CorruptContent):
                now(opened)
            assert scene.held() == set()


def test_law_7_the_blob_is_there_before_it_is_recorded_and_recorded_before_readers_get_the_tail() -> None:
    scene = Scene()
    recorded: Deferred[None] = Deferred()
    there: list[bool] = []

    async def landed(digest: Digest, size: int) -> None:
        there.append(digest in scene.held())
        await recorded

    body = ScriptedBody()
    reader = now(scene.spool.open(want(line(body), BIG, landed=landed)))
    body.feed(BIG, b"")
    reading = later(reader.read(len(BIG) - 1, 10))
    assert there == [True]
    assert waiting(reading)
    recorded.callback(None)
    assert now(reading) == BIG[-1:]


def test_a_record_that_cannot_be_made_fails_the_transfer_but_may_leave_the_blob() -> None:
    async def landed(digest: Digest, size: int) -> None:
        raise CorruptContent("not what was seen first")

    scene = Scene()
    with pytest.raises(CorruptContent, match="first"):
        now(scene.spool.open(want(line(ScriptedBody().feed(LITTLE, b"")), LITTLE, landed=landed)))
    assert scene.held() == {sha256(LITTLE)}
    assert scene.spool.landed == 0


def test_F53_no_room_is_told_to_all_readers_as_such() -> None:
    scene = Scene(MemoryBlobs(limit=1000))
    body = ScriptedBody()
    readers = [now(scene.spool.open(want(line(body), BIG))) for _ in range(2)]
    body.feed(BIG[:1000], BIG[1000:])
    for reader in readers:
        with pytest.raises(StorageFull):
            now(reader.read(0, 10))
    assert body.closed


def test_no_more_than_so_many_transfers_at_once_and_the_others_have_their_turn() -> None:
    scene = Scene(parallel=2)
    files = [LITTLE + b"%d" % number for number in range(3)]
    bodies = [ScriptedBody() for _ in files]
    sources = [line(body) for body in bodies]
    opened = [later(scene.spool.open(want(source, data))) for source, data in zip(sources, files, strict=True)]
    assert [len(source.asked) for source in sources] == [1, 1, 0]
    assert scene.spool.flights_now() == 3
    bodies[0].feed(CUT)
    scene.spool.clock.advance(PATIENCE)  # type: ignore[attr-defined]  # the clock of the scene
    bodies[1].feed(files[1], b"")
    assert len(sources[2].asked) == 1
    bodies[2].feed(files[2], b"")
    assert now(now(opened[2]).read(0, 100)) == files[2]
    opened[0].addErrback(lambda _: None)


def test_what_is_being_stored_out_of_memory_has_no_place_unless_there_is_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a disk that is slow does not keep small files from coming, and memory has a bound all the same."""
    gate: Deferred[None] = Deferred()

    async def slow(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        await gate
        return function(*args, **kwargs)

    monkeypatch.setattr(spooling, "STORING", 2)
    with tempfile.TemporaryDirectory() as folder:
        blobs = DirectoryBlobs(Path(folder) / "blobs", "blobs", slow)
        blobs.startService()
        spool = Spool(blobs, Clock(), 1)
        files = [LITTLE + b"%d" % number for number in range(4)]
        sources = [line(ScriptedBody().feed(data, b"")) for data in files]
        opened = [later(spool.open(want(source, data, absent=True))) for source, data in zip(sources, files, strict=True)]
        assert [len(source.asked) for source in sources] == [1, 1, 1, 0]
        gate.callback(None)
        assert [now(now(one).read(0, 100)) for one in opened] == files
        assert spool._slots.tokens == 1


def test_the_body_is_read_no_faster_than_the_draft_is_written() -> None:
    pending: list[Deferred[None]] = []

    async def slow_disk(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if "_append" in str(args[:1]):
            pending.append(Deferred())
            await pending[-1]
        return function(*args, **kwargs)

    with tempfile.TemporaryDirectory() as folder:
        blobs = DirectoryBlobs(Path(folder) / "blobs", "blobs", slow_disk)
        blobs.startService()
        spool = Spool(blobs, Clock())
        body = ScriptedBody().feed(*[b"x" * 1000] * 10)
        # What is small stays in memory meanwhile, and waits for no disk.
        opened = later(spool.open(Want("key", line(body), size=SMALL + 1)))
        assert body.reads == 1
        pending[0].callback(None)
        assert body.reads == 2
        opened.addErrback(lambda _: None)
        opened.cancel()
        now(spool.stopService())


@pytest.mark.parametrize("size", [SMALL, SMALL + 1])
def test_there_is_a_file_on_the_disk_only_for_what_is_not_small(tmp_path: Path, size: int) -> None:
    blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    blobs.startService()
    data = b"x" * size
    body = ScriptedBody().feed(data[: size // 2])
    spool = Spool(blobs, Clock())
    opened = later(spool.open(want(line(body), data)))
    assert len(list((blobs.path / "drafts").iterdir())) == (size > SMALL)
    body.feed(data[size // 2 :], b"")
    content = now(opened)
    assert now(content.read(size - 1, 10)) == b"x"
    content.close()
    stored = now(blobs.open(Digest(hashlib.sha256(data).hexdigest())))
    assert stored.size == size
    stored.close()
    assert list((blobs.path / "drafts").iterdir()) == []


def test_stopping_ends_all_transfers_and_removes_their_drafts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        blobs = DirectoryBlobs(Path(folder) / "blobs", "blobs", inline)
        blobs.startService()
        spool = Spool(blobs, Clock())
        spool.startService()
        body = ScriptedBody().feed(BIG[:1000])
        reader = now(spool.open(want(line(body), BIG)))
        reading = later(reader.read(1000, 10))
        assert len(list((blobs.path / "drafts").iterdir())) == 1
        now(spool.stopService())
        with pytest.raises(UpstreamUnavailable, match="stopping"):
            now(reading)
        assert list((blobs.path / "drafts").iterdir()) == []
        assert body.closed
        assert spool.flights_now() == 0
        with pytest.raises(NoSuchBlob):
            now(blobs.open(sha256(BIG)))


def test_readers_of_a_file_on_disk_hold_one_descriptor_until_the_last_has_left() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with tempfile.TemporaryDirectory() as folder:
        blobs = DirectoryBlobs(Path(folder) / "blobs", "blobs", inline)
        blobs.startService()
        # What earlier tests lost must not be closed while we count.
        gc.collect()
        before = descriptors()
        body = ScriptedBody()
        spool = Spool(blobs, Clock())
        readers = [now(spool.open(want(line(body), BIG))) for _ in range(3)]
        body.feed(BIG, b"")
        assert descriptors() == before + 1
        for reader in readers:
            assert now(reader.read(len(BIG) - 1, 5)) == BIG[-1:]
            reader.close()
        assert descriptors() == before
        content = now(spool.open(want(line(), BIG)))
        assert IOnDisk.providedBy(content)
        content.close()


def test_law_9_one_who_comes_while_the_store_is_asked_and_the_transfer_lands_begins_no_second_one() -> None:
    scene = Scene()
    gate: list[Deferred[None]] = []
    real = scene.blobs.open

    @attrs.define
    class SlowToSay:
        """A store whose absences take a while to be told."""

        async def open(self, digest: Digest) -> Any:
            try:
                return await real(digest)
            except NoSuchBlob:
                if gate_open:
                    raise
                gate.append(Deferred())
                await gate[-1]
                raise

        async def draft(self) -> Any:
            return await scene.blobs.draft()

    gate_open = False
    scene.spool.blobs = SlowToSay()  # type: ignore[assignment]  # as much of a store as is asked
    source = line(ScriptedBody().feed(LITTLE, b""))
    one, two = (later(scene.spool.open(want(source, LITTLE))) for _ in range(2))
    gate[0].callback(None)
    assert now(now(one).read(0, 100)) == LITTLE
    gate[1].callback(None)
    assert now(now(two).read(0, 100)) == LITTLE
    assert source.asked == [0]


@given(
    st.integers(0, 2 * TAIL),
    st.lists(st.integers(1, 700_000), max_size=6),
    st.lists(st.integers(50_000, 1 << 18), min_size=1, max_size=4),
    st.sets(st.integers(0, 4), max_size=RESUMES),
    st.tuples(st.booleans(), st.booleans()),
)
def test_any_chunking_any_cuts_and_any_reading_give_the_same_bytes(
    extra: int, chunks: list[int], limits: list[int], cuts: set[int], habits: tuple[bool, bool]
) -> None:
    """However upstream cuts it up, breaks it off or ignores ranges, a reader gets the file."""
    ranges, sized = habits
    data = BIG[: SMALL - TAIL + extra]
    scene = Scene()
    broken_at = sorted(cuts)

    async def source(offset: int) -> ScriptedBody:
        start = offset if ranges else 0
        body = ScriptedBody(start, len(data) if sized else None, '"a"')
        for number, size in enumerate([*chunks, len(data)]):
            if broken_at and number == broken_at[0]:
                broken_at.pop(0)
                return body.feed(CUT)
            if start < len(data):
                body.feed(data[start : start + size])
                start += size
        return body.feed(b"")

    opened = later(scene.spool.open(Want(sha256(data), source, sha256(data), len(data) if sized else None)))
    scene.clock.pump([PATIENCE * 2**number for number in range(RESUMES)])
    reader = now(opened)
    got = bytearray()
    turn = 0
    while piece := now(reader.read(len(got), limits[turn % len(limits)])):
        got += piece
        turn += 1
    assert got == data
    assert reader.size == len(data)
