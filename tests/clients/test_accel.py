"""A real nginx that sends stored files by itself, with the configuration of the page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon, Upstream, ask, free_port
from tests.clients.looking import files
from tests.clients.nginx import nginx
from tests.clients.tools import ROOT

pytestmark = pytest.mark.clients

BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(
        r"^\.\. code-block:: nginx\n((?:\n| +[^\n]*\n)+)",
        (ROOT / "docs" / "howto" / "behind-nginx.rst").read_text("utf-8") + "\n",
        re.MULTILINE,
    )
]
"""What the page says is to be written into nginx's configuration: before the daemon, and for the blobs."""


@pytest.fixture
def daemon(upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that trusts the nginx on this machine."""
    found = Daemon(tmp_path / "daemon", upstream.simple, settings="accel-redirect = /internal/\ntrusted-proxies = 127.0.0.1\n")
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


def test_nginx_sends_what_the_daemon_lets_it(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """Whole and in part, under the daemon's headers; and nobody gets at the blobs without asking the daemon."""
    wheel = upstream.tell("add", "accelerated", "1.0", size=300_000)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    before, _, internal = (block for block in BLOCKS)
    before = before.replace("/python/", "/").replace("http://127.0.0.1:3141", daemon.url)
    internal = internal.replace("/var/lib/pypidaemon/blobs/", f"{daemon.folder}/var/blobs/")
    with nginx(tmp_path / "nginx", f"server {{ listen 127.0.0.1:{port}; {before} {internal} }}", url):
        entry = files(daemon, "accelerated")[wheel]
        path, digest = entry["path"], entry["hashes"]["sha256"]
        cold = ask(url, "GET", path)
        assert (cold.status, sha256(cold.body).hexdigest()) == (200, digest)
        said = daemon.ask("GET", path, {"X-Forwarded-For": "192.0.2.1"})
        place = f"/internal/{digest[:2]}/{digest[2:4]}/{digest}"
        assert (said.status, said.body, said.headers["x-accel-redirect"]) == (200, b"", place)
        warm = ask(url, "GET", path)
        assert (warm.status, warm.body) == (200, cold.body)
        assert "x-accel-redirect" not in warm.headers
        for name in (
            "etag",
            "content-type",
            "cache-control",
            "accept-ranges",
            "x-content-type-options",
            "x-pypidaemon-index",
            "content-length",
        ):
            assert warm.headers[name] == cold.headers[name], name
        assert "last-modified" not in warm.headers
        part = ask(url, "GET", path, {"Range": "bytes=1000-1999", "If-Range": f'"{digest}"'})
        assert (part.status, part.body, part.headers["content-range"]) == (206, cold.body[1000:2000], f"bytes 1000-1999/{len(cold.body)}")
        assert ask(url, "GET", path, {"Range": "bytes=5-9", "If-Range": '"other"'}).body == cold.body
        assert ask(url, "GET", path, {"Range": "bytes=0-1,5-6"}).body == cold.body
        assert ask(url, "GET", path, {"If-None-Match": f'"{digest}"'}).status == 304
        assert ask(url, "GET", path, {"Range": "bytes=99999999-"}).status == 416
        assert ask(url, "HEAD", path).headers["content-length"] == str(len(cold.body))
        assert ask(url, "GET", place).status == 404
        # What nginx cannot read, or is evicted just then, is not said to be no file: installers believe that.
        elsewhere = free_port()
        lost = internal.replace(f"{daemon.folder}/var/blobs/", f"{tmp_path}/nothing/")
        with nginx(tmp_path / "other", f"server {{ listen 127.0.0.1:{elsewhere}; {before} {lost} }}", f"http://127.0.0.1:{elsewhere}"):
            assert ask(f"http://127.0.0.1:{elsewhere}", "GET", path).status == 503
        daemon.order("block", "accelerated==1.0", "--reason", "it is bad")
        assert ask(url, "GET", path).status == 403
