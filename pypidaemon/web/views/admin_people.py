"""
What stands on the pages on accounts, tokens, and what is blocked, made of what the orders `user ls`, `token ls` and the list of rulings answer.

Each takes time by the number of rights that there are, and is made on a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pypidaemon.model import ACTIONS
from pypidaemon.rights import SCOPES
from pypidaemon.web.ask import Ask
from pypidaemon.web.views.admin_page import Visit, choice, entry, form, hidden, numbered, pages, sheet
from pypidaemon.web.views.frame import table
from pypidaemon.web.views.markup import Content, Markup, joined, tag

EACH = 100
"""Entries of a list on one page."""

_KEPT: Mapping[str, Any] = {"autocomplete": "new-password", "minlength": 8, "maxlength": 1024}


def accounts(ask: Ask, visit: Visit, found: Mapping[str, Any]) -> Markup:
    """Who there is, what each may, and the forms for it; `found` as `user ls` answers."""
    users, number = found["users"], numbered(ask)
    cards = sheet(users, number, EACH)
    others = [(subject, _right(ask, visit, subject, rights)) for subject, rights in sorted(found["others"].items())]
    return joined(
        tag("section", tag("h2", "Who there is"), [_user(ask, visit, user) for user in cards], pages(number, len(users), EACH))
        if users
        else tag("p", "There is no account yet.", class_="quiet"),
        tag("section", tag("h2", "Rights of others"), [tag("div", tag("h3", one), rights, class_="card") for one, rights in others])
        if others
        else None,
        tag("section", tag("h2", "New account"), _new_user(ask, visit)),
        tag("section", tag("h2", "Give a right"), _grant(ask, visit)),
        tag("section", tag("h2", "Put into a group"), _enrol(ask, visit)),
    )


def tokens(ask: Ask, visit: Visit, found: Mapping[str, Any]) -> Markup:
    """The tokens of all accounts, without a secret; `found` as `token ls` answers."""
    every, number = found["tokens"], numbered(ask)
    rows = [
        (
            tag("code", token["id"]),
            token["account"],
            token["scope"],
            token["projects"],
            tag("span", "expired", class_="tag warn") if token["expired"] else _day(token["expires"]) or "for good",
            _day(token["last_used"]) or "not yet used",
            form(ask, visit, "people/token/revoke", hidden("token", token["id"]), button="Revoke", label=token["id"], kind="quietly"),
        )
        for token in sheet(every, number, EACH)
    ]
    heads = ("Token", "Account", "May", "Projects", "Until", "Last used", "Revoke")
    fields = (
        entry("Account", "name", required=True, autocomplete="off", maxlength=64),
        choice("May", "scope", [("", "all that the account may"), *((scope, scope) for scope in SCOPES if scope)], "upload"),
        entry("Projects", "projects", "*", hint="A name or a pattern, such as acme-*"),
        entry("Good for", "lifetime", "90d", hint="Such as 12h or 90d; empty is for good"),
    )
    return joined(
        table(heads, rows, "Tokens that are not revoked", class_="stack") if every else tag("p", "There is no token yet.", class_="quiet"),
        pages(number, len(every), EACH),
        tag(
            "section",
            tag("h2", "New token"),
            tag("p", "It is shown once, on the next page, and can be read nowhere afterwards."),
            form(ask, visit, "people/token/add", fields, button="Make the token"),
        ),
    )


def rulings(ask: Ask, visit: Visit, found: Mapping[str, Any]) -> Markup:
    """What is blocked or exempt everywhere; `found` as the list of rulings is answered."""
    every, number = found["rulings"], numbered(ask)
    rows = [ruling_row(ask, visit, ruling, back="") for ruling in sheet(every, number, EACH)]
    return joined(
        table(RULING_HEADS, rows, "In force in every index", class_="stack") if every else tag("p", "Nothing is.", class_="quiet"),
        pages(number, len(every), EACH),
        ruling_forms(ask, visit, "", back=""),
    )


RULING_HEADS = ("What", "Kind", "Why", "By", "Until", "Take back")


def ruling_row(ask: Ask, visit: Visit, ruling: Mapping[str, Any], *, back: str) -> tuple[Content, ...]:
    """A ruling as a row under `RULING_HEADS`; `back` is the project whose page follows when it is taken back."""
    verb = "unblock" if ruling["kind"] == "block" else "unexempt"
    fields = (hidden("target", ruling["target"]), hidden("back", back) if back else None)
    button = "Unblock" if verb == "unblock" else "Exempt no more"
    return (
        tag("code", ruling["target"]),
        ruling["kind"],
        ruling["reason"],
        ruling["account"],
        _day(ruling["until"]) or "for good",
        form(ask, visit, f"rulings/{verb}", fields, button=button, label=ruling["target"], kind="quietly"),
    )


def ruling_forms(ask: Ask, visit: Visit, target: str, *, back: str) -> Markup:
    """The forms to block and to exempt."""
    what = entry("What", "target", target, required=True, hint="PROJECT, PROJECT==VERSION or sha256:HEX", autocomplete="off")
    after = hidden("back", back) if back else None
    return joined(
        tag(
            "section",
            tag("h2", "Block"),
            form(ask, visit, "rulings/block", after, what, entry("Why", "reason", hint="Clients are told", required=True), button="Block"),
        ),
        tag(
            "details",
            tag("summary", "Exempt from waiting"),
            form(
                ask,
                visit,
                "rulings/exempt",
                (after, what, entry("Why", "reason", required=True), entry("For", "for", "7d", hint="Such as 24h")),
                button="Exempt",
            ),
        ),
    )


def _user(ask: Ask, visit: Visit, user: Mapping[str, Any]) -> Markup:
    name = str(user["name"])
    about = hidden("name", name)
    state = tag("span", "disabled", class_="tag warn") if user["disabled"] else None
    groups = [
        form(ask, visit, "people/group/remove", hidden("group", group), about, button=f"Take out of {group}", label=name, kind="quietly")
        for group in user["groups"]
    ]
    within = f"In {', '.join(user['groups'])}. " if user["groups"] else ""
    word = "enable" if user["disabled"] else "disable"
    return tag(
        "div",
        tag("h3", name, " ", state),
        tag("p", within, "Has a password." if user["password"] else "Has no password here.", class_="small quiet"),
        _right(ask, visit, name, user["grants"]),
        tag(
            "details",
            tag("summary", "Change ", name),
            form(
                ask, visit, "people/user/password", about, entry("New password", "password", type_="password", required=True, **_KEPT),
                button="Set the password", label=name,
            ),
            groups,
            form(ask, visit, f"people/user/{word}", about, button=word.capitalize(), label=name, kind="quietly"),
            form(ask, visit, "people/user/rm", about, button="Remove", label=name, kind="quietly"),
        ),
        class_="card",
    )  # fmt: skip


def _right(ask: Ask, visit: Visit, subject: str, rights: list[str]) -> Content:
    """What somebody was granted, each with a way to take it back."""
    rows = []
    for said in rights:
        right, _, place = said.partition(" ")
        fields = (hidden("name", subject), hidden("right", right), hidden("place", place))
        taken = form(ask, visit, "people/grant/remove", fields, button="Take back", label=f"{said} from {subject}", kind="quietly")
        rows.append(tag("li", tag("span", right, " on ", tag("code", place)), taken))
    return tag("ul", rows, class_="plain rows") if rows else None


def _new_user(ask: Ask, visit: Visit) -> Markup:
    fields = (
        entry("Name", "name", required=True, autocomplete="off", maxlength=64),
        entry("Password", "password", type_="password", hint="8 characters at least; empty for one who uses tokens alone", **_KEPT),
    )
    return form(ask, visit, "people/user/add", fields, button="Add the account")


def _grant(ask: Ask, visit: Visit) -> Markup:
    fields = (
        entry("To", "name", required=True, autocomplete="off", hint="An account, group:NAME, anonymous or authenticated"),
        choice("Right", "right", [(action, action) for action in ACTIONS], "upload"),
        entry("Where", "place", required=True, autocomplete="off", hint="INDEX, INDEX/PATTERN or *"),
    )
    return form(ask, visit, "people/grant/add", fields, button="Give the right")


def _enrol(ask: Ask, visit: Visit) -> Markup:
    fields = (
        entry("Account", "name", required=True, autocomplete="off", maxlength=64),
        entry("Group", "group", required=True, autocomplete="off", maxlength=64, hint="A group needs no making"),
    )
    return form(ask, visit, "people/group/add", fields, button="Put it in")


def _day(moment: str | None) -> Content:
    return tag("time", moment[:10], datetime=moment, class_="nowrap num") if moment else None
