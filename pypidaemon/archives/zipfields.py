"""The records of a zip archive, field by field (APPNOTE 6.3 §4.3), and what must not stand in them."""

from __future__ import annotations

import struct
from typing import BinaryIO

import attrs

from pypidaemon.archives.sidecars import LARGEST_DIRECTORY, MOST_ENTRIES, BadArchive

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
DESCRIPTOR = b"PK\x07\x08"
_END64, _LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
_END = struct.Struct("<4s4H2LH")
_END64_RECORD = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_RECORD = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 0xFFFF
_FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075


@attrs.frozen
class Bounds:
    """How many entries an archive may have, and how many bytes its directory, which is read as a whole. As they stand here they hold for what is uploaded."""

    entries: int = MOST_ENTRIES
    directory: int = LARGEST_DIRECTORY


UPLOADED = Bounds()


@attrs.frozen
class Directory:
    """Where the central directory lies, and how many entries it has."""

    offset: int
    size: int
    entries: int


@attrs.frozen
class Extras:
    """The extra fields that change what a record means: the values of ZIP64 in their order, and the name in UTF-8."""

    wide: tuple[int, ...] = ()
    name: str | None = None


def directory(source: BinaryIO, size: int, bounds: Bounds = UPLOADED) -> Directory:
    """
    Find the central directory by the end record, which must be the very last thing in the file.

    :raises BadArchive: there is none, it lies elsewhere than it says, something stands before or after it that does not belong there, or
        it is larger than the bounds allow.
    """
    source.seek(max(0, size - _END.size))
    record = source.read(_END.size)
    if len(record) < _END.size or not record.startswith(END):
        raise BadArchive(_missing(source, size))
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack(record)
    if comment:
        raise BadArchive("the zip end record promises a comment that is not there")
    end = size - _END.size
    wide = _wide(source, end)
    if wide is not None:
        end, disk64, first64, here64, entries64, length64, offset64 = wide
        pairs = (
            (disk, disk64, _FULL16),
            (first_disk, first64, _FULL16),
            (here, here64, _FULL16),
            (entries, entries64, _FULL16),
            (length, length64, FULL32),
            (offset, offset64, FULL32),
        )
        if any(narrow not in {value, full} for narrow, value, full in pairs):
            raise BadArchive("the zip end record and its ZIP64 record differ")
        disk, first_disk, here, entries, length, offset = disk64, first64, here64, entries64, length64, offset64
    if disk or first_disk or here != entries:
        raise BadArchive("a zip archive in several volumes")
    if entries > bounds.entries:
        raise BadArchive(f"more than {bounds.entries} entries")
    if length > bounds.directory:
        raise BadArchive(f"the zip directory is larger than {bounds.directory} bytes")
    if offset + length != end:
        source.seek(max(0, min(offset + length, end)))
        if offset + length < end and source.read(4) == END:
            raise BadArchive("the zip archive has two end records")
        raise BadArchive("the zip directory is not where the end record says: data was put before or behind it")
    return Directory(offset, length, entries)


_NO_EXTRAS = Extras((), None)


def extras(raw: bytes) -> Extras:
    """
    Read the extra fields of a header.

    :raises BadArchive: they are malformed, or there are two of a kind that unpackers choose from.
    """
    if not raw:
        return _NO_EXTRAS
    wide: tuple[int, ...] | None = None
    name: str | None = None
    place = 0
    while len(raw) - place >= 4:
        kind, length = struct.unpack_from("<2H", raw, place)
        data = raw[place + 4 : place + 4 + length]
        if len(data) < length:
            raise BadArchive("an extra field in the zip archive is longer than its place")
        place += 4 + length
        if kind == _ZIP64:
            if wide is not None:
                raise BadArchive("duplicate ZIP64 extra fields")
            wide = struct.unpack_from(f"<{length // 8}Q", data)
        elif kind == _UNICODE_PATH:
            if name is not None:
                raise BadArchive("duplicate Unicode path extra fields")
            name = data[5:].decode("utf-8", "replace")
    # What is left may pad a member to a round address; nothing but zeros does.
    if raw[place:].strip(b"\0"):
        raise BadArchive("data behind the extra fields in the zip archive")
    return Extras(wide or (), name)


@attrs.frozen
class Header:
    """What local and central header of a member both say; sizes and checksum may be 0 locally where a descriptor follows."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int

    @property
    def described(self) -> bool:
        """Whether a data descriptor follows the member's data."""
        return bool(self.flags & 0x8)


def described(data: bytes, header: Header) -> bool:
    """Whether these bytes, all that lie between a member's data and what comes next, are its data descriptor and nothing else."""
    if len(data) in {16, 24}:
        if not data.startswith(DESCRIPTOR):
            return False
        data = data[4:]
    form = {12: "<3L", 20: "<L2Q"}.get(len(data))
    return form is not None and struct.unpack(form, data) == (header.crc, header.packed, header.size)


def _wide(source: BinaryIO, end: int) -> tuple[int, ...] | None:
    """Where the ZIP64 end record begins and what it says, if there is one."""
    place = end - _LOCATOR_RECORD.size
    if place < 0:
        return None
    source.seek(place)
    signature, disk, offset, disks = _LOCATOR_RECORD.unpack(source.read(_LOCATOR_RECORD.size))
    if signature != _LOCATOR:
        return None
    begin = place - _END64_RECORD.size
    if disk or disks > 1 or offset != begin:
        raise BadArchive("the ZIP64 locator does not point to the record before it")
    source.seek(begin)
    signature, length, _, _, *values = _END64_RECORD.unpack(source.read(_END64_RECORD.size))
    if signature != _END64 or length != _END64_RECORD.size - 12:
        raise BadArchive("the ZIP64 end record is malformed")
    return begin, *values


def _missing(source: BinaryIO, size: int) -> str:
    """Why the file does not end with an end record: comment, trailing data, or no zip archive at all."""
    source.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = source.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) - place < _END.size:
        return "not a zip archive"
    comment = _END.unpack_from(tail, place)[-1]
    if place + _END.size + comment == len(tail):
        return "the zip archive has a comment, in which another archive could hide"
    return "data after the end of the zip archive"
