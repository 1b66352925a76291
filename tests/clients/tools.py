"""The installers, uploaders and mirrors that the daemon is tried with: which, in which version, and where they live."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
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
    programs: Mapping[str, str] = attrs.field(factory=dict)
    """What its programs of these names call, as `module:function`: those that are begun often enough to be forked (`tests.forked`)."""
    imports: tuple[str, ...] = ()
    """What they import, as `tests.nursery` wants it said."""

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


AGENT = "pip._internal.network.session:user_agent"
"""What a pip says of itself, for which it starts two programs."""
PIP = (
    "pip._internal.cli.main",
    "pip._internal.commands.install",
    "pip._internal.commands.download",
    "pip._internal.operations.install.wheel",
    "pip._internal.metadata.importlib",
    "pip._internal.resolution.resolvelib.resolver",
    "pip._vendor.truststore",
    AGENT,
)
"""What the newest pip imports whenever it installs something, which is most of what it spends."""
BANDERSNATCH = {"bandersnatch": "bandersnatch.main:main"}
TOOLS = {
    "pip": Tool("pip", "26.3", programs={"pip": "pip._internal.cli.main:main"}, imports=PIP),
    # 19.2 and older import names from `collections` that Python 3.10 took away.
    "old-pip": Tool("pip", "19.3.1", programs={"pip": "pip._internal.main:main"}, imports=("pip._internal.*", AGENT)),
    "uv": Tool("uv", "0.13.9"),
    "poetry": Tool("poetry", "2.5.1", programs={"poetry": "poetry.console.application:main"}, imports=("poetry.*",)),
    # It says `hishel>=1.4` and uses what hishel 2 took away.
    "pdm": Tool("pdm", "2.29.4", beside=("hishel[httpx2]<2",), programs={"pdm": "pdm.core:main"}, imports=("pdm.*",)),
    "pip-tools": Tool(
        "pip-tools",
        "7.6.2",
        beside=("pip==26.3",),
        programs={"pip-compile": "piptools.scripts.compile:cli", "pip": "pip._internal.cli.main:main"},
        imports=("piptools.*", *PIP),
    ),
    "zc.buildout": Tool("zc.buildout", "6.0.1", programs={"buildout": "zc.buildout.buildout:main"}, imports=("zc.buildout.*",)),
    "twine": Tool("twine", "7.0.0", programs={"twine": "twine.__main__:main"}, imports=("twine.*",)),
    "flit": Tool("flit", "4.2.0", programs={"flit": "flit:main"}, imports=("flit.*",)),
    "hatch": Tool("hatch", "1.18.2", programs={"hatch": "hatch.cli:main"}, imports=("hatch.*",)),
    # What builds the source distributions of distutils.
    "setuptools": Tool("setuptools", "80.9.0", beside=("pip==26.3",)),
    # The last with XML-RPC, which is its own choice too.
    "bandersnatch-6": Tool("bandersnatch", "6.8.0", programs=BANDERSNATCH, imports=("bandersnatch.*",)),
    "bandersnatch-8": Tool("bandersnatch", "8.2.0", pythons=("3.13", "3.12", "3.14"), programs=BANDERSNATCH, imports=("bandersnatch.*",)),
    "pypiserver": Tool("pypiserver", "2.4.2", programs={"pypi-server": "pypiserver.__main__:main"}, imports=("pypiserver.*",)),
    "devpi": Tool(
        "devpi-server",
        "6.20.3",
        programs={
            "devpi-init": "devpi_server.init:init",
            "devpi-server": "devpi_server.main:main",
            "devpi-export": "devpi_server.importexport:export",
        },
        imports=("devpi_server.*", "strictyaml"),
    ),
}
"""Every version that is used anywhere in these tests."""


def forkable(command: Sequence[str]) -> tuple[Tool, str, Sequence[str]] | None:
    """The tool whose program that is, what the program calls, and the words that it is given; None for what is no program of such a tool."""
    place, *words = command
    name = Path(place).name
    if name == "python" and words[:1] == ["-m"]:
        name, *words = words[1:]
    for tool in TOOLS.values():
        if Path(place).parent == tool.folder / "bin" and name in tool.programs:
            return tool, tool.programs[name], words
    return None


@cache
def acquainted() -> Path:
    """A cache of uv's that has nothing but what it asked this Python of itself, which it does for each new cache."""
    place = Path(tempfile.mkdtemp(prefix="pypidaemon-uv-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    words = ["python", "find", "--no-config", "--no-project", "--no-python-downloads", "--cache-dir", str(place), sys.executable]
    subprocess.run([installed("uv").program("uv"), *words], check=True, capture_output=True, timeout=60, cwd=HOME)
    return place


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
