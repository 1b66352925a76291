"""What must be the same, and what must never mix, over the whole door and its real channel: HEAD and GET, and answers to different questions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import attrs
import pytest

from pypidaemon.accounts.throttle import Throttle
from tests.web.test_rights_matrix import LOGINS, ROUTES, Town, founded
from tests.web.wire import Client, Heard, answers

OF_THE_MOMENT = ("date", "x-request-id")
"""Fields that are different in every answer."""
JSON = "application/vnd.pypi.simple.v1+json"
LEGACY = ("/pypi/alpha/json", "/pypi/gamma/json", "/index/pypi/pypi/gamma/json", "/gamma/json")
"""Documents with absolute addresses, which are those that the client uses."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Its accounts, its projects, private and public."""
    return founded(tmp_path_factory.mktemp("data"))


def asked(
    town: Town, method: str, path: str, *fields: str, login: tuple[str, str] = ("admin", "password"), host: str = "127.0.0.1:3141"
) -> Heard:
    """What a client hears over a connection of its own."""
    # Or the many wrong logins would be told to wait.
    town.house.doorkeeper.throttle = Throttle(town.house.clock)
    client = Client(town.house.door.site)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *fields]
    if town.logins[login]:
        lines.append(f"Authorization: {town.logins[login]}")
    (answer,) = answers(client.say("\r\n".join([*lines, "", ""]).encode()), (method,))
    client.hang_up()
    return attrs.evolve(answer, headers={name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT})


def every_address(town: Town) -> Iterator[str]:
    for name, route in ROUTES.items():
        # News have no end.
        for path, _ in route.cells(town) if name != "news" else ():
            # It counts what it was asked itself.
            if path != "/+metrics":
                yield path


@pytest.mark.parametrize("login", [("admin", "password"), ("anonymous", "")], ids=" by ".join)
def test_S65_head_is_get_without_its_body_at_every_address(town: Town, login: tuple[str, str]) -> None:
    """The same status and the same fields, the length too; asked first, before anything lies ready."""
    town.house.door.routes.pages.answers.forget(None)
    wrong = []
    for path in every_address(town):
        head, get = asked(town, "HEAD", path, login=login), asked(town, "GET", path, login=login)
        if (head.status, head.reason, head.headers) != (get.status, get.reason, get.headers) or head.body:
            wrong.append(f"{path}: {head} is not {get}")
    assert not wrong, "\n".join(wrong)


def test_S65_head_of_a_file_fetches_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither from upstream nor from the disk."""
    town = founded(tmp_path_factory.mktemp("data"))
    path = f"/{town.paths['gamma']}"
    assert asked(town, "HEAD", path).status == 200
    assert not [one for one in town.house.upstream.asked if one.startswith("body")]
    assert asked(town, "GET", path).body == b"public"
    assert len([one for one in town.house.upstream.asked if one.startswith("body")]) == 1


PATHS = (
    "/simple/", "/simple/alpha/", "/simple/gamma/", "/simple/beta/", "/index/private/simple/alpha/", "/index/pypi/simple/alpha/", "/index/pypi/simple/gamma/",
    "/index/pypi/simple/", "/index/private/simple/", "/at/2026-03-01/simple/gamma/", "/at/2020-01-01/simple/gamma/", "/links/", "/+why/alpha", "/simple/absent/",
    "/simple/Alpha/", "/SIMPLE/alpha/", "/index/Private/simple/alpha/", *LEGACY,
)  # fmt: skip
ACCEPTS = (
    "",
    JSON,
    "text/html",
    "*/*",
    "application/vnd.pypi.simple.v1+html;q=0.2, application/vnd.pypi.simple.v1+json",
    "image/png",
    "text/html;q=0.1, */*",
)
CODINGS = ("", "gzip", "zstd, gzip", "identity;q=0", "br")
HOSTS = ("127.0.0.1:3141", "localhost:3141", "index.example", "Index.Example:80", "[::1]:3141")
QUERIES = ("", "?", "?x=1", "?project=beta", "?a=%00", "?index=private&alpha")
WHO = [
    one
    for one in LOGINS
    if one[1] in ("", "password")
    and one[0] in ("anonymous", "reader", "uploader of alpha", "owner of beta", "admin", "wrong password of the admin")
]


@attrs.frozen
class Combination:
    """One way to ask."""

    path: str
    accept: str
    coding: str
    login: tuple[str, str]
    host: str
    query: str
    method: str
    spelling: str

    def plain(self) -> Combination:
        """The same without what must not matter; of the host it does where absolute addresses are answered."""
        absolute = self.path in LEGACY or self.path == "/+why/alpha"
        return attrs.evolve(self, query="", method="GET", spelling="Accept", host=self.host if absolute else HOSTS[0])

    def ask(self, town: Town) -> Heard:
        """What is answered to it."""
        fields = [f"{self.spelling}: {self.accept}"] if self.accept else []
        fields += [f"Accept-Encoding: {self.coding}"] if self.coding else []
        return asked(town, self.method, self.path + self.query, *fields, login=self.login, host=self.host)


def drawn(chance: random.Random) -> Combination:
    """Any combination."""
    pick = chance.choice
    spelling = pick(("Accept", "accept", "ACCEPT"))
    return Combination(
        pick(PATHS), pick(ACCEPTS), pick(CODINGS), pick(WHO), pick(HOSTS), pick(QUERIES), pick(("GET", "GET", "GET", "HEAD")), spelling
    )


def test_S35_a_thousand_questions_are_answered_each_as_if_it_were_the_only_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Of every path, form, coding, account, host, query and spelling, in any order, by one door that keeps what it has made; each beside the answer of a
    door that has answered nothing before.
    """
    town, fresh = (founded(tmp_path_factory.mktemp(name)) for name in ("warm", "fresh"))
    chance = random.Random(35)
    alone: dict[Combination, Heard] = {}
    wrong = []
    for _ in range(1000):
        one = drawn(chance)
        if one.plain() not in alone:
            fresh.house.door.routes.pages.answers.forget(None)
            fresh.house.door.routes.lists.forget()
            fresh.house.door.routes.links.forget()
            alone[one.plain()] = one.plain().ask(fresh)
        wanted, got = alone[one.plain()], one.ask(town)
        if one.method == "HEAD":
            wanted = attrs.evolve(wanted, body=b"")
        if "location" in wanted.headers and one.query.rstrip("?"):
            # A mended spelling keeps the query, which is the client's own.
            got.headers["location"] = [got.one("location").partition("?")[0]]
        if got != wanted:
            wrong.append(f"{one}: {got} is not {wanted}")
    assert not wrong, "\n".join(wrong[:3])
    assert len(alone) > 500


def test_S60_every_redirect_stays_on_this_host(town: Town) -> None:
    """It is relative, whatever is asked behind it and by whatever name."""
    moved = 0
    for path in every_address(town):
        for query in ("", "?next=//evil.example", "?//evil.example/=http://evil.example"):
            if query and "?" in path:
                continue
            answer = asked(town, "GET", path + query, host="evil.example")
            if 300 <= answer.status < 400 and answer.status != 304:
                location = answer.one("location")
                assert location.partition("?")[0] == "" or not location.startswith(("/", "\\")), (path, location)
                assert ":" not in location.partition("?")[0].partition("/")[0], (path, location)
                moved += 1
    assert moved > 20


@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
def test_S63_a_part_of_a_page_is_the_whole_page(town: Town, coding: str) -> None:
    """A part of what was compressed on the way would be a part of something else for each client."""
    whole = asked(town, "GET", "/simple/alpha/", f"Accept-Encoding: {coding}")
    for wanted in ("bytes=0-9", "bytes=-1", "bytes=99999999-", "bytes=" + ",".join("0-0" for _ in range(500))):
        assert asked(town, "GET", "/simple/alpha/", f"Accept-Encoding: {coding}", f"Range: {wanted}") == whole


def test_S63_a_thousand_ranges_of_a_file_are_no_more_than_the_file(town: Town) -> None:
    """Overlapping, upside down, or behind its end: the whole, one part, or 416."""
    path = f"/{town.paths['gamma']}"
    length = len(asked(town, "GET", path).body)
    for wanted, status in {
        "bytes=" + ",".join(f"{n}-{n + 1}" for n in range(1000)): 200,
        "bytes=0-,0-,0-,0-": 200,
        "bytes=0-0,2-3": 200,
        "bytes=3-1": 200,
        "bytes=1-3": 206,
        "bytes=-2": 206,
        f"bytes={length}-": 416,
        "bytes=" + "9" * 400 + "-": 416,
        "bytes=-0": 416,
        "lines=1-2": 200,
    }.items():
        answer = asked(town, "GET", path, f"Range: {wanted}")
        assert answer.status == status, wanted
        assert len(answer.body) <= max(length, 100), wanted


@pytest.mark.parametrize("login", [("reader", "password"), ("admin", "password"), ("reader", "Bearer")], ids=" by ".join)
def test_S37_what_not_everybody_may_see_is_for_no_shared_cache(town: Town, login: tuple[str, str]) -> None:
    """Pages, lists, legacy documents and files, cold and ready, also as 304."""
    for path, _ in itertools.chain.from_iterable(
        ROUTES[name].cells(town) for name in ("pages", "pages of private", "files", "files of private")
    ):
        for method in ("GET", "HEAD", "GET"):
            answer = asked(town, method, path, login=login)
            if answer.status != 200:
                assert answer.one("cache-control") in ("no-store", "private, no-cache") or answer.status == 301, path
                continue
            directives = answer.one("cache-control").split(", ")
            public = asked(town, method, path, login=("anonymous", "")).status == 200
            assert ("private" in directives or "no-store" in directives) is not public, path
            if "etag" in answer.headers:
                again = asked(town, method, path, f"If-None-Match: {answer.one('etag')}", login=login)
                assert again.status == 304
                assert again.headers["cache-control"] == answer.headers["cache-control"], path


def test_S34_every_answer_says_that_its_type_is_not_to_be_guessed(town: Town) -> None:
    """And none has a field that only an upstream could have given it."""
    known = {
        "server", "content-type", "content-length", "content-encoding", "cache-control", "vary", "etag", "x-content-type-options", "x-pypidaemon-index", "allow",
        "x-pypi-last-serial", "accept-ranges", "access-control-allow-origin", "access-control-expose-headers", "location", "www-authenticate", "retry-after",
        "x-pypidaemon-stale", "x-pypidaemon-held", "content-security-policy", "referrer-policy", "content-disposition", "x-frame-options", "last-modified", "connection",
        "digest", "transfer-encoding",
    }  # fmt: skip
    for path in every_address(town):
        answer = asked(town, "GET", path)
        assert set(answer.headers) <= known, path
        if answer.status != 301 and answer.body:
            assert answer.one("x-content-type-options") == "nosniff", path
