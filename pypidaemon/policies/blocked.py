"""What people blocked while the daemon runs, by project, release or bytes."""

from __future__ import annotations

import time

import attrs
from zope.interface import implementer

from pypidaemon.errors import Refused
from pypidaemon.interfaces import IFreezingPolicy
from pypidaemon.model import File, NormalizedName, Ruling, RulingKind
from pypidaemon.rulings import Rulings
from pypidaemon.settings import given


@implementer(IFreezingPolicy)
@attrs.frozen
class Blocked:
    """
    Hides what `pypidaemon block` named, also where its bytes are here.

    Every index is seen through this one anyway, so no configuration needs to name it.
    """

    label: str = given("label")
    rulings: Rulings = given("rulings")

    @property
    def revision(self) -> str:
        """Changes with every block. What clients hold is compared with it over a restart too, so it does not count them."""
        return self.rulings.revision(RulingKind.BLOCK)

    def frozen(self) -> Blocked:
        """As `IFreezingPolicy`."""
        return attrs.evolve(self, rulings=self.rulings.frozen())

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that was blocked, and when; None where it was not."""
        if file is None:
            ruling = self.rulings.on_project(RulingKind.BLOCK, name, now)
        else:
            ruling = self.rulings.on_file(RulingKind.BLOCK, name, file, now)
        return None if ruling is None else _reason(ruling)

    def check(self, name: NormalizedName, file: File, now: float) -> None:
        """
        Insist that the file may come in.

        :raises Refused: it was blocked.
        """
        reason = self.refusal(name, file, now)
        if reason is not None:
            raise Refused(self.label, reason)


def _reason(ruling: Ruling) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime(ruling.time))
    return f"{ruling.target} was blocked on {day}" + (f": {' '.join(ruling.reason.split())}" if ruling.reason.strip() else "")
