"""Who keeps bytes, told to whoever looks after them: the stores of a plan, and the indexes that keep things there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pypidaemon.blueprints import Plan
from pypidaemon.indexes.private import Private
from pypidaemon.indexes.proxy import Proxy
from pypidaemon.interfaces import IBlobStore, IMirror, IRecords
from pypidaemon.verification.holdings import Holdings, Home


def tell(plan: Plan, objects: Mapping[str, Any], bare: Mapping[str, Any], holdings: Holdings) -> None:
    """
    Let those holdings be of what was made of the plan, whatever they were of before; who reads them just now reads on in what was.

    :param objects: what was made, by the names of the parts.
    :param bare: of those the leaves without what stands before them.
    """
    homes: list[Home] = []
    stores: dict[str, IBlobStore] = {}
    strangers: list[str] = []
    books: list[IRecords] = []
    for name, part in plan.parts.items():
        if name not in objects:
            continue
        found = bare.get(name, objects[name])
        if part.section.kind == "blobs":
            stores[part.section.label] = found
        elif part.section.kind == "records":
            # Though no index refers to them by this plan: what was uploaded by an earlier one is not nobody's.
            books.append(found)
        elif isinstance(found, Private):
            homes.append(Home(found.label, found.records, found.blobs, hosted=found))
        elif isinstance(found, Proxy) or _is_mirror(found):
            homes.append(Home(found.label, found.records, found.blobs, found, remembers=isinstance(found, Proxy)))
        elif "spool" in part.givens.values() or any(other.startswith("blobs:") for other in part.leads_to()):
            strangers.append(f"[{name}]")
    holdings.homes, holdings.stores, holdings.strangers, holdings.books = homes, stores, strangers, books


def _is_mirror(found: Any) -> bool:
    """Whether that is a mirror of ours; what most daemons have none of is only imported where there may be one."""
    if not IMirror.providedBy(found):
        return False
    from pypidaemon.indexes.mirror import Mirror

    return isinstance(found, Mirror)
