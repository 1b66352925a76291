"""Somebody else's file that is to become a blob as it is: nobody may write to it any more, and only then is it read. All of it is done on threads."""

from __future__ import annotations

from contextlib import suppress

from pypidaemon.blobs.descriptors import digest_of
from pypidaemon.errors import CorruptContent
from pypidaemon.files import Files
from pypidaemon.model import Digest


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
        found = digest_of(files, descriptor)
        if found != expected:
            raise CorruptContent(f"the content has sha256 {found}, promised was {expected}")
        is_sealed = True
    finally:
        if not is_sealed:
            with suppress(OSError):
                files.unseal(descriptor, mode)
    return True
