"""
The composition root: makes the objects that a plan names, and one service of all that live.

Order of starting, and in reverse of stopping: the data folder with its lock, the pools of threads, records, rulings, blobs, the spool,
whatever else has a life, pruning, the door, the public sockets, the control socket. So a request in flight loses nothing under it (examples.md 3.9).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString

from pypidaemon import components
from pypidaemon.blueprints import Part as Part
from pypidaemon.blueprints import Plan as Plan
from pypidaemon.blueprints import plan as plan
from pypidaemon.describing import describe as describe
from pypidaemon.describing import describe_json as describe_json
from pypidaemon.errors import ConfigError, PypidaemonError
from pypidaemon.interfaces import IHostedIndex, IIndex, ILocal, IMirror, IMirroring, IRecords, IUpstream
from pypidaemon.model import Knowledge
from pypidaemon.schema import local_url
from pypidaemon.services.folder import LISTS, NAMES, DataFolder
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.sockets import CONTROL, PrivateSocket, PublicSocket

if TYPE_CHECKING:
    from pypidaemon.accounts.people import People
    from pypidaemon.rulemaking import Rulemaking
    from pypidaemon.services.pruning import Pruning
    from pypidaemon.verification.run import Means

DISK_THREADS = 8
"""How many calls may wait for a disk at once."""

MOST_FETCHES_KEPT = 1_000_000
"""How many fetches stay on record however long they may: some 300 MB. Anybody who may read can make them."""

CPU_THREADS = 2
"""How many pages may be read or rendered at once; more would only wait for the interpreter."""


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

    def records(self) -> IRecords:
        """The daemon's records."""
        made: IRecords = self.objects[self.plan.records]
        return made

    def living(self, *kinds: str) -> list[Any]:
        """The parts of these kinds that have a life, in the order in which they must start."""
        return [made for name, made in self.alive.items() if name.partition(":")[0] in kinds]


def itself(part: Part, made: Any) -> Any:
    """What stands for a part in a daemon: the part."""
    return made


def make(plan: Plan, reactor: Any, stand_in: Callable[[Part, Any], Any] = itself) -> Made:
    """
    Make every part that the plan needs. Nothing is opened, started or bound.

    :param stand_in: takes a part and what was made of it, and answers what all others get in its place.
    :raises ConfigError: a component would not be made of these values, or is not what it promised to be.
    """
    from pypidaemon.announcements import Announcements
    from pypidaemon.attestations.informant import Attestations
    from pypidaemon.blobs.directory import DirectoryBlobs
    from pypidaemon.descriptions import Descriptions
    from pypidaemon.indexes.policed import Barred
    from pypidaemon.inspection.processes import ProcessInspector
    from pypidaemon.policies.blocked import Blocked
    from pypidaemon.rulings import Rulings
    from pypidaemon.spool import Spool
    from pypidaemon.threads import Threads
    from pypidaemon.upstreams.guard import Guarded
    from pypidaemon.verification.holdings import Holdings

    disk = Threads(reactor, "disk", DISK_THREADS)
    rulings = Rulings()
    blocked = Blocked("blocked", rulings)
    given: dict[str, Any] = {
        "reactor": reactor,
        "clock": reactor,
        "data": plan.data,
        "disk": disk,
        # What the records remember by digest lies here, so unlike the rendered lists these stay over a restart.
        "lists": DirectoryBlobs(path=plan.data / NAMES, label=NAMES, disk=disk),
        "cpu": Threads(reactor, "cpu", CPU_THREADS),
        "inspector": ProcessInspector(reactor),
        "reserved": plan.daemon.reserved,
        "announcements": Announcements(),
        "rulings": rulings,
        "informants": {},
        "holdings": Holdings(),
        "local_indexes": {},
    }
    objects: dict[str, Any] = {}
    alive: dict[str, Any] = {}
    bare: dict[str, Any] = {}
    # The spool hands out what the default store keeps, and what stands before leaves numbers their pages, so these come first.
    for name in (plan.blobs, plan.records, *plan.parts):
        part = plan.parts[name]
        if not part.needed or name in objects:
            continue
        made = stand_in(part, _made(plan, part, objects, bare, given))
        if IService.providedBy(made):
            alive[name] = made
        objects[name] = made
        if part.section.kind == "upstream":
            objects[name] = Guarded(made, plan.daemon.reserved)
        elif part.section.kind == "index" and not any(other.startswith("index:") for other in part.leads_to()):
            bare[name] = made
            objects[name] = Barred(part.section.label, objects[plan.records], reactor, given["cpu"], made, (blocked,))
        if name == plan.blobs:
            given["spool"] = Spool(made, reactor)
            given["informants"][Knowledge.METADATA] = Descriptions(made, given["cpu"], given["announcements"])
        elif name == plan.records:
            given["informants"][Knowledge.PROVENANCE] = Attestations(made, reactor, given["cpu"], given["announcements"])
    found = Made(plan, objects, alive, given, bare)
    _check_filled_once(found)
    _tell_of_holdings(found)
    given["local_indexes"].update({label: index for label, index in found.indexes().items() if ILocal.providedBy(index)})
    return found


def build(plan: Plan, reactor: Any) -> OrderedService:
    """
    The whole daemon as one service, not yet started.

    :raises ConfigError: as `make`.
    """
    from pypidaemon.accounts.doorkeeper import Doorkeeper
    from pypidaemon.blobs.directory import DirectoryBlobs
    from pypidaemon.services.janitor import Janitor
    from pypidaemon.services.second_look import SecondLook
    from pypidaemon.web.door import build as build_door
    from pypidaemon.web.hosts import known_hosts

    made = make(plan, reactor)
    records = made.records()
    rulings = rulemaking(made, reactor)
    doorkeeper = Doorkeeper(made.objects[plan.accounts], records, reactor, os.urandom)
    lists = DirectoryBlobs(path=plan.data / LISTS, label=LISTS, disk=made.given["disk"])
    door = build_door(
        indexes=made.exposed(),
        default=plan.parts[plan.index].section.label,
        upstreams=made.upstreams(),
        records=records,
        doorkeeper=doorkeeper,
        people=lambda changed: people(made, reactor, changed),
        uploads=plan.daemon.uploads,
        hosted=made.hosted(),
        everything=made.indexes(),
        reserved=plan.daemon.reserved,
        conceal=plan.daemon.conceal,
        rulemaking=rulings,
        mirrorings=made.mirrorings(),
        verifying=verification_means(made, reactor),
        janitors={one.label: one for one in made.living("service") if isinstance(one, Janitor)},
        fetches=plan.daemon.access_records > 0,
        spool=made.given["spool"],
        attestations=made.given["informants"][Knowledge.PROVENANCE],
        lists=lists,
        announcements=made.given["announcements"],
        clock=reactor,
        cpu=made.given["cpu"],
        public_url=plan.daemon.public_url,
        local_url=local_url(plan.daemon.listen),
        trusted_proxies=plan.daemon.trusted_proxies,
        hosts=known_hosts(plan.daemon.listen, plan.daemon.hosts),
        configuration=(str(plan.origin), plan.text),
    )
    return OrderedService(
        (
            DataFolder(plan.data),
            *stores(made),
            rulings,
            *made.living("blobs"),
            made.given["lists"],
            lists,
            made.given["spool"],
            made.given["inspector"],
            *made.living("upstream", "policy", "index", "accounts", "service"),
            pruning(made, reactor, rulings),
            door,
            *(PublicSocket(text, serverFromString(reactor, text), door.site) for text in plan.daemon.listen),
            PrivateSocket(reactor, plan.data / CONTROL, door.control),
            SecondLook(rulings),
        )
    )


def _check_filled_once(made: Made) -> None:
    """Refuse two services that fill one index: each would take off what the other chose."""
    filling: dict[str, str] = {}
    for label, service in made.mirrorings().items():
        other = filling.setdefault(service.index.label, label)
        if other != label:
            raise ConfigError(
                made.plan.file, f"service:{label}", "index", f"[service:{other}] fills the index {service.index.label} already"
            )


def _tell_of_holdings(made: Made) -> None:
    """Let whoever looks after what is stored know the stores, and the indexes that keep things there."""
    from pypidaemon.indexes.private import Private
    from pypidaemon.indexes.proxy import Proxy
    from pypidaemon.verification.holdings import Home

    holdings = made.given["holdings"]
    for name, part in made.plan.parts.items():
        if name not in made.objects:
            continue
        found = made.bare.get(name, made.objects[name])
        if part.section.kind == "blobs":
            holdings.stores[part.section.label] = found
        elif isinstance(found, Private):
            holdings.homes.append(Home(found.label, found.records, found.blobs))
        elif isinstance(found, Proxy) or _is_mirror(found):
            holdings.homes.append(Home(found.label, found.records, found.blobs, found, remembers=isinstance(found, Proxy)))
        elif "spool" in part.givens.values() or any(other.startswith("blobs:") for other in part.leads_to()):
            holdings.strangers.append(f"[{name}]")


def _is_mirror(found: Any) -> bool:
    """Whether that is a mirror of ours; what most daemons have none of is only imported where there may be one."""
    if not IMirror.providedBy(found):
        return False
    from pypidaemon.indexes.mirror import Mirror

    return isinstance(found, Mirror)


def verification_means(made: Made, reactor: Any) -> Means:
    """What a verification of this daemon's stores works with."""
    from pypidaemon.verification.run import Means

    given = made.given
    return Means(given["holdings"], reactor, given["disk"], given["cpu"], made.plan.data)


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


def stores(made: Made) -> list[Any]:
    """What a command needs running to work on the records without a daemon: the threads, then the records."""
    return [made.given["disk"], made.given["cpu"], *made.living("records")]


def _made(plan: Plan, part: Part, objects: Mapping[str, Any], bare: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    arguments = dict(part.values)
    for argument, names in part.references.items():
        found = {**objects, **bare} if argument in part.bare else objects
        arguments[argument] = found[names] if isinstance(names, str) else tuple(found[name] for name in names)
    for argument, name in part.givens.items():
        if name == "label":
            arguments[argument] = part.section.label
        elif name in given:
            arguments[argument] = given[name]
        else:
            raise ConfigError(plan.file, part.name, "use", f"asks for the {name}, which itself depends on it")
    try:
        made = part.component(**arguments)
        components.vouch(components.INTERFACES[part.section.kind], made)
    except (PypidaemonError, OSError, TypeError, ValueError) as error:
        raise ConfigError(plan.file, part.name, "use", f"cannot be made: {error}") from error
    return made
