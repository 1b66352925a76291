"""Every verb with `--json`: one JSON object on standard output and nothing else, and the exit status that is documented; here beside one daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pypidaemon.commands import control, main
from pypidaemon.commands.grammar import Verb
from pypidaemon.testing.archives import make_wheel
from tests.clients.daemon import IMPORTS, PAUSE, STOPPING, TRIES, free_port
from tests.forked import NURSERIES
from tests.orders import ordered
from tests.test_commands_describing import verbs

ROOT = Path(__file__).parents[1]
INI = """
[daemon]
listen = tcp:{port}:interface=127.0.0.1
data = var
[index:mirror]
use = mirror
[index:root]
use = first-match
indexes = private pypi mirror
[service:nightly]
use = mirroring
index = mirror
projects = alpha
schedule = daily 03:15
[upstream:pypi]
use = tests.parts:Silent
"""


@attrs.frozen
class Row:
    """
    A verb said with these words, in which `{}` is a folder of the test's own, and the status that it ends with.

    :param apart: whether it runs a reactor, and so needs a process of its own.
    """

    words: str
    status: int = 0
    said: str = ""
    apart: bool = False

    def of(self, verb: str) -> bool:
        """Whether it is said with that verb."""
        return f"{self.words} ".startswith(f"{verb} ")


ROWS = [
    Row("run", 1, apart=True),
    Row("check"),
    Row("check --effect", apart=True),
    Row("reload"),
    Row("status"),
    Row("init {}/new.ini --kind team"),
    Row("init {}/new.ini", 1),
    Row("client"),
    Row("client uv --write --file {}/uv.toml"),
    Row("client poetry --write --file {}/pyproject.toml", 1),
    Row("completion bash"),
    Row("manual"),
    Row("why alpha", 1),
    Row("refresh alpha", 1),
    Row("refresh --all"),
    Row("sync", 1),
    Row("sync --dry-run nightly", 1),
    Row("sync weekly", 2),
    Row("pack {}/requirements.txt", 1),
    Row("pack {}/nowhere.txt", 1),
    Row("relock {}/one.txt --to https://index.example/simple/"),
    Row("relock {}/nowhere.lock --to https://index.example/simple/", 1),
    Row("user add ann"),
    Row("user add ann", 1),
    Row("user password ann --password-stdin", said="long enough for one\n"),
    Row("user ls"),
    Row("group add staff ann"),
    Row("grant ann create private"),
    Row("grant group:staff upload private"),
    Row("ungrant group:staff upload private"),
    Row("grant ann read nowhere", 1),
    Row("token add ann --scope upload --expires 30d"),
    Row("token ls"),
    Row("token revoke 0", 1),
    Row("group remove staff ann"),
    Row("user disable ann"),
    Row("user enable ann"),
    Row("user rm ann"),
    Row("yank alpha==1.0", 1),
    Row("hide alpha==1.0", 1),
    Row("unhide alpha==1.0", 1),
    Row("delete alpha==1.0", 1),
    Row("undelete alpha==1.0", 1),
    Row("promote alpha==1.0 private", 1),
    Row("yank nope", 2),
    Row("log"),
    Row("check-upstream"),
    Row("block beta --reason x"),
    Row("exempt beta==1.0 --reason x"),
    Row("rulings"),
    Row("unexempt beta==1.0"),
    Row("unblock beta"),
    Row("unblock beta", 1),
    Row("who beta"),
    Row("downloads"),
    Row("replaced"),
    Row("accept alpha alpha-1.0.tar.gz", 1),
    Row("makeindex {}/wheels"),
    Row("makeindex {}/nowhere", 1),
    Row("adopt --layout pypiserver {}/wheels --index private"),
    Row("adopt --layout pypiserver {}/nowhere --index private", 1),
    Row("verify"),
    Row("verify --repair alpha"),
    Row("cache ls"),
    Row("cache pin alpha"),
    Row("cache unpin alpha"),
    Row("cache rm alpha", 1),
    Row("export {}/tree", apart=True),
    Row("backup {}/backup.tar", apart=True),
    Row("restore {}/backup.tar", 1, apart=True),
    Row("bundle key {}/key"),
    Row("bundle key {}/key", 1),
    Row("bundle export {}/delta.bundle --sign {}/key", apart=True),
    Row("bundle import {}/delta.bundle"),
    Row("bundle import {}/nowhere", 1),
    Row("push", 1),
]
LEAVES: list[Verb] = [one for verb in verbs() for one in verb.all() if not one.verbs]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon that runs, by its configuration."""
    folder = tmp_path_factory.mktemp("daemon")
    file = folder / "c.ini"
    file.write_text(INI.format(port=free_port()))
    words = ["run", "-c", str(file), "--log", str(folder / "log")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "out").open("wb") as out, open(os.devnull, "rb") as nothing:
        nursery = NURSERIES.of(sys.executable, *IMPORTS)
        process = (
            nursery.begin("pypidaemon.commands:main", words, environment, folder, nothing, out, out)
            if nursery
            else subprocess.Popen([sys.executable, "-m", "pypidaemon", *words], env=environment, cwd=folder, stdout=out, stderr=out)
        )
    for _ in range(TRIES):
        try:
            control.ask(folder / "var" / "control.sock", "GET", "/status")
            break
        except control.NotRunning:
            assert process.poll() is None, (folder / "out").read_text()
            time.sleep(PAUSE)
    try:
        yield str(file)
    finally:
        process.terminate()
        process.wait(STOPPING)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What verbs are about that are about files."""
    place = tmp_path_factory.mktemp("files")
    (place / "wheels").mkdir()
    name, data = make_wheel("alpha", "1.0")
    (place / "wheels" / name).write_bytes(data)
    (place / "requirements.txt").write_text("gamma==1.0\n")
    (place / "one.txt").write_text("# nothing\n")
    return place


@pytest.mark.parametrize("verb", [verb.name for verb in LEAVES])
def test_every_verb_is_in_the_table(verb: str) -> None:
    """Whoever adds one adds a row."""
    assert any(row.of(verb) for row in ROWS)


def test_with_json_there_is_one_object_and_nothing_else(
    daemon: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever comes of it. Failures are one line on standard error, too, and the object says the same."""
    monkeypatch.chdir(folder)
    wrong = []
    for row in ROWS:
        words = [*row.words.replace("{}", str(folder)).split(), "-c", daemon, "--json"]
        if row.apart or row.said:
            done = ordered(*words, said=row.said)
            status, out, err = done.returncode, done.stdout, done.stderr
        else:
            status = main(words)
            out, err = capsys.readouterr()
        try:
            said = json.loads(out)
            failed = "error" in said and status != 0
            fine = (status, out.count("\n"), isinstance(said, dict)) == (row.status, 1, True)
            fine &= err.startswith(f"pypidaemon: {said['error']}") and err.count("\n") == 1 if failed else not err
        except (ValueError, KeyError):
            fine = False
        if not fine:
            wrong.append((row.words, status, out, err))
    assert wrong == []


def test_what_no_verb_knows_is_refused_by_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """With status 2 and one line that names the next step, and the object says the same."""
    for verb in LEAVES:
        needed = [word for word in (*verb.arguments, *verb.options) if word.needed]
        words = [part for word in needed for part in (*word.names[-1:], *((word.choices or ("1",))[:1] if word.metavar else ()))]
        assert main([*verb.name.split(), *words, "--qqq", "--json"]) == 2
        said = capsys.readouterr()
        assert said.err == f"pypidaemon: unrecognized arguments: --qqq; see pypidaemon {verb.name} --help\n"
        assert json.loads(said.out) == {"error": "unrecognized arguments: --qqq"}


@pytest.mark.parametrize("verb", LEAVES, ids=[verb.name for verb in LEAVES])
def test_everything_that_can_be_said_is_explained(verb: Verb) -> None:
    """Since that is what help, the manual and three shells show."""
    assert verb.help
    assert all(word.help for word in (*verb.options, *verb.arguments))
