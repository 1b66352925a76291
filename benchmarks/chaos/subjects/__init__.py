"""What is put to the test: each subject says how it is started, asked and uploaded to, so that the faults need not know which one it is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import attrs

from tests.clients.posting import Poster


@attrs.define
class Wanted:
    """What a fault wants to be otherwise than usual; a subject that cannot do that is not tried with this fault."""

    prefix: tuple[str, ...] = ()
    """The words of a program that starts it."""
    upstream: str = ""
    """Another URL of the upstream's simple index than that of the wire."""
    ca_file: Path | None = None
    """Authorities to trust."""
    mirrored: str = ""
    """Patterns of the projects that a mirror of its own has, where it has one."""
    state: Path | None = None
    """Where its state lies, such as a small disk; in its own folder where nothing is said."""
    reserved: str = "acme-*"
    """Patterns of names that no upstream may be asked for."""


class Subject(Protocol):
    """
    One index server on a state folder and port of its own.

    `abilities` are those of `uploads`, `sync`, `json`, `metadata`, `reserved`, `verify`, `alerts`, `metrics`, `tls` and `prefix`; `lacks` says of others
    why it has them not. `freshness` is for how many seconds it may give out a page without asking upstream; `settling` for how many seconds it is waited for
    until it has stored what it gave out, zero where it does so before.
    """

    name: str
    abilities: frozenset[str]
    lacks: Mapping[str, str]
    freshness: float
    settling: float
    state: Path

    def start(self) -> None:
        """Start it on what it has, and come back when it is ready."""

    def stop(self) -> None:
        """End it as a service manager would."""

    def kill(self) -> None:
        """End it by signal 9."""

    @property
    def pid(self) -> int:
        """Its process, from which all its others descend."""

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""

    @property
    def simple(self) -> str:
        """The URL of its simple index."""

    def poster(self) -> Poster:
        """An uploader with a connection of its own. Only with `uploads`."""

    def uploaded(self) -> str:
        """The URL of the simple index that has what was uploaded. Only with `uploads`."""

    def sync(self) -> dict[str, object]:
        """Fill the mirror once, and answer what it says of that: at least `complete`. Only with `sync`."""

    def mirrored(self) -> str:
        """The URL of the mirror's simple index. Only with `sync`."""

    def complaints(self) -> list[str]:
        """What in its log an operator would have to worry about."""

    def alerted(self, filename: str) -> bool:
        """Whether it said to its operator that upstream has other bytes for this file. Only with `alerts`."""

    def verify(self) -> list[str]:
        """What it finds missing, damaged or left over in its own store; also files of work that is not under way. Only with `verify`."""

    def repair(self) -> dict[str, Any]:
        """Have it find what is wrong in its own store and put it right; what it says of that: `findings` and `unrepaired`. Only with `verify`."""

    def stray(self, data: bytes) -> Path:
        """Put something into its store that nobody knows of, as old as can be. Only with `verify`."""

    def half(self, data: bytes) -> Path:
        """Put something into its store as if it had been ended while it wrote that. Only with `verify`."""

    def second(self) -> int | None:
        """Try to start another one on the same state; the status with which that ended, None where it did not end by itself."""

    def metric(self, name: str, label: str = "") -> float:
        """The sum of a metric of its own, over the series that have this text among their labels. Only with `metrics`."""


def slay(pids: Iterable[int]) -> None:
    """End these processes by signal 9, as a power cut would, and come back when none of them is left."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        while runs(pid):
            time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether that process is there, and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


Make = Callable[[Path, str, Wanted], Subject]
"""Make a subject that is not started yet: its folder, the URL of the upstream's simple index, what the fault wants."""


def release(name: str) -> str:
    """What a subject of that name is, with its version; it is installed the first time."""
    if name == "pypidaemon":
        return f"pypidaemon {version('pypidaemon')}"
    from benchmarks.chaos.subjects.peers import release as released

    return released(name)


def subjects() -> dict[str, Make]:
    """All there are, by name."""
    from benchmarks.chaos.subjects.ours import Pypidaemon
    from benchmarks.chaos.subjects.peers import Devpi, Peryx, Proxpi

    return {"pypidaemon": Pypidaemon.make, "devpi": Devpi.make, "proxpi": Proxpi.make, "peryx": Peryx.make}
