"""
A part of a bundle taken over: what changed of one project, all of it or nothing, once every blob that it needs is here (law 7).

What is here already under a file's name stays if it is something else, and so does what was ordered here: that is told, and never merged. Which part of a
project was taken over last is in the ledger, under a label that no index has, so that an older bundle undoes nothing; nor does one that is older than what
this machine's own upstream said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.bundles.orders import Orders
from pypidaemon.bundles.parts import MIRRORED, PINNED, PRIVATE, Part, Sum, sum_of_files, sum_of_records
from pypidaemon.errors import Conflict, NoSuchProject, PypidaemonError
from pypidaemon.interfaces import IFillable, IMirror
from pypidaemon.model import (
    Digest,
    Fact,
    File,
    Filename,
    FileRecord,
    InThread,
    Leaving,
    Mirrored,
    NormalizedName,
    Pin,
    ProjectPage,
    Remembered,
    UpstreamPage,
    Use,
)
from pypidaemon.records.rules import takes_over
from pypidaemon.showing import chosen
from pypidaemon.simple.links import by_name
from pypidaemon.simple.reading import covering, in_order
from pypidaemon.verification.holdings import Home

ACTION = "take over release"
WEEK = 7 * 86_400.0
"""Seconds for which what a bundle takes away can be brought back, where the mirror says nothing else."""


@attrs.define
class Taken:
    """
    What came of a part, in counts and in words.

    :param changed: files that are new, or of which something else is known now; `gone` those that are offered no longer.
    :param behind: whether what is here is of a later moment, so that this part was passed over.
    """

    changed: int = 0
    gone: int = 0
    conflicts: list[str] = attrs.field(factory=list)
    missing: list[str] = attrs.field(factory=list)
    behind: bool = False


@attrs.frozen
class Applying:
    """
    Takes parts of one source over.

    :param source: its name.
    :param thread: where pages are put together, which may be long.
    :param announce: told of every project that changed.
    :param rehearsal: whether nothing is to be changed, and only to be told what would be.
    :param refused: private files that are not taken, by the index here and the project.
    """

    source: str
    clock: IReactorTime
    thread: InThread
    announce: Callable[[NormalizedName | None], None]
    rehearsal: bool = False
    refused: Mapping[tuple[str, NormalizedName], frozenset[Filename]] = attrs.field(factory=dict)
    _orders: dict[str, Orders] = attrs.field(init=False, factory=dict)

    async def take(self, home: Home, part: Part) -> Taken:
        """
        Take that part over into that home.

        :raises PypidaemonError: the records cannot be read or written.
        """
        taken = Taken()
        mark = f"bundle:{self.source}:{part.label}:{home.label}"
        if await home.records.ledger.serial(mark, part.name) > part.serial:
            taken.behind = True
            return taken
        try:
            if part.role == PRIVATE:
                here = await self._private(home, part, taken)
            elif part.role == MIRRORED:
                here = await self._mirrored(home, part, taken)
            else:
                here = await self._pinned(home, part, taken)
        finally:
            if not self.rehearsal:
                # Also where it failed: what the records took before is not known here.
                self.announce(part.name)
        if not self.rehearsal and not taken.behind:
            if part.serial:
                await home.records.ledger.number(mark, part.name, "", part.serial)
            if here.count < part.sum.count and not taken.conflicts and not self.refused.get((home.label, part.name)):
                taken.missing.append(f"{part.name} in {home.label} has {part.sum.count} files at the source, and {here.count} here")
        return taken

    async def _private(self, home: Home, part: Part, taken: Taken) -> Sum:
        refused = self.refused.get((home.label, part.name), frozenset())
        placed = await self.thread(_all_placed, home.label, part)
        orders = self._orders.setdefault(home.label, Orders(home.label, home.records.files))
        records, kept = await orders.keeping(part.name, [one for one in placed if one.file.filename not in refused])
        taken.conflicts += [f"{filename} of {part.name} in {home.label} was {done} here, and stays as it is" for filename, done in kept]
        if part.records and not records:
            # No project is begun for the sake of files that are not taken.
            return part.sum
        if self.rehearsal:
            changed, conflicts = await _foreseen(home, part.name, records)
        else:
            settled = await home.records.files.settle(home.label, part.name, records, ACTION)
            changed, conflicts = list(settled.changed), list(settled.conflicts)
        taken.changed += len(changed)
        taken.conflicts += [_conflict(home, part.name, filename) for filename in conflicts]
        if self.rehearsal:
            return part.sum
        return await self.thread(sum_of_records, (await home.records.files.page(home.label, part.name))[1])

    async def _mirrored(self, home: Home, part: Part, taken: Taken) -> Sum:
        before = await home.records.mirrors.page(home.label, part.name)
        asked = min(part.taken or float(part.serial), self.clock.seconds())
        # A second, since the serial of what ended is a whole number.
        newer = before is not None and before.taken > asked + 1
        if newer and (part.ended or before is None or before.complete):
            taken.behind = True
            return part.sum
        if part.ended:
            if before is not None:
                taken.gone += len(before.page.files)
                await self._leave(home, [Leaving(part.name, None, self.clock.seconds(), self._until(home), before)])
            return part.sum
        same, others = await self._same(home, part)
        known = before.own.page.files if before is not None else ()
        offered, changed, conflicts = await self.thread(_merged, home.label, same, known, newer)
        conflicts = sorted({*conflicts, *others})
        taken.conflicts += [_conflict(home, part.name, filename) for filename in conflicts]
        gone = [file for file in offered if file.filename in part.gone and not newer]
        taken.gone += len(gone)
        documents = {**dict(before.documents if before is not None else ()), **part.documents}
        lent = await self.thread(_still_lent, before, offered)
        names = {file.filename for file in (*offered, *lent)}
        kept = tuple((filename, digest) for filename, digest in sorted(documents.items()) if filename in names)
        made = await self.thread(_mirrored_page, part, before if newer else None, (*offered, *lent), asked)
        made = attrs.evolve(made, documents=kept, lent=frozenset(file.filename for file in lent))
        if before is None or attrs.evolve(before, taken=0.0) != attrs.evolve(made, taken=0.0):
            taken.changed += max(changed, 1)
            if not self.rehearsal:
                await self._learn(home, part, conflicts)
                await home.records.mirrors.keep(home.label, part.name, made)
        await self._leave(home, [Leaving(part.name, file.filename, self.clock.seconds(), self._until(home), made) for file in gone])
        if home.remembers and not self.rehearsal:
            await self._remember(home, part, offered)
        return await self.thread(sum_of_files, [file for file in offered if file.filename not in part.gone])

    async def _leave(self, home: Home, leaving: Sequence[Leaving]) -> None:
        if leaving and not self.rehearsal:
            await home.records.mirrors.leave(home.label, leaving)

    def _until(self, home: Home) -> float:
        return self.clock.seconds() + (home.source.removal_delay if IMirror.providedBy(home.source) else WEEK)

    async def _pinned(self, home: Home, part: Part, taken: Taken) -> Sum:
        kept = await home.records.pages.recall(home.label, part.name)
        known = kept.page.files if kept is not None and kept.page is not None else ()
        same, others = await self._same(home, part)
        offered, changed, conflicts = await self.thread(_merged, home.label, same, known, kept is not None and kept.fetched > part.taken)
        conflicts = sorted({*conflicts, *others})
        taken.conflicts += [_conflict(home, part.name, filename) for filename in conflicts]
        pins = [Pin(part.name, version) for version in part.pins]
        fresh = [pin for pin in pins if pin not in await home.records.pins.pins()]
        taken.changed += max(changed, 1) if changed or fresh else 0
        if self.rehearsal:
            return part.sum
        await self._learn(home, part, conflicts)
        for pin in fresh:
            await home.records.pins.pin(pin, True)
        for file in part.files:
            if file.digest is not None and file.filename not in conflicts:
                await home.records.uses.note(Use(file.digest, home.label, part.name, file.filename, file.size or 0, self.clock.seconds()))
        await self._remember(home, part, offered)
        return part.sum

    async def _same(self, home: Home, part: Part) -> tuple[Part, set[Filename]]:
        """The part without the files of which other bytes are pinned here, and these."""
        facts = await home.records.facts.known(home.label, part.name)
        others = {file.filename for file in part.files if _is_other(file, facts.get(file.filename))}
        return attrs.evolve(part, files=tuple(file for file in part.files if file.filename not in others)), others

    async def _learn(self, home: Home, part: Part, conflicts: Iterable[Filename]) -> None:
        """Pins of digests first: whatever an upstream says later, these bytes are what the names mean (S29)."""
        facts = {filename: fact for filename, fact in part.facts.items() if filename not in set(conflicts)}
        if facts:
            await home.records.facts.learn_all(home.label, part.name, facts)

    async def _remember(self, home: Home, part: Part, offered: tuple[File, ...]) -> None:
        """
        Let a proxy remember that page, unless what it knows is as new and has all of it. It is fresh no longer, so whoever has a line asks upstream.
        """
        kept = await home.records.pages.recall(home.label, part.name)
        if kept is not None and kept.page is not None:
            names = {file.filename for file in kept.page.files}
            if kept.fetched >= part.taken and names.issuperset(file.filename for file in part.files):
                return
        if kept is not None and kept.page is not None and kept.fetched > part.taken:
            # What was known later counts of all but the files that it lacks.
            page = await self.thread(_with_lacking, kept.page, part, offered)
        else:
            # Where nothing was known, of files that did not come nothing can be had from here.
            page = await self.thread(_page if kept is not None and kept.page is not None else _page_alone, part, offered)
        since = max(min(part.taken, self.clock.seconds()), kept.fetched if kept is not None else 0.0)
        await home.records.pages.keep(home.label, part.name, Remembered(page, since, 0.0))
        if IFillable.providedBy(home.source):
            # It may have the page before this one in memory.
            await home.source.refresh(part.name)


def insist_fits(home: Home, part: Part) -> None:
    """
    Insist that this home can have such a part.

    :raises PypidaemonError: it is of another kind.
    """
    if (part.role == PRIVATE) != (home.source is None) or (part.role == PINNED and not home.remembers):
        what = {PRIVATE: "private packages", MIRRORED: "what was mirrored", PINNED: "what a proxy keeps"}[part.role]
        raise PypidaemonError(
            f"the bundle has {what} of {part.label}, and [index:{home.label}] cannot have that: say --as {part.label}=LABEL"
        )


def _page(part: Part, offered: tuple[File, ...]) -> UpstreamPage:
    return UpstreamPage(part.name, offered, covering(part.name, part.versions, offered), part.status, part.page or None)


def _page_alone(part: Part, offered: tuple[File, ...]) -> UpstreamPage:
    """Without the releases of which nothing is offered."""
    page = _page(part, offered)
    return chosen(ProjectPage(part.name, page.files, page.versions, page.status, part.page), offered)


def _all_placed(label: str, part: Part) -> tuple[FileRecord, ...]:
    return tuple(attrs.evolve(one, file=_placed(label, part.name, one.file)) for one in part.records)


def _mirrored_page(part: Part, newer: Mirrored | None, files: tuple[File, ...], asked: float) -> Mirrored:
    """What a mirror offers then; where it knew something newer, that with what it lacked."""
    if newer is not None:
        versions = covering(part.name, newer.page.versions, files)
        return attrs.evolve(newer, page=attrs.evolve(newer.page, files=in_order(part.name, files), versions=versions))
    return Mirrored(_page(part, in_order(part.name, files)), part.announced, part.complete, asked)


def _still_lent(before: Mirrored | None, offered: Sequence[File]) -> list[File]:
    """The files that only an index which stood in has told of: upstream's own word, which a bundle carries, stands instead of that."""
    names = {file.filename for file in offered}
    return [file for file in before.page.files if file.filename in before.lent and file.filename not in names] if before is not None else []


def _with_lacking(known: UpstreamPage, part: Part, offered: Sequence[File]) -> UpstreamPage:
    names = {file.filename for file in known.files}
    came = {file.filename for file in part.files} - names
    files = in_order(part.name, [*known.files, *(file for file in offered if file.filename in came)])
    return attrs.evolve(known, files=files, versions=covering(part.name, known.versions, files))


def _merged(label: str, part: Part, known: Sequence[File], newer: bool) -> tuple[tuple[File, ...], int, list[Filename]]:
    """
    What is offered once the part is taken over, before anything goes; how many files of it are new or other; and those that conflict.

    :param newer: whether what is known is, so that only what it lacks is taken.
    """
    files = {file.filename: file for file in known}
    changed, conflicts = 0, list[Filename]()
    for came in part.files:
        file, old = _placed(label, part.name, came), files.get(came.filename)
        if old is not None and old.digest not in (None, file.digest):
            conflicts.append(file.filename)
        elif old is None or (old != file and not newer):
            files[file.filename] = file
            changed += 1
    for filename, old in list(files.items()) if not newer else ():
        yanked = part.yanked.get(filename)
        if old.yanked != yanked and filename not in conflicts:
            files[filename] = attrs.evolve(old, yanked=yanked)
            changed += 1
    return in_order(part.name, files.values()), changed, conflicts


async def _foreseen(home: Home, name: NormalizedName, records: Iterable[FileRecord]) -> tuple[list[Filename], list[Filename]]:
    try:
        _, known = await home.records.files.page(home.label, name)
    except NoSuchProject:
        known = []
    here: Mapping[Filename, FileRecord] = {one.file.filename: one for one in known}
    changed, conflicts = list[Filename](), list[Filename]()
    for record in records:
        old = here.get(record.file.filename)
        try:
            if takes_over(name, record, () if old is None else ((name, old),)):
                changed.append(record.file.filename)
        except Conflict:
            conflicts.append(record.file.filename)
    return changed, conflicts


def _placed(label: str, name: NormalizedName, file: File) -> File:
    return file if file.path else attrs.evolve(file, path=by_name(label, name, file.filename))


def _is_other(file: File, fact: Fact | None) -> bool:
    pinned: Digest | None = fact.digest if fact is not None else None
    return pinned is not None and file.digest != pinned


def _conflict(home: Home, name: NormalizedName, filename: Filename) -> str:
    return f"{filename} of {name} in {home.label} has other bytes here, which stay"
