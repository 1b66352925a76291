"""Time zones whose clocks are put forward and back, and moments near those at which they are."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hypothesis import strategies as st

from tests.needs import missing

CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Australia/Sydney": ("2026-04-04T16:00", "2026-10-03T16:00"),
    # By half an hour; at midnight; and by a whole day, which was left out.
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),
    "Pacific/Apia": ("2011-12-30T10:00", "2012-03-31T14:00"),
    "UTC": ("2026-01-01T00:00",),
}
"""When, in UTC, the clocks of these zones were or will be changed."""


def zone(name: str) -> tzinfo:
    """That zone; a machine may lack the database of zones, in which UTC need not be."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        missing(f"this machine does not know the time zone {name}")


def at(text: str, name: str = "UTC", fold: int = 0) -> float:
    """Seconds since the epoch of what the clock of that zone shows so."""
    return datetime.fromisoformat(text).replace(tzinfo=zone(name), fold=fold).timestamp()


def shown(moment: float, name: str) -> str:
    """What the clock of that zone shows, with how far it is ahead of UTC."""
    return datetime.fromtimestamp(moment, zone(name)).strftime("%a %Y-%m-%d %H:%M:%S %z")


def _near(name: str) -> st.SearchStrategy[tuple[str, float]]:
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in CHANGES[name]]
    return st.tuples(
        st.just(name),
        st.builds(lambda change, away: change + away, st.sampled_from(moments), st.integers(-180_000, 100_000) | st.floats(-9000, 9000)),
    )


zones_and_moments = st.sampled_from(sorted(CHANGES)).flatmap(_near)
"""A zone's name and a moment within two days of a change of its clocks."""
