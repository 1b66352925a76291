"""`pypidaemon pack` and `pypidaemon relock` as commands: their options, what they print and with what they end."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.commands import main
from pypidaemon.commands import pack as packing
from pypidaemon.exports.tree import MARKER
from pypidaemon.testing.archives import make_sdist
from tests.orders import ordered
from tests.pretended import ControlSocket

REPORT = {
    "complete": False,
    "index": "root",
    "targets": ["3.12 on linux"],
    "rehearsal": False,
    "files": 1,
    "bytes": 5,
    "releases": [
        {"project": "alpha", "version": "1.0", "files": ["alpha-1.0.tar.gz"], "here": 0, "fetched": 1, "bytes": 5, "pinned": True}
    ],
    "missing": [{"project": "beta", "version": "1.0", "file": "", "cause": "platform", "reason": "no file of it is for 3.12 on linux"}],
    "more_missing": 0,
    "notes": ["a note"],
}


class Pretended(ControlSocket):
    """Says that a pack was begun, that it goes on, and what came of it."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.error: str | None = None
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        """As `ControlSocket`."""
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().rpartition(" ")[0]
            length = 0
            while header := stream.readline().strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            self.bodies.append(stream.read(length))
        self.asked.append(line)
        running = {"running": True, "error": None, "phase": "brings", "looked": 0, "found": 1, "files": 0, "bytes": 0}
        ended = {"running": False, "error": self.error, "report": REPORT}
        answer: dict[str, Any] = {"pack": 3} if line.startswith("POST") else running if self.asked.count(line) == 1 else ended
        body = json.dumps(answer).encode()
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration, and files beside it."""
    (tmp_path / "c.ini").write_text("[daemon]\ndata = var\n")
    (tmp_path / "r.txt").write_text("-r more.txt\n")
    (tmp_path / "more.txt").write_text("alpha\n")
    return str(tmp_path / "c.ini")


@pytest.fixture
def daemon(config: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """One that listens for it; nobody waits between two questions."""
    monkeypatch.setattr(packing, "PAUSE", 0.0)
    pretended = Pretended(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


def test_C11_the_daemon_is_given_the_texts_and_asked_until_it_has_ended(
    config: str, daemon: Pretended, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing stands last, and the exit status is 1."""
    words = ["pack", "-c", config, "--python", "3.12", "--platform", "linux", "--no-pin", "--index", "root", str(tmp_path / "r.txt")]
    assert main(words) == 1
    assert daemon.asked[0] == "POST /pack?python=3.12&platform=linux&index=root&pin=no"
    said = json.loads(daemon.bodies[0])
    assert [Path(name).name for name in said["files"]] == ["r.txt"]
    assert sorted(Path(name).name for name in said["texts"]) == ["more.txt", "r.txt"]
    assert capsys.readouterr().out.splitlines() == [
        "1 release for Python 3.12 on linux: 0 files here before, 1 file fetched",
        "a note",
        "missing: 1 thing",
        "  beta==1.0: no file of it is for 3.12 on linux",
    ]
    assert main(["pack", "-c", config, "--json", "--dry-run", str(tmp_path / "r.txt")]) == 1
    assert json.loads(capsys.readouterr().out) == REPORT
    assert "rehearsal=yes" in daemon.asked[3]
    assert "python=" in daemon.asked[3]
    daemon.error = "it was ended"
    assert main(["pack", "-c", config, str(tmp_path / "r.txt")]) == 1
    assert capsys.readouterr().err == "pypidaemon: it was ended\n"


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--platform", "solaris", "r.txt"], 2, "no platform"),
        (["--python", "four", "r.txt"], 2, "not a Python"),
        (["--into", "d", "--dry-run", "r.txt"], 2, "brings nothing"),
        (["missing.lock"], 1, "cannot read"),
        (["bad.txt"], 1, "no requirement"),
        (["large.lock"], 1, "is longer than"),
        (["binary.lock"], 1, "not UTF-8"),
        (["b\udcffd.txt"], 1, "'b\\udcffd.txt': is no name of a file in UTF-8"),
        (["nul.txt"], 1, "cannot read a\\x00b: no file has such a name"),
    ],
)
def test_what_cannot_be_packed_is_one_line(
    config: str,
    words: list[str],
    status: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anybody is asked for anything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.txt").write_text("= = =\n")
    (tmp_path / "b\udcffd.txt").write_text("alpha\n")
    (tmp_path / "nul.txt").write_text("-r a\0b\n")
    (tmp_path / "binary.lock").write_bytes(b"\xff")
    with (tmp_path / "large.lock").open("wb") as large:
        large.truncate(1 << 30)
    assert main(["pack", "-c", config, *words]) == status
    said = capsys.readouterr().err
    assert line in said
    assert "Traceback" not in said


UV = """version = 1
[[package]]
name = "alpha"
version = "1.0"
source = { registry = "https://old.example/simple" }
sdist = { url = "https://old.example/packages/aa/alpha-1.0.tar.gz" }
"""


def test_relock_refuses_what_it_cannot_do_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file stays as it was."""
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "uv.lock"
    lock.write_text(UV)
    for words, status, line in (
        (["uv.lock", "--to", "file:///srv"], 2, "is not an http or https URL"),
        (["uv.lock", "--to", "https://me:pw@new.example/simple/"], 2, "credentials"),
        (["uv.lock", "--to", "https://new.example/simple/", "--password", "plain"], 2, "env:"),
        (["missing.lock", "--to", "https://new.example/simple/"], 1, "cannot read"),
        (["other.lock", "--to", "https://new.example/simple/"], 1, "UTF-8"),
    ):
        (tmp_path / "other.lock").write_bytes(b"\xff")
        assert main(["relock", *words]) == status, words
        assert line in capsys.readouterr().err
    (tmp_path / "uv.lock").write_text("[")
    assert main(["relock", "uv.lock", "--to", "https://new.example/simple/"]) == 1
    assert "uv.lock: uv.lock is no lock file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "words", "hint"),
    [
        ("r.txt", "alpha==1.0 --hash=sha256:" + "0" * 64 + "\n", [], "it has no addresses"),
        ("r.txt", "--index-url https://new.example/simple/\nalpha==1.0\n", [], "it names https://new.example/simple/ already"),
        ("r.txt", "--index-url https://old.example/simple/\n", ["--from", "https://index.example/simple/"], "leave --from out"),
        ("r.txt", "--index-url https://old.example/simple/\n", [], None),
    ],
)
def test_relock_says_why_there_is_nothing_to_exchange(
    name: str, text: str, words: list[str], hint: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is something, it says no more than that."""
    (tmp_path / name).write_text(text)
    assert main(["relock", str(tmp_path / name), "--to", "https://new.example/simple/", *words]) == 0
    first, *more = capsys.readouterr().out.splitlines()
    assert first.endswith(f"{0 if hint else 1} address{'es' if hint else ''} exchanged; it names 0 files")
    assert len(more) == (hint is not None)
    assert hint is None or hint in more[0]


def test_relock_leaves_what_was_locked_anew_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an index has is asked for a while."""
    lock = tmp_path / "requirements.txt"
    lock.write_text("a @ https://old.example/packages/a-1.0.tar.gz\n")

    def asked(work: object) -> list[object]:
        lock.write_text("a @ https://old.example/packages/a-2.0.tar.gz\n")
        return []

    monkeypatch.setattr("pypidaemon.commands.relock.reacting", asked)
    assert main(["relock", str(lock), "--to", "https://new.example/simple/"]) == 1
    assert "somebody else changed it" in capsys.readouterr().err
    assert "a-2.0" in lock.read_text()


def test_relock_writes_nothing_where_the_index_does_not_answer(tmp_path: Path) -> None:
    """Nobody would know what it lacks."""
    lock = tmp_path / "uv.lock"
    lock.write_text(UV)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        done = ordered("relock", str(lock), "--to", f"http://127.0.0.1:{silent.getsockname()[1]}/simple/")
    assert (done.returncode, done.stdout) == (1, "")
    assert "it refuses connections" in done.stderr
    assert lock.read_text() == UV
    assert os.listdir(tmp_path) == ["uv.lock"]


def test_what_an_earlier_pack_put_there_stays_where_something_is_missing(config: str, tmp_path: Path) -> None:
    """It may be the very thing, and the line is down. What is missed is told though nothing could be written."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("alpha", "beta"):
        (folder / f"{name}-1.0.tar.gz").write_bytes(make_sdist(name, "1.0")[1])
        # What was written just now may still be being copied, and is not shown yet.
        os.utime(folder / f"{name}-1.0.tar.gz", (1, 1))
    (tmp_path / "c.ini").write_text("[daemon]\ndata = var\nindex = mine\n[index:mine]\nuse = directory\npath = folder\n")
    stick = tmp_path / "stick"
    words = ["pack", "-c", config, "--python", "3.12", "--platform", "linux", "--into", str(stick)]

    def packed(text: str) -> tuple[Any, set[str]]:
        (tmp_path / "r.txt").write_text(text)
        done = ordered(*words, str(tmp_path / "r.txt"))
        return done, {entry.name.partition("-")[0] for entry in (stick / "files").iterdir() if entry.name != MARKER}

    hashed = [
        f"{name}==1.0 --hash=sha256:{hashlib.sha256((folder / f'{name}-1.0.tar.gz').read_bytes()).hexdigest()}\n"
        for name in ("alpha", "beta")
    ]
    assert packed("".join(hashed))[0].returncode == 0
    done, there = packed(f"{hashed[0]}nowhere==1 --hash=sha256:{'0' * 64}\n")
    assert (done.returncode, there) == (1, {"alpha", "beta"})
    done, there = packed(f"nowhere==1 --hash=sha256:{'0' * 64}\n")
    assert (done.returncode, there) == (1, {"alpha", "beta"})
    assert "  nowhere==1: the index does not have it" in done.stdout
    assert "stays as it is" in done.stderr
