"""
What changed at an upstream, by XML-RPC: for indexes whose project list has no serials, so that an idle mirror costs one request (M4, R146).

These questions have a health of their own: the answers are slow to make, some servers refuse them to all but a few, and that one goes wrong keeps
nobody from pages and files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import attrs
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from pypidaemon.model import Change, InThread
from pypidaemon.simple.changelog import read_changelog, read_last_serial
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.xml_rpc import write_call
from pypidaemon.upstreams.exchange import Exchange
from pypidaemon.upstreams.origins import Target, check_page
from pypidaemon.upstreams.pages import Tally, ask, collect

T = TypeVar("T")

MOST_CHANGES = 200_000
"""Rows that are worth holding, some 60 MiB: where more have changed, the project list says it shorter."""

LARGEST = 32 << 20
"""Bytes of one answer, decoded: 50,000 rows have some 16 MiB."""

FEW = 5_000
"""An answer of fewer rows was not cut off: PyPI cuts at 50,000 and pypidaemon at 10,000. Where one was all the same, the rest comes the next time."""


@attrs.frozen(eq=False)
class Changelog:
    """
    Asks one endpoint.

    :param endpoint: where it is, as the configuration says, so anywhere.
    :param exchange: of these questions alone, with a health and limits of their own.
    :param fields: gives the fields of every request.
    :param counted: called with the number of bytes of each answer.
    """

    endpoint: Target
    exchange: Exchange
    agent: IAgent
    fields: Callable[[], Awaitable[Mapping[str, str]]]
    cpu: InThread
    reactor: Any
    counted: Callable[[int], None]

    async def changes(self, since: int) -> list[Change] | None:
        """
        As `IUpstream`: asked on until there is no more; None where that would be more than the project list is.

        :raises UpstreamUnavailable: it could not be had, or is no changelog.
        """
        if since <= 0:
            return None
        found: list[Change] = []
        seen = 0
        while True:
            part = await self._answer(write_call("changelog_since_serial", since), read_changelog, since)
            found += part.rows
            since = part.last
            # Also rows of which nothing is kept: whoever sends no others would be asked for ever.
            seen += part.count
            if seen > MOST_CHANGES:
                return None
            if part.count < FEW:
                return found

    async def last(self) -> int:
        """
        The serial of the last change.

        :raises UpstreamUnavailable: it could not be had, or is none.
        """
        if not self.exchange.health.may_ask():
            raise self.exchange.fail(self.exchange.health.cause, self.exchange.health)
        return await self._answer(write_call("changelog_last_serial"), read_last_serial)

    async def _answer(self, call: bytes, read: Callable[..., T], *more: int) -> T:
        """What `read` makes of the body of the answer and `more`."""
        tally = Tally(self.agent)
        fields = {**await self.fields(), "Accept": "text/xml", "Content-Type": "text/xml"}
        until = self.exchange.clock.seconds() + self.exchange.limits.page

        async def send(url: str, sent: Headers) -> IResponse:
            return await ask(tally, url, sent, self.reactor, call)

        answer = await self.exchange.ask(self.endpoint, fields, send, self._check)
        if answer.response.code != 200:
            raise self.exchange.refuse(answer)
        try:
            body = await collect(self.exchange, answer, tally, until, "changelog")
        finally:
            self.counted(tally.raw)
        try:
            result = await self.cpu(read, body, *more)
        except Unreadable as error:
            raise self.exchange.stumble(answer, f"its changelog cannot be read: {error}") from error
        answer.health.succeeded()
        return result

    def _check(self, there: Target) -> None:
        check_page(self.endpoint, there)
