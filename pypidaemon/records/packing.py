"""Pages as a column holds them: encoded (`pypidaemon.stored`) and compressed. Pure but slow on large pages."""

from __future__ import annotations

import orjson
import zstandard

from pypidaemon.model import Digest, Filename, Mirrored
from pypidaemon.stored import decode, encode

LARGEST_PAGE = 256 * 2**20
"""A stored page that claims to be longer than this many bytes is damaged; the longest of the public index are some 10 MiB."""

_LEVEL = 3


def pack(encoded: bytes) -> bytes:
    """These bytes compressed, with a checksum."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(encoded)


def unpack(body: bytes) -> bytes:
    """
    The bytes that were packed.

    :raises ValueError: it is nothing that was packed, or it is damaged.
    """
    try:
        if not 0 <= zstandard.frame_content_size(body) <= LARGEST_PAGE:
            raise ValueError("not a stored page's length")
        return zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError as error:
        raise ValueError("not what was compressed") from error


def pack_mirrored(mirrored: Mirrored) -> bytes:
    """Its page, documents, and what was lent: these two as one line of JSON before the page. The rest has columns of its own."""
    beside: object = mirrored.documents
    if mirrored.lent:
        beside = {"documents": mirrored.documents, "lent": sorted(mirrored.lent)}
    return pack(orjson.dumps(beside) + b"\n" + encode(mirrored.page))


def unpack_mirrored(body: bytes, serial: int, complete: int, taken: float) -> Mirrored:
    """
    What a mirror holds of a project, of a row's columns.

    :raises ValueError: the body is damaged, or in a form that is not known any more.
    """
    beside, _, page = unpack(body).partition(b"\n")
    raw = orjson.loads(beside)
    documents, lent = (raw.get("documents"), raw.get("lent")) if isinstance(raw, dict) else (raw, [])
    if not (isinstance(lent, list) and all(isinstance(one, str) for one in lent)):
        raise ValueError("not stored names of files")
    return Mirrored(decode(page), serial, bool(complete), taken, _documents(documents), frozenset(map(Filename, lent)))


def _documents(raw: object) -> tuple[tuple[Filename, Digest], ...]:
    if not (isinstance(raw, list) and all(map(_pair, raw))):
        raise ValueError("not stored documents")
    return tuple((Filename(filename), Digest(digest)) for filename, digest in raw)


def _pair(raw: object) -> bool:
    return isinstance(raw, list) and len(raw) == 2 and all(isinstance(word, str) for word in raw)
