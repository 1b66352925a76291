"""Project lists of several indexes as one, as one account sees it, and in stretches, so that of a long list only what changed is read again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IIndex, ISteady
from pypidaemon.model import NormalizedName, ProjectList, Stretches
from pypidaemon.simple.names import merge

Entry = tuple[NormalizedName, int]
Visible = Callable[[str, NormalizedName], bool]
"""Whether a name of the index of that label is shown."""
Mark = Callable[[str, str], bytes]
"""As `Stretches.mark`."""

MARK = 16
"""Bytes of a mark."""


def seen(listing: ProjectList, visible: Visible, start: str = "", end: str = "") -> Iterator[Entry]:
    """
    The entries of a list, or of a stretch of one that has some, of which `visible` says so, asked for each name with the label of the index that holds it.

    A name that is hidden in one part and not in another is shown as the other part has it.
    """
    if not listing.parts:
        entries = _read(listing, start, end)
        return ((name, serial) for name, serial in entries if visible(listing.source, name))
    return _adjusted(listing, merge([seen(part, visible, start, end) for part in listing.parts]))


def combined(
    parts: tuple[ProjectList, ...], adjust: Callable[[NormalizedName, int], int | None], listing: ProjectList, mark: Mark
) -> ProjectList:
    """
    That list with its entries made of its parts, each as `adjust` shows it.

    :param mark: of a stretch of what `adjust` goes by.
    """
    made = attrs.evolve(listing, parts=parts, adjust=adjust)
    marks = [part.stretches.mark for part in parts if part.stretches is not None]
    whole = len(marks) == len(parts)
    # Not every index has its say each time, and what is visible of a name goes by the index that has it.
    labels = [part.source.encode() for part in parts]
    told = Stretches(partial(_all, made), lambda start, end: marked([*labels, *(one(start, end) for one in (mark, *marks))]))
    return attrs.evolve(made, entries=partial(_all, made), stretches=told if whole else None)


def state_of(index: IIndex) -> Hashable | None:
    """As `ISteady.names_state`, of any index; None also where that fails, since whoever asks then is told how."""
    with suppress(PypidaemonError):
        return ISteady(index).names_state() if ISteady.providedBy(index) else None
    return None


def states_of(indexes: Iterable[IIndex], *also: Hashable) -> Hashable | None:
    """The state of a list that is made of those of all these and of nothing else but `also`."""
    states = [state_of(index) for index in indexes]
    return None if None in states else (*states, *also)


def in_stretches(entries: Sequence[Entry]) -> Stretches:
    """Those of entries that are held, in the order of their names."""
    return Stretches(lambda start, end: iter(cut(entries, start, end)), lambda start, end: _marked_entries(cut(entries, start, end)))


def cut(entries: Sequence[Entry], start: str, end: str) -> Sequence[Entry]:
    """A stretch of entries that are in the order of their names."""
    return entries[bisect_left(entries, (start,)) : bisect_left(entries, (end,)) if end else len(entries)]


def marked(words: Iterable[bytes]) -> bytes:
    """The mark of a stretch that is told by these words."""
    seen = blake2b(digest_size=MARK)
    for word in words:
        seen.update(b"%d\n" % len(word))
        seen.update(word)
    return seen.digest()


@attrs.define(eq=False)
class Numbers:
    """Numbers of projects, as `ILedger.late` gives them, in stretches; it reads them when it is first asked, on whatever thread that is."""

    given: Mapping[NormalizedName, int]
    _ordered: list[Entry] | None = attrs.field(default=None, init=False, repr=False)

    def mark(self, start: str, end: str) -> bytes:
        """As `Stretches.mark`."""
        if self._ordered is None:
            self._ordered = sorted(self.given.items())
        return _marked_entries(cut(self._ordered, start, end))


def _marked_entries(entries: Sequence[Entry]) -> bytes:
    return blake2b(repr(entries).encode(), digest_size=MARK).digest() if entries else b""


def _read(listing: ProjectList, start: str, end: str) -> Iterator[Entry]:
    return listing.entries() if listing.stretches is None else listing.stretches.entries(start, end)


def _all(listing: ProjectList, start: str = "", end: str = "") -> Iterator[Entry]:
    return _adjusted(listing, merge([_read(part, start, end) for part in listing.parts]))


def _adjusted(listing: ProjectList, entries: Iterator[Entry]) -> Iterator[Entry]:
    for name, serial in entries:
        shown = listing.adjust(name, serial)
        if shown is not None:
            yield name, shown
