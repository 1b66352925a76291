"""The one line that each answer leaves in the access log, whichever road it took."""

from __future__ import annotations

import math
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import datetimeToLogString

from pypidaemon.lines import Lines
from pypidaemon.web.ask import Ask


@attrs.frozen
class Wording:
    """What is the same in the lines of all equal requests that get the same answer: what stands behind the client, the time, and the bytes sent."""

    who: str
    what: str
    how: str
    at_once: str = ""
    """All that stands between time and id, where the whole answer goes out at once."""


@attrs.define(eq=False)
class AccessLog:
    """
    An observer for the skin: one line per answer in the combined format, without query, credentials, or anything raw.

    Behind the fields of that format stand the seconds it took, the request's id, and, of what was refused or failed, the reason that the client was
    told: who only has the id from an answer finds here what it was about. The account is there where it logged in, also where it was then refused.

    The path is written as we read it, encoded afresh, so no byte of a client's can end a line or pose as a field; it is "-" where the
    request was refused unread. Of the user agent the first product stands there, such as `pip/26.3`: pip's goes on with a page of JSON.
    """

    clock: IReactorTime
    lines: Lines = attrs.field(init=False)
    _second: int = attrs.field(default=-1, init=False, repr=False)
    _time: str = attrs.field(default="", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.lines = Lines("pypidaemon.access", self.clock)

    def __call__(self, ask: Ask, status: int, sent: int, seconds: float) -> None:
        """Write the line."""
        reason = f' "{_quoted(ask.notes.reason, 200)}"' if status >= 400 and ask.notes.reason else ""
        self.line(self.wording(ask, status), ask.client or "-", ask.id + reason, sent, seconds)

    def wording(self, ask: Ask, status: int, sent: int = 0) -> Wording:
        """What the line of such a request says besides who asked, when, and as what; `sent` is all that there is to send."""
        path = "/" + "/".join(quote(segment, safe="+:@!$&'()*,;=~") for segment in ask.segments) if ask.segments else "-"
        # The realm lets no name in that would need it; this field has no marks around it, so that is not left to others.
        account = quote(ask.notes.account, safe="@+") or "-"
        agent = product(ask.headers.first("user-agent"))
        what, how = f' "{_quoted(ask.method)} {path} HTTP/1.1" {status} ', f' "-" "{agent}" '
        return Wording(f" - {account} ", what, how, f"{what}{sent}{how}0.000 ")

    def between(self, wording: Wording, now: float) -> str:
        """What stands between the client and the id in the line of an answer that went out at once and whole, throughout that second."""
        if not self._second <= now < self._second + 1:
            self._second, self._time = math.floor(now), datetimeToLogString(now)
        return f"{wording.who}{self._time}{wording.at_once}"

    def line(self, wording: Wording, client: str, id: str, sent: int, seconds: float) -> None:
        """Write the line of an answer of which so many bytes were sent in that time."""
        now = self.clock.seconds()
        self.lines.add(now, f"{client}{wording.who}{datetimeToLogString(now)}{wording.what}{sent}{wording.how}{seconds:.3f} {id}")


def product(agent: str | None) -> str:
    """The first product of a User-Agent field with its version (RFC 9110 §10.1.5)."""
    products = (agent or "").split(maxsplit=1)
    return _quoted(products[0]) if products else "-"


def _quoted(word: str, most: int = 60) -> str:
    """Words that may be a client's, fit to stand between quotation marks: printable ASCII, at most so many characters."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "." for c in word[:most])
