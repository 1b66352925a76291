"""The door as a whole: the public site and the control site, made of their parts in one visible place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.flights import landing
from pypidaemon.interfaces import IBlobStore, IIndex, IMeasured, IRecords, IUpstream
from pypidaemon.model import InThread
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.control import Control
from pypidaemon.web.files import Files
from pypidaemon.web.forwarding import Forwarding
from pypidaemon.web.legacy import Legacy
from pypidaemon.web.lists import Lists
from pypidaemon.web.metrics import Metrics
from pypidaemon.web.operations import Operations
from pypidaemon.web.pages import Pages
from pypidaemon.web.routes import Address, Routes
from pypidaemon.web.site import AccessLog, DoorSite
from pypidaemon.web.skin import Skin, nothing_ready


@attrs.define(eq=False, slots=False)
class Door(Service):
    """What clients reach. `site` listens for everybody, `control` on the socket of the daemon's own user."""

    site: DoorSite
    control: DoorSite
    routes: Routes

    def stopService(self) -> Deferred[None]:
        """Give up what is being made for clients that are gone by now; fires when that has ended."""
        Service.stopService(self)
        return landing(self.routes.lists.flights)


def build(
    *,
    indexes: Mapping[str, IIndex],
    default: str,
    upstreams: Mapping[str, IUpstream],
    records: IRecords,
    spool: IMeasured,
    lists: IBlobStore,
    announcements: Announcements,
    clock: IReactorTime,
    cpu: InThread,
    public_url: str | None,
    local_url: str,
    trusted_proxies: tuple[str, ...] = (),
    random: Callable[[int], bytes] = os.urandom,
) -> Door:
    """
    Put the door together.

    :param indexes: every exposed index by its label; `default` is the one at the root.
    :param lists: a store for rendered project lists and nothing else.
    :param public_url: the absolute address under which clients reach the default index's root, where it is configured.
    :param trusted_proxies: networks whose `X-Forwarded-*` headers are believed and whose connections are not counted one by one.
    :param local_url: the address to name where neither `public_url` nor a trustworthy Host says one.
    """
    answers = Answers(cpu)
    announcements.listen(answers.forget)
    metrics = Metrics(upstreams, spool, answers)
    routes = Routes(
        default=default,
        indexes=indexes,
        address=Address(public_url, local_url),
        records=records,
        pages=Pages(indexes, answers, clock),
        lists=Lists(indexes, lists, clock, cpu),
        files=Files(indexes),
        legacy=Legacy(indexes, answers, clock, cpu),
        operations=Operations(upstreams, records, metrics),
    )
    access = AccessLog(clock)

    def observe(ask: Ask, status: int, sent: int, seconds: float) -> None:
        metrics.observe(ask, status, sent, seconds)
        access(ask, status, sent, seconds)

    forwarding = Forwarding(trusted_proxies)
    skin = Skin(routes.handle, routes.quick, clock, random, observe, forwarding.seen)
    public = DoorSite(skin, clock, uncapped=forwarding)
    control = Control(default, indexes, upstreams, spool, answers, clock)
    return Door(public, DoorSite(Skin(control.handle, nothing_ready, clock, random), clock), routes)
