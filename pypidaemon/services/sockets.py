"""The sockets that the daemon listens on: public ones, bound while privileged, and the private one in the data folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IReactorUNIX, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from pypidaemon.errors import PypidaemonError

CONTROL = "control.sock"
"""The name of the control socket below the data folder."""

LONGEST_SOCKET = 107
"""How many bytes the path of a UNIX socket may have on Linux (unix(7): `sun_path` less its final NUL)."""


@attrs.define(eq=False, slots=False)
class PublicSocket(Service):
    """
    Listens at an endpoint. The port is bound in `privilegedStartService`, so that `twistd --uid` can give one below 1024 (S86).

    Twisted's `StreamServerEndpointService` does the same but logs a port that is taken and goes on; here it is raised to who starts
    the daemon. It counts as running once it is bound, so that a start which fails later lets the port go.
    """

    description: str
    endpoint: IStreamServerEndpoint
    factory: Factory[Any]
    log = Logger()
    _bound: Deferred[IListeningPort | None] | None = attrs.field(init=False, default=None, repr=False)

    def privilegedStartService(self) -> None:
        """
        Bind.

        :raises Exception: whatever the endpoint raises; a port that is taken is a `CannotListenError`.
        """
        Service.privilegedStartService(self)
        self.running = 1
        at_once: list[Failure] = []
        listening = self.endpoint.listen(self.factory).addErrback(at_once.append)
        if at_once:
            self.running = 0
            at_once[0].raiseException()
        self._bound = listening.addCallback(self._late, at_once)

    def startService(self) -> None:
        """Bind, unless that was done while privileged."""
        Service.startService(self)
        if self._bound is None:
            self.privilegedStartService()

    def stopService(self) -> Deferred[None] | None:
        """Take no more connections; fires when the port is closed."""
        Service.stopService(self)
        bound, self._bound = self._bound, None
        return None if bound is None else bound.addCallback(lambda port: Deferred.fromCoroutine(_closed(port)))

    def _late(self, port: IListeningPort | None, failures: list[Failure]) -> IListeningPort | None:
        # Only an endpoint that cannot tell at once comes here with a failure; the daemon runs by then, and other sockets may work.
        for failure in failures:
            self.log.failure("Cannot listen on {description}", failure, description=self.description)
        return port


async def _closed(port: IListeningPort | None) -> None:
    stopping = port.stopListening() if port is not None else None
    if stopping is not None:
        await stopping


@attrs.define(eq=False, slots=False)
class PrivateSocket(Service):
    """
    Listens on a UNIX socket that only its owner may use (mode 0600, S87).

    It is bound in `startService`, when the folder is there and the user is the final one. A socket that a killed daemon left behind is
    removed first, which is safe because the data folder's lock is held.

    :param path: at most `LONGEST_SOCKET` bytes long, which `pypidaemon.assembly` checks when it reads the configuration.
    """

    reactor: IReactorUNIX
    path: Path
    factory: Factory[Any]
    name: str = "control-socket"
    _port: IListeningPort | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """
        Listen.

        :raises PypidaemonError: there is something else of that name, or the folder does not let us.
        """
        Service.startService(self)
        try:
            if stat.S_ISSOCK(self.path.lstat().st_mode):
                self.path.unlink()
            else:
                raise PypidaemonError(f"{self.path} is in the way: it is not a socket")
        except FileNotFoundError:
            pass
        before = os.umask(0o177)
        try:
            self._port = self.reactor.listenUNIX(str(self.path), self.factory, mode=0o600)
        finally:
            os.umask(before)

    def stopService(self) -> Deferred[None] | None:
        """Stop listening and fire when that is done; the socket's file goes."""
        Service.stopService(self)
        port, self._port = self._port, None
        return Deferred.fromCoroutine(_closed(port))
