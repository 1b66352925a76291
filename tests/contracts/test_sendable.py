"""`ISendable`: whoever says that the system can send its bytes says truly which, where and when."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import CorruptContent, StorageFull, UpstreamUnavailable
from pypidaemon.interfaces import ISendable
from pypidaemon.passing import Given, Passing
from pypidaemon.transfers import TAIL, Reader, Transfer, Want
from tests.contracts.blob_store import put
from tests.gear import inline, later, now, waiting

DATA = os.urandom(1 << 16) * 20


async def nobody(offset: int) -> Any:
    """A source that is never asked."""
    raise AssertionError


@pytest.fixture
def store(tmp_path: Path) -> DirectoryBlobs:
    store = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    store.startService()
    return store


def transfer(draft: Any) -> Transfer:
    """A download of `DATA` into that draft."""
    return Transfer(Want("key", nobody, size=len(DATA)), len(DATA), draft=draft)


Making = Callable[[DirectoryBlobs], Any]


def blob(store: DirectoryBlobs) -> Any:
    return now(store.open(now(put(store, DATA))))


def draft(store: DirectoryBlobs) -> Any:
    made = now(store.draft())
    now(made.write(DATA))
    return made


def reader(store: DirectoryBlobs) -> Any:
    made = transfer(draft(store))
    content = Reader(made)
    made.took(DATA)
    made.end(now(made.draft.commit(None)))  # type: ignore[union-attr]  # it was given one
    return content


def given(store: DirectoryBlobs) -> Any:
    return Given(reader(store), Passing(Clock()))


@pytest.mark.parametrize("make", [blob, draft, reader, given])
def test_what_is_reached_lies_in_the_file_at_the_same_offsets(store: DirectoryBlobs, make: Making) -> None:
    content = make(store)
    assert verifyObject(ISendable, content)
    for offset in (0, 1, len(DATA) - 1):
        count = now(content.reach(offset))
        assert count == len(DATA) - offset
        assert os.pread(content.descriptor(), 100, offset) == DATA[offset : offset + 100]
        assert now(content.read(offset, 100)) == DATA[offset : offset + 100]
    if make is not draft:
        assert now(content.reach(len(DATA))) == 0
        content.close()
        content.close()
        assert content.descriptor() is None
    else:
        now(content.abort())


def test_a_draft_is_reached_as_it_grows_and_closed_with_its_end(store: DirectoryBlobs) -> None:
    content = now(store.draft())
    reaching = later(content.reach(3))
    now(content.write(b"abc"))
    assert waiting(reaching)
    now(content.write(b"de"))
    assert now(reaching) == 2
    reaching = later(content.reach(5))
    now(content.abort())
    with pytest.raises(CorruptContent):
        now(reaching)
    assert content.descriptor() is None


def test_law_6_a_reader_reaches_no_byte_of_the_tail_before_the_verdict(store: DirectoryBlobs) -> None:
    """Nor any of a download that failed, whose draft is closed by then."""
    made = transfer(draft(store))
    content = Reader(made)
    reaching = later(content.reach(0))
    assert waiting(reaching)
    assert not made.given
    made.took(DATA)
    assert now(reaching) == len(DATA) - TAIL
    assert made.given
    reaching = later(content.reach(len(DATA) - TAIL))
    assert waiting(reaching)
    made.end(UpstreamUnavailable("pypi", "it is down"))
    with pytest.raises(UpstreamUnavailable):
        now(reaching)
    now(made.draft.abort())  # type: ignore[union-attr]  # it was given one
    assert content.descriptor() is None
    content.close()


def test_of_what_is_in_memory_nothing_is_reached() -> None:
    """So it is read."""
    held = now(MemoryBlobs().draft())
    now(held.write(DATA))
    made = transfer(held)
    made.took(DATA)
    content = Reader(made)
    assert (now(content.reach(0)), content.descriptor()) == (0, None)
    content.close()


def test_F53_where_there_is_no_room_for_the_rest_it_is_read(store: DirectoryBlobs) -> None:
    """`read` knows how to go on past the store."""
    made = transfer(draft(store))
    content = Given(Reader(made), Passing(Clock()))
    made.took(DATA[:1_200_000])
    assert now(content.reach(0)) == 1_200_000
    made.end(StorageFull("no room"))
    assert now(content.reach(1_200_000)) == 0
    now(made.draft.abort())  # type: ignore[union-attr]  # it was given one
    content.close()
