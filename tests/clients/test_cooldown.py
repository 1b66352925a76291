"""Installers and a daemon that holds back what is new, or shows an index as it was."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from pypidaemon.moments import written
from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import files

pytestmark = pytest.mark.clients

DAY = 86400
COOLDOWN = """
[index:agreed]
use = policed
index = pypi
policies = cooldown

[index:pypi]
use = proxy

[policy:cooldown]
use = minimum-age
age = 3d
"""
INSTALLERS = {"pip": installers.pip, "uv": installers.uv_pip}
REASON = r"Refused by cooldown: uploaded 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, less than 3d ago; shown from 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ on"


@pytest.fixture
def young(project: str, upstream: Upstream) -> str:
    """A project whose 1.0 is years old, and whose 2.0 came yesterday."""
    upstream.tell("add", project, "2.0", upload_time=written(time.time() - DAY))
    upstream.clear()
    return project


@pytest.fixture
def cool(upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose default index waits for three days."""
    found = Daemon(tmp_path / "daemon", upstream.simple, COOLDOWN, "agreed")
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


def begin(daemon: Daemon) -> None:
    """From now on that daemon waits too: the configuration that `cool` has."""
    daemon.sections, daemon.index = COOLDOWN, "agreed"
    daemon.restart()


def place(tmp_path: Path, name: str) -> Path:
    """A folder of its own for one run, with nothing remembered by any client."""
    folder = tmp_path / name
    folder.mkdir()
    return folder


def wheel(project: str) -> str:
    """The file name of the young release."""
    return f"{project.replace('-', '_')}-2.0-py3-none-any.whl"


def install(name: str, index: str, folder: Path, *words: str) -> installers.Outcome:
    """Have an installer try that, loudly."""
    command = {
        "pip": installers.pip_command("pip", "install", "-i", index, "--no-cache-dir", "--target", "target", *words),
        "uv": installers.uv_command("pip", "install", "--target", "target", *words),
    }[name]
    return installers.run(command, folder, installers.uv_environment(index, folder))


@pytest.mark.parametrize("name", INSTALLERS)
def test_installers_take_the_release_that_is_old_enough(name: str, cool: Daemon, young: str, tmp_path: Path) -> None:
    """And asked for the young one by its version they say that there is none: nothing on a page says why."""
    assert INSTALLERS[name](cool.simple, place(tmp_path, "any"), [young]) == {young: "1.0"}
    outcome = install(name, cool.simple, place(tmp_path, "pinned"), f"{young}==2.0")
    assert outcome.code != 0
    said = {"pip": f"No matching distribution found for {young}==2.0", "uv": f"there is no version of {young}==2.0"}
    assert said[name] in outcome.said
    assert "cooldown" not in outcome.said


@pytest.mark.parametrize("name", INSTALLERS)
def test_what_is_exempt_is_installed_at_once(name: str, cool: Daemon, young: str, tmp_path: Path) -> None:
    """Break-glass, for an hour, and back; the daemon is not restarted."""
    target = f"{young}==2.0"
    assert INSTALLERS[name](cool.simple, place(tmp_path, "before"), [young]) == {young: "1.0"}
    cool.order("exempt", target, "--for", "1h", "--reason", "the fix of today")
    assert INSTALLERS[name](cool.simple, place(tmp_path, "meanwhile"), [young]) == {young: "2.0"}
    cool.order("unexempt", target)
    assert INSTALLERS[name](cool.simple, place(tmp_path, "after"), [young]) == {young: "1.0"}


def test_a_uv_lock_made_before_the_rule_fails_with_its_words(daemon: Daemon, young: str, tmp_path: Path) -> None:
    """A lock names URLs, so no page is asked: the file itself says no, with the rule, the reason and the moment from which it is there."""
    installers.project(tmp_path, [young], "[tool.uv]\npackage = false\n")
    installers.must(installers.uv_command("lock", "-q"), tmp_path, installers.uv_environment(daemon.simple, tmp_path / "first"))
    assert 'version = "2.0"' in (tmp_path / "uv.lock").read_text()
    begin(daemon)
    command = installers.uv_command("sync", "--frozen")
    outcome = installers.run(command, tmp_path, installers.uv_environment(daemon.simple, tmp_path / "second"))
    assert outcome.code != 0
    assert re.search(REASON, outcome.said), outcome.said


@pytest.mark.parametrize("name", INSTALLERS)
def test_a_direct_url_from_before_the_rule_fails_with_its_words(name: str, daemon: Daemon, young: str, tmp_path: Path) -> None:
    """As locks in the manner of pip have it, with the hash in the URL or beside it; also where the bytes are here."""
    found = files(daemon, young)[wheel(young)]
    url, digest = urljoin(daemon.url, found["path"]), found["hashes"]["sha256"]
    assert hashlib.sha256(daemon.ask("GET", found["path"]).body).hexdigest() == digest
    begin(daemon)
    (tmp_path / "r.txt").write_text(f"{young} @ {url} --hash=sha256:{digest}\n")
    for words in ((f"{young} @ {url}#sha256={digest}",), ("--require-hashes", "-r", "r.txt")):
        outcome = install(name, daemon.simple, tmp_path, *words)
        assert outcome.code != 0
        assert re.search(REASON, outcome.said), outcome.said


def test_a_pip_lock_by_name_fails_without_a_reason(cool: Daemon, young: str, tmp_path: Path) -> None:
    """pip looks at the page alone, where the release is not; `pypidaemon why` tells."""
    digest = hashlib.sha256(b"whatever").hexdigest()
    (tmp_path / "r.txt").write_text(f"{young}==2.0 --hash=sha256:{digest}\n")
    outcome = install("pip", cool.simple, tmp_path, "--require-hashes", "-r", "r.txt")
    assert outcome.code != 0
    assert f"Could not find a version that satisfies the requirement {young}==2.0 (from versions: 1.0)" in outcome.said


@pytest.mark.parametrize("name", INSTALLERS)
@pytest.mark.parametrize(("moment", "version"), [("2021-01-01", "1.0"), ("2022-06-01T12:00:00Z", "2.0"), ("2999-01-01", "3.0")])
def test_installers_take_the_newest_release_of_a_moment(name: str, moment: str, version: str, looked_at: Daemon, tmp_path: Path) -> None:
    """Without an option of theirs: the address is enough. The last moment counts."""
    assert INSTALLERS[name](f"{looked_at.url}/at/{moment}/simple/", tmp_path, ["seeds-timely"]) == {"seeds-timely": version}


def test_a_lock_made_at_a_moment_is_the_same_later_and_installs_the_same_files(
    daemon: Daemon, upstream: Upstream, project: str, tmp_path: Path
) -> None:
    """Whatever has come since: the lock is the same to the letter, and its files are had from the same address."""
    moment = written(time.time() - 2 * DAY)
    index = f"{daemon.url}/at/{moment}/simple/"
    upstream.tell("add", project, "1.5", upload_time=written(time.time() - 3 * DAY))
    locks = []
    for name in ("first", "second"):
        folder = place(tmp_path, name)
        installers.project(folder, [project], "[tool.uv]\npackage = false\n")
        environment = installers.uv_environment(index, folder)
        installers.must(installers.uv_command("lock", "-q"), folder, environment)
        locks.append((folder / "uv.lock").read_text())
        assert f"{daemon.url}/at/{moment}/packages/" in locks[-1].replace("%3A", ":")
        upstream.tell("add", project, "2.0", upload_time=written(time.time() - DAY))
        daemon.order("refresh", project)
    assert locks[0] == locks[1]
    installers.must(installers.uv_command("sync", "-q", "--frozen"), folder, environment)
    assert installers.present(installers.packages_of(folder / ".venv")) == {project: "1.5"}


def test_requirements_compiled_at_a_moment_are_installed_from_it_later(
    daemon: Daemon, upstream: Upstream, project: str, tmp_path: Path
) -> None:
    """`uv pip compile` with hashes, then pip and uv that insist on them."""
    moment = written(time.time() - 2 * DAY)
    index = f"{daemon.url}/at/{moment}/simple/"
    upstream.tell("add", project, "2.0", upload_time=written(time.time() - DAY))
    (tmp_path / "wanted.in").write_text(f"{project}\n")
    command = installers.uv_command("pip", "compile", "-q", "--generate-hashes", "--no-header", "-o", "r.txt", "wanted.in")
    installers.must(command, tmp_path, installers.uv_environment(index, tmp_path))
    assert f"{project}==1.0" in (tmp_path / "r.txt").read_text()
    for name in INSTALLERS:
        folder = place(tmp_path, name)
        outcome = install(name, index, folder, "--require-hashes", "-r", "../r.txt")
        assert outcome.code == 0, outcome.said
        assert installers.present(folder / "target") == {project: "1.0"}
