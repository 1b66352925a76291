"""
The promises the parts make to each other: `zope.interface` interfaces, and nothing else.

Every method takes positional arguments only, since `verifyObject` sees no others, and each interface has one contract suite in
`tests/contracts` that every implementation runs. A method not said to raise something raises it not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from zope.interface import Attribute, Interface

from pypidaemon.model import (
    Change,
    Companion,
    Digest,
    Fact,
    File,
    Filename,
    FileRecord,
    Listed,
    NormalizedName,
    NotModified,
    ProjectList,
    ProjectPage,
    Remembered,
    RememberedNames,
    UpstreamNames,
    UpstreamPage,
    Validators,
)


class IContent(Interface):
    """
    Bytes to be pulled. Whoever was handed one closes it.

    Bytes that are still under way are waited for, so one reading costs no more memory than one `limit`.
    """

    size: int | None = Attribute("How many bytes there are in all; None while that is not known.")
    digest: Digest | None = Attribute("Their sha256; None while that is not known.")

    async def read(offset: int, limit: int) -> bytes:
        """
        Give at least one and at most `limit` bytes from `offset` on; b"" means that there are none at or after `offset`.

        :raises CorruptContent: the bytes under way turned out not to be the ones promised.
        :raises UpstreamUnavailable: they stopped coming.
        """

    def close() -> None:
        """Let go of what reading needs. Closing twice is harmless."""


class IOnDisk(Interface):
    """A capability of some contents: whole and verified in a file, so the door may send it from there."""

    path: str = Attribute("The absolute path of the file.")


class ILocated(Interface):
    """A capability of some contents: also to be had from elsewhere without credentials, so the door may redirect."""

    url: str = Attribute("The absolute URL.")


class IDraft(IContent):
    """
    A blob being written, readable meanwhile: `read` waits for bytes not yet written and ends after commit or abort.

    `size` and `digest` are None until commit. Exactly one writer; any number of readers.
    """

    async def write(data: bytes) -> None:
        """
        Append `data`.

        :raises StorageFull: there is no room; the draft stays as it was before and can still be read.
        """

    async def commit(expected: Digest | None) -> Digest:
        """
        Make what was written a blob: checked, durable (file and folder synced), visible at once, and answer its digest.

        Committing content that the store already holds succeeds. A reader of the draft goes on reading.

        :raises CorruptContent: the sha256 is not `expected`; the draft is then aborted.
        :raises StorageFull: there is no room; the draft is then aborted.
        """

    async def abort() -> None:
        """Make it never to have been. Readers get CorruptContent. Aborting after commit or abort does nothing."""


class IBlobStore(Interface):
    """Immutable bytes named by their sha256. Knows nothing of projects."""

    async def open(digest: Digest) -> IContent:
        """
        Answer the content of that digest.

        :raises NoSuchBlob: it is not here.
        """

    async def draft() -> IDraft:
        """
        Begin a new blob.

        :raises StorageFull: there is no room.
        """

    async def remove(digest: Digest) -> None:
        """Forget that content, if it is here. Whoever has it open reads on."""

    def digests() -> AsyncIterator[Digest]:
        """Every digest held, in no order."""


class IPageCache(Interface):
    """
    What an upstream last said, by the label of the index that asked. Losing it costs time, never truth (law 8).

    A name maps to a page or to an absence, and the label itself to the project list.
    """

    async def recall(label: str, name: NormalizedName) -> Remembered | None:
        """What was last kept of that project; None where nothing was."""

    async def recall_file(label: str, name: NormalizedName, filename: Filename) -> Remembered | None:
        """As `recall`, but the page has at most the file of that name, and else only a status that hides files; much cheaper."""

    async def keep(label: str, name: NormalizedName, remembered: Remembered) -> None:
        """Remember this instead of what was kept before."""

    async def drop(label: str, name: NormalizedName) -> None:
        """Forget what was kept of that project."""

    async def expire(label: str, name: NormalizedName | None) -> int:
        """Let what was kept of that project, or of all and of the list, be fresh no longer; answer how many that were."""

    async def recall_names(label: str) -> RememberedNames | None:
        """What was last kept of the project list."""

    async def keep_names(label: str, remembered: RememberedNames) -> None:
        """Remember this list instead of the one before."""


class IFileFacts(Interface):
    """What was found out here about the files of an upstream: pins and sidecars. Not a cache: a pin must outlive it."""

    async def known(label: str, name: NormalizedName) -> Mapping[Filename, Fact]:
        """All facts about that project's files."""

    async def learn(label: str, name: NormalizedName, filename: Filename, fact: Fact) -> Fact:
        """
        Add to what is known: a field that is not None fills one that was None; a pinned digest and size never change.

        Answer what is now known, which is how two who learn at once find out whose pin stands.
        """


class ILedger(Interface):
    """
    The serials that an index shows: one rising space of integers per label (R48, R67-R71).

    A serial once given for a project is never taken back, and a changed revision gets a number above every one given before.
    """

    async def number(label: str, name: NormalizedName, revision: str, at_least: int) -> int:
        """
        Answer the serial of that project at that revision.

        The same revision keeps its number, raised to `at_least` where that is higher. A first revision gets `at_least`, or the next
        number where that is 0. Another revision gets the higher of `at_least` and the next number.
        """

    async def serials(label: str) -> Mapping[NormalizedName, int]:
        """The numbers given so far, of every project that was ever numbered."""

    async def high(label: str) -> int:
        """The highest number given, 0 where none was."""

    async def changes(label: str, since: int, limit: int) -> list[Change]:
        """Rows with a serial above `since`, rising, at most `limit`: the latest change of each project (R146)."""


class IFileRecords(Interface):
    """Which files exist in a local index. Each change takes the next serial of that label, in one transaction with it."""

    async def names(label: str) -> Mapping[NormalizedName, int]:
        """Every project ever recorded and not forgotten, with its serial; one without files stays (law 3)."""

    async def page(label: str, name: NormalizedName) -> tuple[int, list[FileRecord]]:
        """
        The project's serial and its records in the order of their names.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """

    async def record(label: str, name: NormalizedName, record: FileRecord, action: str) -> int:
        """Add a file, or replace the record of that file name, and answer the serial."""

    async def amend(label: str, name: NormalizedName, filename: Filename, file: File, action: str) -> int:
        """
        Change what the page says of a file and answer the serial.

        :raises NoSuchFile: there is no such record.
        """

    async def forget(label: str, name: NormalizedName, filename: Filename | None, action: str) -> int:
        """
        Take a file, or with None the project and all its files, out of the records, and answer the serial.

        :raises NoSuchFile: there is no such record.
        :raises NoSuchProject: there is no such project.
        """

    async def changes(label: str, since: int, limit: int) -> list[Change]:
        """Rows with a serial above `since`, rising, at most `limit`."""

    async def references(digest: Digest) -> int:
        """How many records, of any label, name that content."""


class IRecords(Interface):
    """One place of records with its separate books. Provides `IService`: usable while it runs."""

    pages: IPageCache = Attribute("An IPageCache.")
    facts: IFileFacts = Attribute("An IFileFacts.")
    ledger: ILedger = Attribute("An ILedger.")
    files: IFileRecords = Attribute("An IFileRecords.")

    async def identity() -> str:
        """A random name of this instance, made once and kept: what `Via` says (RFC 9110 §7.6.3)."""


class IBody(Interface):
    """
    The body of an upstream's answer while it arrives.

    Its transport is paused while nobody reads, so no more than a few hundred KiB wait in memory.
    """

    offset: int = Attribute("Where in the whole it begins: what was asked for, or 0 where upstream ignored the range.")
    total: int | None = Attribute("The size of the whole as upstream says, None where it does not say.")
    validator: str | None = Attribute("A strong ETag or a Last-Modified that names this state of the whole, or None.")

    async def read() -> bytes:
        """
        The next bytes, b"" at the end.

        :raises UpstreamUnavailable: it broke off, stalled or became too slow; what was read before is good.
        """

    def close() -> None:
        """Read no more; the connection is dropped unless all has arrived."""


class IHealth(Interface):
    """What is known of whether an upstream can be asked; one per upstream, shared by all requests."""

    state: str = Attribute('"up", "suspect" or "down".')
    cause: str = Attribute("Why it is not up, in a few words; empty while it is.")
    since: float = Attribute("When it entered that state, seconds since the epoch.")

    def may_ask() -> bool:
        """Whether a request is worth trying now: always while up, else once in a while."""

    def retry_after() -> int:
        """Whole seconds until asking again is worth it, 1 to 60."""

    async def doubted() -> None:
        """Come back when the upstream stops being up; at once where it is not."""


class IUpstream(Interface):
    """
    One remote index. `NotModified` is a value, absence is `NoSuchProject`, anything else is `UpstreamUnavailable`.
    """

    label: str = Attribute("The label of its section.")
    health: IHealth = Attribute("An IHealth.")

    async def fetch_names(validators: Validators) -> UpstreamNames | NotModified:
        """
        Ask for the project list; its body is read by the caller, who closes it.

        :raises UpstreamUnavailable: no list could be had.
        """

    async def fetch_page(name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """
        Ask for a project's page, whole, read and checked.

        :raises NoSuchProject: upstream says that there is none.
        :raises UpstreamUnavailable: no page could be had, or it is not that project's or no page at all.
        """

    async def fetch_body(url: str, offset: int) -> IBody:
        """
        Ask for the bytes behind a file's URL (or its sidecar's), from `offset` on, in no content coding.

        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: they could not be had, or the URL is one that must not be asked.
        """

    async def changes(since: int) -> list[Change] | None:
        """What changed after that serial, or None where this upstream cannot tell."""


class IMeasured(Interface):
    """A capability of parts that count what they do."""

    def measures() -> Mapping[str, float]:
        """What was counted since the start, by a short word for each; numbers that only rise."""


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


class IPolicy(Interface):
    """A rule on what an index shows. Pure and quick: it sees facts and never bytes."""

    label: str = Attribute("The label of its section.")

    def refusal(name: NormalizedName, file: File | None, now: float) -> str | None:
        """
        Why this file must not be shown, for a person; None lets it pass.

        With `file` None the question is whether the project as a whole is refused, whatever its files.

        :param now: seconds since the epoch.
        """


class IAccount(Interface):
    """Who is acting, as the realm hands it out; anonymous is an account too."""

    name: str = Attribute('The account\'s name; "anonymous" for nobody in particular.')

    def may(action: str, index_label: str, project: NormalizedName | None) -> bool:
        """Whether this account may do that there; a project None asks about the index as a whole."""
