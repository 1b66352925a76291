"""What was made of a plan, and what it comes to: the one value that the commands, the daemon and its successors work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pypidaemon.blueprints import Plan
from pypidaemon.interfaces import IHostedIndex, IIndex, IMirroring, IPushing, IRecords, IUpstream


@attrs.frozen
class Made:
    """
    The objects of a plan, made but not started.

    :param objects: what others refer to, by the names of the parts; an upstream stands here with its guard around it.
    :param alive: by name too: those that provide `IService`.
    :param given: what components got by `settings.given`, save their labels.
    :param bare: the leaves among the indexes by the names of their parts, without the barrier that others reach them through.
    """

    plan: Plan
    objects: Mapping[str, Any]
    alive: Mapping[str, Any]
    given: Mapping[str, Any]
    bare: Mapping[str, Any]

    def exposed(self) -> dict[str, IIndex]:
        """The indexes that the door shows, by label."""
        return {part.section.label: self.objects[part.name] for part in self.plan.parts.values() if part.exposed}

    def indexes(self) -> dict[str, IIndex]:
        """All indexes, by label, exposed or not; leaves without their barriers."""
        return {name.partition(":")[2]: made for name, made in {**self.objects, **self.bare}.items() if name.startswith("index:")}

    def upstreams(self) -> dict[str, IUpstream]:
        """All upstreams, by label."""
        return {name.partition(":")[2]: made for name, made in self.objects.items() if name.startswith("upstream:")}

    def hosted(self) -> dict[str, IHostedIndex]:
        """The indexes that can be written to, by label: those that are shown, and the one that uploads go to, shown or not."""
        target = self.plan.daemon.uploads
        every = self.indexes()
        shown = {*self.exposed(), *([target] if target is not None else [])}
        return {label: index for label, index in every.items() if label in shown and IHostedIndex.providedBy(index)}

    def mirrorings(self) -> dict[str, IMirroring]:
        """The services that fill indexes, by label."""
        return {made.label: made for made in self.living("service") if IMirroring.providedBy(made)}

    def pushings(self) -> dict[str, IPushing]:
        """The services that push to other indexes, by label."""
        return {made.label: made for made in self.living("service") if IPushing.providedBy(made)}

    def records(self) -> IRecords:
        """The daemon's records."""
        made: IRecords = self.objects[self.plan.records]
        return made

    def living(self, *kinds: str) -> list[Any]:
        """The parts of these kinds that have a life, in the order in which they must start."""
        return [made for name, made in self.alive.items() if name.partition(":")[0] in kinds]
