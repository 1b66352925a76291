"""Whether bytes are those that were told of: by every hash that was stated, and by what an archive says of itself inside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from pypidaemon.archives.rules import KINDS, Rules, same_version
from pypidaemon.errors import InvalidUpload, PypidaemonError
from pypidaemon.filenames import candidates, package_type, version_of
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IContent, IInspector
from pypidaemon.model import File, Inspected, InThread, NormalizedName, Upload

RULES = Rules(kinds=frozenset(KINDS), record=False)
"""Whoever kept the files answers for what is in them; the rules are there to find broken ones."""

ALGORITHMS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "md5": lambda: hashlib.md5(usedforsecurity=False),
        "sha1": lambda: hashlib.sha1(usedforsecurity=False),
        "sha224": hashlib.sha224,
        "sha256": hashlib.sha256,
        "sha384": hashlib.sha384,
        "sha512": hashlib.sha512,
        "blake2b": hashlib.blake2b,
        "blake2b_256": lambda: hashlib.blake2b(digest_size=32),
        "blake2_256": lambda: hashlib.blake2b(digest_size=32),
    }
)
"""What can be checked; a hash of another algorithm is passed over."""

_ALWAYS = ("sha256", "blake2b_256")


class NotTaken(PypidaemonError):
    """A file is not taken; the line says why, as the end of a sentence about it."""


@attrs.frozen
class Measured:
    """What was found of some bytes: how many there are, and their hashes in lower-case hexadecimal by algorithm."""

    size: int
    hashes: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """The sha256, which is always among them."""
        return self.hashes["sha256"]

    def check(self, file: File, who: str) -> None:
        """
        Insist that these are the bytes that an entry is about.

        :param who: whose entry it is.
        :raises NotTaken: they are not.
        """
        if file.size is not None and file.size != self.size:
            raise NotTaken(f"it has {self.size} bytes, and {who} says {file.size}")
        for algorithm, stated in file.hashes:
            found = self.hashes.get(algorithm)
            if found is not None and found != stated.lower():
                raise NotTaken(f"it has {algorithm} {found}, and {who} says {stated[:128]}")


async def measured(content: IContent, algorithms: Iterable[str], cpu: InThread) -> Measured:
    """
    Read it all.

    :param algorithms: those that are wanted besides sha256 and blake2b_256.
    :raises OSError: it cannot be read.
    """
    hashes = {algorithm: ALGORITHMS[algorithm]() for algorithm in (*_ALWAYS, *algorithms) if algorithm in ALGORITHMS}
    size = 0
    async for piece in pieces(content):
        await cpu(_take, list(hashes.values()), piece)
        size += len(piece)
    return Measured(size, {algorithm: value.hexdigest() for algorithm, value in hashes.items()})


async def looked_into(content: IContent, file: File, project: NormalizedName | None, inspector: IInspector) -> Inspected:
    """
    What the archive says of itself, held against its name and against the project that it lies in.

    :raises NotTaken: they do not agree, or it is no sound archive.
    """
    likely = candidates(file.filename)
    if not likely:
        raise NotTaken("its name is not that of a distribution")
    upload = Upload(likely[0], version_of(file.filename, likely[0]) or "", file.filename, package_type(file.filename))
    try:
        inspected = await inspector.inspect(content, upload)
    except InvalidUpload as error:
        raise NotTaken(str(error)) from error
    named = version_of(file.filename, inspected.name)
    if named is None:
        raise NotTaken(f"the metadata in it is that of {inspected.name}, which is not the project in the file name")
    if not same_version(named, inspected.version):
        raise NotTaken(f"the metadata in it is that of version {inspected.version[:80]!a}, which is not the one in the file name")
    if project is not None and project != inspected.name:
        raise NotTaken(f"the metadata in it is that of {inspected.name}, and it lies among the files of {project}")
    return inspected


def _take(hashes: list[Any], piece: bytes) -> None:
    for value in hashes:
        value.update(piece)
