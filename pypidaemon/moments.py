"""Moments as packages and settings write them: PEP 700's upload times, and days or seconds in UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from pypidaemon.model import File

_REMEMBERED = 1 << 14
"""How many upload times are remembered as read: those of nearly every page, in some four megabytes."""

_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?", re.ASCII)


def uploaded(file: File) -> float | None:
    """When the file was uploaded, seconds since the epoch; None where that is not said, or not as PEP 700 has it."""
    return None if file.upload_time is None else _read(file.upload_time)


def moment(text: str) -> float:
    """
    Seconds since the epoch of a moment written `2026-03-01`, which is that day's first second in UTC, or `2026-03-01T12:30:00Z`.

    :raises ValueError: it is not written so, or there is no such moment.
    """
    spelled = text.strip()
    if not _WRITTEN.fullmatch(spelled):
        raise ValueError(f"{spelled[:80]!r} is not a moment such as 2026-03-01 or 2026-03-01T12:30:00Z")
    try:
        found = datetime.fromisoformat(spelled)
    except ValueError as error:
        raise ValueError(f"there is no moment {spelled}: {error}") from None
    return found.replace(tzinfo=UTC).timestamp()


def written(seconds: float) -> str:
    """
    That moment as `2026-03-01T12:30:00Z`, cut to whole seconds; `moment` reads it back.

    What lies before the year 1 or after the year 9999 is written as the first or last second of these.
    """
    first, last = -62_135_596_800, 253_402_300_799
    return datetime.fromtimestamp(min(max(seconds // 1, first), last), UTC).isoformat().removesuffix("+00:00") + "Z"


def day(seconds: float) -> str:
    """The day of that moment in UTC, as `2026-03-01`; bounded as of `written`."""
    return written(seconds)[:10]


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> float | None:
    # A time without the Z that PEP 700 demands is in nobody knows which zone.
    if not text.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
