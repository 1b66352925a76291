"""What the tests of servers share: a clock in which pauses take no time, and what a server's things are fetched with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.interfaces import IDelayedCall

from pypidaemon.adoption.fetched import Fetching
from pypidaemon.adoption.found import Finding, Found, Passed
from pypidaemon.adoption.origins import IOrigin
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.interfaces import IUpstream
from tests.gear import inline


@attrs.define
class Hurried:
    """The reactor's clock, but for pauses, which it counts."""

    pauses: int = 0

    def seconds(self) -> float:
        return reactor.seconds()  # type: ignore[attr-defined,no-any-return]

    def callLater(self, delay: float, call: Callable[..., object], *args: Any, **kwargs: Any) -> IDelayedCall:
        self.pauses += 1
        return reactor.callLater(0, call, *args, **kwargs)  # type: ignore[attr-defined,no-any-return]


def fetching(upstream: IUpstream, folder: Path, blobs: MemoryBlobs | None = None) -> Fetching:
    """As a daemon fetches, into that folder."""
    clock: Any = Hurried()
    return Fetching(upstream, MemoryBlobs() if blobs is None else blobs, folder, None, clock, inline)


async def all_of(origin: IOrigin) -> list[Finding]:
    """Everything that is found there."""
    return [finding async for finding in origin.findings()]


def files(findings: list[Finding]) -> dict[str, Found]:
    """The files, by name."""
    return {finding.file.filename: finding for finding in findings if isinstance(finding, Found)}


def passed(findings: list[Finding], *, note: bool = False) -> dict[str, str]:
    """Why things are not taken, by path; or what is noted."""
    return {
        finding.path: finding.reason for finding in findings if isinstance(finding, Passed) and (finding.note if note else finding.wrong)
    }


async def read(origin: IOrigin, found: Found) -> bytes:
    """The bytes of a file, read in pieces and once more."""
    content = await origin.open(found)
    try:
        size = content.size
        assert size is not None
        pieces = [await content.read(offset, 10_000) for offset in range(0, size, 10_000)]
        assert await content.read(size, 1) == b""
        assert await content.read(0, size) == b"".join(pieces)
        return b"".join(pieces)
    finally:
        content.close()
