"""Finds out who attests files, and who never did before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b

import attrs
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.attestations.checking import checked
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.interfaces import IAgeing, IContent, IIndex, IMeasured, IRecords
from pypidaemon.model import Attested, Companion, Digest, File, Filename, InThread, NormalizedName
from pypidaemon.moments import uploaded
from pypidaemon.readings import Ages
from pypidaemon.shelf import Shelf
from pypidaemon.waits import TookTooLong, within

PATIENCE = 10.0
"""Seconds for which a page or a file waits for all that is to be found out; documents that come later are there the next time."""
AT_ONCE = 8
"""Documents that are asked for at the same time for one page."""
AGAIN = 60.0
"""Seconds for which verdicts may be gone by without reading the documents again, which are themselves good for longer."""
LARGEST = 2 << 20
"""Bytes of a document at most."""
_PIECE = 1 << 18
_REMEMBERED = 20_000
NOT_NOW = Attested(problem="its provenance could not be had just now", lasting=False)

log = Logger()


@implementer(IAgeing, IMeasured)
@attrs.define(eq=False)
class Attestations:
    """
    The informant of `Knowledge.PROVENANCE`: reads each file's provenance from the index, and checks it against name and sha256 of the page.

    No byte of a file is needed for that. Verdicts are remembered by document, which is read anew each time, since it may change.
    """

    records: IRecords
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    _ages: Ages[NormalizedName] = attrs.field(factory=Ages, init=False)
    _verdicts: Shelf[tuple[Filename, Digest, bytes], Attested] = attrs.field(factory=lambda: Shelf(_REMEMBERED), init=False)
    _noting: DeferredLock = attrs.field(factory=DeferredLock, init=False)
    _counts: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(("held", "failed", "missing", "newcomers"), 0), init=False)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self._ages.change)

    def age(self, name: NormalizedName) -> tuple[int, int]:
        """As `IAgeing`: another one once a minute, since documents change unannounced (R118), and whenever the project was announced."""
        return int(self.clock.seconds() // AGAIN), self._ages.of(name)

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: documents that held and did not, those that could not be had, and publishers that were new to a project of others."""
        return dict(self._counts)

    async def inform(self, index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
        """As `IInformant`; of every file something is said, if only that it could not be found out."""
        found: dict[Filename, Attested] = {}
        with suppress(TookTooLong):
            await within(self.clock, PATIENCE, self._all(index, name, files, found))
        self._counts["missing"] += sum(not found.get(file.filename, NOT_NOW).lasting for file in files)
        informed = [attrs.evolve(file, attested=found.get(file.filename, NOT_NOW)) for file in files]
        try:
            told = await self._compared(index.label, name, informed)
        except PypidaemonError as error:
            log.warn("publishers of {name} cannot be looked up: {why}", name=name, why=str(error))
            told = [attrs.evolve(file, attested=NOT_NOW) for file in files]
        return {file.filename: file for file in told}

    async def _all(self, index: IIndex, name: NormalizedName, files: Sequence[File], found: dict[Filename, Attested]) -> None:
        waiting = iter(files)

        async def work(left: Iterator[File]) -> None:
            for file in left:
                found[file.filename] = await self._one(index, name, file)

        running = [Deferred.fromCoroutine(work(waiting)) for _ in range(min(AT_ONCE, len(files)))]
        try:
            await gatherResults(running, consumeErrors=True)
        except GeneratorExit:
            # Cleared away while it waited, and with it they: cancelling them would wake what is on its way out.
            raise
        except BaseException:
            for worker in running:
                worker.cancel()
            raise

    async def _one(self, index: IIndex, name: NormalizedName, file: File) -> Attested:
        if file.provenance is None:
            return Attested(problem="it has no provenance")
        digest = file.digest
        if digest is None:
            return Attested(problem="its sha256 is not known, so nothing can be held against it")
        try:
            document = await _whole(await index.open_file(name, file.filename, Companion.PROVENANCE))
        except NoSuchFile:
            return Attested(problem="the provenance that its page promises is not there")
        except ValueError as error:
            return Attested(problem=str(error))
        except PypidaemonError:
            return NOT_NOW
        key = (file.filename, digest, blake2b(document, digest_size=16).digest())
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = await self.cpu(checked, document, file.filename, digest)
            self._verdicts.put(key, verdict, 1)
            self._counts["held" if verdict.problem is None else "failed"] += 1
        return verdict

    async def _compared(self, label: str, name: NormalizedName, files: list[File]) -> list[File]:
        """These files, with whoever is new to the project; and from now on that is known."""
        publishers = {who for file in files if file.attested is not None for who in file.attested.publishers}
        known = dict(await self.records.publishers.publishers(label, name))
        if publishers - known.keys():
            # One after the other, so that of two pages read at the same time neither takes the other's publishers for newcomers.
            known = await self._noting.run(lambda: Deferred.fromCoroutine(self._note(label, name, files)))
        first = min(known.values(), default=0.0)
        return [_with_newcomers(file, {who for who, since in known.items() if since > first}) for file in files]

    async def _note(self, label: str, name: NormalizedName, files: list[File]) -> dict[str, float]:
        """Remember who attests these files; whoever attests files from before anybody was looked at was there from the beginning."""
        known = dict(await self.records.publishers.publishers(label, name))
        others = ", ".join(known)
        now = self.clock.seconds()
        first = min(known.values(), default=now)
        for file in files:
            since = uploaded(file)
            new = bool(others) and (since is None or since > first)
            for who in file.attested.publishers if file.attested is not None else ():
                if who in known:
                    continue
                known[who] = now if new else first
                if await self.records.publishers.met(label, name, who, known[who]) and new:
                    self._counts["newcomers"] += 1
                    log.warn("{label}: {file} of {name} is attested by {who}; all before were by {others}",
                             label=label, file=file.filename, name=name, who=who, others=others)  # fmt: skip
        return known


def _with_newcomers(file: File, newcomers: set[str]) -> File:
    attested = file.attested
    if attested is None or not attested.publishers or not newcomers.issuperset(attested.publishers):
        return file
    return attrs.evolve(file, attested=attrs.evolve(attested, newcomers=attested.publishers))


async def _whole(content: IContent) -> bytes:
    """
    All of a document.

    :raises ValueError: it is longer than any is.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await content.read(size, _PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                raise ValueError(f"its provenance has more than {LARGEST >> 20} MiB")
    finally:
        content.close()
    return b"".join(pieces)
