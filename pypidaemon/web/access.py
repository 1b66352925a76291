"""The one line that each answer leaves in the access log, whichever road it took."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import globalLogPublisher

from pypidaemon.lines import Lines
from pypidaemon.web.access_forms import COMBINED, Form, Wording
from pypidaemon.web.ask import Ask


@attrs.define(eq=False)
class AccessLog:
    """
    An observer for the skin: one line per answer, without query, credentials, or anything raw.

    Behind the fields of the combined format stand the seconds it took, the request's id, and, of what was refused or failed, the reason that the client was
    told: who only has the id from an answer finds here what it was about. The account is there where it logged in, also where it was then refused.

    The path is written as we read it, encoded afresh, so no byte of a client's can end a line or pose as a field; it is "-" where the
    request was refused unread. Of the user agent the first product stands there, such as `pip/26.3`: pip's goes on with a page of JSON.

    In JSON the same fields have names, and `cache` says whether the answer was here when it was asked for, where that is known.

    :param publisher: who is told of the lines.
    :param addressed: what is written for the address of a client; None where that is the address itself.
    """

    clock: IReactorTime
    form: Form = COMBINED
    publisher: Any = globalLogPublisher
    addressed: Callable[[str], str] | None = None
    head: str = attrs.field(init=False)
    """What stands before the client, here for those who put lines together by themselves."""
    tail: str = attrs.field(init=False)
    """And behind the id."""
    lines: Lines = attrs.field(init=False)
    _second: int = attrs.field(default=-1, init=False, repr=False)
    _time: str = attrs.field(default="", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.head, self.tail = self.form.head, self.form.tail
        self.lines = Lines("pypidaemon.access", self.clock, self.publisher)

    def __call__(self, ask: Ask, status: int, sent: int, seconds: float) -> None:
        """Write the line."""
        wording = self.wording(ask, status, ready=ask.notes.ready)
        self.line(wording, ask.client or "-", ask.id + self.form.reason(ask, status), sent, seconds)

    def wording(self, ask: Ask, status: int, sent: int = 0, *, ready: bool | None) -> Wording:
        """What the line of such a request says besides who asked, when, and as what; `sent` is all that there is to send, `ready` as in `Notes`."""
        return self.form.wording(ask, status, sent, ready)

    def between(self, wording: Wording, now: float) -> str:
        """What stands between the client and the id in the line of an answer that went out at once and whole, throughout that second."""
        if not self._second <= now < self._second + 1:
            self._second, self._time = math.floor(now), self.form.moment(now)
        return f"{wording.who}{self._time}{wording.at_once}"

    def line(self, wording: Wording, client: str, id: str, sent: int, seconds: float) -> None:
        """Write the line of an answer of which so many bytes were sent in that time."""
        now, form = self.clock.seconds(), self.form
        if self.addressed is not None:
            client = self.addressed(client)
        told = f"{client}{wording.who}{form.moment(now)}{wording.what}{sent}{wording.how}{seconds:.3f}{form.before_id}{id}"
        self.lines.add(now, f"{form.head}{told}{form.tail}")
