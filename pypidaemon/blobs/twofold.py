"""
Blobs that have two names for a moment, so that whoever stores them waits for the disk once and not twice.

The name of such a draft says what is in it. As soon as that name and the bytes are on the disk it is as good as a blob: after a power cut the next start looks
what is in it and gives it its place. So it is given its place besides, nobody waits until the disk has that too, and the first name is taken away when it has.
A blob in its place is whole at any moment, as ever (law 7).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress

import attrs

from pypidaemon.blobs import tending
from pypidaemon.blobs.drafts import discard_at, drafts_in, held_alone
from pypidaemon.blobs.tending import DRAFTS
from pypidaemon.files import Files
from pypidaemon.model import Digest

_PIECE = 1 << 18
_SAYING = re.compile(r"[0-9a-f]{32}-([0-9a-f]{64})\Z")


@attrs.define(eq=False)
class Twofold:
    """
    The first names of blobs of which the places may not be on the disk yet, each with a descriptor that keeps it locked: it is not left by its process.

    :param volume: a descriptor by which the volume can be synced, older than all that these are about.
    """

    volume: int
    drafts: list[tuple[str, int]] = attrs.field(factory=list)

    @property
    def shelves(self) -> list[str]:
        """The folders in which their places are."""
        return sorted({f"{digest[:2]}/{digest[2:4]}" for digest in (said(path) for path, _ in self.drafts) if digest is not None})

    def forget(self, files: Files) -> None:
        """Take these names away: the places are on the disk."""
        drafts, self.drafts = self.drafts, []
        for path, descriptor in drafts:
            discard_at(files, path)
            os.close(descriptor)

    def close(self) -> None:
        """Let go of all; what has two names yet keeps them until the next start."""
        for _, descriptor in self.drafts:
            os.close(descriptor)
        os.close(self.volume)


def mark(digest: Digest) -> str:
    """What the name of a draft ends with that says so."""
    return f"-{digest}"


def said(path: str) -> Digest | None:
    """What is in that draft, by its name; None where it does not say."""
    found = _SAYING.match(os.path.basename(path))
    return Digest(found[1]) if found is not None else None


def recover(files: Files, root: str) -> tuple[int, frozenset[str]]:
    """
    Give the blobs that a crash left under their first names alone their places, durably there when this returns.

    Answer how many those were, and the names of those that cannot be given them now, for want of room perhaps: they stay as they are.
    """
    folder, found, left = os.path.join(root, DRAFTS), 0, set[str]()
    for name in drafts_in(folder):
        try:
            found += settled(files, root, os.path.join(folder, name))
        except OSError:
            left.add(name)
    return found, frozenset(left)


def settled(files: Files, root: str, path: str) -> bool:
    """
    Give what is in that draft its place, if it is what the name says and no living process has it open; answer whether that was done.

    :raises OSError: it cannot be done; the draft is as it was.
    """
    digest = said(path)
    if digest is None:
        return False
    with suppress(FileNotFoundError, BlockingIOError), held_alone(files, path) as descriptor:
        if _sha256(files, descriptor) != digest:
            return False
        # Who was killed had not synced it, perhaps.
        files.sync(descriptor)
        shelf, place = os.path.join(root, digest[:2], digest[2:4]), os.path.join(root, digest[:2], digest[2:4], digest)
        for made in (os.path.dirname(shelf), shelf):
            with suppress(FileExistsError):
                files.make(made)
        with tending.together(files, shelf):
            # It comes now, so whoever clears up leaves it alone.
            files.touch(path)
            try:
                files.double(path, place)
            except FileExistsError:
                if not os.path.samestat(os.lstat(path), os.lstat(place)):
                    files.rename(path, place)
        _sync(files, (root, os.path.dirname(shelf), shelf))
        with suppress(FileNotFoundError):
            files.remove(path)
        return True
    return False


def whole(files: Files, root: str) -> dict[Digest, str]:
    """Where the blobs lie that a crash left under their first names alone: for who may change nothing."""
    folder, found = os.path.join(root, DRAFTS), {}
    with suppress(FileNotFoundError):
        for path in (os.path.join(folder, name) for name in drafts_in(folder)):
            digest = said(path)
            with suppress(OSError):
                if digest is not None and _has(files, path, digest):
                    found[digest] = path
    return found


def _has(files: Files, path: str, digest: Digest) -> bool:
    descriptor = files.open(path)
    try:
        return _sha256(files, descriptor) == digest
    finally:
        os.close(descriptor)


def _sha256(files: Files, descriptor: int) -> Digest:
    found, offset = hashlib.sha256(), 0
    while piece := files.read(descriptor, _PIECE, offset):
        found.update(piece)
        offset += len(piece)
    return Digest(found.hexdigest())


def _sync(files: Files, folders: Iterable[str]) -> None:
    for folder in folders:
        descriptor = files.folder(folder)
        try:
            files.sync(descriptor)
        finally:
            os.close(descriptor)
