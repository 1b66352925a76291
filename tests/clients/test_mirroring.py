"""A mirror as a real daemon and the command line fill it, killed in the middle, and as real installers use it once upstream is gone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypidaemon.services.mirroring.allowance import ASIDE, MOST
from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import eventually, files
from tests.clients.stock import WHEELS

pytestmark = pytest.mark.clients

SECTIONS = """
[index:root]
use = first-match
indexes = mirror

[index:mirror]
use = mirror
upstream = pypi

[service:nightly]
use = mirroring
index = mirror
projects = seeds-*
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Upstream]:
    """An upstream for one test alone, with nothing in it yet."""
    (tmp_path / "upstream").mkdir()
    found = Upstream.begin(tmp_path / "upstream")
    try:
        yield found
    finally:
        found.end()


def sync(daemon: Daemon, *words: str) -> dict[str, object]:
    """`pypidaemon sync`, and what it says in JSON."""
    said: dict[str, object] = json.loads(daemon.order("sync", "--once", "--json", *words))
    return said


def test_M3_M4_what_a_mirror_has_is_installed_when_upstream_is_gone(upstream: Upstream, tmp_path: Path) -> None:
    """By pip and by uv; it was filled by the daemon, by the daemon once it was told to, and without a daemon."""
    daemon = Daemon(tmp_path / "daemon", upstream.simple, SECTIONS, index="root")
    daemon.start()
    try:
        assert sync(daemon)["complete"], daemon.log
        upstream.clear()
        assert sync(daemon, "nightly")["complete"]
        assert upstream.paths() == ["/simple/"]
        status = json.loads(daemon.order("status", "--json"))["services"]["nightly"]
        assert (status["waiting"], status["outcome"].split()[0]) == (0, "complete")
        assert b'pypidaemon_mirroring_total{service="nightly",what="complete"}' in daemon.ask("GET", "/+metrics").body
        assert daemon.ask("POST", "/+sync?service=nightly").status == 401
        daemon.stop()
        upstream.clear()
        done = sync(daemon)
        assert (done["complete"], done["files"]) == (True, 0)
        assert upstream.paths() == ["/simple/"]
        assert "nothing would be taken" in daemon.order("sync", "--dry-run")
        daemon.start()
        upstream.tell("stop")
        assert installers.pip(daemon.simple, tmp_path / "pip", list(WHEELS)) == WHEELS
        assert installers.uv_pip(daemon.simple, tmp_path / "uv", list(WHEELS)) == WHEELS
    finally:
        daemon.stop()
    daemon.check_log()


def test_M6_M7_what_upstream_removed_goes_and_can_be_brought_back(own: Upstream, tmp_path: Path) -> None:
    """A rehearsal names it first; once it is brought back it stays."""
    for name in ("seeds-alpha", "seeds-beta"):
        own.tell("add", name, "1.0")
    daemon = Daemon(tmp_path / "daemon", own.simple, SECTIONS, index="root")
    daemon.start()
    try:
        assert sync(daemon)["complete"]
        own.tell("remove", "seeds-beta")
        assert "remove seeds-beta" in daemon.order("sync", "--dry-run")
        assert daemon.ask("GET", "/simple/seeds-beta/").status == 200
        assert sync(daemon)["removed"] == 1
        assert daemon.ask("GET", "/simple/seeds-beta/").status == 404
        assert "1 file back" in daemon.order("undelete", "seeds-beta")
        assert list(files(daemon, "seeds-beta")) == ["seeds_beta-1.0-py3-none-any.whl"]
        own.tell("add", "seeds-alpha", "1.1")
        assert sync(daemon)["complete"]
        assert installers.pip(daemon.simple, tmp_path / "pip", ["seeds-beta", "seeds-alpha"]) == {"seeds-beta": "1.0", "seeds-alpha": "1.1"}
    finally:
        daemon.stop()
    daemon.check_log()


def test_M3_a_sync_that_is_killed_is_finished_by_the_next_daemon(own: Upstream, tmp_path: Path) -> None:
    """Each file is asked for once, or twice where it was in flight, and whatever is on a page meanwhile is whole."""
    for number in range(25):
        for version in range(4):
            own.tell("add", f"seeds-{number}", f"{version}.0", size=20_000)
    own.tell("set", "delay", 0.02)
    daemon = Daemon(tmp_path / "daemon", own.simple, SECTIONS, index="root")
    daemon.start()
    try:
        eventually(lambda: len(own.paths("/packages/*.whl")) > 30)
        daemon.kill()
        daemon.start()
        for number in range(0, 25, 5):
            answer = daemon.ask("GET", f"/simple/seeds-{number}/", {"Accept": "application/vnd.pypi.simple.v1+json"})
            assert answer.status in (200, 404)
            for file in answer.json()["files"] if answer.status == 200 else ():
                got = daemon.ask("GET", f"/simple/seeds-{number}/{file['url']}".replace("/simple/seeds-" + str(number) + "/../..", ""))
                assert got.status == 200, file
        own.tell("set", "delay", 0.0)
        assert sync(daemon)["complete"], daemon.log
        asked = Counter(own.paths("/packages/*.whl"))
        assert len(asked) == 100
        assert max(asked.values()) <= 2
        # Those that were asked for, and those that were here and not yet stored.
        assert sum(asked.values()) <= 100 + MOST + ASIDE
        assert all(len(files(daemon, f"seeds-{number}")) == 4 for number in range(25))
    finally:
        daemon.stop()
    daemon.check_log()


def test_M11_a_broken_project_is_told_by_the_exit_status(own: Upstream, tmp_path: Path) -> None:
    """The others are there."""
    for name in ("seeds-alpha", "seeds-beta"):
        own.tell("add", name, "1.0")
    own.tell("break_", "/simple/seeds-beta/", status=500)
    daemon = Daemon(tmp_path / "daemon", own.simple, SECTIONS, index="root")
    daemon.start()
    daemon.stop()
    done = daemon.ordered("sync")
    assert done.returncode == 1
    assert "seeds-beta" in done.stdout + done.stderr
