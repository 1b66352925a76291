"""What policies go by besides a page, of files that are not here yet and may never be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError, StorageFull
from pypidaemon.interfaces import IContent, IFillable, IIndex, IInformant
from pypidaemon.model import Change, Companion, File, Filename, Knowledge, Listed, NormalizedName, ProjectList, ProjectPage


@implementer(IInformant)
@attrs.frozen
class Fetching:
    """An informant that has the companion here first by which the other one goes."""

    index: IFillable
    informant: IInformant
    companion: Companion

    async def inform(self, index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
        """As `IInformant`."""
        if self.companion is Companion.METADATA:
            for file in files:
                await self._have(name, file)
        return await self.informant.inform(_Ahead(self.index, files), name, files)

    async def _have(self, name: NormalizedName, file: File) -> None:
        if file.core_metadata is None:
            return
        try:
            (await self.index.companion(name, file, self.companion)).close()
        except StorageFull:
            raise
        except PypidaemonError:
            # The policy then judges the file as it stands.
            return


def fetching(index: IFillable, informants: Mapping[Knowledge, IInformant]) -> dict[Knowledge, IInformant]:
    """The same informants for files that the index was offered and does not have."""
    companions = {Knowledge.METADATA: Companion.METADATA, Knowledge.PROVENANCE: Companion.PROVENANCE}
    return {knowledge: Fetching(index, informant, companions[knowledge]) for knowledge, informant in informants.items()}


@implementer(IIndex)
@attrs.frozen
class _Ahead:
    """That index as if it showed these files already, so that their companions can be opened."""

    index: IFillable
    files: Sequence[File]

    @property
    def label(self) -> str:
        """As `IIndex`."""
        return self.index.label

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`."""
        file = next((file for file in self.files if file.filename == filename), None)
        if file is None:
            return await self.index.open_file(name, filename, companion)
        return await self.index.companion(name, file, companion)

    async def project_names(self) -> ProjectList:
        """As `IIndex`."""
        return await self.index.project_names()

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        return await self.index.project_page(name)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`."""
        return await self.index.find(name, filename)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return await self.index.changes(since)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
        return await self.index.refresh(name)
