"""A small server on loopback, for a browser to ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from pypidaemon.web.reply import Reply


class Quiet(BaseHTTPRequestHandler):
    """Answers requests, and says nothing of them."""

    def give(self, reply: Reply, body: bytes) -> None:
        """That answer, with its own fields and this body."""
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """As the base class, silently."""


@contextmanager
def listening(handler: type[Quiet], kind: type[HTTPServer] = HTTPServer) -> Iterator[str]:
    """The address of a server whose requests that handler answers, without a slash at its end."""
    server = kind(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
