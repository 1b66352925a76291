"""The other addresses: project list, legacy JSON, operations, control."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from pathlib import Path

import pytest

from pypidaemon.errors import NoSuchFile, NoSuchProject, NotAllowed, UpstreamUnavailable
from pypidaemon.model import ProjectStatus
from pypidaemon.testing.archives import make_wheel
from pypidaemon.web.routes import Address
from tests.fakes import file, page
from tests.gear import now
from tests.house import House, header
from tests.indexes.test_proxy import metadata_of, wheel
from tests.web.posting import basic

METRICS = Path(__file__).parents[2] / "docs" / "reference" / "metrics.rst"
JSON = "application/vnd.pypi.simple.v1+json"
LIST = b'{"meta":{"api-version":"1.4","_last-serial":50},"projects":[{"name":"zeta","_last-serial":50},{"name":"alpha","_last-serial":10}]}'


@pytest.fixture
def house() -> House:
    """Two projects on the list, one with a file."""
    house = House()
    house.upstream.names = LIST
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"))
    return house


def test_R48_the_list_in_json(house: House) -> None:
    """Every project with its serial as an integer, and the highest of all (R67)."""
    reply = house.get("/simple/", accept=JSON)
    document = json.loads(house.body(reply))
    assert document["projects"] == [{"name": "alpha", "_last-serial": 10}, {"name": "zeta", "_last-serial": 50}]
    assert document["meta"] == {"api-version": "1.4", "_last-serial": 50}
    assert header(reply, "Content-Type") == JSON
    assert header(reply, "X-PyPI-Last-Serial") == "50"


def test_R20_the_list_in_html(house: House) -> None:
    """One anchor per project."""
    body = house.body(house.get("/simple/")).decode()
    assert body.count("<a ") == 2
    assert ">alpha</a>" in body


def test_the_list_is_kept_compressed_and_tagged(house: House) -> None:
    """R72, R73, R81: rendered once for each form."""
    reply = house.get("/simple/", accept=JSON, accept_encoding="gzip")
    assert header(reply, "Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(house.body(reply)))["meta"]["_last-serial"] == 50
    tag = header(reply, "ETag") or ""
    assert house.get("/simple/", accept=JSON, accept_encoding="gzip", if_none_match=tag).status == 304
    assert header(house.get("/simple/", accept=JSON), "ETag") != tag
    assert house.upstream.asked == ["names"]


def test_the_list_changes_when_upstreams_does(house: House) -> None:
    """And the one rendered before is let go."""
    before = house.get("/simple/", accept=JSON)
    house.upstream.names = LIST.replace(b"zeta", b"eta")
    house.clock.advance(1000)
    after = house.get("/simple/", accept=JSON)
    assert b"eta" in house.body(after)
    assert header(after, "ETag") != header(before, "ETag")


def test_the_list_that_was_never_had_is_unavailable(house: House) -> None:
    """Not an empty one."""
    house.upstream.names = UpstreamUnavailable("pypi", "it is down")
    with pytest.raises(UpstreamUnavailable):
        house.get("/simple/")


def test_R137_R143_the_legacy_document(house: House) -> None:
    """Absolute addresses, the same path as on the simple page, the serial, the metadata of the newest release."""
    _, data = wheel(house)
    document = metadata_of(data)
    name, data = make_wheel("alpha", "2.0")
    entry = file(name, data, core_metadata=__import__("hashlib").sha256(document).hexdigest())
    house.upstream.pages["alpha"] = page("alpha", entry, file("alpha-1.0.tar.gz", b"1"), serial=30, versions=("1.0", "2.0"))
    house.upstream.bodies[entry.url + ".metadata"] = document
    reply = house.get("/pypi/alpha/json")
    legacy = json.loads(reply.body)
    assert header(reply, "Content-Type") == "application/json"
    assert header(reply, "X-PyPI-Last-Serial") == str(legacy["last_serial"])
    assert legacy["info"]["version"] == "2.0"
    assert legacy["urls"][0]["url"] == f"http://127.0.0.1:3141/packages/{entry.path}"
    assert set(legacy["releases"]) == {"1.0", "2.0"}
    one = json.loads(house.get("/pypi/alpha/1.0/json").body)
    assert "releases" not in one
    assert one["info"]["version"] == "1.0"
    assert house.get("/pypi/alpha/json", if_none_match=header(reply, "ETag") or "").status == 304


@pytest.mark.parametrize(
    ("path", "location"),
    [("/pypi/Alpha/json", "../alpha/json"), ("/pypi/ALPHA/1.0/json", "../../alpha/1.0/json"), ("/pypi/alpha/json/", "../json")],
)
def test_R137_any_spelling_of_a_legacy_address_leads_there(house: House, path: str, location: str) -> None:
    """By one redirect."""
    reply = house.get(path)
    assert (reply.status, header(reply, "Location")) == (301, location)


def test_R144_pip_tools_finds_the_legacy_document_beside_the_simple_pages(house: House) -> None:
    """It replaces `simple/` by the name and `json`."""
    assert json.loads(house.get("/alpha/json").body)["info"]["name"] == "alpha"


def test_R145_what_is_not_there_has_no_legacy_document(house: House) -> None:
    """Unknown project, unknown version, quarantine."""
    with pytest.raises(NoSuchProject):
        house.get("/pypi/unknown/json")
    with pytest.raises(NoSuchFile):
        house.get("/pypi/alpha/9.9/json")
    house.upstream.pages["beta"] = page("beta", file("beta-1.0.tar.gz", b"b"), status=ProjectStatus("quarantined"))
    with pytest.raises(NoSuchProject):
        house.get("/pypi/beta/json")


@pytest.mark.parametrize(
    ("public", "host", "secure", "root"),
    [
        (None, "127.0.0.1:3141", False, "http://127.0.0.1:3141/"),
        (None, "localhost:8000", True, "https://localhost:8000/"),
        (None, "[::1]:3141", False, "http://[::1]:3141/"),
        (None, "evil.example", False, "http://127.0.0.1:3141/"),
        (None, "127.0.0.1.evil.example", False, "http://127.0.0.1:3141/"),
        (None, "", False, "http://127.0.0.1:3141/"),
        ("https://index.example/pypi", "evil.example", False, "https://index.example/pypi/"),
    ],
)
def test_R13_absolute_addresses_do_not_come_from_an_unchecked_host(public: str | None, host: str, secure: bool, root: str) -> None:
    """Else anybody could poison links (trap 45)."""
    import attrs

    ask = attrs.evolve(House().ask("/"), host=host, secure=secure)
    assert Address(public, "http://127.0.0.1:3141").root(ask) == root


def test_R224_health_readiness_and_metrics(house: House) -> None:
    """Never cached, and an upstream that is down does not make us ill."""
    house.upstream.health.doubt()
    health = house.get("/+health")
    assert json.loads(health.body)["upstreams"]["pypi"]["state"] == "down"
    assert header(health, "Cache-Control") == "no-store"
    assert json.loads(house.get("/+ready").body) == {"ready": True}
    house.door.routes.operations.metrics.observe(house.ask("/simple/alpha/"), 200, 10, 0.1)
    metrics = house.get("/+metrics").body.decode()
    assert 'pypidaemon_requests_total{route="simple",status="200"} 1.0' in metrics
    assert 'pypidaemon_upstream_up{upstream="pypi"} 0.0' in metrics


def test_an_upstream_that_nothing_was_asked_of_is_neither_up_nor_down(house: House) -> None:
    """Nobody knows; and what is known since when is said in UTC."""
    house.upstream.health.since = 0.0
    assert json.loads(house.get("/+health").body)["upstreams"]["pypi"] == {"state": "not asked yet", "cause": "", "since": None}
    house.upstream.health.since = 1_780_000_000.9
    assert json.loads(house.get("/+health").body)["upstreams"]["pypi"] == {"state": "up", "cause": "", "since": "2026-05-28T20:26:40Z"}


def test_the_root_says_how_to_use_it(house: House) -> None:
    """With the address that works."""
    assert b"--index-url http://127.0.0.1:3141/simple/" in house.get("/").body


def control(house: House, path: str, method: str) -> tuple[int, dict[str, object]]:
    """What the control socket answers."""
    handle = house.door.control.resource.handle
    reply = now(handle(house.ask(path, method)))
    return reply.status, json.loads(reply.body) if reply.body.startswith(b"{") else {}


def test_the_control_socket_refreshes_and_reports(house: House) -> None:
    """Nothing of it is reachable from the public side."""
    house.get("/simple/alpha/")
    status, report = control(house, "/status", "GET")
    assert (status, report["index"]) == (200, "pypi")
    assert (report["pid"], report["started"], report["uptime_seconds"]) == (os.getpid(), "2026-05-28T20:26:40Z", 0)
    assert control(house, "/refresh?name=Alpha", "POST") == (200, {"refreshed": 1, "projects": {"alpha": 1}})
    assert control(house, "/refresh?name=beta&name=alpha", "POST")[1]["projects"] == {"beta": 0, "alpha": 1}
    house.get("/simple/alpha/")
    assert house.upstream.asked == ["page alpha", "page alpha"]
    assert control(house, "/refresh?all=yes", "POST")[0] == 200
    assert control(house, "/refresh", "POST")[0] == 400
    assert control(house, "/refresh", "GET")[0] == 405
    with pytest.raises(NoSuchFile):
        house.get("/refresh")
    assert b"pid" not in house.get("/status/").body


def test_the_account_is_noted_for_the_log() -> None:
    """Of who logged in, also where the page was ready and where it was refused; of nobody else."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"))
    routes, ann = house.door.routes, basic(house.token("ann"))
    for authorization, name in ((ann, "ann"), (None, "")):
        given = {} if authorization is None else {"authorization": authorization}
        for path in ("/simple/alpha/", "/simple/alpha/", "/simple/nothing/"):
            ask = house.ask(path, **given)
            with contextlib.suppress(NoSuchProject):
                assert (routes.quick(ask) or now(routes.handle(ask))).status == 200
            assert ask.notes.account == name
    ask = house.ask("/simple/alpha/", authorization=basic("pypidaemon-wrong-token"))
    with pytest.raises(NotAllowed):
        now(routes.handle(ask))
    assert ask.notes.account == ""
    assert "ann" not in repr(house.ask("/simple/alpha/", authorization=ann).notes)


@pytest.mark.parametrize(
    ("method", "path", "kind", "route"),
    [
        ("POST", "/legacy/", "multipart/form-data; boundary=x", "upload"),
        ("POST", "/", "multipart/form-data; boundary=x", "upload"),
        ("POST", "/pypi", "multipart/form-data; boundary=x", "upload"),
        ("POST", "/index/private/legacy/", "multipart/form-data; boundary=x", "upload"),
        ("POST", "/pypi", "text/xml", "xmlrpc"),
        ("POST", "/RPC2/", "text/xml", "xmlrpc"),
        ("POST", "/index/private/pypi", "text/xml", "xmlrpc"),
        ("POST", "/+api/releases/yank", "application/json", "releases"),
        ("POST", "/simple/alpha/", "text/plain", "simple"),
        ("GET", "/pypi/alpha/json", "", "legacy"),
        ("GET", "/index/private/simple/", "", "index"),
        ("GET", "/", "", "other"),
    ],
)
def test_metrics_tell_apart_what_is_posted(house: House, method: str, path: str, kind: str, route: str) -> None:
    house.door.routes.operations.metrics.observe(house.ask(path, method, content_type=kind), 200, 10, 0.1)
    metrics = house.get("/+metrics").body.decode()
    assert f'pypidaemon_requests_total{{route="{route}",status="200"}} 1.0' in metrics
    assert f"``{route}`` for" in METRICS.read_text("utf-8")
