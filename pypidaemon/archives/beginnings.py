"""How archives begin: what tells a distribution from the page of a proxy that wants a login, where no hash does."""

from __future__ import annotations

from pypidaemon.filenames import package_type
from pypidaemon.model import Filename

LONGEST = 8
"""Bytes of a file that say how it begins."""

_BEGINNINGS = (
    b"PK\x03\x04",  # zip, wheels and eggs among them
    b"PK\x05\x06",  # one without members
    b"\x1f\x8b",  # gzip
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",  # zstd
    b"\x1f\x9d",  # compress
    b"LZIP",
    b"\x5d\x00\x00",  # lzma
    b"MZ",  # installers
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\xed\xab\xee\xdb",  # rpm
    b"!<arch>\n",  # deb
)


def begins_well(filename: Filename, first: bytes) -> bool:
    """
    Whether a file of that name may begin with these `LONGEST` bytes.

    Any archive will do, since installers go by the contents too where these and the name disagree; a bare tar archive or a disk image cannot be told
    by them.
    """
    if not package_type(filename) or filename.lower().endswith((".tar", ".dmg")):
        return True
    return first.startswith(_BEGINNINGS)
