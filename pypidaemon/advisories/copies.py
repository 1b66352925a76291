"""
The documents of a copy: a zip archive as OSV publishes it for an ecosystem, or a folder, also of folders. All of it waits for a disk.

Names in the archive are never paths here, and no link in the folder is followed. An archive is read by the one strict reader of archives
(`pypidaemon.archives.zipped`), which bounds what its members say and what they come to (S14, S15); of members it may have more than what is uploaded, since
it is the operator's own and grows with each advisory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import attrs

from pypidaemon.advisories.reading import LARGEST_DOCUMENT
from pypidaemon.archives.zipfields import Bounds
from pypidaemon.archives.zipped import members, whole

MOST_DOCUMENTS = 2_000_000
"""Documents of a copy; OSV has some twenty thousand for PyPI."""

BOUNDS = Bounds(MOST_DOCUMENTS, 512 * 2**20)
"""Of an archive. All that is known of its members is in memory while it is read."""

_SUFFIX = ".json"
_AT_ONCE = 200
_HEAVY = 8 * 2**20


class BadCopy(Exception):
    """The copy cannot be used; `str()` says why in one line without a path."""


@attrs.frozen
class Mark:
    """What tells one state of a copy from another without reading it: the newest change in nanoseconds since the epoch, bytes, and documents."""

    newest: int
    size: int
    count: int


def marked(path: Path) -> Mark:
    """
    The state that the copy is in.

    :raises OSError: it is not there, or may not be looked at.
    :raises BadCopy: it is neither file nor folder, or has too many documents.
    """
    found = os.stat(path)
    if stat.S_ISREG(found.st_mode):
        return Mark(found.st_mtime_ns, found.st_size, 1)
    if not stat.S_ISDIR(found.st_mode):
        raise BadCopy("it is neither a file nor a folder")
    newest = size = count = 0
    for entry in _entries(path):
        seen = entry.stat(follow_symlinks=False)
        newest, size, count = max(newest, seen.st_mtime_ns), size + seen.st_size, count + 1
    return Mark(newest, size, count)


def documents(path: Path) -> Iterator[bytes | None]:
    """
    Every document of the copy; None for one that is too large or cannot be had.

    :raises OSError: the copy cannot be read.
    :raises BadArchive: it is an archive that a rule is broken in.
    :raises BadCopy: as `marked`.
    """
    return _in_folder(path) if path.is_dir() else _in_archive(path)


def some(rest: Iterator[bytes | None]) -> list[bytes | None]:
    """The next documents, as many as are read in a moment; none where there are no more."""
    taken: list[bytes | None] = []
    weight = 0
    for document in islice(rest, _AT_ONCE):
        taken.append(document)
        weight += len(document or b"")
        if weight > _HEAVY:
            break
    return taken


def _in_archive(path: Path) -> Iterator[bytes | None]:
    with path.open("rb") as source:
        for name, entry in members(source, BOUNDS).items():
            if name.endswith(_SUFFIX):
                yield None if entry.header.size > LARGEST_DOCUMENT else whole(source, entry, LARGEST_DOCUMENT)


def _in_folder(path: Path) -> Iterator[bytes | None]:
    for entry in _entries(path):
        try:
            yield _read(entry.path)
        except OSError:
            yield None


def _read(path: str) -> bytes | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = source.read(LARGEST_DOCUMENT + 1)
    return data if len(data) <= LARGEST_DOCUMENT else None


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    """The files in the folder and below that are documents by their names, hidden ones left out, as tools write what is not yet whole."""
    waiting = [str(path)]
    count = 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.endswith(_SUFFIX) and entry.is_file(follow_symlinks=False):
                    count += 1
                    if count > MOST_DOCUMENTS:
                        raise BadCopy(f"it has more than {MOST_DOCUMENTS} documents")
                    yield entry
