"""`pypidaemon yank`, `hide`, `delete`, `promote`, `log`, `check-upstream`: without a daemon and with a pretended one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.commands import main
from pypidaemon.indexes.private import Private
from pypidaemon.model import Filename, NormalizedName, Remembered, UpstreamPage
from tests.contracts.hosted_index import NOON, WHEEL, WHEEL_BYTES, PlainInspectors, upload
from tests.fakes import file
from tests.gear import inline, now
from tests.orders import ordered
from tests.records_gear import sqlite_records
from tests.test_commands_people import PretendedDaemon, run

INI = """[daemon]
data = var
uploads = staging
index = root
[index:root]
use = first-match
indexes = staging production pypi
[index:staging]
use = private
[index:production]
use = private
[records:records]
use = sqlite
path = var/records.sqlite
[blobs:blobs]
use = directory
path = var/blobs
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration with two private indexes and nothing beside it."""
    place = tmp_path / "c.ini"
    place.write_text(INI)
    return str(place)


@pytest.fixture
def daemon(config: str) -> Iterator[PretendedDaemon]:
    pretended = PretendedDaemon(Path(config).parent / "var" / "control.sock")
    yield pretended
    pretended.close()


@pytest.fixture
def filled(config: str, tmp_path: Path) -> str:
    """The same, with alpha 1.0 in staging, of which the proxy remembers that upstream has one too."""
    clock = Clock()
    clock.advance(NOON)
    (tmp_path / "var").mkdir(mode=0o700)
    records = sqlite_records(tmp_path / "var" / "records.sqlite", clock)
    blobs = DirectoryBlobs(tmp_path / "var" / "blobs", "blobs", inline)
    records.startService()
    blobs.startService()
    index = Private("staging", records, blobs, clock, inline, Announcements(), PlainInspectors())
    draft = now(index.draft())
    now(draft.write(WHEEL_BYTES))
    now(index.publish(upload(WHEEL), draft, "ann", True))
    theirs = UpstreamPage(NormalizedName("alpha"), (file(Filename("alpha-9.0.tar.gz")),))
    now(records.pages.keep("pypi", NormalizedName("alpha"), Remembered(theirs, NOON, NOON)))
    now(records.stopService())
    return config


def test_the_life_of_a_release_without_a_daemon(filled: str) -> None:
    """Each verb works on what the others left, and all of it is in the log."""
    assert run(filled, "yank", "Alpha==1.0", "--reason", "it eats disks") == "alpha 1.0 in staging: 1 file yanked\n"
    assert run(filled, "yank", "--undo", "alpha==1.0.0") == "alpha 1.0.0 in staging: 1 file no longer yanked\n"
    assert run(filled, "promote", "alpha==1.0", "production") == "alpha 1.0 in staging: 1 file now in production\n"
    assert run(filled, "promote", "alpha==1.0", "production") == "alpha 1.0 in staging: 0 files now in production\n"
    assert run(filled, "hide", "alpha==1.0", "--index", "production") == "alpha 1.0 in production: 1 file hidden\n"
    assert json.loads(run(filled, "unhide", "alpha==1.0", "--index", "production", "--json"))["files"] == 1
    assert run(filled, "delete", "alpha", "--index", "staging") == "alpha in staging: 1 file deleted\n"
    assert run(filled, "undelete", "alpha") == "alpha in staging: 1 file back\n"
    assert "no such release: alpha==7" in run(filled, "hide", "alpha==7", status=1)
    assert "no index of packages of your own" in run(filled, "hide", "alpha==1.0", "--index", "pypi", status=1)
    rows = json.loads(run(filled, "log", "--json"))["log"]
    assert [row["action"] for row in rows] == [
        "yank",
        "unyank",
        "promote",
        "promote",
        "hide",
        "unhide",
        "delete",
        "undelete",
        "hide",
        "hide",
    ]
    assert [row["done"] for row in rows] == [True] * 8 + [False] * 2
    assert "reason: it eats disks" in rows[0]["detail"]
    lines = run(filled, "log", "--since", "1d").splitlines()
    assert " (operator) local promote staging/alpha==1.0 to production sha256:" in lines[2]
    assert " REFUSED hide staging/alpha==7 no such release" in lines[8]


def test_P15_check_upstream_names_what_upstream_is_known_to_have(filled: str) -> None:
    done = json.loads(run_with_status(filled, 1, "check-upstream", "--json"))
    assert done == {"known": [{"name": "alpha", "index": "staging", "known": "pypi"}], "asked": False}
    assert run_with_status(filled, 1, "check-upstream") == "alpha in staging: pypi has a project of that name\n"


def run_with_status(config: str, status: int, *arguments: str) -> str:
    """What a verb prints that found something."""
    done = ordered(*arguments, "-c", config)
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


def test_where_nothing_was_uploaded(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is made for it."""
    assert main(["log", "-c", config]) == 0
    assert main(["check-upstream", "-c", config]) == 0
    assert main(["delete", "alpha", "-c", config]) == 1
    said = capsys.readouterr()
    assert said.err == "pypidaemon: no such project: alpha among packages of your own; what comes from an upstream can be blocked\n"
    assert said.out == "nothing is on record for that time\nno private project is known to be an upstream's as well\n"
    assert not (Path(config).parent / "var").exists()


@pytest.mark.parametrize(
    "story",
    [
        ("yank Alpha==1.0", "yank", {"project": "alpha", "version": "1.0", "index": None, "reason": ""}),
        ("yank alpha==1.0 --reason broken", "yank", {"project": "alpha", "version": "1.0", "index": None, "reason": "broken"}),
        ("yank --undo alpha==1.0", "unyank", {"project": "alpha", "version": "1.0", "index": None}),
        ("hide alpha==1.0 --index x", "hide", {"project": "alpha", "version": "1.0", "index": "x"}),
        ("unhide alpha==1.0", "unhide", {"project": "alpha", "version": "1.0", "index": None}),
        ("delete alpha", "delete", {"project": "alpha", "version": None, "index": None}),
        ("undelete alpha==1.0", "undelete", {"project": "alpha", "version": "1.0", "index": None}),
        ("promote alpha==1.0 x", "promote", {"project": "alpha", "version": "1.0", "index": None, "to": "x"}),
    ],
)
def test_a_running_daemon_does_it(
    config: str, daemon: PretendedDaemon, capsys: pytest.CaptureFixture[str], story: tuple[str, str, dict[str, Any]]
) -> None:
    """It gets exactly this, and what it answers is said."""
    arguments, verb, fields = story
    answer = {"project": "alpha", "version": fields["version"], "index": "private", "files": 2}
    daemon.answers = [(200, answer), (200, answer), (403, "you may not\nrequest id: 1\n")]
    assert main([*arguments.split(), "-c", config]) == 0
    assert capsys.readouterr().out.startswith(f"alpha{' 1.0' if fields['version'] else ''} in private: 2 files ")
    assert main([*arguments.split(), "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert main([*arguments.split(), "-c", config]) == 1
    assert "you may not" in capsys.readouterr().err
    assert daemon.asked == [(f"POST /releases/{verb}", fields)] * 3


@pytest.mark.parametrize(
    "arguments",
    ["yank", "yank alpha", "yank alpha==", "yank a/b==1", "hide alpha", "promote alpha==1.0", "delete", "log --since soon", "log x"],
)
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert "--help\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", ["yank nope", "hide alpha==", "delete a/b", "promote alpha nowhere", "refresh a/b", "refresh", "yank"]
)
def test_wrong_usage_is_said_in_json_too(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether we refuse it or argparse does."""
    assert main([*arguments.split(), "--json"]) == 2
    said = capsys.readouterr()
    assert said.err == f"pypidaemon: {json.loads(said.out)['error']}; see pypidaemon {arguments.split(maxsplit=1)[0]} --help\n"
