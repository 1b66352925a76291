"""The serial of a page, also when the books cannot be written, and what an upstream's serials say of a page's age."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.interfaces import IHostedIndex, IIndex, IRecords, ISeenThrough
from pypidaemon.leaves import leaves
from pypidaemon.model import NormalizedName, ProjectPage, UpstreamPage

SETTLED = 3600.0
"""Seconds after which a serial below the one we know is believed: a page from a lagging cache is gone by then (S33, F22)."""

BURIED = "refused"
"""Stands for the revision of a project that was shown and is refused as a whole; no page has it."""

log = Logger()


async def serial_of(records: IRecords, label: str, name: NormalizedName, revision: str, at_least: int) -> int:
    """
    As `ILedger.number`; where the ledger cannot write now, `at_least` or 1, since a full disk must not keep anybody from reading (F53, F54).

    Such a number is not remembered, so the page gets its own as soon as there is room. It is never below one that was shown before (R69).
    """
    try:
        return await records.ledger.number(label, name, revision, at_least)
    except PypidaemonError as error:
        log.warn("{label}: no serial can be given to {name}: {error}", label=label, name=name, error=str(error))
        return max(at_least, await _last(records, label, name), 1)


async def raised(
    records: IRecords, label: str, name: NormalizedName, revision: str, at_least: int, top: Callable[[], Awaitable[int]]
) -> int:
    """
    As `serial_of`; a number that is new is above all that were shown, so that whoever has followed the changes up to now hears of it.

    :param top: the highest number that the index shows.
    """
    before = await _last(records, label, name)
    serial = await serial_of(records, label, name, revision, at_least)
    if serial <= before:
        return serial
    try:
        above = await top()
        # Its own number is among those.
        return serial if serial >= above else await records.ledger.number(label, name, revision, above + 1)
    except PypidaemonError:
        return serial


async def highest(records: IRecords, index: IIndex) -> int:
    """
    The highest serial that the index has given; an upstream's list may have higher ones, of projects that nobody has asked for here.

    :raises PypidaemonError: the records cannot be read.
    """
    if ISeenThrough.providedBy(index):
        return max(await records.ledger.high(index.numbers), await highest(records, index.index))
    if IHostedIndex.providedBy(index):
        return (await index.project_names()).serial
    return await records.ledger.high(index.label)


async def combined_serial(records: IRecords, index: IIndex, page: ProjectPage, name: NormalizedName) -> int:
    """
    The serial of a page that a combiner answers with, in the combiner's own space (R68).

    Our own indexes count from 1, and who follows an upstream's numbers is far beyond that. So a new state of a page that is ours gets a number above
    every one that was shown, the upstreams' lists as they are remembered included (R69, R71): a mirror that has read those hears of it.
    """
    if page.fresh_until is not None:
        return await serial_of(records, index.label, name, page.revision, page.serial)

    async def top() -> int:
        lists = [await records.pages.recall_names(leaf.index.label) for leaf in leaves(index) if not leaf.local]
        return max([await records.ledger.high(index.label), *(remembered.serial for remembered in lists if remembered is not None)])

    return await raised(records, index.label, name, page.revision, page.serial, top)


async def _last(records: IRecords, label: str, name: NormalizedName) -> int:
    try:
        return await records.ledger.serial(label, name)
    except PypidaemonError:
        return 0


def steps_back(known: UpstreamPage, said: UpstreamPage, age: float) -> bool:
    """
    Whether a page is older than the one that is known, and not yet to be believed for all that.

    What another index said, such as that which was configured before, has numbers of its own (F22).

    :param age: how long ago the known one was said, in seconds.
    """
    if known.validators.source and said.validators.source not in ("", known.validators.source):
        return False
    return said.serial is not None and known.serial is not None and said.serial < known.serial and age < SETTLED


def insist_on(upstream: str, serial: int | None, announced: int) -> None:
    """
    Insist that a page is at least as new as the project list of the same upstream says (R209, M8). One without a serial cannot be told.

    :raises UpstreamUnavailable: it is older, as from a cache on the way that lags behind.
    """
    if serial is not None and serial < announced:
        raise UpstreamUnavailable(upstream, f"its page is older than announced: it has serial {serial}, the project list {announced}", 60)
