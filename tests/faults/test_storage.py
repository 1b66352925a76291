"""A real daemon on a volume that is full, has no inodes left, or is full when it starts (C21, C22, F53-F56)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import attrs
import pytest

from pypidaemon.commands import control
from pypidaemon.services.sockets import CONTROL
from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import eventually
from tests.clients.posting import BOUNDARY, Parcel
from tests.clients.store import SECTIONS
from tests.clients.uploaders import Release
from tests.needs import missing

pytestmark = pytest.mark.clients

PROJECTS = {"seeds-small": 0, "seeds-some": 100_000, "seeds-large": 3_000_000, "seeds-later": 50_000}
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


@attrs.define
class Volume:
    """A small volume that a namespace of its own keeps mounted, so that it outlives a daemon on it and needs no root."""

    path: Path
    options: str
    holder: subprocess.Popen[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.path.mkdir(parents=True, mode=0o700)
        script = f'mount -t tmpfs -o {self.options},mode=0700 tmpfs "{self.path}" && echo mounted && exec cat'
        self.holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.holder.stdout is not None
        if self.holder.stdout.readline() != b"mounted\n":
            missing("mount a tmpfs in a user namespace (unshare -rm)")

    def within(self, folder: Path) -> tuple[str, ...]:
        """The words before a command that is to see it."""
        enter = ("nsenter", "-t", str(self.holder.pid), "-m", "-U", "--preserve-credentials")
        return (*enter, "sh", "-c", f'cd "{folder}" && exec "$@"', "sh")

    @property
    def inside(self) -> Path:
        """Where its files are seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root{self.path}")

    def fill(self) -> None:
        """Leave not a byte."""
        with contextlib.suppress(OSError), (self.inside / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def use_up_inodes(self) -> None:
        """Leave not a name."""
        with contextlib.suppress(OSError):
            for number in range(10_000):
                (self.inside / f"filler{number}").touch()

    def free(self) -> None:
        """Take away what filled it."""
        for filler in self.inside.glob("filler*"):
            filler.unlink()

    def drafts(self) -> list[str]:
        """What is being written."""
        return os.listdir(self.inside / "blobs" / "drafts")

    def end(self) -> None:
        """Let it go."""
        for stream in (self.holder.stdin, self.holder.stdout):
            assert stream is not None
            stream.close()
        self.holder.wait(20)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Upstream]:
    (tmp_path / "upstream").mkdir()
    found = Upstream.begin(tmp_path / "upstream")
    for name, size in PROJECTS.items():
        found.tell("add", name, "1.0", size=size)
    yield found
    found.end()


@contextlib.contextmanager
def daemon_on(tmp_path: Path, own: Upstream, options: str) -> Iterator[tuple[Daemon, Volume, dict[str, str]]]:
    """A daemon, its volume, and the headers of somebody who may upload."""
    folder = tmp_path / "daemon"
    volume = Volume(folder / "var", options)
    daemon = Daemon(folder, own.simple, SECTIONS, index="root", uploads="private", prefix=volume.within(folder))
    try:
        daemon.start()
        tell(volume, "user/add", name="ann")
        tell(volume, "grant/add", name="ann", right="upload", place="private")
        login = base64.b64encode(f"__token__:{tell(volume, 'token/add', name='ann')['token']}".encode()).decode()
        yield daemon, volume, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Authorization": f"Basic {login}"}
        daemon.check_log()
    finally:
        if daemon.process is not None:
            daemon.stop()
        volume.end()


def tell(volume: Volume, order: str, **fields: str) -> Any:
    """An order about people, by a path to the control socket that is short enough for one."""
    inside = os.open(volume.inside, os.O_PATH | os.O_DIRECTORY)
    try:
        place = Path(f"/proc/self/fd/{inside}/{CONTROL}")
        return control.ask(place, "POST", f"/people/{order}", body=json.dumps(fields).encode())
    finally:
        os.close(inside)


def fetched(daemon: Daemon, project: str) -> None:
    """Page, file and metadata of that project are right."""
    page = daemon.ask("GET", f"/simple/{project}/", JSON)
    assert page.status == 200, page
    (wheel,) = [file for file in page.json()["files"] if file["filename"].endswith(".whl")]
    url = urljoin(f"/simple/{project}/", wheel["url"])
    answer = daemon.ask("GET", url)
    assert (answer.status, hashlib.sha256(answer.body).hexdigest()) == (200, wheel["hashes"]["sha256"])
    assert daemon.ask("GET", f"{url}.metadata").status == 200


def uploaded(daemon: Daemon, headers: dict[str, str], name: str) -> int:
    """The status of an upload."""
    return daemon.ask("POST", "/legacy/", headers, Parcel.of(Release(name, "1.0", 20_000)).body).status


def test_C21_F53_F54_F55_on_a_full_disk_all_is_fetched_and_nothing_is_lost(own: Upstream, tmp_path: Path) -> None:
    with daemon_on(tmp_path, own, "size=8m") as (daemon, volume, headers):
        assert uploaded(daemon, headers, "ours-a") == 200
        volume.fill()
        for project in ("seeds-small", "seeds-some", "seeds-large", "ours-a"):
            fetched(daemon, project)
        assert uploaded(daemon, headers, "ours-b") in (503, 507)
        assert daemon.ask("GET", "/simple/ours-b/").status == 404
        # How much room there is, it looks at once a second.
        eventually(lambda: daemon.ask("GET", "/+ready").json().get("keeps") is False)
        assert volume.drafts() == []
        # It starts on a full disk too, with what it has let go for that.
        daemon.kill()
        daemon.start()
        assert not (volume.inside / "ballast").exists()
        for project in ("seeds-large", "ours-a"):
            fetched(daemon, project)
        volume.fill()
        assert uploaded(daemon, headers, "ours-b") in (503, 507)
        fetched(daemon, "seeds-small")
        # There is room again, and nobody has to do anything.
        volume.free()
        assert uploaded(daemon, headers, "ours-b") == 200
        for project in ("ours-a", "ours-b", "seeds-later"):
            fetched(daemon, project)
        assert volume.drafts() == []


def test_C22_F56_without_inodes_all_is_fetched_and_nothing_is_lost(own: Upstream, tmp_path: Path) -> None:
    with daemon_on(tmp_path, own, "size=20m,nr_inodes=150") as (daemon, volume, headers):
        assert uploaded(daemon, headers, "ours-a") == 200
        volume.use_up_inodes()
        for project in ("seeds-some", "seeds-large", "ours-a"):
            fetched(daemon, project)
        assert uploaded(daemon, headers, "ours-b") == 507
        assert volume.drafts() == []
        volume.free()
        assert uploaded(daemon, headers, "ours-b") == 200
        fetched(daemon, "ours-b")
