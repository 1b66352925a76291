"""`/links/`: every file of the packages whose home is here on one flat page, for `find-links` of pip and buildout (P7)."""

from __future__ import annotations

from hashlib import blake2b

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import Refused
from pypidaemon.interfaces import IAccount
from pypidaemon.leaves import Leaf, local_page, locals_below
from pypidaemon.model import File, NormalizedName, ProjectPage
from pypidaemon.rights import PUBLIC
from pypidaemon.simple.links import quote_path
from pypidaemon.simple.write_html import render_html
from pypidaemon.web.answers import Answer, AnswerKey, Answers, Making, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import answer_reply
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown

LIFETIME = 60.0
"""Seconds after which the page is made anew though nothing was announced: policies may go by the time."""

_NO_PROJECT = NormalizedName("")
"""Stands for all projects in the key of an answer; no project has it."""


@attrs.frozen
class _Gathered:
    files: tuple[File, ...]
    revision: str
    fresh_until: float


@attrs.define
class Links:
    """
    Answers `links/` of every exposed index: the files of the hosted indexes and of the directories below it, as the policies between show them.

    Nothing of any upstream is on it, and none is asked for it. A page is kept for each set of rights, until one of these indexes changes or
    anything is announced.
    """

    answers: Answers
    clock: IReactorTime

    async def page(self, ask: Ask, account: IAccount, shown: Shown) -> Reply:
        """
        The page, as HTML.

        :raises PypidaemonError: one of the indexes cannot be read; a page without its files would be a lie.
        """
        leaves = locals_below(shown.index)
        key = AnswerKey(shown.label, _NO_PROJECT, "links", account.scope, shown.view)
        accepted = ask.headers.every("accept-encoding")
        with self.answers.readings.of(_NO_PROJECT) as reading:
            stamp = await _stamp(leaves)
            answer = self.answers.fresh(key, self.clock.seconds())
            if answer is None or answer.state.revision.partition("/")[0] != stamp:
                gathered = await self._gather(leaves, account)
                state = State(f"{stamp}/{gathered.revision}", 0, (shown.label,), gathered.fresh_until)
                made = Making(state, "text/html; charset=utf-8", lambda: _rendered(shown.label, gathered.files), accepted)
                answer = await self.answers.make(key, made, reading)
        return await self._reply(ask, key, answer, account)

    async def _reply(self, ask: Ask, key: AnswerKey, answer: Answer, account: IAccount) -> Reply:
        coding = answer.coding(ask.headers.every("accept-encoding"))
        body = await self.answers.body(key, answer, coding)
        # Whoever keeps it asks again each time: an upload is to be seen at once (R174).
        shown = Answer(attrs.evolve(answer.state, fresh_until=None), answer.content_type, answer.tag, answer.length, answer.bodies)
        return answer_reply(ask, shown, coding, body, self.clock.seconds(), account.scope != PUBLIC)

    async def _gather(self, leaves: list[Leaf], account: IAccount) -> _Gathered:
        until = self.clock.seconds() + LIFETIME
        pages: dict[NormalizedName, ProjectPage] = {}
        taken: set[NormalizedName] = set()
        for leaf in leaves:
            label = leaf.index.label
            for name, _ in (await leaf.index.project_names()).entries():
                # The first index that has a project answers for it alone, also to who may not see it (law 4).
                first = name not in taken
                taken.add(name)
                if not first or not (account.may("list", label, name) and account.may("read", label, name)):
                    continue
                try:
                    page = await local_page(leaf, name)
                except Refused:
                    continue
                if page is not None:
                    pages[name] = page
                    until = min(until, page.fresh_until or until, page.turns or until)
        ordered = [pages[name] for name in sorted(pages)]
        seen = blake2b("\n".join(f"{page.name} {page.revision}" for page in ordered).encode(), digest_size=16)
        return _Gathered(tuple(file for page in ordered for file in page.files), seen.hexdigest(), until)

    def forget(self) -> None:
        """Rights have changed: what an account may see is gathered anew."""
        self.answers.forget(_NO_PROJECT)

    def overtaken(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: whatever looks different may be on this page, by an order or a rule as well as by an upload."""
        self.forget()


async def _stamp(leaves: list[Leaf]) -> str:
    """Changes whenever one of the leaves does."""
    revisions = [(await leaf.index.project_names()).revision for leaf in leaves]
    return blake2b("\n".join(revisions).encode(), digest_size=16).hexdigest()


def _rendered(index: str, files: tuple[File, ...]) -> bytes:
    return render_html(ProjectPage(NormalizedName(index), files), lambda path: "../packages/" + quote_path(path))
