"""A whole daemon in memory, without a reactor: a proxy over a fake upstream, behind the real routes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.task import Clock

from pypidaemon.accounts.checker import LocalAccounts
from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.accounts.people import OPERATOR, People, Unacceptable
from pypidaemon.announcements import Announcements
from pypidaemon.archives.rules import Rules
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.caches import Caches
from pypidaemon.errors import PypidaemonError
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.mirror import Mirror
from pypidaemon.indexes.policed import Barred
from pypidaemon.indexes.private import Private
from pypidaemon.indexes.proxy import Proxy
from pypidaemon.inspection.inline import InlineInspector
from pypidaemon.interfaces import IIndex
from pypidaemon.packing.means import Means
from pypidaemon.policies.blocked import Blocked
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.rendered import Rendered
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.rulings import Rulings
from pypidaemon.searching.index import SearchIndex
from pypidaemon.services.evicting import Evicting
from pypidaemon.services.logs import LostLines
from pypidaemon.services.mirroring import Mirroring
from pypidaemon.services.traffic import TrafficLog
from pypidaemon.spool import Spool
from pypidaemon.verification.holdings import Holdings
from pypidaemon.volume import Room, Space
from pypidaemon.web import failures
from pypidaemon.web.access import AccessLog
from pypidaemon.web.ask import Ask, Headers
from pypidaemon.web.door import Door, build
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.status_facts import Sources
from pypidaemon.workers.service import Workers
from tests.fakes import FakeUpstream
from tests.gear import inline, now

NOON = 1_780_000_000.0


class Inspectors:
    """Looks into archives here and now."""

    def under(self, rules: Rules) -> InlineInspector:
        """As the daemon's inspector."""
        return InlineInspector(rules)


@attrs.define
class House:
    """The parts, for tests to look into."""

    reserved: tuple[str, ...] = ()
    clock: Clock = attrs.field(factory=Clock)
    upstream: FakeUpstream = attrs.field(factory=FakeUpstream)
    announcements: Announcements = attrs.field(factory=Announcements)
    blobs: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    lists: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    uploads: str | None = None
    tokens: dict[str, str] = attrs.field(factory=dict)
    conceal: bool = False
    hosts: tuple[str, ...] | None = None
    public_url: str | None = None
    fetches: bool = False
    requests_per_address: int = 0
    trusted_proxies: tuple[str, ...] = ()
    rulings: Rulings = attrs.field(factory=Rulings)
    mirrorings: dict[str, Any] = attrs.field(factory=dict)
    policies: dict[str, Any] = attrs.field(factory=dict)
    """Those that go by documents, known to the door when it is opened next."""
    """The services that fill indexes, by label."""
    settings: dict[str, Any] = attrs.field(factory=dict)
    """Further settings of the proxy."""
    by_both_roads: bool = True
    """Whether `get` also asks what is ready over the wire, by the express lane and past it."""
    compared: dict[bool, int] = attrs.field(factory=dict)
    """How many answers were compared, by whether the lane gave them in the end."""
    rendered: Rendered | None = None
    """What keeps ready answers over a restart."""
    rendered_lists: MemoryBlobs | None = None
    searched: SearchIndex | None = None
    """What is searched; without it nothing is."""
    told: Callable[[str | None], None] = lambda _: None
    """Told of whatever the express lane forgets."""
    space: Space = Space(50 << 30, 100 << 30)
    """What is free on the volume."""
    access: AccessLog | None = None
    """The access log, where it is not the usual one; known to the door when it is opened next."""
    traffic: TrafficLog = attrs.field(init=False)
    """Never started, so it writes nothing."""
    room: Room = attrs.field(init=False)
    records: MemoryRecords = attrs.field(init=False)
    accounts: LocalAccounts = attrs.field(init=False)
    doorkeeper: Doorkeeper = attrs.field(init=False)
    spool: Spool = attrs.field(init=False)
    proxy: Proxy = attrs.field(init=False)
    door: Door = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        self.records = MemoryRecords(label="records", clock=self.clock)
        self.room = Room(Path("/"), self.clock, inline, lambda _: self.space)
        self.traffic = TrafficLog(Path("/nowhere/traffic"), self.clock, inline)
        self.spool = Spool(self.blobs, self.clock, room=self.room.spare)
        self.accounts = LocalAccounts(label="accounts", records=self.records, clock=self.clock, cpu=inline)
        self.doorkeeper = Doorkeeper(self.accounts, self.records, self.clock, lambda count: b"\x07" * count)
        self.proxy = self.new_proxy("pypi")
        self.open({"pypi": self.proxy}, "pypi")

    def people(self, changed: Callable[[], None]) -> People:
        """What changes accounts."""
        leaves = ("pypi", "private", "production")
        return People(
            records=self.records,
            users=self.accounts.users,
            clock=self.clock,
            random=os.urandom,
            labels={"root": leaves, **dict.fromkeys(leaves, ())},
            changed=changed,
        )

    def new_proxy(self, label: str, upstream: FakeUpstream | None = None) -> Proxy:
        """Another proxy in this house, with the house's settings."""
        return Proxy(
            label=label,
            upstream=upstream or self.upstream,
            records=self.records,
            blobs=self.blobs,
            lists=self.lists,
            spool=self.spool,
            clock=self.clock,
            cpu=inline,
            disk=inline,
            reserved=self.reserved,
            announcements=self.announcements,
            rulings=self.rulings,
            **self.settings,
        )

    def new_mirror(self, label: str = "mirror", upstream: FakeUpstream | None = None, **settings: Any) -> Mirror:
        """A mirror in this house, over the same stores."""
        return Mirror(
            label=label,
            upstream=upstream or self.upstream,
            records=self.records,
            blobs=self.blobs,
            lists=self.lists,
            spool=self.spool,
            clock=self.clock,
            cpu=inline,
            disk=inline,
            reserved=self.reserved,
            announcements=self.announcements,
            rulings=self.rulings,
            **settings,
        )

    def mirroring(self, data: Path, **settings: Any) -> Mirroring:
        """A service that fills the proxy, known to the door when it is opened next."""
        service = Mirroring(
            label="nightly",
            index=self.proxy,
            policies=(),
            records=self.records,
            lists=self.lists,
            data=data,
            clock=self.clock,
            cpu=inline,
            disk=inline,
            announcements=self.announcements,
            **settings,
        )
        self.mirrorings["nightly"] = service
        return service

    def barred(self, index: Any) -> Barred:
        """That leaf without what is blocked, as the daemon has every leaf."""
        return Barred(index.label, self.records, self.clock, inline, index, (Blocked("blocked", self.rulings),))

    def with_private(self, **settings: Any) -> Private:
        """Put a private index before the proxy, at the root, and let uploads go there."""
        private = Private(
            label="private",
            records=self.records,
            blobs=self.blobs,
            clock=self.clock,
            cpu=inline,
            announcements=self.announcements,
            inspector=Inspectors(),
            rulings=self.rulings,
            **settings,
        )
        root = FirstMatch("root", (private, self.proxy), self.records)
        self.uploads = "private"
        self.open({"root": root, "private": private, "pypi": self.proxy}, "root")
        return private

    def grant(self, subject: str, right: str, place: str) -> None:
        """Give a right, as the command does."""
        now(self.door.people.grant(OPERATOR, subject, right, place))

    def token(self, name: str, scope: str = "", projects: str = "*") -> str:
        """A token of that account, which is made if it is not there."""
        with suppress(Unacceptable):
            now(self.door.people.add_user(OPERATOR, name, None))
        return now(self.door.people.add_token(OPERATOR, name, scope, projects, None))[1]

    def open(self, indexes: dict[str, IIndex], default: str) -> None:
        """Put the door before these indexes."""
        evicting = Evicting(Caches(self.records, Holdings(), self.clock, self.announcements.announce), self.room, self.clock)
        self.door = build(
            indexes=indexes,
            default=default,
            upstreams={self.upstream.label: self.upstream},
            records=self.records,
            doorkeeper=self.doorkeeper,
            people=self.people,
            uploads=self.uploads,
            hosted={},
            conceal=self.conceal,
            rulemaking=Rulemaking(self.records, self.rulings, self.announcements, self.clock, inline),
            mirrorings=self.mirrorings,
            policies=self.policies,
            proxies={self.proxy.label: self.proxy},
            packing=Means(indexes, default, lambda: [self.blobs], self.records.pins, inline, inline),
            fetches=self.fetches,
            spool=self.spool,
            disk=evicting,
            lacking=self.room.lacking,
            sources=Sources(evicting, evicting.count, self.room.space, self.room.lacking, evicting.caches.weigh, self.traffic.ring),
            lists=self.rendered_lists or MemoryBlobs(),
            rendered=self.rendered,
            searched=self.searched,
            announcements=self.announcements,
            clock=self.clock,
            cpu=inline,
            public_url=self.public_url,
            hosts=self.hosts,
            requests_per_address=self.requests_per_address,
            trusted_proxies=self.trusted_proxies,
            log=LostLines(),
            access=self.access,
            local_url="http://127.0.0.1:3141/",
            workers=Workers(self.clock, lambda: 1, tuple, lambda: self.door.site, bool),
            told=lambda project: self.told(project),  # noqa: PLW0108  # another one may be told by then
            random=lambda count: b"\x07" * count,
        )
        self.traffic.counts = self.door.routes.operations.metrics.traffic

    def restart(self) -> None:
        """A new daemon over the same stores: nothing that was in memory alone is left."""
        self.announcements = Announcements()
        self.spool = Spool(self.blobs, self.clock, room=self.room.spare)
        self.proxy = self.new_proxy("pypi")
        self.open({"pypi": self.proxy}, "pypi")

    def ask(self, path: str, method: str = "GET", **headers: str) -> Ask:
        """A request; a header's `_` stands for `-`."""
        path, _, query = path.partition("?")
        pairs = tuple(tuple(one.split("=", 1)) for one in query.split("&") if "=" in one)
        given = Headers(tuple((name.replace("_", "-"), value) for name, value in headers.items()))
        return Ask(method, tuple(path[1:].split("/")), pairs, given, "127.0.0.1", "127.0.0.1:3141", id="0" * 16)  # type: ignore[arg-type]

    def get(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """What the door answers: the ready answer where there is one. Errors are raised as they are."""
        ask = self.ask(path, method, **headers)
        if self.doorkeeper.known(None) is None:
            now(self.doorkeeper.admit(None, ""))
        reply = self.door.routes.quick(ask) or now(self.door.routes.handle(ask))
        if self.by_both_roads:
            self._compare(ask)
        return reply

    def answered(self, ask: Ask, body: bytes | None = None) -> Reply:
        """What the door says to that request, from its head to the end of its body."""
        try:
            if self.doorkeeper.known(None) is None:
                now(self.doorkeeper.admit(None, ""))
            receiving: Any = self.door.receive(ask) if body is not None else None
            if receiving is None:
                return self.door.routes.quick(ask) or now(self.door.routes.handle(ask))
            receiver: Any = now(receiving)
            if isinstance(receiver, Reply):
                return receiver
            now(receiver.write(body))
            finished: Reply = now(receiver.finish())
            return finished
        except PypidaemonError as error:
            return failures.answer(error, ask.id, of_file=ask.segments[0] == "packages")

    def _compare(self, ask: Ask) -> None:
        """What is ready now is the same to the byte on both roads, and the lane learns it where it may be asked for again."""
        from tests.roads import Roads, head_of

        if self.door.routes.quick(ask) is None:
            return
        roads = Roads(self.door.site)
        try:
            head = head_of(ask)
        except UnicodeEncodeError:
            # No client can say that on a wire.
            return
        for _ in range(3):
            heard, express = roads.ask(head)
            assert heard == roads.plainly(head)
        roads.settle()
        self.compared[express] = self.compared.get(express, 0) + 1

    def body(self, reply: Reply) -> bytes:
        """The whole body, streamed or not."""
        if reply.stream is None:
            return reply.body
        content, offset, length = reply.stream.content, reply.stream.offset, reply.stream.length
        assert length is not None
        pieces = []
        while length > 0 and (piece := now(content.read(offset, min(length, 1 << 16)))):
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        reply.close()
        return b"".join(pieces)


def header(reply: Reply, name: str) -> str | None:
    """The value of that header, None where it is missing; a header there twice fails the test."""
    found = [value for key, value in reply.headers if key.lower() == name.lower()]
    assert len(found) < 2, found
    return found[0] if found else None
