"""S79-S82: nothing that an author of a package writes is run by a real browser, nor makes it ask anybody for anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from urllib.parse import quote

import attrs
import pytest

from pypidaemon.model import ProjectStatus
from pypidaemon.web.reply import Reply
from pypidaemon.web.views import static
from pypidaemon.web.views.markup import tag
from tests.browser.attacks import ADDRESSES, ATTACKS
from tests.browser.chromium import Chromium, Seen, chromium
from tests.browser.listening import Quiet, listening
from tests.fakes import page
from tests.gear import now
from tests.house import House
from tests.readmes import described, rendering


@contextmanager
def served(replies: Mapping[str, Reply]) -> Iterator[str]:
    """These answers at their paths on loopback, with their own headers; anything else is 404."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            reply = replies.get(self.path, Reply(404))
            self.give(reply, reply.body)

    with listening(Handler, ThreadingHTTPServer) as url:
        yield url


def folded(text: str) -> str:
    """As a value of METADATA: on one line."""
    return " ".join(text.split("\n"))


def metadata(kind: str, attacks: tuple[str, ...]) -> str:
    """METADATA with all of that everywhere."""
    lines = ["Metadata-Version: 2.4", "Name: alpha", "Version: 1.0"]
    fields = ("Summary", "Author", "Maintainer", "License", "Keywords", "Requires-Python")
    for place, field in enumerate(fields):
        # Only the beginning of each is shown.
        lines.append(f"{field}: {folded(' '.join(attacks[place * 5 :] + attacks[: place * 5]))}")
    for attack in map(folded, attacks):
        lines += [
            f"Classifier: {attack}",
            f"Requires-Dist: {attack}",
            f'Requires-Dist: x; extra == "{attack}"',
            f"Provides-Extra: {attack}",
        ]
        lines += [f"Project-URL: {attack}, https://example.org/{attack}"]
    lines += [f"Project-URL: {place}, {address}" for place, address in enumerate(ADDRESSES)]
    lines += [f"Home-page: {ADDRESSES[0]}", f"Download-URL: {ADDRESSES[1]}"]
    if kind:
        lines.append(f"Description-Content-Type: {kind}")
    return "\n".join([*lines, "", "\n\n".join(attacks)])


def pages() -> dict[str, Reply]:
    """A project page for each kind of description, and others that show what came from elsewhere."""
    house = rendering(House())
    answers: dict[str, Reply] = {}
    half = len(ATTACKS) // 2
    # One bad directive has the whole of a reStructuredText shown as it is, as the last of these is.
    directives = tuple(attack for attack in ATTACKS if attack.startswith(".. "))
    cases = [
        ("text/markdown", ATTACKS[:half], ""),
        ("text/markdown", ATTACKS[half:], "?show=description"),
        ("", tuple(attack for attack in ATTACKS if attack not in directives), ""),
        ("text/plain", ATTACKS, ""),
    ]
    for number, (kind, attacks, query) in enumerate(cases):
        name = f"alpha{number}"
        words = folded(" ".join(attacks))
        entry = described(house, f"{name}-1.0-py3-none-any.whl", metadata(kind, attacks), yanked=words, requires_python=words)
        versions = ("1.0", *map(folded, attacks[:20]))
        house.upstream.pages[name] = page(name, entry, status=ProjectStatus("archived", words), versions=versions)
        path = f"/project/{name}/{query}"
        answers[path] = house.get(path, accept="text/html")
    ask = house.ask("/project/x/", accept="text/html")
    answers[f"/project/{quote(NAME)}/"] = now(house.door.routes.handle(attrs.evolve(ask, segments=("project", NAME, ""))))
    asked = attrs.evolve(ask, segments=("search", ""), query=(("q", NAME),))
    answers["/search/?q=attack"] = now(house.door.routes.handle(asked))
    answers["/"] = house.get("/", accept="text/html")
    for name, asset in static.ASSETS.items():
        path = "/" + static.path(name)
        answers[path] = house.get(path)
        assert asset.word in path
    return answers


NAME = '"><script>alert(90)</script><img src=x onerror=alert(91)>'.replace("/", "")
"""What somebody may be led to ask for."""
HARMLESS = """
[...document.querySelectorAll('a[href]')].filter(a => !['http:', 'https:', 'mailto:'].includes(a.protocol)).map(a => a.href)
  .concat([...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => a.name)).filter(name => /^on|^style$|^srcset$/.test(name)))
  .concat([...document.querySelectorAll('script:not([src]),iframe,object,embed,base,style,form:not([role=search])')].map(e => e.tagName))
  .concat(document.documentElement.scrollWidth > innerWidth ? ['too wide'] : [])
"""
"""All that should not be there: it is an empty list."""
CONTROL = "<!DOCTYPE html><title>x</title><script>alert('ran')</script><img src=/stolen.png onerror=console.log('ran')><iframe src=javascript:parent.alert(1)></iframe>"


@attrs.frozen
class Stage:
    """A browser, and where the pages are that it is shown."""

    browser: Chromium
    root: str
    answers: Mapping[str, Reply]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One browser for all, since it is slow to start."""
    answers = pages()
    protection = tuple(pair for pair in answers["/"].headers if pair[0] == "Content-Security-Policy")
    answers["/control"] = Reply(200, (("Content-Type", "text/html"),), CONTROL.encode())
    answers["/stopped"] = Reply(200, (("Content-Type", "text/html"), *protection), CONTROL.encode())
    with served(answers) as root, chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield Stage(browser, root, answers)


def test_S79_S82_nothing_runs(stage: Stage) -> None:
    """
    By what stands in the pages alone: the browser is told to forget their policy. That what runs would be seen is looked at first, and that the
    policy would stop it (S81).
    """
    root = stage.root
    assert len(ATTACKS) + len(ADDRESSES) >= 60
    tab = stage.browser.open()
    assert tab.show(f"{root}/stopped").dialogs == []
    assert tab.seen.refused
    tab.without_policy()
    seen = tab.show(f"{root}/control")
    assert seen.dialogs[0] == "ran"
    assert f"{root}/stolen.png" in seen.asked
    # What is looked at is there at all: METADATA that could not be read would be shown by nobody.
    assert stage.answers["/project/alpha3/"].body.count(b"alert(") > 400
    for path, reply in stage.answers.items():
        if path.startswith(("/project/", "/search/")):
            assert reply.status in {200, 404}, path
            _is_quiet(path, tab.show(root + path), root)
            assert tab.run(HARMLESS) == [], path


def _is_quiet(path: str, seen: Seen, root: str) -> None:
    assert (seen.dialogs, seen.said) == ([], []), path
    others = [url for url in seen.asked[1:] if not url.startswith((f"{root}/+static/", "data:image/"))]
    assert others == [], path


def test_a_page_is_light_and_quick(stage: Stage) -> None:
    """At most 60 KB and five requests, without a word on the console, on a phone as on a wide screen, light and dark."""
    root = stage.root
    tab = stage.browser.open()
    for width, dark in ((360, False), (1400, True)):
        tab.screen(width, 900, dark=dark)
        for path in ("/",) if dark else ("/project/alpha0/",):
            seen = tab.show(root + path)
            assert len(seen.asked) <= 5
            assert seen.bytes <= 60_000
            assert (seen.said, seen.refused) == ([], [])
            assert tab.run("document.documentElement.scrollWidth <= innerWidth")
            paper, ink = tab.run("[getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color]")
            assert (_brightness(paper) < _brightness(ink)) is dark
            # What is there to be copied has its button, and the first thing that the tab key reaches leads past the bar.
            assert tab.run("document.querySelectorAll('.copying > button').length > 0")
            assert tab.run("document.querySelector('a').className") == "skip"


def _brightness(colour: str) -> int:
    return sum(int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])


@pytest.mark.parametrize("attack", ADDRESSES)
def test_S79_addresses_are_links_or_text(attack: str) -> None:
    """Also without a browser: what is no plain address is no link."""
    link = tag("a", "x", href=attack)
    assert "alert" not in link or ("https:" in link and "<script" not in link and link.count('"') == 2)
