"""
Zip archives, read in one way only: every byte belongs to exactly one record, and both records of a member say the same (S14, S15).

Unpackers differ in which record they believe, where they look for the directory and what they do about what lies between. An archive
for which that makes a difference is refused, by a rule with a name of its own for each trick. Layout: APPNOTE 6.3 §4.3.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from pypidaemon.archives.expanding import LARGE, RATIO, decompressed, inflater
from pypidaemon.archives.names import insist_on_clean, parts, shown
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.archives.tarfields import is_header
from pypidaemon.archives.zipfields import CENTRAL, FULL32, LOCAL, UPLOADED, Bounds, Directory, Header, described, directory, extras

STORED, DEFLATED = 0, 8

_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x2041
"""Encrypted, strongly encrypted, or with masked headers."""
_PATCHED = 0x20
_UTF8 = 0x800
_SAME_FLAGS = 0x2869
"""The flags that decide how a member is read; the rest tells how hard it was compressed."""
_UNIX = 3
_PIECE = 256 * 1024


@attrs.frozen
class Entry:
    """A member of a zip archive, whose two headers and place have been found right."""

    name: str
    header: Header
    offset: int
    """Where its local header begins."""
    start: int = 0
    """Where its data begins."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder and has no data."""
        return self.name.endswith("/")


def members(source: BinaryIO, bounds: Bounds = UPLOADED) -> dict[str, Entry]:
    """
    All members of a zip archive by their names, in the order of their data.

    :raises BadArchive: a rule is broken; the line names it.
    :raises OSError: `source` cannot be read.
    """
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if is_header(source.read(512)):
        raise BadArchive("the zip archive is a tar archive as well")
    where = directory(source, size, bounds)
    found = sorted(_central(source, where), key=lambda entry: entry.offset)
    expanded = sum(entry.header.size for entry in found)
    if expanded > LARGE and expanded > RATIO * size:
        raise BadArchive(f"expands to more than {RATIO} times its size")
    entries: dict[str, Entry] = {}
    places: set[str] = set()
    for position, entry in enumerate(found):
        # Two spellings of one place are as bad as one name twice: the later member would be written over the earlier.
        place = "/".join(parts(entry.name))
        if place in places:
            raise BadArchive(f"duplicate member {shown(entry.name)}")
        places.add(place)
        after = found[position + 1].offset if position + 1 < len(found) else where.offset
        entries[entry.name] = _placed(source, entry, after)
    first = found[0].offset if found else where.offset
    if first:
        source.seek(0)
        hidden = source.read(4) == LOCAL
        raise BadArchive("a member is missing in the zip directory" if hidden else "data before the first member of the zip archive")
    return entries


def content(source: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """
    The data of a member, in pieces, checked against its size and checksum when the last has been taken.

    :raises BadArchive: the data is damaged or not what the headers say.
    """
    header = entry.header
    machine = inflater() if header.method == DEFLATED else None
    place, left, count, crc = entry.start, header.packed, 0, 0
    while True:
        raw = b""
        if left and (machine is None or machine.needs_input):
            source.seek(place)
            raw = source.read(min(left, _PIECE))
            place, left = place + len(raw), left - len(raw)
        if machine is None:
            piece, over = raw, not raw
        else:
            stuck = not raw and machine.needs_input
            # One byte more than there should be tells that there are more; room for a whole piece would cost more than most members do.
            piece = b"" if stuck else decompressed(machine, raw, min(_PIECE, header.size - count + 1))
            over = machine.eof or stuck
        count += len(piece)
        crc = zlib.crc32(piece, crc)
        if count > header.size:
            break
        if piece:
            yield piece
        if over:
            break
    unfinished = machine is not None and (not machine.eof or machine.unused_data or left)
    if count != header.size or crc != header.crc or unfinished:
        raise BadArchive(f"the data of {shown(entry.name)} is not what the zip headers say")


def whole(source: BinaryIO, entry: Entry, limit: int) -> bytes:
    """
    The data of a member at once.

    :raises BadArchive: it is larger than `limit` bytes, or as `content`.
    """
    if entry.header.size > limit:
        raise BadArchive(f"{shown(entry.name)} is larger than {limit} bytes")
    return b"".join(content(source, entry))


def _central(source: BinaryIO, where: Directory) -> Iterator[Entry]:
    source.seek(where.offset)
    raw = source.read(where.size)
    place = 0
    for _ in range(where.entries):
        if len(raw) - place < _CENTRAL.size or raw[place : place + 4] != CENTRAL:
            raise BadArchive("the zip directory is malformed")
        (_, made, _, flags, method, _, _, crc, packed, size, names, extra, comment, disk, _, mode, offset) = _CENTRAL.unpack_from(
            raw, place
        )
        place += _CENTRAL.size
        name, more = raw[place : place + names], raw[place + names : place + names + extra]
        place += names + extra + comment
        if place > len(raw):
            raise BadArchive("the zip directory is malformed")
        fields = extras(more)
        size, packed, offset = _widened(fields.wide, size, packed, offset)
        entry = Entry(_name(name, flags, fields.name), Header(name, flags, method, crc, packed, size), offset)
        if disk not in {0, 0xFFFF}:
            raise BadArchive("a zip archive in several volumes")
        _insist_on_plain(entry, mode >> 16 if made >> 8 == _UNIX else 0)
        if offset + _LOCAL.size + packed > where.offset:
            raise BadArchive(f"the member {shown(entry.name)} lies outside the archive")
        yield entry
    if place != len(raw):
        raise BadArchive("the zip directory has more in it than its entries")


def _insist_on_plain(entry: Entry, mode: int) -> None:
    """Let a member pass that any unpacker can read, and that is a file or a folder."""
    header, name = entry.header, shown(entry.name)
    insist_on_clean(entry.name)
    if "\\" in entry.name:
        raise BadArchive(f"the name of a member holds a backslash: {name}")
    if header.flags & _ENCRYPTED:
        raise BadArchive(f"the member {name} is encrypted")
    if header.method not in {STORED, DEFLATED} or header.flags & _PATCHED:
        raise BadArchive(f"the member {name} is neither stored nor deflated")
    if header.method == STORED and header.packed != header.size:
        raise BadArchive(f"the member {name} is stored, but its sizes differ")
    if entry.is_folder and header.size:
        raise BadArchive(f"the folder {name} has data")
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise BadArchive(f"the member {name} is a link or a device")


def _placed(source: BinaryIO, entry: Entry, after: int) -> Entry:
    """The entry with the place of its data, once its local header and all up to `after` are what they should be."""
    name = shown(entry.name)
    source.seek(entry.offset)
    raw = source.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or not raw.startswith(LOCAL):
        raise BadArchive(f"the member {name} is not where the zip directory says")
    _, _, flags, method, _, _, crc, packed, size, names, extra = _LOCAL.unpack(raw)
    rest = source.read(names + extra)
    fields = extras(rest[names:])
    if FULL32 in {size, packed}:
        size, packed, _ = _widened(fields.wide, size, packed, 0)
    header, said = entry.header, Header(rest[:names], flags, method, crc, packed, size)
    if said.name != header.name or fields.name not in {None, entry.name}:
        raise BadArchive(f"the local header of {name} and the zip directory differ in the name")
    if said.method != header.method or (said.flags ^ header.flags) & _SAME_FLAGS:
        raise BadArchive(f"the local header of {name} and the zip directory differ")
    sums = (said.crc, said.packed, said.size)
    blank = header.described and sums == (0, 0, 0)
    if not blank and sums != (header.crc, header.packed, header.size):
        raise BadArchive(f"the local header of {name} and the zip directory differ in size or checksum")
    start = entry.offset + _LOCAL.size + names + extra
    end = start + header.packed
    if end > after:
        raise BadArchive(f"the member {name} overlaps what follows it")
    if end < after or header.described:
        _insist_on_descriptor(source, header, name, end, after)
    return Entry(entry.name, header, entry.offset, start)


def _insist_on_descriptor(source: BinaryIO, header: Header, name: str, end: int, after: int) -> None:
    source.seek(end)
    between = source.read(min(after - end, 32))
    if header.described:
        if after - end > 24 or not described(between, header):
            raise BadArchive(f"behind the member {name} is something else than its descriptor")
    elif between.startswith(LOCAL):
        raise BadArchive("a member is missing in the zip directory")
    else:
        raise BadArchive(f"data behind the member {name} that belongs to none")


def _widened(wide: tuple[int, ...], *narrow: int) -> tuple[int, ...]:
    """The values, with those that are full taken from the ZIP64 field in their order."""
    if FULL32 not in narrow:
        return narrow
    values = iter(wide)
    found = tuple(next(values, -1) if value == FULL32 else value for value in narrow)
    if min(found) < 0:
        raise BadArchive("a ZIP64 field of the zip archive is missing")
    return found


def _name(raw: bytes, flags: int, unicode_path: str | None) -> str:
    if b"\0" in raw:
        raise BadArchive("the name of a member holds a NUL")
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise BadArchive("the name of a member is not UTF-8 although it says so") from error
    if unicode_path not in {None, name}:
        raise BadArchive(f"the member {shown(name)} has another name in its Unicode path field")
    return name
