"""A proxy while its upstream cannot be asked and another index stands in (M18, S28, S33, law 10)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs
import pytest

from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.indexes.proxy.standing_in import LASTS
from pypidaemon.model import Companion, NormalizedName, ProjectPage
from pypidaemon.services.probing import Probing
from pypidaemon.testing.archives import make_wheel
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from tests import network
from tests.gear import inline, later, now, waiting
from tests.hosts import Hosts
from tests.house import House, header

ALPHA, BETA = NormalizedName("alpha"), NormalizedName("beta")
MAIN, OTHER = "index.example", "other.example"
SOON = "2026-06-01T00:00:00Z"
"""After the noon at which tests of a house begin."""


@attrs.define
class Scene:
    """A house whose upstream has another index beside it; both have the first release of alpha."""

    house: House = attrs.field(factory=House)
    mirrors: tuple[str, ...] = (f"http://{OTHER}/simple/",)
    hosts: Hosts = attrs.field(init=False)
    upstream: HttpUpstream = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.hosts = Hosts(self.house.clock)
        for name in (MAIN, OTHER):
            self.hosts.host(name).add("alpha", ("alpha-1.0.tar.gz", b"one"))
        self.begin()

    def begin(self) -> None:
        """A daemon over the same stores."""
        self.upstream = HttpUpstream(
            label="pypi",
            url=f"http://{MAIN}/simple/",
            mirrors=self.mirrors,
            clock=self.house.clock,
            reactor=self.house.clock,
            cpu=inline,  # type: ignore[arg-type]  # as everywhere
            records=self.house.records,
            agent=self.hosts,
            random=lambda: 0.5,
        )
        guarded: Any = Guarded(self.upstream, ())
        self.house.upstream = guarded
        self.house.restart()
        self.house.proxy = self.house.new_proxy("pypi", guarded)
        self.house.open({"pypi": self.house.proxy}, "pypi")

    def cut(self, wrong: network.Answering | None = network.refused) -> None:
        """From now on the upstream itself does that."""
        self.hosts.host(MAIN).wrong = wrong

    def release(
        self, *names: str, version: str = "2.0", data: bytes = b"two", serial: int | None = None, uploaded: str | None = SOON
    ) -> None:
        """Have these hosts list another release of alpha as well."""
        for name in names:
            found = self.hosts.host(name)
            found.add("other", (f"alpha-{version}.tar.gz", data))
            [entry] = json.loads(found.pages["/simple/other/"])["files"]
            if uploaded is not None:
                entry["upload-time"] = uploaded
            said = json.loads(found.pages["/simple/alpha/"])
            said["files"].append(entry)
            if serial is not None:
                said["meta"]["_last-serial"] = serial
            found.pages["/simple/alpha/"] = json.dumps(said).encode()

    def page(self, name: NormalizedName = ALPHA) -> ProjectPage:
        """What the proxy gives now."""
        return now(self.house.proxy.project_page(name))

    def names(self, name: NormalizedName = ALPHA) -> list[str]:
        """The files on it."""
        return [entry.filename for entry in self.page(name).files]

    def read(self, name: str, project: NormalizedName = ALPHA) -> bytes:
        """The bytes of a file."""

        async def reading() -> bytes:
            content = await self.house.proxy.open_file(project, filename(name), Companion.FILE)
            try:
                return await content.read(0, 1 << 20)
            finally:
                content.close()

        return now(reading())


def test_M18_a_project_never_asked_for_comes_from_the_index_that_stands_in_and_so_do_its_files() -> None:
    scene = Scene()
    scene.cut()
    assert scene.names() == ["alpha-1.0.tar.gz"]
    assert not scene.page().stale
    assert scene.read("alpha-1.0.tar.gz") == b"one"
    assert scene.hosts.count(MAIN) == 1


def test_M18_what_is_newer_is_added_to_what_is_known_and_is_gone_within_a_minute_of_the_upstream_s_return() -> None:
    scene = Scene()
    before = scene.page()
    scene.release(OTHER)
    scene.house.clock.advance(700)
    assert scene.names() == ["alpha-1.0.tar.gz"]
    scene.house.clock.advance(700)
    scene.cut()
    shown = scene.page()
    assert [entry.filename for entry in shown.files] == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert shown.serial > before.serial
    assert scene.read("alpha-2.0.tar.gz") == b"two"
    scene.cut(None)
    scene.house.clock.advance(LASTS + 1)
    after = scene.page()
    assert [entry.filename for entry in after.files] == ["alpha-1.0.tar.gz"]
    assert after.serial > shown.serial
    with pytest.raises(NoSuchFile):
        scene.read("alpha-2.0.tar.gz")


def test_the_upstream_s_own_page_is_confirmed_by_its_own_validator_afterwards() -> None:
    scene = Scene()
    scene.page()
    scene.release(OTHER)
    scene.house.clock.advance(700)
    scene.cut()
    scene.page()
    scene.cut(None)
    scene.house.clock.advance(LASTS + 30)
    scene.page()
    [tag] = scene.hosts.headers[-1].getRawHeaders("If-None-Match") or [""]
    assert scene.hosts.asked[-1] == f"{MAIN}/simple/alpha/"
    assert tag == f'"{len(scene.hosts.host(MAIN).pages["/simple/alpha/"])}"'
    others = [fields for asked, fields in zip(scene.hosts.asked, scene.hosts.headers, strict=True) if asked.startswith(OTHER)]
    assert not any(fields.hasHeader("If-None-Match") for fields in others)


def test_M18_L7_an_absence_is_an_answer_also_where_another_index_has_it() -> None:
    scene = Scene()
    scene.hosts.host(OTHER).add("beta", ("beta-1.0.tar.gz", b"beta"))
    for _ in range(2):
        with pytest.raises(NoSuchProject):
            scene.page(BETA)
    scene.house.clock.advance(61)
    scene.cut()
    with pytest.raises(UpstreamUnavailable):
        scene.page(BETA)
    assert scene.hosts.count(OTHER) == 0


@pytest.mark.parametrize("status", [401, 403, 404, 451])
def test_M18_F4_a_refusal_is_an_answer(status: int) -> None:
    scene = Scene()
    scene.cut(network.status(status))
    with pytest.raises((UpstreamUnavailable, NoSuchProject)):
        scene.page()
    assert scene.hosts.count(OTHER) == 0


WRONG = {
    "refused": network.refused,
    "500": network.status(500),
    "429": network.status(429),
    "TLS": network.untrusted,
    "portal": network.portal,
    "another project": network.mistaken,
    "no address": network.nameless,
    "cut": network.truncated,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_M18_everything_else_makes_another_index_stand_in(wrong: network.Answering) -> None:
    scene = Scene()
    scene.cut(wrong)
    assert scene.names() == ["alpha-1.0.tar.gz"]


def test_M18_a_dead_upstream_costs_its_time_once() -> None:
    scene = Scene()
    for name in ("b", "c", "d"):
        scene.hosts.host(OTHER).add(name, (f"{name}-1.0.tar.gz", b"x"))
    scene.cut(network.silent)
    first = later(scene.house.proxy.project_page(ALPHA))
    scene.house.clock.advance(1.9)
    assert waiting(first)
    scene.house.clock.advance(0.2)
    assert now(first).files
    for name in ("b", "c", "d"):
        assert scene.names(NormalizedName(name))
    assert scene.hosts.count(MAIN) == 1


def test_whoever_has_an_old_page_waits_no_longer_than_before_and_the_next_has_the_newer_one() -> None:
    scene = Scene()
    scene.page()
    scene.release(OTHER)
    scene.house.clock.advance(700)
    scene.cut(network.silent)
    first = later(scene.house.proxy.project_page(ALPHA))
    scene.house.clock.advance(2.0)
    assert now(first).stale
    assert scene.names() == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_law_10_where_nobody_stands_in_it_is_unavailable_and_everybody_is_told_at_once() -> None:
    scene = Scene()
    scene.cut()
    scene.hosts.host(OTHER).wrong = network.refused
    for name in (ALPHA, BETA, ALPHA, BETA):
        with pytest.raises(UpstreamUnavailable):
            scene.page(name)
    asked = scene.hosts.count(OTHER)
    scene.hosts.host(OTHER).wrong = None
    scene.house.clock.advance(2)
    # Who comes first has somebody see whether it is back, and does not wait for that.
    later(scene.house.proxy.project_page(ALPHA)).addErrback(lambda _: None)
    assert scene.names() == ["alpha-1.0.tar.gz"]
    assert asked <= 2


def test_S28_bytes_that_only_another_index_has_told_of_pin_nothing() -> None:
    scene = Scene()
    name, evil = make_wheel("alpha", "3.0")
    scene.hosts.host(OTHER).add("alpha", (name, evil))
    scene.cut()
    assert scene.read(name) == evil
    _, right = make_wheel("alpha", "3.0", requires=["beta"])
    scene.hosts.host(MAIN).add("alpha", (name, right))
    scene.cut(None)
    scene.house.clock.advance(LASTS + 1)
    assert scene.read(name) == right
    assert scene.page().files[0].digest == hashlib.sha256(right).hexdigest()


def test_M18_a_wrong_file_of_another_index_is_refused() -> None:
    scene = Scene()
    scene.page()
    [path] = scene.hosts.host(OTHER).bodies
    scene.hosts.host(OTHER).bodies[path] = b"two"
    scene.cut()
    for _ in range(3):
        with pytest.raises((CorruptContent, UpstreamUnavailable)):
            scene.read("alpha-1.0.tar.gz")
    assert scene.house.spool.corrupt == 1
    scene.cut(None)
    scene.house.clock.advance(2)
    assert scene.read("alpha-1.0.tar.gz") == b"one"


def test_pages_are_whole_while_another_index_stands_in_and_cut_short_where_none_does() -> None:
    scene = Scene()
    scene.page()
    scene.house.clock.advance(700)
    scene.cut()
    shown = scene.house.get("/simple/alpha/")
    assert (shown.status, header(shown, "X-Pypidaemon-Held")) == (200, None)
    scene.hosts.host(OTHER).wrong = network.refused
    scene.house.clock.advance(LASTS + 1)
    scene.house.get("/simple/alpha/")
    assert header(scene.house.get("/simple/alpha/"), "X-Pypidaemon-Held") == "0 of 1"


def test_N1_a_restart_while_the_upstream_is_down_costs_nothing_that_was_known() -> None:
    scene = Scene()
    scene.page()
    scene.cut()
    scene.house.clock.advance(700)
    scene.release(OTHER)
    scene.begin()
    assert scene.names() == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


FILES = "files.example"


def apart(mirrors: tuple[str, ...] = ()) -> Scene:
    """A scene whose files lie on a host of their own."""
    scene = Scene(mirrors=mirrors)
    main = scene.hosts.host(MAIN)
    main.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"))
    main.pages["/simple/alpha/"] = main.pages["/simple/alpha/"].replace(b'"/packages/', f'"http://{FILES}/packages/'.encode())
    scene.hosts.host(FILES).bodies, main.bodies = main.bodies, {}
    return scene


def test_N6_while_the_host_of_files_is_down_pages_are_as_always_and_files_are_known_not_to_come() -> None:
    scene = apart()
    assert scene.read("alpha-1.0.tar.gz") == b"one"
    scene.hosts.host(FILES).wrong = network.silent
    first = later(scene.house.proxy.open_file(ALPHA, filename("alpha-2.0.tar.gz"), Companion.FILE))
    scene.house.clock.advance(2.1)
    with pytest.raises(UpstreamUnavailable):
        now(first)
    asked = scene.hosts.count(FILES)
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable) as caught:
            scene.read("alpha-2.0.tar.gz")
        assert 1 <= caught.value.retry_after <= 60
    assert scene.hosts.count(FILES) == asked
    assert scene.read("alpha-1.0.tar.gz") == b"one"
    scene.house.clock.advance(700)
    assert (scene.upstream.health.state, scene.page().stale) == ("up", False)
    assert scene.upstream.hosts[FILES].state != "up"
    scene.hosts.host(FILES).wrong = None
    assert scene.read("alpha-2.0.tar.gz") == b"two"
    assert scene.upstream.hosts[FILES].state == "up"


def test_N6_while_the_index_is_down_known_pages_are_stale_and_files_are_fetched() -> None:
    scene = apart()
    scene.page()
    scene.house.clock.advance(700)
    scene.cut()
    assert scene.page().stale
    assert scene.read("alpha-2.0.tar.gz") == b"two"
    assert {host: health.state for host, health in scene.upstream.hosts.items()} == {MAIN: "down", FILES: "up"}


def test_N6_M18_while_the_host_of_files_is_down_they_come_from_another_index() -> None:
    scene = apart((f"http://{OTHER}/simple/",))
    scene.hosts.host(FILES).wrong = network.refused
    assert scene.read("alpha-1.0.tar.gz") == b"one"
    with pytest.raises(UpstreamUnavailable):
        scene.read("alpha-2.0.tar.gz")


def shown(scene: Scene, name: str = "alpha", **headers: str) -> tuple[list[str], str | None]:
    """What the door lists of a project, and what it says of how much that is."""
    reply = scene.house.get(f"/simple/{name}/", accept="application/vnd.pypi.simple.v1+json", **headers)
    return [entry["filename"] for entry in json.loads(reply.body)["files"]], header(reply, "X-Pypidaemon-Held")


def test_N6_while_the_host_of_files_is_down_pages_at_the_door_list_what_can_be_had_and_nobody_has_to_find_out_that_it_is_back() -> None:
    scene = apart()
    scene.upstream.startService()
    scene.hosts.host(MAIN).add("here", ("here-1.0.tar.gz", b"on the index's own host"))
    assert scene.read("alpha-1.0.tar.gz") == b"one"
    full = (["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"], None)
    assert shown(scene) == full
    scene.hosts.host(FILES).wrong = network.refused
    with pytest.raises(UpstreamUnavailable):
        scene.read("alpha-2.0.tar.gz")
    assert shown(scene) == full
    scene.house.clock.advance(0)
    assert shown(scene) == (["alpha-1.0.tar.gz"], "1 of 2")
    assert shown(scene, via="1.1 pypidaemon-0123456789abcdef") == full
    assert shown(scene, "here") == (["here-1.0.tar.gz"], None)
    assert scene.read("here-1.0.tar.gz", NormalizedName("here")) == b"on the index's own host"
    asked = scene.hosts.count(FILES)
    for _ in range(60):
        scene.house.clock.advance(1.0)
        with pytest.raises(UpstreamUnavailable):
            scene.read("alpha-2.0.tar.gz")
    assert 3 <= scene.hosts.count(FILES) - asked <= 12
    scene.hosts.host(FILES).wrong = None
    for _ in range(30):
        scene.house.clock.advance(1.0)
    assert scene.upstream.hosts[FILES].state == "up"
    assert shown(scene) == full
    now(scene.upstream.stopService())  # type: ignore[arg-type]  # it has something to end


def test_N6_M18_they_are_not_cut_short_where_somebody_else_has_the_files() -> None:
    scene = apart((f"http://{OTHER}/simple/",))
    scene.hosts.host(FILES).wrong = network.refused
    assert scene.read("alpha-1.0.tar.gz") == b"one"
    assert shown(scene) == (["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"], None)
    scene.hosts.host(OTHER).wrong = network.refused
    with pytest.raises(UpstreamUnavailable):
        now(scene.upstream.stand_in(BETA))
    assert shown(scene) == (["alpha-1.0.tar.gz"], "1 of 2")


def test_a_host_that_is_down_is_no_longer_looked_after_when_all_ends() -> None:
    scene = apart()
    scene.upstream.startService()
    scene.hosts.host(FILES).wrong = network.silent
    reading = later(scene.house.proxy.open_file(ALPHA, filename("alpha-2.0.tar.gz"), Companion.FILE))
    reading.addErrback(lambda _: None)
    scene.house.clock.advance(5.0)
    ended = scene.upstream.stopService()
    scene.house.clock.advance(20.0)
    now(ended)  # type: ignore[arg-type]  # as above
    asked = len(scene.hosts.asked)
    scene.house.clock.advance(100.0)
    assert len(scene.hosts.asked) == asked


def test_the_state_of_every_host_is_told() -> None:
    scene = Scene()
    scene.page()
    scene.house.clock.advance(700)
    scene.cut()
    scene.page()
    state = json.loads(scene.house.get("/+health").body)["upstreams"]["pypi"]
    assert (state["state"], state["cause"]) == ("down", "it refuses connections")
    assert {host: said["state"] for host, said in state["hosts"].items()} == {MAIN: "down", OTHER: "up"}
    metrics = scene.house.get("/+metrics").body.decode()
    assert f'pypidaemon_upstream_host_up{{host="{MAIN}",upstream="pypi"}} 0.0' in metrics
    assert f'pypidaemon_upstream_host_up{{host="{OTHER}",upstream="pypi"}} 1.0' in metrics


def test_why_says_that_another_index_stands_in() -> None:
    scene = Scene()
    scene.page()
    scene.house.clock.advance(700)
    scene.cut()
    scene.page()
    told = now(scene.house.proxy.explain(ALPHA))
    assert ("standing in", "another index answers while this one does not") in told.facts


@pytest.mark.parametrize("way", ["held", "all"])
def test_F40_who_stands_in_is_looked_after_while_all_that_is_asked_for_is_ready(way: str) -> None:
    """Both lines are down for ten minutes, and clients ask for nothing but a page that is known: nobody would find out that one is back."""
    scene = Scene(House(settings={"while_down": way}))
    house = scene.house
    probing = Probing(house.clock, house.records, {"pypi": house.upstream})
    probing.startService()
    scene.upstream.startService()

    def asked() -> list[str]:
        ask = house.ask("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
        ready = house.door.routes.quick(ask)
        coming = later(house.door.routes.handle(ask)) if ready is None else None
        house.clock.advance(1)
        reply = ready if coming is None else now(coming)
        return [entry["filename"] for entry in json.loads(reply.body)["files"]]

    asked()
    house.clock.advance(700)
    scene.cut()
    scene.hosts.host(OTHER).wrong = network.refused
    for _ in range(600):
        seen = asked()
    assert seen == ([] if way == "held" else ["alpha-1.0.tar.gz"])
    assert scene.hosts.count(OTHER) < 60
    scene.hosts.host(OTHER).wrong = None
    scene.release(OTHER)
    took = 0
    while scene.upstream.hosts[OTHER].state != "up" and took < 100:
        asked()
        took += 1
    assert took <= 30
    # What was looked for in vain just before is looked for again within a minute.
    for _ in range(61):
        seen = asked()
    assert seen == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    now(probing.stopService())
    now(scene.upstream.stopService())
    house.clock.advance(100)
    assert not house.clock.getDelayedCalls()


def test_N1_who_stands_in_is_asked_for_a_sign_of_life_as_well() -> None:
    """The upstream is down and a page fresh, so nobody has had reason to ask the other one, whose line was cut since."""
    scene = Scene()
    house = scene.house
    probing = Probing(house.clock, house.records, {"pypi": house.upstream})
    probing.startService()
    scene.upstream.startService()

    def asked() -> list[str]:
        ask = house.ask("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
        reply = house.door.routes.quick(ask)
        waits = None if reply is not None else later(house.door.routes.handle(ask))
        house.clock.advance(0)
        return [entry["filename"] for entry in json.loads((reply or now(waits)).body)["files"]]  # type: ignore[arg-type]  # one of them

    asked()
    scene.cut()
    scene.upstream.health.failed("it refuses connections")
    assert (asked(), scene.hosts.count(OTHER)) == (["alpha-1.0.tar.gz"], 1)
    assert (asked(), scene.hosts.count(OTHER)) == (["alpha-1.0.tar.gz"], 1)
    house.clock.advance(61)
    scene.hosts.host(OTHER).wrong = network.refused
    assert asked() == []
    now(probing.stopService())
    now(scene.upstream.stopService())
