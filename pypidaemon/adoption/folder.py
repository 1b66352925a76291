"""
A folder that somebody else has filled, read with suspicion: nothing outside of it is reached, and no symbolic link is followed.

Paths are relative to it, with slashes, and "" is the folder itself. All of it waits for a disk, so it belongs on threads.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

import attrs

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# What was planted there is not waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unfit(OSError):
    """That is not to be read: it is a link or no regular file, leads out of the folder, or is too long."""


@attrs.frozen
class Entry:
    """Something in the folder. `kind` is `file`, `folder`, `link` or `other`; `lead` is what its path begins with, which all in one folder share."""

    name: str
    lead: str
    kind: str

    @property
    def path(self) -> str:
        """Where it is, below the folder."""
        return self.lead + self.name


@attrs.frozen
class Folder:
    """A folder by its absolute path, which may itself be a link, since whoever named it meant it."""

    root: str

    def entries(self, path: str = "") -> list[Entry]:
        """
        What is in that folder, in the order of the names.

        :raises OSError: it cannot be read, or is none.
        """
        folder = self._folder(path)
        try:
            with os.scandir(folder) as found:
                entries = [(entry.name, _kind(entry)) for entry in found]
        finally:
            os.close(folder)
        lead = f"{path}/" if path else ""
        entries.sort()
        return [Entry(name, lead, kind) for name, kind in entries]

    def has(self, path: str) -> bool:
        """Whether there is a regular file or a folder of that path."""
        try:
            descriptor = self._parent(path)
        except OSError:
            return False
        try:
            mode = os.stat(path.rpartition("/")[2], dir_fd=descriptor, follow_symlinks=False).st_mode
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return stat.S_ISREG(mode) or stat.S_ISDIR(mode)

    def open(self, path: str) -> int:
        """
        A descriptor to read that regular file.

        :raises Unfit: it is none.
        :raises OSError: it cannot be opened.
        """
        parent = self._parent(path)
        try:
            descriptor = os.open(path.rpartition("/")[2], _FILE, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Unfit(errno.ELOOP, "is a symbolic link", path) from None
            raise
        finally:
            os.close(parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Unfit(errno.EINVAL, "is no regular file", path)
        return descriptor

    def read(self, path: str, limit: int) -> bytes:
        """
        All of a small file.

        :raises Unfit: as `open`; or it has more than `limit` bytes.
        :raises OSError: it cannot be read.
        """
        with os.fdopen(self.open(path), "rb") as source:
            data = source.read(limit + 1)
        if len(data) > limit:
            raise Unfit(errno.EFBIG, f"has more than {limit} bytes", path)
        return data

    def modified(self, path: str) -> float:
        """
        When that file was last changed, seconds since the epoch.

        :raises OSError: as `open`.
        """
        descriptor = self.open(path)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)

    def _parent(self, path: str) -> int:
        """A descriptor of the folder that it is in; the last step is one like all others."""
        for _ in _steps(path or "."):
            pass
        return self._folder(path.rpartition("/")[0])

    def _folder(self, path: str) -> int:
        """A descriptor of that folder, reached step by step, so that no link on the way is followed."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for step in _steps(path):
            try:
                inner = os.open(step, _FOLDER, dir_fd=descriptor)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise Unfit(error.errno, "is a symbolic link or no folder", path) from None
                raise
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor


def _steps(path: str) -> Iterator[str]:
    for step in path.split("/") if path else ():
        if step in ("", ".", "..") or "\0" in step:
            raise Unfit(errno.EINVAL, "leads out of the folder", path)
        yield step


def _kind(entry: os.DirEntry[str]) -> str:
    # What went away meanwhile is nothing.
    with suppress(OSError):
        if entry.is_symlink():
            return "link"
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_file(follow_symlinks=False):
            return "file"
    return "other"
