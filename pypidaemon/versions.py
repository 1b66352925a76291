"""
Versions read by `packaging`, whatever they are spelled like.

It promises InvalidVersion for what is no version, but numbers of more digits than Python turns into one (4,300) end in a plain ValueError, in every
function that reads a version. Such a spelling is no version here, so everybody reads versions by way of this module.
"""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.specifiers import SpecifierSet as SpecifierSet
from packaging.utils import canonicalize_version
from packaging.version import Version as Version

LONGEST_VERSION = 200
"""Characters in a version that a client sends; the longest on the public index are far below."""

LONGEST_SPECIFIERS = 1000
"""Characters of a `Requires-Python` that comes with an upload: time to read them rises with their number."""

_CONDITIONS = frozenset("*<>=!~;,[]@ \t")
"""Signs that a requirement may have and a version has not."""
_EPOCH = re.compile(r"^v?[0-9]+!")


def known(spelled: str) -> Version | None:
    """The version, or None where PEP 440 does not know it."""
    return _known(spelled) if len(spelled) <= LONGEST_VERSION else _known.__wrapped__(spelled)


def same_version(spelled: str) -> str:
    """What all spellings of one version have in common (R136); what is no version is as it stands."""
    return _same(spelled) if len(spelled) <= LONGEST_VERSION else _same.__wrapped__(spelled)


def is_exact(spelled: str) -> bool:
    """Whether that can be one version, as PEP 440 knows it or not, and is no condition on versions; `!` is that of an epoch alone."""
    rest = _EPOCH.sub("", spelled, count=1)
    return bool(rest) and not set(rest) & _CONDITIONS


def specifier_set(raw: str) -> SpecifierSet:
    """
    The specifiers in that text, none where it is empty.

    :raises ValueError: it is none, or longer than `LONGEST_SPECIFIERS`.
    """
    if len(raw) > LONGEST_SPECIFIERS:
        raise ValueError(f"longer than {LONGEST_SPECIFIERS} characters")
    return SpecifierSet(raw)


def fits(specifiers: SpecifierSet, version: Version) -> bool:
    """Whether the version is one of those; pre-releases are versions like others."""
    return specifiers.contains(version, prereleases=True)


def specifiers(raw: str) -> object:
    """Equal for specifiers that differ in order and spacing alone."""
    try:
        return frozenset((part.operator, canonicalize_version(part.version, strip_trailing_zero=False)) for part in SpecifierSet(raw))
    except ValueError:
        return "".join(raw.split())


# Every rule on versions asks these of every file of a page. Only what is short is remembered.


@lru_cache(maxsize=1 << 14)
def _known(spelled: str) -> Version | None:
    try:
        return Version(spelled)
    except ValueError:
        return None


@lru_cache(maxsize=1 << 14)
def _same(spelled: str) -> str:
    try:
        return canonicalize_version(spelled)
    except ValueError:
        return spelled
