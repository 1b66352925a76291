"""Project pages at the door: addresses, negotiation, validators, caching, ready answers."""

from __future__ import annotations

import gzip
import json
import re

import attrs
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import InvalidName, Loop, NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.model import NormalizedName
from tests.fakes import file, page
from tests.gear import now
from tests.house import House, header

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture
def house() -> House:
    """Alpha with a sdist, seen through a first-match too."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"), serial=10)
    house.upstream.add("foo-bar", ("foo_bar-1.0.tar.gz", b"foo"), serial=11)
    root = FirstMatch("root", (house.proxy,), house.records)
    house.open({"root": root, "pypi": house.proxy}, "root")
    return house


def test_R3_R43_a_page_in_json(house: House) -> None:
    """The type to the letter, without a parameter."""
    reply = house.get("/simple/alpha/", accept=PIP)
    assert reply.status == 200
    assert header(reply, "Content-Type") == JSON
    document = json.loads(reply.body)
    assert document["name"] == "alpha"
    assert document["meta"]["api-version"] == "1.4"


@pytest.mark.parametrize("headers", [{}, {"accept": "*/*"}, {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}])
def test_R38_html_where_nothing_better_is_asked_for(house: House, headers: dict[str, str]) -> None:
    """Hatch, buildout and browsers."""
    reply = house.get("/simple/alpha/", **headers)
    assert header(reply, "Content-Type") == "text/html; charset=utf-8"
    assert b"alpha-1.0.tar.gz</a>" in reply.body


def test_R45_versioned_html_is_answered_as_such(house: House) -> None:
    """Same body, the type that was asked for."""
    versioned = house.get("/simple/alpha/", accept="application/vnd.pypi.simple.v1+html")
    plain = house.get("/simple/alpha/", accept="text/html")
    assert (header(versioned, "Content-Type") or "").startswith("application/vnd.pypi.simple.v1+html")
    assert versioned.body == plain.body


def test_R42_format_in_the_query_rules(house: House) -> None:
    """And any other value, or any other key, is ignored (R9)."""
    assert header(house.get(f"/simple/alpha/?format={JSON}", accept="text/html"), "Content-Type") == JSON
    assert header(house.get("/simple/alpha/?format=xml&x=y", accept="text/html"), "Content-Type") == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple/alpha", "alpha/"),
        ("/simple/Foo_.Bar/", "../foo-bar/"),
        ("/simple/Foo_Bar", "foo-bar/"),
        ("/simple/ALPHA/", "../alpha/"),
        ("/simple", "simple/"),
        ("/index/pypi/simple/Alpha", "alpha/"),
        ("/index/pypi/simple", "simple/"),
        ("/simple/ALPHA?format=x%20y", "alpha/?format=x%20y"),
    ],
)
def test_R5_R6_R7_one_permanent_hop_mends_the_spelling(house: House, path: str, location: str) -> None:
    """L10, S8: slash and name together, relative, and the query stays."""
    reply = house.get(path.replace("%20", " "))
    assert (reply.status, header(reply, "Location")) == (301, location)
    assert house.upstream.asked == []


@pytest.mark.parametrize("path", ["/simple/-bad-/", "/simple/a b/", "/simple/na%/", "/simple/ä/"])
def test_S8_an_impossible_name_is_absent_without_a_request(house: House, path: str) -> None:
    """R2: anything that is no name is 404 on read."""
    with pytest.raises(InvalidName):
        house.get(path)
    assert house.upstream.asked == []


def test_R10_an_unknown_project_is_absent_and_an_outage_is_not(house: House) -> None:
    """404 and 503; the skin has the table (tests/web/test_failures.py)."""
    with pytest.raises(NoSuchProject):
        house.get("/simple/unknown/")
    house.upstream.fails(["other"])
    with pytest.raises(UpstreamUnavailable):
        house.get("/simple/other/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_R11_other_methods_are_told_which_ones_there_are(house: House, method: str) -> None:
    """405 with Allow: uv makes a hint of it."""
    reply = house.get("/simple/alpha/", method)
    assert (reply.status, header(reply, "Allow")) == (405, "GET, HEAD")


def test_R12_R14_file_links_are_relative_and_lead_to_packages(house: House) -> None:
    """In both representations, the same path as upstream's (R15)."""
    path = file("alpha-1.0.tar.gz", b"alpha one").path
    document = json.loads(house.get("/simple/alpha/", accept=JSON).body)
    assert document["files"][0]["url"] == f"../../packages/{path}"
    assert f'href="../../packages/{path}#sha256='.encode() in house.get("/simple/alpha/").body


def test_R46_vary_stands_on_every_answer(house: House) -> None:
    """Also on a 304."""
    reply = house.get("/simple/alpha/", accept=JSON)
    again = house.get("/simple/alpha/", accept=JSON, if_none_match=header(reply, "ETag") or "")
    assert again.status == 304
    for one in (reply, again):
        assert header(one, "Vary") == "Accept, Accept-Encoding"


def test_R67_R69_the_serial_stands_on_every_answer(house: House) -> None:
    """An integer."""
    assert header(house.get("/simple/alpha/"), "X-PyPI-Last-Serial") == "10"


def test_R72_each_representation_and_coding_has_a_strong_tag_of_its_own(house: House) -> None:
    """uv ignores weak ones."""
    house.upstream.pages["alpha"] = page("alpha", *(file(f"alpha-{n}.0.tar.gz", b"%d" % n) for n in range(40)))
    tags = {
        header(house.get("/simple/alpha/", accept=accept, accept_encoding=coding), "ETag")
        for accept in (JSON, "text/html", "application/vnd.pypi.simple.v1+html")
        for coding in ("", "gzip", "zstd")
    }
    assert len(tags) == 9
    assert all(re.fullmatch(r'"[0-9a-z-]+"', tag or "") for tag in tags)


def test_R73_R74_a_known_page_is_not_sent_again(house: House) -> None:
    """By a list, by `*`, by weak comparison; with the same tag, serial and caching."""
    reply = house.get("/simple/alpha/", accept=JSON)
    tag = header(reply, "ETag") or ""
    for known in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        again = house.get("/simple/alpha/", accept=JSON, if_none_match=known)
        assert (again.status, again.body) == (304, b"")
        for name in ("ETag", "Cache-Control", "X-PyPI-Last-Serial"):
            assert header(again, name) == header(reply, name)
    assert house.get("/simple/alpha/", accept=JSON, if_none_match='"other"').status == 200


def test_R76_what_is_left_of_upstreams_time_is_told(house: House) -> None:
    """Never 600 beside an Age, never `no-store` (R78)."""
    house.get("/simple/alpha/")
    house.clock.advance(200)
    assert header(house.get("/simple/alpha/"), "Cache-Control") == "public, max-age=400"


def test_a_stale_page_is_marked_and_kept_by_nobody(house: House) -> None:
    """R83, and caches below us must ask again."""
    house.get("/simple/alpha/")
    house.upstream.fails(["alpha"])
    house.clock.advance(100_000)
    reply = house.get("/simple/alpha/")
    assert reply.status == 200
    assert header(reply, "Cache-Control") == "no-cache"
    assert header(reply, "X-Pypidaemon-Stale") == "yes"


def test_answers_name_the_index_they_came_from(house: House) -> None:
    """The leaf at the end of the chain."""
    assert header(house.get("/simple/alpha/"), "X-Pypidaemon-Index") == "pypi"
    assert header(house.get("/index/pypi/simple/alpha/"), "X-Pypidaemon-Index") == "pypi"


def test_R66_scripts_of_other_sites_may_read(house: House) -> None:
    """And see the serial."""
    reply = house.get("/simple/alpha/")
    assert header(reply, "Access-Control-Allow-Origin") == "*"
    assert header(reply, "Access-Control-Expose-Headers") == "X-PyPI-Last-Serial"


@pytest.mark.parametrize(("asked", "given_", "decode"), [
    ("gzip, deflate", "gzip", gzip.decompress),
    ("gzip, deflate, zstd", "zstd", lambda data: zstandard.ZstdDecompressor().decompress(data)),
    ("br", None, bytes),
])  # fmt: skip
def test_R81_pages_are_compressed_where_the_client_can_read_it(house: House, asked: str, given_: str | None, decode: object) -> None:
    """pip asks for gzip, uv for zstd."""
    house.upstream.pages["alpha"] = page("alpha", *(file(f"alpha-{n}.0.tar.gz", b"%d" % n) for n in range(40)))
    plain = house.get("/simple/alpha/", accept=JSON).body
    reply = house.get("/simple/alpha/", accept=JSON, accept_encoding=asked)
    assert header(reply, "Content-Encoding") == given_
    assert decode(reply.body) == plain  # type: ignore[operator]  # each decodes


def test_law_11_a_warm_page_is_a_ready_answer(house: House) -> None:
    """No coroutine, no index, no rendering; and what it says is what the other road says."""
    ask = house.ask("/simple/alpha/", accept=PIP, accept_encoding="gzip")
    assert house.door.routes.quick(ask) is None
    cold = now(house.door.routes.handle(ask))
    warm = house.door.routes.quick(ask)
    assert warm == cold
    assert now(house.door.routes.handle(ask)) == warm


def test_a_ready_answer_ends_with_the_freshness_of_its_page(house: House) -> None:
    """Then the index is asked."""
    ask = house.ask("/simple/alpha/")
    house.get("/simple/alpha/")
    assert house.door.routes.quick(ask) is not None
    house.clock.advance(600)
    assert house.door.routes.quick(ask) is None


def test_a_ready_answer_ends_when_its_project_changes(house: House) -> None:
    """And with it those of every index that shows it; others stay."""
    for path in ("/simple/alpha/", "/index/pypi/simple/alpha/", "/simple/foo-bar/"):
        house.get(path)
    house.announcements.announce(NormalizedName("alpha"))
    assert house.door.routes.quick(house.ask("/simple/alpha/")) is None
    assert house.door.routes.quick(house.ask("/index/pypi/simple/alpha/")) is None
    assert house.door.routes.quick(house.ask("/simple/foo-bar/")) is not None


def test_a_refresh_is_seen_by_the_next_request(house: House) -> None:
    """Through the whole chain."""
    house.get("/simple/alpha/", accept=JSON)
    house.upstream.add("alpha", ("alpha-1.1.tar.gz", b"new"), serial=12)
    now(house.proxy.refresh(NormalizedName("alpha")))
    assert b"alpha-1.1.tar.gz" in house.get("/simple/alpha/", accept=JSON).body


def test_L9_a_request_of_our_own_is_a_loop(house: House) -> None:
    """Two daemons that have each other as upstream."""
    identity = now(house.records.identity())
    with pytest.raises(Loop):
        house.get("/simple/alpha/", via=f"1.1 other, 1.1 pypidaemon-{identity}")
    assert house.get("/simple/alpha/", via="1.1 pypidaemon-other").status == 200


@pytest.mark.parametrize("path", ["/nothing", "/index/none/simple/alpha/", "/simple/alpha/more", "/simple//", "/packages", "/+nothing"])
def test_other_addresses_are_absent(house: House, path: str) -> None:
    """Nothing is guessed."""
    with pytest.raises((NoSuchFile, InvalidName, NoSuchProject)):
        house.get(path)


@given(st.text(max_size=60), st.text(max_size=30), st.sampled_from(["GET", "HEAD"]))
def test_S35_no_header_makes_the_door_stumble_or_mix_answers(accept: str, coding: str, method: str) -> None:
    """Whatever is asked, what is answered is one of the representations, whole."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"))
    cold = house.get("/simple/alpha/", method, accept=accept, accept_encoding=coding)
    warm = house.get("/simple/alpha/", method, accept=accept, accept_encoding=coding)
    assert attrs.evolve(cold) == warm
    assert cold.status == 200
    body = cold.body
    match header(cold, "Content-Encoding"):
        case "gzip":
            body = gzip.decompress(body)
        case "zstd":
            body = zstandard.ZstdDecompressor().decompress(body)
    assert body.startswith(b"{" if header(cold, "Content-Type") == JSON else b"<!DOCTYPE html>")
