"""The door as a whole: the public site and the control site, made of their parts in one visible place."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

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
from pypidaemon.inspection.readmes import Readmes
from pypidaemon.interfaces import IBlobStore, IHostedIndex, IIndex, IMeasured, IMirror, IMirroring, IPushing, IReading, IRecords, IUpstream
from pypidaemon.leaves import bare
from pypidaemon.model import InThread
from pypidaemon.packing.means import Means as PackMeans
from pypidaemon.releases import Releases
from pypidaemon.rendered import Rendered
from pypidaemon.replacements import Replacements
from pypidaemon.returns import Returns
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.rulings import Rulings
from pypidaemon.searching.index import SearchIndex
from pypidaemon.verification.run import Means
from pypidaemon.web.accel import Accel
from pypidaemon.web.access import AccessLog
from pypidaemon.web.administration import Administration
from pypidaemon.web.adopt import AdoptDesk, Adopting
from pypidaemon.web.ahead import Ahead, ahead_of
from pypidaemon.web.answer_files import AnswerFiles
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.browsing import Browsing
from pypidaemon.web.bundles import BundleDesk, Bundling
from pypidaemon.web.cache import CacheDesk
from pypidaemon.web.control import Control
from pypidaemon.web.express import Lane
from pypidaemon.web.feeds import Feeds
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
from pypidaemon.web.kept_true import anew, keep_true
from pypidaemon.web.legacy import Legacy
from pypidaemon.web.links import Links
from pypidaemon.web.lists import Lists
from pypidaemon.web.metrics import Metrics
from pypidaemon.web.operations import Operations
from pypidaemon.web.packs import PackDesk
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
from pypidaemon.web.shown import Past
from pypidaemon.web.site import DoorSite
from pypidaemon.web.skin import Skin, nothing_ready
from pypidaemon.web.small_files import SmallFiles
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.uploads import Uploads
from pypidaemon.web.verify import VerifyDesk
from pypidaemon.web.views.status_facts import Sources, StatusFacts
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
    desks: tuple[PeopleDesk | ReleaseDesk | VerifyDesk | BundleDesk | AdoptDesk | PackDesk, ...]
    skins: tuple[Skin, Skin]
    desk: Control
    access: AccessLog
    rates: Rates | None = None
    ahead: Ahead | None = None

    def leave(self) -> None:
        """Say from now on that this is no place for anybody new (F79)."""
        self.routes.operations.leaving = True
        self.routes.views.end()

    async def rest(self) -> None:
        """Come back when no request that came here is being answered any more."""
        for skin in self.skins:
            await skin.rest()

    def go_on_from(self, other: Door) -> None:
        """Count on from what that one, in whose place this one comes, has counted, be as old as it is, and go on with what it verifies."""
        self.routes.operations.metrics.go_on_from(other.routes.operations.metrics)
        other.routes.views.end()
        # What the other has still to say stands before what is said here.
        other.access.lines.wait_no_more()
        self.desk.started = other.desk.started
        self.desk.verify.go_on_from(other.desk.verify)
        self.desk.bundles.go_on_from(other.desk.bundles)
        self.routes.packs.go_on_from(other.routes.packs)
        self.routes.admin.go_on_from(other.routes.admin)
        self.desk.adopt.go_on_from(other.desk.adopt)
        if self.rates is not None and other.rates is not None:
            self.rates.go_on_from(other.rates)
        if self.routes.files.fetches is not None and other.routes.files.fetches is not None:
            self.routes.files.fetches.go_on_from(other.routes.files.fetches)
        # Nobody asks there any more, and it may stay for as long as one client takes his time.
        other.desk.answers.forget(None)
        other.routes.files.small.forget(None)

    def stopService(self) -> Deferred[None]:
        """Give up what is being made for clients that are gone by now; fires when that has ended."""
        Service.stopService(self)
        self.leave()
        self.access.lines.wait_no_more()
        self.routes.lists.let_go()
        if self.routes.files.fetches is not None:
            self.routes.files.fetches.settle()
        return landing(
            *(desk.flights for desk in self.desks),
            self.uploads.flights,
            self.routes.pages.answers.flights,
            self.routes.pages.answers.improving,
            *((self.ahead.flights,) if self.ahead is not None else ()),
            *((self.routes.pages.answers.kept.flights,) if self.routes.pages.answers.kept is not None else ()),
            self.history.flights,
            self.history.renumbering.flights,
            *self.routes.flights,
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
    pushings: Mapping[str, IPushing] = MappingProxyType({}),
    verifying: Means | None = None,
    bundling: Bundling | None = None,
    packing: PackMeans | None = None,
    adopting: Adopting | None = None,
    janitors: Mapping[str, IMeasured] = MappingProxyType({}),
    fetches: bool = False,
    accel: Accel | None = None,
    spool: IMeasured,
    caches: Caches | None = None,
    disk: IMeasured | None = None,
    lacking: Callable[[], Awaitable[str]] | None = None,
    count: Callable[[], Awaitable[None]] | None = None,
    sources: Sources = Sources(),  # noqa: B008  # a frozen value
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
    access: AccessLog | None = None,
    proxies: Mapping[str, IMeasured] = MappingProxyType({}),
    rendered: Rendered | None = None,
    readmes: Readmes | None = None,
    searched: SearchIndex | None = None,
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
    :param pushings: the services that push to other indexes, by their labels.
    :param verifying: what verifications work with; without it none is made.
    :param bundling: makes what bundles are taken in with; without it none is. `packing`: what packs work with.
    :param adopting: makes what adoptions work with; without it none is made.
    :param janitors: the services that clear up, by their labels.
    :param fetches: whether it is put on record who takes which file.
    :param accel: how trusted proxies send stored files by themselves, where they do.
    :param caches: what proxies keep.
    :param disk: looks after the room for it, for its counts.
    :param lacking: says why nothing is kept now; "" where it is.
    :param count: has the counts of `disk` be those of now.
    :param sources: where the status page has from how things are.
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
    :param log: counts the lines of the log that were lost. `access`: where one stands for each answer.
    :param proxies: the indexes that count what they doubted of upstream's pages.
    :param rendered: keeps what was rendered over a restart; without it all is rendered anew.
    :param readmes: renders descriptions; without it they are shown as they are.
    :param searched: what projects are looked for in; without it nothing is.
    :param workers: counts the processes, and what others than this one do.
    :param told: told whenever the lane forgets what it knows of a project, or with None of all, before anybody else is.
    :param local_url: the address to name where neither `public_url` nor a trustworthy Host says one.
    """
    known = Hosts(hosts, public_url)
    answers = Answers(cpu, AnswerFiles(rendered) if rendered is not None else None)
    announcements.listen(answers.forget)
    metrics = Metrics(upstreams, spool, answers, attestations, mirrorings, janitors, disk, policies, log, proxies, workers, pushings)
    rulemaking = rulemaking or Rulemaking(records, Rulings(), announcements, clock, cpu)
    gate = Gate(doorkeeper, conceal, rulemaking)
    every = {label: bare(index) for label, index in {**everything, **indexes, **hosted}.items()}
    clashes = Clashes(every, upstreams, reserved)
    ours = {label: index for label, index in every.items() if IHostedIndex.providedBy(index)}
    mirrors = {label: index for label, index in every.items() if IMirror.providedBy(index)}
    returns = Returns(mirrors, records.mirrors, announcements) if mirrors else None
    releases = ReleaseDesk(Releases(ours, uploads, clashes, records.accounts, clock, doorkeeper.founded, returns), gate, known)
    rulings = RulingDesk(rulemaking, records.fetches, gate, clock, known)
    inquiries, why = Inquiries(records.accounts, clashes, clock), Why(default, indexes, gate, cpu)
    syncs, verify = SyncDesk(mirrorings, gate, known), VerifyDesk(verifying)
    bundles, packs = BundleDesk(bundling), PackDesk(packing, gate, known)
    renumbering = Renumbering(indexes, records, clock)
    rulemaking.follow(renumbering)
    links = Links(answers, clock)
    announcements.listen(links.overtaken)
    access = access or AccessLog(clock)
    taking = Fetches(records.fetches, clock, access.addressed) if fetches else None
    small, held = SmallFiles(clock, announcements), Held(indexes, clock, cpu, answers.turn)
    history = History(records, cpu, renumbering)
    finder = Finder(records, clock, cpu)
    facts = StatusFacts(clock, records, every, upstreams, mirrorings, pushings, policies, spool, sources, packs.states, bundles.state)

    def made() -> Any:
        from pypidaemon.web.views import desk

        return desk.ViewDesk(
            desk.Start(default, indexes, upstreams, metrics, uploads, desk.Newest(records, gate, clock, announcements), clock, lacking),
            desk.ProjectPages(answers, gate, why, clock, cpu, readmes or Readmes(clock, able=lambda: False)),
            desk.Search(searched, finder, reserved, clock, cpu, announcements),
            desk.StatusPage(facts),
        )

    desk = PeopleDesk(changing := people(doorkeeper.changed))
    routes = Routes(
        default=default,
        indexes=indexes,
        gate=gate,
        address=Address(public_url, local_url),
        records=records,
        past=Past(default, indexes[default], clock, cpu),
        pages=Pages(answers, gate, clock, addresses(public_url, default), renumbering, held),
        integrity=Integrity(gate),
        lists=Lists(indexes, lists, clock, cpu, announcements, history.settle, rendered, history.settled),
        files=Files(gate, small, taking, accel, metrics.waited),
        legacy=Legacy(answers, gate, clock, cpu),
        links=links,
        operations=Operations(upstreams, records, metrics, lacking, count),
        releases=releases,
        rulings=rulings,
        inquiries=inquiries,
        why=why,
        syncs=syncs,
        packs=packs,
        pep381=Pep381(records, doorkeeper, clock, cpu, fetches),
        views=Browsing(made, cpu),
        feeds=Feeds(finder, clock, cpu, announcements),
        admin=Administration(gate, known, desk, releases, rulings, syncs, packs, upstreams, facts, cpu),
        uploads=uploads,
    )
    taker = Uploads(
        uploads, {label: every[label] for label in {**indexes, **hosted}}, gate, clashes, records.accounts, clock, doorkeeper.founded, known
    )
    calls = XmlRpc(default, indexes, every, gate, history, routes.lists, finder, cpu, routes.address.root)

    def receive(ask: Ask) -> Awaitable[Receiver | Reply] | None:
        return next(
            (found for one in (taker, calls, releases, rulings, packs, routes.admin) if (found := one.receive(ask)) is not None), None
        )

    def observe(ask: Ask, status: int, sent: int, seconds: float) -> None:
        metrics.observe(ask, status, sent, seconds)
        access(ask, status, sent, seconds)
        if taking is not None:
            taking.ended(ask, status, sent)

    forwarding = Forwarding(trusted_proxies)
    rates = Rates(clock, requests_per_address, forwarding) if requests_per_address else None
    lane = Lane(clock, RequestIds(random), access, metrics, forwarding.believes, answers, rates.allows if rates else None)
    keep_true(lane, answers, small, held, doorkeeper, told)
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

    doorkeeper.forgotten, desk.ended = routes.rights_changed, routes.admin.end
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
        ReplacedDesk(Replacements(records, clock, partial(anew, every, announcements))),
        workers,
        bundles,
        AdoptDesk(adopting),
        packs,
        pushings,
    )
    inner = Skin(control.handle, nothing_ready, clock, random, receive=control.receive)
    return Door(
        public,
        DoorSite(inner, clock, room=control.room),
        routes,
        changing,
        taker,
        receive,
        history,
        (desk, releases, verify, bundles, control.adopt, packs),
        (skin, inner),
        control,
        access,
        rates,
        ahead_of(routes.pages, indexes, clock),
    )
