"""
Looking at a folder of distributions: which files are there, and what each of them is.

Nothing is executed or unpacked (S17), and no way leads out of the folder. All of it waits for a disk, so it runs on threads.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO

import attrs

from pypidaemon import filenames
from pypidaemon.archives import BadArchive
from pypidaemon.archives.inspecting import inspect
from pypidaemon.archives.promising import promises_metadata
from pypidaemon.archives.rules import KINDS, Rules, extension, same_version
from pypidaemon.errors import InvalidName
from pypidaemon.model import File, Filename, Inspected, NormalizedName, Upload
from pypidaemon.simple.entries import clean

RULES = Rules(kinds=frozenset(KINDS), record=False)
"""Whoever fills the folder answers for what is in it; the rules are there to find broken files, not to keep old ones out."""

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", "~")
"""How names end under which tools write what is not yet whole."""

_SYSTEMS = frozenset({"lost+found"})
"""Folders of the file system's own, which nobody else may read."""

_PIECE = 1 << 18


@attrs.frozen
class Mark:
    """What tells one state of a file from another without reading it."""

    size: int
    changed: int
    """The time of modification in nanoseconds since the epoch."""
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> Mark:
        """The mark of a file of which the system says this."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev)


@attrs.frozen
class Distribution:
    """A file that was read: whose it is, and its entry. `metadata` is its METADATA or PKG-INFO where the page promises it, else empty."""

    name: NormalizedName
    version: str
    file: File
    metadata: bytes = b""


class Unsettled(OSError):
    """The file is not the one that was marked, or changed while it was read."""


def walk(root: str) -> dict[str, Mark]:
    """
    Every file in the folder and in the folders in it that has the name of a distribution, by its path from there, in order (P7).

    Names that are hidden or say that the file is not whole are passed over, and so are links that lead out of the folder.

    :raises OSError: the folder cannot be read.
    """
    found: dict[str, Mark] = {}
    for path, entry in _files(root):
        if _is_distribution(entry.name):
            with suppress(FileNotFoundError):
                found[path] = Mark.of(entry.stat())
    return found


def misnamed(root: str) -> list[str]:
    """
    Every file in the folder and in the folders in it that ends like a distribution and has not the name of one, by its path from there.

    :raises OSError: the folder cannot be read.
    """
    return [path for path, entry in _files(root) if extension(entry.name) and not _is_distribution(entry.name)]


def open_marked(root: str, path: str, mark: Mark) -> int:
    """
    A descriptor of that file, if it is still the one that was marked.

    :raises Unsettled: it is another one, or has changed.
    :raises OSError: it cannot be opened.
    """
    descriptor = os.open(os.path.realpath(os.path.join(root, path)), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    # The mark was taken inside the folder, so whatever a link has been bent to since has another one.
    if not stat.S_ISREG(found.st_mode) or Mark.of(found) != mark:
        os.close(descriptor)
        raise Unsettled(errno.ESTALE, "the file has changed")
    return descriptor


def read(root: str, path: str, mark: Mark) -> Distribution:
    """
    Read a whole file: its digests, and what it says of itself inside, held against its name.

    :raises BadArchive: it is not the distribution that its name promises.
    :raises Unsettled: as `open_marked`; also where it changed meanwhile.
    :raises OSError: it cannot be read.
    """
    filename = filenames.filename(path.rpartition("/")[2])
    with os.fdopen(open_marked(root, path, mark), "rb") as source:
        sha256, blake = _digests(source)
        inspected = _inspected(source, filename)
        if Mark.of(os.fstat(source.fileno())) != mark:
            raise Unsettled(errno.ESTALE, "the file has changed")
    metadata = inspected.metadata if promises_metadata(filename, inspected.metadata) else b""
    file = File(
        filename=filename,
        path=f"{blake[:2]}/{blake[2:4]}/{blake[4:]}/{filename}",
        hashes=(("sha256", sha256),),
        size=mark.size,
        upload_time=_moment(mark.changed),
        requires_python=clean(inspected.requires_python or "").strip() or None,
        core_metadata=hashlib.sha256(metadata).hexdigest() if metadata else None,
    )
    return Distribution(inspected.name, inspected.version, file, metadata)


def _files(root: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files that are neither hidden nor unfinished nor elsewhere, and their paths."""
    real = os.path.realpath(root)
    for path, entry in _entries(root, real, ""):
        try:
            if entry.is_dir():
                yield from (inner for inner in _entries(entry.path, real, f"{path}/") if inner[1].is_file())
            elif entry.is_file():
                yield path, entry
        except (FileNotFoundError, NotADirectoryError):
            continue  # it went away while we looked


def _entries(folder: str, real: str, lead: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name in _SYSTEMS or entry.name.lower().endswith(UNFINISHED):
            continue
        if not entry.is_symlink() or os.path.realpath(entry.path).startswith(real.rstrip("/") + "/"):
            yield lead + entry.name, entry


def _is_distribution(name: str) -> bool:
    try:
        filename = filenames.filename(name)
    except InvalidName:
        return False
    return bool(filenames.package_type(filename)) and bool(filenames.candidates(filename))


def _inspected(source: BinaryIO, filename: Filename) -> Inspected:
    likeliest = filenames.candidates(filename)[0]
    version = filenames.version_of(filename, likeliest) or ""
    inspected = inspect(source, Upload(likeliest, version, filename, filenames.package_type(filename)), RULES)
    named = filenames.version_of(filename, inspected.name)
    if named is None:
        raise BadArchive(f"the metadata in it is that of {inspected.name}, which is not the project in the file name")
    if not same_version(named, inspected.version):
        raise BadArchive(f"the metadata in it is that of version {inspected.version[:80]!a}, which is not the one in the file name")
    return inspected


def _digests(source: BinaryIO) -> tuple[str, str]:
    sha256, blake = hashlib.sha256(), hashlib.blake2b(digest_size=32)
    for piece in _pieces(source):
        sha256.update(piece)
        blake.update(piece)
    return sha256.hexdigest(), blake.hexdigest()


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(_PIECE):
        yield piece


def _moment(nanoseconds: int) -> str:
    """In the form of PEP 700 (R55), to the microsecond."""
    seconds, rest = divmod(nanoseconds, 10**9)
    # A file system can hold times that a calendar cannot.
    seconds = min(max(seconds, 0), 253_402_300_799)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
