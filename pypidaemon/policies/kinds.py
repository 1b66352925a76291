"""What kind of package a file is."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.filenames import package_type, signed
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting, words

OTHER = "other"
"""The word for files that are no package of any kind, such as the list of a release's variants."""

KINDS = ("sdist", "bdist_wheel", "bdist_egg", "bdist_wininst", "bdist_msi", "bdist_rpm", "bdist_dmg", "bdist_dumb", OTHER)
_SHORT = {"wheel": "bdist_wheel", "egg": "bdist_egg"}


def kinds(raw: str) -> tuple[str, ...]:
    """
    Package types as `sdist` and `bdist_wheel`, or `wheel` and `egg` for short; `other` is what is no package.

    :raises ValueError: there is none, or one that nobody knows.
    """
    found = tuple(dict.fromkeys(_SHORT.get(word, word) for word in map(str.lower, words(raw))))
    if not found:
        raise ValueError("must not be empty; leave the key out instead")
    for kind in found:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join((*_SHORT, *KINDS))}")
    return found


@implementer(IPolicy)
@attrs.frozen
class Kinds:
    """Shows only certain kinds of packages. A denied kind is refused even if it is also allowed. A signature is of the kind of its file."""

    label: str = given("label")
    allow: tuple[str, ...] = setting(kinds, default=(), help="The kinds to show, as `wheel sdist`; without any, all are shown.")
    deny: tuple[str, ...] = setting(kinds, default=(), help="The kinds to hide.")

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        kind = package_type(signed(file.filename)) or OTHER
        if kind in self.deny:
            return f"its kind, {kind}, is denied"
        if self.allow and kind not in self.allow:
            return f"its kind, {kind}, is not among the allowed ones"
        return None
