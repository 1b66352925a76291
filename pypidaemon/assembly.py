"""
The composition root: makes the objects that a plan names, and one service of all that live.

Order of starting, and in reverse of stopping: the data folder with its lock, the pools of threads, records, rulings, blobs, the spool,
whatever else has a life, pruning, the door, the control socket, the public sockets. So a request in flight loses nothing under it (examples.md 3.9).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import IService

from pypidaemon import __version__, components
from pypidaemon.blueprints import Part as Part
from pypidaemon.blueprints import Plan as Plan
from pypidaemon.blueprints import plan as plan
from pypidaemon.budget import MIRRORED, MOST_PAGES, PAGES, PRIVATE, PROXIED, share
from pypidaemon.describing import describe as describe
from pypidaemon.describing import describe_json as describe_json
from pypidaemon.errors import ConfigError, PypidaemonError
from pypidaemon.interfaces import ILocal, IMeasured, IMendable, IReading
from pypidaemon.made import Made as Made
from pypidaemon.model import Knowledge
from pypidaemon.only_reading import folder, itself, list_stores, stand_ins
from pypidaemon.rendered import Rendered, basis, program
from pypidaemon.renewing import House, Household, kept
from pypidaemon.schema import local_url
from pypidaemon.services.activation import endpoint, handed_over
from pypidaemon.services.folder import RENDERED, NoNewRecords
from pypidaemon.services.sockets import CONTROL, PrivateSocket, PublicSocket
from pypidaemon.staff import accel, access_file, access_log, check_filled_once, descriptions, search_index, searching
from pypidaemon.staff import adoption_means as adoption_means
from pypidaemon.staff import bundle_means as bundle_means
from pypidaemon.staff import caches as caches
from pypidaemon.staff import evicting as evicting
from pypidaemon.staff import pack_means as pack_means
from pypidaemon.staff import people as people
from pypidaemon.staff import probing as probing
from pypidaemon.staff import pruning as pruning
from pypidaemon.staff import rulemaking as rulemaking
from pypidaemon.staff import verification_means as verification_means
from pypidaemon.staff import weighed as weighed
from pypidaemon.workers.service import Workers

DISK_THREADS = 8
"""How many calls may wait for a disk at once."""

ANSWERS = "answers"
"""The name of the folder for pages below the one for all that is rendered."""

MOST_RENDERED = 256 << 20
"""Bytes of these at most: some ten thousands of pages, compressed."""

CPU_THREADS = 2
"""How many pages may be read or rendered at once; more would only wait for the interpreter."""


def make(plan: Plan, reactor: Any, stand_in: Callable[[Part, Any], Any] = itself, before: Made | None = None) -> Made:
    """
    Make every part that the plan needs. Nothing is opened, started or bound.

    :param stand_in: takes a part and what was made of it, and answers what all others get in its place.
    :param before: what runs now by an earlier plan: its parts are taken where they can go on, and with them whatever else there must be but one of.
        Until `settle` nothing of it is changed.
    :raises ConfigError: a component would not be made of these values, or is not what it promised to be.
    """
    from pypidaemon.indexes.policed import Barred
    from pypidaemon.policies.blocked import Blocked
    from pypidaemon.upstreams.guard import Guarded
    from pypidaemon.upstreams.strangers import Strangers
    from pypidaemon.upstreams.unasked import OFFLINE, Unasked

    given = _given(plan, reactor) if before is None else {**before.given, "reserved": plan.daemon.reserved, "offline": plan.daemon.offline}
    blocked = Blocked("blocked", given["rulings"])
    objects, alive, bare = _going_on(plan, before)
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
            offline = Unasked(OFFLINE, "offline", reactor.seconds()) if plan.daemon.offline or plan.daemon.read_only else None
            objects[name] = Guarded(made, plan.daemon.reserved, offline, Strangers(part.section.label, reactor))
        elif part.section.kind == "index" and not any(other.startswith("index:") for other in part.leads_to()):
            bare[name] = made
            objects[name] = Barred(part.section.label, objects[plan.records], reactor, given["cpu"], made, (blocked,))
        _give(plan, name, made, reactor, given)
    # What went on stood first in them; their order is that of the plan, as it is after a start.
    objects, alive, bare = ({name: one[name] for name in plan.parts if name in one} for one in (objects, alive, bare))
    found = Made(plan, objects, alive, given, bare)
    check_filled_once(found)
    if before is None:
        settle(found)
    return found


def _going_on(plan: Plan, before: Made | None) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Of what was made before, what can go on by this plan, as the first three mappings of a `Made`."""
    if before is None:
        return {}, {}, {}
    names = kept(before.plan, plan)
    objects, alive, bare = (
        {name: made for name, made in one.items() if name in names} for one in (before.objects, before.alive, before.bare)
    )
    return objects, alive, bare


def _give(plan: Plan, name: str, made: Any, reactor: Any, given: dict[str, Any]) -> None:
    """Let what was made of the part of that name be known to what comes after it, where that can be asked for."""
    from pypidaemon.attestations.informant import Attestations
    from pypidaemon.blobs.directory import DirectoryBlobs
    from pypidaemon.descriptions import Descriptions
    from pypidaemon.spool import Spool

    if name == plan.blobs:
        room = given["room"]
        given["spool"] = Spool(made, reactor, room=room.spare)
        if isinstance(made, DirectoryBlobs):
            room.path = made.path
            room.failed = lambda: made.failed
        given["informants"][Knowledge.METADATA] = Descriptions(made, given["cpu"], given["announcements"])
    elif name == plan.records:
        given["informants"][Knowledge.PROVENANCE] = Attestations(made, reactor, given["cpu"], given["announcements"])


def settle(made: Made) -> None:
    """Have these parts be those that everybody means who asks what is stored, and which indexes are ours."""
    from pypidaemon.homes import tell

    tell(made.plan, made.objects, made.bare, made.given["holdings"])
    room, allotments, budget = made.given["room"], made.given["allotments"], made.plan.daemon.budget
    room.limit = share(budget, PROXIED)
    pages = share(budget, PAGES)
    room.pages = MOST_PAGES if pages is None else pages
    allotments.private.limit, allotments.mirrored.limit = share(budget, PRIVATE), share(budget, MIRRORED)
    local: dict[str, Any] = made.given["local_indexes"]
    local.clear()
    local.update({label: index for label, index in made.indexes().items() if ILocal.providedBy(index)})


def _given(plan: Plan, reactor: Any) -> dict[str, Any]:
    """What components can ask for by `settings.given`, but for what is only made with the stores, and their labels."""
    from pypidaemon.announcements import Announcements
    from pypidaemon.inspection.processes import ProcessInspector
    from pypidaemon.rulings import Rulings
    from pypidaemon.services.ballast import Ballast
    from pypidaemon.services.logs import LostLines
    from pypidaemon.services.traffic import TRAFFIC, TrafficLog
    from pypidaemon.threads import Threads
    from pypidaemon.verification.holdings import Holdings
    from pypidaemon.volume import Allotment, Allotments, Room

    disk = Threads(reactor, "disk", DISK_THREADS)
    lists, rendered_lists = list_stores(plan, disk)
    room = Room(plan.data, reactor, disk)
    return {
        "reactor": reactor,
        "clock": reactor,
        "data": plan.data,
        "disk": disk,
        # What the records remember by digest lies here.
        "lists": lists,
        "cpu": Threads(reactor, "cpu", CPU_THREADS),
        "inspector": ProcessInspector(reactor),
        "reserved": plan.daemon.reserved,
        "offline": plan.daemon.offline,
        "announcements": Announcements(),
        "rulings": Rulings(),
        "informants": {},
        "holdings": Holdings(),
        "local_indexes": {},
        # Asked for by no component, but there is one for all houses.
        "rendered_lists": rendered_lists,
        "searched": search_index(plan, reactor),
        "log": LostLines(),
        "traffic": TrafficLog(plan.data / TRAFFIC, reactor, disk, not plan.daemon.read_only),
        "ballast": Ballast(plan.data),
        "room": room,
        # What is uploaded is nowhere else, so it may take the last byte.
        "allotments": Allotments(Allotment(PRIVATE), Allotment(MIRRORED, room)),
    }


async def stay() -> None:
    """
    What is done on `pypidaemon reload` in a daemon that nobody told how.

    :raises PypidaemonError: always.
    """
    raise PypidaemonError("this daemon cannot read its configuration again")


def build(plan: Plan, reactor: Any, reload: Callable[[], Awaitable[None]] = stay) -> Household:
    """
    The whole daemon as one service, not yet started.

    :param reload: reads the configuration again and has it in force when it comes back, or raises what is wrong with it.
    :raises ConfigError: as `make`.
    """
    from pypidaemon.services.draining import Draining
    from pypidaemon.services.lookups import Lookups
    from pypidaemon.services.second_look import SecondLook
    from pypidaemon.services.spare_memory import SpareMemory

    household: Household
    workers = Workers(
        reactor,
        lambda: household.house.plan.daemon.workers,
        lambda: household.sockets,
        lambda: household.house.front[0],
        lambda: bool(household.house.plan.daemon.trusted_proxies),
    )
    first = _house(plan, reactor, reload, workers, None)
    site, operated = first.front

    def raised(later: Plan, standing: House) -> House:
        return _house(later, reactor, reload, workers, standing)

    def leave() -> None:
        household.house.door.leave()
        site.leave()

    async def empty() -> None:
        await workers.empty()
        await site.empty()

    draining = Draining(reactor, lambda: household.house.plan.daemon.drain, leave, empty, lambda: workers.drop() + site.drop())
    control = () if plan.daemon.read_only else (PrivateSocket(reactor, plan.data / CONTROL, operated),)
    spare = SpareMemory(reactor, first.made.given["cpu"])
    household = Household(first, (Lookups(reactor), *control, draining), (workers, SecondLook(first.rulings), spare), raised, workers.renew)
    return household


def _house(plan: Plan, reactor: Any, reload: Callable[[], Awaitable[None]], workers: Workers, before: House | None) -> House:
    """
    All of the daemon but the sockets, made and not started: after `before`, the first of which went before any other.

    :param workers: the other processes that answer, which outlive every house.
    :raises ConfigError: as `make`.
    """
    from pypidaemon.accounts.doorkeeper import Doorkeeper
    from pypidaemon.services.janitor import Janitor
    from pypidaemon.services.open_files import OpenFiles
    from pypidaemon.web.door import build as build_door
    from pypidaemon.web.hosts import known_hosts
    from pypidaemon.web.views.status_facts import Sources

    writes = not plan.daemon.read_only
    made = make(plan, reactor, stand_ins(plan, reactor), before=before.made if before else None)
    records = made.records()
    rulings = before.rulings if before else rulemaking(made, reactor)
    doorkeeper = Doorkeeper(made.objects[plan.accounts], records, reactor, os.urandom)
    number = before.number + 1 if before else 0
    lists = made.given["rendered_lists"]
    by = basis(program(__version__, Path(__file__).parent), f"{plan.origin}\n{plan.text}")
    rendered = Rendered(plan.data / RENDERED / ANSWERS, by, MOST_RENDERED, made.given["disk"], made.given["room"].lacking)
    readmes, access = descriptions(made, reactor), access_file(made)
    evicts = evicting(made, reactor)
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
        mirrorings=made.mirrorings() if writes else {},
        pushings=made.pushings() if writes else {},
        verifying=verification_means(made, reactor),
        bundling=lambda: bundle_means(made, reactor),
        packing=pack_means(made),
        adopting=lambda: adoption_means(made, reactor),
        janitors={one.label: one for one in made.living("service") if isinstance(one, Janitor)},
        fetches=plan.daemon.access_records > 0,
        accel=accel(made),
        spool=made.given["spool"],
        caches=evicts.caches,
        disk=evicts,
        lacking=evicts.room.lacking,
        count=evicts.count,
        sources=Sources(
            evicts, evicts.count, evicts.room.space, evicts.room.lacking, evicts.caches.weigh, made.given["traffic"].ring, made.given["log"]
        ),
        attestations=made.given["informants"][Knowledge.PROVENANCE],
        policies={one.label: one for one in made.living("policy") if IReading.providedBy(one)},
        proxies={label: IMeasured(one) for label, one in made.indexes().items() if IMeasured.providedBy(one)},
        workers=workers,
        told=workers.changed,
        lists=lists,
        rendered=rendered,
        readmes=readmes,
        searched=made.given["searched"],
        announcements=made.given["announcements"],
        clock=reactor,
        cpu=made.given["cpu"],
        public_url=plan.daemon.public_url,
        local_url=local_url(plan.daemon.listen),
        trusted_proxies=plan.daemon.trusted_proxies,
        hosts=known_hosts(plan.daemon.listen, plan.daemon.hosts),
        caps=(plan.daemon.connections_per_address, plan.daemon.connections),
        requests_per_address=plan.daemon.requests_per_address,
        configuration=(str(plan.origin), plan.text),
        reload=reload,
        log=made.given["log"],
        access=access_log(made, reactor, access),
    )
    front = before.front if before else (door.site, door.control)
    if before is None:
        made.given["traffic"].counts = door.routes.operations.metrics.traffic
    own_clocks = (probing(made, reactor), evicts, pruning(made, reactor, rulings)) if writes else ()
    clocks = (*(made.living("service") if writes else ()), *own_clocks, searching(made, reactor))
    services = (
        before.services[0] if before else folder(plan),
        made.given["log"],
        *([made.given["ballast"]] if writes else []),
        *stores(made),
        made.given["traffic"],
        rulings,
        *made.living("blobs"),
        made.given["lists"],
        lists,
        made.given["searched"],
        made.given["spool"],
        made.given["inspector"],
        readmes,
        *made.living("upstream", "policy", "index", "accounts"),
        *clocks,
        OpenFiles(door.site.places.caps.files, front[0].places.allow),
        *access,
        door,
    )

    def take_over(gone: House | None) -> None:
        settle(made)
        if gone is not None:
            doorkeeper.go_on_from(gone.doorkeeper)
            evicts.go_on_from(gone.evicting)
            door.go_on_from(gone.door)
            made.given["traffic"].counts = door.routes.operations.metrics.traffic
            for site, its in zip(front, (door.site, door.control), strict=True):
                site.turn_to(its)
        workers.changed(None)

    # What was handed over is only there once.
    descriptors = () if before else handed_over()
    sockets = tuple(PublicSocket(text, _endpoint(plan, reactor, text, descriptors), front[0]) for text in plan.daemon.listen)
    return House(plan, made, rulings, doorkeeper, evicts, door, front, number, services, clocks, sockets, take_over)


def _endpoint(plan: Plan, reactor: Any, description: str, descriptors: tuple[int, ...]) -> Any:
    try:
        return endpoint(reactor, description, descriptors)
    except Exception as error:  # noqa: BLE001  # parsers of endpoints are plugins and share no exception
        problem = f"no socket of the name {error} was handed over" if isinstance(error, KeyError) else f"is not an endpoint: {error}"
        raise ConfigError(plan.file, "daemon", "listen", f"{description!r}: {problem}") from None


def stores(made: Made) -> list[Any]:
    """What a command needs running to work on the records without a daemon: the threads, then the records."""
    from pypidaemon.blobs.directory import DirectoryBlobs

    records = made.records()
    folders = tuple(store.path for store in made.living("blobs") if isinstance(store, DirectoryBlobs))
    insisting = [NoNewRecords(records, folders)] if IMendable.providedBy(records) else []
    return [made.given["disk"], made.given["cpu"], *insisting, *made.living("records")]


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
