"""
Everything that an upstream's line does when it fails, from the door to the wire, by a clock that the tests move (N5, F1-F44).

For each way: who waits, and for how long; what is still given; what is told; and that all is as before soon after it is over.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused

from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.services.probing import MOMENT, Probing
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.web import failures
from pypidaemon.web.held import GLANCE
from pypidaemon.web.reply import Reply
from tests import network
from tests.gear import inline, later, now
from tests.hosts import Hosts
from tests.house import House, header
from tests.network import HOST, Answering, Network

JSON = "application/vnd.pypi.simple.v1+json"
PATIENCE = 2.0
STEP = 0.125

FAULTS: dict[str, Answering] = {
    "F1 it answers with errors": network.status(500),
    "F1 it is overloaded": network.status(503),
    "F2 it asks us to come back later": network.status(429, ("Retry-After", "20")),
    "F2 it does not say when": network.status(429),
    "F7 a portal answers": network.portal,
    "F7 a portal redirects": network.elsewhere,
    "F8 pages break off": network.truncated,
    "F17 it redirects without end": network.circling,
    "F19 pages are cut": network.cut,
    "F30 it drips": network.dripping,
    "F32 it accepts and is silent": network.silent,
    "F33 it refuses connections": network.refused,
    "F36 its name has no address": network.nameless,
    "F38 TLS fails": network.untrusted,
    "S32 it gives the page of another project": network.mistaken,
}


@attrs.define
class Line:
    """A house at the end of a network, looked after as in a daemon."""

    house: House = attrs.field(factory=House)
    sign_of_life: float = 60.0
    other: str = ""
    """The host of an index that stands in, where there is one; it has what the upstream has."""
    hosts: Hosts = attrs.field(init=False)
    network: Network = attrs.field(init=False)
    upstream: HttpUpstream = attrs.field(init=False)
    probing: Probing = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.hosts = Hosts(self.house.clock)
        self.network = self.hosts.host(str(urlsplit(HOST).hostname))
        for one in (self.network, self.hosts.host(self.other)):
            one.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"))
        for number in range(3):
            self.network.add(f"other-{number}", (f"other-{number}-1.0.tar.gz", b"other"))
        self.begin()

    def begin(self) -> None:
        """A daemon over the same stores."""
        self.upstream = HttpUpstream(
            label="pypi",
            url=f"{HOST}/simple/",
            patience=PATIENCE,
            sign_of_life=self.sign_of_life,
            clock=self.house.clock,
            reactor=self.house.clock,
            cpu=inline,
            records=self.house.records,
            agent=self.hosts if self.other else self.network,
            random=lambda: 0.5,
            mirrors=(f"http://{self.other}/simple/",) if self.other else (),
        )
        if self.other:
            self.upstream.startService()
        guarded: Any = Guarded(self.upstream, ())
        self.house.upstream = guarded
        self.house.restart()
        self.house.proxy = self.house.new_proxy("pypi", guarded)
        self.house.open({"pypi": self.house.proxy}, "pypi")
        self.probing = Probing(self.house.clock, self.house.records, {"pypi": guarded})
        self.probing.startService()

    @property
    def state(self) -> str:
        return self.upstream.health.state

    def visit(self, path: str) -> tuple[Reply, float]:
        """What a client is answered, errors as it sees them, and how long that took."""
        began = self.house.clock.seconds()
        ask = self.house.ask(path, accept=JSON)
        ready = self.house.door.routes.quick(ask)
        if ready is not None:
            return ready, 0.0
        waiting: Deferred[Reply] = later(self.house.door.routes.handle(ask))
        waiting.addErrback(lambda failed: failures.answer(failed.value, ask.id, "/packages/" in path))
        for _ in range(1000):
            if waiting.called and not waiting.paused:
                return now(waiting), self.house.clock.seconds() - began
            self.house.clock.advance(STEP)
        raise AssertionError(f"{path}: nobody answers")

    def page(self, name: str) -> tuple[list[str], Reply, float]:
        """The files on a page, the answer, and how long it took."""
        reply, took = self.visit(f"/simple/{name}/")
        assert reply.status == 200, reply.body
        return [entry["filename"] for entry in json.loads(reply.body)["files"]], reply, took

    def file(self, filename: str) -> tuple[Reply, float]:
        """The answer to who wants that file of alpha."""
        [path] = [path for path in self.network.bodies if path.endswith(filename)]
        return self.visit(path)

    def pass_(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let so many seconds go by, or fewer if something happens; answer how many."""
        passed = 0.0
        while passed < seconds and not until():
            self.house.clock.advance(STEP)
            passed += STEP
        return passed


@pytest.fixture
def line() -> Line:
    """Alpha and others are known, of which one file is here; all pages are past their time."""
    line = Line()
    for name in ("alpha", "other-0", "other-1", "other-2"):
        assert line.page(name)[2] == 0
    reply, _ = line.file("alpha-1.0.tar.gz")
    assert line.house.body(reply) == b"one"
    line.pass_(700)
    assert line.state == "up"
    return line


@pytest.mark.parametrize("wrong", FAULTS.values(), ids=FAULTS)
def test_N5_an_outage_is_survived(line: Line, wrong: Answering) -> None:
    """
    One client waits, and not for long; what is known is given, and what is not is unavailable; and it ends by itself.

    F1, F2, F7, F8, F17, F19, F30, F32-F34, F36, F38, S32.
    """
    line.network.wrong = wrong
    line.network.asked.clear()
    files, reply, took = line.page("alpha")
    assert "alpha-1.0.tar.gz" in files
    assert took <= PATIENCE + STEP
    assert (header(reply, "X-Pypidaemon-Stale"), header(reply, "Cache-Control")) == ("yes", "no-cache")
    # Who answers, and wrongly, is only given up after the third wrong answer, none of which anybody waits for.
    for name in ("other-0", "other-1", "other-2"):
        assert line.page(name)[2] <= (0 if line.state != "up" else PATIENCE)
    assert line.state in ("suspect", "down", "probing")
    # Who is suspect is looked at, and known to be down before anybody would have waited any longer; until then pages stay as they were.
    if line.state == "suspect":
        assert line.page("alpha")[0] == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
        line.pass_(PATIENCE + MOMENT + 2 * STEP, lambda: line.state != "suspect")
    assert line.state in ("down", "probing")
    state = json.loads(line.visit("/+health")[0].body)["upstreams"]["pypi"]
    assert state["state"] == line.state
    assert state["cause"]
    asked = len(line.network.asked)
    began = line.house.clock.seconds()
    while line.house.clock.seconds() < began + 60:
        files, reply, took = line.page("alpha")
        assert (files, took, header(reply, "X-Pypidaemon-Held")) == (["alpha-1.0.tar.gz"], 0, "1 of 2")
        reply, took = line.file("alpha-1.0.tar.gz")
        assert (reply.status, line.house.body(reply), took) == (200, b"one", 0)
        for reply, took in (line.visit("/simple/unknown/"), line.file("alpha-2.0.tar.gz")):
            assert (reply.status, took) == (503, 0)
            assert 1 <= int(header(reply, "Retry-After") or "") <= 60
        line.pass_(1)
        assert line.state != "up"
    # Clients asked four times a second; upstream was asked by the probes alone, of which a redirect without end takes six, and a wrong answer two.
    assert len(line.network.asked) - asked <= 8 * (6 if wrong is network.circling else 1) * 2
    line.network.wrong = None
    assert line.pass_(30, lambda: line.state == "up") < 30
    line.network.asked.clear()
    files, reply, took = line.page("alpha")
    assert (files, took) == (["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"], 0)
    assert (header(reply, "X-Pypidaemon-Stale"), header(reply, "X-Pypidaemon-Held")) == (None, None)
    assert line.network.asked == ["/simple/alpha/"]
    reply, took = line.file("alpha-2.0.tar.gz")
    assert (reply.status, line.house.body(reply), took) == (200, b"two", 0)


@pytest.mark.parametrize("wrong", [network.refused, network.silent, network.portal], ids=["refused", "silent", "portal"])
def test_N1_a_daemon_that_starts_without_a_network_serves_what_it_knows(line: Line, wrong: Answering) -> None:
    """Where the line was down before, nobody waits at all; where it was not known to be, the first one waits for as long as its patience."""
    line.network.wrong = wrong
    now(line.probing.stopService())
    line.begin()
    files, _, took = line.page("alpha")
    assert "alpha-1.0.tar.gz" in files
    assert took <= PATIENCE + STEP
    line.pass_(60, lambda: line.state == "down") if wrong is not network.portal else None
    for name in ("other-0", "other-1", "other-2"):
        line.page(name)
    line.pass_(60, lambda: line.state == "down")
    assert line.state == "down"
    now(line.probing.stopService())
    line.pass_(7200)
    line.begin()
    assert line.page("alpha")[0::2] == (["alpha-1.0.tar.gz"], 0)
    assert [took for _, took in (line.visit("/simple/unknown/"), line.file("alpha-2.0.tar.gz"))] == [0, 0]
    assert line.visit("/simple/unknown/")[0].status == 503
    line.network.wrong = None
    assert line.pass_(30, lambda: line.state == "up") < 30
    assert len(line.page("alpha")[0]) == 2


@pytest.mark.parametrize("seconds", [2.5, 4.0, 6.0])
def test_F30_an_upstream_that_is_slow_is_slow_and_gives_what_is_not_here(line: Line, seconds: float) -> None:
    """Once it is known to be: who asks waits, and nobody takes it for silent, from which a look would find no way back that takes as long."""

    def slow(path: str, net: Network) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        wrong, net.wrong = net.wrong, None
        coming = net.request(b"GET", f"{HOST}{path}".encode())
        net.wrong = wrong
        line.house.clock.callLater(seconds, answer.callback, now(coming))
        return answer

    for number in range(6):
        line.network.add(f"new-{number}", (f"new_{number}-1.0.tar.gz", b"new"))
    line.network.wrong = slow
    line.visit("/simple/new-0/")
    line.pass_(15, lambda: line.state == "up")
    for number in range(1, 6):
        files, _, took = line.page(f"new-{number}")
        assert (files, line.state) == ([f"new_{number}-1.0.tar.gz"], "up")
        assert took == pytest.approx(seconds)
    reply, took = line.visit(next(path for path in line.network.bodies if "new_1" in path))
    assert (reply.status, line.house.body(reply), line.state) == (200, b"new", "up")
    assert took == pytest.approx(seconds)
    # Who has something to be given is given that before.
    line.pass_(700)
    files, _, took = line.page("new-1")
    assert (len(files), line.state) == (1, "up")
    assert took <= PATIENCE + GLANCE + STEP
    # And silence is still found out.
    line.network.wrong = network.silent
    line.page("new-2")
    line.pass_(30, lambda: line.state == "down")
    assert line.page("new-1")[0] == ["new_1-1.0.tar.gz"]


def test_F30_a_slow_line_is_not_a_dead_one(line: Line) -> None:
    """Who has waited long enough has an answer, and the one that comes after that counts all the same."""
    answers: list[Deferred[Any]] = []

    def slow(path: str, net: Network) -> Deferred[Any]:
        answers.append(Deferred())
        return answers[-1]

    line.network.wrong = slow
    _, _, took = line.page("alpha")
    assert took == pytest.approx(PATIENCE)
    assert line.state == "suspect"
    line.network.wrong = None
    line.network.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"), ("alpha-3.0.tar.gz", b"three"))
    answers[0].callback(now(line.network.request(b"GET", f"{HOST}/simple/alpha/".encode())))
    assert line.state == "up"
    asked = len(line.network.asked)
    assert len(line.page("alpha")[0]) == 3
    assert len(line.network.asked) == asked


def test_a_file_from_who_is_silent_is_waited_for_no_longer_than_a_page(line: Line) -> None:
    line.network.wrong = network.silent
    reply, took = line.file("alpha-2.0.tar.gz")
    assert (reply.status, took) == (503, pytest.approx(PATIENCE))
    assert line.state == "suspect"


def test_N6_a_host_of_files_fails_apart_from_the_index_which_is_looked_at(line: Line) -> None:
    """Pages go on, and who wants a file from there is told at once; where the whole line is down, that is found out by it."""
    other = b'{"filename": "far-1.0.tar.gz", "url": "http://files.example/far-1.0.tar.gz", "hashes": {"sha256": "%064x"}}' % 1
    line.network.pages["/simple/far/"] = b'{"meta": {"api-version": "1.1"}, "name": "far", "versions": [], "files": [%s]}' % other
    assert line.page("far")[0] == ["far-1.0.tar.gz"]
    path = "/packages/" + now(line.house.proxy.project_page("far")).files[0].path  # type: ignore[arg-type]  # tests know what is a name

    def without_files(path: str, net: Network) -> Deferred[Any]:
        if path.startswith("/simple/"):
            net.wrong = None
            try:
                return net.request(b"GET", f"{HOST}{path}".encode())
            finally:
                net.wrong = without_files
        return network.refused(path, net)

    line.network.wrong = without_files
    line.network.asked.clear()
    for _ in range(5):
        reply, took = line.visit(path)
        assert (reply.status, took) == (503, 0)
    line.pass_(0.2)
    assert line.state == "up"
    assert line.network.asked.count("/far-1.0.tar.gz") == 1
    assert len([path for path in line.network.asked if path.startswith("/simple/")]) == 2  # the probe, written down at both ends
    # Nothing of it can be had, which a resolver had better know.
    assert line.page("far")[0] == []
    assert line.page("other-0")[1].status == 200
    line.pass_(10)
    line.network.wrong = network.refused
    line.visit(path)
    assert line.state == "up"
    line.network.wrong = None
    line.network.bodies["/far-1.0.tar.gz"] = b"x"
    line.pass_(30)
    assert line.visit(path)[0].status == 502  # it is not what the page promises, but the host was asked


def test_N6_a_line_that_is_cut_while_pages_are_fresh_is_noticed_by_the_first_file(line: Line) -> None:
    """With pages that stay fresh for days, nothing else would notice."""
    far = b'{"filename": "far-%d.0.tar.gz", "url": "http://files.example/far-%d.0.tar.gz", "hashes": {"sha256": "%064x"}}'
    entries = b", ".join(far % (number, number, number) for number in (1, 2))
    line.network.pages["/simple/far/"] = b'{"meta": {"api-version": "1.1"}, "name": "far", "versions": [], "files": [%s]}' % entries
    assert len(line.page("far")[0]) == 2
    path = "/packages/" + now(line.house.proxy.project_page("far")).files[0].path  # type: ignore[arg-type]  # tests know what is a name
    line.network.wrong = network.nameless
    assert line.visit(path)[0].status == 503
    line.pass_(0.2)
    assert line.state == "down"
    assert line.page("far")[0] == []


def quiet(line: Line) -> None:
    """Alpha's page is fresh, and for two minutes nobody has asked for anything."""
    assert len(line.page("alpha")[0]) == 2
    line.pass_(120)
    line.network.asked.clear()


@pytest.mark.parametrize("wrong", [network.refused, network.nameless, network.elsewhere], ids=["refused", "nameless", "portal"])
def test_N1_the_very_first_page_after_the_line_was_cut_lists_what_is_here(line: Line, wrong: Answering) -> None:
    """Although it is fresh, and nobody has been told that anything is wrong: who takes 2.0 from it would get nothing."""
    quiet(line)
    line.network.wrong = wrong
    files, reply, took = line.page("alpha")
    assert (files, header(reply, "X-Pypidaemon-Held"), line.state) == (["alpha-1.0.tar.gz"], "1 of 2", "down")
    assert took <= GLANCE


@pytest.mark.parametrize("wrong", [network.refused, network.nameless])
def test_N1_where_the_way_out_has_changed_the_first_page_is_right_also_within_the_minute(line: Line, wrong: Answering) -> None:
    """The page is fresh, and upstream was heard of just now."""
    assert len(line.page("alpha")[0]) == 2
    line.network.wrong = wrong
    assert len(line.page("alpha")[0]) == 2
    line.upstream.moved()
    files, reply, took = line.page("alpha")
    assert (files, header(reply, "X-Pypidaemon-Held")) == (["alpha-1.0.tar.gz"], "1 of 2")
    assert took <= GLANCE


def test_N1_who_finds_the_line_dead_is_given_what_is_here(line: Line) -> None:
    """Although one failure proves little: a moment later it is known that it was not that one connection alone."""
    line.network.wrong = network.refused
    files, reply, took = line.page("alpha")
    assert (files, header(reply, "X-Pypidaemon-Held"), line.state) == (["alpha-1.0.tar.gz"], "1 of 2", "down")
    assert took <= GLANCE


def test_F35_one_connection_that_breaks_takes_nothing_off_the_page(line: Line) -> None:
    def once(path: str, net: Network) -> Deferred[Any]:
        net.wrong = None
        return network.refused(path, net)

    line.network.wrong = once
    files, reply, took = line.page("alpha")
    assert (len(files), header(reply, "X-Pypidaemon-Held"), line.state) == (2, None, "up")
    assert took <= GLANCE


@pytest.mark.parametrize("before", ["both were up", "the upstream was down", "both were down"])
def test_N1_where_others_stand_in_the_first_page_lists_what_is_here_too(before: str) -> None:
    """Once all are cut off. Of who stands in it is found out when it is the only one left, also where it was heard of lately: it may stand on the same line."""
    line = Line(other="other.example")
    line.page("alpha")
    line.file("alpha-1.0.tar.gz")
    line.pass_(700)
    other = line.hosts.host("other.example")
    if before != "both were up":
        line.network.wrong = network.refused
        other.wrong = network.refused if before == "both were down" else None
        assert len(line.page("alpha")[0]) == (2 if other.wrong is None else 1)
        line.pass_(1)
        line.network.wrong = other.wrong = None
        line.pass_(30, lambda: line.state == "up")
        line.pass_(11)
    line.network.wrong = other.wrong = network.refused
    files, reply, took = line.page("alpha")
    assert (files, header(reply, "X-Pypidaemon-Held"), line.state) == (["alpha-1.0.tar.gz"], "1 of 2", "down")
    assert took <= GLANCE


def test_N1_a_daemon_that_is_held_up_itself_does_not_take_that_for_silence(line: Line) -> None:
    """On a small machine, or a busy one: what came meanwhile is heard after the time is up by which it is waited for."""
    quiet(line)
    asked: list[Deferred[Any]] = []

    def unanswered(path: str, net: Network) -> Deferred[Any]:
        asked.append(Deferred())
        return asked[-1]

    line.network.wrong = unanswered
    waiting: Deferred[Reply] = later(line.house.door.routes.handle(line.house.ask("/simple/alpha/", accept=JSON)))
    for _ in range(2):
        line.house.clock.advance(2 * GLANCE)
        asked.pop().errback(Refused())
    assert header(now(waiting), "X-Pypidaemon-Held") == "1 of 2"


def test_N1_who_asks_after_a_quiet_minute_waits_for_moments_and_the_next_do_not(line: Line) -> None:
    quiet(line)
    line.network.wrong = network.silent
    files, _, took = line.page("alpha")
    assert (len(files), took) == (2, pytest.approx(GLANCE, abs=STEP))
    for _ in range(8):
        assert line.page("alpha")[2] == 0
    line.pass_(2 * (PATIENCE + MOMENT) + 3 * STEP)
    assert line.page("alpha")[0] == ["alpha-1.0.tar.gz"]


def test_N1_a_line_that_is_well_is_asked_for_a_sign_of_life_once_a_minute_and_only_for_clients(line: Line) -> None:
    quiet(line)
    line.pass_(300)
    assert line.network.asked == []
    began = line.house.clock.seconds()
    while line.house.clock.seconds() < began + 70:
        files, reply, took = line.page("alpha")
        assert (len(files), header(reply, "X-Pypidaemon-Held")) == (2, None)
        assert took <= STEP
        line.pass_(0.5)
    assert len(line.network.asked) == 2
    # For who is given all anyway nothing is asked, and neither is where that is switched off.
    line.pass_(70)
    line.house.get("/simple/alpha/", accept=JSON, via="1.1 pypidaemon-0123456789abcdef")
    line.pass_(STEP)
    assert len(line.network.asked) == 2


@pytest.mark.parametrize("way", ["all", "for good"])
def test_N1_nobody_waits_for_a_sign_of_life_where_that_is_not_wanted(way: str) -> None:
    house = House(settings={"while_down": "all" if way == "all" else "held"})
    line = Line(house, sign_of_life=60.0 if way == "all" else 0.0)
    quiet(line)
    line.network.wrong = network.silent
    files, _, took = line.page("alpha")
    assert (len(files), took, line.network.asked) == (2, 0, [])


def test_a_daemon_like_this_one_whose_own_upstream_is_down_is_up_itself(line: Line) -> None:
    """What it cannot get is unavailable, and what it has is had from it: one answer must not take all the others with it."""
    told = failures.answer(UpstreamUnavailable("theirs", "no route", 30), "0" * 16, True)
    headers = tuple(pair for pair in told.headers if pair[0] != "Content-Type")

    def lacking(path: str, net: Network) -> Deferred[Any]:
        if "unknown" in path:
            return network.status(told.status, *headers)(path, net)
        net.wrong = None
        return net.request(b"GET", f"{HOST}{path}".encode())

    for _ in range(5):
        line.network.wrong = lacking
        reply, _ = line.visit("/simple/unknown/")
        assert (reply.status, line.state) == (503, "up")
        assert b"its own upstream cannot be asked" in reply.body
    assert len(line.page("alpha")[0]) == 2


def test_F2_a_wait_that_is_asked_for_is_kept_to(line: Line) -> None:
    line.network.wrong = network.status(429, ("Retry-After", "600"))
    line.page("alpha")
    line.network.wrong = None
    line.network.asked.clear()
    line.pass_(590)
    assert (line.network.asked, line.state) == ([], "down")
    line.pass_(30, lambda: line.state == "up")
    assert line.state == "up"


def test_F40_an_upstream_that_comes_and_goes_is_asked_little_and_clients_notice_nothing(line: Line) -> None:
    """Every two seconds for two minutes: no error for what is known, and hardly more requests than there were clients with a reason."""
    line.network.asked.clear()
    answered = waited = 0
    for round_ in range(60):
        line.network.wrong = network.refused if round_ % 2 else None
        for _ in range(4):
            files, _, took = line.page("alpha")
            reply, _ = line.file("alpha-1.0.tar.gz")
            assert "alpha-1.0.tar.gz" in files
            assert reply.status == 200
            # Once a minute somebody waits for a sign of life.
            assert took <= GLANCE
            waited += took > 0
            answered += 1
            line.pass_(0.5)
    assert answered == 240
    assert waited <= 3
    assert len(line.network.asked) <= 60
    line.network.wrong = None
    line.pass_(35, lambda: line.state == "up")
    assert len(line.page("alpha")[0]) == 2


def test_a_probe_asks_for_a_page_that_is_known_and_is_not_led_astray_by_one_that_is_broken(line: Line) -> None:
    line.network.wrong = network.refused
    line.page("alpha")

    def one_is_broken(path: str, net: Network) -> Deferred[Any]:
        if path == "/simple/pypidaemon/":
            return network.status(404)(path, net)
        return network.status(500)(path, net)

    line.network.asked.clear()
    line.pass_(2.2)
    assert [path for path in line.network.asked if path != "/simple/pypidaemon/"]
    line.network.wrong = one_is_broken
    line.network.asked.clear()
    assert line.pass_(30, lambda: line.state == "up") < 30
    assert line.network.asked[-1] == "/simple/pypidaemon/"


def test_what_is_not_known_and_cannot_be_asked_is_an_error_of_ours_alone(line: Line) -> None:
    """Law 10: an outage never makes an absence, and nothing of it is remembered."""
    line.network.wrong = network.refused
    with pytest.raises(PypidaemonError) as caught:
        now(line.house.proxy.project_page("unknown"))  # type: ignore[arg-type]  # tests know what is a name
    assert isinstance(caught.value, UpstreamUnavailable)
    line.network.wrong = None
    line.pass_(30, lambda: line.state == "up")
    assert line.visit("/simple/unknown/")[0].status == 404
