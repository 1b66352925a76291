"""Files at the door: what may be had, in which parts, under which headers."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import CorruptContent, InvalidName, NoSuchFile, UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.pinned import Pinned
from pypidaemon.indexes.policed import Policed
from pypidaemon.indexes.private import Private
from pypidaemon.model import NormalizedName
from pypidaemon.policies.names import Names
from pypidaemon.testing.archives import make_sdist
from pypidaemon.web.shown import Shown
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House, header
from tests.indexes.test_policed import NoSuffix
from tests.web.test_uploads import form, post

DATA = bytes(range(256)) * 40
FILE = file("alpha-1.0.tar.gz", DATA)
PATH = f"/packages/{FILE.path}"
TAG = f'"{FILE.digest}"'


@pytest.fixture
def house() -> House:
    """Alpha with one file of 10,240 bytes."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))
    return house


def test_R14_R15_R193_a_file_is_served_under_upstreams_own_path(house: House) -> None:
    """In a daemon that never served the page: its project is read off its name."""
    reply = house.get(PATH)
    assert reply.status == 200
    assert house.body(reply) == DATA
    assert house.upstream.asked == ["page alpha", "body alpha-1.0.tar.gz"]


def test_R85_R86_R104_the_headers_of_a_file(house: House) -> None:
    """Length, a strong tag, for ever, no sniffing; and no other file name (R105)."""
    reply = house.get(PATH)
    assert house.body(reply) == DATA
    assert header(reply, "Content-Type") == "application/octet-stream"
    assert header(reply, "Cache-Control") == "public, max-age=365000000, immutable"
    assert header(reply, "ETag") == TAG
    assert header(reply, "Accept-Ranges") == "bytes"
    assert header(reply, "X-Content-Type-Options") == "nosniff"
    assert header(reply, "Content-Disposition") is None


def test_R88_no_content_encoding_on_distributions(house: House) -> None:
    """A `.tar.gz` is not a gzipped tar to be unpacked on the way."""
    assert header(house.get(PATH, accept_encoding="gzip, deflate"), "Content-Encoding") is None


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ("bytes=0-99", 206, (0, 100)),
        ("bytes=100-", 206, (100, len(DATA) - 100)),
        ("bytes=-10", 206, (len(DATA) - 10, 10)),
        ("bytes=0-999999", 206, (0, len(DATA))),
        ("bytes=0-1,5-6", 200, (0, len(DATA))),
        ("lines=1-2", 200, (0, len(DATA))),
        ("bytes=9-2", 200, (0, len(DATA))),
    ],
)
def test_R90_R94_ranges(house: House, asked: str, status: int, span: tuple[int, int]) -> None:
    """One part, or the whole."""
    reply = house.get(PATH, range=asked)
    offset, length = span
    assert reply.status == status
    assert house.body(reply) == DATA[offset : offset + length]
    if status == 206:
        assert header(reply, "Content-Range") == f"bytes {offset}-{offset + length - 1}/{len(DATA)}"


def test_R91_a_suffix_longer_than_the_file_is_the_file() -> None:
    """Poetry's first request for every wheel without a sidecar."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"short"))
    reply = house.get(f"/packages/{file('alpha-1.0.tar.gz', b'short').path}", range="bytes=-10000")
    assert reply.status in (200, 206)
    assert house.body(reply) == b"short"


def test_R92_an_impossible_range_tells_the_size(house: House) -> None:
    """Poetry reads it from there."""
    reply = house.get(PATH, range=f"bytes={len(DATA)}-")
    assert reply.status == 416
    assert header(reply, "Content-Range") == f"bytes */{len(DATA)}"


@pytest.mark.parametrize(("condition", "status"), [(TAG, 206), (f"W/{TAG}", 200), ('"other"', 200), ("Thu, 01 Jan 2026 00:00:00 GMT", 200)])
def test_R93_a_range_holds_for_our_tag_alone(house: House, condition: str, status: int) -> None:
    """pip's resume."""
    assert house.get(PATH, range="bytes=5-", if_range=condition).status == status


def test_a_file_the_client_has_is_not_sent_again(house: House) -> None:
    """304, whatever range was asked for."""
    reply = house.get(PATH, if_none_match=f'"x", {TAG}', range="bytes=0-1")
    assert (reply.status, header(reply, "ETag"), reply.stream) == (304, TAG, None)


def test_R96_S65_head_tells_the_length_without_fetching(house: House) -> None:
    """And ignores ranges."""
    reply = house.get(PATH, "HEAD", range="bytes=0-1")
    assert (reply.status, reply.length) == (200, len(DATA))
    assert header(reply, "ETag") == TAG
    assert "body alpha-1.0.tar.gz" not in house.upstream.asked


def test_head_of_a_file_of_unknown_size_fetches_it() -> None:
    """The length must be the real one."""
    house = House()
    entry = file("gamma-1.0.tar.gz", hashes=(), size=None, path="", url="https://files.example/x/gamma-1.0.tar.gz")
    house.upstream.pages["gamma"] = page("gamma", entry)
    house.upstream.bodies[entry.url] = b"\x1f\x8bfirst"
    reply = house.get("/packages/by-name/pypi/gamma/gamma-1.0.tar.gz", "HEAD")
    assert len(house.body(reply)) == 7
    assert header(reply, "ETag") == "".join(('"', hashlib.sha256(b"\x1f\x8bfirst").hexdigest(), '"'))


@pytest.mark.parametrize(
    "path",
    [
        PATH.replace(FILE.path[:2], "zz", 1),
        PATH.replace("alpha-1.0", "alpha-1.1"),
        "/packages/by-name/pypi/alpha/alpha-1.0.tar.gz",
        "/packages/by-name/other/alpha/alpha-1.0.tar.gz",
        PATH + "/x",
        PATH + ".metadata",
        PATH + ".asc",
        "/packages/ab/cd/alpha-1.0.tar.gz",
    ],
)
def test_law_2_only_what_the_page_lists_under_the_path_it_lists(house: House, path: str) -> None:
    """Absent, whatever is held."""
    house.body(house.get(PATH))
    with pytest.raises(NoSuchFile):
        house.get(path)


@pytest.mark.parametrize("last", ["..", "a/b.tar.gz", "alpha\x00.tar.gz", ".hidden.tar.gz", "noext", "a" * 300 + ".tar.gz"])
def test_law_5_an_unclean_name_is_refused_without_a_request(house: House, last: str) -> None:
    """S4, S6: the door's own gate, behind the one that reads paths."""
    nobody = now(house.doorkeeper.admit(None, ""))
    with pytest.raises(InvalidName):
        house.door.routes.files.file(house.ask("/packages"), nobody, Shown("pypi", house.proxy), ("ab", "cd", "e" * 60, last)).send(None)
    assert house.upstream.asked == []


def test_a_refused_file_is_403_with_its_rule(house: House) -> None:
    """In the reason phrase and the body."""
    index = Policed("policed", house.proxy, (NoSuffix("no-sdists", ".tar.gz"),), house.records, house.clock, inline)
    house.open({"policed": index}, "policed")
    reply = house.get(PATH)
    assert reply.status == 403
    assert "no-sdists" in reply.reason
    assert b"no-sdists" in reply.body


def test_wrong_bytes_are_no_answer(house: House) -> None:
    """R107: and nothing of them is kept."""
    house.upstream.bodies[FILE.url] = DATA[:-1] + b"!"
    with pytest.raises(CorruptContent):
        house.get(PATH)


def test_a_file_that_cannot_be_had_now_is_unavailable(house: House) -> None:
    """Not absent."""
    house.upstream.bodies[FILE.url] = UpstreamUnavailable("pypi", "it is down")
    with pytest.raises(UpstreamUnavailable):
        house.get(PATH)


def test_R98_a_sidecar_is_served_beside_its_file(house: House) -> None:
    """With the headers of a file (R87), its own tag, and never in a coding nobody asked for (R89)."""
    document = b"Metadata-Version: 2.1\nName: alpha\nVersion: 2.0\n"
    digest = hashlib.sha256(document).hexdigest()
    entry = file("alpha-2.0-py3-none-any.whl", b"not looked at", core_metadata=digest)
    house.upstream.pages["alpha"] = page("alpha", entry)
    house.upstream.bodies[entry.url + ".metadata"] = document
    reply = house.get(f"/packages/{entry.path}.metadata")
    assert house.body(reply) == document
    assert header(reply, "ETag") == f'"{digest}"'
    assert header(reply, "Cache-Control") == "public, max-age=365000000, immutable"
    assert header(reply, "Content-Encoding") is None


def test_R123_a_variants_document_may_change(house: House) -> None:
    """So nobody keeps it for ever."""
    entry = file("alpha-2.0-variants.json", b"{}")
    house.upstream.pages["alpha"] = page("alpha", entry)
    house.upstream.bodies[entry.url] = b"{}"
    assert header(house.get(f"/packages/{entry.path}"), "Cache-Control") == "no-cache"


def test_a_sdist_whose_name_can_be_read_in_two_ways_is_found() -> None:
    """`a-b-1.0-2.tar.gz` may be of a-b or of a-b-1.0."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0-2.tar.gz", b"odd"))
    entry = file("alpha-1.0-2.tar.gz", b"odd")
    assert house.body(house.get(f"/packages/{entry.path}")) == b"odd"


def test_every_link_of_a_page_leads_to_its_file(house: House) -> None:
    """R143: the same path in HTML, JSON and legacy JSON, `+` and all (R8)."""
    house.upstream.add("beta", ("beta-1.0+local.1-py3-none-any.whl", b"local"))
    link = json.loads(house.get("/simple/beta/", accept="application/vnd.pypi.simple.v1+json").body)["files"][0]["url"]
    assert link.startswith("../../packages/")
    assert f'href="{link}#'.encode() in house.get("/simple/beta/").body
    reply = house.get("/" + link.removeprefix("../../").replace("%2B", "+"))
    assert house.body(reply) == b"local"


@given(st.integers(0, len(DATA) + 5), st.integers(0, len(DATA) + 5))
def test_S63_any_range_gives_exactly_those_bytes(first: int, last: int) -> None:
    """Never more, never others."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))
    reply = house.get(PATH, range=f"bytes={first}-{last}")
    if first >= len(DATA) and first <= last:
        assert reply.status == 416
    elif first > last:
        assert reply.status == 200
    else:
        assert house.body(reply) == DATA[first : last + 1]


SECRET = "secret-2024-06-01.tar.gz"
GUESSES = ("secret-2024-06", "secret", "secret-2024")


@pytest.fixture
def dashed() -> tuple[House, Private, str]:
    """A private file whose name reads as one of three projects, with upstream down for all of them; and its path."""
    house = House()
    private = house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    filename, data = make_sdist("secret", "2024-06-01")
    fields = {"name": "secret", "version": "2024-06-01", "filetype": "sdist", "pyversion": "source"}
    assert filename == SECRET
    assert post(house, form(filename, data, **fields), "/legacy/", house.tokens["ann"]).status == 200
    house.upstream.fails(GUESSES)  # type: ignore[arg-type]  # names as they are
    return house, private, now(private.project_page(NormalizedName("secret"))).files[0].path


def test_L4_a_file_of_ours_needs_no_upstream_and_tells_it_no_name(dashed: tuple[House, Private, str]) -> None:
    """Under its path, under an old one of the same name, and by HEAD."""
    house, _, path = dashed
    assert house.body(house.get(f"/packages/{path}"))
    assert house.get(f"/packages/{path}", "HEAD").status == 200
    with pytest.raises(NoSuchFile):
        house.get(f"/packages/00/00/{'0' * 60}/{SECRET}")
    assert house.upstream.asked == []


@pytest.mark.parametrize("decorated", ["policed", "pinned"])
def test_law_2_what_a_decorator_hides_of_ours_stays_hidden_and_untold(dashed: tuple[House, Private, str], decorated: str) -> None:
    house, private, path = dashed
    shown: Policed | Pinned
    if decorated == "policed":
        shown = Policed("shown", private, (Names("none", deny=("secret",)),), house.records, house.clock, inline)
    else:
        shown = Pinned("shown", private, ("other==1.0",), house.records, inline)
    root = FirstMatch("root", (shown,), house.records)
    house.open({"root": root}, "root")
    reply = house.get(f"/packages/{path}") if decorated == "policed" else None
    assert reply is None or reply.status == 403
    if decorated == "pinned":
        with pytest.raises(NoSuchFile):
            house.get(f"/packages/{path}")
    assert house.upstream.asked == []


def test_law_4_a_file_of_ours_behind_an_upstream_that_has_its_project_is_not_served(dashed: tuple[House, Private, str]) -> None:
    """The page there does not list it. And of a merged project, upstream's files with such names are had as well."""
    house, private, path = dashed
    house.upstream = type(house.upstream)()
    stranger = house.upstream.add("secret", ("secret-2023-01-01.tar.gz", b"stranger"))
    house.proxy = house.new_proxy("pypi")
    house.open({"root": FirstMatch("root", (house.proxy, private), house.records)}, "root")
    with pytest.raises(NoSuchFile):
        house.get(f"/packages/{path}")
    both = Merged("root", (private, house.proxy), ("secret",), house.records, inline)
    house.open({"root": both}, "root")
    assert house.body(house.get(f"/packages/{stranger.files[0].path}")) == b"stranger"
    assert house.body(house.get(f"/packages/{path}"))


def test_an_upstream_project_whose_name_begins_like_one_of_ours_is_served(dashed: tuple[House, Private, str]) -> None:
    house, _, _ = dashed
    house.upstream = type(house.upstream)()
    stranger = house.upstream.add("secret-2", ("secret-2-1.0.tar.gz", b"stranger"))
    house.proxy = house.new_proxy("pypi")
    house.with_private()
    assert house.body(house.get(f"/packages/{stranger.files[0].path}")) == b"stranger"


@pytest.mark.parametrize("asked", ["page", "list"])
def test_a_file_of_ours_does_not_hide_upstreams_of_the_same_name_where_upstream_is_known_to_have_the_project(
    dashed: tuple[House, Private, str], asked: str
) -> None:
    """By its page or by the list. The path tells the two apart, and of the guesses the upstream is told none that it did not tell us."""
    house, _, path = dashed
    house.upstream = type(house.upstream)()
    stranger = house.upstream.add("secret-2024", (SECRET, b"stranger"))
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"secret-2024"}]}'
    house.proxy = house.new_proxy("pypi")
    house.with_private()
    with pytest.raises(NoSuchFile):
        house.get(f"/packages/{stranger.files[0].path}")
    assert house.upstream.asked == []
    house.get("/simple/secret-2024/" if asked == "page" else "/index/pypi/simple/")
    assert house.body(house.get(f"/packages/{stranger.files[0].path}")) == b"stranger"
    assert house.body(house.get(f"/packages/{path}")) != b"stranger"
    assert {word for word in house.upstream.asked if word.startswith("page")} == {"page secret-2024"}
