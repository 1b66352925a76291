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
    change is announced. `source` is the label of the index at the end of the chain that answered, and `also` those of the others where several
    made the page together. `stale` says that upstream could not be asked and this is its last known word.
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
    also: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The labels of all indexes that something on the page is from: only who may read each of them may see it."""
        return (self.source, *self.also)

    def file(self, filename: str) -> File | None:
        """The entry of that file name, or None."""
        for file in self.files:
            if file.filename == filename:
                return file
        return None


@attrs.frozen
class Listed:
    """
    One entry of an index's page. `fresh_until` is that of the page; `source` is the label of the index that the entry is from, one of the
    page's `sources`.
    """

    name: NormalizedName
    file: File
    source: str = ""
    fresh_until: float | None = None


@attrs.frozen
class ProjectList:
    """
    The names of an index, each with its serial, in the order of the names.

    There may be hundreds of thousands, so this value holds a way to read them rather than them. The names of a leaf are all of `source`; a
    combiner gives its `parts`, first match first, and how it changes an entry of theirs.
    """

    entries: Callable[[], Iterator[tuple[NormalizedName, int]]]
    """Starts a new reading; it reads files, so call and iterate it off the reactor's thread."""
    revision: str
    serial: int = 0
    """The highest of all."""
    fresh_until: float | None = None
    source: str = ""
    stale: bool = False
    parts: tuple[ProjectList, ...] = ()
    adjust: Callable[[NormalizedName, int], int | None] = lambda _, serial: serial
    """The serial that a combiner shows for a name of a part; None where it does not show the name."""


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


class Standing(enum.Enum):
    """Whether a file of a local index is offered."""

    SHOWN = "shown"
    HIDDEN = "hidden"
    """Kept and not offered, until it is shown again."""
    DELETED = "deleted"
    """A tombstone: not offered, its name stays used, and it can be brought back while its bytes are kept."""


@attrs.frozen
class FileRecord:
    """
    A file of a local index: the entry it has on the page, and what a page does not show.

    `version` is as the file's own metadata spells it. `uploader` is the account that published it. `uploaded` is in seconds since the epoch.
    """

    file: File
    version: str
    uploader: str = ""
    standing: Standing = Standing.SHOWN
    uploaded: float = 0.0


@attrs.frozen
class Upload:
    """
    What an uploader says of a file, read from a form and checked for its shape; the archive itself has the last word (R132).

    `digests` are those that were sent, as (algorithm, lower-case hexadecimal value): sha256, md5, blake2b_256, blake2b. `metadata` are the form's other
    fields in the order they came, names as sent.
    """

    name: NormalizedName
    version: str
    filename: Filename
    filetype: str
    """`bdist_wheel`, `sdist` or another of the old package types."""
    digests: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Inspected:
    """What was found in an uploaded archive: the exact bytes of its METADATA or PKG-INFO, and what they say."""

    metadata: bytes
    name: NormalizedName
    version: str
    requires_python: str | None = None


@attrs.frozen
class Published:
    """What became of an upload: the entry as the page has it from now on, and whether it was there already with the same bytes."""

    file: File
    version: str
    serial: int
    repeated: bool = False


ACTIONS = ("list", "read", "upload", "create", "overwrite", "delete", "admin")
"""Every right there is (design §10). `admin` includes all others."""


@attrs.frozen
class Grant:
    """
    One right given.

    `subject` is an account's name, `group:NAME`, `anonymous` (everybody) or `authenticated` (everybody who logged in). `index` is an index's
    label or `*`; `projects` a glob on normalised names, `*` for all.
    """

    subject: str
    right: str
    index: str
    projects: str = "*"


@attrs.frozen
class User:
    """An account as it is stored: the hash of its password, never the password; "" where it has none and uses tokens alone."""

    name: str
    password_hash: str = ""
    disabled: bool = False


@attrs.frozen
class Token:
    """
    A token as it is stored: the sha256 of its secret part, never the secret.

    `scope` is "read", "upload" or "" (whatever the account may). `expires` and `last_used` are seconds since the epoch; None is never.
    """

    id: str
    account: str
    secret_hash: str
    scope: str = ""
    projects: str = "*"
    created: float = 0.0
    expires: float | None = None
    last_used: float | None = None


@attrs.frozen
class Deed:
    """One row of the audit log: who did what to what, when, from where, and how it ended (S78). Never a secret."""

    time: float
    account: str
    address: str
    action: str
    subject: str
    """What it was done to: `INDEX/PROJECT==VERSION`, a file name, a user, a grant."""
    detail: str = ""
    """A digest, a reason, or what was refused."""
    done: bool = True
