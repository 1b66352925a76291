"""What a mirror holds, what it still has to do, and what it takes away."""

from __future__ import annotations

import attrs

from pypidaemon.model.names import Digest, Filename, NormalizedName
from pypidaemon.model.upstream import UpstreamPage, Validators


@attrs.frozen
class Mirrored:
    """
    A project as a mirror offers it.

    `page` has exactly the files whose bytes are here, each with its sha256 and, where its METADATA is here, the sha256 of that as
    `core_metadata`, whoever found them out: these, with `documents`, are the blobs that the project needs, and any other may be cleared away.
    """

    page: UpstreamPage
    serial: int = 0
    """The one that upstream's list announced for it; 0 where it has none."""
    complete: bool = True
    """Whether the files are all that were chosen."""
    taken: float = 0.0
    """When upstream was last asked, seconds since the epoch."""
    documents: tuple[tuple[Filename, Digest], ...] = ()
    """The provenance documents that are here, by file name."""
    lent: frozenset[Filename] = frozenset()
    """The files that only an index which stood in has told of: upstream's own word on them is still to come, and whatever it says counts."""

    @property
    def own(self) -> Mirrored:
        """The same without what was only lent."""
        return self.without(self.lent)

    def without(self, over: frozenset[Filename]) -> Mirrored:
        """
        The same without those files.

        :param over: of what was lent, that which is lent no longer.
        """
        if not over:
            return self
        files = tuple(file for file in self.page.files if file.filename not in over)
        documents = tuple(pair for pair in self.documents if pair[0] not in over)
        return attrs.evolve(self, page=attrs.evolve(self.page, files=files), documents=documents, lent=self.lent - over)


@attrs.frozen
class Waiting:
    """A project that a run could not bring up to date: how often it was tried, when it is tried again, and why it failed."""

    name: NormalizedName
    serial: int
    """The one that upstream's list announced for it, 0 where it has none."""
    tries: int = 0
    due: float = 0.0
    """Seconds since the epoch."""
    reason: str = ""


@attrs.frozen
class Leaving:
    """
    Something that upstream took away and that this mirror no longer offers; its bytes wait until `until`, seconds since the epoch.

    `filename` None is a whole project. `mirrored` is what was offered, cut down to the files that leave, so that they can be brought back.
    """

    name: NormalizedName
    filename: Filename | None
    since: float
    until: float
    mirrored: Mirrored


@attrs.frozen
class Progress:
    """
    How far a mirror has come. Times are seconds since the epoch, 0 where it never was.

    `serial` is that up to which everything is here; it rises last. `selection` tells one choice of projects and files from another.
    """

    serial: int = 0
    validators: Validators = Validators()
    """Those of upstream's list, when it was last read to its end."""
    selection: str = ""
    started: float = 0.0
    """When the last run that was completed began: what `/last-modified` says (PEP 381)."""
    tried: float = 0.0
    """When any run last ended."""
    outcome: str = ""
    """How that run ended, in one line."""
    listed: int = 0
    """How many projects upstream's list had, when it was last compared with what is here."""
    source: str = ""
    """Whose serials and list all this is about, as `ISourced` says it; empty where that is not known."""
    since: float = 0.0
    """When that upstream was first asked; of a project that was `taken` before, the serials are another's (F22)."""
    begun: float = 0.0
    """When the last run began, whatever became of it."""
