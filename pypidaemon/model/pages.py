"""What an index shows."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

import attrs

from pypidaemon.model.names import Digest, Filename, NormalizedName


@attrs.frozen
class ProjectStatus:
    """PEP 792. A missing marker means `active`."""

    marker: str = "active"
    reason: str | None = None


class Knowledge(enum.Enum):
    """What policies may want to know of a file that its page does not say."""

    METADATA = "metadata"
    """`File.described`."""
    PROVENANCE = "provenance"
    """`File.attested`."""


@attrs.frozen
class Described:
    """What a file's METADATA says that policies go by; None is not said."""

    license_expression: str | None = None
    """PEP 639: an SPDX expression."""
    license: str | None = None
    """The old free text."""
    classifiers: tuple[str, ...] = ()


@attrs.frozen
class Attested:
    """
    What became of checking a file's provenance (PEP 740).

    `publishers` are those whose attestations hold for these very bytes, each as `KIND:WHO`, such as `github:owner/repository`. `problem` is why
    there are none: nothing is attested, it cannot be had just now, or it does not hold.
    """

    publishers: tuple[str, ...] = ()
    problem: str | None = None
    lasting: bool = True
    """Whether asking again would give the same; not where it could not be had just now."""
    newcomers: tuple[str, ...] = ()
    """All of `publishers` where none of them was known for this project when others already were: somebody else publishes it now."""


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
    described: Described | None = None
    """What its METADATA says, where that is held here and a policy wants to know; on no page."""
    attested: Attested | None = None
    """What became of checking its provenance, where a policy wants to know; on no page."""

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
    turns: float | None = None
    """When a rule that goes by the clock will show or hide something, seconds since the epoch: the page holds no longer. None where none will."""
    lent: frozenset[Filename] | None = None
    """Of a page that an index is to be filled by and upstream itself did not give now: the files that only an index which stands in has told of."""

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
    turns: float | None = None
    """As that of a page."""


@attrs.frozen
class Stretches:
    """
    How a list of names is read in part. A stretch is the names from one on and before another; "" is the beginning, or the end. Both of these read files,
    so they are called off the reactor's thread.
    """

    entries: Callable[[str, str], Iterator[tuple[NormalizedName, int]]]
    """Starts a reading of that stretch."""
    mark: Callable[[str, str], bytes]
    """A word that is another one as soon as an entry of that stretch is; it costs much less than reading them."""


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
    stretches: Stretches | None = None
    """None where it can only be read as a whole."""


@attrs.frozen
class Change:
    """One row of an index's history (R146, R150). `time` is in seconds since the epoch."""

    name: NormalizedName
    version: str | None
    time: float
    action: str
    serial: int
