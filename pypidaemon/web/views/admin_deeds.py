"""What the forms of the administration order, each by the very operation that commands and the HTTP interface use, and which page follows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import attrs

from pypidaemon.accounts.orders import ORDERS
from pypidaemon.accounts.sessions import Note
from pypidaemon.accounts.words import Unacceptable
from pypidaemon.callers import Caller
from pypidaemon.errors import InvalidName, NoSuchFile, NotAllowed
from pypidaemon.filenames import project_name
from pypidaemon.releases import VERBS as RELEASES
from pypidaemon.rulemaking import Rulemaking, insist
from pypidaemon.rulingwords import VERBS as RULINGS
from pypidaemon.settings import duration
from pypidaemon.telling import plural
from pypidaemon.web.ask import Ask
from pypidaemon.web.packs import PackDesk
from pypidaemon.web.people import PeopleDesk
from pypidaemon.web.posted import Posted
from pypidaemon.web.probes import ProbeDesk
from pypidaemon.web.releases import ReleaseDesk
from pypidaemon.web.reply import Reply, onward
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.views.admin_page import FORM_WORD, Visit, form, hidden, page, root_of
from pypidaemon.web.views.markup import tag

SURE = "sure"
"""The field that says that somebody has read what cannot be undone."""
_FORMS = frozenset({FORM_WORD, SURE, "back"})
"""Fields that are no part of an order."""

_WARNINGS: Mapping[tuple[str, ...], str] = {
    ("people", "user", "disable"): "All its tokens are revoked, for good. Its password, groups and rights stay for the day when it is enabled again.",
    ("people", "user", "rm"): "Its tokens, rights and memberships go with it, and what it owned is nobody's from then on. This cannot be undone.",
    ("people", "token", "revoke"): "Whoever uses it is refused from the next request on. This cannot be undone.",
    ("releases", "delete"): "Installers find it no more, and its file names stay used. It can be brought back until its bytes are removed.",
}  # fmt: skip
"""What is asked about before it is done, and what is said of it."""

_DONE = {
    ("user", "add"): "The account {name} is there.",
    ("user", "password"): "{name} has a new password.",
    ("user", "disable"): "{name} is let in no more.",
    ("user", "enable"): "{name} is let in again.",
    ("user", "rm"): "{name} is removed.",
    ("grant", "add"): "{name} may {right} on {place}.",
    ("grant", "remove"): "{name} may {right} on {place} no more by that.",
    ("group", "add"): "{name} is in {group}.",
    ("group", "remove"): "{name} is in {group} no more.",
    ("token", "add"): "This is the token {id} of {account}. Copy it now: it is not shown again.",
    ("token", "revoke"): "The token {revoked} is good no more.",
}
"""What is said of each order about people that a form can give."""

_VERBS = {
    "yank": "yanked",
    "unyank": "yanked no more",
    "hide": "hidden",
    "unhide": "shown again",
    "delete": "deleted",
    "undelete": "brought back",
    "promote": "promoted",
    "block": "blocked",
    "unblock": "blocked no more",
    "exempt": "exempt",
    "unexempt": "exempt no more",
}


_KEYS = frozenset({("user", "add"), ("user", "password"), ("token", "add")})
"""Orders that make a way in. A token may be good for a short time; what it made would last."""


@attrs.define
class AdminDeeds:
    """Carries them out for who is signed in. Whether the account may is decided where it always is."""

    people: PeopleDesk
    releases: ReleaseDesk
    rulemaking: Rulemaking
    syncs: SyncDesk
    probes: ProbeDesk
    packs: PackDesk

    async def done(self, ask: Ask, visit: Visit, posted: Posted) -> Reply | None:
        """
        Do what was posted, and say what is to be looked at next; or ask whether it is meant; None where that address takes nothing.

        :raises Unacceptable: it makes no sense; the line says why.
        :raises PypidaemonError: as the operation.
        """
        below = ask.segments[1:]
        if (warning := _WARNINGS.get(below)) is not None and posted.one(SURE) != "yes":
            return self._asked(ask, visit, posted, warning)
        match below:
            case ("people", word, verb) if (word, verb) in _DONE:
                return await self._people(ask, visit, (word, verb), posted)
            case ("releases", verb) if verb in RELEASES:
                return await self._release(ask, visit, verb, posted)
            case ("rulings", verb) if verb in RULINGS:
                return await self._ruling(ask, visit, verb, posted)
            case ("sync",):
                return self._sync(ask, visit, posted)
            case ("probe",):
                label = posted.one("upstream")
                state = await self.probes.order(visit.account, label)
                return self._follows(ask, visit, "status/", f"{label} is {state}.")
            case ("pack",):
                return await self._pack(ask, visit, posted)
        return None

    async def _people(self, ask: Ask, visit: Visit, order: tuple[str, str], posted: Posted) -> Reply:
        insist(visit.account, "accounts and tokens are for administrators")
        if visit.session.by_token and order in _KEYS:
            raise NotAllowed("who signed in by a token makes no other way in: sign in with a password for that", would_help=False)
        given: dict[str, Any] = {name: value or None for name, value in _given(posted).items()}
        if order == ("token", "add") and given.get("lifetime") is not None:
            try:
                given["lifetime"] = duration(given["lifetime"])
            except ValueError as error:
                raise Unacceptable(f"how long it is good for: {error}") from None
        if "password" in given:
            # Blanks around it are a part of it.
            given["password"] = next((value for name, value in posted.pairs if name == "password"), "") or None
        answer = await self.people.carry_out(order, given, Caller(visit.account, ask.client).actor)
        secret = answer.pop("token") if order == ("token", "add") else ""
        said = _DONE[order].format(**{**{name: given.get(name) for name in ORDERS[order][1]}, **answer})
        return self._follows(ask, visit, "tokens/" if order[0] == "token" else "accounts/", said, secret)

    async def _release(self, ask: Ask, visit: Visit, verb: str, posted: Posted) -> Reply:
        order = {name: value or None for name, value in _given(posted).items() if value or name != "reason"}
        answer = await self.releases.carry_out(verb, order, Caller(visit.account, ask.client), self.releases.gate.check)
        where, version = answer["index"], answer["version"]
        what = f"{answer['project']} {version}" if version else answer["project"]
        to = f" to {answer['to']}" if "to" in answer else ""
        said = f"{what} in {where} is {_VERBS[verb]}{to}: {plural(answer['files'], 'file')} changed."
        below = f"project/{answer['project']}/" + (f"{quote(version, safe='')}/" if version else "")
        return self._follows(ask, visit, below, said)

    async def _ruling(self, ask: Ask, visit: Visit, verb: str, posted: Posted) -> Reply:
        order = {name: value or None for name, value in _given(posted).items()}
        # What is no name is found out before anything is done.
        below = f"project/{project_name(posted.one('back'))}/" if posted.one("back") else "rulings/"
        answer = await self.rulemaking.perform(verb, order, Caller(visit.account, ask.client))
        taken = answer["fetched"]
        fetched = f" {plural(taken, 'fetch', 'fetches')} of it on record." if taken else ""
        said = f"{answer['target']} is {_VERBS[verb]}.{fetched}"
        return self._follows(ask, visit, below, said)

    def _sync(self, ask: Ask, visit: Visit, posted: Posted) -> Reply:
        asked = {name: value for name, value in _given(posted).items() if value}
        try:
            answer = self.syncs.order(visit.account, asked)
        except InvalidName as error:
            raise Unacceptable(f"project: {error}") from None
        what = f" for {answer['project']}" if answer["project"] else ""
        return self._follows(ask, visit, "status/", f"{answer['service']} is at work{what}: run {answer['run']}.")

    async def _pack(self, ask: Ask, visit: Visit, posted: Posted) -> Reply:
        insist(visit.account, "packing is for administrators")
        name, body = _packed(posted)
        pythons = posted.one("python").replace(",", " ").split()
        platforms = [*posted.every("platform"), *posted.one("more").replace(",", " ").split()]
        query = [("name", name), *(("python", one) for one in pythons), *(("platform", one) for one in platforms)]
        query += [("index", posted.one("index"))] if posted.one("index") else []
        query += [("pin", "no")] if posted.one("no-pin") else []
        query += [("rehearsal", "yes")] if posted.one("rehearsal") else []
        begun = await self.packs.begin(attrs.evolve(ask, query=tuple(query)), body, is_json=False)
        return begun if isinstance(begun, Reply) else onward(f"{root_of(ask)}packs/{begun}/")

    def _asked(self, ask: Ask, visit: Visit, posted: Posted, warning: str) -> Reply:
        """Whether it is meant; nothing is done before the same comes once more."""
        given = _given(posted)
        about = " ".join(given.get(name, "") for name in ("project", "version", "name", "token") if given.get(name))
        words = ask.segments[-1]
        verb = {"rm": "remove"}.get(words, words)
        where = f" in {given['index']}" if given.get("index") else ""
        fields = [hidden(name, value) for name, value in (*given.items(), ("back", posted.one("back"))) if value]
        match ask.segments[1:]:
            case ("people", word, _):
                back = "tokens/" if word == "token" else "accounts/"
            case _:
                back = f"project/{_quoted(given.get('project', ''))}"
        return page(
            ask,
            visit,
            f"{verb.capitalize()} {about}{where}?",
            tag("p", warning, class_="lead"),
            form(ask, visit, "/".join(ask.segments[1:]), fields, hidden(SURE, "yes"), button=f"Yes, {verb}", label=about, kind="dangerous"),
            tag("p", tag("a", "No, leave it as it is", href=root_of(ask) + back)),
        )  # fmt: skip

    def _follows(self, ask: Ask, visit: Visit, below: str, said: str, secret: str = "") -> Reply:
        visit.session.note(Note(said, secret))
        return onward(root_of(ask) + below)


def _given(posted: Posted) -> dict[str, str]:
    """The fields of the order, the last of each name."""
    return {name: value.strip() for name, value in posted.pairs if name not in _FORMS}


def _packed(posted: Posted) -> tuple[str, bytes]:
    """
    The file that was sent, or else the text that was pasted, and what it is called.

    :raises Unacceptable: there is neither.
    """
    if posted.filename or posted.content:
        # Old browsers send the folders along.
        return PurePosixPath(posted.filename.replace("\\", "/")).name or "requirements.txt", posted.content
    if text := next((value for name, value in posted.pairs if name == "text" and value.strip()), ""):
        return posted.one("name") or "requirements.txt", text.encode("utf-8", "replace")
    raise Unacceptable("choose a file, or paste its text")


def _quoted(name: str) -> str:
    try:
        return f"{project_name(name)}/"
    except InvalidName:
        raise NoSuchFile(f"the project {name}"[:60]) from None
