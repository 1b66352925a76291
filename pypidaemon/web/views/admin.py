"""
The administration, `/+admin/...`: signing in and out, which page an address is, and what has to hold before a form is heeded (S72-S75).

All of it is below one folder, where the cookie is sent and nowhere else: no other address knows it, so nothing that is uploaded, installed or kept ready
depends on who has signed in.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote, urlsplit

import attrs

from pypidaemon.accounts.orders import perform
from pypidaemon.accounts.sessions import Sessions
from pypidaemon.accounts.words import Unacceptable
from pypidaemon.callers import Caller
from pypidaemon.errors import NoSuchFile, NotAllowed, PypidaemonError
from pypidaemon.model import InThread, T
from pypidaemon.packing.orders import LARGEST as LARGEST_ORDER
from pypidaemon.rulemaking import insist
from pypidaemon.web import failures
from pypidaemon.web.administration import FOLDER
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts, bare
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.pages import moved
from pypidaemon.web.posted import PLAIN, WITH_FILE, kind_of, read
from pypidaemon.web.readers import wants_html
from pypidaemon.web.reply import Reply, onward, text
from pypidaemon.web.views.admin_deeds import AdminDeeds
from pypidaemon.web.views.admin_page import FORM_WORD, Visit, entry, hidden, page, root_of
from pypidaemon.web.views.admin_people import accounts, rulings, tokens
from pypidaemon.web.views.admin_project import ProjectAdmin
from pypidaemon.web.views.admin_status import StatusAdmin
from pypidaemon.web.views.frame import trouble
from pypidaemon.web.views.markup import Content, tag

SMALL = 65_536
"""Bytes of a form without a file."""
SMALLEST = 16_384
"""Bytes of a name and a password, however they are written: all that is taken of who is not known yet."""
MOST_COOKIES = 8
"""Words of our name in one request that are looked at: another site of this host may have put some there."""

_WORD = re.compile(r"[A-Za-z0-9_-]{43}")
_WAY = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._~-]*/){0,3}")
_NAME = "pypidaemon-session"


@attrs.define
class AdminDesk:
    """Answers them."""

    gate: Gate
    hosts: Hosts
    sessions: Sessions
    deeds: AdminDeeds
    projects: ProjectAdmin
    status: StatusAdmin
    cpu: InThread

    async def answer(self, ask: Ask) -> Reply:
        """A page, or what went wrong as one."""
        return await self._told(ask, self._looked_at(ask))

    async def received(self, ask: Ask) -> Receiver | Reply:
        """As `Receive`, once it is waited for: who takes a form of one of our pages."""
        return await self._told(ask, self._heeded(ask))

    async def _heeded(self, ask: Ask) -> Receiver | Reply:
        """
        Who takes that form, by its head alone: no page of another site has sent it, and whoever did has signed in.

        :raises NotAllowed: neither may be so.
        """
        if self.hosts.from_elsewhere(ask):
            raise NotAllowed("pages of other sites may give no orders here", would_help=False)
        kind = kind_of(ask.headers.first("content-type"))
        if kind not in (PLAIN, WITH_FILE):
            return text(415, "send a form", ask.id)
        if ask.segments[1:] == ("sign-in",):
            return Collected(SMALLEST, lambda body: self._told(ask, self._signed_in(ask, body)))
        visit, _ = await self._insist(ask)
        limit = SMALL
        if ask.segments[1:] == ("pack",):
            insist(visit.account, "packing is for administrators")
            # A megabyte of the plain kind takes eighty to be read.
            limit = LARGEST_ORDER if kind == WITH_FILE else SMALL
        return Collected(limit, lambda body: self._told(ask, self._done(ask, body)))

    async def _signed_in(self, ask: Ask, body: bytes) -> Reply:
        posted = read(ask.headers.first("content-type") or "", body)
        name, password = posted.one("name"), next((value for key, value in posted.pairs if key == "password"), "")
        to = posted.one("to") if _WAY.fullmatch(posted.one("to")) else ""
        if self.gate.rulemaking is not None:
            await self.gate.rulemaking.learn()
        try:
            word, session = await self.sessions.sign_in(name, password, ask.client)
        except NotAllowed as error:
            return self._entrance(ask, to, str(error), status=403)
        for former in self._words(ask):
            self.sessions.sign_out(former)
        ask.notes.account = session.name
        return onward(f"./{to}", (self._cookie(ask, word),))

    async def _done(self, ask: Ask, body: bytes) -> Reply:
        posted = await self.cpu(read, ask.headers.first("content-type") or "", body)
        # The rights are those of now: the body may have taken its time, and the session may be over meanwhile (S73).
        visit, word = await self._insist(ask)
        if not self.sessions.is_form_word(word, posted.one(FORM_WORD)):
            raise NotAllowed("this form is not of the session that you are in: load its page again", would_help=False)
        if ask.segments[1:] == ("sign-out",):
            self.sessions.sign_out(word)
            return onward("sign-in", (self._cookie(ask, ""),))
        try:
            done = await self.deeds.done(ask, visit, posted)
        except Unacceptable as error:
            return self._refused(ask, text(400, str(error), ask.id))
        if done is None:
            raise NoSuchFile("/".join(ask.segments)[:200])
        return self._refused(ask, done) if done.status >= 400 else done

    async def _looked_at(self, ask: Ask) -> Reply:
        below = ask.segments[1:]
        match below:
            case ():
                return moved(ask, f"{FOLDER}/")
            case ("accounts" | "tokens" | "rulings" | "status" as word,):
                return moved(ask, f"{word}/")
            case ("sign-in",):
                asked = dict(ask.query).get("to", "")
                return self._entrance(ask, asked if _WAY.fullmatch(asked) else "")
            case ("sign-out" | "sync" | "probe" | "pack",) | ("people", _, _) | ("releases", _):
                return text(405, "send the form of its page", ask.id, (("Allow", "POST"),))
            case ("rulings", verb) if verb:
                return text(405, "send the form of its page", ask.id, (("Allow", "POST"),))
        found = await self._visit(ask)
        if found is None:
            to = "/".join(below)
            return onward(f"{root_of(ask)}sign-in" + (f"?to={quote(to, safe='')}" if to and _WAY.fullmatch(to) else ""))
        return await self._shown(ask, found[0], below)

    async def _shown(self, ask: Ask, visit: Visit, below: tuple[str, ...]) -> Reply:
        caller = Caller(visit.account, ask.client)
        match below:
            case ("",):
                return self._overview(ask, visit)
            case ("accounts" | "tokens" as what, ""):
                insist(visit.account, "accounts and tokens are for administrators")
                words = ("user", "ls") if what == "accounts" else ("token", "ls")
                found: dict[str, Any] = await perform(self.deeds.people.people, caller.actor, words, {})
                body = await self.cpu(accounts if what == "accounts" else tokens, ask, visit, found)
                return page(ask, visit, what.capitalize(), body, section=f"{what}/")
            case ("rulings", ""):
                insist(visit.account)
                body = await self.cpu(rulings, ask, visit, await self.deeds.rulemaking.listed())
                return page(ask, visit, "Blocked and exempt", body, section="rulings/")
            case ("status", ""):
                return await self.status.page(ask, visit)
            case ("packs", number, ""):
                insist(visit.account, "packing is for administrators")
                return await self.status.pack(ask, visit, number)
            case ("project", ""):
                name = dict(ask.query).get("name", "").strip()
                return onward(f"{quote(name, safe='')}/") if name and name not in (".", "..") else onward("../")
            case ("project", name, ""):
                return await self.projects.page(ask, visit, name)
            case ("project", name, version, ""):
                return await self.projects.release(ask, visit, name, version)
        raise NoSuchFile("/".join(ask.segments)[:200])

    async def _insist(self, ask: Ask) -> tuple[Visit, str]:
        found = await self._visit(ask)
        if found is None:
            raise NotAllowed("you are not signed in, or no longer: sign in and send it again", would_help=False)
        return found

    async def _visit(self, ask: Ask) -> tuple[Visit, str] | None:
        """Who has signed in, with the word of the session; None where nobody has."""
        if self.gate.rulemaking is not None:
            await self.gate.rulemaking.learn()
        for word in self._words(ask):
            found = await self.sessions.of(word)
            if found is not None:
                session, account = found
                ask.notes.account = account.name
                return Visit(session, account, self.sessions.form_word(word)), word
        return None

    def _overview(self, ask: Ask, visit: Visit) -> Reply:
        every = visit.everywhere
        said: Content = (
            "You may administrate everything."
            if every
            else "You see what you may do to a project on its page; the rest is for administrators."
        )
        look = tag(
            "form",
            entry("Project", "name", required=True, autocomplete="off", maxlength=200),
            tag("button", "Open", type="submit"),
            method="get",
            action=root_of(ask) + "project/",
            class_="order",
        )
        return page(ask, visit, "Administration", tag("p", said, class_="lead"), tag("section", tag("h2", "A project"), look), section="")

    def _entrance(self, ask: Ask, to: str, wrong: str = "", *, status: int = 200) -> Reply:
        fields = (
            hidden("to", to) if to else None,
            entry("Name", "name", required=True, autocomplete="username", maxlength=64, hint="__token__ for a token"),
            entry("Password or token", "password", type_="password", required=True, autocomplete="current-password", maxlength=1024),
        )
        whole = tag("form", fields, tag("button", "Sign in", type="submit"), method="post", action=root_of(ask) + "sign-in", class_="order")
        problem = tag("p", wrong, class_="notice bad", role="alert") if wrong else None
        reply = page(ask, None, "Sign in", problem, whole, status=status)
        return attrs.evolve(reply, line=wrong)

    async def _told(self, ask: Ask, answering: Awaitable[T]) -> T | Reply:
        """That answer; where it fails, a page that says why in one line to who reads HTML. No browser is to ask for a password by itself."""
        try:
            return await answering
        except PypidaemonError as error:
            if isinstance(error, NotAllowed):
                error = NotAllowed(str(error), would_help=False)
            return self._refused(ask, failures.answer(error, ask.id, of_file=False))

    def _refused(self, ask: Ask, plain: Reply) -> Reply:
        if not wants_html(ask):
            return plain
        heading = {403: "Not allowed", 404: "Not found", 429: "Too many attempts"}.get(plain.status, "That did not work")
        return trouble(ask, plain, heading, tag("a", "To the administration", href=root_of(ask)))

    def _words(self, ask: Ask) -> list[str]:
        """The words of sessions that the browser sends, of which one may be ours."""
        name, found = self._cookie_name(ask), []
        for line in ask.headers.every("cookie"):
            for pair in line.split(";"):
                key, _, value = pair.strip().partition("=")
                if key == name and _WORD.fullmatch(value):
                    found.append(value)
        return found[:MOST_COOKIES]

    def _cookie(self, ask: Ask, word: str) -> tuple[str, str]:
        """
        What has a browser keep that word, or with "" forget the one it has.

        Without a path it is sent to the folder of the page that set it alone (RFC 6265 §5.1.4), also where a proxy has put that folder below another.
        """
        secure = "; Secure" if self._is_secure(ask) else ""
        over = "; Max-Age=0" if not word else ""
        return "Set-Cookie", f"{self._cookie_name(ask)}={word}{over}; HttpOnly; SameSite=Strict{secure}"

    def _cookie_name(self, ask: Ask) -> str:
        # Browsers let nobody set that one but pages that came by TLS.
        return f"__Secure-{_NAME}" if self._is_secure(ask) else _NAME

    def _is_secure(self, ask: Ask) -> bool:
        public = urlsplit(self.hosts.public_url or "")
        return ask.secure or (public.scheme == "https" and bare(ask.host) == public.hostname)
