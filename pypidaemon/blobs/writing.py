"""What becomes blobs in one round, written to drafts. All of it is done on threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import attrs

from pypidaemon.blobs.drafts import append, begun, discard_at, mark
from pypidaemon.errors import CorruptContent
from pypidaemon.files import Files
from pypidaemon.model import Digest


@attrs.frozen
class Document:
    """
    A content that is all in memory.

    :param expected: the sha256 that it is to have, where somebody promised one.
    :param beside: makes of it what is to be kept beside it, or nothing.
    """

    data: bytes
    expected: Digest | None = None
    beside: Callable[[bytes], bytes | None] | None = None


@attrs.frozen
class Whole:
    """A draft that all of a content is in; the descriptor is closed when it is stored, or cannot be."""

    path: str
    digest: Digest
    descriptor: int


Written = tuple[str, Digest, int, int]
"""The path, the digest, the descriptor and the inode of a draft; 0 where that is of no interest."""


def written_as(files: Files, folder: str, document: Document | Whole, opened: list[int], says: bool) -> list[Written]:
    """
    A draft in that folder that has all of that, and one of what is to be kept beside it.

    :param opened: gets the descriptors of these, to be closed by the caller.
    :param says: whether the names of drafts say what is in them.
    :raises CorruptContent: it is not what was promised.
    :raises CannotStore: it cannot be written; nothing is left of it.
    """
    if isinstance(document, Whole):
        return [(document.path, document.digest, document.descriptor, 0)]
    digest = Digest(hashlib.sha256(document.data).hexdigest())
    if document.expected not in (None, digest):
        raise CorruptContent(f"the content has sha256 {digest}, promised was {document.expected}")
    beside = document.beside(document.data) if document.beside is not None else None
    drafts = [_draft_of(files, folder, document.data, digest, opened, says)]
    if beside is not None:
        try:
            drafts.append(_draft_of(files, folder, beside, Digest(hashlib.sha256(beside).hexdigest()), opened, says))
        except BaseException:
            discard_at(files, drafts[0][0])
            raise
    return drafts


def _draft_of(files: Files, folder: str, data: bytes, digest: Digest, opened: list[int], says: bool) -> Written:
    path, descriptor, inode = begun(files, folder, mark(digest) if says else "")
    opened.append(descriptor)
    try:
        append(files, descriptor, data, 0)
    except BaseException:
        discard_at(files, path)
        raise
    return path, digest, descriptor, inode
