"""
Others mirror a daemon, which has private packages before a proxy (M15): real bandersnatch and devpi, and daemons behind one another.

That a loop of daemons is refused is looked at in `test_loops`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest

from tests.clients.daemon import Daemon, Upstream, ask
from tests.clients.looking import JSON, PROJECTS, eventually, files
from tests.clients.mirrors import BANDERSNATCHES, Bandersnatch, devpi, tried
from tests.clients.posting import Parcel, Poster
from tests.clients.store import SECTIONS, tell
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

OURS = "seeds-ours"
MIRROR = """changelog = {url}/index/private/pypi

[index:mirror]
use = mirror
upstream = pypi

[service:nightly]
use = mirroring
index = mirror
projects = *
"""
ASKED = re.compile(r'"([A-Z]+ /index/\S+) HTTP/1\.1" ')
DOWNLOADED = re.compile(r'"GET (/packages/\S+) HTTP/1\.1" 200 ')


@pytest.fixture(scope="module")
def shop(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all of these tests, with a private project that everybody may read."""
    found = Daemon(tmp_path_factory.mktemp("mirrored") / "daemon", shared_upstream.simple, SECTIONS, index="root", uploads="private")
    found.start()
    try:
        tell(found, "user/add", name="ann")
        tell(found, "grant/add", name="ann", right="upload", place="private")
        publish(found, OURS, "1.0")
        yield found
    finally:
        found.stop()
    found.check_log()


def asked_of(daemon: Daemon) -> list[str]:
    """What was asked so far of single indexes of it: methods and paths."""
    return ASKED.findall(daemon.log)


def publish(shop: Daemon, project: str, version: str) -> str:
    """Upload a private release; the name of its wheel."""
    parcel, poster = Parcel.of(Release(project, version)), Poster(shop.port, tell(shop, "token/add", name="ann")["token"])
    try:
        assert poster.post(parcel) == 200
    finally:
        poster.close()
    return parcel.filename


def listed(index: Daemon | Upstream) -> tuple[int, list[str]]:
    """The serial of the project list, and the names on it."""
    answer = ask(index.url, "GET", "/simple/", {"Accept": JSON})
    assert answer.headers["content-type"] == JSON
    document: dict[str, Any] = answer.json()
    return document["meta"]["_last-serial"], [project["name"] for project in document["projects"]]


def hashes(daemon: Daemon, project: str) -> dict[str, str]:
    """The sha256 of a project's files, by name."""
    return {name: file["hashes"]["sha256"] for name, file in files(daemon, project).items()}


def offered(daemon: Daemon) -> dict[str, str]:
    """The sha256 of all files of all projects, by their paths."""
    return {unquote(file["path"]): file["hashes"]["sha256"] for name in listed(daemon)[1] for file in files(daemon, name).values()}


def downloads(daemon: Daemon) -> list[str]:
    """What was downloaded so far, by the daemon's own log."""
    return DOWNLOADED.findall(daemon.log)


@pytest.mark.parametrize("name", tried())
def test_M15_R202_bandersnatch_mirrors_everything_once(name: str, shop: Daemon, upstream: Upstream, project: str, tmp_path: Path) -> None:
    """And then what is new."""
    tool, settings = BANDERSNATCHES[name]
    mirror = Bandersnatch(tool, shop.url, tmp_path, settings)
    serial, _ = listed(shop)
    mirror.run()
    assert mirror.status() >= serial
    every = offered(shop)
    assert len(every) > 20
    # 8 takes METADATA along, under the path of its wheel.
    assert {path: digest for path, digest in mirror.files().items() if not path.endswith(".metadata")} == every
    seen = len(downloads(shop))
    assert seen >= len(every)

    mirror.run()
    # A wheel that came without a sidecar may have got one by now, which is news.
    assert [path for path in downloads(shop)[seen:] if not path.endswith(".metadata")] == []
    assert mirror.status() == listed(shop)[0]

    came = upstream.tell("add", project, "2.0")
    published = publish(shop, f"{OURS}-{tool}", f"1.{len(settings)}")
    # The list may be some minutes old, and the changelog has what was asked for here.
    serial = listed(upstream)[0]
    eventually(lambda: listed(shop)[0] >= serial)
    eventually(lambda: came in files(shop, project))
    mirror.run()
    taken = {path.rpartition("/")[2] for path in downloads(shop)[seen:]}
    assert {filename for filename in taken if not filename.endswith(".metadata")} - {published} == {came}
    # Private projects have a count of serials of their own, so one that is new is not always among what changed.
    mirror.run("--force-check")
    assert {path.rpartition("/")[2] for path in mirror.files()} >= {came, published}
    assert mirror.status() == listed(shop)[0]


def test_M15_R204_devpi_mirrors_everything_once(shop: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """It asks for files when somebody asks it, and for each of them once."""
    with devpi(tmp_path / "devpi", shop.simple) as mirror:
        names = set(listed(shop)[1])
        assert mirror.names() == names
        for name in names:
            assert mirror.hashes(name) == hashes(shop, name)
            ours = files(shop, name)
            for file in mirror.entries(name):
                said = ours[file["filename"]]
                assert file.get("requires-python") == said.get("requires-python")
                assert bool(file.get("yanked", False)) == bool(said["yanked"])
        seen = len(downloads(shop))
        for name in names:
            assert mirror.hashes(name) == hashes(shop, name)
        # A wheel that came without a sidecar may have got one by now, which is news.
    assert [path for path in downloads(shop)[seen:] if not path.endswith(".metadata")] == []


def test_M15_a_chain_of_three_keeps_hashes_times_and_paths(upstream: Upstream, tmp_path: Path) -> None:
    """The last of them says of each file what the upstream says, and gives its bytes and METADATA."""
    chain: list[Daemon] = []
    try:
        for name in "abc":
            chain.append(Daemon(tmp_path / name, chain[-1].simple if chain else upstream.simple))
            chain[-1].start()
        last = chain[-1]
        for project in PROJECTS:
            theirs = {file["filename"]: file for file in upstream_page(upstream, project)}
            ours = files(last, project)
            assert ours.keys() == theirs.keys()
            for filename, said in theirs.items():
                for key in ("hashes", "size", "upload-time", "requires-python", "yanked", "core-metadata"):
                    assert ours[filename].get(key) == said.get(key), (filename, key)
                assert unquote(ours[filename]["path"]) == unquote(said["url"].removeprefix(upstream.url))
        for file in files(last, "seeds-alpha").values():
            answer = last.ask("GET", file["path"])
            assert hashlib.sha256(answer.body).hexdigest() == file["hashes"]["sha256"]
            if file.get("core-metadata"):
                metadata = last.ask("GET", f"{file['path']}.metadata")
                assert hashlib.sha256(metadata.body).hexdigest() == file["core-metadata"]["sha256"]
    finally:
        for daemon in reversed(chain):
            daemon.stop()
    for daemon in chain:
        daemon.check_log()


def test_M4_M12_a_mirror_of_private_packages_follows_their_changelog(shop: Daemon, tmp_path: Path) -> None:
    """An idle run is one request, what is new costs its page and file; and `/last-modified` is moved by both."""
    mirror = Daemon(tmp_path / "mirror", f"{shop.url}/index/private/simple/", MIRROR.format(url=shop.url), index="mirror")
    mirror.start()
    try:
        synced(shop, mirror)
        before = mirror.ask("GET", "/last-modified").body
        assert synced(shop, mirror) == ["POST /index/private/pypi"]
        wheel = publish(shop, f"{OURS}-followed", "1.0")
        changelog, page, *taken = synced(shop, mirror)
        assert (changelog, page) == ("POST /index/private/pypi", f"GET /index/private/simple/{OURS}-followed/")
        assert [path.rpartition("/")[2] for path in taken] == [wheel]
        assert wheel in files(mirror, f"{OURS}-followed")
        after = mirror.ask("GET", "/last-modified").body
    finally:
        mirror.stop()
    mirror.check_log()
    assert re.fullmatch(rb"\d{8}T\d\d:\d\d:\d\d\n", after)
    assert before <= after


def synced(upstream: Daemon, mirror: Daemon) -> list[str]:
    """Have the mirror brought up to date; what its upstream was asked for that."""
    seen = len(asked_of(upstream))
    mirror.order("sync", "--once", "--quiet")
    return asked_of(upstream)[seen:]


def upstream_page(upstream: Upstream, project: str) -> list[dict[str, Any]]:
    """The files on the upstream's own page, with absolute URLs."""
    target = f"/simple/{project}/"
    answer = ask(upstream.url, "GET", target, {"Accept": JSON})
    return [file | {"url": urljoin(upstream.url + target, file["url"])} for file in answer.json()["files"]]
