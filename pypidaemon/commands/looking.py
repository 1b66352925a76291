"""Indexes as a configuration makes them, to be looked at: no upstream is asked, and nothing is written, whether a daemon runs or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
from twisted.application.service import IService
from zope.interface import implementer

from pypidaemon.assembly import Made, Part, Plan, make
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IPolicy, IReadable, IReadying, IRecords
from pypidaemon.model import File, NormalizedName
from pypidaemon.records.unwritten import Unwritten
from pypidaemon.services.ordered import OrderedService
from pypidaemon.upstreams.unasked import Unasked, UnaskedUpstream

T = TypeVar("T")


@implementer(IPolicy)
@attrs.frozen
class Lenient:
    """Stands where a policy would, and refuses nothing."""

    label: str

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Never."""
        return None


@attrs.frozen
class Sight:
    """
    How a configuration is to be looked at.

    :param cause: why no upstream is asked, in a few words.
    :param others: by the labels of its indexes those under which another configuration remembers what the same upstream said.
    :param lenient: whether it is to be seen without its policies.
    """

    plan: Plan
    cause: str
    others: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    lenient: bool = False

    def make(self, reactor: Any, records: IRecords | None) -> tuple[Made, IRecords]:
        """
        The indexes, not started, and the records that they look at: those given, or the plan's own.

        :raises ConfigError: something cannot be made.
        """
        looked_at: list[IRecords] = [] if records is None else [records]

        def stand_in(part: Part, made: Any) -> Any:
            match part.section.kind:
                case "upstream":
                    return UnaskedUpstream(part.section.label, Unasked(self.cause))
                case "records":
                    if part.name == self.plan.records and not looked_at:
                        looked_at.append(made.for_reading() if IReadable.providedBy(made) else made)
                    return Unwritten(looked_at[0], reactor, self.others)
                case "policy" if self.lenient:
                    return Lenient(part.section.label)
            return made

        made = make(self.plan, reactor, stand_in)
        return made, looked_at[0]


async def look(reactor: Any, sights: tuple[Sight, ...], work: Callable[[tuple[Made, ...], IRecords], Awaitable[T]]) -> T:
    """
    Do this work with what these sights are of, over the records of the first; answer what it answers.

    :param work: takes what was made, in their order, and those records.
    :raises ConfigError: something cannot be made.
    :raises PypidaemonError: the work raised it, or the records cannot be read.
    """
    first, records = sights[0].make(reactor, None)
    made = (first, *(sight.make(reactor, records)[0] for sight in sights[1:]))
    policies = [policy for one in made for policy in one.living("policy")]
    # Each configuration has parts of its own, which are called the same.
    parts = [OrderedService([one.given["disk"], one.given["cpu"], *one.living("policy")]) for one in made]
    running = OrderedService((IService(records), *parts))
    running.startService()
    try:
        rulings = await records.rulings.rulings()
        for one in made:
            one.given["rulings"].replace(rulings)
        for policy in policies:
            if IReadying.providedBy(policy):
                await policy.ready()
        return await work(made, records)
    finally:
        await running.stopService()


def insist_on_data(plan: Plan) -> None:
    """
    :raises PypidaemonError: there is no data folder, so nothing is remembered.
    """
    if not plan.data.is_dir():
        raise PypidaemonError(f"nothing is remembered yet: there is no data folder {plan.data}")
