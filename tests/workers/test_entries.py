"""An answer on its way to a front says there what it says here, at every moment."""

from __future__ import annotations

import json
import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.http import datetimeToString

from pypidaemon.freshness import remaining
from pypidaemon.web.access_forms import Wording
from pypidaemon.web.express import Ready
from pypidaemon.web.metrics import Tally
from pypidaemon.web.reply import Term
from pypidaemon.workers.entries import date, packed, unpacked

NOON = 1_780_000_000.0
PIECES = (b"HTTP/1.1 200 OK\r\nDate: ", b"\r\nX-Request-Id: ", b"\r\nCache-Control: ", b"\r\n\r\n")


def ready(until: float = NOON + 600, counts_to: float | None = NOON + 600, since: float = NOON, value: str = "public, max-age=") -> Ready:
    def cache_control(now: float) -> str:
        return value if counts_to is None else f"{value}{remaining(now, counts_to)}"

    term = Term("alpha", since, until, cache_control, counts_to, lambda: True)
    return Ready(term, PIECES, b"body", "", Wording("", "", ""), Tally(), 4, None)


@given(now=st.floats(0.0, 4e9))
def test_the_date_is_as_everywhere_else(now: float) -> None:
    assert date(now) == datetimeToString(now)


@given(moments=st.lists(st.floats(NOON - 10, NOON + 700), max_size=10), until=st.floats(NOON + 1, NOON + 650), counting=st.booleans())
def test_it_says_the_same_and_for_as_long(moments: list[float], until: float, counting: bool) -> None:
    """Byte for byte, whenever and in whatever order it is asked, after a way through JSON."""
    there = ready(until, NOON + 600 if counting else None, value="public, max-age=" if counting else "no-cache")
    found = packed(there, NOON, 7, 1, 2, 3)
    assert found is not None
    entry = unpacked(json.loads(json.dumps(found[0])), found[1])
    assert (entry.number, entry.everything, entry.slot, entry.own, entry.body) == (7, 1, 2, 3, b"body")
    for now in moments:
        assert entry.ready(now) == (NOON <= now < until)
        if entry.ready(now):
            there.renew(now, "")
            assert (entry.before, entry.behind) == (there.before, there.behind)


def test_what_never_ends_by_the_clock_does_not_there_either() -> None:
    found = packed(ready(math.inf, None, value="no-cache"), NOON, 1, 0, 1, 0)
    assert found is not None
    assert unpacked(json.loads(json.dumps(found[0])), found[1]).ready(NOON + 1e9)


@pytest.mark.parametrize("term", [{"until": -math.inf}, {"until": NOON}, {"since": NOON + 1}, {"until": math.nan}])
def test_what_does_not_hold_now_is_not_sent(term: dict[str, float]) -> None:
    assert packed(ready(**term), NOON, 1, 0, 1, 0) is None


def test_what_a_front_could_not_say_is_not_sent() -> None:
    """Such as seconds that are counted in another way."""
    there = ready()
    odd = attrs.evolve(there.term, cache_control=lambda now: f"max-age={round(now)}, s-maxage={round(now)}")
    there.term = odd
    assert packed(there, NOON, 1, 0, 1, 0) is None
