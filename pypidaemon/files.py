"""
What a store does to the files of its folder: each of these is one call to the system, and all that a power cut may undo.

A store is given one of these, so that a test can hand it one that forgets what was not synced, or that fails at any of these calls (F60, F78). To look
at what is there changes nothing, so it goes by no such way.
"""

from __future__ import annotations

import os

import attrs


@attrs.define(eq=False)
class Files:
    """
    The system's own. All of it blocks, so it belongs on threads; sizes and offsets are bytes.

    Each raises OSError, as the system does. What is made is for our own user alone, and no symbolic link is followed at the end of a path (S7).
    Nothing is durable before `sync` has come back: a file's bytes once the file was synced, its name once its folder was.
    """

    def make(self, folder: str) -> None:
        """
        Make a folder.

        :raises FileExistsError: something is there.
        """
        os.mkdir(folder, 0o700)

    def create(self, path: str) -> int:
        """
        Make an empty file, and answer a descriptor to write and to read it.

        :raises FileExistsError: something is there.
        """
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def open(self, path: str) -> int:
        """A descriptor to read that file; what was planted there is not waited for."""
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)

    def folder(self, path: str) -> int:
        """A descriptor of that folder, to be synced or locked."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def read(self, descriptor: int, limit: int, offset: int) -> bytes:
        """The bytes at `offset`, at most `limit`."""
        return os.pread(descriptor, limit, offset)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """Put bytes at `offset`, and answer how many of them were taken."""
        return os.pwrite(descriptor, data, offset)

    def shorten(self, descriptor: int, size: int) -> None:
        """Cut the file off there."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until what that descriptor is of is on the disk: the bytes of a file, the names in a folder."""
        os.fsync(descriptor)

    def rename(self, path: str, target: str) -> None:
        """Give that file another place, in place of what is there, at one stroke."""
        os.rename(path, target)

    def remove(self, path: str) -> None:
        """Take that name away; whoever has the file open reads on."""
        os.unlink(path)

    def touch(self, path: str) -> None:
        """Let that file be of now."""
        os.utime(path, follow_symlinks=False)
