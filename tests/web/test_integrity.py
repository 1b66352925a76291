"""Provenance at the door: at PyPI's own address, beside the file, and named by pages (PEP 740)."""

from __future__ import annotations

import json

import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import NoSuchFile, NotAllowed, UpstreamUnavailable
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import NormalizedName
from pypidaemon.policies.names import Names
from pypidaemon.simple.negotiation import JSON_TYPE
from pypidaemon.web.integrity import INTEGRITY_TYPE, addresses
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House, header

WHEEL = "alpha-1.0+cpu-py3-none-any.whl"
URL = "https://files.example/provenance"
DOCUMENT = b'{"version":1,"attestation_bundles":[]}'
HERE = "/integrity/alpha/1.0%2Bcpu/alpha-1.0%2Bcpu-py3-none-any.whl/provenance"
ASKED = HERE.replace("%2B", "+")


def stock(house: House) -> House:
    """Alpha with a wheel that has a provenance, and a file that has none."""
    house.upstream.pages["alpha"] = page("alpha", file(WHEEL, b"x", provenance=URL), file("alpha-1.0.tar.gz", b"y"))
    house.upstream.bodies[URL] = DOCUMENT
    return house


@pytest.fixture
def house() -> House:
    """A daemon without a public address."""
    return stock(House())


def message(reply: Reply) -> str:
    """What an answer in JSON says."""
    assert header(reply, "content-type") == "application/json"
    said = json.loads(reply.body)
    assert list(said) == ["message"]
    return str(said["message"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_R117_the_document_is_there_as_it_is(house: House, method: str) -> None:
    reply = house.get(ASKED, method)
    assert (reply.status, house.body(reply)) == (200, DOCUMENT)
    assert header(reply, "content-type") == INTEGRITY_TYPE
    assert header(reply, "cache-control") == "public, max-age=600"
    assert header(reply, "x-pypidaemon-index") == "pypi"
    assert header(reply, "vary") == "Accept"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (INTEGRITY_TYPE, INTEGRITY_TYPE),
        ("application/json", "application/json"),
        ("application/*", INTEGRITY_TYPE),
        ("*/*", INTEGRITY_TYPE),
        (f"application/json, {INTEGRITY_TYPE};q=0.5", "application/json"),
        (f"*/*, {INTEGRITY_TYPE};q=0", "application/json"),
        ("text/html", None),
        (f"{INTEGRITY_TYPE};q=0, application/json;q=0", None),
        ("", None),
    ],
)
def test_R117_it_can_be_had_as_either_type_and_no_other(house: House, accept: str, expected: str | None) -> None:
    reply = house.get(ASKED, accept=accept)
    if expected is None:
        assert reply.status == 406
        assert INTEGRITY_TYPE in message(reply)
    else:
        assert (reply.status, header(reply, "content-type")) == (200, expected)


def test_R72_each_type_has_its_own_tag_and_a_known_one_is_not_sent_again(house: House) -> None:
    tags = {accept: header(house.get(ASKED, accept=accept), "etag") for accept in (INTEGRITY_TYPE, "application/json")}
    assert len(set(tags.values())) == 2
    for accept, tag in tags.items():
        assert tag is not None
        reply = house.get(ASKED, accept=accept, if_none_match=tag)
        assert (reply.status, reply.stream, header(reply, "etag")) == (304, None, tag)


@pytest.mark.parametrize(
    "path",
    [
        "/integrity/alpha/1.0/alpha-1.0.tar.gz/provenance",
        "/integrity/alpha/2.0/alpha-1.0.tar.gz/provenance",
        ASKED.replace("/1.0+cpu/", "/1.0/"),
        "/integrity/alpha/1.0/alpha-3.0.tar.gz/provenance",
        "/integrity/beta/1.0/beta-1.0.tar.gz/provenance",
        "/integrity/alpha/1.0/..x/provenance",
        "/integrity/-/1.0/alpha-1.0.tar.gz/provenance",
    ],
)
def test_R117_what_has_none_is_absent_in_json(house: House, path: str) -> None:
    reply = house.get(path)
    assert reply.status == 404
    assert message(reply)
    assert header(reply, "cache-control") == "no-store"


def test_R117_every_spelling_of_project_and_version_is_the_same(house: House) -> None:
    assert house.get(ASKED.replace("/alpha/", "/ALPHA/").replace("/1.0+cpu/", "/v1.0.0+CPU/")).status == 200


def test_other_addresses_below_are_none(house: House) -> None:
    for path in ("/integrity/alpha/1.0/x", "/integrity/", ASKED + "/", ASKED.replace("provenance", "else")):
        with pytest.raises(NoSuchFile):
            house.get(path)


def test_F30_an_outage_is_503_in_json(house: House) -> None:
    house.upstream.bodies[URL] = UpstreamUnavailable("pypi", "it is down")
    reply = house.get(ASKED)
    assert reply.status == 503
    assert "it is down" in message(reply)
    assert header(reply, "retry-after")


def test_law_2_what_a_policy_hides_has_no_provenance_either(house: House) -> None:
    policed = Policed("policed", house.proxy, (Names("no-alpha", deny=("alpha",)),), house.records, house.clock, inline)
    house.open({"policed": policed, "pypi": house.proxy}, "policed")
    reply = house.get(ASKED)
    assert reply.status == 403
    assert "no-alpha" in message(reply)
    assert house.get("/index/pypi" + ASKED).status == 200


def test_S72_it_takes_the_right_to_read_the_file(house: House) -> None:
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    reply = house.get(ASKED)
    assert reply.status == 401
    assert header(reply, "www-authenticate")
    with pytest.raises(NotAllowed):
        house.get("/packages/" + file(WHEEL, b"x").path + ".provenance")
    token = house.token("reader")
    house.grant("reader", "read", "pypi")
    allowed = house.get(ASKED, authorization=f"Bearer {token}")
    assert (allowed.status, header(allowed, "cache-control")) == (200, "private, max-age=600")


def test_trap_43_beside_the_file_it_is_the_same_and_not_for_ever(house: House) -> None:
    reply = house.get("/packages/" + file(WHEEL, b"x").path + ".provenance")
    assert (reply.status, house.body(reply)) == (200, DOCUMENT)
    assert header(reply, "cache-control") == "public, max-age=600"
    assert header(reply, "content-type") == "application/json"
    tag = header(reply, "etag")
    assert tag is not None
    assert house.get("/packages/" + file(WHEEL, b"x").path + ".provenance", if_none_match=tag).status == 304
    house.upstream.bodies[URL] = DOCUMENT.replace(b"[]", b"[{}]")
    house.clock.advance(601)
    assert house.get("/packages/" + file(WHEEL, b"x").path + ".provenance", if_none_match=tag).status == 200


def test_the_past_has_it_where_it_has_the_file(house: House) -> None:
    house.upstream.pages["alpha"] = page("alpha", file(WHEEL, b"x", provenance=URL, upload_time="2026-01-02T00:00:00Z"))
    assert house.get("/at/2026-02-01" + ASKED).status == 200
    assert house.get("/at/2026-01-01" + ASKED).status == 403


def named(house: House, path: str) -> tuple[str | None, str | None]:
    """What a page says of the provenance of the wheel: in JSON and in HTML."""
    [entry, other] = json.loads(house.get(path, accept=JSON_TYPE).body)["files"]
    assert entry["filename"] == WHEEL
    assert "provenance" not in other
    html = house.get(path, accept="text/html").body.decode()
    marked = html.partition('data-provenance="')[2].partition('"')[0]
    return entry.get("provenance"), marked or None


@pytest.mark.parametrize("public_url", [None, "http://packages.example/python/"])
def test_R116_where_we_have_no_secure_address_upstreams_url_passes_unchanged(public_url: str | None) -> None:
    house = stock(House(public_url=public_url))
    assert named(house, "/simple/alpha/") == (URL, URL)


def test_R116_where_we_have_one_pages_name_our_own_copy_each_in_its_index() -> None:
    house = stock(House(public_url="https://packages.example/python/"))
    house.open({"root": house.proxy, "other": house.new_proxy("other")}, "root")
    root = "https://packages.example/python"
    assert named(house, "/simple/alpha/") == (root + HERE, root + HERE)
    assert named(house, "/index/root/simple/alpha/") == (root + HERE, root + HERE)
    other = f"{root}/index/other{HERE}"
    assert named(house, "/index/other/simple/alpha/") == (other, other)
    past = f"{root}/at/2027-01-01T00:00:00Z{HERE}"
    assert named(house, "/at/2027-01-01/simple/alpha/") == (past, past)
    for url in (root + HERE, other, past):
        assert house.get(url.removeprefix(root).replace("%2B", "+")).status == 200


def test_a_file_whose_name_says_no_version_keeps_upstreams_url() -> None:
    house = stock(House())
    shown = Shown("root", house.proxy)
    odd = file("other-1.0.tar.gz", provenance=URL)
    assert addresses("https://packages.example", "root").of(shown, NormalizedName("alpha"), odd) == URL
