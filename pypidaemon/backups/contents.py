"""What lies in a backup, and under which names."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs

from pypidaemon.backups.tape import Unreadable

FORMAT = 1
HEAD = "head.json"
"""The first file: of which format it is, when it was taken, and the stores of blobs."""
MANIFEST = "manifest.json"
"""The last file: all others with size and sha256. Without it a backup is not whole."""
CONFIGURATION = "configuration.ini"
RECORDS = re.compile(r"records/(main|mirrors|fetches|cache)\.sqlite\Z")
BLOB = re.compile(r"blobs/(\d{1,4})/([0-9a-f]{64})\Z")
LARGEST = 1 << 30
"""Bytes that the manifest has at most: those of some seven million files."""
SMALL = 1 << 20
"""Bytes that head and configuration have at most."""


@attrs.frozen
class Head:
    """
    What a backup says first.

    :param stores: the labels of the stores of blobs; a blob's name has the number of its store here.
    :param everything: whether what can be fetched again is in it too.
    """

    version: str
    taken: str
    stores: tuple[str, ...]
    everything: bool

    def written(self) -> bytes:
        """As it stands in the file."""
        return json.dumps({"format": FORMAT, **attrs.asdict(self)}).encode()

    @classmethod
    def read(cls, data: bytes) -> Head:
        """
        From the file.

        :raises Unreadable: it is none of ours, or of a later version.
        """
        found = _object(data, HEAD)
        if found.get("format") != FORMAT:
            raise Unreadable("the backup cannot be read: it was taken by another version of pypidaemon")
        version, taken, stores = found.get("version"), found.get("taken"), found.get("stores")
        if not (
            isinstance(version, str) and isinstance(taken, str) and isinstance(stores, list) and all(isinstance(x, str) for x in stores)
        ):
            raise Unreadable(f"the backup cannot be read: {HEAD} is damaged")
        return cls(version, taken, tuple(stores), found.get("everything") is True)


@attrs.frozen
class Entry:
    """A file in a backup."""

    size: int
    sha256: str


def manifest(entries: dict[str, Entry]) -> bytes:
    """The last file."""
    return json.dumps({name: [entry.size, entry.sha256] for name, entry in entries.items()}).encode()


def read_manifest(data: bytes) -> dict[str, Entry]:
    """
    What the last file says.

    :raises Unreadable: it is damaged.
    """
    found = {}
    for name, entry in _object(data, MANIFEST).items():
        match entry:
            case [int(size), str(sha256)]:
                found[name] = Entry(size, sha256)
            case _:
                raise Unreadable(f"the backup cannot be read: {MANIFEST} is damaged")
    return found


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unreadable(f"the backup cannot be read: {name} is damaged")
    return found
