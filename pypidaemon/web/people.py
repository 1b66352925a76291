"""Accounts over HTTP: the orders of `pypidaemon.accounts.orders`, each the body of a POST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import orjson

from pypidaemon.accounts.orders import ORDERS, perform
from pypidaemon.accounts.people import OPERATOR, Actor, People, Unacceptable
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

LARGEST = 65536
"""Bytes of a body; the longest password and names need a tenth of it."""
_ENDING = frozenset({("user", "password"), ("user", "disable"), ("user", "rm")})
"""What ends every session of the account."""


@attrs.define
class PeopleDesk:
    """
    Answers `POST .../<word>/<word>` such as `/people/token/add`, whatever stands before the last two segments.

    Who asks has been let in by the caller: everybody on the control socket, and elsewhere who may `admin` everywhere
    (`may("admin", "*", NormalizedName(""))`, since None would ask for any project).
    """

    people: People
    ended: Callable[[str], None] = lambda _: None
    """Told of each account that whoever has signed in as it is to do so anew."""
    flights: Flights[object, Any] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)))
    """Orders under way: who leaves does not stop one halfway."""

    async def handle(self, ask: Ask, body: bytes, actor: Actor = OPERATOR) -> Reply:
        """
        Carry out one order and answer what came of it, 400 with one line where it cannot be.

        :param actor: who the audit log says it was.
        :raises NoSuchFile: there is no such order.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        order = ask.segments[-2:]
        if len(order) != 2 or order not in ORDERS:
            raise NoSuchFile("/".join(ask.segments)[:200])
        if ask.method != "POST":
            return text(405, "POST a JSON object", ask.id, (("Allow", "POST"),))
        if len(body) > LARGEST:
            return text(413, "the body is too large", ask.id)
        try:
            fields = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError:
            # What the parser says would quote the body, which may hold a password (S71).
            fields = None
        if not isinstance(fields, dict):
            return text(400, "the body must be a JSON object", ask.id)
        try:
            return json_reply(200, await self.carry_out((order[0], order[1]), fields, actor))
        except Unacceptable as error:
            return text(400, str(error), ask.id)

    async def carry_out(self, order: tuple[str, str], fields: Mapping[str, Any], actor: Actor) -> Any:
        """
        One of `ORDERS`, of somebody who was let in; who leaves does not stop it halfway.

        :raises Unacceptable: as `perform`.
        :raises TooManyAttempts: as `handle`.
        """
        return await self.flights.join(object(), lambda: self._performed(actor, order, fields))

    async def _performed(self, actor: Actor, order: tuple[str, str], fields: Mapping[str, Any]) -> Any:
        ends = order in _ENDING
        try:
            return await perform(self.people, actor, order, fields)
        except PypidaemonError as error:
            # Another password is noticed by each request, so where that failed halfway nobody has to be sent away.
            ends = ends and order[1] != "password" and not isinstance(error, Unacceptable)
            raise
        finally:
            # Whatever became of it: an order that failed has perhaps changed something, and one that had nothing to change perhaps follows one that was cut off.
            if order[1] != "ls":
                self.people.changed()
            if ends and isinstance(name := fields.get("name"), str):
                self.ended(name)
