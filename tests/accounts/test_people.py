"""What is done to accounts, as methods and as orders in JSON, and that it is noted."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from pypidaemon.accounts.orders import ORDERS, perform
from pypidaemon.accounts.people import OPERATOR, Actor, Unacceptable
from pypidaemon.accounts.tokens import secret_hash
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import FileRecord, Grant, NormalizedName
from tests.accounts.parts import NOON, Gate
from tests.fakes import file
from tests.gear import now


@pytest.fixture
def gate() -> Gate:
    return Gate()


def deeds(gate: Gate) -> list[tuple[str, str, str]]:
    return [(deed.action, deed.subject, deed.detail) for deed in now(gate.records.accounts.deeds(0, 1000))]


def order(gate: Gate, *words: str, **fields: Any) -> dict[str, Any]:
    return now(perform(gate.people, OPERATOR, (words[0], words[1]), fields))


def test_S78_every_change_is_noted_and_what_changes_nothing_is_not(gate: Gate) -> None:
    """By whom, and never with a secret."""
    gate.user("ann", "a canary")
    assert now(gate.people.grant(OPERATOR, "ann", "upload", "private/Acme.*"))
    assert not now(gate.people.grant(OPERATOR, "ann", "upload", "private/acme-*"))
    assert now(gate.people.enrol(OPERATOR, "staff", "ann", True))
    assert not now(gate.people.enrol(OPERATOR, "staff", "ann", True))
    now(gate.people.ungrant(OPERATOR, "ann", "upload", "private/acme_*"))
    assert now(gate.people.enrol(OPERATOR, "staff", "ann", False))
    text = gate.token("ann", "read", "Acme_*")
    id = now(gate.people.revoke_token(Actor("root", "192.0.2.7"), text))
    now(gate.people.disable_user(OPERATOR, "ann"))
    assert deeds(gate) == [
        ("user add", "ann", "with a password"),
        ("grant", "ann", "upload private/acme-*"),
        ("group add", "staff", "ann"),
        ("ungrant", "ann", "upload private/acme-*"),
        ("group remove", "staff", "ann"),
        ("token add", "ann", f"{id} scope=read projects=acme-*"),
        ("token revoke", "ann", id),
        ("user disable", "ann", ""),
    ]
    noted = now(gate.records.accounts.deeds(0, 1000))
    assert (noted[0].account, noted[0].address, noted[0].time) == ("(operator)", "local", NOON)
    assert (noted[6].account, noted[6].address) == ("root", "192.0.2.7")
    assert "canary" not in repr(noted)


def test_the_doorkeeper_is_told_of_every_change(gate: Gate) -> None:
    """Once for each, before the answer."""
    told = itertools.count()
    gate.people.changed = lambda: next(told)  # type: ignore[assignment]  # its answer is nobody's
    gate.user()
    text = gate.token()
    now(gate.people.grant(OPERATOR, "ann", "read", "*"))
    now(gate.people.revoke_token(OPERATOR, text))
    now(gate.people.disable_user(OPERATOR, "ann"))
    assert next(told) == 5


def test_S70_R195_only_the_hash_of_a_token_is_kept(gate: Gate) -> None:
    """With what limits it."""
    gate.user()
    text = gate.token("ann", "upload", "acme-*", 30.5)
    (token,) = now(gate.people.tokens())
    assert text == f"pypidaemon-{token.id}-{text.rpartition('-')[2]}"
    assert token.secret_hash == secret_hash(text.rpartition("-")[2])
    assert (token.account, token.scope, token.projects) == ("ann", "upload", "acme-*")
    assert (token.created, token.expires) == (NOON, NOON + 31)


def test_random_numbers_that_repeat_make_no_token(gate: Gate) -> None:
    gate.user()
    gate.people.random = lambda count: b"x" * count
    gate.token()
    with pytest.raises(PypidaemonError, match="random"):
        gate.token()


@pytest.mark.parametrize(
    ("words", "fields", "line"),
    [
        (("user", "add"), {"name": "a b"}, "a name has"),
        (("user", "add"), {"name": "anonymous"}, "is taken"),
        (("user", "add"), {"name": "bob", "password": ""}, "a password has 8 to 1024 printable"),
        (("user", "add"), {"name": "bob", "password": "seven ."}, "a password has 8"),
        (("user", "add"), {"name": "ann", "password": "another one"}, r"a user ann already \(user password .* user enable"),
        (("user", "add"), {"name": "off"}, "a user off already"),
        (("user", "password"), {"name": "bob", "password": "another one"}, "no user bob"),
        (("user", "password"), {"name": "ann", "password": "short"}, "a password has 8"),
        (("user", "password"), {"name": "ann"}, "field password is missing"),
        (("user", "enable"), {"name": "bob"}, "no user bob"),
        (("user", "enable"), {"name": "ann"}, "ann is not disabled"),
        (("user", "rm"), {"name": "bob"}, "no user bob"),
        (("grant", "add"), {"name": "ann", "right": "read", "place": "root"}, "root only shows what other .* on those: private pypi"),
        (("user", "add"), {"name": "bob", "password": "a\nb a\nb a\nb"}, "a password has"),
        (("user", "add"), {"name": "bob", "password": "x" * 1025}, "a password has"),
        (("user", "disable"), {"name": "bob"}, "no user bob"),
        (("grant", "add"), {"name": "bob", "right": "read", "place": "pypi"}, "no user bob"),
        (("grant", "add"), {"name": "off", "right": "read", "place": "pypi"}, "is disabled"),
        (("grant", "add"), {"name": "ann", "right": "fly", "place": "pypi"}, r"no right fly \(known: list read"),
        (("grant", "add"), {"name": "ann", "right": "read", "place": "pipi"}, r"no index pipi \(known: private pypi root \*\)"),
        (("grant", "add"), {"name": "ann", "right": "read", "place": ""}, "INDEX or INDEX/GLOB"),
        (("grant", "add"), {"name": "ann", "right": "read", "place": "pypi/"}, "INDEX or INDEX/GLOB"),
        (("grant", "add"), {"name": "ann", "right": "read", "place": "pypi/a b"}, "one pattern"),
        (("grant", "add"), {"name": "ann", "right": "read", "place": "pypi/a/b"}, "not a pattern"),
        (("grant", "add"), {"name": "group:", "right": "read", "place": "pypi"}, "a name has"),
        (("grant", "remove"), {"name": "ann", "right": "read", "place": "pypi"}, "was not granted"),
        (("group", "add"), {"group": "a:b", "name": "ann"}, "a name has"),
        (("group", "add"), {"group": "staff", "name": "bob"}, "no user bob"),
        (("token", "add"), {"name": "bob"}, "no user bob"),
        (("token", "add"), {"name": "off"}, "is disabled"),
        (("token", "add"), {"name": "ann", "scope": "admin"}, r"no scope admin \(known: read upload\)"),
        (("token", "add"), {"name": "ann", "lifetime": 0}, "more than no time"),
        (("token", "add"), {"name": "ann", "lifetime": float("inf")}, "100 years"),
        (("token", "add"), {"name": "ann", "lifetime": float("nan")}, "100 years"),
        (("token", "add"), {"name": "ann", "projects": "a/b"}, "not a pattern"),
        (("token", "revoke"), {"token": "canary"}, "no such token"),
        (("token", "revoke"), {"token": "a" * 12}, "no such token"),
        (("user", "add"), {}, "field name is missing"),
        (("user", "add"), {"name": 1}, "wrong kind"),
        (("user", "add"), {"name": "bob", "pasword": "x"}, r"no field 'pasword' \(known: name password\)"),
        (("token", "add"), {"name": "ann", "lifetime": True}, "wrong kind"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_and_changes_nothing(
    gate: Gate, words: tuple[str, str], fields: dict[str, Any], line: str
) -> None:
    gate.user("ann")
    gate.user("off")
    now(gate.people.disable_user(OPERATOR, "off"))
    before = deeds(gate)
    with pytest.raises(Unacceptable, match=line) as caught:
        order(gate, *words, **fields)
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)
    assert deeds(gate) == before
    assert [user.name for user in now(gate.records.accounts.users())] == ["ann", "off"]


def test_there_is_no_other_order(gate: Gate) -> None:
    with pytest.raises(LookupError):
        order(gate, "user", "fly")


def test_what_was_granted_can_be_taken_back_when_index_and_user_are_gone(gate: Gate) -> None:
    """And what everybody has from the start too."""
    now(gate.records.accounts.grant(Grant("gone", "read", "old-index"), True))
    order(gate, "grant", "remove", name="gone", right="read", place="old-index")
    order(gate, "grant", "remove", name="anonymous", right="read", place="*")
    assert now(gate.people.grants()) == [Grant("anonymous", "list", "*")]


@pytest.mark.parametrize("subject", ["anonymous", "authenticated", "group:nobody-yet", "ann"])
def test_who_can_be_granted_something(gate: Gate, subject: str) -> None:
    gate.user()
    assert order(gate, "grant", "add", name=subject, right="create", place="*/acme-*")["changed"]


def test_where_somebody_else_knows_who_there_is(gate: Gate) -> None:
    """Names are not looked for here, passwords are not kept here, and disabling works all the same."""
    gate.people.strangers = True
    assert order(gate, "grant", "add", name="zoe", right="upload", place="private")["changed"]
    assert order(gate, "token", "add", name="zoe")["token"]
    with pytest.raises(Unacceptable, match="not kept here"):
        order(gate, "user", "add", name="zoe", password="another one")
    assert order(gate, "user", "disable", name="zoe")["disabled"]
    with pytest.raises(Unacceptable, match="is disabled"):
        order(gate, "token", "add", name="zoe")
    order(gate, "user", "enable", name="zoe")
    assert order(gate, "token", "add", name="zoe")["token"]


def test_lists_show_all_but_secrets(gate: Gate) -> None:
    """As JSON."""
    assert order(gate, "user", "add", name="ann", password="right one") == {"user": "ann", "new": True}
    order(gate, "user", "add", name="ci")
    order(gate, "group", "add", group="staff", name="ann")
    order(gate, "grant", "add", name="ann", right="admin", place="private")
    order(gate, "grant", "add", name="group:staff", right="upload", place="private/acme-*")
    made = order(gate, "token", "add", name="ann", scope="read", projects="acme-*", lifetime=86400)
    text = made.pop("token")
    assert order(gate, "user", "ls") == {
        "users": [
            {"name": "ann", "disabled": False, "password": True, "groups": ["staff"], "grants": ["admin private"]},
            {"name": "ci", "disabled": False, "password": False, "groups": [], "grants": []},
        ],
        "others": {"anonymous": ["list *", "read *"], "group:staff": ["upload private/acme-*"]},
    }
    assert order(gate, "token", "ls") == {"tokens": [made]}
    assert made == {
        "id": text.split("-")[1],
        "account": "ann",
        "scope": "read",
        "projects": "acme-*",
        "created": "2026-05-28T20:26:40Z",
        "expires": "2026-05-29T20:26:40Z",
        "expired": False,
        "last_used": None,
    }
    gate.clock.advance(86400)
    assert order(gate, "token", "ls") == {"tokens": [{**made, "expired": True}]}
    everything = json.dumps([order(gate, "user", "ls"), order(gate, "token", "ls")])
    assert text.rpartition("-")[2] not in everything
    assert secret_hash(text.rpartition("-")[2]) not in everything
    assert "argon2" not in everything
    assert order(gate, "token", "revoke", token=made["id"]) == {"revoked": made["id"]}
    assert order(gate, "token", "ls") == {"tokens": []}


def test_S73_disabling_revokes_all_tokens(gate: Gate) -> None:
    """So that none is good again when the user is; of others none is touched, and rights and password stay."""
    gate.user("ann")
    gate.user("bob")
    for name in ("ann", "ann", "bob"):
        gate.token(name)
    order(gate, "grant", "add", name="ann", right="upload", place="private")
    assert order(gate, "user", "disable", name="ann") == {"user": "ann", "disabled": True, "revoked": 2}
    assert [token["account"] for token in order(gate, "token", "ls")["tokens"]] == ["bob"]
    assert order(gate, "user", "enable", name="ann") == {"user": "ann", "disabled": False}
    assert [token["account"] for token in order(gate, "token", "ls")["tokens"]] == ["bob"]
    ann = order(gate, "user", "ls")["users"][0]
    assert (ann["disabled"], ann["password"], ann["grants"]) == (False, True, ["upload private"])
    assert deeds(gate)[-2:] == [("user disable", "ann", "tokens revoked: 2"), ("user enable", "ann", "")]


def test_a_removed_user_owns_nothing_any_more(gate: Gate) -> None:
    """Or whoever has the name next would."""
    gate.user("ann")
    name, record = NormalizedName("acme"), FileRecord(file("acme-1.0.tar.gz"), "1.0", "ann")
    now(gate.records.files.add("private", name, record, "add file", "ann"))
    assert order(gate, "user", "rm", name="ann") == {"user": "ann", "owned": 1}
    assert now(gate.records.files.owner("private", name)) is None
    assert now(gate.records.files.names("private")).keys() == {name}
    assert deeds(gate)[-1] == ("user rm", "ann", "projects owned: 1")
    gate.user("ann")
    assert now(gate.records.files.owned("ann")) == frozenset()


def test_a_grant_to_a_group_says_whether_anybody_is_in_it(gate: Gate) -> None:
    """A group needs no making, and its name may have been misspelled."""
    gate.user("ann")
    wanted = {"name": "group:staff", "right": "upload", "place": "private"}
    assert order(gate, "grant", "add", **wanted)["nobody"] is True
    order(gate, "group", "add", group="staff", name="ann")
    assert order(gate, "grant", "add", **wanted)["nobody"] is False
    assert order(gate, "grant", "add", **{**wanted, "name": "ann"})["nobody"] is False


def test_what_an_index_lists_is_its_own_affair(gate: Gate) -> None:
    """So `list` can be given where all else belongs to the leaves; and what was given before can be taken back."""
    assert order(gate, "grant", "add", name="anonymous", right="list", place="root")["changed"]
    now(gate.records.accounts.grant(Grant("anonymous", "read", "root"), True))
    order(gate, "grant", "remove", name="anonymous", right="read", place="root")


def test_every_order_says_its_fields() -> None:
    """So that a client can be told."""
    assert all(
        fields.keys() <= {"name", "password", "right", "place", "group", "scope", "projects", "lifetime", "token"}
        for _, fields in ORDERS.values()
    )
