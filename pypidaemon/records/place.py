"""Where a database lies: a file that is ours alone, made before SQLite sees it (S7)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pypidaemon.errors import PypidaemonError

BESIDE = ("-wal", "-shm")
"""What SQLite adds to a database's name for the files it keeps beside it; it gives them the database's own mode."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where nothing more can be written: volume or inodes, quota, limit for the size of files (F54, F57)."""

TAKES_NOTHING = frozenset({errno.EROFS, errno.EIO})
"""What it says of a volume that can only be read, and of a disk that fails (F58, F60)."""


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it that are missing, each with mode 0700 whatever the umask says."""
    if not folder.exists():
        _make_folder(folder.parent)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:  # another process of this daemon was quicker
            return
        os.chmod(folder, 0o700)


def make_private(path: Path, title: str) -> None:
    """
    See to it that `path` is a regular file of mode 0600 in a folder that only we can write to, making both where they are missing.

    :param title: what the file holds, for messages.
    :raises PypidaemonError: the file or one beside it is a symbolic link or no regular file, others can write to its folder, or
        there is no way to it.
    """
    try:
        _make_folder(path.parent)
        if stat.S_IMODE(os.stat(path.parent).st_mode) & 0o022:
            raise PypidaemonError(f"{title}: others can write to the folder; take that right away")
        for beside in BESIDE:
            if os.path.islink(f"{path}{beside}"):
                raise PypidaemonError(f"{title}: the file must not be a symbolic link")
        if os.path.islink(path):
            raise PypidaemonError(f"{title}: the file must not be a symbolic link")
        # O_NONBLOCK keeps a fifo in the file's place from holding up the start.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise PypidaemonError(f"{title}: this is not a regular file")
            if stat.S_IMODE(mode) != 0o600:
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PypidaemonError(f"{title}: cannot use the file: {os.strerror(error.errno or 0)}") from error


def discard(path: Path) -> None:
    """Remove a database with everything beside it; what is not there is no fault."""
    for beside in ("", *BESIDE):
        Path(f"{path}{beside}").unlink(missing_ok=True)


def put_aside(path: Path, word: str) -> Path | None:
    """
    Move a database with everything beside it to a name with that word in it, in place of what was put there before; answer where it lies now, None
    where there was none.

    :raises OSError: it cannot be moved.
    """
    aside = path.with_name(f"{path.stem}-{word}{path.suffix}")
    if not any(os.path.lexists(f"{path}{beside}") for beside in ("", *BESIDE)):
        return None
    discard(aside)
    # The log goes first: a database without its log is seen to be one, a log without its database is not.
    for beside in (*reversed(BESIDE), ""):
        if os.path.lexists(f"{path}{beside}"):
            os.rename(f"{path}{beside}", f"{aside}{beside}")
    return aside


def sync_folder(folder: Path) -> None:
    """
    Have the names in a folder on the disk.

    :raises OSError: the disk failed to keep them.
    """
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """
    Have the bytes of a file on the disk.

    :raises OSError: the disk failed to keep them.
    """
    _sync(path, os.O_RDWR | os.O_NOFOLLOW)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
