"""The lock of a data folder: one daemon has it, or one command that works on the stores without a daemon (F71)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pypidaemon.errors import PypidaemonError

LOCK = "lock"
"""The name of the lock file below the data folder."""
PATIENCE = 5.0
"""Seconds that a daemon, or a command, waits for a command that has the lock; most have it for less than one."""
_STEP = 0.05
_COMMAND = "command"


class InUse(PypidaemonError):
    """Somebody else has the lock: `process` is its number where that is known, `command` whether it is a command."""

    def __init__(self, folder: Path, holder: str) -> None:
        self.process, _, word = holder.partition(" ")
        self.command = word == _COMMAND
        by = f" (process {self.process})" if self.process.isdigit() else ""
        what = f"a command{by} works on" if self.command else f"another daemon{by} already uses"
        super().__init__(f"{what} the data folder {folder}")
        self.by = by


def take(
    folder: Path, descriptor: int, *, command: bool = False, patience: float = PATIENCE, sleep: Callable[[float], None] = time.sleep
) -> None:
    """
    Lock that open file for as long as it stays open in this process; where that fails it is closed.

    Where a command has the lock this waits for its end, and blocks meanwhile: the reactor does not run yet where this is called.

    :param patience: how many seconds to wait for a command at most.
    :raises InUse: somebody else has it.
    :raises OSError: this cannot be locked.
    """
    left = patience
    try:
        while (holder := _tried(descriptor)) is not None:
            in_use = InUse(folder, holder)
            if not in_use.command or left <= 0:
                raise in_use
            sleep(_STEP)
            left -= _STEP
    except BaseException:
        os.close(descriptor)
        raise
    # The number only makes a message better, so a full disk must not keep the daemon from starting (F55).
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}{' ' + _COMMAND if command else ''}\n".encode(), 0)


@contextlib.contextmanager
def held(folder: Path, patience: float = PATIENCE, *, unasked: bool = False) -> Iterator[None]:
    """
    Have the lock of that folder for a command. No daemon begins meanwhile, so what is written meets nobody who remembers what was before.

    :param unasked: whether no daemon was asked to do it instead, since none could.
    :raises PypidaemonError: a daemon has it, or for too long another command; or the file cannot be used.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        take(folder, descriptor, command=True, patience=patience)
    except InUse as error:
        if error.command:
            raise PypidaemonError(f"{error}: try again when it has ended") from None
        if unasked:
            raise PypidaemonError(f"a daemon{error.by} runs on the data folder {folder}: stop it first") from None
        raise PypidaemonError(
            f"a daemon{error.by} runs on the data folder {folder}, but its control socket is not there: nothing was changed."
            " It may be about to start or to stop; if it is not, restart it"
        ) from None
    except OSError as error:
        raise PypidaemonError(f"cannot use the data folder {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _tried(descriptor: int) -> str | None:
    """Take the lock, or answer what its holder wrote into the file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return os.pread(descriptor, 40, 0).decode("ascii", "replace").strip()
        raise
    return None
