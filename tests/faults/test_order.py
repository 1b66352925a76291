"""The order in which a real daemon asks the system to keep an upload, seen from outside (F78, F91)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon
from tests.clients.debian import program
from tests.clients.posting import Parcel, Poster
from tests.clients.store import tell
from tests.clients.uploaders import Release
from tests.needs import missing

pytestmark = pytest.mark.clients

CALLS = "fsync,fdatasync,syncfs,pwrite64,rename,link,linkat,unlink,sendto,sendmsg,write,writev"
_CALL = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)(.*)")


class Watcher:
    """strace on a process."""

    def __init__(self, pid: int, into: Path) -> None:
        self.into = into
        strace = program("strace", "strace", "libunwind8")
        command = [strace.path, "-f", "-y", "-s", "20", "-e", f"trace={CALLS}", "-o", str(into), "-p", str(pid)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=strace.environment)
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        if b" attached" not in said:
            missing(f"strace of one's own process: {said.decode().strip()}")

    def end(self) -> list[tuple[str, str]]:
        """Let go; what was seen to end, in order: the call, and what it was of."""
        self.process.terminate()
        self.process.communicate(timeout=20)
        return list(_ended(self.into.read_text("utf-8", "replace")))


def _ended(seen: str) -> Iterator[tuple[str, str]]:
    begun: dict[tuple[str, str], str] = {}
    for line in seen.splitlines():
        if (found := _CALL.match(line)) is None:
            continue
        thread, call, rest = found.groups()
        of = begun.pop((thread, call), rest)
        if line.endswith("<unfinished ...>"):
            begun[thread, call] = of
        elif "= -1" not in rest:
            yield call, of


def test_F78_F91_file_then_move_then_folder_then_records_then_the_answer(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "http://127.0.0.1:9/simple/", "[index:private]\nuse = private\n", index="private", uploads="private")
    daemon.start()
    try:
        tell(daemon, "user/add", name="ann")
        tell(daemon, "grant/add", name="ann", right="upload", place="private")
        poster = Poster(daemon.port, tell(daemon, "token/add", name="ann")["token"])
        parcel = Parcel.of(Release("ours", "1.0", 20_000))
        assert daemon.process is not None
        watcher = Watcher(daemon.process.pid, tmp_path / "seen")
        try:
            assert poster.post(parcel) == 200
            assert poster.post(Parcel.of(Release("ours", "1.1", 20_000))) == 200
        finally:
            poster.close()
        seen = watcher.end()
    finally:
        daemon.stop()
    wheel = parcel.sha256

    def first(call: str, of: str, after: int = 0) -> int:
        """When that ended for the first time."""
        return next((number for number, one in enumerate(seen) if number >= after and one[0] == call and re.search(of, one[1])), -1)

    def kept(of: str, after: int) -> int:
        """When that was on the disk for the first time after something: by itself, or with all of the volume."""
        return min((number for number in (first("fsync", of, after), first("syncfs", "/blobs>", after)) if number >= 0), default=-1)

    # Where all of the volume is synced at one stroke, a draft whose name says what it is has a second one until its place is on the disk too.
    linked = max(first(call, f'/drafts/[0-9a-f]{{32}}-{wheel}"') for call in ("link", "linkat"))
    moved = linked if linked > 0 else first("rename", f'/drafts/.*"/?.*{wheel}')
    assert moved > 0, seen
    draft = re.search(r"/drafts/([0-9a-f]{32})", seen[moved][1])
    assert draft is not None
    written = first("pwrite64", f"/drafts/{draft[1]}")
    synced = kept(f"/drafts/{draft[1]}", written)
    shelved = kept(f"/{wheel[:2]}/{wheel[2:4]}>", moved)
    recorded = max(first("fdatasync", r"\.sqlite-wal>", moved), first("fsync", r"\.sqlite-wal>", moved))
    answered = max(first(call, r"HTTP/1\.1 200", moved) for call in ("sendto", "sendmsg", "write", "writev"))
    assert 0 <= written < synced < moved < recorded < answered, seen
    if linked > 0:
        assert answered < shelved < first("unlink", f"/drafts/{draft[1]}"), seen
    else:
        assert moved < shelved < recorded, seen
