"""The trip: a project is packed, the line is cut, and its environments are made anew elsewhere (C11, N1)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import IMPORTS, PAUSE, TRIES, Daemon, Upstream, bare_environment
from tests.clients.tools import ROOT
from tests.forked import NURSERIES, Forked

pytestmark = pytest.mark.clients

PROJECTS = 60
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
OWN = f"cp{sys.version_info[0]}{sys.version_info[1]}"
NAMES = [f"trip-{number:02}" for number in range(PROJECTS)]
FEWER = NAMES[-12:]
"""For Poetry, which takes a tenth of a second for each."""
ALL = dict.fromkeys(NAMES, "1.0")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """Sixty projects, each of which needs the next two; every sixth has wheels for systems."""
    found = Upstream.begin(tmp_path_factory.mktemp("world"))
    try:
        for number, name in enumerate(NAMES):
            requires = NAMES[number + 1 : number + 3]
            tags = [f"{OWN}-{OWN}-{kind}" for kind in ("manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "win_amd64", "macosx_11_0_arm64")]
            for tag in tags if number % 6 == 0 else ["py3-none-any"]:
                found.tell("add", name, "1.0", requires=requires, tag=tag)
        yield found
    finally:
        found.end()


def begun(words: list[str], folder: Path) -> subprocess.Popen[bytes] | Forked:
    """A command that goes on by itself."""
    environment = {**bare_environment(folder / "home"), "PYTHONPATH": str(ROOT)}
    with open(os.devnull, "r+b") as nothing:
        if nursery := NURSERIES.of(sys.executable, *IMPORTS):
            return nursery.begin("pypidaemon.commands:main", words, environment, folder, nothing, nothing, nothing)
        command = [sys.executable, "-m", "pypidaemon", *words]
        return subprocess.Popen(command, env=environment, cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing)


@pytest.fixture
def home(world: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that never saw anything of it."""
    world.clear()
    found = Daemon(tmp_path / "daemon", world.simple)
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


def test_C11_N1_a_locked_project_is_packed_for_two_platforms_and_three_installers_need_no_upstream(
    home: Daemon, world: Upstream, tmp_path: Path
) -> None:
    """
    uv follows its lock, pip the hashes, Poetry its own lock; upstream is there to be asked, and is asked for nothing.

    uv's lock names another index of the daemon by then, which has the same files at the same paths.
    """
    places = {name: tmp_path / name for name in ("uv", "pip", "poetry")}
    for place in places.values():
        place.mkdir()
    environment = installers.uv_environment(home.simple, places["uv"])
    installers.project(places["uv"], [NAMES[0]], "[tool.uv]\npackage = false\n")
    installers.must(installers.uv_command("lock", "-q"), places["uv"], environment)
    hashed = installers.must(
        installers.uv_command("export", "-q", "--frozen", "--no-emit-project", "--no-header"), places["uv"], environment
    )
    (places["pip"] / "requirements.txt").write_text(hashed)
    installers.poetry_lock(home.simple, places["poetry"], [FEWER[0]])
    locks = [str(places["uv"] / "uv.lock"), str(places["pip"] / "requirements.txt"), str(places["poetry"] / "poetry.lock")]
    words = ("--python", PYTHON, "--platform", "linux", "--platform", "linux-aarch64", "--platform", "win_amd64")
    report = json.loads(home.order("pack", "--json", *words, *locks))
    assert (report["complete"], len(report["releases"])) == (True, PROJECTS)
    assert sum(len(one["files"]) for one in report["releases"]) == PROJECTS + 2 * len(NAMES[::6])
    assert not [path for path in world.paths("/packages/*.whl") if "macosx" in path]
    other = f"{home.url}/index/root/simple/"
    assert home.order("relock", locks[0], "--to", other).endswith("it names 90 files")
    assert f"{home.url}/packages/" not in Path(locks[0]).read_text()
    done = home.ordered("relock", "--dry-run", locks[0], "--to", f"{home.url}/index/private/simple/")
    assert (done.returncode, "it has no such project" in done.stdout) == (1, True)
    home.stop()
    home.settings = "offline = yes\n"
    home.start()
    world.clear()
    installers.must(installers.uv_command("sync", "-q", "--frozen"), places["uv"], installers.uv_environment(home.simple, tmp_path))
    assert installers.present(installers.packages_of(places["uv"] / ".venv")) == ALL
    arguments = ["-q", "-i", home.simple, "--no-cache-dir", "--require-hashes", "--target", "target"]
    installers.must(installers.pip_command("pip", "install", *arguments, "-r", "requirements.txt"), places["pip"])
    assert installers.present(places["pip"] / "target") == ALL
    assert installers.poetry_install(places["poetry"], tmp_path / "fresh-poetry-cache") == dict.fromkeys(FEWER, "1.0")
    assert world.requests() == []


def test_C11_a_tree_of_what_was_packed_needs_nobody(home: Daemon, world: Upstream, tmp_path: Path) -> None:
    """Requirements are resolved, written as plain files by a daemon's command, and installed with neither daemon nor upstream; what is missing is told."""
    (tmp_path / "requirements.txt").write_text("-r more.txt\n")
    (tmp_path / "more.txt").write_text(f"{NAMES[-4]}\n")
    tree = tmp_path / "tree"
    place = tmp_path / "requirements.txt"
    home.order("pack", "--into", str(tree), "--python", PYTHON, "--platform", "linux", str(place))
    (tmp_path / "more.txt").write_text(f"{NAMES[-4]}\ntrip-nowhere\n")
    done = home.ordered("pack", "--python", PYTHON, str(place))
    assert done.returncode == 1
    assert "  trip-nowhere: the index does not have it" in done.stdout
    home.stop()
    wanted = dict.fromkeys(NAMES[-4:], "1.0")
    world.clear()
    for number, words in enumerate((("--index-url", f"{tree.as_uri()}/simple/"), ("--no-index", "--find-links", str(tree / "files")))):
        target = f"target-{number}"
        installers.must(installers.pip_command("pip", "install", "-q", "--no-cache-dir", *words, "--target", target, NAMES[-4]), tmp_path)
        assert installers.present(tmp_path / target) == wanted
        environment = {**installers.uv_environment("http://index.invalid/", tmp_path), "UV_DEFAULT_INDEX": f"{tree.as_uri()}/simple/"}
        installers.must(installers.uv_command("pip", "install", "-q", *words, "--target", f"uv-{number}", NAMES[-4]), tmp_path, environment)
        assert installers.present(tmp_path / f"uv-{number}") == wanted
    assert world.requests() == []


def test_C11_a_pack_that_is_killed_leaves_nothing_half_there_and_the_next_one_completes(world: Upstream, tmp_path: Path) -> None:
    """Without a daemon, by kill -9 while files come; afterwards nothing is wrong with the store, and nothing that came is fetched again."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    (folder / "config.ini").write_text(f"[daemon]\ndata = var\n[upstream:pypi]\nuse = http\nurl = {world.simple}\n")
    (folder / "requirements.txt").write_text(f"{NAMES[-12]}\n")
    daemon = Daemon(folder, world.simple)
    words = ["pack", "--python", PYTHON, "--platform", "linux", str(folder / "requirements.txt")]
    world.clear()
    world.tell("break_", f"/packages/*{NAMES[-5].replace(chr(45), chr(95))}*.whl", stall=True)
    process = begun([*words, "-c", str(folder / "config.ini")], folder)
    for _ in range(TRIES):
        if any(NAMES[-5].replace("-", "_") in path for path in world.paths("/packages/*.whl")):
            break
        time.sleep(PAUSE)
    process.kill()
    process.wait()
    world.tell("heal")
    before = set(world.paths("/packages/*.whl"))
    assert before
    world.clear()
    report = json.loads(daemon.order(*words, "--json"))
    assert (report["complete"], len(report["releases"])) == (True, 12)
    assert len(before & set(world.paths("/packages/*.whl"))) <= 6
    assert daemon.ordered("verify").returncode == 0
