"""The life of a release by the HTTP interface: rights, effects on the very next page, and the audit log."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.private import Private
from pypidaemon.model import Deed, NormalizedName
from pypidaemon.refusals import MOST
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply
from tests.gear import inline, now
from tests.house import House, Inspectors
from tests.web.posting import look, order, send
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"
ALPHA = NormalizedName("alpha")


@pytest.fixture
def house() -> House:
    """Two private indexes before the proxy, uploads to `private`; ann may upload and delete there, bob owns beta, eve may nothing."""
    house = House()
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"stranger"))
    private = house.with_private()
    production = Private("production", house.records, house.blobs, house.clock, inline, house.announcements, Inspectors())
    root = FirstMatch("root", (production, private, house.proxy), house.records)
    house.open({"root": root, "production": production, "private": private, "pypi": house.proxy}, "root")
    house.tokens = {name: house.token(name) for name in ("ann", "bob", "eve")}
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    house.grant("bob", "create", "private")
    for made in (wheel(), wheel("alpha", "1.1")):
        assert upload(house, house.tokens["ann"], made).status == 200
    assert upload(house, house.tokens["bob"], wheel("beta")).status == 200
    return house


def files(house: House, path: str = "/index/private/simple/alpha/") -> dict[str, Any]:
    """The very next page's entries by version."""
    page = json.loads(house.get(path, accept=JSON).body)
    return {one["filename"].split("-")[1]: one for one in page["files"]}


def deeds(house: House, action: str) -> list[Deed]:
    """What the audit log has of such orders."""
    return [deed for deed in now(house.records.accounts.deeds(0.0, 1000)) if deed.action == action]


def digest(made: Any = None) -> str:
    """How the log names a wheel."""
    return "sha256:" + hashlib.sha256((made or wheel())[1]).hexdigest()


def test_R111_a_release_is_yanked_with_a_reason_and_the_yank_taken_back(house: House) -> None:
    ann = house.tokens["ann"]
    status, answer = order(house, "yank", ann, project="Alpha", version="1.0.0", reason="it eats\ndisks")
    assert (status, answer) == (200, {"project": "alpha", "version": "1.0.0", "index": "private", "files": 1})
    assert {version: one["yanked"] for version, one in files(house).items()} == {"1.0": "it eats disks", "1.1": False}
    assert order(house, "yank", ann, project="Alpha", version="1.0", reason="it eats\ndisks")[1]["files"] == 0
    assert order(house, "unyank", ann, project="alpha", version="1.0")[1]["files"] == 1
    assert order(house, "unyank", ann, project="alpha", version="1.0")[1]["files"] == 0
    assert files(house)["1.0"]["yanked"] is False
    deed, again = deeds(house, "yank")
    assert again.detail == "reason: it eats disks no change"
    assert (deed.account, deed.address, deed.subject, deed.done) == ("ann", "127.0.0.1", "private/alpha==1.0.0", True)
    assert deed.detail == f"{digest()} reason: it eats disks"


def test_a_release_is_hidden_and_shown_deleted_and_brought_back(house: House) -> None:
    ann = house.tokens["ann"]
    path = "/" + files(house, "/simple/alpha/")["1.0"]["url"].removeprefix("../../")
    assert look(house, path).status == 200
    assert order(house, "hide", ann, project="alpha", version="1.0")[1]["files"] == 1
    assert set(files(house, "/simple/alpha/")) == {"1.1"}
    assert look(house, path).status == 404
    assert order(house, "undelete", ann, project="alpha", version="1.0")[1]["files"] == 0
    assert order(house, "unhide", ann, project="alpha", version="1.0")[1]["files"] == 1
    order(house, "hide", ann, project="alpha", version="1.1")
    assert order(house, "delete", ann, project="alpha", version="1.0")[1]["files"] == 1
    assert order(house, "unhide", ann, project="alpha", version="1.0")[1]["files"] == 0
    assert files(house) == {}
    assert order(house, "undelete", ann, project="alpha")[1]["files"] == 1
    assert set(files(house)) == {"1.0"}


def test_S12_a_deleted_project_stays_claimed_and_its_file_names_used(house: House) -> None:
    """No stranger takes its place (law 3)."""
    assert order(house, "delete", house.tokens["ann"], project="alpha") == (
        200,
        {"project": "alpha", "version": None, "index": "private", "files": 2},
    )
    page = look(house, "/simple/alpha/", accept=JSON)
    assert (page.status, json.loads(page.body)["files"]) == (200, [])
    assert upload(house, house.tokens["ann"], wheel()).status == 400
    (deed,) = deeds(house, "delete")
    assert digest() in deed.detail
    assert digest(wheel("alpha", "1.1")) in deed.detail


@pytest.mark.parametrize("verb", ["yank", "unyank", "hide", "unhide", "delete", "undelete"])
def test_S72_each_verb_takes_a_right(house: House, verb: str) -> None:
    """401 without a login, 403 without the right; the owner of a project has it there and nowhere else."""
    wanted = {"project": "alpha", "version": "1.0"}
    before = files(house)
    assert order(house, verb, None, **wanted)[0] == 401
    for name in ("bob", "eve"):
        assert order(house, verb, house.tokens[name], **wanted)[0] == 403
        assert order(house, verb, house.tokens[name], **wanted, index="private")[0] == 403
    assert order(house, verb, "pypidaemon-wrong-token", **wanted)[0] == 401
    assert order(house, verb, house.token("ann", scope="upload"), **wanted)[0] == 403
    assert order(house, verb, house.token("ann", projects="beta"), **wanted)[0] == 403
    assert files(house) == before
    assert order(house, verb, house.tokens["bob"], project="beta", version="1.0")[0] == 200
    refused = [deed for deed in deeds(house, verb) if not deed.done]
    assert {deed.account for deed in refused} == {"ann", "bob", "eve"}
    assert all("may not delete alpha" in deed.detail for deed in refused)


@pytest.mark.parametrize(
    ("verb", "fields", "status"),
    [
        ("yank", {"project": "alpha", "version": "7"}, 404),
        ("yank", {"project": "nothing", "version": "1"}, 404),
        ("yank", {"project": "../x", "version": "1"}, 404),
        ("yank", {"version": "1"}, 400),
        ("yank", {"project": "alpha"}, 400),
        ("yank", {"project": "alpha", "version": 1}, 400),
        ("yank", {"project": "alpha", "version": "1.0\n"}, 400),
        ("yank", {"project": "alpha", "version": "1.0", "why": "x"}, 400),
        ("hide", {"project": "alpha", "version": "1.0", "reason": "x"}, 400),
        ("hide", {"project": "alpha", "version": "1.0", "to": "production"}, 400),
        ("promote", {"project": "alpha", "version": "1.0"}, 400),
        ("promote", {"project": "alpha", "version": "1.0", "to": "private"}, 400),
        ("promote", {"project": "alpha", "version": "7", "to": "production"}, 404),
        ("delete", {"project": "alpha", "index": "pypi"}, 400),
        ("delete", {"project": "alpha", "index": "nowhere"}, 400),
        ("fly", {"project": "alpha"}, 404),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_line(house: House, verb: str, fields: dict[str, Any], status: int) -> None:
    house.grant("ann", "admin", "*")
    before = files(house)
    assert order(house, verb, house.tokens["ann"], **fields)[0] == status
    assert files(house) == before


def test_R166_a_release_is_promoted_without_being_uploaded_again(house: House) -> None:
    """It takes `read` here and `upload` or `create` there; who begins the project there owns it."""
    ann, bob = house.tokens["ann"], house.tokens["bob"]
    wanted = {"project": "alpha", "version": "1.0", "to": "production"}
    blobs = dict(house.blobs._blobs)
    source = files(house)["1.0"]
    order(house, "yank", ann, project="alpha", version="1.0", reason="old")
    house.clock.advance(1000)
    assert order(house, "promote", None, **wanted)[0] == 401
    assert order(house, "promote", ann, **wanted)[0] == 403
    house.grant("ann", "create", "production")
    assert order(house, "promote", ann, **wanted) == (
        200,
        {"project": "alpha", "version": "1.0", "index": "private", "to": "production", "files": 1},
    )
    assert order(house, "promote", ann, **wanted)[1]["files"] == 0
    promoted = files(house, "/simple/alpha/")
    assert promoted == files(house, "/index/production/simple/alpha/")
    assert promoted["1.0"] == {**source, "yanked": "old"}
    assert house.blobs._blobs == blobs
    assert now(house.records.files.owner("production", ALPHA)) == "ann"
    # Who has just founded it may delete there at once.
    assert order(house, "hide", ann, project="alpha", version="1.0", index="production")[0] == 200
    house.grant("bob", "create", "production")
    assert order(house, "promote", bob, **{**wanted, "version": "1.1"})[0] == 400
    done, refused = [deed for deed in deeds(house, "promote") if deed.done], [deed for deed in deeds(house, "promote") if not deed.done]
    assert [(deed.subject, deed.detail) for deed in done] == [
        ("private/alpha==1.0 to production", digest()),
        ("private/alpha==1.0 to production", "no change"),
    ]
    assert {deed.account for deed in refused} == {"ann", "bob"}
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    assert order(house, "promote", bob, project="beta", version="1.0", to="production")[0] == 403


def test_several_indexes_that_hold_a_project(house: House) -> None:
    """None is guessed of those that have the release; where one has it, that is meant, whatever else uploads go to."""
    house.grant("ann", "admin", "*")
    ann = house.tokens["ann"]
    order(house, "promote", ann, project="alpha", version="1.0", to="production")
    for verb in ("yank", "hide", "delete"):
        line = "several indexes have alpha==1.0: private production; say which, by --index or over HTTP the field index"
        assert order(house, verb, ann, project="alpha", version="1.0") == (400, line)
    assert "several indexes have alpha: private production; say" in order(house, "delete", ann, project="alpha")[1]
    assert {version: one["yanked"] for version, one in files(house).items()} == {"1.0": False, "1.1": False}
    assert order(house, "hide", ann, project="beta", version="1.0")[1]["index"] == "private"
    assert order(house, "hide", ann, project="alpha", version="1.1")[1]["index"] == "private"
    assert order(house, "delete", ann, project="alpha", version="1.0", index="private")[0] == 200
    # What is deleted in the one is no reason to ask, though its name is still taken there.
    assert order(house, "yank", ann, project="alpha", version="1.0")[1]["index"] == "production"
    assert order(house, "undelete", ann, project="alpha", version="1.0")[1]["index"] == "private"
    assert order(house, "yank", ann, project="alpha", version="7")[0] == 404


def test_S72_an_index_where_one_may_nothing_is_not_named(house: House) -> None:
    """Nor does it stand in the way."""
    house.grant("eve", "admin", "*")
    order(house, "promote", house.tokens["eve"], project="alpha", version="1.0", to="production")
    assert order(house, "yank", house.tokens["ann"], project="alpha", version="1.0")[1]["index"] == "private"


def test_R195_a_refusal_names_what_of_the_token_is_in_the_way(house: House) -> None:
    """And not the account, which may."""
    wanted = {"project": "alpha", "version": "1.0", "index": "private"}
    line = "this token is of scope upload: it may not delete alpha in private"
    assert order(house, "hide", house.token("ann", scope="upload"), **wanted) == (403, line)
    line = "this token is for zzz-* only: it may not delete alpha in private"
    assert order(house, "hide", house.token("ann", projects="zzz-*"), **wanted) == (403, line)
    assert order(house, "hide", house.tokens["eve"], **wanted) == (403, "eve may not delete alpha in private")
    for token, line in (
        (house.token("ann", scope="read"), b"this token is of scope read: it may not upload or create in private"),
        (house.token("ann", projects="zzz-*"), b"this token is for zzz-* only: it may not create alpha in private"),
        (house.tokens["eve"], b"eve may not upload or create in private"),
    ):
        reply = upload(house, token, wheel("alpha", "1.2"))
        assert (reply.status, reply.body.splitlines()[0]) == (403, line)


def test_S72_a_right_elsewhere_is_none_where_the_project_is(house: House) -> None:
    """Also where no index is named."""
    house.grant("eve", "delete", "production")
    assert order(house, "delete", house.tokens["eve"], project="alpha")[0] == 403
    assert set(files(house)) == {"1.0", "1.1"}


def test_a_browser_of_another_site_gives_no_orders(house: House) -> None:
    """A form that it is made to send with its user's credentials has not the type that needs leave to be sent."""
    body = b'{"project": "alpha", "version": "1.0"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert send(house, "/+api/releases/delete", body, kind, house.tokens["ann"]).status == 415
    assert set(files(house)) == {"1.0", "1.1"}


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'"x"', b'{"project": '])
def test_a_body_that_is_no_object_is_400(house: House, body: bytes) -> None:
    assert send(house, "/+api/releases/delete", body, "application/json", house.tokens["ann"]).status == 400


def test_S58_an_order_is_small(house: House) -> None:
    reply = send(house, "/+api/releases/delete", b" " * 70_000, "application/json", house.tokens["ann"])
    assert reply.status == 413
    assert look(house, "/+api/releases/delete").status == 405
    assert look(house, "/+api/releases/fly").status == 404


def test_S78_the_same_refusal_of_an_order_is_noted_once_a_minute(house: House) -> None:
    """And no account's are noted without end, or whoever has a token could fill the disk."""
    eve = house.tokens["eve"]
    for _ in range(3):
        assert order(house, "delete", eve, project="alpha")[0] == 403
    assert order(house, "undelete", eve, project="alpha")[0] == 403
    assert [len(deeds(house, verb)) for verb in ("delete", "undelete")] == [1, 1]
    house.clock.advance(61)
    for count in range(MOST + 10):  # each about another project
        assert order(house, "delete", eve, project=f"alpha-{count}")[0] == 403
    assert len(deeds(house, "delete")) == 1 + MOST
    assert order(house, "delete", house.tokens["bob"], project="alpha")[0] == 403
    assert deeds(house, "delete")[-1].account == "bob"


def test_S78_administrators_read_the_audit_log(house: House) -> None:
    assert look(house, "/+api/log").status == 401
    assert look(house, "/+api/log", house.tokens["ann"]).status == 403
    house.grant("eve", "admin", "*")
    rows = json.loads(look(house, "/+api/log", house.tokens["eve"]).body)
    assert rows["complete"] is True
    assert next(row["subject"] for row in rows["log"] if row["action"] == "upload") == f"private/alpha==1.0 {wheel()[0]}"
    assert rows["log"][0]["time"].startswith("2026-05-28T")
    house.clock.advance(86400)
    assert json.loads(look(house, "/+api/log?since=1h", house.tokens["eve"]).body)["log"] == []
    assert look(house, "/+api/log?since=soon", house.tokens["eve"]).status == 400


def control(house: House, method: str, path: str, body: bytes | None = None) -> Reply:
    """What the control socket answers."""
    path, _, query = path.partition("?")
    pairs = tuple(tuple(one.split("=")) for one in query.split("&") if query)
    ask = Ask(method, tuple(path[1:].split("/")), pairs, id="0" * 16)  # type: ignore[arg-type]  # pairs are pairs
    inner = house.door.control.resource
    if body is None:
        return now(inner.handle(ask))
    receiver = now(inner.receive(ask))
    now(receiver.write(body))
    return now(receiver.finish())


def test_the_operator_needs_no_rights_and_is_noted(house: House) -> None:
    """On the control socket; there is also the log."""
    reply = control(house, "POST", "/releases/hide", b'{"project": "alpha", "version": "1.0"}')
    assert json.loads(reply.body)["files"] == 1
    (deed,) = deeds(house, "hide")
    assert (deed.account, deed.address) == ("(operator)", "local")
    rows = json.loads(control(house, "GET", "/log").body)["log"]
    assert rows[-1]["action"] == "hide"
    assert control(house, "POST", "/releases/hide", b"{}").status == 400
    assert control(house, "GET", "/releases/hide").status == 405


def test_P15_names_that_upstream_is_known_to_have(house: House) -> None:
    """From what is remembered, without a request; with `ask`, by asking for those that are not reserved."""
    house.upstream.asked.clear()
    assert json.loads(control(house, "GET", "/check-upstream").body) == {"known": [], "asked": False}
    now(house.proxy.project_page(ALPHA))
    asked = list(house.upstream.asked)
    known = [{"name": "alpha", "index": "private", "known": "pypi"}]
    assert json.loads(control(house, "GET", "/check-upstream").body)["known"] == known
    assert house.upstream.asked == asked
    assert json.loads(control(house, "GET", "/check-upstream?ask=yes").body) == {"known": known, "asked": True}
    assert len(house.upstream.asked) > len(asked)


def test_P15_a_name_on_the_remembered_list_is_known(house: House) -> None:
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"beta"},{"name":"zeta"},{"name":"a"}]}'
    beta = NormalizedName("beta")
    assert not now(house.proxy.knows(beta))
    now(house.proxy.project_names())
    assert [now(house.proxy.knows(NormalizedName(name))) for name in ("a", "bet", "beta", "eta", "zeta")] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_a_reserved_name_is_not_known_whatever_upstream_lists() -> None:
    """So nobody upstream can keep us from beginning it."""
    house = House(reserved=("acme-*",))
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"acme-lib"}]}'
    private = house.with_private(strict=True)
    now(house.proxy.project_names())
    assert not now(house.proxy.knows(NormalizedName("acme-lib")))
    assert private.strict


@pytest.mark.parametrize("strict", [False, True])
def test_a_first_upload_of_a_name_that_upstream_has(strict: bool) -> None:
    """Refused by a strict index, and without words that uploaders take for success; else taken."""
    house = House()
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"stranger"))
    house.with_private(strict=strict)
    token = house.token("ann")
    house.grant("ann", "upload", "private")
    assert upload(house, token, wheel("zeta")).status == 200
    now(house.proxy.project_page(ALPHA))
    reply = upload(house, token, wheel())
    assert reply.status == (400 if strict else 200)
    if strict:
        assert "pypi has a project of that name" in reply.reason
        assert "already exist" not in reply.reason
