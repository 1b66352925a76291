"""A house that answers a real browser: each request is put to its door as the skin would have it, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, unquote

from pypidaemon.web.ask import Ask, Headers
from pypidaemon.web.reply import Reply
from tests.browser.listening import Quiet, listening
from tests.house import House


@contextmanager
def living(house: House) -> Iterator[str]:
    """The address of it, without a slash at its end."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self._send(house.answered(self._ask()))

        def do_POST(self) -> None:
            self._send(house.answered(self._ask(), self.rfile.read(int(self.headers["Content-Length"]))))

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
            self.give(reply, house.body(reply))

    with listening(Handler) as url:
        yield url
