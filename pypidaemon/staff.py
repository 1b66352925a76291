"""What works for a daemon besides the parts of its plan, each made from what was made of that: rulings, pruning, probing, evicting, people, verification."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pypidaemon.blueprints import Plan
from pypidaemon.made import Made

if TYPE_CHECKING:
    from pypidaemon.accounts.people import People
    from pypidaemon.caches import Caches
    from pypidaemon.rulemaking import Rulemaking
    from pypidaemon.services.evicting import Evicting
    from pypidaemon.services.probing import Probing
    from pypidaemon.services.pruning import Pruning
    from pypidaemon.verification.run import Means

MOST_FETCHES_KEPT = 1_000_000
"""How many fetches stay on record however long they may: some 300 MB. Anybody who may read can make them."""


def verification_means(made: Made, reactor: Any) -> Means:
    """What a verification of this daemon's stores works with."""
    from pypidaemon.verification.run import Means

    given = made.given
    return Means(given["holdings"], reactor, given["disk"], given["cpu"], made.plan.data)


def caches(made: Made, reactor: Any) -> Caches:
    """What its proxies keep."""
    from pypidaemon.caches import Caches

    return Caches(made.records(), made.given["holdings"], reactor, made.given["announcements"].announce)


def evicting(made: Made, reactor: Any) -> Evicting:
    """What makes room where there is too little."""
    from pypidaemon.services.evicting import Evicting

    return Evicting(caches(made, reactor), made.given["room"], reactor, made.given["allotments"])


async def weighed(made: Made, reactor: Any) -> None:
    """
    Let it be known how much there is of what is never evicted, where there is a budget for it: for a command, which has nobody who looks after that.

    :raises PypidaemonError: the records cannot be read.
    """
    allotments = made.given["allotments"].all()
    if any(one.limit is not None for one in allotments):
        weight = await caches(made, reactor).weigh()
        for one in allotments:
            one.held = weight[one.role]


def rulemaking(made: Made, reactor: Any) -> Rulemaking:
    """What keeps the rulings of this daemon in force and changes them."""
    from pypidaemon.rulemaking import Rulemaking

    return Rulemaking(made.records(), made.given["rulings"], made.given["announcements"], reactor, made.given["cpu"])


def pruning(made: Made, reactor: Any, rulings: Rulemaking) -> Pruning:
    """What forgets in time who took what, at once where that is not to be kept, and exemptions whose time is over."""
    from pypidaemon.services.pruning import Pruning

    kept, fetches = made.plan.daemon.access_records, made.records().fetches
    chores = {
        "records of who took what": lambda: fetches.forget_before(reactor.seconds() - kept),
        "the oldest records of who took what": lambda: fetches.forget_beyond(MOST_FETCHES_KEPT),
        "rulings": rulings.lapse,
    }
    return Pruning(reactor, chores)


def probing(made: Made, reactor: Any) -> Probing:
    """What notices that upstreams are back."""
    from pypidaemon.services.probing import Probing

    return Probing(reactor, made.records(), made.upstreams())


def people(made: Made, reactor: Any, changed: Callable[[], None]) -> People:
    """What changes accounts; `changed` is called after each change."""
    from pypidaemon.accounts.checker import LocalAccounts
    from pypidaemon.accounts.passwords import Passwords
    from pypidaemon.accounts.people import People
    from pypidaemon.accounts.users import Users

    checker = made.objects[made.plan.accounts]
    local = isinstance(checker, LocalAccounts)
    return People(
        records=made.records(),
        # One `Users` for one place of records, or two changes could undo each other.
        users=checker.users if local else Users(made.records(), Passwords(made.given["cpu"])),
        clock=reactor,
        random=os.urandom,
        labels=_leaves(made.plan),
        changed=changed,
        strangers=not local,
    )


def _leaves(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The label of every index with those of the leaves below it, in order; a leaf has none."""
    found: dict[str, tuple[str, ...]] = {}
    # Each part stands after all that it refers to.
    for part in plan.parts.values():
        if part.section.kind == "index":
            below = [name.partition(":")[2] for name in part.leads_to() if name.startswith("index:")]
            found[part.section.label] = tuple(dict.fromkeys(leaf for label in below for leaf in found[label] or (label,)))
    return found
