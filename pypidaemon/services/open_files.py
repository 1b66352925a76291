"""How many files this process may have open, asked for at the start: each connection is one, and what it is sent may be another (F61)."""

from __future__ import annotations

import resource
from collections.abc import Callable

import attrs
from twisted.application.service import Service
from twisted.logger import Logger

Limits = tuple[int, int]
"""How many are allowed now, and how many we may allow ourselves."""


def read() -> Limits:
    """The limits of this process."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def write(limits: Limits) -> None:
    """
    Change the limits of this process, and of those that it starts from now on.

    :raises ValueError: the system does not allow that.
    :raises OSError: the same.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@attrs.define(eq=False, slots=False)
class OpenFiles(Service):
    """
    Asks for as many open files as are wanted, where fewer are allowed, and tells how many it has got.

    The first number that a system gives is one of long ago, which is kept low for programs that use `select`; the second is meant for us.

    :param wanted: how many are wanted.
    :param told: told how many there may be, before anybody is let in.
    """

    wanted: int
    told: Callable[[int], None]
    read: Callable[[], Limits] = read
    write: Callable[[Limits], None] = write
    name: str = "open-files"
    log = Logger(namespace="pypidaemon")

    def startService(self) -> None:
        """Ask."""
        Service.startService(self)
        now, most = self.read()
        unlimited = resource.RLIM_INFINITY
        if now != unlimited and now < self.wanted:
            possible = self.wanted if most == unlimited else min(self.wanted, most)
            try:
                self.write((max(now, possible), most))
            except (OSError, ValueError) as error:
                self.log.warn("no more than {now} files may be open: {error}", now=now, error=str(error))
            now, _ = self.read()
        if now != unlimited and now < self.wanted:
            self.log.warn(
                "the system allows {now} open files, and {wanted} are wanted for all connections: fewer will be let in at once"
                " (LimitNOFILE= of the unit, or ulimit -n)",
                now=now,
                wanted=self.wanted,
            )
        self.told(self.wanted if now == unlimited else now)
