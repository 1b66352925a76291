"""`pypidaemon user`, `grant`, `ungrant`, `group` and `token`: without a daemon and with a pretended one."""

from __future__ import annotations

import getpass
import io
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.commands import main
from tests.orders import ordered
from tests.pretended import ControlSocket

INI = "[daemon]\ndata = var\nrecords = r\n[records:r]\nuse = sqlite\npath = var/records.sqlite\n[blobs:blobs]\nuse = directory\npath = var/blobs\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration in a folder of its own, with nothing beside it."""
    file = tmp_path / "c.ini"
    file.write_text(INI)
    return str(file)


def run(config: str, *arguments: str, stdin: str = "", status: int = 0) -> str:
    """What a verb prints, as a process of its own, since each runs a reactor."""
    done = ordered(*arguments, "-c", config, said=stdin)
    assert done.returncode == status, done.stderr
    # A token's id goes to standard error, so that standard output is the token alone.
    assert bool(done.stderr) == (status != 0 or arguments[:2] == ("token", "add"))
    return done.stderr if status else done.stdout


def test_people_before_the_first_start_of_the_daemon(config: str, tmp_path: Path) -> None:
    """A whole story: the data folder is made as the daemon makes it, and every verb sees what others did."""
    assert run(config, "user", "add", "ann", "--password-stdin", stdin="päss word\n") == "added ann\n"
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / "records.sqlite").stat().st_mode) & 0o077 == 0
    assert run(config, "grant", "ann", "upload", "pypi/Acme_*") == "granted ann upload on pypi/Acme_*\n"
    assert run(config, "group", "add", "staff", "ann") == "ann is now in staff\n"
    token = run(config, "token", "add", "ann", "--scope", "upload", "--project", "acme-*", "--expires", "30d")
    assert token.startswith("pypidaemon-")
    assert token.count("\n") == 1
    listed = json.loads(run(config, "token", "ls", "--json"))["tokens"]
    assert [(one["id"], one["scope"], one["projects"]) for one in listed] == [(token.split("-")[1], "upload", "acme-*")]
    assert run(config, "user", "ls") == "ann\n  groups: staff\n  upload pypi/acme-*\nanonymous\n  list *\n  read *\n"
    assert run(config, "token", "revoke", "-", stdin=token) == f"revoked {token.split('-')[1]}\n"
    assert run(config, "token", "ls") == "there are no tokens\n"
    assert run(config, "ungrant", "ann", "upload", "pypi/acme.*") == "took back ann upload on pypi/acme.*\n"
    assert run(config, "user", "disable", "ann") == "disabled ann\n"
    assert "there is a user ann already" in run(config, "user", "add", "ann", status=1)
    assert run(config, "grant", "ann", "read", "pypi", status=1) == "pypidaemon: the user ann is disabled\n"
    assert "no index pipi (known: private pypi root *)" in run(config, "grant", "anonymous", "read", "pipi", status=1)
    assert run(config, "user", "enable", "ann").startswith("enabled ann")
    assert run(config, "user", "password", "ann", "--password-stdin", stdin="another one\n") == "ann has another password\n"
    assert run(config, "user", "rm", "ann") == "removed ann\n"
    assert run(config, "user", "ls") == "anonymous\n  list *\n  read *\n"
    assert "no user ann" in run(config, "user", "password", "ann", "--password-stdin", stdin="another one\n", status=1)
    for file in (tmp_path / "var").rglob("*"):
        if file.is_file():
            assert "päss word".encode() not in file.read_bytes()
            assert token.strip().rpartition("-")[2].encode() not in file.read_bytes()


class Terminal(io.StringIO):
    """A standard input that somebody sits at."""

    def isatty(self) -> bool:
        return True


class PretendedDaemon(ControlSocket):
    """Notes requests, and gives the next prepared answer to each."""

    def __init__(self, path: Path) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers: list[tuple[int, dict[str, Any] | str]] = []
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().rpartition(" ")[0]
            length = 0
            while (header := stream.readline().strip()) and header:
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            self.asked.append((line, json.loads(stream.read(length))))
            status, answer = self.answers.pop(0)
            body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body))


@pytest.fixture
def daemon(config: str) -> Iterator[PretendedDaemon]:
    pretended = PretendedDaemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


@pytest.mark.parametrize(
    "story",
    [
        ("user add ci", "user/add", {"name": "ci", "password": None}, {"user": "ci", "new": True}, "added ci; without a password"),
        ("user disable ci", "user/disable", {"name": "ci"}, {"user": "ci", "disabled": True, "revoked": 0}, "disabled ci\n"),
        ("user disable ci", "user/disable", {"name": "ci"}, {"user": "ci", "disabled": True, "revoked": 2}, "disabled ci; tokens revoked: 2\n"),
        ("user enable ci", "user/enable", {"name": "ci"}, {"user": "ci", "disabled": False}, "enabled ci; its tokens were revoked"),
        ("user rm ci", "user/rm", {"name": "ci"}, {"user": "ci", "owned": 0}, "removed ci\n"),
        ("user rm ci", "user/rm", {"name": "ci"}, {"user": "ci", "owned": 3}, "removed ci; projects that are nobody's now: 3\n"),
        ("user ls", "user/ls", {}, {"users": [{"name": "a", "disabled": True, "password": False, "groups": [], "grants": []}], "others": {}},
         "a (disabled, no password)\n"),
        ("grant a read *", "grant/add", {"name": "a", "right": "read", "place": "*"}, {"changed": False, "nobody": False}, "was granted already: a read on *\n"),
        ("grant group:g read *", "grant/add", {"name": "group:g", "right": "read", "place": "*"}, {"changed": True, "nobody": True},
         "granted group:g read on *; nobody is in that group yet\n"),
        ("ungrant a read x/y", "grant/remove", {"name": "a", "right": "read", "place": "x/y"}, {"changed": True}, "took back a read on x/y\n"),
        ("group add g a", "group/add", {"group": "g", "name": "a"}, {"changed": False}, "a is already in g\n"),
        ("group remove g a", "group/remove", {"group": "g", "name": "a"}, {"changed": True}, "a is no longer in g\n"),
        ("token add a", "token/add", {"name": "a", "scope": None, "projects": None, "lifetime": None}, {"token": "t", "id": "i"}, "t\n"),
        ("token add a --scope read --project x-* --expires 2h", "token/add",
         {"name": "a", "scope": "read", "projects": "x-*", "lifetime": 7200.0}, {"token": "t", "id": "i"}, "t\n"),
        ("token revoke t", "token/revoke", {"token": "t"}, {"revoked": "i"}, "revoked i\n"),
        ("token ls", "token/ls", {}, {"tokens": [{"id": "i", "account": "a", "scope": "all", "projects": "*", "expires": None, "expired": False, "last_used": None},
                                                {"id": "j", "account": "a", "scope": "read", "projects": "*", "expires": "T", "expired": True, "last_used": None}]},
         "i a scope=all projects=* expires=never last-used=never\nj a scope=read projects=* expires=T (expired) last-used=never\n"),
    ],
)  # fmt: skip
def test_a_running_daemon_does_it(
    config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str], story: tuple[str, str, dict[str, Any], dict[str, Any], str]
) -> None:
    """It gets exactly this, and what it answers is said: as text, or whole as JSON."""
    arguments, path, fields, answer, text = story
    daemon.answers = [(200, answer), (200, answer)]
    assert main([*arguments.split(), "-c", config]) == 0
    assert capsys.readouterr().out.startswith(text)
    assert main([*arguments.split(), "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert daemon.asked == [(f"POST /people/{path}", fields)] * 2


def test_S71_a_password_travels_in_the_body_alone(
    config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is one line of standard input, to its end."""
    read, write = os.pipe()
    os.write(write, "pä ss \r\nmore\n".encode())
    os.close(write)
    with os.fdopen(read, encoding="ascii") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        daemon.answers = [(200, {"user": "ann", "new": True})]
        assert main(["user", "add", "ann", "--password-stdin", "-c", config]) == 0
    assert daemon.asked == [("POST /people/user/add", {"name": "ann", "password": "pä ss "})]
    assert capsys.readouterr().out == "added ann\n"


def test_a_password_is_typed_twice_on_a_terminal(
    config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And two that differ change nothing."""
    typed = iter(["another one", "another one", "another one", "other"])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(typed))
    daemon.answers = [(200, {"user": "ann"})]
    command = ["user", "password", "ann", "--password-stdin", "-c", config]
    assert main(command) == 0
    assert daemon.asked == [("POST /people/user/password", {"name": "ann", "password": "another one"})]
    assert main(command) == 1
    assert "two different passwords" in capsys.readouterr().err


def test_a_tokens_id_is_told_beside_it(config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, since what is caught is the token alone."""
    daemon.answers = [(200, {"token": "t", "id": "i"})]
    assert main(["token", "add", "a", "-c", config]) == 0
    assert capsys.readouterr() == ("t\n", "its id, by which pypidaemon token revoke ends it, is i\n")


def test_what_the_daemon_refuses_is_one_line_and_status_1(config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is then done behind its back."""
    daemon.answers = [(400, "there is no user bob\nrequest id: 1\n")]
    assert main(["token", "add", "bob", "-c", config]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "pypidaemon: there is no user bob\n"
    daemon.answers = [(400, "there is no user bob\nrequest id: 1\n")]
    assert main(["token", "add", "bob", "-c", config, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"error": "there is no user bob"}
    assert not (Path(config).parent / "var" / "records.sqlite").exists()


@pytest.mark.parametrize(
    "arguments",
    ["user", "user fly", "user add", "user password ann", "user rm", "grant ann", "grant ann fly *", "grant ann read", "token add ann --scope admin",
     "token add ann --expires soon", "token add ann --expires 0s", "token revoke", "group add staff", "user ls x"],
)  # fmt: skip
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert "--help\n" in capsys.readouterr().err
