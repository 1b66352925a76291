"""
A proxy that is filled ahead: its pages stay upstream's, and the chosen files are simply here already.

What was taken is noted in the books of mirrors under the proxy's label. So these blobs are known to be wanted, a run sees by the serials what it need
not look at again, and a section that is made a mirror one day offers them at once (N9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pypidaemon.interfaces import IBlobStore, IRecords
from pypidaemon.model import Digest, File, Filename, Mirrored, NormalizedName, ProjectPage
from pypidaemon.showing import bytes_of, chosen, completed
from pypidaemon.upstream_files import holding


async def warmed(
    label: str, records: IRecords, page: ProjectPage, files: Sequence[File], serial: int, complete: bool, now: float
) -> frozenset[Filename]:
    """Note that these files of that page are here, by the serial that upstream's list announced for it; answer the names of those that were and are not noted any more."""
    before = await records.mirrors.page(label, page.name)
    facts = await records.facts.known(label, page.name)
    kept = chosen(page, completed(label, page.name, files, facts))
    lent = (page.lent or frozenset()).intersection(file.filename for file in kept.files)
    await records.mirrors.keep(label, page.name, Mirrored(kept, serial, complete, now, lent=lent))
    noted = frozenset(file.filename for file in kept.files)
    return frozenset(file.filename for file in before.page.files) - noted if before is not None else frozenset()


async def taken(label: str, records: IRecords, blobs: IBlobStore, name: NormalizedName) -> Mapping[Filename, Digest | None] | None:
    """The files on the page as it was last remembered whose bytes are here; None where none is and none was noted."""
    remembered = await records.pages.recall(label, name)
    listed = remembered.page.files if remembered is not None and remembered.page is not None else ()
    facts = await records.facts.known(label, name)
    digests = {file.filename: digest for file in listed if (digest := bytes_of(file, facts.get(file.filename))) is not None}
    here = await holding(blobs, list(digests.values()))
    found: dict[Filename, Digest | None] = {filename: digest for filename, digest in digests.items() if digest in here}
    if not found and await records.mirrors.page(label, name) is None:
        return None
    return found
