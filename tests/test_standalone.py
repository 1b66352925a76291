"""Work on the stores without a daemon, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pypidaemon.assembly import Plan
from pypidaemon.commands.control import NotRunning
from pypidaemon.commands.standalone import daemon_or_alone, insist_on_our_own
from pypidaemon.errors import ConfigError, PypidaemonError
from pypidaemon.services.folder import DataFolder
from tests.needs import missing
from tests.test_commands_people import INI
from tests.test_commands_verify import Stored, ran

WORK = """
import os, signal, sys, threading
from twisted.internet.defer import Deferred
from pypidaemon.commands.standalone import reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.threads import Threads

async def work(reactor):
    pool = Threads(reactor, "disk", 1)
    pool.startService()
    try:
        await pool(threading.active_count)
        reactor.callLater(0, os.kill, os.getpid(), getattr(signal, sys.argv[1]))
        await Deferred()
    finally:
        await pool.stopService()
        print("put away")

# Whoever started the tests in the background of a shell ignores SIGINT, and so do all below them (POSIX, Shell Command Language 2.11).
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    reacting(work)
except PypidaemonError as error:
    print(error)
"""

AGAIN = """
from twisted.internet.error import ReactorNotRestartable
from pypidaemon.commands.standalone import reacting
from pypidaemon.threads import Threads

async def work(reactor):
    pool = Threads(reactor, "disk", 1)
    pool.startService()
    try:
        return await pool(str, 1)
    finally:
        await pool.stopService()

print(reacting(work))
try:
    reacting(work)
except ReactorNotRestartable:
    print("once")
"""


def said(*program: str) -> list[str]:
    """What that program says, which ends by itself and complains of nothing."""
    done = subprocess.run([sys.executable, "-c", *program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def interrupted(by: str) -> list[str]:
    """What work that never ends says when it is interrupted."""
    return said(WORK, by)


def test_work_that_is_interrupted_puts_away_what_it_uses() -> None:
    """Or its threads would keep the process for ever, and its databases would stay open."""
    assert interrupted("SIGINT") == ["put away", "interrupted before everything was done"]
    assert interrupted("SIGTERM") == ["put away", "interrupted before everything was done"]


def test_work_where_the_reactor_runs_no_more_is_not_begun() -> None:
    """Its threads would wait for calls for ever, and the process for them."""
    assert said(AGAIN) == ["1", "once"]


def alone(planned: Plan) -> str:
    """What there is to do without a daemon."""
    return "alone"


def test_a_running_daemon_is_asked_though_the_configuration_is_right_no_more(tmp_path: Path) -> None:
    """A lock file that is half written must not keep anybody from blocking something; without a daemon it is the error."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\ndata = var\n[policy:mine]\nuse = requirements\nfiles = uv.lock\n")
    assert daemon_or_alone(str(file), str, alone) == str(tmp_path / "var" / "control.sock")

    def nobody(socket: Path) -> str:
        raise NotRunning(socket)

    with pytest.raises(ConfigError, match=r"uv\.lock"):
        daemon_or_alone(str(file), nobody, alone)
    (tmp_path / "uv.lock").write_text("version = 1\n")
    assert daemon_or_alone(str(file), nobody, alone) == "alone"
    file.write_text("[daemon]\ndata = \n")
    with pytest.raises(ConfigError, match="data"):
        daemon_or_alone(str(file), str, alone)


def test_root_writes_nothing_into_records_of_another_user(tmp_path: Path) -> None:
    """That user's daemon could not even start then."""
    if os.geteuid() != 0:
        missing("only root can write what belongs to others")
    file = tmp_path / "c.ini"
    file.write_text(INI)
    Stored(tmp_path)
    for path in (tmp_path / "var").iterdir():
        os.chown(path, 54321, 54321)
    before = sorted(path.name for path in (tmp_path / "var").iterdir())
    for verb in (["cache", "ls"], ["verify"], ["token", "ls"]):
        status, lines, error = ran(*verb, "-c", str(file))
        assert (status, lines) == (1, [])
        assert "belongs to the user 54321" in error
        assert error.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == before
    os.chown(tmp_path / "var" / "records.sqlite", 0, 0)
    os.chown(tmp_path / "var" / "records.chronicle", 0, 0)
    assert ran("cache", "ls", "-c", str(file))[0] == 0


def test_root_begins_nothing_in_a_folder_that_was_made_for_another_user(tmp_path: Path) -> None:
    """As who moves in before the first start would, with all that was adopted root's."""
    if os.geteuid() != 0:
        missing("only root can write what belongs to others")
    data = tmp_path / "var"
    data.mkdir()
    os.chown(data, 54321, 54321)
    with pytest.raises(PypidaemonError, match="belongs to the user 54321"):
        insist_on_our_own(data)
    (data / "records.sqlite").touch()
    # Where a daemon of root's was before, root goes on.
    insist_on_our_own(data)


def test_F94_what_root_brings_back_into_the_folder_of_another_user_is_that_users(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can give away what it writes")
    file = tmp_path / "c.ini"
    file.write_text(INI)
    Stored(tmp_path)
    assert ran("backup", "-c", str(file), str(tmp_path / "b.tar"))[0] == 0
    (tmp_path / "var").rename(tmp_path / "old")
    (tmp_path / "var").mkdir(0o700)
    os.chown(tmp_path / "var", 54321, 54322)
    status, lines, error = ran("restore", "-c", str(file), str(tmp_path / "b.tar"))
    assert (status, error) == (0, ""), lines
    found = [*(tmp_path / "var").rglob("*")]
    assert any(path.name == "records.sqlite" for path in found)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(54321, 54322)}


def test_F94_a_restore_that_was_killed_is_done_again_and_no_daemon_begins_with_half_of_it(tmp_path: Path) -> None:
    file = tmp_path / "c.ini"
    file.write_text(INI)
    Stored(tmp_path)
    assert ran("backup", "-c", str(file), str(tmp_path / "b.tar"))[0] == 0
    (tmp_path / "var").rename(tmp_path / "old")
    var = tmp_path / "var"
    (var / "blobs" / "drafts").mkdir(0o700, parents=True)
    for left in ("restoring", "records-mirrors.sqlite", "records.sqlite.restored", "blobs/drafts/half"):
        (var / left).touch()
    with pytest.raises(PypidaemonError, match="say `pypidaemon restore` again"):
        DataFolder(var).startService()
    status, _, error = ran("restore", "-c", str(file), str(tmp_path / "b.tar"))
    assert (status, error) == (0, "")
    assert not (var / "restoring").exists()
    assert not (var / "records-mirrors.sqlite").exists()
    assert ran("verify", "-c", str(file))[1] == ["3 blobs with 11 bytes read, 3 names looked at: nothing is wrong"]
    # One that fails leaves nothing either.
    for path in sorted(var.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "b.tar").write_bytes((tmp_path / "b.tar").read_bytes()[:-3_000])
    assert ran("restore", "-c", str(file), str(tmp_path / "b.tar"))[0] == 1
    assert [path.name for path in var.iterdir()] == ["lock"]
