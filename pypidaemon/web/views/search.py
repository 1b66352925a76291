"""The search page, and the same as JSON for programs and for the list that opens while somebody types."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import attrs
import orjson
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.errors import InvalidName, NoSuchFile
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IAccount
from pypidaemon.model import InThread
from pypidaemon.rights import PUBLIC
from pypidaemon.searching.cards import HELD, KNOWN, OWN
from pypidaemon.searching.index import SearchIndex
from pypidaemon.searching.words import LONGEST, Question, Unsearchable, read_question
from pypidaemon.validators import matches
from pypidaemon.web.ask import Ask
from pypidaemon.web.finding import Finder
from pypidaemon.web.readers import up, wants_html
from pypidaemon.web.reply import Reply, text
from pypidaemon.web.seeking import MOST, Hit, Seeker
from pypidaemon.web.shown import Shown
from pypidaemon.web.views.frame import View, notice, reply
from pypidaemon.web.views.markup import Markup, joined, tag

_KINDS = {OWN: "own", HELD: "mirrored", KNOWN: "upstream"}


@attrs.define
class Search:
    """
    Answers `search/` of every index with an address.

    :param index: None in a daemon that keeps no search index.
    :param reserved: as of `Seeker`.
    """

    index: SearchIndex | None
    finder: Finder
    reserved: tuple[str, ...]
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    seeker: Seeker | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        kept = (self.finder, self.reserved, self.clock, self.cpu, self.announcements)
        self.seeker = Seeker(self.index, *kept) if self.index is not None else None

    async def answer(self, ask: Ask, account: IAccount, shown: Shown, root: str) -> Reply:
        """
        The page, or JSON for whoever does not read HTML; a question that is none is 400, and in both one line.

        :param root: as of the other pages.
        :raises NoSuchFile: the past is not searched, or nothing is here.
        :raises PypidaemonError: the search index cannot be read.
        """
        if self.seeker is None or shown.view:
            raise NoSuchFile("search")
        typed = next((value for key, value in ask.query if key == "q"), "")
        try:
            question = read_question(typed)
        except Unsearchable as error:
            if not wants_html(ask):
                return text(400, str(error), ask.id)
            page = _page(ask, shown, root, typed[:LONGEST], joined(notice("bad", f"{str(error).capitalize()}.")))
            return reply(ask, page, status=400)
        hits = await self.seeker.seek(account, shown, question, _most(ask)) if question is not None else []
        complete = self.seeker.index.complete
        private = account.scope != PUBLIC
        if not wants_html(ask):
            return _json(ask, root, typed, hits, complete, private)
        found = _found(ask, root, question, hits, complete)
        return reply(ask, _page(ask, shown, root, typed, found), private=private)


def _most(ask: Ask) -> int:
    """How many projects are asked for."""
    said = next((value for key, value in ask.query if key == "most"), "")
    return min(max(int(said), 1), MOST) if said.isascii() and said.isdigit() and len(said) < 4 else MOST


def _json(ask: Ask, root: str, typed: str, hits: Sequence[Hit], complete: bool, private: bool) -> Reply:
    rows = [
        {
            "name": hit.name,
            "title": hit.title,
            "version": hit.version or None,
            "summary": hit.summary or None,
            "index": hit.label,
            "kind": _KINDS[hit.kind],
            "url": f"{up(ask)}{root}project/{hit.name}/",
        }
        for hit in hits
    ]
    body = orjson.dumps({"query": typed.encode("utf-8", "replace").decode(), "complete": complete, "results": rows})
    etag = f'"{blake2b(body, digest_size=15).hexdigest()}"'
    headers = (
        ("ETag", etag),
        ("Cache-Control", "private, no-cache" if private else "no-cache"),
        ("Vary", "Accept, Accept-Encoding"),
        ("X-Content-Type-Options", "nosniff"),
    )
    asked = ask.headers.every("if-none-match")
    if asked and matches(asked, etag):
        return Reply(304, headers)
    return Reply(200, (*headers, ("Content-Type", "application/json")), body)


def _page(ask: Ask, shown: Shown, root: str, typed: str, found: Markup) -> View:
    heading = tag("h1", f"Search {shown.label}" if root else "Search")
    field = tag("input", type="search", name="q", value=typed or None, aria_label="Name or words", maxlength=LONGEST, spellcheck="false")
    # The bar has a field for the index at the root alone.
    form = tag("form", field, tag("button", "Search", type="submit"), action="./", method="get", role="search") if root else None
    body = joined(heading, form, tag("div", found, id="found"))
    title = f"{typed} · Search" if typed else "Search"
    return View(title, body, section="search", asked="" if root else typed, scripts=("search.js",))


def _found(ask: Ask, root: str, question: Question | None, hits: Sequence[Hit], complete: bool) -> Markup:
    making = None if complete else notice("note", "The index of names is being made just now: soon more may be found.")
    if question is None:
        words = "Look for a name or a part of one, or for words of a summary: of what is here, and of the projects an upstream is known to have."
        return joined(making, tag("p", words, class_="lead"))
    if not hits:
        return joined(
            making, tag("p", "Nothing was found that has all of this.", class_="lead", role="status"), _asking(ask, root, question)
        )
    count = f"The best {MOST}" if len(hits) == MOST else "1 project" if len(hits) == 1 else f"{len(hits)} projects"
    rows = [
        tag(
            "li",
            tag("a", hit.title, href=f"{up(ask)}{root}project/{hit.name}/"),
            tag("span", hit.version, class_="num") if hit.version else None,
            tag("span", hit.label, class_="end tag"),
            tag("span", hit.summary, class_="quiet said") if hit.summary else None,
        )
        for hit in hits
    ]
    return joined(making, tag("p", count, class_="quiet", role="status"), tag("ul", rows, class_="plain rows hits"))


def _asking(ask: Ask, root: str, question: Question) -> Markup:
    """A way to ask about a name that no list has which is known here."""
    try:
        name = project_name(question.joined)
    except InvalidName:
        return Markup("")
    return tag("p", "Not every upstream has told what it has. ", tag("a", f"Ask for {name}", href=f"{up(ask)}{root}project/{name}/"), ".")
