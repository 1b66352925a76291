"""Which address leads where. Every index that is exposed has the same addresses below its own root (design §5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import attrs

from pypidaemon import passage
from pypidaemon.errors import Loop, NoSuchFile, Refused
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IHostedIndex, IIndex, IRecords
from pypidaemon.leaves import bare
from pypidaemon.web import failures
from pypidaemon.web.administration import Administration
from pypidaemon.web.ask import Ask
from pypidaemon.web.browsing import Browsing
from pypidaemon.web.feeds import Feeds
from pypidaemon.web.files import Files
from pypidaemon.web.gate import Gate
from pypidaemon.web.inquiries import Inquiries
from pypidaemon.web.integrity import Integrity
from pypidaemon.web.legacy import Legacy
from pypidaemon.web.links import Links
from pypidaemon.web.lists import Lists
from pypidaemon.web.operations import Operations
from pypidaemon.web.packs import PackDesk
from pypidaemon.web.pages import Pages, moved
from pypidaemon.web.pep381 import Pep381
from pypidaemon.web.readers import wants_html
from pypidaemon.web.releases import ReleaseDesk
from pypidaemon.web.reply import Reply, text
from pypidaemon.web.rulings import RulingDesk
from pypidaemon.web.shown import MOMENTS, Past, Shown, view_of
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.uploads import retired
from pypidaemon.web.why import Why

READING = ("GET", "HEAD")
_OPERATIONS = (("",), ("+health",), ("+ready",), ("+metrics",))


@attrs.define
class Address:
    """
    The absolute address of this daemon, needed where a relative one cannot stand (R13).

    `public` is what the configuration says. Behind a trusted proxy the Host is the one the proxy passed on. Without it a Host that is an IP address or `localhost` is believed, since no other site can make a browser
    send one of those; any other Host is not, and `local` is used.
    """

    public: str | None
    local: str

    def root(self, ask: Ask) -> str:
        """The address of the default index's root, ending in "/"."""
        if self.public is not None:
            return self.public.rstrip("/") + "/"
        if _is_plain(ask.host):
            return f"{'https' if ask.secure else 'http'}://{ask.host}/"
        return self.local.rstrip("/") + "/"


def _is_plain(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    # Brackets are for IPv6 (RFC 3986 section 3.2.2), and what reads addresses with others in them fails.
    return name.startswith("[") == (address.version == 6)


@attrs.define
class Routes:
    """The public side: `quick` and `handle` are what the skin calls."""

    default: str
    indexes: Mapping[str, IIndex]
    gate: Gate
    address: Address
    records: IRecords
    past: Past
    pages: Pages
    integrity: Integrity
    lists: Lists
    files: Files
    legacy: Legacy
    links: Links
    operations: Operations
    releases: ReleaseDesk
    rulings: RulingDesk
    inquiries: Inquiries
    why: Why
    syncs: SyncDesk
    packs: PackDesk
    pep381: Pep381
    views: Browsing
    feeds: Feeds
    admin: Administration
    uploads: str | None = None
    """The label of the index that uploads at the root go to; None where uploads are off."""

    @property
    def flights(self) -> tuple[Flights[Any, Any], ...]:
        """What is under way for lists and for people."""
        lists = self.lists
        own = (lists.flights, lists.reading, lists.sweeps, self.pep381.flights, self.why.flights, self.feeds.flights)
        return (*own, self.admin.facts.flights, *self.views.flights, *self.admin.flights)

    def rights_changed(self) -> None:
        """Somebody may see other things than before."""
        self.lists.forget()
        self.links.forget()
        self.views.rights_changed()

    def quick(self, ask: Ask) -> Reply | None:
        """A ready answer to a request for a project page or a small file, without a coroutine; None for everything else."""
        if ask.method not in READING or ask.headers.first("via") is not None:
            return None
        account = self.gate.known(ask)
        if account is None:
            return None
        match ask.segments:
            case ("simple", project, "") if project:
                return self.pages.quick(ask, account, self.default, project)
            case ("index", label, "simple", project, "") if project and label in self.indexes:
                return self.pages.quick(ask, account, label, project)
            case ("simple", ""):
                return self._quick_list(ask, account, self.default)
            case ("index", label, "simple", "") if label in self.indexes:
                return self._quick_list(ask, account, label)
            case ("packages", *below):
                return self.files.quick(ask, account, self.default, tuple(below))
            case ("index", label, "packages", *below):
                return self.files.quick(ask, account, label, tuple(below))
            case ("at", moment, "simple", project, "") if project and (view := view_of(moment)) is not None:
                return self.pages.quick(ask, account, self.default, project, view)
        return None

    def _quick_list(self, ask: Ask, account: IAccount, label: str) -> Reply | None:
        # Whoever may do nothing at all there is told so on the other road.
        hosted = IHostedIndex.providedBy(bare(self.indexes[label]))
        allowed = not hosted or any(account.may(action, label, None) for action in ("read", "list"))
        return self.lists.quick(ask, account, label) if allowed and (self.uploads is None or retired(ask) is None) else None

    async def handle(self, ask: Ask) -> Reply:
        """
        Any request.

        :raises Loop: the request came from this daemon itself, by way of others (L9).
        :raises PypidaemonError: as the index asked; the skin has the table.
        """
        if ask.segments[:2] == ("+api", "releases"):
            return await self.releases.without_body(ask)
        if ask.segments[:2] == ("+api", "rulings") and len(ask.segments) > 2:
            return await self.rulings.without_body(ask)
        if ask.segments == ("+sync",):
            return await self.syncs.answer(ask)
        if ask.segments == ("+pack",):
            return await self.packs.answer(ask)
        if ask.method not in READING:
            return text(405, "only GET and HEAD are answered here", ask.id, (("Allow", ", ".join(READING)),))
        await self._check_loop(ask)
        if self.uploads is not None and (reply := retired(ask)) is not None:
            return reply
        if ask.segments[:1] == ("+admin",):
            return await self.admin.answer(ask)
        if ask.segments in _OPERATIONS and not (ask.segments == ("",) and wants_html(ask)):
            return await self.operations.handle(ask, self.address.root(ask))
        if (asset := await self.views.asset(ask)) is not None:
            return asset
        return await self.views.shown(ask, self._let_in(ask))

    async def _let_in(self, ask: Ask) -> Reply:
        return await self._admitted(ask, await self.gate.admit(ask))

    async def _admitted(self, ask: Ask, account: IAccount) -> Reply:
        match ask.segments:
            case ("+api", "log"):
                return await self.inquiries.log_for(ask, account)
            case ("+api", "rulings"):
                return await self.rulings.listed(ask, account)
            case ("+api", "who"):
                return await self.rulings.who(ask, account)
            case ("status",):
                return moved(ask, "status/")
            case ("status", ""):
                return await self.views.status(ask, account)
            case ("+events",):
                return await self.views.news(ask, account)
            case ("index", label, *below) if label in self.indexes:
                return await self._of_index(ask, account, self._shown(label), tuple(below), f"index/{label}/")
            case ("at", moment, *below) if below or moment != "json":  # `/at/json` is a document about a project of that name
                return await self._of_past(ask, account, moment, tuple(below))
        return await self._of_index(ask, account, self._shown(self.default), ask.segments, "")

    async def _of_past(self, ask: Ask, account: IAccount, moment: str, below: tuple[str, ...]) -> Reply:
        view = view_of(moment)
        if view is None:
            return text(404, f"no such moment: {MOMENTS}", ask.id)
        return await self._of_index(ask, account, self.past.at(view), below, f"at/{view}/")

    def _shown(self, label: str) -> Shown:
        return Shown(label, self.indexes[label])

    async def _of_index(self, ask: Ask, account: IAccount, index: Shown, below: tuple[str, ...], root: str) -> Reply:
        if IHostedIndex.providedBy(bare(self.indexes[index.label])):
            # Clients that send credentials only once they are asked for them are asked by the first thing they want (P5).
            self.gate.check_index(account, ("read", "list"), index.label)
        match below:
            case ("simple", *rest):
                return await self._simple(ask, account, index, tuple(rest))
            case ("legacy", "+simple", project, "") if (target := self._taking(index, root)) is not None:
                # Hatch looks here for what it need not upload (R175). It follows no redirect, and reads what links say, not where they lead.
                return await self._of_index(ask, account, self._shown(target), ("simple", project, ""), f"index/{target}/")
            case ("links",):
                return moved(ask, "links/")
            case ("links", ""):
                return await self.links.page(ask, account, index)
            case ("last-modified",):
                return await self.pep381.last_modified(ask, account, index)
            case ("local-stats", "days", day):
                return await self.pep381.local_stats(ask, index, day)
        page = await self.views.answer(ask, account, index, below, root, self.address.root(ask) + root)
        if page is not None:
            return page
        return await self._of_project(ask, account, index, below, root)

    async def _of_project(self, ask: Ask, account: IAccount, index: Shown, below: tuple[str, ...], root: str) -> Reply:
        """What there is of single projects besides their pages."""
        match below:
            case ("+why", project):
                return await self.why.answer(ask, account, index, project, None, root)
            case ("+why", project, version):
                return await self.why.answer(ask, account, index, project, version, root)
            case ("rss", *rest):
                return await self.feeds.answer(ask, account, index, rest, self.address.root(ask) + root)
            case ("packages", *rest):
                try:
                    return await self.files.file(ask, account, index, tuple(rest))
                except Refused as error:
                    return failures.answer(error, ask.id, of_file=True)
            case ("integrity", project, version, filename, "provenance"):
                return await self.integrity.document(ask, account, index, project, version, filename)
            case ("pypi", *_) | (_, "json"):
                return await self._legacy(ask, account, index, below, self.address.root(ask) + root)
        raise NoSuchFile("/".join(below)[:200])

    def _taking(self, index: Shown, root: str) -> str | None:
        """The index that an upload below this root goes to, if any does; nobody uploads to the past."""
        if index.view:
            return None
        target = index.label if root else self.uploads
        return target if target is not None and target in self.indexes and IHostedIndex.providedBy(bare(self.indexes[target])) else None

    async def _legacy(self, ask: Ask, account: IAccount, index: Shown, below: tuple[str, ...], base: str) -> Reply:
        match below:
            case ("pypi", _, "json", "") | ("pypi", _, _, "json", ""):
                return moved(ask, "../json")
            case ("pypi", project, "json") | (project, "json"):
                return await self.legacy.document(ask, account, index, project, None, base)
            case ("pypi", project, version, "json"):
                return await self.legacy.document(ask, account, index, project, version, base)
        raise NoSuchFile("/".join(below)[:200])

    async def _simple(self, ask: Ask, account: IAccount, index: Shown, below: tuple[str, ...]) -> Reply:
        match below:
            case ():
                return moved(ask, "simple/")
            case ("",):
                # Of the past too it is the list of now: names cannot be judged without their pages.
                return await self.lists.listing(ask, account, index.label)
            case (project,) if project != "namespaces":  # PEP 752's own address, which must not lead to a project (R122)
                return await self.pages.page(ask, account, index, project, slash=False)
            case (project, ""):
                return await self.pages.page(ask, account, index, project, slash=True)
        raise NoSuchFile("/".join(("simple", *below))[:200])

    async def _check_loop(self, ask: Ask) -> None:
        """RFC 9110 §7.6.3: whoever finds its own name in `Via` is asking itself."""
        passed = ask.headers.every("via")
        passage.note(passed, ask.client)
        if passed and await self.records.identity() in ",".join(passed):
            raise Loop("this request came from here: two daemons have each other as upstream")
