"""The digests of what was written to a draft, which must be known before it is committed (S9)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pypidaemon.indexes.private.slight import SlightDraft
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IDraft, IInFile
from pypidaemon.model import InThread

AT_ONCE = 16 << 20
"""Bytes that are hashed in one go: a few hundredths of a second of a thread that pages wait for too."""

_MAKERS: Mapping[str, Callable[[], Any]] = {
    "sha256": hashlib.sha256,
    "blake2b_256": lambda: hashlib.blake2b(digest_size=32),
    "blake2b": hashlib.blake2b,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}


async def digests(draft: IDraft, algorithms: Iterable[str], cpu: InThread) -> dict[str, str]:
    """
    Hash all that was written so far, on threads, and answer the values in lower-case hexadecimal by algorithm.

    :param algorithms: of `sha256`, `blake2b_256`, `blake2b` (64 bytes) and `md5`; others are passed over.
    """
    wanted = {algorithm for algorithm in algorithms if algorithm in _MAKERS}
    if isinstance(draft, SlightDraft) and draft.in_memory:
        # A thread would cost more than this does. That by which it will be stored the draft knows from then on.
        hashes = {algorithm: _MAKERS[algorithm]() for algorithm in wanted - {"sha256"}}
        draft.hash_into(hashes.values())
        return {algorithm: value.hexdigest() for algorithm, value in hashes.items()} | {
            algorithm: draft.sha256() for algorithm in wanted & {"sha256"}
        }
    hashes = {algorithm: _MAKERS[algorithm]() for algorithm in wanted}
    if IInFile.providedBy(draft):
        place, size = draft.path, draft.written
        for offset in range(0, size, AT_ONCE):
            await cpu(_take_from_file, list(hashes.values()), place, offset, min(AT_ONCE, size - offset))
    else:
        async for piece in pieces(draft):
            await cpu(_take, list(hashes.values()), piece)
    return {algorithm: value.hexdigest() for algorithm, value in hashes.items()}


def _take_from_file(hashes: list[Any], place: str, offset: int, length: int) -> None:
    with open(place, "rb") as source:
        source.seek(offset)
        while length > 0 and (piece := source.read(min(length, 1 << 18))):
            length -= len(piece)
            _take(hashes, piece)


def _take(hashes: list[Any], piece: bytes) -> None:
    for value in hashes:
        value.update(piece)
