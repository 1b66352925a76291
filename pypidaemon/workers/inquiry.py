"""
What would be answered at once to a head: found out in the keeper, by the parser and the door as they are, without answering anybody.

The head goes through a channel of the site's own kind that leads nowhere. Where the door has the answer ready, the express lane learns it, as it does
when somebody is answered; where not, nothing is begun.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, ITransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from zope.interface import implementer

from pypidaemon.web.site import DoorSite
from pypidaemon.web.skin import Arrival, Skin

_GONE = Failure(ConnectionDone())
_HERE = IPv4Address("TCP", "", 0)


@implementer(ITransport, IPushProducer)
@attrs.define(eq=False)
class _Nowhere:
    """A transport of which nothing comes out."""

    peer: IPv4Address
    disconnecting: bool = False

    def getPeer(self) -> IPv4Address:
        return self.peer

    def getHost(self) -> IPv4Address:
        return _HERE

    def write(self, data: bytes) -> None:
        pass

    def writeSequence(self, data: Any) -> None:
        pass

    def loseConnection(self) -> None:
        pass

    def abortConnection(self) -> None:
        pass

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


@implementer(IResource)
@attrs.define(eq=False)
class _Asking:
    """What stands for the door's resource: asks it what it has ready."""

    site: DoorSite
    lane: None = None
    isLeaf: bool = True

    @property
    def skin(self) -> Skin:
        skin: Skin = self.site.resource
        return skin

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        raise TypeError("there are no children")

    def arrive(self, request: Any, valve: Any) -> Arrival:
        """A body is to come, so there is no answer yet."""
        return self.skin.unasked(request)

    def render(self, request: Any) -> None:
        self.skin.inquire(request)


class Inquiry:
    """
    Asks about heads that come to that site.

    :param site: the one that listens; whatever it turns to is asked.
    """

    def __init__(self, site: DoorSite) -> None:
        self._site = site
        self._aside: Any = DoorSite(_Asking(site), site.reactor)

    def learn(self, key: bytes, head: bytes, peer: str) -> None:
        """Have the lane learn what is answered to that whole head, sent from there, if it is ready; under that key."""
        self._aside.limits = self._site.limits
        peer_address = IPv4Address("TCP", peer, 0)
        channel = self._aside.buildProtocol(peer_address)
        channel.makeConnection(_Nowhere(peer_address))
        try:
            channel.asked = key
            channel.dataReceived(head)
        finally:
            channel.asked = None
            channel.connectionLost(_GONE)
