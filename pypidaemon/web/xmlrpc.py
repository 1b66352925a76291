"""XML-RPC at `/pypi` and `/RPC2`, read only: what mirrors, `pip search` and tools from before JSON ask (R146-R150, P13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs
import orjson

from pypidaemon import passage
from pypidaemon.errors import InvalidName, NoSuchFile, NoSuchProject, Refused
from pypidaemon.filenames import project_name, version_of
from pypidaemon.interfaces import IAccount, IHostedIndex, IIndex, ILocal
from pypidaemon.leaves import bare, local_page, locals_below
from pypidaemon.model import InThread, NormalizedName, ProjectPage
from pypidaemon.simple.legacy import legacy_json
from pypidaemon.simple.xml_rpc import BAD_PARAMETERS, NO_METHOD, RETIRED, Dangerous, Fault, moment, read_call, write_answer, write_fault
from pypidaemon.versions import LONGEST_VERSION, same_version
from pypidaemon.web.ask import Ask
from pypidaemon.web.finding import Finder, Query
from pypidaemon.web.gate import Gate
from pypidaemon.web.history import History
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.legacy import described, metadata_of
from pypidaemon.web.lists import Lists
from pypidaemon.web.reply import Reply, Stream, text

LARGEST = 65536
"""Bytes of a call; `pip search` sends 300."""
_MOST_TERMS = 20
_KINDS = frozenset({"text/xml", "application/xml"})
_GONE = frozenset({"browse", "changelog", "package_data", "package_roles", "system.multicall", "top_packages", "user_packages"})
_HEADERS = (("Content-Type", "text/xml; charset=utf-8"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


@attrs.frozen
class _Call:
    """Who asks, of which index; `base` is the absolute address of its root."""

    account: IAccount
    label: str
    index: IIndex
    base: str


@attrs.define
class XmlRpc:
    """
    Answers calls, for the default index at the root and for every other one below its own.

    What the account may not list and read is answered as what is not there, and so is what does not exist: with an empty result and no fault. A
    project of ours is asked of our own indexes alone, so that none of these calls tells an upstream its name.

    :param everything: all indexes there are, also those that are not exposed.
    :param root: the absolute address of the default index's root, ending in "/" (R13).
    """

    default: str
    indexes: Mapping[str, IIndex]
    everything: Mapping[str, IIndex]
    gate: Gate
    history: History
    lists: Lists
    finder: Finder
    cpu: InThread
    root: Callable[[Ask], str]

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`: calls are small bodies of XML."""
        kind = (ask.headers.first("content-type") or "").partition(";")[0].strip().lower()
        if ask.method != "POST" or kind not in _KINDS:
            return None
        match ask.segments:
            case ("pypi" | "RPC2",) | ("pypi" | "RPC2", ""):
                return self._collected(ask, self.default, "")
            case ("index", label, "pypi" | "RPC2") | ("index", label, "pypi" | "RPC2", "") if label in self.indexes:
                return self._collected(ask, label, f"index/{label}/")
        return None

    async def _collected(self, ask: Ask, label: str, below: str) -> Receiver:
        account = await self.gate.admit(ask)
        index = self.indexes[label]
        if IHostedIndex.providedBy(bare(index)):
            self.gate.check_index(account, ("read", "list"), label)
        call = _Call(account, label, index, self.root(ask) + below)
        return Collected(LARGEST, lambda body: self._answer(ask, call, body))

    async def _answer(self, ask: Ask, call: _Call, body: bytes) -> Reply:
        """
        Answer one call; faults are 200, as XML-RPC has it.

        :raises UpstreamUnavailable: an upstream is needed and cannot be asked; a mirror must not take that for an answer (law 10).
        """
        passage.note(ask.headers.every("via"), ask.client)
        try:
            method, parameters = await self.cpu(read_call, body)
            # The body may have been long on its way: the rights of now count, and what is kept of an answer is kept under them (S73).
            call = attrs.evolve(call, account=await self.gate.admit(ask))
            answer = await self._result(call, method, parameters)
            if isinstance(answer, Stream):
                return Reply(200, _HEADERS, stream=answer)
            return Reply(200, _HEADERS, await self.cpu(write_answer, answer))
        except Dangerous as error:
            return text(400, str(error), ask.id)
        except Fault as fault:
            return Reply(200, _HEADERS, write_fault(fault))

    async def _result(self, call: _Call, name: str, given: Sequence[Any]) -> Any:
        method = _METHODS.get(name)
        if method is None:
            gone = name in _GONE
            raise Fault(
                *((RETIRED, f"{name} is not answered any more") if gone else (NO_METHOD, "there is no such method; see system.listMethods"))
            )
        fits = len(method.kinds) - method.optional <= len(given) <= len(method.kinds)
        # A boolean is a number to Python and no serial to anybody.
        if not fits or any(
            not isinstance(one, kind) or (kind is int and isinstance(one, bool)) for one, kind in zip(given, method.kinds, strict=False)
        ):
            raise Fault(BAD_PARAMETERS, f"{name} takes {method.takes}")
        return await method.act(self, call, *given)

    async def _list(self, call: _Call) -> Stream:
        return await self.lists.rendered(call.account, call.label, "xml")

    async def _list_with_serials(self, call: _Call) -> Stream:
        await self.history.settle(call.label, call.index)
        return await self.lists.rendered(call.account, call.label, "xml-serials")

    async def _last_serial(self, call: _Call) -> int:
        return await self.history.last(call.label, call.index)

    async def _methods(self, call: _Call) -> list[str]:
        return sorted(_METHODS)

    async def _page(self, call: _Call, spelled: str) -> tuple[IIndex, ProjectPage] | None:
        """What the account may see of a project, with the index to open its files by."""
        try:
            name = project_name(spelled)
            found = await self._found(call.index, name)
        except (InvalidName, NoSuchProject, Refused):
            return None
        if found is None or not _sees(call.account, found[1].sources, name) or found[1].status.marker == "quarantined":
            return None
        return found

    async def _found(self, index: IIndex, name: NormalizedName) -> tuple[IIndex, ProjectPage] | None:
        ours = locals_below(index)
        for leaf in ours:
            page = await local_page(leaf, name)
            if page is not None:
                return leaf.view, page
        below = {leaf.index.label for leaf in ours}
        for label, other in self.everything.items():
            # Of a project that is ours, though not below this index, no upstream is told either.
            if ILocal.providedBy(other) and label not in below and await _has(other, name):
                return None
        return index, await index.project_page(name)

    async def _releases(self, call: _Call, spelled: str, hidden: object = False) -> list[str]:
        found = await self._page(call, spelled)
        return [] if found is None else await self.cpu(_versions, found[1], bool(hidden))

    async def _urls(self, call: _Call, spelled: str, version: str) -> list[dict[str, Any]]:
        found = await self._page(call, spelled) if len(version) <= LONGEST_VERSION else None
        document = await self.cpu(_document, found[1], version, None, call.base) if found is not None else {}
        return [_url(entry) for entry in document.get("urls", [])]

    async def _data(self, call: _Call, spelled: str, version: str) -> dict[str, Any]:
        found = await self._page(call, spelled) if len(version) <= LONGEST_VERSION else None
        if found is None:
            return {}
        view, page = found
        try:
            files = await self.cpu(described, page, version)
        except (NoSuchProject, NoSuchFile):
            return {}
        metadata, _ = await metadata_of(view, page, files)
        document = await self.cpu(_document, page, version, metadata, call.base)
        info: dict[str, Any] = document.get("info", {})
        return info

    async def _changes(self, call: _Call, since: int) -> list[list[Any]]:
        return await self.history.since(call.account, call.label, call.index, since)

    async def _search(self, call: _Call, spec: Mapping[str, Any], operator: str = "and") -> list[dict[str, Any]]:
        query = Query({field: _terms(spec[field]) for field in ("name", "summary") if spec.get(field)}, operator == "and")
        if not any(query.terms.values()):
            return []
        hits = await self.finder.search(call.index, call.account, query)
        return [{"name": hit.name, "version": hit.version, "summary": hit.summary, "_pypi_ordering": 0} for hit in hits]


@attrs.frozen
class _Method:
    """What a method does, the kinds of its parameters, how many of the last may be left out, and what it takes in words."""

    act: Callable[..., Awaitable[Any]]
    kinds: tuple[type, ...] = ()
    optional: int = 0
    takes: str = "nothing"


_METHODS: Mapping[str, _Method] = {
    "changelog_last_serial": _Method(XmlRpc._last_serial),
    "changelog_since_serial": _Method(XmlRpc._changes, (int,), takes="a serial"),
    "list_packages": _Method(XmlRpc._list),
    "list_packages_with_serial": _Method(XmlRpc._list_with_serials),
    "package_releases": _Method(XmlRpc._releases, (str, object), 1, "a project, and whether to give yanked releases as well"),
    "release_data": _Method(XmlRpc._data, (str, str), takes="a project and a version"),
    "release_urls": _Method(XmlRpc._urls, (str, str), takes="a project and a version"),
    "search": _Method(XmlRpc._search, (dict, str), 1, "a struct of name and summary, and the word and or the word or"),
    "system.listMethods": _Method(XmlRpc._methods),
}


def _sees(account: IAccount, labels: tuple[str, ...], name: NormalizedName) -> bool:
    return all(account.may(action, label, name) for label in labels for action in ("list", "read"))


async def _has(index: IIndex, name: NormalizedName) -> bool:
    try:
        await index.project_page(name)
    except NoSuchProject:
        return False
    return True


def _terms(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST_TERMS or not all(isinstance(one, str) for one in values):
        raise Fault(BAD_PARAMETERS, f"terms are texts, at most {_MOST_TERMS}")
    return tuple(one.strip().lower() for one in values if one.strip())


def _versions(page: ProjectPage, hidden: bool) -> list[str]:
    """The versions of a page, newest first; without `hidden` those alone that have a file which is not yanked."""
    offered = {same_version(version_of(file.filename, page.name) or "") for file in page.files if file.yanked is None}
    return [version for version in reversed(page.versions) if hidden or same_version(version) in offered]


def _document(page: ProjectPage, version: str, metadata: bytes | None, base: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(legacy_json(page, version, metadata, base) or b"{}")
    return document


def _url(entry: dict[str, Any]) -> dict[str, Any]:
    """A file as `release_urls` gives it."""
    entry["upload_time"] = moment(entry["upload_time"])
    entry.setdefault("md5_digest", entry["digests"].get("md5"))
    return entry
