"""The words that orders about accounts are given in: names, passwords, rights, places and patterns, read or refused in one line."""

from __future__ import annotations

from pypidaemon.accounts.passwords import LONGEST, SHORTEST
from pypidaemon.errors import PypidaemonError
from pypidaemon.globs import globs
from pypidaemon.model import ACTIONS, Grant
from pypidaemon.rights import ANONYMOUS, AUTHENTICATED, EVERY, GROUP, account_name


class Unacceptable(PypidaemonError):
    """What is asked for makes no sense: a name, right, index, pattern or time that there is not. The line says which."""


def named(name: str) -> None:
    """
    Insist on a name that a user or a group can have.

    :raises Unacceptable: it is none.
    """
    try:
        account_name(name)
    except ValueError as error:
        raise Unacceptable(str(error)) from None


def fit_password(password: str) -> None:
    """
    Insist on a password that can be kept. No rule on what it is made of: length alone makes guessing hard (NIST SP 800-63B).

    :raises Unacceptable: it is none.
    """
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        raise Unacceptable(f"a password has {SHORTEST} to {LONGEST} printable characters")


def grant_of(subject: str, right: str, place: str) -> Grant:
    """
    A grant in its normal spelling.

    :raises Unacceptable: one of the three means nothing anywhere.
    """
    if right not in ACTIONS:
        raise Unacceptable(f"there is no right {right} (known: {' '.join(ACTIONS)})")
    if subject not in (ANONYMOUS, AUTHENTICATED):
        named(subject.removeprefix(GROUP))
    index, slash, projects = place.partition("/")
    if not index or (slash and not projects):
        raise Unacceptable("say where as INDEX or INDEX/GLOB")
    return Grant(subject, right, index, pattern(projects or EVERY))


def pattern(raw: str) -> str:
    """
    One pattern in its normal spelling, so that it is found again however it is written.

    :raises Unacceptable: it is not one.
    """
    try:
        found = globs(raw)
    except ValueError as error:
        raise Unacceptable(str(error)) from None
    if len(found) != 1:
        raise Unacceptable("there must be one pattern of project names")
    return found[0]
