"""
S79, S82: every way by which words of others come into something that a browser opens, with every attack through each of them.

What authors write into METADATA is in `test_attacks`, what the status page shows in `test_status_page`; here is all the rest, and what is made for programs
and opened by people all the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest

from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import CorruptContent, Refused, UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.model import NormalizedName, ProjectStatus
from tests.browser.attacks import ADDRESSES, ATTACKS
from tests.browser.chromium import Chromium, Tab, chromium
from tests.browser.living import living
from tests.browser.test_administration import pressed
from tests.browser.test_attacks import CONTROL, HARMLESS, folded
from tests.fakes import file, page
from tests.gear import inline, now
from tests.readmes import InlineReadmes
from tests.web.administering import Browser
from tests.web.posting import order
from tests.web.test_admin import PASSWORD
from tests.web.test_search import Sought
from tests.web.test_uploads import upload, wheel

ALL = folded(" ".join(ATTACKS))
HTML = "text/html"
SENTINEL = "window.__hit = []; for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = (said) => { window.__hit.push(name + ' ' + said); };"
"""Put into each document before anything of it runs: whoever calls one of these is caught."""


@attrs.frozen(repr=False)
class Stage:
    """A browser before a house in which everybody is hostile."""

    house: Sought
    browser: Chromium
    root: str

    def tab(self, *, policy: bool) -> Tab:
        """A tab in which nothing goes unnoticed; without the policy of pages nothing keeps them from doing harm but what stands in them."""
        tab = self.browser.open()
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=SENTINEL)
        if not policy:
            tab.without_policy()
        return tab


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all, since both are slow to make."""
    house = Sought(by_both_roads=False)
    private = house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    for stocked in WAYS.values():
        stocked(house)
    pypi = house.door.routes.indexes["pypi"]
    root = FirstMatch("root", (house.barred(private), house.barred(pypi)), house.records)
    house.open({"root": root, "private": private, "pypi": pypi}, "root")
    for place, attack in enumerate(ATTACKS):
        perform = house.door.routes.rulings.rulemaking.perform
        target = "blocked" if place == 0 else f"releases=={place}.0"
        now(perform("block", {"target": target, "reason": folded(attack if place else ALL)}, THE_OPERATOR))
    house.search(tmp_path_factory.mktemp("house"))
    house.door.routes.views.desk.project.readmes = InlineReadmes(house.clock)
    with living(house) as url, chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield Stage(house, browser, url)
    now(house.service.stopService())
    assert house.searched is not None
    now(house.searched.stopService())


def filenames(house: Sought) -> None:
    """Names of files, their addresses, and their sizes of time, as an upstream may give them."""
    files = [
        attrs.evolve(
            file(f"names-{place}.0.tar.gz"), filename=f"names-{place}.0{attack}.tar.gz", upload_time=folded(attack), requires_python=attack
        )  # type: ignore[arg-type]  # no reader of ours gives that
        for place, attack in enumerate(map(folded, ATTACKS))
    ]
    addresses = [attrs.evolve(file(f"names-99.{place}.tar.gz"), path=address) for place, address in enumerate(ADDRESSES)]
    house.upstream.pages["names"] = page("names", *files, *addresses, versions=tuple(map(folded, ATTACKS)))


def statuses(house: Sought) -> None:
    """Reasons of yanks and of a project's state."""
    files = [attrs.evolve(file(f"yanked-{place}.0.tar.gz"), yanked=attack) for place, attack in enumerate(ATTACKS)]
    house.upstream.pages["yanked"] = page("yanked", *files, status=ProjectStatus("quarantined", ALL))
    house.upstream.pages["odd"] = page("odd", file("odd-1.0.tar.gz"), status=ProjectStatus(ATTACKS[0], ALL))


def troubles(house: Sought) -> None:
    """What an upstream says when it fails, and what was wrong with what it sent."""
    house.upstream.pages["away"] = UpstreamUnavailable("pypi", ALL)
    house.upstream.pages["corrupt"] = CorruptContent(ALL)
    house.upstream.pages["refused"] = Refused(ATTACKS[0], ALL)
    house.upstream.health.cause = ALL


def blocks(house: Sought) -> None:
    """Reasons of blocks, which people give."""
    house.upstream.pages["blocked"] = page("blocked", file("blocked-1.0.tar.gz"))
    files = [file(f"releases-{place}.0.tar.gz") for place in range(len(ATTACKS) + 1)]
    house.upstream.pages["releases"] = page("releases", *files)


def uploads(house: Sought) -> None:
    """Summaries that are found, reasons of yanks that people give, and what an archive is called inside."""
    for place, attack in enumerate(ATTACKS[:12]):
        summary = folded("".join(sign for sign in attack if sign.isprintable()))
        assert upload(house, house.tokens["ann"], wheel(f"Found{place}", summary=f"needle {summary}")).status == 200
        order(house, "yank", house.tokens["ann"], project=f"found{place}", version="1.0", reason=folded(attack))


def documents(house: Sought) -> None:
    """A file and a METADATA that are HTML, and others that are SVG; a browser that guesses what they are would run them (S82)."""
    files = []
    for place, data in enumerate((CONTROL.encode(), b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')):
        files.append(file(f"documents-{place}.0-py3-none-any.whl", data, core_metadata=hashlib.sha256(data).hexdigest()))
        house.upstream.bodies[files[-1].url] = house.upstream.bodies[f"{files[-1].url}.metadata"] = data
    house.upstream.pages["documents"] = page("documents", *files)


WAYS: Mapping[str, Callable[[Sought], None]] = {
    "file names": filenames, "states": statuses, "troubles": troubles, "blocks": blocks, "uploads": uploads, "documents": documents,
}  # fmt: skip
SAID = quote(ATTACKS[0].replace("/", ""), safe="")
PAGES = (
    *(
        f"/project/{name}/"
        for name in ("names", "yanked", "odd", "away", "corrupt", "refused", "blocked", "releases", "found0", "documents")
    ),
    "/project/names/?show=files",
    "/project/names/?show=versions",
    "/project/releases/3.0/",
    "/project/found1/1.0/",
    *(f"/+why/{name}" for name in ("names", "yanked", "away", "corrupt", "refused", "blocked", "releases", "releases/3.0", "found0")),
    "/search/?q=needle",
    f"/search/?q=%22%3E{SAID}",
    f"/index/private/search/?q={SAID}",
    "/search/?q=" + "%3Cscript%3E" * 30,
    f"/project/{SAID}/",
    f"/project/names/{SAID}/",
    f"/+why/names/{SAID}",
    f"/{SAID}",
    f"/?{SAID}={SAID}",
    f"/status/?span={SAID}",
    f"/index/{SAID}/",
    "/",
    "/index/private/",
    "/status/",
)
"""Made for people."""
FOR_PROGRAMS = (
    *(f"/simple/{name}/" for name in ("names", "yanked", "odd", "away", "corrupt", "refused", "blocked", "releases", "found0")),
    "/simple/",
    f"/simple/{SAID}/",
    f"/packages/{SAID}",
    "/links/",
    "/index/private/links/",
    "/rss/updates.xml",
    "/rss/packages.xml",
    "/rss/project/names/releases.xml",
    f"/rss/project/{SAID}/releases.xml",
    "/pypi/names/json",
    "/pypi/found0/json",
    "/pypi/away/json",
    "/+why/names?format=text",
    "/+why/names?format=json",
    f"/at/{SAID}/",
    "/+health",
    "/+metrics",
    f"/+static/{SAID}/style.css",
)
"""Made for programs, and people open it."""


def is_quiet(tab: Tab, stage: Stage, path: str) -> None:
    """Nothing of that address runs, asks anybody for anything, or tries to."""
    seen = tab.show(stage.root + path)
    assert (seen.dialogs, seen.said) == ([], []), path
    assert tab.run("window.__hit") == [], path
    # What has no icon of its own is asked for one at the root.
    known = ("data:image/", *(f"{stage.root}/{place}" for place in ("+static/", "+events", "favicon.ico")))
    asked = [url for url in seen.asked if url != tab.run("location.href") and not url.startswith(known)]
    assert asked == [], path
    assert tab.run("location.href") == tab.run(f"new URL({stage.root + path!r}).href"), path


def test_the_sentinel_sees(stage: Stage, tmp_path: Path) -> None:
    """Or all the others would say nothing."""
    tab = stage.tab(policy=False)
    tab.call("Page.navigate", url="data:text/html;base64," + base64.b64encode(CONTROL.encode()).decode())
    assert (
        tab.run("new Promise(done => { const look = () => window.__hit?.length ? done(window.__hit[0]) : setTimeout(look, 10); look(); })")
        == "alert ran"
    )


def test_S79_S82_nothing_comes_in_by_any_way(stage: Stage) -> None:
    """By what stands in pages alone: the browser is told to forget their policy."""
    assert len(PAGES) + len(FOR_PROGRAMS) >= 50
    tab = stage.tab(policy=False)
    for path in PAGES:
        is_quiet(tab, stage, path)
        assert tab.run(HARMLESS) == [], path
        assert tab.run("document.querySelectorAll('main').length") == 1, path
    for path in FOR_PROGRAMS:
        is_quiet(tab, stage, path)
        assert tab.run("document.querySelectorAll('script, iframe, object, embed, img, svg, form, base').length") == 0, path


def test_S79_nothing_comes_into_the_administration(stage: Stage) -> None:
    """Where most is to be lost: who has signed in sees reasons, names and troubles that others gave."""
    house = stage.house
    house.accounts.users.passwords = Passwords(inline, 1, 8)
    now(house.door.people.add_user(OPERATOR, "bob", PASSWORD))
    house.grant("bob", "admin", "*")
    # Words that differ, as of a daemon.
    Browser(house)
    tab = stage.tab(policy=False)
    tab.show(f"{stage.root}/+admin/")
    pressed(stage.browser, tab, {"name": "bob", "password": PASSWORD}, "Sign in")
    for path in (
        "",
        "accounts/",
        "tokens/",
        "rulings/",
        "status/",
        "project/blocked/",
        "project/found0/",
        "project/found0/1.0/",
        f"project/{SAID}/",
        SAID,
    ):
        is_quiet(tab, stage, f"/+admin/{path}")
    tab.show(f"{stage.root}/+admin/rulings/")
    assert "alert(" in tab.run("document.querySelector('main').textContent")


def test_S81_no_page_tries_what_its_policy_forbids(stage: Stage) -> None:
    """With the policy in force nothing is reported as a breach of it: pages with most of others' words keep to it by themselves."""
    tab = stage.tab(policy=True)
    for path in PAGES[:14]:
        seen = tab.show(stage.root + path)
        assert (seen.refused, seen.dialogs, seen.said) == ([], [], []), path


def test_S82_what_is_in_an_archive_is_no_page(stage: Stage) -> None:
    """It is never shown in a window of ours, whatever it is: METADATA is text, and a file is kept."""
    listing = stage.house.get("/simple/documents/", accept="text/html").body.decode()
    paths = [one.partition("#")[0] for one in listing.split('href="')[1:]]
    assert len(paths) == 2
    for path in (one.partition('"')[0].replace("../../", "/") for one in paths):
        for wanted in (path, f"{path}.metadata"):
            reply = stage.house.get(wanted, accept=HTML)
            headers = {name.lower(): value for name, value in reply.headers}
            reply.close()
            assert "html" not in headers["content-type"]
            assert "svg" not in headers["content-type"]
            assert headers["x-content-type-options"] == "nosniff"


def test_a_name_that_is_none_is_in_no_list(stage: Stage) -> None:
    """Names that an upstream lists are names, so a list cannot say anything else."""
    for attack in ATTACKS:
        stage.house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"fine"}]}'
        assert NormalizedName(attack) not in stage.house.get("/simple/", accept=HTML).body.decode()
