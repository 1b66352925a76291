"""What could go wrong with the view of what is held: overtaken, shared by many, asked in other ways, seen by who may not see all."""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import NoSuchFile, PypidaemonError, UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.pinned import Pinned
from pypidaemon.model import Digest, NormalizedName
from pypidaemon.waits import Bell
from pypidaemon.web import failures
from pypidaemon.web.answers import decompress
from pypidaemon.web.held import BRIEFLY
from pypidaemon.web.reply import Reply
from tests.fakes import FakeUpstream
from tests.gear import inline, later, now, waiting
from tests.house import House, header
from tests.web.posting import look, send
from tests.web.test_held import AGE, JSON, PEER, listed, ready, take
from tests.web.test_uploads import upload, wheel


@attrs.define
class Gate:
    """An `InThread` that waits, once it is shut, until its bell rings."""

    bell: Bell = attrs.field(factory=Bell)
    shut: bool = False
    passed: int = 0

    async def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self.shut:
            await self.bell.wait()
        self.passed += 1
        return function(*args, **kwargs)

    def open(self) -> None:
        self.shut = False
        self.bell.ring()


@pytest.fixture
def house() -> House:
    """Alpha, of which 1.0 is held and 2.0 is not."""
    house = House(reserved=("acme-*",))
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"), serial=10)
    take(house, "alpha-1.0.tar.gz")
    return house


def gated(house: House) -> Gate:
    """Have answers rendered behind a gate."""
    gate = Gate()
    house.door.routes.pages.answers.cpu = gate
    return gate


def asking(house: House, **headers: str) -> Any:
    """Somebody asks for alpha, past what is ready."""
    return later(house.door.routes.handle(house.ask("/simple/alpha/", accept=JSON, **headers)))


def test_a_view_that_was_overtaken_while_it_was_made_is_kept_for_nobody(house: House) -> None:
    """The line comes back, more is taken, and it is lost again, all while one answer is being rendered."""
    gate = gated(house)
    house.upstream.health.doubt()
    gate.shut = True
    first = asking(house)
    assert waiting(first)
    house.upstream.health.recover()
    entry = now(house.proxy.project_page(NormalizedName("alpha"))).files[1]
    assert house.body(house.get(f"/packages/{entry.path}")) == b"two"
    house.upstream.health.doubt()
    gate.open()
    assert listed(now(first)) == ["alpha-1.0.tar.gz"]
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_a_view_made_while_one_of_two_lines_came_back_is_kept_for_nobody(house: House) -> None:
    """What is up is whole at once, though another line is still down."""
    other = FakeUpstream(label="other")
    other.add("alpha", ("alpha-3.0.tar.gz", b"three"), serial=3)
    second = house.new_proxy("second", other)
    house.open({"root": Merged("root", (house.proxy, second), ("alpha",), house.records, inline), "second": second}, "root")
    gate = gated(house)
    house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt()
    other.health.doubt()
    gate.shut = True
    first = asking(house)
    house.upstream.health.recover()
    gate.open()
    assert listed(now(first)) == ["alpha-1.0.tar.gz"]
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_law_11_however_many_ask_when_the_line_goes_down_it_is_rendered_once(house: House) -> None:
    gate = gated(house)
    house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt()
    gate.shut, gate.passed = True, 0
    answers = house.door.routes.pages.answers
    before = answers.misses
    crowd = [asking(house, accept_encoding=coding) for coding in ("", "gzip", "zstd") for _ in range(20)]
    gate.open()
    bodies = {decompress(reply.body, header(reply, "Content-Encoding") or "") for reply in map(now, crowd)}
    assert len(bodies) == 1
    assert answers.misses - before == 1
    assert gate.passed <= 3


def test_who_leaves_while_a_page_is_rendered_takes_nobody_along(house: House) -> None:
    gate = gated(house)
    gate.shut = True
    house.announcements.announce(NormalizedName("alpha"))
    first, second = asking(house), asking(house)
    first.addErrback(lambda _: None)
    first.cancel()
    gate.open()
    assert len(listed(now(second))) == 2


def test_an_answer_that_cannot_be_rendered_is_an_error_of_all_who_asked_and_tried_again(house: House) -> None:
    def broken(*_: Any) -> Any:
        raise PypidaemonError("no memory")

    answers = house.door.routes.pages.answers
    house.announcements.announce(NormalizedName("alpha"))
    answers.cpu = broken
    with pytest.raises(PypidaemonError, match="no memory"):
        house.get("/simple/alpha/", accept=JSON)
    answers.cpu = inline
    assert len(listed(house.get("/simple/alpha/", accept=JSON))) == 2


def test_R72_all_forms_of_the_view_are_one_and_none_is_taken_for_the_page_in_full(house: House) -> None:
    forms = [(accept, coding) for accept in (JSON, "text/html") for coding in ("", "gzip", "zstd")]
    # Pages as short as these are not compressed.
    house.upstream.add("long", *((f"long-{number}.0.tar.gz", b"%d" % number) for number in range(30)), serial=11)
    take(house, "long-7.0.tar.gz", "long")

    def tags() -> dict[tuple[str, str], str]:
        found = {}
        for accept, coding in forms:
            reply = house.get("/simple/long/", accept=accept, accept_encoding=coding)
            assert header(reply, "Content-Encoding") == (coding or None) or header(reply, "X-Pypidaemon-Held")
            body = decompress(reply.body, header(reply, "Content-Encoding") or "")
            whole = header(reply, "X-Pypidaemon-Held") is None
            assert (b"long-7.0.tar.gz" in body, b"long-8.0.tar.gz" in body) == (True, whole)
            found[(accept, coding)] = header(reply, "ETag") or ""
        return found

    full = tags()
    house.upstream.health.doubt()
    for _ in range(2):
        held = tags()
        assert set(full.values()).isdisjoint(held.values())
        for (accept, coding), tag in full.items():
            asked = {"accept": accept, "accept_encoding": coding}
            assert house.get("/simple/long/", if_none_match=tag, **asked).status == 200
            again = house.get("/simple/long/", if_none_match=held[(accept, coding)], **asked)
            assert (again.status, header(again, "X-Pypidaemon-Held"), header(again, "Cache-Control")) == (304, "1 of 30", "no-cache")
    assert house.get("/simple/long/", method="HEAD", accept=JSON).status == 200
    assert header(house.get("/simple/long/", method="HEAD", accept=JSON), "X-Pypidaemon-Held") == "1 of 30"
    house.upstream.health.recover()
    for (accept, coding), tag in held.items():
        assert house.get("/simple/long/", accept=accept, accept_encoding=coding, if_none_match=tag).status == 200
    assert tags() == full


def test_R191_how_much_is_held_is_told_to_nobody_who_may_not_read_all_of_it(house: House) -> None:
    """Neither by a header nor by the tag of an answer that was made for somebody else."""
    private = house.with_private()
    token = house.token("anna")
    house.grant("anna", "upload", "private")
    assert upload(house, token, wheel("alpha", "3.0")).status == 200
    merged = Merged("root", (private, house.proxy), ("alpha",), house.records, inline)
    house.open({"root": merged, "pypi": house.proxy, "private": private}, "root")
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
        house.grant("anna", right, "private")
        house.grant("anna", right, "pypi")
    house.upstream.health.doubt()
    seen = look(house, "/simple/alpha/", token, accept=JSON)
    assert (seen.status, header(seen, "X-Pypidaemon-Held"), header(seen, "Cache-Control")) == (200, "2 of 3", "private, no-cache")
    for headers in ({}, {"if_none_match": header(seen, "ETag") or ""}):
        for path in ("/simple/alpha/", "/at/2026-06-01/simple/alpha/"):
            refused = look(house, path, accept=JSON, **headers)
            assert refused.status == 401
            assert not any(header(refused, name) for name in ("X-Pypidaemon-Held", "ETag", "X-Pypidaemon-Index"))
    assert header(look(house, "/index/pypi/simple/alpha/", accept=JSON), "X-Pypidaemon-Held") == "1 of 2"


def test_pins_hold_in_what_is_left(house: House) -> None:
    pinned = Pinned("pinned", house.proxy, ("alpha==2.0",), house.records, inline)
    house.open({"pinned": pinned}, "pinned")
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-2.0.tar.gz"]
    house.upstream.health.doubt()
    reply = house.get("/simple/alpha/", accept=JSON)
    assert (listed(reply), header(reply, "X-Pypidaemon-Held")) == ([], "0 of 1")


def test_a_mirror_is_whole_whatever_its_line_does(house: House) -> None:
    """It is never asked on a request, so nothing of it can be waiting."""
    mirror = house.new_mirror()
    page = now(house.proxy.project_page(NormalizedName("alpha")))
    offered = now(mirror.offered(page.name, 0))
    for file in offered.files:
        now(mirror.take(page.name, file))
    now(mirror.fill(offered, offered.files, 10, True))
    house.open({"root": FirstMatch("root", (mirror, house.proxy), house.records), "mirror": mirror}, "root")
    whole = house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt()
    still = house.get("/simple/alpha/", accept=JSON)
    assert header(still, "X-Pypidaemon-Index") == "mirror"
    assert (still.body, header(still, "X-Pypidaemon-Held")) == (whole.body, None)


def test_law_11_what_is_left_of_a_long_page_is_one_question_to_the_store() -> None:
    questions: list[int] = []

    class Counting(MemoryBlobs):
        async def holding(self, digests: Any) -> frozenset[Digest]:
            questions.append(len(digests))
            return await super().holding(digests)

    house = House(blobs=Counting())
    house.upstream.add("alpha", *((f"alpha-{number}.0.tar.gz", b"%d" % number) for number in range(3000)))
    take(house, "alpha-7.0.tar.gz")
    questions.clear()
    house.upstream.health.doubt()
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-7.0.tar.gz"]
    assert questions == [3000]
    for _ in range(3):
        assert ready(house) is not None
    assert questions == [3000]


def test_law_10_a_file_that_the_last_known_page_does_not_list_may_be_there_by_now(house: House) -> None:
    """A lock that was made elsewhere names a release which came after the line was cut: nobody here can say that there is none."""
    path = f"/packages/ab/cd/{'e' * 60}/alpha-3.0.tar.gz"
    assert look(house, path).status == 404
    house.upstream.health.doubt()
    # The page is fresh, so what it does not list is not there.
    assert look(house, path).status == 404
    house.clock.advance(AGE)
    for _ in range(2):
        reply = look(house, path)
        assert reply.status == 503
        assert 1 <= int(header(reply, "Retry-After") or "") <= 60
    house.upstream.health.recover()
    assert look(house, path).status == 404
    assert take(house, "alpha-1.0.tar.gz") == b"one"


def test_law_3_reserved_names_are_absent_whatever_the_line_does(house: House) -> None:
    house.with_private()
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    for path in ("/simple/acme-secret/", "/pypi/acme-secret/json", f"/packages/aa/bb/{'c' * 60}/acme-secret-1.0.tar.gz"):
        assert look(house, path).status == 404, path
    assert look(house, "/simple/unknown/").status == 503


def call(house: House, method: str, *given: Any) -> tuple[int, Any]:
    """The status, and what a client of the standard library makes of the answer."""
    reply = send(house, "/pypi", xmlrpc.client.dumps(given, method).encode(), "text/xml")
    if reply.status != 200:
        return reply.status, reply
    return 200, xmlrpc.client.loads(house.body(reply))[0][0]


@pytest.mark.parametrize("old", [False, True])
def test_R146_XML_RPC_goes_on_with_what_is_known_and_says_of_the_rest_that_it_does_not_know(house: House, old: bool) -> None:
    house.with_private()
    house.upstream.names = b'{"meta":{"api-version":"1.4","_last-serial":50},"projects":[{"name":"alpha","_last-serial":10}]}'
    house.get("/simple/")
    house.get("/simple/alpha/")
    house.upstream.health.doubt()
    house.upstream.fails(["alpha", "unknown"])
    house.upstream.bodies.clear()
    if old:
        house.clock.advance(AGE)
    asked = list(house.upstream.asked)
    assert call(house, "package_releases", "alpha") == (200, ["1.0"])
    status, urls = call(house, "release_urls", "alpha", "2.0")
    assert (status, [one["filename"] for one in urls]) == (200, ["alpha-2.0.tar.gz"])
    status, data = call(house, "release_data", "alpha", "2.0")
    assert (status, data["version"]) == (200, "2.0")
    assert call(house, "changelog_last_serial")[0] == 200
    assert call(house, "changelog_since_serial", 1)[0] == 200
    assert call(house, "list_packages") == (200, ["alpha"])
    assert "alpha" in call(house, "list_packages_with_serial")[1]
    assert [hit["name"] for hit in call(house, "search", {"name": "alp"})[1]] == ["alpha"]
    for method, given in (("package_releases", ["unknown"]), ("release_urls", ["unknown", "1.0"]), ("release_data", ["unknown", "1.0"])):
        status, reply = call(house, method, *given)
        assert status == 503
        assert 1 <= int(header(reply, "Retry-After") or "") <= 60
    assert call(house, "package_releases", "acme-secret") == (200, [])
    assert house.upstream.asked == asked


def test_law_10_the_list_of_projects_that_was_never_had_is_unavailable_to_all_who_ask_for_it(house: House) -> None:
    house.upstream.health.doubt()
    assert look(house, "/simple/").status == 503
    assert call(house, "list_packages")[0] == 503
    assert call(house, "list_packages_with_serial")[0] == 503
    assert call(house, "search", {"name": "alpha"})[0] == 200


def test_law_10_legacy_documents_go_on(house: House) -> None:
    house.get("/pypi/alpha/json")
    house.upstream.health.doubt()
    house.upstream.bodies.clear()
    house.clock.advance(AGE)
    for path, status in (
        ("/pypi/alpha/json", 200),
        ("/pypi/alpha/2.0/json", 200),
        ("/pypi/alpha/3.0/json", 503),
        ("/pypi/unknown/json", 503),
        ("/links/", 200),
        ("/project/alpha/", 200),
    ):
        assert look(house, path).status == status, path


def test_law_10_what_vanishes_between_the_view_and_the_question_is_unavailable(house: House) -> None:
    """The page said that it is here; it never becomes an absence."""
    house.upstream.health.doubt()
    entry = json.loads(house.get("/simple/alpha/", accept=JSON).body)["files"][0]
    now(house.blobs.remove(Digest(entry["hashes"]["sha256"])))
    # Nor is it in memory, where it would be good for some seconds yet.
    house.door.routes.files.small.forget(None)
    house.upstream.bodies = {url: UpstreamUnavailable("pypi", "it is silent", 7) for url in house.upstream.bodies}
    for _ in range(2):
        reply = look(house, entry["url"].replace("../..", ""))
        assert reply.status == 503


def answered(house: House, path: str) -> Reply:
    """As `look`, for a path of the ordinary road alone."""
    try:
        return now(house.door.routes.handle(house.ask(path)))
    except PypidaemonError as error:
        return failures.answer(error, "0" * 16, True)


def test_R99_metadata_of_what_is_not_here_is_unavailable_and_no_absence(house: House) -> None:
    filename = "beta-1.0-py3-none-any.whl"
    made = house.upstream.add("beta", (filename, b"wheel"))
    [entry] = made.files
    house.upstream.pages["beta"] = attrs.evolve(made, files=(attrs.evolve(entry, core_metadata="d" * 64),))
    assert listed(house.get("/simple/beta/", accept=JSON, via=PEER)) == [filename]
    house.upstream.health.doubt()
    house.upstream.bodies[entry.url] = UpstreamUnavailable("pypi", "it is silent", 7)
    house.upstream.bodies[entry.url + ".metadata"] = UpstreamUnavailable("pypi", "it is silent", 7)
    assert listed(house.get("/simple/beta/", accept=JSON)) == []
    for companion in ("", ".metadata"):
        assert answered(house, f"/packages/{entry.path}{companion}").status == 503
    with pytest.raises(NoSuchFile):
        now(house.proxy.find(NormalizedName("beta"), "beta-9.0.tar.gz"))  # type: ignore[arg-type]  # tests know what is a name


def test_law_10_a_file_that_is_here_is_given_though_its_name_could_be_that_of_another_project(house: House) -> None:
    """Old source distributions have dashes in their versions, and nobody can be asked now whether there is a `foo-1-0`."""
    house.upstream.add("foo", ("foo-1.0-1.tar.gz", b"first"), ("foo-1.0-2.tar.gz", b"second"))
    assert take(house, "foo-1.0-1.tar.gz", "foo") == b"first"
    first, second = now(house.proxy.project_page(NormalizedName("foo"))).files
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    assert house.body(house.get(f"/packages/{first.path}")) == b"first"
    house.upstream.bodies.clear()
    for path in (second.path, f"aa/bb/{'c' * 60}/foo-1.0-1.tar.gz"):
        assert look(house, f"/packages/{path}").status in (404, 503)
    assert look(house, f"/packages/aa/bb/{'c' * 60}/foo-1.0-3.tar.gz").status == 503


def test_law_10_of_a_merged_page_nobody_can_say_what_it_lacks_while_one_of_its_lines_is_down(house: House) -> None:
    other = FakeUpstream(label="other")
    other.add("alpha", ("alpha-4.0.tar.gz", b"four"), serial=3)
    second = house.new_proxy("second", other)
    house.open({"root": Merged("root", (house.proxy, second), ("alpha",), house.records, inline)}, "root")
    path = f"/packages/ab/cd/{'e' * 60}/alpha-3.0.tar.gz"
    assert look(house, path).status == 404
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    assert look(house, path).status == 503
    house.upstream.health.recover()
    assert look(house, path).status == 404


@pytest.mark.parametrize("how", ["known", "known and old", "never asked"])
def test_F33_no_address_fails_while_the_line_is_down(house: House, how: str) -> None:
    """Each has an answer, or says that it does not know; none is an error of ours."""
    house.with_private()
    entry = now(house.proxy.project_page(NormalizedName("alpha"))).files[0]
    project = "alpha" if how != "never asked" else "unknown"
    house.upstream.health.doubt()
    house.upstream.fails(["alpha", "unknown"])
    house.upstream.names = UpstreamUnavailable("pypi", "it is silent")
    house.upstream.bodies.clear()
    if how == "known and old":
        house.clock.advance(AGE)
    asked = list(house.upstream.asked)
    paths = [
        "/", f"/simple/{project}/", f"/simple/{project}", "/simple/", "/index/pypi/simple/", f"/index/pypi/simple/{project}/",
        f"/at/2026-06-01/simple/{project}/", f"/pypi/{project}/json", f"/pypi/{project}/1.0/json", f"/integrity/{project}/1.0/x/provenance",
        "/links/", "/last-modified", "/local-stats/days/2026-06-01.bz2", "/rss/updates.xml", "/rss/packages.xml", f"/project/{project}/",
        "/search/", "/status/", "/+health", "/+ready", "/+metrics", f"/+why/{project}", f"/+why/{project}/1.0",
        f"/packages/{entry.path}", f"/packages/{entry.path}.metadata", f"/packages/{entry.path}.asc", f"/packages/{entry.path}.provenance",
        f"/packages/by-name/pypi/{project}/{project}-9.0.tar.gz",
    ]  # fmt: skip
    for path in paths:
        for method in ("GET", "HEAD"):
            reply = look(house, path, method=method)
            assert reply.status in (200, 301, 302, 308, 404, 503), (method, path, reply)
            if reply.stream is not None:
                reply.close()
    assert look(house, f"/packages/{entry.path}").status == 200
    assert look(house, "/+ready").status == 200
    assert look(house, "/+health").status == 200
    assert house.upstream.asked == asked


def test_law_11_behind_several_lines_too_an_old_answer_is_ready_though_only_for_a_moment(house: House) -> None:
    """Whether it still holds may depend on a line that is up, or on an absence that comes to its end: that is looked at every few seconds."""
    other = FakeUpstream(label="other")
    second = house.new_proxy("second", other)
    house.open({"root": FirstMatch("root", (house.proxy, second), house.records)}, "root")
    house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt()
    other.health.doubt()
    house.clock.advance(AGE)
    first = house.get("/simple/alpha/", accept=JSON)
    assert (header(first, "X-Pypidaemon-Stale"), header(first, "X-Pypidaemon-Held")) == ("yes", "1 of 2")
    rendered = house.door.routes.pages.answers.misses
    for _ in range(3):
        assert (ready(house) or Reply(0)).body == first.body
        house.clock.advance(BRIEFLY)
        assert ready(house) is None
        assert house.get("/simple/alpha/", accept=JSON).body == first.body
    assert house.door.routes.pages.answers.misses == rendered
    house.upstream.health.recover()
    assert ready(house) is None
    assert header(house.get("/simple/alpha/", accept=JSON), "X-Pypidaemon-Stale") is None
