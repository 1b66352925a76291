"""
What METADATA says of files, where it is here: in the sidecars that proxies fetched or took from wheels, and in those of uploads.

Nothing is ever fetched for it. Who judges by it judges anew when more of it has come: whoever keeps a sidecar announces the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IAgeing, IBlobStore, IContent, IHolding, IIndex
from pypidaemon.model import Described, Digest, File, Filename, InThread, NormalizedName
from pypidaemon.readings import Ages
from pypidaemon.shelf import Shelf
from pypidaemon.simple.core_metadata import LONGEST_HEADERS, read_metadata

_REMEMBERED = 16 << 20
"""Characters of what METADATA said that are remembered."""

_OVERHEAD = 500
"""What a remembered value needs besides them."""

_AT_ONCE = 50
"""How many documents are read before they are parsed, on a thread of their own."""

_LONGEST = 1000
"""Characters of one value that are kept; what is longer is no name of a licence."""

_MOST = 200
"""Classifiers of one file that are kept; there are some 900 in all."""


@implementer(IAgeing)
@attrs.define
class Descriptions:
    """
    Finds out `Knowledge.METADATA` from the sidecars in one store, which are the same for ever and so are read once.

    A file whose page does not say the digest of its sidecar stays unknown, and so does one whose sidecar is damaged.
    """

    blobs: IBlobStore
    cpu: InThread
    announcements: Announcements
    _known: Shelf[Digest, Described] = attrs.field(factory=lambda: Shelf(_REMEMBERED), init=False)
    _ages: Ages[NormalizedName] = attrs.field(factory=Ages, init=False)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self._ages.change)

    def age(self, name: NormalizedName) -> int:
        """As `IAgeing`: another one whenever the project was announced, which it is with every sidecar that comes."""
        return self._ages.of(name)

    async def inform(self, index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
        """As `IInformant`."""
        found: dict[Digest, Described] = {}
        missing: dict[Digest, None] = {}
        for file in files:
            if file.core_metadata:
                digest = Digest(file.core_metadata)
                known = self._known.get(digest)
                if known is None:
                    missing[digest] = None
                else:
                    found[digest] = known
        if missing:
            found.update(await self._read(missing))
        if not found:
            return {}
        return await self.cpu(_described, files, found) if len(found) > _AT_ONCE else _described(files, found)

    async def _read(self, digests: Iterable[Digest]) -> dict[Digest, Described]:
        """What those of these sidecars say that are here."""
        here = list(await self._here(digests))
        found: dict[Digest, Described] = {}
        for start in range(0, len(here), _AT_ONCE):
            documents = {digest: await self._document(digest) for digest in here[start : start + _AT_ONCE]}
            read = await self.cpu(_parsed, {digest: document for digest, document in documents.items() if document is not None})
            for digest, described in read.items():
                self._known.put(digest, described, _weight(described))
            found.update(read)
        return found

    async def _here(self, digests: Iterable[Digest]) -> Iterable[Digest]:
        """Those that may be here; a store that cannot be asked about many at once is asked for each when it is read."""
        if not IHolding.providedBy(self.blobs):
            return digests
        try:
            return await IHolding(self.blobs).holding(digests)
        except (PypidaemonError, OSError):
            return ()

    async def _document(self, digest: Digest) -> bytes | None:
        """The beginning of that sidecar, where all fields stand that have a meaning here; None where it cannot be read."""
        try:
            content = await self.blobs.open(digest)
        except (PypidaemonError, OSError):
            return None
        try:
            return await _beginning(content)
        except (PypidaemonError, OSError):
            return None
        finally:
            content.close()


async def _beginning(content: IContent) -> bytes:
    pieces: list[bytes] = []
    offset = 0
    while offset < LONGEST_HEADERS and (piece := await content.read(offset, LONGEST_HEADERS - offset)):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def described(document: bytes) -> Described:
    """What a METADATA document says that policies go by; whoever wrote it, this never raises."""
    fields = read_metadata(document)
    classifiers = (_line(classifier) for classifier in fields.get("classifiers", ())[:_MOST])
    return Described(
        _line(fields.get("license_expression")) or None,
        _line(fields.get("license")) or None,
        tuple(classifier for classifier in classifiers if classifier),
    )


def _line(value: Any) -> str:
    """A value on one line."""
    return " ".join(str(value or "")[:_LONGEST].split())


def _parsed(documents: Mapping[Digest, bytes]) -> dict[Digest, Described]:
    return {digest: described(document) for digest, document in documents.items()}


def _described(files: Sequence[File], found: Mapping[Digest, Described]) -> dict[Filename, File]:
    return {
        file.filename: attrs.evolve(file, described=found[Digest(file.core_metadata)])
        for file in files
        if file.core_metadata and file.core_metadata in found
    }


def _weight(described: Described) -> int:
    said = (described.license_expression or "", described.license or "", *described.classifiers)
    return _OVERHEAD + sum(len(text) for text in said)
