"""Somebody else's file that is to become a blob as it is: nobody may write to it any more, and only then is it read. All of it is done on threads."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from pypidaemon.errors import CorruptContent
from pypidaemon.files import Files
from pypidaemon.model import Digest

_PIECE = 1 << 18


def sealed(files: Files, descriptor: int, expected: Digest) -> bool:
    """
    Let nobody write to that file any more, and answer whether it may be shared; where it may not, it is as it was.

    :raises CorruptContent: these are not the expected bytes.
    """
    try:
        mode = files.seal(descriptor)
    except OSError:
        # Not every file system has permissions to take away.
        return False
    is_sealed = False
    try:
        if files.is_written_to(descriptor):
            return False
        found = _sha256(files, descriptor)
        if found != expected:
            raise CorruptContent(f"the content has sha256 {found}, promised was {expected}")
        is_sealed = True
    finally:
        if not is_sealed:
            with suppress(OSError):
                files.unseal(descriptor, mode)
    return True


def _sha256(files: Files, descriptor: int) -> Digest:
    found, offset = hashlib.sha256(), 0
    while piece := files.read(descriptor, _PIECE, offset):
        found.update(piece)
        offset += len(piece)
    return Digest(found.hexdigest())
