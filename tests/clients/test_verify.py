"""What is stored, broken on the disk of a real daemon, found and put right while it runs and while it does not (M9, F62, C24)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import files

pytestmark = pytest.mark.clients

SECTIONS = """
[index:root]
use = first-match
indexes = mirror

[index:mirror]
use = mirror
upstream = pypi

[service:nightly]
use = mirroring
index = mirror
projects = seeds-*

[service:tidy]
use = janitor
age = 2d
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Upstream]:
    """An upstream for one test alone, with three projects."""
    (tmp_path / "upstream").mkdir()
    found = Upstream.begin(tmp_path / "upstream")
    for name in ("seeds-alpha", "seeds-beta", "seeds-gamma"):
        found.tell("add", name, "1.0")
    try:
        yield found
    finally:
        found.end()


def verify(daemon: Daemon, *words: str) -> tuple[int, dict[str, Any]]:
    """`pypidaemon verify`: its status, and what it says in JSON."""
    done = daemon.ordered("verify", "--json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def place(daemon: Daemon, project: str) -> Path:
    """Where the wheel of that project lies."""
    (file,) = files(daemon, project).values()
    digest = file["hashes"]["sha256"]
    return daemon.folder / "var" / "blobs" / digest[:2] / digest[2:4] / digest


def flip(blob: Path) -> None:
    """Turn one bit over."""
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)


def test_M9_F62_one_is_gone_one_is_altered_one_is_nobodys(own: Upstream, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "daemon", own.simple, SECTIONS, index="root")
    daemon.start()
    try:
        daemon.order("sync", "--once", "-q")
        alpha, beta, gamma = (place(daemon, name) for name in ("seeds-alpha", "seeds-beta", "seeds-gamma"))
        status, said = verify(daemon)
        assert (status, said["problems"]) == (0, 0), said
        alpha.unlink()
        flip(beta)
        stray = gamma.with_name("seeds_gamma-1.0-py3-none-any.whl")
        stray.write_bytes(gamma.read_bytes())
        os.utime(stray, (0, 0))
        status, said = verify(daemon)
        assert status == 1
        assert sorted((one["problem"], one["sha256"]) for one in said["findings"] if one["sha256"]) == [
            ("altered", beta.name),
            ("missing", alpha.name),
        ]
        assert [one["detail"] for one in said["findings"] if one["problem"] == "unowned"] == [
            f"{stray.relative_to(daemon.folder / 'var' / 'blobs')} in blobs"
        ]
        status, said = verify(daemon, "--repair")
        assert (status, said["problems"], said["unrepaired"]) == (0, 3, 0), said
        assert not stray.exists()
        for blob in (alpha, beta, gamma):
            assert sha256(blob.read_bytes()).hexdigest() == blob.name
        assert verify(daemon)[0] == 0
        flip(beta)
        daemon.stop()
        assert verify(daemon, "seeds-beta")[0] == 1
        assert verify(daemon, "seeds-beta", "--repair")[0] == 0
        assert sha256(beta.read_bytes()).hexdigest() == beta.name
        own.tell("stop")
        flip(gamma)
        status, said = verify(daemon, "--repair")
        assert (status, said["unrepaired"]) == (1, 1)
        daemon.start()
        (file,) = files(daemon, "seeds-gamma").values()
        assert daemon.ask("GET", file["path"]).status == 503
        assert b'pypidaemon_janitor_total{service="tidy",what="rounds"} 0.0' in daemon.ask("GET", "/+metrics").body
    finally:
        daemon.stop()
    daemon.check_log()
