"""What became of each thing that was found, and what it comes to."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from pypidaemon.telling import plural


class Fate(enum.Enum):
    """What became of something."""

    TAKEN = "taken"
    """It is offered here from now on; in a rehearsal: it would be."""
    HERE = "here"
    """It was here already, the very same bytes."""
    SKIPPED = "skipped"
    """It is not taken, and somebody should know why."""
    PASSED = "passed"
    """It is nothing that could be taken: what the tool kept for itself."""
    NOTED = "note"
    """The same, and somebody should know of it."""


@attrs.frozen
class Outcome:
    """What became of one thing. `project` and `file` are empty where it is no file of a distribution."""

    path: str
    fate: Fate
    project: str = ""
    file: str = ""
    reason: str = ""
    size: int = 0
    linked: bool = False

    def as_json(self) -> dict[str, Any]:
        """The same as JSON; what is empty is left out."""
        said = {"project": self.project, "file": self.file, "reason": self.reason, "bytes": self.size, "linked": self.linked}
        # A name that is no text would be none in JSON either.
        path = self.path.encode("utf-8", "backslashreplace").decode()
        return {"path": path, "fate": self.fate.value, **{key: value for key, value in said.items() if value}}


@attrs.define
class Tally:
    """
    What it came to so far.

    :param names: the projects that are private from now on, with the label of the index whose upstream is known to have that name too, "" for none.
    :param asked: whether anything was compared with what upstream says now.
    :param unasked: why upstream could not be asked about some project, the first reason there was.
    """

    taken: int = 0
    here: int = 0
    skipped: int = 0
    passed: int = 0
    bytes: int = 0
    linked: int = 0
    names: dict[str, str] = attrs.field(factory=dict)
    asked: int = 0
    unasked: str = ""

    def count(self, outcome: Outcome) -> None:
        """One more."""
        match outcome.fate:
            case Fate.TAKEN:
                self.taken += 1
                self.bytes += outcome.size
                self.linked += outcome.linked
            case Fate.HERE:
                self.here += 1
            case Fate.SKIPPED:
                self.skipped += 1
            case Fate.PASSED | Fate.NOTED:
                self.passed += 1

    def as_json(self) -> dict[str, Any]:
        """The same as JSON; `names` come apart from it, since there may be many."""
        words = ("taken", "here", "skipped", "passed", "bytes", "linked", "asked", "unasked")
        return {word: getattr(self, word) for word in words}


MOST_NAMES = 20
"""Names that are for people to read; all of them are in the object."""


def line(outcome: Mapping[str, Any]) -> str:
    """One outcome for people, as it was told in JSON."""
    reason = f": {_plain(str(outcome['reason']))}" if outcome.get("reason") else ""
    return f"{outcome['fate']} {_plain(str(outcome['path']))}{reason}"


def summary(said: Mapping[str, Any]) -> Iterator[str]:
    """What it came to, as it was told in JSON, in lines for people."""
    would = "would be " if said["dry_run"] else ""
    linked = f", {said['linked']} of them shared with it rather than copied" if said["linked"] else ""
    yield (
        f"{plural(said['taken'], 'file')} with {plural(said['bytes'], 'byte')} {would}taken into {said['index']}{linked};"
        f" {said['here']} already here, {said['skipped']} skipped"
    )
    names: Mapping[str, str] = said["names"]
    if names:
        yield (
            f"{'these names would be' if said['dry_run'] else 'these names are'} private from now on, and no upstream is asked about them:"
            f" {_few(list(names))}"
        )
    known = {name: label for name, label in names.items() if label}
    for label in sorted(set(known.values())):
        both = [name for name, other in known.items() if other == label]
        yield f"of these {label} knows projects of other people, which {would or 'are '}hidden by ours: {_few(both)}"
    if said["unasked"]:
        yield f"not everything could be compared with what upstream says: {said['unasked']}; once it is asked, `replaced` tells what it has other bytes of"


def _few(names: list[str]) -> str:
    some = sorted(names)[:MOST_NAMES]
    more = len(names) - len(some)
    return " ".join(some) + (f" and {more} more" if more else "")


def _plain(text: str) -> str:
    # What turns the direction of writing is not printable either.
    return text if text.isprintable() else ascii(text)
