"""
The indexes at the ends of the chains below an index, and how each of them looks from there.

What an index refers to is read off its schema (`pypidaemon.settings`), so combiners and decorators from elsewhere are seen through as well.
Asking a local leaf by way of its view never reaches an upstream, whatever else stands below the same combiner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from pypidaemon.errors import NoSuchProject
from pypidaemon.interfaces import IBarrier, IIndex, IInformant, ILocal, IPolicy
from pypidaemon.model import Knowledge, NormalizedName, ProjectPage
from pypidaemon.settings import KEY, Given, Reference


@attrs.frozen
class Leaf:
    """
    An index that refers to no other.

    :param index: the leaf itself.
    :param view: the leaf as the decorators above it show it; of combiners above it nothing is in it.
    :param policies: all policies of those decorators.
    :param plain: whether those decorators have policies and do nothing else, as far as can be told.
    :param informants: who finds out for them what their policies want to know.
    """

    index: IIndex
    view: IIndex
    policies: tuple[IPolicy, ...] = ()
    plain: bool = True
    informants: Mapping[Knowledge, IInformant] = MappingProxyType({})

    @property
    def local(self) -> bool:
        """Whether its truth is here."""
        return bool(ILocal.providedBy(self.index))


def bare(index: IIndex) -> IIndex:
    """The index itself, where nothing but orders stands before it."""
    return IBarrier(index).index if IBarrier.providedBy(index) else index


def leaves(index: IIndex) -> Iterator[Leaf]:
    """All leaves below, in the order in which a combiner asks them; one that several lead to comes as often."""
    references = [*_references(index)]
    below = [(field, inner) for field, inner in references if IIndex.providedBy(inner)]
    if not below:
        yield Leaf(index, index)
        return
    policies = tuple(other for _, other in references if IPolicy.providedBy(other))
    for field, inner in below:
        for leaf in leaves(inner):
            if field.metadata[KEY].many:
                yield leaf
            else:
                view = attrs.evolve(index, **{field.alias: leaf.view})  # type: ignore[misc]  # only attrs classes have references
                informants = {**leaf.informants, **_informants(index)}
                yield Leaf(leaf.index, view, (*leaf.policies, *policies), leaf.plain and bool(policies), informants)


def locals_below(index: IIndex) -> list[Leaf]:
    """Those of the leaves whose truth is here, each once: where it comes first."""
    found: dict[str, Leaf] = {}
    for leaf in leaves(index):
        if leaf.local:
            found.setdefault(leaf.index.label, leaf)
    return list(found.values())


async def local_page(leaf: Leaf, name: NormalizedName) -> ProjectPage | None:
    """
    What a local leaf shows of that project; None where it has none.

    :raises Refused: a policy hides the whole project.
    :raises PypidaemonError: the leaf cannot be read, which is no absence (L3).
    """
    try:
        return await leaf.view.project_page(name)
    except NoSuchProject:
        return None


def _informants(index: IIndex) -> Mapping[Knowledge, IInformant]:
    kind: Any = type(index)
    found = (getattr(index, field.name) for field in attrs.fields(kind) if field.metadata.get(KEY) == Given("informants"))
    return next(found, {})


def _references(index: IIndex) -> Iterator[tuple[Any, Any]]:
    """Every component that the index refers to, with the field that does."""
    kind: Any = type(index)
    for field in attrs.fields(kind) if attrs.has(kind) else ():
        if isinstance(field.metadata.get(KEY), Reference):
            value = getattr(index, field.name)
            for one in value if field.metadata[KEY].many else (value,):
                yield field, one
