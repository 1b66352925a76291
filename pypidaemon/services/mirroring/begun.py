"""What is on record of a run that has begun, and of whose serials those on record are. Pure."""

from __future__ import annotations

import attrs

from pypidaemon.model import Progress, Validators

UNDER_WAY = "under way"
"""What is on record of a run until it has ended; a run that finds it knows that the one before it was killed."""

AGAIN = "under way again, after one that did not end"
"""The same of a run that found one of the two."""

LATER = 600.0
"""Seconds from the beginning of a run that was interrupted, as the one before it was, to the next: whoever dies in each asks upstream no more often."""


def interrupted(progress: Progress) -> bool:
    """Whether the last run did not end."""
    return progress.outcome in (UNDER_WAY, AGAIN)


def marked(progress: Progress, now: float) -> Progress:
    """What is on record while a run goes on that begins now."""
    return attrs.evolve(progress, begun=now, outcome=AGAIN if interrupted(progress) else UNDER_WAY)


def made_up(progress: Progress, now: float) -> float | None:
    """When a run that was interrupted is made up: now, and after several in a row a while after the last began; None where it ended."""
    if not interrupted(progress):
        return None
    # A clock that was ahead must keep nobody waiting.
    return now if progress.outcome == UNDER_WAY else max(now, min(progress.begun, now) + LATER)


def from_source(progress: Progress, source: str, now: float) -> Progress:
    """
    How far all has come for who is filled from that upstream: serials are each upstream's own, so with another one they begin anew (F22).

    What is here stays, and is compared as if every rule had changed; what may go is limited as ever.

    :param source: as `ISourced` says it; empty where the upstream does not.
    """
    if not source or progress.source == source:
        return progress
    if not progress.source:
        return attrs.evolve(progress, source=source)
    return attrs.evolve(
        progress,
        serial=0,
        validators=Validators(),
        listed=0,
        selection=_another(progress.selection),
        source=source,
        since=now,
    )


def _another(selection: str) -> str:
    """A revision of the choice under which no project was looked at, and that says as before what chose them (see `Choice.revision`)."""
    words = selection.split()
    return " ".join([words[0], "-", *words[2:]]) if len(words) == 4 else "-"
