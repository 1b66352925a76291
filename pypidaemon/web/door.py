"""The door as a whole: the public site and the control site, made of their parts in one visible place."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.accounts.people import People
from pypidaemon.announcements import Announcements
from pypidaemon.caches import Caches
from pypidaemon.clashes import Clashes
from pypidaemon.flights import landing
from pypidaemon.interfaces import IBlobStore, IHostedIndex, IIndex, IMeasured, IMirror, IMirroring, IReading, IRecords, IUpstream
from pypidaemon.leaves import bare
from pypidaemon.model import InThread, NormalizedName
from pypidaemon.releases import Releases
from pypidaemon.rendered import Rendered
from pypidaemon.replacements import Replacements
from pypidaemon.returns import Returns
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.rulings import Rulings
from pypidaemon.verification.run import Means
from pypidaemon.web.accel import Accel
from pypidaemon.web.access import AccessLog
from pypidaemon.web.ahead import Ahead
from pypidaemon.web.answer_files import AnswerFiles
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.cache import CacheDesk
from pypidaemon.web.control import Control
from pypidaemon.web.express import Lane
from pypidaemon.web.fetches import Fetches
from pypidaemon.web.files import Files
from pypidaemon.web.finding import Finder
from pypidaemon.web.forwarding import Forwarding
from pypidaemon.web.gate import Gate
from pypidaemon.web.held import Held
from pypidaemon.web.history import History
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.inquiries import Inquiries
from pypidaemon.web.intake import Receive, Receiver
from pypidaemon.web.integrity import Integrity, addresses
from pypidaemon.web.legacy import Legacy
from pypidaemon.web.links import Links
from pypidaemon.web.lists import Lists
from pypidaemon.web.metrics import Metrics
from pypidaemon.web.operations import Operations
from pypidaemon.web.pages import Pages
from pypidaemon.web.people import PeopleDesk
from pypidaemon.web.pep381 import Pep381
from pypidaemon.web.places import Caps
from pypidaemon.web.rates import Rates
from pypidaemon.web.releases import ReleaseDesk
from pypidaemon.web.renumbering import Renumbering
from pypidaemon.web.replaced import ReplacedDesk
from pypidaemon.web.reply import Reply
from pypidaemon.web.request_ids import RequestIds
from pypidaemon.web.routes import Address, Routes
from pypidaemon.web.rulings import RulingDesk
from pypidaemon.web.shown import Past, Shown
from pypidaemon.web.site import DoorSite
from pypidaemon.web.skin import Skin, nothing_ready
from pypidaemon.web.small_files import SmallFiles
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.uploads import Uploads
from pypidaemon.web.verify import VerifyDesk
from pypidaemon.web.why import Why
from pypidaemon.web.xmlrpc import XmlRpc


@attrs.define(eq=False, slots=False)
class Door(Service):
    """What clients reach. `site` listens for everybody, `control` on the socket of the daemon's own user."""

    site: DoorSite
    control: DoorSite
    routes: Routes
    people: People
    uploads: Uploads
    receive: Receive
    history: History
    desks: tuple[PeopleDesk | ReleaseDesk | VerifyDesk, ...]
    skins: tuple[Skin, Skin]
    desk: Control
    access: AccessLog
    rates: Rates | None = None
    ahead: Ahead | None = None

    def leave(self) -> None:
        """Say from now on that this is no place for anybody new (F79)."""
        self.routes.operations.leaving = True

    async def rest(self) -> None:
        """Come back when no request that came here is being answered any more."""
        for skin in self.skins:
            await skin.rest()

    def go_on_from(self, other: Door) -> None:
        """Count on from what that one, in whose place this one comes, has counted, be as old as it is, and go on with what it verifies."""
        self.routes.operations.metrics.go_on_from(other.routes.operations.metrics)
        # What the other has still to say stands before what is said here.
        other.access.lines.wait_no_more()
        self.desk.started = other.desk.started
        self.desk.verify.go_on_from(other.desk.verify)
        if self.rates is not None and other.rates is not None:
            self.rates.go_on_from(other.rates)
        # Nobody asks there any more, and it may stay for as long as one client takes his time.
        other.desk.answers.forget(None)
        other.routes.files.small.forget(None)

    def stopService(self) -> Deferred[None]:
        """Give up what is being made for clients that are gone by now; fires when that has ended."""
        Service.stopService(self)
        self.access.lines.wait_no_more()
        if self.routes.files.fetches is not None:
            self.routes.files.fetches.settle()
        lists = self.routes.lists
        return landing(
            *(desk.flights for desk in self.desks),
            self.uploads.flights,
            self.routes.pages.answers.flights,
            *((self.ahead.flights,) if self.ahead is not None else ()),
            *((self.routes.pages.answers.kept.flights,) if self.routes.pages.answers.kept is not None else ()),
            lists.flights,
            lists.reading,
            lists.sweeps,
            self.history.flights,
            self.history.renumbering.flights,
            self.routes.pep381.flights,
            self.routes.why.flights,
        )


def build(
    *,
    indexes: Mapping[str, IIndex],
    default: str,
    upstreams: Mapping[str, IUpstream],
    records: IRecords,
    doorkeeper: Doorkeeper,
    people: Callable[[Callable[[], None]], People],
    uploads: str | None,
    hosted: Mapping[str, IIndex],
    everything: Mapping[str, IIndex] = MappingProxyType({}),
    reserved: tuple[str, ...] = (),
    conceal: bool,
    rulemaking: Rulemaking | None = None,
    mirrorings: Mapping[str, IMirroring] = MappingProxyType({}),
    verifying: Means | None = None,
    janitors: Mapping[str, IMeasured] = MappingProxyType({}),
    fetches: bool = False,
    accel: Accel | None = None,
    spool: IMeasured,
    caches: Caches | None = None,
    disk: IMeasured | None = None,
    lacking: Callable[[], Awaitable[str]] | None = None,
    count: Callable[[], Awaitable[None]] | None = None,
    attestations: IMeasured | None = None,
    policies: Mapping[str, IReading] = MappingProxyType({}),
    lists: IBlobStore,
    announcements: Announcements,
    clock: IReactorTime,
    cpu: InThread,
    public_url: str | None,
    local_url: str,
    trusted_proxies: tuple[str, ...] = (),
    hosts: tuple[str, ...] | None = None,
    caps: tuple[int, int] = (200, 4000),
    requests_per_address: int = 0,
    configuration: tuple[str, str] = ("", ""),
    reload: Callable[[], Awaitable[None]] | None = None,
    log: IMeasured | None = None,
    proxies: Mapping[str, IMeasured] = MappingProxyType({}),
    rendered: Rendered | None = None,
    workers: IMeasured | None = None,
    told: Callable[[str | None], None] = lambda _: None,
    random: Callable[[int], bytes] = os.urandom,
) -> Door:
    """
    Put the door together.

    :param indexes: every exposed index by its label; `default` is the one at the root.
    :param people: makes what changes accounts, from what is to be called after each change.
    :param uploads: the label of the index that uploads at the root go to.
    :param hosted: the indexes that can be written to, exposed or not.
    :param everything: indexes that are neither exposed nor uploaded to.
    :param reserved: patterns of names that no upstream is asked about.
    :param conceal: as `Gate`.
    :param rulemaking: keeps what was blocked and exempted.
    :param mirrorings: the services that fill indexes, by their labels.
    :param verifying: what verifications work with; without it none is made.
    :param janitors: the services that clear up, by their labels.
    :param fetches: whether it is put on record who takes which file.
    :param accel: how trusted proxies send stored files by themselves, where they do.
    :param caches: what proxies keep.
    :param disk: looks after the room for it, for its counts.
    :param lacking: says why nothing is kept now; "" where it is.
    :param count: has the counts of `disk` be those of now.
    :param attestations: what checks them, for its counts.
    :param policies: those that go by documents, by their labels.
    :param lists: a store for rendered project lists and nothing else.
    :param public_url: the absolute address under which clients reach the default index's root, where it is configured.
    :param trusted_proxies: networks whose `X-Forwarded-*` headers are believed and whose connections are not counted one by one.
    :param hosts: as the names of `Hosts`.
    :param caps: how many connections there may be from one address, and in all.
    :param requests_per_address: how many requests one address may make in a minute; 0 is as many as it likes.
    :param configuration: the configuration file, absolute, and its text as it was read.
    :param reload: reads it again and has it in force when it comes back.
    :param log: counts the lines of the log that were lost.
    :param proxies: the indexes that count what they doubted of upstream's pages.
    :param rendered: keeps what was rendered over a restart; without it all is rendered anew.
    :param workers: counts the processes, and what others than this one do.
    :param told: told whenever the lane forgets what it knows of a project, or with None of all, before anybody else is.
    :param local_url: the address to name where neither `public_url` nor a trustworthy Host says one.
    """
    known = Hosts(hosts, public_url)
    answers = Answers(cpu, AnswerFiles(rendered) if rendered is not None else None)
    announcements.listen(answers.forget)
    metrics = Metrics(upstreams, spool, answers, attestations, mirrorings, janitors, disk, policies, log, proxies, workers)
    rulemaking = rulemaking or Rulemaking(records, Rulings(), announcements, clock, cpu)
    gate = Gate(doorkeeper, conceal, rulemaking)
    every = {label: bare(index) for label, index in {**everything, **indexes, **hosted}.items()}
    clashes = Clashes(every, upstreams, reserved)
    ours = {label: index for label, index in every.items() if IHostedIndex.providedBy(index)}
    mirrors = {label: index for label, index in every.items() if IMirror.providedBy(index)}
    returns = Returns(mirrors, records.mirrors, announcements) if mirrors else None
    releases = ReleaseDesk(Releases(ours, uploads, clashes, records.accounts, clock, doorkeeper.founded, returns), gate, known)
    rulings = RulingDesk(rulemaking, records.fetches, gate, clock, known)
    inquiries = Inquiries(records.accounts, clashes, clock)
    why = Why(default, indexes, gate, cpu)
    syncs = SyncDesk(mirrorings, gate, known)
    verify = VerifyDesk(verifying)
    renumbering = Renumbering(indexes, records, clock)
    rulemaking.follow(renumbering)
    links = Links(answers, clock)
    announcements.listen(links.overtaken)
    taking = Fetches(records.fetches, clock) if fetches else None
    small = SmallFiles(clock, announcements)
    held = Held(indexes, clock, cpu, answers.turn)
    history = History(records, cpu, renumbering)
    routes = Routes(
        default=default,
        indexes=indexes,
        gate=gate,
        address=Address(public_url, local_url),
        records=records,
        past=Past(default, indexes[default], clock, cpu),
        pages=Pages(answers, gate, clock, addresses(public_url, default), renumbering, held),
        integrity=Integrity(gate),
        lists=Lists(indexes, lists, clock, cpu, history.settle, rendered),
        files=Files(gate, small, taking, accel),
        legacy=Legacy(answers, gate, clock, cpu),
        links=links,
        operations=Operations(upstreams, records, metrics, lacking, count),
        releases=releases,
        rulings=rulings,
        inquiries=inquiries,
        why=why,
        syncs=syncs,
        pep381=Pep381(records, doorkeeper, clock, cpu, fetches),
        uploads=uploads,
    )
    taker = Uploads(
        uploads, {label: every[label] for label in {**indexes, **hosted}}, gate, clashes, records.accounts, clock, doorkeeper.founded, known
    )
    calls = XmlRpc(default, indexes, every, gate, history, routes.lists, Finder(records, clock, cpu), cpu, routes.address.root)

    def receive(ask: Ask) -> Awaitable[Receiver | Reply] | None:
        return taker.receive(ask) or calls.receive(ask) or releases.receive(ask) or rulings.receive(ask)

    access = AccessLog(clock)

    def observe(ask: Ask, status: int, sent: int, seconds: float) -> None:
        metrics.observe(ask, status, sent, seconds)
        access(ask, status, sent, seconds)
        if taking is not None:
            taking.ended(ask, status, sent)

    forwarding = Forwarding(trusted_proxies)

    rates = Rates(clock, requests_per_address, forwarding) if requests_per_address else None
    lane = Lane(clock, RequestIds(random), access, metrics, forwarding.believes, answers, rates.allows if rates else None)
    _kept_true(lane, answers, small, held, doorkeeper, told)
    skin = Skin(
        routes.handle,
        rates.before_quick(routes.quick) if rates else routes.quick,
        clock,
        random,
        observe,
        lambda ask: known.vouched(forwarding.seen(ask)),
        receive=rates.before_receive(receive) if rates else receive,
        lane=lane,
        ids=lane.ids,
    )
    metrics.rates = rates
    public = DoorSite(skin, clock, caps=Caps(*caps), uncapped=forwarding, room=taker.room)
    metrics.places = lambda: public.places

    doorkeeper.forgotten = partial(_rights_changed, routes)
    changing = people(doorkeeper.changed)
    desk = PeopleDesk(changing)
    control = Control(
        default,
        indexes,
        upstreams,
        spool,
        answers,
        clock,
        desk,
        releases,
        rulings,
        inquiries,
        why,
        syncs,
        verify,
        configuration,
        reload,
        CacheDesk(caches),
        disk,
        count,
        policies,
        ReplacedDesk(Replacements(records, clock, partial(_anew, every, announcements))),
        workers,
    )
    inner = Skin(control.handle, nothing_ready, clock, random, receive=control.receive)
    return Door(
        public,
        DoorSite(inner, clock),
        routes,
        changing,
        taker,
        receive,
        history,
        (desk, releases, verify),
        (skin, inner),
        control,
        access,
        rates,
        _ahead(clock, routes),
    )


def _ahead(clock: IReactorTime, routes: Routes) -> Ahead:
    """What has pages made anew that changed."""
    pages, indexes = routes.pages, routes.indexes
    ahead = Ahead(clock, lambda key, codings: pages.ahead(key, Shown(key.index, indexes[key.index]), codings))
    pages.answers.outdated = ahead.changed
    return ahead


def _rights_changed(routes: Routes) -> None:
    routes.lists.forget()
    routes.links.forget()


def _kept_true(
    lane: Lane, answers: Answers, small: SmallFiles, held: Held, doorkeeper: Doorkeeper, told: Callable[[str | None], None]
) -> None:
    """Let the lane hear of everything but the clock that a ready answer depends on: `Routes.quick` asks these and nobody else."""

    def forget(project: str) -> None:
        told(project)
        lane.forget(project)

    def clear() -> None:
        told(None)
        lane.clear()

    answers.changed = small.changed = forget
    held.stirred = clear
    doorkeeper.stirred = clear


async def _anew(every: Mapping[str, IIndex], announcements: Announcements, name: NormalizedName) -> None:
    """Have what is shown of that project made anew, everywhere."""
    for index in every.values():
        await index.refresh(name)
    announcements.announce(name)
