"""XML-RPC at the door: old tools get their answers, with rights, and nothing else gets through."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import NormalizedName
from pypidaemon.policies.names import Names
from pypidaemon.simple.xml_rpc import Dangerous, Fault, moment, read_call, write_answer, write_fault
from pypidaemon.web.reply import Reply
from tests.gear import inline, later, now
from tests.house import House, header
from tests.web.posting import look, order, send
from tests.web.test_uploads import upload, wheel

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<methodCall><methodName>&b;</methodName></methodCall>"""


@pytest.fixture
def house() -> House:
    """alpha 1.0, 1.1 (yanked) and beta are ours; public is a stranger's that was asked for, and unasked one that was not."""
    house = House(reserved=("acme-*",))
    house.upstream.add("public", ("public-9.0.tar.gz", b"stranger"), ("public-9.1.tar.gz", b"stranger 1"), versions=("9.0", "9.1"))
    house.upstream.add("unasked", ("unasked-9.0.tar.gz", b"stranger 2"))
    house.upstream.names = (
        b'{"meta":{"api-version":"1.4","_last-serial":50},"projects":[{"name":"public","_last-serial":50},{"name":"unasked"}]}'
    )
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    for made in (wheel("alpha"), wheel("alpha", "1.1"), wheel("beta")):
        assert upload(house, house.tokens["ann"], made).status == 200
    assert order(house, "yank", house.tokens["ann"], project="alpha", version="1.1")[0] == 200
    house.get("/simple/public/")
    house.upstream.asked.clear()
    return house


def raw(house: House, body: bytes, path: str = "/pypi", token: str | None = None, kind: str = "text/xml") -> Reply:
    """Send that as a call."""
    return send(house, path, body, kind, token)


def call(house: House, method: str, *given: Any, path: str = "/pypi", token: str | None = None) -> Any:
    """What a client of the standard library gets."""
    body = xmlrpc.client.dumps(given, method, allow_none=True).encode()
    reply = raw(house, body, path, token)
    assert reply.status == 200, reply
    assert header(reply, "Content-Type") == "text/xml; charset=utf-8"
    ((answer,), _) = xmlrpc.client.loads(house.body(reply), use_builtin_types=True)
    return answer


def fault(house: House, method: str, *given: Any) -> int:
    """The code of the fault."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        call(house, method, *given)
    assert "\n" not in caught.value.faultString
    return caught.value.faultCode


@pytest.mark.parametrize(
    "path", ["/pypi", "/pypi/", "/RPC2", "/RPC2/", "/index/private/pypi", "/index/private/pypi/", "/index/private/RPC2"]
)
def test_P13_R146_calls_are_answered_at_every_address(house: House, path: str) -> None:
    assert call(house, "package_releases", "Alpha", path=path) == ["1.0"]


def test_M15_calls_are_understood_as_bandersnatch_sends_them(house: House) -> None:
    """lxml calls the encoding by its short name."""
    body = b"<?xml version='1.0' encoding='ASCII'?>\n<methodCall><methodName>%b</methodName><params/></methodCall>"
    reply = raw(house, body % b"list_packages_with_serial")
    assert reply.status == 200
    assert b"<name>alpha</name>" in house.body(reply)
    assert raw(house, body % b"changelog_last_serial").status == 200


def test_P13_releases_and_their_files(house: House) -> None:
    """As PyPI gave them: yanked ones only to who asks; what is not there is empty."""
    assert call(house, "package_releases", "alpha", True) == ["1.1", "1.0"]
    assert call(house, "package_releases", "alpha", 0) == ["1.0"]
    (entry,) = call(house, "release_urls", "alpha", "1.0.0")
    assert entry["filename"] == wheel()[0]
    assert entry["url"].startswith("http://127.0.0.1:3141/packages/")
    assert house.body(house.get(entry["url"].removeprefix("http://127.0.0.1:3141"))) == wheel()[1]
    assert (entry["packagetype"], entry["size"], entry["upload_time"].year) == ("bdist_wheel", len(wheel()[1]), 2026)
    data = call(house, "release_data", "beta", "1.0")
    assert (data["name"], data["version"], data["summary"]) == ("beta", "1.0", "beta, made for a test")
    (entry,) = call(house, "release_urls", "beta", "1.0", path="/index/private/RPC2")
    assert entry["url"].startswith("http://127.0.0.1:3141/index/private/packages/")
    assert call(house, "release_urls", "alpha", "7") == []
    assert call(house, "release_data", "alpha", "7") == {}
    for name in ("nothing", "../x", ""):
        assert call(house, "package_releases", name) == []
        assert call(house, "release_urls", name, "1") == []
        assert call(house, "release_data", name, "1") == {}


@pytest.mark.parametrize("version", ["9" * 5000, "1." + "9" * 5000, "1+" + "9" * 5000, "1" + ".0" * 100])
def test_S83_a_version_of_absurd_length_is_one_that_is_not_there(house: House, version: str) -> None:
    """The last one is a spelling of 1, but nobody writes it."""
    for name in ("alpha", "public", "nothing"):
        assert call(house, "release_urls", name, version) == []
        assert call(house, "release_data", name, version) == {}
    assert look(house, f"/pypi/alpha/{version}/json").status == 404


def test_P13_public_projects_are_answered_too(house: House) -> None:
    assert call(house, "package_releases", "public") == ["9.1", "9.0"]
    assert len(call(house, "release_urls", "public", "9.0")) == 1
    assert call(house, "release_data", "public", "9.0")["version"] == "9.0"


def test_R146_lists_and_serials(house: House) -> None:
    """One rising space of serials over what is ours and what is not."""
    names = call(house, "list_packages_with_serial")
    assert set(names) == {"alpha", "beta", "public", "unasked"}
    assert call(house, "list_packages") == sorted(names)
    own = call(house, "list_packages_with_serial", path="/index/private/pypi")
    assert call(house, "changelog_last_serial", path="/index/private/pypi") == own["alpha"]
    assert call(house, "list_packages", path="/index/private/pypi") == ["alpha", "beta"]
    rows = call(house, "changelog_since_serial", 0, path="/index/private/pypi")
    assert [row[0] for row in rows] == ["alpha", "alpha", "beta", "alpha"]
    assert rows[-1][1] == "1.1"
    assert rows[-1][3] == "yank release"
    assert [row[4] for row in rows] == sorted(row[4] for row in rows)
    assert call(house, "changelog_since_serial", rows[-1][4], path="/index/private/pypi") == []
    # Also where nobody has asked for the pages since.
    rows = call(house, "changelog_since_serial", 0)
    assert {row[0] for row in rows} == {"alpha", "beta", "public"}
    last = max(row[4] for row in rows)
    assert call(house, "changelog_last_serial") == last
    assert order(house, "hide", house.tokens["ann"], project="beta", version="1.0")[0] == 200
    assert [row[0] for row in call(house, "changelog_since_serial", last)] == ["beta"]


def test_law_9_calls_at_once_number_what_is_ours_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what changed meanwhile is in the answers of who came after the change."""
    root, asked, gates = FirstMatch.project_page, [], []

    async def slow(self: FirstMatch, name: NormalizedName) -> Any:
        asked.append(name)
        gates.append(Deferred[None]())
        await gates[-1]
        return await root(self, name)

    def coming() -> Deferred[list[list[Any]]]:
        index = house.door.routes.indexes["root"]
        return later(house.door.history.since(now(house.doorkeeper.admit(None, "")), "root", index, 0))

    monkeypatch.setattr(FirstMatch, "project_page", slow)
    calls = [coming() for _ in range(10)]
    assert asked == ["alpha"]
    assert upload(house, house.tokens["ann"], wheel("gamma")).status == 200
    calls.append(coming())
    while gates:
        gates.pop(0).callback(None)
    assert asked == ["alpha", "beta", "gamma"]
    told = [{row[0] for row in now(one)} for one in calls]
    assert told[-1] == {"alpha", "beta", "gamma", "public"}
    assert all(names >= {"alpha", "beta", "public"} for names in told)


def test_S73_rights_are_those_of_when_the_body_is_there(house: House) -> None:
    """And nothing is kept under older ones."""
    body = xmlrpc.client.dumps((), "list_packages").encode()
    taking: Any = house.door.receive(house.ask("/index/private/pypi", "POST", content_type="text/xml"))
    receiver = now(taking)
    now(receiver.write(body))
    for right in ("read", "list"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "private/beta")
    ((names,), _) = xmlrpc.client.loads(house.body(now(receiver.finish())))
    assert names == ["beta"]
    assert call(house, "list_packages", path="/index/private/pypi") == ["beta"]


@pytest.mark.parametrize(("since", "found"), [(-(10**23), True), (-1, True), (2**63 - 1, False), (2**63, False), (10**23, False)])
@pytest.mark.parametrize("path", ["/pypi", "/index/private/pypi"])
def test_S83_a_serial_beyond_all_serials_is_the_nearest_one(
    house: House, since: int, found: bool, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f"<methodCall><methodName>changelog_since_serial</methodName><params><param><value><int>{since}</int></value></param></params></methodCall>"
    asked: list[int] = []
    index: Any = type(house.door.routes.indexes["root" if path == "/pypi" else "private"])
    changes = index.changes

    async def noted(self: Any, serial: int) -> Any:
        asked.append(serial)
        return await changes(self, serial)

    monkeypatch.setattr(index, "changes", noted)
    reply = raw(house, body.encode(), path)
    assert reply.status == 200
    ((rows,), _) = xmlrpc.client.loads(house.body(reply))
    assert bool(rows) is found
    assert all(0 <= serial < 2**63 for serial in asked)


def test_law_11_rows_are_looked_through_in_a_thread(house: House) -> None:
    named: list[str] = []

    async def threads(function: Any, *given: Any) -> Any:
        named.append(function.__name__)
        return function(*given)

    house.door.history.cpu = threads
    assert call(house, "changelog_since_serial", 0)
    assert named == ["_rows"]


def test_S42_rights_are_respected(house: House) -> None:
    """What an account may not list or read is not there."""
    for name in ("alpha", "beta", "public"):
        house.get(f"/simple/{name}/")
    for right in ("read", "list"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "private/beta")
        house.grant("anonymous", right, "pypi")
        house.grant("ann", right, "private")
    assert call(house, "list_packages") == ["beta", "public", "unasked"]
    assert set(call(house, "list_packages_with_serial")) == {"beta", "public", "unasked"}
    assert call(house, "package_releases", "alpha") == []
    assert call(house, "release_urls", "alpha", "1.0") == []
    assert call(house, "release_data", "alpha", "1.0") == {}
    assert {row[0] for row in call(house, "changelog_since_serial", 0)} == {"beta", "public"}
    assert call(house, "search", {"name": "alpha"}) == []
    token = house.tokens["ann"]
    assert call(house, "package_releases", "alpha", token=token) == ["1.0"]
    assert "alpha" in call(house, "list_packages", token=token)
    assert {row[0] for row in call(house, "changelog_since_serial", 0, token=token)} == {"alpha", "beta", "public"}
    assert [hit["name"] for hit in call(house, "search", {"name": "alpha"}, token=token)] == ["alpha"]
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "private/beta"))
    now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "private/beta"))
    asks = xmlrpc.client.dumps((), "list_packages").encode()
    assert raw(house, asks, "/index/private/pypi").status == 401
    assert raw(house, asks, "/pypi", "pypidaemon-wrong-token").status == 401


def test_S39_no_name_of_ours_goes_upstream(house: House) -> None:
    """Neither a reserved one nor that of a private project, by any method at any address, whatever the order of the indexes."""
    private, proxy = house.door.routes.indexes["private"], house.proxy
    root = FirstMatch("root", (proxy, private), house.records)
    house.open({"root": root, "private": private, "pypi": proxy}, "root")
    house.upstream.asked.clear()
    for path in ("/pypi", "/index/private/pypi", "/index/pypi/pypi"):
        for name in ("alpha", "beta", "acme-lib"):
            call(house, "package_releases", name, True, path=path)
            call(house, "release_urls", name, "1.0", path=path)
            call(house, "release_data", name, "1.0", path=path)
            call(house, "search", {"name": name, "summary": name}, "or", path=path)
    assert house.upstream.asked == []
    assert call(house, "package_releases", "alpha") == ["1.0"]
    assert call(house, "package_releases", "alpha", path="/index/pypi/pypi") == []


def test_R149_search_finds_ours_and_what_was_asked_for(house: House) -> None:
    """As pip asks, by name and summary; without a request."""
    found = call(house, "search", {"name": ["alpha"], "summary": ["alpha"]}, "or")
    assert found == [{"name": "alpha", "version": "1.0", "summary": "alpha, made for a test", "_pypi_ordering": 0}]
    hits = call(house, "search", {"name": ["MADE"], "summary": ["MADE"]}, "or")
    assert [(hit["name"], hit["version"], hit["summary"]) for hit in hits] == [
        ("alpha", "1.0", "alpha, made for a test"),
        ("beta", "1.0", "beta, made for a test"),
    ]
    assert [hit["name"] for hit in call(house, "search", {"name": "pub"}, "or")] == ["public"]
    assert call(house, "search", {"name": "public"})[0]["version"] == "9.1"
    assert [hit["name"] for hit in call(house, "search", {"name": "beta", "summary": "made"}, "and")] == ["beta"]
    assert call(house, "search", {"name": "beta", "summary": "ham"}, "and") == []
    assert call(house, "search", {"name": "unasked"}, "or") == []
    for spec in ({}, {"name": []}, {"name": " "}, {"author": "x"}):
        assert call(house, "search", spec, "or") == []
    assert house.upstream.asked == []


def test_R149_search_heeds_policies_and_bounds(house: House) -> None:
    """What a policy refuses is not found; a name that was reserved later neither; at most 100 are given."""
    private = house.door.routes.indexes["private"]
    rule = Names(label="rule", deny=("public", "beta"))
    root = Policed("root", FirstMatch("first", (private, house.proxy), house.records), (rule,), house.records, house.clock, inline)
    house.open({"root": root, "private": private}, "root")
    assert call(house, "search", {"name": ["public", "beta", "alpha"]}, "or") == call(house, "search", {"name": "alpha"})
    house.grant("ann", "upload", "private")
    for number in range(105):
        upload(house, house.tokens["ann"], wheel(f"many-{number}"))
    found = call(house, "search", {"name": "MANY_"}, "or")
    assert len(found) == 100


@pytest.mark.parametrize(
    ("method", "given", "code"),
    [
        ("fly", (), -32601),
        ("system.multicall", ([],), -32500),
        ("user_packages", ("ann",), -32500),
        ("changelog_since_serial", ("1",), -32602),
        ("changelog_since_serial", (True,), -32602),
        ("changelog_since_serial", (), -32602),
        ("package_releases", (), -32602),
        ("package_releases", ("a", True, 1), -32602),
        ("release_urls", ("alpha", 1.0), -32602),
        ("search", ("alpha",), -32602),
        ("search", ({"name": 5},), -32602),
        ("search", ({"name": ["x"] * 21},), -32602),
        ("search", ({"name": {"x": "y"}}, "or"), -32602),
    ],
)
def test_R147_R148_what_cannot_be_answered_is_a_fault(house: House, method: str, given: tuple[Any, ...], code: int) -> None:
    """Never a 500."""
    assert fault(house, method, *given) == code


def test_every_method_is_listed(house: House) -> None:
    methods = call(house, "system.listMethods")
    assert "search" in methods
    assert len(methods) == 9


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><methodCall/>',
        b"<!doctype x><methodCall/>",
        b'<?xml version="1.0" encoding="utf-7"?><methodCall/>',
        b'<?xml version="1.0" encoding="cp037"?>' + "<!DOCTYPE x><methodCall/>".encode("cp037"),
        BOMB.decode().encode("utf-16"),
    ],
)
def test_S83_document_types_entities_and_odd_encodings_are_refused_unparsed(house: House, body: bytes) -> None:
    reply = raw(house, body)
    assert reply.status == 400
    assert b"not accepted" in reply.body


def test_S83_a_call_is_small(house: House) -> None:
    """64 KiB at most; however deep, it does no harm."""
    assert raw(house, b"<" * 65_537).status == 413
    deep = b"<methodCall><methodName>search</methodName><params><param>" + b"<value><array><data>" * 2000
    assert b"-32700" in raw(house, deep).body
    whole = deep + b"</data></array></value>" * 1100
    assert raw(house, whole[:65_536]).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<methodCall/>",
        b"<methodCall><methodName></methodName></methodCall>",
        b"<methodResponse><fault><value><struct/></value></fault></methodResponse>",
        b"<methodCall><methodName>x</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
        b"<methodCall><methodName>x</methodName><params><param><value><int>"
        + b"9" * 9000
        + b"</int></value></param></params></methodCall>",
        b"<methodCall><methodName>x</methodName><params><param><value><dateTime.iso8601>x</dateTime.iso8601></value></param></params></methodCall>",
        b"<methodCall><methodName>x</methodName><params><param><value><base64>?</base64></value></param></params></methodCall>",
        b"<params><param></array></param></params>",
    ],
)
def test_what_is_no_call_is_a_fault(house: House, body: bytes) -> None:
    reply = raw(house, body)
    assert reply.status == 200
    with pytest.raises(xmlrpc.client.Fault):
        xmlrpc.client.loads(reply.body)


_TAGS = st.sampled_from(
    ["methodCall", "methodName", "params", "param", "value", "struct", "member", "name", "array", "data", "int", "string", "boolean", "nil",
     "double", "dateTime.iso8601", "base64", "fault", "i8", "bigdecimal"]
)  # fmt: skip


@given(st.recursive(st.text("x1&;\u00e4", max_size=5), lambda inner: st.tuples(_TAGS, st.lists(inner, max_size=4)).map(
    lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>")))  # fmt: skip
def test_whatever_is_sent_reads_as_a_call_or_is_refused(body: str) -> None:
    """By one of two errors and no other."""
    for sent in (body, f"<methodCall><methodName>x</methodName><params>{body}</params></methodCall>"):
        try:
            method, _ = read_call(sent.encode())
        except (Dangerous, Fault):
            continue
        assert isinstance(method, str)


def test_R147_what_xml_cannot_carry_is_left_out() -> None:
    """And numbers beyond 32 bits are doubles."""
    ((answer,), _) = xmlrpc.client.loads(
        write_answer({"a\x00": ["x\x0by\ud800", 2**31, -5, None, True, 1.5, moment("2026-01-02T03:04:05Z")]})
    )
    assert answer == {"a": ["xy", float(2**31), -5, None, True, 1.5, xmlrpc.client.DateTime("20260102T03:04:05")]}
    with pytest.raises(xmlrpc.client.Fault, match="xy"):
        xmlrpc.client.loads(write_fault(Fault(-1, "x\x00y")))
    assert moment(None) is None


def test_law_10_an_outage_is_503_and_no_answer(house: House) -> None:
    """A mirror must not take it for an empty list."""
    house.upstream.health.doubt()
    reply = raw(house, xmlrpc.client.dumps(("never-seen",), "package_releases").encode())
    assert reply.status == 503
    assert header(reply, "Retry-After") is not None


def test_other_bodies_are_none_of_its_business(house: House) -> None:
    """A GET, a form, a body without a type."""
    assert raw(house, b"<methodCall/>", kind="text/plain").status == 405
    assert house.door.receive(house.ask("/pypi", "GET", content_type="text/xml")) is None
    assert house.door.receive(house.ask("/index/nowhere/pypi", "POST", content_type="text/xml")) is None


def test_a_name_that_is_ours_elsewhere_only_is_not_asked_of_upstream(house: House) -> None:
    """Also where the private index does not stand below the one that is asked."""
    assert call(house, "package_releases", str(NormalizedName("beta")), path="/index/pypi/pypi") == []
    assert house.upstream.asked == []
