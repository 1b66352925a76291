"""A backup of what was adopted, packed and bundled is as good as the folder it was taken of (issue 8, F93, F94)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from pypidaemon.testing.archives import make_wheel
from tests.clients.daemon import Daemon, Upstream
from tests.clients.posting import Parcel, Poster
from tests.clients.store import store
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients


def fetched(daemon: Daemon, project: str) -> dict[str, str]:
    """The sha256 of the bytes of each file on the page."""
    found = {}
    for file in daemon.page(project)["files"]:
        found[file["filename"]] = hashlib.sha256(daemon.ask("GET", file["url"].removeprefix("../..")).body).hexdigest()
    return found


def test_F93_F94_what_was_adopted_packed_and_bundled_is_in_a_backup(upstream: Upstream, tmp_path: Path) -> None:
    old, stick, tape = tmp_path / "old", str(tmp_path / "stick.bundle"), str(tmp_path / "backup.tar")
    old.mkdir()
    filename, data = make_wheel("adopted", "1.0")
    (old / filename).write_bytes(data)
    (tmp_path / "requirements.txt").write_text("seeds-gamma==1.0\n")
    with store(tmp_path / "source", upstream.simple) as source:
        poster = Poster(source.daemon.port, source.uploader)
        assert poster.post(Parcel.of(Release("bundled", "1.0"))) == 200
        poster.close()
        source.daemon.order("bundle", "export", stick, "--private")
    with store(tmp_path / "daemon", upstream.simple) as filled:
        daemon = filled.daemon
        daemon.order("adopt", "--layout", "pypiserver", str(old), "--index", "private", "--offline")
        daemon.order("pack", str(tmp_path / "requirements.txt"), "--python", "3.11", "--platform", "linux")
        daemon.order("bundle", "import", stick)
        projects = ("adopted", "seeds-gamma", "bundled")
        before = {project: fetched(daemon, project) for project in projects}
        assert all(before.values())
        upstream.clear()
        # What upstreams said is part of it, so that it can be served where there is no line.
        assert json.loads(daemon.order("backup", tape, "--all", "--json"))["lost"] == []
        daemon.stop()
        shutil.rmtree(daemon.folder / "var")
        daemon.order("restore", tape)
        daemon.settings = "offline = yes\n"
        daemon.start()
        assert {project: fetched(daemon, project) for project in projects} == before
        assert upstream.paths("/packages/*") == []
        assert "nothing is wrong" in daemon.order("verify")
