"""`pypidaemon.upstreams.agent`: the short way of taking a URL apart leads where the long one does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import URI

from pypidaemon.upstreams.agent import Outbound, outbound
from pypidaemon.upstreams.origins import BadTarget, Target, taken_apart, target
from tests.upstreams.test_connections import Connection


@pytest.fixture
def out() -> Outbound:
    """A way out that nothing leaves by."""
    return outbound(MemoryReactorClock(), trusted_hosts=frozenset(["127.0.0.1", "index.example"]), proxy="none")


@pytest.mark.parametrize(
    "url",
    [
        "http://index.example/simple/foo/",
        "https://index.example/packages/aa/bb/cc/foo-1.0%2Blocal-py3-none-any.whl.metadata",
        "https://index.example:8443/a+b/(c)/d;e=f/@g:h,i'j~k!l$m&n*o",
        "http://127.0.0.1:3141/index/root/simple/",
        "https://files.index.example/",
    ],
)
def test_the_usual_kind_of_url_is_taken_apart_as_twisted_does(out: Outbound, url: str) -> None:
    usual = out._direct.origin(url.encode())
    assert usual is not None
    found, path = usual
    long = URI.fromBytes(url.encode())
    assert (found.scheme, found.netloc, found.host, found.port, path) == (long.scheme, long.netloc, long.host, long.port, long.originForm)
    assert found.toBytes() == url.encode()
    assert target(url).authority == long.netloc.decode()


@pytest.mark.parametrize(
    "url",
    [
        b"http://index.example/a?b",
        b"http://index.example/a#b",
        b"http://INDEX.example/",
        b"http://index.example",
        b"http://[::1]:80/",
        b"http://user@index.example/",
        b"http://index.example:/",
        b"http://index.example/a b",
        b"http://index.example/\r\nHost: other",
        b"http://index.example/\n",
        b"http://index.example/\xff",
        b"ftp://index.example/",
        b" http://index.example/",
    ],
)
def test_all_others_take_the_long_way(out: Outbound, url: bytes) -> None:
    assert out._direct.origin(url) is None


def test_S48_who_must_not_be_asked_is_asked_by_neither_way(out: Outbound) -> None:
    for url in (b"http://127.0.0.2/", b"http://10.0.0.1:3141/", b"http://127.0.0.1:25/"):
        for _ in range(2):
            failed: list[str] = []
            out.request(b"GET", url).addErrback(lambda failure, failed=failed: failed.append(failure.type.__name__))
            assert failed == ["AddressRefused"]
    assert out._straight == {}


def test_as_many_origins_are_remembered_as_there_is_room_for(out: Outbound) -> None:
    for number in range(70):
        out.request(b"GET", b"http://host-%d.index.example/" % number).addErrback(lambda _: None)
    assert len(out._straight) == 64


def _said(take: Callable[[str], Target], url: str) -> Target | str:
    try:
        return take(url)
    except BadTarget as error:
        return str(error)


_HOSTS = st.sampled_from(
    ["index.example", "127.0.0.1", "1.2.3", "0x7f.1", "a..b", "a-", "-a", "h", "[::1]", "INDEX.example", "a_b", "x." + "y" * 300]
)
_ENDS = st.sampled_from(["", ":", ":80", ":443", ":0", ":3141", ":65535", ":65536", ":99999", ":080"])
_PATHS = st.one_of(
    st.text("/a.%~-_+!:@;=,?#[] \\\t\xe9", max_size=12),
    st.sampled_from(["", "/", "//x", "/a/../b", "/%2B", "/x;y", "/x?y", "/x#y", "/x\n"]),
)


@given(st.sampled_from(["http", "https", "ftp", "HTTP"]), _HOSTS, _ENDS, _PATHS)
@example("http", "index.example", ":80", "//x")
def test_whatever_the_url_the_short_way_says_what_the_long_one_says(scheme: str, host: str, end: str, path: str) -> None:
    url = f"{scheme}://{host}{end}{path}"
    assert _said(target, url) == _said(taken_apart, url)


@pytest.mark.parametrize("url", ["http://index.example/", "http://[2001:db8::1]:8080/simple/", "https://[2001:db8::1]/x"])
def test_F40_what_is_kept_to_whoever_fell_silent_is_forgotten_however_he_is_written(out: Outbound, url: str) -> None:
    uri, kept = URI.fromBytes(url.encode()), Connection()
    out._pool._putConnection((uri.scheme, uri.host, uri.port), kept)
    out.forget(target("http://other.example/"))
    assert not kept.closed
    out.forget(target(url))
    assert kept.closed
