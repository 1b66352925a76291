"""The parts of the status page, each made of the facts and of what whoever looks may see; those with an id are sent again when they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pypidaemon.moments import written
from pypidaemon.telling import plural
from pypidaemon.traffic import Traffic
from pypidaemon.web.operations import UNASKED
from pypidaemon.web.views.frame import number, size, table
from pypidaemon.web.views.markup import Content, Markup, joined, tag
from pypidaemon.web.views.status_facts import MOST_NAMED, Facts, Sight, State
from pypidaemon.web.views.status_problems import BAD, Problem, failed, is_away, outcome_of, problems

_FEW = 3
"""Lines of a problem that are shown at once; more are unfolded by who wants them."""


def sections(facts: Facts, sight: Sight) -> Mapping[str, Markup]:
    """What changes, by id: the content of each."""
    return {
        "problems": problems_part(problems(facts, sight)),
        "upstreams": upstreams_part(facts),
        "services": joined(services_part(facts, sight), pushes_part(facts, sight), packs_part(facts, sight)),
    }


def problems_part(found: list[Problem]) -> Markup:
    """Problems first; or that there is none."""
    if not found:
        return tag("p", tag("span", "working", class_="tag good"), " Nothing is wrong.", class_="lead")
    bad = sum(one.kind == BAD for one in found)
    word = tag("span", "attention", class_=f"tag {BAD if bad else 'warn'}")
    said = (
        f" {plural(bad, 'thing')} {'does' if bad == 1 else 'do'} not work now."
        if bad
        else " All is served; something waits to be looked at."
    )
    return joined(tag("p", word, said, class_="lead"), tag("ul", [tag("li", _problem(one)) for one in found], class_="plain"))


def _problem(one: Problem) -> Markup:
    since = tag("span", " Since ", _time(one.since), ".", class_="small") if one.since else None
    entries = tag("ul", [tag("li", line) for line in one.lines], class_="small") if one.lines else None
    lines = entries if len(one.lines) <= _FEW else tag("details", tag("summary", f"Which {len(one.lines)}", class_="small"), entries)
    return tag("div", tag("p", tag("strong", one.what), ". ", one.meaning, since), lines, class_=f"notice {one.kind}")


def upstreams_part(facts: Facts) -> Markup:
    """Each upstream: whether it answers, since when, and what was asked of it."""
    if not facts.upstreams:
        return tag("p", "This daemon has no upstream: everything it serves is its own.", class_="quiet")
    rows = []
    for label, state in facts.upstreams.items():
        kind = "bad" if is_away(state) else "warn" if state["state"] == "suspect" else "" if state["state"] == UNASKED else "good"
        said = joined(tag("span", state["state"], class_=f"tag {kind}".strip()), f" {state['cause']}" if state.get("cause") else None)
        asked = int(state.get("requests", 0))
        wrong = int(state.get("failures", 0))
        rows.append(
            (
                label,
                joined(said, _hosts(state)),
                _time(str(state["since"])) if state.get("since") else None,
                f"{plural(asked, 'request')}, {wrong} without a good answer" if asked else "nothing asked since the start",
                size(int(state.get("bytes_in", 0))),
            )
        )
    return table(("Upstream", "State", "Since", "Asked", "Received"), rows, "Upstreams, since the start of this daemon", class_="stack")


def _hosts(state: State) -> Content:
    hosts = state.get("hosts", {})
    if not hosts:
        return None
    entries = [
        tag("li", tag("code", host), f" {said['state']}", f": {said['cause']}" if said.get("cause") else None)
        for host, said in hosts.items()
    ]
    return tag("ul", entries, class_="plain small quiet")


def services_part(facts: Facts, sight: Sight) -> Content:
    """The services that fill indexes, and what they are at."""
    if not facts.services:
        return None
    return tag("section", tag("h2", "Mirror runs"), [_service(label, state, sight) for label, state in facts.services.items()])


def _service(label: str, state: State, sight: Sight) -> Markup:
    index = str(state.get("index", ""))
    seen = sight.sees(index)
    running = state.get("running", {})
    word, kind = ("running", "good") if running else ("not complete", "warn") if failed(state) else ("idle", "")
    if not running and state.get("complete_since") and not failed(state):
        word, kind = "complete", "good"
    outcome = outcome_of(state) if seen and not running else ""
    facts = [_fact("Fills", index, ", ", plural(int(state.get("projects", 0)), "project"))]
    for title, key in (("Complete as of", "complete_since"), ("Last run", "tried"), ("Next run", "next")):
        if state.get(key):
            facts.append(_fact(title, _time(str(state[key]))))
    if waiting := int(state.get("waiting", 0)):
        facts.append(_fact("Waiting to be tried again", plural(waiting, "project")))
    return tag(
        "div",
        tag("h3", label, " ", tag("span", word, class_=f"tag {kind}".strip())),
        [_run(label, one, seen=seen) for one in running.values()],
        tag("dl", facts, class_="facts across"),
        tag("p", "Last outcome: ", outcome, class_="small quiet") if outcome else None,
        class_="card",
    )


def _run(label: str, tally: Mapping[str, Any], *, seen: bool) -> Markup:
    found, looked = int(tally.get("found", 0)), int(tally.get("looked", 0))
    said = f"{number(looked)} of {plural(found, 'project')} looked at, {plural(int(tally.get('files', 0)), 'file')} and {size(int(tally.get('bytes', 0)))} fetched"
    if wrong := int(tally.get("failed", 0)):
        said += f", {number(wrong)} failed"
    what = f"{tally.get('phase', '')} ({tally.get('for', '')})" if seen else str(tally.get("phase", ""))
    bar = tag("progress", said, max=max(found, 1), value=min(looked, found), aria_label=f"{label}: projects looked at") if found else None
    errors = [tag("li", str(line)) for line in list(tally.get("errors", ()))[-MOST_NAMED:]] if seen else []
    trouble = tag("details", tag("summary", plural(len(errors), "error")), tag("ul", errors, class_="small")) if errors else None
    return tag("div", tag("p", tag("strong", what), ": ", said, "."), bar, trouble, class_="run")


def pushes_part(facts: Facts, sight: Sight) -> Content:
    """The services that push what was uploaded to other indexes."""
    if not facts.pushes:
        return None
    cards = []
    for label, state in facts.pushes.items():
        index = str(state.get("index", ""))
        seen = sight.sees(index)
        word, kind = ("cannot push", "warn") if state.get("trouble") else ("pushing", "good") if state.get("running") else ("idle", "")
        rows = [
            _fact("Pushes", index, tag("span", " to ", tag("code", str(state.get("to", "")))) if seen else None),
            _fact("Pushed since the start", plural(int(state.get("pushed_in_all", 0)), "file")),
        ]
        for title, key in (("Last look", "ended"), ("Next look", "next")):
            if state.get(key):
                rows.append(_fact(title, _time(str(state[key]))))
        cards.append(
            tag(
                "div",
                tag("h3", label, " ", tag("span", word, class_=f"tag {kind}".strip())),
                tag("dl", rows, class_="facts across"),
                class_="card",
            )
        )
    return tag("section", tag("h2", "Pushes"), cards)


def packs_part(facts: Facts, sight: Sight) -> Content:
    """What is being packed and which bundle is being taken in, or was last: for who may administrate everything."""
    if not sight.everything or not (facts.packs or facts.bundle):
        return None
    rows = [
        _order(f"Pack {one['pack']}", one, f"{one['looked']} of {one['found']} looked at, {plural(one['files'], 'file')} fetched")
        for one in facts.packs
    ]
    if facts.bundle is not None:
        said = f"{facts.bundle.get('changed', 0)} files of {plural(int(facts.bundle.get('projects', 0)), 'project')} changed"
        rows.append(_order("Bundle", facts.bundle, said))
    return tag("section", tag("h2", "Packs and bundles"), tag("ul", rows, class_="plain rows"))


def _order(what: str, state: State, said: str) -> Markup:
    word, kind = ("running", "good") if state.get("running") else ("failed", "warn") if state.get("error") else ("done", "")
    error = f" {state['error']}" if state.get("error") else None
    return tag("li", tag("span", what), tag("span", word, class_=f"tag {kind}".strip()), tag("span", said, error, class_="quiet small"))


def saved_cards(day: Traffic, month: Traffic) -> Markup:
    """The figures that matter, of a day and of thirty."""
    cards = [
        (f"{day.rate:.0%}" if day.rate is not None else "none", "hit rate in the last day"),
        (size(day.saved), "saved in the last day"),
        (size(month.saved), "saved in the last 30 days"),
        (number(month.files), "files given out in the last 30 days"),
    ]
    entries = [
        tag("li", tag("p", figure, class_="figure"), tag("p", words, class_="quiet small"), class_="card") for figure, words in cards
    ]
    return tag("ul", entries, class_="cards figures")


def _fact(title: str, *said: Content) -> Markup:
    return tag("div", tag("dt", title), tag("dd", *said))


def _time(said: str) -> Markup:
    return tag("time", said.replace("T", " ").replace("Z", " UTC"), datetime=said, class_="nowrap")


def moment_line(moment: float) -> Markup:
    """When all of this was so; a script says there that it is kept true."""
    return tag("p", "As of ", _time(written(moment)), ". Load the page again for news.", id="live", class_="small quiet")
