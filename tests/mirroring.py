"""An upstream with a list and a history, a mirror, and the service that fills it: all in memory, by a clock that stands still."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.indexes.mirror import Mirror
from pypidaemon.indexes.proxy import Proxy
from pypidaemon.interfaces import IUpstream
from pypidaemon.model import Change, Companion, NormalizedName, NotModified, ProjectList, UpstreamNames, UpstreamPage, Validators
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.services.mirroring import Mirroring
from pypidaemon.spool import Spool
from pypidaemon.waits import Bell
from tests import fakes
from tests.gear import inline, later
from tests.house import NOON


@attrs.define
class Offer:
    """A project as upstream has it."""

    serial: int
    files: dict[str, bytes] = attrs.field(factory=dict)
    yanked: set[str] = attrs.field(factory=set)
    status: str = "active"
    page: int | None = None
    """The serial that its page has, where that is another: the cache before it lags behind."""


@implementer(IUpstream)
@attrs.define
class Upstream:
    """
    Answers by what it has. `asked` is everything that was asked, in order.

    :param serials: whether its list has serials.
    """

    label: str = "pypi"
    health: fakes.FakeHealth = attrs.field(factory=fakes.FakeHealth)
    patience: float = 2.0
    serials: bool = True
    etags: bool = True
    serial: int = 100
    offers: dict[str, Offer] = attrs.field(factory=dict)
    bodies: dict[str, bytes | Exception] = attrs.field(factory=dict)
    broken: dict[str, Exception] = attrs.field(factory=dict)
    """What is raised for these projects, "" for the list."""
    unlisted: set[str] = attrs.field(factory=set)
    asked: list[str] = attrs.field(factory=list)
    sidecars: dict[str, bytes] = attrs.field(factory=dict)
    """The METADATA of files, by their names."""
    rows: list[Change] | None = None
    gate: Bell | None = None
    """Until it rings, no file comes."""

    def health_of(self, url: str) -> fakes.FakeHealth:
        return self.health

    def add(self, name: str, *filenames: str, size: int = 10) -> None:
        """Have these files of that project, each with bytes of its own."""
        self.serial += 1
        offer = self.offers.setdefault(name, Offer(self.serial))
        offer.serial = self.serial
        for filename in filenames:
            offer.files[filename] = (filename * size).encode()[: max(size, len(filename))]

    def remove(self, name: str, filename: str | None = None) -> None:
        """Take away a file, or the project."""
        self.serial += 1
        if filename is None:
            del self.offers[name]
        else:
            del self.offers[name].files[filename]
            self.offers[name].serial = self.serial

    def count(self, what: str) -> int:
        """How often something that begins like that was asked."""
        return sum(one.startswith(what) for one in self.asked)

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        self.asked.append("names")
        self._raise("")
        projects = [
            {"name": name, **({"_last-serial": offer.serial} if self.serials else {})}
            for name, offer in sorted(self.offers.items())
            if name not in self.unlisted
        ]
        meta = {"api-version": "1.4", **({"_last-serial": self.serial} if self.serials else {})}
        body = json.dumps({"meta": meta, "projects": projects}).encode()
        etag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"' if self.etags else None
        if etag is not None and validators.etag == etag:
            return NotModified(max_age=600.0)
        said = Validators(etag)
        return UpstreamNames(
            fakes.FakeBody(body), "application/vnd.pypi.simple.v1+json", validators=said, serial=self.serial if self.serials else None
        )

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        self.asked.append(f"page {name}")
        self._raise(name)
        offer = self.offers.get(name)
        if offer is None:
            raise NoSuchProject(name)
        files = []
        for filename, data in offer.files.items():
            entry = fakes.file(filename, data, yanked="" if filename in offer.yanked else None)
            if not isinstance(self.bodies.get(entry.url), Exception):
                self.bodies[entry.url] = data
            if filename in self.sidecars:
                self.bodies[entry.url + ".metadata"] = self.sidecars[filename]
                entry = attrs.evolve(entry, core_metadata=hashlib.sha256(self.sidecars[filename]).hexdigest())
            files.append(entry)
        serial = (offer.serial if offer.page is None else offer.page) if self.serials else None
        made = fakes.page(name, *files, serial=serial, status=fakes_status(offer.status))
        etag = '"' + hashlib.sha256(repr((made.files, serial, offer.status)).encode()).hexdigest()[:16] + '"' if self.etags else None
        if etag is not None and validators.etag == etag:
            return NotModified(max_age=600.0, serial=serial)
        return attrs.evolve(made, validators=Validators(etag))

    async def fetch_body(self, url: str, offset: int) -> fakes.FakeBody:
        filename = url.rsplit("/", 1)[-1]
        self.asked.append(f"body {filename}")
        if self.gate is not None:
            await self.gate.wait()
        self._raise(filename)
        found = self.bodies.get(url)
        if found is None:
            raise NoSuchFile(filename)
        if isinstance(found, Exception):
            raise found
        return fakes.FakeBody(found, offset)

    async def changes(self, since: int) -> list[Change] | None:
        if self.rows is None:
            return None
        self.asked.append(f"changes {since}")
        return [row for row in self.rows if row.serial > since]

    def _raise(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]


@attrs.frozen
class Ours:
    """An index of ours with projects of these names."""

    names: tuple[str, ...]

    async def project_names(self) -> ProjectList:
        entries = [(NormalizedName(name), 1) for name in self.names]
        return ProjectList(entries=lambda: iter(entries), revision="1", serial=1, source="ours")


def fakes_status(marker: str) -> Any:
    """A status with that marker."""
    from pypidaemon.model import ProjectStatus

    return ProjectStatus(marker)


@attrs.define
class Mill:
    """The parts; `restart` is what a kill leaves: the stores, and nothing that was in memory."""

    folder: Path
    upstream: Upstream = attrs.field(factory=Upstream)
    index_settings: dict[str, Any] = attrs.field(factory=dict)
    settings: dict[str, Any] = attrs.field(factory=lambda: {"projects": ("*",)})
    proxied: bool = False
    clock: Clock = attrs.field(factory=Clock)
    blobs: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    lists: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    records: MemoryRecords = attrs.field(init=False)
    announcements: Announcements = attrs.field(init=False)
    index: Any = attrs.field(init=False)
    service: Mirroring = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        self.records = MemoryRecords(label="records", clock=self.clock)
        self.restart()

    def restart(self) -> None:
        """A new daemon over the same stores."""
        self.announcements = Announcements()
        make: Any = Proxy if self.proxied else Mirror
        self.index = make(
            label="mirror",
            upstream=self.upstream,
            records=self.records,
            blobs=self.blobs,
            lists=self.lists,
            spool=Spool(self.blobs, self.clock),
            clock=self.clock,
            cpu=inline,
            disk=inline,
            reserved=(),
            announcements=self.announcements,
            **self.index_settings,
        )
        self.service = Mirroring(
            label="nightly",
            index=self.index,
            records=self.records,
            lists=self.lists,
            data=self.folder,
            clock=self.clock,
            cpu=inline,
            disk=inline,
            announcements=self.announcements,
            random=lambda: 0.5,
            **({"policies": ()} | self.settings),
        )

    def begin(self, project: str | None = None, *, rehearsal: bool = False) -> str:
        """Begin a run as somebody's order does; answer its number."""
        return str(self.service.begin(None if project is None else NormalizedName(project), rehearsal))

    def run(self, project: str | None = None, *, rehearsal: bool = False) -> dict[str, Any]:
        """A whole run; how it ended."""
        number = self.begin(project, rehearsal=rehearsal)
        state = self.state()
        assert number in state["ended"], "the run is still waiting for something"
        ended: dict[str, Any] = state["ended"][number]
        return ended

    def state(self) -> dict[str, Any]:
        """What the service says of itself."""
        from tests.gear import now

        return now(self.service.state())

    def kill(self) -> None:
        """End all that is under way without any of it being heard of again, and start anew."""
        stopped: Deferred[None] = later(self.service.runs.stop())
        assert stopped.called
        self.restart()

    def names(self) -> list[str]:
        """The projects that the index offers."""
        from tests.filling import listed

        return listed(self.index)

    def files(self, name: str) -> list[str]:
        """The files of a project, each of which opens and has the promised bytes."""
        from tests.filling import read
        from tests.gear import now

        page = now(self.index.project_page(NormalizedName(name)))
        for file in page.files:
            data = read(self.index, page.name, file.filename, Companion.FILE)
            assert hashlib.sha256(data).hexdigest() == file.digest, file.filename
        return [file.filename for file in page.files]
