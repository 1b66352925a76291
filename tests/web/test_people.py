"""Orders about accounts over HTTP."""

from __future__ import annotations

import json

import pytest

from pypidaemon.accounts.people import Actor
from pypidaemon.errors import NoSuchFile
from pypidaemon.web.ask import Ask
from pypidaemon.web.people import LARGEST, PeopleDesk
from pypidaemon.web.reply import Reply
from tests.accounts.parts import Gate
from tests.gear import now


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
