"""
Bad inputs by the thousand, each made from a number: heads, paths, fields, forms, archives, orders, calls, names, and what an upstream says.

They go over the real channel, skin and routes of a whole daemon in memory. A bad one ends in one clear answer: a 500, a traceback in the log, an exception
that reaches the reactor, or a connection that stays open for ever is a finding.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.logger import LogLevel, globalLogPublisher

from pypidaemon import releases, rulingwords
from pypidaemon.accounts.orders import ORDERS
from pypidaemon.accounts.passwords import Passwords
from pypidaemon.filenames import project_name
from pypidaemon.simple.reading import Unreadable, read_page
from pypidaemon.testing.archives import make_sdist, make_wheel
from tests import hostile
from tests.gear import inline
from tests.house import House
from tests.web.test_raw import ACCEPTED, REFUSED
from tests.web.test_uploads import BOUNDARY, form
from tests.web.wire import Client

PATIENCE = 200.0
"""Seconds of the clock after which every connection must have been closed: longer than all deadlines of the channel one after the other."""

SEGMENTS = (
    "", "simple", "alpha", "Alpha", "a_b", "packages", "by-name", "pypi", "json", "legacy", "index", "private", "root", "at", "2026-01-01", "2026-13-99T99:99:99Z", "9999-12-31T23:59:59Z", "0001-01-01", "0000-01-01.bz2", "2026-02-30.bz2",
    "9" * 30, "+why", "+api", "releases", "yank", "delete", "rulings", "block", "log", "who", "+sync", "+health", "+ready", "+metrics", "integrity", "1.0",
    "alpha-1.0.tar.gz", "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz.metadata", "alpha-1.0.tar.gz.asc", "provenance", "links", "last-modified", "local-stats",
    "days", "2026-01-01.bz2", "rss", "updates.xml", "project", "search", "status", "RPC2", "namespaces", "people", "why", "refresh", "verify", "sync", "aa", "bb",
    "a" * 255, "1!1.0.dev0+local", "1." * 500, "%00", "%2e%2e", "..", ".", "%2f", "%5c", "%c0%ae", "%ed%a0%80", "%f0%9f%92%a9", "%e2%80%ae", "%ef%bc%8f", "%", "%zz",
    "~", "-", "_", "+", "a+b", "a%20b", "a'b\"c", "<script>", "{}", "${jndi}", "con", "nul", ".git", "etc", "passwd", "%25%32%65", "a;b", "..;", "a:b", "@", "0", "-1",
)  # fmt: skip
METHODS = ("GET",) * 12 + ("HEAD", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get")
VALUES = (
    "", "*/*", "text/html;q=x", "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v99+json;q=1.0000", ";;;,,,=", "a" * 4000, "\xff\xfe", "bytes=0-",
    "bytes=-0", "bytes=9999999999999999999999-", "bytes=5-1", "bytes=" + ",".join("0-0" for _ in range(900)), "bytes=0-0,-1", "bites=1-2", 'W/"x"', '"x", "y"', "*", '"',
    "Basic", "Basic !!!!", "Basic " + base64.b64encode(b"\xff\xfe:\x00").decode(), "Basic " + base64.b64encode(b"a" * 3000).decode(), "Bearer x", "Bearer " + "x" * 3000,
    "Digest a=b", "token", "gzip;q=2", "identity;q=0, *;q=0", "zstd, gzip", "Thu, 01 Jan 1970 00:00:00 GMT", "-1", "NaN", "1e999", "::1", "fe80::1%x", "evil.example",
    "multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="\xff"', "application/json", "text/xml", "1.1 pypidaemon-x" * 30,
)  # fmt: skip
FIELDS = (
    "Accept", "Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "Authorization", "Via", "X-Forwarded-For", "X-Forwarded-Host",
    "X-Forwarded-Proto", "User-Agent", "Origin", "Sec-Fetch-Site", "Content-Type", "Cookie", "Connection", "Expect", "Upgrade", "TE", "Cache-Control", "Referer",
)  # fmt: skip
NASTY = (
    "",
    "\x00",
    "\ud800",
    "\u202e",
    "\u0130",
    "\u017f",
    "ß",
    "é",
    "/",
    "\\",
    "..",
    "a" * 5000,
    "\r\nX: y",
    "-",
    "._-",
    "1" * 400,
    "1!" * 9,
    "💩",
    "\ufeff",
    "%",
    "' OR 1=1",
    "nan",
)
SCALARS = (None, True, False, 0, -1, 10**400, 1.5, 1e308, "", "alpha", "1.0", "\x00", "x" * 3000, [], {}, [[]], {"": None})
ASKING = (
    "/log",
    "/why",
    "/who",
    "/rulings",
    "/check-upstream",
    "/status",
    "/refresh",
    "/verify",
    "/sync",
    "/configuration",
    "/+api/log",
    "/+api/who",
    "/+api/rulings",
    "/+sync",
)
KEYS = (
    "since",
    "after",
    "project",
    "version",
    "service",
    "all",
    "ask",
    "repair",
    "file",
    "sha256",
    "name",
    "account",
    "target",
    ":action",
    "q",
    "page",
    "format",
    "index",
)
WORTH = (
    "", "0", "-1", "1", "x", "%00", "yes", "alpha", "private", "1d", "0s", "999999999999w", "99999999w", "1e9d", "NaN", "9" * 400, "%C2%B2", "%D9%A1", "alpha-1.0.tar.gz",
    "sha256:" + "0" * 64, "9999-12-31T23:59:60Z", "0000-00-00", "%ed%a0%80", "..", "a" * 3000, "doc_upload", "1.0", "1!0", "%F0%9F%92%A9", "nightly", "*", "[", "(" * 50,
)  # fmt: skip
LIKELY = (
    "alpha",
    "beta",
    "alpha==1.0",
    "beta>=1",
    "sha256:" + "0" * 64,
    "private",
    "private/beta*",
    "pypi",
    "ann",
    "bob",
    "read",
    "upload",
    "admin",
    "because",
    "7d",
    "30d",
    None,
)
ODD_JSON = (
    b"", b"null", b"[" * 30000, b'{"a":' * 9000, b"1" * 60000, b'{"a":NaN}', b'{"a":1,"a":2}', b'"\\ud800"', b"\xff\xfe{\x00", b'{"name":"\\u0000"}', b"{}}", b"1e400",
    b'{"a":' + b"9" * 60000 + b"}", b'{"a":"\\udfff\\ud800"}', b'{"project":"' + b"a" * 60000 + b'"}', b'{"":{"":[{"":[]}]}}', b"[]", b'"x"', b"\xef\xbb\xbf{}",
)  # fmt: skip
RELEASING = tuple(("releases", verb, releases.FIELDS) for verb in (*releases.VERBS, "none"))
RULING = tuple(("rulings", verb, rulingwords.FIELDS) for verb in (*rulingwords.VERBS, "none"))
PEOPLE = tuple(("people", "/".join(words), tuple(fields)) for words, (_, fields) in ORDERS.items())


@attrs.define
class Tally:
    """What became of the inputs."""

    inputs: int = 0
    statuses: Counter[int] = attrs.field(factory=Counter)
    kinds: Counter[str] = attrs.field(factory=Counter)
    findings: list[str] = attrs.field(factory=list)

    def add(self, other: Tally) -> None:
        """Count those too."""
        self.inputs += other.inputs
        self.statuses += other.statuses
        self.kinds += other.kinds
        self.findings += other.findings


def home() -> House:
    """A daemon with a proxy, a private index, and ann, who may do everything."""
    house = House(fetches=True)
    # What passwords cost is looked at elsewhere.
    house.accounts.users.passwords = Passwords(inline, 1, 8)
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"), make_wheel("alpha", "1.0"))
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("list", "read", "upload", "create", "overwrite", "delete", "admin"):
        house.grant("ann", right, "*")
    return house


@contextmanager
def watched(told: list[str]) -> Iterator[None]:
    """Note every failure that is logged meanwhile."""

    def observe(event: dict[str, Any]) -> None:
        if event.get("log_failure") is not None or event.get("log_level") in (LogLevel.critical, LogLevel.error):
            failure = event.get("log_failure")
            told.append(failure.getTraceback()[-900:] if failure is not None else str(event.get("log_format")))

    globalLogPublisher.addObserver(observe)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observe)


@attrs.define
class Ordeal:
    """One daemon under inputs made from one number."""

    number: int
    house: House = attrs.field(factory=home)
    chance: random.Random = attrs.field(init=False)
    tally: Tally = attrs.field(factory=Tally)
    _ways: dict[str, Callable[[], tuple[bytes, bool]]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.number)  # the same number gives the same inputs
        self._ways = {
            "head": self.head,
            "path": self.path,
            "fields": self.fields,
            "form": self.form,
            "archive": self.archive,
            "order": self.order,
            "operator": self.operator,
            "call": self.call,
            "name": self.name,
            "page": self.page,
        }

    def run(self, count: int) -> Tally:
        """That many inputs, of all kinds in turn."""
        ways = list(self._ways.items())
        for turn in range(count):
            kind, way = ways[turn % len(ways)]
            self._one(kind, way)
        return self.tally

    def _one(self, kind: str, way: Callable[[], tuple[bytes, bool]]) -> None:
        told: list[str] = []
        data = b""
        statuses: list[int] = []
        with watched(told):
            try:
                data, inner = way()
                statuses = self._sent(data, inner, told)
            except Exception as error:  # noqa: BLE001  # whatever escapes is what is looked for
                told.append(f"{type(error).__name__}: {error} escaped")
        self.tally.inputs += 1
        self.tally.kinds[kind] += 1
        self.tally.statuses.update(statuses)
        if 500 in statuses:
            told.append("answered 500")
        self.tally.findings += [f"{self.number}/{self.tally.inputs} {kind}: {what}\n    {data[:600]!r}" for what in told]

    def _sent(self, data: bytes, inner: bool, told: list[str]) -> list[int]:
        """Send that in a few pieces over a connection of its own, and take the statuses of the answers."""
        # Who guesses passwords is slowed down; that is looked at elsewhere, and would hide the rest here.
        address = IPv4Address("TCP", f"192.0.2.{self.chance.randrange(256)}", 1)
        client = Client(self.house.door.control if inner else self.house.door.site, address)
        cut = self.chance.randrange(1, len(data) + 1) if data else 0
        for piece in (data[:cut], data[cut:]):
            if piece and not client.wire.aborted:
                client.channel.dataReceived(piece)
        for _ in range(4):
            self.house.clock.advance(PATIENCE / 4)
        if not client.wire.closed and not client.wire.aborted:
            told.append("the connection stays open")
        out = client.heard()
        client.hang_up()
        return list(_statuses(out))

    # What is sent; whether to the control socket.

    def head(self) -> tuple[bytes, bool]:
        """Bytes of requests good and bad, with some of them changed."""
        corpus = [request for request, _ in (*REFUSED.values(), *ACCEPTED.values()) if len(request) < 4000]
        return self._spoilt(self.chance.choice(corpus)), False

    def path(self) -> tuple[bytes, bool]:
        """Segments of real addresses and hostile ones, in any order."""
        inner = self.chance.random() < 0.2
        fields = self._some_fields(2)
        if self.chance.random() < 0.3:
            return self._request("GET", self.chance.choice(ASKING) + self._query(), [*fields, self._login()]), True
        if self.chance.random() < 0.5:
            fields.append(self._login())
        return self._request(self.chance.choice(METHODS), self._target(), fields), inner

    def fields(self) -> tuple[bytes, bool]:
        """Header fields of every kind before an address that exists."""
        return self._request(self.chance.choice(("GET", "HEAD")), self.chance.choice(self._real()), self._some_fields(8)), False

    def form(self) -> tuple[bytes, bool]:
        """A form with fields that no uploader sends, or a spoilt one."""
        pick = self.chance.choice
        if self.chance.random() < 0.2:
            bad = pick(FORMS)
            return self._posted("/legacy/", self._spoilt(bad.body, 2), bad.content_type), False
        filename, data = make_wheel("beta", "1.0")
        known = {"name": "beta", "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3"}
        for _ in range(self.chance.randrange(4)):
            key = pick(
                (
                    *known,
                    "requires_dist",
                    "requires_python",
                    "md5_digest",
                    "sha256_digest",
                    "blake2_256_digest",
                    ":action",
                    "metadata_version",
                    "attestations",
                    "\x00",
                )
            )
            known[key] = pick(NASTY).encode("utf-8", "replace").decode()
        body = form(pick((filename, filename, *NASTY)).encode("utf-8", "replace").decode(), data, **known)
        return self._posted("/legacy/", self._spoilt(body, pick((0, 0, 0, 1, 3)))), False

    def archive(self) -> tuple[bytes, bool]:
        """A distribution with bytes of it changed, or one of the corpus."""
        if self.chance.random() < 0.5:
            bad = self.chance.choice(ARCHIVES)
            filename, data, name = bad.filename, bad.data, "foo-bar"
        else:
            name = "beta"
            filename, data = self.chance.choice((make_wheel, make_sdist))(name, f"1.{self.chance.randrange(1000)}")
            data = self._spoilt(data, self.chance.randrange(1, 6))
        version = filename.split("-")[1].removesuffix(".tar.gz")
        kind = "sdist" if filename.endswith(".gz") else "bdist_wheel"
        return self._posted("/legacy/", form(filename, data, name=name, version=version, filetype=kind, pyversion="py3")), False

    def order(self) -> tuple[bytes, bool]:
        """JSON that is no order, or one with strange values."""
        kind, verb, fields = self.chance.choice(RELEASING + RULING)
        return self._posted(f"/+api/{kind}/{verb}", self._json(fields), "application/json"), False

    def operator(self) -> tuple[bytes, bool]:
        """The same on the control socket."""
        kind, verb, fields = self.chance.choice(RELEASING + RULING + PEOPLE * 2)
        return self._posted(f"/{kind}/{verb}", self._json(fields), "application/json"), True

    def call(self) -> tuple[bytes, bool]:
        """XML-RPC that is none, or asks for strange things."""
        method = self.chance.choice(
            (
                "list_packages_with_serial",
                "changelog_since_serial",
                "package_releases",
                "release_data",
                "search",
                "release_urls",
                "system.multicall",
                "",
            )
        )
        value = self.chance.choice(("<int>99999999999999999999</int>", "<string>alpha</string>", "<array><data/></array>", "<struct/>", "<boolean>2</boolean>", "<double>nan</double>", "<base64>!</base64>", "<nil/>", "x", "<i8>1</i8>", "<dateTime.iso8601>x</dateTime.iso8601>"))  # fmt: skip
        params = "".join(f"<param><value>{value}</value></param>" for _ in range(self.chance.randrange(4)))
        body = f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>".encode()
        return self._posted(
            self.chance.choice(("/pypi", "/RPC2", "/pypi/", "/index/private/pypi")),
            self._spoilt(body, self.chance.choice((0, 0, 1, 4))),
            "text/xml",
        ), False

    def name(self) -> tuple[bytes, bool]:
        """Any text where a name, a version or a file name belongs."""
        alphabet = string.printable + "éß\u017f\u202e\u0130\uff0f"
        word = "".join(self.chance.choice(alphabet) for _ in range(self.chance.randrange(1, 30)))
        word = self.chance.choice((word, word, *NASTY))
        quoted = "".join(f"%{byte:02x}" for byte in word.encode("utf-8", "replace"))
        shape = self.chance.choice(
            ("/simple/{}/", "/simple/{}", "/pypi/{}/json", "/pypi/alpha/{}/json", "/packages/by-name/pypi/alpha/{}", "/packages/{0}/{0}/{0}/{0}", "/+why/{}", "/+why/alpha/{}",
             "/integrity/alpha/1.0/{}/provenance", "/at/{}/simple/alpha/", "/index/{}/simple/", "/local-stats/days/{}", "/{}", "/{}/json", "/links/{}", "/+api/releases/{}")
        )  # fmt: skip
        return self._request("GET", shape.format(quoted)[:9000], self._some_fields(1)), False

    def page(self) -> tuple[bytes, bool]:
        """What an upstream might say of a project, read as it is read, and shown in some form."""
        entries = [self._entry() for _ in range(self.chance.randrange(4))]
        if self.chance.random() < 0.6:
            kind = "application/vnd.pypi.simple.v1+json"
            document = {
                "meta": {"api-version": "1.4"},
                "name": "gamma",
                "files": entries,
                "versions": self.chance.choice((["1.0"], SCALARS[6])),
            }
            body = self._spoilt(_dumped(document), self.chance.choice((0, 0, 1, 3)))
        else:
            kind = "text/html"
            links = "".join(
                f'<a href="{entry.get("url")}" data-yanked="{entry.get("yanked")}" data-requires-python="{entry.get("requires-python")}">{entry.get("filename")}</a>'
                for entry in entries
            )
            body = self._spoilt(
                f"<!DOCTYPE html><html><body>{links}</body></html>".encode("utf-8", "replace"), self.chance.choice((0, 0, 1, 3))
            )
        try:
            self.house.upstream.pages["gamma"] = read_page(body, kind, "https://index.example/simple/gamma/", project_name("gamma"))
        except Unreadable:
            self.tally.statuses[-1] += 1
        self.house.clock.advance(7200)
        path = self.chance.choice(("/simple/gamma/", "/pypi/gamma/json", "/links/", "/+why/gamma", "/+why/gamma/1.0", "/at/2026-01-01/simple/gamma/", "/pypi/gamma/1.0/json", "/packages/by-name/pypi/gamma/gamma-1.0.tar.gz"))  # fmt: skip
        accept = self.chance.choice(("application/vnd.pypi.simple.v1+json", "text/html", "*/*"))
        return self._request("GET", path, [f"Accept: {accept}"]), False

    # What it is made of.

    def _real(self) -> list[str]:
        known = [f"/packages/{entry.path}" for entry in self.house.upstream.pages["alpha"].files]  # type: ignore[union-attr]  # it is no exception
        return [
            "/simple/",
            "/simple/alpha/",
            "/pypi/alpha/json",
            "/",
            "/+why/alpha",
            "/last-modified",
            "/links/",
            "/+metrics",
            *known,
            *(f"{one}.metadata" for one in known),
        ]

    def _target(self) -> str:
        path = "/" + "/".join(self.chance.choice(SEGMENTS) for _ in range(self.chance.randrange(1, 6)))
        return path + self._query()

    def _query(self) -> str:
        pick = self.chance.choice
        if self.chance.random() < 0.5:
            return pick(("", "", "?", "?=&&=", "?" + "x=y&" * 500, "?%ff=%ff", "?a=b&a=c", "?;=;", "?" + "%41" * 900))
        return "?" + "&".join(f"{pick(KEYS)}={pick(WORTH)}" for _ in range(self.chance.randrange(1, 4)))

    def _some_fields(self, most: int) -> list[str]:
        return [f"{self.chance.choice(FIELDS)}: {self.chance.choice(VALUES)}" for _ in range(self.chance.randrange(most + 1))]

    def _request(self, method: str, target: str, fields: list[str], body: bytes = b"") -> bytes:
        lines = [
            f"{method} {target} HTTP/1.1",
            "Host: 127.0.0.1:3141",
            *fields,
            *([f"Content-Length: {len(body)}"] if body else []),
            "",
            "",
        ]
        return "\r\n".join(lines).encode("latin-1", "replace") + body

    def _posted(self, path: str, body: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> bytes:
        return self._request("POST", path, [self._login(), f"Content-Type: {kind}"], body)

    def _login(self) -> str:
        return "Authorization: Basic " + base64.b64encode(f"__token__:{self.house.tokens['ann']}".encode()).decode()

    def _entry(self) -> dict[str, Any]:
        pick = self.chance.choice
        known: dict[str, Any] = {
            "filename": "gamma-1.0.tar.gz",
            "url": "https://files.example/gamma-1.0.tar.gz",
            "hashes": {"sha256": "0" * 64},
            "upload-time": "2026-01-02T03:04:05Z",
        }
        for _ in range(self.chance.randrange(4)):
            key = pick((*known, "size", "yanked", "requires-python", "core-metadata", "provenance", "gpg-sig", "dist-info-metadata"))
            known[key] = pick(
                (*SCALARS, *NASTY, "file:///etc/passwd", "//evil", "https://[", "javascript:x", {"sha256": "x"}, "9999-99-99T99:99:99Z")
            )
        return known

    def _json(self, fields: tuple[str, ...]) -> bytes:
        pick = self.chance.choice
        if self.chance.random() < 0.15:
            return pick(ODD_JSON)
        made = {key: pick(LIKELY) for key in fields if self.chance.random() < 0.9}
        for _ in range(self.chance.randrange(3)):
            made[pick((*fields, "x", ""))] = pick((*SCALARS, *NASTY))
        return self._spoilt(_dumped(made), pick((0, 0, 0, 1)))

    def _spoilt(self, data: bytes, changes: int | None = None) -> bytes:
        spoilt = bytearray(data)
        for _ in range(self.chance.randrange(1, 5) if changes is None else changes):
            at = self.chance.randrange(len(spoilt) + 1)
            piece = self.chance.choice(
                (
                    b"",
                    b"\r\n",
                    b"\n",
                    b"\x00",
                    b" ",
                    b"%2f",
                    b":",
                    b"\xff",
                    b"<",
                    b'"',
                    b"\r\n\r\n",
                    self.chance.randbytes(3),
                    bytes(spoilt[at : at + 20]),
                )
            )
            spoilt[at : at + self.chance.randrange(4)] = piece
        return bytes(spoilt)


ARCHIVES = [bad for bad in hostile.plain() if len(bad.data) < 300_000]
FORMS = [bad for bad in hostile.forms() if len(bad.body) < 300_000]


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "replace")


def _statuses(out: bytes) -> Iterator[int]:
    """The statuses of the answers in what came back; bodies of ours hold no such line."""
    for line in out.split(b"\r\n"):
        at = line.find(b"HTTP/1.1 ")
        if at >= 0 and line[at + 9 : at + 12].isdigit():
            yield int(line[at + 9 : at + 12])


def run(number: int, count: int, each: int = 500) -> Tally:
    """That many inputs made from that number, with a new daemon after every so many."""
    tally = Tally()
    while tally.inputs < count:
        tally.add(Ordeal(number).run(min(each, count - tally.inputs)))
        number += 1
    return tally
