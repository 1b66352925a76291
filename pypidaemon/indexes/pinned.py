"""A fixed list of exact releases, drawn from another index and offered under a URL of its own (P12)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from hashlib import blake2b

import attrs
from zope.interface import implementer

from pypidaemon.errors import InvalidName, NoSuchFile, NoSuchProject
from pypidaemon.explaining import explain, passed_on
from pypidaemon.filenames import project_name, version_of
from pypidaemon.interfaces import IContent, IExplaining, IIndex, IRecords, ISteady
from pypidaemon.listings import in_stretches, states_of
from pypidaemon.model import (
    Change,
    Companion,
    Explanation,
    File,
    Filename,
    HiddenFile,
    InThread,
    Listed,
    NormalizedName,
    Outcome,
    ProjectList,
    ProjectPage,
    Refusal,
)
from pypidaemon.serials import serial_of
from pypidaemon.settings import given, reference, setting, words
from pypidaemon.simple.revision import revise
from pypidaemon.versions import is_exact, same_version

_MANY_FILES = 200


def releases(raw: str) -> tuple[str, ...]:
    """Exact releases, written `name==version` and separated by white space."""
    found: dict[str, None] = {}
    for word in words(raw):
        spelled, _, version = word.partition("==")
        if not is_exact(version):
            raise ValueError(f"{word!r} is not an exact release such as alpha==1.0")
        try:
            found[f"{project_name(spelled)}=={version}"] = None
        except InvalidName as error:
            raise ValueError(f"{word!r}: {error}") from None
    if not found:
        raise ValueError("must name releases such as alpha==1.0")
    return tuple(found)


@implementer(IIndex, IExplaining, ISteady)
@attrs.define
class Pinned:
    """
    A decorator: of the index behind it, exactly the releases that are listed; every other project is absent, every other release is on no page.

    A project of which a listed release is missing behind it has a page without that release. What the index behind it changes in such a release,
    a yank for instance, shows.
    """

    label: str = given("label")
    index: IIndex = reference(IIndex, help="the index that the releases are drawn from")
    releases: tuple[str, ...] = setting(releases, help="the exact releases, such as alpha==1.0 beta==2.1")
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept")
    cpu: InThread = given("cpu")
    pins: Mapping[NormalizedName, frozenset[str]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        pins: dict[NormalizedName, set[str]] = {}
        for release in self.releases:
            name, _, version = release.partition("==")
            pins.setdefault(project_name(name), set()).add(same_version(version))
        self.pins = {name: frozenset(pins[name]) for name in sorted(pins)}

    async def project_names(self) -> ProjectList:
        """
        As `IIndex`: the projects that are listed in the configuration.

        Nobody is asked for it, since the list of the index behind may be a thousand times as long; so a project that is missing there is named too.
        """
        numbers = await self.records.ledger.serials(self.label)
        high = await self.records.ledger.high(self.label)
        # Mirrors skip a project without a serial (R48), so one that was never asked for gets 1.
        listed = [(name, max(numbers.get(name, 0), 1)) for name in self.pins]

        def entries() -> Iterator[tuple[NormalizedName, int]]:
            return iter(listed)

        names = blake2b("\n".join(self.pins).encode(), digest_size=8).hexdigest()
        return ProjectList(
            entries=entries, revision=f"{names}-{high}", serial=max(high, 1), source=self.label, stretches=in_stretches(listed)
        )

    def names_state(self) -> Hashable | None:
        """As `ISteady`: what changes behind it gets its number here when the list is asked for."""
        return states_of((self.index,), self.records.ledger.changed(self.label))

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        versions = self._versions(name)
        inner = await self.index.project_page(name)
        page = await self._cut(inner, versions)
        serial = await serial_of(self.records, self.label, name, page.revision, inner.serial)
        return attrs.evolve(page, serial=serial)

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`; of a project that is not listed nobody is asked."""
        versions = self.pins.get(name)
        if versions is None:
            return Explanation(self.label, "pinned", Outcome.ABSENT, facts=(("pinned releases", "none"),))
        inner = await explain(self.index, name)
        told = attrs.evolve(passed_on(self.label, "pinned", (inner,)), facts=(("pinned releases", " ".join(sorted(versions))),))
        if inner.page is None:
            return told
        page = await self._cut(inner.page, versions)
        left = {file.filename for file in page.files}
        unlisted = (Refusal(self.label, "this release is not pinned"),)
        hidden = tuple(HiddenFile(file, unlisted) for file in inner.page.files if file.filename not in left)
        return attrs.evolve(told, page=page, hidden=hidden)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`."""
        versions = self._versions(name)
        listed = await self.index.find(name, filename)
        if not _is_of(listed.file, name, versions):
            raise NoSuchFile(filename)
        return listed

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: only what can be found here."""
        await self.find(name, filename)
        return await self.index.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`: of the projects that were ever asked for and are listed now."""
        rows = await self.records.ledger.changes(self.label, since, 50_000)
        return [row for row in rows if row.name in self.pins]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`: of the listed projects only."""
        names = list(self.pins) if name is None else [name] if name in self.pins else []
        return sum([await self.index.refresh(one) for one in names])

    async def _cut(self, page: ProjectPage, versions: frozenset[str]) -> ProjectPage:
        return await self.cpu(_cut, page, versions) if len(page.files) > _MANY_FILES else _cut(page, versions)

    def _versions(self, name: NormalizedName) -> frozenset[str]:
        versions = self.pins.get(name)
        if versions is None:
            raise NoSuchProject(name)
        return versions


def _is_of(file: File, name: NormalizedName, versions: frozenset[str]) -> bool:
    """Whether it is of one of these releases; a file that names no version is of none."""
    version = version_of(file.filename, name)
    return version is not None and same_version(version) in versions


def _cut(page: ProjectPage, versions: frozenset[str]) -> ProjectPage:
    files = tuple(file for file in page.files if _is_of(file, page.name, versions))
    left = tuple(version for version in page.versions if same_version(version) in versions)
    return revise(attrs.evolve(page, files=files, versions=left))
