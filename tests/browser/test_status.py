"""The status page in a real browser: nothing that others write runs, news come by themselves, and it is light and fits a phone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from pypidaemon.model import Filename, NormalizedName
from pypidaemon.traffic import Traffic
from pypidaemon.web.events import PACE
from pypidaemon.web.reply import Reply
from pypidaemon.web.views import static
from tests.browser.attacks import ATTACKS
from tests.browser.chromium import chromium
from tests.browser.test_attacks import HARMLESS, served
from tests.gear import later, now
from tests.house import House
from tests.web.test_status import HTML, Documents, Push

ALL = " ".join(ATTACKS)


class Hostile(Push):
    """Pushes to somebody who answers with all of that."""

    def state(self) -> dict[str, Any]:
        return {**super().state(), "to": ATTACKS[0], "trouble": ALL, "conflicts": list(ATTACKS)}


def replies() -> Mapping[str, Reply]:
    """The page with attacks wherever somebody else has a say, and the news that an upstream is back."""
    house = House(by_both_roads=False)
    facts = house.door.routes.views.desk.status.facts
    facts.pushings = {"over": Hostile()}  # type: ignore[dict-item]  # all of it that is asked for
    facts.policies = {"known": Documents(trouble=ALL)}  # type: ignore[dict-item]  # as above
    facts.bundle = lambda: {"run": 1, "running": False, "error": ALL, "changed": 4, "projects": 2}
    for place, attack in enumerate(ATTACKS[:20]):
        now(house.records.facts.differ("pypi", NormalizedName(f"{attack}{place}"), {Filename(attack): ""}, 0.0))
    ring = now(house.traffic.ring())
    for step in range(0, 30 * 86_400, 3600):
        ring.add(house.clock.seconds() - step, Traffic(100, step % 7, 10**9, 10**8))
    house.grant("anonymous", "admin", "*")
    house.upstream.health.state, house.upstream.health.cause = "down", ALL
    found = {f"/status/{query}": house.get(f"/status/{query}", accept=HTML, accept_encoding="gzip") for query in ("", "?span=month")}
    house.clock.advance(PACE)
    house.upstream.health.recover()
    stream = house.get("/+events")
    assert stream.stream is not None
    heard = b""
    for _ in range(2):
        reading = later(stream.stream.content.read(0, 1 << 18))
        house.clock.advance(PACE)
        heard += now(reading)
    stream.close()
    assert b"does not answer" not in heard
    # The stream of this test ends, and whoever heard it is not to come back for more.
    found["/+events"] = attrs.evolve(stream, stream=None, body=heard.replace(b"retry: 5000", b"retry: 3600000"))
    for name in static.ASSETS:
        found["/" + static.path(name)] = house.get("/" + static.path(name))
    return found


def test_S79_S82_P9_the_status_page(tmp_path: Path) -> None:
    """By what stands in it alone, without its policy; then with that, on a phone and on a wide screen."""
    shown = replies()
    with served(shown) as root, chromium(tmp_path) as browser:
        tab = browser.open()
        tab.without_policy()
        seen = tab.show(f"{root}/status/")
        assert (seen.dialogs, seen.said) == ([], [])
        news = "new Promise(done => { const look = () => document.getElementById('problems').textContent.includes('does not answer') ? setTimeout(look, 20) : done(true); look(); })"
        assert tab.run(news)
        assert tab.run("document.getElementById('upstreams').textContent.includes('not asked yet')")
        assert tab.run(HARMLESS) == []
        assert (seen.dialogs, seen.said) == ([], [])
        tab = browser.open()
        for width, dark in ((360, True), (1400, False)):
            tab.screen(width, 900, dark=dark)
            seen = tab.show(f"{root}/status/?span=month")
            assert tab.run(news)
            assert len(seen.asked) <= 5, json.dumps(seen.asked)
            assert seen.bytes <= 60_000
            assert (seen.dialogs, seen.said, seen.refused) == ([], [], [])
            assert tab.run("document.documentElement.scrollWidth <= innerWidth")
            assert tab.run(
                "[...document.querySelectorAll('svg')].every(one => one.getAttribute('aria-label') && one.getBoundingClientRect().width > 200)"
            )
            # Each is drawn, and in a colour of the page.
            assert tab.run("[...document.querySelectorAll('.plot .saved')].every(one => getComputedStyle(one).fill !== 'rgb(0, 0, 0)')")
