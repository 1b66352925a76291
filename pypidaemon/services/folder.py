"""The data folder: made, and locked for one daemon."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path

import attrs
from twisted.application.service import Service

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMendable
from pypidaemon.services.lock import LOCK as LOCK
from pypidaemon.services.lock import PATIENCE, take

LISTS = "lists"
"""The name of the folder for rendered project lists below the one for all that is rendered; below the data folder itself it is of an earlier version."""

RENDERED = "rendered"
"""The name of the folder below the data folder for what was rendered and can be again: it may be removed at any time, and no backup has it."""

RESTORING = "restoring"
"""The name of a file below the data folder that is there while a backup is brought back into it."""

NAMES = "names"
"""The name of the folder for upstreams' project lists below the data folder: what is kept there is remembered in the records."""


@attrs.define(eq=False, slots=False)
class DataFolder(Service):
    """
    Makes the data folder, 0700, and holds the lock in it: two daemons never share one (F71). The lock goes with the process, however that ends.

    :param path: the folder, absolute.
    :param patience: how many seconds to wait for a command that works on the stores.
    """

    path: Path
    patience: float = PATIENCE
    name: str = "data-folder"
    _lock: int | None = attrs.field(init=False, default=None, repr=False)

    def privilegedStartService(self) -> None:
        """
        Take the lock before any port is bound, where its file already exists; nothing is made here, because root would own it (S86).

        :raises PypidaemonError: another daemon has it, or for too long a command.
        """
        Service.privilegedStartService(self)
        with contextlib.suppress(OSError):
            self._take(os.open(self.path / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))

    def startService(self) -> None:
        """
        Make the folder if need be and take the lock.

        :raises PypidaemonError: another daemon has it, for too long a command, or the folder cannot be used.
        """
        Service.startService(self)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            mode = self.path.stat().st_mode
            if not stat.S_ISDIR(mode):
                raise PypidaemonError(f"the data folder {self.path} is not a folder")
            if mode & stat.S_IWOTH:
                raise PypidaemonError(f"anybody may write to the data folder {self.path}: chmod o-w it")
            if (self.path / RESTORING).exists():
                raise PypidaemonError(
                    f"a backup was not brought back into the data folder {self.path} to its end: say `pypidaemon restore` again, or empty the folder"
                )
            if self._lock is None:
                self._take(os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            shutil.rmtree(self.path / LISTS, ignore_errors=True)
        except OSError as error:
            hint = "; to serve what is in it, say read-only = yes in [daemon]" if error.errno in (errno.EROFS, errno.EACCES) else ""
            raise PypidaemonError(f"cannot use the data folder {self.path}: {error.strerror or error}{hint}") from error

    def stopService(self) -> None:
        """Let the lock go."""
        Service.stopService(self)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _take(self, descriptor: int) -> None:
        take(self.path, descriptor, patience=self.patience)
        self._lock = descriptor


@attrs.define(eq=False, slots=False)
class ReadFolder(Service):
    """
    A data folder that is only read: nothing is made in it. Where its lock can be opened, others who only read may have it too, and nobody who writes.

    :param path: the folder, absolute.
    """

    path: Path
    name: str = "data-folder"
    _lock: int | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """
        See that it is there, and that nobody writes to it.

        :raises PypidaemonError: it is not there, or a daemon or a command works on it.
        """
        Service.startService(self)
        if not self.path.is_dir():
            raise PypidaemonError(f"there is no data folder {self.path} that could be read")
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            # Whoever has written here once has made it; where it cannot be opened nobody else can write either, or a copy left it out.
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise PypidaemonError(f"somebody writes to the data folder {self.path}, so it cannot be served as it is") from None
        except OSError:
            # Not every file system has locks.
            os.close(descriptor)
            return
        self._lock = descriptor

    def stopService(self) -> None:
        """Let the lock go."""
        Service.stopService(self)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


@attrs.define(eq=False, slots=False)
class NoNewRecords(Service):
    """
    Refuses to begin empty records over bytes that others knew of: those would offer nothing, and the bytes would be nobody's (F66).

    :param stores: the folders of blobs.
    """

    records: IMendable
    stores: tuple[Path, ...]
    name: str = "no-new-records"

    def startService(self) -> None:
        """
        Look whether there is either.

        :raises PypidaemonError: there are blobs and no records.
        """
        Service.startService(self)
        if self.records.begun():
            return
        for store in self.stores:
            if _holds(store):
                raise PypidaemonError(
                    f"the records are gone, and {store} has the files that they knew of: `pypidaemon restore` brings back a backup, into an empty"
                    " data folder; to begin with nothing, move that folder away"
                )


def _holds(store: Path) -> bool:
    """Whether there is a blob; drafts are none."""
    for shelf in _entries(store, 2):
        for shorter in _entries(shelf, 2):
            if _entries(shorter, 64):
                return True
    return False


def _entries(folder: Path, length: int) -> list[Path]:
    """What lies there with a name of so many letters; what is no folder has nothing."""
    try:
        return [folder / name for name in os.listdir(folder) if len(name) == length]
    except (FileNotFoundError, NotADirectoryError):
        return []
