"""What single installers do that others do not: locks, ranges, resumed downloads, cut-off dates, many at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream, bare_environment
from tests.clients.relay import relay

pytestmark = pytest.mark.clients

MANY = 12
LARGE = "seeds_large-1.0-py3-none-any.whl"


def test_R108_many_cold_installs_at_once_make_one_request_for_each_file(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """L9: however many want it at the same moment, all get it, and each file crosses the line once."""
    upstream.tell("set", "cache_control", "max-age=600")
    running = []
    for number in range(MANY):
        place = tmp_path / str(number)
        place.mkdir()
        settings = bare_environment(place / "home") | installers.uv_environment(daemon.simple, place)
        command = installers.uv_command("pip", "install", "-q", "--target", "target", "seeds-alpha", "seeds-large")
        running.append(subprocess.Popen(command, cwd=place, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    said = [process.communicate(timeout=installers.PATIENCE)[0] for process in running]
    assert [process.returncode for process in running] == [0] * MANY, said
    for number in range(MANY):
        found = installers.present(tmp_path / str(number) / "target")
        assert found == {"seeds-alpha": "1.1", "seeds-beta": "1.1", "seeds-large": "1.0"}, number
    counted = Counter(seen.path for seen in upstream.requests())
    assert set(counted.values()) == {1}, counted


def test_R15_a_lock_made_through_the_daemon_differs_from_one_made_upstream_by_its_host_alone(
    looked_at: Daemon, upstream: Upstream, tmp_path: Path
) -> None:
    """The paths of file URLs are upstream's, so a lock can be moved by changing its host; sizes, times and hashes are the same too."""
    locks = []
    for kind, url in (("through", looked_at.url), ("direct", upstream.url)):
        place = tmp_path / kind
        place.mkdir()
        installers.project(place, ["seeds-alpha", "seeds-gamma", "seeds-delta", "seeds-epsilon", "seeds-zeta", "seeds-local"])
        installers.must(installers.uv_command("lock", "-q"), place, installers.uv_environment(f"{url}/simple/", place))
        text = (place / "uv.lock").read_text()
        assert url in text
        # Both spellings of the plus sign of a local version lead to the same file; the daemon writes the one that no server misreads.
        locks.append(text.replace(url, "https://index.example").replace("%2B", "+"))
    assert locks[0] == locks[1]


def test_a_lock_made_upstream_is_followed_by_a_daemon_that_never_saw_its_pages(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """Such URLs work in a fresh daemon (design 5): nothing but the host is changed, and files come before any page was asked for."""
    installers.project(tmp_path, ["seeds-alpha", "seeds-gamma"], "[tool.uv]\npackage = false\n")
    installers.must(installers.uv_command("lock", "-q"), tmp_path, installers.uv_environment(upstream.simple, tmp_path / "first"))
    lock = tmp_path / "uv.lock"
    lock.write_text(lock.read_text().replace(upstream.url, daemon.url))
    environment = installers.uv_environment(daemon.simple, tmp_path / "second")
    installers.must(installers.uv_command("sync", "-q", "--frozen"), tmp_path, environment)
    found = installers.present(installers.packages_of(tmp_path / ".venv"))
    assert found == {"seeds-alpha": "1.1", "seeds-beta": "1.1", "seeds-gamma": "1.0"}


def test_R93_pip_resumes_a_download_that_broke_off(looked_at: Daemon, tmp_path: Path) -> None:
    """pip asks for the rest with If-Range and our ETag, gets just that, and the whole has the right hash."""
    with relay(looked_at.port, cut_after=1_000_000) as between:
        arguments = ["download", "--no-deps", "--no-cache-dir", "-i", between.simple, "-d", "got", "seeds-large"]
        said = installers.must(installers.pip_command("pip", *arguments), tmp_path)
    first, *rest = between.asked(LARGE)
    assert "range" not in first.headers
    assert rest, said
    assert all(asked.headers["range"].startswith("bytes=") and asked.headers["if-range"].startswith('"') for asked in rest)
    log = looked_at.log
    assert f'{LARGE} HTTP/1.1" 206' in log, log[-2000:]
    assert os.stat(tmp_path / "got" / LARGE).st_size > 3_000_000


def test_R96_uv_reads_the_metadata_of_a_wheel_without_a_sidecar_by_ranges(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """uv asks HEAD, then for the end of the wheel; both come from one upstream request for the whole file."""
    (tmp_path / "wanted.in").write_text("seeds-delta\n")
    with relay(daemon.port) as between:
        command = installers.uv_command("pip", "compile", "-q", "--no-header", "wanted.in")
        said = installers.must(command, tmp_path, installers.uv_environment(between.simple, tmp_path))
    assert "seeds-delta==1.0" in said
    asked = between.asked("seeds_delta-1.0-py3-none-any.whl")
    assert [request.method for request in asked][:2] == ["HEAD", "GET"], asked
    assert asked[1].headers["range"].startswith("bytes="), asked
    assert len(upstream.requests("/packages/*")) == 1


def test_R72_uv_is_answered_304_when_it_comes_again(looked_at: Daemon, tmp_path: Path) -> None:
    """Strong validators, repeated on the 304, spare uv every page it has."""
    (tmp_path / "wanted.in").write_text("seeds-alpha\n")
    command = installers.uv_command("pip", "compile", "-q", "wanted.in")
    environment = installers.uv_environment(looked_at.simple, tmp_path)
    installers.must(command, tmp_path, environment)
    before = len(looked_at.log)
    installers.must(command, tmp_path, environment)
    lines = [line for line in looked_at.log[before:].splitlines() if '"GET ' in line]
    assert lines
    assert all('HTTP/1.1" 304 ' in line for line in lines), lines


def test_R56_pip_uploaded_prior_to_sees_upstreams_moments(looked_at: Daemon, tmp_path: Path) -> None:
    """`upload-time` passes unchanged (L12)."""
    arguments = ["install", "-q", "--no-cache-dir", "-i", looked_at.simple, "--uploaded-prior-to", "2023-01-01T00:00:00Z"]
    installers.must(installers.pip_command("pip", *arguments, "--target", "target", "seeds-timely"), tmp_path)
    assert installers.present(tmp_path / "target") == {"seeds-timely": "2.0"}


def test_R56_uv_exclude_newer_sees_upstreams_moments(looked_at: Daemon, tmp_path: Path) -> None:
    """The same for uv."""
    command = installers.uv_command("pip", "install", "-q", "--exclude-newer", "2021-01-01T00:00:00Z", "--target", "target", "seeds-timely")
    installers.must(command, tmp_path, installers.uv_environment(looked_at.simple, tmp_path))
    assert installers.present(tmp_path / "target") == {"seeds-timely": "1.0"}


@pytest.mark.parametrize("name", ["pip", "old_pip", "uv_pip"])
def test_R60_and_R110_what_is_not_for_everyone_is_had_by_asking_for_it(name: str, looked_at: Daemon, tmp_path: Path) -> None:
    """A yanked release is installed where it is pinned; a local version, with a plus sign in its URL, is installed like any other."""
    install = {"pip": installers.pip, "old_pip": installers.old_pip, "uv_pip": installers.uv_pip}[name]
    found = install(looked_at.simple, tmp_path, ["seeds-epsilon==1.1", "seeds-local"])
    assert found == {"seeds-epsilon": "1.1", "seeds-local": "1.0+local.1"}


def test_R60_a_release_for_another_python_is_refused_by_name(looked_at: Daemon, tmp_path: Path) -> None:
    """pip explains what it leaves out, which it can only if `requires-python` reached it."""
    command = installers.pip_command("pip", "install", "-i", looked_at.simple, "--no-cache-dir", "--target", "target", "seeds-zeta==2.0")
    outcome = installers.run(command, tmp_path)
    assert outcome.code != 0
    assert "Requires-Python >=3.99" in outcome.said, outcome.said


def test_R99_a_sidecar_that_upstream_advertises_and_lacks_is_advertised_no_longer(
    daemon: Daemon, upstream: Upstream, tmp_path: Path
) -> None:
    """
    uv gives up on an advertised sidecar that is 404 (S30), so the promise is withdrawn, and the next try succeeds.

    It does so with what the first try left in uv's cache, since the page has another ETag now.
    """
    upstream.tell("break_", "/packages/*.metadata", status=404)
    command = installers.uv_command("pip", "install", "-q", "--target", "target", "seeds-beta")
    environment = installers.uv_environment(daemon.simple, tmp_path)
    outcomes = [installers.run(command, tmp_path, environment) for _ in range(2)]
    assert outcomes[1].code == 0, outcomes
    assert installers.present(tmp_path / "target") == {"seeds-beta": "1.1"}


def test_stopping_in_the_midst_of_work_is_quiet(daemon: Daemon) -> None:
    """
    The sidecar of a wheel without one is made after the wheel was sent (R102); a daemon told to stop just then says nothing about it.

    Whether the moment is met is a matter of chance, so it is tried a few times; the fixture looks at the log.
    """
    for _ in range(3):
        [file] = daemon.page("seeds-delta")["files"]
        assert daemon.ask("GET", urljoin("/simple/seeds-delta/", file["url"])).status == 200
        daemon.stop()
        shutil.rmtree(daemon.folder / "var")
        daemon.start()
