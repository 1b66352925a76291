"""What is ordered about packages while the daemon runs, and who took what."""

from __future__ import annotations

import enum

import attrs

from pypidaemon.model.names import Digest, Filename, NormalizedName
from pypidaemon.model.pages import File


class RulingKind(enum.Enum):
    """What a ruling does."""

    BLOCK = "block"
    """Hide it, wherever it is from, also where its bytes are here."""
    EXEMPT = "exempt"
    """Show it though it is not old enough yet."""


@attrs.frozen
class Ruling:
    """
    One order about a project, a release or bytes, that holds in every index.

    `target` is `NAME`, `NAME==VERSION` or `sha256:HEX`, with names and versions in their normal spelling. Times are seconds since the epoch;
    `until` None is until it is taken back.
    """

    kind: RulingKind
    target: str
    reason: str = ""
    account: str = ""
    time: float = 0.0
    until: float | None = None


@attrs.frozen
class Fetch:
    """One file that somebody took: when, who and from where, which file of which index, and whose bytes. Never a secret."""

    time: float
    account: str
    address: str
    agent: str
    """What the client calls itself, as `pip/26.3`."""
    index: str
    name: NormalizedName
    version: str
    """In its normal spelling, or ""."""
    filename: Filename
    digest: Digest | None


@attrs.frozen
class Downloads:
    """
    How often a file of an index was taken whole by one kind of client on one day, a date in UTC such as `2026-11-25`. Nothing of it is about anybody.
    """

    day: str
    index: str
    name: NormalizedName
    filename: Filename
    agent: str
    """As of `Fetch`."""
    count: int = 1


@attrs.frozen
class Withdrawn:
    """An entry that upstream lists no longer. `entry` is as upstream last had it; `since` is when that was first seen."""

    entry: File
    since: float
