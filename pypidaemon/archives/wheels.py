"""Wheels (PEP 427) and eggs: zip archives with their metadata in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from pypidaemon.archives.metadata import describe
from pypidaemon.archives.record import LARGEST_RECORD, insist_on_record
from pypidaemon.archives.rules import Rules
from pypidaemon.archives.sidecars import LARGEST_METADATA, BadArchive, release, releases
from pypidaemon.archives.zipped import Entry, members, whole
from pypidaemon.model import Filename, Inspected, Upload

LARGEST_WHEEL = 2**20
"""Bytes of the file WHEEL."""


def inspect_wheel(source: BinaryIO, upload: Upload, rules: Rules) -> Inspected:
    """
    Check a wheel and read its METADATA (R128, R131, S18).

    :raises BadArchive: as `zipped.members`; it has no dist-info folder of its name and version, or that lacks WHEEL, METADATA or RECORD;
        or RECORD and contents differ.
    """
    entries = members(source)
    folder = _folder(entries, upload.filename)
    wheel = whole(source, _needed(entries, folder, "WHEEL"), LARGEST_WHEEL)
    if not any(line.lower().startswith(b"wheel-version:") for line in wheel.splitlines()):
        raise BadArchive("the file WHEEL says no Wheel-Version")
    record = whole(source, _needed(entries, folder, "RECORD"), LARGEST_RECORD)
    metadata = whole(source, _needed(entries, folder, "METADATA"), LARGEST_METADATA)
    if rules.record:
        insist_on_record(source, entries, folder, record)
    places = (f"{folder}/licenses/", f"{folder}/")
    return describe(metadata, upload, rules, lambda path: any(place + path in entries for place in places))


def inspect_egg(source: BinaryIO, upload: Upload, rules: Rules) -> Inspected:
    """
    Check an egg and read its EGG-INFO/PKG-INFO.

    :raises BadArchive: as `zipped.members`, or it has none.
    """
    entries = members(source)
    return describe(whole(source, _needed(entries, "EGG-INFO", "PKG-INFO"), LARGEST_METADATA), upload, rules, lambda path: path in entries)


def _folder(entries: Mapping[str, Entry], filename: Filename) -> str:
    promised = set(releases(filename))
    folders = {name.partition("/")[0] for name in entries if "/" in name}
    fitting = [folder for folder in folders if release(folder) in promised]
    if len(fitting) != 1:
        words = "several dist-info folders" if fitting else "no dist-info folder"
        raise BadArchive(f"the wheel has {words} for the name and version in its file name")
    return fitting[0]


def _needed(entries: Mapping[str, Entry], folder: str, name: str) -> Entry:
    entry = entries.get(f"{folder}/{name}")
    if entry is None:
        raise BadArchive(f"{name} is missing in the folder {folder}"[:200])
    return entry
