"""The installers, uploaders and mirrors that the daemon is tried with: which, in which version, and where they live."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import uv

from tests.needs import missing

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".cache" / "clients"


@attrs.frozen
class Tool:
    """One installer, uploader or mirror in one version, in a virtual environment of its own below `HOME`."""

    distribution: str
    version: str
    beside: tuple[str, ...] = ()
    """Other requirements that go into the same environment."""
    pythons: tuple[str, ...] = ()
    """The Pythons that it runs with, the best one first, where this one is too old for it."""

    @property
    def folder(self) -> Path:
        """Its environment; the name says the version, so another version never meets what is left of this one."""
        return HOME / f"{self.distribution}-{self.version}"

    def python(self) -> str | None:
        """The Python to run it with; None where this machine has none."""
        return next((place for version in self.pythons for place in interpreters(version)), None) if self.pythons else sys.executable

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / "bin" / name)


def interpreters(version: str) -> list[str]:
    """Where this machine has a Python of that version: one of its own, and any that pyenv installed."""
    own = shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin:/bin")
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [*([own] if own is not None else []), *sorted(str(place) for place in root.glob(f"versions/{version}.*/bin/python{version}"))]


TOOLS = {
    "pip": Tool("pip", "26.3"),
    # 19.2 and older import names from `collections` that Python 3.10 took away.
    "old-pip": Tool("pip", "19.3.1"),
    "uv": Tool("uv", "0.13.9"),
    "poetry": Tool("poetry", "2.5.1"),
    # It says `hishel>=1.4` and uses what hishel 2 took away.
    "pdm": Tool("pdm", "2.29.4", beside=("hishel[httpx2]<2",)),
    "pip-tools": Tool("pip-tools", "7.6.2", beside=("pip==26.3",)),
    "zc.buildout": Tool("zc.buildout", "6.0.1"),
    "twine": Tool("twine", "7.0.0"),
    "flit": Tool("flit", "4.2.0"),
    "hatch": Tool("hatch", "1.18.2"),
    # What builds the source distributions of distutils.
    "setuptools": Tool("setuptools", "80.9.0", beside=("pip==26.3",)),
    # The last with XML-RPC, which is its own choice too.
    "bandersnatch-6": Tool("bandersnatch", "6.8.0"),
    "bandersnatch-8": Tool("bandersnatch", "8.2.0", pythons=("3.13", "3.12", "3.14")),
    "devpi": Tool("devpi-server", "6.20.3"),
}
"""Every version that is used anywhere in these tests."""


def installed(key: str) -> Tool:
    """
    A tool that is ready for use; it is installed the first time.

    Where that cannot be done the test is skipped, or fails under `CI=true`: there a skip would hide that nothing was tried.
    """
    tool = TOOLS[key]
    stamp = tool.folder / "complete"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        # Parallel test processes must not install over each other; the lock goes when the file is closed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            _install(tool)
            stamp.touch()
    return tool


def _install(tool: Tool) -> None:
    shutil.rmtree(tool.folder, ignore_errors=True)
    environment = {**os.environ, "PIP_CONFIG_FILE": "/dev/null"}
    # Compiled once here, since the tests keep the tools from writing anything, and poetry alone has a second's worth to compile.
    python = tool.python()
    if python is None:
        missing(f"{tool.distribution} {tool.version} needs a Python of {', '.join(tool.pythons)}, and this machine has none")
    requirements = [f"{tool.distribution}=={tool.version}", *tool.beside]
    program, own = uv.find_uv_bin(), str(tool.folder / "bin" / "python")
    for command in (
        [program, "venv", "--quiet", "--no-project", "--python", python, str(tool.folder)],
        [program, "pip", "install", "--quiet", "--compile-bytecode", "--python", own, *requirements],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False, cwd=HOME)
        if done.returncode:
            reason = f"{tool.distribution} {tool.version} cannot be installed here: {done.stderr.strip()[-300:]}"
            missing(reason)
