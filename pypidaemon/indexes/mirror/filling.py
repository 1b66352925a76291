"""
How a mirror is filled: what upstream has, the bytes of what was chosen, and the change of what is offered, which comes last.

Bytes are durable before the one record that offers them is written (law 7). A run that is killed in between leaves a page as it was, and finds the
bytes here when it comes again (M3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.announcements import Announcements
from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError, UpstreamDeclines, UpstreamUnavailable
from pypidaemon.indexes.mirror.documents import Documents
from pypidaemon.indexes.mirror.hold import Hold
from pypidaemon.indexes.mirror.keeping import cut_down, filled, needed, with_firsts
from pypidaemon.indexes.mirror.pages import Pages
from pypidaemon.interfaces import IBlobStore, IContent, IRecords, IStandIns, ITurn, IUpstream
from pypidaemon.model import (
    Companion,
    Digest,
    Fact,
    File,
    Filename,
    Leaving,
    Mirrored,
    NormalizedName,
    NotModified,
    P,
    ProjectPage,
    Remembered,
    T,
    UpstreamPage,
    Validators,
)
from pypidaemon.moments import uploaded, written
from pypidaemon.serials import insist_on, steps_back
from pypidaemon.showing import changed, chosen, completed, show
from pypidaemon.stand_ins import able, passed_over
from pypidaemon.standing import together
from pypidaemon.telling import enumerated
from pypidaemon.upstream_files import UpstreamFiles, holding, renewed

_MANY_FILES = 200

log = Logger()


@attrs.define
class Filling:
    """
    What fills one mirror.

    :param keeps: whether what upstream takes away of any project goes on being offered.
    :param delay: for how many seconds the bytes of what goes are kept.
    """

    label: str
    upstream: IUpstream
    records: IRecords
    blobs: IBlobStore
    clock: IReactorTime
    files: UpstreamFiles
    documents: Documents
    pages: Pages
    announcements: Announcements
    keeps: bool
    delay: float
    hold: Hold = attrs.field(init=False)
    _lent: dict[NormalizedName, frozenset[Filename]] = attrs.field(factory=dict, init=False, repr=False)
    """Of the pages that were offered last, the files that only an index which stands in has told of."""

    def __attrs_post_init__(self) -> None:
        self.hold = Hold(self.label, self.records, self.blobs, self.documents, self.clock)

    async def offered(self, name: NormalizedName, serial: int) -> ProjectPage:
        """As `IFillable`: asked for on condition that it has changed, so that one that has not costs no more than an empty answer."""
        before = await self.records.pages.recall(self.label, name)
        known = before.page if before is not None else None
        if passed_over(self.upstream):
            return await self._borrowed(name, before, None)
        try:
            said = await self.upstream.fetch_page(name, known.validators if known is not None else Validators())
        except NoSuchProject:
            # Upstream's word too: while it cannot be asked nobody else's page takes the place of it (M18).
            now = self.clock.seconds()
            await self.records.pages.keep(self.label, name, Remembered(None, now, now))
            raise
        except UpstreamUnavailable as error:
            if isinstance(error, UpstreamDeclines) or not able(self.upstream):
                raise
            return await self._borrowed(name, before, error)
        now = self.clock.seconds()
        if isinstance(said, NotModified):
            if known is None:
                raise UpstreamUnavailable(self.upstream.label, "it confirms a page that we do not hold")
            said = attrs.evolve(known, serial=max(known.serial or 0, said.serial or 0) or None)
        elif before is not None and known is not None and steps_back(known, said, now - before.fetched):
            raise UpstreamUnavailable(self.upstream.label, f"its page came back with serial {said.serial}, below {known.serial}", 60)
        insist_on(self.upstream.label, said.serial, serial)
        if said.refused:
            log.warn("{label}: {count} entries of {name} are not clean and were dropped", label=self.label, count=said.refused, name=name)
        await self.records.pages.keep(self.label, name, Remembered(said, now, now))
        self._lent.pop(name, None)
        return await self._shown(said)

    async def take(self, name: NormalizedName, file: File, turn: ITurn | None = None) -> int:
        """As `IFillable`."""
        fetched = await self.files.take(name, file, turn, learns=self._learns(name, file)) + await self.documents.take(name, file, turn)
        await self.hold.add(name, file)
        return fetched

    async def companion(self, name: NormalizedName, file: File, companion: Companion) -> IContent:
        """As `IFillable`."""
        if companion is not Companion.PROVENANCE:
            if companion is Companion.METADATA:
                return await self.files.sidecar(name, file)
            return await self.files.open(name, file, learns=self._learns(name, file))
        await self.documents.take(name, file)
        digest = (await self.documents.of(name, [file], None)).get(file.filename)
        if digest is None:
            raise NoSuchFile(file.filename + companion.value)
        return await self.blobs.open(digest)

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> frozenset[Filename]:
        """
        As `IFillable`.

        What upstream's page lists no longer waits for `delay` seconds, or stays where that is chosen or the project is pinned; what it lists and was not chosen
        is offered no longer, unless the run was not `complete`.

        :raises PypidaemonError: something of it is not here, so nothing of it is offered; or it cannot be recorded.
        """
        name = page.name
        facts = await self.records.facts.known(self.label, name)
        recorded = await self.records.mirrors.page(self.label, name)
        # What was only lent is as if it had never been, once upstream has spoken.
        before = recorded.without(recorded.lent - (page.lent or frozenset())) if recorded is not None else None
        # Whoever fills may have asked before what is offered by now was recorded.
        firsts, _ = await self._work(files, with_firsts, files, before)
        documents = await self.documents.of(name, firsts, before)
        now = self.clock.seconds()
        made = await self._work(files, _made, self.label, page, firsts, facts, documents)
        lent = (page.lent or frozenset()).intersection(file.filename for file in made.files)
        # It is upstream that was asked then, and nobody else.
        taken = now if page.lent is None else before.taken if before is not None else 0.0
        new = Mirrored(made, serial, complete, taken, tuple(documents.items()), lent)
        await self._insist_on_bytes(new, recorded)
        # Where nothing was offered nothing can go or stay.
        stays = before is not None and (self.keeps or name in await self.records.mirrors.pinned(self.label))
        listed = await self._listed(page) if before is not None else frozenset()
        outcome = await self._work(page.files, filled, before, page, new, listed, stays=stays)
        try:
            if outcome.gone:
                assert before is not None  # or nothing could have gone
                await self._let_go(before, outcome.gone, now)
            await self.records.mirrors.keep(self.label, name, outcome.mirrored)
            # So that the serials tell of the change before anybody asks for the page (R71).
            await self.pages.made(outcome.mirrored)
        finally:
            self.announcements.announce(name)
        self.hold.let_go(name)
        return _names(recorded) - _names(outcome.mirrored)

    async def taken(self, name: NormalizedName) -> Mapping[Filename, Digest | None] | None:
        """As `IFillable`."""
        mirrored = await self.records.mirrors.page(self.label, name)
        return None if mirrored is None else {file.filename: file.digest for file in mirrored.page.files}

    async def _borrowed(self, name: NormalizedName, before: Remembered | None, trouble: UpstreamUnavailable | None) -> ProjectPage:
        """
        Upstream's last word on that project, with what an index that stands in has told of since (M18).

        :raises UpstreamUnavailable: nobody who stands in has a page of it either. That is no absence (law 10).
        """
        health = self.upstream.health
        try:
            said = None if await self._is_absent(before) else await IStandIns(self.upstream).stand_in(name)
        except (NoSuchProject, UpstreamUnavailable):
            said = None
        if said is None:
            cause = health.cause or "it does not answer"
            raise trouble or UpstreamUnavailable(self.upstream.label, cause, health.retry_after())
        held = await self.records.mirrors.page(self.label, name)
        known, confirmed = (before.page, before.fetched) if before is not None else (None, 0.0)
        if known is None and held is not None and held.taken:
            known, confirmed = held.own.page, held.taken
        # What upstream had once and does not list any more it has taken away, however young it was (S33).
        gone = set(await self.records.facts.known(self.label, name)) if known is not None else set[Filename]()
        made = together(known, confirmed, said, gone)
        if made is not None and any(uploaded(file) is None for file in made.page.files if file.filename in made.added):
            leaving = await self.records.mirrors.leaving(self.label)
            gone.update(file.filename for one in leaving if one.name == name for file in one.mirrored.page.files)
            made = together(known, confirmed, said, gone)
        page = made.page if made is not None else known
        assert page is not None  # for of what nothing is known all is made
        before_it = held.lent if held is not None else frozenset()
        # Of what upstream has told since, what was lent of it counts no longer, though it may not have been recorded yet.
        told = {file.filename for file in known.files} if known is not None else set()
        lent = (made.added if made is not None else frozenset()) | (before_it - told)
        if lent:
            self._lent[name] = lent
        # A quarantine hides all there is, and nobody but upstream takes anything away (M7).
        status = known.status if known is not None else page.status
        return await self._shown(attrs.evolve(page, status=status), lent)

    def _learns(self, name: NormalizedName, file: File) -> bool:
        """What is found out about a file stays, so nothing is while only an index that stands in has told of it (S28)."""
        return file.filename not in self._lent.get(name, ())

    async def _is_absent(self, before: Remembered | None) -> bool:
        """Whether this very upstream said last that there is no such project: then there is none, whoever has one."""
        if before is None or before.page is not None:
            return False
        return before.fetched >= (await self.records.mirrors.progress(self.label)).since

    async def _shown(self, said: UpstreamPage, lent: frozenset[Filename] | None = None) -> ProjectPage:
        """
        The page, on which every file means the bytes that were first seen under its name (S28, F26).

        Of a file that is offered that is so whatever upstream says. One that is not and whose first bytes are here no longer is left out.
        """
        name = said.name
        facts = await self.records.facts.known(self.label, name)
        before = await self.records.mirrors.page(self.label, name)
        before = before.without(before.lent - (lent or frozenset())) if before is not None else None
        files, others = await self._work(said.files, with_firsts, said.files, before)
        listed = said if files is said.files else attrs.evolve(said, files=files)
        unlike = [filename for filename in changed(listed, facts) if filename not in others]
        if unlike:
            files = await self._without(name, files, unlike, facts, before)
            listed = attrs.evolve(said, files=files)
        if lent is None:
            await self._note_others(said, (*others, *unlike))
        page = await self._work(files, show, self.label, listed, facts)
        return attrs.evolve(page, serial=said.serial or 0, lent=lent)

    async def _note_others(self, said: UpstreamPage, unlike: Collection[Filename]) -> None:
        """Have it on record of which files upstream has other bytes, and tell of each once."""
        noted = await self.records.facts.replaced((self.label, said.name, ""), 1)
        if unlike or any((one.label, one.name) == (self.label, said.name) for one in noted):
            others = {file.filename: file.digest or "" for file in said.files if file.filename in unlike}
            new = await self.records.facts.differ(self.label, said.name, others, self.clock.seconds())
            if new:
                log.warn("{label}: upstream has other bytes for {files} of {name} by now; the first ones stay, and these are not taken until they are accepted",
                         label=self.label, name=said.name, files=enumerated(list(new)))  # fmt: skip

    async def _without(
        self,
        name: NormalizedName,
        files: Sequence[File],
        unlike: Collection[Filename],
        facts: Mapping[Filename, Fact],
        before: Mirrored | None,
    ) -> tuple[File, ...]:
        """The entries, save those of files that are pinned to bytes which cannot be had any more."""
        offered = {file.filename for file in before.page.files} if before is not None else set()
        pins = {filename: digest for filename in unlike if (digest := facts[filename].digest) is not None}
        here = await holding(self.blobs, [digest for filename, digest in pins.items() if filename not in offered])
        lost = {filename for filename, digest in pins.items() if filename not in offered and digest not in here}
        return tuple(file for file in files if file.filename not in lost)

    async def _work(self, long: Sequence[File], function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what takes a while for that many files where it disturbs nobody."""
        return await self.pages.cpu(function, *args, **kwargs) if len(long) > _MANY_FILES else function(*args, **kwargs)

    async def _listed(self, page: ProjectPage) -> frozenset[Filename]:
        """What upstream lists, also where the page that was given has less, because something of it was filtered."""
        remembered = await self.records.pages.recall(self.label, page.name)
        said = remembered.page.files if remembered is not None and remembered.page is not None else ()
        return frozenset(file.filename for file in (*page.files, *said))

    async def _insist_on_bytes(self, new: Mirrored, before: Mirrored | None) -> None:
        """
        Insist that everything is here; what is new on the page is from now on too young to be cleared away before the record names it.

        :raises PypidaemonError: something is not here.
        """
        unknown = [file.filename for file in new.page.files if file.digest is None]
        needs = needed(new)
        recorded = needs & needed(before) if before is not None else frozenset()
        missing = needs - await renewed(self.blobs, needs - recorded)
        if recorded:
            missing -= await holding(self.blobs, recorded)
        if unknown or missing:
            raise PypidaemonError(
                f"{self.label}: something of {new.page.name} is not here, so it cannot be offered: {[*unknown, *missing][0]}"
            )

    async def _let_go(self, before: Mirrored, gone: Sequence[File], now: float) -> None:
        for file in gone:
            # Should it come back with other bytes, these are the first ones all the same (F26).
            sidecar = Digest(file.core_metadata) if file.core_metadata else None
            await self.records.facts.learn(self.label, before.page.name, file.filename, Fact(file.digest, file.size, sidecar))
        leaving = [Leaving(before.page.name, file.filename, now, now + self.delay, cut_down(before, [file])) for file in gone]
        await self.records.mirrors.leave(self.label, leaving)
        log.info(
            "{label}: of {name} upstream no longer lists {files}: offered no longer, and can be brought back until {until}",
            label=self.label, name=before.page.name, files=enumerated([file.filename for file in gone]), until=written(now + self.delay),
        )  # fmt: skip


def _made(
    label: str, page: ProjectPage, files: Sequence[File], facts: Mapping[Filename, Fact], documents: Collection[Filename]
) -> UpstreamPage:
    """What is offered of that page: each file as it is here, with a provenance only where its document is."""
    entries = completed(label, page.name, files, facts)
    return chosen(
        page,
        [entry if entry.provenance is None or entry.filename in documents else attrs.evolve(entry, provenance=None) for entry in entries],
    )


def _names(mirrored: Mirrored | None) -> frozenset[Filename]:
    return frozenset(file.filename for file in mirrored.page.files) if mirrored is not None else frozenset()
