"""
Versions read by `packaging`, whatever they are spelled like.

It promises InvalidVersion for what is no version, but numbers of more digits than Python turns into one (4,300) end in a plain ValueError, in every
function that reads a version. Such a spelling is no version here, so everybody reads versions by way of this module.
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_version
from packaging.version import Version

LONGEST_VERSION = 200
"""Characters in a version that a client sends; the longest on the public index are far below."""

LONGEST_SPECIFIERS = 1000
"""Characters of a `Requires-Python` that comes with an upload: time to read them rises with their number."""


def known(spelled: str) -> Version | None:
    """The version, or None where PEP 440 does not know it."""
    try:
        return Version(spelled)
    except ValueError:
        return None


def same_version(spelled: str) -> str:
    """What all spellings of one version have in common (R136); what is no version is as it stands."""
    try:
        return canonicalize_version(spelled)
    except ValueError:
        return spelled


def specifiers(raw: str) -> object:
    """Equal for specifiers that differ in order and spacing alone."""
    try:
        return frozenset((part.operator, canonicalize_version(part.version, strip_trailing_zero=False)) for part in SpecifierSet(raw))
    except ValueError:
        return "".join(raw.split())
