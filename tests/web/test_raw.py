"""Raw bytes against the real channel: one answer and close, or a defined answer; nothing dispatched behind a refusal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address

from pypidaemon.web.heads import Limits, refusal
from pypidaemon.web.site import Caps
from tests.web.wire import Seen, answers, get

HOST = b"Host: index.example\r\n"
NEXT = b"GET /evil/ HTTP/1.1\r\nHost: index.example\r\n\r\n"


def head(*lines: bytes, first: bytes = b"GET /simple/ HTTP/1.1", host: bytes = HOST) -> bytes:
    return first + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes) -> bytes:
    return head(*lines, first=b"POST /simple/ HTTP/1.1")


def line(target: bytes) -> bytes:
    return head(first=b"GET " + target + b" HTTP/1.1")


CHUNKED = b"Transfer-Encoding: chunked"

REFUSED: dict[str, tuple[bytes, int]] = {
    # Two framings (RFC 9112 §6.3).
    "CL and TE": (post(b"Content-Length: 5", CHUNKED) + b"0\r\n\r\n", 400),
    "TE and CL": (post(CHUNKED, b"Content-Length: 5") + b"0\r\n\r\n", 400),
    "two CL": (post(b"Content-Length: 5", b"Content-Length: 6") + b"hello", 400),
    "two equal CL": (post(b"Content-Length: 5", b"Content-Length: 5") + b"hello", 400),
    "CL list": (post(b"Content-Length: 5, 5") + b"hello", 400),
    "CL plus": (post(b"Content-Length: +5") + b"hello", 400),
    "CL minus": (post(b"Content-Length: -1"), 400),
    "CL underscore": (post(b"Content-Length: 1_0") + b"0123456789", 400),
    "CL hex": (post(b"Content-Length: 0x5") + b"hello", 400),
    "CL empty": (post(b"Content-Length:"), 400),
    "CL quoted": (post(b'Content-Length: "5"') + b"hello", 400),
    "CL blank inside": (post(b"Content-Length: 1 0") + b"0123456789", 400),
    "CL superscript": (post("Content-Length: ²".encode("latin-1")), 400),
    "CL huge": (post(b"Content-Length: 1000000000000"), 413),
    "CL beyond int": (post(b"Content-Length: " + b"9" * 5000), 413),
    "two TE": (post(CHUNKED, CHUNKED) + b"0\r\n\r\n", 400),
    "TE list": (post(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 501),
    "TE gzip": (post(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
    "TE identity": (post(b"Transfer-Encoding: identity"), 501),
    "TE x": (post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", 501),
    "TE vertical tab": (post(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", 400),
    "TE in HTTP/1.0": (head(CHUNKED, first=b"POST / HTTP/1.0") + b"0\r\n\r\n", 400),
    "TE space before colon": (post(b"Transfer-Encoding : chunked") + b"0\r\n\r\n", 400),
    "TE folded": (post(b"Transfer-Encoding:", b" chunked") + b"0\r\n\r\n", 400),
    # Chunks (RFC 9112 §7.1).
    "chunk 0x": (post(CHUNKED) + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk minus": (post(CHUNKED) + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk plus": (post(CHUNKED) + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk underscore": (post(CHUNKED) + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n", 400),
    "chunk no hex": (post(CHUNKED) + b"g\r\nhello\r\n0\r\n\r\n", 400),
    "chunk empty size": (post(CHUNKED) + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk bad end": (post(CHUNKED) + b"5\r\nhelloX\r\n0\r\n\r\n", 400),
    "chunk LF": (post(CHUNKED) + b"5\nhello\n0\n\n" + b"x" * 2000, 400),
    "chunk size too long a line": (post(CHUNKED) + b"5;" + b"x" * 3000 + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk extension NUL": (post(CHUNKED) + b"5;\x00\r\nhello\r\n0\r\n\r\n", 400),
    "chunk trailers too long": (post(CHUNKED) + b"0\r\n" + b"x: y\r\n" * 20000 + b"\r\n", 413),
    # Lines (RFC 9112 §2.2, §5).
    "obs-fold": (head(b"X: a", b" b"), 400),
    "obs-fold tab": (head(b"X: a", b"\tb"), 400),
    "fold first": (b"GET / HTTP/1.1\r\n Host: a\r\n" + HOST + b"\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\n" + b"Host: index.example\n\n", 400),
    "bare LF in value": (head(b"X: a\nY: b"), 400),
    "bare CR in value": (head(b"X: a\rY: b"), 400),
    "bare CR ends line": (b"GET / HTTP/1.1\rHost: index.example\r\r", 400),
    "NUL in value": (head(b"X: a\x00b"), 400),
    "NUL in name": (head(b"X\x00: a"), 400),
    "control in value": (head(b"X: a\x01b"), 400),
    "DEL in value": (head(b"X: a\x7fb"), 400),
    "space before colon": (head(b"X : a"), 400),
    "no colon": (head(b"X"), 400),
    "no name": (head(b": a"), 400),
    "name not ASCII": (head("Ä: a".encode("latin-1")), 400),
    "name with blank": (head(b"X Y: a"), 400),
    "two empty lines first": (b"\r\n\r\n" + get(), 400),
    # Request lines (RFC 9112 §3).
    "HTTP/0.9": (b"GET /\r\n", 400),
    "HTTP/9.9": (head(first=b"GET / HTTP/9.9"), 505),
    "HTTP/1.2": (head(first=b"GET / HTTP/1.2"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/1.10": (head(first=b"GET / HTTP/1.10"), 400),
    "http lower": (head(first=b"GET / http/1.1"), 400),
    "no version": (b"GET /simple/\r\n" + HOST + b"\r\n", 400),
    "two blanks": (head(first=b"GET  / HTTP/1.1"), 400),
    "tab": (head(first=b"GET\t/ HTTP/1.1"), 400),
    "blank at end": (head(first=b"GET / HTTP/1.1 "), 400),
    "blank at start": (head(first=b" GET / HTTP/1.1"), 400),
    "blank in target": (head(first=b"GET /a b HTTP/1.1"), 400),
    "bad method": (head(first=b"GE(T / HTTP/1.1"), 400),
    "lower method": (head(first=b"get / HTTP/1.1"), 501),
    "TRACE": (head(first=b"TRACE / HTTP/1.1"), 501),
    "CONNECT": (head(first=b"CONNECT index.example:443 HTTP/1.1"), 501),
    "BREW": (head(first=b"BREW / HTTP/1.1"), 501),
    "TLS to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "line of 20 kB": (line(b"/" + b"a" * 20000), 414),
    "line of 9 kB": (line(b"/" + b"a" * 9000), 414),
    "line without end": (b"GET /" + b"a" * 9000, 414),
    "600 headers": (head(*(b"X: %d" % n for n in range(600))), 431),
    "101 headers": (head(*(b"X: %d" % n for n in range(100))), 431),
    "18 kB of headers": (head(*(b"X: " + b"y" * 1000 for n in range(18))), 431),
    "one header of 18 kB": (head(b"X: " + b"y" * 18000), 431),
    "Expect other": (post(b"Expect: the unexpected", b"Content-Length: 1") + b"x", 417),
    # Targets and hosts: read by the door itself.
    "absolute form of another host": (line(b"http://evil.example/x"), 400),
    "absolute form of another port": (line(b"http://index.example:81/x"), 400),
    "absolute form of a host like ours": (line(b"http://index.example.evil.example/x"), 400),
    "absolute form with a user": (line(b"http://index.example@evil.example/x"), 400),
    "absolute form with our user": (line(b"http://u@index.example/x"), 400),
    "absolute form without a host": (line(b"http:///x"), 400),
    "absolute form of another scheme": (line(b"ftp://index.example/x"), 400),
    "absolute form with a backslash": (line(b"http://index.example\\x"), 400),
    "absolute form with a fragment": (line(b"http://index.example/x#y"), 400),
    "absolute form, double slash": (line(b"http://index.example//x"), 400),
    "absolute form without Host": (head(first=b"GET http://index.example/x HTTP/1.1", host=b""), 400),
    "absolute form, no name": (head(first=b"GET http://<x>/x HTTP/1.0", host=b""), 400),
    "authority form": (line(b"index.example:80"), 400),
    "asterisk": (head(first=b"OPTIONS * HTTP/1.1"), 400),
    "relative": (line(b"simple/"), 400),
    "fragment": (line(b"/simple/#x"), 400),
    "not ASCII": (line(b"/simple/\xc3\xa9/"), 400),
    "encoded slashes": (line(b"/simple/%2f%2fevil"), 400),
    "encoded backslash": (line(b"/simple/%5c"), 400),
    "backslash": (line(b"/simple/..\\x"), 400),
    "dot dot": (line(b"/simple/../x"), 400),
    "encoded dot dot": (line(b"/simple/%2e%2e/x"), 400),
    "half encoded dot dot": (line(b"/simple/.%2E"), 400),
    "dot": (line(b"/./simple/"), 400),
    "NUL": (line(b"/simple/%00"), 400),
    "CR LF": (line(b"/simple/%0d%0aSet-Cookie:%20x=y"), 400),
    "C1": (line(b"/simple/%c2%85"), 400),
    "overlong slash": (line(b"/simple/%c0%af"), 400),
    "overlong dots": (line(b"/simple/%c0%ae%c0%ae/"), 400),
    "surrogate": (line(b"/simple/%ed%a0%80"), 400),
    "broken escape": (line(b"/simple/%zz"), 400),
    "cut escape": (line(b"/simple/%2"), 400),
    "empty segment": (line(b"/simple//x"), 400),
    "double slash": (line(b"//evil.example/x"), 400),
    "path of 5 kB": (line(b"/" + b"a" * 5000), 414),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (head(b"Host: other.example"), 400),
    "two equal Hosts": (head(b"Host: index.example"), 400),
    "Host empty": (head(host=b"Host:\r\n"), 400),
    "Host script": (head(host=b"Host: <script>\r\n"), 400),
    "Host path": (head(host=b"Host: index.example/x\r\n"), 400),
    "Host user": (head(host=b"Host: u@index.example\r\n"), 400),
    "Host port": (head(host=b"Host: index.example:x\r\n"), 400),
    "Host list": (head(host=b"Host: a.example, b.example\r\n"), 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_S55_S56_S62_S64_a_refused_request_gets_one_answer_and_the_connection_closes(name: str) -> None:
    """One error with a plain line, then close; what follows is never dispatched."""
    request, status = REFUSED[name]
    door = Seen()
    client = door.client()
    data = client.say(request + NEXT)
    data += client.say(NEXT)
    (answer,) = [heard for heard in answers(data) if heard.status != 100]
    assert answer.status == status
    assert answer.one("connection") == "close"
    assert answer.body.endswith(b"\n")
    assert 0 < answer.body.count(b"\n") <= 2
    assert client.wire.closed
    assert door.asks == []
    client.hang_up()
    assert not door.clock.getDelayedCalls()


@pytest.mark.parametrize("name", REFUSED)
def test_S55_the_verdict_is_the_same_byte_by_byte(name: str) -> None:
    """How a request is cut into packets changes nothing."""
    request, status = REFUSED[name]
    door = Seen()
    client = door.client()
    for start in range(0, len(request), 1 if len(request) < 3000 else 1009):
        client.channel.dataReceived(request[start : start + (1 if len(request) < 3000 else 1009)])
    client.channel.dataReceived(NEXT)
    (answer,) = answers(client.heard())
    assert answer.status == status
    assert door.asks == []
    client.hang_up()


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rH", b"GET /\0", b"\r\n\r\n", b"GET /\r\n", b"SSH-2.0-x\r\n"])
def test_S57_what_can_never_become_a_request_is_refused_without_waiting_for_its_end(start: bytes) -> None:
    """No fifteen seconds for what is hopeless already."""
    client = Seen().client()
    (answer,) = answers(client.say(start))
    assert answer.status == 400
    client.hang_up()


@pytest.mark.parametrize("name", [name for name in REFUSED if name.startswith(("CL", "TE ", "two CL", "two TE", "two equal CL"))])
def test_S55_framings_are_judged_before_twisted_sees_them(name: str) -> None:
    """Our own reading refuses each of these, whatever the parser behind it would say."""
    request, status = REFUSED[name]
    head, _, _ = request.partition(b"\r\n\r\n")
    assert refusal(head + b"\r\n\r\n", Limits()) == status


ACCEPTED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "plain": (get("/simple/a/"), ("simple", "a", "")),
    "root": (get("/"), ("",)),
    "no trailing slash": (get("/simple/a"), ("simple", "a")),
    "one empty line first": (b"\r\n" + get("/a"), ("a",)),
    "HTTP/1.0 without Host": (b"GET /a HTTP/1.0\r\n\r\n", ("a",)),
    "plus": (get("/a+b"), ("a+b",)),
    "encoded plus": (get("/a%2Bb"), ("a+b",)),
    "decoded once": (get("/%252e%252e/%252f"), ("%2e%2e", "%2f")),
    "UTF-8": (get("/%C3%A9"), ("é",)),
    "semicolon": (get("/..;/a"), ("..;", "a")),
    # RFC 9112 §3.2.2.
    "absolute form": (line(b"http://index.example/simple/a/"), ("simple", "a", "")),
    "absolute form in any case": (line(b"HTTPS://INDEX.example/a"), ("a",)),
    "absolute form with port": (head(first=b"GET http://[::1]:8080/a HTTP/1.1", host=b"Host: [::1]:8080\r\n"), ("a",)),
    "absolute form without a path": (line(b"http://index.example"), ("",)),
    "absolute form with a query alone": (line(b"http://index.example?x=http://y/"), ("",)),
    "absolute form in HTTP/1.0": (b"GET http://index.example/a HTTP/1.0\r\n\r\n", ("a",)),
    "query": (get("/a?..%2f//x=%00&y"), ("a",)),
    "Host with port": (head(first=b"GET /a HTTP/1.1", host=b"Host: Index.Example:8080\r\n"), ("a",)),
    "Host IPv6": (head(first=b"GET /a HTTP/1.1", host=b"Host: [::1]:8080\r\n"), ("a",)),
    "Host with blanks around": (head(first=b"GET /a HTTP/1.1", host=b"Host: \t index.example \t\r\n"), ("a",)),
    "empty value": (head(b"X:", first=b"GET /a HTTP/1.1"), ("a",)),
    "Latin-1 value": (head("X: é".encode("latin-1"), first=b"GET /a HTTP/1.1"), ("a",)),
    "body on a GET": (head(b"Content-Length: 5", first=b"GET /a HTTP/1.1") + b"hello", ("a",)),
    "empty body": (head(b"Content-Length: 0", first=b"POST /a HTTP/1.1"), ("a",)),
    "chunks": (head(CHUNKED, first=b"POST /a HTTP/1.1") + b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n", ("a",)),
    "99 headers": (head(*(b"X: %d" % n for n in range(99)), first=b"GET /a HTTP/1.1"), ("a",)),
}


@pytest.mark.parametrize("name", ACCEPTED)
@pytest.mark.parametrize("step", [1, 100000])
def test_R8_R9_what_is_clean_is_dispatched_with_its_path_decoded_once(name: str, step: int) -> None:
    """Each clean request is asked once, however its bytes are cut."""
    request, segments = ACCEPTED[name]
    door = Seen()
    client = door.client()
    for start in range(0, len(request), step):
        client.channel.dataReceived(request[start : start + step])
    (answer,) = answers(client.heard())
    assert answer.status == 200
    assert [ask.segments for ask in door.asks] == [segments]
    client.hang_up()


@pytest.mark.parametrize("target", [b"/legacy/?x", b"http://index.example/legacy/?x"])
def test_S62_how_large_a_body_may_be_goes_by_the_path_in_whatever_form(target: bytes) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def room(method: bytes, path: bytes) -> int:
        asked.append((method, path))
        return 10

    door = Seen(room=room)
    client = door.client()
    (answer,) = answers(client.say(head(b"Content-Length: 11", first=b"POST " + target + b" HTTP/1.1")))
    assert answer.status == 413
    assert asked == [(b"POST", b"/legacy/?x")]
    client.hang_up()


@pytest.mark.parametrize("target", [b"/+health", b"http://index.example/+health"])
def test_S58_whoever_watches_is_answered_in_whatever_form_he_asks(target: bytes) -> None:
    door = Seen(caps=Caps(total=1))
    working = door.client()
    working.channel.works(True)
    watching = door.client(address=IPv4Address("TCP", "192.0.2.8", 1))
    assert watching.channel.spare
    (answer,) = answers(watching.say(line(target)))
    assert answer.status == 200
    for client in (working, watching):
        client.hang_up()


def test_R222_pipelined_requests_keep_their_order() -> None:
    """Answers come in the order of the requests, also behind bodies."""
    door = Seen()
    client = door.client()
    paths = [f"/{n}" for n in range(20)]
    requests = [
        get(path)
        if n % 3
        else get(path, "Content-Length: 3", method="POST") + b"abc"
        if n % 2
        else get(path, "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n0\r\n\r\n"
        for n, path in enumerate(paths)
    ]
    heard = answers(client.say(b"".join(requests)))
    # So many at once leave turns to others in between.
    door.clock.advance(0)
    heard += answers(client.heard())
    assert ["/" + answer.body.decode().split("\n")[0] for answer in heard] == paths
    client.hang_up()


def test_S55_nothing_is_dispatched_behind_connection_close() -> None:
    """The last request of a connection is the last."""
    door = Seen()
    client = door.client()
    (answer,) = answers(client.say(get("/a", "Connection: Keep-Alive, close") + NEXT))
    assert answer.one("connection") == "close"
    assert client.wire.closed
    assert len(door.asks) == 1
    client.hang_up()


def clean(segments: tuple[str, ...]) -> bool:
    return (
        all(
            segment not in (".", "..") and not any(c in "/\\" or ord(c) < 32 or 127 <= ord(c) < 160 for c in segment)
            for segment in segments
        )
        and "" not in segments[:-1]
    )


SEEDS = st.sampled_from([request for request, _ in (*REFUSED.values(), *ACCEPTED.values()) if len(request) < 3000])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"\r\n", b"\n", b" ", b"%2f", b"%00", b"..", b"/", b":", b"\r\n\r\n"]))
        )
        data[at : at + draw(st.integers(0, 3))] = piece
    return bytes(data)


@given(st.lists(st.one_of(st.binary(max_size=300), mutated()), max_size=4), st.integers(1, 400))
@example([b"\r\n\r\n"], 1)
def test_S5_S55_no_bytes_raise_or_dispatch_a_segment_that_is_not_clean(pieces: list[bytes], step: int) -> None:
    """Whatever arrives in whatever packets: no exception, no 500, no unclean segment, nothing written after a close."""
    door = Seen()
    client = door.client()
    data = b"".join(pieces)
    for start in range(0, len(data), step):
        client.channel.dataReceived(data[start : start + step])
    door.clock.advance(100)
    assert all(clean(ask.segments) for ask in door.asks)
    assert all(ask.method.isupper() for ask in door.asks)
    assert all(status != 500 for status, _ in door.ends)
    client.hang_up()
    assert not door.clock.getDelayedCalls()
