"""An index seen through policies."""

from __future__ import annotations

from hashlib import blake2b

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import Refused
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IContent, IIndex, IPolicy, IRecords
from pypidaemon.listings import combined
from pypidaemon.model import Change, Companion, File, Filename, InThread, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.serials import serial_of
from pypidaemon.settings import given, reference, references
from pypidaemon.simple.revision import revise
from pypidaemon.versions import same_version


@implementer(IIndex)
@attrs.define
class Policed:
    """
    A decorator: what a policy refuses is on no page and cannot be opened by any route (law 2).

    A project refused as a whole is not even asked of the inner index. The order of the policies does not matter for what is shown; the
    first one that refuses gives the reason.
    """

    label: str = given("label")
    index: IIndex = reference(IIndex, help="the index seen through the policies")
    policies: tuple[IPolicy, ...] = references(IPolicy, help="the rules; a file is shown if none of them refuses it")
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")

    async def project_names(self) -> ProjectList:
        """As `IIndex`, without the projects that are refused as a whole."""
        inner = await self.index.project_names()
        now = self.clock.seconds()
        numbers = await self.records.ledger.serials(self.label)
        high = await self.records.ledger.high(self.label)

        def shown(name: NormalizedName, serial: int) -> int | None:
            return max(serial, numbers.get(name, 0)) if self._refusal(name, None, now) is None else None

        rules = blake2b("\n".join(repr(policy) for policy in self.policies).encode(), digest_size=8).hexdigest()
        whole = attrs.evolve(inner, serial=max(inner.serial, high), revision=f"{inner.revision}-{high}-{rules}")
        return combined((inner,), shown, whole)

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        now = self.clock.seconds()
        self._check_project(name, now)
        inner = await self.index.project_page(name)
        page = await self.cpu(self._seen, inner, now) if len(inner.files) > 200 else self._seen(inner, now)
        serial = await serial_of(self.records, self.label, name, page.revision, inner.serial)
        return attrs.evolve(page, serial=serial)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`: a file that a policy refuses is refused with its reason, not absent."""
        now = self.clock.seconds()
        self._check_project(name, now)
        listed = await self.index.find(name, filename)
        refused = self._refusal(name, listed.file, now)
        if refused is not None:
            raise Refused(*refused)
        return listed

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: only what can be found here."""
        await self.find(name, filename)
        return await self.index.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`, without those of refused projects."""
        now = self.clock.seconds()
        rows = await self.records.ledger.changes(self.label, since, 50_000)
        return [row for row in rows if self._refusal(row.name, None, now) is None]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
        return await self.index.refresh(name)

    def _check_project(self, name: NormalizedName, now: float) -> None:
        refused = self._refusal(name, None, now)
        if refused is not None:
            raise Refused(*refused)

    def _refusal(self, name: NormalizedName, file: File | None, now: float) -> tuple[str, str] | None:
        for policy in self.policies:
            reason = policy.refusal(name, file, now)
            if reason is not None:
                return policy.label, reason
        return None

    def _seen(self, inner: ProjectPage, now: float) -> ProjectPage:
        kept = tuple(file for file in inner.files if self._refusal(inner.name, file, now) is None)
        if len(kept) == len(inner.files):
            return inner
        shown = {file.filename for file in kept}
        refused = [file for file in inner.files if file.filename not in shown]
        gone = _versions(inner.name, refused) - _versions(inner.name, kept)
        versions = tuple(version for version in inner.versions if same_version(version) not in gone)
        return revise(attrs.evolve(inner, files=kept, versions=versions))


def _versions(name: NormalizedName, files: tuple[File, ...] | list[File]) -> set[str]:
    spelled = (version_of(file.filename, name) for file in files)
    return {same_version(version) for version in spelled if version is not None}
