"""What a project page shows, put together from the index's explanation and one METADATA document, without a word of HTML. Slow for long pages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from pypidaemon.filenames import platform, project_name, python_tag, version_of, wheel_tags
from pypidaemon.model import Digest, Explanation, File, Filename, NormalizedName, Refusal
from pypidaemon.simple.core_metadata import read_metadata
from pypidaemon.telling import Fate, fates
from pypidaemon.versions import known, same_version

MOST_FACTS = 60
"""Entries of one list that METADATA holds which are shown, such as dependencies and classifiers."""
LONGEST_FACT = 300
"""Characters of one of them."""
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRA = re.compile(r"""extra\s*==\s*(?:'([^'"]{1,80})'|"([^'"]{1,80})")""")


@attrs.frozen
class Entry:
    """One file of a release. `origin` is the label of the index that it is from; `here` is None where nobody knows whether its bytes are."""

    file: File
    origin: str
    here: bool | None
    shown: bool
    refusals: tuple[tuple[str, Refusal], ...] = ()

    @property
    def made_for(self) -> str:
        """The Python and the platform it is for, in short."""
        tags = wheel_tags(self.file.filename)
        if tags is not None:
            pythons, _, platforms = tags
            return f"{'.'.join(pythons)} · {'.'.join(platforms)}" if platforms != ("any",) else ".".join(pythons)
        return " · ".join(word for word in (python_tag(self.file.filename), platform(self.file.filename)) if word)


@attrs.frozen
class Release:
    """A version with its files, those that are shown first. "" is the version of files whose names hold none."""

    version: str
    entries: tuple[Entry, ...]

    @property
    def shown(self) -> bool:
        """Whether anything of it can be had, or it has no files at all."""
        return any(entry.shown for entry in self.entries) or not self.entries

    @property
    def yanked(self) -> str | None:
        """The reason where each of its files is yanked, None where one is not."""
        reasons = [entry.file.yanked for entry in self.entries if entry.shown]
        return next((reason for reason in reasons if reason), "") if reasons and None not in reasons else None

    @property
    def pre_release(self) -> bool:
        """Whether PEP 440 takes it for one."""
        version = known(self.version)
        return version is not None and version.is_prerelease

    @property
    def uploaded(self) -> str:
        """The first of its upload times, as it stands on the page; "" where none does."""
        return min((entry.file.upload_time for entry in self.entries if entry.file.upload_time), default="")

    @property
    def refusal(self) -> tuple[str, Refusal] | None:
        """Why it is hidden, where all of it is; the first of all reasons."""
        return None if self.shown else next((refusal for entry in self.entries for refusal in entry.refusals), None)


def releases(told: Explanation, name: NormalizedName, here: Collection[Digest], away: Collection[str]) -> list[Release]:
    """
    All releases that the explanation tells of, newest first by PEP 440; what is no version stands last.

    :param here: digests whose bytes are in our stores.
    :param away: labels of the indexes whose files may be elsewhere.
    """
    origins = dict(_origins(told, set(told.page.sources) if told.page is not None else set()))
    found: dict[str, tuple[str, list[Entry]]] = {}
    for version in told.page.versions if told.page is not None else ():
        found.setdefault(same_version(version), (version, []))
    for fate in fates(told):
        version = version_of(fate.file.filename, name) or ""
        _, entries = found.setdefault(same_version(version), (version, []))
        entries.append(_entry(fate, origins, here, away))
    ordered = sorted(found.values(), key=lambda one: _age(one[0]), reverse=True)
    return [Release(version, tuple(sorted(entries, key=_order))) for version, entries in ordered]


def newest(of: Sequence[Release]) -> Release | None:
    """The release that stands for the project: as the legacy document chooses (R142), of those that are shown."""
    shown = [release for release in of if release.shown and any(entry.shown for entry in release.entries)]
    return max(
        shown, key=lambda release: (release.yanked is None, known(release.version) is not None and not release.pre_release), default=None
    )


def facts(document: bytes | None) -> Mapping[str, Any]:
    """The fields of METADATA, as `read_metadata`."""
    return read_metadata(document or b"")


def listed(said: Mapping[str, Any], field: str) -> list[str]:
    """The entries of a list among the fields, each on one short line."""
    return [line for line in (short(one) for one in (said.get(field) or ())[:MOST_FACTS]) if line]


def short(value: object) -> str:
    """A value on one short line."""
    line = " ".join(str(value or "")[: 4 * LONGEST_FACT].split())
    return line if len(line) <= LONGEST_FACT else line[:LONGEST_FACT] + "…"


@attrs.frozen
class Need:
    """A dependency as it is written, the project it is about where that can be told, and the extra that wants it."""

    text: str
    name: NormalizedName | None
    extra: str


def needs(said: Mapping[str, Any]) -> list[Need]:
    """What it depends on, in the order of METADATA."""
    return [_need(line) for line in listed(said, "requires_dist")]


def links(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The project's addresses, each with what it is; which of them may be followed is for who makes links of them."""
    found = [("Home page", short(said.get("home_page")))]
    found += [(short(label), short(url)) for label, url in list((said.get("project_urls") or {}).items())[:MOST_FACTS]]
    found.append(("Download", short(said.get("download_url"))))
    seen: dict[str, str] = {}
    for label, url in found:
        if url and url.upper() != "UNKNOWN":
            seen.setdefault(url, label)
    return [(label, url) for url, label in seen.items()]


def _need(text: str) -> Need:
    match = _NAME.match(text)
    extra = _EXTRA.search(text)
    try:
        name = project_name(match[1]) if match else None
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it leads nowhere
        name = None
    return Need(text, name, (extra[1] or extra[2]) if extra else "")


def _entry(fate: Fate, origins: Mapping[Filename, str], here: Collection[Digest], away: Collection[str]) -> Entry:
    origin = origins.get(fate.file.filename, "")
    digest = fate.file.digest
    known_here = True if origin and origin not in away else None if digest is None else digest in here
    return Entry(fate.file, origin, known_here, fate.shown, fate.refusals)


def _origins(told: Explanation, sources: Collection[str]) -> Iterator[tuple[Filename, str]]:
    """The leaf that gave each file. The first that lists it did, so it is told last, and what is told last counts."""
    for one in reversed(told.below):
        yield from _origins(one, sources)
    if not told.below:
        for file in told.page.files if told.page is not None else ():
            yield file.filename, told.index
        for hidden in told.hidden:
            yield hidden.file.filename, told.index


def _age(version: str) -> tuple[Any, ...]:
    read = known(version)
    return (0, version) if read is None else (1, read)


def _order(entry: Entry) -> tuple[bool, bool, str]:
    """Those that are shown first, and of these the source before what was built of it."""
    return not entry.shown, wheel_tags(entry.file.filename) is not None, entry.file.filename
