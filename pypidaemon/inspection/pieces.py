"""All bytes of a content that are there now, in pieces: of a draft, what was written to it so far."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pypidaemon.interfaces import IContent, IDraft

PIECE = 256 * 1024


def length(content: IContent) -> int | None:
    """How many bytes can be read without waiting for a writer; None where only reading tells."""
    # Reading a draft up to its end would wait for the end, which comes after the verdict.
    if content.size is None and IDraft.providedBy(content):
        return content.written
    return content.size


async def pieces(content: IContent) -> AsyncIterator[bytes]:
    """
    Read the content from its beginning, never more than `PIECE` bytes at once.

    :raises CorruptContent: as `IContent.read`.
    :raises UpstreamUnavailable: as `IContent.read`.
    """
    size, offset = length(content), 0
    while size is None or offset < size:
        piece = await content.read(offset, PIECE if size is None else min(PIECE, size - offset))
        if not piece:
            break
        yield piece
        offset += len(piece)
