"""Bytes: where they are kept and how they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from zope.interface import Attribute, Interface

from pypidaemon.model import Digest


class IContent(Interface):
    """
    Bytes to be pulled. Whoever was handed one closes it.

    Bytes that are still under way are waited for, so one reading costs no more memory than one `limit`.
    """

    size: int | None = Attribute("How many bytes there are in all; None while that is not known.")
    digest: Digest | None = Attribute(
        "Their sha256, also that of bytes under way which must turn out to have it (law 6); None while nobody knows or promised it."
    )

    async def read(offset: int, limit: int) -> bytes:
        """
        Give at least one and at most `limit` bytes from `offset` on; b"" means that there are none at or after `offset`.

        :raises CorruptContent: the bytes under way turned out not to be the ones promised.
        :raises UpstreamUnavailable: they stopped coming.
        """

    def close() -> None:
        """Let go of what reading needs. Closing twice is harmless."""


class IInFile(Interface):
    """A capability of some contents: the bytes there are so far lie in a file of their own."""

    path: str = Attribute("The absolute path of the file.")


class IOnDisk(IInFile):
    """A capability of some contents: whole and verified in a file, so the door may send it from there."""


class ISendable(Interface):
    """
    A capability of some contents: bytes that may be given out lie in an open file, so the system can send them without anybody here reading them.

    It may end before the content does; whoever meets the end of it goes on with `read`.
    """

    def descriptor() -> int | None:
        """
        The open file, with the content's offsets; None where there is none now. Asked for anew each time, since it may be closed whenever others run.
        """

    async def reach(offset: int) -> int:
        """
        Wait, as `read` does, until bytes at `offset` may be given out, and answer how many; 0 means that they have to be read.

        :raises CorruptContent: as `IContent.read`.
        :raises UpstreamUnavailable: as `IContent.read`.
        """


class ILocated(Interface):
    """A capability of some contents: also to be had from elsewhere without credentials, so the door may redirect."""

    url: str = Attribute("The absolute URL.")


class IDraft(IContent):
    """
    A blob being written, readable meanwhile: `read` waits for bytes not yet written and ends after commit or abort.

    `size` and `digest` are None until commit. Exactly one writer; any number of readers.
    """

    written: int = Attribute("How many bytes there are so far, which can be read without waiting.")

    async def write(data: bytes) -> None:
        """
        Append `data`.

        :raises StorageFull: there is no room; the draft stays as it was before and can still be read.
        :raises StorageFailed: the disk takes nothing; what was there before can still be read, and nothing can be made of it.
        """

    async def commit(expected: Digest | None) -> Digest:
        """
        Make what was written a blob: checked, durable (file and folder synced), visible at once, and answer its digest.

        Committing content that the store already holds succeeds. A reader of the draft goes on reading.

        :raises CorruptContent: the sha256 is not `expected`; the draft is then aborted.
        :raises StorageFull: there is no room, and the sha256 is the expected one; the draft is then aborted.
        :raises StorageFailed: as StorageFull, where the disk takes nothing.
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
        :raises StorageFailed: the disk takes nothing.
        """

    async def remove(digest: Digest) -> None:
        """Forget that content, if it is here. Whoever has it open reads on."""

    def digests() -> AsyncIterator[Digest]:
        """Every digest held, in no order."""


class IHolding(Interface):
    """A capability of blob stores: to say of many blobs at once whether they are here."""

    async def holding(digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here."""


class IKeeping(Interface):
    """A capability of blob stores: to take a content that is all in memory, for less than a draft costs."""

    async def keep(data: bytes, expected: Digest | None, beside: Callable[[bytes], bytes | None] | None = None) -> Digest:
        """
        Make these bytes a blob, and answer its digest once it is durable; nothing is left of one that fails.

        Who stops waiting does not know whether it is one.

        :param beside: makes something of the bytes, on a thread and once they are known to be the expected ones, which becomes a blob at the same stroke;
            None is nothing. Where either cannot be kept the whole fails.
        :raises CorruptContent: the sha256 is not `expected`.
        :raises StorageFull: there is no room.
        :raises StorageFailed: the disk takes nothing.
        """

    async def keep_all(documents: Sequence[tuple[bytes, bytes | None]]) -> list[Digest | Exception]:
        """
        Make each of these a blob, and what stands beside it another, all at one stroke; answer the digests, or why it is none, as `keep` would raise it.
        """


class ISharing(Interface):
    """A capability of blob stores that are files: to take a file of somebody else's on the same volume as it lies there, without copying it."""

    async def share(descriptor: int, expected: Digest) -> bool:
        """
        Give the file behind that descriptor a second name, as a blob, once its bytes were read and found to be the expected ones. Nobody may write to it
        from then on, as far as permissions go: its owner's is taken away too.

        Answer False, and nothing has happened, where it cannot have one: it lies on another volume, the system does not let us, or somebody has it open to
        write to it.

        :raises CorruptContent: the sha256 is not `expected`.
        :raises CannotStore: as `IDraft.commit`.
        """


class ITended(Interface):
    """
    A capability of blob stores: what whoever looks after them needs.

    A blob is committed before anybody records that it is needed (law 7), so one that nobody names is only cleared away once it is old. No blob is cleared
    away or set aside while it is committed or renewed, in whatever process: one comes after the other. Moments are seconds since the epoch.
    """

    def older(before: float) -> AsyncIterator[Digest]:
        """Every digest whose content came, was committed again or was renewed last before that moment, in no order."""

    async def renew(digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here; they are as if they had come now."""

    async def clear(digest: Digest, before: float) -> bool:
        """Remove that content if it is still older than that; answer whether it was."""

    async def set_aside(content: IContent, into: Path | None) -> bool:
        """
        Take out a content that was opened here and found to be damaged, unless another stands in its place by now; answer whether it was.

        :param into: a folder to keep its bytes in, in a file named by the digest, where the store is one of files; None keeps nothing.
        :raises PypidaemonError: it could not be done.
        """

    async def strays(before: float) -> list[str]:
        """What lies among the blobs and is none, and drafts that nobody is writing any more, by their places below the store; all older than that."""

    async def discard(stray: str, before: float) -> bool:
        """Remove one of those if it is still older than that, and no draft that somebody writes; answer whether it was."""
