"""The administration walked through in a real browser: signed in, yanked, packed, signed out (S74, S75, C11)."""

from __future__ import annotations

from pathlib import Path

from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.testing.archives import make_wheel
from pypidaemon.web.views.admin_page import FORM_WORD
from tests.browser.chromium import Chromium, Tab, chromium
from tests.browser.living import living
from tests.gear import inline, now
from tests.house import House
from tests.web.administering import Browser
from tests.web.test_admin import PASSWORD, wheel

LABELLED = """
[...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')].every(one => one.labels.length > 0)
&& [...document.querySelectorAll('main button')].every(one => one.textContent.trim() && one.type === 'submit')
"""
"""Whether each field of the page has a label, and each button says what it does."""
ADDRESSES = ("", "accounts/", "tokens/", "rulings/", "status/", "project/beta/", "project/beta/1.0/")


def pressed(browser: Chromium, tab: Tab, fields: dict[str, str], button: str, form: str = "form.order") -> None:
    """Fill that form in and send it, as a person would; come back when the page that follows is loaded."""
    tab.seen = type(tab.seen)()
    browser.loaded = False
    for name, value in fields.items():
        tab.run(f"document.querySelector({form!r} + ' [name={name}]').value = {value!r}")
    tab.run(f"[...document.querySelectorAll('main button')].find(one => one.textContent === {button!r}).click()")
    while not browser.loaded:
        browser.hear()
    assert (tab.seen.refused, tab.seen.said) == ([], [])


def test_S74_S75_C11_administration(tmp_path: Path) -> None:
    """Every form by its own page; another site's is refused, and no script has the cookie."""
    house = House(by_both_roads=False)
    house.accounts.users.passwords = Passwords(inline, 1, 8)
    house.upstream.add("alpha", make_wheel("alpha", "1.0"))
    private = house.with_private()
    wheel(house, private, "beta", "1.0")
    now(house.door.people.add_user(OPERATOR, "ann", PASSWORD))
    house.grant("ann", "admin", "*")
    # Words that differ, as of a daemon.
    Browser(house)
    with living(house) as root, chromium(tmp_path) as browser:
        tab = browser.open()
        tab.show(f"{root}/+admin/project/beta/1.0/")
        assert tab.run("location.pathname") == "/+admin/sign-in"
        assert tab.run(LABELLED)
        pressed(browser, tab, {"name": "ann", "password": "wrong one"}, "Sign in")
        assert "not good" in tab.run("document.querySelector('main').textContent")
        pressed(browser, tab, {"name": "ann", "password": PASSWORD}, "Sign in")
        tab.show(f"{root}/+admin/project/beta/1.0/")
        assert tab.run("document.cookie") == ""
        pressed(browser, tab, {"reason": "too old"}, "Yank", "form[action$=yank]")
        assert "is yanked: 1 file changed" in tab.run("document.querySelector('[role=status]').textContent")
        tab.show(f"{root}/project/beta/")
        assert "too old" in tab.run("document.querySelector('main').textContent")
        for width, dark in ((360, True), (1200, False)):
            tab.screen(width, 900, dark=dark)
            for path in ADDRESSES:
                seen = tab.show(f"{root}/+admin/{path}")
                assert tab.run("location.pathname") == f"/+admin/{path}"
                assert (seen.dialogs, seen.said, seen.refused, len(seen.asked) <= 5, seen.bytes <= 60_000) == ([], [], [], True, True)
                assert tab.run("document.documentElement.scrollWidth <= innerWidth"), (path, width)
                assert tab.run(LABELLED), path
        tab.show(f"{root}/+admin/status/")
        pressed(browser, tab, {"text": "alpha==1.0\nabsent==2.0\n", "python": "3.12", "more": "linux"}, "Pack", "form[action$=pack]")
        assert tab.run("location.pathname") == "/+admin/packs/1/"
        said = tab.run("document.querySelector('main').textContent")
        assert "1 thing is missing" in said
        assert "the index does not have it" in said
        word = tab.run(f"document.querySelector('[name={FORM_WORD}]').value")
        _cross(browser, root, word)
        tab.show(f"{root}/+admin/")
        # A browser that sends no word of the session's own.
        tab.run(f"document.querySelector('[action$=sign-out] [name={FORM_WORD}]').value = ''")
        pressed(browser, tab, {}, "Sign out")
        assert "not of the session" in tab.run("document.querySelector('main').textContent")
        tab.show(f"{root}/+admin/")
        pressed(browser, tab, {}, "Sign out")
        tab.show(f"{root}/+admin/accounts/")
        assert tab.run("location.pathname") == "/+admin/sign-in"


def _cross(browser: Chromium, root: str, word: str) -> None:
    """A page of another origin posts a form here, with a word that it has from somewhere; the browser says that it is one."""
    tab = browser.open()
    tab.show("about:blank")
    tab.seen = type(tab.seen)()
    browser.tab, browser.loaded = tab, False
    tab.run(
        f'document.body.innerHTML = \'<form method=post action="{root}/+admin/releases/unyank">'
        f'<input name="{FORM_WORD}" value="{word}"><input name=project value=beta><input name=version value=1.0></form>\';'
        "document.querySelector('form').submit()"
    )
    while not browser.loaded:
        browser.hear()
    assert "pages of other sites may give no orders here" in tab.run("document.body.textContent")
