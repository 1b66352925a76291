"""Every page in a real browser: light, quick to use on a telephone as on a wide screen, by day and by night, by the keyboard and by who cannot see it (P9)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR
from tests.browser.axe import hindrances
from tests.browser.chromium import Chromium, Tab, chromium
from tests.browser.household import BAD_DAY, KINDS, PATHS, SCREENS, bad_day, furnished
from tests.browser.living import living
from tests.browser.test_administration import pressed
from tests.gear import inline, now
from tests.web.administering import Browser
from tests.web.test_admin import PASSWORD
from tests.web.test_search import Sought

HEAVIEST = 60_000
"""Bytes that a page may weigh on the line, with all that it loads and nothing of it known from before."""
MOST_REQUESTS = 5
SHAPE = """(() => {
  const all = (what) => [...document.querySelectorAll(what)], wrong = [];
  const named = (one) => one.outerHTML.slice(0, 100);
  if (document.documentElement.lang !== 'en') wrong.push('no language');
  if (!document.title.endsWith('pypidaemon')) wrong.push('title ' + document.title);
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5, h6')) {
    // Descriptions have the headings that their authors gave them.
    if (heading.closest('.readme')) continue;
    const its = Number(heading.tagName[1]);
    if (its > level + 1) wrong.push(`h${its} after h${level}: ${named(heading)}`);
    level = its;
  }
  for (const [what, count] of [['h1:not(.readme *)', 1], ['main', 1], ['body > header', 1], ['body > footer', 1]])
    if (all(what).length !== count) wrong.push(`${all(what).length} of ${what}`);
  const ids = all('[id]').map(one => one.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id is there twice: ' + ids.filter((one, place) => ids.indexOf(one) !== place));
  for (const one of all('input:not([type=hidden], .readme *), select, textarea'))
    if (!one.labels?.length && !one.getAttribute('aria-label')) wrong.push('no label: ' + named(one));
  for (const one of all('svg[role=img]')) if (!one.getAttribute('aria-label')) wrong.push('no words: ' + named(one));
  // WCAG 2.2, 2.5.8; links in a sentence are as high as its lines, and a box to tick is as large as its label.
  for (const one of all('button, summary, .button, nav a, input:not([type=hidden], .readme *)')) {
    const box = (one.type === 'checkbox' && one.closest('label') || one).getBoundingClientRect();
    if (box.width && Math.min(box.width, box.height) < 24) wrong.push(`${box.width} by ${box.height}: ${named(one)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('too wide: ' + all('main *').filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll, pre, .readme table')).map(named)[0]);
  return wrong;
})()"""
"""What is wrong with how a page is built."""
BAD = '<h5>x</h5><img src=x><input><p style="color:#eee;background:#fff">grey</p><button style="width:9px;padding:0;height:9px">x</button>'
"""What both have something to say about."""
FOCUSED = """(() => {
  const one = document.activeElement, style = getComputedStyle(one);
  if (one === document.body) return null;
  return [one.outerHTML.slice(0, 100), one.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
})()"""


@attrs.frozen(repr=False)
class Stage:
    """A browser before a house."""

    house: Sought
    browser: Chromium
    root: str


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all, since both are slow to make."""
    house = furnished(tmp_path_factory.mktemp("house"))
    with living(house) as root, chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield Stage(house, browser, root)
    now(house.service.stopService())
    assert house.searched is not None
    now(house.searched.stopService())


def key(tab: Tab, name: str, code: int) -> None:
    """Press a key and let it go."""
    for kind in ("rawKeyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)


def test_a_page_is_light(stage: Stage) -> None:
    """At most 60 KB and five requests with nothing known from before, also that of a project with 3,000 files; and the console stays empty."""
    tab = stage.browser.open()
    tab.call("Network.setCacheDisabled", cacheDisabled=True)
    for path in PATHS:
        seen = tab.show(stage.root + path)
        loaded = [url for url in seen.asked if not url.startswith(("data:", f"{stage.root}/+events"))]
        assert len(loaded) <= MOST_REQUESTS, (path, loaded)
        assert 500 < seen.bytes <= HEAVIEST, (path, seen.bytes)
        assert (seen.dialogs, seen.said, seen.refused) == ([], [], []), path
        assert tab.run("document.querySelectorAll('*').length") < 2000, path


def test_what_is_on_no_page_of_3000_files_is_a_link_away(stage: Stage) -> None:
    """The page leads to all files and to all releases, and each page of these to the next."""
    tab = stage.browser.open()
    names = "[...document.querySelectorAll('.files tbody th > a')].map(one => one.textContent)"
    tab.show(f"{stage.root}/project/many/")
    few = tab.run(names)
    tab.show(tab.run("document.querySelector('a[href*=\"show=files\"]').href"))
    first = tab.run(names)
    assert set(few) < set(first)
    tab.show(tab.run("document.querySelector('a[rel=next]').href"))
    assert len({*first, *tab.run(names)}) == 2 * len(first)


@pytest.mark.parametrize("weather", ["good", "bad"])
def test_nobody_is_kept_out(stage: Stage, weather: str) -> None:
    """By axe-core and by our own looking, on each kind of page, on both screens; that these see what is wrong is looked at first."""
    tab = stage.browser.open()
    # A page has to forget its policy for a tool that puts style into it.
    tab.without_policy()
    if weather == "bad":
        bad_day(stage.house)
    else:
        _sees_what_is_wrong(tab, stage)
    for path in KINDS if weather == "good" else BAD_DAY:
        tab.show(stage.root + path)
        _is_for_everybody(tab, path)


def _sees_what_is_wrong(tab: Tab, stage: Stage) -> None:
    tab.show(f"{stage.root}/nowhere")
    tab.run(f"document.querySelector('main').insertAdjacentHTML('beforeend', `{BAD}`)")
    assert {line.partition(":")[0].partition(" ")[2] for line in hindrances(tab)} >= {
        "label",
        "image-alt",
        "color-contrast",
        "heading-order",
    }
    assert len(tab.run(SHAPE)) == 3


def test_nobody_is_kept_out_of_the_administration(stage: Stage) -> None:
    """Its pages are held to the same, those of who has signed in as the one where that is done; they are light, too."""
    house = stage.house
    house.accounts.users.passwords = Passwords(inline, 1, 8)
    now(house.door.people.add_user(OPERATOR, "bob", PASSWORD))
    house.grant("bob", "admin", "*")
    # Words that differ, as of a daemon.
    Browser(house)
    tab = stage.browser.open()
    tab.without_policy()
    tab.call("Network.setCacheDisabled", cacheDisabled=True)
    tab.show(f"{stage.root}/+admin/")
    assert tab.run("location.pathname") == "/+admin/sign-in"
    _is_for_everybody(tab, "sign-in")
    pressed(stage.browser, tab, {"name": "bob", "password": PASSWORD}, "Sign in")
    for path in ("", "accounts/", "tokens/", "rulings/", "status/", "project/our-thing/", "project/our-thing/1.0/"):
        tab.screen(1280, 900)
        seen = tab.show(f"{stage.root}/+admin/{path}")
        assert tab.run("location.pathname") == f"/+admin/{path}"
        assert len(seen.asked) <= MOST_REQUESTS, (path, seen.asked)
        assert 500 < seen.bytes <= HEAVIEST, (path, seen.bytes)
        _is_for_everybody(tab, path)


def _is_for_everybody(tab: Tab, path: str) -> None:
    for screen in SCREENS:
        tab.screen(screen.width, 900, dark=screen.dark)
        assert tab.run(SHAPE) == [], (path, str(screen))
        # Which words there are is the same on both, and colours are not.
        assert hindrances(tab, contrast_alone=screen.width > 1000) == [], (path, str(screen))


def test_what_has_the_focus_is_seen_to_have_it(stage: Stage) -> None:
    """The tab key goes through all of a page, and out of it again, and each stop has a frame of two pixels; the first one leads past the bar."""
    tab = stage.browser.open()
    for path in ("/", "/project/everything/", "/status/"):
        tab.show(stage.root + path)
        stops = []
        while len(stops) < 200:
            key(tab, "Tab", 9)
            found = tab.run(FOCUSED)
            if found is None:
                break
            stops.append(found)
        assert 10 < len(stops) < 200, path
        assert "skip" in stops[0][0]
        assert [words for words, seen in stops if not seen] == [], path
