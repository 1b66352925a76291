"""Project pages: negotiated, ready-made, and redirects from every other spelling of their address (standards A, C, E)."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IAccount
from pypidaemon.model import NormalizedName, ProjectPage
from pypidaemon.simple.links import from_page
from pypidaemon.simple.negotiation import Representation, negotiate
from pypidaemon.simple.write_html import render_html
from pypidaemon.simple.write_json import render_json
from pypidaemon.web.answers import AnswerKey, Answers, Making, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import answer_reply
from pypidaemon.web.gate import Gate, may_read
from pypidaemon.web.hearing import heard
from pypidaemon.web.integrity import Addresses
from pypidaemon.web.renumbering import Renumbering
from pypidaemon.web.reply import Reply, redirect
from pypidaemon.web.shown import Shown


def state_of(page: ProjectPage, now: float) -> State:
    """What an answer made of that page depends on, which the index gave just now."""
    return State(page.revision, page.serial, page.sources, page.fresh_until, page.stale, page.turns, now)


def preferred(ask: Ask) -> Representation:
    """What the client wants to read: `?format=` overrides `Accept` (R42)."""
    return negotiate(ask.headers.every("accept"), dict(ask.query).get("format"))


def moved(ask: Ask, location: str) -> Reply:
    """A permanent redirect that only mends the spelling of an address (R7); relative, so that it holds under any prefix, and the query stays."""
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in ask.query)
    return redirect(location + ("?" + query if query else ""), permanent=True)


@attrs.define
class Pages:
    """Answers `/simple/<project>/` of every exposed index."""

    answers: Answers
    gate: Gate
    clock: IReactorTime
    addresses: Addresses
    renumbering: Renumbering

    def quick(self, ask: Ask, account: IAccount, index: str, spelled: str, view: str = "") -> Reply | None:
        """A ready answer, if there is one that the account may see, without asking anybody; `index` and `view` are those of a `Shown`."""
        key = AnswerKey(index, NormalizedName(spelled), preferred(ask).value, view=view)
        now = self.clock.seconds()
        answer = self.answers.fresh(key, now)
        if answer is None or not may_read(account, answer.state.sources, key.project):
            return None
        coding = answer.coding(ask.headers.every("accept-encoding"))
        body = answer.bodies.get(coding)
        if body is None:
            return None
        self.answers.hits += 1
        return answer_reply(ask, answer, coding, body, now, not self.gate.is_public(answer.state.sources, key.project))

    async def page(self, ask: Ask, account: IAccount, shown: Shown, spelled: str, slash: bool) -> Reply:
        """`/simple/<spelled>` with or without its slash."""
        name = project_name(spelled)
        if spelled != name or not slash:
            # One hop mends spelling and slash together (R5, R6, S8).
            return moved(ask, f"../{name}/" if slash else f"{name}/")
        form = preferred(ask)
        key = AnswerKey(shown.label, name, form.value, view=shown.view)
        render = render_json if form is Representation.JSON else render_html
        accepted = ask.headers.every("accept-encoding")
        with self.answers.readings.of(name) as reading:
            page = await heard(self.gate, account, shown.index, (name,), shown.index.project_page(name))
            self.gate.check_sources(account, page.sources, name)
            if not shown.view:
                self.renumbering.shown(shown.label, page)
            made = Making(
                state_of(page, self.clock.seconds()),
                form.content_type,
                lambda: render(page, from_page, partial(self.addresses.of, shown)),
                accepted,
            )
            answer = await self.answers.make(key, made, reading)
            coding = answer.coding(accepted)
            body = await self.answers.body(key, answer, coding)
        return answer_reply(ask, answer, coding, body, self.clock.seconds(), not self.gate.is_public(page.sources, name))
