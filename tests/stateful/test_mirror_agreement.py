"""Memory and SQLite, asked the same of mirrors in lockstep, say the same; and every blob that either tells of is referred to."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from pypidaemon.interfaces import IRecords
from pypidaemon.model import Digest, File, Filename, Leaving, Mirrored, NormalizedName, Progress, UpstreamPage, Validators, Waiting
from pypidaemon.records.memory import MemoryRecords
from tests.examples import examples
from tests.gear import now
from tests.records_gear import sqlite_records

LABELS = st.sampled_from(["mirror", "other"])
NAMES = st.sampled_from([NormalizedName("foo"), NormalizedName("bar"), NormalizedName("a-b")])
FILENAMES = st.sampled_from([Filename("foo-1.0.tar.gz"), Filename("Foo-1.zip"), Filename("foo-2-py3-none-any.whl")])
DIGESTS = [Digest(letter * 64) for letter in "abcd"]
TIMES = st.integers(0, 9).map(float)
FILES = st.builds(
    lambda filename, digest, metadata: File(filename, hashes=(("sha256", digest),) if digest else (), core_metadata=metadata),
    FILENAMES,
    st.none() | st.sampled_from(DIGESTS),
    st.none() | st.just("") | st.sampled_from(DIGESTS),
)
PAGES = st.builds(
    lambda files, versions, serial: (files, versions, serial),
    st.lists(FILES, max_size=3, unique_by=lambda file: file.filename),
    st.lists(st.sampled_from(["1", "2", "3"]), unique=True),
    st.none() | st.integers(0, 9),
)
DOCUMENTS = st.lists(st.tuples(FILENAMES, st.sampled_from(DIGESTS)), max_size=2, unique_by=lambda pair: pair[0])


@st.composite
def mirrored(draw: st.DrawFn, name: NormalizedName) -> Mirrored:
    """That project as it might be offered."""
    files, versions, serial = draw(PAGES)
    page = UpstreamPage(name, tuple(files), tuple(versions), serial=serial)
    return Mirrored(page, draw(st.integers(0, 9)), draw(st.booleans()), draw(TIMES), tuple(draw(DOCUMENTS)))


@st.composite
def leavings(draw: st.DrawFn) -> Leaving:
    """Something that leaves."""
    name = draw(NAMES)
    return Leaving(name, draw(st.none() | FILENAMES), draw(TIMES), draw(TIMES), draw(mirrored(name)))


def needed(held: Mirrored) -> set[tuple[str, str, Digest | str | None]]:
    """Every blob that it needs, and as what."""
    found = {("file", file.filename, file.digest) for file in held.page.files if file.digest}
    found |= {("metadata", file.filename, file.core_metadata) for file in held.page.files if file.core_metadata}
    return found | {("document", filename, digest) for filename, digest in held.documents}


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

    def both(self, method: str, *args: Any) -> Any:
        """Ask both and answer what they agree on."""
        answers = [now(getattr(records.mirrors, method)(*args)) for records in (self.memory, self.sqlite)]
        assert answers[0] == answers[1]
        return answers[0]

    @rule()
    def reopen(self) -> None:
        self.sqlite.stopService()
        self.sqlite = sqlite_records(self.folder / "records.sqlite", self.clock)
        self.sqlite.startService()

    @rule(label=LABELS, held=NAMES.flatmap(mirrored))
    def keep(self, label: str, held: Mirrored) -> None:
        self.both("keep", label, held.page.name, held)
        assert self.both("page", label, held.page.name) == held

    @rule(label=LABELS, leaving=st.lists(leavings(), max_size=3))
    def leave(self, label: str, leaving: list[Leaving]) -> None:
        self.both("leave", label, leaving)
        for one in leaving:
            offered = self.both("page", label, one.name)
            assert offered is None or (one.filename is not None and one.filename not in {file.filename for file in offered.page.files})

    @rule(label=LABELS, name=NAMES)
    def offered_things_leave(self, label: str, name: NormalizedName) -> None:
        """As a mirror does it: what leaves is what was offered."""
        held = self.both("page", label, name)
        if held is not None and held.page.files:
            self.both("leave", label, [Leaving(name, held.page.files[0].filename, 1.0, 5.0, held)])

    @rule(label=LABELS, name=NAMES)
    def bring_back(self, label: str, name: NormalizedName) -> None:
        before = self.both("page", label, name)
        count = self.both("bring_back", label, name)
        after = self.both("page", label, name)
        assert (0 if after is None else len(after.page.files)) == count + (0 if before is None else len(before.page.files))

    @rule(label=LABELS, before=TIMES)
    def forget(self, label: str, before: float) -> None:
        gone = self.both("forget_leaving", label, before)
        assert all(one.until <= before for one in gone)
        assert all(one.until > before for one in self.both("leaving", label))

    @rule(label=LABELS, name=NAMES, pinned=st.booleans())
    def pin(self, label: str, name: NormalizedName, pinned: bool) -> None:
        self.both("pin", label, name, pinned)

    @rule(
        label=LABELS,
        waiting=st.lists(st.builds(Waiting, NAMES, st.integers(0, 9), st.integers(0, 3), TIMES, st.text(max_size=3)), max_size=3),
    )
    def wait(self, label: str, waiting: list[Waiting]) -> None:
        self.both("wait", label, waiting)
        self.both("queue", label)
        for one in waiting:
            self.both("waiting_of", label, one.name)

    @rule(label=LABELS, name=NAMES)
    def done(self, label: str, name: NormalizedName) -> None:
        self.both("done", label, name)

    @rule(label=LABELS, serial=st.integers(0, 9), etag=st.none() | st.just('"e"'), started=TIMES, outcome=st.text(max_size=3))
    def advance(self, label: str, serial: int, etag: str | None, started: float, outcome: str) -> None:
        self.both("advance", label, Progress(serial, Validators(etag), "abc", started, started + 1, outcome))

    @rule(label=LABELS, after=st.just("") | NAMES, limit=st.integers(-1, 4))
    def serials(self, label: str, after: str, limit: int) -> None:
        self.both("serials", label, after, limit)

    @rule(after=st.just("") | st.sampled_from(DIGESTS), limit=st.integers(-1, 4))
    def digests(self, after: str, limit: int) -> None:
        self.both("digests", after, limit)

    @invariant()
    def the_same_is_told_and_all_of_it_is_referred_to(self) -> None:
        told: Counter[Digest | str | None] = Counter()
        for label in ("mirror", "other"):
            serials = self.both("serials", label, "", 10)
            assert self.both("count", label) == len(serials)
            offered = {name: self.both("page", label, name) for name, _ in serials}
            leaving = self.both("leaving", label)
            for held in (*offered.values(), *(one.mirrored for one in leaving)):
                told.update(digest for _, _, digest in needed(held))
            for one in leaving:
                here = {} if one.name not in offered else {file.filename: file.digest for file in offered[one.name].page.files}
                assert not any(here.get(file.filename, "") == file.digest for file in one.mirrored.page.files)
            for method in ("pinned", "waiting", "progress"):
                self.both(method, label)
        assert self.both("digests", "", 10) == sorted(told)
        assert {digest: self.both("references", digest) for digest in DIGESTS} == {digest: told[digest] for digest in DIGESTS}


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=examples(20), stateful_step_count=30)
