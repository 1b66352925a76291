"""`pypidaemon replaced` and `accept`: without a daemon over real stores, and with a pretended one (S28)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pypidaemon.commands import main
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Digest, Fact
from pypidaemon.records.sqlite import SqliteRecords
from tests.gear import now
from tests.records_gear import sqlite_records
from tests.test_commands_people import INI, run
from tests.test_commands_verify import Daemon, ran

ALPHA, FILE = project_name("alpha"), filename("alpha-1.0.tar.gz")
FIRST, OTHER = Digest("a" * 64), Digest("b" * 64)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration in a folder of its own, with nothing beside it."""
    file = tmp_path / "c.ini"
    file.write_text(INI)
    return str(file)


@pytest.fixture
def daemon(config: str) -> Iterator[Daemon]:
    pretended = Daemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


@contextmanager
def opened(folder: Path) -> Iterator[SqliteRecords]:
    """The records of a daemon that does not run."""
    records = sqlite_records(folder / "records.sqlite", Clock())
    records.startService()
    yield records
    records.stopService()


def test_nothing_is_replaced_where_nothing_ever_ran(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replaced", "-c", config]) == 0
    assert capsys.readouterr().out == "upstream has the same bytes for everything\n"


@pytest.mark.parametrize("words", [("alpha", "../x"), ("-", FILE), ("alpha", "")])
def test_what_no_file_is_called_is_wrong_usage(config: str, words: tuple[str, str]) -> None:
    assert main(["accept", "-c", config, "--", *words]) == 2


def test_S28_without_a_daemon_they_are_listed_and_accepted(config: str, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    with opened(tmp_path / "var") as records:
        now(records.facts.learn("pypi", ALPHA, FILE, Fact(FIRST, 3)))
        now(records.facts.differ("pypi", ALPHA, {FILE: OTHER}, 0.0))
    status, words, _ = ran("replaced", "-c", config)
    assert (status, words) == (1, [f"pypi alpha {FILE}: sha256:{FIRST} by now sha256:{OTHER}, since 1970-01-01T00:00:00Z"])
    status, _, errors = ran("accept", "alpha", "alpha-2.0.tar.gz", "-c", config)
    assert (status, errors.startswith("pypidaemon: upstream is not known to have other bytes for alpha-2.0.tar.gz")) == (1, True)
    assert run(config, "accept", "Alpha", FILE, "--index", "pypi") == f"pypi: {FILE} is now sha256:{OTHER}\n"
    assert json.loads(run(config, "replaced", "--json")) == {"replaced": [], "more": False}
    with opened(tmp_path / "var") as records:
        assert now(records.facts.known("pypi", ALPHA)) == {FILE: Fact(OTHER)}


def test_a_running_daemon_does_it(config: str, daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"index": "pypi", "project": "alpha", "file": FILE, "first": None, "other": None, "since": "1970-01-01T00:00:00Z"}
    daemon.answers = [(200, {"replaced": [row], "more": True}), (200, {"accepted": [row]}), (400, "it has none")]
    assert main(["replaced", "-c", config]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "and more"
    assert main(["accept", "alpha", FILE, "-c", config]) == 0
    assert capsys.readouterr().out == f"pypi: {FILE} is now sha256:whatever comes next\n"
    assert main(["accept", "alpha", FILE, "--index", "x", "-c", config]) == 1
    assert capsys.readouterr().err == "pypidaemon: it has none\n"
    asked = f"POST /replaced/accept?project=alpha&file={FILE}"
    assert daemon.asked == ["GET /replaced", asked, f"{asked}&index=x"]
