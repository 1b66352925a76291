"""Orders to look now whether an upstream answers; else that is done by itself, at intervals."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IProbed, IUpstream
from pypidaemon.model import NormalizedName
from pypidaemon.rulemaking import insist
from pypidaemon.waits import TookTooLong, within

LONGEST = 8.0
"""Seconds that are waited for an answer."""
_NAME = NormalizedName("pypidaemon")
"""What is asked for where no page is known: every index may hear of that name."""


@attrs.define
class ProbeDesk:
    """Probes upstreams for who may `admin` everywhere. However many order it at the same time, an upstream is asked once."""

    upstreams: Mapping[str, IUpstream]
    clock: IReactorTime
    flights: Flights[str, None] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)))

    def can(self, label: str) -> bool:
        """Whether there is such an upstream and it can be asked for something small."""
        return IProbed.providedBy(self.upstreams.get(label))

    async def order(self, account: IAccount, label: str) -> str:
        """
        Ask that upstream for something small; answer how it is then, in its health's own word.

        :raises NotAllowed: the account may not.
        :raises NoSuchFile: there is no such upstream, or it cannot be asked like that.
        """
        insist(account, "probing upstreams is for administrators")
        if not self.can(label):
            raise NoSuchFile(f"the upstream {label}"[:200])
        upstream = self.upstreams[label]
        await self.flights.join(label, lambda: self._ask(IProbed(upstream)))
        state: str = upstream.health.state
        return state

    async def _ask(self, upstream: IProbed) -> None:
        try:
            await within(self.clock, LONGEST, upstream.probe(_NAME))
        except TookTooLong:
            # Its health has been told of the silence already, or will be by the request that goes on.
            return
