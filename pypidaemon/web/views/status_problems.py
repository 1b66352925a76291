"""What is wrong, worst first: since when, what it means for those who install from here, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from pypidaemon.moments import written
from pypidaemon.telling import enumerated, plural
from pypidaemon.web.views.frame import size
from pypidaemon.web.views.status_facts import MOST_NAMED, MOST_REPLACED, Facts, Sight, State

BAD, WARN = "bad", "warn"

_NEARLY = 0.95
"""Which part of a budget is nearly all of it."""
_LOW = 2.0
"""How many times the floor is little."""


_UNDER_WAY = "under way"
"""How the outcome begins of a run that has not ended."""


@attrs.frozen
class Problem:
    """
    One thing that is wrong.

    :param kind: `BAD` where something is not served or not kept now, `WARN` where something waits to be looked at.
    :param since: when it began, where that is known, as `2026-03-01T12:30:00Z`.
    :param lines: names and causes, for who may see them.
    """

    kind: str
    what: str
    meaning: str
    since: str = ""
    lines: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return attrs.asdict(self) | {"since": self.since or None, "lines": list(self.lines)}


def problems(facts: Facts, sight: Sight) -> list[Problem]:
    """All of them, the bad ones first."""
    found = [
        *_gathering(facts, sight),
        *_room(facts, sight),
        *_upstreams(facts),
        *_services(facts, sight),
        *_pushes(facts, sight),
        *_replaced(facts, sight),
        *_policies(facts, sight),
        *_rest(facts),
    ]
    return sorted(found, key=lambda one: one.kind != BAD)


def is_away(state: State) -> bool:
    """Whether that upstream does not answer; one that is being doubted may, and one that was never asked is not known to do otherwise."""
    return state["state"] in {"down", "probing", "offline"}


def latest(state: State) -> Mapping[str, Any] | None:
    """How the last run of a service for everything, or of what waited, ended; None where none did since the start."""
    ended = state.get("ended", {})
    return ended[max(ended, key=int)] if ended else None


def outcome_of(state: State) -> str:
    """In one line what came of the last run, which names projects; "" where none was."""
    last = latest(state)
    return str((last if last is not None and "plan" not in last else state).get("outcome") or "")


def failed(state: State) -> bool:
    """Whether the last run of a service did not bring everything; one that never ran did not fail."""
    last = latest(state)
    if last is not None and "plan" not in last:
        return not last["complete"]
    outcome = str(state.get("outcome") or "")
    if outcome.startswith(_UNDER_WAY):
        # Or it was killed; the next start goes on with it.
        return not state.get("running")
    return bool(outcome) and not outcome.startswith("complete")


def _gathering(facts: Facts, sight: Sight) -> Iterator[Problem]:
    if facts.trouble:
        lines = facts.trouble if sight.everything else ()
        yield Problem(BAD, "The records cannot be read", "Not all that this page is to show is known now. The log says more.", lines=lines)


def _room(facts: Facts, sight: Sight) -> Iterator[Problem]:
    disk, volume = facts.disk, facts.disk.volume
    if facts.lacking:
        meaning = (
            "What is fetched is passed on without being kept, so it is fetched again each time; uploads go on as long as there is any room."
        )
        yield Problem(BAD, "Nothing new is kept", meaning, lines=(facts.lacking,) if sight.everything else ())
    elif volume is not None and volume.free < _LOW * volume.floor:
        yield Problem(
            WARN, "The disk is nearly full", f"{size(volume.free)} are free; below {size(volume.floor)} nothing is kept any more."
        )
    for role, what in (("private", "uploads are refused"), ("mirrored", "mirrors take nothing more")):
        held, limit = disk.roles.get(role), disk.limits.get(role)
        if held is not None and limit and held >= _NEARLY * limit:
            used = f"{size(held)} of {size(limit)} are used"
            if held >= limit:
                yield Problem(BAD, f"The budget of what is {role} is used up", f"{used}: {what} until it is raised ([daemon] budget).")
            else:
                yield Problem(WARN, f"The budget of what is {role} is nearly used up", f"{used}. When all of it is, {what}.")
        elif refused := int(disk.refused.get(role, 0)):
            yield Problem(WARN, f"{plural(refused, 'file')} found no room", f"They would have been {role}; counted since the start.")


def _upstreams(facts: Facts) -> Iterator[Problem]:
    for label, state in facts.upstreams.items():
        since = str(state.get("since") or "")
        cause = f" ({state['cause']})" if state.get("cause") else ""
        if state["state"] == "offline":
            yield Problem(WARN, f"{label} is not asked", f"This daemon is offline by configuration. {_meaning(facts, label)}", since)
        elif is_away(state):
            yield Problem(BAD, f"{label} does not answer{cause}", f"{_meaning(facts, label)} It is asked again and again by itself.", since)
        elif state["state"] == "suspect":
            yield Problem(WARN, f"{label} is slow or answers wrongly{cause}", "It is being looked at; answers may take a moment.", since)


def _meaning(facts: Facts, label: str) -> str:
    kinds = facts.depending.get(label, {})
    said = []
    words = {
        "mirror": "complete without it, and gets nothing new",
        "held": "pages list only files that are here, and what was never asked for is answered 503",
        "all": "pages are as they were last, files that are not here fail, and what was never asked for is answered 503",
    }
    for kind, meaning in words.items():
        names = [name for name, its in kinds.items() if its == kind]
        if names:
            said.append(f"{enumerated(names)}: {meaning}.")
    return " ".join(said) or "No index depends on it."


def _services(facts: Facts, sight: Sight) -> Iterator[Problem]:
    for label, state in facts.services.items():
        seen = sight.sees(str(state.get("index", "")))
        if failed(state):
            outcome = outcome_of(state)
            meaning = "What it brought stays; the rest is tried again by itself. What is offered is as complete as after the run before."
            yield Problem(
                WARN, f"The last run of {label} was not complete", meaning, str(state.get("tried") or ""), (outcome,) if seen else ()
            )
        if waiting := int(state.get("waiting", 0)):
            lines = [f"{one['name']} waits until {one['due']}: {one['reason']}" for one in state.get("waits", ())[:MOST_NAMED]]
            what = f"{plural(waiting, 'project')} of {label} {'waits' if waiting == 1 else 'wait'} to be tried again"
            yield Problem(WARN, what, "What is here of them stays as it was.", lines=_bounded(lines, waiting) if seen else ())


def _pushes(facts: Facts, sight: Sight) -> Iterator[Problem]:
    for label, state in facts.pushes.items():
        seen = sight.sees(str(state.get("index", "")))
        if state.get("trouble"):
            why = (f"{state.get('to', '')}: {state['trouble']}",) if seen else ()
            yield Problem(WARN, f"{label} cannot push", "What is uploaded here is not there yet; it is tried again by itself.", lines=why)
        for word, what, meaning in (
            (
                "conflicts",
                "in conflict",
                "The other index has other bytes under the same names. Neither is changed until somebody settles it.",
            ),
            ("refused", "refused", "The other index does not take them."),
            ("differs", "not the same there", "What was yanked, hidden or deleted here is not so there, which no upload can say."),
        ):
            lines = [str(line) for line in state.get(word, ())]
            if lines:
                named = _bounded(lines[:MOST_NAMED], len(lines)) if seen else ()
                yield Problem(WARN, f"{label}: {plural(len(lines), 'thing')} {what}", meaning, lines=named)


def _replaced(facts: Facts, sight: Sight) -> Iterator[Problem]:
    for label, count in facts.replaced_in().items():
        ours = [one for one in facts.replaced if one.label == label][:MOST_NAMED] if sight.sees(label) else []
        lines = [f"{one.name}: {one.filename}, since {written(one.since)}" for one in ours]
        least = f"at least {count} files" if len(facts.replaced) >= MOST_REPLACED else plural(count, "file")
        what = f"Upstream replaced {least} of {label}"
        meaning = "The bytes first seen are served, and the others to nobody, until they are accepted (pypidaemon replaced)."
        yield Problem(WARN, what, meaning, lines=_bounded(lines, count) if lines else ())


def _policies(facts: Facts, sight: Sight) -> Iterator[Problem]:
    for label, said in facts.policies.items():
        if said.get("trouble"):
            lines = (str(said["trouble"]),) if sight.everything else ()
            yield Problem(BAD, f"The documents of the policy {label} cannot be used", "It goes by what it read before.", lines=lines)
        elif said.get("misread"):
            what = f"{plural(int(said['misread']), 'document')} of the policy {label} could not be read"
            yield Problem(WARN, what, "The others are in force.")


def _rest(facts: Facts) -> Iterator[Problem]:
    if corrupt := int(facts.downloads.get("corrupt", 0)):
        what = f"{plural(corrupt, 'download')} had other bytes than promised"
        yield Problem(WARN, what, "They were given to nobody whole, and never kept; counted since the start.")
    if lost := int(facts.lost_lines):
        yield Problem(WARN, f"{plural(lost, 'line')} of the log could not be written", "Its disk was full, or its folder is gone.")


def _bounded(lines: list[str], count: int) -> tuple[str, ...]:
    more = count - len(lines)
    return (*lines, f"and {more} more") if more > 0 and lines else tuple(lines)
