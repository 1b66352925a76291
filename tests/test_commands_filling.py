"""`pypidaemon sync` with a pretended daemon, and what it prints of a run."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.commands import filling, main
from pypidaemon.commands.progress import Progress
from pypidaemon.commands.reporting import report
from pypidaemon.errors import PypidaemonError
from pypidaemon.waits import Bell
from tests.gear import later, now
from tests.pretended import ControlSocket

INI = """
[daemon]
index = mirror
data = var
[index:mirror]
use = mirror
[service:nightly]
use = mirroring
index = mirror
projects = alpha
"""
UPSTREAM = """
[upstream:pypi]
use = http
url = http://127.0.0.1:9/simple/
proxy = none
"""
ENDED = {"complete": True, "ended": True, "outcome": "complete (1 project looked at)", "errors": [], "absent": [], "looked": 1}


class Pretended(ControlSocket):
    """Says that a run was begun, then that it goes on, then how it ended."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.ended: dict[str, Any] = dict(ENDED)
        self.looks = 0
        self.forgets = False
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        """As `ControlSocket`."""
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().rpartition(" ")[0]
            while stream.readline().strip():
                pass
        self.asked.append(line)
        answer: dict[str, Any] = {"service": "nightly", "run": 7}
        if line.startswith("GET"):
            self.looks += 1
            goes_on = {"phase": "takes", "looked": 1, "found": 2, "files": 3, "bytes": 4096}
            state = {"running": {"7": goes_on}, "ended": {}} if self.looks == 1 else {"running": {}, "ended": {"7": self.ended}}
            answer = {"services": {"nightly": {"running": {}, "ended": {}} if self.forgets else state}}
        body = json.dumps(answer).encode()
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration with one service, and nothing beside it."""
    place = tmp_path / "c.ini"
    place.write_text(INI)
    return str(place)


@pytest.fixture
def daemon(config: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """One that listens for it; nobody waits between two questions."""
    monkeypatch.setattr(filling, "PAUSE", 0.0)
    pretended = Pretended(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


def test_the_daemon_is_told_and_asked_until_the_run_has_ended(config: str, daemon: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    """Its end is printed, and where all went well the exit status is 0."""
    assert main(["sync", "-c", config]) == 0
    assert daemon.asked == ["POST /sync", "GET /sync", "GET /sync"]
    assert capsys.readouterr().out == "nightly: complete (1 project looked at)\n"


def test_a_run_without_a_daemon_is_over_when_it_has_ended() -> None:
    """Nobody waits for the next look at how far it is."""
    bell, ended = Bell(), dict[str, Any]()

    class Service:
        async def state(self) -> dict[str, Any]:
            return {"running": {} if ended else {"7": {}}, "ended": ended}

        async def over(self, number: int) -> None:
            await bell.wait()

    clock = Clock()
    service: Any = Service()
    waiting = later(filling._ended(service, 7, Progress(shown=False, stream=io.StringIO()), clock))
    clock.advance(filling.PAUSE)
    assert not waiting.called
    ended["7"] = ENDED
    bell.ring()
    assert now(waiting) == ENDED
    assert clock.getDelayedCalls() == []


def test_M20_quiet_prints_nothing_on_success_and_json_parses(config: str, daemon: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not complete is printed all the same."""
    assert main(["sync", "-q", "-c", config]) == 0
    assert capsys.readouterr().out == ""
    assert main(["sync", "--json", "--once", "nightly", "-c", config]) == 0
    assert json.loads(capsys.readouterr().out) == {"service": "nightly", **ENDED}
    daemon.ended |= {
        "complete": False,
        "outcome": "not complete: beta: broken",
        "errors": ["beta: broken", "gamma: too"],
        "absent": ["delta"],
    }
    assert main(["sync", "-q", "-c", config]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "nightly: not complete: beta: broken",
        "  gamma: too",
        "  upstream does not have: delta",
    ]


def test_a_rehearsal_prints_its_plan(config: str, daemon: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    """Or that there is nothing to do."""
    daemon.ended["plan"] = {"take": ["alpha alpha-1.0.tar.gz"], "remove": ["beta: upstream has it no longer"]}
    assert main(["sync", "--dry-run", "-c", config]) == 0
    assert daemon.asked[0] == "POST /sync?rehearsal=yes"
    assert capsys.readouterr().out.splitlines()[:2] == ["would take alpha alpha-1.0.tar.gz", "would remove beta: upstream has it no longer"]
    del daemon.ended["plan"]
    assert main(["sync", "--dry-run", "-c", config]) == 0
    assert capsys.readouterr().out.startswith("nothing would be taken")


def test_one_project(config: str, daemon: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    """In any spelling; a name that can be none is wrong usage, and so is one for a rehearsal."""
    assert main(["sync", "--project", "Al_pha", "-c", config]) == 0
    assert daemon.asked[0] == "POST /sync?project=al-pha"
    assert main(["sync", "--project", "-", "-c", config]) == 2
    assert main(["sync", "--project", "alpha", "--dry-run", "-c", config]) == 2


def test_a_service_that_there_is_not(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that there are are named."""
    assert main(["sync", "weekly", "-c", config]) == 2
    assert capsys.readouterr().err == "pypidaemon: there is no service weekly that fills an index (known: nightly)\n"
    Path(config).write_text("[daemon]\n")
    assert main(["sync", "-c", config]) == 1
    assert capsys.readouterr().err == "pypidaemon: the configuration has no mirroring service\n"


def test_a_daemon_that_was_restarted_meanwhile(config: str, daemon: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    """It knows nothing of the run, and nobody waits for ever."""
    daemon.forgets = True
    assert main(["sync", "-c", config]) == 1
    assert "knows nothing of the run" in capsys.readouterr().err


def test_nobody_waits_for_a_run_that_is_over_without_a_word() -> None:
    """As one that fails before it can note how it ended; one that goes on, or has ended, is another matter."""
    assert filling._answer({"running": {"1": {}}, "ended": {}}, "1", "lost") is None
    assert filling._answer({"running": {}, "ended": {"1": {"complete": True}}}, "1", "lost") == {"complete": True}
    with pytest.raises(PypidaemonError, match="lost"):
        filling._answer({"running": {"2": {}}, "ended": {"3": {}}}, "1", "lost")


def test_how_far_a_run_is_in_words() -> None:
    """Nothing of one that has only begun, of which nothing is known."""
    drawn = io.StringIO()
    bar = Progress(shown=True, stream=drawn, clock=lambda: 0.0, width=lambda: 100)
    filling._show(bar, {})
    filling._show(bar, {"found": 2, "looked": 1, "files": 3, "bytes": 2048})
    assert drawn.getvalue() == "\r[###############               ] 1 of 2 projects, 3 files, 2.0 KiB\x1b[K"


def test_a_status_names_what_waits() -> None:
    """And how far a run is."""
    state = {
        "index": "mirror",
        "projects": 2,
        "serial": 9,
        "outcome": "not complete",
        "tried": "2026-03-01T00:00:00Z",
        "next": "2026-03-01T06:00:00Z",
        "waiting": 2,
        "waits": [{"name": "alpha", "tries": 1, "due": "2026-03-01T00:02:00Z", "reason": "it answers 500"}],
        "running": {"3": {"phase": "takes", "looked": 1, "found": 4}},
    }
    lines = list(report({"services": {"nightly": state}}))
    assert lines[1:] == [
        "services",
        f"  nightly  fills mirror (2 projects, serial 9): not complete, at {state['tried']}; now takes: 1 of 4 projects; next at {state['next']}",
        "    alpha waits until 2026-03-01T00:02:00Z, tried 1 time: it answers 500",
        "    and 1 more waits",
    ]


def test_no_service_at_all(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text("[daemon]\n")
    assert main(["sync", "weekly", "-c", config]) == 1
    assert capsys.readouterr().err == "pypidaemon: the configuration has no mirroring service\n"


def test_without_a_daemon_it_is_done_without_tls_where_nothing_wants_that(tmp_path: Path) -> None:
    """What is wrong with the file is no matter of that, and said by who reads all of it."""
    code = "import sys; from pypidaemon.commands import main; main(sys.argv[1:]); print(*sys.modules)"
    file = tmp_path / "config.ini"
    for text, complaint in (
        (INI.replace("use = mirror\n", "use = mirror\nupstream = pypi\n") + UPSTREAM, ""),
        (INI + "[daemon", "config.ini"),
    ):
        file.write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", code, "sync", "-q", "-c", str(file)], capture_output=True, text=True, timeout=60, check=True
        )
        assert "twisted.internet.endpoints" in done.stdout
        assert ("OpenSSL" in done.stdout.split()) is bool(complaint)
        assert complaint in done.stderr
