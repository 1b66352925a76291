"""Under which licences files are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import ICostlyPolicy, IInformedPolicy
from pypidaemon.model import Described, File, Knowledge, NormalizedName
from pypidaemon.patterns import Texts, text_globs
from pypidaemon.policies.spdx import canonical, classified, holds
from pypidaemon.settings import Lines, given, setting, show_or_hide

METADATA = frozenset({Knowledge.METADATA})
_LONGEST = 100
"""Characters of the old field `License` that are taken for the name of a licence; longer ones are its text."""


def licences(raw: str) -> Lines:
    """
    SPDX identifiers such as `MIT`, patterns of them such as `GPL-*`, and patterns of old names such as `Apache Software License`, one on each line.

    :raises ValueError: there is none, one cannot be read, or a line holds several identifiers.
    """
    found = text_globs(raw)
    for line in found:
        # A name in old words may hold an identifier, but does not consist of them.
        if len(line.split()) > 1 and all("*" in word or canonical(word) for word in line.split()):
            raise ValueError(f"{line[:80]!r} names several licences; put each on a line of its own")
    return found


@implementer(ICostlyPolicy, IInformedPolicy)
@attrs.frozen
class Licences:
    """
    Shows only files under certain licences, as their metadata says, where it is here.

    A licence expression (PEP 639) has to be satisfiable with licences that are allowed and not denied. Where there is none, the classifiers and
    the old field `License` are matched: what one of them says is denied is hidden, and else one that is allowed will do.
    """

    label: str = given("label")
    allow: tuple[str, ...] = setting(
        licences, default=Lines(), help="The licences to show, one on each line; without any, all that are not denied."
    )
    deny: tuple[str, ...] = setting(licences, default=Lines(), help="The licences to hide, one on each line.")
    unknown: str = setting(show_or_hide, default="show", help="What becomes of files whose licence is not known: show or hide.")
    _judged: Callable[[Described], str | None] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        missing = None if self.unknown == "show" else "its licence is not known"
        judge = partial(_refusal, Texts(self.allow), Texts(self.deny), missing)
        object.__setattr__(self, "_judged", lru_cache(maxsize=1 << 12)(judge))

    def wants(self, name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        """What the file's METADATA says."""
        return METADATA

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        return None if file is None else self._judged(file.described or _NOTHING)


_NOTHING = Described()
_NONE = frozenset({"unknown", "none"})
"""What old tools wrote where nobody had said anything."""


def _refusal(allow: Texts, deny: Texts, missing: str | None, described: Described) -> str | None:
    def denied(names: tuple[str, ...]) -> bool:
        return deny.first_of(names) is not None

    def allowed(names: tuple[str, ...]) -> bool:
        return not denied(names) and (not allow or allow.first_of(names) is not None)

    expression = canonical(described.license_expression or "")
    if expression is not None:
        return None if holds(expression, allowed) else f"its licence, {expression}, is not allowed"
    said = _said(described)
    if not said:
        return missing
    for names in said:
        if not _complies(names, lambda each: not denied(each)):
            return f"its licence, {_shown(names[0])}, is denied"
    if not any(_complies(names, allowed) for names in said):
        return f"its licence, {_shown(said[0][0])}, is not among the allowed ones"
    return None


def _said(described: Described) -> list[tuple[str, ...]]:
    """What is said of the licence in old words, or in an expression that is none; each by all its names."""
    said = [names for classifier in described.classifiers if (names := classified(classifier))]
    for text in (described.license_expression, described.license):
        named = " ".join((text or "").split())
        if named and len(named) <= _LONGEST and named.lower() not in _NONE:
            said.append((named,))
    return said


def _complies(names: tuple[str, ...], acceptable: Callable[[tuple[str, ...]], bool]) -> bool:
    """Whether that licence, which people also wrote as an expression before there was a field for it, is acceptable."""
    written = canonical(names[0])
    return acceptable(names) if written is None else holds(written, acceptable)


def _shown(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
