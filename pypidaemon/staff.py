"""What works for a daemon besides the parts of its plan, each made from what was made of that: rulings, pruning, probing, evicting, people, verification."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pypidaemon import __version__
from pypidaemon.blueprints import Plan
from pypidaemon.errors import ConfigError
from pypidaemon.made import Made
from pypidaemon.rendered import Rendered, basis, program
from pypidaemon.services.folder import RENDERED

if TYPE_CHECKING:
    from pypidaemon.accounts.people import People
    from pypidaemon.adoption.beginning import Means as AdoptionMeans
    from pypidaemon.bundles.importing import Means as BundleMeans
    from pypidaemon.caches import Caches
    from pypidaemon.inspection.readmes import Readmes
    from pypidaemon.packing.means import Means as PackMeans
    from pypidaemon.rulemaking import Rulemaking
    from pypidaemon.searching.index import SearchIndex
    from pypidaemon.services.evicting import Evicting
    from pypidaemon.services.logs import AccessFile
    from pypidaemon.services.probing import Probing
    from pypidaemon.services.pruning import Pruning
    from pypidaemon.services.searching import Searching
    from pypidaemon.verification.run import Means
    from pypidaemon.web.access import AccessLog

MOST_FETCHES_KEPT = 1_000_000
"""How many fetches stay on record however long they may: some 300 MB. Anybody who may read can make them."""

READMES = "readmes"
"""The name of the folder for descriptions below the one for all that is rendered."""

MOST_READMES = 64 << 20
"""Bytes of these at most: some thousands."""


def verification_means(made: Made, reactor: Any) -> Means:
    """What a verification of this daemon's stores works with."""
    from pypidaemon.verification.run import Means

    given = made.given
    return Means(given["holdings"], reactor, given["disk"], given["cpu"], made.plan.data)


def bundle_means(made: Made, reactor: Any) -> BundleMeans:
    """What bundles are taken in with."""
    from pypidaemon.bundles.importing import Means
    from pypidaemon.bundles.keys import Trust
    from pypidaemon.clashes import Clashes

    given, daemon = made.given, made.plan.daemon
    unsigned = not daemon.bundle_keys if daemon.unsigned_bundles is None else daemon.unsigned_bundles
    trust = Trust(daemon.bundle_keys, unsigned)
    announce = given["announcements"].announce
    clashes = Clashes(made.indexes(), made.upstreams(), daemon.reserved)
    return Means(given["holdings"], reactor, given["disk"], made.plan.data, trust, given["room"], given["allotments"], announce, clashes)


def adoption_means(made: Made, reactor: Any) -> AdoptionMeans:
    """What an adoption works with."""
    from pypidaemon.accounts.checker import LocalAccounts
    from pypidaemon.adoption.beginning import Means
    from pypidaemon.clashes import Clashes

    given, indexes = made.given, made.indexes()
    return Means(
        indexes=indexes,
        uploads=made.plan.daemon.uploads,
        records=made.records(),
        upstreams=made.upstreams(),
        clashes=Clashes(indexes, made.upstreams(), made.plan.daemon.reserved),
        inspectors=given["inspector"],
        rulings=given["rulings"],
        announcements=given["announcements"],
        allotments=given["allotments"],
        clock=reactor,
        cpu=given["cpu"],
        disk=given["disk"],
        reactor=reactor,
        data=made.plan.data,
        blobs=made.objects[made.plan.blobs],
        strangers=not isinstance(made.objects[made.plan.accounts], LocalAccounts),
    )


def pack_means(made: Made) -> PackMeans:
    """What packs work with."""
    from pypidaemon.packing.means import Means

    given = made.given
    default = made.plan.parts[made.plan.index].section.label
    return Means(made.exposed(), default, lambda: [*given["holdings"].stores.values()], made.records().pins, given["cpu"], given["disk"])


def caches(made: Made, reactor: Any) -> Caches:
    """What its proxies keep."""
    from pypidaemon.caches import Caches

    return Caches(made.records(), made.given["holdings"], reactor, made.given["announcements"].announce)


def evicting(made: Made, reactor: Any) -> Evicting:
    """What makes room where there is too little."""
    from pypidaemon.services.evicting import Evicting

    given = made.given
    return Evicting(caches(made, reactor), given["room"], reactor, given["allotments"], given["spool"].halves.let_go)


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


def access_file(made: Made) -> tuple[AccessFile, ...]:
    """What keeps the access log in a file of its own, where it has one."""
    from pypidaemon.services.logs import AccessFile

    file = made.plan.daemon.access_log
    return (AccessFile(file, made.given["log"]),) if isinstance(file, Path) else ()


def access_log(made: Made, reactor: Any, files: tuple[AccessFile, ...]) -> AccessLog:
    """What writes the access log: into that file, where there is one."""
    from twisted.logger import LogPublisher, globalLogPublisher

    from pypidaemon.web.access import AccessLog
    from pypidaemon.web.access_forms import FORMS
    from pypidaemon.web.addressed import HOW

    said = made.plan.daemon
    publisher = files[0].publisher if files else globalLogPublisher if said.access_log is None else LogPublisher()
    return AccessLog(reactor, FORMS[said.access_log_form], publisher, HOW[said.client_addresses])


def probing(made: Made, reactor: Any) -> Probing:
    """What notices that upstreams are back."""
    from pypidaemon.services.probing import Probing
    from pypidaemon.upstreams.default_route import DefaultRoute

    return Probing(reactor, made.records(), made.upstreams(), DefaultRoute(reactor))


def descriptions(made: Made, reactor: Any) -> Readmes:
    """What renders descriptions of projects."""
    from pypidaemon.inspection.readmes import Readmes

    if made.plan.daemon.read_only:
        return Readmes(reactor)
    place, given = made.plan.data / RENDERED / READMES, made.given
    by = basis(program(__version__, Path(__file__).parent), "")
    return Readmes(reactor, Rendered(place, by, MOST_READMES, given["disk"], given["room"].lacking))


def search_index(plan: Plan, reactor: Any) -> SearchIndex:
    """What projects are looked for in."""
    from pypidaemon.searching.index import FILE, SearchIndex

    return SearchIndex.with_threads(None if plan.daemon.read_only else plan.data / FILE, reactor)


def searching(made: Made, reactor: Any) -> Searching:
    """What keeps that up to date."""
    from pypidaemon.searching.gathering import Gatherer
    from pypidaemon.services.searching import Searching

    given = made.given

    def stores() -> dict[str, Any]:
        return {home.label: home.blobs for home in given["holdings"].homes}

    gatherer = Gatherer(made.records(), stores, given["lists"], made.plan.daemon.reserved, given["cpu"], given["disk"], given["rulings"])
    return Searching(given["searched"], gatherer, tuple(made.indexes().values()), given["announcements"], reactor)


def accel(made: Made) -> Any:
    """How an nginx in front sends the blobs of the daemon's own store by itself; None where it does not."""
    from pypidaemon.blobs.directory import DirectoryBlobs
    from pypidaemon.web.accel import Accel

    plan = made.plan
    if plan.daemon.accel_redirect is None:
        return None
    found = [one.path for one in made.living("blobs") if isinstance(one, DirectoryBlobs) and one.label == plan.daemon.blobs]
    return Accel(plan.daemon.accel_redirect, os.path.abspath(found[0])) if found else None


def check_filled_once(made: Made) -> None:
    """
    Refuse two services that fill one index: each would take off what the other chose.

    :raises ConfigError: there are such.
    """
    filling: dict[str, str] = {}
    for label, service in made.mirrorings().items():
        other = filling.setdefault(service.index.label, label)
        if other != label:
            raise ConfigError(
                made.plan.file, f"service:{label}", "index", f"[service:{other}] fills the index {service.index.label} already"
            )


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
