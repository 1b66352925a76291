"""This daemon: private packages before a proxy at the root, and a mirror beside them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from benchmarks.chaos.subjects import Wanted, slay
from benchmarks.measuring import family
from tests.clients.daemon import Daemon, free_port
from tests.clients.posting import Poster
from tests.clients.store import SECTIONS, tell

TROUBLES = ("Traceback", "Unhandled", "#critical")
"""An `#error` may be what an operator has to know of a fault; these are never right."""


@attrs.define(eq=False)
class Pypidaemon:
    """A `Subject`."""

    name = "pypidaemon"
    abilities = frozenset({"uploads", "sync", "json", "metadata", "reserved", "verify", "alerts", "metrics", "tls", "prefix"})
    lacks: ClassVar[Mapping[str, str]] = {}
    freshness = settling = 0.0
    daemon: Daemon
    _token: str = attrs.field(default="", init=False)

    @classmethod
    def make(cls, folder: Path, upstream: str, wanted: Wanted) -> Pypidaemon:
        """As `Make`."""
        keys = "proxy = none\n" + (f"ca-file = {wanted.ca_file}\n" if wanted.ca_file else "")
        mirror = "[index:mirror]\nuse = mirror\nupstream = pypi\n[service:filling]\nuse = mirroring\nindex = mirror\nschedule = weekly sun 03:15\n"
        mirror = mirror + f"projects = {wanted.mirrored}\n" if wanted.mirrored else ""
        daemon = Daemon(
            folder, wanted.upstream or upstream, keys + SECTIONS + mirror, index="root", uploads="private",
            settings=f"reserved = {wanted.reserved}\n", prefix=wanted.prefix,
        )  # fmt: skip
        if wanted.state is not None:
            folder.mkdir(parents=True)
            (folder / "var").symlink_to(wanted.state)
        return cls(daemon)

    @property
    def state(self) -> Path:
        """As `Subject`."""
        return self.daemon.folder / "var"

    def start(self) -> None:
        """As `Subject`."""
        self.daemon.start()
        if not self._token:
            tell(self.daemon, "user/add", name="ann")
            tell(self.daemon, "grant/add", name="ann", right="upload", place="private")
            self._token = tell(self.daemon, "token/add", name="ann")["token"]

    def stop(self) -> None:
        """As `Subject`."""
        self.daemon.stop()

    def kill(self) -> None:
        """As `Subject`."""
        members = family(self.pid)
        self.daemon.kill()
        slay(members[1:])

    @property
    def pid(self) -> int:
        """As `Subject`."""
        assert self.daemon.process is not None
        return self.daemon.process.pid

    @property
    def url(self) -> str:
        """As `Subject`."""
        return self.daemon.url

    @property
    def simple(self) -> str:
        """As `Subject`."""
        return self.daemon.simple

    def poster(self) -> Poster:
        """As `Subject`."""
        return Poster(self.daemon.port, self._token)

    def uploaded(self) -> str:
        """As `Subject`."""
        return f"{self.url}/index/private/simple/"

    def sync(self) -> dict[str, object]:
        """As `Subject`; the command has another status than 0 where the run is not complete."""
        said: dict[str, object] = json.loads(self.daemon.ordered("sync", "--once", "--json").stdout or "{}")
        return said

    def mirrored(self) -> str:
        """As `Subject`."""
        return f"{self.url}/index/mirror/simple/"

    def complaints(self) -> list[str]:
        """As `Subject`."""
        lines = self.daemon.log.splitlines() if self.daemon.folder.joinpath("log").exists() else []
        return [line[:300] for line in lines if any(trouble in line for trouble in TROUBLES)]

    def alerted(self, filename: str) -> bool:
        """As `Subject`."""
        return f"upstream has other bytes for {filename}" in self.daemon.log

    def verify(self) -> list[str]:
        """As `Subject`."""
        done = self.daemon.ordered("verify")
        found = [] if done.returncode == 0 else [f"verify: {line}" for line in (done.stdout + done.stderr).splitlines()[:5]]
        drafts = self.state / "blobs" / "drafts"
        left = sorted(draft.name for draft in drafts.iterdir()) if drafts.is_dir() else []
        return found + [f"a draft is left: {name}" for name in left]

    def repair(self) -> dict[str, Any]:
        """As `Subject`."""
        done = self.daemon.ordered("verify", "--repair", "--json")
        if not done.stdout.startswith("{"):
            return {"findings": [], "unrepaired": 1, "said": (done.stdout + done.stderr)[-300:]}
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def stray(self, data: bytes) -> Path:
        """As `Subject`."""
        digest = hashlib.sha256(data).hexdigest()
        place = self.state / "blobs" / digest[:2] / digest[2:4] / digest
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        os.utime(place, (0, 0))
        return place

    def half(self, data: bytes) -> Path:
        """As `Subject`."""
        place = self.state / "blobs" / "drafts" / hashlib.sha256(data).hexdigest()[:32]
        place.write_bytes(data)
        return place

    def second(self) -> int | None:
        """As `Subject`."""
        other = attrs.evolve(self.daemon, port=free_port())
        try:
            other.start()
        except AssertionError:
            assert other.process is not None
            return other.process.poll()
        other.stop()
        return None

    def metric(self, name: str, label: str = "") -> float:
        """As `Subject`."""
        text = self.daemon.ask("GET", "/+metrics").body.decode()
        return sum(float(value) for labels, value in re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE) if label in labels)
