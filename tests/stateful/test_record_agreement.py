"""Memory and SQLite, asked the same in lockstep, say the same; and SQLite still does after it was closed and opened."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IRecords
from pypidaemon.model import (
    Deed,
    Digest,
    Downloads,
    Fact,
    Fetch,
    File,
    Filename,
    FileRecord,
    Grant,
    NormalizedName,
    Remembered,
    RememberedNames,
    Ruling,
    RulingKind,
    Standing,
    Token,
    UpstreamPage,
    User,
    Validators,
)
from pypidaemon.records.memory import MemoryRecords
from tests.examples import examples
from tests.gear import now
from tests.records_gear import sqlite_records

LABELS = st.sampled_from(["root", "private"])
NAMES = st.sampled_from([NormalizedName("foo"), NormalizedName("bar"), NormalizedName("a-b")])
FILENAMES = st.sampled_from([Filename("foo-1.0.tar.gz"), Filename("Foo-1.zip"), Filename("foo-2-py3-none-any.whl")])
DIGESTS = st.sampled_from([Digest("a" * 64), Digest("b" * 64)])
MAYBE_DIGESTS = st.none() | DIGESTS
TIMES = st.floats(0, 1e10)
DAYS = st.sampled_from(["1970-01-01", "2026-01-02", "2100-01-01"])
DATES = st.none() | st.sampled_from(["2020-01-02T03:04:05Z", "2024-01-02T03:04:05Z"])
SAYERS = st.none() | st.sampled_from(["other", "last-modified"])
FACTS = st.builds(Fact, MAYBE_DIGESTS, st.none() | st.integers(0, 2**50), MAYBE_DIGESTS, st.booleans(), DATES, SAYERS)
FILES = st.builds(
    lambda filename, digest, yanked, metadata: File(
        filename, hashes=(("sha256", digest),) if digest else (), yanked=yanked, core_metadata=metadata
    ),
    FILENAMES,
    MAYBE_DIGESTS,
    st.sampled_from([None, "", "why"]),
    MAYBE_DIGESTS,
)
PAGES = st.builds(lambda name, versions: UpstreamPage(name, versions=versions), NAMES, st.sampled_from([(), ("1",), ("1", "2")]))
STANDINGS = st.sampled_from(list(Standing))
ACCOUNTS = st.sampled_from(["ada", "eve"])
TARGETS = st.sampled_from(["foo", "foo==1", "sha256:" + "a" * 64])
PUBLISHERS = st.sampled_from(["github:a/b", "gitlab:a/b"])
IDS = st.sampled_from(["abcdefghijkl", "mnopqrstuvwx"])
GRANTS = st.builds(
    Grant, ACCOUNTS | st.just("anonymous"), st.sampled_from(["list", "read", "upload"]), st.sampled_from(["*", "private"]), st.just("*")
)
RULINGS = st.builds(Ruling, st.sampled_from(list(RulingKind)), TARGETS, st.sampled_from(["", "why"]), ACCOUNTS, TIMES, st.none() | TIMES)
FETCHES = st.builds(
    Fetch,
    TIMES,
    ACCOUNTS,
    st.just("192.0.2.1"),
    st.text(max_size=300),
    LABELS,
    NAMES,
    st.sampled_from(["", "1", "2"]),
    FILENAMES,
    MAYBE_DIGESTS,
)


def outcome(question: Coroutine[Any, Any, Any]) -> Any:
    """What came of it: the answer, or the kind and text of the error."""
    try:
        return now(question)
    except PypidaemonError as error:
        return type(error), str(error)


class Agreement(RuleBasedStateMachine):
    """Every rule asks both and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.folder = Path(tempfile.mkdtemp())
        self.memory: IRecords = MemoryRecords("records", self.clock)
        self.sqlite: Any = sqlite_records(self.folder / "records.sqlite", self.clock)
        self.sqlite.startService()

    def teardown(self) -> None:
        self.sqlite.stopService()
        shutil.rmtree(self.folder)

    def both(self, book: str, method: str, *args: Any) -> Any:
        """Ask both and answer what they agree on."""
        answers = [outcome(getattr(getattr(records, book), method)(*args)) for records in (self.memory, self.sqlite)]
        assert answers[0] == answers[1]
        return answers[0]

    @rule(seconds=st.integers(1, 1000))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def reopen(self) -> None:
        self.sqlite.stopService()
        self.sqlite = sqlite_records(self.folder / "records.sqlite", self.clock)
        self.sqlite.startService()

    @rule(label=LABELS, name=NAMES, page=st.none() | PAGES, fetched=TIMES, fresh_until=TIMES)
    def keep(self, label: str, name: NormalizedName, page: UpstreamPage | None, fetched: float, fresh_until: float) -> None:
        self.both("pages", "keep", label, name, Remembered(page, fetched, fresh_until))

    @rule(label=LABELS, name=NAMES)
    def drop(self, label: str, name: NormalizedName) -> None:
        self.both("pages", "drop", label, name)

    @rule(label=LABELS, name=st.none() | NAMES)
    def expire(self, label: str, name: NormalizedName | None) -> None:
        self.both("pages", "expire", label, name)

    @rule(label=LABELS, digest=DIGESTS, etag=st.none() | st.just('"e"'), serial=st.integers(0, 99), fresh_until=TIMES)
    def keep_names(self, label: str, digest: Digest, etag: str | None, serial: int, fresh_until: float) -> None:
        self.both("pages", "keep_names", label, RememberedNames(digest, Validators(etag), serial, 1.5, fresh_until))

    @rule(label=LABELS, name=NAMES, filename=FILENAMES, fact=FACTS)
    def learn(self, label: str, name: NormalizedName, filename: Filename, fact: Fact) -> None:
        self.both("facts", "learn", label, name, filename, fact)

    @rule(label=LABELS, name=NAMES, revision=st.sampled_from(["r1", "r2"]), at_least=st.integers(0, 20))
    def number(self, label: str, name: NormalizedName, revision: str, at_least: int) -> None:
        self.both("ledger", "number", label, name, revision, at_least)

    @rule(label=LABELS, name=NAMES, file=FILES, version=st.sampled_from(["1", "2"]), standing=STANDINGS)
    def record(self, label: str, name: NormalizedName, file: File, version: str, standing: Standing) -> None:
        self.both("files", "record", label, name, FileRecord(file, version, "ada", standing, self.clock.seconds()), "add")

    @rule(label=LABELS, name=NAMES, file=FILES, version=st.sampled_from(["1", "2"]), founder=st.none() | ACCOUNTS)
    def add(self, label: str, name: NormalizedName, file: File, version: str, founder: str | None) -> None:
        self.both("files", "add", label, name, FileRecord(file, version, "ada", uploaded=self.clock.seconds()), "add", founder)

    @rule(label=LABELS, name=NAMES, filenames=st.lists(FILENAMES, max_size=3), standing=STANDINGS)
    def place(self, label: str, name: NormalizedName, filenames: list[Filename], standing: Standing) -> None:
        self.both("files", "place", label, name, tuple(filenames), standing, "place")

    @rule(label=LABELS, name=NAMES, account=st.none() | ACCOUNTS)
    def give(self, label: str, name: NormalizedName, account: str | None) -> None:
        self.both("files", "give", label, name, account)

    @rule(name=ACCOUNTS, password_hash=st.sampled_from(["", "h"]), disabled=st.booleans())
    def keep_user(self, name: str, password_hash: str, disabled: bool) -> None:
        self.both("accounts", "keep_user", User(name, password_hash, disabled))

    @rule(group=st.sampled_from(["staff", "admins"]), name=ACCOUNTS, member=st.booleans())
    def enrol(self, group: str, name: str, member: bool) -> None:
        self.both("accounts", "enrol", group, name, member)

    @rule(grant=GRANTS, given=st.booleans())
    def grant(self, grant: Grant, given: bool) -> None:
        self.both("accounts", "grant", grant, given)

    @rule(id=IDS, account=ACCOUNTS, expires=st.none() | TIMES, last_used=st.none() | TIMES)
    def keep_token(self, id: str, account: str, expires: float | None, last_used: float | None) -> None:
        self.both("accounts", "keep_token", Token(id, account, "a" * 64, "", "*", self.clock.seconds(), expires, last_used))

    @rule(id=IDS)
    def revoke_token(self, id: str) -> None:
        self.both("accounts", "revoke_token", id)

    @rule(id=IDS, time=TIMES)
    def used_token(self, id: str, time: float) -> None:
        self.both("accounts", "used_token", id, time)

    @rule(time=TIMES, account=ACCOUNTS, done=st.booleans())
    def note(self, time: float, account: str, done: bool) -> None:
        self.both("accounts", "note", Deed(time, account, "192.0.2.1", "upload", "private/foo", "", done))

    @rule(since=TIMES, limit=st.integers(-1, 4))
    def deeds(self, since: float, limit: int) -> None:
        self.both("accounts", "deeds", since, limit)

    @rule(label=LABELS, name=NAMES, filename=FILENAMES, file=FILES)
    def amend(self, label: str, name: NormalizedName, filename: Filename, file: File) -> None:
        self.both("files", "amend", label, name, filename, file, "amend")

    @rule(label=LABELS, name=NAMES, filename=st.none() | FILENAMES)
    def forget(self, label: str, name: NormalizedName, filename: Filename | None) -> None:
        self.both("files", "forget", label, name, filename, "remove")

    @rule(label=LABELS, since=st.integers(0, 25), limit=st.integers(0, 5))
    def changes(self, label: str, since: int, limit: int) -> None:
        self.both("files", "changes", label, since, limit)
        self.both("ledger", "changes", label, since, limit)

    @rule(digest=DIGESTS)
    def references(self, digest: Digest) -> None:
        self.both("files", "references", digest)

    @rule(ruling=RULINGS)
    def rule_so(self, ruling: Ruling) -> None:
        self.both("rulings", "rule", ruling)

    @rule(kind=st.sampled_from(list(RulingKind)), which=TARGETS)
    def repeal(self, kind: RulingKind, which: str) -> None:
        self.both("rulings", "repeal", kind, which)

    @rule(fetches=st.lists(FETCHES, min_size=1, max_size=5))
    def take(self, fetches: list[Fetch]) -> None:
        for fetch in fetches:
            self.both("fetches", "note", fetch)

    @rule(day=DAYS, label=LABELS, name=NAMES, filename=FILENAMES, agent=st.sampled_from(["a", "b", ""]), count=st.integers(1, 3))
    def count(self, day: str, label: str, name: NormalizedName, filename: Filename, agent: str, count: int) -> None:
        self.both("fetches", "count", Downloads(day, label, name, filename, agent, count))

    @rule(day=DAYS, limit=st.integers(-1, 9))
    def what_was_taken(self, day: str, limit: int) -> None:
        self.both("fetches", "counts", day, limit)

    @rule(name=NAMES, version=st.none() | st.sampled_from(["", "1"]), digest=DIGESTS, since=TIMES | st.just(0.0), limit=st.integers(-1, 9))
    def who_took(self, name: NormalizedName, version: str | None, digest: Digest, since: float, limit: int) -> None:
        self.both("fetches", "of_project", name, version, since, limit)
        self.both("fetches", "of_digest", digest, since, limit)

    @rule(
        account=st.none() | st.sampled_from(["", "ann"]),
        address=st.none() | st.just(""),
        since=TIMES | st.just(0.0),
        limit=st.integers(-1, 9),
    )
    def what_they_took(self, account: str | None, address: str | None, since: float, limit: int) -> None:
        self.both("fetches", "of_client", account, address, since, limit)

    @rule(time=TIMES)
    def forget_before(self, time: float) -> None:
        self.both("fetches", "forget_before", time)

    @rule(most=st.integers(-1, 9))
    def forget_beyond(self, most: int) -> None:
        self.both("fetches", "forget_beyond", most)

    @rule(label=LABELS, name=NAMES, files=st.lists(FILES, max_size=3), since=TIMES)
    def withdraw(self, label: str, name: NormalizedName, files: list[File], since: float) -> None:
        self.both("withdrawn", "withdraw", label, name, tuple(files), since)

    @rule(label=LABELS, name=NAMES, filenames=st.lists(FILENAMES, max_size=3))
    def restore(self, label: str, name: NormalizedName, filenames: list[Filename]) -> None:
        self.both("withdrawn", "restore", label, name, tuple(filenames))

    @rule(label=LABELS, name=NAMES, publisher=PUBLISHERS, time=TIMES)
    def meet(self, label: str, name: NormalizedName, publisher: str, time: float) -> None:
        self.both("publishers", "met", label, name, publisher, time)

    @rule(label=LABELS, name=NAMES, filename=FILENAMES, body=st.binary(max_size=8), fresh_until=TIMES)
    def keep_document(self, label: str, name: NormalizedName, filename: Filename, body: bytes, fresh_until: float) -> None:
        self.both("documents", "keep", label, name, filename, body, fresh_until)

    @rule(label=LABELS, name=st.none() | NAMES)
    def expire_documents(self, label: str, name: NormalizedName | None) -> None:
        self.both("documents", "expire", label, name)

    @rule(label=LABELS, name=NAMES, filename=FILENAMES)
    def recall_document(self, label: str, name: NormalizedName, filename: Filename) -> None:
        self.both("documents", "recall", label, name, filename)

    @rule(label=LABELS, name=NAMES)
    def look(self, label: str, name: NormalizedName) -> None:
        self.both("pages", "recall", label, name)
        self.both("pages", "recall_names", label)
        self.both("facts", "known", label, name)
        self.both("files", "page", label, name)
        self.both("files", "owner", label, name)
        self.both("withdrawn", "withdrawn", label, name)
        self.both("publishers", "publishers", label, name)

    @invariant()
    def the_same_is_listed(self) -> None:
        for label in ("root", "private"):
            names = self.both("files", "names", label)
            assert list(names) == sorted(names)
            self.both("ledger", "serials", label)
            self.both("ledger", "high", label)
            self.both("pages", "remembered", label)
            assert list(self.both("withdrawn", "projects", label)) == sorted(self.both("withdrawn", "projects", label))
        for account in ("ada", "eve"):
            self.both("files", "owned", account)
            self.both("accounts", "user", account)
            self.both("accounts", "groups", account)
        self.both("rulings", "rulings")
        for method in ("users", "grants", "tokens"):
            self.both("accounts", method)
        for id in ("abcdefghijkl", "mnopqrstuvwx"):
            self.both("accounts", "token", id)


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=examples(15), stateful_step_count=30)
