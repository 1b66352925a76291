"""`pypidaemon client`: what a tool has to be told, printed or in its own file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pypidaemon.commands import main
from pypidaemon.commands.telling_clients import TOOLS
from pypidaemon.commands.writing import put, replace
from pypidaemon.errors import PypidaemonError
from pypidaemon.web.views.configurations import configurations
from tests.needs import missing

SERVER = "http://packages.example:3141/"
TOKEN = "pypidaemon-0123"  # none of anybody's
FILES = {
    "pip": ".config/pip/pip.conf",
    "uv": ".config/uv/uv.toml",
    "poetry": "work/pyproject.toml",
    "pdm": "work/pyproject.toml",
    "buildout": ".buildout/default.cfg",
    "twine": ".pypirc",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a project in it, which is where we are."""
    for name in ("XDG_CONFIG_HOME", "PIP_CONFIG_FILE", "UV_CONFIG_FILE", "BUILDOUT_HOME", "PYPIDAEMON_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pyproject.toml").write_text('[project]\nname = "x"  # mine\n')
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, words: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(words)))


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_what_is_written_is_what_the_start_page_shows(tool: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once, with what was there kept, and for nobody else where passwords are; said again nothing changes."""
    file = home / FILES[tool]
    before = file.read_text() if file.exists() else None
    assert main(["client", tool, "--write", "--url", SERVER, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["changed"], (home / "work" / said["file"]).samefile(file)) == (True, True)
    [shown] = [part.text for one in configurations(SERVER, "legacy/") if one.tool.lower() == tool for part in one.parts if part.filed]
    expected = shown.replace("password = TOKEN\n", "")
    text = file.read_text()
    assert text == (f"{before}\n{expected}" if before is not None else expected.replace("tool.uv.", ""))
    assert file.stat().st_mode & 0o777 == (0o600 if tool == "twine" else 0o644)
    assert said["backup"] == (None if before is None else f"{said['file']}.bak")
    if before is not None:
        assert Path(said["backup"]).read_text() == before
    assert main(["client", tool, "--write", "--url", f"{SERVER}simple/", "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["changed"]
    assert file.read_text() == text


def test_every_tool_is_on_the_start_page_and_the_other_way_round() -> None:
    """In the same words."""
    assert {one.tool.lower() for one in configurations(SERVER, "legacy/")} == set(TOOLS) == set(FILES)


@pytest.mark.parametrize(
    ("tool", "line"), [("pip", f"https://__token__:{TOKEN}@packages.example/simple/"), ("twine", f"password = {TOKEN}\n")]
)
def test_a_token_comes_into_no_file_that_others_can_read(
    tool: str, line: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even where that was readable for others before, nor into what is kept of it; and it is not printed."""
    file = home / FILES[tool]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[install]\nuser = yes\n")
    file.chmod(0o644)
    typed(monkeypatch, TOKEN.encode() + b"\n")
    assert main(["client", tool, "--write", "--token-stdin", "--url", "https://packages.example"]) == 0
    assert line in file.read_text()
    assert "[install]\nuser = yes\n" in file.read_text()
    assert [path.stat().st_mode & 0o777 for path in (file, file.with_name(f"{file.name}.bak"))] == [0o600, 0o600]
    assert TOKEN not in capsys.readouterr().out
    file.chmod(0o644)
    typed(monkeypatch, TOKEN.encode() + b"\n")
    assert main(["client", tool, "--write", "--token-stdin", "--url", "https://packages.example"]) == 0
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [b"", b"\n", b"two words\n", b"a\x00b\n"])
def test_what_is_no_token_is_refused(words: bytes, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is written."""
    typed(monkeypatch, words)
    assert main(["client", "pip", "--write", "--token-stdin", "--url", SERVER]) == 1
    assert "no token" in capsys.readouterr().err
    assert not (home / ".config").exists()


@pytest.mark.parametrize(
    ("tool", "before", "line"),
    [
        ("uv", '[[index]]\nname = "b"\nurl = "u"\ndefault = true\n', "another index is the default there already"),
        ("uv", "[[index]\n", "pypidaemon client uv prints what to put there"),
        ("uv", f"x = {'[' * 20_000}{']' * 20_000}\n", "nested too deep"),
        ("pip", "index-url = https://ann:secret@index.example/\n", "line 1 stands before any section; pypidaemon client pip prints what"),
        ("pip", "[global]\n=secret\n", "line 2 is no option"),
        ("pip", "[global]\nsecret\n  more\n", "goes on in the next"),
        ("pip", "[global]\rindex-url = x\n", "carriage returns"),
        ("pip", f"# {'secret ' * 700_000}", "larger than 4 MiB"),
    ],
)
def test_a_file_that_cannot_be_changed_stays(tool: str, before: str, line: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And whoever asked is told what to do, without a word of what stands in it."""
    file = home / FILES[tool]
    file.parent.mkdir(parents=True)
    file.write_text(before)
    assert main(["client", tool, "--write", "--url", SERVER]) == 1
    said = capsys.readouterr().err
    assert (said.count("\n"), line in said, "secret" in said) == (1, True, False)
    assert (file.read_bytes().decode(), os.listdir(file.parent)) == (before, [file.name])


@pytest.mark.parametrize(
    ("tool", "before"),
    [
        ("pip", "[global]\nextra_index_url = https://ann:secret@index.example/\n"),
        ("pip", "[install]\nextra-index-url = https://ann:secret@index.example/\n"),
        ("uv", 'extra-index-url = ["https://ann:secret@b.example/"]\n'),
        ("uv", '[pip]\nextra-index-url = ["https://ann:secret@b.example/"]\n'),
        ("uv", '[[index]]\nname = "b"\nurl = "https://b.example/"\n'),
    ],
)
def test_indexes_beside_ours_are_told_of(tool: str, before: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They stay, since somebody put them there, and a project could come from them."""
    file = home / FILES[tool]
    file.parent.mkdir(parents=True)
    file.write_text(before)
    assert main(["client", tool, "--write", "--url", SERVER]) == 0
    said = capsys.readouterr().out
    assert ("the first that has it" if tool == "uv" else "whichever has the higher version") in said
    assert "secret" not in said
    assert before in file.read_text()


def test_what_twine_knew_without_a_list_it_knows_still(home: Path) -> None:
    """With a list it looks at nothing else."""
    (home / ".pypirc").write_text("[pypi]\nusername = ann\n")
    assert main(["client", "twine", "--write", "--url", SERVER]) == 0
    assert "index-servers = pypi pypidaemon\n" in (home / ".pypirc").read_text()


def test_the_address_is_that_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the index at the root, or of another one with an address; uploads only where they go somewhere."""
    file = tmp_path / "c.ini"
    file.write_text(
        "[daemon]\npublic-url = https://packages.example/py\nindex = pypi\n[index:pypi]\nuse = proxy\n[index:mine]\nuse = private\n"
    )
    assert main(["client", "-c", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["address"] == "https://packages.example/py/"
    assert [one["tool"] for one in said["tools"]] == ["pip", "uv", "poetry", "pdm", "buildout"]
    assert main(["client", "twine", "-c", str(file)]) == 1
    assert "uploads to https://packages.example/py/ are off" in capsys.readouterr().err
    assert main(["client", "twine", "--index", "mine", "-c", str(file)]) == 0
    assert "repository = https://packages.example/py/index/mine/legacy/\n" in capsys.readouterr().out
    assert main(["client", "pip", "--index", "yours", "-c", str(file)]) == 1
    assert "mine pypi" in capsys.readouterr().err
    assert main(["client", "pip", "--login", "-c", str(file)]) == 0
    assert "https://USER:TOKEN@packages.example/py/simple/" in capsys.readouterr().out
    assert main(["client", "pip", "--index", "mine", "--url", "https://b.example/simple"]) == 0
    assert "https://b.example/index/mine/simple/" in capsys.readouterr().out


def test_a_socket_is_no_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it stands behind another server that says nothing of itself."""
    file = tmp_path / "c.ini"
    file.write_text(f"[daemon]\nlisten = unix:{tmp_path}/s\n")
    assert main(["client", "pip", "-c", str(file)]) == 1
    assert "--url" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "client conda",
        "client --write",
        "client pip --file x",
        "client pip --token-stdin",
        "client pip --write --username ann",
        "client twine --write --token-stdin --username secret\nrepository=http://b.example/",
        "client uv --write --token-stdin",
        "client pip --url ftp://x",
        "client pip --url https://ann:secret@packages.example/",
    ],
)
def test_wrong_usage_is_status_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word of what may be a secret."""
    assert main(words.split(" ")) == 2
    assert "secret" not in capsys.readouterr().err


def test_a_project_is_where_one_is(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """None is begun by this; and one is named from anywhere."""
    monkeypatch.chdir(home)
    assert main(["client", "poetry", "--write", "--url", SERVER]) == 1
    assert "--file" in capsys.readouterr().err
    assert main(["client", "uv", "--write", "--url", SERVER, "--file", "work/pyproject.toml"]) == 0
    found = tomllib.loads((home / "work" / "pyproject.toml").read_text())
    assert found["tool"]["uv"]["index"] == [{"name": "pypidaemon", "url": f"{SERVER}simple/", "default": True}]


def test_pip_reads_it(home: Path) -> None:
    """The real one."""
    assert main(["client", "pip", "--write", "--url", SERVER]) == 0
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert {f"global.index-url='{SERVER}simple/'", "global.trusted-host='packages.example'"} <= set(done.stdout.splitlines())


def test_a_link_stays_one_and_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """As in a folder of dotfiles."""
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "link.bak").symlink_to("elsewhere")
    assert put(tmp_path / "link", "new") == tmp_path / "link.bak"
    assert (tmp_path / "link").is_symlink()
    assert ((tmp_path / "real").read_text(), (tmp_path / "link.bak").read_text()) == ("new", "old")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(PypidaemonError, match="cannot write"):
        put(tmp_path / "real" / "below", "x")
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(PypidaemonError, match="no ordinary file"):
            replace(place, b"x", 0o600)
    assert sorted(os.listdir(tmp_path)) == ["link", "link.bak", "pipe", "real"]


def test_what_counts_in_place_of_ours_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What pip reads of a command comes before what it reads of all."""
    (home / "pip.conf").write_text("[install]\nindex-url = https://ann:secret@b.example/\n")
    assert main(["client", "pip", "--write", "--url", SERVER, "--file", str(home / "pip.conf")]) == 0
    said = capsys.readouterr().out
    assert "[install] has an index-url of its own" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "url", ["http://b.example/$(id)", 'http://b.example/a"b', "http://b.example/;id", "http://b.example/a'b", "http://b.example/`id`"]
)
def test_an_address_is_nothing_else_wherever_it_is_pasted(url: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a command to a shell nor the end of a text."""
    assert main(["client", "pip", "--url", url]) == 1
    said = capsys.readouterr()
    assert (said.out, "%XX" in said.err) == ("", True)


def test_a_name_that_looks_like_our_own_words_is_a_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the token comes where it belongs."""
    typed(monkeypatch, b"TOKEN\n")
    assert main(["client", "twine", "--write", "--token-stdin", "--username", "password=TOKEN", "--url", SERVER]) == 0
    assert "\nusername = password=TOKEN\npassword = TOKEN\n" in (home / ".pypirc").read_text()


@pytest.mark.parametrize("verb", [["client", "pip", "--write", "--url", SERVER, "--file"], ["init", "--force"]])
def test_what_is_no_ordinary_file_is_left_alone(verb: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither waited for nor replaced: a pipe, and what programs are pointed at that shall have no file."""
    os.mkfifo(home / "pipe")
    (home / "way").symlink_to("pipe")
    for file in (home / "pipe", home / "way", home, Path(".")):
        before = os.stat(file)
        assert main([*verb, str(file)]) == 1
        said = capsys.readouterr().err
        assert (said.count("\n"), "ordinary" in said or "directory" in said) == (1, True)
        assert os.stat(file).st_ino == before.st_ino
    assert not [name for name in os.listdir(home) if name.endswith(".bak")]


def test_what_somebody_else_writes_meanwhile_stays(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed is waited for first; and what changed behind our back is not undone."""
    file = home / "pip.conf"
    file.write_text("[global]\ntimeout = 1\n")

    class Slow(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            file.write_text("[global]\ntimeout = 2\n")
            return b"token\n"

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Slow()))
    assert main(["client", "pip", "--write", "--token-stdin", "--url", SERVER, "--file", str(file)]) == 0
    assert "timeout = 2\n" in file.read_text()
    with pytest.raises(PypidaemonError, match="somebody else changed it"):
        put(file, "[global]\n", of=b"[global]\ntimeout = 2\n")
    assert "index-url" in file.read_text()


def test_a_backup_overwrites_nothing_by_another_name(tmp_path: Path) -> None:
    """It takes the place of the name alone, and nobody waits for a pipe."""
    (tmp_path / "mine").write_text("old")
    (tmp_path / "dear").write_text("dear")
    os.link(tmp_path / "dear", tmp_path / "mine.bak")
    put(tmp_path / "mine", "new")
    assert ((tmp_path / "dear").read_text(), (tmp_path / "mine.bak").read_text()) == ("dear", "old")
    (tmp_path / "mine.bak").unlink()
    os.mkfifo(tmp_path / "mine.bak")
    put(tmp_path / "mine", "newer")
    assert (tmp_path / "mine.bak").read_text() == "new"


def test_a_file_that_may_only_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although another one could be put in its place."""
    (tmp_path / "mine").write_text("old")
    (tmp_path / "mine").chmod(0o444)
    if os.geteuid() == 0:
        # Root may write everything, so somebody else is pretended.
        monkeypatch.setattr(os, "access", lambda place, _: bool(os.stat(place).st_mode & 0o222))
    with pytest.raises(PypidaemonError, match="read-only"):
        put(tmp_path / "mine", "new")
    assert os.listdir(tmp_path) == ["mine"]


def test_whose_a_file_is_it_stays(tmp_path: Path) -> None:
    """A daemon could read its own configuration no more once root had written it anew."""
    if os.geteuid() != 0:
        missing("only root may give files away")
    file = tmp_path / "config.ini"
    file.write_text("old")
    file.chmod(0o640)
    os.chown(file, 12_345, 23_456)
    put(file, "new")
    for one in (file, tmp_path / "config.ini.bak"):
        assert (one.stat().st_uid, one.stat().st_gid, one.stat().st_mode & 0o777) == (12_345, 23_456, 0o640)


def test_without_a_home_a_file_has_to_be_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As for a user that nobody has a line about."""

    def nowhere(cls: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CONFIG_HOME", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(nowhere))
    assert main(["client", "pip", "--write", "--url", SERVER]) == 1
    assert "--file" in capsys.readouterr().err
