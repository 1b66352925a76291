"""Whatever happens between two requests: what the express lane says is what the ordinary road says at this moment, to the byte."""

from __future__ import annotations

from contextlib import suppress

import attrs
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pypidaemon.accounts.people import OPERATOR, Unacceptable
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import PypidaemonError
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.interfaces import IIndex
from pypidaemon.model import NormalizedName
from tests.fakes import file, page
from tests.gear import now
from tests.house import House
from tests.roads import Kept, Roads
from tests.web.test_uploads import upload, wheel
from tests.web.wire import answers

JSON = "application/vnd.pypi.simple.v1+json"
NAMES = ("alpha", "beta", "gamma")
PATHS = tuple(f"{root}/simple/{name}/" for root in ("", "/index/pypi", "/index/private", "/at/2026-05-01") for name in NAMES)
PEOPLE = ("", "ann", "bob")

HEADS = 6
"""How many of those that were asked last are asked again after each step."""

projects = st.sampled_from(NAMES)
people = st.sampled_from(PEOPLE[1:])


class BothRoads(RuleBasedStateMachine):
    """
    Alpha is ours, beta upstream's, gamma both; ann may see everything, bob what he is let, and anonymous what everybody is.

    The lane is asked first, so what the ordinary road finds out cannot help it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.house = house = House(by_both_roads=False)
        house.upstream.add("beta", *((f"beta-{n}.0.tar.gz", b"%d" % n) for n in range(30)), serial=10)
        house.upstream.add("gamma", ("gamma-1.0.tar.gz", b"gamma"), serial=11)
        self.private = house.with_private()
        self.tokens = {name: house.token(name) for name in PEOPLE[1:]}
        self.expiring: dict[str, str] = {}
        house.grant("ann", "upload", "private")
        self.version = 0
        self.heads: list[tuple[bytes, str, bool]] = []
        self.known: dict[tuple[str, str, str], str] = {}
        self.site = house.door.site
        self.door = house.door
        self.roads = Roads(self.site)
        self.kept = Kept(self.site)
        self.upload("alpha")

    def indexes(self) -> dict[str, IIndex]:
        root = FirstMatch("root", (self.private, self.house.proxy), self.house.records)
        return {"root": root, "private": self.private, "pypi": self.house.proxy}

    @rule(name=projects, who=st.sampled_from(PEOPLE), private=st.booleans())
    def ask_usually(self, name: str, who: str, private: bool) -> None:
        """What the lane knows for most of the time, so that changes meet it there."""
        self.ask(f"{'/index/private' if private else ''}/simple/{name}/", JSON, "gzip", who, "GET", False, False, 3)

    @rule(
        path=st.sampled_from(PATHS),
        form=st.sampled_from([JSON, "text/html"]),
        coding=st.sampled_from(["gzip", "zstd", "identity"]),
        who=st.sampled_from(PEOPLE),
        method=st.sampled_from(["GET", "HEAD"]),
        conditional=st.booleans(),
        secure=st.booleans(),
        times=st.integers(1, 4),
    )
    def ask(self, path: str, form: str, coding: str, who: str, method: str, conditional: bool, secure: bool, times: int) -> None:
        """As often as the lane needs to know it, and then some."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1:3141", f"Accept: {form}", f"Accept-Encoding: {coding}"]
        if who:
            lines.append(f"Authorization: Bearer {self.tokens[who]}")
        tag = self.known.get((path, form, coding))
        if conditional and tag:
            lines.append(f"If-None-Match: {tag}")
        head = "\r\n".join([*lines, "", ""]).encode()
        for _ in range(times):
            self.compare(head, method, secure)
        self.heads = [(head, method, secure), *(one for one in self.heads if one[0] != head)][:HEADS]
        heard = self.roads.plainly(head, secure=secure)
        found = answers(heard, (method,))[0].headers.get("etag")
        if found:
            self.known[path, form, coding] = found[0]

    @invariant()
    def whoever_asked_asks_again(self) -> None:
        """What was asked last is asked again after every change."""
        for one in self.heads:
            self.compare(*one)

    def compare(self, head: bytes, method: str, secure: bool) -> None:
        heard, express = self.roads.ask(head, secure=secure)
        if express:
            event(f"express {answers(heard, (method,))[0].status}")
            plain = self.roads.plainly(head, secure=secure)
            assert heard == plain
            if not secure:
                assert self.kept.say(head) == plain
                event(f"kept at rest {self.kept.channel._resting}")

    @rule(name=projects)
    def upload(self, name: str) -> None:
        self.version += 1
        with suppress(PypidaemonError):
            upload(self.house, self.tokens["ann"], wheel(name, f"{self.version}.0"))

    @rule(name=projects, version=st.integers(1, 4), reason=st.sampled_from([None, "bad"]))
    def yank(self, name: str, version: int, reason: str | None) -> None:
        with suppress(PypidaemonError):
            now(self.private.yank(NormalizedName(name), f"{version}.0", reason))

    @rule(name=st.sampled_from(["beta", "gamma"]), count=st.integers(0, 3), told=st.booleans())
    def upstream_changes(self, name: str, count: int, told: bool) -> None:
        """Which is found out when a page is past its time, or at once where somebody asks for it."""
        files = (file(f"{name}-{n}.{self.version}.tar.gz", b"%d %d" % (n, self.version)) for n in range(count))
        self.house.upstream.pages[name] = attrs.evolve(page(name, *files), serial=20 + self.version)
        if told:
            now(self.house.proxy.refresh(NormalizedName(name)))

    @rule(name=st.sampled_from([*NAMES, None]))
    def announce(self, name: str | None) -> None:
        self.house.announcements.announce(None if name is None else NormalizedName(name))

    @rule(
        who=st.sampled_from(["anonymous", "authenticated", "ann", "bob"]),
        place=st.sampled_from(["private", "pypi", "private/alpha"]),
        given=st.booleans(),
    )
    def grant(self, who: str, place: str, given: bool) -> None:
        change = self.door.people.grant if given else self.door.people.ungrant
        with suppress(Unacceptable):
            now(change(OPERATOR, who, "read", place))  # type: ignore[arg-type]  # either will do

    @rule(who=people, seconds=st.sampled_from([None, 30.0, 400.0]))
    def new_token(self, who: str, seconds: float | None) -> None:
        """The old one is revoked or not; whoever has it goes on trying it."""
        with suppress(Unacceptable):
            self.tokens[who] = now(self.door.people.add_token(OPERATOR, who, "", "*", seconds))[1]

    @rule(who=people)
    def revoke(self, who: str) -> None:
        with suppress(Unacceptable):
            now(self.door.people.revoke_token(OPERATOR, self.tokens[who]))

    @rule(who=people, able=st.booleans())
    def disable(self, who: str, able: bool) -> None:
        with suppress(Unacceptable):
            now((self.door.people.enable_user if able else self.door.people.disable_user)(OPERATOR, who))  # type: ignore[arg-type]  # as above

    @rule(name=projects, blocked=st.booleans(), seconds=st.sampled_from([None, 45.0]))
    def block(self, name: str, blocked: bool, seconds: float | None) -> None:
        rulemaking = self.door.routes.gate.rulemaking
        assert rulemaking is not None
        order: dict[str, object] = {"target": name}
        if blocked:
            order |= {"reason": "a trial"}
        with suppress(Unacceptable):
            now(rulemaking.perform("block" if blocked else "unblock", order, THE_OPERATOR))

    @rule(state=st.sampled_from(["up", "down", "suspect"]))
    def line(self, state: str) -> None:
        if state == "up":
            self.house.upstream.health.recover()
        else:
            self.house.upstream.health.doubt(state)

    @rule(seconds=st.sampled_from([0.0, 0.25, 0.5, 1.0, 4.75, 31.0, 59.5, 300.0, 599.0, 601.0, 100_000.0, -0.5, -1.0, -90.0, -700.0]))
    def time_passes(self, seconds: float) -> None:
        """Forwards, and sometimes backwards."""
        if seconds >= 0:
            self.house.clock.advance(seconds)
        else:
            self.house.clock.rightNow += seconds

    @rule()
    def reload(self) -> None:
        """Another door in the place of this one, on the sockets of the first."""
        before = self.door
        self.house.open(self.indexes(), "root")
        self.door = self.house.door
        self.door.go_on_from(before)
        self.site.turn_to(self.door.site)
        self.roads = Roads(self.site)

    def teardown(self) -> None:
        self.kept.close()
        self.roads.settle()


TestBothRoads = BothRoads.TestCase
TestBothRoads.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
