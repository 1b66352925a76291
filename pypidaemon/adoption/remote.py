"""A server whose own files are taken: any simple index by its URL, such as pypiserver's."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from typing import BinaryIO

import attrs
from zope.interface import implementer

from pypidaemon.adoption.fetched import Fetching, patiently, put, unnamed
from pypidaemon.adoption.found import Finding, Found, Passed, Role
from pypidaemon.adoption.origins import IOrigin
from pypidaemon.blobs.descriptors import OpenFile
from pypidaemon.catalogues import LARGEST, Lines
from pypidaemon.errors import NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.interfaces import IContent, IUpstream
from pypidaemon.model import AWAY, InThread, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators

_PIECE = 1 << 16


@implementer(IOrigin)
@attrs.frozen
class SimpleOrigin:
    """
    A simple index: the projects of its list, page by page, and all files on each.

    What its pages tell is kept: hashes, `requires-python`, what is yanked and when it was uploaded, else when the server says that a file was last changed.
    """

    upstream: IUpstream
    fetching: Fetching
    cpu: InThread
    role: Role = Role.PRIVATE

    async def findings(self) -> AsyncIterator[Finding]:
        """As `IOrigin`."""
        async for name in self._names():
            try:
                page = await fetched_page(self.fetching, name)
            except NoSuchProject:
                yield Passed(name, "is on the server's list, and the server has no page of it")
                continue
            except UpstreamUnavailable as error:
                if self.upstream.health.state in AWAY:
                    await self._insist()
                yield Passed(name, f"its page cannot be had: {error.cause}")
                continue
            if page.refused:
                yield Passed(name, f"its page has entries that are no files of this project: {page.refused}")
            for file in page.files:
                yield Found(file.url, file, name)

    async def open(self, found: Found) -> IContent:
        """As `IOrigin`."""
        return await self.fetching.open(found)

    async def close(self) -> None:
        """As `IOrigin`: who made what it asks by closes that."""

    async def _insist(self) -> None:
        """
        Insist that the server is there: one page that is broken for good makes it look as if it were not.

        :raises UpstreamUnavailable: it is not.
        """
        said = await self.upstream.fetch_names(Validators())
        assert not isinstance(said, NotModified)  # it was not asked whether it is
        said.body.close()

    async def _names(self) -> AsyncIterator[NormalizedName]:
        """
        The names of the list, in order.

        :raises PypidaemonError: it cannot be had, or is none.
        """
        disk = self.fetching.disk
        file = await disk(unnamed, self.fetching.folder)
        try:
            said = await patiently(self.fetching.clock, partial(self._listed, file))
            size = await disk(_size, file.descriptor)
            lines = Lines("adopt", partial(_reading, file.descriptor), size, said.content_type, said.coding)
            while piece := await self.cpu(lines.read, _PIECE):
                for line in piece.splitlines():
                    if not line.startswith(b"#"):
                        yield NormalizedName(line.partition(b"\t")[0].decode())
        except ValueError as error:
            raise PypidaemonError(f"the server's list of projects cannot be read: {error}") from error
        finally:
            file.close()

    async def _listed(self, file: OpenFile) -> UpstreamNames:
        """Fetch the list, from its beginning, into that file."""
        said = await self.upstream.fetch_names(Validators())
        assert not isinstance(said, NotModified)  # it was not asked whether it is
        size = 0
        with closing(said.body):
            await file.use(self.fetching.disk, os.ftruncate, file.descriptor, 0)
            while piece := await said.body.read():
                if size + len(piece) > LARGEST:
                    raise PypidaemonError("the server's list of projects is too large")
                await file.use(self.fetching.disk, put, file.descriptor, piece, size)
                size += len(piece)
        return said


async def fetched_page(fetching: Fetching, name: NormalizedName) -> UpstreamPage:
    """
    A project's page.

    :raises NoSuchProject: there is none.
    :raises UpstreamUnavailable: it could not be had.
    """
    page = await patiently(fetching.clock, partial(fetching.upstream.fetch_page, name, Validators()))
    assert not isinstance(page, NotModified)  # it was not asked whether it is
    return page


def _size(descriptor: int) -> int:
    return os.fstat(descriptor).st_size


def _reading(descriptor: int) -> BinaryIO:
    """One reading of that file, from its beginning."""
    source = open(os.dup(descriptor), "rb")  # noqa: SIM115  # whoever reads closes it
    source.seek(0)
    return source
