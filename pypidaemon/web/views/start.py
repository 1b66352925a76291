"""The start page: what this index is, how to use it, what is new, and what it has saved (P9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.interfaces import IAccount, IHostedIndex, IIndex, ILocal, IMirror, IUpstream
from pypidaemon.leaves import bare, leaves
from pypidaemon.rights import PUBLIC
from pypidaemon.web.ask import Ask
from pypidaemon.web.metrics import Metrics
from pypidaemon.web.readers import up
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown
from pypidaemon.web.views.away import listed, upstreams_below, who_is_away
from pypidaemon.web.views.configurations import configurations
from pypidaemon.web.views.frame import View, copyable, number, reply, size
from pypidaemon.web.views.markup import Content, Markup, joined, tag
from pypidaemon.web.views.uploads import Newest, Upload


@attrs.define
class Start:
    """
    Answers `/` for people, and the root of every index with an address of its own.

    :param uploads: the label of the index that uploads at the root go to.
    :param lacking: says why nothing is kept now; "" where it is.
    """

    default: str
    indexes: Mapping[str, IIndex]
    upstreams: Mapping[str, IUpstream]
    metrics: Metrics
    uploads: str | None
    newest: Newest
    clock: IReactorTime
    lacking: Callable[[], Awaitable[str]] | None = None

    async def page(self, ask: Ask, account: IAccount, shown: Shown, root: str, base: str) -> Reply:
        """
        The page of that index.

        :param root: where its addresses are below the daemon's root: "" or `index/LABEL/`.
        :param base: the absolute address of its root, ending in "/" (R13).
        """
        found = await self.newest.of(account, shown)
        lacking = await self.lacking() if self.lacking is not None else ""
        upload = self._upload(account, shown, root)
        secret = account.scope != PUBLIC or not self._open(shown)
        body = joined(
            self._heading(shown, root, base),
            self._health(up(ask), lacking, self.upstreams if not root else upstreams_below(shown.index)),
            self._saved() if not root else None,
            tag("section", tag("h2", "Use it"), _use(base, upload, secret=secret)),
            _newest(found, up(ask) + root, self.clock.seconds()),
            self._others(account, shown, up(ask)) if not root else None,
        )
        feeds = () if shown.view else (("Newest releases", "rss/updates.xml"), ("Newest projects", "rss/packages.xml"))
        title, section = (shown.label, "") if root else ("", "start")
        view = View(title, body, section=section, description="An index of Python packages", feeds=feeds)
        return reply(ask, view, private=account.scope != PUBLIC)

    def _heading(self, shown: Shown, root: str, base: str) -> Markup:
        kinds = list(dict.fromkeys(_kind(leaf.index) for leaf in leaves(shown.index)))
        title = "Python packages, served from here" if not root else shown.label
        made_of = f"This index shows {listed(kinds)}. Its address is "
        return joined(
            tag("p", tag("a", "All indexes", href="../../") if root else f"Index {shown.label}", class_="eyebrow"),
            tag("h1", title),
            # No link: where an upstream is behind it, one curious click would have hundreds of thousands of names fetched.
            tag("p", made_of, tag("code", f"{base}simple/"), ".", class_="lead"),
        )

    def _health(self, root: str, lacking: str, upstreams: Mapping[str, IUpstream]) -> Markup:
        link = tag("a", "Status", href=f"{root}status/")
        if lacking:
            return tag("p", tag("span", "attention", class_="tag warn"), " Nothing new is kept on disk: ", lacking, ". ", link)
        if gone := who_is_away(upstreams):
            said = f" {gone} What is here is served all the same. "
            return tag("p", tag("span", "offline", class_="tag warn"), said, link)
        said = " Everything that it depends on answers. " if upstreams else " It depends on no upstream. "
        return tag("p", tag("span", "working", class_="tag good"), said, link)

    def _saved(self) -> Content:
        counts = self.metrics.spool.measures()
        sent = self.metrics.sent.get(("file",), 0)
        files = sum(count for (route, status), count in self.metrics.requests.items() if route == "file" and status in {"200", "206"})
        if not files:
            return None
        fetched = int(counts.get("bytes_in", 0))
        cards = [
            (number(files), "files given out"),
            (size(sent), "given out in all"),
            (size(fetched), "fetched from upstream"),
            (size(max(sent - fetched, 0)), "saved: served from here"),
        ]
        entries = [
            tag("li", tag("p", figure, class_="figure"), tag("p", words, class_="quiet small"), class_="card") for figure, words in cards
        ]
        return tag("section", tag("h2", "Since the start of this daemon"), tag("ul", entries, class_="cards"))

    def _others(self, account: IAccount, shown: Shown, root: str) -> Content:
        """The other indexes with an address of which the account may see something."""
        seen = [
            label
            for label, index in self.indexes.items()
            if any(account.may(right, leaf.index.label, None) for leaf in leaves(index) for right in ("list", "read"))
        ]
        if len(seen) < 2:
            return None
        rows = []
        for label in sorted(seen):
            kinds = listed(list(dict.fromkeys(_kind(leaf.index) for leaf in leaves(self.indexes[label]))))
            where = "at the root" if label == self.default else "uploads go here" if label == self.uploads else None
            end = tag("span", where, class_="end") if where else None
            rows.append(tag("li", tag("a", label, href=f"{root}index/{label}/"), tag("span", kinds, class_="quiet small"), end))
        return tag("section", tag("h2", "Indexes"), tag("ul", rows, class_="plain rows"))

    def _upload(self, account: IAccount, shown: Shown, root: str) -> str | None:
        """Below the base, where uploads go; None where they go nowhere."""
        if shown.view:
            return None
        if not root:
            return "legacy/" if self.uploads is not None else None
        return "legacy/" if IHostedIndex.providedBy(bare(self.indexes[shown.label])) else None

    def _open(self, shown: Shown) -> bool:
        """Whether whoever does not log in may read something of each part of it."""
        anonymous = self.newest.gate.doorkeeper.known(None)
        return anonymous is not None and all(anonymous.may("read", leaf.index.label, None) for leaf in leaves(shown.index))


def _use(base: str, upload: str | None, *, secret: bool) -> Content:
    blocks = []
    for place, one in enumerate(configurations(base, upload, secret=secret)):
        parts = [(tag("p", part.about, class_="small quiet"), copyable(part.text, f"{one.tool}: {part.about}")) for part in one.parts]
        blocks.append(tag("details", tag("summary", one.tool), parts, open=place == 0))
    return blocks


def _newest(found: Sequence[Upload], root: str, now: float) -> Content:
    if not found:
        return None
    rows = [
        tag(
            "li",
            tag("a", one.name, " ", one.version, href=f"{root}project/{one.name}/{one.path}"),
            tag("span", one.label, class_="tag"),
            tag("time", ago(now - one.time), datetime=one.moment, class_="end", title=one.moment),
        )
        for one in found
    ]
    return tag("section", tag("h2", "Newest uploads"), tag("ul", rows, class_="plain rows"))


def ago(seconds: float) -> str:
    """So long ago, in the largest unit that fits."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _kind(index: IIndex) -> str:
    """What an index at the end of a chain holds, in words."""
    itself = bare(index)
    if IHostedIndex.providedBy(itself):
        return "packages of its own"
    if IMirror.providedBy(itself):
        return "a mirror of chosen packages"
    if ILocal.providedBy(itself):
        return "packages from a folder"
    return "packages of an upstream, fetched when they are wanted"
