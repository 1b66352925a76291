"""A daemon that is started as root: it binds, and is nobody's superior when it answers (S86)."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.lowered import KEPT

pytestmark = pytest.mark.clients


def said(pid: int) -> dict[str, list[str]]:
    """What the system says of a process."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: rest.split() for name, _, rest in lines}


def test_S86_S87_who_is_started_as_root_is_somebody_else_before_the_first_request(upstream: Upstream, tmp_path: Path) -> None:
    """Also without root's groups; and all that it makes belongs to whom it became, who alone may read it. Only root can have that tried."""
    if os.getuid() != 0:
        # The tests of the folder and of the sockets stand for it elsewhere: nothing is made, and all is bound, while privileged.
        return
    nobody = pwd.getpwnam("nobody")
    user, group = nobody.pw_uid, nobody.pw_gid
    whom = ("--uid", str(user), "--gid", str(group))
    daemon = Daemon(tmp_path / "daemon", upstream.simple, entry="tests.clients.lowered:run", options=whom)
    daemon.folder.mkdir()
    (daemon.folder / "var").mkdir(mode=0o700)
    for place in (tmp_path, daemon.folder):
        place.chmod(0o755)
    os.chown(daemon.folder / "var", user, group)
    daemon.start()
    try:
        assert daemon.process is not None
        found = said(daemon.process.pid)
        assert (found["Uid"], found["Gid"]) == ([str(user)] * 4, [str(group)] * 4)
        assert set(found["Groups"]) <= {str(group)}
        assert int(found["CapEff"][0], 16) == KEPT
        assert daemon.ask("GET", "/simple/seeds-alpha/").status == 200
        made = [daemon.folder / "var", *(daemon.folder / "var").rglob("*")]
        assert len(made) > 5
        for entry in made:
            state = entry.lstat()
            assert (state.st_uid, state.st_gid) == (user, group), entry
            assert not state.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or state.st_mode & 0o777 in (0o640, 0o750), entry
    finally:
        daemon.stop()
    daemon.check_log()
