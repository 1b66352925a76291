"""Installed in every way people install things, twistd finds the plugin; uninstalled, it does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from pypidaemon import __version__

ROOT = Path(__file__).parents[2]
THIRD_PARTY = Path(__file__).parent / "thirdparty"
QUIET = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV"))} | {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "UV_NO_CONFIG": "1",
}
"""Nothing here needs an index: what is installed is our own, and everything else is seen through a .pth file."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run that and give what it printed; a failure shows all of it."""
    done = subprocess.run(
        [*command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=QUIET, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is needed to build, so that building leaves nothing in the checkout."""
    import shutil

    copy = tmp_path_factory.mktemp("source") / "pypidaemon"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("pypidaemon", "twisted"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    return copy


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    into = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", into, source, cwd=into)
    (found,) = into.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `everything_but_ours`."""
    return everything_but_ours(tmp_path_factory.mktemp("seen"))


def everything_but_ours(folder: Path) -> Path:
    """That folder, as one through which every package of this environment is seen, but not our own, which may be installed here, too."""
    for place in (Path(path) for path in sys.path if path.endswith("site-packages")):
        for entry in place.iterdir():
            ours = entry.name.startswith(("pypidaemon", "__editable__")) or entry.suffix == ".pth"
            if not ours and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def environment(tmp_path: Path, seen: Path) -> Path:
    """A fresh virtual environment that sees those packages."""
    import venv

    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "seen.pth").write_text(f"{seen}\n")
    return folder


def pip(environment: Path, *arguments: str | Path, cwd: Path) -> None:
    """This environment's pip, at work in that one."""
    run(sys.executable, "-m", "pip", "--python", environment / "bin" / "python", *arguments, cwd=cwd)


def commands(environment: Path, cwd: Path) -> str:
    """What `twistd --help` says there."""
    code = "import sys; from twisted.scripts.twistd import run; sys.argv = ['twistd', '--help']; run()"
    return run(environment / "bin" / "python", "-c", code, cwd=cwd)


def test_the_wheel_holds_the_plugin_the_schemas_and_no_tests(wheel: Path) -> None:
    """What is forgotten here fails only at the user's."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "twisted/plugins/pypidaemon_plugin.py" in names
    assert not any(name.startswith("twisted/") and name.endswith("__init__.py") for name in names)
    assert {f"pypidaemon/records/schema/{file.name}" for file in (ROOT / "pypidaemon/records/schema").glob("*.sql")} <= set(names)
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "pypidaemon").rglob("*.py")}
    assert modules <= set(names)
    assert "pypidaemon/py.typed" in names
    assert {f"pypidaemon/commands/kinds/{file.name}" for file in (ROOT / "pypidaemon/commands/kinds").glob("*.ini")} <= set(names)
    assert any(name.endswith(".data/data/share/man/man1/pypidaemon.1") for name in names)
    assert not any(name.startswith("tests/") for name in names)
    (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert "License-Expression: MIT" in text or "License: MIT" in text
    assert "Requires-Dist: twisted[tls]>=26.4" in text
    assert "Start it" in text


@pytest.mark.parametrize("way", ["wheel by pip", "wheel by uv", "editable by pip", "editable by uv"])
def test_twistd_finds_the_command_after_installing_and_loses_it_after(
    way: str, wheel: Path, source: Path, environment: Path, tmp_path: Path
) -> None:
    """From another working directory, in an environment of its own."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = environment / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    assert "pypidaemon" not in commands(environment, elsewhere)
    match way:
        case "wheel by pip":
            pip(environment, "install", "--no-deps", wheel, cwd=elsewhere)
        case "wheel by uv":
            run(uv, "pip", "install", "--python", python, "--no-deps", wheel, cwd=elsewhere)
        case "editable by pip":
            pip(environment, "install", "--no-deps", "--no-build-isolation", "--editable", source, cwd=elsewhere)
        case "editable by uv":
            run(uv, "pip", "install", "--python", python, "--no-deps", "--no-build-isolation", "--editable", source, cwd=elsewhere)
    assert re.search(r"^ +pypidaemon +\S", commands(environment, elsewhere), re.MULTILINE)
    assert run(environment / "bin" / "pypidaemon", "--version", cwd=elsewhere) == f"pypidaemon {__version__}\n"
    assert run(python, "-m", "pypidaemon", "--version", cwd=elsewhere) == f"pypidaemon {__version__}\n"
    if way.endswith("pip"):
        pip(environment, "uninstall", "--yes", "pypidaemon", cwd=elsewhere)
    else:
        run(uv, "pip", "uninstall", "--python", python, "pypidaemon", cwd=elsewhere)
    assert "pypidaemon" not in commands(environment, elsewhere)


CONFIG = """
[daemon]
listen = tcp:0:interface=127.0.0.1
index = root
[index:root]
use = policed
index = named
policies = small
exposed = yes
[index:named]
use = {use}
projects = First second-one
[policy:small]
use = larger-than
limit = 1MiB
"""


@pytest.mark.parametrize("use", ["fixed", "pypidaemon_example:Fixed"])
def test_components_of_another_distribution_serve_pages(use: str, tmp_path: Path) -> None:
    """By the name they offer and by where they stand; with a real twistd."""
    import shutil

    copy, installed = tmp_path / "source", tmp_path / "installed"
    shutil.copytree(THIRD_PARTY, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", installed, copy, cwd=tmp_path)
    (tmp_path / "c.ini").write_text(CONFIG.format(use=use))
    code = "import sys; from pypidaemon.commands import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", "-c", "c.ini"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=QUIET | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)])},
    )
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            port = re.search(r"answers at http://127\.0\.0\.1:(\d+)/", line)
            if port:
                break
        else:
            raise AssertionError("".join(said))
        address = f"http://127.0.0.1:{port[1]}/simple/"
        request = urllib.request.Request(address + "second-one/", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=30) as page:
            assert page.status == 200
            assert page.headers["X-Pypidaemon-Index"] == "named"
        with urllib.request.urlopen(address, timeout=30) as names:
            assert b"second-one" in names.read()
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[0]
    assert "Traceback" not in "".join(said) + rest
