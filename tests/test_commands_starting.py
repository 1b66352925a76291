"""`pypidaemon init`: a configuration to begin with, by answers, by options or by defaults."""

from __future__ import annotations

import io
import json
import os
import resource
import stat
from pathlib import Path

import pytest

from pypidaemon.assembly import plan
from pypidaemon.commands import main
from pypidaemon.commands.kinds import KINDS, Kind, listening
from pypidaemon.tap import rehearse

ROOT = Path(__file__).parents[1]
SINGLE, SERVER = KINDS[0], KINDS[1]
LOOPBACK = "tcp:3141:interface=127.0.0.1"


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def nobody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test says so."""
    monkeypatch.delenv("PYPIDAEMON_CONFIG", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


def typed(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(words))


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_kind_can_be_run(kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every part of it is made as the daemon would make it; nothing else is said by options than where things lie and where to listen."""
    file = tmp_path / "etc" / "c.ini"
    assert main(["init", str(file), "--kind", kind.name, "--data", str(tmp_path / "50%"), "--listen", "127.0.0.1:8080"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"wrote {file}"
    assert said[-1] == f"next: pypidaemon check -c {file}, and then pypidaemon run -c {file}"
    found = plan(str(file))
    assert (found.data, found.daemon.listen) == (tmp_path / "50%", ("tcp:8080:interface=127.0.0.1",))
    rehearse(found)
    # What has to be replaced is there to be replaced.
    for word in kind.examples.replace(" and ", ", ").split(", "):
        assert not word or word in file.read_text() or word.startswith("the projects")


@pytest.mark.parametrize("kind", KINDS[1:], ids=[kind.name for kind in KINDS[1:]])
def test_each_kind_is_the_file_that_ships(kind: Kind, tmp_path: Path) -> None:
    """Whoever changes the one changes the other: copy etc/KIND.ini to pypidaemon/commands/kinds/."""
    assert kind.text() == (ROOT / "etc" / f"{kind.name}.ini").read_text("utf-8")
    file = tmp_path / "c.ini"
    assert main(["init", str(file), "--kind", kind.name]) == 0
    assert file.read_text("utf-8").endswith(kind.text())
    assert f"data = {kind.data}\n" in kind.text()
    assert f"listen = {kind.listen}\n" in kind.text()


def test_without_a_word_it_is_the_default_and_overwrites_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its data folder goes by where the file stands."""
    file = tmp_path / "new" / "etc" / "c.ini"
    assert main(["init", str(file)]) == 0
    found = plan(str(file))
    assert (found.data, found.daemon.listen, found.daemon.uploads) == (tmp_path / "new" / "var", (LOOPBACK,), "private")
    before = file.read_text()
    capsys.readouterr()
    assert main(["init", str(file), "--kind", "netbook"]) == 1
    said = capsys.readouterr().err
    assert (said.count("\n"), "--force" in said) == (1, True)
    assert file.read_text() == before
    assert main(["init", str(file), "--kind", "netbook", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "kind": "netbook", "backup": f"{file}.bak"}
    assert Path(f"{file}.bak").read_text() == before
    assert plan(str(file)).index == "index:pypi"


def test_it_prints_what_it_would_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where `-` is the file; with no path of this machine in it."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "-"]) == 0
    text = capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in text
    (tmp_path / "c.ini").write_text(text)
    assert plan("c.ini").index == "index:root"
    assert main(["init", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": None, "kind": "single", "text": text}


def test_three_questions_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By number or by name; what they offer is what an empty answer means."""
    file = tmp_path / "c.ini"
    typed(monkeypatch, "2\n/srv/50%\n8080\n")
    assert main(["init", "-c", str(file)]) == 0
    asked = capsys.readouterr().err
    assert all(kind.name in asked and kind.what in asked for kind in KINDS)
    assert (asked.count("]: "), "[/var/lib/pypidaemon]" in asked, "[tcp:3141]" in asked) == (3, True, True)
    found = plan(str(file))
    assert (str(found.data), found.daemon.listen) == ("/srv/50%", ("tcp:8080",))
    # What was said of the kind's own address is not said of another.
    assert "Every interface" not in file.read_text()
    typed(monkeypatch, "\n\n\n")
    assert main(["init", "-"]) == 0
    said = capsys.readouterr()
    assert ("[var]" in said.err, f"[{LOOPBACK}]" in said.err, "# data = var\n" in said.out) == (True, True, True)
    typed(monkeypatch, "netbook\n")
    assert main(["init", "-", "--data", "here", "--listen", "81"]) == 0
    said = capsys.readouterr()
    assert (said.err.count("]: "), "data = here\n" in said.out, "listen = tcp:81:interface=127.0.0.1\n" in said.out) == (1, True, True)


@pytest.mark.parametrize("words", ["7\n", "mainframe\n", "\n\nnowhere\n", "\n\n70000\n", "\na\x07b\n"])
def test_nothing_is_written_after_a_bad_answer_that_was_the_last(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that would be refused is no beginning."""
    typed(monkeypatch, words)
    assert main(["init", str(tmp_path / "c.ini")]) == 1
    assert capsys.readouterr().err.rpartition("]: ")[2].startswith("pypidaemon: ")
    assert not (tmp_path / "c.ini").exists()


def test_a_bad_answer_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was wrong, and without the ones before it."""
    typed(monkeypatch, "mainframe\nhome-server\nnowhere\n70000\n8080\n")
    assert main(["init", str(tmp_path / "c.ini"), "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert (said.count("Number or name"), said.count("where else to listen"), said.count("Folder")) == (2, 3, 0)
    assert "there is no kind 'mainframe'" in said
    assert plan(str(tmp_path / "c.ini")).daemon.listen == ("tcp:8080",)


@pytest.mark.parametrize("words", [["--kind", "mainframe"], ["--listen", "nowhere"], ["--data", ""], ["--data", "a\nb"]])
def test_wrong_usage_is_status_2(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And one line."""
    assert main(["init", str(tmp_path / "c.ini"), *words]) == 2
    said = capsys.readouterr().err
    assert (said.count("\n"), "--help" in said) == (1, True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("said", "kind", "found"),
    [
        ("8080", SINGLE, "tcp:8080:interface=127.0.0.1"),
        ("8080", SERVER, "tcp:8080"),
        ("127.0.0.1:80", SERVER, "tcp:80:interface=127.0.0.1"),
        ("localhost:80", SERVER, "tcp:80:interface=127.0.0.1"),
        ("0.0.0.0:80", SINGLE, "tcp:80"),
        ("[::1]:80", SINGLE, r"tcp6:80:interface=\:\:1"),
        (" tcp:80\n unix:/x ", SINGLE, "tcp:80 unix:/x"),
    ],
)
def test_where_to_listen_as_people_say_it(said: str, kind: Kind, found: str) -> None:
    """And as the configuration has it."""
    assert listening(said, kind) == found


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With either way of writing."""
    (tmp_path / "file").touch()
    for more in ([], ["--force"]):
        assert main(["init", str(tmp_path / "file" / "c.ini"), *more]) == 1
        assert capsys.readouterr().err.startswith("pypidaemon: cannot write ")


def test_the_file_is_for_everybody_to_read(tmp_path: Path) -> None:
    """It has no secret, and the daemon may be another user."""
    for more in ([], ["--force"]):
        assert main(["init", str(tmp_path / "c.ini"), *more]) == 0
        assert stat.S_IMODE((tmp_path / "c.ini").stat().st_mode) == 0o644


def test_a_file_that_could_not_be_written_whole_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or half of one would be refused as there the next time."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        status = main(["init", str(tmp_path / "c.ini")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (status, os.listdir(tmp_path)) == (1, [])
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\n[daemon]", "\udcff.ini", "a" * 300])
def test_a_name_that_no_line_can_say_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the file's first line has it, and so has what is told."""
    assert main(["init", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert os.listdir(tmp_path) == []
