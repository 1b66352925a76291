"""Work on the stores without a daemon, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pypidaemon.assembly import Plan
from pypidaemon.commands.control import NotRunning
from pypidaemon.commands.standalone import daemon_or_alone
from pypidaemon.errors import ConfigError

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

try:
    reacting(work)
except PypidaemonError as error:
    print(error)
"""


def interrupted(by: str) -> list[str]:
    """What work that never ends says when it is interrupted."""
    done = subprocess.run([sys.executable, "-c", WORK, by], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_work_that_is_interrupted_puts_away_what_it_uses() -> None:
    """Or its threads would keep the process for ever, and its databases would stay open."""
    assert interrupted("SIGINT") == ["put away", "interrupted before everything was done"]
    assert interrupted("SIGTERM") == ["put away", "interrupted before everything was done"]


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
