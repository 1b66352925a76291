"""Real installers, a real daemon, and an upstream that comes and goes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.installers import Installer
from tests.clients.stock import EVERYTHING, WHEELS

pytestmark = pytest.mark.clients

# The oldest pip cannot build from a backend that lies in the source tree; buildout knows nothing of yanked releases, and takes a
# second for each distribution.
INSTALLERS: dict[str, tuple[Installer, dict[str, str]]] = {
    "pip": (installers.pip, EVERYTHING),
    "old_pip": (installers.old_pip, WHEELS),
    "uv_pip": (installers.uv_pip, EVERYTHING),
    "uv_lock": (installers.uv_lock, EVERYTHING),
    "poetry": (installers.poetry, EVERYTHING),
    "pdm": (installers.pdm, EVERYTHING),
    "pip_tools": (installers.pip_tools, EVERYTHING),
    "buildout": (installers.buildout, {"seeds-alpha": "1.1", "seeds-beta": "1.1"}),
}


# Each state is a whole run of an installer. The cheap one goes through all of them, and for the others the last one says it all.
STATES = {"pip": ("cold", "warm", "restarted and alone"), "uv_pip": ("cold", "warm", "restarted", "alone")}
BUILDERS = ("poetry", "pdm", "pip_tools")
"""They build the source distribution once: that is most of their run, and says nothing of where it came from. pip and uv do so in every state."""


@pytest.mark.parametrize("name", INSTALLERS)
def test_the_same_is_installed_cold_warm_after_a_restart_and_without_upstream(
    name: str, daemon: Daemon, upstream: Upstream, tmp_path: Path
) -> None:
    """L1, L10: once a file came through, neither a restart nor the end of the upstream changes what an installer gets."""
    install, expected = INSTALLERS[name]
    for state in STATES.get(name, ("cold", "restarted and alone")):
        if "restarted" in state:
            daemon.restart()
        if "alone" in state:
            upstream.tell("stop")
        upstream.clear()
        if state != "cold" and name in BUILDERS:
            expected = WHEELS
        # seeds-beta comes in because seeds-alpha needs it.
        wanted = sorted(set(expected) - {"seeds-beta"})
        place = tmp_path / state
        place.mkdir()
        assert install(daemon.simple, place, wanted) == expected, state
        fetched = Counter(seen.path for seen in upstream.requests("/packages/*"))
        if state == "cold":
            assert fetched, "nothing came from the upstream"
            assert set(fetched.values()) == {1}, fetched
        else:
            assert not fetched, (state, fetched)
    assert not upstream.requests(), "the upstream was said to be gone"


def test_what_came_through_survives_a_power_cut_and_the_end_of_the_upstream(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """Law 7: what was sent whole to a client is kept, however the daemon ended."""
    wanted = sorted(set(EVERYTHING) - {"seeds-beta"})
    for state in ("before", "after"):
        place = tmp_path / state
        place.mkdir()
        assert installers.uv_pip(daemon.simple, place, wanted) == EVERYTHING
        if state == "before":
            daemon.kill()
            upstream.tell("stop")
            daemon.start()


NOT_FOUND = {
    "pip": "No matching distribution found for seeds-nowhere",
    "old_pip": "No matching distribution found for seeds-nowhere",
    "uv_pip": "seeds-nowhere was not found in the package registry",
    "uv_lock": "seeds-nowhere was not found in the package registry",
    "poetry": "seeds-nowhere (*) which doesn't match any versions",
    "pdm": "Unable to find candidates for seeds-nowhere",
    "pip_tools": "No matching distribution found for seeds-nowhere",
    "buildout": "Couldn't find a distribution for 'seeds-nowhere'",
}


@pytest.mark.parametrize("name", INSTALLERS)
def test_R10_an_unknown_project_is_not_found(name: str, looked_at: Daemon, tmp_path: Path) -> None:
    """Each installer says in its own words that there is no such project, and none that the index is broken."""
    install, _ = INSTALLERS[name]
    with pytest.raises(AssertionError) as failure:
        install(looked_at.simple, tmp_path, ["seeds-nowhere"])
    said = " ".join(str(failure.value).split())
    assert NOT_FOUND[name] in said, said
    assert looked_at.ask("GET", "/simple/seeds-nowhere/").status == 404


def test_R218_pip_is_told_of_a_failing_upstream(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """
    A project that was never seen is not absent because nobody can be asked: pip is told 503 and comes again after `Retry-After`.

    In the end pip has the same words for this as for an absent project, so what it did in between tells them apart.
    """
    upstream.tell("stop")
    command = installers.pip_command("pip", "install", "-i", daemon.simple, "--retries", "1", "--target", "target", "seeds-alpha")
    assert installers.run(command, tmp_path).code != 0
    assert len(re.findall(r'"GET /simple/seeds-alpha/ HTTP/1\.1" 503 ', daemon.log)) == 2, daemon.log


def test_R218_uv_is_told_of_a_failing_upstream(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """The same for uv, which must not go on to another index."""
    upstream.tell("stop")
    environment = installers.uv_environment(daemon.simple, tmp_path) | {"UV_HTTP_RETRIES": "0"}
    outcome = installers.run(installers.uv_command("pip", "install", "--target", "target", "seeds-alpha"), tmp_path, environment)
    assert outcome.code != 0
    assert "503" in outcome.said, outcome.said
    assert "not found" not in outcome.said


def test_an_outage_leaves_no_mark_once_it_is_over(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """L10: an outage never makes an absence, and a client that comes back finds the project."""
    upstream.tell("stop")
    assert daemon.ask("GET", "/simple/seeds-alpha/").status == 503
    upstream.tell("start")
    environment = installers.uv_environment(daemon.simple, tmp_path) | {"UV_HTTP_RETRIES": "9"}
    installers.must(installers.uv_command("pip", "install", "-q", "--target", "target", "seeds-alpha"), tmp_path, environment)
    assert installers.present(tmp_path / "target") == {"seeds-alpha": "1.1", "seeds-beta": "1.1"}
