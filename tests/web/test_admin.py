"""The administration in the browser: who may do what there, and that nobody else can have it done (S72-S75, S78)."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest
from zope.interface import implementer

from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.accounts.throttle import LIMIT, Throttle
from pypidaemon.interfaces import IProbed
from pypidaemon.model import NormalizedName
from pypidaemon.testing.archives import make_wheel
from pypidaemon.waits import Bell
from pypidaemon.web.posted import PLAIN
from pypidaemon.web.reply import Reply
from tests.contracts.hosted_index import Yard, publish, upload
from tests.fakes import FakeHealth
from tests.gear import inline, later, now, waiting
from tests.house import House, header
from tests.web.administering import Browser
from tests.web.test_rights_matrix import FRESH, KINDS, LOGINS, OURS, Town, founded

PASSWORD = "correct horse"
SIGNED = [(kind, way) for kind, way in LOGINS if way in ("password", "__token__")]


def wheel(house: House, index: Any, name: str, version: str) -> None:
    """Upload a release."""
    filename, data = make_wheel(name, version)
    yard = Yard(house.records, house.blobs, house.clock, house.announcements)
    publish(yard, index, said=upload(filename, name=name, version=version), data=data)


@pytest.fixture
def house() -> House:
    """A private index with beta, before a proxy with alpha; ann may do everything."""
    made = House(by_both_roads=False)
    # What passwords cost is looked at elsewhere.
    made.accounts.users.passwords = Passwords(inline, 1, 8)
    made.upstream.add("alpha", make_wheel("alpha", "1.0"))
    private = made.with_private()
    for version in ("1.0", "2.0"):
        wheel(made, private, "beta", version)
    now(made.door.people.add_user(OPERATOR, "ann", PASSWORD))
    made.grant("ann", "admin", "*")
    return made


def test_a_daemon_that_nobody_administers_there_has_nothing_of_it_in_memory() -> None:
    """It is loaded with the first request."""
    code = (
        "import sys, pypidaemon.assembly, pypidaemon.web.door; "
        "print(*sorted(name for name in sys.modules if '.admin_' in name or name.endswith(('.admin', '.posted', '.probes', '.sessions'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


def test_it_is_loaded_on_a_thread_and_made_once(house: House) -> None:
    """However many come first."""
    house.with_private()
    admin, gate, loaded = house.door.routes.admin, Bell(), []

    async def slow(function: Any, *args: Any, **kwargs: Any) -> Any:
        loaded.append(function.__name__)
        await gate.wait()
        return function(*args, **kwargs)

    admin.cpu = slow
    assert admin.flights == ()
    admin.end("ann")
    asking = [later(admin.answer(house.ask("/+admin/sign-in"))) for _ in range(2)]
    assert all(waiting(one) for one in asking)
    gate.ring()
    assert [now(one).status for one in asking] == [200, 200]
    desk = admin.desk
    assert now(admin.loaded()) is desk
    assert loaded == ["load", "load"]
    assert len(admin.flights) == 1


@pytest.fixture
def ann(house: House) -> Browser:
    """Has signed in."""
    browser = Browser(house)
    assert browser.sign_in("ann", PASSWORD).status == 303
    return browser


@implementer(IProbed)
@attrs.define
class Probed:
    """An upstream that can be asked for something small, which it answers once `gate` rings."""

    health: FakeHealth = attrs.field(factory=FakeHealth)
    asked: list[str] = attrs.field(factory=list)
    gate: Bell | None = None

    async def probe(self, name: NormalizedName) -> None:
        """As `IProbed`."""
        self.asked.append(name)
        if self.gate is not None:
            await self.gate.wait()


def deeds(house: House) -> list[tuple[str, str, str, str]]:
    """What the audit log has."""
    return [(deed.account, deed.address, deed.action, deed.subject) for deed in now(house.records.accounts.deeds(0, 999))]


def test_S75_the_cookie_is_for_this_folder_and_for_no_script(house: House) -> None:
    """It has no path, so that browsers take the folder that it came from; by TLS nobody else can set it, nor read it."""
    browser = Browser(house)
    reply = browser.post("sign-in", name="ann", password=PASSWORD, to="project/beta/")
    said = header(reply, "Set-Cookie") or ""
    name, _, rest = said.partition("=")
    assert (reply.status, header(reply, "Location"), name) == (303, "./project/beta/", "pypidaemon-session")
    assert rest.partition(";")[2] == " HttpOnly; SameSite=Strict"
    first = browser.cookie
    browser.get("")
    assert browser.sign_in("ann", PASSWORD).status == 303
    assert browser.cookie != first
    # What it had before is good for nothing any more.
    assert Browser(house, first).get("").status == 303
    ask = attrs.evolve(house.ask("/+admin/sign-in", "POST", content_type=PLAIN), secure=True)
    receiver: Any = now(house.door.receive(ask))  # type: ignore[arg-type]  # a coroutine
    now(receiver.write(b"name=ann&password=correct+horse"))
    said = header(now(receiver.finish()), "Set-Cookie") or ""
    assert said.startswith("__Secure-pypidaemon-session=")
    assert said.endswith("; HttpOnly; SameSite=Strict; Secure")
    # One from a page without TLS is not heeded with it.
    assert now(house.door.routes.handle(attrs.evolve(house.ask("/+admin/", cookie=browser.cookie), secure=True))).status == 303


def test_S75_what_a_public_url_says_of_tls_counts_for_its_own_name(house: House) -> None:
    """A proxy in front may have taken the TLS off, and not be one of those that are believed."""
    house.public_url = "https://index.example/"
    house.with_private()
    ask = attrs.evolve(house.ask("/+admin/sign-in", "POST", content_type=PLAIN), host="index.example")
    receiver: Any = now(house.door.receive(ask))  # type: ignore[arg-type]  # a coroutine
    now(receiver.write(b"name=ann&password=correct+horse"))
    assert (header(now(receiver.finish()), "Set-Cookie") or "").endswith("; Secure")


@pytest.mark.parametrize(
    "to", ["//evil.example/", "https://evil.example/", "/simple/", "../", "..", "a\\b/", "x" * 9000, "a/b/c/d/", "javascript:x/"]
)
def test_S60_who_has_signed_in_is_led_nowhere_else(house: House, to: str) -> None:
    assert header(Browser(house).post("sign-in", name="ann", password=PASSWORD, to=to), "Location") == "./"


def test_who_has_not_signed_in_is_led_there_and_back(house: House) -> None:
    """By GET; whoever sends a form is told. No browser is made to ask for a password by itself."""
    browser = Browser(house)
    reply = browser.get("project/beta/")
    assert (reply.status, header(reply, "Location")) == (303, "../../../+admin/sign-in?to=project%2Fbeta%2F")
    assert 'name="to" value="project/beta/"' in browser.get("sign-in?to=project/beta/").body.decode()
    assert 'name="to"' not in browser.get("sign-in?to=//evil.example/").body.decode()
    reply = browser.post("releases/yank", project="beta", version="1.0")
    assert (reply.status, header(reply, "WWW-Authenticate")) == (403, None)
    reply = browser.post("sign-in", name="ann", password="wrong one")
    assert (reply.status, header(reply, "WWW-Authenticate"), header(reply, "Set-Cookie")) == (403, None, None)
    assert "these credentials are not good" in reply.body.decode()


def test_S69_guessing_is_as_slow_as_by_basic(house: House) -> None:
    browser = Browser(house)
    for _ in range(LIMIT):
        assert browser.post("sign-in", name="ann", password="wrong one").status == 403
    reply = browser.post("sign-in", name="ann", password="another one")
    assert (reply.status, header(reply, "Retry-After") is not None) == (429, True)


def test_S74_no_other_address_knows_the_cookie(ann: Browser) -> None:
    """Pages, files, uploads and orders go by Authorization alone, and say of nobody that he has signed in."""
    house = ann.house
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
    assert house.ask("/").headers.first("cookie") is None
    for path in ("/simple/beta/", "/project/beta/", "/+api/log", "/+pack?run=1"):
        with pytest.raises(Exception, match=r"may not|for administrators"):
            house.get(path, cookie=ann.cookie)
    assert b"ann" not in house.get("/status/", cookie=ann.cookie, accept="text/html").body


def test_the_configuration_is_read_again_and_nobody_signs_in_anew(ann: Browser) -> None:
    """Forms that are open go on being good."""
    house, before = ann.house, ann.house.door
    house.with_private()
    assert Browser(house, ann.cookie).get("").status == 303
    house.door.go_on_from(before)
    assert "ann may admin on private." in ann.said(ann.post("people/grant/add", name="ann", right="admin", place="private"))


CROSS = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "same-origin, cross-site"},
]
FORMS: dict[str, dict[str, str]] = {
    "people/user/add": {"name": "eve", "password": PASSWORD},
    "people/user/password": {"name": "ann", "password": "another one"},
    "people/user/disable": {"name": "ann", "sure": "yes"},
    "people/user/enable": {"name": "ann"},
    "people/user/rm": {"name": "ann", "sure": "yes"},
    "people/grant/add": {"name": "anonymous", "right": "admin", "place": "*"},
    "people/grant/remove": {"name": "ann", "right": "admin", "place": "*"},
    "people/group/add": {"group": "staff", "name": "ann"},
    "people/group/remove": {"group": "staff", "name": "ann"},
    "people/token/add": {"name": "ann"},
    "people/token/revoke": {"token": "x", "sure": "yes"},
    "releases/yank": {"project": "beta", "version": "1.0"},
    "releases/unyank": {"project": "beta", "version": "1.0"},
    "releases/hide": {"project": "beta", "version": "1.0"},
    "releases/unhide": {"project": "beta", "version": "1.0"},
    "releases/delete": {"project": "beta", "version": "1.0", "sure": "yes"},
    "releases/undelete": {"project": "beta", "version": "1.0"},
    "releases/promote": {"project": "beta", "version": "1.0", "to": "private"},
    "rulings/block": {"target": "beta", "reason": "bad"},
    "rulings/unblock": {"target": "beta"},
    "rulings/exempt": {"target": "beta", "reason": "wanted"},
    "rulings/unexempt": {"target": "beta"},
    "sync": {"service": "nightly"},
    "probe": {"upstream": "pypi"},
    "pack": {"text": "alpha==1.0", "name": "requirements.txt"},
    "sign-out": {},
}
"""Every address that takes a form, each with one that would do something."""


@pytest.mark.parametrize("path", FORMS)
def test_S74_a_form_of_another_site_does_nothing(ann: Browser, path: str) -> None:
    """Nor does one without the session's word, with one of another session, by another method or as another kind of body."""
    house, fields = ann.house, FORMS[path]
    other = Browser(house)
    assert other.sign_in("ann", PASSWORD).status == 303
    before, age = deeds(house), house.doorkeeper.age
    whole = urlencode({"form-word": ann.word, **fields}).encode()
    for headers in CROSS:
        assert ann.send(path, whole, PLAIN, **headers).status == 403
    for word in ("", "0" * 48, other.word, ann.word[:-1]):
        assert ann.post(path, word, **fields).status == 403
    assert ann.send(path, urlencode(fields).encode(), PLAIN).status == 403
    assert ann.send(path, json.dumps(fields).encode(), "application/json").status == 415
    assert ann.send(path, whole, "text/plain").status == 415
    assert ann.get(path + "?" + urlencode(fields)).status == 405
    for cookie in ("", "pypidaemon-session=", "pypidaemon-session=" + "x" * 43, ann.cookie.replace("session", "other")):
        stranger = Browser(house, cookie)
        assert stranger.post(path, ann.word, **fields).status == 403
    assert (deeds(house), house.doorkeeper.age) == (before, age)
    assert house.upstream.asked == []
    assert ann.get("").status == 200


def test_S73_a_right_that_is_taken_while_the_form_is_read_counts_no_more(ann: Browser) -> None:
    """Reading a large one takes most of a second."""
    house, gate = ann.house, Bell()
    desk, word = house.door.routes.admin.desk, ann.word

    async def slow(function: Any, *args: Any, **kwargs: Any) -> Any:
        await gate.wait()
        return function(*args, **kwargs)

    desk.cpu = slow
    people = house.door.people
    for cut in (people.ungrant(OPERATOR, "ann", "admin", "*"), people.set_password(OPERATOR, "ann", "another one")):
        house.grant("ann", "admin", "*")
        ask = house.ask("/+admin/people/user/add", "POST", cookie=ann.cookie, content_type=PLAIN)
        receiver: Any = now(house.door.receive(ask))  # type: ignore[arg-type]  # a coroutine
        now(receiver.write(urlencode({"form-word": word, "name": "eve"}).encode()))
        doing = later(receiver.finish())
        assert waiting(doing)
        now(cut)
        gate.ring()
        assert now(doing).status == 403
    assert now(house.records.accounts.user("eve")) is None


@pytest.mark.parametrize("order", ["user/add", "user/password", "token/add"])
def test_S73_who_came_by_a_token_makes_no_way_in_that_outlives_it(ann: Browser, order: str) -> None:
    """A password does; all else an administrator may do by either."""
    house = ann.house
    fields = {"name": "eve" if order == "user/add" else "ann"} | ({} if order == "token/add" else {"password": "another one"})
    guest = Browser(house)
    assert guest.sign_in("__token__", house.token("ann")).status == 303
    before = deeds(house)
    refused = guest.post(f"people/{order}", **fields)
    assert refused.status == 403
    assert "sign in with a password for that" in refused.line
    assert deeds(house) == before
    assert guest.post("people/grant/add", name="ann", right="read", place="private").status == 303
    assert ann.post(f"people/{order}", **fields).status == 303


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Everybody there is, with services to fill and an upstream to probe."""
    made = founded(tmp_path_factory.mktemp("data"))
    made.house.door.routes.admin.desk.status.probes.upstreams = {"pypi": Probed()}  # type: ignore[dict-item]  # all of it that is asked for
    return made


def entered(town: Town, login: tuple[str, str]) -> Browser | None:
    """That login as somebody who signs in; None where it is not let in."""
    town.house.doorkeeper.throttle = Throttle(town.house.clock)
    name, _, password = base64.b64decode(town.logins[login].removeprefix("Basic ")).decode().partition(":")
    browser = Browser(town.house)
    assert browser.sign_in(name, password).status == (303 if KINDS[login[0]].let_in else 403)
    return browser if KINDS[login[0]].let_in else None


@pytest.mark.parametrize("login", [one for one in SIGNED if one[0] != "anonymous"], ids=" by ".join)
def test_S72_each_page_and_each_form_for_each_account(login: tuple[str, str], town: Town) -> None:
    """What is refused here is refused over the HTTP API, and what is done here is done there; so is what is shown."""
    browser, kind = entered(town, login), KINDS[login[0]]
    if browser is None:
        return
    admin, wrong = kind.may("admin", FRESH), []

    def held(what: str, reply: Reply, expected: set[int]) -> None:
        if reply.status not in expected:
            wrong.append(f"{what} is {reply.status}, not {expected}: {reply.line}")

    for path in ("accounts/", "tokens/", "rulings/"):
        held(path, browser.get(path), {200 if admin else 403})
    held("packs", browser.get("packs/99/"), {404 if admin else 403})
    for path in ("", "status/", "project/?name=alpha"):
        held(path, browser.get(path), {200, 303})
    for project in (*sorted(OURS), FRESH):
        name = "fresh-and-absent" if project == FRESH else project
        held(f"page of {project}", browser.get(f"project/{name}/"), {200 if kind.may("delete", project) or admin else 403})
        deletes = kind.may("delete", project)
        absent = {404} if deletes and project == FRESH else None
        held(f"page of a release of {project}", browser.get(f"project/{name}/1.0/"), absent or {200 if deletes else 403})
        for verb in ("yank", "unyank", "hide", "unhide", "delete", "undelete"):
            reply = browser.post(f"releases/{verb}", project=name, version="1.0", index="private", sure="yes")
            held(f"{verb} {project}", reply, absent or {303 if deletes else 403})
            order = json.dumps({"project": name, "version": "1.0", "index": "private"}).encode()
            api = town.ask(login, "POST", f"/+api/releases/{verb}", "application/json", order).status
            assert (api == 200) == (reply.status == 303)
    for verb in ("block", "unblock", "exempt", "unexempt"):
        held(
            verb,
            browser.post(f"rulings/{verb}", target="absent", **({} if verb.startswith("un") else {"reason": "x"})),
            {303 if admin else 403},
        )
    for path in (path for path in FORMS if path.startswith("people/")):
        # Of nobody, so that nothing is changed.
        fields = {name: "nobody" if name in ("name", "place") else value for name, value in FORMS[path].items()}
        makes_a_way_in = path in ("people/user/add", "people/user/password", "people/token/add")
        held(path, browser.post(path, **fields), {303, 400} if admin and not (makes_a_way_in and login[1] == "__token__") else {403})
    held("sync", browser.post("sync", service="nightly"), {303 if admin else 403})
    held("sync", browser.post("sync", service="nightly", project="alpha"), {303 if kind.may("admin", "alpha") else 403})
    held("sync", browser.post("sync", service="nothing"), {404 if admin else 403})
    held("probe", browser.post("probe", upstream="pypi"), {303 if admin else 403})
    held("pack", browser.post("pack", text="absent==1", name="requirements.txt"), {303 if admin else 403})
    assert not wrong, "\n".join(wrong)
    assert browser.post("sign-out").status == 303
    assert browser.get("").status == 303
