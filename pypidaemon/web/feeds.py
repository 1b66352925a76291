"""RSS 2.0 of what has come lately: the newest releases, the newest projects, and the releases of one project (R152)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b
from html import escape

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.filenames import project_name
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount
from pypidaemon.model import InThread, NormalizedName
from pypidaemon.rights import PUBLIC
from pypidaemon.shelf import Shelf
from pypidaemon.simple.links import quote_path
from pypidaemon.validators import matches
from pypidaemon.web.ask import Ask
from pypidaemon.web.finding import Finder
from pypidaemon.web.news import LIFETIME, News, Release
from pypidaemon.web.pages import moved
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown

MOST_RELEASES = 100
"""Releases in `updates.xml`, as PyPI has them."""

MOST_PROJECTS = 40
"""Projects in `packages.xml`, and releases in that of one project."""

KEPT = 8 << 20
"""Bytes of feeds that are kept; one has some 40,000."""

_TYPE = "text/xml; charset=utf-8"
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@attrs.frozen
class _Feed:
    """One feed as it goes out: its bytes, their tag, when it first was that, and until when it need not be gathered anew."""

    body: bytes
    etag: str
    since: float
    until: float


@attrs.define(eq=False)
class Feeds:
    """
    Answers `rss/…` below every root.

    A feed has what the account may list and read, and is kept for each set of rights until anything is announced.
    """

    finder: Finder
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    news: News = attrs.field(init=False)
    flights: Flights[tuple[str, ...], _Feed] = attrs.field(factory=Flights, init=False)
    _kept: Shelf[tuple[str, ...], _Feed] = attrs.field(factory=lambda: Shelf(KEPT), init=False)
    _age: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.news = News(self.finder, self.clock, self.cpu, self.announcements)
        self.announcements.listen(self.overtaken)

    def overtaken(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: whatever looks different may be in any feed. Their bytes are kept, for they may come out the same."""
        self._age += 1

    async def answer(self, ask: Ask, account: IAccount, shown: Shown, below: Sequence[str], base: str) -> Reply:
        """
        The feed of that address.

        :param below: the segments behind `rss`.
        :param base: the absolute address of the root, ending in "/" (R13).
        :raises NoSuchFile: there is no such feed, or it is of the past.
        :raises NoSuchProject: nothing of that project may be seen, or none of its releases says when it came.
        :raises PypidaemonError: an index cannot be read.
        """
        match below:
            case ("updates.xml",) | ("packages.xml",) if not shown.view:
                feed = await self._feed(account, shown, below[0], None, base)
            case ("project", spelled, "releases.xml") if not shown.view:
                name = project_name(spelled)
                if spelled != name:
                    return moved(ask, f"../{name}/releases.xml")
                feed = await self._feed(account, shown, "releases.xml", name, base)
            case _:
                raise NoSuchFile("/".join(("rss", *below))[:200])
        return _reply(ask, feed, account.scope != PUBLIC)

    async def _feed(self, account: IAccount, shown: Shown, which: str, name: NormalizedName | None, base: str) -> _Feed:
        key = (shown.label, which, name or "", account.sight, base)
        kept = self._kept.get((*key, str(self._age)))
        if kept is not None and kept.until > self.clock.seconds():
            return kept
        age = self._age
        feed = await self.flights.join((*key, str(age)), lambda: self._made(account, shown, which, name, base))
        before = self._kept.get(key)
        if before is not None and before.etag == feed.etag:
            feed = attrs.evolve(feed, since=before.since)
        self._kept.drop_where(lambda other: other[:5] == key)
        for place in (key, (*key, str(age))):
            self._kept.put(place, feed, len(feed.body) // 2 + 200)
        return feed

    async def _made(self, account: IAccount, shown: Shown, which: str, name: NormalizedName | None, base: str) -> _Feed:
        if name is not None:
            releases = await self.news.of(account, shown, name)
            if releases is None:
                raise NoSuchProject(name)
            title, link = f"{name}: newest releases", f"{base}project/{name}/"
            items = [(_item(base, one, one.version)) for one in releases[:MOST_PROJECTS]]
        elif which == "updates.xml":
            title, link = "Newest releases", base
            items = [_item(base, one, f"{one.name} {one.version}") for one in (await self.news.lately(account, shown))[:MOST_RELEASES]]
        else:
            title, link = "Newest projects", base
            firsts = [one for one in await self.news.lately(account, shown) if one.first][:MOST_PROJECTS]
            items = [_item(base, one, f"{one.name} was added", whole=True) for one in firsts]
        place = f"{base}rss/{f'project/{name}/' if name else ''}{which}"
        body = await self.cpu(_rendered, f"{title} of {shown.label}", link, place, items)
        now = self.clock.seconds()
        return _Feed(body, f'"{blake2b(body, digest_size=15).hexdigest()}"', now, now + LIFETIME)


@attrs.frozen
class _Item:
    title: str
    link: str
    time: float
    category: str


def _item(base: str, release: Release, title: str, *, whole: bool = False) -> _Item:
    """One release, or with `whole` its project."""
    address = f"{base}project/{release.name}/" + ("" if whole else f"{quote_path(release.version)}/")
    return _Item(title, address, release.time, release.label)


def _rendered(title: str, link: str, place: str, items: Sequence[_Item]) -> bytes:
    """
    The whole feed. It depends on nothing but what is in it, so that its tag holds until that changes.

    :param place: its own address.
    """
    pieces = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>',
        _element("title", title),
        _element("link", link),
        f'<atom:link href="{_text(place)}" rel="self" type="application/rss+xml"/>',
        _element("description", title),
        _element("language", "en"),
        *([_element("pubDate", _date(max(item.time for item in items)))] if items else []),
    ]
    for item in items:
        # Readers take a description for HTML; a title is text.
        pieces += [
            "\n<item>",
            _element("title", item.title),
            _element("link", item.link),
            _element("guid", item.link),
            _element("description", escape(f"{item.title}, in {item.category}")),
            _element("category", item.category),
            _element("pubDate", _date(item.time)),
            "</item>",
        ]
    return "".join([*pieces, "\n</channel></rss>\n"]).encode()


def _element(name: str, text: str) -> str:
    return f"<{name}>{_text(text)}</{name}>"


def _text(text: str) -> str:
    """Text as it stands in XML, without what may not be in any (XML 1.0 §2.2)."""
    return escape(_UNFIT.sub("\ufffd", text))


def _date(seconds: float) -> str:
    """As RSS and HTTP have it; what no calendar has is the first or last moment of those."""
    return format_datetime(datetime.fromtimestamp(min(max(seconds, 0.0), 253_402_300_799.0), UTC).replace(microsecond=0), usegmt=True)


def _reply(ask: Ask, feed: _Feed, private: bool) -> Reply:
    headers = (
        ("ETag", feed.etag),
        ("Last-Modified", _date(feed.since)),
        ("Cache-Control", "private, no-cache" if private else "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
    )
    asked = ask.headers.every("if-none-match")
    if matches(asked, feed.etag) if asked else _is_since(ask.headers.first("if-modified-since"), feed.since):
        return Reply(304, headers)
    return Reply(200, (*headers, ("Content-Type", _TYPE)), feed.body)


def _is_since(said: str | None, since: float) -> bool:
    """Whether the client has what has been the same since then; a date that cannot be read says nothing (RFC 9110 §13.1.3)."""
    if said is None or len(said) > 40:
        return False
    try:
        return parsedate_to_datetime(said).timestamp() >= since // 1
    except (ValueError, TypeError, OverflowError):
        return False
