"""What a service manager is told of a daemon by systemd's protocol of datagrams, and the sign of life that it waits for (F79, F81)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights, landing
from pypidaemon.waits import TookTooLong, within

Send = Callable[[bytes], None]


def sender(environment: Mapping[str, str]) -> Send | None:
    """What sends a datagram to the service manager that this environment names; None where it names none."""
    place = environment.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return None
    # An abstract socket's name begins with a NUL, for which the environment has the @ (sd_notify(3)).
    address = "\0" + place[1:] if place.startswith("@") else place

    def send(datagram: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
            sending.setblocking(False)
            sending.sendto(datagram, address)

    return send


def watched(environment: Mapping[str, str], process: int) -> float | None:
    """How often in seconds that process is to give a sign of life at the latest; None where nobody waits for one."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    of = environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or not int(microseconds) or (of and of != str(process)):
        return None
    return int(microseconds) / 1e6


@attrs.define(eq=False, slots=False)
class Notifying(Service):
    """
    Tells the service manager how the daemon is, where there is one.

    While it runs it gives the sign of life twice in each interval, from the reactor, and only where the records have just answered: so a daemon whose
    reactor is stuck, or whose records are, is started again.

    :param send: sends one datagram; None where nobody listens.
    :param interval: within which the sign of life must come, in seconds; None where it need not.
    :param probe: asks the records something.
    """

    clock: IReactorTime
    send: Send | None
    interval: float | None
    probe: Callable[[], Awaitable[object]]
    monotonic: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    name: str = "notifying"
    failed: int = attrs.field(init=False, default=0)
    """Signs of life that were not given."""
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _flights: Flights[str, None] = attrs.field(init=False, factory=Flights, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    @classmethod
    def by(
        cls, environment: Mapping[str, str], clock: IReactorTime, probe: Callable[[], Awaitable[object]], process: int | None = None
    ) -> Notifying:
        """As that environment says, for this process."""
        return cls(clock, sender(environment), watched(environment, os.getpid() if process is None else process), probe)

    def startService(self) -> None:
        """Begin to give signs of life, where they are waited for."""
        Service.startService(self)
        if self.send is not None and self.interval is not None:
            self._due = self.clock.callLater(0, self._begin)

    def stopService(self) -> Deferred[None]:
        """Give no more of them; fires when none is under way."""
        Service.stopService(self)
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        return landing(self._flights)

    def ready(self, status: str) -> None:
        """Everything that there is to start has started, or has been read again; `status` is one line for people."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends that."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={self.monotonic()}", "STATUS=reading the configuration again")

    def stopping(self, status: str) -> None:
        """The daemon is about to stop."""
        self._say("STOPPING=1", f"STATUS={status}")

    def _begin(self) -> None:
        self._due = None
        self._flights.start("", self._live)

    async def _live(self) -> None:
        assert self.interval is not None
        try:
            await within(self.clock, self.interval / 2, self.probe())
        except (PypidaemonError, TookTooLong) as error:
            self.failed += 1
            self._log.warn("no sign of life to the service manager: the records do not answer ({error})", error=str(error))
        except Exception:  # noqa: BLE001  # whatever it is, they are asked again, and may answer then
            if self.running:
                self.failed += 1
                self._log.failure("no sign of life to the service manager: the records cannot be asked")
        else:
            self._say("WATCHDOG=1")
        if self.running:
            self._due = self.clock.callLater(self.interval / 2, self._begin)

    def _say(self, *lines: str) -> None:
        if self.send is None:
            return
        try:
            self.send("\n".join(" ".join(line.split()) for line in lines).encode())
        except OSError as error:
            # Nothing that the daemon is there for depends on it.
            self._log.warn("the service manager does not listen: {error}", error=error.strerror or str(error))
