"""The bodies of one upstream that are read while they arrive: those of files, from their beginning or from where a transfer broke off, and of the project list."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote, urlsplit

import attrs
from twisted.internet.defer import DeferredSemaphore
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from pypidaemon.errors import NoSuchFile
from pypidaemon.upstreams import headers
from pypidaemon.upstreams.body import Body
from pypidaemon.upstreams.connections import Fields
from pypidaemon.upstreams.exchange import Answer, Exchange
from pypidaemon.upstreams.health import Health
from pypidaemon.upstreams.origins import BadTarget, Target, check_file, target
from pypidaemon.upstreams.small import Small, Unusual, Watch
from pypidaemon.waits import TookTooLong, entered, within

_MOST_TAGS = 256
_NO_CODING = {"Accept-Encoding": "identity"}
"""A coding would change the bytes that the page's digest is of (R215); a cache on the way must not make one up either."""


def _none(url: str, sent: Fields, size: int, watch: Watch) -> None:
    """There is no such way."""


@attrs.define(eq=False)
class _Flow:
    """
    Notes when bytes came from somebody at a pace that is worth it.

    :param counted: told of each piece.
    """

    exchange: Exchange
    health: Health
    counted: Callable[[int], None]
    _since: float = attrs.field(default=-math.inf, init=False)
    _came: int = attrs.field(default=0, init=False)

    def came(self, size: int) -> None:
        """So many more have come."""
        self.counted(size)
        now, patience = self.exchange.clock.seconds(), self.exchange.patience
        if not 0 <= now - self._since < patience:
            self._since, self._came = now, 0
        self._came += size
        if self._came >= self.exchange.limits.slowest * patience:
            self.health.flowed = self._since = now
            self._came = 0


@attrs.define(eq=False)
class Bodies:
    """
    Asks for them, a few at a time.

    :param fields: gives the fields of every request.
    :param counted: called with the number of bytes of each piece that arrives.
    :param small: asks for a small file, of that many bytes, in few steps; None where it has to be sent for.
    """

    index: Target
    exchange: Exchange
    fields: Callable[[], Awaitable[Mapping[str, str]]]
    send: Callable[[str, Headers], Awaitable[IResponse]]
    counted: Callable[[int], None]
    small: Callable[[str, Fields, int, Watch], Small | None] = _none
    _watch: Watch = attrs.field(init=False, repr=False)
    _places: DeferredSemaphore = attrs.field(init=False, repr=False)
    _tags: OrderedDict[str, str] = attrs.field(factory=OrderedDict, init=False, repr=False)
    """The strong entity tags of what was fetched lately, by URL: what a transfer that broke off must be taken up by."""

    def __attrs_post_init__(self) -> None:
        self._places = DeferredSemaphore(self.exchange.limits.bodies_at_once)
        self._watch = Watch(self.exchange.clock, min(self.exchange.patience, self.exchange.limits.head))

    async def glimpse(self, url: str) -> None:
        """
        Ask for a file and take nothing of it, to see whether its host is back; what comes of it is told to the health.

        :raises PypidaemonError: as of `fetch`.
        """
        (await self.fetch(url, 0, anyway=True)).close()

    async def fetch(self, url: str, offset: int, *, anyway: bool = False) -> Body:
        """
        As `IUpstream.fetch_body`. Where the file may be another by now all of it comes, from its first byte on (RFC 9110 §13.1.5).

        :param anyway: whether its host is asked although it is known to be down.
        """
        wanted, health = self._wanted(url, anyway=anyway)
        fields = {**await self.fields(), **_NO_CODING}
        if offset:
            fields["Range"] = f"bytes={offset}-"
            if wanted.url in self._tags:
                fields["If-Range"] = self._tags[wanted.url]
        leave = await self._entered(health, anyway=anyway)
        try:
            return await self._asked(wanted, fields, offset, leave)
        except BaseException:
            leave()
            raise

    async def fetch_whole(self, url: str, size: int) -> bytes | Body:
        """As `IWhole.fetch_whole`."""
        wanted, health = self._wanted(url)
        fields = {**await self.fields(), **_NO_CODING}
        leave = await self._entered(health)
        try:
            slow = health.patience(self.exchange.patience) > self.exchange.patience
            small = None if slow else self.small(wanted.url, self.exchange.sent(wanted, fields), size, self._watch)
            if small is None:
                return await self._asked(wanted, fields, 0, leave)
            self.exchange.begin(wanted, health)
            came = await small.answered
            if isinstance(came, Unusual):
                return await self._asked(wanted, fields, 0, leave, self._sent(came, wanted, health))
            self.exchange.whole(wanted, health)
            self.counted(size)
            leave()
            return came
        except BaseException:
            leave()
            raise

    def _sent(self, unusual: Unusual, wanted: Target, health: Health) -> Awaitable[IResponse] | None:
        """The response that is waited for instead, no longer than it would have been without that attempt, and no longer in good faith."""
        exchange, spent = self.exchange, unusual.spent

        def silent() -> None:
            # Who waits for the response doubts as well, a little later.
            if not exchange.trusted(health):
                exchange.silent(wanted, health)

        if unusual.silent:
            silent()
        if unusual.asking is None:
            return None
        doubt = (max(exchange.patience - spent, 0.0), silent)
        return within(exchange.clock, max(exchange.limits.head - spent, 0.0), unusual.asking, None if unusual.silent else doubt)

    def _wanted(self, url: str, *, anyway: bool = False) -> tuple[Target, Health]:
        """
        Whom to ask for that URL, and how he is.

        :raises UpstreamUnavailable: it must not be asked for, or it is known that he does not answer.
        """
        try:
            wanted = target(url)
            check_file(self.index, wanted)
        except BadTarget as error:
            raise self.exchange.fail(str(error)) from error
        # Whoever is known not to answer is not waited for by each client anew (F33).
        health = self.exchange.health_at(wanted)
        if not anyway and not health.may_ask():
            if health is not self.exchange.health:
                self.exchange.elsewhere.note(wanted.place, wanted.url)
            raise self.exchange.fail(health.cause or "it does not answer", health)
        return wanted, health

    async def _asked(
        self, wanted: Target, fields: Mapping[str, str], offset: int, leave: Callable[[], None], sent: Awaitable[IResponse] | None = None
    ) -> Body:
        """The body that comes of asking for that; as `Exchange.ask`."""
        answer = await self.exchange.ask(wanted, fields, self.send, self._check, sent)
        if self.exchange.absent(answer):
            raise NoSuchFile(unquote(urlsplit(wanted.url).path.rpartition("/")[2]))
        if answer.response.code not in (200, 206):
            raise self.exchange.refuse(answer)
        begins, total = self._extent(answer, offset)
        if headers.coding(answer.response):
            self.exchange.discard(answer)
            raise self.exchange.stumble(answer, "the file comes in a coding that nobody asked for")
        body = self.begun(answer, begins, total, leave)
        self._note(wanted.url, body.validator)
        return body

    async def _entered(self, health: Health, *, anyway: bool = False) -> Callable[[], None]:
        """
        As `enter`, for whoever is to be asked of that health.

        :raises UpstreamUnavailable: also where the place came free because another went wrong there: each that is sent after it would take as long to find
            out the same.
        """
        was_up = health.state == "up"
        leave = await self.enter()
        if was_up and health.state != "up" and not anyway:
            leave()
            raise self.exchange.fail(health.cause or "it does not answer", health)
        return leave

    async def enter(self) -> Callable[[], None]:
        """Wait for a place among the bodies; the answer gives it back, once however often it is called."""
        try:
            await entered(self.exchange.clock, self.exchange.limits.queue, self._places)
        except TookTooLong:
            raise self.exchange.fail("too many other files are being fetched from it") from None
        held = [self._places]

        def leave() -> None:
            if held:
                held.pop().release()

        return leave

    def begun(self, answer: Answer, offset: int, total: int | None, leave: Callable[[], None]) -> Body:
        """The body of that answer, which gives its place back when it ends."""
        exchange = self.exchange
        exchange.alive(answer, good=True)

        def ended(trouble: str | None) -> None:
            # Whoever waits for the place is to know.
            if trouble is not None:
                exchange.stumble(answer, trouble)
            if body.waited_out:
                exchange.forget(answer.target)
            if body.waited_out and self._places.waiting:
                # Those who wait for its place are not to be sent after it, each to find out the same as slowly.
                answer.health.silent()
            leave()

        validator = headers.strong(answer.response)
        flow = _Flow(exchange, answer.health, self.counted)
        body = Body(exchange.label, exchange.clock, exchange.limits, offset, total, validator, ended, flow.came)
        answer.response.deliverBody(body)
        return body

    def _extent(self, answer: Answer, offset: int) -> tuple[int, int | None]:
        """Where the body begins and how large the whole is (F13)."""
        if answer.response.code == 200:
            return 0, headers.length(answer.response)
        said = headers.part(answer.response)
        if not offset or said is None or said[0] != offset:
            self.exchange.discard(answer)
            raise self.exchange.stumble(answer, "it answers with a part of the file that nobody asked for")
        return said

    def _note(self, url: str, validator: str | None) -> None:
        self._tags.pop(url, None)
        # Any other kind of validator is a date.
        if validator is not None and validator.startswith('"'):
            self._tags[url] = validator
            if len(self._tags) > _MOST_TAGS:
                self._tags.popitem(last=False)

    def _check(self, there: Target) -> None:
        check_file(self.index, there)
