"""
A file of no use but its size: let go when there is no room to start with, since databases cannot even be read without a little (F55).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
from twisted.application.service import Service
from twisted.logger import Logger

from pypidaemon.volume import Space, measured

BALLAST = "ballast"
"""The name of the file below the data folder."""
LARGEST = 4 << 20
"""Bytes that it has at most."""
PART = 32
"""On a small volume it is this part of it."""
PLENTY = 4
"""So many times its size has to be free for it to be made."""


@attrs.define(eq=False, slots=False)
class Ballast(Service):
    """
    Sees at the start to it that there is some room for what comes after it, and to the file for the next start.

    :param data: the data folder, which is there.
    """

    data: Path
    measure: Callable[[Path], Space] = measured
    name: str = BALLAST
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def startService(self) -> None:
        """Look; what cannot be done keeps nobody from starting."""
        Service.startService(self)
        place = self.data / BALLAST
        try:
            space = self.measure(self.data)
            size = min(LARGEST, space.total // PART)
            if space.free < size:
                self._let_go(place)
            elif not place.exists() and space.free >= PLENTY * size:
                _fill(place, size)
        except OSError as error:
            self._log.warn("the ballast for a full disk cannot be had: {error}", error=os.strerror(error.errno or 0))

    def _let_go(self, place: Path) -> None:
        try:
            place.unlink()
        except FileNotFoundError:
            self._log.warn("the disk is full")
        else:
            self._log.warn(
                "the disk is full; the ballast was let go, so that what is here can be read. Nothing more is kept until there is room"
            )


def _fill(place: Path, size: int) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # Zeros would do on some file systems and be nothing on others.
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        place.unlink()
        raise
    finally:
        os.close(descriptor)
