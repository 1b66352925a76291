"""
Looking after a folder of blobs, on threads: what is old, what is no blob, and taking one out while others may be putting it there.

Whoever moves a blob to its place or gives it a new time holds its shelf, the folder that it is in, together with others who do; whoever takes one away
holds it alone (flock). So no process takes away what another has just made durable and is about to record (law 7).
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pypidaemon.blobs.drafts import abandoned, discard
from pypidaemon.errors import PypidaemonError
from pypidaemon.files import Files
from pypidaemon.model import Digest

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
SHELF = re.compile(r"[0-9a-f]{2}\Z")
DRAFTS = "drafts"
_UNSYNCED = frozenset({errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.EROFS})
"""What the system says of folders that others have to look after."""


def shelf_of(digest: Digest) -> str:
    """The folder that the blob of that digest is in, by its place below the root."""
    return f"{digest[:2]}/{digest[2:4]}"


@contextmanager
def together(files: Files, shelf: str) -> Iterator[int]:
    """Hold a shelf with others who put blobs there; gives its descriptor."""
    with _held(files, shelf, fcntl.LOCK_SH) as descriptor:
        yield descriptor


def renewed(files: Files, places: Iterable[tuple[Digest, str]]) -> frozenset[Digest]:
    """Give those blobs that are there the time of now, and answer which these are."""
    found = set()
    for digest, place in places:
        with suppress(FileNotFoundError), together(files, os.path.dirname(place)):
            if stat.S_ISREG(os.lstat(place).st_mode):
                files.touch(place)
                found.add(digest)
    return frozenset(found)


def cleared(files: Files, place: str, before: float, is_new: Callable[[], bool]) -> bool:
    """
    Remove what is there if it is older than that; answer whether it was.

    :param is_new: whether it is newer than its file says; asked when nobody can put it there any more.
    """
    with suppress(FileNotFoundError), _held(files, os.path.dirname(place), fcntl.LOCK_EX):
        return not is_new() and _removed_if_old(files, place, before)
    return False


def set_aside(files: Files, place: str, descriptor: int, into: Path | None) -> bool:
    """
    Take out what is there if it is what that descriptor is of; answer whether it was.

    :raises PypidaemonError: it could not be done.
    """
    try:
        with suppress(FileNotFoundError), _held(files, os.path.dirname(place), fcntl.LOCK_EX):
            if not os.path.samestat(os.lstat(place), os.fstat(descriptor)):
                return False
            if into is not None:
                _moved(files, place, into)
            else:
                files.remove(place)
            return True
    except OSError as error:
        raise PypidaemonError(f"a damaged blob cannot be set aside: {os.strerror(error.errno or 0)}") from error
    return False


def strays(files: Files, root: str, before: float) -> list[str]:
    """
    What lies on the shelves and is no blob, and abandoned drafts, older than that, as paths below the root.

    What lies elsewhere below the root may be somebody else's, so it is left alone.
    """
    found = [os.path.join(DRAFTS, name) for name in abandoned(files, os.path.join(root, DRAFTS))]
    for first in _folders(root):
        for second in _folders(first.path):
            found += [os.path.join(first.name, second.name, name) for name in os.listdir(second.path) if not _in_place(first, second, name)]
        found += [os.path.join(first.name, one.name) for one in os.scandir(first.path) if not one.is_dir(follow_symlinks=False)]
    return sorted(stray for stray in found if _is_old(os.path.join(root, stray), before))


def discarded(files: Files, root: str, stray: str, before: float) -> bool:
    """Remove one of those, if it still is one; answer whether it was."""
    place = os.path.join(root, stray)
    match stray.split(os.sep):
        case [folder, _] if folder == DRAFTS:
            return _is_old(place, before) and discard(files, place)
        case [_, _] | [_, _, _]:
            try:
                return _removed_if_old(files, place, before)
            except FileNotFoundError:
                pass
    return False


def is_old_draft(root: str, stray: str, before: float) -> bool:
    """Whether one of those is a draft, and still older than that."""
    return stray.startswith(f"{DRAFTS}{os.sep}") and _is_old(os.path.join(root, stray), before)


def settle(files: Files, folder: str) -> None:
    """
    Make the names in a folder durable that need not be ours, and may be one that we can only go through, or of a kind that is never synced.

    :raises OSError: the disk failed to.
    """
    try:
        descriptor = files.folder(folder)
        try:
            files.sync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise


def old(shelf: str, names: Iterable[Digest], before: float) -> list[Digest]:
    """Those of the blobs of a shelf that are older than that."""
    return [name for name in names if _is_old(os.path.join(shelf, name[2:4], name), before)]


@contextmanager
def _held(files: Files, shelf: str, how: int) -> Iterator[int]:
    descriptor = files.folder(shelf)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def _moved(files: Files, place: str, into: Path) -> None:
    with suppress(FileExistsError):
        files.make(str(into))
    target = into / os.path.basename(place)
    try:
        files.rename(place, str(target))
    except OSError:
        # It is on another volume.
        beside = target.with_name(target.name + ".part")
        shutil.copyfile(place, beside, follow_symlinks=False)
        os.chmod(beside, 0o600)
        files.rename(str(beside), str(target))
        files.remove(place)


def _in_place(first: os.DirEntry[str], second: os.DirEntry[str], name: str) -> bool:
    return bool(DIGEST.match(name)) and name.startswith(first.name + second.name)


def _folders(folder: str) -> list[os.DirEntry[str]]:
    return [entry for entry in os.scandir(folder) if SHELF.match(entry.name) and entry.is_dir(follow_symlinks=False)]


def _is_old(place: str, before: float) -> bool:
    try:
        found = os.lstat(place)
    except FileNotFoundError:
        return False
    return found.st_mtime < before and not stat.S_ISDIR(found.st_mode)


def _removed_if_old(files: Files, place: str, before: float) -> bool:
    if not _is_old(place, before):
        return False
    files.remove(place)
    return True
