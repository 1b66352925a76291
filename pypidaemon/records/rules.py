"""
The rules that every place of records follows, whatever it writes with: pure functions over what is known and what is new.

They stand here once, so that SQLite and memory cannot come to differ in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pypidaemon.model import Change, Fact


def numbered(known: tuple[str, int] | None, revision: str, at_least: int, high: int) -> int:
    """
    The serial of a project at that revision (R68-R71).

    :param known: its revision and serial so far, None for a project never numbered.
    :param at_least: what upstream says, 0 or less where it says nothing.
    :param high: the highest number that its label has given so far, 0 where none was.
    """
    if known is None:
        return at_least if at_least > 0 else high + 1
    before, serial = known
    if revision == before:
        return max(serial, at_least)
    return max(high + 1, at_least)


def merged(known: Fact, new: Fact) -> Fact:
    """What is known once `new` was learned: it fills gaps, and what was pinned stays as it was (S29)."""
    return Fact(
        digest=new.digest if known.digest is None else known.digest,
        size=new.size if known.size is None else known.size,
        metadata=new.metadata if known.metadata is None else known.metadata,
        metadata_broken=known.metadata_broken or new.metadata_broken,
    )


def cut(rows: Sequence[Change], limit: int) -> list[Change]:
    """
    At most `limit` of these rising rows, such that whoever asks on from the last serial misses none.

    Two projects may have the same serial, because upstream's numbers are taken over as they are. Such a pair is not torn apart unless it
    alone exceeds the limit. `rows` may be longer than `limit` by one, which is enough to see this.
    """
    if limit <= 0:
        return []
    if len(rows) <= limit:
        return list(rows)
    torn = rows[limit].serial
    whole = [row for row in rows[:limit] if row.serial < torn]
    return whole or list(rows[:limit])
