"""Why a project looks here as it does: `/+why/<project>` and `/+why/<project>/<version>`, for people and for programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import attrs
import orjson
from twisted.internet.defer import DeferredSemaphore

from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError
from pypidaemon.explaining import explain, visible
from pypidaemon.filenames import project_name
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IIndex
from pypidaemon.model import Explanation, InThread, NormalizedName, Outcome
from pypidaemon.simple.negotiation import choose_type
from pypidaemon.telling import document, lines, no_address
from pypidaemon.versions import LONGEST_VERSION
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hearing import insist_may_hear
from pypidaemon.web.operations import json_reply
from pypidaemon.web.pages import moved
from pypidaemon.web.readers import up
from pypidaemon.web.reply import Reply, text
from pypidaemon.web.shown import Shown

AT_ONCE = 2
"""Explanations that are put together or rendered at the same time: one of 8,000 files takes most of a second of the processor."""

T = TypeVar("T")
_FORMS = {"html": "text/html", "json": "application/json", "text": "text/plain"}
_FRESH = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Vary", "Accept"))


def _json(said: Mapping[str, Any]) -> bytes:
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _text(said: Mapping[str, Any]) -> bytes:
    return ("\n".join(lines(said)) + "\n").encode()


def _html(said: Mapping[str, Any], up: str, root: str, number: int) -> bytes:
    # What makes pages for people is loaded with the first of them, here on a thread.
    from pypidaemon.web.views.why_html import html

    return html(said, up, root, number)


_Rendering: TypeAlias = Callable[[Mapping[str, Any]], bytes]
_RENDERINGS: Mapping[str, tuple[str, _Rendering]] = {
    "application/json": ("application/json", _json),
    "text/plain": ("text/plain; charset=utf-8", _text),
}
_KINDS = ("text/html", *_RENDERINGS)
_MOST_PAGES = 10_000


@attrs.define
class Why:
    """Answers for every index with an address, and the command line by way of the control socket."""

    default: str
    indexes: Mapping[str, IIndex]
    gate: Gate
    cpu: InThread
    flights: Flights[tuple[str, str, str, int], Explanation] = attrs.field(init=False, factory=Flights)
    _turns: DeferredSemaphore = attrs.field(init=False, factory=lambda: DeferredSemaphore(AT_ONCE))

    async def answer(self, ask: Ask, account: IAccount, index: Shown, spelled: str, version: str | None, root: str = "") -> Reply:
        """
        The explanation, of what the account may read.

        :param root: where the index's own addresses are below the daemon's root: "" or `index/LABEL/`.

        :raises InvalidName: that is no project's name.
        :raises NotAllowed: as the page.
        :raises NoSuchProject: as the page, where the account may see nothing that was asked, or may not know what it may not see.
        :raises NoSuchFile: no version is as long as that.
        """
        name = project_name(spelled)
        if spelled != name or version == "":
            tail = f"/{quote(version, safe='')}" if version else ""
            return moved(ask, ("" if version is None else "../") + name + tail)
        if version is not None and len(version) > LONGEST_VERSION:
            raise NoSuchFile(f"{name} {version[:LONGEST_VERSION]}")
        seen = await self.told(account, index, name)
        sources = seen.page.sources if seen.page is not None else ()
        source = (("X-Pypidaemon-Index", ", ".join(sources)),) if sources else ()
        form = _form(ask)
        if form == "text/html":
            number = _page_number(ask)
            body = await self._in_turn(lambda: self.cpu(_rendered, lambda said: _html(said, up(ask), root, number), seen, name, version))
            # That has loaded it by now.
            from pypidaemon.web.views.frame import finished

            return finished(ask, body, headers=(("Cache-Control", "no-store"), *source))
        kind, render = _RENDERINGS[form]
        body = await self._in_turn(lambda: self.cpu(_rendered, render, seen, name, version))
        return Reply(200, (("Content-Type", kind), *_FRESH, *source), body)

    async def told(self, account: IAccount, index: Shown, name: NormalizedName) -> Explanation:
        """
        What there is to explain, as far as the account may see it.

        :raises NotAllowed: as `answer`.
        :raises NoSuchProject: as `answer`.
        """
        told = await self._told(index, name)
        if told.outcome is Outcome.REFUSED:
            # Whose the project is nobody said, and the reason may be about one that is private.
            await insist_may_hear(self.gate, account, index.index, (name,))
        return self._seen(account, told, name)

    async def _told(self, index: Shown, name: NormalizedName) -> Explanation:
        """The whole explanation, whoever asked for it: what an account may see of it is cut out later."""
        age = self.gate.rulemaking.rulings.age if self.gate.rulemaking is not None else 0
        return await self.flights.join((index.label, index.view, name, age), lambda: self._explained(index.index, name))

    async def _explained(self, index: IIndex, name: NormalizedName) -> Explanation:
        try:
            # An upstream may take its time, and is waited for before one of the few turns is taken.
            await index.project_page(name)
        except PypidaemonError:
            # It is asked once more, and there is no long page to explain.
            return await explain(index, name)
        return await self._in_turn(lambda: explain(index, name))

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """Of what costs much for long pages, which anybody may ask for, no more is done at once."""
        await self._turns.acquire()
        try:
            return await work()
        finally:
            self._turns.release()

    async def for_operator(self, ask: Ask) -> Reply:
        """
        `GET /why?project=...` on the control socket, also with `version` and `index`: the explanation as JSON, of everything.

        :raises InvalidName: that is no project's name.
        """
        given = dict(ask.query)
        label = given.get("index", self.default)
        if label not in self.indexes:
            return text(404, no_address(label[:80], self.indexes), ask.id)
        name = project_name(given.get("project", ""))
        told = await explain(self.indexes[label], name)
        return json_reply(200, await self.cpu(document, told, name, given.get("version")))

    def _seen(self, account: IAccount, told: Explanation, name: NormalizedName) -> Explanation:
        if told.page is not None:
            self.gate.check_sources(account, told.page.sources, name)
        elif self.gate.conceal and told.outcome is Outcome.ABSENT:
            # Or whoever may not know of a project would see, by what there is to say of all others, that it is there.
            raise NoSuchProject(name)
        seen = visible(told, lambda label: account.may("read", label, name))
        if seen is None:
            if told.outcome is not Outcome.ABSENT:
                self.gate.check_sources(account, told.leaves, name)
            raise NoSuchProject(name)
        return seen


def _form(ask: Ask) -> str:
    """What the client wants to read: `?format=html`, `json` or `text`, else as `Accept` says."""
    wanted = dict(ask.query).get("format", "")
    return _FORMS.get(wanted) or choose_type(ask.headers.every("accept"), _KINDS) or "text/html"


def _page_number(ask: Ask) -> int:
    """`?page=N`; anything else is the first."""
    said = dict(ask.query).get("page", "")
    return min(max(int(said), 1), _MOST_PAGES) if said.isascii() and said.isdigit() and len(said) < 6 else 1


def _rendered(render: _Rendering, told: Explanation, name: NormalizedName, version: str | None) -> bytes:
    return render(document(told, name, version))
