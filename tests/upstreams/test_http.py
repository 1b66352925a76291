"""`pypidaemon.upstreams.http` against everything that a real upstream, cache or network has been seen to do."""

from __future__ import annotations

import gzip
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import TestCase

from pypidaemon import passage
from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.model import NormalizedName, NotModified, Validators
from pypidaemon.settings import Secret
from pypidaemon.testing import Fault, TestIndex
from pypidaemon.testing.faults import gzip_bomb, portal, redirect_loop, wrong_project
from pypidaemon.upstreams.http import ACCEPT, HttpUpstream
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.sieve import GATHERS
from tests.gear import later
from tests.upstreams.parts import QUICK, Saying, broken, gatherings, make, page, serve, started, whole

NAME = NormalizedName("thing")
NOTHING = Validators()
JSON = b"Content-Type: application/vnd.pypi.simple.v1+json\r\n"
PAGE = b'{"meta": {"api-version": "1.0"}, "name": "thing", "files": []}'


def reply(body: bytes = PAGE, *lines: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """A response, of which each part may be wrong."""
    size = len(body) if length is None else length
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n%b\r\n%b" % (status, JSON, size, b"".join(line + b"\r\n" for line in lines), body)


async def cause(asking: Any) -> str:
    """Why it is unavailable."""
    with pytest.raises(UpstreamUnavailable) as caught:
        await asking
    return caught.value.cause


class AgainstIndex(TestCase):
    """A scriptable index that misbehaves."""

    def setUp(self) -> None:
        self.index = TestIndex()
        self.wheel = self.index.add("thing", "1.0", size=50_000)
        self.served = serve(self, self.index)
        self.upstream = started(self, self.served.simple)

    def url(self) -> str:
        return self.served.url + self.index.path("thing", self.wheel)

    async def fetch(self) -> Any:
        return await self.upstream.fetch_page(NAME, NOTHING)

    async def test_R210_R215_it_says_who_it_is_and_what_it_takes(self) -> None:
        await self.fetch()
        headers = self.index.requests[-1].headers
        assert headers["accept"] == ACCEPT
        assert headers["accept-encoding"] == "gzip"
        assert headers["user-agent"].startswith("pypidaemon/")
        assert headers["via"] == "1.1 pypidaemon-0123456789abcdef"
        assert "cookie" not in headers
        assert "authorization" not in headers

    async def test_cookies_are_not_kept(self) -> None:
        self.index.break_("*", Fault(headers=(("Set-Cookie", "a=b; Path=/"),)))
        await self.fetch()
        await self.fetch()
        assert "cookie" not in self.index.requests[-1].headers

    async def test_S32_S36_F5_F7_F19_what_is_no_page_of_the_project_is_refused(self) -> None:
        for fault in (
            portal(),
            wrong_project("other"),
            Fault(body=b"{", headers=(("etag", '"x"'),)),
            Fault(body=b"\xff\xfe"),
            Fault(body=b""),
            Fault(body=b'{"meta": {"api-version": "2.0"}, "name": "thing", "files": []}'),
            Fault(content_type="text/plain"),
            Fault(headers=(("content-type", ""),)),
        ):
            self.index.break_("*", fault)
            assert "cannot be read" in await cause(self.fetch())
        assert self.upstream.health.state == "down"
        self.index.heal()
        await self.fetch()
        assert self.upstream.health.state == "up"

    async def test_F21_a_serial_that_makes_no_sense_is_unknown(self) -> None:
        serial = self.index.projects["thing"].serial
        for said, known in (("x", serial), ("-5", serial), ("9" * 30, serial), ("", serial), ("123456", 123456)):
            self.index.break_("*", Fault(headers=(("X-PyPI-Last-Serial", said),)))
            assert page(await self.fetch()).serial == known

    async def test_freshness_is_what_upstream_says_and_at_most_ours(self) -> None:
        for said, age, life in (
            ("max-age=60", "", 60),
            ("max-age=60", "50", 10),
            ("max-age=86400", "", 600),
            ("no-store", "", 0),
            ("", "", 600),
        ):
            self.index.break_("*", Fault(headers=(("Cache-Control", said), ("Age", age))))
            assert page(await self.fetch()).max_age == life

    async def test_F2_R210_it_comes_back_when_upstream_says(self) -> None:
        for said in ("120", formatdate(time.time() + 120, usegmt=True)):
            self.index.break_("*", Fault(status=429, headers=(("Retry-After", said),)))
            with pytest.raises(UpstreamUnavailable) as caught:
                await self.fetch()
            assert caught.value.retry_after == 60
            assert self.upstream.health.state == "down"
            assert not self.upstream.health.may_ask()

    async def test_F2_F86_one_page_that_is_to_be_had_later_holds_no_other(self) -> None:
        """A server behind it is away (RFC 9110 §15.6.4); too many requests of ours would be 429, whichever they were."""
        self.index.break_(f"/simple/{NAME}/", Fault(status=503, headers=(("Retry-After", "120"),)))
        with pytest.raises(UpstreamUnavailable) as caught:
            await self.fetch()
        assert (caught.value.retry_after, self.upstream.health.state) == (60, "up")
        with pytest.raises(NoSuchProject):
            await self.upstream.fetch_page(NormalizedName("other"), NOTHING)
        self.index.break_("*", Fault(status=503, headers=(("Retry-After", "120"),)))
        for one in ("a", "b", "c"):
            with pytest.raises(UpstreamUnavailable):
                await self.upstream.fetch_page(NormalizedName(one), NOTHING)
        assert (self.upstream.health.state, self.upstream.health.may_ask()) == ("down", False)
        assert self.upstream.health.retry_after() == 60

    async def test_F4_a_refusal_is_told_and_nobody_waits_for_it(self) -> None:
        self.index.credentials = ("me", "secret")
        assert await cause(self.fetch()) == "it refuses our credentials (401)"
        assert self.upstream.health.state == "up"

    async def test_S50_credentials_go_to_the_origin_of_the_index_alone(self) -> None:
        self.index.credentials = ("me", "s3cret")
        elsewhere = TestIndex()
        elsewhere.add("thing", "1.0", size=50_000)
        other = serve(self, elsewhere)
        upstream = started(self, self.served.simple, username="me", password=Secret("s3cret"))
        page(await upstream.fetch_page(NAME, NOTHING))
        assert self.index.requests[-1].headers["authorization"] == "Basic bWU6czNjcmV0"
        assert len(await whole(await upstream.fetch_body(self.url(), 0))) > 50_000
        await whole(await upstream.fetch_body(other.url + elsewhere.path("thing", self.wheel), 0))
        self.index.break_("/packages/*", Fault(redirect=other.url + elsewhere.path("thing", self.wheel)))
        await whole(await upstream.fetch_body(self.url(), 0))
        assert elsewhere.count() == 2
        assert all("authorization" not in seen.headers for seen in elsewhere.requests)
        assert "s3cret" not in repr(upstream)

    async def test_a_token_alone_is_sent_as_the_public_index_wants_it(self) -> None:
        self.index.credentials = ("__token__", "tok")
        upstream = started(self, self.served.simple, password=Secret("tok"))
        await upstream.fetch_page(NAME, NOTHING)

    async def test_F17_S50_redirects_stop_at_five(self) -> None:
        self.index.break_("*", redirect_loop("/simple/thing/"))
        assert await cause(self.fetch()) == "it redirects without end"
        assert self.index.count() == 6
        assert self.upstream.requests == 6

    async def test_F7_S50_a_page_is_not_looked_for_elsewhere(self) -> None:
        for there, why in (
            ("http://portal.example/login?room=1&token=s3cret", "it redirects to another host (portal.example)"),
            ("http://127.0.0.1:9/simple/thing/", "it redirects to another port"),
            ("ftp://127.0.0.1/", "the URL is neither http nor https"),
            ("http://me:s3cret@127.0.0.1/", "the URL holds credentials"),
            ("//[", "the URL cannot be read"),
        ):
            self.index.break_("*", Fault(redirect=there))
            assert await cause(self.fetch()) == why
        self.index.break_("*", Fault(status=301))
        assert await cause(self.fetch()) == "it redirects to nowhere"

    async def test_R61_links_are_relative_to_where_the_page_really_came_from(self) -> None:
        self.index.break_("/simple/thing/", Fault(redirect="/simple/thing/?again"), times=1)
        [file] = page(await self.fetch()).files
        assert file.url == self.url()

    async def test_S48_S49_a_page_cannot_point_us_at_our_own_network(self) -> None:
        sent = self.upstream.requests
        for url in (
            "http://localhost:1/x.whl",
            "http://10.0.0.1/x.whl",
            "http://[::1]/x.whl",
            "http://169.254.169.254/latest/",
            "https://127.1/x.whl",
        ):
            assert "address" in await cause(self.upstream.fetch_body(url, 0))
        self.index.break_("*", Fault(redirect="http://192.168.1.1/admin"))
        assert await cause(self.upstream.fetch_body(self.url(), 0)) == "the host is not a public address"
        assert self.upstream.health.state == "up"
        assert self.upstream.requests > sent

    async def test_S48_N6_the_index_cannot_point_us_at_the_services_of_its_machine(self) -> None:
        assert await cause(self.upstream.fetch_body("http://127.0.0.1:25/x.whl", 0)) == "the host is not a public address"
        assert self.upstream.health.state == "up"

    async def test_S59_a_name_from_a_url_is_one_line_without_control_characters(self) -> None:
        with pytest.raises(NoSuchFile) as caught:
            await self.upstream.fetch_body(self.served.url + "/packages/x%0A2026-01-01%20forged%1B%5B31m%E2%80%AE", 0)
        assert str(caught.value) == "no such file: x 2026-01-01 forged?[31m?"

    async def test_L9_the_daemons_before_us_are_named_to_those_behind_us(self) -> None:
        async def answered(via: str) -> None:
            passage.note([via])
            await self.fetch()

        await Deferred.fromCoroutine(answered("1.1 pypidaemon-before"))
        assert self.index.requests[-1].headers["via"] == "1.1 pypidaemon-before, 1.1 pypidaemon-0123456789abcdef"
        await self.fetch()
        assert self.index.requests[-1].headers["via"] == "1.1 pypidaemon-0123456789abcdef"

    async def test_F33_F40_a_host_that_is_known_not_to_answer_is_not_waited_for_by_each_file(self) -> None:
        self.upstream.health.failed("it refuses connections")
        sent = self.upstream.requests
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable) as caught:
                await self.upstream.fetch_body(self.url(), 0)
            assert caught.value.cause == "it refuses connections"
            assert caught.value.retry_after >= 1
        assert self.upstream.requests == sent
        # A host of files that is not the index's own has a life of its own.
        assert "address" in await cause(self.upstream.fetch_body("http://nothing.invalid/x.whl", 0))
        assert self.upstream.requests == sent + 1

    async def test_S47_S51_urls_that_are_never_asked(self) -> None:
        secure = make("https://index.example/simple/")
        for url, why in (
            ("http://files.example/x.whl", "the URL is http although the index is https"),
            ("https://me:s3cret@files.example/x.whl", "the URL holds credentials"),
            ("file:///etc/passwd", "the URL is neither http nor https"),
            ("https:///x.whl", "the host of the URL is no proper name or address"),
            ("https://0x7f000001/x.whl", "the host of the URL is no proper name or address"),
            ("https://files.example:99999/x.whl", "the URL cannot be read"),
        ):
            assert await cause(secure.fetch_body(url, 0)) == why
        assert secure.requests == 0
        assert secure.failures == 6

    async def test_odd_characters_in_a_url_are_escaped(self) -> None:
        with pytest.raises(Exception, match=r"no such file: th ing\.whl"):
            await self.upstream.fetch_body(self.served.url + "/packages/th ing.whl#fragment", 0)
        assert self.index.requests[-1].path == "/packages/th%20ing.whl"

    async def test_F10_F12_lengths_that_are_not_true(self) -> None:
        data = self.index.data("thing", self.wheel)
        self.index.break_("*", Fault(length=len(data) + 10))
        received, why = await broken(await self.upstream.fetch_body(self.url(), 0))
        assert (received, why) == (data, f"broke off after {len(data)} bytes")
        self.index.break_("*", Fault(extra=b"more"))
        assert await whole(await self.upstream.fetch_body(self.url(), 0)) == data
        self.index.break_("*", Fault(no_length=True))
        body = await self.upstream.fetch_body(self.url(), 0)
        assert body.total is None
        assert await whole(body) == data

    async def test_F8_F9_a_page_that_breaks_off_is_no_page(self) -> None:
        for html in (False, True):
            self.index.html_only, self.index.gzip = html, False
            for fault in (Fault(truncate=100), Fault(reset=100), Fault(cut_chunked=True), Fault(no_length=True, truncate=100)):
                self.index.break_("*", fault)
                await cause(self.fetch())
            self.index.break_("*", Fault(no_length=True))
            if not html:
                assert page(await self.fetch()).files

    async def test_S53_F18_a_bomb_is_cut_while_it_is_small(self) -> None:
        self.index.break_("*", gzip_bomb(128 << 20))
        assert await cause(self.fetch()) == "its page is compressed beyond belief"
        assert self.upstream.bytes_in < 64 << 10

    async def test_S53_F18_what_goes_on_after_the_end_of_its_coding_is_cut_while_it_is_small(self) -> None:
        self.index.break_("*", Fault(body=gzip.compress(PAGE), headers=(("Content-Encoding", "gzip"),), endless=True))
        assert await cause(self.fetch()) == "its page goes on after its own end"
        assert self.upstream.bytes_in < 1 << 20

    async def test_S53_stacked_codings_are_refused(self) -> None:
        twice = gzip.compress(gzip.compress(bytes(1 << 20)))
        self.index.break_("*", Fault(body=twice, headers=(("Content-Encoding", "gzip, gzip"),)))
        assert await cause(self.fetch()) == "its page comes in a coding that nobody asked for"

    async def test_F14_codings_that_are_broken_or_unknown(self) -> None:
        packed = gzip.compress(PAGE)
        for body, named in ((packed[:-9], "gzip"), (packed[:-4] + b"oops", "gzip"), (PAGE, "gzip"), (PAGE, "br"), (PAGE, "zstd")):
            self.index.break_("*", Fault(body=body, headers=(("Content-Encoding", named),)))
            await cause(self.fetch())
            await cause(self.upstream.fetch_names(NOTHING)) if named != "gzip" else None
        self.index.break_("*", Fault(body=PAGE, headers=(("Content-Encoding", "identity"),)))
        page(await self.fetch())

    async def test_S53_F18_a_page_beyond_the_cap_is_cut(self) -> None:
        upstream = started(self, self.served.simple, limits=attrs.evolve(QUICK, page_size=1000, head=5.0, page=5.0))
        self.index.break_("*", Fault(body=b" " * 5000))
        assert await cause(upstream.fetch_page(NAME, NOTHING)) == "its page is too large"

    async def test_F32_F39_no_head(self) -> None:
        upstream = started(self, self.served.simple, limits=QUICK, patience=0.05)
        self.index.break_("*", Fault(stall=True))
        asking = later(upstream.fetch_page(NAME, NOTHING))
        await upstream.health.doubted()
        assert (upstream.health.state, asking.called) == ("suspect", False)
        assert await cause(asking) == "it does not answer"
        assert upstream.health.state == "down"
        assert await cause(upstream.fetch_body(self.url(), 0)) == "it does not answer"
        assert await cause(upstream.fetch_names(NOTHING)) == "it does not answer"

    async def test_a_slow_line_is_not_a_dead_one(self) -> None:
        upstream = started(self, self.served.simple, patience=0.05)
        self.index.break_("*", Fault(delay=0.2))
        asking = later(upstream.fetch_page(NAME, NOTHING))
        await upstream.health.doubted()
        page(await asking)
        assert upstream.health.state == "up"

    async def test_F30_F31_a_page_that_drips_or_stalls_is_suspect_and_then_cut(self) -> None:
        for fault in (Fault(drip=40), Fault(stall_after=20)):
            upstream = started(self, self.served.simple, limits=QUICK, patience=0.05)
            self.index.break_("*", fault)
            asking = later(upstream.fetch_page(NAME, NOTHING))
            await upstream.health.doubted()
            assert await cause(asking) == "its page takes too long"

    async def test_F30_F31_a_body_that_drips_or_stalls_is_cut(self) -> None:
        upstream = started(self, self.served.simple, limits=QUICK)
        self.index.break_("*", Fault(stall_after=700))
        assert (await broken(await upstream.fetch_body(self.url(), 0)))[1] == "stalled after 700 bytes"
        self.index.break_("*", Fault(drip=200))
        assert "became too slow" in (await broken(await upstream.fetch_body(self.url(), 0)))[1]

    async def test_of_a_long_body_the_system_gathers_and_what_comes_next_over_that_connection_comes_as_ever(self) -> None:
        told = gatherings(self)
        long = self.index.add("thing", "2.0", size=4_000_000)
        for _ in range(2):
            body = await self.upstream.fetch_body(self.served.url + self.index.path("thing", long), 0)
            assert await whole(body) == self.index.data("thing", long)
            assert bool(told) is GATHERS
            assert not GATHERS or (max(told) >= 128 << 10 and told[-1] == 0)
            assert await whole(await self.upstream.fetch_body(self.url(), 0)) == self.index.data("thing", self.wheel)
        assert len(self.served._factory.protocols) == 1

    async def test_F31_of_what_stalls_nothing_is_withheld_because_more_was_to_be_gathered(self) -> None:
        upstream = started(self, self.served.simple, limits=attrs.evolve(QUICK, idle=0.5, window=2.0))
        told = gatherings(self)
        long = self.index.add("thing", "2.0", size=4_000_000)
        self.index.break_("*", Fault(stall_after=1_500_000))
        body = await upstream.fetch_body(self.served.url + self.index.path("thing", long), 0)
        assert await broken(body) == (self.index.data("thing", long)[:1_500_000], "stalled after 1500000 bytes")
        assert bool(told) is GATHERS

    async def test_F33_a_refused_connection(self) -> None:
        await self.served.stop()
        assert await cause(self.fetch()) == "it refuses connections"
        assert (self.upstream.health.state, self.upstream.health.cause) == ("down", "it refuses connections")
        await self.served.start()
        page(await self.fetch())
        assert self.upstream.health.state == "up"

    async def test_F36_a_name_that_is_not_found(self) -> None:
        upstream = started(self, "http://nothing.invalid/simple/")
        assert await cause(upstream.fetch_page(NAME, NOTHING)) == "its address cannot be found"

    async def test_a_dead_host_of_files_says_nothing_about_the_index(self) -> None:
        upstream = started(self, self.served.simple)
        assert await cause(upstream.fetch_body("http://nothing.invalid/x.whl", 0)) == "its address cannot be found"
        assert upstream.health.state == "up"

    async def test_S53_a_flood_of_headers_is_cut(self) -> None:
        self.index.break_("*", Fault(header_flood=20_000))
        assert await cause(self.fetch()) == "its response head is too large"

    async def test_R210_only_so_many_questions_at_once(self) -> None:
        self.index.break_("*", Fault(stall=True))
        asking = [later(self.upstream.fetch_page(NAME, NOTHING)) for _ in range(25)]
        bodies = [later(self.upstream.fetch_body(self.url(), 0)) for _ in range(20)]
        while self.index.count() < 26:
            await self.pause()
        await self.pause()
        assert (self.index.count("/simple/*"), self.index.count("/packages/*")) == (10, 16)
        for question in [*asking, *bodies]:
            question.addErrback(lambda failure: failure.trap(CancelledError))
            question.cancel()
        await gatherResults([*asking, *bodies])
        self.index.heal()
        page(await self.fetch())
        await whole(await self.upstream.fetch_body(self.url(), 0))
        assert self.upstream.health.state == "up"

    async def test_closed_bodies_give_their_place_back(self) -> None:
        for _ in range(40):
            (await self.upstream.fetch_body(self.url(), 0)).close()
        for status in (404, 500, 206):
            self.index.break_("*", Fault(status=status))
            for _ in range(20):
                # Else the third in a row that is wrong would have been the last one asked.
                self.upstream.health.succeeded()
                with pytest.raises(Exception, match=r"no such file|unavailable"):
                    await self.upstream.fetch_body(self.url(), 0)
        self.upstream.health.succeeded()
        self.index.heal()
        await whole(await self.upstream.fetch_body(self.url(), 0))

    async def test_F30_nobody_waits_for_a_place_among_the_bodies_for_ever(self) -> None:
        upstream = started(self, self.served.simple, limits=Limits(bodies_at_once=1, queue=0.05))
        large = self.index.path("large", self.index.add("large", "1.0", size=8_000_000))
        first = await upstream.fetch_body(self.served.url + large, 0)
        assert await cause(upstream.fetch_body(self.url(), 0)) == "too many other files are being fetched from it"
        assert upstream.health.state == "up"
        first.close()
        await whole(await upstream.fetch_body(self.url(), 0))

    async def test_F30_who_waited_for_the_place_of_one_that_failed_is_not_sent_after_it(self) -> None:
        upstream = started(self, self.served.simple, limits=Limits(bodies_at_once=1, idle=0.05))
        self.index.break_("*", Fault(stall_after=20))
        first = await upstream.fetch_body(self.url(), 0)
        second = later(upstream.fetch_body(self.url(), 0))
        assert (await broken(first))[1] == "stalled after 20 bytes"
        assert await cause(second) == "it does not answer in time"
        assert (upstream.requests, upstream.health.state) == (1, "suspect")

    async def test_connections_are_used_again(self) -> None:
        for _ in range(5):
            page(await self.fetch())
            with pytest.raises(NoSuchProject):
                await self.upstream.fetch_page(NormalizedName("none"), NOTHING)
        # The body of a 404 may still be on its way when the next question is asked.
        assert len(self.served._factory.protocols) <= 2

    async def test_it_counts(self) -> None:
        page(await self.fetch())
        data = await whole(await self.upstream.fetch_body(self.url(), 0))
        assert (self.upstream.requests, self.upstream.failures) == (2, 0)
        assert len(data) < self.upstream.bytes_in < len(data) + 5000

    async def test_stopping_cuts_what_is_under_way(self) -> None:
        upstream = make(self.served.simple)
        upstream.startService()
        self.index.break_("*", Fault(stall_after=100))
        body = await upstream.fetch_body(self.url(), 0)
        while body.received < 100:
            await self.pause()
        await upstream.stopService()  # type: ignore[misc]
        assert await broken(body) == (self.index.data("thing", self.wheel)[:100], "broke off after 100 bytes")

    def pause(self) -> Deferred[None]:
        """Let the reactor turn."""
        done: Deferred[None] = Deferred()
        reactor.callLater(0.01, done.callback, None)  # type: ignore[attr-defined]
        return done


class AgainstSocket(TestCase):
    """Bytes that no HTTP server would send. None of it is about time, of which a busy machine needs more than deadlines of a test give."""

    async def ask(self, *replies: bytes, close: bool = False) -> Any:
        return await started(self, Saying(self, *replies, close=close).simple).fetch_page(NAME, NOTHING)

    async def test_a_plain_reply_is_read(self) -> None:
        assert page(await self.ask(reply())).files == ()

    async def test_it_speaks_something_else(self) -> None:
        assert await cause(self.ask(b"SSH-2.0-OpenSSH_9.2\r\n")) == "it does not speak HTTP"

    async def test_it_hangs_up(self) -> None:
        assert await cause(self.ask(b"", close=True)) in ("it closed the connection", "it broke the connection")

    async def test_S53_a_header_line_without_end(self) -> None:
        assert await cause(self.ask(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20))) == "its response head is too large"

    async def test_two_lengths(self) -> None:
        await cause(self.ask(reply(PAGE, b"Content-Length: 5")))

    async def test_F9_chunks_that_are_no_chunks(self) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
        await cause(self.ask(head + b"zz\r\n"))
        await cause(self.ask(head + b"5\r\nabc", close=True))
        assert page(await self.ask(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE))).files == ()

    async def test_F10_a_second_response_is_not_the_answer_to_the_next_question(self) -> None:
        evil = reply(PAGE.replace(b"[]", b'[{"filename": "thing-6.6-py3-none-any.whl", "url": "/x.whl", "hashes": {}}]'))
        upstream = started(self, Saying(self, reply(b"x" * 20_000, status=b"404 No") + evil * 100, reply()).simple)
        with pytest.raises(NoSuchProject):
            await upstream.fetch_page(NAME, NOTHING)
        assert page(await upstream.fetch_page(NAME, NOTHING)).files == ()

    async def test_a_kept_connection_that_died_is_no_failure(self) -> None:
        server = Saying(self, reply(), reply())
        upstream = started(self, server.simple)
        await upstream.fetch_page(NAME, NOTHING)
        server.connections[0].transport.loseConnection()  # type: ignore[union-attr]
        assert page(await upstream.fetch_page(NAME, NOTHING)).files == ()

    async def test_F16_validators_are_sent_as_they_came(self) -> None:
        server = Saying(
            self, reply(PAGE, b'ETag: W/"a,b"', b"Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT"), reply(b"", status=b"304 Not Modified")
        )
        upstream = started(self, server.simple)
        first = page(await upstream.fetch_page(NAME, NOTHING))
        assert first.validators == Validators('W/"a,b"', "Wed, 01 Jan 2020 00:00:00 GMT", server.simple)
        assert isinstance(await upstream.fetch_page(NAME, first.validators), NotModified)
        assert b'If-None-Match: W/"a,b"\r\n' in server.heard[1]
        assert b"If-Modified-Since: Wed, 01 Jan 2020 00:00:00 GMT\r\n" in server.heard[1]

    async def test_header_fields_that_are_not_clean_are_not_there(self) -> None:
        answer = page(
            await self.ask(
                reply(PAGE, b'ETag: "\xff"', b"Last-Modified: " + b"x" * 2000, b"X-PyPI-Last-Serial: 5", b"X-PyPI-Last-Serial: 6")
            )
        )
        assert answer.validators == NOTHING
        assert answer.serial is None


class Construction(TestCase):
    """What is refused before anything is asked."""

    def test_settings_that_cannot_work(self) -> None:
        with pytest.raises(ValueError, match="ca-file"):
            make("https://index.example/simple/", ca_file=Path(__file__).with_suffix(".pem"))
        with pytest.raises(ValueError, match="proxy"):
            make("https://index.example/simple/", proxy="socks5://proxy.example")
        with pytest.raises(ValueError, match="host"):
            make("https://0x7f.1/simple/")

    def test_the_url_is_a_folder(self) -> None:
        upstream: HttpUpstream = make("https://index.example/simple")
        assert upstream.url == "https://index.example/simple/"
        assert upstream.stopService() is not None
