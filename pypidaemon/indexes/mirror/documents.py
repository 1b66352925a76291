"""
The provenance documents of a mirror's files (PEP 740), kept as blobs like the files themselves.

Between being fetched and being offered they are noted in the book of documents, by digest and URL, so that a crash costs no second fetch. A refresh
lets them be asked for again, since attestations are added (R118).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon import freshness
from pypidaemon.errors import NoSuchFile
from pypidaemon.interfaces import IBlobStore, IRecords, ITurn, IUpstream
from pypidaemon.model import Companion, Digest, File, Filename, InThread, Mirrored, NormalizedName
from pypidaemon.provenances import fetch
from pypidaemon.sidecars import stored
from pypidaemon.upstream_files import renewed

LASTING = 360 * 86_400.0
"""Seconds for which a document is not asked for again, unless somebody lets it; a stamp more than a year ahead is not believed (F44)."""
ABSENCE = 86_400.0
"""Seconds for which it is remembered that there is none that can be used, so that runs do not ask for each such file each time."""
_NONE = "-"

log = Logger()


@attrs.frozen
class Documents:
    """The provenance documents of one mirror."""

    label: str
    upstream: IUpstream
    records: IRecords
    blobs: IBlobStore
    clock: IReactorTime
    cpu: InThread

    async def take(self, name: NormalizedName, file: File, turn: ITurn | None = None) -> int:
        """
        Have the document of a file that promises one here, durable; answer how many bytes were fetched for it.

        A file whose document upstream does not have, or has as something else, is good without.

        :param turn: entered before upstream is asked.
        :raises UpstreamUnavailable: it is not here and cannot be had now.
        :raises StorageFull: there is no room for it.
        """
        if file.provenance is None:
            return 0
        noted = await self._noted(name, file, fresh=True)
        if noted is not None and (noted == _NONE or await renewed(self.blobs, [Digest(noted)])):
            return 0
        body = await self._of_a_proxy(name, file)
        if body is not None:
            await self._note(name, file, await stored(self.blobs, body, None), LASTING)
            return 0
        if turn is not None:
            await turn.enter()
        try:
            body = await fetch(self.upstream, file.provenance, self.cpu)
        except (NoSuchFile, ValueError) as error:
            log.warn("{label}: the provenance of {file} is none: {why}", label=self.label, file=file.filename, why=str(error))
            await self._note(name, file, _NONE, ABSENCE)
            return 0
        await self._note(name, file, await stored(self.blobs, body, None), LASTING)
        return len(body)

    async def of(self, name: NormalizedName, files: Iterable[File], before: Mirrored | None) -> dict[Filename, Digest]:
        """
        The documents of those of the files that promise one and whose document was taken.

        :param before: what was offered of the project, which outlives the book of documents.
        """
        offered = {file.filename: (file.digest, file.provenance) for file in before.page.files} if before is not None else {}
        earlier = dict(before.documents) if before is not None else {}
        found: dict[Filename, Digest] = {}
        for file in files:
            noted = await self._noted(name, file, fresh=False) if file.provenance is not None else _NONE
            if noted is None and offered.get(file.filename) == (file.digest, file.provenance):
                noted = earlier.get(file.filename)
            if noted is not None and noted != _NONE:
                found[file.filename] = Digest(noted)
        return found

    async def _noted(self, name: NormalizedName, file: File, *, fresh: bool) -> str | None:
        """The digest of what was fetched from the URL of that file, or `_NONE`; None where nothing was, or nothing `fresh` enough."""
        kept = await self.records.documents.recall(self.label, name, _key(file))
        if kept is None or (fresh and not freshness.is_fresh(self.clock.seconds(), kept[1])):
            return None
        digest, _, url = kept[0].decode("utf-8", "replace").partition(" ")
        return digest if url == file.provenance else None

    async def _note(self, name: NormalizedName, file: File, digest: str, lasts: float) -> None:
        body = f"{digest} {file.provenance}".encode("utf-8", "replace")
        await self.records.documents.keep(self.label, name, _key(file), body, self.clock.seconds() + lasts)

    async def _of_a_proxy(self, name: NormalizedName, file: File) -> bytes | None:
        """The document where this section was a proxy before, which keeps whole ones in that book (N9), and nobody let it be asked for again."""
        kept = await self.records.documents.recall(self.label, name, file.filename)
        return kept[0] if kept is not None and kept[0] and kept[1] > 0 else None


def _key(file: File) -> str:
    # No file of a package has such a name, so this stands beside what a proxy keeps under the file's own.
    return file.filename + Companion.PROVENANCE.value
