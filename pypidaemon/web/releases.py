"""Orders about releases over HTTP: the verbs of `pypidaemon.releases`, each with the body of a POST."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import attrs
import orjson

from pypidaemon.accounts.people import Unacceptable
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.releases import THE_OPERATOR, VERBS, Caller, Check, Releases, insist
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

LARGEST = 65536
"""Bytes of an order."""


@attrs.define
class ReleaseDesk:
    """Answers `POST /+api/releases/<verb>` for accounts with rights, and `POST /releases/<verb>` on the control socket for the operator."""

    releases: Releases
    gate: Gate
    hosts: Hosts = Hosts()
    flights: Flights[object, Any] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)))
    """Orders under way: who leaves neither stops one halfway nor keeps it out of the audit log."""

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the public site."""
        return self._collected(ask) if ask.method == "POST" and ask.segments[:2] == ("+api", "releases") else None

    async def _collected(self, ask: Ask) -> Receiver | Reply:
        if (refused := self.hosts.refusal(ask)) is not None:
            return refused
        await self.gate.admit(ask)
        return Collected(LARGEST, lambda body: self._of_account(ask, body))

    async def _of_account(self, ask: Ask, body: bytes) -> Reply:
        # The rights are those of now: the body may have taken its time, and the account may be gone meanwhile (S73).
        return await self._perform(ask, body, Caller(await self.gate.admit(ask), ask.client), self.gate.check)

    def receive_operator(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the control socket."""
        return self._of_operator(ask) if ask.method == "POST" and ask.segments[:1] == ("releases",) else None

    async def _of_operator(self, ask: Ask) -> Receiver:
        return Collected(LARGEST, lambda body: self._perform(ask, body, THE_OPERATOR, insist))

    async def without_body(self, ask: Ask) -> Reply:
        """
        Whatever is no POST with a body.

        :raises NoSuchFile: there is no such order.
        """
        self._verb(ask)
        return text(405, "POST a JSON object", ask.id, (("Allow", "POST"),))

    async def _perform(self, ask: Ask, body: bytes, caller: Caller, check: Check) -> Reply:
        verb = self._verb(ask)
        try:
            order = orjson.loads(body)
        except orjson.JSONDecodeError:
            order = None
        if not isinstance(order, dict):
            return text(400, "the body must be a JSON object", ask.id)
        try:
            return json_reply(200, await self.carry_out(verb, order, caller, check))
        except Unacceptable as error:
            return text(400, str(error), ask.id)

    async def carry_out(self, verb: str, order: Mapping[str, Any], caller: Caller, check: Check) -> Any:
        """
        As `Releases.perform`; who leaves does not stop it halfway.

        :raises PypidaemonError: as that.
        """
        return await self.flights.join(object(), lambda: self.releases.perform(verb, order, caller, check))

    def _verb(self, ask: Ask) -> str:
        verb = ask.segments[-1]
        if verb not in VERBS or len(ask.segments) != (3 if ask.segments[0] == "+api" else 2):
            raise NoSuchFile("/".join(ask.segments)[:200])
        return verb
