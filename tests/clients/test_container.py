"""The container's configuration, run as it is in there: as nobody in particular, without a home, where only the volume can be written to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.commands import control
from pypidaemon.services.sockets import CONTROL
from tests.clients.daemon import PAUSE, STOPPING, TRIES, Upstream, ask, free_port
from tests.clients.posting import Parcel, Poster
from tests.clients.tools import ROOT
from tests.clients.uploaders import Release
from tests.needs import missing

pytestmark = pytest.mark.clients

DOCKER = ROOT / "etc" / "docker"
SHUT = """
import os, subprocess, sys
volume, words = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "--bind", volume, volume], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", "/"], check=True)
try:
    open("/written", "w")
except OSError:
    os.chdir("/")
    os.execvp(words[0], words)
sys.exit("it can be written to")
"""
"""Has only one folder that can be written to, in a space of mounts of its own, and goes on as another program."""
NOBODY = 54321
"""A user who has no name, and no home."""


def shut_in(volume: Path) -> list[str]:
    """What to start a program with that is to run so."""
    words = ["unshare", "-rm", sys.executable, "-c", SHUT, str(volume)]
    words += ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={ROOT}"]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        missing(f"nothing can be mounted here: {error}")
    return words


def tell(volume: Path, order: str, **fields: str) -> dict[str, Any]:
    """An order about people, by the control socket."""
    return control.ask(volume / "data" / CONTROL, "POST", f"/people/{order}", body=json.dumps(fields).encode())


def health(port: int) -> int:
    """What the container's own look at its health ends with."""
    found = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    _, options, program = json.loads(found[1].replace("3141", str(port)))
    assert options == "-Ic"
    names: dict[str, Any] = {}
    try:
        # An interpreter of its own would cost as much as the rest of the test, and would close what this leaves open.
        exec(program, names)
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        names["c"].close()
    raise AssertionError("it has not said how it is")


@contextmanager
def contained(volume: Path, text: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """The daemon by that configuration, once it answers."""
    (volume / "config.ini").write_text(text)
    command = [*shut_in(volume), sys.executable, "-m", "pypidaemon", "run", "-c", str(volume / "config.ini")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(TRIES):
            assert process.poll() is None, process.communicate()[0]
            with suppress(OSError):
                if ask(f"http://127.0.0.1:{port}", "GET", "/+ready").status == 200:
                    break
            time.sleep(PAUSE)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_runs_as_anybody_where_only_its_volume_can_be_written_to(upstream: Upstream, tmp_path: Path) -> None:
    """It fetches, keeps and gives, takes and looks into what is uploaded, is found healthy in the container's own way, and ends in order when it is told to."""
    port = free_port()
    text = (DOCKER / "config.ini").read_text()
    for before, after in (
        ("tcp:3141", f"tcp:{port}"),
        ("/var/lib/pypidaemon/data", str(tmp_path / "data")),
        ("use = pypi\n", f"use = http\nurl = {upstream.simple}\n"),
        ("# access-log =", "access-log ="),
        ("# access-log-form", "access-log-form"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    wheel = upstream.tell("add", "contained", "1.0", size=1000)
    url = f"http://127.0.0.1:{port}"
    with contained(tmp_path, text, port) as process:
        page = ask(url, "GET", "/simple/contained/", {"Accept": "application/vnd.pypi.simple.v1+json"}).json()
        (file,) = page["files"]
        assert file["filename"] == wheel
        assert ask(url, "GET", file["url"].removeprefix("../..")).status == 200
        tell(tmp_path, "user/add", name="ann")
        tell(tmp_path, "grant/add", name="ann", right="create", place="private")
        poster = Poster(port, tell(tmp_path, "token/add", name="ann")["token"])
        assert poster.post(Parcel.of(Release("contained-own", "1.0"))) == 200
        poster.close()
        assert health(port) == 0
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=STOPPING)[0]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines if line["path"].startswith("/packages/")] == [200]
    assert {entry.name for entry in tmp_path.iterdir()} == {"config.ini", "data"}
    assert os.stat(tmp_path / "data").st_mode & 0o777 == 0o700
    with pytest.raises(ConnectionRefusedError):
        health(port)
