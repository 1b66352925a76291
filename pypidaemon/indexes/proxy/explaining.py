"""Why a proxy shows of a project what it does: how upstream is, what it said and when, and what was found out here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.explaining import MANY_FILES, held
from pypidaemon.indexes.proxy.doubting import Doubt
from pypidaemon.indexes.proxy.pages import Pages
from pypidaemon.interfaces import IBlobStore, IHealth
from pypidaemon.model import (
    AWAY,
    Digest,
    Explanation,
    Fact,
    File,
    Filename,
    HiddenFile,
    NormalizedName,
    Refusal,
    Remembered,
    UpstreamPage,
    Withdrawn,
)
from pypidaemon.moments import written
from pypidaemon.showing import changed, is_another
from pypidaemon.telling import WAITING

RESERVED = (("reserved", "no upstream is ever asked about a name like this"),)
"""What there is to say of a reserved name."""


@attrs.frozen
class _Found:
    """What is known here of a project."""

    facts: tuple[tuple[str, str], ...]
    remembered: Remembered | None
    known: Mapping[Filename, Fact]
    withdrawn: Mapping[Filename, Withdrawn]
    here: frozenset[Digest]
    waiting: bool
    """Whether upstream cannot be asked."""
    shrinks: bool


"""What there is to say of a file that cannot be given now."""


async def explained(told: Explanation, name: NormalizedName, pages: Pages, blobs: IBlobStore, shrinks: bool = False) -> Explanation:
    """
    What the index showed, with what is known of it here. Nothing is asked of upstream.

    :param shrinks: whether its pages at the door list only what is here while upstream is not up.
    """
    upstream = pages.upstream
    facts = [("upstream", upstream.label), ("state", _state(upstream.health))]
    if (doubt := pages.doubts.of(name)) is not None:
        facts.append(("doubted", _doubted(doubt, name)))
    try:
        shelved = pages.shelf.get(name)
        remembered = shelved.remembered if shelved is not None else await pages.records.pages.recall(told.index, name)
        known = await pages.records.facts.known(told.index, name)
        withdrawn = await pages.records.withdrawn.withdrawn(told.index, name)
        shown = told.page.files if told.page is not None else ()
        here = await held(blobs, shown, pages.cpu)
    except PypidaemonError as error:
        return attrs.evolve(told, facts=(*facts, ("trouble", str(error))))
    waits = pages.standing.line.state in AWAY
    if upstream.health.state in AWAY and not waits:
        facts.append(("standing in", "another index answers while this one does not"))
    found = _Found(tuple(facts), remembered, known, withdrawn, here, waits, shrinks)
    if max(len(shown), len(known)) > MANY_FILES:
        return await pages.cpu(_in_detail, told, found)
    return _in_detail(told, found)


def _in_detail(told: Explanation, found: _Found) -> Explanation:
    """All that was found, put together. Slow for long pages."""
    facts, remembered, known, withdrawn, here = list(found.facts), found.remembered, found.known, found.withdrawn, found.here
    shown = told.page.files if told.page is not None else ()
    if remembered is not None:
        facts += _remembered(remembered, stale=told.page is not None and told.page.stale)
    if told.page is not None:
        facts.append(("held here", f"{sum(file.digest in here for file in shown)} of {len(shown)} files"))
        if found.waiting:
            left_out = " and left out of pages" if found.shrinks else ""
            facts.append(
                ("waiting for the line", f"{sum(file.digest not in here for file in shown)} of {len(shown)} files, not held here{left_out}")
            )
    said = remembered.page if remembered is not None else None
    listed = {file.filename for file in shown}
    remarks = [(file.filename, "held here") for file in shown if file.digest in here]
    if found.waiting:
        remarks += [(file.filename, WAITING) for file in shown if file.digest not in here]
    remarks += _found_out(said, known, listed)
    remarks += [(filename, _kept(one)) for filename, one in withdrawn.items() if filename in listed]
    return attrs.evolve(told, facts=tuple(facts), remarks=tuple(remarks), hidden=tuple(_hidden(told.index, said, known, withdrawn, listed)))


def _state(health: IHealth) -> str:
    since = f" since {written(health.since)}" if health.since else ""
    return f"{health.state}{since}{f': {health.cause}' if health.cause else ''}"


def _doubted(doubt: Doubt, name: NormalizedName) -> str:
    seen = f"seen {doubt.looks} times since {written(doubt.since)}" if doubt.looks > 1 else f"seen once, on {written(doubt.since)}"
    return f"{doubt} ({seen}); the page before stays, and `pypidaemon refresh {name}` takes the other"


def _remembered(remembered: Remembered, *, stale: bool) -> Iterator[tuple[str, str]]:
    if remembered.fetched <= 0:
        yield "page", "as somebody else has kept it; upstream was not asked yet"
        return
    yield "page fetched" if remembered.page is not None else "found absent", written(remembered.fetched)
    yield "fresh until", written(remembered.fresh_until) + (" (upstream cannot be asked, so it goes on being given)" if stale else "")
    said = remembered.page
    if said is not None:
        if said.serial is not None:
            yield "serial", str(said.serial)
        yield "files listed by upstream", str(len(said.files))
        yield "status", said.status.marker + (f": {said.status.reason}" if said.status.reason else "")


def _found_out(said: UpstreamPage | None, known: Mapping[Filename, Fact], listed: set[Filename]) -> Iterator[tuple[Filename, str]]:
    if said is None:
        return
    for filename in changed(said, known):
        if filename in listed:
            yield filename, f"upstream has other bytes under this name by now; the first ones stay; {_accept(said, filename)}"
    for file in said.files:
        fact = known.get(file.filename)
        if fact is not None and fact.dated_by is not None and file.upload_time is None and file.filename in listed:
            yield file.filename, f"upstream gives no upload time; that of {fact.dated_by} stands in"


def _accept(said: UpstreamPage, filename: Filename) -> str:
    return f"`pypidaemon accept {said.name} {filename}` takes the others"


def _kept(one: Withdrawn) -> str:
    return f"upstream lists it no longer, as was seen on {written(one.since)}; it is kept"


def _hidden(
    label: str, said: UpstreamPage | None, known: Mapping[Filename, Fact], withdrawn: Mapping[Filename, Withdrawn], listed: set[Filename]
) -> Iterator[HiddenFile]:
    """What upstream lists, or listed, and the page does not."""
    status = said.status if said is not None else None
    reason = "upstream lists it and the page does not"
    if status is not None and status.marker == "quarantined":
        reason = "upstream has quarantined the project" + (f": {status.reason}" if status.reason else "")
    entries: dict[Filename, File] = {file.filename: file for file in said.files} if said is not None else {}
    for filename, file in entries.items():
        if filename not in listed:
            why = reason
            if said is not None and is_another(file, known.get(filename)):
                why = f"upstream has other bytes under this name by now, and the first ones are not here; {_accept(said, filename)}"
            yield HiddenFile(file, (Refusal(label, why),))
    for filename, one in withdrawn.items():
        if filename not in listed and filename not in entries:
            yield HiddenFile(one.entry, (Refusal(label, f"upstream lists it no longer, as was seen on {written(one.since)}"),))
