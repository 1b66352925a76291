"""The netbook on a train: the line is cut, real installers take what is here, and when it is back they take what is new."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import PAUSE, TRIES, Daemon, Upstream

pytestmark = pytest.mark.clients


def reaches(daemon: Daemon, state: str) -> None:
    """Wait until the upstream is in that state, which nobody asks for a package meanwhile."""
    for _ in range(2 * TRIES):
        if daemon.ask("GET", "/+health").json()["upstreams"]["pypi"]["state"] == state:
            return
        time.sleep(PAUSE)
    raise AssertionError(f"the upstream is not {state}:\n{daemon.log}")


def test_N1_resolvers_on_a_train_take_the_newest_release_that_is_here(
    daemon: Daemon, upstream: Upstream, project: str, tmp_path: Path
) -> None:
    """Also after a restart without a line; what is not here is said to be missing at once, and nothing has to be done when the line is back."""
    upstream.tell("add", project, "2.0")
    for place in ("one", "two", "three", "four", "five"):
        (tmp_path / place).mkdir()
    assert installers.uv_pip(daemon.simple, tmp_path / "one", [f"{project}==1.0"]) == {project: "1.0"}
    upstream.tell("stop")
    assert installers.pip(daemon.simple, tmp_path / "two", [project]) == {project: "1.0"}
    daemon.stop()
    daemon.start()
    assert installers.uv_pip(daemon.simple, tmp_path / "three", [project]) == {project: "1.0"}
    command = installers.pip_command("pip", "install", "-q", "-i", daemon.simple, "--no-cache-dir", "--target", "t", f"{project}==2.0")
    outcome = installers.run(command, tmp_path / "four")
    assert outcome.code != 0
    assert "from versions: 1.0" in outcome.said
    assert "waiting for the line" in daemon.order("why", f"{project}==2.0")
    page = daemon.ask("GET", f"/simple/{project}/")
    assert (page.headers["x-pypidaemon-held"], page.headers["cache-control"]) == ("1 of 3", "no-cache")
    upstream.tell("start")
    reaches(daemon, "up")
    assert installers.uv_pip(daemon.simple, tmp_path / "five", [project]) == {project: "2.0"}
