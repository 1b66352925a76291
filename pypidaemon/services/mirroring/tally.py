"""What a run has done so far, and what came of it in the end."""

from __future__ import annotations

from typing import Any

import attrs

from pypidaemon.telling import plural

MOST_NAMED = 100
"""Projects and reasons that a summary names; all others it counts."""


MOST_PLANNED = 10_000
"""Lines of each kind that a rehearsal writes down."""


@attrs.define
class Tally:
    """
    The counts of one run, which rise while it goes on (M20).

    :param begun: when it began, seconds since the epoch.
    """

    begun: float
    rehearsal: bool = False
    """Whether all of that is only what would be."""
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
    lent: int = 0
    """Projects for whose pages another index stood in."""
    errors: list[str] = attrs.field(factory=list)
    unmet: list[str] = attrs.field(factory=list)
    """What is needed and is not here, in sentences, where dependencies are followed."""
    absent: list[str] = attrs.field(factory=list)
    """Projects that were chosen by their names and that upstream does not have."""
    replaced: list[str] = attrs.field(factory=list)
    """Files that are offered no longer, since their bytes are lost here and upstream has others under their names."""
    private: list[str] = attrs.field(factory=list)
    """Projects that requirements name and that an index of ours has, so that upstream is not asked about them."""
    unsized: int = 0
    """Of a rehearsal: files of which upstream does not say how long they are; they count one byte each."""
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
            "replaced": self.replaced[:MOST_NAMED],
            "private": self.private[:MOST_NAMED],
            "unmet": self.unmet[:MOST_NAMED],
            "seconds": round(now - self.begun, 3),
            **({"plan": self.plan} if self.plan else {}),
        }


def outcome(tally: Tally, *, complete: bool, waiting: int) -> str:
    """
    What came of a run in one line, or of a rehearsal what would.

    :param waiting: projects that failed.
    """
    would = "would be " if tally.rehearsal else ""
    head = f"{would}complete" if complete else f"{'would not be' if tally.rehearsal else 'not'} complete"
    if not complete:
        head += f": {tally.errors[0]}" if tally.errors else f": {plural(waiting, 'project')} {'waits' if waiting == 1 else 'wait'}"
    fetched = f"{plural(tally.files, 'file')} and {plural(tally.bytes - tally.unsized, 'byte')} {would}fetched"
    if tally.unsized:
        fetched += f" besides the bytes of {plural(tally.unsized, 'file')} of unknown size"
    removed = f"{plural(tally.removed, 'project')} and {plural(tally.files_removed, 'file')} {would}removed"
    return f"{head} ({plural(tally.looked, 'project')} looked at, {fetched}, {removed})"


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
