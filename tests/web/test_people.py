"""Orders about accounts over HTTP."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from twisted.internet.defer import CancelledError, Deferred

from pypidaemon.accounts.people import Actor
from pypidaemon.errors import NoSuchFile, NotAllowed, StorageFull
from pypidaemon.model import Grant
from pypidaemon.rights import Account
from pypidaemon.web.ask import Ask
from pypidaemon.web.people import LARGEST, PeopleDesk
from pypidaemon.web.reply import Reply
from tests.accounts.parts import HERE, Gate, basic
from tests.gear import later, now


@pytest.fixture
def gate() -> Gate:
    return Gate()


def post(gate: Gate, path: str, body: bytes, method: str = "POST") -> Reply:
    return now(PeopleDesk(gate.people).handle(Ask(method, tuple(path.split("/")), id="0" * 16), body))


def test_an_order_is_carried_out_and_answered(gate: Gate) -> None:
    """Without a body it has no fields; what stands before the last two segments is the caller's."""
    reply = post(gate, "people/user/add", b'{"name": "ann", "password": "right one"}')
    assert (reply.status, json.loads(reply.body)) == (200, {"user": "ann", "new": True})
    assert ("Cache-Control", "no-store") in reply.headers
    reply = post(gate, "+api/people/user/ls", b"")
    assert [user["name"] for user in json.loads(reply.body)["users"]] == ["ann"]


def test_S78_the_actor_is_who_the_caller_says(gate: Gate) -> None:
    """On the control socket that is the operator."""
    ask = Ask("POST", ("people", "user", "add"))
    now(PeopleDesk(gate.people).handle(ask, b'{"name": "ann"}'))
    now(PeopleDesk(gate.people).handle(ask, b'{"name": "bob"}', Actor("root", "192.0.2.1")))
    noted = now(gate.records.accounts.deeds(0, 9))
    assert [(deed.account, deed.address) for deed in noted] == [("(operator)", "local"), ("root", "192.0.2.1")]


@pytest.mark.parametrize("body", [b"canary", b"[]", b'"canary"', b'{"name": "canary"', b"\xff"])
def test_S71_a_body_that_cannot_be_read_is_not_repeated(gate: Gate, body: bytes) -> None:
    reply = post(gate, "people/user/add", body)
    assert reply.status == 400
    assert b"the body must be a JSON object" in reply.body
    assert b"canary" not in reply.body


def test_what_makes_no_sense_is_400_with_one_line(gate: Gate) -> None:
    reply = post(gate, "people/token/add", b'{"name": "bob"}')
    assert (reply.status, reply.body.splitlines()[0]) == (400, b"there is no user bob")


def test_other_methods_sizes_and_addresses(gate: Gate) -> None:
    reply = post(gate, "people/user/ls", b"", "GET")
    assert reply.status == 405
    assert ("Allow", "POST") in reply.headers
    assert post(gate, "people/user/ls", b" " * (LARGEST + 1)).status == 413
    for path in ("people/user/fly", "people", "people/user/ls/"):
        with pytest.raises(NoSuchFile):
            post(gate, path, b"{}")


def test_S73_an_order_whose_client_leaves_is_carried_out_and_in_force(gate: Gate) -> None:
    """It changes the records in any case, so nobody may be left with the rights from before."""
    assert enter(gate).may("read", "private", None)
    books = gate.records.accounts
    writing: Deferred[None] = Deferred()
    grant = type(books).grant

    async def slow(self: Any, wanted: Grant, given: bool) -> bool:
        changed = await grant(self, wanted, given)
        await writing
        return changed

    with mock.patch.object(type(books), "grant", slow):
        ask = Ask("POST", ("people", "grant", "remove"))
        order = later(PeopleDesk(gate.people).handle(ask, b'{"name": "anonymous", "right": "read", "place": "*"}'))
        order.addErrback(lambda failed: failed.trap(CancelledError))
        order.cancel()
        writing.callback(None)
    assert not enter(gate).may("read", "private", None)
    assert [deed.action for deed in now(books.deeds(0, 9))] == ["ungrant"]


def test_S73_an_order_that_fails_halfway_is_in_force_as_far_as_it_got(gate: Gate) -> None:
    """A full disk keeps nobody in who was disabled."""
    gate.user()
    gate.token()
    header = basic("ann", "right one")
    assert now(gate.doorkeeper.admit(header, HERE)).name == "ann"

    async def full(self: Any, id: str) -> bool:
        raise StorageFull("there is no room")

    with mock.patch.object(type(gate.records.accounts), "revoke_token", full), pytest.raises(StorageFull):
        post(gate, "people/user/disable", b'{"name": "ann"}')
    with pytest.raises(NotAllowed):
        now(gate.doorkeeper.admit(header, HERE))


def enter(gate: Gate) -> Account:
    """Nobody in particular, as the door knows them."""
    return now(gate.doorkeeper.admit(None, HERE))
