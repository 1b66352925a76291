"""The sockets that the daemon listens on: public ones, bound while privileged, and the private one in the data folder."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.address import UNIXAddress
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

_UNIX = re.compile(r"unix:(?:(?:.*:)?address=)?((?:[^:\\=]|\\.)+)(?::|\Z)")


BACKLOG = 1024
"""Clients that may wait to be accepted. Twisted's 50 are fewer than one uv and one pip open at once, and who finds no place tries again after a second."""

_QUEUED = re.compile(r"(?:tcp6?|ssl|unix):")
_HAS_BACKLOG = re.compile(r"(?<!\\):backlog=")


def generous(description: str) -> str:
    """That endpoint description, with a long queue where it says nothing of one and can."""
    return f"{description}:backlog={BACKLOG}" if _QUEUED.match(description) and not _HAS_BACKLOG.search(description) else description


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
    _port: IListeningPort | None = attrs.field(init=False, default=None, repr=False)

    def privilegedStartService(self) -> None:
        """
        Bind.

        :raises PypidaemonError: a UNIX socket cannot be made; the line names its path, and says so where the folder for it is missing.
        :raises Exception: whatever the endpoint raises; a port that is taken is a `CannotListenError`.
        """
        Service.privilegedStartService(self)
        self.running = 1
        at_once: list[Failure] = []
        found = _UNIX.match(self.description)
        path = Path(re.sub(r"\\(.)", r"\1", found[1])) if found else None
        try:
            if path is not None:
                _see_folder(path)
            listening = self.endpoint.listen(self.factory).addErrback(at_once.append)
            if at_once:
                at_once[0].raiseException()
        except OSError as error:
            self.running = 0
            # Twisted makes a lock beside a UNIX socket first, and the name of that says little.
            if path is None:
                raise
            raise PypidaemonError(f"cannot listen on {path}: {error.strerror or error}") from error
        except Exception:
            self.running = 0
            raise
        self._bound = listening.addCallback(self._late, at_once)

    def startService(self) -> None:
        """Bind, unless that was done while privileged."""
        Service.startService(self)
        if self._bound is None:
            self.privilegedStartService()

    def renew(self, endpoint: IStreamServerEndpoint) -> None:
        """
        Go on listening, as that endpoint would which has the same description: with `ssl:` new connections get the certificate that it has read.

        Twisted has no way to change a certificate of a port that listens, so this does what `listenSSL` did, on the port that is there.
        """
        self.endpoint = endpoint
        context = getattr(endpoint, "_sslContextFactory", None)
        if context is not None and self._port is not None:
            from twisted.protocols.tls import TLSMemoryBIOFactory

            port: Any = self._port
            port.factory = TLSMemoryBIOFactory(context, False, self.factory)

    @property
    def port(self) -> IListeningPort | None:
        """What listens; None where nothing does yet, or any more."""
        return self._port

    def address(self) -> str:
        """Where it listens, for people: the URL of a port, the path of a UNIX socket, and until it is bound what the configuration says."""
        if self._port is None:
            return self.description
        host: Any = self._port.getHost()
        if isinstance(host, UNIXAddress):
            return f"unix:{os.fsdecode(host.name or b'')}"
        scheme = "https" if self.description.startswith(("ssl:", "tls:")) else "http"
        everywhere = host.host in ("0.0.0.0", "::")  # noqa: S104  # recognised, not bound
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.host, host.host)  # noqa: S104  # as above
        url = f"{scheme}://{f'[{name}]' if ':' in name else name}:{host.port}/"
        return f"{url} and at every other address of this machine" if everywhere else url

    def stopService(self) -> Deferred[None] | None:
        """Take no more connections; fires when the port is closed."""
        Service.stopService(self)
        bound, self._bound, self._port = self._bound, None, None
        return None if bound is None else bound.addCallback(lambda port: Deferred.fromCoroutine(_closed(port)))

    def _late(self, port: IListeningPort | None, failures: list[Failure]) -> IListeningPort | None:
        # Only an endpoint that cannot tell at once comes here with a failure; the daemon runs by then, and other sockets may work.
        for failure in failures:
            self.log.failure("Cannot listen on {description}", failure, description=self.description)
        self._port = port
        return port


async def _closed(port: IListeningPort | None) -> None:
    stopping = port.stopListening() if port is not None else None
    if stopping is not None:
        await stopping


def _see_folder(path: Path) -> None:
    """Tell a missing folder from a missing file, which the system does not do when a socket is made."""
    if not path.parent.is_dir():
        raise PypidaemonError(f"cannot listen on {path}: the folder {path.parent} is missing")


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
    log = Logger()
    _port: IListeningPort | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """
        Listen.

        :raises PypidaemonError: there is something else of that name, or the folder does not let us.
        """
        Service.startService(self)
        _see_folder(self.path)
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
        """Stop listening and fire when that is done; the socket's file goes, unless the folder cannot be written to any more (F58)."""
        Service.stopService(self)
        port, self._port = self._port, None
        return Deferred.fromCoroutine(self._removed(port))

    async def _removed(self, port: IListeningPort | None) -> None:
        try:
            await _closed(port)
        except OSError as error:
            # The next one to start removes it.
            self.log.warn("{path} cannot be removed: {error}", path=self.path, error=error.strerror)
