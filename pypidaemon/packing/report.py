"""What came of packing: by release what was here, what was fetched, and what is missing and why; as JSON and in lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from pypidaemon.telling import enumerated, plural

CAUSES = {
    "absent": "the index does not have it",
    "policy": "a policy keeps it out",
    "platform": "there is no file for it",
    "hash": "the lock says other bytes",
    "down": "it could not be fetched",
    "room": "there is no room for it",
    "conflict": "the requirements contradict each other",
    "unknown": "it could not be had",
}
"""Why something is missing, in one word, and what the word means."""

MOST = 20_000
"""Missing things, and notes, that are kept; more are only counted."""


@attrs.frozen
class Missing:
    """Something that is not here afterwards."""

    project: str
    version: str
    file: str
    cause: str
    reason: str

    @property
    def line(self) -> str:
        """As people read it."""
        title = self.file or (f"{self.project}=={self.version}" if self.version else self.project)
        return f"{title}: {self.reason}"


@attrs.define
class Release:
    """One release, with the names of its files that are here now."""

    project: str
    version: str
    files: list[str] = attrs.field(factory=list)
    here: int = 0
    """Files that were here before."""
    fetched: int = 0
    bytes: int = 0
    """Bytes of what was fetched; of a rehearsal, of what would be, as far as pages say."""
    pinned: bool = False


@attrs.define
class Report:
    """
    What came of packing so far.

    :param rehearsal: whether it is only said what would be fetched.
    """

    index: str
    targets: tuple[str, ...]
    rehearsal: bool = False
    releases: dict[tuple[str, str], Release] = attrs.field(factory=dict)
    missing: dict[Missing, None] = attrs.field(factory=dict)
    notes: dict[str, None] = attrs.field(factory=dict)
    phase: str = "reads"
    found: int = 0
    """Releases that are to be here, as far as is known."""
    looked: int = 0
    files: int = 0
    bytes: int = 0
    over: int = 0
    """Missing things beyond `MOST`."""

    def release(self, project: str, version: str) -> Release:
        """That release, which is added where it is new."""
        return self.releases.setdefault((project, version), Release(project, version))

    def miss(self, project: str, version: str, file: str, cause: str, reason: str) -> None:
        """Something is missing."""
        if len(self.missing) < MOST:
            self.missing[Missing(project, version, file, cause, reason)] = None
        else:
            self.over += 1

    def note(self, line: str) -> None:
        """Something is worth to be known."""
        if len(self.notes) < MOST:
            self.notes[line] = None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def progress(self) -> dict[str, Any]:
        """How far it is, as JSON."""
        return {"phase": self.phase, "looked": self.looked, "found": self.found, "files": self.files, "bytes": self.bytes}

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "complete": self.complete,
            "index": self.index,
            "targets": list(self.targets),
            "rehearsal": self.rehearsal,
            "files": self.files,
            "bytes": self.bytes,
            "releases": [attrs.asdict(one) for _, one in sorted(self.releases.items())],
            "missing": [attrs.asdict(one) for one in self.missing],
            "more_missing": self.over,
            "notes": list(self.notes),
        }


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """A report, as JSON, in lines for people: what is missing last, since that is what whoever leaves has to see."""
    releases = said["releases"]
    here = sum(one["here"] for one in releases)
    if said["rehearsal"]:
        yield from (f"would fetch {file}" for one in releases for file in one["files"])
    files = plural(said["files"], "file")
    fetched = f"{files} would be fetched" if said["rehearsal"] else f"{files} fetched"
    for_whom = enumerated(list(said["targets"]))
    yield f"{plural(len(releases), 'release')} for Python {for_whom}: {plural(here, 'file')} here before, {fetched}"
    yield from said["notes"]
    if said["missing"]:
        yield f"missing: {plural(len(said['missing']) + said['more_missing'], 'thing')}"
        yield from (f"  {Missing(**one).line}" for one in said["missing"])
