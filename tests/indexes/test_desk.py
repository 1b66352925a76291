"""Small uploads: in memory until they are stored, several at one stroke where several are ready in a moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import CorruptContent, StorageFailed, StorageFull
from pypidaemon.indexes.private.desk import LULL, MOST, PATIENCE, STUCK, Desk
from pypidaemon.indexes.private.slight import LARGEST, SlightDraft
from pypidaemon.interfaces import IInFile
from pypidaemon.model import Digest
from tests.contracts.blob_store import held, sha256, whole
from tests.gear import inline, later, now, waiting


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryBlobs]:
    store = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    store.startService()
    yield store
    now(store.stopService() or _nothing())


async def _nothing() -> None:
    pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(store: DirectoryBlobs, clock: Clock) -> Desk:
    return Desk(store, store, clock)


def written(desk: Desk, data: bytes, *, expected: bool = False) -> SlightDraft:
    draft = SlightDraft(desk)
    now(draft.write(data))
    draft.expect(expected)
    return draft


def test_one_alone_is_stored_at_once_with_what_stands_beside_it(desk: Desk, store: DirectoryBlobs, clock: Clock) -> None:
    draft = written(desk, b"wheel", expected=True)
    assert now(draft.commit_with(sha256(b"wheel"), b"metadata")) == sha256(b"wheel")
    assert now(held(store)) == {sha256(b"wheel"), sha256(b"metadata")}
    assert (desk.held, desk.expected, desk.rounds, clock.getDelayedCalls()) == (0, 0, 1, [])
    assert now(whole(draft)) == b"wheel"


def test_who_is_ready_waits_for_those_who_will_be_in_a_moment(desk: Desk, store: DirectoryBlobs) -> None:
    drafts = [written(desk, b"%d" % number, expected=True) for number in range(3)]
    running = [later(draft.commit(None)) for draft in drafts[:2]]
    assert all(map(waiting, running))
    assert now(held(store)) == set()
    now(drafts[2].commit(None))
    assert [now(one) for one in running] == [sha256(b"0"), sha256(b"1")]
    assert desk.rounds == 1


def test_who_waits_goes_on_when_the_others_will_not_come(desk: Desk) -> None:
    first, other = (written(desk, data, expected=True) for data in (b"a", b"b"))
    running = later(first.commit(None))
    assert waiting(running)
    now(other.abort())
    assert now(running) == sha256(b"a")


def test_nobody_waits_for_long(desk: Desk, clock: Clock) -> None:
    first, other = (written(desk, data, expected=True) for data in (b"a", b"b"))
    running = later(first.commit(None))
    clock.advance(PATIENCE)
    assert now(running) == sha256(b"a")
    assert now(other.commit(None)) == sha256(b"b")
    assert desk.rounds == 2


def together(desk: Desk, count: int) -> None:
    """So many are stored in one round."""
    drafts, rounds = [written(desk, b"%d of %d" % (number, count), expected=True) for number in range(count)], desk.rounds
    for draft in drafts:
        later(draft.commit(None))
    assert desk.rounds == rounds + 1


def test_as_many_as_were_stored_together_are_waited_for_once_more(desk: Desk, clock: Clock) -> None:
    together(desk, 3)
    running = [later(written(desk, data, expected=True).commit(None)) for data in (b"a", b"b")]
    clock.advance(LULL * 0.9)
    assert all(map(waiting, running))
    last = later(written(desk, b"c", expected=True).commit(None))
    assert not any(map(waiting, [*running, last]))
    assert (desk.rounds, clock.getDelayedCalls()) == (2, [])


def test_they_are_waited_for_for_a_moment_and_the_third_time_not_at_all(desk: Desk, clock: Clock) -> None:
    together(desk, 3)
    for waits in (True, True, False):
        running = later(written(desk, b"%d" % desk.rounds, expected=True).commit(None))
        assert waiting(running) is waits
        clock.advance(LULL)
        assert not waiting(running)


def test_who_comes_within_the_moment_is_waited_for_until_he_is_ready_but_not_for_long(desk: Desk, clock: Clock) -> None:
    together(desk, 4)
    first = later(written(desk, b"a", expected=True).commit(None))
    clock.advance(LULL * 0.9)
    second = written(desk, b"b", expected=True)
    clock.advance(LULL)
    assert waiting(first)
    other = later(second.commit(None))
    # Each that comes makes the moment begin anew, up to a bound.
    for number in range(10):
        clock.advance(LULL * 0.9)
        if not waiting(first):
            break
        now(written(desk, b"%d" % number, expected=True).abort())
    assert LULL * 1.9 < clock.seconds() <= PATIENCE + LULL
    assert (waiting(other), desk.rounds) == (False, 2)


def test_there_are_not_too_many_in_one_round(desk: Desk) -> None:
    drafts = [written(desk, b"%d" % number, expected=True) for number in range(MOST + 1)]
    running = [later(draft.commit(None)) for draft in drafts[:MOST]]
    assert not any(map(waiting, running))
    assert desk.rounds == 1


def test_who_is_ready_while_others_are_stored_is_stored_after_them_with_all_the_others(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk confirms one thing after the other, so rounds side by side would be more of them, each for fewer."""
    asked: list[tuple[list[bytes], Deferred[list[Digest | Exception]]]] = []

    def keep_all(documents: list[tuple[bytes, bytes | None]]) -> Deferred[list[Digest | Exception]]:
        asked.append(([data for data, _ in documents], Deferred()))
        return asked[-1][1]

    monkeypatch.setattr(desk, "keeping", Keeping(keep_all))
    running = [later(written(desk, b"%d" % number, expected=True).commit(None)) for number in range(MOST + 2)]
    clock.advance(PATIENCE)
    for wanted in (1, MOST, 1):
        clock.advance(LULL)
        data, answer = asked[-1]
        assert (len(asked), len(data)) == (desk.rounds, wanted)
        answer.callback([sha256(one) for one in data])
    assert [now(one) for one in running] == [sha256(b"%d" % number) for number in range(MOST + 2)]
    assert (desk.rounds, desk.held, clock.getDelayedCalls()) == (3, 0, [])


def test_a_round_that_failed_lets_the_next_one_begin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Deferred[list[Digest | Exception]]] = []
    monkeypatch.setattr(desk, "keeping", Keeping(lambda _: asked.append(Deferred()) or asked[-1]))
    first, other = (later(written(desk, data).commit(None)) for data in (b"a", b"b"))
    assert len(asked) == 1
    asked[0].errback(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        now(first)
    asked[1].callback([sha256(b"b")])
    assert now(other) == sha256(b"b")


def test_each_hears_of_its_own_failure(desk: Desk, store: DirectoryBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts = [written(desk, data, expected=True) for data in (b"good", b"bad", b"left")]

    async def keep_all(documents: list[tuple[bytes, bytes | None]]) -> list[Digest | Exception]:
        return [StorageFull("no room") if data == b"bad" else sha256(data) for data, _ in documents]

    monkeypatch.setattr(desk, "keeping", Keeping(keep_all))
    good, bad, left = (later(draft.commit(None)) for draft in drafts)
    assert now(good) == sha256(b"good")
    with pytest.raises(StorageFull):
        now(bad)
    assert now(left) == sha256(b"left")
    with pytest.raises(CorruptContent):
        now(drafts[1].read(0, 10))


def test_all_hear_of_what_went_wrong_with_all_and_who_left_hears_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Deferred[list[Digest | Exception]] = Deferred()
    monkeypatch.setattr(desk, "keeping", Keeping(lambda _: asked))
    drafts = [written(desk, data, expected=True) for data in (b"a", b"b")]
    running = [later(draft.commit(None)) for draft in drafts]
    running[0].cancel()
    with pytest.raises(CancelledError):
        now(running[0])
    asked.errback(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        now(running[1])
    assert desk.held == 0


def test_F60_a_disk_that_does_not_answer_is_not_waited_for_for_ever_and_who_comes_then_goes_round_it(
    desk: Desk, store: DirectoryBlobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Deferred[list[Digest | Exception]]] = []
    monkeypatch.setattr(desk, "keeping", Keeping(lambda _: asked.append(Deferred()) or asked[-1]))
    first, left, behind = (later(written(desk, data).commit(None)) for data in (b"first", b"left", b"behind"))
    half = written(desk, b"half")
    left.cancel()
    with pytest.raises(CancelledError):
        now(left)
    clock.advance(STUCK - 1)
    assert waiting(first)
    assert waiting(behind)
    clock.advance(1)
    for one in (first, behind, later(half.commit(None))):
        with pytest.raises(StorageFailed, match="the disk does not answer"):
            now(one)
    assert (desk.held, clock.getDelayedCalls(), len(asked)) == (0, [], 1)
    other = written(desk, b"other")
    assert not other.in_memory
    assert now(other.commit(None)) == sha256(b"other")
    # It answers at last, and all is as it was.
    asked[0].callback([sha256(b"first")])
    again = written(desk, b"again")
    assert again.in_memory
    running = later(again.commit(None))
    asked[1].callback([sha256(b"again")])
    assert now(running) == sha256(b"again")
    assert (desk.held, clock.getDelayedCalls()) == (0, [])


class Keeping:
    """A store that keeps as it is told."""

    def __init__(self, keep_all: Any) -> None:
        self.keep_all = keep_all


def test_what_is_not_small_goes_on_in_a_draft_of_the_store(desk: Desk, store: DirectoryBlobs) -> None:
    draft = written(desk, b"x" * LARGEST, expected=True)
    assert not IInFile.providedBy(draft)
    assert draft.in_memory
    reading = later(draft.read(LARGEST, 10))
    now(draft.write(b"yz"))
    assert IInFile.providedBy(draft)
    assert (draft.in_memory, desk.held, desk.expected, draft.written) == (False, 0, 0, LARGEST + 2)
    assert Path(draft.path).read_bytes() == b"x" * LARGEST + b"yz"
    now(draft.write(b"!"))
    assert now(reading) == b"yz"
    assert now(draft.commit(None)) == draft.digest == sha256(b"x" * LARGEST + b"yz!")
    assert draft.size == LARGEST + 3
    draft.close()
    assert now(held(store)) == {draft.digest}


def test_memory_is_bounded_whatever_the_number_of_uploads(store: DirectoryBlobs, clock: Clock) -> None:
    desk = Desk(store, store, clock, most=10)
    small, other = written(desk, b"12345678"), written(desk, b"123")
    assert (desk.held, IInFile.providedBy(small), IInFile.providedBy(other)) == (8, False, True)
    now(small.abort())
    now(small.abort())
    assert desk.held == 0
    assert now(other.commit(None)) == sha256(b"123")


def test_F53_without_room_for_more_it_stays_as_it_was(desk: Desk, store: DirectoryBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = written(desk, b"x" * LARGEST)

    async def full() -> None:
        raise StorageFull("no room")

    monkeypatch.setattr(desk, "store", Full(full))
    with pytest.raises(StorageFull):
        now(draft.write(b"y"))
    assert now(draft.read(0, LARGEST + 10)) == b"x" * LARGEST
    assert now(draft.commit(None)) == sha256(b"x" * LARGEST)


class Full:
    """A store that begins no draft."""

    def __init__(self, draft: Any) -> None:
        self.draft = draft


def test_a_write_that_was_interrupted_leaves_nothing_to_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = written(desk, b"x" * LARGEST)
    begun: Deferred[None] = Deferred()
    monkeypatch.setattr(desk, "store", Full(lambda: begun))
    running = later(draft.write(b"y"))
    running.cancel()
    with pytest.raises(CancelledError):
        now(running)
    with pytest.raises(CorruptContent, match="interrupted"):
        now(draft.commit(None))
