"""What a configuration would hide or show that another one shows or hides: of every project that is remembered or kept here, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from pypidaemon import configuration
from pypidaemon.assembly import Made, Plan
from pypidaemon.blueprints import plan, resolve
from pypidaemon.commands import control
from pypidaemon.commands.comparing import Change, compared
from pypidaemon.commands.looking import Sight, look
from pypidaemon.commands.standalone import reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.explaining import explain
from pypidaemon.interfaces import IIndex, ILocal, IRecords
from pypidaemon.leaves import leaves
from pypidaemon.model import NormalizedName
from pypidaemon.services.sockets import CONTROL
from pypidaemon.telling import hidden_by, plural

_CAUSE = "nothing is remembered of it, and nothing is asked now"

_ROWS = 1000


@attrs.frozen
class Against:
    """What a configuration is compared with: another one, or None for itself without its policies; in words for people."""

    plan: Plan | None
    words: str


def against(planned: Plan, file: str | None) -> Against:
    """
    What to compare with: the file that is named, else what the running daemon has read, else no policies at all.

    :raises ConfigError: that configuration cannot be used.
    :raises PypidaemonError: the daemon does not say.
    """
    if file is not None:
        return Against(plan(file), f"with {file}")
    try:
        live = control.ask(planned.data / CONTROL, "GET", "/configuration")
    except control.NotRunning:
        return Against(None, "with no policies at all, since no daemon is running here and --against names no file")
    where, text = str(live.get("file")), str(live.get("text"))
    return Against(resolve(configuration.parse(text, where)), f"with what the running daemon read from {where}")


def effect(planned: Plan, other: Against) -> dict[str, Any]:
    """
    What would change, as a JSON object.

    :raises ConfigError: something cannot be made.
    :raises PypidaemonError: what is remembered cannot be read.
    """
    if not planned.data.is_dir():
        return {"against": other.words, "projects": [], "unknown": [], "addresses": _addresses(planned, other), "totals": _totals([], 0)}
    if other.plan is None:
        before, after = Sight(planned, _CAUSE, lenient=True), Sight(planned, _CAUSE)
    else:
        # Which of the two filled the records is not known, so each looks under the labels of the other as well.
        before, after = (Sight(one, _CAUSE, _others(one, another)) for one, another in ((other.plan, planned), (planned, other.plan)))

    async def work(made: tuple[Made, ...], records: IRecords) -> dict[str, Any]:
        return await _effect(made[1], made[0], records, other)

    return reacting(lambda reactor: look(reactor, (after, before), work))


async def _effect(before: Made, after: Made, records: IRecords, other: Against) -> dict[str, Any]:
    old, new = _shown_at(before), _shown_at(after)
    names = await _names((before, after), records)
    changes: list[Change] = []
    unknown: dict[NormalizedName, str] = {}
    for name in names:
        found: list[Change] = []
        for address in new:
            if address in old:
                change = compared(name, address, await explain(old[address], name), await explain(new[address], name))
                if isinstance(change, str):
                    unknown.setdefault(name, change)
                elif change is not None:
                    found.append(change)
        changes += _joined(found)
    return {
        "against": other.words,
        "projects": [change.as_json() for change in changes],
        "unknown": [{"project": name, "reason": reason} for name, reason in unknown.items()],
        "addresses": {"new": [one for one in new if one not in old], "gone": [one for one in old if one not in new]},
        "totals": _totals(changes, len(names)),
    }


def changes_anything(answer: Mapping[str, Any]) -> bool:
    """Whether anything would be another."""
    return bool(answer["projects"] or answer["addresses"]["new"] or answer["addresses"]["gone"])


def lines(answer: Mapping[str, Any], limit: int) -> Iterator[str]:
    """The answer for people, with at most so many projects."""
    yield f"compared {answer['against']}"
    for word in ("new", "gone"):
        for address in answer["addresses"][word]:
            yield f"{address} is {word}"
    for project in answer["projects"][:limit]:
        yield f"{project['project']} at {' '.join(project['addresses'])}"
        for release in project["hidden"]:
            yield f"  would be hidden: {_release(release)} {hidden_by(release['refusals'])}"
        for release in project["shown"]:
            was = f", hidden now {hidden_by(release['refusals'])}" if release["refusals"] else ""
            yield f"  would be shown: {_release(release)}{was}"
    if len(answer["projects"]) > limit:
        yield f"... and {plural(len(answer['projects']) - limit, 'project')} more: say --limit, or --json"
    for one in answer["unknown"][:limit]:
        yield f"{one['project']} cannot be told: {one['reason']}"
    totals = answer["totals"]
    yield (
        f"{plural(totals['projects'], 'project')} of {totals['looked_at']} would change:"
        f" {plural(totals['hidden_releases'], 'release')} ({plural(totals['hidden_files'], 'file')}) hidden,"
        f" {plural(totals['shown_releases'], 'release')} ({plural(totals['shown_files'], 'file')}) shown"
        + (f"; {len(answer['unknown'])} cannot be told" if answer["unknown"] else "")
    )


def _release(release: Mapping[str, Any]) -> str:
    return f"{release['version'] or 'no version'} ({plural(len(release['files']), 'file')})"


def _joined(changes: Sequence[Change]) -> list[Change]:
    """Changes that are the same at several addresses, once."""
    found: list[Change] = []
    for change in changes:
        same = next((place for place, one in enumerate(found) if (one.hidden, one.shown) == (change.hidden, change.shown)), None)
        if same is None:
            found.append(change)
        else:
            found[same] = attrs.evolve(found[same], addresses=(*found[same].addresses, *change.addresses))
    return found


def _shown_at(made: Made) -> dict[str, IIndex]:
    """Every index by its address, the default one first."""
    exposed = made.exposed()
    default = made.plan.parts[made.plan.index].section.label
    others = {f"/index/{label}/simple/": index for label, index in exposed.items() if label != default}
    return {"/simple/": exposed[default], **others}


def _addresses(planned: Plan, other: Against) -> dict[str, list[str]]:
    new, old = (
        {f"/index/{part.section.label}/simple/" for part in one.parts.values() if part.exposed and part.name != one.index}
        for one in (planned, other.plan or planned)
    )
    return {"new": sorted(new - old), "gone": sorted(old - new)}


async def _names(made: Sequence[Made], records: IRecords) -> list[NormalizedName]:
    """Every project of which a page is remembered, an entry is kept, that is mirrored, or whose home is here, in the order of the names."""
    found: set[NormalizedName] = set()
    seen: set[str] = set()
    for one in made:
        for index in one.exposed().values():
            for leaf in leaves(index):
                label = leaf.index.label
                if label in seen:
                    continue
                seen.add(label)
                found.update(
                    await records.pages.remembered(label), await records.withdrawn.projects(label), await records.files.names(label)
                )
                after = ""
                while rows := await records.mirrors.serials(label, after, _ROWS):
                    found.update(name for name, _ in rows)
                    after = rows[-1][0]
                if ILocal.providedBy(leaf.index):
                    try:
                        found.update(name for name, _ in (await leaf.index.project_names()).entries())
                    except PypidaemonError:
                        # Its projects cannot be told; those that others remember are told of below.
                        continue
    return sorted(found)


def _others(planned: Plan, other: Plan) -> dict[str, tuple[str, ...]]:
    """By the labels of proxies those under which the other configuration remembers what the same upstream said."""
    asked = [(part.section.label, _upstream(other, name)) for part, name in _askers(other)]
    found: dict[str, tuple[str, ...]] = {}
    for part, name in _askers(planned):
        mine = _upstream(planned, name)
        found[part.section.label] = tuple(label for label, theirs in asked if theirs == mine and label != part.section.label)
    return found


def _askers(planned: Plan) -> Iterator[tuple[Any, str]]:
    for part in planned.parts.values():
        name = part.references.get("upstream") if part.section.kind == "index" else None
        if isinstance(name, str):
            yield part, name


def _upstream(planned: Plan, name: str) -> tuple[type, Any]:
    """What tells one upstream from another: the class, and where it is."""
    part = planned.parts[name]
    return part.component, part.values.get("url")


def _totals(changes: Sequence[Change], looked_at: int) -> dict[str, int]:
    return {
        "looked_at": looked_at,
        "projects": len({change.name for change in changes}),
        "hidden_releases": len({(change.name, release.version) for change in changes for release in change.hidden}),
        "hidden_files": len({(change.name, file) for change in changes for release in change.hidden for file in release.files}),
        "shown_releases": len({(change.name, release.version) for change in changes for release in change.shown}),
        "shown_files": len({(change.name, file) for change in changes for release in change.shown for file in release.files}),
    }
