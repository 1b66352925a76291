"""The further processes of a daemon, and connections that are theirs for certain."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import attrs

from tests.clients.daemon import PAUSE, TRIES, Daemon
from tests.clients.looking import eventually

AGAIN = 5
"""So many connections are tried until one is a front's for certain."""


def fronts(daemon: Daemon) -> list[int]:
    """The processes of that daemon's fronts."""
    found = []
    assert daemon.process is not None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == daemon.process.pid and b"pypidaemon.workers.process" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return sorted(found)


def listening(daemon: Daemon) -> list[int]:
    """Those of them that were told where to listen."""
    return [pid for pid in fronts(daemon) if _sockets(pid) > 1]


def _sockets(pid: int) -> int:
    with suppress(OSError):
        return sum(os.readlink(entry).startswith("socket:") for entry in Path(f"/proc/{pid}/fd").iterdir())
    return 0


@attrs.define(eq=False)
class Caller:
    """A client that stays connected, until `hang_up` at the latest."""

    socket: socket.socket
    rest: bytes = b""
    """What was heard behind an answer."""
    here: ClassVar[list[Caller]] = []
    """All there are."""

    def __attrs_post_init__(self) -> None:
        self.here.append(self)

    @classmethod
    def hang_up(cls) -> None:
        """Let all of them end."""
        while cls.here:
            cls.here.pop().socket.close()

    @classmethod
    def of_a_front(cls, daemon: Daemon) -> Caller:
        """One that a front has accepted: the keeper is stopped meanwhile."""
        eventually(lambda: bool(listening(daemon)))
        assert daemon.process is not None
        there = listening(daemon)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        try:
            # Whatever ends meanwhile makes the count of sockets lower, so it is begun anew a few times.
            for _ in range(AGAIN):
                before = sum(map(_sockets, there))
                found = cls(socket.create_connection(("127.0.0.1", daemon.port), timeout=30))
                for _ in range(TRIES // AGAIN):
                    if sum(map(_sockets, there)) > before:
                        return found
                    time.sleep(PAUSE / 4)
        finally:
            os.kill(daemon.process.pid, signal.SIGCONT)
        raise AssertionError("no front has accepted")

    @classmethod
    def of_the_keeper(cls, daemon: Daemon) -> Caller:
        """One that the keeper has: it is given every connection whose first request nobody has an answer ready to."""
        found = cls(socket.create_connection(("127.0.0.1", daemon.port), timeout=30))
        assert found.ask("/+health")[0] == 200
        return found

    def ask(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of the answer; the status is 0 where the connection is closed instead."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.say("\r\n".join([*lines, "", ""]).encode() + body)

    def say(self, data: bytes) -> tuple[int, bytes]:
        """Send that, and hear one answer."""
        try:
            self.socket.sendall(data)
            return self.hear()
        except ConnectionError:
            return 0, b""

    def hear(self) -> tuple[int, bytes]:
        """The next answer."""
        heard, self.rest = self.rest, b""
        while b"\r\n\r\n" not in heard:
            piece = self.socket.recv(65536)
            if not piece:
                return 0, heard
            heard += piece
        head, _, body = heard.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            piece = self.socket.recv(65536)
            assert piece, "cut short"
            body += piece
        end = int(length[1]) if length else len(body)
        self.rest = body[end:]
        return int(head.split()[1]), body[:end]
