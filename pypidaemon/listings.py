"""Project lists of several indexes as one, and as one account sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import attrs

from pypidaemon.model import NormalizedName, ProjectList
from pypidaemon.simple.names import merge

Entry = tuple[NormalizedName, int]
Visible = Callable[[str, NormalizedName], bool]
"""Whether a name of the index of that label is shown."""


def seen(listing: ProjectList, visible: Visible) -> Iterator[Entry]:
    """
    The entries of a list of which `visible` says so, asked for each name with the label of the index that holds it.

    A name that is hidden in one part and not in another is shown as the other part has it.
    """
    if not listing.parts:
        return ((name, serial) for name, serial in listing.entries() if visible(listing.source, name))
    return _adjusted(listing, merge([seen(part, visible) for part in listing.parts]))


def combined(parts: tuple[ProjectList, ...], adjust: Callable[[NormalizedName, int], int | None], listing: ProjectList) -> ProjectList:
    """That list with its entries made of its parts, each as `adjust` shows it."""
    made = attrs.evolve(listing, parts=parts, adjust=adjust)
    return attrs.evolve(made, entries=partial(_all, made))


def _all(listing: ProjectList) -> Iterator[Entry]:
    return _adjusted(listing, merge([part.entries() for part in listing.parts]))


def _adjusted(listing: ProjectList, entries: Iterator[Entry]) -> Iterator[Entry]:
    for name, serial in entries:
        shown = listing.adjust(name, serial)
        if shown is not None:
            yield name, shown
