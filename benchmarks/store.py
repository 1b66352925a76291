"""
A data folder as a daemon has it that has seen many projects: every page kept, a number in the ledger for each, no blobs.

The pages go in through the daemon's own records; the ledger is filled in one transaction, since the daemon's own way, one durable
transaction a project, would take minutes and leave the same rows. Made once and then kept below `.cache/benchmarks`.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from processes import scratch
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from pypidaemon.model import Digest, File, Filename, Remembered, UpstreamPage, Validators
from pypidaemon.records.sqlite import SqliteRecords

LABEL = "pypi"
"""The index whose pages these are, as `processes.daemon` calls it."""

AT_ONCE = 100
"""How many pages are handed to the writing thread together."""


def page(name: str, files: int) -> UpstreamPage:
    """A plausible page: so many releases of one wheel each."""
    return UpstreamPage(
        name=canonicalize_name(name),
        files=tuple(_file(name, number) for number in range(files)),
        versions=tuple(f"1.{number}" for number in range(files)),
        serial=1000,
        validators=Validators(etag=f'"{name}"'),
        max_age=600.0,
    )


def _file(name: str, number: int) -> File:
    filename = f"{name.replace('-', '_')}-1.{number}-py3-none-any.whl"
    sha256, blake2b = (hashlib.new(algorithm, filename.encode()).hexdigest()[:64] for algorithm in ("sha256", "blake2b"))
    path = f"{blake2b[:2]}/{blake2b[2:4]}/{blake2b[4:]}/{filename}"
    return File(
        filename=Filename(filename),
        url=f"http://127.0.0.1:9/packages/{path}",
        path=path,
        hashes=(("sha256", sha256),),
        size=20_000 + number,
        upload_time="2020-01-01T00:00:00.000000Z",
        requires_python=">=3.8",
        core_metadata=Digest(sha256),
    )


def filled(projects: int, files: int = 5) -> Path:
    """
    The data folder with so many projects, `project-0` and so on; made if it is not there.

    Its pages count as fresh for a year, so that a daemon asks nobody about them.
    """
    place = scratch() / f"store-{projects}-{files}"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        print(f"filling {place} once ...", flush=True)
        subprocess.run([sys.executable, __file__, str(place), f"{projects}*{files}"], check=True, timeout=1200)
        (place / "complete").touch()
    return place


def with_pages(place: Path, pages: Mapping[str, int]) -> None:
    """Make a data folder in `place` that holds a page of so many files for each of these names."""
    place.mkdir(mode=0o700)
    wanted = [f"{name}={files}" for name, files in pages.items()]
    subprocess.run([sys.executable, __file__, str(place), *wanted], check=True, timeout=1200)


async def _fill(reactor: Any, place: Path, pages: Mapping[str, int]) -> None:
    now = time.time()
    names = [canonicalize_name(name) for name in pages]
    records = SqliteRecords(path=place / "records.sqlite", label="records", clock=reactor, reactor=reactor)
    records.startService()
    try:
        for start in range(0, len(names), AT_ONCE):
            keeping = [
                Deferred.fromCoroutine(records.pages.keep(LABEL, name, Remembered(page(name, pages[name]), now, now + 365 * 86400)))
                for name in names[start : start + AT_ONCE]
            ]
            await gatherResults(keeping)
    finally:
        await records.stopService()
    connection = sqlite3.connect(place / "records.sqlite")
    with connection:
        connection.executemany(
            "INSERT INTO ledger (label, name, revision, serial, time, action) VALUES (?, ?, '', ?, ?, 'create')",
            ((LABEL, name, number + 1, now) for number, name in enumerate(names)),
        )
    connection.close()
    # What was put in past the records is not in their chronicle, which the next start begins anew; a daemon's start is not to pay for that.
    (place / "records.chronicle").unlink()
    records.startService()
    await records.stopService()


def _pages(words: Sequence[str]) -> dict[str, int]:
    """`NAME=FILES` is one page, `PROJECTS*FILES` is many."""
    pages: dict[str, int] = {}
    for word in words:
        projects, star, files = word.partition("*")
        if star:
            pages |= {f"project-{number}": int(files) for number in range(int(projects))}
        else:
            name, _, files = word.partition("=")
            pages[name] = int(files)
    return pages


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(_fill(reactor, Path(sys.argv[1]), _pages(sys.argv[2:]))))
