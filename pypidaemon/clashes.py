"""Private names that an upstream has a project of as well: told where it is known, asked about only where somebody says so (P15)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.logger import Logger

from pypidaemon.errors import Conflict, NoSuchProject
from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IHostedIndex, IIndex, IKnowing, ILocal, IUpstream
from pypidaemon.model import NormalizedName, Validators

log = Logger()


@attrs.frozen
class Clash:
    """A project of the local index `index`, and the proxy or upstream `known` that has one of the same name."""

    name: NormalizedName
    index: str
    known: str


@attrs.define(eq=False)
class Clashes:
    """
    Looks for such names.

    :param indexes: every index there is, by its label, also those that are not exposed.
    :param upstreams: every upstream; only `ask` makes requests to them.
    :param reserved: patterns of names that no upstream is asked about (law 3), so that nothing an upstream has of them matters.
    """

    indexes: Mapping[str, IIndex]
    upstreams: Mapping[str, IUpstream]
    reserved: tuple[str, ...]

    async def upstream_of(self, name: NormalizedName) -> str | None:
        """The label of a proxy whose upstream is known to have a project of that name; no request is made for it."""
        for label, index in self.indexes.items():
            if IKnowing.providedBy(index) and await index.knows(name):
                return label
        return None

    async def consider(self, label: str, index: IHostedIndex, name: NormalizedName) -> None:
        """
        Before a project is begun in an index: warn where an upstream is known to have that name.

        :raises Conflict: it is, and the index is strict.
        """
        if await index.has(name):
            return
        known = await self.upstream_of(name)
        if known is None:
            return
        if index.strict:
            # In no words that uploaders take for success.
            raise Conflict(f"the name {name} is taken: {known} has a project of that name, and {label} is strict")
        log.warn("{name} is begun in {label}, and {known} has a project of that name too", name=name, label=label, known=known)

    async def private(self) -> list[tuple[NormalizedName, str]]:
        """Every project of an index whose truth is here, with the label of that index, in the order of the names; reserved ones too."""
        found: dict[tuple[NormalizedName, str], None] = {}
        for label, index in self.indexes.items():
            if ILocal.providedBy(index):
                found.update(dict.fromkeys((name, label) for name, _ in (await index.project_names()).entries()))
        return sorted(found)

    async def known(self) -> list[Clash]:
        """The names of `private` that an upstream is known to have, of what is remembered here."""
        found = []
        for name, label in await self.private():
            known = await self.upstream_of(name)
            if known is not None:
                found.append(Clash(name, label, known))
        return found

    async def ask(self) -> list[Clash]:
        """
        Those that an upstream has, by asking every upstream for every name that is not reserved. The names are known to the upstreams then.

        :raises UpstreamUnavailable: one of them does not say.
        """
        found = []
        for name, label in await self.private():
            if matches_any(name, self.reserved) is not None:
                continue
            for known, upstream in self.upstreams.items():
                try:
                    await upstream.fetch_page(name, Validators())
                except NoSuchProject:
                    continue
                found.append(Clash(name, label, known))
        return found
