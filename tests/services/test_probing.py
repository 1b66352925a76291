"""What looks after upstreams that do not answer: when it asks, what for, and what it remembers."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock
from zope.interface import implementer

from pypidaemon.errors import StorageFailed, StorageFull, UpstreamUnavailable
from pypidaemon.interfaces import IDocumentCache, IProbed, ISourced, IUpstream
from pypidaemon.model import AWAY, NormalizedName, Outage, UpstreamPage, Validators
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.services.probing import LONGEST, MOMENT, Probing
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.health import LOOKS, Health
from pypidaemon.upstreams.unasked import OFFLINE, Unasked
from pypidaemon.waits import Bell
from tests import fakes
from tests.gear import later, now


@implementer(IDocumentCache)
@attrs.define
class Full:
    """Documents on a disk without room, and then perhaps without sense."""

    documents: Any
    room: bool = False
    readable: bool = True

    async def keep(self, *document: Any) -> None:
        if not self.room:
            raise StorageFull("there is no room left")
        await self.documents.keep(*document)

    async def recall(self, *place: Any) -> Any:
        if not self.readable:
            raise StorageFailed("the disk does not answer")
        return await self.documents.recall(*place)

    async def expire(self, label: str, name: Any) -> None:
        raise AssertionError


@implementer(IUpstream, IProbed, ISourced)
@attrs.define
class Upstream(fakes.FakeUpstream):
    """Says nothing but whether it answers."""

    clock: Clock = attrs.field(kw_only=True)
    health: Health = attrs.field(init=False)  # type: ignore[assignment]  # the real one, of which this is about
    answers: bool = attrs.field(default=True, init=False)
    hangs: bool = attrs.field(default=False, init=False)
    source: str = attrs.field(default="", init=False)
    probed: list[tuple[float, str]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.health = Health(self.clock, lambda: 0.5)

    async def probe(self, name: NormalizedName) -> None:
        self.probed.append((self.clock.seconds(), name))
        if self.hangs:
            await Bell().wait()
        if self.answers:
            self.health.succeeded()
        else:
            self.health.failed("it refuses connections")

    def moved(self) -> None:
        self.health.moved()


@attrs.define
class Station:
    """One upstream, looked after."""

    clock: Clock = attrs.field(factory=Clock)
    source: str = "https://index.example/simple/"
    records: MemoryRecords = attrs.field(init=False)
    upstream: Upstream = attrs.field(init=False)
    service: Probing = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(1000)
        self.records = MemoryRecords(label="records", clock=self.clock)
        self.restart()

    def restart(self, reserved: tuple[str, ...] = ()) -> None:
        """A new daemon over the same records."""
        self.upstream = Upstream(clock=self.clock)
        self.upstream.source = self.source
        self.service = Probing(self.clock, self.records, {"pypi": Guarded(self.upstream, reserved)})
        self.service.startService()

    def pass_(self, seconds: float) -> None:
        """Let so many seconds go by, a tenth at a time."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)

    def state(self) -> str:
        return self.upstream.health.state


@pytest.fixture
def station() -> Station:
    return Station()


def test_whoever_is_up_is_left_alone(station: Station) -> None:
    station.pass_(1000)
    assert station.upstream.probed == []
    assert not station.clock.getDelayedCalls()


def test_F40_recovery_is_noticed_within_30_seconds_and_without_any_client(station: Station) -> None:
    """However long the outage lasted, with few requests meanwhile."""
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.pass_(3600)
    assert station.state() == "down"
    assert 150 < len(station.upstream.probed) < 200
    station.upstream.answers = True
    station.pass_(30)
    assert station.state() == "up"
    asked = len(station.upstream.probed)
    station.pass_(1000)
    assert len(station.upstream.probed) == asked


def test_F2_whoever_asks_to_be_left_alone_is(station: Station) -> None:
    station.upstream.health.failed("too many requests", 300.0)
    station.pass_(299)
    assert station.upstream.probed == []
    station.pass_(2)
    assert (len(station.upstream.probed), station.state()) == (1, "up")


def test_a_probe_that_hangs_is_given_up_and_the_next_finds_out(station: Station) -> None:
    station.upstream.hangs = True
    station.upstream.health.failed("no route", 1.0)
    station.pass_(1.1)
    assert station.state() == "probing"
    asked = len(station.upstream.probed)
    station.pass_(LONGEST)
    # It is time for the next by then, which hangs as well.
    assert (len(station.upstream.probed), station.state()) == (asked + 1, "probing")
    station.upstream.hangs = False
    station.pass_(30)
    assert station.state() == "up"


def test_who_was_silent_is_looked_at_at_once_and_is_down_if_it_is_so_again(station: Station) -> None:
    """Not before: one slow answer is none. And not much later, since until then pages list what cannot be had."""
    station.upstream.health.silent()
    assert station.state() == "suspect"
    station.clock.advance(0)
    assert (len(station.upstream.probed), station.state()) == (1, "up")
    station.upstream.hangs = True
    station.upstream.health.silent()
    station.pass_(station.upstream.patience - 0.1)
    assert (len(station.upstream.probed), station.state()) == (2, "suspect")
    station.pass_(0.3 + MOMENT)
    assert station.state() in AWAY


def test_F86_clients_that_insist_on_one_broken_project_do_not_take_the_upstream_down(station: Station) -> None:
    """Three wrong answers in a row may have been about the same one; a look at another tells."""
    heard: list[str] = []
    station.upstream.health.listen(lambda: heard.append(station.state()))
    for _ in range(30):
        station.upstream.health.stumbled("500")
        station.pass_(0.1)
    assert station.state() == "up"
    assert "down" not in heard
    assert len(station.upstream.probed) <= 10
    station.upstream.answers = False
    for _ in range(3):
        station.upstream.health.stumbled("500")
    station.clock.advance(0)
    assert station.state() == "down"


def test_N6_an_upstream_that_is_doubted_is_looked_at_at_once(station: Station) -> None:
    station.upstream.answers = False
    station.upstream.health.question()
    station.clock.advance(0)
    # What fails is tried once more.
    assert (len(station.upstream.probed), station.state()) == (2, "down")
    station.upstream.answers = True
    station.pass_(30)
    assert station.state() == "up"


def test_law_3_a_reserved_name_is_not_asked_for(station: Station) -> None:
    station.restart(("pypidaemon*", "pip"))
    station.upstream.health.failed("no route")
    station.pass_(2)
    assert [name for _, name in station.upstream.probed] == ["setuptools"]
    station.restart(("p*", "s*", "0*", "[a-w]*"))
    station.upstream.health.failed("no route")
    station.pass_(2)
    assert [name for _, name in station.upstream.probed] == ["x"]
    station.restart(("*",))
    station.upstream.health.failed("no route")
    station.pass_(60)
    assert station.upstream.probed == []


def test_N1_an_outage_is_remembered_over_a_restart_and_looked_at_at_once(station: Station) -> None:
    """Nobody waits for what was down when the daemon stopped."""
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.pass_(100)
    now(station.service.stopService())
    assert not station.clock.getDelayedCalls()
    station.pass_(500)
    station.restart()
    health = station.upstream.health
    assert (health.state, health.since, health.may_ask()) == ("down", 1000.0, False)
    station.clock.advance(0)
    assert (len(station.upstream.probed), station.state()) == (1, "up")
    now(station.service.stopService())
    station.restart()
    assert station.state() == "up"


def test_N1_what_is_remembered_survives_a_crash(station: Station) -> None:
    """It is on record as soon as it is known."""
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.clock.advance(0)
    station.restart()
    assert station.state() == "down"
    station.pass_(1)
    assert station.state() == "up"
    station.restart()
    assert station.state() == "up"


def test_what_is_on_record_and_makes_no_sense_is_nothing(station: Station) -> None:
    bodies = [b"", b"{", b"[]", b'{"cause": 1}', b'{"cause": "x", "since": "y", "held_until": 0}', b'"down"', b"\xff", b"[" * 5000]
    for wrong in (b'"nan"', b"null", b"1e999", b'"inf"', b"-1e300", b"[]", b"1" + b"0" * 400):
        bodies.append(b'{"cause": "x", "since": %b, "held_until": 0}' % wrong)
        bodies.append(b'{"cause": "x", "since": 1, "held_until": %b}' % wrong)
    for body in bodies:
        now(station.records.documents.keep("upstream:pypi", NormalizedName("health"), "health", body, 0.0))
        station.restart()
        assert station.state() == "up", body


def test_what_is_on_record_of_another_place_under_the_same_label_is_nothing(station: Station) -> None:
    """Whoever gives an upstream another address, since the old one wants to be left alone for an hour, is not made to wait."""
    station.upstream.health.failed("too many requests", 3600.0)
    now(station.service.stopService())
    station.source = "https://other.example/simple/"
    station.restart()
    assert station.state() == "up"
    station.upstream.health.failed("too many requests", 1.0)
    station.restart()
    assert station.state() == "down"
    station.pass_(3)
    assert station.state() == "up"


def test_F54_an_outage_that_cannot_be_put_on_record_is_looked_after_all_the_same(station: Station) -> None:
    """It is put there as soon as there is room; whoever stops before is stopped without a fuss."""
    documents = Full(station.records.documents)
    station.records.documents = documents
    station.restart()
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.pass_(40)
    assert station.state() == "down"
    assert len(station.upstream.probed) > 3
    now(station.service.stopService())
    station.restart()
    assert station.state() == "up"
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    documents.room = True
    station.pass_(60)
    station.restart()
    assert station.state() == "down"
    documents.readable = False
    station.restart()
    assert station.state() == "up"
    station.upstream.health.failed("no route")
    station.pass_(2)
    assert station.state() == "up"


def test_F2_a_longer_wait_that_is_asked_for_meanwhile_is_remembered(station: Station) -> None:
    """By a request that was under way already: nothing but the time to wait has changed."""
    station.upstream.health.failed("no route")
    station.upstream.health.failed("too many requests", 900.0)
    station.restart()
    outage = station.upstream.health.outage()
    assert outage is not None
    assert outage.held_until == 1900.0
    station.pass_(899)
    assert station.upstream.probed == []


def test_N6_doubts_make_nobody_ask_all_the_time(station: Station) -> None:
    """Pages may name any number of hosts of files that do not answer, and clients may want one file of each."""
    for _ in range(600):
        station.upstream.health.question()
        station.pass_(0.1)
    assert len(station.upstream.probed) <= 60 / LOOKS + 1
    assert station.upstream.probed[-1][0] >= station.clock.seconds() - 2 * LOOKS
    station.pass_(2 * LOOKS)
    asked = len(station.upstream.probed)
    station.pass_(100)
    assert len(station.upstream.probed) == asked
    assert not station.clock.getDelayedCalls()


def test_N1_whoever_is_down_is_looked_at_as_soon_as_there_is_another_way_out(station: Station) -> None:
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.pass_(300)
    assert station.state() == "down"
    station.upstream.answers = True
    asked = len(station.upstream.probed)
    station.service.moved()
    station.pass_(0.1)
    assert (station.state(), len(station.upstream.probed)) == ("up", asked + 1)


def test_N1_a_look_that_hangs_in_the_network_before_is_given_up(station: Station) -> None:
    station.upstream.health.failed("no route")
    station.upstream.hangs = True
    station.pass_(1)
    assert (station.state(), len(station.upstream.probed)) == ("suspect", 1)
    station.upstream.hangs = False
    station.service.moved()
    station.pass_(0.1)
    assert (station.state(), len(station.upstream.probed)) == ("up", 2)


def test_N1_a_look_that_is_given_up_takes_nobody_down(station: Station) -> None:
    """Pages would leave out what is not here, for as long as the next look takes."""
    states: list[str] = []
    station.upstream.health.listen(lambda: states.append(station.state()))
    station.upstream.health.failed("no route")
    station.upstream.hangs = True
    station.pass_(1)
    station.service.moved()
    station.pass_(0.1)
    assert set(states) == {"suspect"}
    station.pass_(LONGEST)
    assert station.state() in AWAY


def test_N1_where_the_way_out_has_changed_nobody_is_believed_to_be_there(station: Station) -> None:
    """Although it was heard of just now; one look finds out, which is made when somebody asks."""
    health = station.upstream.health
    health.succeeded()
    assert health.vouched() > station.clock.seconds()
    station.service.moved()
    station.pass_(1)
    assert station.upstream.probed == []
    assert health.vouched() <= station.clock.seconds()
    station.upstream.answers = False
    waiting = later(health.confirmed())
    station.pass_(0.1)
    now(waiting)
    assert station.state() == "down"


def test_F2_who_asked_to_be_left_alone_is_left_alone_wherever_this_machine_stands(station: Station) -> None:
    station.upstream.health.failed("too many requests", 60.0)
    station.service.moved()
    station.pass_(59)
    assert station.upstream.probed == []
    station.pass_(2)
    assert station.state() == "up"


def test_it_listens_for_the_way_out_while_it_runs(station: Station) -> None:
    @attrs.define
    class WayOut:
        tell: Any = None

        def begin(self, tell: Any) -> None:
            self.tell = tell

        def end(self) -> None:
            self.tell = None

    way_out: Any = WayOut()
    service = Probing(station.clock, station.records, {}, way_out)
    service.startService()
    assert way_out.tell == service.moved
    now(service.stopService())
    assert way_out.tell is None


def test_F44_a_clock_that_is_put_back_stops_no_probes(station: Station) -> None:
    """What waits for a moment of the clock waits an hour longer then; the first client who is turned away notices."""
    station.clock.advance(100_000)
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.pass_(100)
    station.upstream.answers = True
    station.clock.rightNow -= 3600
    station.clock.advance(0)
    assert not station.upstream.health.may_ask()
    station.pass_(30)
    assert station.state() == "up"


def test_F44_a_clock_that_jumps_ahead_makes_nobody_ask_more(station: Station) -> None:
    station.upstream.answers = False
    station.upstream.health.failed("no route")
    station.pass_(100)
    asked = len(station.upstream.probed)
    station.clock.advance(10 * 365 * 86400)
    station.pass_(60)
    assert len(station.upstream.probed) - asked <= 6
    station.upstream.answers = True
    station.pass_(30)
    assert station.state() == "up"


def test_a_wait_that_was_asked_for_is_remembered_too(station: Station) -> None:
    station.upstream.health.failed("too many requests", 600.0)
    now(station.service.stopService())
    station.pass_(100)
    station.restart()
    assert station.upstream.health.outage() == Outage("too many requests", 1000.0, 1600.0)
    station.pass_(499)
    assert station.upstream.probed == []
    station.pass_(2)
    assert station.state() == "up"


def test_stopping_ends_a_probe_under_way(station: Station) -> None:
    station.upstream.hangs = True
    station.upstream.health.failed("no route", 1.0)
    station.pass_(1.1)
    assert station.state() == "probing"
    now(station.service.stopService())
    assert station.state() == "down"
    assert not station.clock.getDelayedCalls()


def test_a_reload_in_the_middle_of_a_look_takes_nobody_down(station: Station) -> None:
    """Who looks next finds out, and does so at once."""
    station.upstream.hangs = True
    station.upstream.health.failed("no route")
    station.pass_(0.1)
    now(station.service.stopService())
    assert (station.state(), len(station.upstream.probed)) == ("suspect", 1)
    station.upstream.hangs = False
    Probing(station.clock, station.records, {"pypi": Guarded(station.upstream, ())}).startService()
    station.pass_(0.1)
    assert station.state() == "up"


def test_an_upstream_that_must_not_be_asked_is_not(station: Station) -> None:
    upstream = Upstream(clock=station.clock)
    guarded = Guarded(upstream, (), Unasked(OFFLINE, "offline"))
    service = Probing(station.clock, station.records, {"pypi": guarded})
    service.startService()
    station.pass_(60)
    now(guarded.probe(NormalizedName("x")))
    service.moved()
    assert upstream.probed == []
    now(service.stopService())


def test_of_an_upstream_without_a_probe_a_page_is_asked_for() -> None:
    """As one of somebody else's may be; whatever comes of it is no matter here."""
    upstream = fakes.FakeUpstream()
    guarded = Guarded(upstream, ())
    now(guarded.probe(NormalizedName("pypidaemon")))
    upstream.pages["pypidaemon"] = UpstreamUnavailable("pypi", "no route")
    now(guarded.probe(NormalizedName("pypidaemon")))
    upstream.pages["pypidaemon"] = UpstreamPage(NormalizedName("pypidaemon"), validators=Validators())
    now(guarded.probe(NormalizedName("pypidaemon")))
    assert upstream.asked == ["page pypidaemon"] * 3
