"""
TLS over a connection to an upstream, loaded with the first one that needs it.

OpenSSL and what stands around it are an eighth of an idle daemon's memory and a tenth of its start, and a daemon whose pages and files are here may not
need them for days. They are read on a thread, since that takes longer than a reactor may be held up; whoever asks meanwhile waits as for the handshake.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

if TYPE_CHECKING:
    from pypidaemon.upstreams.authorities import Context

_CONTEXTS = 64


@attrs.define(eq=False)
class Security:
    """
    What connections of one upstream are secured with: a context for each host, which trusts the machine's authorities and those of one file as well.

    :param reactor: provides `IReactorThreads`.
    :param ca_file: PEM certificates of authorities to be trusted besides the machine's.
    """

    _reactor: Any
    _ca_file: Path | None = None
    _contexts: dict[str, Context] = attrs.field(factory=dict, init=False)

    def check(self) -> None:
        """:raises ValueError: the file cannot be read or holds no certificate."""
        if self._ca_file is not None:
            from pypidaemon.upstreams.authorities import Authorities

            Authorities(self._ca_file).check()

    async def context(self, host: str) -> Context:
        """What a connection to that host is made with. Making one reads all of the machine's authorities, so it is done once for each host."""
        context = self._contexts.get(host)
        if context is None:
            context = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._made, host)
            while len(self._contexts) >= _CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[host] = context
        return context

    def _made(self, host: str) -> Context:
        from pypidaemon.upstreams.authorities import Authorities

        return Authorities(self._ca_file).context(host)


@implementer(IStreamClientEndpoint)
@attrs.define(eq=False)
class Secured:
    """A connection to a host over which TLS is spoken; the other end must prove that it is that host."""

    _endpoint: IStreamClientEndpoint
    _host: str
    _security: Security

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """As `IStreamClientEndpoint`."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        context = await self._security.context(self._host)
        return await context.connect(self._endpoint, factory)
