"""The status page: problems first, names only for who may see them, and news of it as it changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import attrs
import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import NotAllowed, PypidaemonError, UpstreamUnavailable
from pypidaemon.model import Filename, NormalizedName
from pypidaemon.traffic import Traffic
from pypidaemon.volume import Space
from pypidaemon.waits import Bell
from pypidaemon.web.events import HEARTBEAT, LIFETIME, MOST, MOST_OF_ONE, PACE
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.status_facts import Disk, Facts, Sight
from pypidaemon.web.views.status_problems import problems
from tests.gear import later, now, waiting
from tests.house import House, header
from tests.running import Running, running
from tests.test_renewing import FIXED, HEAD, SILENT
from tests.web.posting import basic
from tests.web.wire import get

HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A proxy that is kept warm by a service."""
    made = House(by_both_roads=False)
    made.upstream.add("gamma", ("gamma-1.0.tar.gz", b"public"))
    made.mirroring(tmp_path, projects=("gamma",))
    made.open({"pypi": made.proxy}, "pypi")
    return made


def shown(house: House, query: str = "", **headers: str) -> str:
    """The page as a browser is given it."""
    house.clock.advance(PACE)
    reply = house.get(f"/status/{query}", accept=HTML, **headers)
    assert (reply.status, header(reply, "Content-Type")) == (200, "text/html; charset=utf-8")
    return reply.body.decode()


def told(house: House, **headers: str) -> Any:
    """The same as a program is given it."""
    house.clock.advance(PACE)
    reply = house.get("/status/", **headers)
    assert header(reply, "Content-Type") == "application/json"
    return json.loads(reply.body)


def test_all_is_well_and_says_so(house: House) -> None:
    """For people and for programs, at one address; without the slash too."""
    page = shown(house)
    assert "Nothing is wrong" in page
    assert "fills" not in page
    assert header(house.get("/status", accept=HTML), "Location") == "status/"
    said = told(house)
    assert (said["state"], said["problems"]) == ("working", [])
    assert said["disk"]["free"] == 50 << 30
    assert house.get("/status/", "HEAD", accept=HTML).status == 200


def test_F33_an_upstream_that_is_down_comes_first_and_what_that_means(house: House) -> None:
    """Since when, what goes on being served, and that nobody need do anything."""
    house.upstream.health.state, house.upstream.health.cause = "down", "connection <refused>"
    house.upstream.health.since = house.clock.seconds()
    page = shown(house)
    problem = page.index("pypi does not answer (connection &lt;refused&gt;)")
    assert problem < page.index("<h2>")
    assert "pypi: pages list only files that are here, and what was never asked for is answered 503." in page
    assert "2026-05-28 20:26:40 UTC" in page
    [one] = told(house)["problems"]
    assert (one["kind"], one["since"]) == ("bad", "2026-05-28T20:26:40Z")


def test_names_are_for_administrators(house: House) -> None:
    """That a file was replaced is told to all, which one to who may administrate the index; another index's administrator is not that."""
    others = {Filename("gamma-1.0.tar.gz"): "b" * 64}
    now(house.records.facts.differ("pypi", NormalizedName("gamma"), others, house.clock.seconds()))
    page = shown(house)
    assert "Upstream replaced 1 file of pypi" in page
    assert "gamma" not in page
    assert 'href="?login"' in page
    refused = house.get("/status/?login=", accept=HTML)
    assert (refused.status, header(refused, "WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    with pytest.raises(NotAllowed):
        house.get("/status/?login=")
    ann = house.token("ann")
    house.grant("ann", "admin", "private")
    assert "gamma" not in shown(house, authorization=basic(ann))
    house.grant("ann", "admin", "pypi")
    seen = shown(house, authorization=basic(ann))
    assert "gamma: gamma-1.0.tar.gz, since 2026-05-28" in seen
    assert 'href="?login"' not in seen
    assert header(house.get("/status/", accept=HTML, authorization=basic(ann)), "Cache-Control") == "private, no-cache"
    assert "gamma" not in json.dumps(told(house))
    assert "gamma" in json.dumps(told(house, authorization=basic(ann)))


def test_a_run_that_failed_is_a_problem_until_the_next_is_complete(house: House) -> None:
    """Its outcome names projects and places, so it is for administrators."""
    good, house.upstream.pages["gamma"] = house.upstream.pages["gamma"], UpstreamUnavailable("pypi", "gamma <b>broke</b>")
    service = house.mirrorings["nightly"]
    assert "Fills" in shown(house)
    service.begin(None, False)
    page = shown(house)
    assert page.index("The last run of nightly was not complete") < page.index("<h2>")
    assert "1 project of nightly waits to be tried again" in page
    assert "gamma" not in page
    house.grant("anonymous", "admin", "pypi")
    seen = shown(house)
    assert "gamma waits until" in seen
    assert "gamma &lt;b&gt;broke&lt;/b&gt;" in seen
    assert "plan" not in json.dumps(told(house)["services"]["nightly"]["ended"])
    house.upstream.pages["gamma"] = good
    house.clock.advance(600)
    service.begin(None, False)
    page = shown(house)
    assert "Nothing is wrong" in page
    assert '<span class="tag good">complete</span>' in page


def test_a_run_is_seen_while_it_goes_on(house: House) -> None:
    """As a bar and in words; whoever may not know is not told for what it is."""
    house.upstream.gate = Bell()
    house.mirrorings["nightly"].begin(None, False)
    house.mirrorings["nightly"].begin(NormalizedName("gamma"), False)
    page = shown(house)
    assert "Nothing is wrong" in page
    assert '<span class="tag good">running</span>' in page
    assert "(gamma)" not in page
    runs = told(house)["services"]["nightly"]["running"].values()
    assert len(runs) == 2
    assert not any("errors" in run or "for" in run for run in runs)
    house.grant("anonymous", "admin", "*")
    assert "(gamma)" in shown(house)
    house.upstream.gate.ring()


def test_a_full_disk_is_told_with_what_it_means(house: House) -> None:
    """F53: before it is full, and when it is."""
    house.space = Space(3 << 29, 100 << 30)
    assert "The disk is nearly full" in shown(house)
    house.space = Space(1 << 29, 100 << 30)
    page = shown(house)
    assert "Nothing new is kept" in page
    assert told(house)["state"] == "failing"


def test_what_was_given_out_is_drawn_and_said(house: House) -> None:
    """The first time it had to be fetched, the second time it was here."""
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"x" * 5000))
    path = json.loads(house.get("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json").body)["files"][0]["url"]
    for _ in range(4):
        reply = house.get("/packages/" + path.partition("packages/")[2])
        size = len(house.body(reply))
        house.door.routes.operations.metrics.observe(house.ask("/packages/a/b/c/d"), 200, size, 0.0)
    said = told(house)["traffic"]["day"]
    assert (said["files"], said["waited"], said["hits"], said["served"], said["fetched"], said["saved"]) == (4, 1, 3, 20_000, 5000, 15_000)
    page = shown(house)
    assert "75%" in page
    assert "75% of 4 files were here when somebody asked for them" in page
    assert '<svg viewBox="0 0 1000 100"' in page
    assert "Last week: 20 kB given out" in shown(house, "?span=week")
    assert "Last day: 20 kB given out" in shown(house, "?span=<script>")


def test_the_page_is_light(house: House) -> None:
    """P9: 60 KB at most, with a month of traffic in every bar."""
    ring = now(house.traffic.ring())
    for step in range(0, 30 * 86_400, 3600):
        ring.add(house.clock.seconds() - step, Traffic(100, 7, 10**9, 10**8))
    for query in ("", "?span=week", "?span=month"):
        assert len(shown(house, query)) < 60_000


def events(house: House, **headers: str) -> Reply:
    """A stream of news."""
    return house.get("/+events", **headers)


def hear(house: House, reply: Reply) -> bytes:
    """What comes of it within the next look."""
    assert reply.stream is not None
    heard = later(reply.stream.content.read(0, 1 << 18))
    house.clock.advance(PACE)
    return now(heard)


def test_news_come_by_themselves(house: House) -> None:
    """What is shown now, then what changes, and a line where nothing does."""
    reply = events(house)
    assert header(reply, "Content-Type") == "text/event-stream"
    assert hear(house, reply) == b"retry: 5000\n\n"
    first = hear(house, reply)
    assert [json.loads(line[6:])["id"] for line in first.split(b"\n") if line.startswith(b"data: ")] == [
        "problems",
        "upstreams",
        "services",
    ]
    house.upstream.health.state, house.upstream.health.cause = "down", "line\nbreak"
    second = hear(house, reply)
    assert b"does not answer" in second
    assert b'"id": "services"' not in second
    assert second.count(b"\n\n") == second.count(b"event:") == 2
    assert reply.stream is not None
    heard = later(reply.stream.content.read(0, 1 << 18))
    house.clock.pump([PACE] * int(HEARTBEAT / PACE + 1))
    assert now(heard) == b": nothing new\n\n"
    reply.close()
    assert len(house.door.routes.views.desk.status.events) == 0
    house.clock.advance(PACE)
    assert not house.clock.getDelayedCalls()


def test_there_are_only_so_many_and_one_is_a_few(house: House) -> None:
    """Who gets no place loads the page again."""
    replies = [events(house) for _ in range(MOST_OF_ONE)]
    refused = events(house)
    assert (refused.status, header(refused, "Retry-After")) == (503, "5")
    desk = house.door.routes.views.desk.status
    for place in range(MOST - MOST_OF_ONE):
        ask = attrs.evolve(house.ask("/+events"), client=f"192.0.2.{place}")
        replies.append(now(house.door.routes.handle(ask)))
    assert {reply.status for reply in replies} == {200}
    assert now(house.door.routes.handle(attrs.evolve(house.ask("/+events"), client="198.51.100.1"))).status == 503
    assert house.get("/+events", "HEAD").status == 503
    for reply in replies:
        reply.close()
    assert len(desk.events) == 0
    assert house.get("/+events", "HEAD").status == 200
    assert len(desk.events) == 0


@pytest.mark.parametrize("why", ["rights", "time", "stop"])
def test_a_place_is_not_for_ever(house: House, why: str) -> None:
    """It ends when rights change, in time, and when the daemon stops; then nobody new is let in."""
    reply = events(house)
    assert reply.stream is not None
    content: Any = reply.stream.content
    while hear(house, reply) != b": nothing new\n\n" and not waiting(later(content.read(0, 0))):
        house.clock.advance(HEARTBEAT)
    heard = later(content.read(0, 1 << 18))
    if why == "rights":
        now(house.door.people.grant(OPERATOR, "anonymous", "admin", "*"))
    elif why == "stop":
        house.door.leave()
        assert events(house).status == 503
    else:
        house.clock.advance(LIFETIME)
        now(heard)
        heard = later(content.read(0, 1 << 18))
    assert now(heard) == b""
    reply.close()


class Push:
    """A service that pushes, with something to settle."""

    label = "over"

    def state(self) -> dict[str, Any]:
        lines = [f"alpha-{number}.0.tar.gz <there>" for number in range(30)]
        return {
            "index": "private",
            "to": "http://far.example/",
            "trouble": "it is away",
            "conflicts": lines,
            "refused": [],
            "running": False,
        }


class Documents:
    """A policy whose documents are of no use."""

    def __init__(self, **said: Any) -> None:
        self.said = said

    def read(self) -> dict[str, Any]:
        return {"advisories": 1, "projects": 1, "misread": 0, "trouble": "", **self.said}


def test_what_else_can_be_wrong(house: House) -> None:
    """Pushes, policies, downloads, the log, records: each in words, and names for administrators alone."""
    facts = house.door.routes.views.desk.status.facts
    facts.pushings = {"over": Push()}  # type: ignore[dict-item]  # all of it that is asked for
    facts.policies = {"known": Documents(trouble="file:///secret"), "other": Documents(misread=2)}  # type: ignore[dict-item]  # as above
    facts.packs = lambda: ({"pack": 3, "running": True, "error": None, "looked": 2, "found": 9, "files": 1, "bytes": 5},)
    facts.bundle = lambda: {"run": 1, "running": False, "error": "cut <off>", "changed": 4, "projects": 2}
    house.spool.corrupt = 1
    page = shown(house)
    for words in (
        "over cannot push",
        "over: 30 things in conflict",
        "The documents of the policy known cannot be used",
        "2 documents of the policy other could not be read",
        "1 download had other bytes than promised",
    ):
        assert words in page
    assert not any(words in page for words in ("alpha-", "secret", "far.example", "it is away", "Pack 3"))
    house.grant("anonymous", "admin", "*")
    page = shown(house)
    for words in ("alpha-19.0.tar.gz &lt;there&gt;", "and 10 more", "file:///secret", "it is away", "Pack 3", "cut &lt;off&gt;"):
        assert words in page
    assert "alpha-20" not in page
    assert '<summary class="small">Which 21</summary>' in page


def test_records_that_cannot_be_read_are_a_problem_and_no_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the page is there."""

    async def broken(*given: object) -> None:
        raise PypidaemonError("the disk is <gone>")

    monkeypatch.setattr(type(house.records.facts), "replaced", broken)
    monkeypatch.setattr(house.mirrorings["nightly"], "state", broken)
    page = shown(house)
    assert "The records cannot be read" in page
    assert "gone" not in page
    house.grant("anonymous", "admin", "*")
    assert "nightly: the disk is &lt;gone&gt;" in shown(house)


def test_a_budget_that_is_used_up_is_told_before_and_after() -> None:
    """And what was not taken."""
    facts = Facts(0.0, {}, disk=Disk({"private": 96, "mirrored": 100}, {"private": 100, "mirrored": 100}))
    nearly, full = sorted(problems(facts, Sight()), key=lambda one: one.kind, reverse=True)
    assert (nearly.kind, nearly.what) == ("warn", "The budget of what is private is nearly used up")
    assert (full.kind, full.what) == ("bad", "The budget of what is mirrored is used up")
    [refused] = problems(Facts(0.0, {}, disk=Disk({"private": 1}, refused={"private": 3})), Sight())
    assert refused.what == "3 files found no room"
    [lost] = problems(Facts(0.0, {}, lost_lines=2.0), Sight())
    assert lost.what == "2 lines of the log could not be written"


def await_(daemon: Running, done: Callable[..., object]) -> None:
    """Let time go by until that is so."""
    for _ in range(20):
        if done():
            return
        daemon.loop.turn(PACE)
        with suppress(Empty):
            daemon.loop._calls.get(timeout=0.05)()
    raise AssertionError("it never came to that")


def test_F79_F80_who_waits_for_news_keeps_no_daemon(tmp_path: Path) -> None:
    """At a reload and at a stop the stream ends whole, so that the browser asks whoever answers then."""
    with running(tmp_path, HEAD + SILENT + FIXED.format("alpha")) as daemon:
        for word in ("reload", "stop"):
            client, old = daemon.client(), daemon.household.house
            client.say(get("/+events"))
            await_(daemon, lambda wire=client.wire: b'"upstreams"' in wire.out)
            if word == "reload":
                daemon.reload(HEAD + SILENT + FIXED.format("alpha beta"))
            else:
                daemon.household.house.door.leave()
            await_(daemon, lambda wire=client.wire: wire.out.endswith(b"\r\n0\r\n\r\n"))
            await_(daemon, lambda skin=old.door.skins[0]: not skin.working)
        assert daemon.ask("/+events").status == 503
        assert json.loads(daemon.ask("/status/").body)["state"] == "working"
