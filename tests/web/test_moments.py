"""`/at/<moment>/`: the default index as it was, for any client."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

import attrs
import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import NoSuchFile, NoSuchProject, Refused
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import File, NormalizedName
from pypidaemon.policies.names import Names
from pypidaemon.web import answers
from pypidaemon.web.ask import read
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import view_of
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House, header
from tests.web.posting import look
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"
OLD = file("alpha-1.0-py3-none-any.whl", b"one", upload_time="2026-01-02T03:04:05.678901Z", core_metadata="")
NEW = file("alpha-2.0-py3-none-any.whl", b"two", upload_time="2026-03-01T00:00:00.000001Z", core_metadata="")
NAMED = file("alpha-2.0.tar.gz", b"three", upload_time="2026-03-02T00:00:00Z", path="")
"""One that upstream serves under no path of PyPI's."""


def fill(house: House, *files: File) -> None:
    house.upstream.pages["alpha"] = page("alpha", *files, versions=("1.0", "2.0")[: len(files)])
    house.upstream.bodies |= {OLD.url: b"one", NEW.url: b"two", NAMED.url: b"three"}


@pytest.fixture
def house() -> House:
    """Alpha at the root by way of a first-match."""
    house = House()
    fill(house, OLD, NEW, NAMED)
    house.open({"root": FirstMatch("root", (house.proxy,), house.records), "pypi": house.proxy}, "root")
    return house


def names(house: House, root: str, project: str = "alpha") -> list[str]:
    """The files of a page, each of which can be had by its link, with the headers of the index behind."""
    path = f"{root}simple/{project}/"
    reply = house.get(path, accept=JSON)
    assert reply.status == 200
    assert header(reply, "X-Pypidaemon-Index") == "pypi"
    files = json.loads(reply.body)["files"]
    for each in files:
        assert urljoin(path, each["url"]).startswith(f"{root}packages/")
        assert house.get(urljoin(path, each["url"])).status == 200
    return [each["filename"] for each in files]


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("2026-01-02", []),
        ("2026-01-03", [OLD.filename]),
        ("2026-03-01T00:00:00Z", [OLD.filename]),
        ("2026-03-01T00:00:01Z", [OLD.filename, NEW.filename]),
        ("2026-03-02", [OLD.filename, NEW.filename, NAMED.filename]),
        ("2999-01-01", [OLD.filename, NEW.filename, NAMED.filename]),
    ],
)
def test_pages_and_files_are_those_of_the_moment(house: House, moment: str, left: list[str]) -> None:
    """And the next time too, out of what was kept; the index itself is as it was."""
    for _ in range(2):
        assert sorted(names(house, f"/at/{moment}/")) == sorted(left)
    assert len(names(house, "/")) == 3


def test_a_percent_sign_in_the_moment_is_read_once() -> None:
    """Some clients write a colon so."""

    class Bytes:
        """As much of a request as is read of it."""

        uri = b"/at/2026-03-01T00%3A00%3a00Z/simple/alpha/"
        method, clientproto = b"GET", b"HTTP/1.0"

        class requestHeaders:  # noqa: N801  # Twisted's name
            """None."""

            @staticmethod
            def getAllRawHeaders() -> list[tuple[bytes, list[bytes]]]:
                """None."""
                return []

        def getClientAddress(self) -> object:
            """Nobody's."""
            return object()

        def isSecure(self) -> bool:
            """No."""
            return False

    asked = read(Bytes(), "0" * 16)  # type: ignore[arg-type]  # that is all it looks at
    assert asked.segments[1] == "2026-03-01T00:00:00Z"
    assert view_of(asked.segments[1]) == view_of("2026-03-01") == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    "segment",
    ["", "yesterday", "2026", "2026-3-1", "2026-02-30", "2026-03-01T00:00:00", "2026-03-01T00:00:00+00:00", "2026-03-01T25:00:00Z", " 2026-03-01",
     "2026-03-01 ", "2026-03-01T00:00Z", "-2026-03-01", "20260301", "0000-01-01", f"{chr(0x0662)}026-03-01", "1" * 200, "simple"],
)  # fmt: skip
def test_what_is_no_moment_is_told_what_one_looks_like(house: House, segment: str) -> None:
    """Without asking anybody, and without an echo."""
    for below in ("simple/alpha/", "simple/", f"packages/{OLD.path}", "alpha/json", ""):
        reply = house.get(f"/at/{segment}/{below}")
        assert reply.status == 404
        line = reply.body.decode().splitlines()[0]
        assert line.startswith("no such moment: a moment is written YYYY-MM-DD, its first second in UTC, or YYYY-MM-DDTHH:MM:SSZ")
    assert house.upstream.asked == []


def test_a_project_may_be_called_at(house: House) -> None:
    """Its legacy document has the address that it always had."""
    house.upstream.add("at", ("at-1.0.tar.gz", b"at"))
    assert json.loads(house.get("/at/json").body)["info"]["name"] == "at"
    assert house.get("/simple/at/").status == 200
    assert json.loads(house.get("/at/2026-02-01/at/json").body)["info"]["version"] == "1.0"
    with pytest.raises(NoSuchFile):
        house.get("/at")


@pytest.mark.parametrize("root", ["/at/2026-02-01/", "/at/2026-02-01T00:00:00Z/"])
@pytest.mark.parametrize("tail", ["", ".metadata", ".provenance"])
def test_law_2_what_came_later_is_403_by_every_address(house: House, root: str, tail: str) -> None:
    """With the moments in the reason phrase, since installers show nothing else; also where its bytes are here, and by name."""
    by_name = f"packages/by-name/pypi/alpha/{NAMED.filename}"
    for path, since in ((f"packages/{NEW.path}", "2026-03-01T00:00:00.000001Z"), (by_name, "2026-03-02T00:00:00Z")):
        assert house.get(f"/{path}").status == 200
        for method in ("GET", "HEAD"):
            reply = house.get(f"{root}{path}{tail}", method)
            assert reply.status == 403
            assert reply.reason == f"Refused by /at/: uploaded {since}, after 2026-02-01T00:00:00Z"
    assert house.get(f"{root}packages/{OLD.path}").status == 200
    assert house.get(f"{root}integrity/alpha/2.0/{NEW.filename}/provenance").status == 403


def test_the_legacy_documents_are_those_of_the_moment(house: House) -> None:
    """Their links stay below it, whichever way the moment was spelled."""
    documents = [
        json.loads(house.get(f"/at/{moment}/{path}").body)
        for moment in ("2026-02-01", "2026-02-01T00:00:00Z")
        for path in ("pypi/alpha/json", "alpha/json")
    ]
    for document in documents:
        assert document["info"]["version"] == "1.0"
        assert [*document["releases"]] == ["1.0"]
        assert document["urls"][0]["url"] == f"http://127.0.0.1:3141/at/2026-02-01T00:00:00Z/packages/{OLD.path}"
    assert json.loads(house.get("/at/2026-02-01/pypi/alpha/1.0/json").body)["info"]["version"] == "1.0"
    with pytest.raises(NoSuchFile):
        house.get("/at/2026-02-01/pypi/alpha/2.0/json")
    with pytest.raises(NoSuchProject):
        house.get("/at/2026-01-01/pypi/alpha/json")
    assert json.loads(house.get("/alpha/json").body)["info"]["version"] == "2.0"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("simple/Alpha", "alpha/"),
        ("simple", "simple/"),
        ("links", "links/"),
        ("pypi/ALPHA/json", "../alpha/json"),
        ("pypi/alpha/json/", "../json"),
    ],
)
def test_mended_addresses_stay_below_the_moment(house: House, path: str, location: str) -> None:
    """Since they are relative."""
    reply = house.get(f"/at/2026-02-01/{path}")
    assert (reply.status, header(reply, "Location")) == (301, location)


def test_the_list_is_that_of_now(house: House) -> None:
    """One list, kept once, whatever moments are asked for."""
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"},{"name":"beta"}]}'
    replies = [house.get(path, accept=JSON) for path in ("/simple/", "/at/2020-01-01/simple/", "/at/2026-02-01/simple/")]
    assert len({header(reply, "ETag") for reply in replies}) == 1
    assert {house.body(reply) for reply in replies[1:]} == {house.body(replies[0])}


def test_a_warm_page_is_a_look_up(house: House) -> None:
    """As any page is: no coroutine, no judging; and each moment has answers of its own, in whatever spelling."""
    path = "/at/2026-02-01/simple/alpha/"
    assert house.door.routes.quick(house.ask(path)) is None
    cold = house.get(path)
    for spelled in (path, "/at/2026-02-01T00:00:00Z/simple/alpha/"):
        warm = house.door.routes.quick(house.ask(spelled))
        assert warm is not None
        assert (warm.body, warm.headers) == (cold.body, cold.headers)
    for other in ("/at/2026-02-02/simple/alpha/", "/simple/alpha/", "/at/never/simple/alpha/"):
        assert house.door.routes.quick(house.ask(other)) is None
    etags = {header(house.get(each), "ETag") for each in (path, "/at/2026-02-02/simple/alpha/", "/simple/alpha/")}
    assert len(etags) == 3
    etag = header(cold, "ETag")
    assert etag is not None
    assert house.get(path, if_none_match=etag).status == 304


def test_many_moments_do_not_push_out_the_pages_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can think of another moment."""
    monkeypatch.setattr(answers, "VIEWS", 10_000)
    house = House()
    fill(house, OLD, NEW, NAMED)
    house.open({"pypi": house.proxy}, "pypi")
    house.get("/simple/alpha/", accept=JSON)
    held = house.door.routes.pages.answers
    alone = held.weight
    for day in range(10, 29):
        names(house, f"/at/2026-03-{day}/")
    assert alone < held.weight <= alone + 10_000
    assert house.door.routes.quick(house.ask("/simple/alpha/", accept=JSON)) is not None
    assert house.door.routes.quick(house.ask("/at/2026-03-28/simple/alpha/", accept=JSON)) is not None
    house.announcements.announce(NormalizedName("alpha"))
    assert len(held) == 0


def test_R76_it_is_fresh_for_as_long_as_the_page_behind(house: House) -> None:
    """What upstream says of the past may change: a yank, a deletion, a file of old with a new date."""
    path = "/at/2026-02-01/simple/alpha/"
    assert header(house.get(path), "Cache-Control") == "public, max-age=600"
    fill(house, attrs.evolve(OLD, yanked="broken"), NEW)
    house.clock.advance(599)
    assert b"broken" not in house.get(path).body
    house.clock.advance(61)
    assert b"broken" in house.get(path).body


def test_serials_are_those_of_the_index(house: House) -> None:
    """None is made for a moment."""
    serial = header(house.get("/simple/alpha/"), "X-PyPI-Last-Serial")
    for day in range(1, 20):
        assert header(house.get(f"/at/2026-02-{day:02}/simple/alpha/"), "X-PyPI-Last-Serial") == serial


def test_a_refused_project_is_absent_at_any_moment(house: House) -> None:
    """What the default index hides it hides at every moment."""
    house.open({"agreed": Policed("agreed", house.proxy, (Names("no", deny=("alpha",)),), house.records, house.clock, inline)}, "agreed")
    with pytest.raises(Refused):
        house.get("/at/2026-02-01/simple/alpha/")
    assert house.get(f"/at/2026-02-01/packages/{OLD.path}").status == 403
    assert house.upstream.asked == []


def test_nobody_uploads_to_the_past() -> None:
    """Nor are calls answered there."""
    house = House()
    house.with_private()
    for path in ("legacy/", "pypi", "RPC2", "", "simple/"):
        ask = house.ask(f"/at/2026-02-01/{path}", "POST", content_type="text/xml")
        assert house.door.receive(ask) is None
        assert house.get(f"/at/2026-02-01/{path}", "POST").status == 405
    for path in ("legacy/", "legacy/+simple/alpha/", "+health", "+api/log", "index/pypi/simple/", "at/2026-02-01/simple/"):
        with pytest.raises(NoSuchFile):
            house.get(f"/at/2026-02-01/{path}")


def test_rights_are_those_at_the_default_index() -> None:
    """S42: a private project is as private in the past; what is ours has upload times too."""
    house = House()
    house.with_private()
    token = house.token("ann")
    for right in ("upload", "read", "list"):
        house.grant("ann", right, "private")
    name, data, fields = wheel("alpha")
    assert upload(house, token, (name, data, fields)).status == 200
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
    after, before = "/at/2026-05-29/", "/at/2026-05-28/"
    page, links = look(house, f"{after}simple/alpha/", token), look(house, f"{after}links/", token)
    assert [*linked(page)] == [*linked(links)] == [name]
    for reply in (page, links):
        assert (header(reply, "Cache-Control") or "").startswith("private, no-cache")
    path = urljoin(f"{after}simple/alpha/", linked(page)[name].partition("#")[0])
    assert urljoin(f"{after}links/", linked(links)[name].partition("#")[0]) == path
    assert house.body(look(house, path, token)) == data
    assert linked(look(house, f"{before}simple/alpha/", token)) == linked(look(house, f"{before}links/", token)) == {}
    assert look(house, path.replace(after, before), token).status == 403
    for each in (f"{after}simple/alpha/", f"{before}simple/alpha/", path, f"{after}alpha/json"):
        assert look(house, each).status == 401
    assert linked(look(house, f"{after}links/")) == {}


def linked(reply: Reply) -> dict[str, str]:
    """The links of an HTML page by the names of the files."""
    assert reply.status == 200
    return {name: href for href, name in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', reply.body.decode())}
