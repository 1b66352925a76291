"""What servers that run, and the older tools without a Python to run them, have kept: adopted, and installed from there by real installers (S3)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.installers import must
from tests.clients.looking import files
from tests.clients.mirrors import devpi_server, tell
from tests.clients.posting import Parcel, Poster
from tests.clients.test_adopting import WANTED, adopted, counts, install, pypiserver, running, taken_from
from tests.clients.tools import installed
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

OTHERS = "[index:private]\nuse = private\n[index:stable]\nuse = private\n[index:root]\nuse = first-match\nindexes = private stable pypi\n[index:pypi]\nuse = proxy\n"
"""Two private indexes before a proxy."""


def upload(url: str, index: str, *releases: Release) -> None:
    """Wheels of these into that index of a devpi, as `root`."""
    poster = Poster(int(urlsplit(url).port or 0), "secret", f"/{index}/", "root")
    for release in releases:
        assert poster.post(Parcel.of(release)) == 200
    poster.close()


def test_S3_devpi_by_its_url_and_by_its_export(upstream: Upstream, tmp_path: Path) -> None:
    """Each stage index with what is its own, and not with what it has from its bases; nothing of a mirror."""
    with devpi_server(tmp_path / "devpi") as (url, login), running(tmp_path / "daemon", upstream.simple, OTHERS, "root") as daemon:
        for name, bases in (("prod", []), ("dev", ["root/prod"])):
            tell(url, "PUT", f"/root/{name}", {"type": "stage", "bases": bases, "acl_upload": ["root"]}, login)
        tell(url, "PUT", "/root/mirror", {"type": "mirror", "mirror_url": upstream.simple}, login)
        upload(url, "root/prod", Release("ours-lib", "2.0"))
        upload(url, "root/dev", Release("ours-app", "1.0"), Release("ours-app", "1.1"))
        asked = daemon.ordered("adopt", "--layout", "devpi", url, "--index", "stable")
        assert (asked.returncode, "known: root/dev root/prod" in asked.stderr) == (1, True)
        both = ("--map", "root/dev=private", "--map", "root/prod=stable")
        said = adopted(daemon, "devpi", url, *both)
        assert [counts(part) for part in said["parts"]] == [(2, 0, 0), (1, 0, 0)]
        assert {file["path"] for file in said["files"] if file["fate"] == "note"} == {"root", "root/dev", "root/prod"}
        must(
            [installed("devpi").program("devpi-export"), "--serverdir", str(tmp_path / "devpi" / "devpi"), str(tmp_path / "export")],
            tmp_path,
        )
        assert counts(adopted(daemon, "devpi-export", tmp_path / "export", *both)) == (0, 3, 0)
        upstream.tell("stop")
        for installer in (installers.pip, installers.uv_pip):
            place = tmp_path / installer.__name__
            assert installer(daemon.simple, place, ["ours-lib", "ours-app"]) == {"ours-lib": "2.0", "ours-app": "1.1"}


def test_S3_pypiserver_by_its_url(upstream: Upstream, tmp_path: Path) -> None:
    """By a daemon that runs and without one; what is here is not fetched again."""
    old = tmp_path / "packages"
    old.mkdir()
    for name, data in (make_wheel("ours-app", "1.0"), make_sdist("ours-app", "1.0"), make_wheel("ours-lib", "1.0")):
        (old / name).write_bytes(data)
    (old / "ours_cut-1.0.tar.gz").write_bytes(make_sdist("ours-cut", "1.0")[1][:-20])
    with pypiserver(old, tmp_path) as port:
        with running(tmp_path / "daemon", upstream.simple) as daemon:
            said = adopted(daemon, "pypiserver", f"http://127.0.0.1:{port}", status=1)
            assert counts(said) == (3, 0, 1)
            upstream.tell("stop")
            assert installers.pip(daemon.simple, tmp_path / "pip", ["ours-app"]) == {"ours-app": "1.0"}
        assert counts(adopted(daemon, "simple", f"http://127.0.0.1:{port}/simple/", status=1)) == (0, 3, 1)
    gone = daemon.ordered("adopt", "--layout", "pypiserver", f"http://127.0.0.1:{port}")
    assert (gone.returncode, gone.stderr) == (1, f"pypidaemon: upstream 127.0.0.1:{port} is unavailable: it refuses connections\n")


def test_S3_a_cache_of_eggproxy_serves_on_without_upstream(looked_at: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """All that it knew of a file was its md5. What was adopted is not fetched when upstream is back."""
    old = tmp_path / "eggs"
    for project in WANTED:
        folder = old / project.title().replace("-", "_")
        folder.mkdir(parents=True)
        found = taken_from(looked_at, project)
        for name, data in found.items():
            (folder / name).write_bytes(data)
        lines = [f'<a href="{name}#md5={hashlib.md5(data).hexdigest()}" rel="download">{name}</a><br />\n' for name, data in found.items()]
        (folder / "index.html").write_text(
            f"<html><head><title>Links for {folder.name}</title></head>\n<body>{''.join(lines)}</body></html>"
        )
    altered = next(old.rglob("seeds_beta-1.0.tar.gz"))
    altered.write_bytes(make_sdist("seeds-beta", "1.0", ["evil"])[1])
    upstream.tell("stop")
    upstream.clear()
    with running(tmp_path / "daemon", upstream.simple) as daemon:
        said = adopted(daemon, "eggproxy", old, status=1)
        assert counts(said) == (7, 0, 1)
        assert [file["reason"][:10] for file in said["files"] if file["fate"] == "skipped"] == ["it has md5"]
        install(daemon, tmp_path / "installed")
        upstream.tell("start")
        expected = files(looked_at, "seeds-alpha")
        page = files(daemon, "seeds-alpha")
        assert {name: file["hashes"] for name, file in page.items()} == {name: file["hashes"] for name, file in expected.items()}
        assert {daemon.ask("GET", file["path"]).status for file in page.values()} == {200}
        assert upstream.requests("/packages/*.gz") == upstream.requests("/packages/*.whl") == []


@pytest.mark.parametrize("layout", ["haufe", "basketweaver"])
def test_S3_private_folders_of_old(layout: str, shared_upstream: Upstream, tmp_path: Path) -> None:
    """Without a daemon, and then one begins with what they had."""
    old = tmp_path / "old"
    for name, data in (make_wheel("Ours.App", "1.0"), make_wheel("Ours.App", "1.1")):
        place = old / ("sub" if layout == "basketweaver" else "Ours.App")
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    if layout == "basketweaver":
        (old / "index" / "Ours.App").mkdir(parents=True)
        (old / "index" / "index.html").write_text("<html></html>")
    daemon = Daemon(tmp_path / "daemon", shared_upstream.simple)
    daemon.folder.mkdir()
    (daemon.folder / "config.ini").write_text("[daemon]\ndata = %(here)s/var\n")
    assert counts(adopted(daemon, layout, old)) == (2, 0, 0)
    with running(daemon.folder, shared_upstream.simple) as daemon:
        installer = installers.uv_pip if layout == "haufe" else installers.pip
        assert installer(daemon.simple, tmp_path / "installed", ["ours-app"]) == {"ours-app": "1.1"}
