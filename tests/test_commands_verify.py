"""`pypidaemon verify`: without a daemon over real stores, and with a pretended one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.commands import main, verifying
from pypidaemon.filenames import filename
from pypidaemon.model import Digest, File, FileRecord, NormalizedName
from tests.contracts.blob_store import put
from tests.gear import inline, now
from tests.orders import ordered
from tests.pretended import ControlSocket
from tests.records_gear import sqlite_records
from tests.test_commands_people import INI, run


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration in a folder of its own, with nothing beside it."""
    file = tmp_path / "c.ini"
    file.write_text(INI)
    return str(file)


class Stored:
    """Three private files in the stores of that configuration."""

    def __init__(self, folder: Path) -> None:
        (folder / "var").mkdir(mode=0o700)
        self.blobs = DirectoryBlobs(folder / "var" / "blobs", "blobs", inline)
        self.blobs.startService()
        clock = Clock()
        records = sqlite_records(folder / "var" / "records.sqlite", clock)
        records.startService()
        for name in ("one", "two", "three"):
            now(put(self.blobs, name.encode()))
            entry = File(filename(f"{name}-1.0.tar.gz"), hashes=(("sha256", self.digest(name)),), size=len(name))
            now(records.files.add("private", NormalizedName(name), FileRecord(entry, "1.0"), "add", None))
        now(records.stopService())

    def digest(self, name: str) -> Digest:
        return Digest(sha256(name.encode()).hexdigest())

    def place(self, name: str) -> Path:
        digest = self.digest(name)
        return self.blobs.path / digest[:2] / digest[2:4] / digest

    def stray(self) -> None:
        now(put(self.blobs, b"stray"))
        os.utime(self.place("stray"), (0, 0))


def test_M9_it_finds_three_things_without_a_daemon_and_puts_right_what_can_be(config: str, tmp_path: Path) -> None:
    """What was uploaded here can be had from nobody, so that is told, and its bytes are kept."""
    assert run(config, "verify") == "0 blobs with 0 bytes read, 0 names looked at: nothing is wrong\n"
    assert not (tmp_path / "var").exists()
    stored = Stored(tmp_path)
    assert run(config, "verify") == "3 blobs with 11 bytes read, 3 names looked at: nothing is wrong\n"
    stored.place("one").unlink()
    stored.place("two").write_bytes(b"twO")
    stored.stray()
    command = ("verify", "-c", config)
    status, lines, errors = ran(*command)
    assert (status, errors) == (1, "")
    assert sorted(lines[:-1]) == [
        f"altered two-1.0.tar.gz of two in private sha256:{stored.digest('two')}",
        f"missing one-1.0.tar.gz of one in private sha256:{stored.digest('one')}",
        f"unowned sha256:{stored.digest('stray')} (in blobs)",
    ]
    assert lines[-1] == "3 blobs with 13 bytes read, 3 names looked at: 3 findings"
    status, lines, _ = ran(*command, "One")
    assert (status, len(lines)) == (1, 2)
    status, lines, _ = ran(*command, "three")
    assert (status, lines) == (0, ["1 blob of three with 5 bytes read, 1 name looked at: nothing is wrong"])
    status, lines, _ = ran(*command, "--repair")
    assert (status, lines[-1]) == (1, "3 blobs with 13 bytes read, 3 names looked at: 3 findings, 2 of them not repaired")
    assert (tmp_path / "var" / "damaged" / stored.digest("two")).read_bytes() == b"twO"
    assert not stored.place("stray").exists()
    for name in ("one", "two"):
        now(put(stored.blobs, name.encode()))
    status, lines, _ = ran(*command, "--repair", "--json")
    told = json.loads(lines[0])
    assert (status, told["problems"], told["findings"], told["repair"]) == (0, 0, [], True)


def ran(*arguments: str) -> tuple[int, list[str], str]:
    """Exit status, lines, and what went to standard error, as a process of its own."""
    done = ordered(*arguments)
    return done.returncode, done.stdout.splitlines(), done.stderr


class Daemon(ControlSocket):
    """Notes requests, and gives the next prepared answer to each."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.answers: list[tuple[int, dict[str, Any] | str]] = []
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            self.asked.append(stream.readline().decode().rpartition(" ")[0])
            while stream.readline().strip():
                pass
        status, answer = self.answers.pop(0)
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body))


@pytest.fixture
def daemon(config: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(verifying, "PAUSE", 0.0)
    pretended = Daemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


def state(*digests: str, running: bool, repaired: bool | None = None, run: int = 3, **more: Any) -> dict[str, Any]:
    """What a daemon tells, with findings of these digests."""
    findings = [
        {"problem": "unowned", "sha256": digest, "names": [], "detail": "in blobs", "repaired": repaired, "outcome": "removed"}
        for digest in digests
    ]
    counts = {"phase": "reads", "blobs": 2, "of": 4, "bytes": 9, "named": 5, "problems": 3, "unrepaired": 0, "untold": [], "seconds": 1.5}
    return {"run": run, "running": running, "error": None, "repair": repaired, "findings": findings, **counts, **more}


def test_a_running_daemon_does_it_and_its_findings_are_told_as_they_come(
    config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers = [
        (200, state(running=True)),
        (200, state("a", "b", running=True, repaired=True)),
        (200, state("c", running=False, repaired=True)),
    ]
    assert main(["verify", "--repair", "Foo", "bar", "-c", config]) == 0
    assert daemon.asked == ["POST /verify?project=bar&project=foo&repair=yes", "GET /verify?after=0", "GET /verify?after=2"]
    assert capsys.readouterr().out == (
        "unowned sha256:a (in blobs): removed\nunowned sha256:b (in blobs): removed\nunowned sha256:c (in blobs): removed\n"
        "2 blobs of bar foo with 9 bytes read, 5 names looked at: 3 findings, 0 of them not repaired\n"
    )
    daemon.answers = [(200, state("a", running=False, untold=["[index:x]"]))]
    assert main(["verify", "-c", config, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [one["sha256"] for one in said["findings"]] == ["a"]
    assert (said["blobs"], said["untold"], said["repair"]) == (2, ["[index:x]"], False)
    daemon.answers = [(200, state(running=False, untold=["[index:x]"], problems=1, repaired=False, unrepaired=1))]
    assert main(["verify", "--repair", "-c", config]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "what nobody needs cannot be told, since others keep things there: [index:x]"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(409, "a verification is under way already\nrequest id: 1\n")], "a verification is under way already"),
        ([(200, state(running=False, error="the records cannot be read"))], "the records cannot be read"),
        ([(200, state(running=True)), (200, state(running=True, run=4))], "the daemon stopped before everything was verified"),
    ],
)
def test_what_keeps_a_daemon_from_it_is_said(
    config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str], answers: list[Any], words: str
) -> None:
    daemon.answers = answers
    assert main(["verify", "-c", config]) == 1
    assert capsys.readouterr().err == f"pypidaemon: {words}\n"


def test_on_a_terminal_it_says_how_far_it_is(config: str, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr("sys.stderr", Terminal())
    daemon.answers = [(200, state(running=True, bytes=3 << 20)), (200, state(running=False, problems=0))]
    assert main(["verify", "-c", config]) == 0
    assert written == ["\r[###############               ] reads: 2 of 4 blobs, 3.0 MiB\x1b[K", "\r\x1b[K"]


@pytest.mark.parametrize("arguments", ["verify a/b", "verify --mend", "verify --repair ../x --json"])
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert "--help\n" in capsys.readouterr().err
