"""`pypidaemon cache`, `backup` and `restore`: without a daemon over real stores, and with a pretended one."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pypidaemon.backups.contents import Head
from pypidaemon.backups.tape import Writer
from pypidaemon.commands import main
from pypidaemon.filenames import filename
from pypidaemon.model import NormalizedName, Pin, Use
from pypidaemon.services.lock import LOCK, held, take
from tests.contracts.blob_store import put
from tests.gear import now
from tests.records_gear import sqlite_records
from tests.test_commands_people import INI, run
from tests.test_commands_verify import Daemon, Stored, ran


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration in a folder of its own, with nothing beside it."""
    file = tmp_path / "c.ini"
    file.write_text(INI)
    return str(file)


@pytest.fixture
def daemon(config: str) -> Iterator[Daemon]:
    pretended = Daemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


def test_F93_F94_a_backup_comes_back_in_an_empty_folder_and_is_verified(config: str, tmp_path: Path) -> None:
    target = str(tmp_path / "backup.tar")
    Stored(tmp_path)
    # No daemon is needed for it, and none is in the way.
    with held(tmp_path / "var"):
        assert run(config, "backup", target) == f"{target}: records, and 3 files with 11 B\n"
    shutil.rmtree(tmp_path / "var")
    said = json.loads(run(config, "restore", target, "--json"))
    assert (said["files"], said["bytes"], said["configuration"]) == (3, 11, None)
    assert run(config, "verify") == "3 blobs with 11 bytes read, 3 names looked at: nothing is wrong\n"


def test_F94_a_damaged_backup_leaves_the_folder_as_empty_as_it_was(config: str, tmp_path: Path) -> None:
    damaged = tmp_path / "backup.tar"
    file = io.BytesIO()
    writer = Writer(file, 0)
    writer.add("head.json", Head("1.0", "2026-01-01T00:00:00Z", ("blobs",), False).written())
    writer.add(f"blobs/0/{sha256(b'data').hexdigest()}", b"data")
    damaged.write_bytes(file.getvalue())
    status, _, errors = ran("restore", str(damaged), "-c", config)
    assert (status, errors) == (1, "pypidaemon: the backup cannot be read: it ends too early\n")
    assert os.listdir(tmp_path / "var") == ["lock"]


def test_what_cannot_be_begun_is_told(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert main([*words, "-c", config]) == 1
        return capsys.readouterr().err

    target = tmp_path / "backup.tar"
    assert said("backup", str(target)) == f"pypidaemon: there is no data folder {tmp_path / 'var'} yet\n"
    assert said("restore", str(target)) == f"pypidaemon: cannot read {target}: No such file or directory\n"
    target.touch()
    Stored(tmp_path)
    assert "is not empty: it has blobs" in said("restore", str(target))


PROXY = (
    INI.replace("[daemon]\n", "[daemon]\nindex = proxy\n")
    + "[index:proxy]\nuse = proxy\nupstream = up\n[upstream:up]\nuse = http\nurl = https://index.example/simple/\n"
)


def test_a_restore_under_a_daemon_says_to_stop_it(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That its control socket is missing is no matter: it was never asked."""
    target = tmp_path / "backup.tar"
    target.touch()
    folder = tmp_path / "var"
    folder.mkdir()
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    take(folder, descriptor)
    try:
        assert main(["restore", str(target), "-c", config]) == 1
    finally:
        os.close(descriptor)
    assert capsys.readouterr().err == f"pypidaemon: a daemon (process {os.getpid()}) runs on the data folder {folder}: stop it first\n"


def test_without_a_daemon_the_cache_is_listed_pinned_and_taken_away(config: str, tmp_path: Path) -> None:
    Path(config).write_text(PROXY)
    stored = Stored(tmp_path)
    records = sqlite_records(tmp_path / "var" / "records.sqlite", Clock())
    records.startService()
    now(put(stored.blobs, b"cached"))
    os.utime(stored.place("cached"), (0, 0))
    now(records.uses.note(Use(stored.digest("cached"), "proxy", NormalizedName("beta"), filename("beta-1.0.tar.gz"), 6, 1.0)))
    now(records.pins.pin(Pin(NormalizedName("beta"), "1"), True))
    now(records.stopService())
    assert run(config, "cache", "ls", "nobody") == "nothing of nobody is kept\n"
    assert run(config, "cache", "ls", "beta") == "beta-1.0.tar.gz        6 B  1970-01-01T00:00:01Z  pinned\n"
    assert json.loads(run(config, "cache", "rm", "beta", "--json")) == {"files": 1, "bytes": 6, "kept": 0}
    assert not stored.place("cached").exists()


def test_a_running_daemon_does_it(config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    def project(name: str) -> dict[str, object]:
        return {"project": name, "files": 2, "bytes": 2048, "used": None, "pinned": False}

    daemon.answers = [
        (200, {"files": 4, "bytes": 4096, "pins": ["a"], "projects": [project("a")], "more": True}),
        (200, {"files": 4, "bytes": 4096, "pins": ["a"], "projects": [project("bcd")], "more": False}),
        (200, {"changed": False}),
        (200, {"changed": True}),
        (200, {"files": 1, "bytes": 5, "kept": 2}),
    ]
    assert main(["cache", "ls", "-c", config]) == 0
    assert main(["cache", "pin", "a", "-c", config]) == 1
    assert main(["cache", "unpin", "A==1.0", "-c", config]) == 0
    assert main(["cache", "rm", "a", "-c", config]) == 0
    assert daemon.asked == [
        "GET /cache?after=", "GET /cache?after=a", "POST /cache/pin?project=a", "POST /cache/unpin?project=a&version=1",
        "POST /cache/rm?project=a",
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "a      2 files    2.0 KiB  not asked for lately",
        "bcd    2 files    2.0 KiB  not asked for lately",
        "4 files with 4.0 KiB",
        "pinned: a",
        "a was pinned already",
        "a==1.0 may be evicted again",
        "a: 1 file with 5 B taken out; 2 files stay, since others need them or they came within the last minute",
    ]


@pytest.mark.parametrize("words", [["ls", "a==1"], ["rm", "a==1.*"], ["rm", "a/b"], ["rm", ""], ["pin"], []])
def test_wrong_usage_is_told(config: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", *words, *(["-c", config] if words else [])]) == 2
    assert "--help\n" in capsys.readouterr().err
