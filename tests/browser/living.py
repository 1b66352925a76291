"""A house that answers a real browser: each request is put to its door as the skin would have it, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from pypidaemon.errors import PypidaemonError
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask, Headers
from pypidaemon.web.reply import Reply
from tests.gear import now
from tests.house import House


@contextmanager
def living(house: House) -> Iterator[str]:
    """The address of it, without a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(answered(house, self._ask(), None))

        def do_POST(self) -> None:
            self._send(answered(house, self._ask(), self.rfile.read(int(self.headers["Content-Length"]))))

        def _ask(self) -> Ask:
            path, _, query = self.path.partition("?")
            segments = tuple(unquote(one) for one in path[1:].split("/"))
            headers = Headers(tuple(self.headers.items()))
            pairs = tuple(parse_qsl(query, keep_blank_values=True))
            return Ask(self.command, segments, pairs, headers, "127.0.0.1", str(self.headers["Host"]), id="0" * 16)

        def _send(self, reply: Reply) -> None:
            if reply.stream is not None and reply.stream.length is None:
                # Nobody but a real daemon goes on with what has no end; a browser asks no more for what it is told is empty.
                reply.close()
                reply = Reply(204)
            body = house.body(reply)
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answered(house: House, ask: Ask, body: bytes | None) -> Reply:
    """What the door says to that request, from its head to the end of its body."""
    try:
        receiving: Any = house.door.receive(ask) if body is not None else None
        if receiving is None:
            return house.door.routes.quick(ask) or now(house.door.routes.handle(ask))
        receiver: Any = now(receiving)
        if isinstance(receiver, Reply):
            return receiver
        now(receiver.write(body))
        finished: Reply = now(receiver.finish())
        return finished
    except PypidaemonError as error:
        return failures.answer(error, ask.id, of_file=False)
