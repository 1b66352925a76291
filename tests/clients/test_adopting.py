"""
What older tools have kept, adopted by a real daemon and the command line, and installed from there by real installers once upstream is gone (S3).

pypiserver and bandersnatch make their folders themselves; z3c.pypimirror and pep381client need a Python that nobody has any more, so theirs are made by hand
as they are described.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.clients import installers
from tests.clients.daemon import PAUSE, STOPPING, TRIES, Daemon, Upstream, ask, free_port
from tests.clients.installers import begin
from tests.clients.looking import files
from tests.clients.mirrors import Bandersnatch
from tests.clients.posting import Parcel, Poster
from tests.clients.tools import installed
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

MIRROR = """
[index:root]
use = first-match
indexes = mirror

[index:mirror]
use = mirror
upstream = pypi
"""
SERVICE = """
[service:nightly]
use = mirroring
index = mirror
projects = seeds-alpha seeds-beta
"""
WANTED = {"seeds-alpha": "1.1", "seeds-beta": "1.1"}
ONLY = "[plugins]\nenabled = allowlist_project\n[allowlist]\npackages =\n    seeds-alpha\n    seeds-beta\n"


@contextmanager
def running(folder: Path, upstream: str, sections: str = "", index: str = "") -> Iterator[Daemon]:
    """A daemon that was not there before."""
    daemon = Daemon(folder, upstream, sections, index)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
    daemon.check_log()


def adopted(daemon: Daemon, layout: str, folder: Path, *words: str, status: int = 0) -> dict[str, Any]:
    """`pypidaemon adopt`, and what it says in JSON."""
    done = daemon.ordered("adopt", "--json", "--layout", layout, str(folder), *words)
    assert (done.returncode, done.stderr) == (status, ""), f"{done.stdout}{done.stderr}{daemon.log}"
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def counts(said: dict[str, Any]) -> tuple[int, int, int]:
    """How many files were taken, were here, and were skipped."""
    return said["taken"], said["here"], said["skipped"]


def install(daemon: Daemon, place: Path, wanted: dict[str, str] = WANTED) -> None:
    """Have three installers take it from there."""
    for installer in (installers.pip, installers.uv_pip):
        folder = place / installer.__name__
        folder.mkdir(parents=True)
        assert installer(daemon.simple, folder, list(wanted)) == wanted
    folder = place / "buildout"
    folder.mkdir()
    # It spends a second on each distribution.
    last = list(wanted)[-1]
    assert installers.buildout(daemon.simple, folder, [last]) == {last: wanted[last]}


@contextmanager
def pypiserver(folder: Path, place: Path) -> Iterator[int]:
    """A pypiserver on that folder, to which anybody may upload; its port."""
    port = free_port()
    tool = installed("pypiserver")
    command = [tool.program("pypi-server"), "run", "-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", ".", str(folder)]
    process = begin(command, place, place / "pypiserver.log")
    try:
        for _ in range(TRIES):
            try:
                ask(f"http://127.0.0.1:{port}", "GET", "/health")
                break
            except OSError:
                time.sleep(PAUSE)
        yield port
    finally:
        process.terminate()
        process.wait(STOPPING)


def test_S3_pypiserver_becomes_a_private_index(upstream: Upstream, tmp_path: Path) -> None:
    """What was uploaded to it, and what was put there by hand; what is no sound archive is named and left, and so is what leads elsewhere."""
    old = tmp_path / "packages"
    (old / "by-hand").mkdir(parents=True)
    with pypiserver(old, tmp_path) as port:
        poster = Poster(port, "", "/")
        for project, version in (("ours-app", "1.0"), ("ours-app", "1.1"), ("ours-lib", "2.0"), ("seeds-alpha", "0.1")):
            assert poster.post(Parcel.of(Release(project, version))) == 200
        poster.close()
    name, data = make_sdist("ours-lib", "2.0")
    (old / "by-hand" / name).write_bytes(data)
    for file in sorted(old.rglob("*.*")):
        os.utime(file, (1_500_000_000, 1_500_000_000))
    cut, data = make_wheel("ours-cut", "1.0")
    (old / cut).write_bytes(data[:-30])
    (old / "ours_link-1.0.tar.gz").symlink_to("/etc/hostname")
    before = {path: path.lstat().st_mtime_ns for path in old.rglob("*")}
    with running(tmp_path / "daemon", upstream.simple) as daemon:
        assert daemon.ask("GET", "/simple/seeds-alpha/").status == 200
        rehearsed = adopted(daemon, "pypiserver", old, "--dry-run", status=1)
        assert daemon.ask("GET", "/simple/ours-app/").status == 404
        said = adopted(daemon, "pypiserver", old, status=1)
        assert counts(said) == counts(rehearsed) == (5, 0, 2)
        assert said["names"] == rehearsed["names"] == {"ours-app": "", "ours-lib": "", "seeds-alpha": "pypi"}
        assert {file["path"]: file["reason"] for file in said["files"] if file["fate"] == "skipped"} == {
            cut: "not a zip archive",
            "ours_link-1.0.tar.gz": "a symbolic link, which is not followed",
        }
        page = files(daemon, "ours-lib")
        assert set(page) == {name, "ours_lib-2.0-py3-none-any.whl"}
        assert page[name]["upload-time"] == "2017-07-14T02:40:00Z"
        assert page[name]["hashes"]["sha256"] == hashlib.sha256((old / "by-hand" / name).read_bytes()).hexdigest()
        assert list(files(daemon, "seeds-alpha")) == ["seeds_alpha-0.1-py3-none-any.whl"]
        upstream.tell("stop")
        upstream.clear()
        install(daemon, tmp_path / "installed", {"ours-app": "1.1", "ours-lib": "2.0"})
        assert counts(adopted(daemon, "pypiserver", old, status=1)) == (0, 5, 2)
    assert {path: path.lstat().st_mtime_ns for path in old.rglob("*")} == before


def test_S3_bandersnatch_becomes_a_mirror(looked_at: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """Its files are shared and not copied, nothing is fetched, and the next run has nothing to fetch either."""
    old = Bandersnatch("bandersnatch-6", looked_at.url, tmp_path / "bandersnatch", ONLY)
    old.run()
    folder = old.place / "mirror"
    wheel = next((folder / "web").rglob("seeds_alpha-1.1-py3-none-any.whl"))
    upstream.clear()
    with running(tmp_path / "daemon", upstream.simple, MIRROR, "root") as daemon:
        said = adopted(daemon, "bandersnatch", folder)
        assert counts(said) == (8, 0, 0)
        assert (said["asked"], said["linked"]) == (2, 8)
        assert wheel.stat().st_nlink == 2
        assert upstream.requests("/packages/*") == []
        assert counts(adopted(daemon, "bandersnatch", folder)) == (0, 8, 0)
        expected = files(looked_at, "seeds-alpha")
        page = files(daemon, "seeds-alpha")
        assert {name: file["path"] for name, file in page.items()} == {name: file["path"] for name, file in expected.items()}
        assert {name: file.get("upload-time") for name, file in page.items()} == {
            name: file.get("upload-time") for name, file in expected.items()
        }
        upstream.tell("stop")
        install(daemon, tmp_path / "installed")
    upstream.tell("start")
    # It begins with a run, since there was none.
    with running(tmp_path / "daemon", upstream.simple, MIRROR + SERVICE, "root") as daemon:
        done = json.loads(daemon.order("sync", "--once", "--json"))
        assert (done["complete"], done["files"]) == (True, 0)
        assert upstream.requests("/packages/*") == []
        # With the old folder gone, what is here stays.
        shutil.rmtree(old.place)
        assert daemon.ask("GET", page["seeds_alpha-1.0.tar.gz"]["path"]).status == 200


def taken_from(daemon: Daemon, project: str) -> dict[str, bytes]:
    """All files of a project, as a tool of old would have fetched them."""
    return {name: daemon.ask("GET", file["path"]).body for name, file in files(daemon, project).items()}


def test_S3_mirrors_of_old_without_any_upstream(looked_at: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """All that they know of a file is its md5; one that has another is named and left. By a daemon, and then without one."""
    trees = {"z3c": tmp_path / "z3c", "pep381client": tmp_path / "pep381client"}
    z3c(trees["z3c"], "seeds-alpha", taken_from(looked_at, "seeds-alpha"))
    pep381client(trees["pep381client"], "seeds-beta", taken_from(looked_at, "seeds-beta"))
    for altered in (tmp_path / "z3c").rglob("*-1.0.tar.gz"), (tmp_path / "pep381client").rglob("*-1.0.tar.gz"):
        file = next(altered)
        file.write_bytes(file.read_bytes() + b"x")
    upstream.tell("stop")
    upstream.clear()
    with running(tmp_path / "daemon", upstream.simple, MIRROR, "root") as daemon:
        for layout, old in trees.items():
            said = adopted(daemon, layout, old, status=1)
            assert counts(said) == (3, 0, 1)
            [skipped] = [file for file in said["files"] if file["fate"] == "skipped"]
            assert skipped["file"].endswith("-1.0.tar.gz")
            assert "md5" in skipped["reason"]
        install(daemon, tmp_path / "installed")
    assert counts(adopted(daemon, "z3c", trees["z3c"], "--offline", status=1)) == (0, 3, 1)


def z3c(old: Path, project: str, found: dict[str, bytes]) -> None:
    """A project as z3c.pypimirror has it."""
    folder = old / project.title().replace("-", "_")
    folder.mkdir(parents=True)
    for name, data in found.items():
        (folder / name).write_bytes(data)
        (folder / f".{name}.md5").write_text(hashlib.md5(data).hexdigest())
    (folder / "index.html").write_text("<html></html>")
    (old / "index.html").write_text("<html></html>")
    (old / "full.html").write_text("<html></html>")


def pep381client(old: Path, project: str, found: dict[str, bytes]) -> None:
    """A project as pep381client has it."""
    spelled = project.title().replace("-", "_")
    place = f"source/{spelled[0]}/{spelled}"
    (old / "web" / "packages" / place).mkdir(parents=True)
    (old / "web" / "simple" / spelled).mkdir(parents=True)
    for name, data in found.items():
        (old / "web" / "packages" / place / name).write_bytes(data)
    links = "".join(
        f'<a href="../../packages/{place}/{name}#md5={hashlib.md5(data).hexdigest()}">{name}</a><br/>\n' for name, data in found.items()
    )
    page = f'<html><head><title>Links for {spelled}</title></head><body><a href="http://home.invalid/" rel="homepage">home</a>{links}</body></html>'
    (old / "web" / "simple" / spelled / "index.html").write_text(page)
    (old / "web" / "last-modified").write_text("20111225T12:00:00\n")
    (old / "status").write_bytes(b"(dp0\n.")
