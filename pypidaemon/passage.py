"""
Through which daemons the request being answered has come here, so that what is asked further on because of it can say so (RFC 9110 §7.6.3).

A loop of several daemons, each the upstream of the next, is only noticed by one that finds itself in `Via`; so each has to pass on what it
was told. The chain belongs to the coroutine that answers the request and to all that it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar

LONGEST = 20
"""How many daemons are passed on, the last ones: more than any chain that makes sense, fewer than a header may hold."""

_MARK = re.compile(r"\bpypidaemon-[0-9A-Za-z]{1,64}\b", re.ASCII)
_came_by: ContextVar[tuple[str, ...]] = ContextVar("came_by", default=())
_asker: ContextVar[str | None] = ContextVar("asker", default=None)


def note(via: Iterable[str], client: str | None = None) -> None:
    """
    Remember for this coroutine what the `Via` lines of its request say of daemons like this one, and from which address it came.

    Other proxies are left out: they cannot be part of a loop that they do not notice themselves, and it is nobody's business which stand here.
    """
    found = [mark for line in via for mark in _MARK.findall(line)]
    _came_by.set(tuple(found[-LONGEST:]))
    _asker.set(client)


def asker() -> str | None:
    """The address of the client whose request is being answered, "" for one without; None for what the daemon does by itself."""
    return _asker.get()


def passed(via: Iterable[str]) -> bool:
    """Whether those `Via` lines say that the request came through another daemon like this one, which may be a mirror of ours."""
    return any(_MARK.search(line) for line in via)


def via(own: str) -> str:
    """The value of `Via` for a request sent further on: those through which we were asked, then `own`, our own mark."""
    return ", ".join(f"1.1 {mark}" for mark in (*_came_by.get(), own))
