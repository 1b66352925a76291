"""What a run has done so far, and what came of it in the end."""

from __future__ import annotations

from typing import Any

import attrs

MOST_NAMED = 100
"""Projects and reasons that a summary names; all others it counts."""


@attrs.define
class Tally:
    """
    The counts of one run, which rise while it goes on (M20).

    :param begun: when it began, seconds since the epoch.
    """

    begun: float
    phase: str = "begins"
    found: int = 0
    """Projects to be looked at, as far as they were counted."""
    looked: int = 0
    files: int = 0
    """Files of which something was fetched."""
    bytes: int = 0
    held: int = 0
    """Files that were chosen and were here already."""
    removed: int = 0
    """Projects that are offered no longer."""
    files_removed: int = 0
    """Files that are offered no longer, of projects that are."""
    skipped: int = 0
    """Projects that wait for a later time to be tried again."""
    failed: int = 0
    """Projects that could not be brought up to date."""
    errors: list[str] = attrs.field(factory=list)
    unmet: list[str] = attrs.field(factory=list)
    """What is needed and is not here, in sentences, where dependencies are followed."""
    absent: list[str] = attrs.field(factory=list)
    """Projects that were chosen by their names and that upstream does not have."""
    private: list[str] = attrs.field(factory=list)
    """Projects that requirements name and that an index of ours has, so that upstream is not asked about them."""
    plan: dict[str, list[str]] = attrs.field(factory=dict)
    """Of a rehearsal: what would be taken and what removed."""

    def trouble(self, line: str) -> None:
        """Note what went wrong."""
        if len(self.errors) < MOST_NAMED:
            self.errors.append(line)

    def as_json(self, now: float) -> dict[str, Any]:
        """As JSON, by then; `seconds` is how long it has taken."""
        counts = ("phase", "found", "looked", "files", "bytes", "held", "removed", "files_removed", "skipped", "failed")
        return {
            **{word: getattr(self, word) for word in counts},
            "errors": list(self.errors),
            "absent": self.absent[:MOST_NAMED],
            "private": self.private[:MOST_NAMED],
            "unmet": self.unmet[:MOST_NAMED],
            "seconds": round(now - self.begun, 3),
            **({"plan": self.plan} if self.plan else {}),
        }


@attrs.frozen
class Summary:
    """
    How a run ended. `complete` says that everything that was chosen is here as upstream has it now, and nothing waits because it failed.

    `ended` says whether it came to its end, `outcome` all of that in one line.
    """

    tally: Tally
    complete: bool
    ended: bool
    waiting: int
    outcome: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        said = self.tally.as_json(self.tally.begun + self.seconds)
        del said["phase"]
        return {**said, "complete": self.complete, "waiting": self.waiting, "outcome": self.outcome}
