"""Why a mirror shows of a project what it does: what it was filled with and when, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.explaining import MANY_FILES, held
from pypidaemon.interfaces import IBlobStore, IRecords
from pypidaemon.model import Digest, Explanation, HiddenFile, InThread, Mirrored, NormalizedName, Refusal, Waiting
from pypidaemon.moments import written
from pypidaemon.showing import quarantined
from pypidaemon.telling import enumerated

RESERVED = (("reserved", "no upstream is ever asked about a name like this"),)
"""What there is to say of a reserved name."""


async def explained(told: Explanation, name: NormalizedName, records: IRecords, blobs: IBlobStore, cpu: InThread) -> Explanation:
    """What the index showed, with what is known of it here. Nothing is asked of upstream."""
    try:
        mirrored = await records.mirrors.page(told.index, name)
        waiting = await records.mirrors.waiting_of(told.index, name)
        shown = told.page.files if told.page is not None else ()
        here = await held(blobs, shown, cpu)
    except PypidaemonError as error:
        return attrs.evolve(told, facts=(("trouble", str(error)),))
    if len(shown) > MANY_FILES:
        return await cpu(_in_detail, told, mirrored, waiting, here)
    return _in_detail(told, mirrored, waiting, here)


def _in_detail(told: Explanation, mirrored: Mirrored | None, waiting: Waiting | None, here: frozenset[Digest]) -> Explanation:
    """The same, put together. Slow for long pages."""
    shown = told.page.files if told.page is not None else ()
    facts = [*_facts(mirrored), *_waits(waiting)]
    if told.page is not None:
        facts.append(("held here", f"{sum(file.digest in here for file in shown)} of {len(shown)} files"))
    hidden: tuple[HiddenFile, ...] = ()
    if mirrored is not None and quarantined(mirrored.page):
        reason = "upstream has quarantined the project" + (f": {mirrored.page.status.reason}" if mirrored.page.status.reason else "")
        hidden = tuple(HiddenFile(file, (Refusal(told.index, reason),)) for file in mirrored.page.files)
    return attrs.evolve(told, facts=tuple(facts), hidden=hidden)


def _facts(mirrored: Mirrored | None) -> Iterator[tuple[str, str]]:
    if mirrored is None:
        yield "mirrored", "no"
        return
    yield "mirrored", "all that was chosen" if mirrored.complete else "not all that was chosen"
    yield "upstream asked", written(mirrored.taken) if mirrored.taken else "not yet"
    if mirrored.lent:
        yield "lent", f"{enumerated(sorted(mirrored.lent))}, of which only an index that stood in has told; upstream has not spoken yet"
    if mirrored.serial:
        yield "serial", str(mirrored.serial)


def _waits(waiting: Waiting | None) -> Iterator[tuple[str, str]]:
    if waiting is not None:
        yield "to be fetched", f"from {written(waiting.due)} on, after {waiting.tries} tries: {waiting.reason}"
