"""A relay between an installer and the daemon that writes down what is asked, and can break off an answer once."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import attrs

PIECE = 1 << 16


@attrs.frozen
class Asked:
    """A request as the installer sent it; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


@attrs.define(eq=False)
class Relay:
    """Copies bytes both ways between a port of its own and another."""

    port: int
    cut_after: int | None = None
    """So many bytes of an answer come through before its connection is broken off; this happens once."""
    cut_request_after: int | None = None
    """The same for what is sent to the daemon."""
    listening: socket.socket = attrs.field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _said: list[bytearray] = attrs.field(factory=list, init=False)

    @property
    def url(self) -> str:
        """Scheme, host and port of this relay, without a slash at the end."""
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    @property
    def simple(self) -> str:
        """The URL of the simple index, by way of this relay."""
        return f"{self.url}/simple/"

    def asked(self, target_end: str) -> list[Asked]:
        """The requests for targets that end so. Requests without bodies follow each other, so heads are all there is to find."""
        found = []
        for said in self._said:
            for head in bytes(said).decode("latin-1").split("\r\n\r\n"):
                first, *lines = head.split("\r\n")
                match = re.fullmatch(r"([A-Z]+) (\S+) HTTP/1\.1", first)
                if match and match[2].endswith(target_end):
                    fields = (line.partition(":") for line in lines)
                    found.append(Asked(match[1], match[2], {name.lower(): value.strip() for name, _, value in fields}))
        return found

    def serve(self) -> None:
        """Accept connections until the listening socket is closed."""
        with suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                said = bytearray()
                self._said.append(said)
                threading.Thread(target=self._upwards, args=(near, far, said), daemon=True).start()
                threading.Thread(target=self._downwards, args=(near, far), daemon=True).start()

    def _upwards(self, near: socket.socket, far: socket.socket, said: bytearray) -> None:
        with suppress(OSError):
            passed = 0
            while piece := near.recv(PIECE):
                said += piece
                if self.cut_request_after is not None and passed + len(piece) > self.cut_request_after:
                    far.sendall(piece[: self.cut_request_after - passed])
                    self.cut_request_after = None
                    near.shutdown(socket.SHUT_RDWR)
                    break
                far.sendall(piece)
                passed += len(piece)
            far.shutdown(socket.SHUT_WR)

    def _downwards(self, near: socket.socket, far: socket.socket) -> None:
        passed = 0
        with near, far, suppress(OSError):
            while piece := far.recv(PIECE):
                if self.cut_after is not None and passed + len(piece) > self.cut_after:
                    near.sendall(piece[: self.cut_after - passed])
                    self.cut_after = None
                    near.shutdown(socket.SHUT_RDWR)
                    return
                near.sendall(piece)
                passed += len(piece)


@contextmanager
def relay(port: int, cut_after: int | None = None, cut_request_after: int | None = None) -> Iterator[Relay]:
    """A relay to that port, as long as the block lasts."""
    found = Relay(port, cut_after, cut_request_after)
    thread = threading.Thread(target=found.serve, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        # Closing alone would leave the thread waiting in `accept`.
        found.listening.shutdown(socket.SHUT_RDWR)
        found.listening.close()
        thread.join(10)
