"""
The provenance documents of a proxy's files (PEP 740): who says that they built these bytes, as upstream's index took it down.

They change, since attestations are added (R118), and nothing in them is believed here: whoever goes by them checks the signatures within.
"""

from __future__ import annotations

from hashlib import sha256

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon import freshness
from pypidaemon.errors import NoSuchFile, PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IContent, IHealth, IRecords, ITurn, IUpstream
from pypidaemon.model import Companion, Digest, File, Filename, InThread, NormalizedName
from pypidaemon.pace import Held
from pypidaemon.provenances import fetch
from pypidaemon.waits import first

FRESH = 600.0
"""Seconds for which a document is given without asking again (R118)."""
ABSENCE = 60.0
"""Seconds for which it is remembered that there is none that can be used (law 10, R216)."""
_NONE = b""
"""Kept instead of a document where there is none that can be used."""

log = Logger()


@attrs.define
class Provenance:
    """The provenance of one proxy's files; `flights` are the documents under way."""

    label: str
    upstream: IUpstream
    records: IRecords
    clock: IReactorTime
    cpu: InThread
    flights: Flights[tuple[NormalizedName, Filename], bytes] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    async def open(self, name: NormalizedName, file: File) -> IContent:
        """
        The document of that file, at most `FRESH` seconds old, or as it last was where upstream cannot be asked (law 10).

        :raises NoSuchFile: the page promises none, or what is there is none.
        :raises UpstreamUnavailable: it is not known here and cannot be had.
        """
        if file.provenance is None:
            raise _absent(file.filename)
        kept = await self.records.documents.recall(self.label, name, file.filename)
        if kept is not None and freshness.is_fresh(self.clock.seconds(), kept[1]):
            body = kept[0]
        else:
            body = await self._asked(
                name, file, file.provenance, kept[0] if kept is not None else _NONE, self.upstream.health_of(file.provenance)
            )
        if body == _NONE:
            raise _absent(file.filename)
        return Held(body, Digest(sha256(body).hexdigest()))

    async def take(self, name: NormalizedName, file: File, turn: ITurn | None = None) -> int:
        """
        Have the document of a file that promises one here, of whatever age; answer how many bytes were fetched for it.

        :param turn: entered before upstream is asked.
        :raises UpstreamUnavailable: it is not known here and cannot be had.
        """
        if file.provenance is None or await self.records.documents.recall(self.label, name, file.filename) is not None:
            return 0
        if turn is not None:
            await turn.enter()
        return len(await self._asked(name, file, file.provenance, _NONE, None))

    async def _asked(self, name: NormalizedName, file: File, url: str, old: bytes, health: IHealth | None) -> bytes:
        """
        What upstream says now, or `old` where that cannot be had and there is something old.

        :param health: that of who has it, whose answer is waited for until it is doubted; None is for as long as it takes.
        """
        landed: list[bytes] = []

        async def fly() -> None:
            landed.append(await self.flights.join((name, file.filename), lambda: self._fetch(name, file.filename, url)))

        try:
            if health is None:
                await fly()
            else:
                await first(fly(), health.doubted())
                if not landed and old == _NONE:
                    raise UpstreamUnavailable(self.upstream.label, health.cause or "it does not answer", health.retry_after())
        except UpstreamUnavailable as error:
            if old == _NONE:
                raise
            log.info("{label}: the provenance of {file} is as old as it is: {why}", label=self.label, file=file.filename, why=str(error))
        return landed[0] if landed else old

    async def _fetch(self, name: NormalizedName, filename: Filename, url: str) -> bytes:
        """Ask upstream once; what it says is remembered before anybody is told."""
        try:
            body, lasts = await fetch(self.upstream, url, self.cpu), FRESH
        except NoSuchFile:
            body, lasts = _NONE, ABSENCE
        except ValueError as error:
            log.warn("{label}: the provenance of {file} is none: {why}", label=self.label, file=filename, why=str(error))
            body, lasts = _NONE, ABSENCE
        await self.records.documents.keep(self.label, name, filename, body, self.clock.seconds() + lasts)
        return body


def _absent(filename: Filename) -> NoSuchFile:
    return NoSuchFile(filename + Companion.PROVENANCE.value)
