"""What an upstream says, and what is remembered and found out of it."""

from __future__ import annotations

from typing import Any

import attrs

from pypidaemon.model.names import Digest, Filename, NormalizedName
from pypidaemon.model.pages import File, ProjectStatus


@attrs.frozen
class Validators:
    """
    What to ask "still the same?" with (RFC 9110 §8.8).

    They mean something to nobody but who gave them: another index may have the same ones for something else.

    :param source: the URL of the index that gave them; empty where that is not known.
    """

    etag: str | None = None
    last_modified: str | None = None
    source: str = ""


@attrs.frozen
class NotModified:
    """Upstream's 304: what we hold is still right. `max_age` as in `UpstreamPage`."""

    max_age: float | None = None
    serial: int | None = None


@attrs.frozen
class UpstreamPage:
    """
    An upstream's page of one project, read and checked.

    `files` carry `path` only where upstream's own URL has PyPI's shape or a blake2b-256 is known. `max_age` is how many
    seconds upstream says that it stays fresh, None where it does not say.
    """

    name: NormalizedName
    files: tuple[File, ...] = ()
    versions: tuple[str, ...] = ()
    status: ProjectStatus = ProjectStatus()
    serial: int | None = None
    validators: Validators = Validators()
    max_age: float | None = None
    refused: int = 0
    """How many entries were dropped because they are not clean (refused upstream items)."""


@attrs.frozen
class UpstreamNames:
    """
    An upstream's project list while it arrives: the raw body, of any size, with what is needed to read it.

    `body` is an `IBody`; `coding` its content coding ("" or "gzip"); `content_type` without parameters, in lower case.
    """

    body: Any
    content_type: str
    coding: str = ""
    validators: Validators = Validators()
    max_age: float | None = None
    serial: int | None = None


AWAY = ("down", "probing", "offline")
"""States of an upstream in which nothing can be had from it, as far as is known. One slow answer makes it suspect, and no more."""


@attrs.frozen
class Outage:
    """
    That an upstream could not be asked, as it is remembered over a restart.

    :param since: when it stopped being up, seconds since the epoch.
    :param held_until: until when it asked to be left alone, 0 where it did not.
    """

    cause: str
    since: float
    held_until: float = 0.0


@attrs.frozen
class Remembered:
    """
    What an upstream last said of one project; `page` None is a remembered absence.

    Both times are seconds since the epoch. `fetched` is when it was last confirmed.
    """

    page: UpstreamPage | None
    fetched: float
    fresh_until: float


@attrs.frozen
class RememberedNames:
    """What an upstream last said its projects are: the digest of a blob of sorted lines, and what was said with it."""

    digest: Digest
    validators: Validators
    serial: int
    fetched: float
    fresh_until: float


@attrs.frozen
class Replaced:
    """
    A file of which an upstream promises other bytes than those first seen under its name (S28).

    :param first: the sha256 of those, None where no fact has it.
    :param other: the sha256 that is promised now, "" where none is.
    :param since: when that was first noticed, seconds since the epoch.
    """

    label: str
    name: NormalizedName
    filename: Filename
    first: Digest | None
    other: str
    since: float


@attrs.frozen
class Fact:
    """
    What we found out ourselves about a file of an upstream that did not say it.

    `digest` and `size` are those of the bytes at first sight: a pin, which later bytes must equal (S29). `metadata` is the sha256
    of its METADATA, taken out of the wheel. `metadata_broken` says that the sidecar upstream advertises cannot be had (S30).
    """

    digest: Digest | None = None
    size: int | None = None
    metadata: Digest | None = None
    metadata_broken: bool = False
    upload_time: str | None = None
    """When it was uploaded, where upstream does not say and somebody else does; in the form of `File.upload_time`."""
    dated_by: str | None = None
    """Who says so: the label of another upstream, or "last-modified"."""
