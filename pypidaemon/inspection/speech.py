"""
What daemon and worker say to each other: frames of JSON with their length before them.

Hostile bytes may have won the worker over, so nothing that comes back is taken whose form has not been checked. What it is about is the worker's word.
"""

from __future__ import annotations

import base64
import binascii
import struct
from functools import lru_cache
from typing import Any

import attrs
import orjson

from pypidaemon import filenames
from pypidaemon.archives.rules import Rules
from pypidaemon.archives.sidecars import LARGEST_METADATA
from pypidaemon.errors import InvalidName, InvalidUpload
from pypidaemon.model import Filename, Inspected, NormalizedName, Upload

READY, MORE, REFUSED, FOUND = "ready", "more", "refused", "found"

LARGEST_FRAME = 24 * 2**20
"""Bytes of a frame: a form without its file, or metadata in base64."""

_LENGTH = struct.Struct(">L")
_LONGEST_LINE = 1000
_HELD_AGAINST = frozenset({"requires_dist", "requires_python"})
"""What of a form is compared with the archive. All else may be megabytes and stays here."""


class Nonsense(Exception):
    """What the worker says cannot be."""


def frame(data: bytes) -> bytes:
    """These bytes with their length before them."""
    return _LENGTH.pack(len(data)) + data


def length(head: bytes) -> int:
    """
    How long the frame is that begins with these four bytes.

    :raises Nonsense: longer than any frame is.
    """
    (found,) = _LENGTH.unpack(head)
    if found > LARGEST_FRAME:
        raise Nonsense("a frame that is too long")
    return int(found)


HEAD = _LENGTH.size


def question(upload: Upload, rules: Rules, path: str | None, seconds: int, *, whole: bool = False) -> bytes:
    """
    Ask for the inspection of an archive.

    :param path: the file it lies in; None where its bytes follow.
    :param whole: whether those follow at once, in one frame; else frame by frame as they are asked for, an empty one last.
    :param seconds: of processor time that it may take.
    :raises InvalidUpload: the form says more than a question can hold.
    """
    # Field by field, since `attrs.asdict` costs as much as all the rest of this.
    slim = {
        "name": upload.name,
        "version": upload.version,
        "filename": upload.filename,
        "filetype": upload.filetype,
        "digests": upload.digests,
        "metadata": [pair for pair in upload.metadata if pair[0] in _HELD_AGAINST],
    }
    asked = orjson.dumps({"upload": slim, "rules": _judged(rules), "path": path, "seconds": seconds, "whole": whole})
    if len(asked) > LARGEST_FRAME:
        raise InvalidUpload("the form's requires_dist are too long")
    return asked


@lru_cache(8)
def _judged(rules: Rules) -> dict[str, Any]:
    """The rules, to be told; not to be changed."""
    return {**attrs.asdict(rules, recurse=False), "kinds": sorted(rules.kinds)}


def understood(data: bytes) -> tuple[Upload, Rules, str | None, int, bool]:
    """What `question` asked; only the worker reads it, and the daemon is believed."""
    told = orjson.loads(data)
    upload = told["upload"]
    return (
        Upload(
            name=NormalizedName(upload["name"]),
            version=upload["version"],
            filename=Filename(upload["filename"]),
            filetype=upload["filetype"],
            digests=tuple((algorithm, value) for algorithm, value in upload["digests"]),
            metadata=tuple((name, value) for name, value in upload["metadata"]),
        ),
        Rules(**{**told["rules"], "kinds": frozenset(told["rules"]["kinds"])}),
        told["path"],
        told["seconds"],
        told["whole"],
    )


def saying(word: str, **more: str) -> bytes:
    """A frame's content that says one of the words above."""
    return orjson.dumps({"word": word, **more})


def found(inspected: Inspected) -> bytes:
    """Tell what was found."""
    return saying(
        FOUND,
        metadata=base64.b64encode(inspected.metadata).decode("ascii"),
        name=inspected.name,
        version=inspected.version,
        **({} if inspected.requires_python is None else {"requires_python": inspected.requires_python}),
    )


def word(data: bytes) -> tuple[str, dict[str, Any]]:
    """
    Read what the worker says.

    :raises Nonsense: it is not one of the words above.
    """
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Nonsense("not JSON") from error
    if not isinstance(told, dict) or told.get("word") not in {READY, MORE, REFUSED, FOUND}:
        raise Nonsense("an unknown word")
    return told["word"], told


def line(told: dict[str, Any]) -> str:
    """
    Why the archive was refused: one line, fit for a client.

    :raises Nonsense: it is no such line.
    """
    return _text(told, "line")


def inspected(told: dict[str, Any]) -> Inspected:
    """
    What was found in the archive.

    :raises Nonsense: values that no archive can give.
    """
    try:
        name = filenames.project_name(_text(told, "name"))
        metadata = base64.b64decode(told["metadata"], validate=True)
    except (InvalidName, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Nonsense("malformed findings") from error
    if len(metadata) > LARGEST_METADATA:
        raise Nonsense("metadata that is too long")
    return Inspected(metadata, name, _text(told, "version"), _text(told, "requires_python") if "requires_python" in told else None)


def _text(told: dict[str, Any], key: str) -> str:
    text = told.get(key)
    if not isinstance(text, str) or not text or len(text) > _LONGEST_LINE or not text.isprintable():
        raise Nonsense(f"a malformed {key}")
    return text
