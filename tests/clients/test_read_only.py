"""A data folder on a disk that can only be read: what is in it is served, and nothing is written (N8)."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.posting import Parcel, Poster
from tests.clients.store import store
from tests.clients.uploaders import Release
from tests.needs import missing

pytestmark = pytest.mark.clients

MOUNTED = """
import os, subprocess, sys
folder, words = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "--bind", folder, folder], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
try:
    open(folder + "/x", "w")
except OSError:
    os.execvp(words[0], words)
sys.exit("it can be written to")
"""
"""Mounts a folder so that it can only be read, in a space of mounts of its own, and goes on as another program."""


def mounting(folder: Path) -> tuple[str, ...]:
    """What to start a program with that is to find that folder on a disk which can only be read."""
    words = ("unshare", "-rm", sys.executable, "-c", MOUNTED, str(folder))
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        missing(f"nothing can be mounted here: {error}")
    return words


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All that is there, with sizes and times."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            state = os.lstat(os.path.join(place, name))
            found[os.path.relpath(os.path.join(place, name), folder)] = (state.st_size, state.st_mtime_ns)
    return found


def file_of(daemon: Daemon, project: str) -> str:
    """The sha256 of the bytes of the first file on the page."""
    url = daemon.page(project)["files"][0]["url"].removeprefix("../..")
    return hashlib.sha256(daemon.ask("GET", url).body).hexdigest()


def test_N8_a_data_folder_on_a_read_only_disk_serves_what_is_in_it(upstream: Upstream, tmp_path: Path) -> None:
    with store(tmp_path / "daemon", upstream.simple) as filled:
        daemon = filled.daemon
        poster, parcel = Poster(daemon.port, filled.uploader), Parcel.of(Release("acme", "1.0"))
        assert poster.post(parcel) == 200
        poster.close()
        proxied = file_of(daemon, "seeds-alpha")
        daemon.stop()
        data, upstream_before = daemon.folder / "var", len(upstream.paths())
        before = tree(data)
        daemon.prefix = mounting(data)
        # Who was not told that it is only to be read says what to do.
        with pytest.raises(AssertionError, match=r"read-only = yes in \[daemon\]"):
            daemon.start()
        daemon.settings = "read-only = yes\n"
        (daemon.folder / "log").unlink()
        daemon.start()
        assert file_of(daemon, "acme") == parcel.sha256
        assert file_of(daemon, "seeds-alpha") == proxied
        assert daemon.ask("GET", "/simple/").status in (200, 503)
        assert daemon.ask("GET", "/index/private/simple/").status == 200
        assert daemon.ask("GET", "/simple/seeds-gamma/").status == 503
        assert daemon.ask("GET", "/+ready").json()["keeps"] is False
        poster, other = Poster(daemon.port, filled.uploader), Parcel.of(Release("acme", "2.0"))
        assert poster.post(other) == 507
        poster.close()
        # The configuration is read again, and it still only reads.
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while "was read again" not in daemon.log and time.monotonic() < deadline:
            time.sleep(0.05)
        assert file_of(daemon, "acme") == parcel.sha256
        daemon.stop()
        assert tree(data) == before
        assert len(upstream.paths()) == upstream_before
        daemon.check_log()
        assert "cannot be" not in daemon.log
        daemon.prefix, daemon.settings = (), ""
        daemon.start()
        assert file_of(daemon, "acme") == parcel.sha256
