"""What twistd asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import IPlugin
from twisted.python import usage

from pypidaemon.blueprints import plan
from pypidaemon.configuration import PLACES, configuration_file
from pypidaemon.errors import PypidaemonError
from pypidaemon.tap import Options, foreground
from pypidaemon.web.site import DoorSite
from tests.clients.daemon import IMPORTS
from tests.forked import NURSERIES

ROOT = Path(__file__).parents[1]


def twistd(*arguments: str, cwd: Path, keep: int | None = None) -> subprocess.CompletedProcess[str]:
    """
    Run twistd in another process, with this checkout and the test's parts on its path.

    :param keep: a descriptor that it gets as well, for which it has to be a program of its own.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    if keep is None and (nursery := NURSERIES.of(sys.executable, *IMPORTS)):
        return nursery.run("twisted.scripts.twistd:run", arguments, environment, cwd, "", 60)
    code = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
    command = [sys.executable, "-c", code]
    kept = () if keep is None else (keep,)
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, timeout=60, check=False, pass_fds=kept
    )


def test_the_configuration_is_named_or_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-c`, then $PYPIDAEMON_CONFIG, then the known places; and a place to put one where there is none."""
    monkeypatch.chdir(tmp_path)
    assert configuration_file("x.ini", {"PYPIDAEMON_CONFIG": "y.ini"}) == "x.ini"
    assert configuration_file(None, {"PYPIDAEMON_CONFIG": "y.ini"}) == "y.ini"
    assert configuration_file(None, {}) == PLACES[0]
    assert PLACES == ("etc/config.ini", "/etc/pypidaemon/config.ini")


def test_options_read_and_check_the_configuration(tmp_path: Path) -> None:
    """All of it, before anything is started."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\n")
    options = Options()
    options.parseOptions(["-c", str(file)])
    assert options.plan.file == str(file)


def test_F72_a_fault_is_a_usage_error_of_one_line(tmp_path: Path) -> None:
    """Which twistd prints without a traceback."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\nlissen = x\n")
    with pytest.raises(usage.UsageError, match=r"c\.ini \[daemon\] lissen: unknown key") as caught:
        Options().parseOptions(["--config", str(file)])
    assert "\n" not in str(caught.value)


def test_the_plugin_says_who_makes_the_service() -> None:
    """And imports nothing to say it."""
    code = "import sys; sys.path.insert(0, '.'); import twisted.plugins.pypidaemon_plugin; print('pypidaemon.tap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip() == "False"
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("pypidaemon_plugin", ROOT / "twisted" / "plugins" / "pypidaemon_plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert IServiceMaker.providedBy(module.pypidaemon)
    assert IPlugin.providedBy(module.pypidaemon)
    assert module.pypidaemon.tapname == "pypidaemon"
    assert module.pypidaemon.options is Options


def test_F72_twistd_ends_with_the_line_and_status_1(tmp_path: Path) -> None:
    """No traceback, nothing made."""
    (tmp_path / "c.ini").write_text("[daemon]\n[index:a]\nuse = prxy\n")
    done = twistd("-n", "--pidfile=", "pypidaemon", "-c", "c.ini", cwd=tmp_path)
    assert done.returncode == 1
    assert "c.ini [index:a] use: there is no index 'prxy'" in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.ini"]


def test_a_component_that_cannot_be_made_ends_twistd_with_one_line(tmp_path: Path) -> None:
    """Also when it shows only after the options were read."""
    (tmp_path / "c.ini").write_text(
        "[daemon]\nindex = a\n[index:a]\nuse = policed\nindex = pypi\npolicies = p\n[policy:p]\nuse = tests.parts:Fussy\n"
    )
    done = twistd("-n", "--pidfile=", "pypidaemon", "-c", "c.ini", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["pypidaemon: c.ini [policy:p] use: cannot be made: no such colour"]
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("mode", [["-n", "--pidfile="], []], ids=["foreground", "daemon"])
def test_a_start_that_fails_is_one_line_and_status_1(tmp_path: Path, mode: list[str]) -> None:
    """In the foreground and, by way of the waiting parent, as a daemon; the pid file goes."""
    (tmp_path / "file").write_text("")
    (tmp_path / "c.ini").write_text("[daemon]\nlisten = tcp:0:interface=127.0.0.1\ndata = file\n")
    ended, held = os.pipe()
    done = twistd(*mode, "pypidaemon", "-c", "c.ini", cwd=tmp_path, keep=held)
    os.close(held)
    # The daemon itself may end after the parent that waited for its start; the pipe is closed when both have.
    assert os.read(ended, 1) == b""
    os.close(ended)
    assert done.returncode == 1
    said = done.stdout if mode else (tmp_path / "twistd.log").read_text()
    assert [line.partition("] ")[2] for line in said.splitlines() if "#error" in line] == [
        f"pypidaemon: the data folder {tmp_path}/file is not a folder"
    ]
    assert "Traceback" not in said + done.stderr
    assert not (tmp_path / "twistd.pid").exists()
    if not mode:
        assert "CannotStart: pypidaemon: the data folder" in done.stderr


def test_a_socket_in_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """As `/run/pypidaemon` is after a reboot where nothing makes it."""
    (tmp_path / "c.ini").write_text(f"[daemon]\nlisten = unix:{tmp_path}/gone/http.sock:mode=660\n")
    done = twistd("-n", "--pidfile=", "pypidaemon", "-c", "c.ini", cwd=tmp_path)
    assert done.returncode == 1
    assert f"pypidaemon: cannot listen on {tmp_path}/gone/http.sock: the folder {tmp_path}/gone is missing" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_S90_there_is_no_way_in_for_debugging() -> None:
    """Nothing to switch on by mistake: no shell, no profiler, no traceback in an answer."""
    aids = re.compile(r"\b(conch|manhole|telnet|cProfile|pdb|breakpoint)\b")
    found = [file.name for file in (ROOT / "pypidaemon").rglob("*.py") if aids.search(file.read_text("utf-8"))]
    assert found == []
    # What Twisted has for that is its own site's, which this is none of.
    assert not hasattr(DoorSite, "displayTracebacks")


def test_a_log_that_cannot_be_opened_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else has been done."""
    monkeypatch.setattr("os.umask", lambda _: 0)
    (tmp_path / "c.ini").write_text("[daemon]\n")
    with pytest.raises(PypidaemonError, match=r"cannot write the log .*/gone/log: No such file or directory"):
        foreground(plan(str(tmp_path / "c.ini")), tmp_path / "gone" / "log")
    assert not (tmp_path / "var").exists()
