"""
What happens to a project of a mirror, whatever it is written with: pure functions over what is offered of it and what is leaving.

They stand here once, so that SQLite and memory cannot come to differ in them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from pypidaemon.model import Digest, File, Filename, Leaving, Mirrored
from pypidaemon.records.entries import bare

Need = tuple[str, Filename, Digest]
"""A blob that a project needs: as what ("file", "metadata" or "document"), of which file, and its sha256."""


def plain(mirrored: Mirrored) -> Mirrored:
    """The same without what was only gathered for policies, which is not kept."""
    return _with(mirrored, map(bare, mirrored.page.files), mirrored.documents)


def without(mirrored: Mirrored, gone: Collection[Filename]) -> Mirrored:
    """The same without these files."""
    files = (file for file in mirrored.page.files if file.filename not in gone)
    return _with(mirrored, files, ((filename, digest) for filename, digest in mirrored.documents if filename not in gone))


def cut_down(leaving: Leaving) -> Leaving:
    """What is kept of something that leaves: of a file, nothing of the other files of its project."""
    if leaving.filename is None:
        return attrs.evolve(leaving, mirrored=plain(leaving.mirrored))
    others = {file.filename for file in leaving.mirrored.page.files} | {filename for filename, _ in leaving.mirrored.documents}
    return attrs.evolve(leaving, mirrored=plain(without(leaving.mirrored, others - {leaving.filename})))


def joined(earlier: Leaving | None, later: Leaving) -> Leaving:
    """A project that leaves again before its time: the files of both times, until the later time. Of a file only the last is kept."""
    if earlier is None or later.filename is not None:
        return later
    return attrs.evolve(later, until=max(earlier.until, later.until), mirrored=_added(later.mirrored, earlier.mirrored)[0])


def remains(leaving: Leaving, offered: Mirrored) -> Leaving | None:
    """What is still leaving once this is offered: not what is offered again, name and bytes. None where nothing is."""
    known = {file.filename: file.digest for file in offered.page.files}
    files = leaving.mirrored.page.files
    again = {file.filename for file in files if file.filename in known and known[file.filename] == file.digest}
    if len(again) == len(files):
        return None
    return attrs.evolve(leaving, mirrored=without(leaving.mirrored, again)) if again else leaving


def brought_back(offered: Mirrored | None, leaving: Iterable[Leaving]) -> tuple[Mirrored | None, int]:
    """What is offered once these, of one project and in their order, are brought back, and how many files that were."""
    count = 0
    for one in leaving:
        if offered is None:
            offered, more = one.mirrored, len(one.mirrored.page.files)
        else:
            offered, more = _added(offered, one.mirrored)
        count += more
    return offered, count


def needs(mirrored: Mirrored) -> frozenset[Need]:
    """Every blob that it needs."""
    files = {("file", file.filename, file.digest) for file in mirrored.page.files if file.digest}
    metadata = {("metadata", file.filename, Digest(file.core_metadata)) for file in mirrored.page.files if file.core_metadata}
    return frozenset(files | metadata | {("document", filename, digest) for filename, digest in mirrored.documents})


def order(leaving: Leaving) -> tuple[str, str]:
    """Where it stands in their order: by names, the project before its files."""
    return leaving.name, leaving.filename or ""


def _with(mirrored: Mirrored, files: Iterable[File], documents: Iterable[tuple[Filename, Digest]]) -> Mirrored:
    return attrs.evolve(mirrored, page=attrs.evolve(mirrored.page, files=tuple(files)), documents=tuple(documents))


def _added(mirrored: Mirrored, more: Mirrored) -> tuple[Mirrored, int]:
    """With the files of the other whose names it lacks, their documents and versions (PEP 700: those cover every file), and how many."""
    known = {file.filename for file in mirrored.page.files}
    files = tuple(file for file in more.page.files if file.filename not in known)
    if not files:
        return mirrored, 0
    new = {file.filename for file in files}
    documents = (*(pair for pair in mirrored.documents if pair[0] not in new), *(pair for pair in more.documents if pair[0] in new))
    versions = tuple(dict.fromkeys((*mirrored.page.versions, *more.page.versions)))
    page = attrs.evolve(mirrored.page, files=(*mirrored.page.files, *files), versions=versions)
    return attrs.evolve(mirrored, page=page, documents=documents), len(files)
