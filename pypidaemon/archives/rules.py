"""Which archives are taken, and how strictly."""

from __future__ import annotations

import attrs

from pypidaemon import versions

KINDS = (".whl", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg")
"""The extensions that can be allowed. What is in the last five is not looked into, beyond their first bytes."""

ORDINARY = frozenset({".whl", ".tar.gz"})
"""Wheels and source distributions as PEP 427 and PEP 625 have them: what PyPI takes (R125)."""


@attrs.frozen
class Rules:
    """
    How uploads are judged. The defaults take what private users need (R134).

    :param strict: PyPI's own rules, as far as they can be decided without its database: exact names of files (R127, R128), no local
        versions, known classifiers only, metadata without a fault, licence files that exist (R135), at least one digest.
    :param kinds: the extensions that are taken, of `KINDS`.
    :param platforms: whether the platform tags of wheels must be ones that PyPI takes (R129).
    :param record: whether a wheel's RECORD must describe what is in it (S18).
    """

    strict: bool = False
    kinds: frozenset[str] = ORDINARY
    platforms: bool = False
    record: bool = True


def extension(filename: str) -> str:
    """The one of `KINDS` that the file name ends in, in any case of letters, or ""."""
    lowered = filename.lower()
    return next((kind for kind in KINDS if lowered.endswith(kind)), "")


def same_version(one: str, other: str) -> bool:
    """
    Whether two spellings are one release (R136). Versions that PEP 440 does not know are compared as they stand, but for the case of letters.

    Old tools wrote `_` for the `-` that a version must not have in a file name.
    """
    return canonical(one) == canonical(other)


def canonical(spelled: str) -> str:
    """One spelling for equal versions."""
    return versions.same_version(spelled.replace("_", "-")).lower()
