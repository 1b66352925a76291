"""Real installers before a daemon that learns of malware while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.advisories.writing import malware, put, zipped
from tests.clients import installers
from tests.clients.daemon import PAUSE, TRIES, Daemon, Upstream

pytestmark = pytest.mark.clients

SECTIONS = """
[index:safe]
use = policed
index = pypi
policies = malware
[index:pypi]
use = proxy
upstream = pypi
[policy:malware]
use = malware
advisories = advisories.zip
recheck = 1s
"""
NOTHING = malware("MAL-2026-1", "unheard-of")


@pytest.fixture
def wary(upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with a copy of the advisories that says nothing of what is installed here."""
    found = Daemon(tmp_path / "daemon", upstream.simple, SECTIONS, "safe")
    found.folder.mkdir()
    learn(found, zipped(NOTHING), 1_000)
    found.start()
    try:
        until(found, {"1.0", "1.1"})
        yield found
    finally:
        found.stop()
    found.check_log()


def learn(daemon: Daemon, copy: bytes, changed: float) -> None:
    """Put a copy where the daemon looks for one."""
    put(daemon.folder / "advisories.zip", copy, changed)


def until(daemon: Daemon, versions: set[str]) -> None:
    """Come back when seeds-beta is shown in these versions."""
    for _ in range(TRIES):
        answer = daemon.ask("GET", "/simple/seeds-beta/", {"Accept": "application/vnd.pypi.simple.v1+json"})
        if answer.status == 200 and set(answer.json()["versions"]) == versions:
            return
        time.sleep(PAUSE)
    raise AssertionError(f"not shown in {versions}:\n{daemon.log}")


def test_installers_choose_the_release_that_is_left_once_the_other_is_known_as_malware(wary: Daemon, tmp_path: Path) -> None:
    """Both had the bad one before, so its bytes are here; what needs it is not chosen either."""
    for step, expected in (("before", "1.1"), ("after", "1.0")):
        for name, install in (("pip", installers.pip), ("uv", installers.uv_pip)):
            place = tmp_path / step / name
            place.mkdir(parents=True)
            assert install(wary.simple, place, ["seeds-alpha"]) == {"seeds-alpha": expected, "seeds-beta": expected}, (step, name)
        if step == "before":
            [bad] = [file["url"] for file in wary.page("seeds-beta")["files"] if file["filename"] == "seeds_beta-1.1-py3-none-any.whl"]
            learn(wary, zipped(NOTHING, malware("MAL-2026-2", "seeds-beta", "1.1")), 2_000)
            until(wary, {"1.0"})
    answer = wary.ask("GET", "/" + bad[bad.index("packages/") :])
    assert answer.status == 403
    assert "MAL-2026-2: Malicious code in seeds-beta (PyPI)" in answer.reason
