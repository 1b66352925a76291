"""Small files on their way into the store: in memory until they are whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import CorruptContent, NoSuchBlob, StorageFull
from pypidaemon.handfuls import Handful
from pypidaemon.interfaces import IDraft
from tests.contracts.blob_store import sha256
from tests.gear import inline, later, now, waiting


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    """A store in a folder, without threads."""
    store = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    store.startService()
    return store


def test_it_is_a_draft_that_touches_no_disk_before_it_is_whole(blobs: DirectoryBlobs) -> None:
    handful = Handful(blobs)
    verifyObject(IDraft, handful)
    now(handful.write(b"one "))
    behind = later(handful.read(4, 100))
    assert waiting(behind)
    now(handful.write(b"two"))
    assert now(behind) == b"two"
    assert handful.written == 7
    assert os.listdir(blobs.path / "drafts") == []
    assert now(handful.commit(sha256(b"one two"))) == sha256(b"one two")
    assert (handful.size, handful.digest) == (7, sha256(b"one two"))
    assert now(handful.read(0, 3)) == b"one"
    assert now(handful.read(7, 3)) == b""
    with pytest.raises(ValueError, match="ended"):
        now(handful.write(b"more"))
    now(handful.abort())
    assert now(now(blobs.open(sha256(b"one two"))).read(0, 100)) == b"one two"
    handful.close()


def test_what_is_made_of_the_whole_is_kept_with_it(blobs: DirectoryBlobs) -> None:
    handful = Handful(blobs, lambda data: data[4:])
    now(handful.write(b"one "))
    now(handful.write(b"two"))
    now(handful.commit(None))
    assert now(now(blobs.open(sha256(b"two"))).read(0, 100)) == b"two"


def test_an_empty_one_is_a_blob_too(blobs: DirectoryBlobs) -> None:
    assert now(Handful(blobs).commit(None)) == sha256(b"")


def test_what_is_not_as_promised_is_no_blob_and_its_readers_hear_of_it(blobs: DirectoryBlobs) -> None:
    handful = Handful(blobs)
    now(handful.write(b"other"))
    behind = later(handful.read(5, 1))
    with pytest.raises(CorruptContent):
        now(handful.commit(sha256(b"promised")))
    with pytest.raises(CorruptContent):
        now(behind)
    for digest in (sha256(b"other"), sha256(b"promised")):
        with pytest.raises(NoSuchBlob):
            now(blobs.open(digest))
    assert os.listdir(blobs.path / "drafts") == []


def test_F53_where_there_is_no_room_it_is_given_up(blobs: DirectoryBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    handful = Handful(blobs)
    now(handful.write(b"data"))

    def full(*_: object) -> int:
        raise OSError(28, "full")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageFull):
        now(handful.commit(None))
    with pytest.raises(CorruptContent):
        now(handful.read(0, 1))
