"""Pages for people: frame, start page, what they are made with, and what goes wrong (P9, S79, S81)."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.model import NormalizedName, ProjectStatus, Standing
from pypidaemon.testing.archives import make_wheel
from pypidaemon.web.reply import Reply
from pypidaemon.web.views import static
from pypidaemon.web.views.configurations import configurations
from pypidaemon.web.views.frame import number, size
from pypidaemon.web.views.markup import Markup, joined, tag
from tests.contracts.hosted_index import Yard, publish, upload
from tests.fakes import file, page
from tests.gear import now
from tests.house import House, header

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Reader(HTMLParser):
    """What a page says, where it leads, and what it loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.loaded: list[str] = []
        self.words: list[str] = []
        self._open: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "a" and given.get("href"):
            self._open = given["href"]
        if (tag == "link" and given.get("rel") != "alternate") or (tag == "script" and given.get("src")):
            self.loaded.append(given.get("href") or given.get("src") or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open is not None:
            self.links.setdefault(data, self._open)
            self._open = None

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def html_of(reply: Reply) -> str:
    """The page, whatever its coding."""
    assert (header(reply, "Content-Type") or "").startswith("text/html")
    return (gzip.decompress(reply.body) if header(reply, "Content-Encoding") == "gzip" else reply.body).decode()


def shown(house: House, path: str, token: str = "", **headers: str) -> Reader:
    """What a browser is shown there."""
    reply = browse(house, path, token, **headers)
    assert reply.status == 200, reply
    return Reader(html_of(reply))


def browse(house: House, path: str, token: str = "", **headers: str) -> Reply:
    """What a browser is answered there."""
    if token:
        headers["authorization"] = f"Bearer {token}"
    return house.get(path, accept=BROWSER, **headers)


@pytest.fixture
def house() -> House:
    """A private index with beta before a proxy with alpha."""
    house = House()
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"one"))
    put(house, house.with_private(), "beta", "1.0")
    return house


def put(house: House, private: object, name: str, version: str) -> None:
    """Upload a release."""
    filename, data = make_wheel(name, version)
    yard = Yard(house.records, house.blobs, house.clock, house.announcements)
    publish(yard, private, said=upload(filename, name=name, version=version), data=data)  # type: ignore[arg-type]  # it is hosted


def test_P9_the_start_page_says_how_to_use_it(house: House) -> None:
    """By the address under which it was asked for, and only to a browser: all others get the plain words they always had."""
    seen = shown(house, "/")
    assert "index-url = http://127.0.0.1:3141/simple/" in seen.text
    for tool in ("pip", "uv", "Poetry", "PDM", "twine"):
        assert tool in seen.words
    assert "repository = http://127.0.0.1:3141/legacy/" in seen.text
    assert seen.links["beta 1.0"] == "./project/beta/1.0/"
    assert seen.links["private"] == "./index/private/"
    assert "Everything that it depends on answers" in seen.text
    for accept in ({}, {"accept": "*/*"}, {"accept": "text/plain, text/html;q=0.5"}):
        assert header(house.get("/", **accept), "Content-Type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("[::1]:80", "http://[::1]:80/"),
        ("127.0.0.1:80", "http://127.0.0.1:80/"),
        ("[127.0.0.1]", "http://127.0.0.1:3141/"),
        ("[1.2.3.4]:80", "http://127.0.0.1:3141/"),
    ],
)
def test_R13_a_host_that_is_no_address_is_not_told_further(house: House, host: str, address: str) -> None:
    """Such as one of IPv4 in brackets, which nothing can read."""
    ask = attrs.evolve(house.ask("/", accept=BROWSER), host=host)
    reply = now(house.door.routes.handle(ask))
    assert reply.status == 200
    assert f"pip install --index-url {address}simple/ PROJECT" in html_of(reply)


def test_an_index_has_a_start_page_of_its_own(house: House) -> None:
    seen = shown(house, "/index/pypi/")
    assert "http://127.0.0.1:3141/index/pypi/simple/" in seen.text
    assert "twine" not in seen.words
    assert "Newest uploads" not in seen.words
    seen = shown(house, "/index/private/")
    assert "repository = http://127.0.0.1:3141/index/private/legacy/" in seen.text
    assert header(browse(house, "/index/private"), "Location") == "private/"


def test_S42_the_start_page_names_nothing_that_may_not_be_seen(house: House) -> None:
    """Neither projects nor indexes; and says how to log in to who needs that."""
    token = house.token("ann")
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
        house.grant("ann", right, "private")
    seen = shown(house, "/")
    assert "beta" not in seen.text
    assert "private" not in seen.links
    assert "http://USER:TOKEN@127.0.0.1:3141/simple/" in seen.text
    assert "beta" in shown(house, "/", token).text
    assert header(browse(house, "/", token), "Cache-Control") == "private, no-cache"
    refused = browse(house, "/index/private/")
    assert (refused.status, header(refused, "WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    assert "Log in" in html_of(refused)


def test_newest_uploads_are_those_that_are_still_shown(house: House) -> None:
    """Newest first, each release once, and what was hidden or blocked is not among them."""
    private = house.door.routes.indexes["private"]
    for count in range(14):
        house.clock.advance(90000)
        put(house, private, f"gamma{count}", "2.0")
    found = [name for name in shown(house, "/").links if name.startswith("gamma")]
    assert found == [f"gamma{count} 2.0" for count in range(13, 3, -1)]
    now(private.place(NormalizedName("gamma13"), "2.0", Standing.HIDDEN))  # type: ignore[attr-defined]  # it is hosted
    assert "gamma13" not in shown(house, "/").text
    assert "1 day ago" in shown(house, "/").text


def test_what_was_saved_is_told_once_there_is_something() -> None:
    house = House(by_both_roads=False)
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"x" * 5000))
    assert "saved" not in shown(house, "/").text
    ask = house.ask(f"/packages/{file('alpha-1.0.tar.gz', b'x' * 5000).path}")
    for _ in range(3):
        house.body(house.get("/packages/" + "/".join(ask.segments[1:])))
        house.door.routes.operations.metrics.observe(ask, 200, 5000, 0.1)
    assert "15 kB given out in all 5.0 kB fetched from upstream 10 kB saved: served from here" in shown(house, "/").text


def test_the_health_line_says_what_is_wrong(house: House) -> None:
    house.upstream.health.state = "down"
    assert "pypi does not answer. What is here is served all the same." in shown(house, "/").text
    assert "pypi does not answer" in shown(house, "/index/pypi/").text
    assert "It depends on no upstream." in shown(house, "/index/private/").text
    house.upstream.health.state = "offline"
    assert "pypi is not asked: this daemon is told to stay off line. What is here" in shown(house, "/").text


def test_S81_every_page_is_kept_from_doing_anything(house: House) -> None:
    """Also those that say what went wrong; nothing is loaded from elsewhere, and every link is relative, for a prefix before it."""
    for path in ("/", "/project/alpha/", "/project/nothing/", "/nowhere", "/index/pypi/", "/project/beta/1.0/"):
        reply = browse(house, path)
        policy = header(reply, "Content-Security-Policy") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert header(reply, "X-Content-Type-Options") == "nosniff"
        assert header(reply, "Referrer-Policy") == "no-referrer"
        seen = Reader(html_of(reply))
        assert len(seen.loaded) <= 4
        up = "../" * (path.count("/") - 1) or "./"
        assert all(address.startswith(f"{up}+static/") for address in seen.loaded)
        assert not [link for link in seen.links.values() if link.startswith("/")]


def test_R73_a_page_that_is_known_is_not_sent_again(house: House) -> None:
    for path in ("/", "/project/alpha/"):
        for coding in ("", "gzip"):
            first = browse(house, path, accept_encoding=coding)
            assert header(first, "Content-Encoding") == (coding or None)
            again = browse(house, path, accept_encoding=coding, if_none_match=header(first, "ETag") or "")
            assert (again.status, again.body) == (304, b"")


def test_what_pages_are_made_with_is_kept_for_ever(house: House) -> None:
    """By whoever has it, under the word of its content; another word is given what there is now, for a while."""
    for name, asset in static.ASSETS.items():
        reply = house.get("/" + static.path(name))
        assert (reply.body, header(reply, "Cache-Control")) == (asset.body, "public, max-age=31536000, immutable")
        packed = house.get("/" + static.path(name), accept_encoding="gzip")
        assert gzip.decompress(packed.body) == asset.body
        assert header(house.get(f"/+static/0/{name}"), "Cache-Control") == "no-cache"
    for path in ("/+static/0/nothing.css", "/+static/0/__init__.py"):
        with pytest.raises(NoSuchFile):
            house.get(path)


def test_what_goes_wrong_is_a_page_for_people_and_a_line_for_programs(house: House) -> None:
    """With the same status; an upstream that cannot be reached is no absence (law 10)."""
    house.upstream.pages["gone"] = UpstreamUnavailable("pypi", "no answer from it <b>")
    for path, status, words in (
        ("/project/nothing/", 404, "Not here"),
        ("/project/gone/", 503, "Not to be had now"),
        ("/project/alpha/9.9/", 404, "Not found"),
        ("/nowhere", 404, "Not found"),
    ):
        reply = browse(house, path)
        assert reply.status == status
        assert header(reply, "Cache-Control") == "no-store"
        assert words in html_of(reply)
        assert "<b>" not in html_of(reply)
        assert "0000000000000000" in html_of(reply)
    assert header(browse(house, "/project/gone/"), "Retry-After") == "2"
    with pytest.raises(NoSuchProject):
        house.get("/project/nothing/")
    with pytest.raises(NoSuchProject):
        browse(house, "/simple/nothing/")


def test_another_spelling_leads_to_the_one(house: House) -> None:
    for path, location in (
        ("/project/AL_pha/", "../al-pha/"),
        ("/project/alpha", "alpha/"),
        ("/project/Alpha/1.0", "../alpha/1.0/"),
        ("/project/Alpha/1.0/?show=files", "../../alpha/1.0/?show=files"),
        ("/project/", "../search/"),
    ):
        reply = browse(house, path)
        assert (reply.status, header(reply, "Location")) == (301, location)


def test_configurations_name_the_address_and_no_secret() -> None:
    found = {
        one.tool: "\n".join(part.text for part in one.parts) for one in configurations("https://index.example/py/", "legacy/", secret=True)
    }
    assert list(found) == ["pip", "uv", "Poetry", "PDM", "buildout", "twine"]
    assert "https://USER:TOKEN@index.example/py/simple/" in found["pip"]
    assert "trusted-host" not in found["pip"]
    assert "https://index.example/py/legacy/" in found["twine"]
    # What can ask for a token is not given it on a command line, which every user of a machine sees.
    typed = [line for text in found.values() for line in text.splitlines() if line.startswith(("uv publish", "twine", "poetry"))]
    assert (len(typed), [line for line in typed if "TOKEN" in line]) == (4, [])
    assert "trusted-host = index.example" in configurations("http://index.example/", None)[0].parts[0].text


def test_S79_whatever_is_no_markup_is_escaped() -> None:
    assert tag("p", "<b>", Markup("<i>"), 3, None, ["&", ("x",)], title='"<', hidden=False, open=True) == (
        '<p title="&quot;&lt;" open>&lt;b&gt;<i>3&amp;x</p>'
    )
    assert tag("br") == "<br>"
    assert tag("a", "x", href="javascript:x", class_="y") == '<a class="y">x</a>'
    assert tag("a", "x", href="../a?b=c&d=e#f", aria_label="z") == '<a href="../a?b=c&amp;d=e#f" aria-label="z">x</a>'
    assert joined("\x00\u202eabc\ud800") == "\ufffdabc\ufffd"


@given(st.text(max_size=60))
def test_S79_no_text_becomes_an_element_or_leaves_an_attribute(text: str) -> None:
    made = tag("p", text, title=text, href=text)
    assert len(re.findall("<[^>]*>", made)) == 2
    assert re.fullmatch(r'<p title="[^"<]*"(?: href="[^"<]*")?>[^<]*</p>', made, re.DOTALL)
    made.encode()


def test_sizes_and_numbers_are_read_by_people() -> None:
    assert [size(count) for count in (None, 0, 999, 1500, 999_999, 12_300_000, 5_000_000_000_000_000)] == [
        "?", "0 B", "999 B", "1.5 kB", "1.0 MB", "12 MB", "5000 TB",
    ]  # fmt: skip
    assert number(1234567) == "1\u202f234\u202f567"


def test_a_status_is_told_with_its_reason(house: House) -> None:
    for marker in ("archived", "quarantined", "deprecated"):
        house.upstream.pages[marker] = page(marker, file(f"{marker}-1.0.tar.gz"), status=ProjectStatus(marker, "since <then>"))
        assert f"is {marker}" in shown(house, f"/project/{marker}/").text
        assert "since <then>" in shown(house, f"/project/{marker}/").text
