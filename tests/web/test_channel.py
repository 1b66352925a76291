"""The channel's limits in time and size, the caps of the site, and what of Twisted they rest on."""

from __future__ import annotations

import gc
import io
import weakref
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.web.http import HTTPChannel

from pypidaemon.pace import PIECE
from pypidaemon.web.access import AccessLog
from pypidaemon.web.ask import Ask, Headers, Notes
from pypidaemon.web.channel import PIPELINED, DoorChannel, Limits
from pypidaemon.web.reply import Reply
from pypidaemon.web.saying import Says
from tests.web.wire import Seen, answers, get

READ = 64 * 1024
"""What a transport reads at once."""


def refused(data: bytes) -> int:
    (answer,) = answers(data)
    assert answer.one("connection") == "close"
    return answer.status


def test_S57_a_dripping_head_is_cut_after_15_seconds_in_all() -> None:
    """Bytes do not prolong it."""
    seen = Seen()
    client = seen.client()
    for byte in get()[:14]:
        assert client.say(bytes([byte])) == b""
        seen.clock.advance(1)
    assert client.say(b"x") == b""
    seen.clock.advance(1)
    assert refused(client.heard()) == 408
    assert client.wire.closed
    client.hang_up()


def test_S57_the_deadline_is_for_each_head() -> None:
    """A second request has 15 seconds of its own, and a head that was whole stops the clock."""
    seen = Seen()
    client = seen.client()
    for _ in range(5):
        client.say(get()[:10])
        seen.clock.advance(14)
        assert answers(client.say(get()[10:]))[0].status == 200
        seen.clock.advance(14)
    assert not client.wire.closed
    client.hang_up()


def test_S57_an_idle_connection_is_closed_after_60_seconds_without_a_word() -> None:
    seen = Seen()
    for first in (b"", get(), get() + b"\r\n"):
        client = seen.client()
        if first:
            client.say(first)
        seen.clock.advance(59)
        assert not client.wire.closed
        seen.clock.advance(1)
        assert client.wire.closed
        assert client.heard() == b""
        client.hang_up()
    assert not seen.clock.getDelayedCalls()


def test_S57_an_idle_connection_is_not_cut_while_it_is_answered() -> None:
    """However long an answer takes, that is not the client's idleness."""
    pending: Deferred[Reply] = Deferred()

    async def handler(ask: Ask) -> Reply:
        return await pending

    seen = Seen(handler=handler)
    client = seen.client()
    client.say(get())
    seen.clock.advance(3600)
    assert not client.wire.closed
    pending.callback(Reply(200))
    assert answers(client.heard())[0].status == 200
    client.hang_up()


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize(("data", "names"), [(get(), []), (get()[:-2], ["head"]), (POST + b"abcd", []), (POST + b"abc", ["body"])])
def test_S57_what_is_whole_in_one_packet_needs_no_timer(data: bytes, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One is begun for what is to come, and for nothing else."""
    client, started = Seen().client(), list[str]()
    monkeypatch.setattr(client.channel, "_start", lambda name, *_: started.append(name))
    client.say(data)
    assert started == names


def test_S57_a_head_that_begins_at_the_end_of_idleness_has_its_time() -> None:
    seen = Seen()
    client = seen.client()
    seen.clock.advance(59)
    client.say(get()[:5])
    seen.clock.advance(10)
    assert answers(client.say(get()[5:]))[0].status == 200
    client.hang_up()


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_S57_a_slow_body_is_cut(framing: str) -> None:
    """A body below 1 KiB/s over 30 s is answered 408; one above may take as long as it needs."""
    seen = Seen()
    client = seen.client()
    client.say(get("/", framing, method="POST"))
    piece = b"400\r\n" + bytes(1024) + b"\r\n" if "chunked" in framing else bytes(1024)
    for _ in range(90):
        client.channel.dataReceived(piece)
        seen.clock.advance(1)
    assert client.heard() == b""
    for _ in range(29):
        client.channel.dataReceived(b"1\r\nx\r\n" if "chunked" in framing else b"x")
        seen.clock.advance(1)
    assert client.heard() == b""
    seen.clock.advance(1)
    assert refused(client.heard()) == 408
    assert seen.asks == []
    client.hang_up()


def test_S57_a_client_that_does_not_read_is_dropped() -> None:
    """60 seconds after we stopped, unless it takes what was written before."""

    async def handler(ask: Ask) -> Reply:
        return Reply(200, (), bytes(4 * PIECE))

    seen = Seen(handler=handler)
    client = seen.client()
    client.wire.stalled = True
    client.say(get())
    seen.clock.advance(59)
    client.channel.resumeProducing()
    seen.clock.advance(59)
    assert not client.wire.aborted
    seen.clock.advance(1)
    assert client.wire.aborted
    client.hang_up()
    assert seen.ends == [(200, 2 * PIECE)]
    assert not seen.clock.getDelayedCalls()


def test_S57_a_client_that_never_takes_the_last_answer_is_dropped() -> None:
    """Closing waits for the client no longer than writing does."""
    seen = Seen()
    client = seen.client()
    client.say(get("/", "Connection: close"))
    assert client.wire.disconnecting
    seen.clock.advance(60)
    assert client.wire.aborted
    client.hang_up()


def test_S62_a_body_too_large_is_refused_at_the_head() -> None:
    """Before any byte of the body, and without `100 Continue`."""
    seen = Seen()
    client = seen.client()
    assert refused(client.say(get("/", "Content-Length: 1048577", "Expect: 100-continue", method="POST"))) == 413
    assert client.wire.closed
    client.hang_up()
    client = seen.client()
    (answer,) = answers(client.say(get("/", "Content-Length: 1048576", method="POST") + bytes(1048576)))
    assert answer.status == 200
    client.hang_up()


@pytest.mark.parametrize("size", [1, 100000])
def test_S62_a_chunked_body_is_counted_as_it_comes(size: int) -> None:
    """413 once it is too much, in chunks large or tiny, and then never dispatched."""
    seen = Seen(limits=Limits(body=300000 if size > 1 else 1000))
    client = seen.client()
    client.say(get("/", "Transfer-Encoding: chunked", method="POST"))
    chunk = b"%x\r\n" % size + bytes(size) + b"\r\n"
    sent = 0
    while not client.wire.closed:
        client.channel.dataReceived(chunk)
        sent += size
        assert sent <= 400000
    client.channel.dataReceived(b"0\r\n\r\n" + get())
    assert refused(client.heard()) == 413
    assert seen.asks == []
    client.hang_up()


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"0000000000000001\r\nx\r\n", b"9\r\nxxxxxxxxx\r\n"])
def test_S62_a_packet_of_tiny_chunks_is_refused_before_all_of_it_is_taken_apart(chunk: bytes) -> None:
    """Each costs as much as one of many KiB: a body within its limit would have kept everybody waiting for seconds."""
    seen = Seen()
    client = seen.client()
    client.say(get("/", "Transfer-Encoding: chunked", method="POST"))
    sent = 0
    while not client.wire.closed:
        client.channel.dataReceived(chunk * (READ // len(chunk)))
        sent += READ
    assert sent <= 2 * READ
    assert refused(client.heard()) == 413
    client.hang_up()


def test_S62_a_body_that_comes_line_by_line_is_taken() -> None:
    line = b"3c\r\n" + bytes(60) + b"\r\n"
    seen = Seen()
    client = seen.client()
    data = get("/", "Transfer-Encoding: chunked", method="POST") + line * 10_000 + b"0\r\n\r\n" + get("/next")
    for start in range(0, len(data), READ):
        client.channel.dataReceived(data[start : start + READ])
    assert [answer.status for answer in answers(client.heard())] == [200, 200]
    assert [ask.segments for ask in seen.asks] == [("",), ("next",)]
    client.hang_up()


def test_S62_framing_without_a_body_is_counted_too() -> None:
    """Chunk extensions are no way round the limit."""
    seen = Seen(limits=Limits(body=10000))
    client = seen.client()
    client.say(get("/", "Transfer-Encoding: chunked", method="POST"))
    for _ in range(200):
        client.channel.dataReceived(b"1;" + b"x" * 1000 + b"\r\nx\r\n")
    assert refused(client.heard()) == 413
    client.hang_up()


def test_S62_one_packet_with_too_large_a_chunked_body_is_refused_once() -> None:
    """Also where its end and the next request are in the same packet."""
    seen = Seen(limits=Limits(body=10))
    client = seen.client()
    data = get("/", "Transfer-Encoding: chunked", method="POST") + b"14\r\n" + bytes(20) + b"\r\n0\r\n\r\n" + get()
    assert refused(client.say(data)) == 413
    assert seen.asks == []
    client.hang_up()


def test_expect_is_answered_where_the_body_may_come() -> None:
    seen = Seen()
    client = seen.client()
    assert client.say(get("/", "Content-Length: 3", "Expect: 100-Continue", method="POST")) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answers(client.say(b"abc"))[0].status == 200
    client.hang_up()


def test_bodies_are_not_kept() -> None:
    """Nothing reads them, so nothing holds them."""
    pending: Deferred[Reply] = Deferred()

    async def handler(ask: Ask) -> Reply:
        return await pending

    client = Seen(handler=handler).client()
    client.say(get("/", "Content-Length: 1000000", method="POST") + bytes(1000000))
    (request,) = client.channel.requests
    assert isinstance(request.content, io.BytesIO), "a file would be made for it"
    assert request.content.read() == b""
    client.hang_up()


def test_S64_a_refusal_is_not_lost_to_a_reset() -> None:
    """Where the transport can half-close, we go on discarding for 2 seconds, then drop it."""
    seen = Seen()
    client = seen.client()
    client.say(b"rubbish\r\n")
    assert client.wire.half_closed
    assert not client.wire.disconnecting
    assert client.say(bytes(100000)) == b""
    seen.clock.advance(2)
    assert client.wire.aborted
    client.hang_up()


def test_S64_a_transport_that_cannot_half_close_is_closed() -> None:
    client = Seen().client(half_closes=False)
    client.say(b"rubbish\r\n")
    assert client.wire.disconnecting
    client.hang_up()


def test_a_flood_of_pipelined_requests_stops_the_reading() -> None:
    """What waits behind a request being answered is bounded."""
    pending: Deferred[Reply] = Deferred()

    async def handler(ask: Ask) -> Reply:
        return await pending

    seen = Seen(handler=handler)
    client = seen.client()
    client.say(get() * 1000)
    assert not client.wire.reading
    assert len(seen.asks) == 1
    client.hang_up()


def test_S57_requests_in_one_packet_are_answered_no_further_than_their_client_reads() -> None:
    """Or 64 KiB of them, each for a page of 200 KB that lies ready, are hundreds of megabytes that wait here."""
    page = bytes(100_000)
    seen = Seen(quick=lambda _: Reply(200, (), page))
    client = seen.client()
    client.wire.stalled = True
    client.channel.dataReceived(get() * 30)
    assert len(seen.ends) == 1
    assert not client.wire.reading
    # What was read before the transport stopped waits as well.
    client.channel.dataReceived(get() * 10)
    assert len(seen.ends) == 1
    assert not client.wire.reading
    client.channel.resumeProducing()
    assert len(seen.ends) == 2
    assert not client.wire.reading
    client.wire.stalled = False
    client.channel.resumeProducing()
    while len(seen.ends) < 40:
        seen.clock.advance(0)
    assert client.wire.reading
    heard = answers(client.heard())
    assert [len(answer.body) for answer in heard] == [100_000] * 40
    assert answers(client.say(get()))[0].status == 200
    client.hang_up()


def test_S57_a_client_that_never_reads_what_he_asked_for_in_one_packet_is_dropped() -> None:
    seen = Seen(quick=lambda _: Reply(200, (), bytes(1000)), limits=Limits(stall=60))
    client = seen.client()
    client.wire.stalled = True
    client.channel.dataReceived(get() * 30)
    seen.clock.advance(59)
    assert not client.wire.aborted
    seen.clock.advance(1)
    assert client.wire.aborted
    client.hang_up()
    assert seen.clock.getDelayedCalls() == []
    assert len(seen.ends) == 1


def test_requests_in_one_packet_leave_turns_to_others() -> None:
    """Two thousand fit into what is read at once, and answering them all in one go would let nobody else be heard for half a second."""
    seen = Seen(quick=lambda ask: Reply(200, (), "/".join(ask.segments).encode()))
    client, other = seen.client(), seen.client()
    client.channel.dataReceived(b"".join(get(f"/{number}") for number in range(100)))
    assert 0 < len(seen.ends) <= PIPELINED
    assert not client.wire.reading
    client.channel.dataReceived(get("/100") + get("/101")[:20])
    assert len(seen.ends) <= PIPELINED
    assert answers(other.say(get("/other")))[0].body == b"other"
    turns = 0
    while len(seen.ends) < 102:
        before = len(seen.ends)
        (due,) = [call for call in seen.clock.getDelayedCalls() if call.getTime() == seen.clock.seconds()]
        turn = due.func
        due.cancel()
        turn()
        assert before < len(seen.ends) <= before + PIPELINED
        turns += 1
    assert turns >= 100 // PIPELINED - 1
    assert client.wire.reading
    client.channel.dataReceived(get("/101")[20:])
    assert [answer.body for answer in answers(client.heard())] == [str(number).encode() for number in range(102)]
    for one in (client, other):
        one.hang_up()
    assert seen.clock.getDelayedCalls() == []


def test_F79_a_client_whose_further_requests_wait_is_let_go_with_the_answers_that_he_has() -> None:
    seen = Seen(quick=lambda _: Reply(200, (), b"here"))
    client = seen.client()
    client.channel.dataReceived(get() * 100)
    seen.site.leave()
    assert client.wire.disconnecting
    assert len(answers(client.heard())) == len(seen.ends) <= PIPELINED
    seen.clock.advance(1)
    assert len(seen.ends) <= PIPELINED
    client.hang_up(clean=True)
    assert seen.clock.getDelayedCalls() == []


def test_what_is_refused_unread_leaves_a_line_that_names_who_and_why(lines: list[str]) -> None:
    seen = Seen()
    client = seen.client()
    client.say(b"GET /\r\n\r\n")
    assert lines == ["refused a request of 192.0.2.7 unread: 400 Bad Request"]
    client.hang_up()


@pytest.mark.parametrize("said", [b"", b"GET /x HTTP/1.1\r\n", get()])
def test_a_connection_that_ended_is_gone_at_once(said: bytes) -> None:
    """And with it what its client did not take: not when garbage is looked for, which may be thousands of clients later."""
    seen = Seen()
    client = seen.client()
    client.say(said)
    left = weakref.ref(client.channel)
    gc.disable()
    try:
        client.hang_up()
        del client
        assert left() is None
    finally:
        gc.enable()


def test_the_site_offers_http_1_1_alone_and_keeps_no_clock_of_its_own() -> None:
    seen = Seen()
    assert seen.site.acceptableProtocols() == [b"http/1.1"]
    seen.site.doStart()
    assert not seen.clock.getDelayedCalls()
    seen.site.doStop()


def access_line(ask: Ask, status: int = 200, sent: int = 5, seconds: float = 0.25) -> str:
    seen = Seen()
    found: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_namespace"] == "pypidaemon.access":
            found.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(observe)
    try:
        access = AccessLog(seen.clock)
        access(ask, status, sent, seconds)
        access.lines.flush()
    finally:
        globalLogPublisher.removeObserver(observe)
    (line,) = found
    return line


def test_the_access_log_is_one_combined_line_without_secrets() -> None:
    """No query, no credentials, the path encoded afresh."""
    ask = Ask(
        segments=("simple", "a b\u2028", ""),
        query=(("token", "secret"),),
        headers=Headers((("Authorization", "Basic c2VjcmV0"), ("User-Agent", 'pip/26.2 {"x"}\x85' + "y" * 500))),
        client="192.0.2.7",
        id="0123",
    )
    line = access_line(ask)
    assert line.startswith(
        '192.0.2.7 - - [01/Jan/1970:00:00:00 +0000] "GET /simple/a%20b%E2%80%A8/ HTTP/1.1" 200 5 "-" "pip/26.2" 0.250 0123'
    )
    assert line.endswith('" 0.250 0123')
    assert "secret" not in line
    assert "c2VjcmV0" not in line
    assert len(line) < 350


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ('uv/0.13.9 {"installer":{}}', "uv/0.13.9"),
        ("  twine/6.1.0", "twine/6.1.0"),
        ("", "-"),
        (" ", "-"),
        ('"\\x"\xe4\x1b[0m', "..x...[0m"),
        ("y" * 500, "y" * 60),
    ],
)
def test_the_access_log_names_the_first_product_alone(agent: str, shown: str) -> None:
    """Fit to stand between quotation marks."""
    assert f' "{shown}" 0.250 ' in access_line(Ask(headers=Headers((("User-Agent", agent),))))


def test_the_access_log_of_what_could_not_be_read_has_no_path() -> None:
    assert '- - - [01/Jan/1970:00:00:00 +0000] "GET - HTTP/1.1" 400 5 "-" "-"' in access_line(Ask(segments=()), 400)


@pytest.mark.parametrize(("name", "shown"), [("", "-"), ("ann", "ann"), ("a.b_c@d+e-f", "a.b_c@d+e-f"), ('a b"\x1b\n', "a%20b%22%1B%0A")])
def test_the_access_log_names_the_account(name: str, shown: str) -> None:
    """Whatever it is called, in one word."""
    assert access_line(Ask(client="192.0.2.7", notes=Notes(account=name))).startswith(f"192.0.2.7 - {shown} [")


@pytest.mark.parametrize(
    ("status", "reason", "end"),
    [
        (403, "bob may not upload or create in private", ' "bob may not upload or create in private"'),
        (404, 'no such file: "\\\x1b\u2028', ' "no such file: ...."'),
        (400, "x" * 500, f' "{"x" * 200}"'),
        (499, "", ""),
        (200, "alpha is here", ""),
    ],
)
def test_the_access_log_says_why_something_was_refused(status: int, reason: str, end: str) -> None:
    """Behind the id, fit to stand between quotation marks."""
    assert access_line(Ask(id="0123", notes=Notes(reason=reason)), status).endswith(f'" 0.250 0123{end}')


RELIED_ON = {
    "dataReceived",
    "allHeadersReceived",
    "allContentReceived",
    "requestDone",
    "checkPersistence",
    "writeHeaders",
    "write",
    "writeSequence",
    "getHost",
    "isSecure",
    "pauseProducing",
    "resumeProducing",
}
RELIED_ON |= {"loseConnection", "timeoutConnection", "connectionLost", "_respondToBadRequestAndDisconnect"}


def test_what_we_override_is_there_and_nothing_else_of_twisteds_is_hidden() -> None:
    """A Twisted that renames one of these, or takes a name of ours, is noticed here."""
    channel = Seen().client().channel
    inherited = set(dir(HTTPChannel)) | set(vars(HTTPChannel()))
    ours = {name for kind in (DoorChannel, Says) for name in vars(kind) if not name.startswith("__")}
    assert ours & inherited == RELIED_ON | {"_log"}
    fresh = set(vars(DoorChannel())) - set(vars(HTTPChannel()))
    assert fresh & inherited == set()
    assert channel.line_mode == 1


def test_the_parser_behind_us_still_ends_its_complaints_where_we_listen() -> None:
    """Bytes our own reading would never let through, given straight to Twisted's parser, end in one refusal."""
    for data in (b"GET / HTTP/3.0\r\n", b"GET / HTTP/1.1\r\nX\r\nY: z\r\n\r\n", get("/", "Content-Length: x"), get("/", "A: \0") + get()):
        seen = Seen()
        client = seen.client()
        HTTPChannel.dataReceived(client.channel, data)
        assert refused(client.heard()) == 400
        assert seen.asks == []
        client.hang_up()


def test_twisteds_own_allHeadersReceived_does_no_more_than_ours() -> None:
    """Ours replaces it, so that `100 Continue` can wait; a Twisted that does more when a head is parsed is noticed here."""
    assert set(HTTPChannel.allHeadersReceived.__code__.co_names) <= {
        "requests",
        "parseCookies",
        "checkPersistence",
        "_version",
        "persistent",
        "gotLength",
        "length",
        "requestHeaders",
        "getRawHeaders",
        "lower",
        "_send100Continue",
    }


def test_line_mode_says_when_a_head_is_expected() -> None:
    """In line mode between requests, in raw mode during a body and while a request is answered."""
    pending: Deferred[Reply] = Deferred()

    async def handler(ask: Ask) -> Reply:
        return await pending

    client = Seen(handler=handler).client()
    assert client.channel.line_mode
    client.say(get("/", "Content-Length: 3", method="POST"))
    assert not client.channel.line_mode
    client.say(b"abc")
    assert not client.channel.line_mode
    pending.callback(Reply(200))
    assert client.channel.line_mode
    client.hang_up()
