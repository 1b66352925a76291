"""What a mirror offers of a project from now on, and what leaves. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import attrs

from pypidaemon.filenames import changes
from pypidaemon.model import Digest, File, Filename, Mirrored, ProjectPage
from pypidaemon.showing import chosen, quarantined


@attrs.frozen
class Outcome:
    """
    What comes of filling.

    :param gone: what upstream took away and is offered no longer, with what was offered of it.
    """

    mirrored: Mirrored
    gone: tuple[File, ...] = ()


def filled(before: Mirrored | None, page: ProjectPage, new: Mirrored, listed: Collection[Filename], *, stays: bool) -> Outcome:
    """
    What is offered instead of what was offered `before`.

    While upstream has a project in quarantine, what was offered stays as it is and is hidden (PEP 792, R113): most quarantines end, and nothing need be
    fetched again then. What could not be brought up to date this time stays as well: a failure takes nothing away.

    :param page: upstream's page.
    :param new: what was chosen of it and is here.
    :param listed: the files that upstream lists, chosen or not.
    :param stays: whether what upstream takes away goes on being offered (R211); what goes by way of a quarantine never does.
    """
    if before is None:
        return Outcome(new)
    if quarantined(new.page):
        return Outcome(_with(new, page, (), before.page.files, before))
    kept = {file.filename for file in new.page.files}
    old = [file for file in before.page.files if file.filename not in kept]
    gone = tuple(file for file in old if file.filename not in listed)
    stayed = [file for file in old if file.filename in listed and not new.complete and _same(file, page.file(file.filename))]
    if stays and not quarantined(before.page):
        return Outcome(_with(new, page, new.page.files, [*stayed, *gone], before))
    return Outcome(_with(new, page, new.page.files, stayed, before), gone)


def with_firsts(said: Iterable[File], before: Mirrored | None) -> tuple[tuple[File, ...], tuple[Filename, ...]]:
    """
    The entries, and the names of those of which upstream has other bytes than were offered `before` (S28, F26).

    Of such a file the entry that was offered stays, for it tells of the bytes that stay; where it is to be had and whether it is yanked is upstream's
    to say. An entry without a digest means the bytes that were offered as long as nothing it says speaks against that. What is rewritten by its nature has no
    first bytes.
    """
    if before is None:
        return tuple(said), ()
    old = {file.filename: file for file in before.page.files if file.digest is not None}
    files: list[File] = []
    others: list[Filename] = []
    for file in said:
        first = old.get(file.filename)
        if first is None or first.digest == file.digest or changes(file.filename):
            files.append(file)
        elif _may_be(file, first):
            files.append(attrs.evolve(file, hashes=(("sha256", str(first.digest)), *file.hashes), size=first.size))
        else:
            files.append(attrs.evolve(first, url=file.url, yanked=file.yanked))
            others.append(file.filename)
    return tuple(files), tuple(others)


def cut_down(mirrored: Mirrored, files: Sequence[File]) -> Mirrored:
    """What is kept of files that leave."""
    names = {file.filename for file in files}
    documents = tuple(pair for pair in mirrored.documents if pair[0] in names)
    return attrs.evolve(mirrored, page=attrs.evolve(mirrored.page, files=tuple(files)), documents=documents)


def _with(new: Mirrored, page: ProjectPage, files: Sequence[File], old: Sequence[File], before: Mirrored) -> Mirrored:
    if not old:
        return new
    names = {file.filename for file in old}
    documents = (*new.documents, *((filename, digest) for filename, digest in before.documents if filename in names))
    return attrs.evolve(new, page=chosen(page, (*files, *old)), documents=documents)


def _may_be(file: File, first: File) -> bool:
    """Whether an entry without a digest may mean these bytes."""
    known = dict(first.hashes)
    return file.digest is None and file.size in (None, first.size) and all(known.get(kind, said) == said for kind, said in file.hashes)


def _same(old: File, listed: File | None) -> bool:
    """Whether upstream's page still means the bytes that were offered; of a file that is hidden on it nothing else is known."""
    return listed is None or listed.digest in (None, old.digest)


def needed(mirrored: Mirrored) -> frozenset[Digest]:
    """Every blob without which what is offered is not whole."""
    return needs_of(mirrored.page.files, (digest for _, digest in mirrored.documents))


def needs_of(entries: Iterable[File], documents: Iterable[Digest]) -> frozenset[Digest]:
    """Every blob that those entries and those documents name."""
    found = set(documents)
    for file in entries:
        if file.digest:
            found.add(file.digest)
        if file.core_metadata:
            found.add(Digest(file.core_metadata))
    return frozenset(found)
