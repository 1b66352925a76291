"""
A private index against a model of it, over memory and over a disk, through failures and restarts at any step.

What was acknowledged is on the very next page with the right bytes; what failed is wholly there or not at all, and trying again succeeds (F73, S11).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import Conflict, NoSuchFile, NoSuchProject
from pypidaemon.indexes.private import Private
from pypidaemon.model import Companion, Filename, NormalizedName, Standing, Upload
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.contracts.hosted_index import NOON, PlainInspectors, upload
from tests.examples import examples
from tests.gear import inline, now
from tests.records_gear import sqlite_records

NAMES = ("alpha", "beta")
VERSIONS = ("1.0", "1.1")
ARCHIVES = {
    (filename, number): data
    for name in NAMES
    for version in VERSIONS
    for number, requires in enumerate(((), ("gamma",)))
    for filename, data in (make_wheel(name, version, requires), make_sdist(name, version, requires))
}
"""The bytes by file name and by which of two contents they are."""
STEPS = ("draft", "before add", "after add", "before place", "after place", "before amend", "after amend")


class Crash(Exception):
    """The process ends here."""


@attrs.define
class Fragile:
    """Books or a store that crash once at the step they were told; all else is passed on."""

    inner: Any
    doom: list[str]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name not in {"add", "place", "amend", "draft"}:
            return method

        async def call(*arguments: Any) -> Any:
            self._meet(name if name == "draft" else f"before {name}")
            result = await method(*arguments)
            self._meet(f"after {name}")
            return result

        return call

    def _meet(self, step: str) -> None:
        if step in self.doom:
            self.doom.remove(step)
            raise Crash


@attrs.define
class Books:
    """Records of which only the files are of interest."""

    files: Any


@attrs.frozen
class Known:
    """What the model knows of a file; `number` is which of its contents it has."""

    number: int
    owner: str
    standing: Standing = Standing.SHOWN
    yanked: str | None = None


class PrivateModel(RuleBasedStateMachine):
    """Over memory; a subclass stands on a disk."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.advance(NOON)
        self.doom: list[str] = []
        self.known: dict[str, dict[str, Known]] = {}
        self.owners: dict[str, str | None] = {}
        self.open()
        self.make()

    def open(self) -> None:
        """Open the stores for the first time."""
        self.records: Any = MemoryRecords("records", self.clock)
        self.blobs: Any = MemoryBlobs()

    def reopen(self) -> None:
        """What a restart does to the stores; memory stays as it is."""

    def make(self) -> None:
        """A new index over the stores, as a new process has it."""
        self.index = Private(
            label="private",
            records=Books(Fragile(self.records.files, self.doom)),  # type: ignore[arg-type]  # enough of them
            blobs=Fragile(self.blobs, self.doom),  # type: ignore[arg-type]  # it passes on what it is asked
            clock=self.clock,
            cpu=inline,
            announcements=Announcements(),
            inspector=PlainInspectors(),
        )

    @rule()
    def restart(self) -> None:
        self.reopen()
        self.make()

    @rule(step=st.sampled_from(STEPS))
    def doomed(self, step: str) -> None:
        """From now on a crash lies in wait."""
        self.doom[:] = [step]

    @rule(
        filename=st.sampled_from(sorted({filename for filename, _ in ARCHIVES})),
        number=st.integers(0, 1),
        account=st.sampled_from(["ada", "eve"]),
        founding=st.booleans(),
    )
    def publish(self, filename: str, number: int, account: str, founding: bool) -> None:
        data = ARCHIVES[filename, number]
        name = filename.partition("-")[0]
        form = upload(filename, name=name)
        before = self.known.get(name)
        taken = (before or {}).get(filename)
        foreign = founding and before is not None and self.owners[name] != account
        conflicts = foreign or (taken is not None and (taken.standing is Standing.DELETED or taken.number != number))
        try:
            published = self._publish(form, data, account, founding)
        except Conflict:
            assert conflicts
            return
        except Crash:
            self.restart()
            # It may have been taken: then wholly, and asking again finds it.
            published = self._publish(form, data, account, founding)
        assert not conflicts
        assert published.repeated or taken is None
        if before is None:
            self.owners[name] = account if founding else None
        self.known.setdefault(name, {}).setdefault(filename, Known(number, account))
        assert now(self.index.project_page(NormalizedName(name))).serial >= published.serial

    def _publish(self, form: Upload, data: bytes, account: str, founding: bool) -> Any:
        draft = now(self.blobs.draft())
        now(draft.write(data))
        return now(self.index.publish(form, draft, account, founding))

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS), reason=st.sampled_from([None, "", "broken"]))
    def yank(self, name: str, version: str, reason: str | None) -> None:
        release = {
            filename: known
            for filename, known in self.known.get(name, {}).items()
            if version_of(filename) == version and known.standing is not Standing.DELETED
        }
        try:
            self._twice(lambda: self.index.yank(NormalizedName(name), version, reason))
        except NoSuchProject:
            assert name not in self.known
        except NoSuchFile:
            assert not release
        else:
            assert release
            for filename, known in release.items():
                self.known[name][filename] = attrs.evolve(known, yanked=reason)

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from([None, *VERSIONS]), standing=st.sampled_from(Standing))
    def place(self, name: str, version: str | None, standing: Standing) -> None:
        release = {
            filename: known for filename, known in self.known.get(name, {}).items() if version is None or version_of(filename) == version
        }
        try:
            self._twice(lambda: self.index.place(NormalizedName(name), version, standing))
        except NoSuchProject:
            assert name not in self.known
        except NoSuchFile:
            assert not release
        else:
            for filename, known in release.items():
                if not (standing is Standing.HIDDEN and known.standing is Standing.DELETED):
                    self.known[name][filename] = attrs.evolve(known, standing=standing)

    def _twice(self, change: Any) -> None:
        """Do it, and after a crash again."""
        try:
            now(change())
        except Crash:
            self.restart()
            now(change())

    @invariant()
    def the_very_next_page_is_that_of_the_model(self) -> None:
        listed = dict(now(self.index.project_names()).entries())
        assert set(listed) == set(self.known)
        for name in NAMES:
            project = NormalizedName(name)
            assert now(self.index.has(project)) == (name in self.known)
            if name not in self.known:
                continue
            page = now(self.index.project_page(project))
            assert page.serial == listed[project]
            assert now(self.index.owner(project)) == self.owners[name]
            shown = {filename: known for filename, known in self.known[name].items() if known.standing is Standing.SHOWN}
            assert {file.filename: file.yanked for file in page.files} == {filename: known.yanked for filename, known in shown.items()}
            assert set(page.versions) == {version_of(filename) for filename in shown}

    @invariant()
    def every_listed_file_has_its_bytes(self) -> None:
        for name, files in self.known.items():
            for filename, known in files.items():
                if known.standing is not Standing.SHOWN:
                    continue
                data = ARCHIVES[filename, known.number]
                assert self._content(name, filename, Companion.FILE) == data
                if filename.endswith(".whl"):
                    assert self._content(name, filename, Companion.METADATA).startswith(b"Metadata-Version")

    def _content(self, name: str, filename: str, companion: Companion) -> bytes:
        content = now(self.index.open_file(NormalizedName(name), Filename(filename), companion))
        data: bytes = now(content.read(0, 1 << 20))
        content.close()
        return data


class PrivateOnDiskModel(PrivateModel):
    """Over SQLite and a folder; a restart closes both and opens them again."""

    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self._open()

    def _open(self) -> None:
        self.records = sqlite_records(self.folder / "records.sqlite", self.clock)
        self.records.startService()
        self.blobs = DirectoryBlobs(self.folder / "blobs", "blobs", inline)
        self.blobs.startService()

    def reopen(self) -> None:
        now(self.records.stopService())
        self._open()

    def teardown(self) -> None:
        now(self.records.stopService())
        shutil.rmtree(self.folder)


def version_of(filename: str) -> str:
    """The version in the name of one of these archives."""
    return filename.removesuffix(".tar.gz").split("-")[1]


TestPrivate = PrivateModel.TestCase
TestPrivate.settings = settings(max_examples=examples(25), stateful_step_count=25, deadline=None)
TestPrivateOnDisk = PrivateOnDiskModel.TestCase
TestPrivateOnDisk.settings = settings(max_examples=examples(8), stateful_step_count=25, deadline=None)
