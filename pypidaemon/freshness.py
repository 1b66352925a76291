"""How long an answer of upstream may be believed, and what we may promise in turn (RFC 9111 §4.2). All times are in seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence

YEAR = 31_536_000
"""The longest life that is believed; a stamp further ahead than this was made by a clock that has since been set right (F44)."""

_QUOTED = re.compile(r'"([^"]*)"')
_SECONDS = re.compile(r"\d+", re.ASCII)


def max_age(cache_control: Sequence[str]) -> float | None:
    """
    The life that the lines of a `Cache-Control` header give an answer in a shared cache: 0 to `YEAR`, None where they give none.

    `no-store` and `no-cache`, also with field names, mean 0; else `s-maxage` goes before `max-age` (RFC 9111 §5.2.2). Of repeated
    directives the first counts (§4.2.1). What is not understood is passed over; nothing is raised.
    """
    given: dict[str, float] = {}
    for line in cache_control:
        for directive in _QUOTED.sub(lambda quoted: quoted[1].replace(",", " "), line).split(","):
            word, _, value = directive.partition("=")
            word = word.strip().lower()
            if word in {"no-store", "no-cache"}:
                return 0.0
            seconds = _seconds(value)
            if seconds is not None:
                given.setdefault(word, seconds)
    return given.get("s-maxage", given.get("max-age"))


def age(header: str | None) -> float:
    """How long an answer already lay in caches on its way here, by its `Age` header (RFC 9111 §5.1); 0 where it does not say."""
    return _seconds(header or "") or 0.0


def fresh_until(now: float, said: float | None, cap: float, age: float = 0.0) -> float:
    """
    Until when an answer that came now is fresh: for what upstream `said`, less the `age` it came with, and never longer than `cap`.

    Where upstream said nothing it is taken to have said `cap`. Never before `now`.
    """
    life = (cap if said is None else said) - age
    return now + max(min(life, cap), 0.0)


def is_fresh(now: float, fresh_until: float | None) -> bool:
    """
    Whether an answer that is fresh until then is fresh now; None means until a change is announced.

    A stamp more than a `YEAR` ahead counts as expired, not as eternal (F44).
    """
    return fresh_until is None or now < fresh_until <= now + YEAR


def remaining(now: float, fresh_until: float | None, cap: int = 600) -> int:
    """
    The whole seconds that our own `max-age` may promise: what is left, from 0 to `cap`, PyPI's own value (R76).

    None, fresh until a change is announced, promises 0: a client that trusts a page for longer misses the change (R75).
    """
    if fresh_until is None or not is_fresh(now, fresh_until):
        return 0
    return min(int(fresh_until - now), cap)


def _seconds(text: str) -> float | None:
    """Delta-seconds (RFC 9111 §1.2.2), of any length, at most a year; None for anything else."""
    digits = text.strip()
    if not _SECONDS.fullmatch(digits):
        return None
    significant = digits.lstrip("0") or "0"
    return float(YEAR) if len(significant) > len(str(YEAR)) else float(min(int(significant), YEAR))
