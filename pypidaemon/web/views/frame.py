"""
The frame of every page for people: head, bar with the search, foot, and the headers that keep a browser from doing anything but showing it (S81).

Links are relative, so that a page works below any prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import attrs
from isal import igzip

from pypidaemon import __version__
from pypidaemon.simple.negotiation import choose_coding
from pypidaemon.validators import matches
from pypidaemon.web.ask import Ask
from pypidaemon.web.readers import up
from pypidaemon.web.reply import Reply, one_line
from pypidaemon.web.views import static
from pypidaemon.web.views.markup import Content, Markup, joined, tag

CONTENT_TYPE = "text/html; charset=utf-8"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
PROTECTION = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
"""What a browser may do with a page: show it, in our style, and run our scripts."""

_WORTH_COMPRESSING = 512
_SECTIONS = (("start", "", "Start"), ("search", "search/", "Search"), ("status", "status/", "Status"))


@attrs.frozen
class View:
    """
    What stands in the frame.

    :param title: of the window; the page's own heading is part of `body`.
    :param body: everything between bar and foot.
    :param section: which entry of the bar it belongs to: "start", "search", "status", or "".
    :param asked: what stands in the search field.
    :param scripts: names of files beside this module that it runs, besides `frame.js` where there is something to copy.
    :param feeds: titles and addresses of RSS feeds, relative to the page.
    :param description: one sentence for whoever lists pages.
    """

    title: str
    body: Markup
    section: str = ""
    asked: str = ""
    scripts: tuple[str, ...] = ()
    feeds: tuple[tuple[str, str], ...] = ()
    description: str = ""


def document(view: View, root: str) -> bytes:
    """
    The whole page in UTF-8. Takes time by its length: a long one is made on a thread.

    :param root: as `up` of `readers` gives it.
    """
    head = joined(
        tag("meta", charset="utf-8"),
        tag("title", f"{view.title} · pypidaemon" if view.title else "pypidaemon"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="description", content=one_line(view.description)[:300]) if view.description else None,
        tag("link", rel="icon", href=root + static.path("icon.svg"), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=root + static.path("style.css")),
        [tag("link", rel="alternate", type="application/rss+xml", title=title, href=address) for title, address in view.feeds],
        [tag("script", src=root + static.path(name), defer=True) for name in _scripts(view)],
    )
    body = joined(
        tag("a", "Skip to the content", class_="skip", href="#content"),
        _bar(view, root),
        tag("main", view.body, id="content", tabindex="-1"),
        tag(
            "footer",
            tag("p", f"pypidaemon {__version__}"),
            tag("p", tag("a", "Administration", href=root + "+admin/")),
        ),
    )
    page = joined(Markup("<!DOCTYPE html>\n"), tag("html", tag("head", head), tag("body", body), lang="en"), "\n")
    return page.encode()


def reply(ask: Ask, view: View, *, status: int = 200, private: bool = False, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """
    That page as the answer to this request, with its tag: 304 where the client has it (R73).

    :param private: whether not everybody may see it.
    :param headers: more of them; a `Cache-Control` among them stands instead of `no-cache`.
    """
    return finished(ask, document(view, up(ask)), status=status, private=private, headers=headers)


def finished(ask: Ask, body: bytes, *, status: int = 200, private: bool = False, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """As `reply`, of a page that was made before."""
    coding = choose_coding(ask.headers.every("accept-encoding"), ("gzip",)) if len(body) >= _WORTH_COMPRESSING else ""
    etag = f'"{blake2b(body, digest_size=15).hexdigest()}{"-" + coding if coding else ""}"'
    named = {name.lower() for name, _ in headers}
    own = [("Cache-Control", "no-store" if status >= 400 else "private, no-cache" if private else "no-cache")]
    own = [pair for pair in own if pair[0].lower() not in named]
    all_headers = (*own, ("Vary", "Accept, Accept-Encoding"), *PROTECTION, *headers)
    if status == 200:
        all_headers = (("ETag", etag), *all_headers)
        asked = ask.headers.every("if-none-match")
        if asked and matches(asked, etag):
            return Reply(304, all_headers)
    all_headers = (*all_headers, ("Content-Type", CONTENT_TYPE))
    if coding:
        return Reply(status, (*all_headers, ("Content-Encoding", coding)), igzip.compress(body, 2, mtime=0))
    return Reply(status, all_headers, body)


def trouble(ask: Ask, plain: Reply, heading: str, *said: Content) -> Reply:
    """
    A page in place of an error's one line, with its status, its reason and what it tells programs (R10); plain HTML says the same.

    :param plain: the answer as a program is given it.
    :param said: what may help whoever reads it, as paragraphs.
    """
    kept = tuple(pair for pair in plain.headers if pair[0].lower() not in {"content-type", "x-content-type-options"})
    body = joined(
        tag("h1", heading),
        tag("p", plain.line, class_="lead"),
        [tag("p", one) for one in said],
        tag("p", "Request ", tag("code", ask.id), class_="quiet"),
    )
    made = reply(ask, View(heading, body), status=plain.status, headers=kept)
    return attrs.evolve(made, reason=plain.reason, line=plain.line)


def copyable(text: str, label: str) -> Markup:
    """A block of text that is there to be copied; `label` says what it is, for who cannot see where it stands."""
    return tag("pre", tag("code", text), class_="copy", tabindex="0", aria_label=label)


def notice(kind: str, *content: Content) -> Markup:
    """A remark that stands out; `kind` is "note", "warn" or "bad"."""
    return tag("p", *content, class_=f"notice {kind}", role="note")


def table(headings: Sequence[str], rows: Sequence[Sequence[Content]], caption: str, *, class_: str = "") -> Markup:
    """A table that may be wider than the screen; the first cell of each row is its heading."""
    head = tag("thead", tag("tr", [tag("th", one, scope="col") for one in headings]))
    body = tag("tbody", [tag("tr", tag("th", row[0], scope="row"), [tag("td", cell) for cell in row[1:]]) for row in rows])
    whole = tag("table", tag("caption", caption), head, body, class_=class_ or None)
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def size(count: int | None) -> str:
    """So many bytes, as people read it: 1.5 MB."""
    if count is None:
        return "?"
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    raise AssertionError("the last unit is for all that is left")


def number(count: float) -> str:
    """A number with its thousands set apart."""
    return f"{count:,.0f}".replace(",", "\u202f")


def _scripts(view: View) -> tuple[str, ...]:
    return ("frame.js", *view.scripts) if ' class="copy"' in view.body else view.scripts


def _bar(view: View, root: str) -> Markup:
    links = [
        tag("a", title, href=root + path, aria_current="page" if name == view.section else None)
        for name, path, title in _SECTIONS
        if name != "start"
    ]
    brand = tag(
        "a",
        tag("span", "pypi", class_="light"),
        "daemon",
        class_="brand",
        href=root,
        aria_current="page" if view.section == "start" else None,
    )
    field = tag(
        "input", type="search", name="q", value=view.asked or None, placeholder="Search packages", aria_label="Search packages", autocomplete="off",
        maxlength=200, spellcheck="false",
    )  # fmt: skip
    form = tag("form", field, tag("button", "Search", type="submit"), action=root + "search/", method="get", role="search")
    return tag("header", tag("div", brand, form, tag("nav", links, aria_label="Pages"), class_="bar"))
