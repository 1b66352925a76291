"""An index of which a few files are seen, and nothing else of it: what was packed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.interfaces import IContent, IIndex
from pypidaemon.model import Change, Companion, Filename, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.settings import reference
from pypidaemon.simple.revision import revise


@implementer(IIndex)
@attrs.define
class Only:
    """A decorator: of the index behind it exactly these files, as they are there."""

    files: Mapping[NormalizedName, Collection[str]]
    index: IIndex = reference(IIndex)

    @property
    def label(self) -> str:
        """As that index is called."""
        return self.index.label

    async def project_names(self) -> ProjectList:
        """As `IIndex`."""
        return ProjectList(entries=lambda: iter([(name, 1) for name in sorted(self.files)]), revision="")

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        if name not in self.files:
            raise NoSuchProject(name)
        page = await self.index.project_page(name)
        return revise(attrs.evolve(page, files=tuple(file for file in page.files if file.filename in self.files[name])))

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`."""
        if filename not in self.files.get(name, ()):
            raise NoSuchFile(filename)
        return await self.index.find(name, filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`."""
        await self.find(name, filename)
        return await self.index.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return [row for row in await self.index.changes(since) if row.name in self.files]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
        return await self.index.refresh(name)
