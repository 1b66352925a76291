"""Project pages: negotiated, ready-made, and redirects from every other spelling of their address (standards A, C, E)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon import passage
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IAccount
from pypidaemon.model import NormalizedName, ProjectPage
from pypidaemon.simple.links import from_page
from pypidaemon.simple.negotiation import Representation, negotiate
from pypidaemon.simple.pieces import MANY, pieced
from pypidaemon.simple.write_html import frame_html, render_html
from pypidaemon.simple.write_json import frame_json, render_json
from pypidaemon.web.answer_files import takes
from pypidaemon.web.answers import Answer, AnswerKey, Answers, Making, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import answer_reply, cache_control, counts_to
from pypidaemon.web.gate import Gate, may_read
from pypidaemon.web.hearing import heard
from pypidaemon.web.held import MARK, Held
from pypidaemon.web.integrity import Addresses
from pypidaemon.web.renumbering import Renumbering
from pypidaemon.web.reply import Reply, Term, redirect
from pypidaemon.web.shown import Shown

LOOKED_AT = 60.0
"""Seconds after which it is looked again what of a page is here: files may come and go for others who have them in the same store."""


def state_of(page: ProjectPage, now: float, held: str = "") -> State:
    """What an answer made of that page depends on, which the index gave just now; `held` as in `State`."""
    turns = page.turns
    if held:
        turns = now + LOOKED_AT if turns is None else min(turns, now + LOOKED_AT)
    return State(page.revision, page.serial, page.sources, page.fresh_until, page.stale, turns, now, held)


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
    held: Held

    def quick(self, ask: Ask, account: IAccount, index: str, spelled: str, view: str = "") -> Reply | None:
        """A ready answer, if there is one that the account may see, without asking anybody; `index` and `view` are those of a `Shown`."""
        key = AnswerKey(index, NormalizedName(spelled), preferred(ask).value, view=view)
        now = self.clock.seconds()
        answer, key, until = self._ready(key, now)
        if answer is None or not may_read(account, answer.state.sources, key.project):
            return None
        until = min(until, self.held.vouched(index, answer.state.sources))
        if until <= now:
            return None
        coding = answer.coding(ask.headers.every("accept-encoding"))
        body = answer.bodies.get(coding)
        if body is None:
            return None
        self.answers.hits += 1
        private = not self.gate.is_public(answer.state.sources, key.project)
        return answer_reply(ask, answer, coding, body, now, private, partial(self._term, ask, key, answer, until, private))

    def _ready(self, key: AnswerKey, now: float) -> tuple[Answer | None, AnswerKey, float]:
        """
        The answer that holds now, its own key, and until when it does: of what is held while a line is down, unless nothing on the page is from behind it.
        """
        resting, down = self.held.resting(key.index), self.held.down(key.index)
        if down:
            cut = attrs.evolve(key, part=MARK)
            answer = self.answers.fresh(cut, now, resting)
            if answer is not None:
                return answer, cut, answer.state.until(resting)
            resting = 0.0
        answer = self.answers.fresh(key, now, resting)
        if answer is None or not set(down).isdisjoint(answer.state.sources):
            return None, key, now
        return answer, key, answer.state.until(resting)

    def _term(self, ask: Ask, key: AnswerKey, answer: Answer, until: float, private: bool) -> Term:
        """For how long `quick`, which has just given that answer, would give it again: it asks nobody else about the clock."""
        state = answer.state
        return Term(
            key.project,
            # Not from when it was made: a clock that is put back between the two is somebody else's affair to judge.
            self.clock.seconds(),
            min(until, self.gate.until(ask)),
            lambda now: cache_control(state, now, private),
            counts_to(state),
            lambda: answer.state is state and self.answers.keeps(key, answer),
        )

    async def page(self, ask: Ask, account: IAccount, shown: Shown, spelled: str, slash: bool) -> Reply:
        """`/simple/<spelled>` with or without its slash."""
        name = project_name(spelled)
        if spelled != name or not slash:
            # One hop mends spelling and slash together (R5, R6, S8).
            return moved(ask, f"../{name}/" if slash else f"{name}/")
        key = AnswerKey(shown.label, name, preferred(ask).value, view=shown.view)
        accepted = ask.headers.every("accept-encoding")

        async def asked() -> ProjectPage:
            page = await heard(self.gate, account, shown.index, (name,), shown.index.project_page(name))
            self.gate.check_sources(account, page.sources, name)
            return page

        # Mirrors of ours must not shrink with us, so another daemon is always given all.
        whole = passage.passed(ask.headers.every("via"))
        answer, coding, body = await self._made(key, shown, asked, accepted, whole)
        answer.asked = True
        return answer_reply(ask, answer, coding, body, self.clock.seconds(), not self.gate.is_public(answer.state.sources, name))

    async def ahead(self, key: AnswerKey, shown: Shown, codings: Sequence[str]) -> None:
        """
        Have that page ready in these codings, whoever will ask for it: rights are asked then.

        :raises PypidaemonError: it cannot be had now.
        """
        # What is left while a line is down is made of what is here when somebody asks.
        if takes(key) and not key.part and not self.held.down(key.index):
            for coding in codings or ("",):
                await self._made(key, shown, partial(shown.index.project_page, key.project), (coding or "identity",), whole=True)

    async def _made(
        self, key: AnswerKey, shown: Shown, asked: Callable[[], Awaitable[ProjectPage]], accepted: Sequence[str], whole: bool
    ) -> tuple[Answer, str, bytes]:
        """
        The answer as of now, and it in the best coding that is accepted.

        :param asked: asks the index for the page.
        :param whole: whether all of the page is wanted, also where not all of it can be given.
        """
        form = Representation(key.form)
        render, framed = (render_json, frame_json) if form is Representation.JSON else (render_html, frame_html)
        with self.answers.readings.of(key.project) as reading:
            page = await asked()
            if not shown.view:
                self.renumbering.shown(shown.label, page)
            left = None
            if not whole:
                await self.held.confirmed(shown.label, page.sources)
                left = await self.held.left(shown.label, shown.index, page)
            listed = page if left is None else left.page
            if left is not None:
                key = attrs.evolve(key, part=MARK)
            provenance = partial(self.addresses.of, shown)
            made = Making(
                state_of(listed, self.clock.seconds(), "" if left is None else left.counted),
                form.content_type,
                lambda: render(listed, from_page, provenance),
                accepted,
                pieced=None
                if len(listed.files) < MANY or not takes(key)
                else lambda before: pieced(framed(listed, from_page, provenance), listed.files, before),
            )
            answer = await self.answers.make(key, made, reading)
            coding = answer.coding(accepted)
            body = await self.answers.body(key, answer, coding)
            if answer.in_pieces:
                self.answers.improve(key, answer, accepted)
            return answer, coding, body
