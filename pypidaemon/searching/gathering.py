"""What indexes have to be found: which projects, and what those say of themselves as far as it is here. No upstream is asked for any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import blake2b

import attrs

from pypidaemon.catalogues import Catalogues, entries
from pypidaemon.errors import InvalidName, NoSuchProject, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IBlobStore, IContent, IIndex, IKnowing, ILocal, IMirror, IRecords
from pypidaemon.leaves import bare, leaves
from pypidaemon.model import Companion, Digest, File, InThread, NormalizedName, ProjectPage, RulingKind
from pypidaemon.rulings import Rulings
from pypidaemon.searching.cards import CARDS, HELD, KNOWN, LISTED, OWN, Described, Place
from pypidaemon.showing import quarantined, show
from pypidaemon.simple.core_metadata import LONGEST_HEADERS, read_metadata
from pypidaemon.simple.legacy import newest_first
from pypidaemon.simple.reading import covering

LONGEST = 500
"""Characters of a summary that are kept; the standard allows 512."""

_MOST_RELEASES = 5
"""Releases that are looked at for one whose METADATA is here, newest first."""


def place(index: IIndex) -> Place | None:
    """The place of a leaf; None of what can be neither read without asking upstream nor be told what is known of it."""
    if ILocal.providedBy(index):
        return Place(index.label, OWN)
    if IMirror.providedBy(index):
        return Place(index.label, HELD)
    return Place(index.label, KNOWN) if IKnowing.providedBy(index) else None


def sources(indexes: Iterable[IIndex]) -> list[tuple[Place, IIndex]]:
    """All leaves of these that can be searched, each once, as they are without what stands before them."""
    found: dict[str, tuple[Place, IIndex]] = {}
    for index in indexes:
        for leaf in leaves(index):
            itself = bare(leaf.index)
            its = place(itself)
            if its is not None:
                found.setdefault(itself.label, (its, itself))
    return list(found.values())


@attrs.frozen
class Listing:
    """
    Names of an index that go into one of the tables.

    :param stamp: changes whenever they may have.
    :param names: starts a reading of them with their serials, to be done on threads.
    """

    table: str
    stamp: str
    names: Callable[[], Iterator[tuple[str, int]]]


@attrs.frozen
class Gatherer:
    """
    Reads what there is.

    :param stores: where the leaves keep their files, by label.
    :param lists: as in `Catalogues`.
    :param rulings: what was blocked, of which nothing is said: the newest of the other releases speaks for the project.
    """

    records: IRecords
    stores: Callable[[], Mapping[str, IBlobStore]]
    lists: IBlobStore
    reserved: tuple[str, ...]
    cpu: InThread
    disk: InThread
    rulings: Rulings = attrs.field(factory=Rulings)

    async def listings(self, its: Place, index: IIndex) -> list[Listing]:
        """
        All names of a leaf.

        :raises PypidaemonError: they cannot be read.
        """
        if its.kind != KNOWN:
            found = await index.project_names()
            return [Listing(CARDS, found.revision, lambda: iter(found.entries()))]
        numbers = await self.records.ledger.serials(its.label)
        names, reserved = await self.records.pages.remembered(its.label), self._is_reserved
        rows = await self.cpu(lambda: [(name, numbers.get(name, 0)) for name in names if not reserved(name)])
        asked = Listing(CARDS, await self.cpu(_stamp, rows), lambda: iter(rows))
        listed = await self.listed(its)
        return [asked] if listed is None else [asked, listed]

    async def digest(self, its: Place) -> str:
        """What tells the list of its upstream that is known here from another; "" where none is."""
        remembered = await self.records.pages.recall_names(its.label)
        return "" if remembered is None else remembered.digest

    async def listed(self, its: Place) -> Listing | None:
        """The names on the list of its upstream, as it is known here; None where none is."""
        remembered = await self.records.pages.recall_names(its.label) if its.kind == KNOWN else None
        opened = await Catalogues(its.label, self.lists, self.disk).opened(remembered.digest) if remembered is not None else None
        if remembered is None or opened is None:
            return None
        reserved, reading = self._is_reserved, partial(entries, opened)
        return Listing(LISTED, remembered.digest, lambda: (row for row in reading() if not reserved(row[0])))

    async def described(self, its: Place, index: IIndex, name: NormalizedName) -> Described | None:
        """
        What a project says of itself, in the newest of its releases whose METADATA is here; None where there is nothing to be found.

        :raises PypidaemonError: it cannot be read.
        """
        page = await self._page(its, index, name)
        if page is None or not page.files:
            return None
        for version, files in await self.cpu(_newest_first, page, self.rulings.frozen()):
            for file in files:
                if file.core_metadata is not None and (document := await self._document(its, index, name, file)) is not None:
                    return await self.cpu(_said, document, name, version)
        return Described()

    async def _page(self, its: Place, index: IIndex, name: NormalizedName) -> ProjectPage | None:
        if its.kind != KNOWN:
            try:
                return await index.project_page(name)
            except NoSuchProject:
                return None
        remembered = await self.records.pages.recall(its.label, name)
        if remembered is None or remembered.page is None or quarantined(remembered.page) or self._is_reserved(name):
            return None
        return await self.cpu(show, its.label, remembered.page, await self.records.facts.known(its.label, name))

    async def _document(self, its: Place, index: IIndex, name: NormalizedName, file: File) -> bytes | None:
        """The beginning of a METADATA, where its fields are; None where it is not here."""
        store = self.stores().get(its.label)
        try:
            if file.core_metadata and store is not None:
                content = await store.open(Digest(file.core_metadata))
            elif its.kind == OWN:
                content = await index.open_file(name, file.filename, Companion.METADATA)
            else:
                return None
        except (PypidaemonError, OSError):
            return None
        try:
            return await _beginning(content)
        except (PypidaemonError, OSError):
            return None
        finally:
            content.close()

    def _is_reserved(self, name: str) -> bool:
        return bool(self.reserved) and matches_any(NormalizedName(name), self.reserved) is not None


def _stamp(rows: Iterable[tuple[str, int]]) -> str:
    return blake2b("\n".join(f"{name} {serial}" for name, serial in rows).encode(), digest_size=16).hexdigest()


async def _beginning(content: IContent) -> bytes:
    pieces: list[bytes] = []
    offset = 0
    while offset < LONGEST_HEADERS and (piece := await content.read(offset, LONGEST_HEADERS - offset)):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _newest_first(page: ProjectPage, rulings: Rulings) -> list[tuple[str, list[File]]]:
    """The releases that are looked at, the one that stands for the project first; without what was blocked."""
    files = tuple(file for file in page.files if rulings.on_file(RulingKind.BLOCK, page.name, file, 0.0) is None)
    return newest_first(ProjectPage(page.name, files, covering(page.name, (), files)), _MOST_RELEASES)


def _said(document: bytes, name: NormalizedName, version: str) -> Described:
    fields = read_metadata(document)
    title = _line(fields.get("name"), 200)
    return Described(title if _is_spelling(title, name) else "", version, _line(fields.get("summary"), LONGEST))


def _is_spelling(title: str, name: NormalizedName) -> bool:
    """Whether that is a spelling of the name, and not of another's."""
    try:
        return project_name(title) == name
    except InvalidName:
        return False


def _line(value: object, longest: int) -> str:
    return " ".join(value.split())[:longest] if isinstance(value, str) else ""
