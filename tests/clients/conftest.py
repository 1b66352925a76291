"""What the tests with real installers share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.stock import fill


@pytest.fixture(scope="session")
def shared_upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """One scripted index for the whole run, since its projects do not change."""
    found = Upstream.begin(tmp_path_factory.mktemp("upstream"))
    try:
        fill(found)
        yield found
    finally:
        found.end()


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Iterator[Upstream]:
    """
    The shared upstream, with no requests so far and nothing broken.

    Its pages are stale at once, so that the daemon asks for each page again, and notices when there is nobody to ask.
    """
    shared_upstream.tell("set", "cache_control", "max-age=0")
    shared_upstream.clear()
    yield shared_upstream
    shared_upstream.tell("heal")
    shared_upstream.tell("stop")
    shared_upstream.tell("start")


@pytest.fixture
def daemon(upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A fresh daemon, which never saw anything."""
    found = Daemon(tmp_path / "daemon", upstream.simple)
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


@pytest.fixture(scope="session")
def shared_daemon(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for tests that only look, whatever it has seen before."""
    found = Daemon(tmp_path_factory.mktemp("shared") / "daemon", shared_upstream.simple)
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


@pytest.fixture
def looked_at(shared_daemon: Daemon, upstream: Upstream) -> Daemon:
    """The shared daemon, with the upstream as tests expect to find it."""
    return shared_daemon


@pytest.fixture
def project(upstream: Upstream, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a project that one test alone has, with one wheel and one source distribution."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    name = f"seeds-own-{digest}"
    upstream.tell("add", name, "1.0", sdist=True)
    upstream.clear()
    yield name
    upstream.tell("remove", name)
