"""
One release brought here: its page, the files that are wanted of it and their `.metadata`, by way of the index, so that its rules and its stores hold.

What is here already is not fetched again, and each file is here whole or not at all; so whoever was killed begins anew and goes on where he was.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import attrs

from pypidaemon.errors import (
    CannotStore,
    CorruptContent,
    InvalidName,
    NoSuchFile,
    NoSuchProject,
    PypidaemonError,
    Refused,
    UpstreamUnavailable,
)
from pypidaemon.interfaces import IBlobStore, IContent, IIndex, IOnDisk, IPins
from pypidaemon.model import Companion, Digest, File, Filename, InThread, NormalizedName, Pin, ProjectPage
from pypidaemon.packing.knowledge import Absence, of_version
from pypidaemon.packing.report import Release, Report
from pypidaemon.packing.targets import Target, is_sdist, is_wheel
from pypidaemon.packing.wants import Piece
from pypidaemon.upstream_files import holding
from pypidaemon.versions import Version, known, same_version

PIECE = 1 << 20
"""Bytes that are read at a time."""
LARGEST_IN_MEMORY = 64 << 20
"""Bytes of an archive that is looked into where the store is none of files."""


@attrs.define
class Sought:
    """
    What is wanted of one release.

    :param unbuilt: the targets that have no wheel of it, so that it must be built there.
    """

    piece: Piece
    version: Version | None
    files: list[tuple[Filename, Digest | None]]
    unbuilt: tuple[Target, ...]
    lacks: Absence | None = None
    """Why there is no file at all, where the reason is not that none fits."""


@attrs.frozen
class Bringing:
    """
    Brings releases of one index.

    :param stores: where files may be.
    :param pins: where it is kept that something is not to be evicted; None pins nothing.
    """

    index: IIndex
    stores: Sequence[IBlobStore]
    pins: IPins | None
    cpu: InThread
    report: Report
    came: set[Filename] = attrs.field(factory=set, init=False)
    """What was fetched to find out what it needs."""
    _counted: set[Filename] = attrs.field(factory=set, init=False)
    """What the report counts: several may ask for one file."""

    async def page(self, name: NormalizedName) -> ProjectPage | Absence:
        """The page of a project, or why there is none."""
        try:
            return await self.index.project_page(name)
        except PypidaemonError as error:
            return absence(error)

    async def bring(self, piece: Piece, page: ProjectPage | Absence, targets: Sequence[Target]) -> Sought | None:
        """Have here what that piece asks for, and say what is missing; answers what that was, None where there is nothing of it."""
        if isinstance(page, Absence):
            if piece.targets:
                self.report.miss(piece.name, _spelled(piece.version), "", page.cause, page.reason)
            return None
        sought = await self.cpu(seek, piece, page, targets)
        version = _spelled(sought.version)
        if sought.lacks is not None and piece.targets:
            self.report.miss(piece.name, version, "", sought.lacks.cause, sought.lacks.reason)
            return None
        for target in piece.targets:
            if not any(target.fits(piece.name, File(filename)) for filename, _ in sought.files):
                self.report.miss(piece.name, version, "", "platform", f"no file of it is for {target}")
        if not sought.files:
            return None
        release = self.report.release(piece.name, version)
        optional = {filename for filename, _ in sought.files if not piece.targets or not (sought.unbuilt or is_wheel(File(filename)))}
        for filename, digest in sought.files:
            await self._file(release, page, filename, digest, optional=filename in optional)
        if self.pins is not None and release.files and not self.report.rehearsal:
            await self.pins.pin(Pin(piece.name, same_version(release.version)), True)
            release.pinned = True
        return sought

    async def notice(self, file: File) -> None:
        """Remember whether that file is here, before somebody looks into it."""
        if file.digest is not None and not await self._held([file.digest]):
            self.came.add(file.filename)

    async def document(self, name: NormalizedName, filename: Filename) -> bytes:
        """
        The metadata of a file, which is here afterwards.

        :raises PypidaemonError: it cannot be had.
        """
        pieces = []
        with closing(await self.index.open_file(name, filename, Companion.METADATA)) as content:
            offset = 0
            while data := await content.read(offset, PIECE):
                pieces.append(data)
                offset += len(data)
        return b"".join(pieces)

    async def here(self, name: NormalizedName, filename: Filename) -> str | bytes:
        """
        A file that is fetched where it is not here: its path, or its bytes where it has none.

        :raises PypidaemonError: it cannot be had, or has no path and is too large to be looked into.
        """
        for _ in range(2):
            with closing(await self.index.open_file(name, filename, Companion.FILE)) as content:
                if IOnDisk.providedBy(content):
                    return str(content.path)
                await drained(content)
        with closing(await self.index.open_file(name, filename, Companion.FILE)) as content:
            if content.size is None or content.size > LARGEST_IN_MEMORY:
                raise CannotStore(f"{filename} is too large to be looked into where it is")
            pieces = []
            offset = 0
            while data := await content.read(offset, PIECE):
                pieces.append(data)
                offset += len(data)
            return b"".join(pieces)

    async def _file(self, release: Release, page: ProjectPage, filename: Filename, digest: Digest | None, *, optional: bool) -> None:
        name = page.name
        file = page.file(filename)
        try:
            if file is None:
                # The page does not say why it is not on it; who has it does.
                file = (await self.index.find(name, filename)).file
            if None not in (digest, file.digest) and digest != file.digest:
                raise _OtherBytes(digest, file.digest)
            held = await self._held([file.digest] if file.digest and filename not in self.came else [])
            if self.report.rehearsal:
                self._would(release, file, held=bool(held))
                return
            fetched = await self._taken(name, file, digest, held=bool(held))
            self._count(release, filename, fetched)
            if file.core_metadata is not None:
                await self.document(name, filename)
        except _OtherBytes as error:
            self.report.miss(name, release.version, filename, "hash", str(error))
        except PypidaemonError as error:
            found = absence(error)
            if optional:
                self.report.note(f"{filename}: is not taken, and nobody needs it: {found.reason}")
            else:
                self.report.miss(name, release.version, filename, found.cause, found.reason)

    def _would(self, release: Release, file: File, *, held: bool) -> None:
        self._count(release, file.filename, None if held else file.size or 0)

    def _count(self, release: Release, filename: Filename, fetched: int | None) -> None:
        """Add to the report, once, that a file is here, and how many bytes of it were fetched, or would be; None where it was here."""
        if filename in self._counted:
            return
        self._counted.add(filename)
        if fetched is None:
            release.here += 1
        else:
            release.fetched += 1
            release.bytes += fetched
            self.report.files += 1
            self.report.bytes += fetched
        if fetched is not None or not self.report.rehearsal:
            release.files.append(filename)

    async def _taken(self, name: NormalizedName, file: File, expected: Digest | None, *, held: bool) -> int | None:
        """Have that file here; answer how many bytes were fetched, None where it was here."""
        with closing(await self.index.open_file(name, file.filename, Companion.FILE)) as content:
            # It is here though no store has it where the index itself is a folder of somebody's.
            was_here = held or (IOnDisk.providedBy(content) and file.digest is None)
            if was_here and content.digest is not None:
                digest: Digest | None = content.digest
            else:
                await drained(content)
                digest = content.digest
            size = content.size or 0
            in_folder = IOnDisk.providedBy(content)
        if None not in (expected, digest) and expected != digest:
            raise _OtherBytes(expected, digest)
        if was_here:
            return None
        if digest is not None and not await self._held([digest]):
            if in_folder:
                return None
            raise _NoRoom(f"{file.filename} came, and could not be kept: there is no room for it")
        return size

    async def _held(self, digests: Sequence[Digest]) -> frozenset[Digest]:
        found: set[Digest] = set()
        for store in self.stores:
            found |= await holding(store, digests) if digests else frozenset()
        return frozenset(found)


class _OtherBytes(PypidaemonError):
    def __init__(self, wanted: str | None, found: str | None) -> None:
        super().__init__(f"the lock says sha256 {wanted}, and the index has {found}")


class _NoRoom(CannotStore):
    """It passed by."""


def absence(error: PypidaemonError) -> Absence:
    """Why something cannot be had, from what was raised."""
    match error:
        case Refused():
            return Absence("policy", f"the rule {error.rule} keeps it out: {error.reason}")
        case NoSuchProject() | NoSuchFile() | InvalidName():
            return Absence("absent", "the index does not have it")
        case UpstreamUnavailable():
            return Absence("down", f"upstream {error.upstream} could not be asked: {error.cause}")
        case CorruptContent():
            return Absence("hash", f"what came is not what its page promises: {error}")
        case CannotStore():
            return Absence("room", str(error))
    return Absence("unknown", str(error))


async def drained(content: IContent) -> None:
    """Read all of it, which has it fetched, and verified by its end."""
    offset = 0
    while data := await content.read(offset, PIECE):
        offset += len(data)


def seek(piece: Piece, page: ProjectPage, targets: Sequence[Target]) -> Sought:
    """Which files of that page are wanted; slow for a long page, so call it on a thread."""
    version = piece.version if piece.version is not None else _newest(page)
    listed = of_version(page, version) if version is not None else []
    allowed = [file for file in listed if not piece.hashes or file.digest in piece.hashes]
    if piece.files:
        wanted = [(filename, digest) for filename, digest in piece.files if _is_for(piece.name, File(filename), targets)]
    else:
        wanted = [(file.filename, file.digest) for file in allowed if _is_for(piece.name, file, targets)]
    wheels = [File(filename) for filename, _ in wanted if is_wheel(File(filename))]
    unbuilt = tuple(target for target in piece.targets if not any(target.fits(piece.name, file) for file in wheels))
    if not piece.files and not piece.hashes and not unbuilt:
        wanted = [(filename, digest) for filename, digest in wanted if is_wheel(File(filename))]
    lacks = None
    if not piece.files and not allowed:
        lacks = (
            Absence("hash", "none of its files has a hash of the lock")
            if listed
            else Absence("absent", f"the index lists no {piece.title}")
        )
    return Sought(piece, version, wanted, unbuilt, lacks)


def sdists(sought: Sought) -> list[Filename]:
    """The source distributions among them."""
    return [filename for filename, _ in sought.files if is_sdist(File(filename))]


def _is_for(name: NormalizedName, file: File, targets: Sequence[Target]) -> bool:
    return is_sdist(file) or (is_wheel(file) and any(target.fits(name, file) for target in targets))


def _newest(page: ProjectPage) -> Version | None:
    found = [version for spelled in page.versions if (version := known(spelled)) is not None]
    return max(found, key=lambda version: (not version.is_prerelease, version), default=None)


def _spelled(version: Version | None) -> str:
    return str(version) if version is not None else ""
