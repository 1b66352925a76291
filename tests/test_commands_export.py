"""`pypidaemon export`: as a process of its own, beside a daemon and without one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.commands import main
from pypidaemon.indexes.private import Private
from pypidaemon.model import File, NormalizedName, Remembered, Ruling, RulingKind
from pypidaemon.testing.archives import make_sdist
from tests.contracts.hosted_index import WHEEL, WHEEL_BYTES, PlainInspectors, upload
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import NOON
from tests.orders import ordered
from tests.records_gear import sqlite_records
from tests.test_commands_people import run
from tests.test_commands_why import HEAD, living

INI = (
    HEAD
    + """[index:pypi]
use = policed
index = pypi-cache
policies = no-wheels
[index:pypi-cache]
use = proxy
upstream = pypi
[policy:no-wheels]
use = kinds
deny = bdist_wheel
"""
)
BETAS = {f"beta-{version}.tar.gz": make_sdist("beta", version)[1] for version in ("1.0", "2.0", "3.0")}


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A daemon's folder: alpha is our own; of beta 1.0 and 2.0 are here, of which the second is blocked; gamma has only a wheel, and none is shown."""
    place = tmp_path / "c.ini"
    place.write_text(INI)
    clock = Clock()
    clock.advance(NOON)
    (tmp_path / "var").mkdir(mode=0o700)
    records = sqlite_records(tmp_path / "var" / "records.sqlite", clock)
    blobs = DirectoryBlobs(tmp_path / "var" / "blobs", "blobs", inline)
    records.startService()
    blobs.startService()
    index = Private("private", records, blobs, clock, inline, Announcements(), PlainInspectors())
    draft = now(index.draft())
    now(draft.write(WHEEL_BYTES))
    now(index.publish(upload(WHEEL), draft, "ann", True))
    keep(records, "beta", *(file(name, data) for name, data in BETAS.items()))
    keep(records, "gamma", file("gamma-1.0-py3-none-any.whl", b"gamma"))
    for data in (BETAS["beta-1.0.tar.gz"], BETAS["beta-2.0.tar.gz"], b"gamma"):
        draft = now(blobs.draft())
        now(draft.write(data))
        now(draft.commit(None))
    now(records.rulings.rule(Ruling(RulingKind.BLOCK, "beta==2", "malware", time=NOON)))
    now(records.stopService())
    return str(place)


def keep(records: Any, name: str, *files: File) -> None:
    """Remember an upstream's page."""
    now(records.pages.keep("pypi-cache", NormalizedName(name), Remembered(page(name, *files), NOON, NOON)))


def exported(config: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Export what is not all here, and answer what is said of it."""
    done = ordered("export", str(folder), "--json", *arguments, "-c", config)
    assert (done.returncode, done.stderr) == (1, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its bytes."""
    return {
        str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(folder.rglob("*")) if one.is_file()
    }


def listed(folder: Path) -> dict[str, list[str]]:
    """The files on every page."""
    names = [one["name"] for one in json.loads((folder / "simple" / "index.v1_json").read_bytes())["projects"]]
    return {
        name: [one["filename"] for one in json.loads((folder / "simple" / name / "index.v1_json").read_bytes())["files"]] for name in names
    }


def test_S2_policies_and_orders_hold_and_nothing_is_fetched_or_written(config: str, tmp_path: Path) -> None:
    """A policed proxy behind a private index; beta 3.0 is listed and not here, which is status 1. The stores stay as they were."""
    before = contents(tmp_path / "var" / "blobs")
    said = exported(config, tmp_path / "tree")
    assert listed(tmp_path / "tree") == {"alpha": [WHEEL], "beta": ["beta-1.0.tar.gz"], "gamma": []}
    assert {key: said[key] for key in ("index", "projects", "files", "left_out", "unknown", "concealed")} == {
        "index": "root",
        "projects": 3,
        "files": 2,
        "left_out": {"beta": ["beta-3.0.tar.gz"]},
        "unknown": {},
        "concealed": [],
    }
    assert contents(tmp_path / "var" / "blobs") == before
    first = contents(tmp_path / "tree")
    assert exported(config, tmp_path / "tree")["new"] == 0
    second = contents(tmp_path / "tree")
    assert {name for name in first if first[name] != second.get(name)} <= {"last-modified"}


def test_S2_it_says_what_was_left_out(config: str, tmp_path: Path) -> None:
    """In lines for people, and status 0 where all is there."""
    done = ordered("export", str(tmp_path / "tree"), "-c", config)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"3 projects with 2 files are in {tmp_path}/tree: 3 new, 0 removed",
        "1 file of 1 project is not here; --json lists it",
    ]
    assert "1 project with 1 file is in" in run(config, "export", str(tmp_path / "tree"), "--index", "private")
    assert listed(tmp_path / "tree") == {"alpha": [WHEEL]}


def test_S2_beside_a_running_daemon(config: str, tmp_path: Path) -> None:
    """What was ordered a moment ago holds, and the daemon's records stay its own."""
    with living(config):
        exported(config, tmp_path / "tree")
        run(config, "unblock", "beta==2.0")
        exported(config, tmp_path / "tree")
        assert listed(tmp_path / "tree")["beta"] == ["beta-1.0.tar.gz", "beta-2.0.tar.gz"]
    exported(config, tmp_path / "tree")


def test_what_nobody_sees_without_a_login_is_not_for_everybody(config: str, tmp_path: Path) -> None:
    """Unless that is said."""
    run(config, "ungrant", "anonymous", "read", "*")
    run(config, "grant", "anonymous", "read", "pypi-cache")
    said = exported(config, tmp_path / "tree")
    assert (said["concealed"], sorted(listed(tmp_path / "tree"))) == (["alpha"], ["beta", "gamma"])
    assert WHEEL not in " ".join(contents(tmp_path / "tree"))
    exported(config, tmp_path / "tree", "--hidden-names")
    assert sorted(listed(tmp_path / "tree")) == ["alpha", "beta", "gamma"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export"], "DIR"),
        (["export", "tree", "--project", "a/b"], "is not a pattern"),
        (["export", "tree", "--index", "pypi-cache"], "no index 'pypi-cache' has an address; known are private pypi root"),
    ],
)
def test_wrong_usage_is_status_2(config: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "-c", config]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_that_cannot_be_used_is_one_line(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So is a data folder that is not there; a tree is made of neither."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear aunt")
    assert main(["export", str(tmp_path / "full"), "-c", config]) == 1
    assert capsys.readouterr().err == f"pypidaemon: {tmp_path}/full: is neither empty nor an export of ours, so nothing was changed\n"
    assert main(["export", str(tmp_path / "full" / "letter.txt"), "-c", config]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "var").rename(tmp_path / "elsewhere")
    assert main(["export", str(tmp_path / "tree"), "-c", config]) == 1
    assert "there is no data folder" in capsys.readouterr().err
    assert not (tmp_path / "tree").exists()
