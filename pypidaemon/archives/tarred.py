"""
Tar archives, read in one way only, from front to back, in a bounded space (S16, S17).

Header, pax and GNU records of a member must say the same where they say the same thing, because tar readers do not agree on which one
rules; and what follows the end must be nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from pypidaemon.archives.expanding import Expanded
from pypidaemon.archives.names import inside, insist_on_clean, parts, shown
from pypidaemon.archives.sidecars import MOST_ENTRIES, BadArchive
from pypidaemon.archives.tarfields import (
    BLOCK,
    FOLDER,
    HARD,
    KINDS,
    LONG_LINK,
    LONG_NAME,
    PAX,
    PAX_GLOBAL,
    REGULAR,
    SPARSE,
    SYMBOLIC,
    TarHeader,
    header,
    records,
)

_LONGEST_RECORD = 2**20
"""Bytes of one pax header or long name."""

_NAMING = frozenset({"path", "linkpath", "size"})
"""What a pax header can say of a member that decides how it is unpacked."""

_GNU = {LONG_NAME: "path", LONG_LINK: "linkpath"}

_Said = dict[str, bytes]
"""What records before a header say of the member it begins, of `_NAMING`."""


@attrs.frozen
class Member:
    """A member of a tar archive that passed all rules; `data` is None where it was not wanted."""

    name: str
    kind: str
    size: int
    data: bytes | None


def members(stream: Expanded, wanted: Callable[[str], int | None]) -> Iterator[Member]:
    """
    All members of a tar archive, in order.

    :param wanted: answers how many bytes a regular file of that name may have if its data is wanted, else None.
    :raises BadArchive: a rule is broken; the line names it.
    """
    said: _Said = {}
    count = 0
    while block := stream.read(BLOCK):
        if len(block) < BLOCK:
            raise BadArchive("the tar archive is cut short")
        if not block.strip(b"\0"):
            if _anything(stream):
                raise BadArchive("data after the end of the tar archive")
            break
        found = header(block)
        count += 1
        if count > MOST_ENTRIES:
            raise BadArchive(f"more than {MOST_ENTRIES} entries")
        if found.flag in {PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK}:
            _listen(said, found, stream)
            continue
        yield _member(said, found, stream, wanted)
        said = {}
    if said:
        raise BadArchive("the tar archive ends with a header that belongs to no member")


def _listen(said: _Said, found: TarHeader, stream: Expanded) -> None:
    """Take in a record that stands before the header it is about."""
    if found.size > _LONGEST_RECORD:
        raise BadArchive(f"a tar record is longer than {_LONGEST_RECORD} bytes")
    data = _data(stream, found.size)
    told = records(data) if found.flag in {PAX, PAX_GLOBAL} else {_GNU[found.flag]: data.partition(b"\0")[0]}
    if any(key.startswith("GNU.sparse") for key in told):
        raise BadArchive("the tar archive has sparse members")
    if found.flag == PAX_GLOBAL:
        if _NAMING & told.keys():
            raise BadArchive("a global pax header names members")
        return
    for key in _NAMING & told.keys():
        if said.get(key, told[key]) != told[key]:
            raise BadArchive("two headers of one tar member differ")
        said[key] = told[key]


def _member(said: _Said, found: TarHeader, stream: Expanded, wanted: Callable[[str], int | None]) -> Member:
    name = _text(said.get("path", found.name))
    insist_on_clean(name)
    # Where both are there they must be equal; readers differ in which they believe.
    if "size" in said and said["size"].lstrip(b"0") != (b"%d" % found.size).lstrip(b"0"):
        raise BadArchive(f"tar header and pax header of {shown(name)} differ in size")
    kind = _kind(said, found, name)
    # Size means nothing for these, but some readers skip that many bytes and some do not.
    if kind != REGULAR and found.size:
        raise BadArchive(f"the member {shown(name)} is no file but has data")
    limit = wanted(name) if kind == REGULAR else None
    if limit is None:
        _pass(stream, found.size)
        return Member(name, kind, found.size, None)
    if found.size > limit:
        raise BadArchive(f"{shown(name)} is larger than {limit} bytes")
    return Member(name, kind, found.size, _data(stream, found.size))


def _kind(said: _Said, found: TarHeader, name: str) -> str:
    if found.flag == SPARSE:
        raise BadArchive("the tar archive has sparse members")
    kind = KINDS.get(found.flag)
    if kind is None:
        raise BadArchive(f"the member {shown(name)} is a device, a pipe or of an unknown type")
    if kind == REGULAR and name.endswith("/"):
        return FOLDER
    if kind in {HARD, SYMBOLIC}:
        link = _text(said.get("linkpath", found.link))
        if not parts(name) or not inside(name, link, symbolic=kind == SYMBOLIC):
            raise BadArchive(f"the link {shown(name)} leaves the folder of the archive")
    return kind


def _text(raw: bytes) -> str:
    # Names of test data may be in no charset at all; they do no harm.
    return raw.decode("utf-8", "surrogateescape")


def _data(stream: Expanded, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size or stream.skip(-size % BLOCK) < -size % BLOCK:
        raise BadArchive("the tar archive is cut short")
    return data


def _pass(stream: Expanded, size: int) -> None:
    padded = size + -size % BLOCK
    if stream.skip(padded) < padded:
        raise BadArchive("the tar archive is cut short")


def _anything(stream: Expanded) -> bool:
    """Whether anything but zeros follows, up to the very end of the compressed data."""
    found = False
    while piece := stream.read(BLOCK * 128):
        found = found or bool(piece.strip(b"\0"))
    return found
