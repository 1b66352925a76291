"""Records of what people ordered, of what clients took, and of what upstreams took back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import Interface

from pypidaemon.model import (
    Digest,
    Downloads,
    Fetch,
    File,
    Filename,
    NormalizedName,
    Pin,
    ProjectStatus,
    Ruling,
    RulingKind,
    Use,
    UsedProject,
    Withdrawn,
)


class IRulingRecords(Interface):
    """The orders in force about packages (`Ruling`). Every change is durable when it comes back."""

    async def rulings() -> list[Ruling]:
        """All of them, in the order of kind and target."""

    async def rule(ruling: Ruling) -> None:
        """Keep this ruling, instead of one of the same kind and target."""

    async def repeal(kind: RulingKind, target: str) -> bool:
        """Take it back; answer whether there was one."""


class IFetchRecords(Interface):
    """Which files clients took. A row that a crash loses costs a line of history and nothing else, so these need not be durable at once."""

    async def note(fetch: Fetch) -> None:
        """Remember it; it may lie in memory for a while, and be dropped where there is no room."""

    async def of_project(name: NormalizedName, version: str | None, since: float, limit: int) -> list[Fetch]:
        """The fetches of that project, or release, at or after that time, oldest first, at most `limit` and of those the newest."""

    async def of_digest(digest: Digest, since: float, limit: int) -> list[Fetch]:
        """The same of those bytes, whatever they were called."""

    async def of_client(account: str | None, address: str | None, since: float, limit: int) -> list[Fetch]:
        """The same of whatever that account took, or was taken from that address; with None of any."""

    async def projects(index: str, since: float) -> list[NormalizedName]:
        """The projects of which a file was taken from that index at or after that time, in order of names."""

    async def count(downloads: Downloads) -> None:
        """Add these to what was taken on that day; as `note`."""

    async def counts(day: str, limit: int) -> list[Downloads]:
        """What was taken on that day, most often taken first, at most `limit`; of one count in the order of index, project, file and client."""

    async def forget_before(time: float) -> int:
        """Forget all that is older, of days those that had ended by then; answer how many fetches that were."""

    async def forget_beyond(most: int) -> int:
        """Forget the fetches that were noted first, until there are that many; answer how many that were."""


class IUses(Interface):
    """
    Which of upstreams' files are held here, and when each was last asked for. Not the truth about what is here: one that is lost is noted again with its
    next use.
    """

    async def note(use: Use) -> None:
        """It was used; a later use counts instead of an earlier one. The note may lie in memory for a while."""

    async def weight() -> tuple[int, int]:
        """How many files are noted, and how many bytes they have."""

    async def oldest(after: tuple[float, str], limit: int) -> list[Use]:
        """Those used longest ago, in the order of time and digest, behind that time and digest, at most `limit`."""

    async def listed(name: NormalizedName) -> list[Use]:
        """All of that project, in the order of file and digest."""

    async def projects(after: str, limit: int) -> list[UsedProject]:
        """What is held of each project behind that name, in order of names, at most `limit`: there may be a million files."""

    async def forget(digests: Sequence[Digest]) -> None:
        """They are held no longer."""


class IPins(Interface):
    """What is kept from eviction. Every change is durable when it comes back."""

    async def pins() -> list[Pin]:
        """All of them, in order."""

    async def pin(pin: Pin, pinned: bool) -> bool:
        """Keep it from eviction, or with `pinned` False no longer; answer whether that changed anything."""


class IWithdrawnEntries(Interface):
    """Entries that an upstream lists no longer, kept for indexes that go on offering them. Not a cache: nobody else has them any more."""

    async def withdrawn(label: str, name: NormalizedName) -> Mapping[Filename, Withdrawn]:
        """Those of that project."""

    async def withdraw(label: str, name: NormalizedName, files: tuple[File, ...], since: float) -> None:
        """Keep these entries; one that is kept already keeps its time."""

    async def restore(label: str, name: NormalizedName, filenames: tuple[Filename, ...]) -> None:
        """Forget these, since upstream lists them again."""

    async def projects(label: str) -> Mapping[NormalizedName, int]:
        """Every project with entries here, and how many."""

    async def last_status(label: str, name: NormalizedName) -> ProjectStatus | None:
        """The status that was last noted of a project; None where none was."""

    async def note_status(label: str, name: NormalizedName, status: ProjectStatus) -> None:
        """Note the status that upstream last gave a project with entries here."""


class IPublisherRecords(Interface):
    """Who was seen to attest the files of a project (PEP 740), so that a change is noticed."""

    async def publishers(label: str, name: NormalizedName) -> Mapping[str, float]:
        """Everybody seen, with when first, seconds since the epoch."""

    async def met(label: str, name: NormalizedName, publisher: str, time: float) -> bool:
        """Remember a publisher; answer whether it is new."""


class IDocumentCache(Interface):
    """Small documents of upstreams that change, such as provenance. Losing them costs time, never truth (law 8)."""

    async def recall(label: str, name: NormalizedName, filename: str) -> tuple[bytes, float] | None:
        """What was last kept under that name, and until when it is fresh."""

    async def keep(label: str, name: NormalizedName, filename: str, body: bytes, fresh_until: float) -> None:
        """Remember this instead."""

    async def expire(label: str, name: NormalizedName | None) -> int:
        """Let what was kept of that project, or of all, be fresh no longer; answer how many that were."""
