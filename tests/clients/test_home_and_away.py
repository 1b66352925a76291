"""A netbook whose daemon has the home server as first upstream and the public index as the next: on the road, and back (issue 8; N1, N7, L9, N8)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.posting import Parcel, Poster
from tests.clients.store import Store, store, tell
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

SECTIONS = """
[index:root]
use = first-match
indexes = private away
[index:private]
use = private
[index:away]
use = home-first
indexes = home pypi
own = home-private
[index:home]
use = proxy
upstream = home
exposed = no
[index:home-private]
use = proxy
upstream = home-private
exposed = no
[index:pypi]
use = proxy
upstream = pypi
exposed = no
[upstream:home]
use = http
url = {home}/simple/
patience = 1s
[upstream:home-private]
use = http
url = {home}/index/private/simple/
patience = 1s
[service:home]
use = push
index = private
to = {home}/
password = file:token
"""


@attrs.define
class Pair:
    """The server at home, and the netbook."""

    home: Store
    netbook: Daemon
    token: str

    def upload(self, daemon: Daemon, token: str, release: Release) -> str:
        """The sha256 of what was uploaded."""
        parcel = Parcel.of(release)
        poster = Poster(daemon.port, token)
        assert poster.post(parcel) == 200
        poster.close()
        return parcel.sha256

    def digests(self, daemon: Daemon, project: str) -> list[str]:
        return [file["hashes"]["sha256"] for file in daemon.page(project)["files"]]

    def fetched(self, daemon: Daemon, project: str) -> str:
        """The sha256 of the bytes of the first file on the page."""
        url = daemon.page(project)["files"][0]["url"].removeprefix("../..")
        return hashlib.sha256(daemon.ask("GET", url).body).hexdigest()


@pytest.fixture
def pair(upstream: Upstream, tmp_path: Path) -> Iterator[Pair]:
    with store(tmp_path / "home", upstream.simple) as home:
        netbook = Daemon(tmp_path / "netbook", upstream.simple, SECTIONS.format(home=home.daemon.url), index="root", uploads="private")
        netbook.folder.mkdir()
        (netbook.folder / "token").write_text(home.uploader)
        netbook.start()
        try:
            for order, fields in (("user/add", {"name": "ann"}), ("grant/add", {"name": "ann", "right": "upload", "place": "private"})):
                tell(netbook, order, **fields)
            yield Pair(home, netbook, tell(netbook, "token/add", name="ann")["token"])
        finally:
            netbook.stop()
    netbook.check_log()


def test_N1_N7_on_the_road_the_public_index_answers_and_what_was_published_comes_home(pair: Pair, upstream: Upstream) -> None:
    home, netbook = pair.home.daemon, pair.netbook
    ours = pair.upload(home, pair.home.uploader, Release("acme", "1.0"))
    for name in ("secret", "clash"):
        pair.upload(home, pair.home.uploader, Release(name, "1.0"))
    # The list of what is home's own is looked at again when home comes back, so have it gone once.
    netbook.restart()
    assert pair.fetched(netbook, "acme") == ours
    assert netbook.ask("GET", "/simple/clash/").status == 200
    home.stop()
    upstream.clear()
    made_away = pair.upload(netbook, pair.token, Release("acme-tools", "1.0", 40))
    other = pair.upload(netbook, pair.token, Release("clash", "1.0", 77))
    # Nothing had been asked of that project before, and of home's own what is known is given, and nobody else asked.
    assert netbook.ask("GET", "/simple/seeds-alpha/").status == 200
    assert pair.digests(netbook, "acme") == [ours]
    assert netbook.ask("GET", "/simple/secret/").status == 503
    assert {path for path in upstream.paths("/simple/*") if "acme" in path or "secret" in path or "clash" in path} == set()
    why = json.loads(netbook.ordered("why", "secret", "--json").stdout)
    assert why["indexes"]["below"][1]["facts"]["home's own"] == "yes, so nobody else is asked"

    refused = netbook.ordered("push")
    assert (refused.returncode, refused.stderr) == (1, f"pypidaemon: {home.url}/: it refuses connections\n")
    home.start()
    pushed = netbook.ordered("push", "--json")
    said = json.loads(pushed.stdout)
    assert pushed.returncode == 1
    assert pair.digests(home, "acme-tools") == [made_away]
    assert said["conflicts"] == [
        f"clash-1.0-py3-none-any.whl has other bytes there: sha256:{pair.digests(home, 'clash')[0]}, and not sha256:{other}"
    ]
    assert pair.digests(home, "clash") != [other]
    status = json.loads(netbook.order("status", "--json"))["pushes"]["home"]
    assert (status["conflicts"], status["trouble"]) == (said["conflicts"], "")
    assert "has other bytes there" in netbook.order("why", "clash")
    counted = netbook.ask("GET", "/+metrics").body
    assert b'pypidaemon_push_total{service="home",what="pushed"} ' in counted
    assert b'pypidaemon_push_conflicts{service="home"} 1.0' in counted
    again = json.loads(netbook.ordered("push", "--json").stdout)
    assert (again["pushed"], again["there"]) == ([], 1)
    # By the command itself, which needs no daemon.
    netbook.order("yank", "acme-tools==1.0", "--reason", "made in a hurry")
    netbook.stop()
    alone = netbook.ordered("push", "private", "--to", f"{home.url}/legacy/", "--password-stdin", "--json", said=pair.home.uploader)
    assert json.loads(alone.stdout)["differs"] == ["acme_tools-1.0-py3-none-any.whl is yanked here, and not there"]
    assert json.loads(alone.stdout)["conflicts"] == said["conflicts"]
    netbook.start()


def test_N8_a_bundle_is_taken_in_while_the_daemon_works_and_a_data_folder_moves(pair: Pair, tmp_path: Path) -> None:
    home, netbook = pair.home.daemon, pair.netbook
    first = pair.upload(home, pair.home.uploader, Release("carried", "1.0"))
    bundle, key = str(tmp_path / "stick.bundle"), str(tmp_path / "key")
    public = home.order("bundle", "key", key)
    home.order("bundle", "export", bundle, "--private", "--sign", key)
    assert netbook.ask("GET", "/simple/carried/").status == 200
    home.stop()
    assert netbook.ordered("bundle", "import", bundle, "--key", "ed25519:" + "A" * 43 + "=").returncode == 1
    said = json.loads(netbook.order("bundle", "import", bundle, "--key", public, "--json"))
    assert (said["changed"], said["conflicts"], said["key"]) == (1, [], public)
    page = netbook.page("carried")
    assert [file["hashes"]["sha256"] for file in page["files"]] == [first]
    assert netbook.ask("GET", "/simple/carried/").headers["x-pypidaemon-index"] == "private"
    assert "nothing to do" in netbook.order("bundle", "import", bundle)
    shutil.copy(bundle, tmp_path / "whole.bundle")
    damaged = bytearray(Path(bundle).read_bytes())
    damaged[-2000] ^= 1
    Path(bundle).write_bytes(damaged)
    refused = netbook.ordered("bundle", "import", bundle)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    # The folder goes to another place, as a whole.
    netbook.stop()
    moved = tmp_path / "elsewhere"
    shutil.move(netbook.folder, moved)
    netbook.folder = moved
    # Without a daemon it is as well.
    assert "nothing to do" in netbook.order("bundle", "import", str(tmp_path / "whole.bundle"))
    delta = netbook.order("bundle", "export", str(tmp_path / "delta"), "--since", bundle, "--json")
    assert json.loads(delta)["projects"] == 1
    netbook.start()
    assert [file["hashes"]["sha256"] for file in netbook.page("carried")["files"]] == [first]
    assert pair.fetched(netbook, "carried") == first
    home.start()
