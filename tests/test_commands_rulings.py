"""`pypidaemon block`, `exempt`, `rulings`, `who`, `downloads`: without a daemon and with a pretended one."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.commands import main
from pypidaemon.filenames import filename
from pypidaemon.model import Digest, Fetch, NormalizedName
from pypidaemon.services.folder import DataFolder
from tests.gear import now
from tests.pretended import ControlSocket
from tests.records_gear import sqlite_records
from tests.test_commands_people import PretendedDaemon, run

INI = "[daemon]\ndata = var\n[records:records]\nuse = sqlite\npath = var/records.sqlite\n[blobs:blobs]\nuse = directory\npath = var/blobs\n"
DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration with nothing beside it."""
    place = tmp_path / "c.ini"
    place.write_text(INI)
    return str(place)


@pytest.fixture
def daemon(config: str) -> Iterator[PretendedDaemon]:
    pretended = PretendedDaemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


def test_blocks_and_exemptions_without_a_daemon(config: str, tmp_path: Path) -> None:
    """A whole story, from before the first start: each verb works on what the others left, and all of it is in the log."""
    assert run(config, "rulings") == "nothing is blocked or exempt\n"
    assert run(config, "who", "alpha") == "nobody is on record as having taken it\n"
    assert not (tmp_path / "var").exists()
    said = run(config, "block", "Alpha==1.0", "--reason", "it steals\nkeys")
    assert said == "alpha==1 is blocked; nobody is on record as having taken it\n"
    assert run(config, "exempt", "beta", "--for", "24h", "--reason", "the fix").startswith("beta is exempt from waiting until 20")
    listed = json.loads(run(config, "rulings", "--json"))["rulings"]
    assert [(one["kind"], one["target"], one["reason"], one["account"]) for one in listed] == [
        ("block", "alpha==1", "it steals keys", "(operator)"),
        ("exempt", "beta", "the fix", "(operator)"),
    ]
    lines = run(config, "rulings").splitlines()
    assert lines[0].startswith("block alpha==1 (operator) 20")
    assert lines[0].endswith("Z: it steals keys")
    assert " until " in lines[1]
    assert run(config, "unblock", "alpha", status=1) == "pypidaemon: alpha is not blocked; what is blocked: alpha==1\n"
    assert run(config, "unblock", "alpha==1.0.0") == "alpha==1 is blocked no longer\n"
    assert json.loads(run(config, "unexempt", "beta", "--json"))["target"] == "beta"
    rows = json.loads(run(config, "log", "--json"))["log"]
    assert [(row["action"], row["subject"], row["done"]) for row in rows] == [
        ("block", "alpha==1", True),
        ("exempt", "beta", True),
        ("unblock", "alpha", False),
        ("unblock", "alpha==1", True),
        ("unexempt", "beta", True),
    ]


WRITING = (
    "block alpha --reason bad",
    "unexempt alpha",
    "user add ann",
    "grant ann read private",
    "yank alpha==1.0 --reason x",
    "refresh --all",
    "verify --repair",
)


@pytest.mark.parametrize("arguments", WRITING)
def test_no_verb_writes_past_a_daemon_that_does_not_listen(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    """It would say that something is blocked which the daemon goes on serving. What only reads goes on."""
    folder = DataFolder(tmp_path / "var")
    folder.startService()
    assert main([*arguments.split(), "-c", config]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "but its control socket is not there: nothing was changed" in said.err
    folder.stopService()
    assert not (tmp_path / "var" / "records.sqlite").exists()


def test_what_only_reads_does_so_past_a_daemon_that_does_not_listen(config: str, tmp_path: Path) -> None:
    run(config, "block", "alpha", "--reason", "x")
    folder = DataFolder(tmp_path / "var")
    folder.startService()
    assert run(config, "rulings").startswith("block alpha ")
    run(config, "user", "ls")
    run(config, "who", "alpha")
    run(config, "downloads")
    run(config, "log")
    run(config, "verify")
    folder.stopService()


def test_who_is_asked_of_the_records_without_a_daemon(config: str, tmp_path: Path) -> None:
    clock = Clock()
    clock.advance(1_780_000_000.0)
    (tmp_path / "var").mkdir(mode=0o700)
    records = sqlite_records(tmp_path / "var" / "records.sqlite", clock)
    records.startService()
    for account, version in (("", "1"), ("ann", "2")):
        name = filename(f"alpha-{version}.0.tar.gz")
        fetch = Fetch(clock.seconds(), account, "192.0.2.7", "pip/26.3", "pypi", NormalizedName("alpha"), version, name, Digest(DIGEST))
        now(records.fetches.note(fetch))
    now(records.stopService())
    line = f"2026-05-28T20:26:40Z - 192.0.2.7 pip/26.3 pypi alpha-1.0.tar.gz sha256:{DIGEST}\n"
    assert run(config, "who", "alpha==1.0") == line
    assert run(config, "who", f"sha256:{DIGEST.upper()}").splitlines()[1].split()[1] == "ann"
    assert run(config, "who", "alpha", "--since", "1s") == "nobody is on record as having taken it\n"
    assert run(config, "downloads", "--account", "") == line
    assert json.loads(run(config, "downloads", "--account", "ann", "--address", "192.0.2.7", "--json"))["fetches"][0]["version"] == "2"
    assert run(config, "downloads", "--since", "1s") == "nothing is on record as having been taken\n"
    assert (
        run(config, "block", "alpha==2.0", "--reason", "x") == "alpha==2 is blocked\n1 fetch of it is on record: pypidaemon who alpha==2\n"
    )
    assert "2 fetches of it are on record: pypidaemon who alpha\n" in run(config, "block", "alpha", "--reason", "x")


@pytest.mark.parametrize(
    "story",
    [
        ("block Alpha==1.0 --reason bad", "block", {"target": "alpha==1", "reason": "bad"}, "is blocked"),
        (f"block sha256:{DIGEST} --reason bad", "block", {"target": f"sha256:{DIGEST}", "reason": "bad"}, "is blocked"),
        ("unblock alpha", "unblock", {"target": "alpha"}, "is blocked no longer"),
        ("exempt alpha --reason fix", "exempt", {"target": "alpha", "reason": "fix", "for": "7d"}, "is exempt from waiting until then"),
        (
            "exempt alpha --for 24h --reason x",
            "exempt",
            {"target": "alpha", "reason": "x", "for": "24h"},
            "is exempt from waiting until then",
        ),
        ("unexempt alpha", "unexempt", {"target": "alpha"}, "is exempt no longer"),
    ],
)
def test_a_running_daemon_does_it(
    config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str], story: tuple[str, str, dict[str, Any], str]
) -> None:
    """It gets exactly this, and what it answers is said."""
    arguments, verb, fields, said = story
    answer = {"target": fields["target"], "kind": "block", "reason": "bad", "until": "then", "fetched": None}
    daemon.answers = [(200, answer), (200, answer), (403, "you may not\nrequest id: 1\n")]
    assert main([*arguments.split(), "-c", config]) == 0
    assert capsys.readouterr().out == f"{fields['target']} {said}\n"
    assert main([*arguments.split(), "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert main([*arguments.split(), "-c", config]) == 1
    assert "you may not" in capsys.readouterr().err
    assert daemon.asked == [(f"POST /rulings/{verb}", fields)] * 3


@pytest.mark.parametrize(
    "arguments",
    [
        "block",
        "block alpha",
        "block a/b --reason x",
        "block alpha== --reason x",
        "block sha256:12 --reason x",
        "exempt alpha",
        "exempt alpha --for soon --reason x",
        "unblock alpha --reason x",
        "rulings alpha",
        "who",
        "who a/b",
        "who alpha --since soon",
        "downloads --since soon",
        "downloads alpha",
        "downloads --account a\udcff",
        "downloads --address a\udcff",
    ],
)
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert "--help\n" in capsys.readouterr().err


def test_wrong_usage_that_is_ours_is_said_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["block", "alpha", "--reason", " ", "--json"]) == 2
    said = capsys.readouterr()
    assert said.err == "pypidaemon: --reason: must not be empty; see pypidaemon block --help\n"
    assert json.loads(said.out) == {"error": "--reason: must not be empty"}


class Telling(ControlSocket):
    """Answers every request with the same object, and notes what was asked."""

    def __init__(self, path: Path, answer: dict[str, Any]) -> None:
        self.asked: list[str] = []
        self.answer = json.dumps(answer).encode()
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            self.asked.append(stream.readline().decode().rpartition(" ")[0])
            while stream.readline().strip():
                pass
            connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(self.answer), self.answer))


def test_a_running_daemon_is_asked(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And what a client called itself writes no escapes to a terminal (S59)."""
    row = {"time": "t", "account": "", "address": "", "agent": "x\x1b[2J", "index": "i", "filename": "f", "sha256": None}
    telling = Telling(Path(config).parent / "var" / "control.sock", {"fetches": [row], "complete": False, "rulings": []})
    try:
        assert main(["who", "Alpha==1.0", "--since", "30d", "-c", config]) == 0
        assert main(["downloads", "--since", "30d", "--account", "", "-c", config]) == 0
        assert main(["rulings", "-c", config]) == 0
    finally:
        telling.close()
    said = "(the newest 1 fetches; there are more: say a shorter --since)\nt - - x?[2J i f\n"
    said += f"{said}nothing is blocked or exempt\n"
    assert capsys.readouterr().out == said
    assert telling.asked == ["GET /who?what=alpha%3D%3D1&since=30d", "GET /downloads?since=30d&account=", "GET /rulings"]
