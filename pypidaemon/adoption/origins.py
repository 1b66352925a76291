"""Where things are adopted from: what is found there, one thing after the other, and the bytes of each."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from itertools import islice

import attrs
from zope.interface import Attribute, Interface, implementer

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Found, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.blobs.descriptors import OpenFile
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IContent
from pypidaemon.model import Digest, InThread

AT_ONCE = 64
"""Things that are looked for in one go on a thread."""


class IOrigin(Interface):
    """A folder, or a server."""

    role = Attribute("A `Role`: what the files are.")

    def findings() -> AsyncIterator[Finding]:
        """
        All that is there, as `ILayout.find` has it.

        :raises PypidaemonError: nothing can be found there, or no more.
        """

    async def open(found: Found) -> IContent:
        """
        The bytes of a file that was found; whoever was handed them closes them. Nothing of them is checked yet.

        :raises PypidaemonError: they cannot be had.
        :raises OSError: the same of a file of this machine.
        """

    async def close() -> None:
        """Let go of whatever finding and opening took; nothing is asked of it any more."""


class ILinkable(IContent):
    """A content that is a regular file of this machine."""

    modified: float = Attribute("When it was last changed, seconds since the epoch.")

    def descriptor() -> int | None:
        """
        The open file, where it may have a second name in a store (`ISharing`); None where its bytes must be copied: another user could write to it, or a tool that
        still runs.
        """


@implementer(ILinkable)
@attrs.define(eq=False)
class FolderContent:
    """A file in somebody else's folder."""

    size: int | None
    modified: float
    shared: bool
    _file: OpenFile
    _disk: InThread
    digest: Digest | None = None

    async def read(self, offset: int, limit: int) -> bytes:
        """As `IContent.read`."""
        return await self._file.read(self._disk, offset, limit)

    def descriptor(self) -> int | None:
        """As `ILinkable`."""
        return self._file.usable if self.shared else None

    def close(self) -> None:
        """As `IContent.close`."""
        self._file.close()


@implementer(IOrigin)
@attrs.frozen
class FolderOrigin:
    """
    A folder that an older tool has filled.

    :param links: whether files may be shared with it rather than copied.
    """

    layout: ILayout
    folder: Folder
    disk: InThread
    links: bool = True

    @property
    def role(self) -> Role:
        """As `IOrigin`."""
        role: Role = self.layout.role
        return role

    async def findings(self) -> AsyncIterator[Finding]:
        """As `IOrigin`; no more than a handful is in memory at once."""
        walk = self.layout.find(self.folder)
        try:
            if unlike := await self.disk(self.layout.recognised, self.folder):
                raise PypidaemonError(f"{self.folder.root} is not of this layout: {unlike}")
            while some := await self.disk(_some, walk):
                for one in some:
                    yield one
        except OSError as error:
            raise PypidaemonError(f"{self.folder.root}: {error.strerror or type(error).__name__}") from error

    async def open(self, found: Found) -> IContent:
        """As `IOrigin`."""
        return await self.disk(self._open, found.path)

    async def close(self) -> None:
        """As `IOrigin`: nothing is kept open."""

    def _open(self, path: str) -> FolderContent:
        descriptor = self.folder.open(path)
        about = os.fstat(descriptor)
        return FolderContent(about.st_size, about.st_mtime, self._may_share(about), OpenFile(descriptor), self.disk)

    def _may_share(self, about: os.stat_result) -> bool:
        """
        Whether a second name does no harm: nobody but our own user may write to the file, and from then on not even that one.

        Permissions do not hold root back, so a tool of root's that writes over files in place would write into the store.
        """
        ours = about.st_uid == os.geteuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID)
        # What is ours alone is copied: its times are facts, and those of a shared file are those of the store.
        return self.links and self.role is not Role.PRIVATE and ours and (about.st_uid != 0 or not self.layout.in_place)


def _some(walk: Iterator[Finding]) -> list[Finding]:
    return list(islice(walk, AT_ONCE))
