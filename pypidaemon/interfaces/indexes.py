"""Indexes: what answers, and what may be written to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping

from zope.interface import Attribute, Interface

from pypidaemon.interfaces.contents import IContent, IDraft
from pypidaemon.interfaces.upstreams import IHealth
from pypidaemon.model import (
    Change,
    Companion,
    Deed,
    Digest,
    Earlier,
    Explanation,
    File,
    Filename,
    FileRecord,
    Inspected,
    Listed,
    NormalizedName,
    ProjectList,
    ProjectPage,
    Published,
    Standing,
    Upload,
)


class IMeasured(Interface):
    """A capability of parts that count what they do."""

    def measures() -> Mapping[str, float]:
        """What was counted since the start, by a short word for each; numbers that only rise."""


class IKnowing(Interface):
    """A capability of indexes whose truth is elsewhere: to say what is known of it here, without asking."""

    async def knows(name: NormalizedName) -> bool:
        """Whether upstream is known here to have a project of that name; no request is made for it."""


class IDependent(Interface):
    """A capability of leaves whose files may still be elsewhere: to say what of a page can be given while the line there is down."""

    line: IHealth = Attribute("The health of the upstream that it depends on.")
    shrinks: bool = Attribute("Whether its pages list only what can be given while something of it is `lost` (`while-down = held`).")
    lost: tuple[str, ...] = Attribute(
        "Those that do not answer and whose files nobody else has, by their names: the index, or hosts of its files."
    )

    def reaches(file: File) -> bool:
        """Whether a file that is not here can be had, as far as is known."""

    def listen(listener: Callable[[], None]) -> None:
        """Call `listener` whenever `lost` may have changed, as `IHealth.listen`."""

    async def holding(digests: Collection[Digest]) -> frozenset[Digest]:
        """Those of the digests whose bytes are here, by one question to the store."""


class IIndex(Interface):
    """
    Something that answers: which projects, which files, give me one. Everything composes by it.

    Leaves (proxy), combiners (first-match) and decorators (policed) are all indexes. `label` is the section's label.
    """

    label: str = Attribute("The label of its section.")

    async def project_names() -> ProjectList:
        """
        All projects that this index offers.

        :raises UpstreamUnavailable: the list is not known.
        """

    async def project_page(name: NormalizedName) -> ProjectPage:
        """
        What this index offers of a project. A project without files is a page without files (law 3).

        :raises NoSuchProject: this index knows that it has none; only this falls through (law 1).
        :raises Refused: a policy hides the whole project.
        :raises UpstreamUnavailable: it cannot know.
        """

    async def find(name: NormalizedName, filename: Filename) -> Listed:
        """
        The entry of that file name on this index's page: what `project_page(name).file(filename)` gives, without making the page.

        :raises NoSuchProject: as `project_page`.
        :raises NoSuchFile: the page does not list it.
        :raises Refused: a policy hides it, or the whole project.
        :raises UpstreamUnavailable: as `project_page`.
        """

    async def open_file(name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """
        The bytes of a file that this index's page lists (law 2), or of its companion.

        :raises NoSuchProject: as `project_page`.
        :raises NoSuchFile: the page does not list it, or it has no such companion.
        :raises Refused: a policy hides it.
        :raises UpstreamUnavailable: the bytes are not here and cannot be had.
        :raises CorruptContent: what upstream gave is not what the page promises.
        """

    async def changes(since: int) -> list[Change]:
        """What changed here after that serial, rising."""

    async def refresh(name: NormalizedName | None) -> int:
        """Let what was remembered of a project, or of all, be fresh no longer; answer how many that were."""


class ISteady(Interface):
    """A capability of indexes: to tell at once, and without asking anybody, whether their list of projects is what it was."""

    def names_state() -> Hashable | None:
        """
        While this equals what it was when `project_names` was called, that would answer the same list again, save that the clock may pass its
        `fresh_until`. None where only asking tells.
        """


class IExplaining(Interface):
    """A capability of indexes: to say why a project looks there as it does."""

    async def explain(name: NormalizedName) -> Explanation:
        """
        What it shows of that project, what it leaves out and why, and the same of every index that it had to ask (`pypidaemon.explaining.explain`).

        It asks nobody for more than `project_page` does, and it raises nothing: also that it has none, hides it, or cannot know is an explanation.
        """


class ISeenThrough(IIndex):
    """Another index with something left out. It has serials of its own for projects of which something is or was left out, and for no others."""

    index: IIndex = Attribute("That index.")
    numbers: str = Attribute("The label of its own serials in the ledger.")

    async def bury(name: NormalizedName) -> None:
        """
        Give a project that is refused as a whole, and was shown before, a serial for that: whoever follows the changes asks for it then, and finds it
        gone.
        """


class IBarrier(ISeenThrough):
    """An index seen through what was ordered while the daemon runs, and through nothing else: it stands before every leaf."""


class ILocal(Interface):
    """A capability of indexes whose truth is here, so that no name and no file of theirs is known from anybody else. It has no members."""


class IHostedIndex(IIndex, ILocal):
    """
    An index whose truth is here, and which can be written to.

    The caller has checked that the account may; `account` is its name, for the records. Every method is all or nothing, and what it did is
    on the very next page.
    """

    strict: bool = Attribute("Whether it keeps PyPI's own rules, and begins no project whose name an upstream is known to have.")

    async def draft() -> IDraft:
        """
        Begin a file in this index's own store.

        :raises StorageFull: there is no room.
        """

    async def publish(
        upload: Upload, draft: IDraft, account: str, founding: bool, replacing: bool = False, deed: Deed | None = None
    ) -> Published:
        """
        Check the written draft against the form and its own contents, and offer it.

        The draft is this method's from the call on: committed or aborted, and closed, also where the caller is cancelled. `founding` says that the account may only start a project, so that it
        must not exist or be its own.
        `replacing` says that the account may put other bytes under a file name that is used; the index must allow it too. `deed` is what the audit log
        is to have of it: where the answer says that it was noted, that was in one transaction with the file, and in all other cases nothing was.

        :raises InvalidUpload: form, archive and metadata do not agree, or are not acceptable.
        :raises Refused: such a file was blocked.
        :raises Conflict: that file name has other bytes, or had and was deleted, or the project to be founded exists.
        :raises StorageFull: there is no room.
        """

    async def adopt(
        upload: Upload, content: IContent, found: Mapping[str, str], account: str, founding: bool, earlier: Earlier, rehearsal: bool
    ) -> Published:
        """
        Offer a file that lies elsewhere and was published there before; as `publish` in all else, with a copy of its bytes.

        Of a file that is here already nothing is changed, whatever is told of it.

        :param content: read, and left open.
        :param found: its digests by algorithm, as in `Upload.digests`: sha256 and blake2b_256 at least, of which the sha256 is checked once more.
        :param account: "" is nobody, who owns nothing.
        :param rehearsal: whether it is only judged: then nothing is written, and the serial answered is 0 where it would be taken.
        :raises CorruptContent: the bytes are others by now.
        """

    async def examine(upload: Upload, content: IContent) -> Inspected:
        """
        What the archive says of itself, where an upload of it would be taken as far as its form, its bytes and the orders that block things say.

        :param content: read, and left open.
        :raises InvalidUpload: it would not; the line names the rule.
        :raises Refused: it is blocked.
        """

    async def has(name: NormalizedName) -> bool:
        """Whether the project exists here, with files or without."""

    async def owner(name: NormalizedName) -> str | None:
        """The account that owns the project, if any."""

    async def yank(name: NormalizedName, version: str, reason: str | None) -> int:
        """
        Yank a release with that reason ("" is none given), or with None take the yank back (PEP 592); answer how many files changed.

        :raises NoSuchProject: there is no such project.
        :raises NoSuchFile: it has no such release.
        """

    async def release(name: NormalizedName, version: str | None) -> list[FileRecord]:
        """
        The records of a release, or with None of every release, of every standing.

        :raises NoSuchProject: there is no such project.
        :raises NoSuchFile: it has no such release.
        """

    async def take(name: NormalizedName, version: str, source: IHostedIndex, account: str, founding: bool) -> list[FileRecord]:
        """
        Offer the files of a release that `source` shows, as they are there: same bytes, same upload times, yanked where they are.

        Bytes that are in this index's store already are not moved. What it has of them already stays, and is shown from now on. Answers the
        records as they are here. `founding` as in `publish`.

        :raises NoSuchProject: the source has no such project.
        :raises NoSuchFile: the source shows no such release.
        :raises InvalidUpload: this index's own rules refuse a file; then none was taken.
        :raises Refused: a file was blocked; then none was taken.
        :raises Conflict: as `publish`, of any of the files; then none was taken.
        :raises StorageFull: there is no room.
        """

    async def place(name: NormalizedName, version: str | None, standing: Standing, before: Standing | None = None) -> int:
        """
        Show, hide or delete a release, or with None every release; answer how many files changed. Deleting keeps the name claimed.

        With `before` only the files of that standing are changed.

        :raises NoSuchProject: there is no such project.
        :raises NoSuchFile: it has no such release.
        """


class IInspector(Interface):
    """Looks into uploaded archives, where hostile bytes can do no harm."""

    async def inspect(content: IContent, upload: Upload) -> Inspected:
        """
        Check the archive by the rules for its kind and answer what its metadata says.

        :raises InvalidUpload: a rule is broken; the line names it.
        """
