"""
Reading what a distribution says of itself, without unpacking it (S17).

The bytes come from strangers. Everything is bounded before it is read, and whatever is wrong with them is a `BadArchive`. It is slow
compared with a turn of the reactor, so call it on a thread.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import attrs
from packaging.utils import canonicalize_name

from pypidaemon import filenames
from pypidaemon.archives.rules import canonical
from pypidaemon.model import Filename

LARGEST_METADATA = 4 * 2**20
"""Bytes of METADATA once decoded."""

LARGEST_RATIO = 100
"""How many times its compressed size METADATA may have, where it is larger than `RATIO_FROM`; text stays below 20."""

RATIO_FROM = 64 * 2**10

MOST_ENTRIES = 100_000
"""Entries in an archive (S15)."""

LARGEST_DIRECTORY = 32 * 2**20
"""Bytes of the central directory, which is read as a whole: `MOST_ENTRIES` with names of a few hundred bytes."""

_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_WRONG = (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, struct.error, zlib.error)
"""What `zipfile` raises over bad bytes, depending on where they are bad and on its version; NotImplementedError is a RuntimeError."""


class BadArchive(ValueError):
    """The bytes are not the archive that the file name promises, or not one that is safe to read; `str()` of it is one line."""


def wheel_metadata(source: BinaryIO, filename: Filename) -> bytes:
    """
    The exact bytes of `<name>-<version>.dist-info/METADATA` in a wheel, which are its metadata sidecar (R98, PEP 658).

    The directory is the only one at the top whose name and version equal those of the file name once both are normalised. Nothing is
    written anywhere; `source` is left open, at any position.

    :param source: the whole wheel, readable and seekable.
    :raises BadArchive: it is no wheel, or has no such member, or more than one, or one that is encrypted, compressed by an unknown
        method, damaged or too large.
    :raises OSError: `source` itself cannot be read.
    """
    if filenames.kind(filename) != "wheel":
        raise BadArchive("not the file name of a wheel")
    guarded = _Guarded(source, source.seek(0, os.SEEK_END))
    try:
        with zipfile.ZipFile(guarded) as archive:
            return _decoded(archive, _metadata(archive, filename))
    except BadArchive:
        raise
    except _WRONG as error:
        if guarded.failure is not None:
            raise guarded.failure from error
        raise BadArchive(" ".join(f"not a readable zip archive: {error}".split())) from error


def _metadata(archive: zipfile.ZipFile, filename: Filename) -> zipfile.ZipInfo:
    """The one entry that is the wheel's METADATA."""
    promised = set(releases(filename))
    directories = {entry.filename.partition("/")[0] for entry in archive.infolist() if "/" in entry.filename}
    fitting = [directory for directory in directories if release(directory) in promised]
    if not fitting:
        raise BadArchive("no dist-info directory for the name and version in the file name")
    if len(fitting) > 1:
        raise BadArchive("several dist-info directories for the name and version in the file name")
    found = [entry for entry in archive.infolist() if entry.filename == f"{fitting[0]}/METADATA"]
    if len(found) != 1:
        raise BadArchive("several members called METADATA" if found else "no METADATA in the dist-info directory")
    return found[0]


def _decoded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.orig_filename != entry.filename:
        raise BadArchive("the name of METADATA holds a NUL")
    if entry.flag_bits & _ENCRYPTED:
        raise BadArchive("METADATA is encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise BadArchive("METADATA is neither stored nor deflated")
    if entry.file_size > LARGEST_METADATA:
        raise BadArchive(f"METADATA is larger than {LARGEST_METADATA} bytes")
    if entry.file_size > RATIO_FROM and entry.file_size > LARGEST_RATIO * entry.compress_size:
        raise BadArchive(f"METADATA expands more than {LARGEST_RATIO} times")
    with archive.open(entry) as member:
        data = member.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise BadArchive("METADATA is shorter than the archive says")
    return data


def releases(filename: Filename) -> Iterator[tuple[str, str]]:
    """Name and version, normalised, of what the file name may promise."""
    for name in filenames.candidates(filename):
        yield name, canonical(filenames.version_of(filename, name) or "")


def release(directory: str) -> tuple[str, str] | None:
    """Name and version, normalised, of a dist-info directory."""
    stem = directory.removesuffix(".dist-info")
    if stem == directory:
        return None
    name, _, version = stem.rpartition("-")
    return canonicalize_name(name), canonical(version)


@attrs.define
class _Guarded:
    """What `zipfile` sees of the source: no place outside it, no read that is too large, no directory with too many entries."""

    source: BinaryIO
    size: int
    failure: OSError | None = None
    """What went wrong with the source itself, which `zipfile` takes for a bad archive."""

    def read(self, limit: int = -1) -> bytes:
        if limit > LARGEST_DIRECTORY:
            raise BadArchive(f"a part of the archive is larger than {LARGEST_DIRECTORY} bytes")
        try:
            data = self.source.read(limit)
        except OSError as error:
            self.failure = error
            raise
        if data.count(_ENTRY) > MOST_ENTRIES:
            raise BadArchive(f"more than {MOST_ENTRIES} entries")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and not 0 <= offset <= self.size:
            raise BadArchive("an entry lies outside the archive")
        return self.source.seek(offset, whence)

    def tell(self) -> int:
        return self.source.tell()

    def seekable(self) -> bool:
        return True
