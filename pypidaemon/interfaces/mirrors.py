"""Mirrors: what they remember, and how an index is filled before anybody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import Attribute, Interface

from pypidaemon.interfaces.contents import IBlobStore, IContent
from pypidaemon.interfaces.indexes import IIndex
from pypidaemon.interfaces.upstreams import IUpstream
from pypidaemon.model import Companion, Digest, File, Filename, Leaving, Mirrored, NormalizedName, Progress, ProjectPage, Waiting


class IMirrorRecords(Interface):
    """What mirrors hold, by label. Every change is durable when it comes back, and all or nothing."""

    async def page(label: str, name: NormalizedName) -> Mirrored | None:
        """
        What is offered of that project; None where it is not mirrored.

        A page that cannot be read any more counts as none; the project is then put on the list of those that wait.
        """

    async def keep(label: str, name: NormalizedName, mirrored: Mirrored) -> None:
        """
        Offer this instead of what was offered before, and take the project off the list of those that wait.

        What it offers, name and bytes, leaves no longer.
        """

    async def serials(label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The projects after that name in order of names ("" begins), at most `limit`, each with the serial of its `Mirrored`."""

    async def count(label: str) -> int:
        """How many projects are mirrored."""

    async def leave(label: str, leaving: Sequence[Leaving]) -> None:
        """
        Offer these no longer, all at once; what they were is kept.

        Of a project that leaves again before its time the files of both times are kept, until the later time; of a file only the last.
        """

    async def leaving(label: str) -> list[Leaving]:
        """
        All that was taken away and still waits, in order of names, of each the project before its files.

        Of one that cannot be read any more the page is empty.
        """

    async def bring_back(label: str, name: NormalizedName) -> int:
        """
        Offer again what left of that project and still waits, in addition to what is offered of it; answer how many files that were.

        A file whose name is offered again with other bytes stays as it is, and the one that left goes on waiting.
        """

    async def forget_leaving(label: str, before: float) -> list[Leaving]:
        """Forget those whose time is over by then, and answer them."""

    async def pin(label: str, name: NormalizedName, pinned: bool) -> None:
        """Note that what upstream takes away of that project stays, or no longer."""

    async def pinned(label: str) -> frozenset[NormalizedName]:
        """The pinned projects."""

    async def wait(label: str, waiting: Sequence[Waiting]) -> None:
        """Put these on the list of what is to be done, instead of what it said of them."""

    async def done(label: str, name: NormalizedName) -> None:
        """Take that project off the list."""

    async def waiting(label: str) -> list[Waiting]:
        """The list, in order of names. It may be long: whoever wants one of them, or the first, asks for that."""

    async def first_waiting(label: str, limit: int) -> list[Waiting]:
        """The first of the list in that order, at most `limit`."""

    async def waiting_of(label: str, name: NormalizedName) -> Waiting | None:
        """What the list says of that project; None where it is not on it."""

    async def queue(label: str) -> tuple[int, float]:
        """How many are on the list, and the first moment that one of them waits for; infinity where there are none."""

    async def failing(label: str, now: float) -> int:
        """How many on the list were tried and failed, or are due by then; the others only wait for their time."""

    async def progress(label: str) -> Progress:
        """How far it has come."""

    async def advance(label: str, progress: Progress) -> None:
        """Remember this instead."""

    async def references(digest: Digest) -> int:
        """How many mirrored files, sidecars and documents of any label have these bytes, those that are leaving included."""

    async def digests(after: str, limit: int) -> list[Digest]:
        """Those digests after that one in their order ("" begins), at most `limit`: there may be tens of millions."""


class ITurn(Interface):
    """The turn of somebody who makes requests to an upstream, one at a time, while no more than so many are made at once by all (R210)."""

    async def enter() -> None:
        """Wait for it, where it is not held."""

    def leave(count: int) -> None:
        """
        Let others make requests, while what came is dealt with; where it is not held, nothing.

        :param count: how many bytes came by the last request.
        """


class IFillable(IIndex):
    """An index that can be filled before anybody asks: a mirror, which shows what it was filled with, or a proxy, which then has the files here."""

    upstream: IUpstream = Attribute("An IUpstream: whom it is filled from.")
    blobs: IBlobStore = Attribute("An IBlobStore: where what was taken is.")

    async def offered(name: NormalizedName, serial: int) -> ProjectPage:
        """
        What upstream has of that project now, before any choice.

        :param serial: the serial that upstream's list announced; a page below it is not accepted (R209, M8). 0 accepts any.
        :raises NoSuchProject: upstream says that there is none.
        :raises UpstreamUnavailable: it cannot be asked, or what it says is older than announced.
        """

    async def foresee(files: Sequence[File]) -> None:
        """These are about to be taken, each once: what is to be found out of all of them is found out by one question."""

    async def take(name: NormalizedName, file: File, turn: ITurn | None = None) -> int:
        """
        Have that file and its companions here, verified and durable; answer how many bytes were fetched for it, 0 where all was here.

        :param turn: held by whoever asks, left when the bytes of a request have come, and entered again before the next; None is nobody's.
        :raises PypidaemonError: it could not be had.
        """

    async def fill(page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> frozenset[Filename]:
        """
        Offer of that page these files, which were taken; answer the names of those that were offered before and are not any more.

        :param complete: whether these are all that were chosen.
        """

    async def companion(name: NormalizedName, file: File, companion: Companion) -> IContent:
        """
        A companion of a file that was offered, whether anything of it is shown or not: policies may go by it before they let the file in.

        :raises NoSuchFile: it has none.
        :raises PypidaemonError: it could not be had.
        """

    async def taken(name: NormalizedName) -> Mapping[Filename, Digest | None] | None:
        """The files of that project that are here, with their digests; None where nothing was ever taken."""


class IMirror(IFillable):
    """One that shows what it was filled with and nothing else, so that what upstream takes away has to be taken away from it."""

    removal: str = Attribute('"follow" or "keep": what becomes of what upstream removed.')
    removal_delay: float = Attribute("For how many seconds what went can be brought back.")
    removal_limit: Any = Attribute("How many projects may go in one run: a `plans.Limit`.")


class IMirroring(Interface):
    """A service that fills an index, by itself and when it is told to."""

    label: str = Attribute("The label of its section.")
    index: IFillable = Attribute("The index that it fills.")

    def begin(project: NormalizedName | None, rehearsal: bool) -> int:
        """
        Begin a run for one project, or with None for everything, and answer its number; where such a run is under way, that one's.

        :param rehearsal: whether nothing is to be changed, and only to be said what would be.
        :raises PypidaemonError: so many projects were ordered and are not done that no more may wait.
        """

    async def over(number: int) -> None:
        """Come back when that run has ended; at once where there is none. Whoever stops waiting leaves it running."""

    async def state() -> dict[str, Any]:
        """
        How it is, as JSON: how far it has come, what waits and why, what runs, and by their numbers how the last runs ended.

        :raises PypidaemonError: the records cannot be read.
        """


class IPushing(Interface):
    """A service that brings what was published here to another index, by itself and when it is told to."""

    label: str = Attribute("The label of its section.")

    def begin() -> int:
        """
        Begin to look at everything, and to push what is lacking; answer the number of the run. Where one is under way, that one's.

        :raises PypidaemonError: it has been told to stop.
        """

    def state() -> dict[str, Any]:
        """How it is, as JSON: what was pushed, what conflicts, and why it cannot go on."""
