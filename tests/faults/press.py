"""A private index and a mirror over a disk that forgets, real records beside it; and what may be left of them after a power cut."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import NoSuchProject
from pypidaemon.files import Files
from pypidaemon.indexes.private import Private
from pypidaemon.interfaces import IIndex
from pypidaemon.model import Companion, Filename, NormalizedName
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.sqlite import SqliteRecords
from tests.contracts.hosted_index import ALPHA, NOON, PlainInspectors, Yard
from tests.forgetful import Forgetful
from tests.gear import inline, now
from tests.records_gear import InlinePool
from tests.wrecks import Volume, Wreck

Shown = Mapping[str, bytes]
"""The files of a project's page, and their bytes."""
Saved = Mapping[str, bytes]
"""The files of the databases."""


@attrs.frozen
class Committed:
    """A transaction is durable (WAL and FULL are SQLite's word for it): this is what the databases are now."""

    saved: Saved = attrs.field(repr=False)


@attrs.frozen
class Begun:
    """Somebody asks for this: the page is to be so afterwards."""

    shown: Shown = attrs.field(repr=False)


@attrs.frozen
class Told:
    """He was told that it is done."""


class Noting(InlinePool):
    """Threads that are none, and tell of each call that has ended."""

    told: Callable[[], None]

    async def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().__call__(function, *args, **kwargs)
        finally:
            self.told()


def records_at(folder: Path, clock: Clock, told: Callable[[], None] = lambda: None) -> SqliteRecords:
    """The daemon's own, started."""

    def pool(reactor: Any, name: str, size: int) -> Noting:
        made = Noting(reactor, name, size)
        made.told = told if name.endswith(("-write", "-mirrors")) else lambda: None
        return made

    folder.mkdir(exist_ok=True)
    records = SqliteRecords(folder / "records.sqlite", "records", clock, None, pool=pool)
    records.startService()
    return records


def saved(folder: Path) -> Saved:
    """The databases that must not be lost, as they are on the disk; the cache is begun anew, and SQLite makes its own shared memory."""
    kept = ("records.sqlite", "records.sqlite-wal", "records.chronicle", "records-mirrors.sqlite", "records-mirrors.sqlite-wal")
    return {name: (folder / name).read_bytes() for name in kept if (folder / name).exists()}


@attrs.define
class Press:
    """
    The index and what it stands on.

    :param make: makes what is between the store and the disk, which may be a careless one.
    :param durable: whether the records are the daemon's own, or some in memory, where it is not of interest what becomes of them.
    :param ahead: whether who stores something waits for the disk once, and what he stored has two names for a moment.
    """

    folder: Path
    make: Callable[[Path], Forgetful] = Forgetful
    durable: bool = True
    ahead: bool = False
    files: Forgetful = attrs.field(init=False)
    clock: Clock = attrs.field(factory=Clock, init=False)
    records: Any = attrs.field(init=False)
    blobs: DirectoryBlobs = attrs.field(init=False)
    yard: Yard = attrs.field(init=False)
    index: Private = attrs.field(init=False)
    shown: dict[str, bytes] = attrs.field(factory=dict, init=False)
    _last: Saved | None = attrs.field(default=None, init=False)
    _is_begun: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        data = self.folder / "data"
        data.mkdir(parents=True)
        self.files = self.make(data)
        if self.durable:
            self.records = records_at(self.folder / "records", self.clock, self.committed)
            self.committed()
            self.start()
        else:
            self.records = MemoryRecords("records", self.clock)

    def start(self) -> None:
        """A daemon begins over what is there, after the one before it has died."""
        if self._is_begun:
            died(self.blobs)
        self.blobs = store_at(self.files.root, self.files, self.clock if self.ahead else None)
        self._is_begun = True
        self.yard = Yard(self.records, self.blobs, self.clock)
        self.index = private_over(self.yard)

    def committed(self) -> None:
        """Note what the databases are, where they have changed."""
        found = saved(self.folder / "records")
        if found != self._last:
            self._last = found
            self.files.note(Committed(found))

    @contextmanager
    def doing(self, **changed: bytes | None) -> Iterator[None]:
        """Do something that changes the page in this way; None is a file that is taken off it."""
        after = {name: data for name, data in (self.shown | changed).items() if data is not None}
        self.files.note(Begun(after))
        yield
        self.shown = after
        self.files.note(Told())

    def end(self) -> None:
        """Let go of the databases."""
        died(self.blobs)
        now(self.records.stopService())


def died(blobs: DirectoryBlobs) -> None:
    """Its process has nothing open any more."""
    for owed in blobs._shelves._twofold:
        owed.close()
    blobs._shelves._twofold.clear()


def store_at(data: Path, files: Files, clock: Clock | None = None) -> DirectoryBlobs:
    """The store of a data folder, started."""
    blobs = DirectoryBlobs(data / "blobs", "blobs", inline, clock, files=files)
    blobs.startService()
    return blobs


def private_over(yard: Yard) -> Private:
    """A private index in which files can be replaced."""
    return Private("private", yard.records, yard.blobs, yard.clock, inline, yard.announcements, yard.inspectors, overwrite=True)


@attrs.define
class Salvage:
    """Starts a daemon on each wreck, and looks whether all is there that has to be."""

    folder: Path
    clock: Clock = attrs.field(factory=Clock, init=False)
    volume: Volume = attrs.field(init=False)
    explored: int = attrs.field(default=0, init=False)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count, init=False)
    _read: dict[Any, dict[str, bytes]] = attrs.field(factory=dict, init=False)
    _raised: list[tuple[Saved, SqliteRecords]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        self.volume = Volume(self.folder / "volume")
        self.volume.root.mkdir(parents=True)

    def raised(self, wreck: Wreck, *, own: bool = False) -> SqliteRecords:
        """The records after recovery; `own` is for who changes them."""
        last = next((note.saved for note in reversed(wreck.notes) if isinstance(note, Committed)), {})
        for known, records in self._raised:
            if known == last and not own:
                return records
        folder = self.folder / f"records{next(self._numbers)}"
        folder.mkdir()
        for name, data in last.items():
            (folder / name).write_bytes(data)
        made = records_at(folder, self.clock)
        self._raised.append((last if not own else {}, made))
        return made

    def store(self, wreck: Wreck, sick: Collection[str] = ()) -> DirectoryBlobs:
        """The store after the start of a daemon; nothing that was begun is left, and whatever is in its place is whole, but for what was damaged before."""
        self.volume.lay(wreck.tree)
        blobs = store_at(self.volume.root, Files())
        assert os.listdir(blobs.path / "drafts") == [], wreck.step
        for place, data in wreck.tree.items():
            match place.split("/"):
                case ["blobs", _, _, digest] if digest not in sick:
                    assert data is not None
                    assert digest_of(data) == digest, (wreck.step, "a blob is not whole")
                case ["blobs", "drafts", name] if (found := blobs.path / name[33:35] / name[35:37] / name[33:]).is_file():
                    assert digest_of(found.read_bytes()) == name[33:], (wreck.step, "a blob was made of what is not whole")
        self.explored += 1
        return blobs

    def reads(self, wreck: Wreck, blobs: DirectoryBlobs) -> dict[str, bytes]:
        """What the private index gives, looked at once for each disk that is another one also after the start."""
        records = self.raised(wreck)
        # Drafts that say what is in them may become blobs.
        left = frozenset((place, data) for place, data in wreck.tree.items() if not place.startswith("blobs/drafts/") or "-" in place)
        key = (id(records), left)
        if key not in self._read:
            self._read[key] = read_all(self.private(blobs, records)[1])
        return self._read[key]

    def private(self, blobs: DirectoryBlobs, records: SqliteRecords) -> tuple[Yard, Private]:
        """The index over that."""
        yard = Yard(records, blobs, self.clock, inspectors=PlainInspectors())
        return yard, private_over(yard)

    def end(self) -> None:
        """Let go of all databases."""
        for _, records in self._raised:
            now(records.stopService())


@lru_cache(1 << 12)
def digest_of(data: bytes) -> str:
    """Its sha256."""
    return sha256(data).hexdigest()


def promised(wreck: Wreck) -> tuple[Shown, ...]:
    """What the page may be: what it was when somebody was told so last, or what somebody has asked for since."""
    before: Shown = {}
    asked: Shown | None = None
    for note in wreck.notes:
        if isinstance(note, Begun):
            asked = note.shown
        elif isinstance(note, Told):
            assert asked is not None
            before, asked = asked, None
    return (before,) if asked is None else (before, asked)


def read_all(index: IIndex, name: NormalizedName = ALPHA) -> dict[str, bytes]:
    """Every file on the page, and its sidecar where the page promises one; whatever is not as the page says fails the test."""
    try:
        page = now(index.project_page(name))
    except NoSuchProject:
        return {}
    found = {}
    for file in page.files:
        for companion, digest in ((Companion.FILE, file.digest), (Companion.METADATA, file.core_metadata)):
            if not digest:
                continue
            content = now(index.open_file(name, Filename(file.filename), companion))
            data: bytes = now(content.read(0, 1 << 24))
            content.close()
            assert sha256(data).hexdigest() == digest
            if companion is Companion.FILE:
                found[str(file.filename)] = data
    return found
