"""What pages list while the line to upstream is down, and that it is nothing but a view."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import NormalizedName
from pypidaemon.policies.filenames import Filenames
from pypidaemon.testing.archives import make_wheel
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.unasked import OFFLINE, Unasked
from pypidaemon.waits import Bell
from pypidaemon.web.held import BRIEFLY
from pypidaemon.web.pages import LOOKED_AT
from pypidaemon.web.reply import Reply
from tests.fakes import FakeUpstream, file, page
from tests.gear import inline, later, now, waiting
from tests.house import House, header
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"
PEER = "1.1 pypidaemon-0123456789abcdef"
AGE = 10_000_000.0
"""Seconds after which nothing is fresh any more."""


@pytest.fixture
def house() -> House:
    """Alpha, of which 1.0 is held and 2.0 is not, at the root by way of a first-match, and `held` at its own address."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"), serial=10)
    house.open({"root": FirstMatch("root", (house.proxy,), house.records), "pypi": house.proxy}, "root")
    take(house, "alpha-1.0.tar.gz")
    return house


def take(house: House, filename: str, project: str = "alpha", root: str = "/") -> bytes:
    """Have a file by the link that its page gives, whatever the page lists now."""
    reply = house.get(f"{root}simple/{project}/", accept=JSON, via=PEER)
    [url] = [entry["url"] for entry in json.loads(house.body(reply))["files"] if entry["filename"] == filename]
    return house.body(house.get(root + url[url.index("packages/") :]))


def listed(reply: Reply) -> list[str]:
    return [entry["filename"] for entry in json.loads(reply.body)["files"]]


def ready(house: House, path: str = "/simple/alpha/", **headers: str) -> Reply | None:
    """What is answered without asking anybody."""
    return house.door.routes.quick(house.ask(path, accept=JSON, **headers))


def test_N1_while_the_line_is_down_pages_list_what_is_here(house: House) -> None:
    """With a tag of its own, kept by nobody, and with the serial of the page in full; and all of it is back when the line is."""
    full = house.get("/simple/alpha/", accept=JSON)
    assert listed(full) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert header(full, "X-Pypidaemon-Held") is None
    house.upstream.health.doubt()
    for path in ("/simple/alpha/", "/index/pypi/simple/alpha/"):
        held = house.get(path, accept=JSON)
        assert listed(held) == ["alpha-1.0.tar.gz"]
        assert json.loads(held.body)["versions"] == ["1.0"]
        assert header(held, "X-Pypidaemon-Held") == "1 of 2"
        assert header(held, "Cache-Control") == "no-cache"
        assert header(held, "ETag") != header(full, "ETag")
        assert header(held, "X-PyPI-Last-Serial") == header(full, "X-PyPI-Last-Serial")
    html = house.get("/simple/alpha/")
    assert b"alpha-1.0.tar.gz" in html.body
    assert b"alpha-2.0.tar.gz" not in html.body
    again = house.get("/simple/alpha/", accept=JSON, if_none_match=header(held, "ETag") or "")
    assert house.get("/index/pypi/simple/alpha/", accept=JSON, if_none_match=header(held, "ETag") or "").status == 304
    assert again.status in (200, 304)
    house.upstream.health.recover()
    back = house.get("/simple/alpha/", accept=JSON)
    assert (back.body, header(back, "ETag")) == (full.body, header(full, "ETag"))


def test_one_slow_answer_takes_nothing_off_any_page(house: House) -> None:
    """Who is suspect is being looked at, and may be well: a resolver must not take an old release for that."""
    full = house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt("suspect")
    for reply in (house.get("/simple/alpha/", accept=JSON), ready(house), house.get("/index/pypi/simple/alpha/", accept=JSON)):
        assert reply is not None
        assert (reply.body == full.body or listed(reply) == listed(full), header(reply, "X-Pypidaemon-Held")) == (True, None)
    assert "left out of pages" not in house.get("/+why/alpha", accept="text/plain").body.decode()
    house.upstream.health.doubt("probing")
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz"]


def test_law_10_a_file_that_is_not_here_is_unavailable_and_one_that_is_here_is_given(house: House) -> None:
    house.upstream.health.doubt()
    assert take(house, "alpha-1.0.tar.gz") == b"one"
    house.upstream.bodies.clear()
    house.upstream.bodies |= {entry.url: UpstreamUnavailable("pypi", "it is silent", 7) for entry in house.upstream.pages["alpha"].files}  # type: ignore[union-attr]
    with pytest.raises(UpstreamUnavailable):
        take(house, "alpha-2.0.tar.gz")


def test_law_10_nobody_waits_for_a_file_from_who_is_doubted(house: House) -> None:
    """The one who waits when it falls silent is told so, those who come later at once, and the download itself goes on."""
    house.upstream.health.asks = True
    gate = house.upstream.slow_bodies = Bell()
    first = later(_taken(house))
    assert waiting(first)
    house.upstream.health.doubt()
    for one in (first, later(_taken(house))):
        with pytest.raises(UpstreamUnavailable) as caught:
            now(one)
        assert 1 <= caught.value.retry_after <= 60
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz"]
    gate.ring()
    # It came all the same, and whoever asks now sees it.
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert take(house, "alpha-2.0.tar.gz") == b"two"


async def _taken(house: House) -> Any:
    entry = (await house.proxy.project_page(NormalizedName("alpha"))).files[1]
    return await house.door.routes.handle(house.ask(f"/packages/{entry.path}"))


def test_mirrors_of_ours_and_all_that_is_no_page_of_installers_see_everything(house: House) -> None:
    full = house.get("/simple/alpha/", accept=JSON)
    legacy = json.loads(house.get("/pypi/alpha/json").body)
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    for _ in range(2):
        house.get("/simple/alpha/", accept=JSON)
        peer = house.get("/simple/alpha/", accept=JSON, via=PEER)
        assert listed(peer) == listed(full)
        assert header(peer, "X-Pypidaemon-Held") is None
        assert json.loads(house.get("/pypi/alpha/json").body)["releases"].keys() == legacy["releases"].keys() == {"1.0", "2.0"}
    # Some other proxy on the way is no mirror of ours.
    assert listed(house.get("/simple/alpha/", accept=JSON, via="1.1 squid")) == ["alpha-1.0.tar.gz"]


def test_law_11_nothing_is_made_for_a_request_while_nothing_changes(house: House) -> None:
    """However old the page is by then, and however often it is looked whether upstream is back."""
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    first = house.get("/simple/alpha/", accept=JSON)
    assert header(first, "X-Pypidaemon-Stale") == "yes"
    rendered = house.door.routes.pages.answers.misses
    for state in ("probing", "down", "probing", "down"):
        house.upstream.health.state = state
        for listener in house.upstream.health.listeners:
            listener()
        found = ready(house)
        assert found is not None
        assert found.body == first.body
    house.clock.advance(LOOKED_AT + 1)
    assert ready(house) is None
    assert house.get("/simple/alpha/", accept=JSON).body == first.body
    assert ready(house) is not None
    assert house.door.routes.pages.answers.misses == rendered


def test_F51_what_comes_and_goes_is_seen_at_once_where_it_is_announced_and_soon_where_not(house: House) -> None:
    house.upstream.health.doubt()
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz"]
    digest = now(house.proxy.project_page(NormalizedName("alpha"))).files[0].digest
    assert digest is not None
    now(house.blobs.remove(digest))
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz"]
    house.clock.advance(LOOKED_AT + 1)
    empty = house.get("/simple/alpha/", accept=JSON)
    assert (listed(empty), header(empty, "X-Pypidaemon-Held")) == ([], "0 of 2")
    draft = now(house.blobs.draft())
    now(draft.write(b"two"))
    now(draft.commit(None))
    house.announcements.announce(NormalizedName("alpha"))
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-2.0.tar.gz"]


def test_what_was_seen_in_one_outage_is_not_shown_in_the_next(house: House) -> None:
    house.upstream.health.doubt()
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz"]
    house.upstream.health.recover()
    take(house, "alpha-2.0.tar.gz")
    house.upstream.health.doubt()
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_while_down_all_lists_everything(house: House) -> None:
    """Stale, kept by nobody, and ready all the same."""
    house.settings["while_down"] = "all"
    house.restart()
    house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    reply = house.get("/simple/alpha/", accept=JSON)
    assert len(listed(reply)) == 2
    assert header(reply, "X-Pypidaemon-Held") is None
    assert (header(reply, "X-Pypidaemon-Stale"), header(reply, "Cache-Control")) == ("yes", "no-cache")
    assert (ready(house) or Reply(0)).body == reply.body
    house.upstream.health.recover()
    assert ready(house) is None
    assert header(house.get("/simple/alpha/", accept=JSON), "X-Pypidaemon-Stale") is None


def test_R99_metadata_that_is_not_here_is_not_promised() -> None:
    """Who is promised it and does not get it fails; without the promise it is read out of the wheel, which is here."""
    house = House()
    filename, data = make_wheel("alpha", "1.0", ())
    other, more = make_wheel("alpha", "2.0", ())
    metadata = b"Metadata-Version: 2.1\nName: alpha\nVersion: 2.0\n"
    digest = file("x", metadata).digest
    entries = (file(filename, data, core_metadata="f" * 64), file(other, more, core_metadata=digest))
    house.upstream.pages["alpha"] = page("alpha", *entries)
    house.upstream.bodies |= {entries[0].url: data, entries[1].url: more, entries[1].url + ".metadata": metadata}
    take(house, filename)
    take(house, other)
    assert take_path(house, entries[1].path + ".metadata") == metadata
    house.upstream.health.doubt()
    promised = {
        entry["filename"]: entry.get("core-metadata", False) for entry in json.loads(house.get("/simple/alpha/", accept=JSON).body)["files"]
    }
    assert promised == {filename: False, other: {"sha256": digest}}
    house.upstream.bodies.clear()
    assert take_path(house, entries[1].path + ".metadata") == metadata
    assert take_path(house, entries[0].path) == data


def take_path(house: House, path: str) -> bytes:
    return house.body(house.get(f"/packages/{path}"))


def test_what_is_ours_is_listed_whole_and_ready(house: House) -> None:
    """A project of our own before the proxy, whose line is no matter to it."""
    house.with_private()
    token = house.token("anna")
    house.grant("anna", "upload", "private")
    assert upload(house, token, wheel("ours", "1.0")).status == 200
    house.upstream.health.doubt()
    reply = house.get("/simple/ours/", accept=JSON)
    assert len(listed(reply)) == 1
    assert header(reply, "X-Pypidaemon-Held") is None
    assert (ready(house, "/simple/ours/") or Reply(0)).body == reply.body
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-1.0.tar.gz"]
    with pytest.raises(UpstreamUnavailable):
        house.get("/simple/beta/", accept=JSON)


def test_of_a_merged_page_every_file_is_judged_by_who_gave_it(house: House) -> None:
    """Also where both have a file of the same name: the first one's stands on the page."""
    private = house.with_private()
    token = house.token("anna")
    house.grant("anna", "upload", "private")
    assert upload(house, token, wheel("alpha", "3.0")).status == 200
    other = FakeUpstream(label="other")
    other.add("alpha", ("alpha-2.0.tar.gz", b"other two"), ("alpha-4.0.tar.gz", b"four"), serial=3)
    second = house.new_proxy("second", other)
    merged = Merged("root", (private, house.proxy, second), ("alpha",), house.records, inline)
    house.open({"root": merged, "pypi": house.proxy, "second": second, "private": private}, "root")
    whole = listed(house.get("/simple/alpha/", accept=JSON))
    ours = next(name for name in whole if "3.0" in name)
    assert set(whole) == {"alpha-1.0.tar.gz", "alpha-2.0.tar.gz", ours, "alpha-4.0.tar.gz"}
    house.upstream.health.doubt()
    partly = house.get("/simple/alpha/", accept=JSON)
    assert set(listed(partly)) == {"alpha-1.0.tar.gz", ours, "alpha-4.0.tar.gz"}
    assert header(partly, "X-Pypidaemon-Held") == "3 of 4"
    other.health.doubt()
    assert set(listed(house.get("/simple/alpha/", accept=JSON))) == {"alpha-1.0.tar.gz", ours}
    house.upstream.health.recover()
    assert set(listed(house.get("/simple/alpha/", accept=JSON))) == {"alpha-1.0.tar.gz", "alpha-2.0.tar.gz", ours}
    other.health.recover()
    assert listed(house.get("/simple/alpha/", accept=JSON)) == whole


def test_an_index_behind_another_line_that_is_up_is_not_cut_short(house: House) -> None:
    """And where there are several lines, an answer past its time is not taken for the best there is."""
    other = FakeUpstream(label="other")
    other.add("beta", ("beta-1.0.tar.gz", b"beta"), serial=3)
    second = house.new_proxy("second", other)
    house.open({"root": FirstMatch("root", (house.proxy, second), house.records), "second": second}, "root")
    whole = house.get("/simple/beta/", accept=JSON)
    assert listed(whole) == ["beta-1.0.tar.gz"]
    house.upstream.health.doubt()
    still = house.get("/simple/beta/", accept=JSON)
    assert (still.body, header(still, "X-Pypidaemon-Held")) == (whole.body, None)
    # Once nobody can say any more that the first one has no such project, the second does not answer for it (law 1).
    house.clock.advance(61)
    assert ready(house, "/simple/beta/") is None
    with pytest.raises(UpstreamUnavailable):
        house.get("/simple/beta/", accept=JSON)
    assert listed(house.get("/index/second/simple/beta/", accept=JSON)) == ["beta-1.0.tar.gz"]
    other.health.doubt()
    assert house.door.routes.pages.held.resting("root") == BRIEFLY
    assert house.door.routes.pages.held.resting("second") == math.inf


def test_policies_hold_in_what_is_left(house: House) -> None:
    rule = Filenames("no-sdists", (), ("*-1.0.tar.gz",))
    policed = Policed("policed", house.proxy, (rule,), house.records, house.clock, inline)
    house.open({"policed": policed}, "policed")
    assert listed(house.get("/simple/alpha/", accept=JSON)) == ["alpha-2.0.tar.gz"]
    house.upstream.health.doubt()
    reply = house.get("/simple/alpha/", accept=JSON)
    assert (listed(reply), header(reply, "X-Pypidaemon-Held")) == ([], "0 of 1")


def test_the_past_too_lists_what_is_here(house: House) -> None:
    assert len(listed(house.get("/at/2026-06-01/simple/alpha/", accept=JSON))) == 2
    house.upstream.health.doubt()
    for _ in range(2):
        held = house.get("/at/2026-06-01/simple/alpha/", accept=JSON)
        assert (listed(held), header(held, "X-Pypidaemon-Held")) == (["alpha-1.0.tar.gz"], "1 of 2")
        assert header(held, "ETag") != header(house.get("/simple/alpha/", accept=JSON), "ETag")
    house.upstream.health.recover()
    assert len(listed(house.get("/at/2026-06-01/simple/alpha/", accept=JSON))) == 2


def test_a_long_page_is_cut_short_on_a_thread() -> None:
    house = House()
    house.upstream.add("alpha", *((f"alpha-{number}.0.tar.gz", b"%d" % number) for number in range(300)))
    take(house, "alpha-7.0.tar.gz")
    house.upstream.health.doubt()
    reply = house.get("/simple/alpha/", accept=JSON)
    assert (listed(reply), header(reply, "X-Pypidaemon-Held")) == (["alpha-7.0.tar.gz"], "1 of 300")


def test_offline_nobody_is_asked_and_what_is_here_is_all_there_is() -> None:
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"))
    take(house, "alpha-1.0.tar.gz")
    asked = list(house.upstream.asked)
    guarded: Any = Guarded(house.upstream, (), Unasked(OFFLINE, "offline", house.clock.seconds()))
    house.proxy = house.new_proxy("pypi", guarded)
    house.open({"pypi": house.proxy}, "pypi")
    house.clock.advance(AGE)
    held = house.get("/simple/alpha/", accept=JSON)
    assert listed(held) == ["alpha-1.0.tar.gz"]
    assert take(house, "alpha-1.0.tar.gz") == b"one"
    with pytest.raises(UpstreamUnavailable, match=OFFLINE):
        take(house, "alpha-2.0.tar.gz")
    for project in ("beta", "gamma"):
        with pytest.raises(UpstreamUnavailable, match=OFFLINE):
            house.get(f"/simple/{project}/")
    with pytest.raises(UpstreamUnavailable, match=OFFLINE):
        house.get("/simple/")
    assert house.upstream.asked == asked


def test_law_10_a_known_absence_ends_in_not_knowing(house: House) -> None:
    """Also while the line is down: what was absent a minute ago is unknown by now."""
    with pytest.raises(NoSuchProject):
        house.get("/simple/beta/")
    house.upstream.health.doubt()
    with pytest.raises(NoSuchProject):
        house.get("/simple/beta/")
    house.clock.advance(61)
    with pytest.raises(UpstreamUnavailable):
        house.get("/simple/beta/")


def test_F43_when_the_line_is_back_each_page_is_asked_for_once_and_none_that_nobody_wants(house: House) -> None:
    """No herd: what was missed is caught up with by those who want it, and shared."""
    names = [f"project-{number}" for number in range(30)]
    for name in names:
        house.upstream.add(name, (f"{name}-1.0.tar.gz", name.encode()))
        house.get(f"/simple/{name}/", accept=JSON)
    house.upstream.health.doubt()
    house.clock.advance(AGE)
    for name in names:
        house.get(f"/simple/{name}/", accept=JSON)
    house.upstream.asked.clear()
    house.upstream.health.recover()
    assert house.upstream.asked == []
    house.upstream.gate = Bell()
    waiters = [later(house.door.routes.handle(house.ask(f"/simple/{name}/", accept=JSON))) for name in names[:10] for _ in range(20)]
    assert all(waiting(one) for one in waiters)
    house.upstream.gate.ring()
    assert {now(one).status for one in waiters} == {200}
    assert sorted(house.upstream.asked) == sorted(f"page {name}" for name in names[:10])


def test_why_says_what_is_waiting_for_the_line(house: House) -> None:
    house.get("/simple/alpha/", accept=JSON)
    assert b"waiting for the line" not in house.get("/+why/alpha/2.0", accept="text/plain").body
    house.upstream.health.doubt()
    said = house.get("/+why/alpha/2.0", accept="text/plain").body.decode()
    assert "waiting for the line: it is not here, and upstream cannot be asked" in said
    assert "waiting for the line: 1 of 2 files, not held here and left out of pages" in said
    assert "held here" in house.get("/+why/alpha/1.0", accept="text/plain").body.decode()


def test_the_state_of_an_upstream_is_seen_from_outside(house: House) -> None:
    house.upstream.health.doubt("suspect")
    house.upstream.health.since = 1_780_000_000.0
    state = json.loads(house.get("/+health").body)["upstreams"]["pypi"]
    assert state == {"state": "suspect", "cause": "it is silent", "since": "2026-05-28T20:26:40Z"}
    told = house.get("/+metrics").body.decode()
    assert 'pypidaemon_upstream_up{upstream="pypi"} 0.0' in told
    assert 'pypidaemon_upstream_state{state="suspect",upstream="pypi"} 1.0' in told
    assert 'pypidaemon_upstream_state{state="up",upstream="pypi"} 0.0' in told
    assert 'pypidaemon_upstream_since_seconds{upstream="pypi"} 1.78e+09' in told
