"""What is blocked by the HTTP interface: rights, effects on the very next answer of every kind, uploads, and who took what."""

from __future__ import annotations

import hashlib
import json
import xmlrpc.client
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import PypidaemonError
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.private import Private
from pypidaemon.model import Deed, Fetch, NormalizedName, Ruling
from pypidaemon.refusals import MOST
from pypidaemon.web.fetches import AGAIN, Fetches
from pypidaemon.web.reply import Reply
from tests.gear import inline, later, now, waiting
from tests.house import House, Inspectors
from tests.web.posting import look, send
from tests.web.posting import order as release_order
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"
PUBLIC_BYTES = b"one of theirs"


@pytest.fixture
def house() -> House:
    """alpha 1.0 and 1.1 are ours, public 9.0 and 9.1 the upstream's; the root may administrate, ann may upload, eve may nothing."""
    house = House(fetches=True)
    house.upstream.add("public", ("public-9.0.tar.gz", PUBLIC_BYTES), ("public-9.1.tar.gz", b"two"), versions=("9.0", "9.1"))
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"public"}]}'
    private = house.with_private()
    production = Private("production", house.records, house.blobs, house.clock, inline, house.announcements, Inspectors(), house.rulings)
    leaves = [house.barred(leaf) for leaf in (production, private, house.proxy)]
    root = FirstMatch("root", tuple(leaves), house.records)
    house.open({"root": root, **{leaf.label: leaf for leaf in leaves}}, "root")
    house.tokens = {name: house.token(name) for name in ("root", "ann", "eve")}
    house.grant("root", "admin", "*")
    for label in ("private", "production"):
        for right in ("upload", "delete"):
            house.grant("ann", right, label)
    for made in (wheel("alpha", "1.0"), wheel("alpha", "1.1")):
        assert upload(house, house.tokens["ann"], made).status == 200
    return house


def rule(house: House, verb: str, token: str | None = None, **fields: Any) -> tuple[int, Any]:
    """Give an order; its status, and its answer, which is a line where it was refused."""
    reply = send(house, f"/+api/rulings/{verb}", json.dumps(fields).encode(), "application/json", token or house.tokens["root"])
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode().splitlines()[0]


def files(house: House, project: str, root: str = "/") -> dict[str, str]:
    """The very next page: file names, with the addresses they lead to."""
    page = look(house, f"{root}simple/{project}/", accept=JSON)
    assert page.status == 200, page.body
    return {one["filename"]: root + one["url"].removeprefix("../../") for one in json.loads(page.body)["files"]}


def call(house: House, method: str, *given: Any) -> Any:
    """What XML-RPC answers."""
    reply = send(house, "/pypi", xmlrpc.client.dumps(given, method).encode(), "text/xml")
    return xmlrpc.client.loads(house.body(reply))[0][0]


def projects(house: House) -> set[str]:
    """The very next list, in JSON and by XML-RPC, which must agree."""
    listed = {one["name"] for one in json.loads(house.body(look(house, "/simple/", accept=JSON)))["projects"]}
    assert set(call(house, "list_packages")) == listed
    return listed


def deeds(house: House) -> list[Deed]:
    """The audit log of rulings."""
    return [deed for deed in now(house.records.accounts.deeds(0.0, 1000)) if deed.action in ("block", "unblock", "exempt", "unexempt")]


def body(reply: Reply) -> str:
    """The line of an answer."""
    return reply.body.decode().splitlines()[0]


@pytest.mark.parametrize(
    ("about", "project", "gone"),
    [
        ("Public==9.1.0", "public", "public-9.1.tar.gz"),
        (f"sha256:{hashlib.sha256(b'two').hexdigest()}", "public", "public-9.1.tar.gz"),
        ("alpha==1.1", "alpha", wheel("alpha", "1.1")[0]),
    ],
)
def test_a_blocked_release_is_gone_from_the_next_answer_of_every_kind(house: House, about: str, project: str, gone: str) -> None:
    """Though it was shown and its bytes are here; and all is as before when the block is taken back."""
    before = files(house, project)
    assert house.body(look(house, before[gone]))
    assert look(house, before[gone] + ".metadata").status in (200, 404)
    status, answer = rule(house, "block", target=about, reason="mal\nware")
    assert (status, answer["kind"], answer["reason"], answer["account"], answer["until"]) == (200, "block", "mal ware", "root", None)
    assert answer["fetched"] == 1
    label = "private" if project == "alpha" else "pypi"
    for root in ("/", f"/index/{label}/"):
        assert set(files(house, project, root)) == set(before) - {gone}
        assert gone not in house.body(look(house, f"{root}links/")).decode()
        document = json.loads(look(house, f"{root}pypi/{project}/json").body)
        assert gone not in json.dumps(document)
        version = gone.removesuffix(".tar.gz").split("-")[1]
        assert version not in document["releases"]
        assert look(house, f"{root}pypi/{project}/{version}/json").status == 404
        for companion in ("", ".metadata"):
            refused = look(house, root + before[gone].removeprefix("/") + companion)
            assert refused.status == 403
            assert "blocked" in body(refused)
            assert body(refused).endswith(": mal ware")
            assert look(house, root + before[gone].removeprefix("/") + companion, method="HEAD").status == 403
    assert version not in call(house, "package_releases", project)
    assert call(house, "release_urls", project, version) == []
    assert call(house, "release_data", project, version) == {}
    assert rule(house, "unblock", target=about)[0] == 200
    assert files(house, project) == before
    assert look(house, before[gone]).status == 200
    assert version in call(house, "package_releases", project)


@pytest.mark.parametrize("project", ["alpha", "public"])
def test_a_blocked_project_is_nowhere(house: House, project: str) -> None:
    """404 on pages, on no list and in no search; its files are 403 with the reason, since whoever has such an address should hear why."""
    paths = files(house, project)
    assert projects(house) == {"alpha", "public"}
    assert [hit["name"] for hit in call(house, "search", {"name": project})] == [project]
    status, answer = rule(house, "block", target=project, reason="stolen name")
    assert (status, answer["target"]) == (200, project)
    assert projects(house) == {"alpha", "public"} - {project}
    assert call(house, "search", {"name": project}) == []
    for path in (f"/simple/{project}/", f"/pypi/{project}/json", f"/index/{'private' if project == 'alpha' else 'pypi'}/simple/{project}/"):
        assert look(house, path).status == 404
    assert project not in house.body(look(house, "/links/")).decode()
    for path in paths.values():
        refused = look(house, path)
        assert (refused.status, refused.reason) == (403, f"Refused by blocked: {project} was blocked on 2026-05-28: stolen name")
    assert rule(house, "unblock", target=project)[0] == 200
    assert projects(house) == {"alpha", "public"}
    assert files(house, project) == paths


def test_L1_a_blocked_project_of_ours_is_no_reason_to_ask_a_stranger(house: House) -> None:
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"stranger"))
    rule(house, "block", target="alpha", reason="broken")
    house.upstream.asked.clear()
    assert look(house, "/simple/alpha/").status == 404
    assert house.upstream.asked == []


def test_what_was_never_here_can_be_blocked_before_it_comes(house: House) -> None:
    house.upstream.add("later", ("later-1.0.tar.gz", b"later"))
    assert rule(house, "block", target="later==1", reason="we know that one")[1]["fetched"] == 0
    assert files(house, "later") == {}


@pytest.mark.parametrize("by", ["project", "release", "bytes"])
def test_S78_what_is_blocked_is_not_taken_in(house: House, by: str) -> None:
    """By upload: 403 with the reason for people and for uv, nothing stored, and a row in the audit log."""
    made = wheel("beta", "2.0")
    digest = hashlib.sha256(made[1]).hexdigest()
    about = {"project": "beta", "release": "beta==2", "bytes": f"sha256:{digest}"}[by]
    rule(house, "block", target=about, reason="malware")
    reply = upload(house, house.tokens["ann"], made, accept="application/json")
    assert reply.status == 403
    assert json.loads(reply.body)["code"] == f"403 refused by blocked: {about} was blocked on 2026-05-28: malware"
    assert reply.reason is not None
    assert reply.reason.endswith("malware")
    assert not now(house.door.uploads.indexes["private"].has(NormalizedName("beta")))  # type: ignore[attr-defined]  # it is hosted
    assert digest not in now(held(house))
    row = now(house.records.accounts.deeds(0.0, 1000))[-1]
    assert (row.account, row.action, row.done) == ("ann", "upload", False)
    rule(house, "unblock", target=about)
    assert upload(house, house.tokens["ann"], made).status == 200


async def held(house: House) -> set[str]:
    """The digests of all blobs."""
    return {digest async for digest in house.blobs.digests()}


def test_what_is_blocked_is_not_promoted(house: House) -> None:
    rule(house, "block", target="alpha==1.1", reason="malware")
    status, line = release_order(house, "promote", house.tokens["ann"], project="alpha", version="1.1", index="private", to="production")
    assert (status, line) == (403, "refused by blocked: alpha==1.1 was blocked on 2026-05-28: malware")
    assert release_order(house, "promote", house.tokens["ann"], project="alpha", version="1.0", index="private", to="production")[0] == 200


def test_an_exemption_ends_by_itself(house: House) -> None:
    """In seven days where nobody says when; and what is over is taken off the record by the next pruning."""
    assert rule(house, "exempt", target="public==9.1", reason="the fix")[1]["until"] == "2026-06-04T20:26:40Z"
    assert rule(house, "exempt", target="public", reason="all of it", **{"for": "24h"})[1]["until"] == "2026-05-29T20:26:40Z"
    reply = json.loads(look(house, "/+api/rulings", house.tokens["root"]).body)
    assert [(one["kind"], one["target"], one["reason"], one["account"]) for one in reply["rulings"]] == [
        ("exempt", "public", "all of it", "root"),
        ("exempt", "public==9.1", "the fix", "root"),
    ]
    house.clock.advance(86400.0)
    rulemaking = house.door.routes.rulings.rulemaking
    assert [one["target"] for one in now(rulemaking.listed())["rulings"]] == ["public==9.1"]
    assert len(now(house.records.rulings.rulings())) == 2
    assert (now(rulemaking.lapse()), now(rulemaking.lapse())) == (1, 0)
    assert [ruling.target for ruling in now(house.records.rulings.rulings())] == ["public==9.1"]
    assert rule(house, "unexempt", target="public")[0] == 400
    assert rule(house, "unexempt", target="public==9.1")[0] == 200
    assert now(rulemaking.listed()) == {"rulings": []}


def test_S78_every_order_is_in_the_audit_log(house: House) -> None:
    rule(house, "block", target="Alpha==1.1.0", reason="malware")
    rule(house, "unblock", target="alpha==1.1")
    rule(house, "exempt", target="alpha", reason="the fix")
    rule(house, "unblock", target="alpha")
    rule(house, "block", house.tokens["eve"], target="alpha", reason="x")
    assert [(deed.account, deed.address, deed.action, deed.subject, deed.detail, deed.done) for deed in deeds(house)] == [
        ("root", "127.0.0.1", "block", "alpha==1.1", "reason: malware", True),
        ("root", "127.0.0.1", "unblock", "alpha==1.1", "", True),
        ("root", "127.0.0.1", "exempt", "alpha", "until 2026-06-04T20:26:40Z reason: the fix", True),
        ("root", "127.0.0.1", "unblock", "alpha", "alpha is not blocked", False),
        ("eve", "127.0.0.1", "block", "alpha", "what is blocked or exempt is for administrators", False),
    ]


def test_who_takes_back_what_is_not_there_hears_what_is(house: House) -> None:
    """A slip of the pen must not pass for a change."""
    rule(house, "block", target="alpha==1.1", reason="malware")
    assert rule(house, "unblock", target="alpha") == (400, "alpha is not blocked; what is blocked: alpha==1.1")
    assert rule(house, "unexempt", target="alpha==1.1") == (400, "alpha==1.1 is not exempt")
    assert rule(house, "unblock", target=f"sha256:{'0' * 64}") == (400, f"sha256:{'0' * 64} is not blocked")


@pytest.mark.parametrize(
    ("verb", "fields", "line"),
    [
        ("block", {"target": "alpha"}, "reason is missing"),
        ("block", {"target": "alpha", "reason": " \n"}, "reason is missing"),
        ("block", {"reason": "x"}, "target is missing"),
        ("block", {"target": "", "reason": "x"}, "target is missing"),
        ("block", {"target": 1, "reason": "x"}, "target is no text"),
        ("block", {"target": "a/b", "reason": "x"}, "not a project name"),
        ("block", {"target": "alpha==", "reason": "x"}, "names no version"),
        ("block", {"target": "sha256:12", "reason": "x"}, "is no sha256"),
        ("block", {"target": "alpha", "reason": "x", "for": "1d"}, "for exempt, not for block"),
        ("unexempt", {"target": "alpha", "for": "1d"}, "for exempt, not for unexempt"),
        ("block", {"target": "alpha", "reason": "x", "why": "x"}, "no field 'why' (known: target reason for)"),
        ("exempt", {"target": "alpha", "reason": "x", "for": "soon"}, "not a duration"),
        ("exempt", {"target": "alpha", "reason": "x", "for": "0s"}, "365d at most"),
        ("exempt", {"target": "alpha", "reason": "x", "for": "366d"}, "365d at most"),
        ("exempt", {"target": "alpha", "for": "1d"}, "reason is missing"),
    ],
)
def test_orders_that_make_no_sense(house: House, verb: str, fields: dict[str, Any], line: str) -> None:
    status, said = rule(house, verb, **fields)
    assert status == 400
    assert line in said
    assert now(house.records.rulings.rulings()) == []


def test_bodies_that_are_no_orders(house: House) -> None:
    root = house.tokens["root"]
    order = b'{"target":"alpha","reason":"x"}'
    for wrong in (b"", b"[]", b"{", b"1"):
        assert send(house, "/+api/rulings/block", wrong, "application/json", root).status == 400
    assert send(house, "/+api/rulings/block", b" " * 70_000, "application/json", root).status == 413
    assert send(house, "/+api/rulings/block", order, "text/plain", root).status == 415
    assert send(house, "/+api/rulings/block", order, "application/json", root, origin="https://evil.example").status == 403
    for path in ("/+api/rulings/ban", "/+api/rulings/block/x"):
        assert send(house, path, order, "application/json", root).status == 404
    assert look(house, "/+api/rulings/block", root).status == 405
    assert now(house.records.rulings.rulings()) == []


def test_S72_rulings_are_for_who_may_administrate_everything(house: House) -> None:
    house.grant("ann", "admin", "private")
    for verb in ("block", "unblock", "exempt", "unexempt"):
        assert send(house, f"/+api/rulings/{verb}", b"{}", "application/json").status == 401
        for token in (house.tokens["ann"], house.tokens["eve"], house.token("root", scope="upload"), house.token("root", projects="alpha")):
            assert rule(house, verb, token, target="alpha", reason="x")[0] == 403
    for path in ("/+api/rulings", "/+api/who?what=alpha"):
        assert look(house, path).status == 401
        assert look(house, path, house.tokens["ann"]).status == 403
        assert look(house, path, house.tokens["root"]).status == 200
    assert now(house.records.rulings.rulings()) == []


def test_S78_refused_orders_are_bounded_in_the_audit_log(house: House) -> None:
    for number in range(MOST + 20):
        assert rule(house, "block", house.tokens["eve"], target=f"p{number}", reason="x")[0] == 403
    assert len(deeds(house)) == MOST


def test_who_took_what(house: House) -> None:
    """By project, release and bytes; with and without a login, as far back as is asked."""
    paths = files(house, "public")
    agent = 'pip/26.3 {"ci":true}'
    house.body(look(house, paths["public-9.0.tar.gz"], user_agent=agent))
    house.clock.advance(10.0)
    house.body(look(house, paths["public-9.1.tar.gz"], house.tokens["ann"], user_agent="uv/0.13.0"))
    root = house.tokens["root"]
    found = json.loads(look(house, "/+api/who?what=Public", root).body)
    assert (found["target"], found["complete"]) == ("public", True)
    assert [(row["account"], row["address"], row["agent"], row["index"], row["filename"]) for row in found["fetches"]] == [
        ("", "127.0.0.1", "pip/26.3", "pypi", "public-9.0.tar.gz"),
        ("ann", "127.0.0.1", "uv/0.13.0", "pypi", "public-9.1.tar.gz"),
    ]
    digest = hashlib.sha256(PUBLIC_BYTES).hexdigest()
    (row,) = json.loads(look(house, f"/+api/who?what=sha256:{digest}", root).body)["fetches"]
    assert (row["time"], row["project"], row["version"], row["sha256"]) == ("2026-05-28T20:26:40Z", "public", "9", digest)
    ask = house.ask("/+api/who", authorization=f"token {root}")
    for query, count in (((("what", "public==9.1.0"),), 1), ((("what", "public"), ("since", "5s")), 1), ((("what", "nothing"),), 0)):
        reply = now(house.door.routes.handle(attrs.evolve(ask, query=query)))
        assert len(json.loads(reply.body)["fetches"]) == count
    assert look(house, "/+api/who?what=public&since=soon", root).status == 400
    for query, count in (((), 2), ((("account", "ann"),), 1), ((("address", "127.0.0.1"), ("since", "5s")), 1), ((("address", "x"),), 0)):
        told = now(house.door.desk.handle(attrs.evolve(ask, segments=("downloads",), query=query)))
        assert len(json.loads(told.body)["fetches"]) == count
    assert now(house.door.desk.handle(attrs.evolve(ask, segments=("downloads",), query=(("since", "soon"),)))).status == 400
    assert look(house, "/+api/who", root).status == 400


def test_only_what_is_begun_to_be_sent_is_noted(house: House) -> None:
    """No HEAD, no 304, no metadata, nothing from the middle, and nothing that is refused."""
    paths = {**files(house, "alpha"), **files(house, "public")}
    path, theirs = paths[wheel("alpha", "1.0")[0]], paths["public-9.0.tar.gz"]
    assert look(house, path, method="HEAD").status == 200
    assert look(house, path + ".metadata").status == 200
    digest = hashlib.sha256(PUBLIC_BYTES).hexdigest()
    assert look(house, theirs, if_none_match=f'"{digest}"').status == 304
    assert look(house, theirs, range="bytes=3-").status == 206
    assert look(house, theirs, range="bytes=900-").status == 416
    assert look(house, theirs + "x").status == 404
    for name in ("alpha", "public"):
        assert now(house.records.fetches.of_project(NormalizedName(name), None, 0.0, 10)) == []
    house.body(look(house, theirs, range="bytes=0-2"))
    assert len(now(house.records.fetches.of_project(NormalizedName("public"), "9", 0.0, 10))) == 1


def test_who_asks_a_thousand_times_for_the_first_byte_leaves_one_row_a_minute(house: House) -> None:
    """For each file, account and address: anybody could fill the disk else. Whole downloads are counted all the same."""
    paths = files(house, "public")

    def rows() -> list[tuple[str, str]]:
        return [(one.account, one.filename) for one in now(house.records.fetches.of_project(NormalizedName("public"), None, 0.0, 99))]

    for _ in range(3):
        for path in paths.values():
            house.body(look(house, path, range="bytes=0-0"))
    assert sorted(rows()) == [("", "public-9.0.tar.gz"), ("", "public-9.1.tar.gz")]
    house.body(look(house, paths["public-9.0.tar.gz"], house.tokens["ann"]))
    assert rows()[-1] == ("ann", "public-9.0.tar.gz")
    house.clock.advance(AGAIN - 1)
    house.body(look(house, paths["public-9.0.tar.gz"]))
    assert len(rows()) == 3
    house.clock.advance(1)
    house.body(look(house, paths["public-9.0.tar.gz"]))
    assert len(rows()) == 4
    # As it is when the configuration is read again.
    before = house.door
    house.open({"pypi": house.proxy}, "pypi")
    house.door.go_on_from(before)
    house.body(look(house, paths["public-9.0.tar.gz"]))
    assert len(rows()) == 4


class BrokenBook:
    """A book of fetches that cannot be written."""

    def __init__(self) -> None:
        self.tried = 0

    async def note(self, fetch: Fetch) -> None:
        self.tried += 1
        raise PypidaemonError("the disk is full")


def test_no_download_fails_for_what_is_noted_of_it(house: House) -> None:
    book = BrokenBook()
    house.door.routes.files.fetches = Fetches(book, house.clock)  # type: ignore[arg-type]  # it is only noted in
    assert house.body(look(house, files(house, "public")["public-9.0.tar.gz"])) == PUBLIC_BYTES
    assert book.tried == 1


def test_what_is_not_to_be_kept_is_not_noted() -> None:
    house = House()
    house.upstream.add("public", ("public-9.0.tar.gz", PUBLIC_BYTES))
    house.body(look(house, files(house, "public")["public-9.0.tar.gz"]))
    assert now(house.records.fetches.of_project(NormalizedName("public"), None, 0.0, 10)) == []


def test_not_one_request_is_answered_before_it_is_known_what_is_blocked(house: House) -> None:
    """A restart forgets no block, and whoever comes at once waits for the records, or hears that they cannot be read."""
    path = files(house, "public")["public-9.1.tar.gz"]
    rule(house, "block", target="public==9.1", reason="malware")
    slow: Deferred[list[Ruling]] = Deferred()
    kept, book = now(house.records.rulings.rulings()), house.records.rulings

    class SlowBook:
        async def rulings(self) -> list[Ruling]:
            return await slow

    house.rulings.replace([])
    house.records.rulings = SlowBook()  # type: ignore[assignment]  # it is only read
    house.open({"root": house.barred(house.proxy)}, "root")
    early = [later(house.door.routes.handle(house.ask(path))), later(house.door.routes.handle(house.ask("/simple/public/", accept=JSON)))]
    assert house.door.routes.quick(house.ask("/simple/public/", accept=JSON)) is None
    assert all(waiting(one) for one in early)
    slow.callback(kept)
    assert now(early[0]).status == 403
    assert b"9.1" not in now(early[1]).body
    house.records.rulings = book
    house.open({"root": house.barred(house.proxy)}, "root")
    assert look(house, path).status == 403


def test_while_the_records_cannot_be_read_nothing_is_given_out(house: House) -> None:
    class FailingBook:
        async def rulings(self) -> list[Ruling]:
            raise PypidaemonError("the records cannot be read")

    path = files(house, "public")["public-9.1.tar.gz"]
    book, house.records.rulings = house.records.rulings, FailingBook()  # type: ignore[assignment]  # it is only read
    house.open({"root": house.barred(house.proxy)}, "root")
    assert look(house, path).status == 503
    assert look(house, "/simple/public/").status == 503
    house.records.rulings = book
    assert look(house, path).status == 200


@pytest.mark.parametrize("about", ["alpha", "alpha==1.1"])
@pytest.mark.parametrize("conceal", [False, True])
def test_S42_why_something_of_ours_is_blocked_hears_only_who_may_see_it(about: str, conceal: bool) -> None:
    """All others are answered as before, by each way to ask."""
    house = House(conceal=conceal)
    private = house.with_private()
    leaves = [house.barred(leaf) for leaf in (private, house.proxy)]
    house.open({"root": FirstMatch("root", tuple(leaves), house.records), **{leaf.label: leaf for leaf in leaves}}, "root")
    house.tokens = {name: house.token(name) for name in ("root", "ann", "eve")}
    house.grant("root", "admin", "*")
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
        house.grant("ann", right, "private")
    assert upload(house, house.tokens["root"], wheel("alpha", "1.1")).status == 200
    page = json.loads(look(house, "/simple/alpha/", house.tokens["ann"], accept=JSON).body)
    path = "/" + page["files"][0]["url"].removeprefix("../../")
    ways = ("/simple/alpha/", path, path + ".metadata", "/pypi/alpha/json", f"/integrity/alpha/1.1/{wheel('alpha', '1.1')[0]}/provenance")
    before = {way: look(house, way).status for way in ways}
    rule(house, "block", target=about, reason="ticket 4711")
    for way in ways:
        for token in (None, house.tokens["eve"]):
            refused = look(house, way, token)
            assert refused.status == (404 if conceal else 401 if token is None else 403), way
            assert b"4711" not in refused.body
            assert b"blocked" not in refused.body
        assert look(house, way).status == before[way]
    assert b"4711" in look(house, path, house.tokens["ann"]).body
