"""
Who may do what: every kind of account, in every way to log in, at every address and method that the door has (S72).

What is expected is written down here by hand: `KINDS` says what each account may, and `ROUTES` what each address takes. The addresses are read off
the code as well, so that one without a row here fails. A cell is one account at one address with one method.
"""

from __future__ import annotations

import ast
import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import pytest

import pypidaemon.web
from pypidaemon import rulingwords
from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.accounts.throttle import Throttle
from pypidaemon.model import Downloads, Filename, NormalizedName, Progress
from pypidaemon.releases import VERBS
from pypidaemon.searching.index import FILE, SearchIndex
from pypidaemon.testing.archives import make_wheel
from pypidaemon.web.reply import Reply
from pypidaemon.web.views import static
from tests import fakes
from tests.gear import inline, now
from tests.house import House
from tests.web.test_uploads import BOUNDARY, form

ACTIONS = ("list", "read", "upload", "create", "overwrite", "delete", "admin")
OURS = frozenset({"alpha", "beta"})
"""The projects of the index `private`: alpha was there before anybody came, beta was begun by its owner. An upstream has gamma, and another alpha."""
FRESH = "fresh"
"""Stands for every name that does not exist yet."""
ALL = OURS | {FRESH}
READING = ("GET", "HEAD")


@attrs.frozen
class Kind:
    """An account: by action the projects of `private` in which it may do that."""

    rights: Mapping[str, frozenset[str]]
    let_in: bool = True
    anonymous: bool = False

    def may(self, action: str, project: str) -> bool:
        """Whether it may do that in that project."""
        return self.let_in and project in self.rights.get(action, ())

    @property
    def denied(self) -> int:
        """What it is told where it may not: to log in, where that could help."""
        return 401 if self.anonymous or not self.let_in else 403

    @property
    def enters(self) -> bool:
        """Whether it may see anything of `private`."""
        return any(self.may(action, project) for action in ("list", "read") for project in OURS)


def everything(projects: frozenset[str], *actions: str) -> dict[str, frozenset[str]]:
    """These rights, or all, in these projects."""
    return dict.fromkeys(actions or ACTIONS, projects)


PUBLIC = frozenset({"alpha", "gamma", "absent"})
"""The projects of the proxy, which everybody may read, by a token for others too."""

ALPHA = frozenset({"alpha"})
KINDS: dict[str, Kind] = {
    "anonymous": Kind({}, anonymous=True),
    "reader": Kind(everything(ALL, "list", "read")),
    "uploader of alpha": Kind(everything(ALPHA, "list", "read", "upload")),
    "creator": Kind({"create": frozenset({FRESH})}),
    "owner of beta": Kind({"create": frozenset({FRESH}), **everything(frozenset({"beta"}), "upload", "delete")}),
    "admin": Kind(everything(ALL)),
    "disabled admin": Kind({}, let_in=False),
    "revoked token of the admin": Kind({}, let_in=False),
    "wrong password of the admin": Kind({}, let_in=False),
    "read token of the admin": Kind(everything(ALL, "list", "read")),
    "upload token of the admin": Kind(everything(ALL, "list", "read", "upload", "create")),
    "token of the admin for alpha*": Kind(everything(ALPHA)),
}
WITH_PASSWORDS = ("reader", "uploader of alpha", "creator", "owner of beta", "admin", "disabled admin")
WAYS = ("password", "__token__", "Bearer", "token")
LOGINS = [
    ("anonymous", ""),
    ("wrong password of the admin", "password"),
    *((kind, way) for kind in WITH_PASSWORDS for way in WAYS),
    *((kind, way) for kind in KINDS if "token" in kind for way in WAYS[1:]),
]


def basic(user: str, password: str) -> str:
    """The header's value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@attrs.define(eq=False)
class Town:
    """A house with everybody in it."""

    house: House
    logins: dict[tuple[str, str], str]
    """Authorization headers; "" is none."""
    paths: dict[str, str]
    """Of each project the path of a file, below the root of its index."""
    numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def ask(self, login: tuple[str, str], method: str, path: str, kind: str = "", body: bytes | None = None) -> Reply:
        """One request from its head to its answer, as the skin has it go."""
        house, headers = self.house, {"authorization": self.logins[login]} if self.logins[login] else {}
        if not KINDS[login[0]].let_in:
            # Or the many wrong logins would be told to wait.
            house.doorkeeper.throttle = Throttle(house.clock)
        ask = house.ask(path, method, **headers, **({"content_type": kind} if kind else {}))
        return house.answered(ask, body)


def founded(data: Path) -> Town:
    """Everybody, as the table of kinds has it; nobody may see `private` but who was granted it. `data` is a folder for the service `nightly`."""
    house = House(fetches=True)
    # What passwords cost is looked at elsewhere.
    house.accounts.users.passwords = Passwords(inline, 1, 8)
    house.upstream.add("gamma", ("gamma-1.0.tar.gz", b"public"))
    [gamma] = house.upstream.pages["gamma"].files  # type: ignore[union-attr]  # it is no exception
    house.upstream.pages["gamma"] = fakes.page("gamma", attrs.evolve(gamma, provenance="https://index.example/provenance"))
    house.upstream.bodies["https://index.example/provenance"] = b'{"version":1,"attestation_bundles":[]}'
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"stranger"))
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"},{"name":"gamma"}]}'
    house.mirroring(data, projects=("gamma",))
    house.searched = SearchIndex(data / FILE, inline, inline)
    house.with_private(overwrite=True)
    people = house.door.people
    for right in ("list", "read"):
        now(people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
    names = {kind: "user" + kind.split()[0] for kind in WITH_PASSWORDS}
    logins = {("anonymous", ""): "", ("wrong password of the admin", "password"): basic(names["admin"], "wrong")}

    def tokens(kind: str, token: str) -> None:
        logins[kind, "__token__"], logins[kind, "Bearer"], logins[kind, "token"] = (
            basic("__token__", token),
            f"Bearer {token}",
            f"token {token}",
        )

    for kind, name in names.items():
        now(people.add_user(OPERATOR, name, f"password of {name}"))
        logins[kind, "password"] = basic(name, f"password of {name}")
        tokens(kind, house.token(name))
    now(people.enrol(OPERATOR, "readers", names["reader"], member=True))
    for right in ("list", "read"):
        house.grant("group:readers", right, "private")
        house.grant(names["uploader of alpha"], right, "private/alpha")
    house.grant(names["uploader of alpha"], "upload", "private/alpha")
    house.grant(names["creator"], "create", "private")
    house.grant(names["owner of beta"], "create", "private")
    house.grant(names["admin"], "admin", "*")
    house.grant(names["disabled admin"], "admin", "*")
    tokens("revoked token of the admin", revoked := house.token(names["admin"]))
    now(people.revoke_token(OPERATOR, revoked))
    tokens("read token of the admin", house.token(names["admin"], scope="read"))
    tokens("upload token of the admin", house.token(names["admin"], scope="upload"))
    tokens("token of the admin for alpha*", house.token(names["admin"], projects="alpha*"))
    town = Town(house, logins, {})
    for who, name, version in (("admin", "alpha", "1.0"), ("admin", "alpha", "2.0"), ("owner of beta", "beta", "1.0")):
        assert upload(town, (who, "password"), "/legacy/", name, version).status == 200
    now(people.disable_user(OPERATOR, names["disabled admin"]))
    for label in ("private", "pypi"):
        now(house.records.mirrors.advance(label, Progress(started=1.0)))
        taken = Downloads("2026-01-01", label, NormalizedName("gamma"), Filename("gamma-1.0.tar.gz"), "pip/26.3")
        now(house.records.fetches.count(taken))
    for name, index in (("alpha", "private"), ("beta", "private"), ("gamma", "pypi")):
        page = town.ask(("admin", "password"), "GET", f"/index/{index}/simple/{name}/?format=application/vnd.pypi.simple.v1+json")
        town.paths[name] = json.loads(page.body)["files"][0]["url"].removeprefix("../../")
    return town


def upload(town: Town, login: tuple[str, str], path: str, name: str, version: str = "1.0", edition: int = 0) -> Reply:
    """Upload a wheel; without an edition always the same one."""
    filename, data = make_wheel(name, version, size=edition)
    fields = {"name": name, "version": version, "filetype": "bdist_wheel", "pyversion": "py3"}
    return town.ask(login, "POST", path, f"multipart/form-data; boundary={BOUNDARY}", form(filename, data, **fields))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The same for all cells: those that change anything change it back, or something that no other cell looks at."""
    return founded(tmp_path_factory.mktemp("data"))


# What an address answers to a kind of account, of a project where there is one: the statuses that are right.
Rule = Callable[[Kind, str], set[int]]


def at_root(kind: Kind, project: str) -> set[int]:
    """What takes `read`, at the root: whatever index has the project decides, and no stranger's of that name stands in."""
    if not kind.let_in:
        return {401}
    if project in OURS:
        return {200 if kind.may("read", project) else kind.denied}
    if project == "gamma":
        return {200 if project in PUBLIC else kind.denied}
    return {404}


def in_private(kind: Kind, project: str) -> set[int]:
    """The same in `private`, which asks everybody to log in who may see nothing of it (P5)."""
    if not kind.enters:
        return {kind.denied}
    return at_root(kind, project) if project in OURS else {404}


def in_pypi(kind: Kind, project: str) -> set[int]:
    """The same in the proxy, where beta is nothing and alpha the stranger's."""
    if not kind.let_in:
        return {401}
    if project in ("alpha", "gamma"):
        return {200 if project in PUBLIC else kind.denied}
    return {404}


def files_only(rule: Rule) -> Rule:
    """Of a file of ours that is no file of that index."""
    return lambda kind, project: rule(kind, project) if project == "gamma" else ({404} if kind.let_in else {401})


def attested(rule: Rule) -> Rule:
    """Of a companion of files that those of `private` do not have."""

    def decide(kind: Kind, project: str) -> set[int]:
        return {404 if status == 200 and project in OURS else status for status in rule(kind, project)}

    return decide


def moved(kind: Kind, project: str) -> set[int]:
    """A redirect that mends an address, and tells of nothing behind it."""
    return {301, 308} if kind.let_in else {401}


def inside(rule: Rule) -> Rule:
    """For who may see anything of `private`."""
    return lambda kind, project: rule(kind, project) if kind.enters else {kind.denied}


def public(kind: Kind, project: str) -> set[int]:
    """Not even asked who it is."""
    return {200}


def let_in(kind: Kind, project: str) -> set[int]:
    """For everybody whose login is good, or who has none. What it shows is looked at apart."""
    return {200} if kind.let_in else {401}


def nothing(kind: Kind, project: str) -> set[int]:
    """There is no such thing, for whoever is let in."""
    return {404} if kind.let_in else {401}


def nowhere(kind: Kind, project: str) -> set[int]:
    """Whoever asks."""
    return {404}


def admins(kind: Kind, project: str) -> set[int]:
    """For who may administrate everything."""
    return {200} if kind.may("admin", FRESH) else {kind.denied}


def feed(rule: Rule) -> Rule:
    """Who may not see a project is told that there is none, as of one whose releases do not say when they came."""
    return lambda kind, project: (
        {404 if status in (401, 403) and kind.let_in else status for status in rule(kind, project)}
        | ({404} if kind.let_in and project not in OURS else set())
    )


def why_at_root(kind: Kind, project: str) -> set[int]:
    """As the page, save that it is explained too why there is none. Nobody is told whether a project that he may not read is there or not."""
    return {200} if kind.let_in and project == "absent" else at_root(kind, project)


def why_in_private(kind: Kind, project: str) -> set[int]:
    """As the page; that there is none is explained to who may read one of that name."""
    if kind.enters and project not in OURS and kind.may("read", FRESH):
        return {200}
    return in_private(kind, project)


def why_in_pypi(kind: Kind, project: str) -> set[int]:
    """As the page; that there is none is explained to who may read one of that name."""
    if kind.let_in and project in ("beta", "absent"):
        return {200}
    return in_pypi(kind, project)


@attrs.frozen
class Route:
    """Addresses that take the same right. `{p}` is a project, `{f}` the path of its file, `{n}` the file's name."""

    paths: tuple[str, ...]
    rule: Rule

    def cells(self, town: Town) -> Iterator[tuple[str, str]]:
        """Each path with its project, or "" where it is about none."""
        for path in self.paths:
            if "{" not in path:
                yield path, ""
                continue
            for project in ("alpha", "beta", "gamma", "absent"):
                if ("{f}" in path or "{n}" in path) and project == "absent":
                    continue
                where = town.paths.get(project, "")
                yield path.format(p=project, q=project.upper(), f=where, n=PurePosixPath(where).name), project


PAGES = ("simple/{p}/", "pypi/{p}/json", "{p}/json", "pypi/{p}/1.0/json")
MENDED = (
    *("simple", "simple/{p}", "simple/{q}/", "pypi/{p}/json/", "pypi/{p}/1.0/json/", "links"),
    *("project", "project/", "project/{p}", "project/{q}/", "project/{p}/1.0"),
)
VIEWS = ("project/{p}/", "project/{p}/1.0/", "project/{p}/?show=files")
STRANGE = (
    "nothing",
    "serverkey",
    "serversig/alpha",
    "local-stats/days/",
    "local-stats/days/2999-01-01.bz2",
    "nothing/here",
    "pypi",
    "pypi/",
    "pypi/alpha/x",
    "legacy/",
    "legacy/+simple/",
    "simple/namespaces/x/",
    "packages/",
    "packages/x",
    "integrity/alpha/1.0/x/provenance",
)


def below(root: str, *paths: str) -> tuple[str, ...]:
    """These paths below the root of an index."""
    return tuple(root + path for path in paths)


PAST = "/at/2999-01-01/"
"""Everything that there is has come before that, so what differs from the root would be a hole."""

ROUTES: dict[str, Route] = {
    "pages": Route(below("/", *PAGES), at_root),
    "pages of private": Route(below("/index/private/", *PAGES), in_private),
    "pages of pypi": Route(below("/index/pypi/", "simple/{p}/", "pypi/{p}/json", "{p}/json"), in_pypi),
    "pages of the past": Route(below(PAST, *PAGES), at_root),
    "files of the past": Route((PAST + "{f}",), at_root),
    "mended addresses of the past": Route(below(PAST, *MENDED), moved),
    "lists of the past": Route(below(PAST, "simple/", "links/"), let_in),
    "unknown in the past": Route((*below(PAST, *STRANGE, "legacy/+simple/alpha/", "+api/log"), "/at/never/simple/alpha/", "/at/"), nothing),
    "hatch": Route(("/legacy/+simple/{p}/", "/index/private/legacy/+simple/{p}/"), in_private),
    "files": Route(("/{f}",), at_root),
    "files of private": Route(("/index/private/{f}",), in_private),
    "files of pypi": Route(("/index/pypi/{f}",), files_only(in_pypi)),
    "provenance": Route(below("/", "integrity/{p}/1.0/{n}/provenance", "{f}.provenance"), attested(at_root)),
    "provenance of private": Route(below("/index/private/", "integrity/{p}/1.0/{n}/provenance", "{f}.provenance"), attested(in_private)),
    "provenance of the past": Route(below(PAST, "integrity/{p}/1.0/{n}/provenance"), attested(at_root)),
    "files by other names": Route(("/packages/by-name/private/{p}/{p}-1.0-py3-none-any.whl",), lambda kind, _: {kind.denied, 404, 403}),
    "mended addresses": Route(below("/", *MENDED), moved),
    "mended addresses of private": Route(below("/index/private/", *MENDED), inside(moved)),
    "lists": Route(("/simple/", "/links/", "/index/pypi/simple/", "/index/pypi/links/"), let_in),
    "lists of private": Route(("/index/private/simple/", "/index/private/links/"), inside(let_in)),
    "times of runs": Route(("/last-modified", "/index/pypi/last-modified"), let_in),
    "times of runs of private": Route(("/index/private/last-modified",), inside(let_in)),
    "statistics": Route(("/local-stats/days/2026-01-01.bz2", "/index/pypi/local-stats/days/2026-01-01.bz2"), let_in),
    "statistics of private": Route(("/index/private/local-stats/days/2026-01-01.bz2",), inside(nothing)),
    "operations": Route(("/", "/+health", "/+ready", "/+metrics"), public),
    "explanations": Route(("/+why/{p}", "/+why/{p}/1.0"), why_at_root),
    "explanations of private": Route(("/index/private/+why/{p}", "/index/private/+why/{p}/1.0"), why_in_private),
    "explanations of pypi": Route(("/index/pypi/+why/{p}", "/index/pypi/+why/{p}/1.0"), why_in_pypi),
    "project pages": Route(below("/", *VIEWS), at_root),
    "project pages of private": Route(below("/index/private/", *VIEWS), in_private),
    "project pages of pypi": Route(("/index/pypi/project/{p}/", "/index/pypi/project/{p}/?show=versions"), in_pypi),
    "project pages of the past": Route(below(PAST, *VIEWS), at_root),
    "start pages": Route(("/index/pypi/", "/index/root/", PAST), let_in),
    "start page of private": Route(("/index/private/",), inside(let_in)),
    "roots": Route(("/index/pypi", PAST.rstrip("/")), moved),
    "root of private": Route(("/index/private",), inside(moved)),
    # What they find and tell, and to whom, is looked at in test_search.py and test_feeds.py.
    "searches": Route(("/search/", "/search/?q=alpha", "/index/pypi/search/?q=alpha"), let_in),
    "searches of private": Route(("/index/private/search/?q=alpha",), inside(let_in)),
    "searches without their slash": Route(("/search", "/index/pypi/search"), moved),
    "feeds": Route((*below("/", "rss/updates.xml", "rss/packages.xml"), "/index/pypi/rss/updates.xml"), let_in),
    "feeds of private": Route(("/index/private/rss/updates.xml", "/index/private/rss/packages.xml"), inside(let_in)),
    "feeds of projects": Route(("/rss/project/{p}/releases.xml",), feed(at_root)),
    "feeds of projects of private": Route(("/index/private/rss/project/{p}/releases.xml",), inside(feed(in_private))),
    "feeds of the past": Route(below(PAST, "rss/updates.xml", "search/"), nothing),
    # Which names they tell, and to whom, is looked at in test_status.py. Of news there are only so many places.
    "status": Route(("/status/", "/status/?span=week"), let_in),
    "status without its slash": Route(("/status",), moved),
    "news": Route(("/+events",), lambda kind, _: {200, 503} if kind.let_in else {401}),
    "what pages are made with": Route(tuple("/" + static.path(name) for name in static.ASSETS), public),
    "audit log": Route(("/+api/log",), admins),
    "rulings": Route(("/+api/rulings", "/+api/who?what=alpha"), admins),
    "retired": Route(below("/", "?:action=list_classifiers", "legacy/?:action=list_classifiers", "pypi?:action=verify"), lambda *_: {410}),
    "unknown": Route(below("/", *STRANGE, "+api/nothing", "+api/log/x", "index/nowhere/simple/", "index/pypi/nothing"), nothing),
    "unknown in private": Route(below("/index/private/", *STRANGE, "+api/log", "index/private/simple/"), inside(nothing)),
    "filling": Route(("/+sync?service=nightly", "/+sync"), lambda *_: {405}),
    "packs": Route(("/+pack?run=99", "/+pack"), lambda kind, _: {404 if kind.may("admin", FRESH) else kind.denied}),
    # Who has signed in sees more, which is looked at in test_admin.py; no other login counts there.
    "administration": Route(
        (
            *("/+admin/", "/+admin/accounts/", "/+admin/tokens/", "/+admin/rulings/", "/+admin/status/", "/+admin/packs/1/"),
            *("/+admin/project/?name=alpha", "/+admin/project/{p}/", "/+admin/project/{p}/1.0/", "/+admin/nothing"),
        ),
        lambda *_: {303},
    ),
    "administration without its slash": Route(("/+admin", "/+admin/accounts"), lambda *_: {301}),
    "signing in": Route(("/+admin/sign-in",), public),
    "forms of the administration": Route(
        tuple(f"/+admin/{one}" for one in ("sign-out", "sync", "probe", "pack", "people/user/add", "releases/yank", "rulings/block")),
        lambda *_: {405},
    ),
    "unknown orders": Route(
        ("/+api/releases/nothing", "/+api/releases/yank/x", "/+api/rulings/nothing", "/+api/rulings/block/x", "/+api/rulings/"), nowhere
    ),
}
"""What is asked by GET and HEAD. Other methods have tables of their own below."""

UPLOADS = ("/", "/simple/", "/legacy", "/legacy/", "/pypi", "/pypi/", "/index/private/legacy", "/index/private/legacy/")
CALLS = ("/pypi", "/pypi/", "/RPC2", "/RPC2/")
ORDERS = tuple(f"/+api/releases/{verb}" for verb in VERBS)
RULINGS = tuple(f"/+api/rulings/{verb}" for verb in rulingwords.VERBS)

DECLARED: dict[str, tuple[str, ...]] = {
    # The express lane, and the road behind it.
    "routes: ['simple', project, '']": ("pages",),
    "routes: ['index', label, 'simple', project, '']": ("pages of private", "pages of pypi"),
    "routes: ['simple', '']": ("lists",),
    "routes: ['index', label, 'simple', '']": ("lists of private",),
    "routes: ask.segments in _OPERATIONS": ("operations",),
    "rates: ask.segments in _WATCHED": ("operations",),
    "operations: ['+health']": ("operations",),
    "operations: ['+ready']": ("operations",),
    "operations: ['+metrics']": ("operations",),
    "routes: ['+api', 'log']": ("audit log",),
    "routes: ['+api', 'rulings']": ("rulings",),
    "routes: ['+api', 'who']": ("rulings",),
    "routes: ['at', moment, 'simple', project, '']": ("pages of the past",),
    "routes: ['at', moment, *below]": (
        "pages of the past",
        "files of the past",
        "lists of the past",
        "mended addresses of the past",
        "unknown in the past",
    ),
    "routes: ['index', label, *below]": ("pages of private", "pages of pypi", "unknown in private"),
    "routes: ['+why', project]": ("explanations", "explanations of private", "explanations of pypi"),
    "routes: ['+why', project, version]": ("explanations", "explanations of private", "explanations of pypi"),
    "routes: ['simple', *rest]": ("pages", "lists"),
    "routes: ['legacy', '+simple', project, '']": ("hatch",),
    "routes: ['links']": ("mended addresses", "mended addresses of private"),
    "routes: ['links', '']": ("lists", "lists of private"),
    "routes: ['last-modified']": ("times of runs", "times of runs of private"),
    "routes: ['local-stats', 'days', day]": ("statistics", "statistics of private"),
    "routes: ['packages', *rest]": ("files", "files of private", "files of pypi"),
    "routes: ['packages', *below]": ("files",),
    "routes: ['index', label, 'packages', *below]": ("files of private", "files of pypi"),
    "routes: ['integrity', project, version, filename, 'provenance']": ("provenance", "provenance of private", "provenance of the past"),
    "files: ['by-name', label, project, last]": ("files by other names",),
    "files: [first, second, rest, last]": ("files", "files of private", "files of pypi"),
    "routes: ['pypi', *_]": ("pages", "unknown"),
    "routes: [_, 'json']": ("pages", "unknown"),
    "routes: ['pypi', _, 'json', '']": ("mended addresses", "mended addresses of private"),
    "routes: ['pypi', _, _, 'json', '']": ("mended addresses", "mended addresses of private"),
    "routes: ['pypi', project, 'json']": ("pages", "pages of private", "pages of pypi"),
    "routes: [project, 'json']": ("pages", "pages of private", "pages of pypi"),
    "routes: ['pypi', project, version, 'json']": ("pages", "pages of private"),
    "routes: []": ("mended addresses", "mended addresses of private"),
    "routes: ['']": ("lists", "lists of private"),
    "routes: [project]": ("mended addresses", "mended addresses of private"),
    "routes: [project, '']": ("pages", "pages of private"),
    "uploads: ask.segments not in _ADDRESSES": ("retired",),
    "routes: ask.segments == ('',)": ("operations", "start pages"),
    "routes: ['status']": ("status without its slash",),
    "routes: ['status', '']": ("status",),
    "routes: ['+events']": ("news",),
    "views.desk: ['search']": ("searches without their slash",),
    "views.desk: ['search', '']": ("searches", "searches of private", "feeds of the past"),
    "routes: ['rss', *rest]": ("feeds", "feeds of private", "feeds of projects", "feeds of projects of private", "feeds of the past"),
    "feeds: ['updates.xml']": ("feeds", "feeds of private", "feeds of the past"),
    "feeds: ['packages.xml']": ("feeds", "feeds of private"),
    "feeds: ['project', spelled, 'releases.xml']": ("feeds of projects", "feeds of projects of private"),
    "browsing: ask.segments[:1] == (STATIC,)": ("what pages are made with",),
    "views.desk: [static.FOLDER, word, name]": ("what pages are made with",),
    "views.desk: ['']": ("start pages", "start page of private"),
    "browsing: []": ("roots", "root of private"),
    "browsing: ['search' | 'project', *_]": ("searches", "project pages"),
    "browsing: ['']": ("start pages", "start page of private"),
    "views.desk: ['project']": ("mended addresses", "mended addresses of private"),
    "views.desk: ['project', '']": ("mended addresses", "mended addresses of private"),
    "views.desk: ['project', *rest]": (
        *("project pages", "project pages of private", "project pages of pypi", "project pages of the past"),
        *("mended addresses", "mended addresses of private", "mended addresses of the past"),
    ),
    # POST.
    "uploads: ['index', label, *below]": ("POST uploads",),
    "uploads: below in _ADDRESSES": ("POST uploads",),
    "uploads: tuple(below) in (('legacy',), ('legacy', ''))": ("POST uploads",),
    "xmlrpc: ['pypi' | 'RPC2']": ("POST calls",),
    "xmlrpc: ['pypi' | 'RPC2', '']": ("POST calls",),
    "xmlrpc: ['index', label, 'pypi' | 'RPC2']": ("POST calls",),
    "xmlrpc: ['index', label, 'pypi' | 'RPC2', '']": ("POST calls",),
    "routes: ask.segments[:2] == ('+api', 'releases')": ("POST orders", "unknown orders"),
    "releases: ask.segments[:2] == ('+api', 'releases')": ("POST orders",),
    "routes: ask.segments[:2] == ('+api', 'rulings')": ("POST rulings", "unknown orders"),
    "routes: len(ask.segments) > 2": ("POST rulings", "unknown orders"),
    "rulings: ask.segments[:2] == ('+api', 'rulings')": ("POST rulings",),
    "rulings: ask.segments[0] == '+api'": ("POST rulings", "unknown orders"),
    "rulings: len(ask.segments) != (3 if ask.segments[0] == '+api' else 2)": ("unknown orders",),
    "releases: ask.segments[0] == '+api'": ("POST orders", "unknown orders"),
    "releases: len(ask.segments) != (3 if ask.segments[0] == '+api' else 2)": ("unknown orders",),
    "routes: ask.segments == ('+sync',)": ("filling", "POST filling"),
    "routes: ask.segments == ('+pack',)": ("packs", "POST packs"),
    "packs: ask.segments == ('+pack',)": ("POST packs",),
    "packs: ask.segments == ('pack',)": (),
    "routes: ask.segments[:1] == ('+admin',)": ("administration", "administration without its slash", "signing in"),
    "administration: ask.segments[:1] == (FOLDER,)": ("forms of the administration",),
    "views.admin: []": ("administration without its slash",),
    "views.admin: ['accounts' | 'tokens' | 'rulings' | 'status' as word]": ("administration without its slash",),
    "views.admin: ['sign-in']": ("signing in",),
    "views.admin: ['sign-out' | 'sync' | 'probe' | 'pack']": ("forms of the administration",),
    "views.admin: ['people', _, _]": ("forms of the administration",),
    "views.admin: ['releases', _]": ("forms of the administration",),
    "views.admin: ['rulings', verb]": ("forms of the administration",),
    "views.admin: ['']": ("administration",),
    "views.admin: ['accounts' | 'tokens' as what, '']": ("administration",),
    "views.admin: ['rulings', '']": ("administration",),
    "views.admin: ['status', '']": ("administration",),
    "views.admin: ['packs', number, '']": ("administration",),
    "views.admin: ['project', '']": ("administration",),
    "views.admin: ['project', name, '']": ("administration",),
    "views.admin: ['project', name, version, '']": ("administration",),
    "views.admin: ask.segments[1:] == ('sign-in',)": ("signing in",),
    "views.admin: ask.segments[1:] == ('sign-out',)": ("forms of the administration",),
    "views.admin: ask.segments[1:] == ('pack',)": ("forms of the administration",),
    "views.admin_deeds: ['people', word, verb]": ("forms of the administration",),
    "views.admin_deeds: ['releases', verb]": ("forms of the administration",),
    "views.admin_deeds: ['rulings', verb]": ("forms of the administration",),
    "views.admin_deeds: ['sync']": ("forms of the administration",),
    "views.admin_deeds: ['probe']": ("forms of the administration",),
    "views.admin_deeds: ['pack']": ("forms of the administration",),
    "adopt: ask.segments == ('adopt',)": (),
    "adopt: ask.segments == ('adopt', 'stop')": (),
    # The control socket, which only the daemon's own user can open; and the reading of paths.
    "releases: ask.segments[:1] == ('releases',)": (),
    "rulings: ask.segments[:1] == ('rulings',)": (),
    "rulings: ['rulings']": (),
    "rulings: ['who']": (),
    "ask: '' in segments[:-1]": (),
    # Whether what went wrong is told as a page.
    "readers: ask.segments[:1] in {('index',), ('at',)}": (),
}
"""Every place where the code of the door looks at a path, and the rows that go there. Without a row here it has no declared right."""

_NO_DOOR = ("control", "people", "metrics")
"""Modules that only the control socket leads to, and the one that counts what has been answered."""


def looked_at() -> Iterator[str]:
    """The places where the modules of the door compare a path with anything, in the code's own words."""
    door = Path(pypidaemon.web.__path__[0])
    for module in sorted(door.rglob("*.py")):
        if module.stem in _NO_DOOR:
            continue
        where = ".".join(module.relative_to(door).with_suffix("").parts)
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Match) and ast.unparse(node.subject) in ("ask.segments", "below", "segments"):
                for case in node.cases:
                    patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
                    yield from (f"{where}: {ast.unparse(one)}" for one in patterns if isinstance(one, ast.MatchSequence))
            elif isinstance(node, ast.Compare) and re.search(r"segments|tuple\(below\)|below in", ast.unparse(node)):
                yield f"{where}: {ast.unparse(node)}"


def test_S72_every_address_of_the_door_has_a_declared_right() -> None:
    """And no row here is about an address that is gone."""
    assert set(looked_at()) == set(DECLARED)
    assert {name for names in DECLARED.values() for name in names} == {
        *ROUTES,
        "POST uploads",
        "POST calls",
        "POST orders",
        "POST rulings",
        "POST filling",
        "POST packs",
    }


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_reading(login: tuple[str, str], town: Town) -> None:
    """Each address by GET twice, since the second answer may lie ready, and by HEAD."""
    kind, wrong = KINDS[login[0]], []
    for name, route in ROUTES.items():
        for path, project in route.cells(town):
            for method in ("GET", *READING):
                status = town.ask(login, method, path).status
                expected = {405} if name == "unknown orders" and path.endswith("/yank") else route.rule(kind, project)
                if status not in expected:
                    wrong.append(f"{name}: {method} {path} is {status}, not {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S42_S72_lists_hold_what_may_be_listed_and_nothing_else(login: tuple[str, str], town: Town) -> None:
    """In HTML, in JSON, flat, and by XML-RPC; of `private` only what the account has the right to, and of the public index all."""
    kind = KINDS[login[0]]
    if not kind.let_in:
        return
    # Of alpha the upstream has one too, and that there is a public project of a name is no secret.
    listed = {*({"alpha", "gamma"} & PUBLIC), *(project for project in OURS if kind.may("list", project))}
    shown = {project for project in OURS if kind.may("list", project) and kind.may("read", project)}
    for path in ("/simple/", "/simple/?format=application/vnd.pypi.simple.v1+json"):
        assert mentioned(town, town.ask(login, "GET", path)) == listed
    assert mentioned(town, town.ask(login, "GET", "/links/")) == shown
    assert mentioned(town, call(town, login, "/pypi", "list_packages")) == listed
    assert mentioned(town, call(town, login, "/RPC2", "list_packages_with_serial")) == listed
    for project in OURS:
        releases = call(town, login, "/pypi", "package_releases", project)
        assert (b"<string>1.0</string>" in town.house.body(releases)) == (project in shown)
        urls = call(town, login, "/pypi", "release_urls", project, "1.0")
        assert (b"any.whl" in town.house.body(urls)) == (project in shown)
    found = town.house.body(call(town, login, "/pypi", "search", {"name": "a"}))
    assert {project for project in OURS if f"<string>{project}</string>".encode() in found} == shown


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S42_S72_explanations_name_an_index_only_to_who_may_read_the_project_there(login: tuple[str, str], town: Town) -> None:
    """In every form, of a project that `private` does not have; of one that it has, nobody else is told anything at all."""
    kind = KINDS[login[0]]
    if not kind.let_in:
        return
    for path in ("/+why/gamma", "/+why/absent", "/at/2026-03-01/+why/gamma"):
        for wanted in ("json", "html", "text"):
            said = town.house.body(town.ask(login, "GET", f"{path}?format={wanted}"))
            assert (b"private" in said) == kind.may("read", FRESH), (path, wanted)
            assert b"pypi" in said
    for project in OURS:
        reply = town.ask(login, "GET", f"/+why/{project}?format=json")
        assert (reply.status == 200) == kind.may("read", project)
        if reply.status == 200:
            assert json.loads(reply.body)["sources"] == ["private"]


def mentioned(town: Town, reply: Reply) -> set[str]:
    """Which of the three projects an answer names."""
    assert reply.status == 200
    body = town.house.body(reply)
    return {project for project in (*OURS, "gamma") if any(mark % project.encode() in body for mark in (b">%b<", b'"%b"', b"/%b-1.0"))}


def call(town: Town, login: tuple[str, str], path: str, method: str, *given: Any) -> Reply:
    """An XML-RPC call."""
    import xmlrpc.client

    return town.ask(login, "POST", path, "text/xml", xmlrpc.client.dumps(given, method).encode())


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_calls(login: tuple[str, str], town: Town) -> None:
    """XML-RPC, wherever it is answered."""
    kind = KINDS[login[0]]
    for path in CALLS:
        assert call(town, login, path, "list_packages").status == (200 if kind.let_in else 401)
        assert call(town, login, "/index/pypi" + path, "list_packages").status == (200 if kind.let_in else 401)
        assert call(town, login, "/index/private" + path, "list_packages").status == (200 if kind.enters else kind.denied)
        assert call(town, login, "/index/nowhere" + path, "list_packages").status == 405


def may_upload(kind: Kind, project: str) -> set[int]:
    """
    The same file again, or a new project.

    Who may begin projects, and this one is begun, is told either that it may not or that it exists.
    """
    if kind.may("upload", project) or (project == FRESH and kind.may("create", FRESH)):
        return {200}
    return {400, 403} if kind.may("create", FRESH) else {kind.denied}


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_uploads(login: tuple[str, str], town: Town) -> None:
    """At each address that takes them, to each project and to a new one; and to the proxy, where nobody may."""
    kind, wrong = KINDS[login[0]], []
    for path in UPLOADS:
        for project in (*sorted(OURS), FRESH):
            name = f"fresh-{next(town.numbers)}" if project == FRESH else project
            status = upload(town, login, path, name).status
            if status not in may_upload(kind, project):
                wrong.append(f"{path} {project} is {status}, not {may_upload(kind, project)}")
            if project == FRESH:
                there = town.ask(("admin", "password"), "GET", f"/index/private/simple/{name}/").status
                assert there == (200 if status == 200 else 404), (path, name)
    for path in ("/index/pypi/legacy/", "/index/root/legacy/", "/index/nowhere/legacy/"):
        assert upload(town, login, path, "alpha").status == (403 if kind.let_in else 401)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_replacing(login: tuple[str, str], town: Town) -> None:
    """Other bytes under a name that is used, where the index allows it at all: that takes `overwrite` besides `upload`."""
    kind = KINDS[login[0]]
    status = upload(town, login, "/legacy/", "alpha", "2.0", edition=next(town.numbers)).status
    if kind.may("overwrite", "alpha"):
        assert status == 200
    elif kind.may("upload", "alpha"):
        assert status == 400
    else:
        assert status in may_upload(kind, "alpha")
        assert status != 200


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_orders(login: tuple[str, str], town: Town) -> None:
    """The life of a release, one verb after the other, so that all is as it was in the end."""
    kind, wrong = KINDS[login[0]], []
    for project in (*sorted(OURS), FRESH):
        for verb in VERBS:
            order = {"project": "fresh-and-absent" if project == FRESH else project, "version": "1.0"}
            if verb == "promote":
                # To where it is already: whoever may is told just that.
                order |= {"to": "private"}
                allowed = kind.may("read", project) and (kind.may("upload", project) or kind.may("create", project))
                expected = {404 if project == FRESH else 400} if allowed else {kind.denied}
                if project == FRESH and kind.may("read", project):
                    expected = {404, kind.denied}
            else:
                expected = {404 if project == FRESH else 200} if kind.may("delete", project) else {kind.denied}
            for more in ({}, {"index": "private"}):
                body = json.dumps(order | more).encode()
                status = town.ask(login, "POST", f"/+api/releases/{verb}", "application/json", body).status
                if status not in expected and not (more and project == FRESH and status in expected | {400, 404}):
                    wrong.append(f"{verb} {project} {more} is {status}, not {expected}")
            elsewhere = town.ask(
                login, "POST", f"/+api/releases/{verb}", "application/json", json.dumps(order | {"index": "pypi"}).encode()
            )
            assert elsewhere.status >= 400
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_rulings(login: tuple[str, str], town: Town) -> None:
    """For who may administrate everything, whatever they are about: a ruling holds in every index. Each is taken back at once."""
    kind = KINDS[login[0]]
    for what in ("alpha", "beta==1.0", "absent", "sha256:" + "0" * 64):
        for verb in rulingwords.VERBS:
            order = {"target": what, **({} if verb.startswith("un") else {"reason": "a trial"})}
            status = town.ask(login, "POST", f"/+api/rulings/{verb}", "application/json", json.dumps(order).encode()).status
            assert status == (200 if kind.may("admin", FRESH) else kind.denied), (verb, what)


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_filling(login: tuple[str, str], town: Town) -> None:
    """For who may administrate what is to be filled: the whole index, or the one project. Nobody else is told which services there are."""
    kind = KINDS[login[0]]
    for query, project in (
        ("service=nightly", FRESH),
        ("service=nightly&project=gamma", "gamma"),
        ("service=nightly&project=Alpha", "alpha"),
    ):
        allowed = kind.may("admin", project) or (project == "gamma" and kind.may("admin", FRESH))
        assert town.ask(login, "POST", f"/+sync?{query}").status == (202 if allowed else kind.denied), query
    admin = kind.may("admin", FRESH)
    assert town.ask(login, "POST", "/+sync?service=nightly&project=-").status == (400 if admin else kind.denied)
    for query in ("service=nothing", "project=gamma", ""):
        assert town.ask(login, "POST", f"/+sync?{query}").status == (404 if admin else kind.denied), query
    for method in ("PUT", "DELETE", "PATCH"):
        assert town.ask(login, method, "/+sync?service=nightly").status == 405


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_packing(login: tuple[str, str], town: Town) -> None:
    """For who may administrate everything: what is packed fills the disk, and its report tells of every project."""
    kind = KINDS[login[0]]
    admin = kind.may("admin", FRESH)
    for query, body, status in (("name=uv.lock", b"version = 1\n", 202), ("", b"version = 1\n", 400), ("name=r.txt", b"alpha==\xff", 400)):
        assert town.ask(login, "POST", f"/+pack?{query}", body=body).status == (status if admin else kind.denied), query
    assert town.ask(login, "POST", "/+pack").status == (400 if admin else kind.denied)
    for method in ("PUT", "DELETE", "PATCH"):
        assert town.ask(login, method, "/+pack").status == 405


@pytest.mark.parametrize("login", LOGINS, ids=" by ".join)
def test_S72_other_methods_are_nobodys(login: tuple[str, str], town: Town) -> None:
    """Without a body and with one of each kind, at each address that there is; orders want POST, and JSON."""
    others = ("filling", "packs", "administration", "administration without its slash", "signing in", "forms of the administration")
    paths = {path for name, route in ROUTES.items() for path, _ in route.cells(town) if name not in others} | {
        *UPLOADS,
        *CALLS,
    }
    bodies = (("", None), ("application/x-www-form-urlencoded", b"a=b"), ("application/json", b"{}"))
    for number, path in enumerate(sorted(paths)):
        orders = path.startswith(("/+api/releases", "/+api/rulings"))
        for place, method in enumerate(("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")):
            # What POST brings decides; what others bring is another thing at each address.
            for kind, body in bodies if method == "POST" else [bodies[(number + place) % 3]]:
                status = town.ask(login, method, path, kind, body).status
                assert status == 405 or (orders and status in (401, 404, 415)), (method, path, kind)
    for path in (*ORDERS, *RULINGS):
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
            assert town.ask(login, method, path, "application/json", b"{}").status == 405, (method, path)
        assert town.ask(login, "POST", path, "text/plain", b"{}").status == 415
