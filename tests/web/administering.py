"""A browser of the administration: keeps the cookie, and sends the forms of the pages that it was shown."""

from __future__ import annotations

import itertools
import re
from urllib.parse import urlencode

import attrs

from pypidaemon.web.posted import PLAIN
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.admin_page import FORM_WORD
from tests.house import House, header

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
_WORD = re.compile(rf'name="{FORM_WORD}" value="([0-9a-f]+)"')


@attrs.define
class Browser:
    """Where nobody has signed in yet. `more` are header fields that it sends besides."""

    house: House
    cookie: str = ""
    word: str = ""

    def __attrs_post_init__(self) -> None:
        numbers = itertools.count(len(self.house.door.routes.admin.desk.sessions) + 1)
        # In a house all words would be the same.
        self.house.door.routes.admin.desk.sessions.random = lambda count: next(numbers).to_bytes(count, "little")

    def get(self, path: str, **headers: str) -> Reply:
        """That page of the administration, whose forms are the next to be sent."""
        return self._heard(self._asked(f"/+admin/{path}", "GET", None, headers))

    def head(self, path: str) -> Reply:
        """What stands above that page."""
        return self._heard(self._asked(f"/+admin/{path}", "HEAD", None, {}))

    def page(self, path: str) -> str:
        """What stands there."""
        reply = self.get(path)
        assert reply.status == 200, reply
        return reply.body.decode()

    def post(self, path: str, word: str | None = None, kind: str = PLAIN, body: bytes | None = None, /, **fields: str) -> Reply:
        """A form of the page that it was shown last; `word` another one than stood there."""
        pairs = {FORM_WORD: self.word if word is None else word, **fields}
        return self.send(path, urlencode(pairs).encode() if body is None else body, kind)

    def send(self, path: str, body: bytes, kind: str, **headers: str) -> Reply:
        """Whatever."""
        return self._heard(self._asked(f"/+admin/{path}", "POST", body, {"content_type": kind, **headers}))

    def sign_in(self, name: str, password: str, **fields: str) -> Reply:
        """And look at the first page."""
        reply = self.post("sign-in", name=name, password=password, **fields)
        if reply.status == 303:
            assert self.get("").status == 200
        return reply

    def said(self, reply: Reply) -> str:
        """What the page says that follows, in its note."""
        assert reply.status == 303, (reply.status, reply.line)
        where = header(reply, "Location") or ""
        assert "+admin/" in where, where
        found = re.search(r'class="notice good" role="status">(.*?)</p>', self.page(where.rpartition("+admin/")[2]))
        assert found is not None
        return found[1]

    def _asked(self, path: str, method: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        house = self.house
        ask = house.ask(path, method, **{"accept": HTML, **({"cookie": self.cookie} if self.cookie else {}), **headers})
        return house.answered(ask, body)

    def _heard(self, reply: Reply) -> Reply:
        kept = header(reply, "Set-Cookie")
        if kept is not None:
            self.cookie = "" if "Max-Age=0" in kept else kept.partition(";")[0]
        if (found := _WORD.search(reply.body.decode("utf-8", "replace"))) is not None:
            self.word = found[1]
        return reply
