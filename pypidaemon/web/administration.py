"""
The way to the administration, `/+admin/...`. What answers there is loaded with the first request and not before: most daemons are administered by
commands alone, and what they never use would be in memory for months.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from pypidaemon.flights import Flights
from pypidaemon.interfaces import IUpstream
from pypidaemon.model import InThread
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.intake import Receiver
from pypidaemon.web.packs import PackDesk
from pypidaemon.web.people import PeopleDesk
from pypidaemon.web.releases import ReleaseDesk
from pypidaemon.web.reply import Reply
from pypidaemon.web.rulings import RulingDesk
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.views.status_facts import StatusFacts

if TYPE_CHECKING:
    from pypidaemon.web.views.admin import AdminDesk

FOLDER = "+admin"


@attrs.define(eq=False)
class Administration:
    """Answers there, over the desks that commands and the HTTP interface go to as well."""

    gate: Gate
    hosts: Hosts
    people: PeopleDesk
    releases: ReleaseDesk
    rulings: RulingDesk
    syncs: SyncDesk
    packs: PackDesk
    upstreams: Mapping[str, IUpstream]
    facts: StatusFacts
    cpu: InThread
    _desk: AdminDesk | None = attrs.field(init=False, default=None)

    @property
    def desk(self) -> AdminDesk:
        """What answers. Loading it takes time: `loaded` has that done on a thread."""
        if self._desk is None:
            self._desk = self._made()
        return self._desk

    @property
    def flights(self) -> tuple[Flights[Any, Any], ...]:
        """What is under way for it."""
        return () if self._desk is None else (self._desk.status.probes.flights,)

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`: a form of one of its pages."""
        return self._received(ask) if ask.method == "POST" and ask.segments[:1] == (FOLDER,) else None

    async def answer(self, ask: Ask) -> Reply:
        """A page, or what went wrong as one."""
        return await (await self.loaded()).answer(ask)

    def end(self, name: str) -> None:
        """End all sessions of that account: it was disabled or removed, or has another password."""
        if self._desk is not None:
            self._desk.sessions.end(name)

    def go_on_from(self, other: Administration) -> None:
        """Know who signed in there."""
        if other._desk is not None:
            self.desk.sessions.go_on_from(other._desk.sessions)

    async def loaded(self) -> AdminDesk:
        """What answers, once it is there."""
        if self._desk is None:
            await self.cpu(self.load)
        return self.desk

    def load(self) -> None:
        """
        Have everything in memory that `_made` wants.

        :raises ImportError: something of it is missing.
        """
        import pypidaemon.web.views.admin  # noqa: F401  # that is all

    async def _received(self, ask: Ask) -> Receiver | Reply:
        return await (await self.loaded()).received(ask)

    def _made(self) -> AdminDesk:
        from pypidaemon.accounts.sessions import Sessions
        from pypidaemon.web.probes import ProbeDesk
        from pypidaemon.web.views.admin import AdminDesk
        from pypidaemon.web.views.admin_deeds import AdminDeeds
        from pypidaemon.web.views.admin_project import ProjectAdmin
        from pypidaemon.web.views.admin_status import StatusAdmin

        doorkeeper, rulemaking = self.gate.doorkeeper, self.rulings.rulemaking
        probes = ProbeDesk(self.upstreams, doorkeeper.clock)
        return AdminDesk(
            self.gate,
            self.hosts,
            Sessions(doorkeeper, doorkeeper.clock, doorkeeper.random),
            AdminDeeds(self.people, self.releases, rulemaking, self.syncs, probes, self.packs),
            ProjectAdmin(self.releases.releases, rulemaking, self.gate, self.cpu),
            StatusAdmin(self.facts, self.syncs, probes, self.packs, self.cpu),
            self.cpu,
        )
