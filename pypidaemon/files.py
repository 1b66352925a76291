"""
What a store does to the files of its folder: each of these is one call to the system, and all that a power cut may undo.

A store is given one of these, so that a test can hand it one that forgets what was not synced, or that fails at any of these calls (F60, F78). To look
at what is there changes nothing, so it goes by no such way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from contextlib import suppress

import attrs

from pypidaemon import flushing, hastening


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

    def another(self, descriptor: int) -> int:
        """Another descriptor of the same file, with the same locks."""
        return os.dup(descriptor)

    def folder(self, path: str) -> int:
        """A descriptor of that folder, to be synced or locked."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def read(self, descriptor: int, limit: int, offset: int) -> bytes:
        """The bytes at `offset`, at most `limit`."""
        return os.pread(descriptor, limit, offset)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """Put bytes at `offset`, and answer how many of them were taken."""
        return os.pwrite(descriptor, data, offset)

    def hasten(self, descriptor: int, offset: int, count: int) -> None:
        """Begin to bring these bytes of a file to the disk, so that its `sync` finds little to do; nothing is durable by that."""
        hastening.hastened(descriptor, offset, count)

    def shorten(self, descriptor: int, size: int) -> None:
        """Cut the file off there."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until what that descriptor is of is on the disk: the bytes of a file, the names in a folder."""
        os.fsync(descriptor)

    def sync_together(self, folder: int, count: int) -> bool:
        """
        Wait until all that is in the volume of that folder is on the disk, if that is quicker than to sync so many things of it; answer whether it is so.

        The descriptor has to be older than what is to be there, or what failed before is not told of. Where it says no, each thing is to be synced alone; where it raises, some of them may be lost and none is to be
        asked about again.
        """
        return flushing.flushed(folder, count)

    def rename(self, path: str, target: str) -> None:
        """Give that file another place, in place of what is there, at one stroke."""
        os.rename(path, target)

    def double(self, path: str, target: str) -> None:
        """
        Give that file a second name.

        :raises FileExistsError: something has it.
        """
        os.link(path, target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Take that name away; whoever has the file open reads on."""
        os.unlink(path)

    def link(self, descriptor: int, folder: int, name: str) -> None:
        """
        Give the file behind a descriptor one more name, in the folder that the other is of.

        The descriptor says which file, so nobody can put another one in its place meanwhile.
        """
        # Only with a folder's descriptor does Python let the system follow what /proc says of a descriptor.
        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder, follow_symlinks=True)

    def seal(self, descriptor: int) -> int:
        """Let nobody write to that file any more who goes by permissions; answer those that it had."""
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, mode & 0o555)
        return mode

    def unseal(self, descriptor: int, mode: int) -> None:
        """Give that file back the permissions that it had."""
        os.fchmod(descriptor, mode)

    def is_written_to(self, descriptor: int) -> bool:
        """
        Whether anybody has that file open to write to it, which no permissions end any more; where the system cannot tell, nobody has.

        Who may be told so is who owns the file, and has it open to read only: no lease is given while there is a writer (`fcntl(2)`).
        """
        try:
            # Should one come meanwhile, who has a lease gets a signal, which is to be one that does nothing.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EACCES)
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def touch(self, path: str) -> None:
        """Let that file be of now."""
        os.utime(path, follow_symlinks=False)
