"""Documents in JSON that a server has beside its index: asked for by the rules of pages, and read off the reactor's thread."""

from __future__ import annotations

import random as randomness
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from pypidaemon.model import InThread
from pypidaemon.settings import Secret
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.extracts import Where, extracts, in_pieces
from pypidaemon.upstreams.agent import Outbound, outbound
from pypidaemon.upstreams.exchange import Exchange
from pypidaemon.upstreams.health import Health
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.origins import BadTarget, Target, check_page, target
from pypidaemon.upstreams.pages import Tally, ask, collect
from pypidaemon.upstreams.routes import basic

ACCEPT = "application/json"


@attrs.define(eq=False)
class Documents:
    """
    Asks one server for its documents.

    :param label: what the server is called in errors.
    :param server: where it is. No other host is asked, and nobody else is told who we are (S50).
    :param fields: what is sent with every request besides.
    """

    label: str
    server: Target
    fields: Mapping[str, str]
    clock: IReactorTime
    reactor: Any
    cpu: InThread
    username: str | None = None
    password: Secret | None = attrs.field(default=None, repr=False)
    ca_file: Path | None = None
    agent: IAgent | None = attrs.field(default=None, repr=False)
    limits: Limits = attrs.field(factory=Limits, repr=False)
    random: Callable[[], float] = attrs.field(default=randomness.random, repr=False)
    _exchange: Exchange = attrs.field(init=False, repr=False)
    _own: Outbound | None = attrs.field(default=None, init=False, repr=False)
    _out: IAgent = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        authorization = None
        if self.username is not None:
            shared = "" if self.password is None else self.password.reveal()
            authorization = basic(Secret(f"{self.username}:{shared}"))
        health = Health(self.clock, self.random, self.label)
        # Nobody else can be asked in its stead, so who asks waits as long as it takes.
        self._exchange = Exchange(self.label, self.server, self.clock, self.limits, health, self.limits.head, authorization)
        if self.agent is not None:
            self._out = self.agent
            return
        self._own = outbound(
            self.reactor,
            trusted_hosts=frozenset([self.server.host]),
            own_port=self.server.port,
            ca_file=self.ca_file,
            connect_timeout=self.limits.connect,
        )
        self._out = self._own

    async def fetch(self, url: str, wanted: Callable[[Sequence[str]], bool]) -> list[tuple[Where, dict[str, Any]]] | None:
        """
        The objects that are wanted of the JSON at that URL, as of `extracts`; None where the server says that there is no such document.

        :raises UpstreamUnavailable: it could not be had, or is no JSON.
        """
        try:
            there = target(url)
            check_page(self.server, there)
        except BadTarget as error:
            raise self._exchange.fail(str(error)) from error
        tally = Tally(self._out)
        until = self.clock.seconds() + self.limits.page

        async def send(place: str, sent: Headers) -> IResponse:
            return await ask(tally, place, sent, self.reactor)

        answer = await self._exchange.ask(there, {**self.fields, "Accept": ACCEPT}, send, self._check)
        if self._exchange.absent(answer):
            return None
        if answer.response.code != 200:
            raise self._exchange.refuse(answer)
        body = await collect(self._exchange, answer, tally, until, "document")
        try:
            found = await self.cpu(_extracts, body, wanted)
        except Unreadable as error:
            raise self._exchange.stumble(answer, f"its document cannot be read: {error}") from error
        self._exchange.alive(answer)
        return found

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._own is not None:
            await self._own.close()

    def _check(self, there: Target) -> None:
        check_page(self.server, there)


def _extracts(body: bytes, wanted: Callable[[Sequence[str]], bool]) -> list[tuple[Where, dict[str, Any]]]:
    return list(extracts(in_pieces(body), wanted))
