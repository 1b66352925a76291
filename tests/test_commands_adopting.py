"""`pypidaemon adopt`: without a daemon over real stores, and with a pretended one."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.commands import adopting, main
from tests.adopting import put, releases
from tests.orders import ordered
from tests.pretended import ControlSocket

FILES = releases("alpha", "1.0")


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration in a folder of its own, with nothing beside it."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\ndata = var\n[upstream:pypi]\nuse = http\nurl = http://127.0.0.1:9/simple/\n")
    return str(file)


def test_S3_without_a_daemon(config: str, tmp_path: Path) -> None:
    """Each status, and both ways to speak."""
    old = put(tmp_path / "old", FILES)
    command = ("adopt", "--layout", "pypiserver", "-c", config)
    done = ordered(*command, str(old), "--dry-run")
    assert (done.returncode, done.stdout.startswith("2 files"), (tmp_path / "var").exists()) == (0, True, False)
    done = ordered(*command, str(old), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (said["taken"], said["names"], {file["fate"] for file in said["files"]}) == (2, {"alpha": ""}, {"taken"})
    put(old, {"beta-1.0.tar.gz": b"no archive"})
    done = ordered(*command, str(old))
    assert (done.returncode, done.stderr) == (1, "")
    skipped, total = done.stdout.splitlines()
    assert skipped.startswith("skipped beta-1.0.tar.gz: ")
    assert total == "0 files with 0 bytes taken into private; 2 already here, 1 skipped"
    done = ordered(*command, str(old), "--index", "nowhere")
    assert (done.returncode, done.stderr.count("\n"), "known: private" in done.stderr) == (2, 1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        "adopt",
        "adopt DIR",
        "adopt DIR --layout none",
        "adopt DIR --layout z3c --user ada",
        "adopt --layout z3c D\udcff",
        "adopt http://old.example/ --layout simple --password-stdin",
    ],
)
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert "--help\n" in capsys.readouterr().err


class Daemon(ControlSocket):
    """Notes requests with their bodies, and gives the next prepared answer to each."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.orders: list[Any] = []
        self.answers: list[tuple[int, dict[str, Any] | str]] = []
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            self.asked.append(stream.readline().decode().rpartition(" ")[0])
            length = 0
            while head := stream.readline().strip():
                name, _, value = head.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if length:
                self.orders.append(json.loads(stream.read(length)))
        status, answer = self.answers.pop(0)
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body))


@pytest.fixture
def daemon(config: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(adopting, "PAUSE", 0.0)
    pretended = Daemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


def state(*paths: str, running: bool, run: int = 3, **more: Any) -> dict[str, Any]:
    """What a daemon tells, with files of these paths that were skipped."""
    outcomes = [{"path": path, "fate": "skipped", "reason": "no archive"} for path in paths]
    counts = {"taken": 2, "here": 0, "skipped": len(paths), "passed": 0, "bytes": 9, "linked": 0, "asked": 0, "unasked": ""}
    names = {} if running else {"names": {}}
    return {
        "run": run,
        "running": running,
        "error": None,
        "outcomes": outcomes,
        "untold": 0,
        "index": "private",
        "dry_run": False,
        **counts,
        **names,
        **more,
    }


def test_a_running_daemon_does_it_and_what_it_says_is_told_as_it_comes(
    config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers = [(200, state(running=True)), (200, state("a", "b", running=True)), (200, state("c", running=False))]
    monkeypatch.chdir(Path(config).parent)
    assert main(["adopt", "--layout", "z3c", "old", "--dry-run", "--copy", "--offline", "--owner", "ada", "-c", config]) == 1
    assert daemon.asked == ["POST /adopt", "GET /adopt?after=0", "GET /adopt?after=2"]
    order = daemon.orders[0]
    assert (order["source"], order["rehearsal"], order["copy"], order["unasked"], order["owner"]) == (
        str(Path(config).parent / "old"), True, True, True, "ada",
    )  # fmt: skip
    assert capsys.readouterr().out == (
        "skipped a: no archive\nskipped b: no archive\nskipped c: no archive\n"
        "2 files with 9 bytes taken into private; 0 already here, 1 skipped\n"
    )
    daemon.answers = [(200, state(running=False))]
    assert main(["adopt", "--layout", "z3c", "old", "-c", config, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["files"], said["taken"], {"run", "error", "untold"} & set(said)) == ([], 2, set())
    daemon.answers = [(200, state(running=False, untold=7))]
    assert main(["adopt", "--layout", "z3c", "old", "-c", config, "--json"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["untold"], "what became of 7 of these things is not told" in err) == (7, True)


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ([(400, "an adoption is under way already\nrequest id: 1\n")], 1, "an adoption is under way already"),
        ([(404, "there is no layout x\nrequest id: 1\n")], 2, "there is no layout x"),
        ([(200, state(running=False, error="/old: Permission denied"))], 1, "/old: Permission denied"),
        (
            [(200, state(running=True)), (200, state(running=True, run=4))],
            1,
            "the daemon stopped before everything was adopted; say it again for the rest",
        ),
    ],
)
def test_what_keeps_a_daemon_from_it_is_said(
    config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str], answers: list[Any], status: int, words: str
) -> None:
    daemon.answers = answers
    assert main(["adopt", "--layout", "z3c", "/old", "-c", config]) == status
    assert capsys.readouterr().err == f"pypidaemon: {words}\n"


def test_json_that_was_begun_is_ended(config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers = [(200, state("a", running=True)), (200, state("b", running=False, error="no room"))]
    assert main(["adopt", "--layout", "z3c", "/old", "-c", config, "--json"]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert ([file["path"] for file in told["files"]], told["error"], said.err) == (["a", "b"], "no room", "pypidaemon: no room\n")


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
    daemon.answers = [(200, state(running=True, bytes=3 << 20)), (200, state(running=False))]
    assert main(["adopt", "--layout", "z3c", "/old", "-c", config]) == 0
    assert written == ["\r2 taken, 0 already here, 0 skipped, 3.0 MiB\x1b[K", "\r\x1b[K"]
