"""How each installer is told to use one index and nothing else, and what it then has installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from packaging.utils import canonicalize_name

from tests.clients.daemon import bare_environment
from tests.clients.tools import acquainted, forkable, installed
from tests.forked import NURSERIES, Forked

PATIENCE = 90
"""Seconds after which an installer is taken to hang."""


@attrs.frozen
class Outcome:
    """How a run of an installer ended."""

    code: int
    said: str


def run(command: Sequence[str], place: Path, environment: Mapping[str, str] | None = None) -> Outcome:
    """Run a program in a folder, with a home of its own below it."""
    settings = {**bare_environment(place / "home"), **(environment or {})}
    if found := forkable(command):
        tool, entry, words = found
        if nursery := NURSERIES.of(tool.program("python"), *tool.imports):
            done = nursery.run(entry, words, settings, place, "", PATIENCE)
            return Outcome(done.returncode, done.stdout + done.stderr)
    done = subprocess.run(command, cwd=place, env=settings, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return Outcome(done.returncode, done.stdout + done.stderr)


def begin(command: Sequence[str], place: Path, log: Path) -> subprocess.Popen[bytes] | Forked:
    """Start a program that runs until it is told to end, in the same way; what it says goes to that file."""
    settings = bare_environment(place / "home")
    with log.open("ab") as out, open(os.devnull, "rb") as nothing:
        if found := forkable(command):
            tool, entry, words = found
            if nursery := NURSERIES.of(tool.program("python"), *tool.imports):
                return nursery.begin(entry, words, settings, place, nothing, out, out)
        return subprocess.Popen(command, cwd=place, env=settings, stdin=nothing, stdout=out, stderr=out)


def must(command: Sequence[str], place: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program that has to succeed; answer what it said."""
    outcome = run(command, place, environment)
    assert outcome.code == 0, f"{' '.join(command)}\n{outcome.said}"
    return outcome.said


def present(folder: Path) -> dict[str, str]:
    """The distributions in a folder of packages, by normalised name, with their versions."""
    found = {}
    for info in folder.glob("*.dist-info"):
        metadata = (info / "METADATA").read_text("utf-8")
        name, version = (re.search(rf"^{field}: (.+)$", metadata, re.MULTILINE) for field in ("Name", "Version"))
        assert name, info
        assert version, info
        found[str(canonicalize_name(name[1]))] = version[1]
    return found


def packages_of(environment: Path) -> Path:
    """Where a virtual environment has its packages."""
    [found] = environment.glob("lib/python3*/site-packages")
    return found


def pip_command(key: str, *arguments: str) -> list[str]:
    """One of the pips."""
    return [installed(key).program("python"), "-m", "pip", "--isolated", *arguments]


def uv_command(*arguments: str) -> list[str]:
    """The pinned uv."""
    return [installed("uv").program("uv"), *arguments]


def uv_environment(index: str, place: Path) -> dict[str, str]:
    """Keeps uv to one index, and to a cache that nobody had before; all that is in it is what uv knows of this Python."""
    if not (place / "uv-cache").exists():
        shutil.copytree(acquainted(), place / "uv-cache")
    return {
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": index,
        "UV_CACHE_DIR": str(place / "uv-cache"),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_LINK_MODE": "copy",
    }


def project(place: Path, requirements: Sequence[str], more: str = "") -> None:
    """Write the pyproject.toml of a project that is no package itself."""
    wanted = ", ".join(f'"{requirement}"' for requirement in requirements)
    (place / "pyproject.toml").write_text(
        f'[project]\nname = "trial"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{wanted}]\n{more}'
    )


def fresh_environment(place: Path) -> Path:
    """An empty virtual environment in the project's folder, where poetry and pdm look for one."""
    folder = place / ".venv"
    must(uv_command("venv", "--quiet", "--clear", "--no-project", str(folder)), place, uv_environment("http://index.invalid/", place))
    return folder


def pip(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """The newest pip, into a folder."""
    must(pip_command("pip", "install", "-q", "-i", index, "--no-cache-dir", "--target", "target", *requirements), place)
    return present(place / "target")


def old_pip(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """The oldest pip that runs here, which knows HTML pages only."""
    must(pip_command("old-pip", "install", "-q", "-i", index, "--no-cache-dir", "--target", "target", *requirements), place)
    return present(place / "target")


def uv_pip(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """uv's interface in the manner of pip."""
    must(uv_command("pip", "install", "-q", "--target", "target", *requirements), place, uv_environment(index, place))
    return present(place / "target")


def uv_lock(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """uv's projects: a lock file, and an environment that follows it."""
    project(place, requirements, "[tool.uv]\npackage = false\n")
    environment = uv_environment(index, place)
    must(uv_command("lock", "-q"), place, environment)
    must(uv_command("sync", "-q", "--frozen"), place, environment)
    return present(packages_of(place / ".venv"))


def poetry(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """poetry's lock and install."""
    _poetry_project(index, place, requirements)
    # Without a lock file it makes one first; one process less is a second less.
    found = poetry_install(place, place / "poetry-cache")
    assert "sha256:" in (place / "poetry.lock").read_text()
    return found


def poetry_lock(index: str, place: Path, requirements: Sequence[str]) -> None:
    """poetry's lock alone."""
    _poetry_project(index, place, requirements)
    must([installed("poetry").program("poetry"), "lock", "-q"], place, _poetry_environment(place / "poetry-cache"))


def poetry_install(place: Path, cache: Path) -> dict[str, str]:
    """poetry's install of a project, into a fresh environment and with that folder as its cache."""
    folder = fresh_environment(place)
    must([installed("poetry").program("poetry"), "install"], place, _poetry_environment(cache))
    return present(packages_of(folder))


def _poetry_project(index: str, place: Path, requirements: Sequence[str]) -> None:
    source = f'[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = "tried"\nurl = "{index}"\npriority = "primary"\n'
    project(place, requirements, source)


def _poetry_environment(cache: Path) -> dict[str, str]:
    return {
        "POETRY_CACHE_DIR": str(cache),
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_NO_INTERACTION": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def pdm(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """pdm's lock and sync."""
    project(place, requirements, f'[tool.pdm]\ndistribution = false\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{index}"\n')
    program = installed("pdm").program("pdm")
    environment = {"PDM_CHECK_UPDATE": "0", "PDM_CACHE_DIR": str(place / "pdm-cache"), "PDM_PYPI_URL": index}
    folder = fresh_environment(place)
    must([program, "install", "-q"], place, environment)
    assert "sha256:" in (place / "pdm.lock").read_text()
    return present(packages_of(folder))


def pip_tools(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """pip-compile with hashes, and pip that insists on them."""
    (place / "requirements.in").write_text("".join(f"{requirement}\n" for requirement in requirements))
    compiler = installed("pip-tools").program("pip-compile")
    arguments = ["-q", "--generate-hashes", "--no-header", "--strip-extras", "-i", index, "--cache-dir", str(place / "pip-tools-cache")]
    must([compiler, *arguments, "-o", "requirements.txt", "requirements.in"], place)
    assert "--hash=sha256:" in (place / "requirements.txt").read_text()
    arguments = ["-q", "-i", index, "--no-cache-dir", "--require-hashes", "--target", "target", "-r", "requirements.txt"]
    must(pip_command("pip", "install", *arguments), place)
    return present(place / "target")


def buildout(index: str, place: Path, requirements: Sequence[str]) -> dict[str, str]:
    """buildout, which is made to fetch distributions without a recipe by naming them as its extensions."""
    eggs = place / "eggs"
    eggs.mkdir()
    (place / "buildout.cfg").write_text(
        f"[buildout]\nindex = {index}\nparts =\nextensions = {' '.join(requirements)}\neggs-directory = {eggs}\nallow-hosts = 127.0.0.1:*\n"
    )
    must([installed("zc.buildout").program("buildout"), "-N"], place)
    found = {}
    for folder in eggs.rglob("*.dist-info"):
        found.update(present(folder.parent))
    for metadata in eggs.rglob("EGG-INFO/PKG-INFO"):
        text = metadata.read_text("utf-8")
        found[str(canonicalize_name(text.partition("\nName: ")[2].split("\n")[0]))] = text.partition("\nVersion: ")[2].split("\n")[0]
    return found


Installer = Callable[[str, Path, Sequence[str]], dict[str, str]]
