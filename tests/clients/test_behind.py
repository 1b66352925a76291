"""The daemon behind other web servers, under a prefix, with the configurations of their pages."""

from __future__ import annotations

import gzip
import json
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.clients.apache import apache
from tests.clients.daemon import Daemon, Upstream, ask, free_port
from tests.clients.nginx import nginx
from tests.clients.posting import Parcel, Poster
from tests.clients.store import tell
from tests.clients.tools import ROOT
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

JSON = {"Accept": "application/vnd.pypi.simple.v1+json", "Accept-Encoding": "gzip"}


def block(page: str, language: str) -> str:
    """The first of that language on that page."""
    text = (ROOT / "docs" / "howto" / page).read_text("utf-8")
    found = re.search(rf"^\.\. code-block:: {language}\n((?:\n| +[^\n]*\n)+)", text, re.MULTILINE)
    assert found is not None
    return textwrap.dedent(found[1])


@contextmanager
def by_apache(folder: Path, url: str) -> Iterator[str]:
    """Apache in a folder, before the daemon at that address; its own URL."""
    with apache(folder, free_port(), block("behind-apache.rst", "apache").replace("http://127.0.0.1:3141", url)) as found:
        yield found


@contextmanager
def by_nginx(folder: Path, url: str) -> Iterator[str]:
    """As `by_apache`."""
    here, text = f"http://127.0.0.1:{(port := free_port())}", block("behind-nginx.rst", "nginx").replace("http://127.0.0.1:3141", url)
    with nginx(folder, f"gzip_types *; server {{ listen 127.0.0.1:{port}; client_max_body_size 0; {text} }}", here):
        yield here


@pytest.fixture
def daemon(upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that trusts whatever is on this machine."""
    settings = "trusted-proxies = 127.0.0.1\naccess-log = access.log\naccess-log-form = json\nclient-addresses = shortened\n"
    found = Daemon(tmp_path / "daemon", upstream.simple, uploads="private", settings=settings)
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


def test_everything_comes_through_as_the_daemon_says_it(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """Pages compressed once and under their own ETags, files whole and in part, what is asked for as it was spelled, uploads; and the client is known."""
    tell(daemon, "user/add", name="ann")
    tell(daemon, "grant/add", name="ann", right="create", place="private")
    token = tell(daemon, "token/add", name="ann")["token"]
    with by_apache(tmp_path / "apache", daemon.url) as one, by_nginx(tmp_path / "nginx", daemon.url) as other:
        places = [_looked_at(daemon, upstream, token, url, name) for url, name in ((one, "apache"), (other, "nginx"))]
    daemon.stop()
    lines = [json.loads(line) for line in (daemon.folder / "access.log").read_text().splitlines()]
    for place in places:
        theirs = [line for line in lines if line["path"] == place]
        assert theirs[0]["client"] == "192.0.2.0"
        assert {line["cache"] for line in theirs} == {"miss", "hit"}
    assert [line["account"] for line in lines if line["path"] == "/legacy/"] == ["ann", "ann"]


def _looked_at(daemon: Daemon, upstream: Upstream, token: str, url: str, name: str) -> str:
    """A project of that name, through the front at that URL; the daemon's own path of its file."""
    wheel = upstream.tell("add", name, "1.0", size=300_000)
    address = f"{url}/python/simple/{name}/"
    page = ask(url, "GET", f"/python/simple/{name}/", JSON)
    direct = daemon.ask("GET", f"/simple/{name}/", JSON)
    assert (page.status, page.headers["etag"], page.headers["content-encoding"]) == (200, direct.headers["etag"], "gzip")
    assert not page.headers["etag"].startswith("W/")
    assert ask(url, "GET", f"/python/simple/{name}/", {**JSON, "If-None-Match": page.headers["etag"]}).status == 304
    (entry,) = json.loads(gzip.decompress(page.body))["files"]
    assert entry["filename"] == wheel
    place = urljoin(address, entry["url"]).removeprefix(url)
    assert place.startswith("/python/packages/")
    whole = ask(url, "GET", place, {"X-Forwarded-For": "192.0.2.77"})
    assert sha256(whole.body).hexdigest() == entry["hashes"]["sha256"]
    assert whole.headers["accept-ranges"] == "bytes"
    part = ask(url, "GET", place, {"Range": "bytes=5-9", "Accept-Encoding": "gzip"})
    assert (part.status, part.body) == (206, whole.body[5:10])
    assert ask(url, "GET", f"/python/simple/%{ord(name[0]):x}{name[1:]}/", JSON).body == page.body
    # Where an address moved to is right as its clients see it.
    moved = ask(url, "GET", f"/python/simple/{name.title()}/")
    assert urljoin(f"{url}/python/simple/{name.title()}/", moved.headers["location"]) == address
    poster = Poster(int(url.rpartition(":")[2]), token, "/python/legacy/")
    assert poster.post(Parcel.of(Release(f"{name}-own", "1.0", 0))) == 200
    poster.close()
    assert ask(url, "GET", f"/python/simple/{name}-own/").status == 200
    return place.removeprefix("/python")
