"""One run at a time for each index, whoever starts it: the daemon, or a command beside it (M10)."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.model import InThread


class Busy(PypidaemonError):
    """Another process fills that index just now."""


@attrs.define(eq=False)
class RunLock:
    """
    A lock on a file, which the system lets go of with the process, however that ends; the file itself may stay.

    :param path: of the file, whose folder is there.
    """

    path: Path
    disk: InThread
    _descriptor: int | None = attrs.field(default=None, init=False)
    _holders: int = attrs.field(default=0, init=False)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """
        Hold it; this process may several times at once.

        :raises Busy: another process has it.
        :raises PypidaemonError: the file cannot be made.
        """
        if self._descriptor is None:
            # Without a pause in between, or two who come at once would take it twice; it is a matter of microseconds.
            self._descriptor = _locked(self.path)
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                os.close(self._descriptor)
                self._descriptor = None


def _locked(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise PypidaemonError(f"the lock {path.name} cannot be made: {error.strerror or error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise Busy("another process fills this index just now; nothing was asked of upstream") from None
        raise PypidaemonError(f"the lock {path.name} cannot be taken: {error.strerror or error}") from error
    return descriptor
