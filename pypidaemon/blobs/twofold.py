"""
Blobs that have two names for a moment, so that whoever stores them waits for the disk once and not twice.

The name of such a draft says what is in it. As soon as that name and the bytes are on the disk it is as good as a blob: after a power cut the next start looks
what is in it and gives it its place. So it is given its place besides, nobody waits until the disk has that too, and the first name is taken away when it has.
A blob in its place is whole at any moment, as ever (law 7).
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import ExitStack, suppress

import attrs

from pypidaemon.blobs import tending
from pypidaemon.blobs.descriptors import digest_of
from pypidaemon.blobs.drafts import discard_at, drafts_in, held_alone, said
from pypidaemon.blobs.syncing import Syncing
from pypidaemon.blobs.tending import DRAFTS, shelf_of
from pypidaemon.errors import PypidaemonError
from pypidaemon.files import Files
from pypidaemon.model import Digest

_TOGETHER = 64
"""Drafts that are given their places in one go: each has a file open meanwhile, and the disk is waited for once for all."""


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
        return sorted({shelf_of(digest) for digest in (said(path) for path, _ in self.drafts) if digest is not None})

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


@attrs.define
class Recovered:
    """
    How many drafts that say what is in them, and that no living process has open, were put in their places, were removed, or stay as they are because
    neither could be done: for want of room, perhaps.
    """

    placed: int = 0
    removed: int = 0
    left: int = 0


def recover(disk: Syncing) -> Recovered:
    """Give the blobs that a crash left under their first names alone their places, durably there when this returns (F65)."""
    folder, recovered = os.path.join(disk.root, DRAFTS), Recovered()
    paths = [os.path.join(folder, name) for name in drafts_in(folder) if said(name) is not None]
    for offset in range(0, len(paths), _TOGETHER):
        settled(disk, paths[offset : offset + _TOGETHER], recovered)
    return recovered


def settled(disk: Syncing, paths: Collection[str], recovered: Recovered) -> None:
    """
    Give what is in these drafts its place where it is what the name says, and remove the others.

    :param recovered: counts them.
    """
    placed: dict[str, Digest] = {}
    try:
        # Each is held until its place is on the disk, so that nobody else takes it for his.
        with disk.volume() as volume, ExitStack() as held:
            for path in paths:
                try:
                    with ExitStack() as briefly:
                        digest = _placed(disk, path, briefly.enter_context(held_alone(disk.files, path)))
                        if digest is None:
                            recovered.removed += 1
                        else:
                            placed[path] = digest
                            held.push(briefly.pop_all())
                except (FileNotFoundError, BlockingIOError):
                    # Somebody is at work on it, or on where it is to go.
                    continue
                except (PypidaemonError, OSError):
                    recovered.left += 1
            if placed:
                folders = {folder for digest in placed.values() for folder in (digest[:2], shelf_of(digest))}
                disk.sync_folders(volume, ["", *sorted(folders)])
            for path in placed:
                discard_at(disk.files, path)
    except (PypidaemonError, OSError):
        recovered.left += len(placed)
    else:
        recovered.placed += len(placed)


def _placed(disk: Syncing, path: str, descriptor: int) -> Digest | None:
    """Give what is in that draft its place, and answer its digest; None where it is not what the name says, and was removed."""
    files, digest = disk.files, said(path)
    if digest is None or digest_of(files, descriptor) != digest:
        files.remove(path)
        return None
    # Who was killed had not synced it, perhaps.
    disk.sync(descriptor)
    shelf = f"{disk.root}/{shelf_of(digest)}"
    for made in (os.path.dirname(shelf), shelf):
        with suppress(FileExistsError):
            files.make(made)
    place = f"{shelf}/{digest}"
    with tending.together(files, shelf):
        # It comes now, so whoever clears up leaves it alone.
        files.touch(path)
        try:
            files.double(path, place)
        except FileExistsError:
            if not os.path.samestat(os.lstat(path), os.lstat(place)):
                files.rename(path, place)
        except OSError:
            # Not every file system lets a file have two names.
            files.rename(path, place)
    return digest


def whole(files: Files, root: str) -> dict[Digest, str]:
    """Where the blobs lie that a crash left under their first names alone: for who may change nothing."""
    folder, found = os.path.join(root, DRAFTS), {}
    # Whoever may read the blobs need not be let into that folder.
    with suppress(OSError):
        for path in (os.path.join(folder, name) for name in drafts_in(folder)):
            digest = said(path)
            with suppress(OSError):
                if digest is not None and _has(files, path, digest):
                    found[digest] = path
    return found


def _has(files: Files, path: str, digest: Digest) -> bool:
    descriptor = files.open(path)
    try:
        return digest_of(files, descriptor) == digest
    finally:
        os.close(descriptor)
