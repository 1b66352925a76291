"""Runs of a scheduled mirror while its upstream cannot be asked and another index stands in (M7, M8, M18, F22)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from pypidaemon.filenames import project_name
from pypidaemon.model import Companion, NormalizedName
from pypidaemon.plans import Limit
from pypidaemon.testing.archives import make_wheel
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from tests import network
from tests.fakes import file
from tests.gear import inline, now
from tests.hosts import Hosts
from tests.mirroring import Mill
from tests.upstreams.parts import Identity

MAIN, OTHER, THIRD = "index.example", "other.example", "third.example"
LISTING, CHANGES = "/simple/", "/pypi"
HOUR = 3600.0
EARLY, SOON = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"
"""Before and after the noon at which a mill begins."""
ALPHA = project_name("alpha")
WHEEL = "alpha-2.0-py3-none-any.whl"


@attrs.define
class Scene:
    """A mirror of everything that an upstream has, which has two other indexes beside it."""

    folder: Path
    projects: tuple[str, ...] = ("*",)
    proxied: bool = False
    more: dict[str, Any] = attrs.field(factory=dict)
    index_settings: dict[str, Any] = attrs.field(factory=dict)
    offers: dict[str, dict[str, tuple[int, dict[str, bytes]]]] = attrs.field(factory=dict)
    main: str = MAIN
    reserved: tuple[str, ...] = ()
    hosts: Hosts = attrs.field(init=False)
    upstream: HttpUpstream = attrs.field(init=False)
    mill: Mill = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        settings = {"projects": self.projects, "reserved": self.reserved}
        self.mill = Mill(self.folder, settings=settings, proxied=self.proxied, index_settings=self.index_settings)
        self.hosts = Hosts(self.mill.clock)
        for host in (MAIN, OTHER):
            self.has(host, "alpha", 10, "alpha-1.0.tar.gz")
            self.has(host, "beta", 20, "beta-1.0.tar.gz")
        self.restart()

    def restart(self) -> None:
        """A new daemon over the same stores."""
        self.upstream = HttpUpstream(
            label="pypi",
            url=f"http://{self.main}/simple/",
            mirrors=tuple(f"http://{host}/simple/" for host in (OTHER, THIRD) if host != self.main),
            clock=self.mill.clock,
            reactor=self.mill.clock,
            cpu=inline,  # type: ignore[arg-type]  # as everywhere
            records=Identity(),
            agent=self.hosts,
            random=lambda: 0.5,
            **self.more,
        )
        upstream: Any = Guarded(self.upstream, self.reserved)
        self.mill.upstream = upstream
        self.mill.restart()

    def has(
        self, host: str, name: str, serial: int, *filenames: str, dated: str = EARLY, data: bytes | None = None, numbered: bool = True
    ) -> None:
        """Have that host have a project with these files besides what it has, all of them as of that serial."""
        listing = self.offers.setdefault(host, {})
        at = self.hosts.host(host)
        files = [*json.loads(at.pages.get(f"/simple/{name}/", b'{"files":[]}'))["files"]]
        for filename in filenames:
            body = data if data is not None else filename.encode()
            path = f"/packages/{file(filename, body).path}"
            at.bodies[path] = body
            digest = file(filename, body).digest
            files.append({"filename": filename, "url": path, "hashes": {"sha256": digest}, "size": len(body), "upload-time": dated})
        self.says(host, name, serial, files, numbered=numbered)
        listing[name] = (serial if numbered else 0, {})
        self.lists(host)

    def says(self, host: str, name: str, serial: int, files: list[dict[str, Any]], *, numbered: bool = True) -> None:
        """Its page."""
        meta = {"api-version": "1.1", **({"_last-serial": serial} if numbered else {})}
        said = {"meta": meta, "name": name, "versions": [], "files": files}
        self.hosts.host(host).pages[f"/simple/{name}/"] = json.dumps(said).encode()

    def lists(self, host: str) -> None:
        """Its list, of what it has."""
        projects = [{"name": name, **({"_last-serial": serial} if serial else {})} for name, (serial, _) in self.offers[host].items()]
        self.hosts.host(host).pages[LISTING] = json.dumps({"meta": {"api-version": "1.1"}, "projects": projects}).encode()

    def drops(self, host: str, *names: str) -> None:
        """It has these projects no longer."""
        for name in names:
            del self.offers[host][name]
            self.hosts.host(host).pages.pop(f"/simple/{name}/")
        self.lists(host)

    def cut(self, *hosts: str, wrong: network.Answering | None = network.refused) -> None:
        """From now on these hosts do that."""
        for host in hosts:
            self.hosts.host(host).wrong = wrong

    def later(self, seconds: float = HOUR) -> None:
        """Let time pass."""
        self.mill.clock.advance(seconds)
        self.hosts.asked.clear()

    def all(self) -> dict[str, list[str]]:
        """Every project that is offered, and its files, each of which opens and has the promised bytes."""
        return {name: self.mill.files(name) for name in self.mill.names()}

    def progress(self) -> Any:
        """How far all has come."""
        return now(self.mill.records.mirrors.progress("mirror"))


def without_list(path: str, broken: network.Network) -> Any:
    """Its list alone is broken."""
    if path == LISTING:
        return network.status(500)(path, broken)
    mended = attrs.evolve(broken, wrong=None)
    return mended.request(b"GET", f"{network.HOST}{path}".encode())


WHOLE = {"alpha": ["alpha-1.0.tar.gz"], "beta": ["beta-1.0.tar.gz"]}


def filled(folder: Path, **more: Any) -> Scene:
    """A mirror that is filled, and whose upstream does not answer since."""
    scene = Scene(folder, **more)
    assert scene.mill.run()["complete"]
    assert scene.all() == WHOLE
    scene.cut(MAIN)
    scene.later()
    return scene


@pytest.mark.parametrize("wrong", [network.refused, network.untrusted, network.status(500)])
def test_M18_a_mirror_is_filled_by_another_index_and_put_right_by_upstream(tmp_path: Path, wrong: network.Answering) -> None:
    scene = Scene(tmp_path)
    scene.cut(MAIN, wrong=wrong)
    said = scene.mill.run()
    assert not said["complete"]
    assert "stands in" in said["outcome"]
    assert scene.all() == WHOLE
    assert (scene.progress().serial, scene.progress().started, scene.progress().listed) == (0, 0.0, 0)
    scene.cut(MAIN, wrong=None)
    scene.later()
    assert scene.mill.run()["complete"]
    assert scene.all() == WHOLE
    # Each page is asked of upstream itself, and no byte is fetched twice.
    assert sorted(scene.hosts.asked) == [f"{MAIN}/simple/", f"{MAIN}/simple/alpha/", f"{MAIN}/simple/beta/"]
    assert scene.progress().serial == 20
    scene.later()
    assert scene.mill.run()["complete"]
    assert scene.hosts.asked == [f"{MAIN}/simple/"]


def test_M18_what_is_newer_comes_from_the_other_index_and_upstream_s_word_counts_afterwards(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    scene.has(OTHER, "gamma", 31, "gamma-1.0.tar.gz", dated=SOON)
    before = scene.progress()
    said = scene.mill.run()
    more = {**WHOLE, "alpha": ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"], "gamma": ["gamma-1.0.tar.gz"]}
    assert scene.all() == more
    assert not said["complete"]
    told = {name: dict(now(scene.mill.index.explain(project_name(name))).facts) for name in ("alpha", "gamma")}
    assert told["gamma"]["upstream asked"] == "not yet"
    assert told["alpha"]["lent"].startswith("alpha-2.0.tar.gz, of which only an index that stood in has told")
    assert attrs.evolve(scene.progress(), tried=0, begun=0, outcome="") == attrs.evolve(before, tried=0, begun=0, outcome="")
    # What has not changed is not asked for, and upstream is not asked again and again.
    assert sorted(one for one in scene.hosts.asked if "packages" not in one) == [
        f"{MAIN}/simple/", f"{OTHER}/simple/", f"{OTHER}/simple/alpha/", f"{OTHER}/simple/gamma/",
    ]  # fmt: skip
    scene.restart()
    scene.later()
    assert not scene.mill.run()["complete"]
    assert scene.all() == more
    # Upstream comes back, and knows nothing of either file: its list and its serials are what they were.
    scene.cut(MAIN, wrong=None)
    scene.later()
    scene.mill.run()
    assert scene.all() == WHOLE
    assert not now(scene.mill.records.mirrors.waiting("mirror"))
    scene.later()
    assert scene.mill.run()["complete"]


def test_M7_what_another_index_made_up_goes_whatever_may_go_at_once(tmp_path: Path) -> None:
    """Upstream has never had any of it, so it is no mistake of upstream's that it is gone."""
    scene = filled(tmp_path)
    for number in range(5):
        scene.has(OTHER, f"made-up-{number}", 40 + number, f"made_up_{number}-1.0.tar.gz", dated=SOON)
    scene.mill.run()
    assert len(scene.mill.names()) == 7
    scene.cut(MAIN, wrong=None)
    scene.later()
    scene.mill.run()
    assert scene.all() == WHOLE


def test_S28_bytes_that_only_another_index_has_told_of_pin_nothing(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 30, WHEEL, dated=SOON, data=make_wheel("alpha", "2.0")[1])
    scene.mill.run()
    assert scene.all()["alpha"] == ["alpha-1.0.tar.gz", WHEEL]
    assert not now(scene.mill.records.facts.known("mirror", ALPHA)).get(WHEEL)
    scene.cut(MAIN, wrong=None)
    scene.has(MAIN, "alpha", 30, WHEEL, dated=SOON, data=make_wheel("alpha", "2.0", size=9)[1])
    scene.later()
    assert scene.mill.run()["complete"]
    page = now(scene.mill.index.project_page(ALPHA))
    assert [one.digest for one in page.files if one.filename.endswith("whl")] == [
        one["hashes"]["sha256"]
        for one in json.loads(scene.hosts.host(MAIN).pages["/simple/alpha/"])["files"]
        if one["filename"].endswith("whl")
    ]
    assert not now(scene.mill.records.facts.replaced(("", "", ""), 10))
    assert scene.all()["alpha"] == ["alpha-1.0.tar.gz", WHEEL]


@pytest.mark.parametrize("removal", ["follow", "keep"])
@pytest.mark.parametrize("serial", [1, 5, 500])
def test_M7_no_list_and_no_page_of_another_index_takes_anything_away(tmp_path: Path, serial: int, removal: str) -> None:
    """Whatever its serials: its list is empty or lacks most, its pages list nothing, and it says that all is quarantined."""
    scene = filled(tmp_path, index_settings={"removal": removal})
    scene.drops(OTHER, "beta")
    scene.offers[OTHER]["alpha"] = (serial, {})
    scene.lists(OTHER)
    scene.says(OTHER, "alpha", serial, [])
    for _ in range(3):
        scene.mill.run()
        scene.later()
        assert scene.all() == WHOLE
    page = json.loads(scene.hosts.host(OTHER).pages["/simple/alpha/"])
    scene.hosts.host(OTHER).pages["/simple/alpha/"] = json.dumps({**page, "project-status": {"status": "quarantined"}}).encode()
    scene.drops(OTHER)
    scene.mill.run()
    assert scene.all() == WHOLE
    assert not now(scene.mill.records.mirrors.leaving("mirror"))
    scene.hosts.host(OTHER).pages[LISTING] = b'{"meta":{"api-version":"1.1"},"projects":[]}'
    scene.later()
    scene.mill.run()
    assert scene.all() == WHOLE
    scene.cut(MAIN, wrong=None)
    scene.later()
    assert scene.mill.run()["complete"]
    assert scene.all() == WHOLE


def test_M7_what_one_index_has_lent_is_not_taken_away_by_another(tmp_path: Path) -> None:
    """Also where the cache of upstream's own pages is lost meanwhile."""
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    scene.mill.run()
    scene.has(THIRD, "alpha", 31, "alpha-1.0.tar.gz")
    scene.has(THIRD, "beta", 32)
    scene.cut(OTHER)
    scene.later()
    now(scene.mill.records.pages.drop("mirror", ALPHA))
    scene.mill.run()
    assert f"{THIRD}/simple/alpha/" in scene.hosts.asked
    assert scene.all() == {**WHOLE, "alpha": ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]}


def test_M8_F22_a_number_that_another_index_announces_is_not_held_against_upstream_s_page(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 500)
    scene.has(MAIN, "alpha", 100, "alpha-2.0.tar.gz", dated=SOON)
    scene.cut(MAIN, wrong=without_list)
    scene.mill.run()
    assert scene.all()["alpha"] == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert scene.hosts.count(f"{MAIN}/simple/alpha/") == 1
    assert scene.hosts.count(f"{OTHER}/simple/alpha/") == 0
    scene.cut(MAIN, wrong=None)
    scene.later()
    assert scene.mill.run()["complete"]
    assert scene.progress().serial == 100


def test_M6_M18_what_upstream_took_away_does_not_come_back_by_another_index(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.has(MAIN, "gamma", 15, "gamma-1.0.tar.gz")
    scene.has(OTHER, "gamma", 15, "gamma-1.0.tar.gz")
    scene.mill.run()
    scene.drops(MAIN, "gamma")
    scene.later()
    assert scene.mill.run()["complete"]
    scene.cut(MAIN)
    scene.later(8 * 86_400)
    scene.mill.run()
    assert scene.all() == WHOLE


@pytest.mark.parametrize("projects", [("*",), ("alpha", "beta", "gamma")])
def test_M6_M18_nor_does_it_by_one_whose_numbers_are_higher(tmp_path: Path, projects: tuple[str, ...]) -> None:
    """Also where no list is asked for, since all that is chosen is known by name."""
    scene = Scene(tmp_path, projects=projects)
    scene.has(MAIN, "gamma", 15, "gamma-1.0.tar.gz")
    scene.has(OTHER, "gamma", 9000, "gamma-1.0.tar.gz")
    scene.mill.run()
    assert "gamma" in scene.all()
    scene.drops(MAIN, "gamma")
    scene.later()
    assert scene.mill.run()["complete"]
    scene.cut(MAIN)
    scene.restart()
    scene.later()
    scene.mill.run()
    assert scene.all() == WHOLE


def test_S33_a_file_that_upstream_took_away_at_once_does_not_come_back_however_young_it_was(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    young = datetime.fromtimestamp(scene.mill.clock.seconds() - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for host in (MAIN, OTHER):
        scene.has(host, "alpha", 25, "alpha-6.6.6.tar.gz", dated=young)
    scene.mill.run()
    assert "alpha-6.6.6.tar.gz" in scene.all()["alpha"]
    left = [one for one in json.loads(scene.hosts.host(MAIN).pages["/simple/alpha/"])["files"] if "6.6.6" not in one["filename"]]
    scene.says(MAIN, "alpha", 400, left)
    scene.offers[MAIN]["alpha"] = (400, {})
    scene.lists(MAIN)
    scene.later(120)
    assert scene.mill.run()["complete"]
    assert scene.all() == WHOLE
    scene.has(OTHER, "alpha", 410, "alpha-2.0.tar.gz", dated=SOON)
    scene.cut(MAIN)
    scene.later(120)
    scene.mill.run()
    assert scene.all() == {**WHOLE, "alpha": ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]}


def test_M7_where_nothing_may_go_what_was_lent_does_not_become_upstream_s_word(tmp_path: Path) -> None:
    """Upstream comes back with a page that lacks most files, and what is new on it is taken all the same."""
    scene = Scene(tmp_path, index_settings={"removal_limit": Limit(None, 0)})
    for host in (MAIN, OTHER):
        scene.has(host, "alpha", 25, *(f"alpha-1.{number}.tar.gz" for number in range(2, 6)))
    scene.mill.run()
    whole = scene.all()["alpha"]
    scene.cut(MAIN)
    scene.later()
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    scene.mill.run()
    assert scene.all()["alpha"] == [*whole, "alpha-2.0.tar.gz"]
    scene.says(MAIN, "alpha", 500, json.loads(scene.hosts.host(MAIN).pages["/simple/alpha/"])["files"][:1])
    scene.offers[MAIN]["alpha"] = (500, {})
    scene.lists(MAIN)
    scene.cut(MAIN, wrong=None)
    scene.later()
    assert "nothing is removed" in scene.mill.run()["outcome"]
    assert scene.all()["alpha"] == whole


def test_S28_upstream_s_word_counts_though_a_kill_came_before_it_was_recorded(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON, data=b"of the other")
    scene.mill.run()
    scene.cut(MAIN, wrong=None)
    scene.has(MAIN, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON, data=b"its own")
    scene.later()
    scene.restart()
    now(scene.mill.index.offered(ALPHA, 0))
    scene.cut(MAIN)
    scene.restart()
    scene.later()
    scene.mill.run("alpha")
    held = now(scene.mill.records.mirrors.page("mirror", ALPHA))
    # Its own bytes can be had from nobody just now.
    assert [one.filename for one in held.page.files] == ["alpha-1.0.tar.gz"]
    assert not held.lent


def test_M8_what_upstream_announced_is_waited_for_still(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.mill.run()
    # Its page lags behind its list.
    scene.offers[MAIN]["alpha"] = (300, {})
    scene.lists(MAIN)
    scene.later()
    assert not scene.mill.run()["complete"]
    scene.cut(MAIN)
    scene.has(OTHER, "alpha", 300, "alpha-2.0.tar.gz", dated=SOON)
    for hosts in ((), (OTHER, THIRD)):
        scene.cut(*hosts)
        scene.later(12 * HOUR)
        scene.mill.run()
        waits = now(scene.mill.records.mirrors.waiting_of("mirror", ALPHA))
        assert waits is not None
        assert waits.serial == 300


def test_M18_404_of_upstream_is_an_answer_and_of_another_index_none(tmp_path: Path) -> None:
    scene = Scene(tmp_path, projects=("alpha", "delta"))
    scene.has(OTHER, "delta", 5, "delta-1.0.tar.gz")
    said = scene.mill.run()
    assert said["absent"] == ["delta"]
    assert scene.hosts.count(OTHER) == 0
    scene.cut(MAIN)
    scene.drops(OTHER, "alpha")
    scene.later()
    said = scene.mill.run()
    assert not said["complete"]
    assert scene.mill.names() == ["alpha"]
    # Another upstream has not said that.
    scene.main = THIRD
    scene.has(THIRD, "alpha", 10, "alpha-1.0.tar.gz")
    scene.restart()
    scene.cut(OTHER, wrong=None)
    scene.cut(THIRD)
    scene.later()
    scene.mill.run()
    assert scene.mill.names() == ["alpha", "delta"]


def test_M18_names_alone_need_no_list(tmp_path: Path) -> None:
    scene = Scene(tmp_path, projects=("alpha", "beta"))
    scene.cut(MAIN)
    said = scene.mill.run()
    assert scene.all() == WHOLE
    assert not said["complete"]
    assert "another index stood in for the pages of 2 projects" in said["outcome"]
    assert f"{OTHER}/simple/" not in scene.hosts.asked
    assert now(scene.mill.records.mirrors.progress("mirror")).started == 0
    scene.later()
    scene.cut(MAIN, wrong=None)
    assert scene.mill.run()["complete"]


def test_M18_one_project_and_what_waits_are_had_from_another_index(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    assert not scene.mill.run("alpha")["complete"]
    assert scene.all()["alpha"] == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    scene.cut(MAIN, wrong=None)
    scene.has(MAIN, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    scene.later()
    runs = scene.mill.service.runs
    number = runs.begin_by_itself("what waits")
    assert runs._ended[number]["complete"]
    assert scene.hosts.asked[-1] == f"{MAIN}/simple/alpha/"
    assert scene.hosts.count(OTHER) == 0
    assert now(scene.mill.records.mirrors.page("mirror", ALPHA)).lent == frozenset()


def test_G11_what_was_lent_is_not_asked_for_again_and_again_while_upstream_is_gone(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    for number in range(5):
        scene.has(OTHER, f"p{number}", 300 + number, f"p{number}-1.0.tar.gz", dated=SOON)
    scene.mill.run()
    runs = scene.mill.service.runs
    for _ in range(3):
        scene.later()
        ended = runs.begin_by_itself("what waits")
        assert runs._ended[ended]["ended"]
        assert scene.hosts.count(OTHER) == 0
        assert scene.hosts.count(MAIN) <= 1
        assert min(one.due for one in now(scene.mill.records.mirrors.waiting("mirror"))) > scene.mill.clock.seconds()
    scene.cut(MAIN, wrong=None)
    scene.later()
    runs.begin_by_itself("what waits")
    assert scene.hosts.count(f"{MAIN}/simple/p") == 5
    scene.later()
    assert scene.mill.run()["complete"]
    assert scene.all() == WHOLE


def test_M4_an_outage_that_changes_nothing_costs_upstream_nothing_afterwards(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    for _ in range(3):
        assert not scene.mill.run()["complete"]
        assert not [one for one in scene.hosts.asked if one not in (f"{MAIN}/simple/", f"{OTHER}/simple/")]
        scene.later()
    scene.cut(MAIN, wrong=None)
    assert scene.mill.run()["complete"]
    assert scene.hosts.asked == [f"{MAIN}/simple/"]


def test_G11_a_dead_upstream_costs_its_time_once_and_nobody_is_asked_oftener_than_needed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    names = [f"p{number}" for number in range(100)]
    for name in names:
        scene.has(THIRD, name, 50, f"{name}-1.0.tar.gz")
    scene.cut(MAIN, OTHER)
    scene.mill.run()
    assert len(scene.mill.names()) == 100
    assert scene.hosts.count(f"{MAIN}/") <= 2
    assert scene.hosts.count(f"{OTHER}/") <= 2
    assert sum(one.startswith(f"{THIRD}/simple/") for one in scene.hosts.asked) == 101


def test_where_nobody_answers_a_run_ends_at_once_as_ever(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.cut(OTHER, THIRD)
    said = scene.mill.run()
    assert not said["complete"]
    assert scene.all() == WHOLE
    assert len(scene.hosts.asked) <= 3


def test_F4_a_refusal_is_an_answer_for_runs_too(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.cut(MAIN, wrong=network.status(403))
    scene.mill.run()
    assert scene.hosts.count(OTHER) == 0


def test_M4_a_place_in_upstream_s_history_is_told_to_nobody_else(tmp_path: Path) -> None:
    scene = Scene(tmp_path, more={"changelog": f"http://{MAIN}{CHANGES}"})
    assert scene.mill.run()["complete"]
    now(scene.mill.records.mirrors.advance("mirror", attrs.evolve(scene.progress(), serial=20)))
    # Its history alone cannot be had: its list would say less.
    scene.later()
    said = scene.mill.run()
    assert not said["complete"]
    assert scene.hosts.count(OTHER) == 0
    scene.cut(MAIN)
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    scene.later()
    scene.mill.run()
    assert scene.all()["alpha"] == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert scene.hosts.count(f"{OTHER}{CHANGES}") == 0
    assert scene.progress().serial == 20


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("projects", [("*",), ("alpha", "beta", "acme-x")])
def test_a_reserved_name_that_others_list_is_asked_of_nobody_and_keeps_no_run_from_its_end(
    tmp_path: Path, projects: tuple[str, ...], down: bool
) -> None:
    scene = Scene(tmp_path, projects=projects, reserved=("acme-*",))
    for host in (MAIN, OTHER):
        scene.has(host, "acme-x", 33, "acme_x-1.0.tar.gz")
    scene.cut(*([MAIN] if down else []))
    said = scene.mill.run()
    assert said["complete"] is not down
    assert said["absent"] == (["acme-x"] if "acme-x" in projects else [])
    assert scene.all() == WHOLE
    assert not any("acme" in one for one in scene.hosts.asked)
    assert now(scene.mill.records.mirrors.waiting_of("mirror", project_name("acme-x"))) is None


def test_a_rehearsal_says_what_another_index_would_bring(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.has(OTHER, "alpha", 30, "alpha-2.0.tar.gz", dated=SOON)
    said = scene.mill.run(rehearsal=True)
    assert said["plan"] == {"take": ["alpha alpha-2.0.tar.gz"]}
    assert scene.all() == WHOLE


def test_M18_a_warmed_proxy_has_the_bytes_and_pins_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, proxied=True)
    assert scene.mill.run()["complete"]
    scene.cut(MAIN)
    scene.later()
    scene.has(OTHER, "alpha", 30, WHEEL, dated=SOON, data=make_wheel("alpha", "2.0")[1])
    said = scene.mill.run()
    assert not said["complete"]
    held = now(scene.mill.records.mirrors.page("mirror", NormalizedName("alpha")))
    assert held is not None
    assert held.lent == {WHEEL}
    assert not now(scene.mill.records.facts.known("mirror", ALPHA)).get(WHEEL)
    scene.cut(MAIN, wrong=None)
    scene.later()
    assert scene.mill.run()["complete"]
    held = now(scene.mill.records.mirrors.page("mirror", NormalizedName("alpha")))
    assert held is not None
    assert not held.lent


def test_S28_nothing_is_learned_of_a_lent_file_though_its_page_was_let_go_of(tmp_path: Path) -> None:
    """As it is whenever something is found out about another file of the project."""
    scene = Scene(tmp_path, proxied=True)
    scene.mill.run()
    scene.cut(MAIN)
    scene.later()
    scene.has(OTHER, "alpha", 30, WHEEL, dated=SOON, data=make_wheel("alpha", "2.0")[1])
    index: Any = scene.mill.index
    page = now(index.offered(ALPHA, 0))
    assert page.lent == {WHEEL}
    index.pages.forget(ALPHA)
    assert now(index.take(ALPHA, page.file(WHEEL)))
    now(index.companion(ALPHA, page.file(WHEEL), Companion.FILE)).close()
    assert not now(scene.mill.records.facts.known("mirror", ALPHA)).get(WHEEL)
    scene.has(MAIN, "alpha", 30, WHEEL, dated=SOON, data=make_wheel("alpha", "2.0")[1])
    scene.cut(MAIN, wrong=None)
    scene.later()
    own = now(index.offered(ALPHA, 0))
    now(index.take(ALPHA, own.file(WHEEL)))
    assert now(scene.mill.records.facts.known("mirror", ALPHA))[WHEEL].metadata
