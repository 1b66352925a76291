"""
What a run of a mirror does, as pure data: what was chosen, what differs, what may be removed, and when what failed is tried again.

A public index has some 700,000 projects, so the two lists are compared while they are read, and neither is held.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from hashlib import sha256

import attrs

from pypidaemon.globs import Globs
from pypidaemon.model import NormalizedName

FIRST_WAIT = 60.0
"""Seconds until what failed once is tried again."""

LONGEST_WAIT = 6 * 3600.0
"""Seconds until what fails again and again is tried again."""

AT_LEAST = 3
"""Projects that may go whatever the percentage, so that a small mirror can follow; of no more than that one stays."""

NAMED, ASKED = "named", "asked"
"""Words for what is chosen since requirements name it, and since clients took it."""

_LIMIT = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%|(\d{1,9})", re.ASCII)


@attrs.frozen
class Selection:
    """
    The projects that the owner of a mirror chose (M1).

    `names` are exact ones, as requirements files and lock files give them; `exclude` wins over all else.
    """

    patterns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    names: frozenset[NormalizedName] = frozenset()
    everything: bool = False
    _wanted: Globs = attrs.field(init=False, repr=False, eq=False)
    _unwanted: Globs = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_wanted", Globs(self.patterns))
        object.__setattr__(self, "_unwanted", Globs(self.exclude))

    def chooses(self, name: NormalizedName) -> bool:
        """Whether that project is to be here."""
        if not (self.everything or name in self.names or self._wanted.first(name) is not None):
            return False
        return self._unwanted.first(name) is None

    @property
    def revision(self) -> str:
        """The same for the same choice, however it is ordered, and another for another; it lasts over restarts."""
        said = repr((sorted(set(self.patterns)), sorted(set(self.exclude)), sorted(self.names), self.everything))
        return sha256(said.encode()).hexdigest()[:16]


@attrs.frozen
class Look:
    """That project is to be asked for upstream: it is new, newer, was not finished, or its list has no serials. 0 is no serial."""

    name: NormalizedName
    serial: int


@attrs.frozen
class Gone:
    """That project is here, and upstream no longer lists it. That alone removes nothing: see `removals`."""

    name: NormalizedName


@attrs.frozen
class Dropped:
    """That project is here and listed, and no longer chosen."""

    name: NormalizedName


@attrs.frozen
class Settled:
    """That project waits and was never here, and is no longer listed or chosen: nobody need wait for it."""

    name: NormalizedName


Step = Look | Gone | Dropped | Settled


def compare(
    upstream: Iterator[tuple[NormalizedName, int]],
    ours: Iterator[tuple[NormalizedName, int]],
    chooses: Callable[[NormalizedName], bool],
    waiting: Collection[NormalizedName] = frozenset(),
) -> Iterator[Step]:
    """
    What is to be done, in order of the names (`Settled` comes last), while both lists are read.

    A serial of 0 is none: such a project is looked at in every run. A serial that fell says nothing new, and so means nothing to do (M7).

    :param upstream: all that upstream lists, with serials, in strict order of the names.
    :param ours: all that is here, with the serials of when it was taken, in that order too.
    :param waiting: projects that earlier runs could not finish and that are to be looked at again.
    :raises ValueError: a list is not in order, so that something could seem to be gone that is not.
    """
    unmet = set(waiting)
    listed, held = _ordered(upstream, "upstream's list"), _ordered(ours, "what is here")
    there, here = next(listed, None), next(held, None)
    while there is not None or here is not None:
        if there is None or (here is not None and here[0] < there[0]):
            assert here is not None
            unmet.discard(here[0])
            yield Gone(here[0])
            here = next(held, None)
            continue
        name, serial = there
        known: int | None = None
        if here is not None and here[0] == name:
            known = here[1]
            here = next(held, None)
        there = next(listed, None)
        if chooses(name):
            if known is None or serial > known or not serial or name in unmet:
                yield Look(name, serial)
            unmet.discard(name)
        elif known is not None:
            unmet.discard(name)
            yield Dropped(name)
    for name in sorted(unmet):
        yield Settled(name)


@attrs.frozen
class Limit:
    """
    How many projects may go in one run: a percentage, and then `AT_LEAST`, or a number.

    Exactly one of the two is not None.
    """

    percent: float | None = 5.0
    number: int | None = None

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.percent is not None else f"{self.number}"

    def of(self, held: int) -> int:
        """How many of so many may go. `0%`, as `0`, lets none go."""
        if self.percent is None:
            assert self.number is not None
            return self.number
        return max(min(AT_LEAST, held - 1), int(held * self.percent / 100), 0) if self.percent else 0


@attrs.frozen
class Verdict:
    """Whether a run may remove what is gone, and if not, why, in one line for a person; "" where that is nothing to worry about."""

    allowed: bool
    reason: str = ""


def removals(gone: int, held: int, limit: Limit, listed: int, before: int, serial: int = 0, serial_before: int = 0) -> Verdict:
    """
    Whether the projects that upstream no longer lists may be removed, or whether it looks like a mistake of upstream's (M7).

    :param gone: how many are here and not listed.
    :param held: how many are here.
    :param listed: how many projects upstream lists now, chosen or not.
    :param before: how many it listed at the last run that was completed; 0 where there was none.
    :param serial: the list's own serial, `serial_before` that of the last run; 0 where there is none. A list that had one and has none has fallen.
    """
    if not gone:
        return Verdict(allowed=True)
    if not listed:
        return Verdict(allowed=False, reason="upstream's list is empty")
    if serial < serial_before:
        return Verdict(allowed=False, reason=f"upstream's serial fell from {serial_before} to {serial or 'none'}")
    if before - listed > limit.of(before):
        return Verdict(allowed=False, reason=f"upstream's list shrank from {before} projects to {listed}, by more than {limit}")
    if gone > limit.of(held):
        return Verdict(allowed=False, reason=f"{gone} of {held} projects would go, more than {limit.of(held)} ({limit})")
    return Verdict(allowed=True)


def drops(dropped: int, held: int, limit: Limit, before: str, now: str, brief: bool) -> Verdict:
    """
    Whether the projects that are no longer chosen may go, or whether it looks like a mistake in what chooses them.

    The owner's own will has no limit (M1). A requirements file that was cut short and a history of fetches that was lost are nobody's will.

    :param held: how many projects are here.
    :param before: by what was chosen before, as `chosen_by` says it; "" where that is not known.
    :param now: the same now.
    :param brief: whether what clients took is chosen, and less of their history is known than is chosen from.
    """
    if not dropped:
        return Verdict(allowed=True)
    (then, *had), (will, *has) = before.split("+"), now.split("+")
    if then and then != will:
        return Verdict(allowed=True)
    if NAMED in had and NAMED not in has:
        return Verdict(allowed=False, reason="the requirements name no project any more")
    if ASKED in had and ASKED not in has:
        return Verdict(allowed=False, reason="it is not known any more what clients took")
    if brief:
        return Verdict(allowed=False)
    if dropped > limit.of(held):
        return Verdict(allowed=False, reason=f"{dropped} of {held} projects would go, more than {limit.of(held)} ({limit})")
    return Verdict(allowed=True)


def chosen_by(configured: str, *, named: bool, asked: bool) -> str:
    """
    In one word what chooses: what the owner configured, and whether that finds anything in requirements and in what clients took.

    :param configured: the same for the same configuration.
    """
    return "+".join([sha256(configured.encode()).hexdigest()[:16], *([NAMED] if named else ()), *([ASKED] if asked else ())])


def limit(raw: str) -> Limit:
    """
    How much may be removed in one run: `5%` (then at least 3 projects may go, and never all) or a number of projects; `0` lets none go.

    :raises ValueError: it is neither.
    """
    match = _LIMIT.fullmatch(raw.strip())
    if match is None or (match[1] is not None and float(match[1]) > 100):
        raise ValueError(f"{raw.strip()[:40]!r} is neither a percentage such as 5% nor a number of projects")
    return Limit(float(match[1])) if match[1] is not None else Limit(None, int(match[2]))


def backoff(tries: int) -> float:
    """Seconds until that is tried again which failed so many times: a minute, twice as long each time, and six hours at most."""
    return min(FIRST_WAIT * 2.0 ** min(max(tries, 1) - 1, 30), LONGEST_WAIT)


def _ordered(entries: Iterator[tuple[NormalizedName, int]], what: str) -> Iterator[tuple[NormalizedName, int]]:
    previous = ""
    for entry in entries:
        if entry[0] <= previous:
            raise ValueError(f"{what} is not in order: {entry[0]} comes after {previous}")
        previous = entry[0]
        yield entry
