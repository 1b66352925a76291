"""What changed at an upstream, by XML-RPC (M4, R146): from another pypidaemon, and from whoever answers badly."""

from __future__ import annotations

import gzip
import xmlrpc.client
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import NotModified, UpstreamNames, Validators
from pypidaemon.settings import Secret
from pypidaemon.simple.xml_rpc import Fault as XmlFault
from pypidaemon.simple.xml_rpc import write_fault
from pypidaemon.testing import Fault, TestIndex
from pypidaemon.upstreams import changelog
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.limits import Limits
from tests.house import House
from tests.upstreams.parts import QUICK, Saying, make, serve, started
from tests.web.test_uploads import upload, wheel

ADDED = "add py3 file thing-1.0-py3-none-any.whl"


def rows(*serials: int, name: str = "thing") -> bytes:
    """The answer that has one row of each serial."""
    found = [[name, "1.0", 1_700_000_000, ADDED, serial] for serial in serials]
    return xmlrpc.client.dumps((found,), methodresponse=True).encode()


def said(body: bytes, **more: Any) -> Fault:
    """An answer of an endpoint."""
    return Fault(status=200, body=body, content_type="text/xml", **more)


async def cause(asking: Any) -> str:
    """Why it is unavailable."""
    with pytest.raises(UpstreamUnavailable) as caught:
        await asking
    return caught.value.cause


class AgainstOurselves(TestCase):
    """A whole pypidaemon with private packages, behind a socket."""

    async def test_M4_an_upstream_of_our_own_kind_says_what_changed(self) -> None:
        house = House()
        house.with_private()
        token = house.token("ann")
        house.grant("ann", "upload", "private")
        for made in (wheel("alpha"), wheel("beta"), wheel("alpha", "1.1")):
            assert upload(house, token, made).status == 200
        port = reactor.listenTCP(0, house.door.site, interface="127.0.0.1")  # type: ignore[attr-defined]

        async def stop() -> None:
            await port.stopListening()

        self.addCleanup(stop)
        url = f"http://127.0.0.1:{port.getHost().port}/index/private/"
        upstream = started(self, f"{url}simple/", changelog=f"{url}pypi")
        every = await upstream.changes(1)
        assert every is not None
        assert [(row.name, row.version) for row in every][-1] == ("alpha", "1.1")
        assert {row.name for row in every} == {"alpha", "beta"}
        last = every[-1].serial
        assert await upstream.changes(last) == []
        assert upload(house, token, wheel("gamma")).status == 200
        news = await upstream.changes(last)
        assert news is not None
        assert {row.name for row in news} == {"gamma"}
        assert all(row.serial > last for row in news)


class AgainstIndex(TestCase):
    """A scriptable index beside an endpoint that misbehaves."""

    def setUp(self) -> None:
        self.index = TestIndex()
        self.index.add("thing", "1.0")
        self.served = serve(self, self.index)
        self.upstream = started(self, self.served.simple, changelog=f"{self.served.url}/pypi", limits=QUICK)

    def answer(self, *faults: Fault) -> None:
        """What the endpoint says, one after the other."""
        self.index.heal("/pypi")
        for fault in reversed(faults):
            self.index.break_("/pypi", fault, times=1)

    async def names(self, upstream: Any = None) -> UpstreamNames:
        """The list's answer, of which nothing is read."""
        found = await (upstream or self.upstream).fetch_names(Validators())
        assert isinstance(found, UpstreamNames)
        found.body.close()
        return found

    async def test_without_an_endpoint_it_cannot_tell(self) -> None:
        upstream = started(self, self.served.simple)
        assert await upstream.changes(5) is None
        assert self.index.requests == []

    async def test_nothing_is_asked_from_the_beginning(self) -> None:
        """The list says that shorter."""
        assert await self.upstream.changes(0) is None
        assert await self.upstream.changes(-1) is None
        assert self.index.requests == []

    async def test_M4_an_idle_look_is_one_request(self) -> None:
        self.answer(said(rows()))
        assert await self.upstream.changes(5) == []
        (seen,) = self.index.requests
        assert (seen.method, seen.path) == ("POST", "/pypi")
        assert seen.headers["content-type"] == "text/xml"
        assert seen.headers["user-agent"].startswith("pypidaemon/")
        assert seen.headers["via"] == "1.1 pypidaemon-0123456789abcdef"
        assert self.upstream.measures()["requests"] == 1
        assert self.upstream.measures()["bytes_in"] == len(rows())

    async def test_a_compressed_answer_is_read(self) -> None:
        self.answer(said(rows(6, 7), gzip=True))
        found = await self.upstream.changes(5)
        assert found is not None
        assert [row.serial for row in found] == [6, 7]

    async def test_R146_it_asks_on_while_answers_are_long(self) -> None:
        self.patch(changelog, "FEW", 2)
        self.answer(said(rows(6, 7)), said(rows(8, 9, name="../x")), said(rows(10)))
        found = await self.upstream.changes(5)
        assert found is not None
        assert [row.serial for row in found] == [6, 7, 10]
        assert self.index.count("/pypi") == 3

    async def test_rows_of_which_nothing_is_kept_count_as_well(self) -> None:
        """Who sends nothing else, and always has more, is not asked for ever."""
        self.patch(changelog, "FEW", 2)
        self.patch(changelog, "MOST_CHANGES", 3)
        self.answer(said(rows(6, 7, name="../x")), said(rows(8, 9, name="../x")), said(rows(10, 11, name="../x")))
        assert await self.upstream.changes(5) is None
        assert self.index.count("/pypi") == 2

    async def test_more_changes_than_are_worth_holding_are_not_told(self) -> None:
        """Whoever asked reads the list then."""
        self.patch(changelog, "FEW", 2)
        self.patch(changelog, "MOST_CHANGES", 3)
        self.answer(said(rows(6, 7)), said(rows(8, 9)), said(rows(10)))
        assert await self.upstream.changes(5) is None
        assert self.index.count("/pypi") == 2

    async def test_S83_what_is_no_changelog_is_an_outage_of_the_changelog_alone(self) -> None:
        for fault, reason in (
            (said(b"<html>log in</html>"), "cannot be read"),
            (said(b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><methodResponse/>'), "document types"),
            (said(rows(9, 8)), "ascend"),
            (said(rows(5)), "ascend"),
            (said(write_fault(XmlFault(-32500, "no more"))), "fault -32500: no more"),
            (said(rows(6)[:-40]), "cannot be read"),
            (said(gzip.compress(rows(6)), headers=(("Content-Encoding", "br"),)), "coding"),
            (Fault(status=404), "404"),
            (Fault(status=500), "500"),
            (said(rows(6), truncate=30), "broke off"),
        ):
            self.answer(fault)
            assert reason in await cause(self.upstream.changes(5)), reason
        assert self.upstream.health.state == "up"
        await self.names()

    async def test_F18_S53_more_than_a_changelog_can_be_is_cut(self) -> None:
        upstream = started(self, self.served.simple, changelog=f"{self.served.url}/pypi", limits=Limits(page_size=1000))
        self.answer(said(rows(*range(6, 20))))
        assert await cause(upstream.changes(5)) == "its changelog is too large"

    async def test_F30_F32_silence_ends(self) -> None:
        self.answer(Fault(stall=True))
        assert await cause(self.upstream.changes(5))
        self.answer(said(rows(6), stall_after=20))
        assert "takes too long" in await cause(self.upstream.changes(5))

    async def test_S50_redirects_stay_on_the_host(self) -> None:
        self.answer(Fault(redirect="http://elsewhere.example/pypi"))
        assert "another host" in await cause(self.upstream.changes(5))
        self.answer(Fault(redirect="/pypi/"))
        self.index.break_("/pypi/", said(rows(6)))
        found = await self.upstream.changes(5)
        assert found is not None
        assert [seen.method for seen in self.index.requests] == ["POST"] * 3

    async def test_S50_credentials_go_to_the_index_alone(self) -> None:
        other = TestIndex()
        other.break_("/pypi", said(rows()))
        elsewhere = serve(self, other)
        login = {"username": "ann", "password": Secret("secret")}
        for url, index, sent in ((self.served.url, self.index, True), (elsewhere.url, other, False)):
            self.answer(said(rows()))
            upstream = started(self, self.served.simple, changelog=f"{url}/pypi", **login)
            assert await upstream.changes(5) == []
            assert ("authorization" in index.requests[-1].headers) == sent

    async def test_reserved_names_are_left_out(self) -> None:
        self.answer(said(rows(6)))
        assert await Guarded(self.upstream, ("thing",)).changes(5) == []

    async def test_M4_a_list_without_serials_gets_the_changelogs(self) -> None:
        """It is asked first, so that what changes while the list is read is asked for again."""
        self.index.break_("/simple/", Fault(headers=(("X-PyPI-Last-Serial", ""),)))
        self.answer(said(xmlrpc.client.dumps((77,), methodresponse=True).encode()))
        assert (await self.names()).serial == 77
        assert [seen.path for seen in self.index.requests] == ["/pypi", "/simple/"]

    async def test_a_list_with_a_serial_keeps_its_own_and_one_without_needs_no_endpoint(self) -> None:
        self.answer(said(xmlrpc.client.dumps((77,), methodresponse=True).encode()), Fault(status=500))
        assert (await self.names()).serial == self.index.serial
        self.index.break_("/simple/", Fault(headers=(("X-PyPI-Last-Serial", ""),)))
        assert (await self.names()).serial is None
        assert isinstance(await self.upstream.fetch_names(Validators(etag='"other"')), UpstreamNames | NotModified)

    async def test_F40_a_dead_endpoint_holds_up_no_list(self) -> None:
        self.answer(Fault(drop=True), Fault(drop=True))
        await self.names()
        asked = self.index.count("/pypi")
        await self.names()
        assert self.index.count("/pypi") == asked


class Verbatim(TestCase):
    async def test_the_call_is_what_others_send(self) -> None:
        """And an answer that only the closing of the connection ends is good."""
        body = rows(6)
        server = Saying(self, b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + body, close=True)
        upstream = started(self, server.simple, changelog=f"http://127.0.0.1:{server.port}/pypi")
        found = await upstream.changes(5)
        assert found is not None
        assert found[0].serial == 6
        done: Deferred[None] = Deferred()
        reactor.callLater(0, done.callback, None)  # type: ignore[attr-defined]
        await done
        assert server.heard[0].startswith(b"POST /pypi HTTP/1.1\r\n")


def test_an_endpoint_that_is_no_url_is_one_line_of_configuration() -> None:
    with pytest.raises(ValueError, match="changelog: the URL is neither"):
        make("http://127.0.0.1:1/simple/", changelog="ftp://127.0.0.1/pypi")
