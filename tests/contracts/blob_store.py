"""What every blob store promises (`IBlobStore`, `IDraft`, `IContent`)."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from pypidaemon.errors import CorruptContent, NoSuchBlob
from pypidaemon.interfaces import IBlobStore, IContent, IDraft, IHolding, ITended
from pypidaemon.model import Digest


def sha256(data: bytes) -> Digest:
    """The name of the blob that holds `data`."""
    return Digest(hashlib.sha256(data).hexdigest())


async def whole(content: Any, limit: int = 1 << 16) -> bytes:
    """All bytes of a content, pulled as a door would."""
    pieces = b""
    while piece := await content.read(len(pieces), limit):
        assert len(piece) <= limit
        pieces += piece
    return pieces


async def put(store: Any, data: bytes) -> Digest:
    """Store `data` and let go of the draft."""
    draft = await store.draft()
    await draft.write(data)
    digest: Digest = await draft.commit(None)
    draft.close()
    return digest


async def held(store: Any) -> set[Digest]:
    """Every digest the store says it holds."""
    return {digest async for digest in store.digests()}


async def older(store: Any, before: float) -> set[Digest]:
    """Every digest older than that moment."""
    return {digest async for digest in store.older(before)}


class BlobStoreContract:
    """
    Mix with trial's `TestCase` and give it a `make` that answers an empty store ready for use.

    `age` lets all that is in it be that many seconds older, `damage` puts other bytes in the place of a blob.
    """

    def age(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    def damage(self, digest: Digest, data: bytes) -> None:
        """What a disk does."""
        raise NotImplementedError

    def moment(self) -> float:
        """What the store takes for now."""
        return time.time()

    def make(self) -> Any:
        """Answer an empty store."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.store = self.make()

    async def refused(self, error: type[Exception], awaitable: Any) -> None:
        """Insist that this fails so."""
        with pytest.raises(error):
            await awaitable

    async def test_it_provides_what_it_promises(self) -> None:
        verifyObject(IBlobStore, self.store)
        draft = await self.store.draft()
        verifyObject(IDraft, draft)
        await draft.commit(None)
        draft.close()
        content = await self.store.open(sha256(b""))
        verifyObject(IContent, content)
        content.close()

    async def test_it_says_of_many_at_once_whether_they_are_here(self) -> None:
        verifyObject(IHolding, self.store)
        one, two = await put(self.store, b"one"), await put(self.store, b"two")
        asked = [one, sha256(b"three"), two, Digest("../../etc/passwd"), Digest("")]
        assert await self.store.holding(asked) == {one, two}
        await self.store.remove(one)
        assert await self.store.holding(iter(asked)) == {two}
        assert await self.store.holding([]) == frozenset()

    async def test_what_was_committed_can_be_read_from_anywhere_in_it(self) -> None:
        data = bytes(range(256)) * 10
        digest = await put(self.store, data)
        assert digest == sha256(data)
        content = await self.store.open(digest)
        assert (content.size, content.digest) == (len(data), digest)
        assert await whole(content, 100) == data
        assert await content.read(255, 2) == b"\xff\x00"
        assert await content.read(len(data) - 1, 10) == b"\xff"
        assert await content.read(len(data), 10) == b""
        assert await content.read(len(data) + 5, 10) == b""
        content.close()
        content.close()

    async def test_what_is_not_there_is_said_to_be_absent(self) -> None:
        await self.refused(NoSuchBlob, self.store.open(sha256(b"never")))

    async def test_law_5_a_digest_that_is_none_is_absent_and_touches_nothing(self) -> None:
        digest = await put(self.store, b"kept")
        for evil in ("", ".", "..", "../" * 20 + "etc/passwd", "/etc/passwd", "a" * 63, digest.upper(), digest + "\n", "\0" * 64):
            await self.refused(NoSuchBlob, self.store.open(Digest(evil)))
            await self.store.remove(Digest(evil))
        assert await held(self.store) == {digest}

    async def test_a_draft_is_invisible_until_commit_and_then_visible_at_once(self) -> None:
        draft = await self.store.draft()
        await draft.write(b"some")
        assert (draft.size, draft.digest) == (None, None)
        await self.refused(NoSuchBlob, self.store.open(sha256(b"some")))
        assert await held(self.store) == set()
        digest = await draft.commit(sha256(b"some"))
        assert (draft.size, draft.digest) == (4, digest)
        (await self.store.open(digest)).close()
        draft.close()

    async def test_a_reader_of_a_draft_follows_the_writer_to_the_end_and_beyond_commit(self) -> None:
        draft = await self.store.draft()
        reading = Deferred.fromCoroutine(whole(draft, 3))
        await draft.write(b"abcd")
        await draft.write(b"")
        assert await draft.read(1, 10) == b"bcd"
        ahead = Deferred.fromCoroutine(draft.read(6, 10))
        await draft.write(b"ef")
        assert not ahead.called
        await draft.write(b"gh")
        assert await ahead == b"gh"
        await draft.commit(None)
        assert await reading == b"abcdefgh"
        assert await draft.read(7, 10) == b"h"
        assert await draft.read(8, 10) == b""
        draft.close()
        draft.close()

    async def test_a_draft_closed_before_commit_can_still_be_committed(self) -> None:
        draft = await self.store.draft()
        await draft.write(b"data")
        draft.close()
        digest = await draft.commit(None)
        content = await self.store.open(digest)
        assert await whole(content) == b"data"
        content.close()

    async def test_S26_a_wrong_digest_is_refused_stored_nowhere_and_told_to_readers(self) -> None:
        draft = await self.store.draft()
        await draft.write(b"bad")
        waiting = Deferred.fromCoroutine(draft.read(3, 10))
        await self.refused(CorruptContent, draft.commit(sha256(b"good")))
        await self.refused(CorruptContent, waiting)
        await self.refused(CorruptContent, draft.read(0, 10))
        assert await held(self.store) == set()
        await draft.abort()
        draft.close()

    async def test_an_aborted_draft_was_never_there(self) -> None:
        draft = await self.store.draft()
        await draft.write(b"half")
        waiting = Deferred.fromCoroutine(draft.read(4, 10))
        await draft.abort()
        await self.refused(CorruptContent, waiting)
        await self.refused(CorruptContent, draft.read(0, 10))
        await draft.abort()
        draft.close()
        assert await held(self.store) == set()

    async def test_aborting_after_commit_does_nothing(self) -> None:
        draft = await self.store.draft()
        await draft.write(b"data")
        digest = await draft.commit(None)
        await draft.abort()
        assert await draft.read(0, 10) == b"data"
        draft.close()
        assert await held(self.store) == {digest}

    async def test_an_ended_draft_takes_no_more(self) -> None:
        draft = await self.store.draft()
        await draft.commit(None)
        await self.refused(ValueError, draft.write(b"more"))
        await self.refused(ValueError, draft.commit(None))
        draft.close()

    async def test_committing_what_is_already_held_succeeds(self) -> None:
        digest = await put(self.store, b"twice")
        reader = await self.store.open(digest)
        assert await put(self.store, b"twice") == digest
        assert await whole(reader) == b"twice"
        reader.close()
        assert await held(self.store) == {digest}

    async def test_removed_is_absent_but_who_has_it_open_reads_on(self) -> None:
        digest = await put(self.store, b"going")
        reader = await self.store.open(digest)
        await self.store.remove(digest)
        await self.store.remove(digest)
        await self.refused(NoSuchBlob, self.store.open(digest))
        assert await held(self.store) == set()
        assert await whole(reader) == b"going"
        reader.close()

    async def test_all_digests_are_told_once(self) -> None:
        put_in = [await put(self.store, b"%d" % number) for number in range(40)]
        told = [digest async for digest in self.store.digests()]
        assert sorted(told) == sorted(put_in)

    async def test_a_reader_of_a_draft_may_leave(self) -> None:
        draft = await self.store.draft()
        leaving = Deferred.fromCoroutine(draft.read(0, 10))
        leaving.addErrback(lambda _: None)
        leaving.cancel()
        await draft.write(b"data")
        assert await draft.read(0, 10) == b"data"
        await draft.abort()
        draft.close()

    async def test_it_knows_what_is_old_and_what_came_or_was_wanted_again(self) -> None:
        verifyObject(ITended, self.store)
        one, two, three = [await put(self.store, data) for data in (b"one", b"two", b"three")]
        assert await older(self.store, self.moment() - 50) == set()
        self.age(100)
        before = self.moment() - 50
        assert await older(self.store, before) == {one, two, three}
        assert await self.store.renew([one, sha256(b"never"), Digest("../../etc/passwd"), Digest("")]) == {one}
        assert await put(self.store, b"two") == two
        assert await older(self.store, before) == {three}

    async def test_law_7_only_what_is_still_old_is_cleared_away(self) -> None:
        one, two = await put(self.store, b"one"), await put(self.store, b"two")
        self.age(100)
        await self.store.renew([one])
        before = self.moment() - 50
        reader = await self.store.open(two)
        assert not await self.store.clear(one, before)
        assert await self.store.clear(two, before)
        assert not await self.store.clear(two, before)
        for none in ("", "../../etc/passwd", sha256(b"never")):
            assert not await self.store.clear(Digest(none), before)
        assert await held(self.store) == {one}
        assert await whole(reader) == b"two"
        reader.close()
        assert await put(self.store, b"two") == two

    async def test_F62_what_is_damaged_is_set_aside_and_not_what_stands_in_its_place_by_now(self) -> None:
        digest = await put(self.store, b"sound")
        self.damage(digest, b"sounD")
        found = await self.store.open(digest)
        assert await whole(found) == b"sounD"
        assert await put(self.store, b"sound") == digest
        assert not await self.store.set_aside(found, None)
        found.close()
        assert await held(self.store) == {digest}
        self.damage(digest, b"soun")
        found = await self.store.open(digest)
        assert await self.store.set_aside(found, None)
        assert not await self.store.set_aside(found, None)
        found.close()
        assert await held(self.store) == set()
        await self.refused(NoSuchBlob, self.store.open(digest))
        draft = await self.store.draft()
        assert not await self.store.set_aside(draft, None)
        await draft.abort()
        draft.close()

    async def test_where_nothing_went_wrong_nothing_is_astray(self) -> None:
        await put(self.store, b"one")
        draft = await self.store.draft()
        self.age(100)
        assert await self.store.strays(self.moment() + 10) == []
        assert not await self.store.discard("nothing", self.moment() + 10)
        await draft.abort()
        draft.close()
