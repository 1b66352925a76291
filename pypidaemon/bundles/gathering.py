"""
What belongs into a bundle: read off the records while a daemon works on them, project by project, and each as of one moment.

What changed is told by the history of private indexes, and of others by when a run last kept a project and by when bytes came. Both are a little generous:
what was under way at that moment comes twice rather than never.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path

import attrs

from pypidaemon.bundles.parts import MIRRORED, PINNED, PRIVATE, Part, sum_of_files, sum_of_records
from pypidaemon.errors import NoSuchBlob, NoSuchProject
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IBlobStore, IOnDisk
from pypidaemon.model import Digest, Fact, File, Filename, InThread, Mirrored, NormalizedName, Standing
from pypidaemon.showing import completed
from pypidaemon.verification.holdings import Home
from pypidaemon.versions import same_version

PART = 1_000
"""Projects that are read of at once."""
ROWS = 10_000
"""Rows of a history that are read at once."""
UNDER_WAY = 60.0
"""Seconds before the moment that count as after it: an upload may have been about to be recorded."""
RUN = 3_600.0
"""The same of mirrors: of a project that a run was about to offer, bytes may have come long before."""


@attrs.define
class Gathering:
    """
    What is wanted of these homes.

    :param since: what changed at or after that moment, seconds since the epoch; None is all.
    :param roles: of what kinds.
    :param labels: of these indexes alone, where there are any.
    :param projects: of these alone, where there are any.
    :param lost: what should be here and is not, in words; filled while it is read.
    """

    homes: Collection[Home]
    disk: InThread
    since: float | None
    roles: frozenset[str]
    labels: frozenset[str] = frozenset()
    projects: frozenset[NormalizedName] = frozenset()
    lost: list[str] = attrs.field(factory=list)

    async def parts(self) -> AsyncIterator[tuple[Home, Part]]:
        """
        All parts, each with whose it is.

        :raises PypidaemonError: the records cannot be read.
        """
        for home in self.homes:
            if self.labels and home.label not in self.labels:
                continue
            if home.source is None and PRIVATE in self.roles:
                async for part in self._private(home):
                    yield home, part
            if home.source is not None and MIRRORED in self.roles:
                async for part in self._mirrored(home):
                    yield home, part
            if home.remembers and PINNED in self.roles:
                async for part in self._pinned(home):
                    yield home, part

    async def _private(self, home: Home) -> AsyncIterator[Part]:
        changed = await self._history(home)
        for name in self._chosen(await home.records.files.names(home.label)):
            if changed is not None and name not in changed:
                continue
            try:
                serial, records = await home.records.files.page(home.label, name)
            except NoSuchProject:
                continue
            versions = changed[name] if changed is not None else None
            wanted = [one for one in records if versions is None or same_version(one.version) in versions]
            here = [one for one in wanted if one.standing is Standing.DELETED or await self._whole(home, name, one.file)]
            yield Part(PRIVATE, home.label, name, serial, sum_of_records(records), tuple(here))

    async def _history(self, home: Home) -> dict[NormalizedName, set[str] | None] | None:
        """The projects that changed, each with the releases that did, None where that is not said or all; None where all is wanted."""
        if self.since is None:
            return None
        found: dict[NormalizedName, set[str] | None] = {}
        after = 0
        while rows := await home.records.files.changes(home.label, after, ROWS):
            for row in (row for row in rows if row.time >= self.since - UNDER_WAY):
                known = found.setdefault(row.name, set())
                if row.version is None or known is None:
                    found[row.name] = None
                else:
                    known.add(same_version(row.version))
            after = rows[-1].serial
        return found

    async def _mirrored(self, home: Home) -> AsyncIterator[Part]:
        went = await self._leaving(home)
        after = ""
        while rows := await home.records.mirrors.serials(home.label, after, PART):
            for name in self._chosen(name for name, _ in rows):
                mirrored = await home.records.mirrors.page(home.label, name)
                # Of what only an index that stood in has told of, nobody takes over so much as the name.
                if mirrored is not None and mirrored.lent and not mirrored.own.page.files:
                    continue
                if mirrored is not None and (self.since is None or mirrored.taken >= self.since - RUN or name in went):
                    yield await self._of_mirror(home, mirrored.own, went.pop(name, ()))
            after = rows[-1][0]
        for name in self._chosen(went):
            if await home.records.mirrors.page(home.label, name) is None:
                yield Part(MIRRORED, home.label, name, int(max(went[name].values())), sum_of_files(()), ended=True)

    async def _of_mirror(self, home: Home, mirrored: Mirrored, went: Iterable[Filename]) -> Part:
        page, documents = mirrored.page, dict(mirrored.documents)
        facts = await home.records.facts.known(home.label, page.name)
        here = [file for file in page.files if await self._new(home, file, documents.get(file.filename), RUN)]
        here = [
            attrs.evolve(file, core_metadata=await self._sidecar(home, file)) for file in here if await self._whole(home, page.name, file)
        ]
        names = {file.filename for file in here}
        offered = {file.filename for file in page.files}
        return Part(
            MIRRORED,
            home.label,
            page.name,
            int(mirrored.taken),
            sum_of_files(page.files),
            files=tuple(here),
            versions=page.versions,
            status=page.status,
            yanked={file.filename: file.yanked for file in page.files if file.yanked is not None},
            gone=tuple(sorted(set(went) - offered)),
            documents={name: digest for name, digest in documents.items() if name in names and await self._size(home.blobs, digest) is not None},
            facts=_facts(facts, here),
            announced=mirrored.serial,
            page=page.serial or 0,
            taken=mirrored.taken,
            complete=mirrored.complete,
        )  # fmt: skip

    async def _leaving(self, home: Home) -> dict[NormalizedName, dict[Filename, float]]:
        """What was taken away since, by project, with when; of all that is wanted nothing, since who takes that over has none of it."""
        found: dict[NormalizedName, dict[Filename, float]] = {}
        if self.since is None or home.remembers:
            return found
        for leaving in await home.records.mirrors.leaving(home.label):
            if leaving.since >= self.since - RUN:
                files = (file.filename for file in leaving.mirrored.page.files)
                found.setdefault(leaving.name, {}).update(dict.fromkeys(files, leaving.since))
        return found

    async def _pinned(self, home: Home) -> AsyncIterator[Part]:
        pins: dict[NormalizedName, set[str]] = {}
        for pin in await home.records.pins.pins():
            pins.setdefault(pin.name, set()).add(pin.version)
        for name in self._chosen(pins):
            kept = await home.records.pages.recall(home.label, name)
            if kept is None or kept.page is None:
                continue
            facts = await home.records.facts.known(home.label, name)
            entries = completed(home.label, name, kept.page.files, facts)
            wanted = [file for file in entries if self._is_pinned(name, file, pins[name])]
            here = [file for file in wanted if file.digest is not None and await self._size(home.blobs, file.digest) is not None]
            new = [file for file in here if await self._new(home, file, None, UNDER_WAY)]
            if not new and self.since is not None and kept.fetched < self.since - UNDER_WAY:
                continue
            new = [attrs.evolve(file, core_metadata=await self._sidecar(home, file)) for file in new if await self._whole(home, name, file)]
            yield Part(
                PINNED,
                home.label,
                name,
                int(kept.fetched),
                sum_of_files(here),
                files=tuple(new),
                versions=kept.page.versions,
                status=kept.page.status,
                yanked={file.filename: file.yanked for file in kept.page.files if file.yanked is not None},
                facts=_facts(facts, new),
                pins=tuple(sorted(pins[name])),
                page=kept.page.serial or 0,
                taken=kept.fetched,
            )

    def _is_pinned(self, name: NormalizedName, file: File, versions: Collection[str]) -> bool:
        return "" in versions or same_version(version_of(file.filename, name) or "") in map(same_version, versions)

    def _chosen(self, names: Iterable[NormalizedName]) -> list[NormalizedName]:
        return sorted(name for name in names if not self.projects or name in self.projects)

    async def _whole(self, home: Home, name: NormalizedName, file: File) -> bool:
        """Whether its bytes are here, and its sidecar where that is a need; else that is told."""
        if file.digest is None:
            return False
        size = await self._size(home.blobs, file.digest)
        right = size is not None and file.size in (None, size)
        if right and home.source is None and file.core_metadata:
            right = await self._size(home.blobs, Digest(file.core_metadata)) is not None
        if not right:
            self.lost.append(f"{file.filename} of {name} in {home.label} sha256:{file.digest}")
        return right

    async def _sidecar(self, home: Home, file: File) -> str | None:
        """
        The sidecar of a file of an upstream, as far as it is here. One that is not is promised by a proxy without its digest, so that it is asked for,
        and by a mirror not at all.
        """
        if not file.core_metadata or await self._size(home.blobs, Digest(file.core_metadata)) is not None:
            return file.core_metadata
        if home.remembers:
            return ""
        self.lost.append(f"{file.filename}.metadata in {home.label} sha256:{file.core_metadata}")
        return None

    async def _new(self, home: Home, file: File, document: Digest | None, slack: float) -> bool:
        """Whether anything of it came since."""
        if self.since is None:
            return True
        for digest in (file.digest, file.core_metadata, document):
            if digest and await self._came(home.blobs, Digest(digest)) >= self.since - slack:
                return True
        return False

    async def _size(self, blobs: IBlobStore, digest: Digest) -> int | None:
        """How long that blob is; None where it is not here."""
        try:
            with closing(await blobs.open(digest)) as content:
                return content.size
        except (NoSuchBlob, OSError):
            return None

    async def _came(self, blobs: IBlobStore, digest: Digest) -> float:
        """When that blob came, as far as the store tells; one that is not here never did."""
        try:
            with closing(await blobs.open(digest)) as content:
                return await self.disk(_modified, Path(content.path)) if IOnDisk.providedBy(content) else float("inf")
        except (NoSuchBlob, OSError):
            return 0.0


def _facts(facts: Mapping[Filename, Fact], files: Iterable[File]) -> dict[Filename, Fact]:
    """Those about these files, as they are."""
    digests = {file.filename: file.digest for file in files}
    return {filename: fact for filename, fact in facts.items() if filename in digests and fact.digest in (None, digests[filename])}


def _modified(path: Path) -> float:
    return os.stat(path).st_mtime
