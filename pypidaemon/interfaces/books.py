"""Records: what is remembered, and what must not be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zope.interface import Attribute, Interface

from pypidaemon.interfaces.mirrors import IMirrorRecords
from pypidaemon.interfaces.registers import (
    IDocumentCache,
    IFetchRecords,
    IPins,
    IPublisherRecords,
    IRulingRecords,
    IUses,
    IWithdrawnEntries,
)
from pypidaemon.model import (
    Change,
    Deed,
    Digest,
    Entered,
    Fact,
    File,
    Filename,
    FileRecord,
    Grant,
    KeptPage,
    NormalizedName,
    OnRecord,
    Remembered,
    RememberedNames,
    Replaced,
    Settled,
    Standing,
    Token,
    User,
)


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

    async def remembered(label: str) -> list[NormalizedName]:
        """The projects with a page remembered, absences left out, in the order of the names."""

    async def recall_names(label: str) -> RememberedNames | None:
        """What was last kept of the project list."""

    async def keep_names(label: str, remembered: RememberedNames) -> None:
        """Remember this list instead of the one before."""

    def names_changed(label: str) -> int:
        """How often what is kept of the project list may have changed here: it is counted before anybody is told of a change."""


class IBounded(Interface):
    """A capability of page caches that outlive a process: to be kept within bounds, with the small documents that belong to the pages (`IDocumentCache`)."""

    async def weight(labels: Sequence[str]) -> int:
        """How many bytes the pages and documents of these indexes take."""

    async def oldest(labels: Sequence[str], after: tuple[float, str, str], limit: int) -> list[KeptPage]:
        """The pages of these indexes, absences left out, in the order of when they were last confirmed, label and name, behind that place, at most `limit`."""

    async def let_go(kept: KeptPage) -> int:
        """Forget that page, unless it was confirmed since, and the documents of its project; answer how many bytes that were."""


class IFileFacts(Interface):
    """What was found out here about the files of an upstream: pins and sidecars. Not a cache: a pin must outlive it."""

    async def known(label: str, name: NormalizedName) -> Mapping[Filename, Fact]:
        """All facts about that project's files."""

    async def learn(label: str, name: NormalizedName, filename: Filename, fact: Fact) -> Fact:
        """
        Add to what is known: a field that is not None fills one that was None; a pinned digest and size never change.

        Answer what is now known, which is how two who learn at once find out whose pin stands.
        """

    async def learn_all(label: str, name: NormalizedName, facts: Mapping[Filename, Fact]) -> None:
        """As `learn` for each of them, all or none."""

    async def differ(label: str, name: NormalizedName, others: Mapping[Filename, str], since: float) -> tuple[Filename, ...]:
        """
        Note that of that project's files these are promised with other bytes than the first, and no more of them (S28).

        :param others: the sha256 that is promised of each, "" where none is.
        :param since: now; what is noted with the same sha256 keeps its time.
        :returns: those that were not noted so before, in the order of `others`.
        """

    async def replaced(after: tuple[str, str, str], limit: int) -> list[Replaced]:
        """What is noted by `differ` behind that label, name and file, in their order, at most `limit`."""

    async def accept(label: str, name: NormalizedName, filename: Filename) -> Replaced | None:
        """
        Take the bytes that are promised now for the first ones, and forget all else that was found out about the others (S28).

        Where it is not known which they are, whatever comes next is taken for them. Answer what was noted; None where nothing was.
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

    async def serial(label: str, name: NormalizedName) -> int:
        """The number that the project was given last, 0 where it never got one."""

    async def serials(label: str) -> Mapping[NormalizedName, int]:
        """The numbers given so far, of every project that was ever numbered."""

    def late(label: str) -> Mapping[NormalizedName, int]:
        """The same, as of the moment when it is first asked for something: it then reads, so it is for threads alone. Who never asks pays nothing."""

    async def numbers(label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The same of the projects after that name in order of names ("" begins), at most `limit`: there may be hundreds of thousands."""

    async def high(label: str) -> int:
        """The highest number given, 0 where none was."""

    def changed(label: str) -> int:
        """How often a number of that label may have changed here: it is counted before anybody is told of a change."""

    async def changes(label: str, since: int, limit: int) -> list[Change]:
        """Rows with a serial above `since`, rising, at most `limit`: the latest change of each project (R146)."""


class IFileRecords(Interface):
    """Which files exist in a local index. Each change takes the next serial of that label, in one transaction with it."""

    async def names(label: str) -> Mapping[NormalizedName, int]:
        """Every project ever recorded and not forgotten, with its serial; one without files stays (law 3)."""

    async def page(label: str, name: NormalizedName) -> tuple[int, list[FileRecord]]:
        """
        The project's serial and its records in the order of their names, of every standing.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """

    async def add(label: str, name: NormalizedName, record: FileRecord, action: str, founder: str | None) -> int:
        """
        Add a file whose name is new to the index, and answer the serial.

        A record of the same name and digest that is not deleted changes nothing and answers the serial the project has. With a `founder` the
        project must be new, or that account's own, which it is from now on; all in one transaction, so of two founders one wins.

        :raises Conflict: the name is taken by other bytes or by a tombstone, or the project that was to be new exists.
        """

    async def look(label: str, name: NormalizedName, filename: Filename) -> OnRecord:
        """
        What is known of a project and of one file name of it, for less than its page costs.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """

    async def enter(
        label: str,
        name: NormalizedName,
        record: FileRecord,
        action: str,
        founder: str | None,
        deed: Deed | None,
        instead: str | None = None,
    ) -> Entered:
        """
        As `add`, and tell what was before; where it can be done and anything was changed, the deed is noted in the same transaction.

        :param instead: the action where the file stands in place of one with other bytes, as `replaces` in `pypidaemon.records.rules` says; None where it
            may not.
        :raises Conflict: as `add`.
        """

    async def record(label: str, name: NormalizedName, record: FileRecord, action: str) -> int:
        """Add a file, or replace the record of that file name, and answer the serial."""

    async def settle(label: str, name: NormalizedName, records: Sequence[FileRecord], action: str) -> Settled:
        """
        Take these records over as they are, all in one transaction: each is added, or stands instead of one with the same bytes.

        One whose name is used here by other bytes, or in another project, is left out. The project exists from then on, also without records (law 3).
        """

    async def amend(label: str, name: NormalizedName, filename: Filename, file: File, action: str) -> int:
        """
        Change what the page says of a file and answer the serial.

        :raises NoSuchFile: there is no such record.
        """

    async def place(label: str, name: NormalizedName, filenames: tuple[Filename, ...], standing: Standing, action: str) -> int:
        """
        Give these files that standing, all in one transaction, and answer the serial.

        :raises NoSuchFile: there is no record of one of them.
        """

    async def forget(label: str, name: NormalizedName, filename: Filename | None, action: str) -> int:
        """
        Take a file, or with None the project and all its files, out of the records, and answer the serial.

        :raises NoSuchFile: there is no such record.
        :raises NoSuchProject: there is no such project.
        """

    async def owner(label: str, name: NormalizedName) -> str | None:
        """The account that started the project, or was given it; None where nobody in particular owns it."""

    async def give(label: str, name: NormalizedName, account: str | None) -> None:
        """
        Make that account, or with None nobody, the owner.

        :raises NoSuchProject: there is no such project.
        """

    async def owned(account: str) -> frozenset[tuple[str, NormalizedName]]:
        """Every (label, project) that the account owns."""

    async def changes(label: str, since: int, limit: int) -> list[Change]:
        """Rows with a serial above `since`, rising, at most `limit`."""

    async def holders(digest: Digest) -> frozenset[NormalizedName]:
        """The projects, of any label, with a file of that content, whatever its standing."""

    async def references(digest: Digest) -> int:
        """How many records, of any label and standing, name that content."""


class IAccountRecords(Interface):
    """Who there is, what they may, and what they did. Every change is durable when it comes back."""

    async def users() -> list[User]:
        """All users in the order of their names."""

    async def user(name: str) -> User | None:
        """The user of that name."""

    async def keep_user(user: User) -> None:
        """Add this user, or replace the one of that name."""

    async def remove_user(name: str) -> bool:
        """Forget that user with its tokens, grants and memberships, all in one transaction; answer whether there was anything."""

    async def groups(name: str) -> frozenset[str]:
        """The groups that the user is in."""

    async def enrol(group: str, name: str, member: bool) -> bool:
        """Put the user into the group, or with `member` False take it out; answer whether that changed anything."""

    async def grants() -> list[Grant]:
        """
        Every grant, in order. Of new records these are that `anonymous` may list and read every index, and no other.
        """

    async def grant(grant: Grant, given: bool) -> bool:
        """Give this grant, or with `given` False take it back; answer whether that changed anything."""

    async def tokens() -> list[Token]:
        """All tokens that were not revoked, in the order in which they were made."""

    async def token(id: str) -> Token | None:
        """The token of that id, unless it was revoked."""

    async def keep_token(token: Token) -> None:
        """
        Keep a new token.

        :raises Conflict: that id is taken.
        """

    async def revoke_token(id: str) -> bool:
        """Forget the token; answer whether there was one."""

    async def used_token(id: str, time: float) -> None:
        """Note when the token was last used; a note that is lost costs nothing, so this may be kept in memory for a while."""

    async def note(deed: Deed) -> None:
        """Append to the audit log, which nothing ever changes."""

    async def deeds(since: float, limit: int) -> list[Deed]:
        """The rows of the audit log at or after that time, oldest first, at most `limit` and of those the newest."""


class IRecords(Interface):
    """One place of records with its separate books. Provides `IService`: usable while it runs."""

    pages: IPageCache = Attribute("An IPageCache.")
    facts: IFileFacts = Attribute("An IFileFacts.")
    ledger: ILedger = Attribute("An ILedger.")
    files: IFileRecords = Attribute("An IFileRecords.")
    accounts: IAccountRecords = Attribute("An IAccountRecords.")
    rulings: IRulingRecords = Attribute("An IRulingRecords.")
    fetches: IFetchRecords = Attribute("An IFetchRecords.")
    withdrawn: IWithdrawnEntries = Attribute("An IWithdrawnEntries.")
    publishers: IPublisherRecords = Attribute("An IPublisherRecords.")
    documents: IDocumentCache = Attribute("An IDocumentCache.")
    mirrors: IMirrorRecords = Attribute("An IMirrorRecords.")
    uses: IUses = Attribute("An IUses.")
    pins: IPins = Attribute("An IPins.")

    async def identity() -> str:
        """A random name of this instance, made once and kept: what `Via` says (RFC 9110 §7.6.3)."""


class IReadable(Interface):
    """A capability of records that outlive a process, so that somebody may look at them while a daemon works on them."""

    def for_reading() -> IRecords:
        """
        The same records to be read alone. It provides `IService`: usable while it runs, and nothing is made or written meanwhile.

        Its `startService` raises a PypidaemonError where there are none yet, or they cannot be read.
        """


class ISaved(Interface):
    """A capability of records that lie in files: to be copied while a daemon works on them, and to be put back from a copy. All of it blocks."""

    def save(folder: Path, everything: bool) -> Mapping[str, Path]:
        """
        Copy them into a folder that is there, each file as of one moment; answer the copies by the words for what they hold.

        :param everything: whether what can be fetched again is copied too.
        :raises PypidaemonError: there are none yet, or they cannot be read.
        """

    def saved(folder: Path) -> IRecords:
        """The records that were copied into that folder, not yet started."""

    def places() -> Mapping[str, Path]:
        """Where each of these files belongs, by the same words."""

    def severed() -> None:
        """
        What was put there from a copy, and not started yet, goes its own way from here on: what is kept beside the original is not about it.

        :raises PypidaemonError: it cannot be written.
        """


class IMendable(Interface):
    """A capability of records that can be found to be damaged, and made again from what is kept beside them. All of it blocks."""

    def begun() -> bool:
        """Whether there is anything of them, in whatever state."""

    def ailments() -> list[str]:
        """What is wrong with them, a line each: they are gone, cannot be read, or are not what was written. A daemon may be at work on them."""

    def mend() -> list[str]:
        """
        Make those again that ail, and keep what was there beside them; answer what was done, a line each. Nobody may be at work on them.

        :raises PypidaemonError: there is nothing to make them from, or they cannot be written; what was there stays as it is.
        """
