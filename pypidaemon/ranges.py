"""The `Range` header: one part of a file, or all of it (RFC 9110 §14). Offsets, lengths and sizes are in bytes."""

from __future__ import annotations

import re

_SINGLE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_BEYOND = 10**18
"""Stands for any longer number: beyond every file, and quick to compare."""


class Unsatisfiable(ValueError):
    """A range in good order that names no byte of the file; the answer is 416 with `unsatisfied` (R92)."""


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """
    The offset and length that a `Range` header asks of a file of that size; None means the whole, as if there were no header.

    That is the answer to several ranges, another unit, or anything malformed (R94), so a thousand ranges cost no more than none (S63).
    A suffix longer than the file is all of it (R91), an end beyond it stops at its last byte.

    :raises Unsatisfiable: a single range begins at or after the end, or is a suffix of nothing.
    """
    match = _SINGLE.fullmatch(header.strip()) if header is not None else None
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(_number(last), size) if last else None
    begin = _number(first)
    end = _number(last) if last else size - 1
    if last and end < begin:
        return None
    if begin >= size:
        raise Unsatisfiable(f"range begins at {begin}, the file has {size} bytes")
    return begin, min(end, size - 1) - begin + 1


def content_range(offset: int, length: int, size: int) -> str:
    """The `Content-Range` of a 206 (R90)."""
    return f"bytes {offset}-{offset + length - 1}/{size}"


def unsatisfied(size: int) -> str:
    """The `Content-Range` of a 416, from which Poetry reads the size (R92)."""
    return f"bytes */{size}"


def _suffix(length: int, size: int) -> tuple[int, int] | None:
    if not length:
        raise Unsatisfiable("the last 0 bytes are no bytes")
    if not size:
        return None  # §14.1.2 calls it satisfiable, but no Content-Range can name a part of nothing.
    length = min(length, size)
    return size - length, length


def _number(digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    return _BEYOND if len(significant) > 18 else int(significant)
