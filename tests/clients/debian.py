"""Programs of the machine, else of Debian's packages, unpacked beside the other tools: so nothing is installed, and no service is started for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from tests.clients.tools import HOME
from tests.needs import missing

PLACES = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")


@attrs.frozen
class Program:
    """A program, and the environment in which it finds its libraries."""

    path: str
    environment: dict[str, str] = attrs.field(factory=lambda: dict(os.environ))


def program(name: str, *packages: str) -> Program:
    """
    The machine's program of that name, else the one in the first of these packages; the others hold libraries that it needs.

    Where there is none and none can be had the test is skipped, or fails under `CI=true`.
    """
    if found := shutil.which(name, path=PLACES):
        return Program(found)
    unpacked = HOME / name
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _in(unpacked, name) is None:
            _unpack(unpacked, packages)
    path = _in(unpacked, name)
    assert path is not None, f"{packages[0]} has no {name}"
    libraries = ":".join(sorted({str(file.parent) for file in unpacked.glob("**/*.so.*")}))
    return Program(path, {**os.environ, "LD_LIBRARY_PATH": libraries})


def _in(folder: Path, name: str) -> str | None:
    return shutil.which(name, path=":".join(str(folder / one) for one in FOLDERS))


def _unpack(folder: Path, packages: Sequence[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    reason = f"neither {folder.name} nor apt-get is here"
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "download", *packages]):
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        except FileNotFoundError:
            missing(reason)
        # Only root may update, and may have done so before.
        reason = f"{folder.name} cannot be had: {done.stderr.strip()[-300:]}"
    archives = sorted(folder.glob("*.deb"))
    if len(archives) < len(packages):
        missing(reason)
    for archive in archives:
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
