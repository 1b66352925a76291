"""Any history of an upstream, with its faults and our own crashes, and a mirror of it (M3, M5-M8, M11)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.plans import Limit
from pypidaemon.policies.filenames import Filenames
from pypidaemon.waits import Bell
from tests.examples import examples
from tests.mirroring import Mill, Upstream

NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon"])
VERSIONS = st.integers(1, 4)


class Histories(RuleBasedStateMachine):
    """An upstream that changes, lies and fails; a mirror that is filled, and killed while it is."""

    folder: tempfile.TemporaryDirectory[str]

    @initialize(serials=st.booleans(), etags=st.booleans())
    def begin(self, serials: bool, etags: bool) -> None:
        """Of the two kinds of upstreams; wheels are not wanted here, and however much goes, it may."""
        self.folder = tempfile.TemporaryDirectory()
        policy = Filenames(label="sources", deny=("*.whl",))
        self.mill = Mill(
            Path(self.folder.name),
            Upstream(serials=serials, etags=etags),
            {"removal_limit": Limit(None, 1000)},
            {"projects": ("*",), "exclude": ("epsilon",), "policies": (policy,), "parallel": 2},
        )
        # An empty list is never believed.
        self.mill.upstream.add("anchor", "anchor-1.0.tar.gz")

    def teardown(self) -> None:
        """Whatever happened, a run over a healthy upstream makes all right."""
        if hasattr(self, "mill"):
            try:
                self.healed()
            finally:
                self.folder.cleanup()

    @rule(name=NAMES, version=VERSIONS, wheel=st.booleans())
    def release(self, name: str, version: int, wheel: bool) -> None:
        """A file more."""
        self.mill.upstream.add(name, f"{name}-{version}.0-py3-none-any.whl" if wheel else f"{name}-{version}.0.tar.gz")

    @rule(name=NAMES)
    def remove_file(self, name: str) -> None:
        """The last file less, perhaps the only one."""
        offer = self.mill.upstream.offers.get(name)
        if offer is not None and offer.files:
            self.mill.upstream.remove(name, list(offer.files)[-1])

    @rule(name=NAMES)
    def remove_project(self, name: str) -> None:
        """All of it."""
        if name in self.mill.upstream.offers:
            self.mill.upstream.remove(name)

    @rule(name=NAMES)
    def yank(self, name: str) -> None:
        """Or take a yank back."""
        offer = self.mill.upstream.offers.get(name)
        if offer is not None and offer.files:
            offer.yanked ^= {next(iter(offer.files))}
            self.mill.upstream.add(name)

    @rule(name=NAMES)
    def quarantine(self, name: str) -> None:
        """Or end it."""
        offer = self.mill.upstream.offers.get(name)
        if offer is not None:
            offer.status = "active" if offer.status == "quarantined" else "quarantined"
            self.mill.upstream.add(name)

    @rule(name=NAMES, absent=st.booleans())
    def break_page(self, name: str, absent: bool) -> None:
        """Its page fails, or is not there though the list has it."""
        self.mill.upstream.broken[name] = NoSuchProject(name) if absent else UpstreamUnavailable("pypi", "it answers 500")

    @rule(name=NAMES)
    def lag(self, name: str) -> None:
        """A cache before its page is behind the list."""
        if name in self.mill.upstream.offers:
            self.mill.upstream.offers[name].page = 1

    @rule()
    def break_list(self) -> None:
        """There is none."""
        self.mill.upstream.broken[""] = UpstreamUnavailable("pypi", "it answers 500")

    @rule(name=NAMES)
    def hide(self, name: str) -> None:
        """The list lacks a project whose page is there."""
        self.mill.upstream.unlisted ^= {name}

    @rule()
    def heal(self) -> None:
        """All that is broken."""
        upstream = self.mill.upstream
        upstream.broken.clear()
        upstream.unlisted.clear()
        for offer in upstream.offers.values():
            offer.page = None

    @rule()
    def run(self) -> None:
        """As it comes."""
        self.mill.run()

    @rule(name=NAMES)
    def run_for_one(self, name: str) -> None:
        """As somebody orders it."""
        self.mill.run(name)

    @rule(rings=st.integers(0, 4))
    def killed(self, rings: int) -> None:
        """A run that ends in the middle."""
        gate = self.mill.upstream.gate = Bell()
        self.mill.begin()
        for _ in range(rings):
            gate.ring()
        self.mill.upstream.gate = None
        self.mill.kill()

    @rule(hours=st.integers(1, 200))
    def wait(self, hours: int) -> None:
        """Time passes."""
        self.mill.clock.advance(hours * 3600.0)

    @rule()
    def restart(self) -> None:
        """An orderly one."""
        self.mill.restart()

    @rule()
    def healed(self) -> None:
        """After a run over a healthy upstream the mirror is upstream less what was not chosen, and costs one request more."""
        self.heal()
        mill = self.mill
        ended = mill.run()
        assert ended["complete"], ended
        offers = {name: offer for name, offer in mill.upstream.offers.items() if name != "epsilon"}
        assert set(mill.names()) == set(offers)
        for name, offer in offers.items():
            wanted = [] if offer.status == "quarantined" else sorted(file for file in offer.files if not file.endswith(".whl"))
            assert sorted(mill.files(name)) == wanted, name
        if mill.upstream.serials and mill.upstream.etags:
            mill.upstream.asked.clear()
            assert mill.run()["complete"]
            assert mill.upstream.asked == ["names"]

    @invariant()
    def whole(self) -> None:
        """Every file on every page opens and has its hash."""
        if hasattr(self, "mill"):
            for name in self.mill.names():
                self.mill.files(name)


Histories.TestCase.settings = settings(
    max_examples=examples(25), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHistories = Histories.TestCase
