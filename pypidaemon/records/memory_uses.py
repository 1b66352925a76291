"""Uses and pins in memory."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPins, IUses
from pypidaemon.model import Digest, NormalizedName, Pin, Use, UsedProject


@implementer(IUses)
@attrs.define(eq=False)
class MemoryUses:
    """`IUses` that are gone when the daemon is."""

    _uses: dict[Digest, Use] = attrs.field(factory=dict, init=False)

    async def note(self, use: Use) -> None:
        """As `IUses`."""
        known = self._uses.get(use.digest)
        if known is None or use.used > known.used:
            self._uses[use.digest] = use

    async def weight(self) -> tuple[int, int]:
        """As `IUses`."""
        return len(self._uses), sum(use.size for use in self._uses.values())

    async def oldest(self, after: tuple[float, str], limit: int) -> list[Use]:
        """As `IUses`."""
        found = sorted(self._uses.values(), key=lambda use: (use.used, use.digest))
        return [use for use in found if (use.used, use.digest) > after][:limit]

    async def listed(self, name: NormalizedName) -> list[Use]:
        """As `IUses`."""
        found = [use for use in self._uses.values() if use.name == name]
        return sorted(found, key=lambda use: (use.filename, use.digest))

    async def projects(self, after: str, limit: int) -> list[UsedProject]:
        """As `IUses`."""
        names = sorted({use.name for use in self._uses.values() if use.name > after})[:limit]
        held = {name: await self.listed(name) for name in names}
        return [UsedProject(name, len(uses), sum(use.size for use in uses), max(use.used for use in uses)) for name, uses in held.items()]

    async def forget(self, digests: Sequence[Digest]) -> None:
        """As `IUses`."""
        for digest in digests:
            self._uses.pop(digest, None)


@implementer(IPins)
@attrs.define(eq=False)
class MemoryPins:
    """`IPins` that are gone when the daemon is."""

    _pins: set[Pin] = attrs.field(factory=set, init=False)

    async def pins(self) -> list[Pin]:
        """As `IPins`."""
        return sorted(self._pins)

    async def pin(self, pin: Pin, pinned: bool) -> bool:
        """As `IPins`."""
        changed = (pin in self._pins) is not pinned
        (self._pins.add if pinned else self._pins.discard)(pin)
        return changed
