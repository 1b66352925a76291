"""The eleven books, in every place of records that there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.application.service import IService
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IRecords
from pypidaemon.records.memory import MemoryRecords
from tests.contracts.accounts import AccountRecordsContract
from tests.contracts.file_facts import FileFactsContract
from tests.contracts.file_records import FileRecordsContract
from tests.contracts.ledger import LedgerContract
from tests.contracts.mirror_records import MirrorRecordsContract
from tests.contracts.page_cache import PageCacheContract
from tests.contracts.registers import (
    DocumentCacheContract,
    FetchRecordsContract,
    PublisherRecordsContract,
    RulingRecordsContract,
    WithdrawnEntriesContract,
)
from tests.contracts.uses import PinsContract, UsesContract
from tests.gear import now
from tests.records_gear import sqlite_records


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def records(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[IRecords]:
    """Running records of each kind."""
    made = MemoryRecords("records", clock) if request.param == "memory" else sqlite_records(tmp_path / "records.sqlite", clock)
    made.startService()
    yield made
    made.stopService()


def test_keep_the_interface(records: IRecords) -> None:
    """The whole is an IRecords with a life."""
    verifyObject(IRecords, records)
    verifyObject(IService, records)


def test_identity_is_a_token_and_stays(records: IRecords) -> None:
    """RFC 9110 §7.6.3: a pseudonym is a token, or a host name."""
    identity = now(records.identity())
    assert len(identity) == 16
    assert set(identity) <= set("0123456789abcdef")
    assert now(records.identity()) == identity


class TestPageCache(PageCacheContract):
    pass


class TestFileFacts(FileFactsContract):
    pass


class TestLedger(LedgerContract):
    pass


class TestFileRecords(FileRecordsContract):
    pass


class TestAccountRecords(AccountRecordsContract):
    pass


class TestRulingRecords(RulingRecordsContract):
    pass


class TestFetchRecords(FetchRecordsContract):
    pass


class TestWithdrawnEntries(WithdrawnEntriesContract):
    pass


class TestPublisherRecords(PublisherRecordsContract):
    pass


class TestUses(UsesContract):
    """All of them."""


class TestPins(PinsContract):
    """All of them."""


class TestDocumentCache(DocumentCacheContract):
    pass


class TestMirrorRecords(MirrorRecordsContract):
    pass
