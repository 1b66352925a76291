"""What is known to do harm, or to have a mistake that lets others do it: two policies on a copy of the advisories that OSV publishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.advisories.concerns import Finding
from pypidaemon.advisories.gathering import Gathering
from pypidaemon.advisories.library import Library
from pypidaemon.advisories.reading import SEVERITIES, Kind, is_id
from pypidaemon.announcements import Announcements
from pypidaemon.filenames import version_of
from pypidaemon.globs import globs, matches_any
from pypidaemon.interfaces import IChangingPolicy, ICostlyPolicy, IReading, IReadying
from pypidaemon.model import File, InThread, NormalizedName
from pypidaemon.settings import duration, given, path, setting, words

RECHECK = 900.0
_SHORTEST, _LONGEST = 1.0, 604800.0
"""Seconds between two looks at the copy."""

_COPY = "the copy: a folder of documents in OSV's format, or the zip archive that OSV publishes for PyPI"
_RECHECK = "how often another copy is looked for"
_IGNORE = "ids or aliases of advisories that are not heeded"
_EXEMPT = "patterns of the projects that are shown whatever is known of them"


def ids(raw: str) -> tuple[str, ...]:
    """Ids of advisories, separated by white space."""
    for word in words(raw):
        if not is_id(word):
            raise ValueError(f"{word[:80]!r} is not the id of an advisory")
    return words(raw)


def severity(raw: str) -> str:
    """One of `SEVERITIES`."""
    return _one_of(SEVERITIES, raw)


def showing(raw: str) -> str:
    """`show` or `hide`."""
    return _one_of(("show", "hide"), raw)


@implementer(IChangingPolicy, ICostlyPolicy, IReading, IReadying)
@attrs.define(eq=False, slots=False)
class Malware(Service):
    """
    Hides the releases that are known to be malicious, and a project of which every release is, also where their bytes are here.

    Until a copy of the advisories has been read it hides everything: a gap at every start would be enough for an installer.
    """

    label: str = given("label")
    advisories: Path = setting(path, help=_COPY)
    clock: IReactorTime = given("clock")
    disk: InThread = given("disk")
    cpu: InThread = given("cpu")
    announcements: Announcements = given("announcements")
    recheck: float = setting(duration, default=RECHECK, help=_RECHECK)
    ignore: tuple[str, ...] = setting(ids, default=(), help=_IGNORE)
    exempt: tuple[str, ...] = setting(globs, default=(), help=_EXEMPT)
    library: Library = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse a bad pattern, or a copy that is not there, now and not at the first request."""
        matches_any(NormalizedName("any"), self.exempt)
        empty = Gathering(Kind.MALWARE, _in_capitals(self.ignore))
        self.library = _library(self, empty)

    def startService(self) -> None:
        """Begin to read."""
        Service.startService(self)
        self.library.start()

    def stopService(self) -> Deferred[None]:
        """Look for no other copy; fires when a look under way has ended."""
        Service.stopService(self)
        return self.library.stop()

    async def ready(self) -> None:
        """As `IReadying`: when there is a copy that was read, or none that can be."""
        await self.library.look()

    def read(self) -> Mapping[str, Any]:
        """As `IReading`."""
        return self.library.read()

    @property
    def revision(self) -> str:
        """Changes with the advisories in force."""
        return self.library.revision

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """The advisory that says it is malicious; None where none does."""
        if matches_any(name, self.exempt) is not None:
            return None
        gathered = self.library.gathered
        if gathered is None:
            return self.library.missing
        finding = gathered.on_project(name)
        if finding is None and file is not None:
            finding = next(iter(_findings(self.library, name, file)), None)
        return None if finding is None else str(finding)


@implementer(IChangingPolicy, ICostlyPolicy, IReading, IReadying)
@attrs.define(eq=False, slots=False)
class Vulnerable(Service):
    """
    Hides the releases that are known to be vulnerable, also where their bytes are here.

    Until a copy of the advisories has been read it hides everything.
    """

    label: str = given("label")
    advisories: Path = setting(path, help=_COPY)
    clock: IReactorTime = given("clock")
    disk: InThread = given("disk")
    cpu: InThread = given("cpu")
    announcements: Announcements = given("announcements")
    recheck: float = setting(duration, default=RECHECK, help=_RECHECK)
    ignore: tuple[str, ...] = setting(ids, default=(), help=_IGNORE)
    exempt: tuple[str, ...] = setting(globs, default=(), help=_EXEMPT)
    unfixed: str = setting(showing, default="hide", help="show or hide a release where no newer one is fixed")
    severity: str = setting(
        severity, default=SEVERITIES[0], help="the least severity that is heeded: low, moderate, high or critical; unknown is always heeded"
    )
    library: Library = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """As that of `Malware`."""
        matches_any(NormalizedName("any"), self.exempt)
        empty = Gathering(Kind.VULNERABLE, _in_capitals(self.ignore), self.severity)
        self.library = _library(self, empty)

    def startService(self) -> None:
        """Begin to read."""
        Service.startService(self)
        self.library.start()

    def stopService(self) -> Deferred[None]:
        """Look for no other copy; fires when a look under way has ended."""
        Service.stopService(self)
        return self.library.stop()

    async def ready(self) -> None:
        """As `IReadying`: when there is a copy that was read, or none that can be."""
        await self.library.look()

    def read(self) -> Mapping[str, Any]:
        """As `IReading`."""
        return self.library.read()

    @property
    def revision(self) -> str:
        """Changes with the advisories in force."""
        return self.library.revision

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """The first advisory that says it is vulnerable; None where none does. No project is refused as a whole."""
        if matches_any(name, self.exempt) is not None:
            return None
        if self.library.gathered is None:
            return self.library.missing
        if file is None:
            return None
        found = _findings(self.library, name, file)
        finding = next((finding for finding in found if self.unfixed == "hide" or finding.fixed is not None), None)
        return None if finding is None else str(finding)


def _library(policy: Malware | Vulnerable, empty: Gathering) -> Library:
    """
    What that policy goes by.

    :raises ValueError: the copy is not there, or is to be looked at too often or too seldom.
    """
    if not _SHORTEST <= policy.recheck <= _LONGEST:
        raise ValueError("recheck must be from 1s to 1w")
    if not policy.advisories.exists():
        raise ValueError(f"there are no advisories at {policy.advisories}")
    return Library(policy.label, policy.advisories, empty, policy.recheck, policy.clock, policy.disk, policy.cpu, policy.announcements)


def _findings(library: Library, name: NormalizedName, file: File) -> tuple[Finding, ...]:
    gathered = library.gathered
    # Few projects are concerned, and of all others no file name need be read.
    if gathered is None or name not in gathered.concerns:
        return ()
    version = version_of(file.filename, name)
    return () if version is None else gathered.on_version(name, version)


def _in_capitals(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.upper() for word in words)


def _one_of(known: tuple[str, ...], raw: str) -> str:
    word = raw.strip().lower()
    if word not in known:
        raise ValueError(f"{raw.strip()[:80]!r} is not one of {', '.join(known)}")
    return word
