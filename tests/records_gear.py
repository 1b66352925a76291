"""What tests of records use to run SQLite without threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.task import Clock

from pypidaemon.model import File, Filename, FileRecord, NormalizedName, Standing
from pypidaemon.records.sqlite import SqliteRecords

T = TypeVar("T")

FOO = NormalizedName("foo")
BAR = NormalizedName("bar")
WHEEL = Filename("foo-1.0-py3-none-any.whl")
SDIST = Filename("foo-1.0.tar.gz")


class InlinePool:
    """Threads that are none: a call runs here and now, while the pool runs."""

    def __init__(self, reactor: Any, name: str, size: int) -> None:
        self.name = name
        self.running = False
        self.calls = 0

    def startService(self) -> None:
        self.running = True

    def stopService(self) -> None:
        self.running = False

    async def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        if not self.running:
            raise RuntimeError(f"the threads {self.name!r} are not running")
        self.calls += 1
        return function(*args, **kwargs)


def sqlite_records(path: Path, clock: Clock) -> SqliteRecords:
    """Records at that path, not yet started, that need no reactor."""
    return SqliteRecords(path, "records", clock, None, pool=InlinePool)


def record(
    filename: str = WHEEL,
    version: str = "1.0",
    digest: str | None = None,
    core_metadata: str | None = None,
    *,
    standing: Standing = Standing.SHOWN,
) -> FileRecord:
    """A record of a file with that content."""
    hashes = () if digest is None else (("sha256", digest),)
    return FileRecord(File(Filename(filename), hashes=hashes, core_metadata=core_metadata), version, "ada", standing)
