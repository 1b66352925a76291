"""The train: what locks, requirements files and the last month named is fetched while there is a line, and installed when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream

pytestmark = pytest.mark.clients

SECTIONS = """
[index:pypi]
use = proxy
upstream = pypi

[service:warm]
use = mirroring
index = pypi
requirements =
    uv.lock
    requirements.txt
asked = 30d
schedule = weekly sun 03:15
"""
LOCKED = {"seeds-alpha": "1.1", "seeds-beta": "1.1"}
EVERYTHING = {**LOCKED, "seeds-gamma": "1.0", "seeds-timely": "3.0"}
WANTED = ["seeds-alpha", "seeds-gamma", "seeds-timely"]
WHEELS = ["seeds-alpha", "seeds-timely"]
"""Those that poetry need not build, which would be most of its run."""


def place(tmp_path: Path, name: str) -> Path:
    """A folder in which nobody has been."""
    found = tmp_path / name
    found.mkdir()
    return found


def test_M2_N1_pip_uv_and_poetry_install_all_that_was_named_without_a_line(upstream: Upstream, tmp_path: Path) -> None:
    """A lock of uv's names two projects, a requirements file one, and of one an old release was taken; then upstream is cut off."""
    daemon = Daemon(tmp_path / "daemon", upstream.simple, SECTIONS, index="pypi")
    daemon.folder.mkdir()
    locked = place(tmp_path, "locked")
    installers.project(locked, ["seeds-alpha"], "[tool.uv]\npackage = false\n")
    installers.must(installers.uv_command("lock", "-q"), locked, installers.uv_environment(upstream.simple, locked))
    (daemon.folder / "uv.lock").write_text((locked / "uv.lock").read_text())
    (daemon.folder / "requirements.txt").write_text("seeds-gamma==1.0\n")
    upstream.clear()
    daemon.start()
    try:
        assert installers.uv_pip(daemon.simple, place(tmp_path, "asked"), ["seeds-timely==1.0"]) == {"seeds-timely": "1.0"}
        daemon.order("sync", "warm")
        fetched = [path.rpartition("/")[2] for path in upstream.paths("/packages/*") if not path.endswith(".metadata")]
        assert sorted(fetched) == [
            "seeds_alpha-1.1-py3-none-any.whl",
            "seeds_alpha-1.1.tar.gz",
            "seeds_beta-1.1-py3-none-any.whl",
            "seeds_beta-1.1.tar.gz",
            "seeds_gamma-1.0.tar.gz",
            "seeds_timely-1.0-py3-none-any.whl",
            "seeds_timely-2.0-py3-none-any.whl",
            "seeds_timely-3.0-py3-none-any.whl",
        ]
        poetry = place(tmp_path, "poetry")
        installers.poetry_lock(daemon.simple, poetry, WHEELS)

        upstream.tell("stop")
        upstream.clear()
        assert installers.pip(daemon.simple, place(tmp_path, "pip"), WANTED) == EVERYTHING
        assert installers.uv_pip(daemon.simple, place(tmp_path, "uv"), WANTED) == EVERYTHING
        lock = locked / "uv.lock"
        lock.write_text(lock.read_text().replace(upstream.url, daemon.url))
        installers.must(installers.uv_command("sync", "-q", "--frozen"), locked, installers.uv_environment(daemon.simple, locked / "fresh"))
        assert installers.present(installers.packages_of(locked / ".venv")) == LOCKED
        # What poetry had fetched for its lock is not at hand any more.
        assert installers.poetry_install(poetry, poetry / "fresh") == {**LOCKED, "seeds-timely": "3.0"}
    finally:
        daemon.stop()
    daemon.check_log()
    assert not upstream.requests()
