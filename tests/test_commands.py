"""The command line, without a daemon and with a pretended one."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from pypidaemon import __version__
from pypidaemon.commands import MODULES, _parser, control, main
from pypidaemon.errors import PypidaemonError
from tests.orders import ordered
from tests.pretended import ControlSocket

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration in a folder of its own."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\ndata = var\n[upstream:pypi]\nuse = tests.parts:Silent\n")
    return str(file)


class PretendedDaemon(ControlSocket):
    """Notes what is asked, and gives one prepared answer to each."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.asked: list[str] = []
        self._answer = answer
        super().__init__(path)

    def attend(self, connection: socket.socket) -> None:
        if head := connection.recv(65536).decode():
            self.asked.append(head.splitlines()[0])
            connection.sendall(self._answer)


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)


@pytest.fixture
def daemon(config: str) -> Iterator[PretendedDaemon]:
    """A daemon that has refreshed three, and says so to anything."""
    pretended = PretendedDaemon(
        Path(config).parent / "var" / "control.sock",
        answer(b'{"refreshed": 3, "projects": {"foo-bar": 3, "baz": 0}, "version": "9", "upstreams": {"pypi": {"state": "up"}}}'),
    )
    yield pretended
    pretended.close()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Both end well."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pypidaemon {__version__}\n"
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for verb in ("run", "check", "status", "init", "refresh"):
        assert verb in said


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "the following arguments are required: VERB; see pypidaemon --help"),
        (["fly"], "there is no verb 'fly'; see pypidaemon --help"),
        (["stauts"], "there is no verb 'stauts'; did you mean status?; see pypidaemon --help"),
        (["cache", "lst"], "there is no verb 'lst'; did you mean ls?; see pypidaemon cache --help"),
        (["check", "--jsn"], "unrecognized arguments: --jsn; did you mean --json?; see pypidaemon check --help"),
        (["refresh"], "name projects or say --all, and not both; see pypidaemon refresh --help"),
        (["init", "a", "b"], "unrecognized arguments: b; see pypidaemon init --help"),
        (["refresh", "--all", "x"], "name projects or say --all, and not both; see pypidaemon refresh --help"),
        (["refresh", "a/b"], "see pypidaemon refresh --help"),
    ],
)
def test_wrong_usage_is_status_2(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And one line on standard error, which names the next step."""
    assert main(argv) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.endswith(f"{line}\n")
    assert main([*argv, "--json"]) == 2
    assert "error" in json.loads(capsys.readouterr().out)


def test_without_a_configuration_every_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From another folder than the usual one; and how to come to one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYPIDAEMON_CONFIG", raising=False)
    monkeypatch.setattr("pypidaemon.commands.speech.PLACES", places := ("etc/config.ini", str(tmp_path / "system.ini")))
    monkeypatch.setattr("pypidaemon.configuration.PLACES", places)
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in (str(tmp_path), *places, "-c FILE", "$PYPIDAEMON_CONFIG", "pypidaemon init"):
        assert word in said
    (tmp_path / "system.ini").write_text("[daemon]\n")
    assert main(["status"]) == 1
    assert "no daemon is running on the data folder" in capsys.readouterr().err


def test_check_prints_what_the_file_comes_to(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As text that is itself a configuration, or as JSON."""
    assert main(["check", "-c", config]) == 0
    text = capsys.readouterr().out
    assert "[index:pypi]\nuse = proxy\n" in text
    assert main(["check", "-c", config, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sections"]["upstream:pypi"]["use"] == "tests.parts:Silent"


def test_F72_check_finds_what_would_keep_the_daemon_from_being_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not only what the file says, but also whether the parts can be made of it."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\nindex = i\n[index:i]\nuse = proxy\nupstream = u\n[upstream:u]\nuse = pypi\nca-file = none.pem\n")
    assert main(["check", "-c", str(file)]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "[upstream:u]" in said.err
    assert "ca-file" in said.err
    assert "cannot be read as certificates" in said.err


def test_F72_a_fault_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same line that twistd gives, for every verb; as JSON too where that is wanted."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\nlissen = x\n")
    for verb in (["check"], ["run"], ["status"], ["refresh", "x"]):
        assert main([*verb, "-c", str(file)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"pypidaemon: {file} [daemon] lissen: unknown key")
        assert said.err.count("\n") == 1
        assert main([*verb, "-c", str(file), "--json"]) == 1
        said = capsys.readouterr()
        assert said.out.count("\n") == 1
        assert "unknown key" in json.loads(said.out)["error"]


def test_the_environment_names_the_file(config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As for twistd."""
    monkeypatch.setenv("PYPIDAEMON_CONFIG", config)
    assert main(["check"]) == 0
    assert config in capsys.readouterr().out


def test_status_without_a_daemon_is_one_line_and_status_1(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is made by looking."""
    assert main(["status", "-c", config]) == 1
    assert capsys.readouterr().err == f"pypidaemon: no daemon is running on the data folder {Path(config).parent}/var\n"
    assert not (Path(config).parent / "var").exists()


def test_status_asks_the_daemon(config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints what it says, for people or as it is."""
    assert main(["status", "-c", config]) == 0
    folder = Path(config).parent
    assert capsys.readouterr().out.splitlines() == [
        "pypidaemon 9",
        "  address        http://127.0.0.1:3141/ (tcp:3141:interface=127.0.0.1)",
        f"  configuration  {config}",
        f"  data folder    {folder}/var",
        "upstreams",
        "  pypi  up",
    ]
    assert main(["status", "-c", config, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["version"], said["data"], said["address"]) == ("9", f"{folder}/var", "http://127.0.0.1:3141/")
    assert daemon.asked == ["GET /status HTTP/1.1"] * 2


def test_refresh_goes_through_a_running_daemon(config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    """Which has answers in memory that must go, too. Names are normalised, and one that nothing is remembered of is status 1."""
    assert main(["refresh", "-c", config, "Foo.Bar", "baz"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "foo-bar: will be asked for again with the next request",
        "baz: nothing is remembered of it, so there is nothing to refresh",
    ]
    assert main(["refresh", "-c", config, "foo-bar"]) == 0
    assert main(["refresh", "-c", config, "--all"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["3 remembered answers will be asked for again with the next requests"]
    assert main(["refresh", "-c", config, "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["refreshed"] == 3
    asked = ["name=foo-bar&name=baz", "name=foo-bar", "all=yes", "all=yes"]
    assert daemon.asked == [f"POST /refresh?{query} HTTP/1.1" for query in asked]


def test_refresh_without_a_daemon_or_a_folder_has_nothing_to_do(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And makes none."""
    assert main(["refresh", "-c", config, "--all"]) == 0
    assert capsys.readouterr().out == "0 remembered answers will be asked for again with the next requests\n"
    assert main(["refresh", "-c", config, "foo", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"refreshed": 0, "projects": {"foo": 0}}
    assert not (Path(config).parent / "var").exists()


KEEP = """
import sys
from twisted.internet import task
from pypidaemon.assembly import make, plan, stores
from pypidaemon.model import Remembered
from pypidaemon.services.ordered import OrderedService

async def keep(reactor):
    made = make(plan(sys.argv[1]), reactor)
    running = OrderedService(stores(made))
    running.startService()
    await made.records().pages.keep("pypi", "foo", Remembered(None, reactor.seconds(), reactor.seconds() + 3600))
    print((await made.records().pages.recall("pypi", "foo")).fresh_until > 0)
    await running.stopService()

task.react(keep)
"""


def test_refresh_without_a_daemon_works_on_the_records(config: str) -> None:
    """In other processes, since each uses up a reactor."""
    (Path(config).parent / "var").mkdir(mode=0o700)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", KEEP, config]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)
    done = ordered("refresh", "-c", config, "foo")
    assert (done.stdout, done.stderr, done.returncode) == ("foo: will be asked for again with the next request\n", "", 0)
    done = ordered("refresh", "-c", config, "bar")
    assert "nothing is remembered" in done.stdout
    assert (done.stderr, done.returncode) == ("", 1)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(b"say name=PROJECT\nor all=yes", b"400 Bad Request"), "^say name=PROJECT or all=yes$"),
        (answer(b"there is no user\n nobody\nrequest id: b4918ef3f0e9babd\n", b"404 Oh"), "^there is no user nobody$"),
        (answer(b"", b"404 Oh"), "^the daemon refuses: Oh$"),
        (answer(b"internal error\nrequest id: b49\n", b"500 Oh"), "^the daemon failed: internal error; its log has more about request -$"),
        (answer(b"", b"500 Oh"), "^the daemon failed: Oh; its log"),
        (answer(b"[1]"), "cannot be read"),
        (answer(b"{"), "cannot be read"),
        (b"nonsense\r\n\r\n", "cannot talk to the daemon"),
        (b"", "cannot talk to the daemon"),
    ],
)
def test_whatever_the_daemon_says_the_client_says_one_line(tmp_path: Path, said: bytes, words: str) -> None:
    """It may be of another version, or about to stop."""
    pretended = PretendedDaemon(tmp_path / "var" / "control.sock", said)
    try:
        with pytest.raises(PypidaemonError, match=words) as caught:
            control.ask(tmp_path / "var" / "control.sock", "GET", "/status")
        assert "\n" not in str(caught.value)
    finally:
        pretended.close()


def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """The kernel takes the connection; nobody ever reads it."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        with pytest.raises(PypidaemonError, match="does not answer within"):
            control.ask(tmp_path / "s", "GET", "/status", patience=0.05)


def test_a_socket_nobody_listens_on_is_no_daemon(tmp_path: Path) -> None:
    """A killed daemon leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    with pytest.raises(control.NotRunning):
        control.ask(tmp_path / "s", "GET", "/status")


def test_a_reader_who_has_seen_enough_causes_no_noise(config: str) -> None:
    """As in `pypidaemon check | head -1`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pypidaemon", "check", "-c", config], stdout=writing, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@contextlib.contextmanager
def running(config: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon in the foreground, in another process, which does not outlive the test."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-m", "pypidaemon", "run", "-c", config, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("words", [["completion", "bash"], ["status", "--json"]])
def test_an_output_that_takes_nothing_is_one_line(words: list[str], config: str) -> None:
    """As a disk that is full has it, when it is written and when it is flushed."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pypidaemon", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYPIDAEMON_CONFIG": config, "PYTHONPATH": str(ROOT)},
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "pypidaemon: cannot write to standard output: No space left on device")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_what_a_terminal_cannot_show_is_said_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of files may be any bytes."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr("sys.stdout", shown)
    assert main(["client", "pip", "--write", "--url", "http://index.example/", "--file", f"{tmp_path}/\u00e4\udcff"]) == 0
    assert shown.buffer.getvalue().startswith(b"wrote " + os.fsencode(tmp_path) + b"/\\xe4\\udcff\n")  # type: ignore[attr-defined]  # it is one of bytes


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_run_says_when_it_answers_and_being_told_to_stop_is_no_failure(config: str, sign: signal.Signals) -> None:
    """One line for each of the three moments, none of Twisted's about sockets, and status 0 in the end."""
    file = Path(config)
    file.write_text(file.read_text().replace("[daemon]\n", "[daemon]\nlisten = tcp:0:interface=127.0.0.1\n"))
    with running(config) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/ ", first)
        assert found is not None, first
        assert first.partition("] ")[2] == (
            f"pypidaemon {__version__} answers at http://127.0.0.1:{found[1]}/ (configuration {config}, data folder {file.parent}/var)\n"
        )
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=30):
            status = control.ask(file.parent / "var" / "control.sock", "GET", "/status")
        assert status["pid"] == process.pid
        process.send_signal(sign)
        rest, complaints = process.communicate(timeout=30)
    lines = [line.partition("] ")[2] for line in rest.splitlines() if "pypidaemon.access" not in line]
    assert lines == [f"{sign.name}: stopping", "stopped"]
    assert (complaints, process.returncode) == ("", 0)
    assert (file.parent / "var").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_run_that_cannot_start_leaves_one_line(config: str, arguments: list[str]) -> None:
    """A bare one on standard error, and a line of JSON on standard output where that is wanted; no log has begun."""
    file = Path(config)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file.write_text(file.read_text().replace("[daemon]\n", f"[daemon]\nlisten = tcp:{port}:interface=127.0.0.1\n"))
        with running(config, *arguments) as process:
            said, complaints = process.communicate(timeout=30)
    line = f"cannot listen on 127.0.0.1 port {port}: Address already in use"
    assert process.returncode == 1
    assert complaints == f"pypidaemon: {line}\n"
    assert said == (json.dumps({"error": line}) + "\n" if arguments else "")


def test_no_verb_takes_others_along() -> None:
    """The daemon is there for months, and what the others are made of would be in memory for as long; and whoever waits for one waits for no other."""
    code = "import sys; from pypidaemon.commands import main; main(sys.argv[1:]); print(*sorted(sys.modules))"

    def loaded(*arguments: str) -> set[str]:
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True)
        return {name.removeprefix("pypidaemon.commands.") for name in done.stdout.split() if name.startswith("pypidaemon.")}

    others = {"export", "people", "moving", "verifying", "running", "filling"}
    assert not loaded("run", "--help") & {*others, "syncing", "pypidaemon.archives.zipped", "pypidaemon.records.memory"}
    assert not loaded("sync", "--help") & others
    assert loaded("token", "--help") & others == {"people"}
    assert not loaded("--version") & MODULES.keys()
    assert MODULES.keys() <= loaded("--help")


def test_each_verb_is_looked_for_in_the_module_that_has_it() -> None:
    for module, verbs in MODULES.items():
        group = argparse.ArgumentParser().add_subparsers()
        import_module(f"pypidaemon.commands.{module}").add(group, argparse.ArgumentParser(add_help=False))
        assert tuple(group.choices) == verbs
        for verb in verbs:
            with pytest.raises(SystemExit):
                _parser(verb).parse_args([verb, "--help"])


def test_status_of_a_daemon_whose_configuration_is_right_no_more(
    config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is as well as it was, and that it could not be started again is said beside it."""
    with open(config, "a", encoding="utf-8") as file:
        file.write("[policy:mine]\nuse = requirements\nfiles = uv.lock\n")
    assert main(["status", "-c", config]) == 0
    said = capsys.readouterr().out
    assert "not usable" in said
    assert "uv.lock" in said
    assert main(["refresh", "-c", config, "foo-bar"]) == 0


def test_what_a_lock_passes_over_is_told_by_check_alone(config: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not by every verb that reads the configuration."""
    with open(config, "a", encoding="utf-8") as file:
        file.write("[policy:mine]\nuse = requirements\nfiles = uv.lock\n")
    package = '[[package]]\nname = "{}"\nversion = "1"\nsource = {{ {} }}\n'
    (Path(config).parent / "uv.lock").write_text(
        "version = 1\n" + package.format("trip", 'virtual = "."') + package.format("side", 'editable = "side"')
    )
    assert main(["rulings", "-c", config]) == 0
    assert caplog.messages == []
    assert main(["check", "-c", config]) == 0
    assert len(caplog.messages) == 1
    assert "side, which is from 'editable'" in caplog.messages[0]
