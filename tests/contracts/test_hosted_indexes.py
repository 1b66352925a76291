"""The contract of hosted indexes, over every one there is and over every store it can stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.indexes.private import Private
from pypidaemon.indexes.private.desk import Desk
from pypidaemon.indexes.private.slight import SlightDraft
from pypidaemon.interfaces import IDraft, IHostedIndex
from pypidaemon.records.memory import MemoryRecords
from tests.contracts.hosted_index import NOON, HostedIndexContract, Yard
from tests.gear import inline, now
from tests.records_gear import sqlite_records


def private(yard: Yard, **settings: object) -> Private:
    """A private index in that yard."""
    return Private(
        label="private",
        records=yard.records,
        blobs=yard.blobs,
        clock=yard.clock,
        cpu=inline,
        announcements=yard.announcements,
        inspector=yard.inspectors,
        **settings,  # type: ignore[arg-type]  # tests know what they pass
    )


def elsewhere() -> Private:
    """A private index that shares nothing with any other."""
    clock = Clock()
    clock.advance(NOON + 86400)
    return private(Yard(MemoryRecords("records", clock), MemoryBlobs(), clock))


class TestPrivateInMemory(HostedIndexContract):
    @pytest.fixture
    def yard(self) -> Yard:
        clock = Clock()
        clock.advance(NOON)
        return Yard(MemoryRecords("records", clock), MemoryBlobs(), clock)

    @pytest.fixture
    def index(self, yard: Yard) -> IHostedIndex:
        return private(yard)

    def source(self) -> IHostedIndex:
        return elsewhere()


class TestPrivateOnDisk(HostedIndexContract):
    @pytest.fixture
    def yard(self, tmp_path: Path) -> Iterator[Yard]:
        clock = Clock()
        clock.advance(NOON)
        records = sqlite_records(tmp_path / "records.sqlite", clock)
        blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
        records.startService()
        blobs.startService()
        yield Yard(records, blobs, clock)
        now(records.stopService())

    @pytest.fixture
    def index(self, yard: Yard) -> IHostedIndex:
        return private(yard)

    def source(self) -> IHostedIndex:
        return elsewhere()


class SmallYard(Yard):
    """A yard whose drafts are those of the index itself, which stay in memory while they are small."""

    def draft(self, data: bytes) -> IDraft:
        draft = SlightDraft(Desk(self.blobs, self.blobs, self.clock))
        for offset in range(0, len(data), 1000):
            now(draft.write(data[offset : offset + 1000]))
        return draft


class TestPrivateOfSmallFiles(TestPrivateInMemory):
    @pytest.fixture
    def yard(self, tmp_path: Path) -> Yard:
        clock = Clock()
        clock.advance(NOON)
        records = MemoryRecords("records", clock)
        blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
        blobs.startService()
        return SmallYard(records, blobs, clock)
