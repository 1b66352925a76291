"""Two explanations of one project held against each other: which files the second hides or shows that the first does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from pypidaemon.filenames import version_of
from pypidaemon.model import Digest, Explanation, File, Filename, NormalizedName, Outcome, Refusal
from pypidaemon.telling import ends, fates
from pypidaemon.versions import same_version

Key = tuple[Filename, Digest | None]
"""A file by its name and its bytes: others under the same name are another file."""


@attrs.frozen
class Release:
    """The files of one release that change in the same way, and the reasons of the first of them."""

    version: str
    files: tuple[Filename, ...]
    refusals: tuple[Refusal, ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        refusals = [{"rule": one.rule, "reason": one.reason, "until": ends(one)} for one in self.refusals]
        return {"version": self.version, "files": list(self.files), "refusals": refusals}


@attrs.frozen
class Change:
    """What would be hidden of a project, and what shown, at these addresses."""

    name: NormalizedName
    addresses: tuple[str, ...]
    hidden: tuple[Release, ...]
    shown: tuple[Release, ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "project": self.name,
            "addresses": list(self.addresses),
            "hidden": [release.as_json() for release in self.hidden],
            "shown": [release.as_json() for release in self.shown],
        }


def compared(name: NormalizedName, address: str, before: Explanation, after: Explanation) -> Change | str | None:
    """
    What changes from the one to the other; None where nothing does, and the reason where only one of them knows.

    Where neither does, both would ask the same upstream.
    """
    silent = [told for told in (after, before) if told.outcome is Outcome.UNKNOWN]
    if silent:
        return f"{silent[0].index} {silent[0].answers}" if len(silent) == 1 else None
    old, new = _shown(before), _shown(after)
    hidden = {key: file for key, file in old.items() if key not in new}
    shown = {key: file for key, file in new.items() if key not in old}
    if not hidden and not shown:
        return None
    return Change(name, (address,), _releases(name, hidden.values(), after), _releases(name, shown.values(), before))


def _shown(told: Explanation) -> dict[Key, File]:
    return {(file.filename, file.digest): file for file in told.page.files} if told.page is not None else {}


def _releases(name: NormalizedName, files: Iterable[File], told: Explanation) -> tuple[Release, ...]:
    """Those files by their releases, with the reasons for which they are not on the page of `told`."""
    reasons = {fate.file.filename: tuple(refusal for _, refusal in fate.refusals) for fate in fates(told) if not fate.shown}
    found: dict[tuple[str, tuple[str, ...]], Release] = {}
    for file in files:
        refusals = reasons.get(file.filename) or _otherwise(told, file)
        version = version_of(file.filename, name) or ""
        key = (same_version(version), tuple(refusal.rule for refusal in refusals))
        release = found.get(key, Release(version, (), refusals))
        found[key] = attrs.evolve(release, files=(*release.files, file.filename))
    return tuple(found.values())


def _otherwise(told: Explanation, file: File) -> tuple[Refusal, ...]:
    """Why a file of which no rule says anything is not on that page."""
    if told.page is None:
        return told.refusals or (Refusal(told.index, told.answers),)
    sources = " and ".join(told.page.sources)
    if told.page.file(file.filename) is not None:
        return (Refusal(told.index, f"other bytes stand under this name, from {sources}"),)
    return (Refusal(told.index, f"{sources} answers, and does not list it"),)
