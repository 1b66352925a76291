"""
The project list of a mirror: made of the records when somebody asks and something has changed, kept in a store of its own, read in bounded memory.

There may be 700,000 names, so the list is made part by part in order of the names, each part off the reactor's thread, and held by nobody.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Sequence

import attrs

from pypidaemon.catalogues import Catalogues, Opener, entries, heading
from pypidaemon.errors import Damaged, NoSuchBlob, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IRecords
from pypidaemon.model import Digest, InThread, NormalizedName, ProjectList, Stretches
from pypidaemon.serials import serial_of
from pypidaemon.simple.names import chunks
from pypidaemon.stretched import Changes, Places, Stretched, amended, differing

PART = 2_500
"""Projects read at once."""
MOST_TOUCHED = 1_000
"""Announced projects that are looked at one by one to see whether the list has changed; of more the list is made anew."""
TOGETHER = 1 << 20
"""Bytes of an amended list that are read and written at once."""
MOST_GONE = 1_000
"""Projects of which one list notes that they have gone."""
GONE = "gone"
"""The revision of a project that is mirrored no longer; no page has such a one."""

Entry = tuple[NormalizedName, int]


@attrs.frozen
class _Made:
    """
    A list that is kept.

    :param serial: the highest there is.
    :param count: how many names it has.
    :param opened: starts a reading, whatever becomes of what is kept.
    :param since: a number that those have passed that were given while it was made, or later.
    :param stretched: reads it in part.
    """

    digest: Digest
    serial: int
    count: int
    opened: Opener
    since: int
    stretched: Stretched


@attrs.define
class Names:
    """The project list of one mirror; `hides` says which names are not shown whatever is recorded."""

    label: str
    records: IRecords
    catalogues: Catalogues
    cpu: InThread
    hides: Callable[[NormalizedName], bool]
    flights: Flights[str, _Made] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _last: _Made | None = attrs.field(default=None, init=False)
    _touched: set[NormalizedName | None] = attrs.field(factory=set, init=False)
    _numbered: set[NormalizedName] = attrs.field(factory=set, init=False)
    """Projects whose pages were given numbers since the list was made."""
    _gone: set[NormalizedName] = attrs.field(factory=set, init=False)

    def touch(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: that project, or with None any, may have come or gone."""
        if len(self._touched) <= MOST_TOUCHED:
            self._touched.add(name)

    def note_number(self, name: NormalizedName) -> None:
        """That project's page has a number that may not be on the list."""
        if len(self._numbered) <= MOST_TOUCHED:
            self._numbered.add(name)

    async def project_names(self) -> ProjectList:
        """
        As `IIndex.project_names`; it holds until a change is announced.

        :raises PypidaemonError: the records cannot be read, or there is no room for the list.
        """
        made = self._last
        # The first one that is waited for may have been begun before a change that whoever asks knows of; the second was not.
        for _ in range(2):
            if made is None or await self._changed(made):
                made = await self.flights.join(self.label, self._make)
        assert made is not None
        hides, opened, stretched = self.hides, made.opened, made.stretched

        def listed() -> Iterator[Entry]:
            return (entry for entry in entries(opened) if not hides(entry[0]))

        def within(start: str, end: str) -> Iterator[Entry]:
            return (entry for entry in stretched.entries(start, end) if not hides(entry[0]))

        return ProjectList(
            entries=listed,
            revision=f"{made.digest[:32]}-{made.serial}",
            serial=made.serial,
            source=self.label,
            stretches=Stretches(within, stretched.mark),
        )

    def state(self) -> Hashable | None:
        """As `ISteady.names_state`."""
        if self._last is None or self._touched or self.flights.flying(self.label):
            return None
        return self._last.digest, self._last.serial, self.records.ledger.changed(self.label)

    async def _changed(self, made: _Made) -> bool:
        """
        Whether what was announced since can have changed the list.

        Whatever an index of this daemon announces comes here, so most of it is of no concern. A name that is not mirrored was either not on the list, or it
        left: then there are fewer, unless one came, which was announced as well.
        """
        if self.flights.flying(self.label):
            return True
        touched, self._touched = self._touched, set()
        changed = True
        try:
            changed = await self._concerns(touched, made)
        finally:
            if changed:
                self._touched |= touched
        return changed

    async def _concerns(self, touched: set[NormalizedName | None], made: _Made) -> bool:
        if None in touched or len(touched) > MOST_TOUCHED:
            return True
        for name in touched:
            if name is not None and await self.records.mirrors.page(self.label, name) is not None:
                return True
        return bool(touched) and await self.records.mirrors.count(self.label) != made.count

    async def _make(self) -> _Made:
        # What is announced from here on may come too late for this list, so it is for the next one.
        touched, self._touched = self._touched, set()
        numbered, self._numbered = self._numbered, set()
        try:
            since = await self.records.ledger.high(self.label)
            made = await self._amended(self._last, touched | numbered, since) if self._last is not None else None
            made = made or await self._made_anew(since)
        except BaseException:
            self._touched |= touched
            self._numbered |= numbered
            raise
        self._last = made
        await self.catalogues.remove_others(made.digest)
        return made

    async def _made_anew(self, since: int) -> _Made:
        tally = _Tally()
        made = await self._kept(self._pieces(tally), 0, since)
        await self._note_gone(tally.gone)
        return await self._with_serial(attrs.evolve(made, count=tally.count), tally.highest)

    async def _amended(self, last: _Made, touched: set[NormalizedName | None], since: int) -> _Made | None:
        """The last list with what has become of a few projects; None where these are too many, or nobody knows which."""
        names = {*touched, *(row.name for row in await self.records.ledger.changes(self.label, last.since, MOST_TOUCHED + 1))}
        if None in names or len(names) > MOST_TOUCHED:
            return None
        changes: list[tuple[NormalizedName, int | None]] = []
        gone: list[NormalizedName] = []
        for name in sorted(name for name in names if name is not None):
            found = await self.records.mirrors.serials(self.label, _before(name), 1)
            number = await self.records.ledger.serial(self.label, name)
            mirrored = bool(found) and found[0][0] == name
            changes.append((name, max(found[0][1], number, 1) if mirrored else None))
            if number and not mirrored:
                gone.append(name)
        try:
            changes, more = await self.cpu(differing, last.opened, changes)
            if last.count + more != await self.records.mirrors.count(self.label):
                # Something has changed that nobody has announced, or not yet.
                return None
            made = attrs.evolve(last, since=since)
            if changes:
                made = await self._kept(self._amendment(last, changes), last.count + more, since)
        except Damaged:
            return None
        self._gone.difference_update(name for name, serial in changes if serial is not None)
        await self._note_gone([*self._gone, *gone][:MOST_GONE])
        return await self._with_serial(made, max([last.serial, *(serial for _, serial in changes if serial is not None)]))

    async def _amendment(self, last: _Made, changes: Changes) -> AsyncGenerator[bytes]:
        yield heading(self.label)
        pieces = chunks(amended(last.opened, changes), TOGETHER)
        while piece := await self.cpu(next, pieces, b""):
            yield piece

    async def _kept(self, pieces: AsyncGenerator[bytes], count: int, since: int) -> _Made:
        digest = await self.catalogues.keep(pieces)
        opened = await self.catalogues.opened(digest)
        if opened is None:
            raise NoSuchBlob(digest)
        return _Made(digest, 0, count, opened, since, Stretched(opened, Places(digest)))

    async def _with_serial(self, made: _Made, highest: int) -> _Made:
        return attrs.evolve(made, serial=max(highest, await self.records.ledger.high(self.label), 1))

    async def _pieces(self, tally: _Tally) -> AsyncGenerator[bytes]:
        yield heading(self.label)
        after = ""
        while True:
            part = await self.records.mirrors.serials(self.label, after, PART)
            until = part[-1][0] if len(part) == PART else None
            numbers = await self._numbers(after, until)
            yield await self.cpu(tally.lines, part, numbers)
            if until is None:
                break
            after = until

    async def _numbers(self, after: str, until: str | None) -> list[Entry]:
        """The numbers given to projects after the one name and up to the other, or to the end."""
        found: list[Entry] = []
        while True:
            rows = await self.records.ledger.numbers(self.label, after, PART)
            found += [row for row in rows if until is None or row[0] <= until]
            if len(rows) < PART or not found or found[-1] is not rows[-1]:
                return found
            after = rows[-1][0]

    async def _note_gone(self, gone: Sequence[NormalizedName]) -> None:
        """Give projects that are mirrored no longer another number, so that who follows the serials hears of it (R71, M6)."""
        self._gone &= set(gone)
        for name in gone:
            if name not in self._gone:
                await serial_of(self.records, self.label, name, GONE, 0)
                self._gone.add(name)


def _before(name: NormalizedName) -> str:
    """A text behind every name that stands before that one, and before it: names are of ASCII, and have no control characters."""
    return f"{name[:-1]}{chr(ord(name[-1]) - 1)}\x7f"


@attrs.define
class _Tally:
    """What was met while a list was made; `gone` have numbers and are not mirrored."""

    highest: int = 0
    count: int = 0
    gone: list[NormalizedName] = attrs.field(factory=list)

    def lines(self, part: Sequence[Entry], numbers: Sequence[Entry]) -> bytes:
        """The lines of that part of the list. Slow, so it is called on a thread."""
        given = dict(numbers)
        lines = []
        for name, announced in part:
            # bandersnatch skips a project without a serial (R48), so one that upstream does not number gets 1.
            serial = max(announced, given.pop(name, 0), 1)
            self.highest = max(self.highest, serial)
            lines.append(b"%b\t%d\n" % (name.encode(), serial))
        self.count += len(part)
        self.gone += list(given)[: MOST_GONE - len(self.gone)]
        return b"".join(lines)
