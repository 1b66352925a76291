"""The two forms of a line of the access log: the combined format, and JSON. Neither lets anything of a client's end a line or pose as a field."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import quote

import attrs
from twisted.web.http import datetimeToLogString

from pypidaemon.web.ask import Ask

_PLAIN = re.compile("[A-Za-z0-9_.-]*")
"""Words of which every form is the same."""

MOST_OF_REASON = 200
"""Characters of a reason that stand in a line."""


@attrs.frozen
class Wording:
    """What is the same in the lines of all equal requests that get the same answer: what stands behind the client, the time, and the bytes sent."""

    who: str
    what: str
    how: str
    at_once: str = ""
    """All that stands between time and id, where the whole answer goes out at once."""


@attrs.frozen
class Form:
    """
    How a line is put together: `head`, the client, `Wording.who`, the time, `Wording.what`, the bytes sent, `Wording.how`, the seconds, `before_id`,
    the id, a reason where there is one, `tail`.

    :param moment: the time, in whole seconds.
    :param worded: `who`, `what` and `how` of a request, its status, and whether its answer was here when it was asked for, which may not be known.
    :param because: a reason, which is clean.
    """

    head: str
    before_id: str
    tail: str
    moment: Callable[[float], str]
    worded: Callable[[Ask, int, bool | None], tuple[str, str, str]]
    because: Callable[[str], str]

    def wording(self, ask: Ask, status: int, sent: int, ready: bool | None) -> Wording:
        """What its line says besides who asked, when, and as what; `sent` is all that there is to send."""
        who, what, how = self.worded(ask, status, ready)
        return Wording(who, what, how, f"{what}{sent}{how}0.000{self.before_id}")

    def reason(self, ask: Ask, status: int) -> str:
        """What stands behind the id: why it was refused or failed, where somebody said so."""
        return self.because(clean(ask.notes.reason, MOST_OF_REASON)) if status >= 400 and ask.notes.reason else ""


def clean(word: str, most: int = 60) -> str:
    """Words that may be a client's, fit to stand between quotation marks: printable ASCII, at most so many characters."""
    word = word[:most]
    return word if _PLAIN.fullmatch(word) else "".join(c if " " <= c <= "~" and c not in '"\\' else "." for c in word)


def product(agent: str | None) -> str:
    """The first product of a User-Agent field with its version (RFC 9110 §10.1.5)."""
    products = (agent or "").split(maxsplit=1)
    return clean(products[0]) if products else "-"


def _path(ask: Ask) -> str:
    """As we read it, encoded afresh; "-" where the request was refused unread."""
    return "/" + "/".join(map(_quoted, ask.segments)) if ask.segments else "-"


def _quoted(segment: str) -> str:
    # Most segments are names, and stay as they are.
    return segment if _PLAIN.fullmatch(segment) else quote(segment, safe="+:@!$&'()*,;=~")


def _account(ask: Ask) -> str:
    # The realm lets no name in that would need it; this field has no marks around it, so that is not left to others.
    account = ask.notes.account
    return (account if _PLAIN.fullmatch(account) else quote(account, safe="@+")) or "-"


def _combined(ask: Ask, status: int, ready: bool | None) -> tuple[str, str, str]:
    agent = product(ask.headers.first("user-agent"))
    return f" - {_account(ask)} ", f' "{clean(ask.method)} {_path(ask)} HTTP/1.1" {status} ', f' "-" "{agent}" '


def _json(ask: Ask, status: int, ready: bool | None) -> tuple[str, str, str]:
    agent = product(ask.headers.first("user-agent"))
    cache = "null" if ready is None else '"hit"' if ready else '"miss"'
    return (
        f'","account":{_known(_account(ask))},"time":"',
        f'","method":"{clean(ask.method)}","path":{_known(_path(ask))},"status":{status},"bytes":',
        f',"agent":{_known(agent)},"cache":{cache},"seconds":',
    )


def _known(word: str) -> str:
    return "null" if word == "-" else f'"{word}"'


def _utc(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


COMBINED = Form("", " ", "", datetimeToLogString, _combined, lambda words: f' "{words}"')
JSON = Form('{"client":"', ',"id":"', '"}', _utc, _json, lambda words: f'","reason":"{words}')
FORMS = {"combined": COMBINED, "json": JSON}
"""By what the configuration calls them."""
