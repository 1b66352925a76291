"""`IDating` over real connections: what a HEAD finds out, and that one that goes wrong harms nobody."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase
from twisted.web.http_headers import Headers
from zope.interface.verify import verifyObject

from pypidaemon.errors import NoSuchFile, UpstreamUnavailable
from pypidaemon.interfaces import IDating
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.settings import Secret
from pypidaemon.testing import Fault, TestIndex
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.headers import modified
from tests.upstreams.parts import QUICK, page, serve, started, whole

JANUARY = 1_577_836_800.0
"""The date of all files of a scriptable index."""
NAME = NormalizedName("thing")


@attrs.frozen
class Said:
    """As much of a response as is read for its date."""

    headers: Headers


def said(*values: bytes) -> Any:
    """A response with these lines of `Last-Modified`."""
    return Said(Headers({b"Last-Modified": list(values)} if values else {}))


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777.0),
        (b"Sun Nov  6 08:49:37 1994", 784_111_777.0),
        (b"Sun, 06 Nov 1994 08:49:37 -0000", 784_111_777.0),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (b"yesterday", None),
        (b"Wed, 99 Jan 2020 00:00:00 GMT", None),
        (b"Wed, 01 Jan 99999 00:00:00 GMT", None),
        (b"Wed, 01 Jan 2020 00:00:00 +99999999999999", None),
        (b"0", None),
        (b"1577836800", None),
        (b"\xff\xfe", None),
        (b"x" * 2000, None),
    ],
)
def test_dates_are_read_in_each_form_of_rfc_9110_and_nonsense_is_none(value: bytes, moment: float | None) -> None:
    assert modified(said(value)) == moment


def test_a_date_that_is_missing_or_there_twice_is_none() -> None:
    assert modified(said()) is None
    assert modified(said(b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT")) is None


@given(
    st.binary(max_size=60)
    | st.from_regex(rb"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d\d:\d\d ?[-+A-Z0-9]{0,12}", fullmatch=True)
)
def test_nothing_that_a_server_says_raises(value: bytes) -> None:
    found = modified(said(value.replace(b"\r", b"").replace(b"\n", b"")))
    assert found is None or isinstance(found, float)


@given(st.integers(0, 253_402_300_799))
def test_a_date_comes_back_as_it_was_written(moment: int) -> None:
    assert modified(said(formatdate(moment, usegmt=True).encode())) == moment


async def refused(asking: Any) -> str:
    """Why there is no date to be had."""
    with pytest.raises(UpstreamUnavailable) as caught:
        await asking
    return caught.value.cause


class Dates(TestCase):
    """A scriptable index whose files say when they were last changed."""

    def setUp(self) -> None:
        self.index = TestIndex(last_modified=True)
        self.wheel = self.index.add("thing", "1.0", size=50_000)
        self.served = serve(self, self.index)
        self.upstream = started(self, self.served.simple, limits=QUICK, patience=0.1)
        self.url = self.served.url + self.index.path("thing", self.wheel)

    async def works(self) -> None:
        """Pages and files are to be had at once."""
        assert self.upstream.health.state == "up"
        [file] = page(await self.upstream.fetch_page(NAME, Validators())).files
        assert len(await whole(await self.upstream.fetch_body(file.url, 0))) == len(self.index.data("thing", self.wheel))

    async def test_a_file_is_asked_by_head_and_not_sent(self) -> None:
        for upstream in (self.upstream, Guarded(self.upstream, ())):
            verifyObject(IDating, upstream)
            assert await upstream.last_modified(self.url) == JANUARY
        assert [seen.method for seen in self.index.requests] == ["HEAD", "HEAD"]
        assert "via" in self.index.requests[0].headers
        assert self.upstream.measures() == {"requests": 2, "failures": 0, "bytes_in": 0}
        await self.works()

    async def test_a_file_that_is_not_there_is_absent(self) -> None:
        with pytest.raises(NoSuchFile, match=r"x-1\.0\.tar\.gz"):
            await self.upstream.last_modified(f"{self.served.url}/packages/x-1.0.tar.gz")
        await self.works()

    async def test_a_date_that_cannot_be_read_is_none(self) -> None:
        for line in ("soon", ""):
            self.index.break_("/packages/*", Fault(headers=(("Last-Modified", line),)), 1)
            assert await self.upstream.last_modified(self.url) is None
        await self.works()

    async def test_S50_redirects_are_followed_and_credentials_stay_at_home(self) -> None:
        elsewhere = TestIndex(last_modified=True)
        elsewhere.add("thing", "1.0", size=50_000)
        there = serve(self, elsewhere)
        mine = started(self, self.served.simple, username="ada", password=Secret("lovelace"))
        self.index.break_("/packages/*", Fault(redirect=there.url + elsewhere.path("thing", self.wheel)), 1)
        assert await mine.last_modified(self.url) == JANUARY
        assert "authorization" in self.index.requests[0].headers
        assert ["authorization" in seen.headers for seen in elsewhere.requests] == [False]
        self.index.break_("/packages/*", Fault(redirect="http://ada:lovelace@127.0.0.1/"), 1)
        assert await refused(mine.last_modified(self.url)) == "the URL holds credentials"

    async def test_S47_what_must_not_be_asked_is_not_asked_by_head_either(self) -> None:
        for url in ("file:///etc/passwd", "http://ada:x@files.example/x", "http://169.254.169.254/latest", "http://127.0.0.1:22/x"):
            await refused(self.upstream.last_modified(url))
        assert self.index.requests == []
        secure = started(self, "https://index.example/simple/")
        assert await refused(secure.last_modified("http://files.example/x")) == "the URL is http although the index is https"
        assert secure.health.state == "up"

    async def test_F7_a_server_that_knows_no_head_is_none_the_worse_for_it(self) -> None:
        """After three wrong answers in a row it is left alone with such questions, and with no others."""
        for code in (403, 405, 500, 501, 502):
            self.index.break_("/packages/*", Fault(status=code), 1)
            await refused(self.upstream.last_modified(self.url))
        self.index.heal()
        await self.works()
        sent = self.index.count()
        await refused(self.upstream.last_modified(self.url))
        assert self.index.count() == sent

    async def test_F2_F32_nor_is_one_that_never_answers_or_asks_to_be_left_alone(self) -> None:
        for fault in (Fault(stall=True), Fault(drop=True), Fault(status=429, headers=(("Retry-After", "600"),))):
            self.upstream = started(self, self.served.simple, limits=QUICK, patience=0.1)
            self.index.break_("/packages/*", fault)
            await refused(self.upstream.last_modified(self.url))
            sent = self.index.count()
            await refused(self.upstream.last_modified(self.url))
            assert self.index.count() == sent
            self.index.heal()
            await self.works()

    async def test_a_body_after_a_head_is_nobodys_page(self) -> None:
        """A server that sends the file all the same."""
        self.index.break_("/packages/*", Fault(extra=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 1)
        assert await self.upstream.last_modified(self.url) == JANUARY
        await self.works()

    async def test_nobody_asks_an_upstream_that_is_down(self) -> None:
        await self.served.stop()
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable):
                await self.upstream.fetch_page(NAME, Validators())
        assert self.upstream.health.state == "down"
        await refused(self.upstream.last_modified(self.url))
        assert self.upstream.measures()["requests"] == 2
