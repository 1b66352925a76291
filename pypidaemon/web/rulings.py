"""Orders about packages over HTTP: the verbs of `pypidaemon.rulemaking`, each with the body of a POST, and who took what."""

from __future__ import annotations

from collections.abc import Awaitable

import attrs
import orjson
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.callers import THE_OPERATOR, Caller
from pypidaemon.errors import InvalidName, NoSuchFile
from pypidaemon.interfaces import IAccount, IFetchRecords
from pypidaemon.rulemaking import Rulemaking, insist
from pypidaemon.rulingwords import VERBS
from pypidaemon.settings import duration
from pypidaemon.takers import taken, takers
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

LARGEST = 65536
"""Bytes of an order."""


@attrs.define
class RulingDesk:
    """
    Answers `POST /+api/rulings/<verb>`, `GET /+api/rulings` and `GET /+api/who` for who may `admin` everywhere, and the same without `+api` on the
    control socket for the operator.
    """

    rulemaking: Rulemaking
    fetches: IFetchRecords
    gate: Gate
    clock: IReactorTime
    hosts: Hosts = Hosts()

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the public site."""
        return self._collected(ask) if ask.method == "POST" and ask.segments[:2] == ("+api", "rulings") else None

    async def _collected(self, ask: Ask) -> Receiver | Reply:
        if (refused := self.hosts.refusal(ask)) is not None:
            return refused
        await self.gate.admit(ask)
        return Collected(LARGEST, lambda body: self._of_account(ask, body))

    async def _of_account(self, ask: Ask, body: bytes) -> Reply:
        # The rights are those of now: the body may have taken its time, and the account may be gone meanwhile (S73).
        return await self._perform(ask, body, Caller(await self.gate.admit(ask), ask.client))

    def receive_operator(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the control socket."""
        return self._of_operator(ask) if ask.method == "POST" and ask.segments[:1] == ("rulings",) else None

    async def _of_operator(self, ask: Ask) -> Receiver:
        return Collected(LARGEST, lambda body: self._perform(ask, body, THE_OPERATOR))

    async def for_operator(self, ask: Ask) -> Reply:
        """What the operator asks for."""
        match ask.segments:
            case ("rulings",):
                return await self.listed(ask, THE_OPERATOR.account)
            case ("who",):
                return await self.who(ask, THE_OPERATOR.account)
        return await self.downloads(ask)

    async def without_body(self, ask: Ask) -> Reply:
        """
        Whatever is about a verb and no POST with a body.

        :raises NoSuchFile: there is no such verb.
        """
        self._verb(ask)
        return text(405, "POST a JSON object", ask.id, (("Allow", "POST"),))

    async def listed(self, ask: Ask, account: IAccount) -> Reply:
        """
        All rulings in force.

        :raises NotAllowed: the account may not read them.
        """
        insist(account)
        return json_reply(200, await self.rulemaking.listed())

    async def who(self, ask: Ask, account: IAccount) -> Reply:
        """
        Who took `?what=`, a target as the orders have it; `&since=30d` says how far back, and else it is as far as there are records.

        :raises NotAllowed: the account may not know.
        """
        insist(account)
        asked = dict(ask.query)
        try:
            back = duration(asked["since"]) if "since" in asked else None
            found = await takers(self.fetches, asked.get("what", ""), self.clock.seconds(), back, self.rulemaking.cpu)
        except ValueError as error:
            return text(400, f"since: {error}", ask.id)
        except InvalidName as error:
            return text(400, f"what: {error}", ask.id)
        return json_reply(200, found)

    async def downloads(self, ask: Ask) -> Reply:
        """What was taken, for the operator: by `?account=`, from `?address=`, `&since=30d` ago at most; without these all."""
        asked = dict(ask.query)
        try:
            back = duration(asked["since"]) if "since" in asked else None
        except ValueError as error:
            return text(400, f"since: {error}", ask.id)
        account, address = asked.get("account"), asked.get("address")
        return json_reply(200, await taken(self.fetches, account, address, self.clock.seconds(), back, self.rulemaking.cpu))

    async def _perform(self, ask: Ask, body: bytes, caller: Caller) -> Reply:
        verb = self._verb(ask)
        try:
            order = orjson.loads(body)
        except orjson.JSONDecodeError:
            order = None
        if not isinstance(order, dict):
            return text(400, "the body must be a JSON object", ask.id)
        try:
            return json_reply(200, await self.rulemaking.perform(verb, order, caller))
        except Unacceptable as error:
            return text(400, str(error), ask.id)

    def _verb(self, ask: Ask) -> str:
        verb = ask.segments[-1]
        if verb not in VERBS or len(ask.segments) != (3 if ask.segments[0] == "+api" else 2):
            raise NoSuchFile("/".join(ask.segments)[:200])
        return verb
