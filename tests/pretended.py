"""A control socket for tests of verbs: something listens, and a test says what it answers."""

from __future__ import annotations

import socket
import threading
from pathlib import Path


class ControlSocket:
    """Listens at that path, in a thread of its own, and hands each connection to `attend`; `close` ends it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def attend(self, connection: socket.socket) -> None:
        """Read a request and answer it; for subclasses."""
        raise NotImplementedError

    def close(self) -> None:
        """Listen no more, and wait for the thread to end."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.attend(connection)
