"""A release found to be malware, with real installers: blocked while the daemon runs, and who has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import files

pytestmark = pytest.mark.clients


def pip_and_uv(daemon: Daemon, place: Path, *requirements: str) -> list[dict[str, str]]:
    """What each of them installs of these, with nothing kept from before."""
    found = []
    for name, install in (("pip", installers.pip), ("uv", installers.uv_pip)):
        (place / name).mkdir(parents=True)
        found.append(install(daemon.simple, place / name, requirements))
    return found


def test_a_blocked_release_is_installed_by_nobody_any_more_and_it_is_on_record_who_has_it(
    daemon: Daemon, upstream: Upstream, project: str, tmp_path: Path
) -> None:
    """Though its bytes are here and upstream still offers it; and who follows an old address hears why."""
    upstream.tell("add", project, "2.0")
    assert pip_and_uv(daemon, tmp_path / "before", project) == [{project: "2.0"}] * 2
    wheel = next(one for name, one in files(daemon, project).items() if "2.0" in name)
    said = daemon.order("block", f"{project}==2.0", "--reason", "it is malware")
    assert said == f"{project}==2 is blocked\n2 fetches of it are on record: pypidaemon who {project}==2"

    assert pip_and_uv(daemon, tmp_path / "blocked", project) == [{project: "1.0"}] * 2
    refused = daemon.ask("GET", wheel["path"])
    assert (refused.status, refused.reason.endswith(": it is malware")) == (403, True)
    url = f"{project} @ {daemon.url}{wheel['path']}"
    (tmp_path / "pip").mkdir()
    by_pip = installers.run(
        installers.pip_command("pip", "install", "--no-cache-dir", "--no-deps", "--target", "target", url), tmp_path / "pip"
    )
    assert by_pip.code != 0
    assert "it is malware" in by_pip.said
    (tmp_path / "uv").mkdir()
    environment = installers.uv_environment(daemon.simple, tmp_path / "uv")
    by_uv = installers.run(installers.uv_command("pip", "install", "--no-deps", "--target", "target", url), tmp_path / "uv", environment)
    assert by_uv.code != 0
    assert "403" in by_uv.said
    assert "it is malware" in by_uv.said

    taken = json.loads(daemon.order("who", f"{project}==2.0", "--json"))["fetches"]
    assert [(row["agent"].partition("/")[0], row["address"], row["sha256"]) for row in taken] == [
        ("pip", "127.0.0.1", wheel["hashes"]["sha256"]),
        ("uv", "127.0.0.1", wheel["hashes"]["sha256"]),
    ]
    assert daemon.order("unblock", f"{project}==2.0") == f"{project}==2 is blocked no longer"
    assert pip_and_uv(daemon, tmp_path / "after", project) == [{project: "2.0"}] * 2


def test_F53_a_block_outlives_a_daemon_that_is_killed(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """Answered, killed, started: not one request after that sees it."""
    (path,) = [one["path"] for name, one in files(daemon, project).items() if name.endswith(".whl")]
    assert daemon.ask("GET", path).status == 200
    daemon.order("block", project, "--reason", "it is malware")
    daemon.kill()
    daemon.start()
    assert daemon.ask("GET", path).status == 403
    assert daemon.ask("GET", f"/simple/{project}/").status == 404
    daemon.stop()
    assert daemon.order("unblock", project) == f"{project} is blocked no longer"
    daemon.start()
    assert daemon.ask("GET", path).status == 200
    rows = json.loads(daemon.order("log", "--json"))["log"]
    assert [(row["action"], row["subject"]) for row in rows] == [("block", project), ("unblock", project)]
