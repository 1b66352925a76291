"""The last thing that a start does: the orders about packages are looked at once more."""

from __future__ import annotations

import attrs
from twisted.application.service import Service

from pypidaemon.errors import PypidaemonError
from pypidaemon.rulemaking import Rulemaking


@attrs.define(eq=False, slots=False)
class SecondLook(Service):
    """Has the rulings looked at again once it starts, which is when everything listens."""

    rulemaking: Rulemaking
    name: str = "second-look"

    def startService(self) -> None:
        """Begin to look; what fails is logged, since all that was in force before stays so."""
        Service.startService(self)
        self.rulemaking.flights.start("look again", self._look)

    async def _look(self) -> None:
        try:
            await self.rulemaking.look_again()
        except PypidaemonError as error:
            self.rulemaking.log.warn("what is blocked could not be looked at again: {error}", error=str(error))
