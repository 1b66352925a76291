"""What lies in a bundle, and in which order: what it is, who vouches for that, what it says of projects, and then every blob that these need."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

import attrs

from pypidaemon.backups.tape import BLOCK, Unreadable

FORMAT = 1
HEAD, SIGNATURE, FACTS = "bundle.json", "signature.json", "facts.jsonl"
BLOB = re.compile(r"blobs/([0-9a-f]{64})\Z")
SMALL = 1 << 16
"""Bytes that head and signature have at most."""
MOST = 1_000_000
"""Blobs of one bundle at most: more belong into several, by `--since` or by projects."""
WHAT = "the bundle"

_DIGEST = re.compile(r"[0-9a-f]{64}")


@attrs.frozen
class Head:
    """
    What a bundle says first, and what is signed: by the digest of the facts, which name every blob by its digest, it stands for all the rest.

    :param source: the name of the instance that it is from.
    :param taken: as of when it is, and `since` what changed from when on, seconds since the epoch; None is all.
    :param facts: the sha256 of what it says of projects, and `size` how many bytes that is.
    :param blobs: how many there are, and `length` how many bytes all of them have together.
    """

    version: str
    source: str
    taken: float
    since: float | None
    facts: str
    size: int
    blobs: int
    length: int

    def written(self) -> bytes:
        """As it stands in the file."""
        return json.dumps({"bundle": FORMAT, **attrs.asdict(self)}).encode()

    @classmethod
    def read(cls, data: bytes, length: int) -> Head:
        """
        From the file.

        :param length: of the file in all, in bytes.
        :raises Unreadable: it is none of ours, is of a later version, or speaks of more than is in the file.
        """
        match _object(data, HEAD):
            case {
                "bundle": 1,
                "version": str(version),
                "source": str(source),
                "taken": int() | float() as taken,
                "since": (None | int() | float()) as since,
                "facts": str(facts),
                "size": int(size),
                "blobs": int(blobs),
                "length": int(count),
            }:
                found = cls(version[:40], source, taken, since, facts, size, blobs, count)
                numbers = (taken, since or 0, size, blobs, count)
            case {"bundle": int()}:
                raise Unreadable("the bundle cannot be read: it was made by another version of pypidaemon")
            case _:
                raise Unreadable("the bundle cannot be read: it is none of pypidaemon, or its head is damaged")
        if not (re.fullmatch(r"[0-9A-Za-z-]{1,64}", source) and _DIGEST.fullmatch(facts)):
            raise Unreadable("the bundle cannot be read: its head is damaged")
        # In this order, by which no number that is none, or too large for a computation, comes through.
        if not all(0 <= number < 2**63 for number in numbers) or max(numbers[:2]) > 1e11 or blobs > MOST:
            raise Unreadable("the bundle cannot be read: its head is damaged")
        if size + count + BLOCK * (blobs + 2) > length:
            raise Unreadable("the bundle is not whole: it should be longer")
        return found


def signature(key: str, signed: bytes) -> bytes:
    """Who vouches for the head, as it stands in the file."""
    return json.dumps({"key": key, "signature": base64.b64encode(signed).decode()}).encode()


def read_signature(data: bytes) -> tuple[str, bytes]:
    """
    Who says to vouch for it, and by what.

    :raises Unreadable: it is damaged.
    """
    match _object(data, SIGNATURE):
        case {"key": str(key), "signature": str(signed)}:
            try:
                return key, base64.b64decode(signed, validate=True)
            except (binascii.Error, ValueError):
                pass
    raise Unreadable("the bundle cannot be read: its signature is damaged")


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unreadable(f"the bundle cannot be read: {name} is damaged")
    return found
