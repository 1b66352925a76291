"""What the forms of the administration do, each once, as it is seen on the next page, in the audit log and by installers (S71, S73, S78, S79)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.indexes.private import Private
from pypidaemon.model import NormalizedName
from pypidaemon.packing.orders import LARGEST
from pypidaemon.waits import Bell
from pypidaemon.web.posted import MOST_FIELDS, PLAIN, WITH_FILE, Posted, read
from pypidaemon.web.reply import Reply
from pypidaemon.web.views import admin_people, admin_project
from pypidaemon.web.views.admin import SMALL
from pypidaemon.web.views.status_facts import FRESH
from tests.browser.attacks import ATTACKS
from tests.gear import later, now, waiting
from tests.house import House, Inspectors, header
from tests.web.administering import Browser
from tests.web.test_admin import PASSWORD, Probed, ann, deeds, house
from tests.web.test_uploads import BOUNDARY, form
from tests.web.test_views import shown

__all__ = ["ann", "house"]


def test_S78_the_life_of_a_release(ann: Browser) -> None:
    """Each order is on the very next page of the index, and in the audit log by the name of who has signed in."""
    house = ann.house
    assert "Yank" in ann.page("project/beta/1.0/")
    beta = {"project": "beta", "version": "1.0", "index": "private"}
    assert ann.said(ann.post("releases/yank", **beta, reason="too <b>old</b>")) == "beta 1.0 in private is yanked: 1 file changed."
    assert "too &lt;b&gt;old&lt;/b&gt;" in ann.page("project/beta/1.0/")
    assert b'"yanked":"too <b>old</b>"' in house.get("/simple/beta/?format=application/vnd.pypi.simple.v1+json").body
    assert "yanked no more" in ann.said(ann.post("releases/unyank", **beta))
    assert "hidden" in ann.said(ann.post("releases/hide", **beta))
    assert b"beta-1.0" not in house.get("/simple/beta/").body
    assert "shown again" in ann.said(ann.post("releases/unhide", **beta))
    asked = ann.post("releases/delete", **beta)
    assert (asked.status, b"Delete beta 1.0 in private?" in asked.body, b'name="sure"' in asked.body) == (200, True, True)
    assert b"beta-1.0" in house.get("/simple/beta/").body
    assert "deleted" in ann.said(ann.post("releases/delete", **beta, sure="yes"))
    assert b"beta-1.0" not in house.get("/simple/beta/").body
    assert "Bring back" in ann.page("project/beta/1.0/")
    assert "brought back" in ann.said(ann.post("releases/undelete", **beta))
    orders = ("yank", "unyank", "hide", "unhide", "delete", "undelete")
    assert deeds(house)[-6:] == [("ann", "127.0.0.1", verb, "private/beta==1.0") for verb in orders]
    assert "2 files changed" in ann.said(ann.post("releases/delete", project="beta", index="private", sure="yes"))
    assert "brought back" in ann.said(ann.post("releases/undelete", project="beta", index="private"))
    assert ann.post("releases/promote", **beta, to="nowhere").status == 400
    assert ann.get("project/beta/3.0/").status == 404
    assert "can be blocked and nothing else" in ann.page("project/alpha/")


def test_what_is_there_twice_is_shown_and_promoted_by_index(ann: Browser) -> None:
    house = ann.house
    production = Private(
        label="production", records=house.records, blobs=house.blobs, clock=house.clock,
        cpu=house.accounts.cpu, announcements=house.announcements, inspector=Inspectors(), rulings=house.rulings,
    )  # fmt: skip
    indexes = {**house.door.routes.releases.releases.indexes, "production": production}
    house.door.routes.releases.releases.indexes = indexes  # type: ignore[assignment]  # both are hosted
    assert '<option value="production">' in ann.page("project/beta/1.0/")
    said = ann.said(ann.post("releases/promote", project="beta", version="1.0", index="private", to="production"))
    assert said == "beta 1.0 in private is promoted to production: 1 file changed."
    page = ann.page("project/beta/1.0/")
    assert ("In private" in page, "In production" in page) == (True, True)
    now(house.door.people.add_user(OPERATOR, "bob", PASSWORD))
    bob = Browser(house)
    assert bob.sign_in("bob", PASSWORD).status == 303
    # He may read it, as everybody may, and do nothing to it.
    assert bob.get("project/beta/").status == 403
    house.grant("bob", "upload", "production")
    page = bob.page("project/beta/1.0/")
    assert ("Promote" in page, "Yank" in page, "Block" in page) == (True, False, False)
    # Of what is hidden he learns nothing.
    assert ann.post("releases/hide", project="beta", version="2.0", index="private").status == 303
    assert bob.get("project/beta/2.0/").status == 404
    assert "/2.0/" not in bob.page("project/beta/")
    # Nor is he told what others could do to what is nowhere.
    assert "can be blocked" not in bob.page("project/absent/")


def test_S71_a_token_is_shown_once(ann: Browser) -> None:
    """On the page that follows, also where that was only asked about; nowhere else, and in no log."""
    reply = ann.post("people/token/add", name="ann", scope="read", projects="beta", lifetime="12h")
    assert (reply.status, ann.head("tokens/").status) == (303, 200)
    first, second = ann.page("tokens/"), ann.page("tokens/")
    [token] = re.findall(r"<code>(pypidaemon-[a-z0-9]+-[a-z0-9]+)</code>", first)
    assert token not in second
    secret = token.rsplit("-", 1)[1]
    assert secret not in repr(now(ann.house.records.accounts.deeds(0, 99)))
    assert now(ann.house.doorkeeper.admit(f"Bearer {token}", "")).name == "ann"
    id = token.split("-")[1]
    assert id in second
    assert ann.post("people/token/revoke", token=id).status == 200
    assert id in ann.page("tokens/")
    assert ann.said(ann.post("people/token/revoke", token=id, sure="yes")) == f"The token {id} is good no more."
    for fields in ({"lifetime": "soon"}, {"scope": "all"}, {"projects": "["}, {"name": "nobody"}, {"lifetime": "-1d"}):
        refused = ann.post("people/token/add", **{"name": "ann", **fields})
        assert (refused.status, bool(refused.line)) == (400, True), fields


def test_accounts_come_change_and_go(ann: Browser) -> None:
    house = ann.house
    assert ann.said(ann.post("people/user/add", name="bob", password=" blanks count ")) == "The account bob is there."
    bob = Browser(house)
    assert bob.sign_in("bob", "blanks count").status == 403
    assert bob.sign_in("bob", " blanks count ").status == 303
    assert "You see what you may do" in bob.page("")
    assert "Accounts" not in bob.page("")
    assert bob.get("accounts/").status == 403
    assert ann.said(ann.post("people/grant/add", name="bob", right="admin", place="*")) == "bob may admin on *."
    # In force on the next request of the same session.
    assert bob.get("accounts/").status == 200
    assert "no more by that" in ann.said(ann.post("people/grant/remove", name="bob", right="admin", place="*"))
    assert bob.get("accounts/").status == 403
    assert ann.said(ann.post("people/group/add", group="staff", name="bob")) == "bob is in staff."
    assert "Take out of staff" in ann.page("accounts/")
    assert ann.said(ann.post("people/group/remove", group="staff", name="bob")) == "bob is in staff no more."
    assert ann.post("people/user/password", name="bob", password="short").status == 400
    assert bob.get("").status == 200
    assert ann.said(ann.post("people/user/password", name="bob", password="another one")) == "bob has a new password."
    assert bob.get("").status == 303
    assert bob.sign_in("bob", "another one").status == 303
    assert ann.post("people/user/disable", name="bob").status == 200
    assert bob.get("").status == 200
    assert ann.said(ann.post("people/user/disable", name="bob", sure="yes")) == "bob is let in no more."
    assert bob.get("").status == 303
    assert ann.said(ann.post("people/user/enable", name="bob")) == "bob is let in again."
    assert bob.get("").status == 303
    assert ann.said(ann.post("people/user/rm", name="bob", sure="yes")) == "bob is removed."
    assert ann.post("people/user/rm", name="bob", sure="yes").status == 400
    assert ann.post("people/user/ls").status == 404
    # Whoever takes his own right is out of it at once.
    assert ann.post("people/grant/remove", name="ann", right="admin", place="*").status == 303
    assert ann.get("accounts/").status == 403


def test_a_password_of_ones_own_that_changes_ends_the_session(ann: Browser) -> None:
    """This one too: whoever sits at another browser may be who it was changed for."""
    assert ann.post("people/user/password", name="ann", password="another one").status == 303
    assert ann.get("accounts/").status == 303
    assert ann.sign_in("ann", "another one").status == 303


def test_what_is_blocked_is_blocked_everywhere_and_taken_back(ann: Browser) -> None:
    house = ann.house
    assert "beta is blocked" in ann.said(ann.post("rulings/block", target="Beta", reason="a <b>trial</b>", back="beta"))
    for path in ("rulings/", "project/beta/"):
        page = ann.page(path)
        assert ("a &lt;b&gt;trial&lt;/b&gt;" in page, "Unblock" in page, "for good" in page) == (True, True, True)
    assert "blocked no more" in ann.said(ann.post("rulings/unblock", target="beta"))
    assert "exempt" in ann.said(ann.post("rulings/exempt", target="beta==1.0", reason="wanted", **{"for": "24h"}))
    assert "Exempt no more" in ann.page("project/beta/")
    assert deeds(house)[-1] == ("ann", "127.0.0.1", "exempt", "beta==1")
    for fields in ({"target": "beta"}, {"target": "-", "reason": "x"}, {"target": "beta", "reason": "x", "for": "1h"}):
        assert ann.post("rulings/block", **fields).status == 400
    assert ann.post("rulings/forbid", target="beta").status == 404
    # What cannot be gone back to is found out before anything is done.
    assert ann.post("rulings/block", target="gamma", reason="x", back="-").status == 404
    assert "gamma" not in ann.page("rulings/")


@pytest.mark.parametrize("target", ["beta", "beta==1"])
def test_what_is_blocked_is_marked_beside_how_it_stands_in_its_index(ann: Browser, target: str) -> None:
    """Or a release that no installer is shown would be called shown, and nothing else."""
    mark = '<span class="tag bad">blocked</span>'
    for path in ("project/beta/", "project/beta/1.0/"):
        assert mark not in ann.page(path)
    assert "is blocked" in ann.said(ann.post("rulings/block", target=target, reason="x"))
    assert ann.page("project/beta/").count(mark) == (2 if target == "beta" else 1)
    assert ann.page("project/beta/1.0/").count(mark) == 1
    assert ann.page("project/beta/2.0/").count(mark) == (1 if target == "beta" else 0)


def test_N1_an_upstream_is_probed_once_however_many_order_it(ann: Browser) -> None:
    """And nobody waits for one that hangs for long."""
    desk, upstream = ann.house.door.routes.admin.desk.status.probes, Probed()
    desk.upstreams = {"pypi": upstream}  # type: ignore[dict-item]  # all of it that is asked for
    assert "Probe now" in ann.page("status/")
    upstream.health.state = "down"
    assert ann.said(ann.post("probe", upstream="pypi")) == "pypi is down."
    assert ann.post("probe", upstream="other").status == 404
    upstream.gate = Bell()
    account = now(ann.house.doorkeeper.realm.account("ann"))
    orders = [later(desk.order(account, "pypi")) for _ in range(3)]
    assert all(waiting(order) for order in orders)
    assert len(upstream.asked) == 2
    ann.house.clock.advance(8.0)
    assert [now(order) for order in orders] == ["down"] * 3


def test_M16_an_index_is_filled(house: House, tmp_path: Path) -> None:
    house.mirroring(tmp_path, projects=("alpha",))
    house.with_private()
    ann = Browser(house)
    assert ann.sign_in("ann", PASSWORD).status == 303
    assert "Fill now" in ann.page("status/")
    assert ann.said(ann.post("sync", service="nightly", project="Alpha")).startswith("nightly is at work for alpha: run ")
    assert ann.said(ann.post("sync", service="nightly", project="")).startswith("nightly is at work: run ")
    assert ann.post("sync", service="nightly", project="-").status == 400
    assert ann.post("sync", service="weekly").status == 404


def pack(ann: Browser, **fields: str) -> Reply:
    """The form as a browser sends it, with no file chosen unless `filename` says so."""
    filename = fields.pop("filename", "")
    content = fields.pop("content", "").encode()
    body = form(filename or "", content, **{"form-word": ann.word, **fields})
    return ann.send("pack", body, f"multipart/form-data; boundary={BOUNDARY}")


def test_C11_what_is_pasted_or_sent_is_packed(ann: Browser) -> None:
    """With a report on a page of its own: what is here, and what is missing and why."""
    assert "Pack for a trip" in ann.page("status/")
    reply = pack(
        ann, text="alpha==1.0\r\nbeta\r\n", name="requirements.txt", python="3.12", platform="linux", more="macos, windows", index="root"
    )
    assert (reply.status, header(reply, "Location")) == (303, "../+admin/packs/1/")
    page = ann.page("packs/1/")
    for words in ("alpha 1.0", "beta 2.0", "Everything is here", "3.12 on linux, 3.12 on macos, 3.12 on windows"):
        assert words in page, words
    reply = pack(ann, filename="C:\\work\\requirements.txt", content="absent==1.0\nalpha==1.0\n", rehearsal="yes", **{"no-pin": "yes"})
    page = ann.page("packs/2/")
    for words in ("1 thing is missing", "absent", "the index does not have it", "it was a rehearsal"):
        assert words in page, words
    ann.house.clock.advance(FRESH)
    assert "Packs and bundles" in ann.page("status/")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "uv.lock", "text": "  "}, "choose a file, or paste its text"),
        ({"name": "uv.lock", "text": "[["}, ""),
        ({"text": "alpha", "python": "four"}, "not a Python"),
        ({"text": "alpha", "more": "solaris"}, "no platform"),
        ({"text": "alpha", "index": "nowhere"}, "nowhere"),
        ({"filename": "a\x07b", "content": "alpha"}, "control character"),
    ],
)
def test_C11_what_makes_no_sense_is_one_line(ann: Browser, fields: dict[str, str], words: str) -> None:
    reply = pack(ann, **fields)
    if words:
        assert (reply.status in (400, 404), words in reply.line) == (True, True), (reply.status, reply.line)
    else:
        assert reply.status == 303
        assert "It ended: " in ann.page("packs/1/") or "missing" in ann.page("packs/1/")


def test_S23_forms_are_bounded(ann: Browser) -> None:
    """Those without a file to 64 KiB, a pack to what the HTTP interface takes; and what cannot be read is said to be so in one line."""
    room = ann.house.door.site.room
    assert room is not None
    assert (room(b"POST", b"/+admin/pack"), room(b"POST", b"/+admin/probe") >= SMALL) == (LARGEST, True)
    assert ann.send("probe", b"x" * (SMALL + 1), PLAIN).status == 413
    assert ann.send("probe", b"\xff", PLAIN).status == 400
    assert ann.send("probe", urlencode([("a", "b")] * (MOST_FIELDS + 1)).encode(), PLAIN).status == 400
    assert ann.send("probe", b"--x", "multipart/form-data; boundary=x").status == 400
    assert ann.send("probe", b"--x", "multipart/form-data").status == 400
    assert ann.post("nothing").status == 404
    assert ann.get("nothing").status == 404
    assert ann.get("project/-/").status == 404
    assert ann.get("project/a/b/c/").status == 404


def test_S20_a_large_form_is_taken_from_nobody_who_may_not_pack(ann: Browser) -> None:
    """Its head is enough to know; of who has not even signed in only a name and a password are held."""
    house = ann.house
    now(house.door.people.add_user(OPERATOR, "bob", PASSWORD))
    bob = Browser(house)
    assert bob.sign_in("bob", PASSWORD).status == 303

    def head(path: str, browser: Browser, kind: str = WITH_FILE) -> Any:
        return now(house.door.receive(house.ask(f"/+admin/{path}", "POST", cookie=browser.cookie, content_type=kind)))  # type: ignore[arg-type]  # a coroutine

    assert (head("pack", bob).status, head("pack", bob).line) == (403, "packing is for administrators")
    assert (head("pack", ann).limit, head("probe", bob).limit) == (LARGEST, SMALL)
    # To read 24 MiB of the plain kind took 2 GiB and three seconds; our own page sends the other.
    assert head("pack", ann, PLAIN).limit == SMALL
    longest = urlencode({"name": "a" * 64, "password": "\U0001f511" * 1024, "to": "project/beta/1.0/"})
    assert len(longest) < head("sign-in", Browser(house)).limit < SMALL


def test_forms_are_read_as_browsers_write_them() -> None:
    """Line ends as Unix has them, the last of two values, and bytes of the file as they are."""
    posted = read(PLAIN + "; charset=utf-8", b"a=1%0D%0A2&a=+3+&b=%C3%A9&c=")
    assert posted == Posted((("a", "1\n2"), ("a", " 3 "), ("b", "é"), ("c", "")))
    assert (posted.one("a"), posted.every("a"), posted.one("d"), posted.every("c")) == ("3", ("1\n2", "3"), "", ())
    posted = read(f"multipart/form-data; boundary={BOUNDARY}", form("a/b.txt", b"1\r\n2\xff", name="x\r\ny"))
    assert (posted.filename, posted.content, posted.one("name")) == ("a/b.txt", b"1\r\n2\xff", "x\ny")


def test_S79_whatever_somebody_else_wrote_is_escaped(ann: Browser) -> None:
    """A reason, a name that was asked for, a target, a uploader; on each page where it is shown."""
    house = ann.house
    now(house.door.people.add_user(OPERATOR, "zoe", None))
    for attack in ATTACKS[:20]:
        now(house.door.routes.admin.desk.deeds.rulemaking.perform("block", {"target": "beta", "reason": attack}, THE_OPERATOR))
        now(house.door.routes.admin.desk.deeds.releases.releases.indexes["private"].yank(NormalizedName("beta"), "1.0", attack))
        for path in ("rulings/", "project/beta/", "project/beta/1.0/"):
            page = ann.page(path)
            assert "<script" not in page.replace('<script src="', "")
            assert "onerror=" not in re.sub(r"&[a-z#0-9]+;", "", re.sub(r">[^<]*<", "><", page))
        refused = ann.post("probe", upstream=attack)
        assert b"<script>" not in refused.body
        assert b"<img" not in refused.body


def test_long_lists_come_in_pages(ann: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_people, "EACH", 2)
    monkeypatch.setattr(admin_project, "EACH", 1)
    for name in ("bob", "cid", "dan"):
        assert ann.post("people/user/add", name=name).status == 303
        ann.post("rulings/block", target=name, reason="x")
        ann.post("people/token/add", name=name)
    for path, name in (("accounts/", "dan"), ("rulings/", "dan"), ("tokens/", "dan")):
        assert ("Page 1 of 2" in ann.page(path), f"<h3>{name} " in ann.page(path)) == (True, False)
        assert ("Page 2 of 2" in ann.page(path + "?page=2"), name in ann.page(path + "?page=2")) == (True, True)
    assert "Page 7 of 2" in ann.page("accounts/?page=7")
    assert 'href="../../../+admin/project/beta/1.0/"' in ann.page("project/beta/?page=2")


def test_what_takes_long_is_made_on_a_thread(ann: Browser) -> None:
    """A hundred accounts of thirty rights each were a seventh of a second."""
    desk, made = ann.house.door.routes.admin.desk, []

    async def noted(function: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(function.__name__)
        return function(*args, **kwargs)

    desk.cpu = desk.projects.cpu = noted
    for path in ("accounts/", "tokens/", "rulings/", "project/beta/", "project/beta/1.0/"):
        ann.page(path)
    assert made == ["accounts", "tokens", "rulings", "_together", "_listed", "_together", "_forms"]


def test_S81_every_page_is_kept_by_nobody_and_framed_by_none(ann: Browser) -> None:
    """With the policy of all pages; a form says which site it is of, so referrers stay on this one instead of being sent nowhere."""
    for path in ("", "sign-in", "accounts/", "tokens/", "rulings/", "status/", "project/beta/", "project/beta/1.0/"):
        reply = ann.get(path)
        assert header(reply, "Cache-Control") == "no-store"
        assert header(reply, "Content-Encoding") is None
        assert header(reply, "Referrer-Policy") == "same-origin"
        assert "form-action 'self'" in (header(reply, "Content-Security-Policy") or "")
        assert "frame-ancestors 'none'" in (header(reply, "Content-Security-Policy") or "")
        assert header(reply, "ETag") is None
        # The express lane is not told of it.
        assert reply.term is None


def test_what_everybody_sees_leads_here(house: House) -> None:
    """From each page, from a project and its releases, and from the status; of the past nothing is administrated."""
    assert shown(house, "/").links["Administration"] == "./+admin/"
    assert shown(house, "/project/beta/").links["What can be done about it here"] == "../../+admin/project/beta/"
    found = shown(house, "/index/private/project/beta/1.0/").links
    assert found["What can be done about it here"] == "../../../../../+admin/project/beta/1.0/"
    assert shown(house, "/status/").links["Fill, probe or pack now"] == "../+admin/status/"
    assert "+admin/project" not in house.get("/at/2999-01-01/project/beta/", accept="text/html").body.decode()


def test_programs_are_told_in_one_plain_line(ann: Browser) -> None:
    reply = ann.send("probe", urlencode({"form-word": ann.word, "upstream": "x"}).encode(), PLAIN, accept="*/*")
    assert (reply.status, reply.body) == (404, b"no such file: the upstream x\nrequest id: 0000000000000000\n")
