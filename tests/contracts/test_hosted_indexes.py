"""The contract of hosted indexes, over every one there is and over every store it can stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.indexes.private import Private
from pypidaemon.interfaces import IHostedIndex
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
