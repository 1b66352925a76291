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


async def beginning(content: IContent, size: int) -> bytes:
    """
    So many bytes of the content from its beginning, in one piece; fewer only where there are no more. For small ones, which mostly are read at one stroke.

    :raises CorruptContent: as `IContent.read`.
    :raises UpstreamUnavailable: as `IContent.read`.
    """
    # Of a draft that has nothing yet, reading would wait for something.
    data = await content.read(0, size) if size else b""
    while len(data) < size and (piece := await content.read(len(data), size - len(data))):
        data += piece
    return data


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
