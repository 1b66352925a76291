"""The status page: what is wrong, how upstreams and mirrors are, what lies on the disk, and what was saved; for programs the same as JSON (F96, P9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pypidaemon import __version__
from pypidaemon.errors import NotAllowed
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount
from pypidaemon.traffic import STEP, Traffic, TrafficRing
from pypidaemon.web.ask import Ask
from pypidaemon.web.events import Events, Sections
from pypidaemon.web.operations import json_reply, moment
from pypidaemon.web.readers import up, wants_html
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.frame import View, document, finished
from pypidaemon.web.views.markup import Content, Markup, joined, tag
from pypidaemon.web.views.status_facts import Disk, Facts, Sight, State, StatusFacts
from pypidaemon.web.views.status_html import moment_line, saved_cards, sections
from pypidaemon.web.views.status_pictures import SPANS, Span, disk_picture, traffic_pictures
from pypidaemon.web.views.status_problems import BAD, problems

_NAMELESS = ("index", "serial", "projects", "complete_since", "tried", "next", "waiting", "pushed_in_all", "ended")
"""What of a service or a push everybody may know."""
_COUNTS = ("phase", "found", "looked", "files", "bytes", "failed", "seconds")


@attrs.define
class StatusPage:
    """Answers `/status/` and, while that is open, `/+events`."""

    facts: StatusFacts
    events: Events = attrs.field(init=False, default=attrs.Factory(lambda self: Events(self.facts.clock), takes_self=True))
    _of: Facts | None = attrs.field(init=False, default=None)
    """What the pages below were made of, which is believed for two seconds."""
    _pages: dict[tuple[Sight, Span], bytes] = attrs.field(init=False, factory=dict)
    _documents: dict[Sight, Reply] = attrs.field(init=False, factory=dict)
    _pictures: tuple[tuple[float, str, object], Markup] | None = attrs.field(init=False, default=None)
    """Those of the traffic that were drawn last, and by what."""

    @property
    def flights(self) -> tuple[Flights[Any, Any], ...]:
        """What is under way for it."""
        return self.events.flights, self.facts.flights

    async def page(self, ask: Ask, account: IAccount) -> Reply:
        """
        The page, or the same as JSON.

        :raises NotAllowed: whoever asks wants to log in (`?login`), and has not.
        """
        asked = dict(ask.query)
        if "login" in asked and not account.authenticated:
            raise NotAllowed("log in to see names", would_help=True)
        facts, sight = await self.facts.now(), self.facts.sight(account)
        ring = await self.facts.sources.traffic()
        if self._of is not facts:
            self._of, self._pages, self._documents = facts, {}, {}
        if not wants_html(ask):
            if sight not in self._documents:
                self._documents[sight] = json_reply(200, _document(facts, sight, ring))
            return self._documents[sight]
        span = next((one for one in SPANS if one.word == asked.get("span")), SPANS[0])
        if (sight, span) not in self._pages:
            body = self._body(facts, sight, ring, span, up(ask))
            self._pages[sight, span] = document(View("Status", body, section="status", scripts=("status.js",)), up(ask))
        return finished(ask, self._pages[sight, span], private=account.authenticated or sight != Sight())

    def stream(self, ask: Ask, account: IAccount) -> Reply:
        """What changes of the page, as it changes."""
        sight = self.facts.sight(account)

        async def render() -> Sections:
            return sections(await self.facts.now(), sight)

        return self.events.answer(ask, sight, render)

    def _body(self, facts: Facts, sight: Sight, ring: TrafficRing, span: Span, root: str) -> Markup:
        parts = sections(facts, sight)
        hidden = not sight.everything and parts["problems"] != sections(facts, Sight(everything=True))["problems"]
        login = tag(
            "p", tag("a", "Log in", href="?login"), " as an administrator to see which projects and files these are.", class_="small"
        )
        return joined(
            tag("h1", "Status"),
            tag("div", parts["problems"], id="problems", aria_live="polite"),
            login if hidden else None,
            tag("p", tag("a", "Fill, probe or pack now", href=f"{root}+admin/status/"), ", for administrators.", class_="small"),
            moment_line(facts.moment),
            tag("section", tag("h2", "What it saves"), self._traffic(facts, ring, span)),
            tag("section", tag("h2", "Upstreams"), tag("div", parts["upstreams"], id="upstreams")),
            tag("div", parts["services"], id="services"),
            tag("section", tag("h2", "Disk"), disk_picture(facts.disk)) if facts.disk != Disk() else None,
        )

    def _traffic(self, facts: Facts, ring: TrafficRing, span: Span) -> Content:
        """Drawn once for a step of the ring, unless something came to it."""
        day, month = _last(ring, facts.moment, 86_400), _last(ring, facts.moment, 30 * 86_400)
        by = (facts.moment // STEP, span.word, (day, month))
        if self._pictures is None or self._pictures[0] != by:
            drawn = traffic_pictures(ring.spans(facts.moment, span.width, span.count), span, facts.moment)
            self._pictures = by, joined(saved_cards(day, month), _choice(span), drawn)
        return self._pictures[1]


def _last(ring: TrafficRing, until: float, seconds: int) -> Traffic:
    """All of the last so many seconds, to the next step."""
    return ring.between(until - seconds + STEP, until)


def _choice(span: Span) -> Markup:
    links = [
        tag("a", one.title, href=f"?span={one.word}", aria_current="true" if one == span else None, class_="button quietly")
        for one in SPANS
    ]
    return tag("p", links, class_="pages", role="group", aria_label="Time shown")


def _document(facts: Facts, sight: Sight, ring: TrafficRing) -> Mapping[str, Any]:
    found = problems(facts, sight)
    disk = facts.disk
    return {
        "version": __version__,
        "moment": moment(facts.moment),
        "state": "working" if not found else "failing" if any(one.kind == BAD for one in found) else "attention",
        "problems": [one.as_json() for one in found],
        "upstreams": facts.upstreams,
        "services": {label: _told(state, sight) for label, state in facts.services.items()},
        "pushes": {label: _told(state, sight) for label, state in facts.pushes.items()},
        "replaced": facts.replaced_in(),
        "disk": {
            "bytes": dict(disk.roles),
            "limits": dict(disk.limits),
            "total": disk.volume.total if disk.volume is not None else None,
            "free": disk.volume.free if disk.volume is not None else None,
            "floor": disk.volume.floor if disk.volume is not None else None,
        },
        "traffic": {
            word: _counts(_last(ring, facts.moment, seconds))
            for word, seconds in (("day", 86_400), ("week", 7 * 86_400), ("month", 30 * 86_400))
        },
    }


def _told(state: State, sight: Sight) -> Mapping[str, Any]:
    """A service as this account may know it: all of it but long plans, or counts and times alone."""
    if sight.sees(str(state.get("index", ""))):
        ended = state.get("ended")
        if isinstance(ended, Mapping):
            return {**state, "ended": {number: {word: said[word] for word in said if word != "plan"} for number, said in ended.items()}}
        return state
    known: dict[str, Any] = {word: state[word] for word in _NAMELESS if word in state and not isinstance(state[word], Mapping)}
    running = state.get("running")
    if isinstance(running, Mapping):
        known["running"] = {number: {word: one[word] for word in _COUNTS if word in one} for number, one in running.items()}
    elif running is not None:
        known["running"] = running
    return known


def _counts(traffic: Traffic) -> Mapping[str, Any]:
    return {**attrs.asdict(traffic), "hits": traffic.hits, "hit_rate": traffic.rate, "saved": traffic.saved}
