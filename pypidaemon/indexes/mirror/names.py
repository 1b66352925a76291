"""
The project list of a mirror: made of the records when somebody asks and something has changed, kept in a store of its own, read in bounded memory.

There may be 700,000 names, so the list is made part by part in order of the names, each part off the reactor's thread, and held by nobody.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

import attrs

from pypidaemon.catalogues import Catalogues, Opener, entries, heading
from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IRecords
from pypidaemon.model import Digest, InThread, NormalizedName, ProjectList
from pypidaemon.serials import serial_of

PART = 2_500
"""Projects read at once."""
MOST_TOUCHED = 1_000
"""Announced projects that are looked at one by one to see whether the list has changed; of more the list is made anew."""
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
    """

    digest: Digest
    serial: int
    count: int
    opened: Opener


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
    _gone: set[NormalizedName] = attrs.field(factory=set, init=False)

    def touch(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: that project, or with None any, may have come or gone."""
        if len(self._touched) <= MOST_TOUCHED:
            self._touched.add(name)

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
        hides, opened = self.hides, made.opened

        def listed() -> Iterator[Entry]:
            return (entry for entry in entries(opened) if not hides(entry[0]))

        return ProjectList(entries=listed, revision=f"{made.digest[:32]}-{made.serial}", serial=made.serial, source=self.label)

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
        try:
            tally = _Tally()
            digest = await self.catalogues.keep(self._pieces(tally))
            opened = await self.catalogues.opened(digest)
            if opened is None:
                raise NoSuchBlob(digest)
            await self._note_gone(tally.gone)
            high = await self.records.ledger.high(self.label)
        except BaseException:
            self._touched |= touched
            raise
        self._last = _Made(digest, max(tally.highest, high, 1), tally.count, opened)
        await self.catalogues.remove_others(digest)
        return self._last

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
