"""
The files of an upstream, had through the spool: when somebody asks for one, or ahead of that, with the companions that its page promises.

A file that is here is never fetched again, whoever fetched it: the store knows bytes, and not which index they came for (N9).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import closing, suppress
from functools import partial

import attrs

from pypidaemon.archives.beginnings import LONGEST, begins_well
from pypidaemon.budget import MIRRORED
from pypidaemon.errors import CorruptContent, NoSuchBlob, NoSuchFile, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.filenames import package_type
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBlobStore, IContent, IHolding, IOnDisk, IRecords, ITended, ITurn, IUpstream
from pypidaemon.model import Digest, Fact, File, Filename, InThread, NormalizedName, Use
from pypidaemon.opening import with_digest
from pypidaemon.pace import Held
from pypidaemon.passing import Given, PassingContent
from pypidaemon.sidecars import Sidecars, metadata_in
from pypidaemon.spool import Spool, Want
from pypidaemon.transfers import SMALL
from pypidaemon.volume import Allotment
from pypidaemon.whereabouts import OnePlace, whereabouts

_MOST_ABSENT = 100_000


def _uncounted(count: int) -> None:
    """Nobody has a turn to leave when so many bytes have come."""


@attrs.define
class UpstreamFiles:
    """
    The files of one index's upstream.

    :param check: insists that a file may be given to anybody, and raises Refused; asked when it turns out whose bytes it is, which whoever judged the entry
        could not know.
    :param announce: as in `Sidecars`.
    :param noted: whether it is noted which files are used, so that those which are not can be evicted.
    :param allotment: what may be taken ahead.
    :param learned: told of a project when something was found out about one of its files, so that its page is to be made anew.
    """

    label: str
    upstream: IUpstream
    records: IRecords
    blobs: IBlobStore
    spool: Spool
    disk: InThread
    check: Callable[[NormalizedName, File], None]
    announce: Callable[[NormalizedName], None]
    learned: Callable[[NormalizedName], Awaitable[None]]
    noted: bool = False
    allotment: Allotment = attrs.field(factory=lambda: Allotment(MIRRORED))
    sidecars: Sidecars = attrs.field(init=False)
    _absent: set[Digest] = attrs.field(factory=set, init=False, repr=False)
    """What the store was found not to hold, and is about to be taken."""
    background: Flights[Filename, Digest] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    def __attrs_post_init__(self) -> None:
        self.sidecars = Sidecars(self.label, self.upstream, self.records, self.blobs, self.spool, self.disk, self.announce, self.learned)

    async def open(self, name: NormalizedName, file: File, *, learns: bool = True) -> IContent:
        """
        The bytes of a file: from the store, else through one shared download that is verified before its last byte is given; where there is no room for it,
        past the store (F53).

        A wheel without a sidecar is given one behind the client's back (R102).

        :param learns: whether anything may be noted of the file that outlives its entry on the page.
        """
        arrived = partial(self._begin_sidecar, name, file) if learns else _nothing
        want = self._want(name, file, arrived, waited_for=True)
        content = await self.spool.give(want)
        if not isinstance(content, Given | PassingContent | Held):
            await self._note(name, file.filename, content.digest, content.size)
        return content

    async def sidecar(
        self, name: NormalizedName, file: File, fetched: Callable[[int], None] = lambda _: None, *, keep: bool = False
    ) -> IContent:
        """
        The `.metadata` of a file whose page promises one.

        :param fetched: told how many bytes were fetched for it, if any were.
        :param keep: whether it has to be here afterwards; else it passes through where there is no room for it.
        :raises NoSuchFile: the page promises none, or it cannot be had; then the promise is withdrawn.
        :raises UpstreamUnavailable: it is not here and cannot be had now.
        """
        try:
            return await self.sidecars.open(name, file, fetched, keep=keep)
        except (NoSuchFile, NoSuchBlob):
            # A client that was promised one fails without it (R99), so what is promised is made, also where that takes the whole wheel.
            made = await self._from_wheel(name, file, fetched, waited_for=not keep)
            if made is not None and file.core_metadata in ("", made):
                if not file.core_metadata:
                    await self.learned(name)
                return await self.blobs.open(made)
            if file.core_metadata is not None:
                await self.sidecars.withdraw(name, file)
                await self.learned(name)
            raise NoSuchFile(f"{file.filename}.metadata") from None
        except UpstreamUnavailable:
            made = await self._from_held_wheel(name, file)
            if made is None or file.core_metadata not in ("", made):
                raise
            return await self.blobs.open(made)

    async def foresee(self, files: Sequence[File]) -> None:
        """As `IFillable.foresee`: asks the store for all of them at once, where it can be asked so."""
        digests = {file.digest for file in files if file.digest is not None}
        if digests and IHolding.providedBy(self.blobs):
            if len(self._absent) > _MOST_ABSENT:
                self._absent.clear()
            self._absent |= digests - await self.blobs.holding(digests)

    async def take(self, name: NormalizedName, file: File, turn: ITurn | None = None, *, learns: bool = True) -> int:
        """
        Have a file and its sidecar here, verified by every hash and durable; answer how many bytes were fetched for them.

        What is here already may be old and recorded by nobody yet, so it is too young to be cleared away from now on (law 7).

        :param turn: left when the file has come and is about to be stored, and entered before its sidecar is asked for.
        :param learns: as of `open`.
        :raises PypidaemonError: they could not be had.
        """
        await self._insist_on_room(file)
        promised = file.digest
        counted: list[int] = []
        beside: list[bytes] = []
        made = file.core_metadata and package_type(file.filename) == "bdist_wheel"
        want = self._want(
            name,
            file,
            lambda _, size: counted.append(size),
            beside=partial(_found, beside, file.filename, Digest(file.core_metadata or "")) if made else None,
            # It may have come since, by another index; then it is only fetched in vain.
            absent=promised in self._absent,
            came=turn.leave if turn is not None else _uncounted,
            whole=True,
        )
        if promised is not None:
            self._absent.discard(promised)
        if promised is not None and await self.spool.take(want):
            digest, lacking = promised, await self._accompanied(name, file, promised, None, learns=learns, within=bool(beside))
        else:
            with closing(await self.spool.open(want)) as content:
                digest = await _verdict(content)
                # What came just now is new anyway.
                here = await self._renewed(file, digest) if not counted else frozenset()
                lacking = await self._accompanied(name, file, digest, content, here, learns=learns, within=bool(beside and counted))
        # No sooner, since the bytes of a small one are in memory until it is closed, and very many may wait for their turn.
        if lacking:
            await self._take_sidecar(name, with_digest(file, digest), counted.append, turn)
        self.allotment.took(sum(counted))
        return sum(counted)

    async def _accompanied(
        self,
        name: NormalizedName,
        file: File,
        digest: Digest,
        content: IContent | None,
        here: Collection[Digest] = (),
        *,
        learns: bool,
        within: bool,
    ) -> bool:
        """
        Have the sidecar of a file here that came or was here; answer whether upstream has to be asked for it.

        :param content: the file; None where it is in the store alone.
        :param here: what is known to be here.
        :param within: whether it was in the wheel, and was kept with it.
        """
        if file.core_metadata is None and package_type(file.filename) == "bdist_wheel":
            if learns:
                await self._given_sidecar(name, file.filename, digest)
        elif within:
            self.announce(name)
        elif file.core_metadata is not None and file.core_metadata not in here:
            return not await self._kept(name, file, digest, content)
        return False

    async def _take_sidecar(self, name: NormalizedName, file: File, fetched: Callable[[int], None], turn: ITurn | None) -> None:
        """Have its sidecar here; where none can be had, the page promises none from now on, and the file is good without."""
        if turn is not None:
            await turn.enter()
        with suppress(NoSuchFile), closing(await self.sidecar(name, file, fetched, keep=True)) as sidecar:
            await _verdict(sidecar)

    async def _insist_on_room(self, file: File) -> None:
        """
        Insist that a file may come here that is never evicted; what is here, or was and is lost, is counted already.

        :raises StorageFull: it may not.
        """
        try:
            await self.allotment.insist(file.size or 0)
        except StorageFull:
            digest = file.digest
            if digest is None or not (await holding(self.blobs, [digest]) or await self.records.mirrors.references(digest)):
                raise

    async def _renewed(self, file: File, digest: Digest) -> frozenset[Digest]:
        """
        That file and its promised sidecar, as far as they are here, are new from now on.

        :raises PypidaemonError: the file was cleared away just now.
        """
        here = await renewed(self.blobs, [digest, *([Digest(file.core_metadata)] if file.core_metadata else [])])
        if digest not in here:
            raise PypidaemonError(f"{file.filename} was cleared away just now")
        return here

    async def _note(self, name: NormalizedName, filename: Filename, digest: Digest | None, size: int | None) -> None:
        """A file that is here was asked for."""
        if self.noted and digest is not None:
            await self.records.uses.note(Use(digest, self.label, name, filename, size or 0, self.spool.clock.seconds()))

    def _want(
        self,
        name: NormalizedName,
        file: File,
        arrived: Callable[[Digest, int], None],
        *,
        waited_for: bool = False,
        beside: Callable[[bytes], bytes | None] | None = None,
        absent: bool = False,
        came: Callable[[int], None] = _uncounted,
        whole: bool = False,
    ) -> Want:
        promised = file.digest
        places = whereabouts(self.upstream, name, file, promised)

        async def landed(digest: Digest, size: int) -> None:
            # Whoever fills may yet come to it.
            self._absent.discard(digest)
            if promised is None:
                if not file.hashes:
                    await self._insist_on_an_archive(file.filename, digest)
                known = await self.records.facts.learn(self.label, name, file.filename, Fact(digest=digest, size=size))
                if known.digest != digest:
                    raise CorruptContent(f"{file.filename} is not the file that was first seen under this name")
                await self.learned(name)
                # The pin stays, so from now on the page says it, and whoever judges that needs no download.
                self.check(name, with_digest(file, digest))
            if self.upstream.health.state != "up":
                # Pages list what can be given from here while it is not, so this one looks different from now on.
                self.announce(name)
            arrived(digest, size)
            await self._note(name, file.filename, digest, size)

        return Want(
            key=promised or f"{self.label}/{name}/{file.filename}",
            source=places.fetch,
            digest=promised,
            size=file.size,
            checks=tuple(check for check in file.hashes if check[0] != "sha256"),
            landed=landed,
            origin=self.label,
            title=file.filename,
            doubted=places.doubted if waited_for else None,
            blame=places.blame,
            elsewhere=places.several,
            beside=beside,
            absent=absent,
            came=came,
            whole=places.whole if whole and isinstance(places, OnePlace) else None,
        )

    async def _insist_on_an_archive(self, filename: Filename, digest: Digest) -> None:
        """What has no hash is pinned as it first came, which must not be the page of a proxy that wants a login (F26)."""
        with closing(await self.blobs.open(digest)) as content:
            if not begins_well(filename, await content.read(0, LONGEST)):
                raise CorruptContent("what came has no hash to go by, and is no archive")

    async def _kept(self, name: NormalizedName, file: File, digest: Digest, content: IContent | None) -> bool:
        """Whether the promised sidecar was in the wheel, which saves a request for each; what the page does not know the digest of is asked for."""
        if not file.core_metadata or package_type(file.filename) != "bdist_wheel":
            return False
        if content is not None and ((content.size or 0) <= SMALL or IOnDisk.providedBy(content)):
            return await self.sidecars.keep_promised(name, file, content)
        with closing(await self.blobs.open(digest)) as wheel:
            return await self.sidecars.keep_promised(name, file, wheel)

    async def _from_held_wheel(self, name: NormalizedName, file: File) -> Digest | None:
        """The sidecar taken out of a wheel that is here; None where it is not."""
        if file.digest is None or package_type(file.filename) != "bdist_wheel":
            return None
        try:
            return await self.sidecars.take_from_wheel(name, file.filename, file.digest)
        except (NoSuchBlob, NoSuchFile):
            return None

    async def _from_wheel(self, name: NormalizedName, file: File, fetched: Callable[[int], None], *, waited_for: bool) -> Digest | None:
        """METADATA taken out of the wheel, which is fetched for it if need be; None where there is none."""
        if file.core_metadata is None or package_type(file.filename) != "bdist_wheel":
            return None
        with closing(await self.spool.open(self._want(name, file, lambda _, size: fetched(size), waited_for=waited_for))) as wheel:
            digest = await _verdict(wheel)
        try:
            return await self.sidecars.take_from_wheel(name, file.filename, digest)
        except NoSuchFile:
            return None

    def _begin_sidecar(self, name: NormalizedName, file: File, digest: Digest, size: int) -> None:
        if file.core_metadata is None and package_type(file.filename) == "bdist_wheel":
            self.background.start(file.filename, lambda: self._give_sidecar(name, file.filename, digest))

    async def _give_sidecar(self, name: NormalizedName, filename: Filename, digest: Digest) -> Digest:
        """Make the sidecar that upstream does not have, and let the page promise it from now on (R102)."""
        made = await self.sidecars.take_from_wheel(name, filename, digest)
        await self.learned(name)
        return made

    async def _given_sidecar(self, name: NormalizedName, filename: Filename, digest: Digest) -> None:
        """The same, where a wheel without METADATA stays without a sidecar."""
        with suppress(NoSuchFile):
            await self._give_sidecar(name, filename, digest)


def _found(found: list[bytes], filename: Filename, digest: Digest, data: bytes) -> bytes | None:
    """The promised METADATA of a wheel, noted where it is in it."""
    document = metadata_in(data, filename, digest)
    if document is not None:
        found.append(document)
    return document


async def _verdict(content: IContent) -> Digest:
    """Wait until all of it is here and verified; answer its digest."""
    # Behind its end there is nothing to read, and the word of that comes after the verdict (law 6).
    await content.read(content.size or 0, 1)
    assert content.digest is not None  # who has heard that there is no more has had the verdict
    return content.digest


async def holding(blobs: IBlobStore, digests: Collection[Digest]) -> frozenset[Digest]:
    """Those of the digests that the store holds, by one question where it can be asked so."""
    if IHolding.providedBy(blobs):
        held: frozenset[Digest] = await blobs.holding(digests)
        return held
    found = set()
    for digest in digests:
        try:
            (await blobs.open(digest)).close()
        except NoSuchBlob:
            continue
        found.add(digest)
    return frozenset(found)


async def renewed(blobs: IBlobStore, digests: Collection[Digest]) -> frozenset[Digest]:
    """Those of the digests that the store holds; to whoever clears up they are new from now on, where it knows about ages."""
    if ITended.providedBy(blobs):
        found: frozenset[Digest] = await blobs.renew(digests)
        return found
    return await holding(blobs, digests)


def _nothing(digest: Digest, size: int) -> None:
    """What is done with a file that came where nothing is."""
