"""
The verdict on an uploaded archive: fit by the rules for its kind, and what its metadata says.

Slow compared with a turn of the reactor, and over hostile bytes: to be called in a process of its own (`pypidaemon.inspection`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from pypidaemon.archives.rules import Rules, extension
from pypidaemon.archives.sdists import inspect_tar, inspect_zip
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.archives.wheels import inspect_egg, inspect_wheel
from pypidaemon.model import Inspected, Upload

_OPENED: dict[str, Callable[[BinaryIO, Upload, Rules], Inspected]] = {
    ".whl": inspect_wheel,
    ".egg": inspect_egg,
    ".zip": inspect_zip,
    ".tar.gz": inspect_tar,
    ".tgz": inspect_tar,
    ".tar.bz2": inspect_tar,
    ".tar.xz": inspect_tar,
}
_MARKS = {
    ".exe": (0, b"MZ"),
    ".msi": (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ".rpm": (0, b"\xed\xab\xee\xdb"),
    ".deb": (0, b"!<arch>\n"),
    ".dmg": (-512, b"koly"),
}
"""Where the mark of a kind that is not opened stands, and what it is."""


def inspect(source: BinaryIO, upload: Upload, rules: Rules) -> Inspected:
    """
    Look through the whole archive and answer what its METADATA or PKG-INFO says.

    Nothing is executed, written or unpacked (S17), and memory is bounded whatever the archive is. Installers and packages of operating
    systems are not opened: of them only the mark is checked, and the form is believed.

    :param source: the whole archive, readable and seekable; left open, at any position.
    :raises BadArchive: a rule is broken; its one line names the rule.
    :raises OSError: `source` itself cannot be read.
    """
    kind = extension(upload.filename)
    if kind not in rules.kinds:
        raise BadArchive(f"files like {upload.filename} are not accepted here; accepted are {' '.join(sorted(rules.kinds))}")
    if kind in _OPENED:
        if upload.filetype == "bdist_dumb":
            raise BadArchive("dumb archives are not accepted: they have no metadata and unpack anywhere")
        return _OPENED[kind](source, upload, rules)
    place, mark = _MARKS[kind]
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size + place if place < 0 else place))
    if source.read(len(mark)) != mark:
        raise BadArchive(f"not a {kind} file")
    told = dict(upload.metadata)
    return Inspected(b"", upload.name, upload.version, told.get("requires_python"))
