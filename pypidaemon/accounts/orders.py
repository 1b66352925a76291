"""
What the command line and the HTTP interface ask of `People`, as JSON objects: one reading of them for both roads.

An order is two words, `user add`, and an object with exactly the fields that it has. The answer is an object too. Times in answers are
RFC 3339 in UTC; a token's text is in the answer to `token add` alone, and no hash is in any.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from pypidaemon.accounts.people import Actor, People, Unacceptable
from pypidaemon.accounts.realm import unexpired
from pypidaemon.model import Grant, Token
from pypidaemon.rights import GROUP

Order = Mapping[str, Any]
Answer = dict[str, Any]


async def perform(people: People, actor: Actor, words: tuple[str, str], order: Order) -> Answer:
    """
    Carry out an order.

    :raises LookupError: there is no such order; `ORDERS` has them all.
    :raises Unacceptable: a field is missing, is one too many or is of the wrong kind, or the order cannot be carried out.
    """
    act, fields = ORDERS[words]
    for name in order:
        if name not in fields:
            raise Unacceptable(f"there is no field {name[:40]!r} (known: {' '.join(sorted(fields))})")
    for name, kinds in fields.items():
        value = order.get(name)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise Unacceptable(f"the field {name} is missing or of the wrong kind")
    return await act(people, actor, order)


async def _user_add(people: People, actor: Actor, order: Order) -> Answer:
    await people.add_user(actor, order["name"], order.get("password"))
    return {"user": order["name"], "new": True}


async def _user_password(people: People, actor: Actor, order: Order) -> Answer:
    await people.set_password(actor, order["name"], order["password"])
    return {"user": order["name"]}


async def _user_disable(people: People, actor: Actor, order: Order) -> Answer:
    revoked = await people.disable_user(actor, order["name"])
    return {"user": order["name"], "disabled": True, "revoked": revoked}


async def _user_enable(people: People, actor: Actor, order: Order) -> Answer:
    await people.enable_user(actor, order["name"])
    return {"user": order["name"], "disabled": False}


async def _user_rm(people: People, actor: Actor, order: Order) -> Answer:
    return {"user": order["name"], "owned": await people.remove_user(actor, order["name"])}


async def _user_ls(people: People, actor: Actor, order: Order) -> Answer:
    everybody = await people.everybody()
    rights: dict[str, list[str]] = {}
    for grant in await people.grants():
        rights.setdefault(grant.subject, []).append(_right(grant))
    users = [
        {
            "name": person.user.name,
            "disabled": person.user.disabled,
            "password": bool(person.user.password_hash),
            "groups": sorted(person.groups),
            "grants": rights.pop(person.user.name, []),
        }
        for person in everybody
    ]
    return {"users": users, "others": rights}


async def _grant(people: People, actor: Actor, order: Order) -> Answer:
    name = order["name"]
    changed = await people.grant(actor, name, order["right"], order["place"])
    # A group needs no making, so a name that was misspelled can only be seen by this.
    nobody = name.startswith(GROUP) and not any(name.removeprefix(GROUP) in person.groups for person in await people.everybody())
    return {"name": name, "right": order["right"], "place": order["place"], "changed": changed, "nobody": nobody}


async def _ungrant(people: People, actor: Actor, order: Order) -> Answer:
    await people.ungrant(actor, order["name"], order["right"], order["place"])
    return {"name": order["name"], "right": order["right"], "place": order["place"], "changed": True}


async def _group_add(people: People, actor: Actor, order: Order) -> Answer:
    changed = await people.enrol(actor, order["group"], order["name"], True)
    return {"group": order["group"], "name": order["name"], "changed": changed}


async def _group_remove(people: People, actor: Actor, order: Order) -> Answer:
    changed = await people.enrol(actor, order["group"], order["name"], False)
    return {"group": order["group"], "name": order["name"], "changed": changed}


async def _token_add(people: People, actor: Actor, order: Order) -> Answer:
    token, text = await people.add_token(
        actor, order["name"], order.get("scope") or "", order.get("projects") or "*", order.get("lifetime")
    )
    return {"token": text, **_shown(token, people.clock.seconds())}


async def _token_revoke(people: People, actor: Actor, order: Order) -> Answer:
    return {"revoked": await people.revoke_token(actor, order["token"])}


async def _token_ls(people: People, actor: Actor, order: Order) -> Answer:
    return {"tokens": [_shown(token, people.clock.seconds()) for token in await people.tokens()]}


_MAYBE_TEXT = (str, type(None))
_MAYBE_NUMBER = (int, float, type(None))
Act = Callable[[People, Actor, Order], Awaitable[Answer]]

ORDERS: Mapping[tuple[str, str], tuple[Act, Mapping[str, type | tuple[type, ...]]]] = MappingProxyType(
    {
        ("user", "add"): (_user_add, {"name": str, "password": _MAYBE_TEXT}),
        ("user", "password"): (_user_password, {"name": str, "password": str}),
        ("user", "disable"): (_user_disable, {"name": str}),
        ("user", "enable"): (_user_enable, {"name": str}),
        ("user", "rm"): (_user_rm, {"name": str}),
        ("user", "ls"): (_user_ls, {}),
        ("grant", "add"): (_grant, {"name": str, "right": str, "place": str}),
        ("grant", "remove"): (_ungrant, {"name": str, "right": str, "place": str}),
        ("group", "add"): (_group_add, {"group": str, "name": str}),
        ("group", "remove"): (_group_remove, {"group": str, "name": str}),
        ("token", "add"): (_token_add, {"name": str, "scope": _MAYBE_TEXT, "projects": _MAYBE_TEXT, "lifetime": _MAYBE_NUMBER}),
        ("token", "revoke"): (_token_revoke, {"token": str}),
        ("token", "ls"): (_token_ls, {}),
    }
)
"""Every order: who carries it out, and its fields with their kinds; one that can be null can be left out."""


def _right(grant: Grant) -> str:
    """A grant as the command line takes it, without its subject."""
    return f"{grant.right} {grant.index}" + ("" if grant.projects == "*" else f"/{grant.projects}")


def _shown(token: Token, now: float) -> Answer:
    return {
        "id": token.id,
        "account": token.account,
        "scope": token.scope or "all",
        "projects": token.projects,
        "created": _moment(token.created),
        "expires": _moment(token.expires),
        "expired": not unexpired(token, now),
        "last_used": _moment(token.last_used),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
