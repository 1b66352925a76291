"""`pypidaemon.upstreams.routes`: which requests go by way of a proxy (F42)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypidaemon.settings import Secret
from pypidaemon.upstreams.routes import Proxy, Routes, proxy_choice, routes


def test_the_environment_is_read_as_curl_reads_it() -> None:
    found = routes(
        "env", {"http_proxy": "http://a.example:1", "HTTP_PROXY": "http://b.example:2", "HTTPS_PROXY": "c.example:3", "no_proxy": ""}
    )
    assert (str(found.http), str(found.https)) == ("a.example:1", "c.example:3")
    assert str(routes("env", {"all_proxy": "http://d.example"}).https) == "d.example:80"
    assert routes("env", {}) == Routes()


def test_none_is_none_whatever_the_environment_says() -> None:
    assert routes("none", {"http_proxy": "http://a.example:1"}).proxy_for("http", "x.example", 80) is None


@pytest.mark.parametrize(
    ("rule", "host", "port", "direct"),
    [
        ("*", "any.example", 80, True),
        ("example", "files.example", 443, True),
        (".example", "files.example", 443, True),
        ("*.example", "files.example", 443, True),
        ("files.example", "otherfiles.example", 443, False),
        ("files.example:8443", "files.example", 443, False),
        ("files.example:443", "files.example", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("::1", "::1", 80, True),
        ("fd00::/8", "fd00::5", 80, True),
        (".", "files.example", 80, False),
    ],
)
def test_no_proxy(rule: str, host: str, port: int, direct: bool) -> None:
    found = routes("env", {"http_proxy": "http://p.example:1", "https_proxy": "http://p.example:1", "no_proxy": f"nothing.invalid, {rule}"})
    assert (found.proxy_for("https", host, port) is None) is direct


def test_a_proxy_with_credentials_comes_by_a_secret_and_never_shows_them(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("http://me:s%40crt@p.example:3128\n")
    choice = proxy_choice(f"file:{tmp_path / 'proxy'}")
    assert isinstance(choice, Secret)
    proxy = routes(choice, {}).https
    assert proxy is not None
    assert proxy.authorization == b"Basic bWU6c0BjcnQ="
    assert "crt" not in repr(proxy) + str(proxy) + repr(choice)
    assert Proxy("p.example", 1).authorization is None


@pytest.mark.parametrize(
    "raw", ["", "socks5://p.example", "https://p.example", "http://u:p@p.example", "http://p.example/path", "ftp://x", "http://["]
)
def test_what_is_no_proxy_is_refused_without_showing_it(raw: str) -> None:
    with pytest.raises(ValueError, match=r"must|not") as caught:
        proxy_choice(raw)
    assert "u:p" not in str(caught.value)


def test_the_words_are_kept() -> None:
    assert [proxy_choice(word) for word in ("env", " none ", "http://p.example:3128")] == ["env", "none", "http://p.example:3128"]
