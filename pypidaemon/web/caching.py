"""The header fields that tell caches and clients how long an index answer holds (standards R66-R80)."""

from __future__ import annotations

from collections.abc import Callable

from pypidaemon import freshness
from pypidaemon.validators import matches
from pypidaemon.web.answers import Answer, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply, Term

VARY = ("Vary", "Accept, Accept-Encoding")
FOR_BROWSERS = (("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "X-PyPI-Last-Serial"))


def cache_control(state: State, now: float, private: bool) -> str:
    """
    `Cache-Control` of an index answer: what is left of upstream's freshness, at most 600 s (R76); `no-cache` for what is ours, for what is
    stale and for what lists only a part, so that nobody below us keeps it (R75, S37). Never `no-store` (R78). What not everybody may see is
    `private` (R77).
    """
    until = counts_to(state)
    if until is None:
        return "private, no-cache" if private else "no-cache"
    return f"{'private' if private else 'public'}, max-age={freshness.remaining(now, until)}"


def counts_to(state: State) -> float | None:
    """The moment to which `max-age` counts down, in whole seconds; None where nothing does."""
    if state.fresh_until is None or state.stale or state.held:
        return None
    return state.fresh_until if state.turns is None else min(state.fresh_until, state.turns)


def index_headers(state: State, now: float, private: bool) -> list[tuple[str, str]]:
    """Everything but the validators and the content's own fields. Scripts of other sites read only what everybody may (R66)."""
    headers = [("Cache-Control", cache_control(state, now, private)), VARY, ("X-Pypidaemon-Index", ", ".join(state.sources))]
    if not private:
        headers += FOR_BROWSERS
    if state.serial > 0:
        headers.append(("X-PyPI-Last-Serial", str(state.serial)))
    if state.stale:
        headers.append(("X-Pypidaemon-Stale", "yes"))
    if state.held:
        headers.append(("X-Pypidaemon-Held", state.held))
    return headers


def answer_reply(
    ask: Ask, answer: Answer, coding: str, body: bytes, now: float, private: bool, term: Callable[[], Term] | None = None
) -> Reply:
    """A ready answer to this request: 304 where the client's validator matches (R73, R74), else the body in that coding."""
    headers = [("ETag", answer.etag(coding)), *index_headers(answer.state, now, private)]
    if is_known(ask, answer, coding):
        return Reply(304, tuple(headers), term=term)
    headers.append(("Content-Type", answer.content_type))
    headers.append(("X-Content-Type-Options", "nosniff"))
    if coding:
        headers.append(("Content-Encoding", coding))
    return Reply(200, tuple(headers), body, term=term)


def is_known(ask: Ask, answer: Answer, coding: str) -> bool:
    """Whether the client says that it has this answer in this coding."""
    asked = ask.headers.every("if-none-match")
    return bool(asked) and matches(asked, answer.etag(coding))
