"""Source distributions: one folder at the top with PKG-INFO in it (PEP 625, R127, R131), in a tar archive or, of old, in a zip archive."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from pypidaemon.archives import tarred, zipped
from pypidaemon.archives.expanding import Expanded
from pypidaemon.archives.metadata import describe
from pypidaemon.archives.names import parts, shown
from pypidaemon.archives.rules import Rules, extension
from pypidaemon.archives.sidecars import LARGEST_METADATA, BadArchive
from pypidaemon.archives.tarfields import FOLDER, REGULAR
from pypidaemon.archives.zipfields import END
from pypidaemon.model import Inspected, Upload

_LONGEST_TAIL = 22 + 0xFFFF
_MOST_TEXT = 32 * 2**20
"""Bytes of all names together, which strict rules keep in memory."""


def inspect_tar(source: BinaryIO, upload: Upload, rules: Rules) -> Inspected:
    """
    Check a source distribution in a compressed tar archive and read its PKG-INFO.

    :raises BadArchive: as `tarred.members` and `Expanded`; it is a zip archive as well (S13); or it has more than one thing at the top, or
        no PKG-INFO there, or several.
    """
    size = source.seek(0, os.SEEK_END)
    _insist_on_no_zip(source, size)
    source.seek(0)
    stream = Expanded(source, extension(upload.filename), size)
    top, found, names, text = "", None, set[str](), 0
    for member in tarred.members(stream, lambda name: LARGEST_METADATA if _is_metadata(name) else None):
        top = _top(top, member.name, folder=member.kind == FOLDER)
        if _is_metadata(member.name):
            if member.kind != REGULAR:
                raise BadArchive("PKG-INFO is not a file")
            if found is not None:
                raise BadArchive("the source distribution has several PKG-INFO at its top")
            found = member.data
        if rules.strict:
            names.add("/".join(parts(member.name)))
            text += len(member.name)
            if text > _MOST_TEXT:
                raise BadArchive(f"the names in the archive are longer than {_MOST_TEXT} bytes together")
    return _described(found, top, names, upload, rules)


def inspect_zip(source: BinaryIO, upload: Upload, rules: Rules) -> Inspected:
    """
    Check a source distribution in a zip archive and read its PKG-INFO.

    :raises BadArchive: as `zipped.members`, and as `inspect_tar` for what must be in it.
    """
    entries = zipped.members(source)
    top, found = "", None
    for name, entry in entries.items():
        top = _top(top, name, folder=entry.is_folder)
        if _is_metadata(name) and not entry.is_folder:
            found = zipped.whole(source, entry, LARGEST_METADATA)
    return _described(found, top, set(entries), upload, rules)


def _described(found: bytes | None, top: str, names: set[str], upload: Upload, rules: Rules) -> Inspected:
    if found is None:
        raise BadArchive("the source distribution has no PKG-INFO in the folder at its top")
    stem = upload.filename[: -len(extension(upload.filename))]
    if rules.strict and top != stem:
        raise BadArchive(f"the folder at the top of the source distribution is not called {shown(stem)}")
    return describe(found, upload, rules, lambda path: f"{top}/{path}" in names)


def _is_metadata(name: str) -> bool:
    below = parts(name)
    return len(below) == 2 and below[1] == "PKG-INFO"


def _top(top: str, name: str, *, folder: bool) -> str:
    """The one folder that all members lie in."""
    first, *rest = parts(name) or [""]
    if not first and folder:
        return top
    if (not rest and not folder) or top not in {"", first}:
        raise BadArchive("the source distribution has more than one folder at its top")
    return first


def _insist_on_no_zip(source: BinaryIO, size: int) -> None:
    """Refuse what ends as a zip archive does: unpackers that look at the end would find another archive than those that look at the beginning."""
    source.seek(max(0, size - _LONGEST_TAIL))
    tail = source.read()
    place = tail.find(END)
    while place >= 0:
        if len(tail) - place >= 22 and struct.unpack_from("<H", tail, place + 20)[0] == len(tail) - place - 22:
            raise BadArchive("the tar archive is a zip archive as well")
        place = tail.find(END, place + 1)
