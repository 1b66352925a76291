"""What of an index is here, and goes into a tree of plain files: found out without asking anybody else, and without fetching anything."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import closing

import attrs
from twisted.logger import Logger

from pypidaemon.archives import BadArchive, wheel_metadata
from pypidaemon.errors import NoSuchBlob, NoSuchProject, PypidaemonError, Refused, UpstreamUnavailable
from pypidaemon.exports.items import Item, Source
from pypidaemon.exports.tree import HTML, JSON, SIMPLE, STAMP, Tree
from pypidaemon.filenames import package_type
from pypidaemon.globs import Globs
from pypidaemon.interfaces import IBlobStore, IContent, IIndex, ILocal, IOnDisk, IRecords
from pypidaemon.leaves import leaves
from pypidaemon.model import Companion, Digest, File, Filename, InThread, NormalizedName, ProjectPage
from pypidaemon.showing import chosen
from pypidaemon.simple.names import render_names_html, render_names_json
from pypidaemon.simple.write_html import render_html
from pypidaemon.simple.write_json import render_json
from pypidaemon.telling import plural
from pypidaemon.upstream_files import holding

_ROWS = 1000
_READ = 1 << 20

log = Logger()


@attrs.define
class Exported:
    """
    What an export came to.

    `left_out` are by project the files that the index lists and that are neither here nor in the tree; `standing` those that are not here and stay
    in the tree as an export before this one put them there; `unknown` by project why it cannot be told what it has; `concealed` those that a login
    is needed for.
    """

    projects: list[NormalizedName] = attrs.field(factory=list)
    files: int = 0
    left_out: dict[NormalizedName, list[Filename]] = attrs.field(factory=dict)
    standing: dict[NormalizedName, list[Filename]] = attrs.field(factory=dict)
    unknown: dict[NormalizedName, str] = attrs.field(factory=dict)
    concealed: list[NormalizedName] = attrs.field(factory=list)
    kept: list[NormalizedName] = attrs.field(factory=list)
    """Those of them that stand in the tree as an export before this one left them."""


async def known(index: IIndex, records: IRecords) -> list[NormalizedName]:
    """
    Every project of which the index may have a file here, in order of the names.

    :raises PypidaemonError: the records, or an index whose truth is here, cannot be read.
    """
    found: set[NormalizedName] = set()
    for leaf in leaves(index):
        label = leaf.index.label
        if ILocal.providedBy(leaf.index):
            # A folder of files has first to be looked at, however long that takes; others do nothing.
            await leaf.index.refresh(None)
            found.update(name for name, _ in (await leaf.index.project_names()).entries())
            continue
        found.update(await records.pages.remembered(label), await records.withdrawn.projects(label))
        after = ""
        while rows := await records.mirrors.serials(label, after, _ROWS):
            found.update(name for name, _ in rows)
            after = rows[-1][0]
    return sorted(found)


async def synchronised(index: IIndex, records: IRecords, now: float) -> float:
    """As of when the index is complete: the start of the last whole run that filled one of those below it, else now (PEP 381)."""
    for leaf in leaves(index):
        started = (await records.mirrors.progress(leaf.index.label)).started
        if started > 0:
            return started
    return now


@attrs.frozen
class Export:
    """
    One index on its way into a tree.

    :param stores: where files may be.
    :param visible: whether a page may go into a tree that anybody may read.
    :param told: called with how many projects are done, and of how many.
    """

    index: IIndex
    stores: Sequence[IBlobStore]
    tree: Tree
    visible: Callable[[ProjectPage], bool]
    disk: InThread
    cpu: InThread
    told: Callable[[int, int], None]

    async def run(
        self, names: Sequence[NormalizedName], globs: Globs | None, stamp: bytes, left: Collection[NormalizedName] = ()
    ) -> Exported:
        """
        Bring the tree up to date with these projects, those alone that match where there are patterns.

        Where nothing is here and the tree has something it stays as it is: an empty index is more likely to be a mistake. So does a project of
        which it is not known what it has, or of which no file is here just now: trouble is no absence (law 10).

        :param left: projects that stay as they stand in the tree, where nothing is put there of them.
        :raises PypidaemonError: something cannot be read, or the tree cannot be written to; then it stays as it was.
        """
        wanted = [name for name in names if globs is None or globs.first(name) is not None]
        done = Exported()
        shelved: dict[NormalizedName, Collection[str] | None] = {}
        for number, name in enumerate(wanted):
            self.told(number, len(wanted))
            page = await self._page(name, done)
            if page is not None and not await self._put(page, done):
                shelved[name] = [file.path for file in page.files]
        self.told(len(wanted), len(wanted))
        if not done.projects and not await self.disk(self.tree.is_empty):
            raise PypidaemonError(f"{self.tree.path}: nothing of {self.index.label} is here, so the export that is there stays as it is")
        shelved.update(dict.fromkeys([*done.unknown, *(name for name in left if name not in set(done.projects))]))
        done.kept = [name for name in sorted(shelved) if await self.disk(self.tree.keep, name, shelved[name])]
        standing = sorted([*done.projects, *done.kept])
        entries = [(name, 0) for name in standing]
        await self.disk(self.tree.write, (SIMPLE, HTML), render_names_html(entries, 0))
        await self.disk(self.tree.write, (SIMPLE, JSON), render_names_json(entries, 0))
        await self.disk(self.tree.write, (STAMP,), (stamp,))
        await self.disk(self.tree.publish, frozenset(standing))
        return done

    async def _page(self, name: NormalizedName, done: Exported) -> ProjectPage | None:
        try:
            page = await self.index.project_page(name)
        except (NoSuchProject, Refused):
            return None
        except UpstreamUnavailable as error:
            done.unknown[name] = f"upstream {error.upstream}: {error.cause}"
            return None
        if not self.visible(page):
            done.concealed.append(name)
            return None
        return page

    async def _put(self, page: ProjectPage, done: Exported) -> bool:
        """Bring what is here of a project; answer False where it has files and none of them is here."""
        name = page.name
        found = {file.filename: (file, item) async for file, item in self._items(page)}
        lost = await self.disk(self.tree.hold, name, [item for _, item in found.values()]) if found else frozenset()
        held = {filename: file for filename, (file, _) in found.items() if filename not in lost}
        standing = await self._standing(page, held)
        if standing:
            done.standing[name] = list(standing)
        files = [one for file in page.files if (one := held.get(file.filename) or standing.get(file.filename)) is not None]
        here = {file.filename for file in files}
        missing = [file.filename for file in page.files if file.filename not in here]
        if missing:
            done.left_out[name] = missing
        if missing and not files:
            # A page without files would say that there are none.
            return False
        # Nobody numbers what is in a tree, so it has no serials.
        left = attrs.evolve(page, files=tuple(files), versions=chosen(page, files).versions, serial=0)
        pages = {HTML: await self.cpu(render_html, left), JSON: await self.cpu(render_json, left)}
        await self.disk(self.tree.show, name, pages, here)
        done.projects.append(name)
        done.files += len(files)
        return True

    async def _standing(self, page: ProjectPage, held: Collection[Filename]) -> dict[Filename, File]:
        """The files whose bytes are not here just now and are in the tree: trouble takes nothing out of it (law 10)."""
        missing = [file for file in page.files if file.filename not in held]
        found = await self.disk(self.tree.retain, page.name, missing) if missing else {}
        return {
            file.filename: attrs.evolve(file, core_metadata=found[file.filename].metadata) for file in missing if file.filename in found
        }

    async def _items(self, page: ProjectPage) -> AsyncIterator[tuple[File, Item]]:
        """The files whose bytes are here, in order, each as the page is going to have it."""
        digests = [Digest(digest) for file in page.files for digest in (file.digest, file.core_metadata) if digest]
        held = {digest: store for store in self.stores for digest in await holding(store, digests)}
        local = {leaf.index.label for leaf in leaves(self.index) if leaf.local}
        for file in page.files:
            source = await self._stored(held, file.digest, file.size)
            if source is None and local & set(page.sources):
                source = await self._asked(page.name, file, Companion.FILE)
            if source is None:
                continue
            companions: dict[Companion, Source] = {}
            sidecar = await self._sidecar(page.name, file, held, source) if file.core_metadata is not None else None
            if sidecar is not None:
                companions[Companion.METADATA], digest = sidecar
                shown = attrs.evolve(file, core_metadata=digest)
            else:
                shown = attrs.evolve(file, core_metadata=None)
            provenance = await self._asked(page.name, file, Companion.PROVENANCE) if file.provenance is not None else None
            if provenance is not None:
                companions[Companion.PROVENANCE] = provenance
            yield shown, Item(file.filename, file.path, file.digest, source, companions)

    async def _stored(self, held: dict[Digest, IBlobStore], digest: str | None, size: int | None) -> Source | None:
        """The blob of that digest; None where it is not here, or not as long as it should be."""
        store = held.get(Digest(digest)) if digest else None
        if store is None:
            return None
        try:
            with closing(await store.open(Digest(digest or ""))) as content:
                return await self._source(content, shared=True) if size in (None, content.size) else None
        except (NoSuchBlob, OSError) as error:
            log.warn("the blob {digest} cannot be read: {error}", digest=digest, error=str(error))
            return None

    async def _asked(self, name: NormalizedName, file: File, companion: Companion) -> Source | None:
        """What the index itself gives, which has nobody else to ask."""
        try:
            with closing(await self.index.open_file(name, file.filename, companion)) as content:
                # A file in a folder of somebody's may change, and is his to write to.
                return await self._source(content, shared=False)
        except PypidaemonError:
            return None

    async def _source(self, content: IContent, *, shared: bool) -> Source:
        if IOnDisk.providedBy(content):
            return Source(path=content.path, shared=shared)
        pieces: list[bytes] = []
        offset = 0
        while piece := await content.read(offset, _READ):
            pieces.append(piece)
            offset += len(piece)
        return Source(b"".join(pieces))

    async def _sidecar(self, name: NormalizedName, file: File, held: dict[Digest, IBlobStore], source: Source) -> tuple[Source, str] | None:
        """The metadata that the page promises, with its sha256: from a store, else out of the wheel itself, else as the index has it."""
        stored = await self._stored(held, file.core_metadata, None)
        if stored is not None:
            return stored, file.core_metadata or ""
        document: bytes | None = None
        if package_type(file.filename) == "bdist_wheel":
            document = await self.disk(_metadata_of, source, file.filename)
        else:
            asked = await self._asked(name, file, Companion.METADATA)
            document = asked.data if asked is not None else None
        if document is None:
            return None
        digest = hashlib.sha256(document).hexdigest()
        return (Source(document), digest) if file.core_metadata in ("", digest) else None


def _metadata_of(source: Source, filename: Filename) -> bytes | None:
    try:
        if source.data is not None:
            return wheel_metadata(io.BytesIO(source.data), filename)
        with open(os.open(source.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            return wheel_metadata(stream, filename)
    except (BadArchive, OSError):
        return None


def summary(done: Exported, tree: Tree) -> Iterable[str]:
    """What the export came to, in lines for people."""
    files, verb = plural(done.files, "file"), "is" if len(done.projects) == 1 else "are"
    yield f"{plural(len(done.projects), 'project')} with {files} {verb} in {tree.path}: {tree.added} new, {tree.removed} removed"
    if done.left_out:
        count = sum(map(len, done.left_out.values()))
        verb, them = ("is", "it") if count == 1 else ("are", "them")
        yield f"{plural(count, 'file')} of {plural(len(done.left_out), 'project')} {verb} not here; --json lists {them}"
    if done.standing:
        count = sum(map(len, done.standing.values()))
        verb, stay, they = ("is", "stays", "it was") if count == 1 else ("are", "stay", "they were")
        whose = plural(len(done.standing), "project")
        yield f"{plural(count, 'file')} of {whose} {verb} not here any more and {stay} in the export as {they}; --json lists {'it' if count == 1 else 'them'}"
    if done.unknown:
        yield f"what {plural(len(done.unknown), 'project')} should have is not known here; --json says why"
    if done.kept:
        verb, they = ("stays", "it was") if len(done.kept) == 1 else ("stay", "they were")
        yield f"of these {plural(len(done.kept), 'project')} {verb} in the export as {they}"
    if done.concealed:
        yield f"left out because a login is needed: {plural(len(done.concealed), 'project')}; --hidden-names takes them as well"
