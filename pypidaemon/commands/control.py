"""The client of a running daemon's control socket: HTTP over a UNIX socket, by the standard library alone."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pypidaemon.errors import PypidaemonError

PATIENCE = 60.0
"""Seconds that a daemon gets for one answer; expiring a large cache takes some."""

LARGEST = 2**24
"""The most bytes of an answer that are read; a status is a few kilobytes."""


class NotRunning(PypidaemonError):
    """No daemon listens on that control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no daemon is running on the data folder {path.parent}")


class Refused(PypidaemonError):
    """The daemon does not do it; `absent` says that it knows no such thing."""

    def __init__(self, line: str, *, absent: bool) -> None:
        super().__init__(line)
        self.absent = absent


class _Connection(http.client.HTTPConnection):
    """An HTTP connection whose transport is a UNIX socket; `localhost` is only what its Host header says."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _refusal(response: http.client.HTTPResponse, said: bytes) -> str:
    """What the daemon says against it, in one line; the request's id only where the reason stands in its log alone."""
    lines = said[:500].decode("utf-8", "replace").splitlines()
    reason = " ".join(" ".join(line for line in lines if not line.startswith("request id: ")).split())
    if response.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the daemon failed: {reason or response.reason}; its log has more about request {response.getheader('X-Request-Id', '-')}"
    return reason or f"the daemon refuses: {response.reason}"


def ask(
    path: Path,
    method: str,
    resource: str,
    query: Sequence[tuple[str, str]] = (),
    patience: float = PATIENCE,
    *,
    body: bytes = b"",
    largest: int = LARGEST,
) -> dict[str, Any]:
    """
    Ask a running daemon and answer the JSON object that it gives.

    :param path: the control socket.
    :param patience: how many seconds to wait for it at most.
    :param body: what a POST brings: a JSON object, or nothing.
    :param largest: the most bytes of the answer that are read.
    :raises NotRunning: no daemon listens there.
    :raises Refused: it does not do it.
    :raises PypidaemonError: it does not answer in time, or says something that cannot be read.
    """
    target = resource + (f"?{urlencode(query)}" if query else "")
    connection = _Connection(path, patience)
    try:
        # A body, though empty, makes the client send a Content-Length, which some methods need.
        connection.request(method, target, body=body if method == "POST" else None)
        response = connection.getresponse()
        said = response.read(largest + 1)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NotRunning(path) from None
    except TimeoutError:
        raise PypidaemonError(f"the daemon does not answer within {patience:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise PypidaemonError(f"cannot talk to the daemon: {' '.join(str(error).split()) or type(error).__name__}") from None
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise Refused(_refusal(response, said), absent=response.status == http.HTTPStatus.NOT_FOUND)
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise PypidaemonError("the daemon's answer cannot be read; is it of another version?")
    return answer
