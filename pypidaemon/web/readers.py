"""Who reads an answer: a person with a browser, or a program."""

from __future__ import annotations

from pypidaemon.simple.negotiation import choose_type
from pypidaemon.web.ask import Ask

_PROGRAMS = frozenset({"simple", "packages", "legacy", "pypi", "integrity", "links", "rss", "last-modified", "local-stats", "RPC2"})
"""What the first segment below a root is where an address is one for programs, which want one plain line."""


def wants_html(ask: Ask) -> bool:
    """Whether whoever asks says that it reads HTML, as browsers do; what takes anything is a program, and is given less."""
    accept = ask.headers.every("accept")
    return any("html" in line for line in accept) and choose_type(accept, ("text/html", "text/plain", "application/json")) == "text/html"


def up(ask: Ask) -> str:
    """The way from the page that was asked for to the root: "./", "../", and so on."""
    return "../" * (len(ask.segments) - 1) or "./"


def below_root(ask: Ask) -> tuple[str, ...]:
    """The segments behind the root of the index that is asked."""
    return ask.segments[2:] if ask.segments[:1] in {("index",), ("at",)} else ask.segments


def is_for_people(ask: Ask) -> bool:
    """Whether the address is none for programs alone."""
    first = next(iter(below_root(ask)), "")
    return first == "+why" or (first not in _PROGRAMS and not first.startswith("+"))
