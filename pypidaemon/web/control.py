"""The control socket: HTTP over a Unix socket that only the daemon's own user can open, for the commands that change or look inside."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon import __version__
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IIndex, IMeasured, IPushing, IReading, IUpstream
from pypidaemon.packing.orders import LARGEST as LARGEST_ORDER
from pypidaemon.telling import plural
from pypidaemon.web.adopt import AdoptDesk
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.bundles import BundleDesk
from pypidaemon.web.cache import CacheDesk
from pypidaemon.web.inquiries import Inquiries
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.operations import counted, json_reply, moment, upstream_states
from pypidaemon.web.packs import PackDesk
from pypidaemon.web.people import LARGEST, PeopleDesk
from pypidaemon.web.releases import ReleaseDesk
from pypidaemon.web.replaced import ReplacedDesk
from pypidaemon.web.reply import Reply, text
from pypidaemon.web.rulings import RulingDesk
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.uploads import SMALL
from pypidaemon.web.verify import VerifyDesk
from pypidaemon.web.why import Why


@attrs.define
class Control:
    """
    Answers `GET /status`, `POST /refresh?name=...` or `POST /refresh?all=yes`, `GET /log`, `/check-upstream`, `/rulings`, `/who` and `/downloads`, and takes the
    orders about people, releases, what is blocked, the filling of indexes (`/sync`), the verification of what is stored (`/verify`), the caches of proxies (`/cache`),
    files that upstream replaced (`/replaced`), bundles to be taken in (`/bundle`), what older tools kept (`/adopt`) and what is to be packed (`/pack`).
    `GET /why?project=...` explains, `GET /configuration` says which file was read, and what was in it then, and `POST /reload` has it read again.
    """

    default: str
    indexes: Mapping[str, IIndex]
    upstreams: Mapping[str, IUpstream]
    spool: IMeasured
    answers: Answers
    clock: IReactorTime
    people: PeopleDesk
    releases: ReleaseDesk
    rulings: RulingDesk
    inquiries: Inquiries
    why: Why
    syncs: SyncDesk
    verify: VerifyDesk
    configuration: tuple[str, str]
    """The file, absolute, and its text; secrets are references in it."""
    reload: Callable[[], Awaitable[None]] | None = None
    cache: CacheDesk = attrs.field(factory=lambda: CacheDesk(None))
    disk: IMeasured | None = None
    count: Callable[[], Awaitable[None]] | None = None
    """Has the counts of the disk be those of now."""
    policies: Mapping[str, IReading] = MappingProxyType({})
    replaced: ReplacedDesk = attrs.field(factory=lambda: ReplacedDesk(None))
    workers: IMeasured | None = None
    bundles: BundleDesk = attrs.field(factory=lambda: BundleDesk(None))
    adopt: AdoptDesk = attrs.field(factory=lambda: AdoptDesk(None))
    packs: PackDesk = attrs.field(factory=lambda: PackDesk(None, None))
    pushings: Mapping[str, IPushing] = MappingProxyType({})
    started: float = attrs.field(init=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"))

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.seconds()

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`: orders come as bodies."""
        if ask.segments[:1] == ("people",):
            return self._collected(ask)
        taken = self.adopt.receive(ask) or self.packs.receive_operator(ask)
        return taken or self.releases.receive_operator(ask) or self.rulings.receive_operator(ask)

    def room(self, method: bytes, target: bytes) -> int:
        """As `Room`: what is to be packed may be a large lock file."""
        return LARGEST_ORDER if target.partition(b"?")[0].strip(b"/") == b"pack" else SMALL

    async def _collected(self, ask: Ask) -> Receiver:
        return Collected(LARGEST, lambda body: self.people.handle(ask, body))

    async def handle(self, ask: Ask) -> Reply:
        """
        One request of the command line.

        :raises InvalidName: a name to refresh or to explain is no project's name.
        """
        match (ask.method, ask.segments):
            case (_, ("people", *_)):
                return await self.people.handle(ask, b"")
            case (_, ("releases", *_)):
                return await self.releases.without_body(ask)
            case (_, ("sync",)):
                return await self.syncs.operate(ask)
            case (_, (what, *_)) if (desk := self._desk(what)) is not None:
                return await desk.operate(ask)
            case (_, ("verify",)):
                return self.verify.operate(ask)
            case ("GET", (_,)):
                return await self._told(ask)
            case (_, ("rulings", *_)):
                return await self.rulings.without_body(ask)
            case ("POST", ("refresh" | "reload" | "push" as verb,)):
                return await {"refresh": self._refresh, "reload": self._reload, "push": self._push}[verb](ask)
            case (_, ("status",)) | (_, ("refresh",)):
                return _other_method(ask)
        raise NoSuchFile("/".join(ask.segments)[:200])

    def _desk(self, what: str) -> CacheDesk | ReplacedDesk | BundleDesk | AdoptDesk | PackDesk | None:
        """Who answers whatever is below that segment."""
        desks: Mapping[str, CacheDesk | ReplacedDesk | BundleDesk | AdoptDesk | PackDesk]
        desks = {"cache": self.cache, "replaced": self.replaced, "bundle": self.bundles, "adopt": self.adopt, "pack": self.packs}
        return desks.get(what)

    async def _told(self, ask: Ask) -> Reply:
        match ask.segments:
            case ("rulings" | "who" | "downloads",):
                return await self.rulings.for_operator(ask)
            case ("log",):
                return await self.inquiries.log(ask)
            case ("check-upstream",):
                return await self.inquiries.check_upstream(ask)
            case ("why",):
                return await self.why.for_operator(ask)
            case ("configuration",):
                return json_reply(200, {"file": self.configuration[0], "text": self.configuration[1]})
            case ("status",):
                if self.count is not None:
                    await self.count()
                return json_reply(200, self._status() | {"services": await self.syncs.in_short()})
            case ("refresh",):
                return _other_method(ask)
        raise NoSuchFile("/".join(ask.segments)[:200])

    async def _refresh(self, ask: Ask) -> Reply:
        names = [project_name(value) for key, value in ask.query if key == "name"]
        everything = ("all", "yes") in ask.query
        if not names and not everything:
            return text(400, "say name=PROJECT or all=yes", ask.id)
        counts: dict[str, int] = {}
        for name in [None] if everything else names:
            counts[name or ""] = sum([await index.refresh(name) for index in self.indexes.values()])
        refreshed = sum(counts.values())
        what = "everything" if everything else " ".join(counts)
        self._log.info("refresh: {what}: {count} will be asked for again", what=what, count=plural(refreshed, "remembered answer"))
        return json_reply(200, {"refreshed": refreshed} if everything else {"refreshed": refreshed, "projects": counts})

    async def _push(self, ask: Ask) -> Reply:
        label = dict(ask.query).get("service") or next(iter(self.pushings), "")
        if label not in self.pushings:
            known = " ".join(sorted(self.pushings)) or "none"
            return text(404, f"there is no service {label!r} that pushes; there are: {known}", ask.id)
        return json_reply(200, {"service": label, "run": self.pushings[label].begin()})

    async def _reload(self, ask: Ask) -> Reply:
        if self.reload is None:
            raise NoSuchFile("reload")
        try:
            await self.reload()
        except PypidaemonError as error:
            return text(400, str(error), ask.id)
        return json_reply(200, {"file": self.configuration[0]})

    def _status(self) -> dict[str, object]:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": moment(self.started),
            "uptime_seconds": round(self.clock.seconds() - self.started, 1),
            "index": self.default,
            "indexes": sorted(self.indexes),
            "upstreams": {label: state | counted(self.upstreams[label]) for label, state in upstream_states(self.upstreams).items()},
            "downloads": dict(self.spool.measures()),
            **({"disk": dict(self.disk.measures())} if self.disk is not None else {}),
            **({"workers": dict(self.workers.measures())} if self.workers is not None else {}),
            **({"pushes": {label: one.state() for label, one in self.pushings.items()}} if self.pushings else {}),
            **({"policies": {label: dict(policy.read()) for label, policy in self.policies.items()}} if self.policies else {}),
            "answers": {
                "held": len(self.answers),
                "bytes": self.answers.weight,
                "ready": self.answers.hits,
                "rendered": self.answers.misses,
                "recalled": self.answers.recalled,
            },
        }


def _other_method(ask: Ask) -> Reply:
    return text(405, "GET /status or POST /refresh", ask.id, (("Allow", "GET" if ask.segments == ("status",) else "POST"),))
