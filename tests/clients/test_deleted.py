"""A private file that is deleted while somebody downloads it, and while its page is asked for."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.posting import Parcel, Poster
from tests.clients.store import store
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

LARGE = 6_000_000
"""More than the buffers of both ends hold (tcp(7): 4 MiB by default at the one that sends), so that the download is still being read from the store when the file goes."""


def head_of(answer: socket.socket) -> tuple[bytes, bytes]:
    """The head of an answer, and what of its body came with it."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += answer.recv(4096)
    head, _, body = heard.partition(b"\r\n\r\n")
    return head, body


def test_F101_a_download_that_is_under_way_ends_whole_and_the_next_answer_knows_of_the_deletion(upstream: Upstream, tmp_path: Path) -> None:
    """Also where what was deleted is yanked, and brought back, meanwhile: each page is that of one moment."""
    with store(tmp_path / "daemon", upstream.simple) as found:
        daemon: Daemon = found.daemon
        parcel = Parcel.of(Release("large-own", "1.0", LARGE))
        poster = Poster(daemon.port, found.founder)
        assert poster.post(parcel) == 200
        poster.close()
        (file,) = daemon.page("large-own")["files"]
        path = file["url"].removeprefix("../..")
        taking = socket.socket()
        with taking:
            taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            taking.settimeout(60)
            taking.connect(("127.0.0.1", daemon.port))
            taking.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head, body = head_of(taking)
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            assert length is not None
            assert int(length[1]) > LARGE
            daemon.order("yank", "large-own==1.0", "--reason", "it is large")
            assert daemon.page("large-own")["files"][0]["yanked"] == "it is large"
            daemon.order("delete", "large-own==1.0")
            assert daemon.ask("GET", path).status == 404
            assert daemon.page("large-own")["files"] == []
            digest = hashlib.sha256(body)
            left = int(length[1]) - len(body)
            while left:
                piece = taking.recv(min(1 << 20, left))
                assert piece, f"{left} bytes are missing"
                digest.update(piece)
                left -= len(piece)
            assert digest.hexdigest() == parcel.sha256
        daemon.order("undelete", "large-own==1.0")
        assert daemon.page("large-own")["files"][0]["yanked"] == "it is large"
        assert daemon.ask("HEAD", path).status == 200
