"""The verbs `bundle` and `push`: what cannot be meant, and what one line says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypidaemon.commands import main


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration whose data folder is there, and empty."""
    (tmp_path / "var").mkdir()
    (tmp_path / "c.ini").write_text("[daemon]\n")
    return str(tmp_path / "c.ini")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bundle", "export", "x", "--since", "yesterday"], "is not a moment"),
        (["bundle", "export", "x", "-"], "not a project name"),
        (["bundle", "import", "x", "--as", "private"], "FROM=TO"),
        (["bundle", "import", "x", "--key", "short"], "no public key"),
        (["push", "--project", "acme"], "belong to --to"),
        (["push", "--to", "ftp://home.example/"], "http"),
    ],
)
def test_what_cannot_be_meant_is_status_2(words: list[str], said: str, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "-c", config]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bundle", "export", "x", "--since", "{folder}/c.ini"], "the bundle cannot be read"),
        (["bundle", "export", "x", "--index", "nowhere"], "there is no index nowhere"),
        (["bundle", "export", "x", "--sign", "{folder}/none"], "cannot be read"),
        (["bundle", "import", "{folder}/none"], "there is no such file"),
        (["bundle", "key", "{folder}/none/key"], "cannot be written"),
        (["push"], "no daemon is running"),
        (["push", "pypi", "--to", "https://home.example/"], "there is no index pypi that holds"),
    ],
)
def test_what_fails_is_one_line_and_status_1(words: list[str], said: str, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(Path(config).parent)
    assert main([*(word.format(folder=folder) for word in words), "-c", config]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_key_is_made_once_and_shown_again(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "key")
    assert main(["bundle", "key", path, "-c", config]) == 0
    public = capsys.readouterr().out
    assert main(["bundle", "key", path, "--show", "-c", config]) == 0
    assert capsys.readouterr().out == public
    assert main(["bundle", "key", path, "-c", config]) == 1
