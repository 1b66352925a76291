"""
One verification of what is stored: every blob read, every name held against what is there, and what nobody needs (F62, M9).

It reads and changes nothing, unless it is to repair. Then damaged bytes are taken out of their store as soon as they are found, and put right when it is
known who needs them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IBlobStore, IMendable
from pypidaemon.model import Digest, InThread, NormalizedName
from pypidaemon.upstream_files import holding
from pypidaemon.verification.clearing import AGE, Clearing
from pypidaemon.verification.findings import Finding, Problem, line
from pypidaemon.verification.holdings import Holdings, Home, Named
from pypidaemon.verification.mending import DAMAGED, Mending
from pypidaemon.verification.pace import Pace
from pypidaemon.verification.reading import Damage, Reading

QUIET = 64.0 * 2**20
"""Bytes a second that are read beside a daemon's other work."""

BATCH = 1_000
"""Names that are looked for in a store at once."""

_BLOBS = 2_000.0
"""Blobs a second that are looked at for whether anybody needs them."""

log = Logger()


@attrs.frozen
class Means:
    """What every verification of a daemon works with."""

    holdings: Holdings
    clock: IReactorTime
    disk: InThread
    cpu: InThread
    data: Path


Owners = list[tuple[Home, Named]]


@attrs.define(eq=False)
class Verification:
    """
    One run.

    :param projects: only what these name is looked at, and nothing is looked for that nobody needs; None is everything.
    :param repair: whether what is found is put right.
    :param rate: bytes a second that are read; None is as fast as it goes.
    :param found: told of each finding, when it is known what becomes of it.
    :param before: what was found and put right of the records before they could be started. Then nothing is looked for that nobody needs: not all
        that needs it may be known again.
    """

    means: Means
    projects: frozenset[NormalizedName] | None = None
    repair: bool = False
    rate: float | None = None
    found: Callable[[Finding], None] = lambda _: None
    before: tuple[Finding, ...] = ()
    phase: str = attrs.field(init=False, default="begins")
    expected: int = attrs.field(init=False, default=0)
    """How many blobs there are to be read, as far as they were counted."""
    named: int = attrs.field(init=False, default=0)
    problems: int = attrs.field(init=False, default=0)
    unrepaired: int = attrs.field(init=False, default=0)
    whole: bool = attrs.field(init=False, default=False)
    """Whether it came to its end."""
    reading: Reading = attrs.field(init=False)
    _mending: Mending = attrs.field(init=False, repr=False)
    _begun: float = attrs.field(init=False)
    _damages: dict[Digest, Damage] = attrs.field(init=False, factory=dict, repr=False)
    _stuck: dict[Digest, str] = attrs.field(init=False, factory=dict, repr=False)
    """Of damaged blobs that could not be set aside, why."""

    def __attrs_post_init__(self) -> None:
        means = self.means
        stores = means.holdings.stores
        self.reading = Reading(stores, means.cpu, Pace(means.clock, self.rate))
        self._mending = Mending(stores, means.clock, means.disk, means.cpu, means.data / DAMAGED)
        self._begun = means.clock.seconds()

    async def run(self) -> None:
        """
        Do it all.

        :raises PypidaemonError: the records cannot be read, or something to be repaired could not be kept.
        """
        try:
            for finding in self.before:
                self._tell(finding)
            if self.projects is None:
                self.phase = "goes over the records"
                await self._go_over()
            await self._read()
            self.phase = "compares"
            for digest, owners in (await self._wanting()).items():
                await self._judge(digest, owners)
            if self.projects is None and not self.before:
                self.phase = "looks for what nobody needs"
                await self._clear()
            self.whole = True
        finally:
            self.phase = "ended"

    def as_json(self) -> dict[str, Any]:
        """How far it has come, as JSON; findings are told of one by one."""
        return {
            "repair": self.repair,
            "phase": self.phase,
            "blobs": self.reading.blobs,
            "of": self.expected,
            "bytes": self.reading.bytes,
            "named": self.named,
            "problems": self.problems,
            "unrepaired": self.unrepaired,
            "untold": list(self.means.holdings.strangers),
            "seconds": round(self.means.clock.seconds() - self._begun, 3),
        }

    async def _go_over(self) -> None:
        """Hold the records against what is kept beside them. They are put right before a start, when nobody is at work on them."""
        for records in self.means.holdings.records():
            if not IMendable.providedBy(records):
                continue
            for ailment in await self.means.disk(records.ailments):
                finding = Finding(Problem.RECORDS, "", detail=ailment)
                self._tell(finding.unmended("to put it right, run this again without a daemon") if self.repair else finding)

    async def _read(self) -> None:
        self.phase = "counts"
        only: set[Digest] | None = None
        if self.projects is None:
            for store in self.means.holdings.stores.values():
                async for _ in store.digests():
                    self.expected += 1
        else:
            only = {named.digest async for _, named in self.means.holdings.named(self.projects)}
            self.expected = len(only)
        self.phase = "reads"
        async for damage in self.reading.damaged(only):
            try:
                if self.repair and (reason := await self._mending.set_aside(damage)):
                    self._stuck[damage.digest] = reason
            finally:
                if damage.content is not None:
                    damage.content.close()
            self._damages[damage.digest] = attrs.evolve(damage, content=None)

    async def _wanting(self) -> dict[Digest, Owners]:
        """All damaged blobs, and those that are needed and not here, with all that name them."""
        found: dict[Digest, Owners] = {digest: [] for digest in self._damages}
        async for batch in self._batches():
            missing = await self._missing(batch)
            for home, named in batch:
                if named.digest in found or named.digest in missing:
                    found.setdefault(named.digest, []).append((home, named))
        return found

    async def _batches(self) -> AsyncIterator[Owners]:
        batch: Owners = []
        async for pair in self.means.holdings.named(self.projects):
            self.named += 1
            batch.append(pair)
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch

    async def _missing(self, batch: Owners) -> set[Digest]:
        wanted: list[tuple[IBlobStore, set[Digest]]] = []
        for home, named in batch:
            if not named.role.needed:
                continue
            asked = next((digests for store, digests in wanted if store is home.blobs), None)
            if asked is None:
                wanted.append((home.blobs, asked := set()))
            asked.add(named.digest)
        missing: set[Digest] = set()
        for store, digests in wanted:
            missing |= digests - await holding(store, digests)
        return missing

    async def _judge(self, digest: Digest, owners: Owners) -> None:
        damage = self._damages.get(digest)
        names = tuple(named for _, named in owners)
        if damage is None:
            # What was replaced while this went on is needed no more, and what was on its way may have come.
            if not await self.means.holdings.recorded(digest) or not await self._missing(owners):
                return
            finding = Finding(Problem.MISSING, digest, names)
        else:
            finding = _damaged(damage, names)
        if self.repair and digest in self._stuck:
            finding = finding.unmended(self._stuck[digest])
        elif self.repair:
            finding = await self._mended(finding, owners)
        self._tell(finding)

    async def _mended(self, finding: Finding, owners: Owners) -> Finding:
        try:
            return await self._mending.mend(finding, owners)
        except PypidaemonError as error:
            return finding.unmended(str(error))

    async def _clear(self) -> None:
        means = self.means
        clearing = Clearing(means.holdings, means.clock, AGE, Pace(means.clock, _BLOBS if self.rate else None))
        async for one in clearing.unowned():
            if one.digest in self._damages:
                continue
            finding = Finding(Problem.UNOWNED, one.digest or "", detail=" ".join(word for word in (one.stray, "in", one.store) if word))
            if self.repair:
                if not await clearing.remove(one):
                    # Somebody has come to need it, or removed it.
                    continue
                finding = finding.mended("removed")
            self._tell(finding)

    def _tell(self, finding: Finding) -> None:
        self.problems += 1
        self.unrepaired += finding.repaired is not True
        log.warn("verify: {line}", line=line(finding.as_json()))
        self.found(finding)


def _damaged(damage: Damage, names: tuple[Named, ...]) -> Finding:
    size = next((one.size for one in names if one.size is not None), None)
    if size is not None and damage.size is not None and damage.size != size:
        return Finding(Problem.SHORT, damage.digest, names, f"{damage.size} bytes of {size}")
    return Finding(Problem.ALTERED, damage.digest, names, damage.detail)
