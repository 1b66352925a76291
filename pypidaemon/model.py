"""
The values that travel between the parts: frozen, without behaviour of their own beyond reading themselves.

A value that has passed the gate (`pypidaemon.filenames`) has a type of its own, so that an unchecked string where a checked one
belongs is a type error and not a hole.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NewType, ParamSpec, Protocol, TypeVar

import attrs
from packaging.utils import NormalizedName as NormalizedName

Filename = NewType("Filename", str)
"""A file name that passed the gate: one path segment, printable ASCII, at most 255 - len(".provenance") bytes."""

Digest = NewType("Digest", str)
"""A sha256 in 64 lower-case hexadecimal digits; the name of a blob."""

P = ParamSpec("P")
T = TypeVar("T")


class InThread(Protocol):
    """Runs a function off the reactor's thread (in tests: at once) and gives its result to who awaits."""

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run `function` and answer what it returns, or raise what it raises."""


class Companion(enum.Enum):
    """What of a file is asked for: itself, or one of the documents that stand beside it."""

    FILE = ""
    METADATA = ".metadata"
    """Core metadata, PEP 658 and PEP 714."""
    PROVENANCE = ".provenance"
    """Attestations, PEP 740."""


@attrs.frozen
class ProjectStatus:
    """PEP 792. A missing marker means `active`."""

    marker: str = "active"
    reason: str | None = None


@attrs.frozen
class File:
    """
    One entry of a project page. What upstream said of a file passes unchanged (law 12); what it did not say is None.

    `hashes` is ordered: sha256 first where known. `path` is where we serve it, below `packages/`; "" until an index
    has decided it. `url` is where its bytes come from, "" for a file whose bytes are only here.
    """

    filename: Filename
    url: str = ""
    path: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    upload_time: str | None = None
    """PEP 700: `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`, verbatim."""
    requires_python: str | None = None
    yanked: str | None = None
    """PEP 592: None is not yanked, "" is yanked without a reason."""
    core_metadata: str | None = None
    """PEP 714: sha256 of the `.metadata` sidecar; "" where one exists of unknown digest; None where there is none."""
    provenance: str | None = None
    """PEP 740: an absolute https URL."""
    gpg_sig: bool | None = None

    @property
    def digest(self) -> Digest | None:
        """The sha256, where it is known."""
        for algorithm, value in self.hashes:
            if algorithm == "sha256":
                return Digest(value)
        return None


@attrs.frozen
class ProjectPage:
    """
    What one index offers of one project, now.

    `revision` is opaque and changes when, and only when, anything a client can see changes. `serial` never falls for a project of
    an index (R69); 0 means that no number is known yet. `fresh_until` is in seconds of the daemon's clock; None means until a
    change is announced. `source` is the label of the index at the end of the chain that answered. `stale` says that upstream could not be asked
    and this is its last known word.
    """

    name: NormalizedName
    files: tuple[File, ...] = ()
    versions: tuple[str, ...] = ()
    """PEP 700: covers every file, may name releases without files; no duplicates."""
    status: ProjectStatus = ProjectStatus()
    serial: int = 0
    revision: str = ""
    fresh_until: float | None = None
    source: str = ""
    stale: bool = False

    def file(self, filename: str) -> File | None:
        """The entry of that file name, or None."""
        for file in self.files:
            if file.filename == filename:
                return file
        return None


@attrs.frozen
class Listed:
    """One entry of an index's page. `source` and `fresh_until` are those of the page."""

    name: NormalizedName
    file: File
    source: str = ""
    fresh_until: float | None = None


@attrs.frozen
class ProjectList:
    """
    The names of an index, each with its serial, in the order of the names.

    There may be hundreds of thousands, so this value holds a way to read them rather than them.
    """

    entries: Callable[[], Iterator[tuple[NormalizedName, int]]]
    """Starts a new reading; it reads files, so call and iterate it off the reactor's thread."""
    revision: str
    serial: int = 0
    """The highest of all."""
    fresh_until: float | None = None
    source: str = ""
    stale: bool = False


@attrs.frozen
class Change:
    """One row of an index's history (R146, R150). `time` is in seconds since the epoch."""

    name: NormalizedName
    version: str | None
    time: float
    action: str
    serial: int


@attrs.frozen
class Validators:
    """What to ask "still the same?" with (RFC 9110 §8.8)."""

    etag: str | None = None
    last_modified: str | None = None


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


@attrs.frozen
class FileRecord:
    """A file of a local index: the entry it has on the page, and what a page does not show."""

    file: File
    version: str
    uploader: str = ""
