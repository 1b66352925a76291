"""
Asking when a file was last changed: a HEAD, by the rules of every other request, whose outcome harms nobody.

Many servers answer HEAD wrongly or not at all. So these questions have a health of their own: one that goes wrong keeps nobody from pages and
files, and after some that did no more are sent for a while.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote, urlsplit

import attrs
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from pypidaemon.errors import NoSuchFile
from pypidaemon.interfaces import IHealth
from pypidaemon.upstreams import headers
from pypidaemon.upstreams.exchange import Exchange
from pypidaemon.upstreams.origins import BadTarget, Target, check_file, target


@attrs.frozen(eq=False)
class Dating:
    """
    Asks the files of one upstream for their dates.

    :param exchange: of these questions alone, with a health of their own.
    :param health: the upstream's, which is read and never touched: whoever is down is not asked.
    :param fields: gives the fields of every request.
    """

    index: Target
    exchange: Exchange
    health: IHealth
    agent: IAgent
    fields: Callable[[], Awaitable[Mapping[str, str]]]

    async def last_modified(self, url: str) -> float | None:
        """As `IDating`."""
        try:
            wanted = target(url)
            check_file(self.index, wanted)
        except BadTarget as error:
            raise self.exchange.fail(str(error)) from error
        if wanted.host == self.index.host and not (self.health.state == "up" and self.exchange.health.may_ask()):
            raise self.exchange.fail(self.health.cause or self.exchange.health.cause)
        # Without this a cache on the way may answer for the file in another coding, of another age.
        fields = {**await self.fields(), "Accept-Encoding": "identity"}
        answer = await self.exchange.ask(wanted, fields, self._send, self._check)
        if self.exchange.absent(answer):
            raise NoSuchFile(unquote(urlsplit(wanted.url).path.rpartition("/")[2]))
        if answer.response.code != 200:
            raise self.exchange.refuse(answer)
        self.exchange.discard(answer)
        self.exchange.alive(answer)
        return headers.modified(answer.response)

    async def _send(self, url: str, sent: Headers) -> IResponse:
        response: IResponse = await self.agent.request(b"HEAD", url.encode("ascii"), sent, None)
        return response

    def _check(self, there: Target) -> None:
        check_file(self.index, there)
