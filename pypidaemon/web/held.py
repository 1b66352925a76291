"""
What pages list while the line to an upstream is down: what can be given from here (`while-down = held`).

A view at the door: the indexes go on saying what they always said, with the same revisions and serials, so that files, legacy documents and mirrors
of ours miss nothing, and the view is gone when the line is back. A resolver on a train reads it, and takes the newest release that is really here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IDependent, IIndex, IVouched
from pypidaemon.leaves import Leaf, leaves
from pypidaemon.model import Digest, File, Filename, InThread, ProjectPage
from pypidaemon.simple.reading import covering
from pypidaemon.simple.revision import revise
from pypidaemon.waits import TookTooLong, within

MARK = "held"
"""What tells the key of such a view from that of the same page in full."""
BRIEFLY = 5.0
"""Seconds for which an answer that is past its time is given again where some lines are down and others may not be."""
GLANCE = 0.3
"""
Seconds for which who asks for a page waits for a word from a line of which nothing was heard for long: an answer is back by then, and so is the word that
there is no way to it.
"""
TURNS = 3
"""In how many parts: what has come is only heard between two of them where the daemon itself was held up for as long as all of them."""
_MANY_FILES = 200


@attrs.frozen
class Left:
    """A page with what can be given from here alone, and how many files it has in full."""

    page: ProjectPage
    of: int
    whole: bool = False
    """Whether nothing on it is from who does not answer, so that it is a page as any other."""

    @property
    def counted(self) -> str:
        """As the header says it; "" where there is none."""
        return "" if self.whole else f"{len(self.page.files)} of {self.of}"


@attrs.frozen
class _Line:
    """A leaf that depends on an upstream."""

    label: str
    leaf: IDependent

    @property
    def lost(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.leaf.lost
        return found

    @property
    def rests(self) -> bool:
        return bool(self.leaf.line.state != "up")


@attrs.define(eq=False)
class Held:
    """
    Knows for every exposed index which lines it depends on, and what is left of its pages while these are down.

    :param turned: called when a line goes down or comes back.
    :param stirred: called whenever `down` or `resting` may answer something else than they did.
    """

    indexes: Mapping[str, IIndex]
    clock: IReactorTime
    cpu: InThread
    turned: Callable[[], None]
    stirred: Callable[[], None] = lambda: None
    _vouched: dict[str, tuple[tuple[str, IVouched], ...]] = attrs.field(init=False, repr=False)
    """By index, the labels of the leaves whose pages may be cut short, and the healths that know when something was heard last."""
    _lines: dict[str, tuple[_Line, ...]] = attrs.field(init=False, repr=False)
    _down: tuple[tuple[str, ...], ...] = attrs.field(init=False, repr=False)
    _short: dict[str, tuple[str, ...]] = attrs.field(init=False, repr=False)
    """What `down` answers, made anew at every change."""

    def __attrs_post_init__(self) -> None:
        self._lines = {label: _lines(index) for label, index in self.indexes.items()}
        self._vouched = {label: tuple(_vouched(lines)) for label, lines in self._lines.items()}
        self._down = self._now()
        self._short = self._cut_short()
        for line in {id(line.leaf): line for lines in self._lines.values() for line in lines}.values():
            line.leaf.listen(self._changed)

    def down(self, index: str) -> tuple[str, ...]:
        """The labels of the leaves below that index whose pages are cut short now; asked with every request, and nearly always none."""
        return self._short[index]

    def resting(self, index: str) -> float:
        """
        Seconds for which an answer that is past its time may be given again without asking the index: for good where it cannot become a better one
        until something is announced, since the one line there is, is down; 0 where none is.

        Where there are several lines, how long an answer holds may depend on one that is up, so it is asked every few seconds.
        """
        lines = self._lines[index]
        if not any(line.rests for line in lines):
            return 0.0
        return math.inf if len(lines) == 1 else BRIEFLY

    def vouched(self, index: str, sources: Collection[str]) -> float:
        """
        Until when a page from these sources may be given as it is, as far as lines are concerned, seconds since the epoch; for good in most cases.

        After that it may list what cannot be had any more, without anybody having noticed that a line was cut. Asked with every request.
        """
        return min([vouched.vouched() for label, vouched in self._vouched[index] if label in sources], default=math.inf)

    async def confirmed(self, index: str, sources: Collection[str]) -> None:
        """Give such lines a moment to show whether they are there; what comes of it is known to `down` when this comes back."""
        for label, vouched in self._vouched[index]:
            if label in sources:
                await self._glance(vouched)

    async def _glance(self, vouched: IVouched) -> None:
        turns = 0
        # Where one falls, another that stands in for it may have to be waited for.
        while vouched.vouched() <= self.clock.seconds():
            if turns == TURNS:
                vouched.unheard()
                return
            turns += 1
            with suppress(TookTooLong):
                await within(self.clock, GLANCE / TURNS, vouched.confirmed())

    async def left(self, index: str, through: IIndex, page: ProjectPage) -> Left | None:
        """
        What is left of that page now; None where all of it can be given.

        :param index: the label of the exposed index.
        :param through: the index that gave the page, which may be a view of that one.
        """
        down = set(self.down(index))
        if down.isdisjoint(page.sources):
            return None
        beyond: list[File] = []
        here: set[Digest] = set()
        for leaf, files in await self._owned(through, page):
            if leaf.index.label in down:
                dependent = IDependent(leaf.index)
                away = [file for file in files if not dependent.reaches(file)]
                beyond += away
                here |= await dependent.holding(_digests(away)) if away else frozenset()
        if not beyond:
            return Left(page, len(page.files), whole=True)
        names = frozenset([file.filename for file in beyond])
        return await self.cpu(_left, page, names, here) if len(page.files) > _MANY_FILES else _left(page, names, here)

    def _now(self) -> tuple[tuple[str, ...], ...]:
        return tuple([line.lost for lines in self._lines.values() for line in lines])

    def _changed(self) -> None:
        """A listener of `IHealth`, which also hears of what makes no difference here."""
        before, self._down = self._down, self._now()
        if before != self._down:
            self._short = self._cut_short()
            self.turned()
        self.stirred()

    def _cut_short(self) -> dict[str, tuple[str, ...]]:
        return {label: tuple([line.label for line in lines if line.leaf.shrinks and line.lost]) for label, lines in self._lines.items()}

    async def _owned(self, index: IIndex, page: ProjectPage) -> list[tuple[Leaf, Sequence[File]]]:
        """The leaves that the files of the page are from, each with its own; the first that lists a file gave it, as a combiner has it."""
        below: dict[str, Leaf] = {}
        for leaf in leaves(index):
            if leaf.index.label in page.sources:
                below.setdefault(leaf.index.label, leaf)
        if len(below) == 1:
            return [(leaf, page.files) for leaf in below.values()]
        owned: list[tuple[Leaf, Sequence[File]]] = []
        left = {file.filename: file for file in page.files}
        for leaf in below.values():
            listed = await _listed(leaf, page)
            owned.append((leaf, [left.pop(filename) for filename in listed if filename in left]))
        return owned


def _lines(index: IIndex) -> tuple[_Line, ...]:
    found = {leaf.index.label: leaf.index for leaf in leaves(index) if IDependent.providedBy(leaf.index)}
    return tuple(_Line(label, IDependent(leaf)) for label, leaf in found.items())


def _vouched(lines: Iterable[_Line]) -> Iterator[tuple[str, IVouched]]:
    for line in lines:
        if line.leaf.shrinks and IVouched.providedBy(line.leaf.line):
            yield line.label, IVouched(line.leaf.line)


async def _listed(leaf: Leaf, page: ProjectPage) -> list[Filename]:
    """The files that the leaf lists of that project; what cannot be asked now gave nothing of the page."""
    try:
        return [file.filename for file in (await leaf.view.project_page(page.name)).files]
    except PypidaemonError:
        return []


def _digests(files: Iterable[File]) -> frozenset[Digest]:
    """Those of the files and of the METADATA that their page promises."""
    return frozenset(Digest(one) for file in files for one in (file.digest, file.core_metadata) if one)


def _left(page: ProjectPage, beyond: Collection[Filename], here: Collection[Digest]) -> Left:
    """
    The page without those of the files beyond the line that are not here.

    METADATA that is not here is not promised: whoever is promised it, and does not get it, fails (R99), and does well without.
    """
    files = []
    for file in page.files:
        if file.filename not in beyond:
            files.append(file)
        elif file.digest in here:
            promised = file.core_metadata
            files.append(file if promised is None or promised in here else attrs.evolve(file, core_metadata=None))
    left = attrs.evolve(page, files=tuple(files), versions=covering(page.name, (), files))
    return Left(revise(left), len(page.files))
