"""A line that is full of an upstream's files: what is asked over it as well takes its time, which is no silence (F30, F33)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers

from pypidaemon.model import Validators
from tests import network
from tests.gear import later, now
from tests.upstreams.test_alternates import ALPHA, MAIN, Scene


class Flowing(network.Response):
    """A body without end, of which so many bytes come each half second for as long as it is wanted and nobody stops it."""

    size, stopped = 4096, False

    def deliverBody(self, protocol: Protocol) -> None:
        transport = StringTransport()
        protocol.makeConnection(transport)
        self._more(protocol, transport)

    def _more(self, protocol: Protocol, transport: StringTransport) -> None:
        if not transport.disconnecting and not self.stopped:
            protocol.dataReceived(bytes(self.size))
            assert self.drip is not None
            self.drip.callLater(0.5, self._more, protocol, transport)


class Full(Scene):
    """One file comes from the index's own host, and whatever else is asked of that is silent, until `page` is answered."""

    page: Deferred[Any]

    def begin(self, size: int = 4096) -> Flowing:
        """Begin to read it, and a page that never comes."""
        flowing = Flowing(200, bytes(1 << 30), Headers({"Content-Length": [str(1 << 30)]}), drip=self.clock)
        flowing.size = size

        def answering(path: str, net: network.Network) -> Deferred[Any]:
            self.page = network.silent(path, net)
            return succeed(flowing) if path.startswith("/packages/") else self.page

        self.hosts.host(MAIN).wrong = answering
        self.upstream.health.attend()
        later(self._read(now(self.upstream.fetch_body(self.file.url, 0)))).addErrback(lambda _: None)
        later(self.upstream.fetch_page(ALPHA, Validators())).addErrback(lambda _: None)
        return flowing

    async def _read(self, body: Any) -> None:
        while await body.read():
            pass

    def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)


def test_F33_who_sends_files_is_not_silent() -> None:
    scene = Full()
    scene.begin()
    scene.pass_(9.0)
    assert scene.upstream.health.state == "up"


def test_F33_who_sends_no_more_is_doubted_as_soon_as_ever() -> None:
    """By the question that was there already: it was silent for long before."""
    scene = Full()
    flowing = scene.begin()
    scene.pass_(5.0)
    flowing.stopped = True
    scene.pass_(1.0)
    assert scene.upstream.health.state == "up"
    scene.pass_(1.2)
    assert scene.upstream.health.state == "suspect"


def test_F33_a_question_that_takes_too_long_all_the_same_fails() -> None:
    scene = Full()
    scene.begin()
    scene.pass_(10.2)
    assert scene.upstream.health.state == "suspect"


@pytest.mark.parametrize("size", [1, 400])
def test_F30_who_drips_is_as_good_as_silent(size: int) -> None:
    scene = Full()
    scene.begin(size)
    scene.pass_(2.2)
    assert scene.upstream.health.state == "suspect"


def test_F33_what_was_answered_is_doubted_no_more() -> None:
    scene = Full()
    flowing = scene.begin()
    scene.pass_(3.0)
    flowing.stopped = True
    scene.page.callback(network.Response(404))
    scene.pass_(5.0)
    assert scene.upstream.health.state == "up"
