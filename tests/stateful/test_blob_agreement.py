"""The stores in memory and on disk, in lockstep: whatever is done to both, both say the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Digest
from tests.examples import examples
from tests.gear import inline, later, now, waiting

DATA = st.binary(max_size=8)
Pair = tuple[Any, Any]


def outcome(coroutine: Any) -> Any:
    """What a coroutine comes to: a value, the kind of its error, or that it waits."""
    deferred = later(coroutine)
    if waiting(deferred):
        deferred.addErrback(lambda _: None)
        deferred.cancel()
        return "waits"
    try:
        return now(deferred)
    except (PypidaemonError, ValueError) as error:
        return type(error)


class BlobAgreement(RuleBasedStateMachine):
    """Every rule does the same to both stores and compares."""

    drafts = Bundle("drafts")
    digests = Bundle("digests")
    contents = Bundle("contents")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        directory = DirectoryBlobs(Path(self.folder.name) / "blobs", "blobs", inline)
        directory.startService()
        self.stores: Pair = (MemoryBlobs(), directory)

    def teardown(self) -> None:
        self.folder.cleanup()

    def both(self, subjects: Pair, method: str, *args: Any) -> Any:
        """Call a method on both, insist that the outcomes agree, and answer them."""
        one, other = (outcome(getattr(subject, method)(*args)) for subject in subjects)
        assert one == other
        return one

    @rule(target=drafts)
    def begin(self) -> Pair:
        return now(self.stores[0].draft()), now(self.stores[1].draft())

    @rule(pair=drafts, data=DATA)
    def write(self, pair: Pair, data: bytes) -> None:
        self.both(pair, "write", data)

    @rule(pair=drafts, offset=st.integers(0, 20), limit=st.integers(1, 20))
    def read_draft(self, pair: Pair, offset: int, limit: int) -> None:
        self.both(pair, "read", offset, limit)

    @rule(pair=drafts)
    def abort(self, pair: Pair) -> None:
        self.both(pair, "abort")

    @rule(target=digests, pair=drafts)
    def commit(self, pair: Pair) -> Digest:
        digest = self.both(pair, "commit", None)
        return digest if isinstance(digest, str) else Digest("0" * 64)

    @rule(pair=drafts, digest=digests)
    def commit_as(self, pair: Pair, digest: Digest) -> None:
        self.both(pair, "commit", digest)

    @rule(pair=consumes(drafts))
    def close_draft(self, pair: Pair) -> None:
        for draft in pair:
            now(draft.abort())
            draft.close()

    @rule(target=contents, digest=digests)
    def open(self, digest: Digest) -> Pair | None:
        opened = tuple(outcome(store.open(digest)) for store in self.stores)
        if isinstance(opened[0], type):
            assert opened[0] is opened[1]
            return None
        assert opened[0].size == opened[1].size
        assert opened[0].digest == opened[1].digest == digest
        return opened

    @rule(pair=contents, offset=st.integers(0, 20), limit=st.integers(1, 20))
    def read(self, pair: Pair | None, offset: int, limit: int) -> None:
        if pair is not None:
            self.both(pair, "read", offset, limit)

    @rule(digest=digests)
    def remove(self, digest: Digest) -> None:
        self.both(self.stores, "remove", digest)

    @rule()
    def restart(self) -> None:
        """A second process starting over the same folder disturbs nothing."""
        DirectoryBlobs(self.stores[1].path, "blobs", inline).startService()

    @invariant()
    def they_hold_the_same(self) -> None:
        async def held(store: Any) -> set[Digest]:
            return {digest async for digest in store.digests()}

        assert now(held(self.stores[0])) == now(held(self.stores[1]))


TestBlobAgreement = BlobAgreement.TestCase
TestBlobAgreement.settings = settings(max_examples=examples(25), stateful_step_count=30, deadline=None)
