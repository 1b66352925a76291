"""What befalls an upstream by bad luck or ill will: places that are all taken, answers that come in the wrong moment."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.web.http_headers import Headers

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.upstreams.limits import Limits
from tests import network
from tests.gear import later, now, waiting
from tests.upstreams.parts import whole
from tests.upstreams.test_alternates import ALPHA, FILES, MAIN, Scene

AT_ONCE = 3
FAR, CDN = "far.example", "cdn.example"


@pytest.mark.parametrize("wrong", [network.silent, network.dripping])
def test_F40_a_probe_needs_no_place_among_those_who_wait_in_vain(wrong: network.Answering) -> None:
    """Pages that hang since the line was cut hold all places for a minute; it may be back long before that."""
    scene = Scene({"limits": Limits(pages_at_once=AT_ONCE)})
    scene.breaks(MAIN, wrong=wrong)
    scene.upstream.health.attend()
    for number in range(2 * AT_ONCE):
        later(scene.upstream.fetch_page(NormalizedName(f"p{number}"), Validators())).addErrback(lambda _: None)
    scene.clock.advance(2.5)
    assert scene.upstream.health.state == "suspect"
    scene.hosts.host(MAIN).wrong = None
    probe = later(scene.upstream.probe(ALPHA))
    assert not waiting(probe)
    now(probe)
    assert scene.upstream.health.state == "up"


def far() -> Scene:
    """An upstream alone, looked after, whose files lie on a host of their own: nine of them."""
    scene = Scene({"mirrors": (), "file_mirrors": ()})
    for number in range(9):
        scene.hosts.host(FAR).bodies[f"/{number}"] = b"bytes"
    scene.upstream.startService()
    return scene


def taken(scene: Scene, path: str) -> bytes | None:
    """The bytes of a file from far away, None where they are not to be had now."""

    async def fetched() -> bytes:
        return await whole(await scene.upstream.fetch_body(f"http://{FAR}{path}", 0))

    try:
        return now(fetched())
    except UpstreamUnavailable:
        return None


def broken(*paths: str) -> network.Answering:
    """A host on which these alone are broken, and stay so."""

    def answering(path: str, net: network.Network) -> Deferred[Any]:
        if path in paths:
            return network.status(500)(path, net)
        return good(path, net)

    return answering


def good(path: str, net: network.Network) -> Deferred[Any]:
    """What a host says on which nothing is wrong."""
    net.wrong, wrong = None, net.wrong
    try:
        return net.request(b"GET", f"http://{FAR}{path}".encode())
    finally:
        net.wrong = wrong


def pass_(scene: Scene, seconds: int) -> None:
    for _ in range(4 * seconds):
        scene.clock.advance(0.25)


def test_N6_F86_a_file_that_is_broken_for_good_takes_no_other_of_its_host_along() -> None:
    """However often it is asked for; or nobody would ever ask that host for anything else."""
    scene = far()
    scene.breaks(FAR, wrong=broken("/0"))
    for _ in range(10):
        assert taken(scene, "/0") is None
        scene.clock.advance(1)
    assert scene.upstream.hosts[FAR].state == "up"
    assert taken(scene, "/1") == b"bytes"


def test_N6_F40_a_host_is_looked_at_by_a_file_that_was_good() -> None:
    scene = far()
    assert taken(scene, "/8") == b"bytes"
    scene.breaks(FAR, wrong=broken("/0", "/1", "/2", "/3"))
    for path in ("/0", "/1", "/2", "/3"):
        taken(scene, path)
    pass_(scene, 30)
    assert scene.upstream.hosts[FAR].state == "up"
    assert taken(scene, "/4") == b"bytes"


def test_N6_F40_a_host_of_which_nothing_good_is_known_is_looked_at_by_what_is_wanted() -> None:
    scene = far()
    scene.breaks(FAR, wrong=broken("/0", "/1", "/2"))
    for path in ("/0", "/1", "/2"):
        taken(scene, path)
    scene.clock.advance(0)
    assert scene.upstream.hosts[FAR].state != "up"
    assert taken(scene, "/4") is None
    pass_(scene, 30)
    assert taken(scene, "/4") == b"bytes"


def test_N6_F40_a_host_that_sends_everybody_on_comes_back_too() -> None:
    """Who redirects has answered, as far as those have to whom it leads (S50)."""
    scene = far()
    scene.hosts.host(CDN).bodies["/0"] = b"bytes"

    def onward(path: str, net: network.Network) -> Deferred[Any]:
        return succeed(network.Response(302, b"", Headers({"Location": [f"http://{CDN}{path}"]})))

    scene.breaks(FAR, wrong=network.refused)
    assert taken(scene, "/0") is None
    scene.breaks(FAR, wrong=onward)
    pass_(scene, 30)
    assert scene.upstream.hosts[FAR].state == "up"
    assert taken(scene, "/0") == b"bytes"


def test_N6_F40_an_index_is_not_looked_at_for_ever_since_a_host_is_dead() -> None:
    """Once when it falls is enough: a page may name a host that nobody will ever hear of again."""
    scene = far()
    scene.upstream.health.attend()
    asked: list[str] = []
    scene.upstream.health.listen(lambda: asked.append(scene.upstream.health.state) if scene.upstream.health.due() == 0.0 else None)
    scene.breaks(FAR)
    taken(scene, "/0")
    for _ in range(600):
        scene.clock.advance(1)
        scene.upstream.health.begin()
    assert len(asked) == 1
    assert scene.hosts.count(FAR) < 60


@pytest.mark.parametrize("path", ["/packages/../../../admin/reboot", "/packages/%2e%2e/%2E%2E/%2e./admin/reboot", "/a/./b"])
def test_S48_M18_no_page_leads_out_of_the_folder_of_a_host_that_stands_in(path: str) -> None:
    """What that host has beside it may be nobody's business, and a request may be all that it takes."""
    scene = Scene({"mirrors": ()})
    scene.breaks(MAIN)
    entry = attrs.evolve(scene.file, url=f"http://{MAIN}{path}")
    with pytest.raises(UpstreamUnavailable):
        scene.fetch(entry)
    assert scene.hosts.count(FILES) == 0
