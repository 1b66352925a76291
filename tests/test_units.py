"""The files for systemd that we ship."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pypidaemon.blueprints import plan
from pypidaemon.services.activation import _is_meant

UNITS = Path(__file__).parents[1] / "etc" / "systemd"


def directives(name: str) -> dict[str, list[str]]:
    """What a unit says, by key; a key may be there several times."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


SHUT = [
    *(
        (key, "yes")
        for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables", "RestrictNamespaces")
    ),
    ("ProtectSystem", "strict"),
    ("CapabilityBoundingSet", ""),
    ("UMask", "0077"),
    ("User", "pypidaemon"),
]
"""What the service has to say whatever else it says, and to what."""


@pytest.mark.parametrize(("key", "value"), SHUT)
def test_S88_the_service_is_shut_in(key: str, value: str) -> None:
    """Each of these is a way out otherwise."""
    assert directives("pypidaemon.service")[key] == [value]


def test_S88_what_would_break_the_daemon_is_left_out() -> None:
    """TLS makes callbacks that can be executed; the inspection of archives limits its own processes."""
    said = directives("pypidaemon.service")
    assert "MemoryDenyWriteExecute" not in said
    assert not any("@resources" in value for value in said["SystemCallFilter"])
    assert set(said["RestrictAddressFamilies"][0].split()) == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}


def test_F79_F81_the_service_waits_for_our_words_and_longer_than_we_drain(tmp_path: Path) -> None:
    """It would be killed in the middle of a transfer otherwise."""
    (tmp_path / "config.ini").write_text("[daemon]\n")
    said = directives("pypidaemon.service")
    assert said["Type"] == ["notify"]
    assert int(said["TimeoutStopSec"][0]) > plan(str(tmp_path / "config.ini")).daemon.drain
    assert int(said["WatchdogSec"][0]) > 0
    assert "kill -HUP $MAINPID" in said["ExecReload"][0]
    assert "--log" not in said["ExecStart"][0]


def test_the_socket_is_the_one_of_the_shipped_configuration() -> None:
    """So that it is known when it is handed over."""
    listen = plan(str(UNITS.parent / "config.ini")).daemon.listen
    host, _, port = directives("pypidaemon.socket")["ListenStream"][0].rpartition(":")
    assert any(_is_meant(text, 2, (host, int(port))) for text in listen)


def test_systemd_itself_finds_no_mistake_in_them() -> None:
    """Such as a key that it does not know, where its own tool is there to ask."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return
    command = [tool, "verify", *(str(UNITS / name) for name in ("pypidaemon.socket", "pypidaemon.service"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Unknown" in done.stderr) == (0, False), done.stderr


def test_S88_systemd_itself_finds_little_to_reach(tmp_path: Path) -> None:
    """At most 1.5 of 10, where its own tool is there to ask; the tests before this one stand for it elsewhere."""
    tool = shutil.which("systemd-analyze")
    command = [tool or "", "security", "--offline=yes", "--no-pager", str(UNITS / "pypidaemon.service")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False) if tool else None
    if said is None or "--offline" in said.stderr:
        # There is none, or it is too old to be asked for a service that is not installed.
        return
    level = re.search(r"Overall exposure level for pypidaemon\.service: ([0-9.]+)", said.stdout)
    assert level is not None, said
    assert float(level[1]) <= 1.5
    assert "ignoring" not in said.stderr
