"""The project list of a proxy while its upstream cannot be asked and another index stands in (M18, F22, law 10)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.indexes.proxy.names import LASTS
from pypidaemon.model import ProjectList
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from tests import network
from tests.gear import inline, later, now, waiting
from tests.hosts import Hosts
from tests.house import House

MAIN, OTHER, THIRD = "index.example", "other.example", "third.example"
LISTING = "/simple/"
HOUR = 3600.0


@attrs.define
class Scene:
    """A house whose upstream has two other indexes beside it."""

    house: House = attrs.field(factory=House)
    mirrors: tuple[str, ...] = (f"http://{OTHER}/simple/", f"http://{THIRD}/simple/")
    main: str = MAIN
    hosts: Hosts = attrs.field(init=False)
    upstream: HttpUpstream = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.hosts = Hosts(self.house.clock)
        self.begin()

    def begin(self) -> None:
        """A daemon over the same stores."""
        self.upstream = HttpUpstream(
            label="pypi",
            url=f"http://{self.main}/simple/",
            mirrors=self.mirrors,
            clock=self.house.clock,
            reactor=self.house.clock,
            cpu=inline,  # type: ignore[arg-type]  # as everywhere
            records=self.house.records,
            agent=self.hosts,
            random=lambda: 0.5,
        )
        guarded: Any = Guarded(self.upstream, ())
        self.house.proxy = self.house.new_proxy("pypi", guarded)

    def lists(self, host: str, serial: int | None = None, **names: int) -> None:
        """Have that host list these projects with these serials; 0 is none."""
        meta = {"api-version": "1.1", **({} if serial is None else {"_last-serial": serial})}
        projects = [{"name": name, **({"_last-serial": number} if number else {})} for name, number in names.items()]
        self.hosts.host(host).pages[LISTING] = json.dumps({"meta": meta, "projects": projects}).encode()

    def cut(self, *hosts: str, wrong: network.Answering | None = network.refused) -> None:
        """From now on these hosts do that."""
        for host in hosts:
            self.hosts.host(host).wrong = wrong

    def listed(self) -> ProjectList:
        """What the proxy gives now."""
        return now(self.house.proxy.project_names())

    def names(self) -> dict[str, int]:
        """What is on it."""
        return dict(self.listed().entries())


@pytest.mark.parametrize("wrong", [network.refused, network.untrusted, network.nameless, network.status(500), network.status(429)])
def test_M18_a_list_that_was_never_had_comes_from_the_first_that_has_one(wrong: network.Answering) -> None:
    scene = Scene()
    scene.lists(OTHER, 90, alpha=80, beta=90)
    scene.cut(MAIN, wrong=wrong)
    found = scene.listed()
    assert (dict(found.entries()), found.stale, found.source) == ({"alpha": 1, "beta": 1}, False, "pypi")
    assert scene.hosts.count(THIRD) == 0


def test_M18_the_next_is_asked_where_one_is_dead_or_has_no_list_and_a_dead_one_costs_its_time_once() -> None:
    scene = Scene()
    scene.lists(THIRD, alpha=0)
    scene.hosts.host(OTHER).pages[LISTING] = b'{"meta":{"api-version":"1.1"},"projects":[{"na'
    scene.cut(MAIN, wrong=network.silent)
    asking = later(scene.house.proxy.project_names())
    assert waiting(asking)
    scene.house.clock.advance(scene.upstream.patience)
    assert dict(now(asking).entries()) == {"alpha": 1}
    for _ in range(100):
        scene.house.clock.advance(LASTS / 50)
        assert scene.names() == {"alpha": 1}
    # Who stands in is asked once a minute, whoever asks here.
    assert scene.hosts.count(THIRD) <= 4


@pytest.mark.parametrize("status", [401, 403])
def test_M18_F4_a_refusal_is_an_answer(status: int) -> None:
    scene = Scene()
    scene.lists(OTHER, alpha=0)
    scene.cut(MAIN, wrong=network.status(status))
    with pytest.raises(UpstreamUnavailable):
        scene.listed()
    assert scene.hosts.count(OTHER) == 0


def test_M18_what_is_newer_is_added_and_nothing_is_ever_taken_off() -> None:
    scene = Scene()
    scene.lists(MAIN, 100, alpha=80, beta=100)
    before = scene.listed()
    # It lacks a project, still has one that upstream had taken off before its serial 100, and knows of one that came later.
    scene.lists(OTHER, 120, alpha=110, gone=95, new=120)
    scene.cut(MAIN)
    scene.house.clock.advance(HOUR)
    found = scene.listed()
    assert dict(found.entries()) == {"alpha": 80, "beta": 100, "new": 1}
    assert found.serial == before.serial == 100
    assert found.revision != before.revision
    assert not found.stale
    scene.cut(MAIN, wrong=None)
    scene.house.clock.advance(LASTS)
    assert scene.names() == {"alpha": 80, "beta": 100}


@pytest.mark.parametrize(("serial", "more"), [(90, {"alpha": 10}), (None, {"alpha": 0, "new": 0}), (0, {})])
def test_M7_a_list_that_is_older_or_empty_or_without_serials_changes_nothing(serial: int | None, more: dict[str, int]) -> None:
    scene = Scene()
    scene.lists(MAIN, 100, alpha=80, beta=90)
    before = scene.listed()
    scene.lists(OTHER, serial, **more)
    scene.cut(MAIN)
    scene.house.clock.advance(HOUR)
    assert scene.names() == dict(before.entries())


def test_law_10_where_nobody_has_one_it_is_unavailable_and_a_known_one_stale() -> None:
    scene = Scene()
    scene.cut(MAIN, OTHER, THIRD)
    with pytest.raises(UpstreamUnavailable):
        scene.listed()
    scene = Scene()
    scene.lists(MAIN, 100, alpha=80)
    scene.listed()
    scene.cut(MAIN, OTHER, THIRD)
    scene.house.clock.advance(HOUR)
    assert scene.listed().stale


def test_law_10_what_another_index_said_last_is_given_when_that_is_gone_too() -> None:
    scene = Scene()
    scene.lists(OTHER, 120, alpha=80, new=120)
    scene.cut(MAIN)
    assert scene.names() == {"alpha": 1, "new": 1}
    scene.cut(OTHER, THIRD)
    for _ in range(2):
        scene.house.clock.advance(HOUR)
        assert (scene.names(), scene.listed().stale) == ({"alpha": 1, "new": 1}, True)
        scene.begin()
    # Beside upstream's own it adds what it added.
    scene.lists(MAIN, 100, alpha=80)
    scene.cut(MAIN, wrong=None)
    scene.house.clock.advance(HOUR)
    assert scene.names() == {"alpha": 80}
    scene.cut(MAIN)
    scene.house.clock.advance(HOUR)
    assert (scene.names(), scene.listed().stale) == ({"alpha": 80, "new": 1}, True)


def test_whoever_has_an_old_list_waits_no_longer_than_before_and_the_next_has_the_newer_one() -> None:
    scene = Scene()
    scene.lists(MAIN, 100, alpha=80)
    scene.listed()
    scene.lists(OTHER, 120, alpha=80, new=120)
    scene.cut(MAIN, wrong=network.silent)
    scene.house.clock.advance(HOUR)
    asking = later(scene.house.proxy.project_names())
    scene.house.clock.advance(scene.upstream.patience)
    assert now(asking).stale
    assert scene.names() == {"alpha": 80, "new": 1}


def test_a_list_that_stands_in_is_confirmed_by_its_own_validator_and_by_nobody_else_s() -> None:
    scene = Scene()
    scene.lists(OTHER, alpha=0)
    scene.lists(THIRD, gamma=0)
    assert len(scene.hosts.host(OTHER).pages[LISTING]) == len(scene.hosts.host(THIRD).pages[LISTING])
    scene.cut(MAIN)
    scene.listed()
    scene.begin()
    scene.house.clock.advance(HOUR)
    assert scene.names() == {"alpha": 1}
    assert scene.hosts.headers[-1].hasHeader("If-None-Match")
    scene.cut(OTHER)
    scene.begin()
    scene.house.clock.advance(HOUR)
    # Both have the same entity tag, and the list of the one is not the other's.
    assert scene.names() == {"gamma": 1}


def test_G11_however_many_ask_each_host_is_asked_no_more_than_a_tenth_oftener() -> None:
    scene = Scene()
    scene.cut(MAIN, OTHER, THIRD, wrong=network.status(500))
    for _ in range(100):
        with pytest.raises(UpstreamUnavailable):
            scene.listed()
        scene.house.clock.advance(0.5)
    assert max(scene.hosts.count(f"{host}/") for host in (MAIN, OTHER, THIRD)) <= 110


def test_validators_are_sent_to_nobody_but_who_gave_them() -> None:
    """Another upstream is configured, whose list and page have the same entity tags by chance."""
    scene = Scene(mirrors=())
    scene.lists(MAIN, alpha=0)
    scene.lists(OTHER, gamma=0)
    scene.hosts.host(MAIN).add("alpha", ("alpha-1.0.tar.gz", b"one"))
    scene.hosts.host(OTHER).add("alpha", ("alpha-2.0.tar.gz", b"two"))
    page = later(scene.house.proxy.project_page("alpha"))
    assert [file.filename for file in now(page).files] == ["alpha-1.0.tar.gz"]
    assert scene.names() == {"alpha": 1}
    scene.main = OTHER
    scene.begin()
    scene.house.clock.advance(HOUR)
    assert [file.filename for file in now(scene.house.proxy.project_page("alpha")).files] == ["alpha-2.0.tar.gz"]
    assert scene.names() == {"gamma": 1}
    assert not any(sent.hasHeader("If-None-Match") for sent in scene.hosts.headers)
    # And what that one gave is confirmed by it.
    scene.house.clock.advance(HOUR)
    assert scene.names() == {"gamma": 1}
    assert scene.hosts.headers[-1].hasHeader("If-None-Match")


def test_F22_a_lower_serial_of_another_upstream_is_no_step_back() -> None:
    scene = Scene(mirrors=())
    for host, serial, version in ((MAIN, 100, "1.0"), (OTHER, 5, "2.0")):
        scene.hosts.host(host).add("alpha", (f"alpha-{version}.tar.gz", b"one"))
        said = json.loads(scene.hosts.host(host).pages["/simple/alpha/"])
        said["meta"]["_last-serial"] = serial
        scene.hosts.host(host).pages["/simple/alpha/"] = json.dumps(said).encode()
    now(scene.house.proxy.project_page("alpha"))
    scene.main = OTHER
    scene.begin()
    scene.house.clock.advance(900)
    assert [file.filename for file in now(scene.house.proxy.project_page("alpha")).files] == ["alpha-2.0.tar.gz"]


def test_while_others_have_a_say_nobody_knows_the_list_without_asking() -> None:
    """The upstream that is back has its own list, whatever another said a moment ago."""
    scene = Scene()
    scene.lists(MAIN, 90, alpha=80)
    scene.lists(OTHER, 95, alpha=80, beta=95)
    scene.listed()
    scene.cut(MAIN)
    scene.house.clock.advance(HOUR)
    scene.listed()
    scene.house.clock.advance(1)
    before, lent = scene.house.proxy.names_state(), scene.listed()
    assert not lent.stale
    assert lent.fresh_until is not None
    scene.cut(MAIN, wrong=None)
    scene.upstream.health.succeeded()
    after = scene.house.proxy.names_state()
    assert scene.names() == {"alpha": 80} != dict(lent.entries())
    assert before is None or before != after
    assert scene.house.clock.seconds() < lent.fresh_until
    assert scene.house.proxy.names_state() is not None
