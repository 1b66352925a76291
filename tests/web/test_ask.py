"""Reading requests and building replies: what is in them, and what can never be."""

from __future__ import annotations

from urllib.parse import quote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from pypidaemon.web.ask import Ask, Headers
from pypidaemon.web.reply import Reply, Stream, one_line, redirect, text
from tests.web.wire import Seen, Trickle, answers, get


def asked(request: bytes, **more: object) -> Ask:
    door = Seen()
    client = door.client(**more)
    (answer,) = answers(client.say(request))
    assert answer.status == 200, answer
    client.hang_up()
    (ask,) = door.asks
    return ask


def test_an_ask_says_what_was_asked() -> None:
    """Method, path, query, headers, host, peer and id, each in its own field."""
    ask = asked(
        b"POST /a/b%20c/?x=1&x=2&y=%C3%A9+z&empty HTTP/1.1\r\nHOST: Index.Example:3141\r\naccept: a\r\nAccept: b\r\nX-Odd: \xe9\r\n\r\n"
    )
    assert attrs.evolve(ask, headers=Headers()) == Ask(
        method="POST",
        segments=("a", "b c", ""),
        query=(("x", "1"), ("x", "2"), ("y", "é z"), ("empty", "")),
        client="192.0.2.7",
        host="index.example:3141",
        id="0000000000000001",
    )
    assert ask.headers.first("ACCEPT") == "a"
    assert ask.headers.every("Accept") == ["a", "b"]
    assert ask.headers.first("x-odd") == "é"
    assert ask.headers.first("missing") is None
    assert ask.headers.every("missing") == []


@pytest.mark.parametrize(
    ("address", "client"),
    [
        (IPv4Address("TCP", "198.51.100.1", 1), "198.51.100.1"),
        (IPv6Address("TCP", "2001:db8::1", 1), "2001:db8::1"),
        (UNIXAddress(b"/run/x"), ""),
    ],
)
def test_the_client_is_an_address_without_a_port(address: object, client: str) -> None:
    """A unix socket has none."""
    assert asked(get("/"), address=address).client == client


SEGMENT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1).filter(
    lambda s: s not in (".", "..")
)


@given(st.lists(SEGMENT, max_size=4).filter(lambda found: sum(len(quote(s)) for s in found) < 4000), st.booleans())
def test_R8_a_path_is_decoded_exactly_once(segments: list[str], slash: bool) -> None:
    """Quoting and reading are inverses for every clean segment, whatever it holds, percent signs included."""
    wanted = (*segments, "") if slash or not segments else tuple(segments)
    assert asked(get("/" + "/".join(quote(s, safe="") for s in wanted))).segments == wanted


HOSTILE = ["%2e%2e", "%2f%2f", "..", "%5c", "%00", "%c0%af", "%c0%ae%c0%ae", "%e0%80%af", "%0a", "%7f", ".%2e", "%2E.", "%ff", "a%2fb", "%"]


@pytest.mark.parametrize("before", ["/", "/simple/", "/packages/aa/bb/", "/a/b/c/d/"])
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("after", ["", "/", "/etc/passwd", "/../x", "?x=y", "%2f", "//"])
def test_S5_no_variant_of_a_way_out_is_dispatched(before: str, hostile: str, after: str) -> None:
    """420 ways of leaving the root, all of them 400."""
    door = Seen()
    client = door.client()
    (answer,) = answers(client.say(get(before + hostile + after)))
    assert answer.status == 400
    assert door.asks == []
    client.hang_up()


@given(st.text(), st.text())
def test_S59_a_header_that_could_break_its_line_cannot_be_built(name: str, value: str) -> None:
    """A reply holds clean headers or is not made at all."""
    try:
        reply = Reply(200, ((name, value),))
    except ValueError:
        return
    ((name, value),) = reply.headers
    assert not any(ord(c) < 32 and c != "\t" for c in name + value)
    value.encode("latin-1")
    name.encode("ascii")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\n", "a\0", "\x7f", "a\x85b", "\u2028", "é\N{SNOWMAN}"])
def test_S59_control_characters_are_refused_in_values(value: str) -> None:
    with pytest.raises(ValueError, match="must not be a header"):
        text(200, "x", "id", (("X-Reason", value),))


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Date", "Server"])
def test_headers_of_the_skin_are_left_to_it(name: str) -> None:
    """Two Content-Lengths would be two truths."""
    with pytest.raises(ValueError, match="the skin writes"):
        Reply(200, ((name, "1"),))


def test_a_reply_has_a_body_or_a_stream() -> None:
    with pytest.raises(ValueError, match="a body or a stream"):
        Reply(200, (), b"x", Stream(Trickle()))


@pytest.mark.parametrize(
    "location", ["//evil.example", "/\\evil.example", "\\\\evil.example", " //evil.example", "/a\r\nX: y", "/a b", "/é", "\t//e"]
)
def test_S60_no_redirect_by_a_trick_of_spelling(location: str) -> None:
    with pytest.raises(ValueError, match="must not be"):
        redirect(location, permanent=False)


def test_R7_redirects_are_for_good_or_for_now() -> None:
    """301 for a spelling, 302 for a place."""
    assert redirect("/simple/a/", permanent=True) == Reply(301, (("Location", "/simple/a/"),))
    assert redirect("https://files.example/x?y=z", permanent=False).status == 302


def test_an_error_is_one_plain_line_and_the_id() -> None:
    """Nobody keeps it, nobody guesses its type, and no line break comes in from outside."""
    reply = text(404, "no such\r\n\u2028 project: é", "0123")
    assert reply.body == "no such project: é\nrequest id: 0123\n".encode()
    assert dict(reply.headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    assert "Cache-Control" not in dict(text(200, "x", "0123").headers)


@given(st.text())
def test_one_line_is_one_line(line: str) -> None:
    assert len(one_line(line).splitlines()) <= 1
