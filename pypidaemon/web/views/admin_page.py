"""What all pages of the administration have in common: who has signed in, what was just done, and forms that only this session can send (S74)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from pypidaemon.accounts.sessions import Note, Session
from pypidaemon.errors import NotAllowed
from pypidaemon.interfaces import IAccount
from pypidaemon.model import T
from pypidaemon.rulemaking import insist
from pypidaemon.web.administration import FOLDER
from pypidaemon.web.ask import Ask
from pypidaemon.web.readers import up
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.frame import CONTENT_TYPE, PROTECTION, View, copyable, document
from pypidaemon.web.views.markup import Content, Markup, joined, tag

FORM_WORD = "form-word"
"""The field of every form that holds the session's own word."""

_REFERRER = ("Referrer-Policy", "same-origin")
"""With none at all browsers would not say either which site a form is of, which is looked at (Fetch, "append a request Origin header")."""
_HEADERS = (
    ("Cache-Control", "no-store"),
    *(pair for pair in PROTECTION if pair[0] != _REFERRER[0]),
    _REFERRER,
    # Of a page that holds secrets the length of the compressed one would tell something, so none of them is compressed.
    ("Content-Type", CONTENT_TYPE),
)
_SECTIONS = (("", "Overview", False), ("accounts/", "Accounts", True), ("tokens/", "Tokens", True), ("rulings/", "Blocked", True))


@attrs.frozen
class Visit:
    """A request of a browser that has signed in: its account with the rights of now, and the word that its forms hold."""

    session: Session
    account: IAccount
    form_word: str

    @property
    def everywhere(self) -> bool:
        """Whether the account may administrate everything; who insists on that decides."""
        try:
            insist(self.account)
        except NotAllowed:
            return False
        return True


def root_of(ask: Ask) -> str:
    """The way from the page that was asked for to the first page of the administration."""
    return f"{up(ask)}{FOLDER}/"


def page(ask: Ask, visit: Visit | None, title: str, *body: Content, section: str | None = None, status: int = 200) -> Reply:
    """
    A page of the administration, which nobody keeps.

    :param section: the address of the entry that it belongs to, as "accounts/".
    """
    # An answer to HEAD shows nothing, and must not use up what is to be shown.
    notes = visit.session.taken() if visit is not None and ask.method != "HEAD" else ()
    inside = joined(
        _bar(ask, visit, section) if visit is not None else None,
        tag("h1", title),
        [_shown(note) for note in notes],
        body,
    )
    return Reply(status, _HEADERS, document(View(title, inside), up(ask)))


def form(ask: Ask, visit: Visit, to: str, *content: Content, button: str, label: str = "", kind: str = "", file: bool = False) -> Markup:
    """
    A form that posts to an address of the administration.

    :param button: what the button says; `label`, where there are many like it, what it is about.
    :param kind: the class of the button.
    """
    return tag(
        "form",
        hidden(FORM_WORD, visit.form_word),
        content,
        tag("button", button, type="submit", class_=kind or None, aria_label=f"{button}: {label}" if label else None),
        method="post",
        action=root_of(ask) + to,
        enctype="multipart/form-data" if file else None,
        class_="order",
    )


def hidden(name: str, value: str) -> Markup:
    """A field that is not shown."""
    return tag("input", type="hidden", name=name, value=value)


def entry(
    title: str, name: str, value: str = "", *, type_: str = "text", hint: str = "", required: bool = False, **more: str | int
) -> Markup:
    """A labelled field of one line."""
    field = tag("input", type=type_, name=name, value=value or None, required=required, **more)
    return tag("label", tag("span", title), field, tag("span", hint, class_="small quiet") if hint else None)


def choice(title: str, name: str, options: Iterable[tuple[str, str]], chosen: str = "") -> Markup:
    """A labelled choice of one of these values, each with what is said of it."""
    entries = [tag("option", said, value=value, selected=value == chosen) for value, said in options]
    return tag("label", tag("span", title), tag("select", entries, name=name))


def numbered(ask: Ask) -> int:
    """Which page of a list is wanted, from 1."""
    said = dict(ask.query).get("page", "1")
    return max(1, int(said)) if said.isascii() and said.isdigit() and len(said) < 6 else 1


def pages(number: int, count: int, most: int, *, more: str = "") -> Content:
    """Where the rest of a list is; `more` goes before the number in each address."""
    last = max(1, -(-count // most))
    if last == 1:
        return None
    return tag(
        "nav",
        tag("a", "Previous", href=f"?{more}page={number - 1}", rel="prev") if 1 < number <= last else None,
        tag("span", f"Page {number} of {last}", class_="quiet"),
        tag("a", "Next", href=f"?{more}page={number + 1}", rel="next") if number < last else None,
        class_="pages",
        aria_label="Pages of this list",
    )


def sheet(rows: Sequence[T], number: int, most: int) -> Sequence[T]:
    """That page of these rows."""
    return rows[(number - 1) * most : number * most]


def _bar(ask: Ask, visit: Visit, section: str | None) -> Markup:
    root = root_of(ask)
    entries = (*((where, said) for where, said, every in _SECTIONS if visit.everywhere or not every), ("status/", "Status and packing"))
    links = [tag("a", said, href=root + where, aria_current="page" if where == section else None) for where, said in entries]
    return tag(
        "div",
        tag("nav", links, aria_label="Administration"),
        tag("p", "Signed in as ", tag("strong", visit.session.name), class_="small quiet"),
        form(ask, visit, "sign-out", button="Sign out", kind="quietly"),
        class_="admin",
    )


def _shown(note: Note) -> Markup:
    said = tag("p", note.said, class_="notice good", role="status")
    return joined(said, copyable(note.secret, "To be copied now: it is not shown again")) if note.secret else said
