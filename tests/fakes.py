"""Hand-written stand-ins for what is beyond a unit: an upstream that says what it is told, a healthy health."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable

import attrs
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IBody, IDating, IHealth, IUpstream
from pypidaemon.model import (
    Change,
    File,
    Filename,
    NormalizedName,
    NotModified,
    UpstreamNames,
    UpstreamPage,
    Validators,
)
from pypidaemon.waits import Bell


@implementer(IHealth)
@attrs.define
class FakeHealth:
    """Up until a test says otherwise."""

    state: str = "up"
    cause: str = ""
    since: float = 0.0
    asks: bool = True
    bell: Bell = attrs.field(factory=Bell)
    listeners: list[Callable[[], None]] = attrs.field(factory=list)

    def may_ask(self) -> bool:
        return self.asks

    def retry_after(self) -> int:
        return 7

    async def doubted(self) -> None:
        if self.state == "up":
            await self.bell.wait()

    def doubt(self, state: str = "down") -> None:
        """From now on it is that, and nobody is let through."""
        self.state, self.cause, self.asks = state, "it is silent", False
        self.bell.ring()
        for listener in self.listeners:
            listener()

    def recover(self) -> None:
        """It is up again."""
        self.state, self.cause, self.asks = "up", "", True
        for listener in self.listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)


@implementer(IBody)
class FakeBody:
    """A body that is all there."""

    def __init__(self, data: bytes, offset: int = 0, total: int | None = None, piece: int = 1 << 16) -> None:
        self.offset = offset
        self.total = len(data) if total is None else total
        self.validator: str | None = '"v1"'
        self.closed = False
        self._stream = io.BytesIO(data[offset:])
        self._piece = piece

    async def read(self) -> bytes:
        return self._stream.read(self._piece)

    def close(self) -> None:
        self.closed = True


def file(filename: str, data: bytes = b"", **more: object) -> File:
    """An entry as upstream gives it for these bytes, with everything a modern upstream says."""
    sha256 = hashlib.sha256(data).hexdigest()
    blake = hashlib.blake2b(data, digest_size=32).hexdigest()
    known: dict[str, object] = {
        "url": f"https://files.example/packages/{blake[:2]}/{blake[2:4]}/{blake[4:]}/{filename}",
        "path": f"{blake[:2]}/{blake[2:4]}/{blake[4:]}/{filename}",
        "hashes": (("sha256", sha256),),
        "size": len(data),
        "upload_time": "2026-01-02T03:04:05.678901Z",
    }
    return File(filename=Filename(filename), **{**known, **more})  # type: ignore[arg-type]  # tests know what they pass


def page(name: str, *files: File, serial: int | None = 10, etag: str | None = None, **more: object) -> UpstreamPage:
    """An upstream's page of these files, fresh for ten minutes."""
    known: dict[str, object] = {"max_age": 600.0, "versions": ("1.0",) if files else (), "validators": Validators(etag)}
    return UpstreamPage(NormalizedName(name), files, serial=serial, **{**known, **more})  # type: ignore[arg-type]  # as above


@implementer(IUpstream, IDating)
@attrs.define
class FakeUpstream:
    """Answers from dictionaries; an exception in one is raised. `asked` is everything that was asked, in order."""

    label: str = "pypi"
    health: FakeHealth = attrs.field(factory=FakeHealth)
    patience: float = 2.0
    pages: dict[str, UpstreamPage | Exception] = attrs.field(factory=dict)
    bodies: dict[str, bytes | Exception] = attrs.field(factory=dict)
    names: bytes | Exception = b'{"meta":{"api-version":"1.4","_last-serial":3},"projects":[]}'
    changed: dict[str, float | Exception | None] = attrs.field(factory=dict)
    """When files were last changed, by their names; the others do not say."""
    asked: list[str] = attrs.field(factory=list)
    gate: Bell | None = None
    slow_bodies: Bell | None = None
    """Until it rings, no file comes."""
    slow: Bell | None = None
    """Until it rings, no file says when it was last changed."""

    def add(self, name: str, *files: tuple[str, bytes], **more: object) -> UpstreamPage:
        """Offer a project with files of these bytes."""
        entries = []
        for filename, data in files:
            entry = file(filename, data)
            self.bodies[entry.url] = data
            entries.append(entry)
        made = page(name, *entries, **more)  # type: ignore[arg-type]  # as above
        self.pages[name] = made
        return made

    def health_of(self, url: str) -> FakeHealth:
        return self.health

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        self.asked.append(f"page {name}")
        if self.gate is not None:
            await self.gate.wait()
        found = self.pages.get(name)
        if found is None:
            raise NoSuchProject(name)
        if isinstance(found, Exception):
            raise found
        if validators.etag is not None and validators.etag == found.validators.etag:
            return NotModified(max_age=found.max_age, serial=found.serial)
        return found

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        self.asked.append("names")
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.names, Exception):
            raise self.names
        return UpstreamNames(FakeBody(self.names), "application/vnd.pypi.simple.v1+json", max_age=600.0, serial=3)

    async def fetch_body(self, url: str, offset: int) -> FakeBody:
        self.asked.append(f"body {url.rsplit('/', 1)[-1]}")
        if self.slow_bodies is not None:
            await self.slow_bodies.wait()
        found = self.bodies.get(url)
        if found is None:
            raise NoSuchFile(url.rsplit("/", 1)[-1])
        if isinstance(found, Exception):
            raise found
        return FakeBody(found, offset)

    async def last_modified(self, url: str) -> float | None:
        filename = url.rsplit("/", 1)[-1]
        self.asked.append(f"date {filename}")
        if self.slow is not None:
            await self.slow.wait()
        found = self.changed.get(filename)
        if isinstance(found, Exception):
            raise found
        return found

    async def changes(self, since: int) -> list[Change] | None:
        return None

    def fails(self, names: Iterable[str], cause: str = "it is down") -> None:
        """From now on these projects cannot be asked for."""
        for name in names:
            self.pages[name] = UpstreamUnavailable(self.label, cause)
