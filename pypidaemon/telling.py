"""
An explanation as one JSON object, and that object as lines for people. Pure.

The lines are made of the object and not of the explanation, since a command prints what a daemon answered, which may be of another version.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from pypidaemon.filenames import version_of
from pypidaemon.model import Explanation, File, Filename, NormalizedName, Outcome, Refusal
from pypidaemon.moments import written
from pypidaemon.versions import known, same_version

BLOCKED = "blocked"
"""The rule that hides what people have blocked, which every index has."""
MOST_SENTENCES = 40
"""Sentences about hidden releases that are for people; all of it is in the object."""


@attrs.frozen
class Fate:
    """What became of one file: it is on the page, or why it is not, with the index that leaves it out for each reason."""

    file: File
    shown: bool
    refusals: tuple[tuple[str, Refusal], ...] = ()
    remarks: tuple[str, ...] = ()


def fates(told: Explanation) -> list[Fate]:
    """Every file that is known anywhere below, those that are shown first. Slow for long pages, so call it on a thread."""
    shown = {file.filename: file for file in told.page.files} if told.page is not None else {}
    hidden: dict[Filename, tuple[File, list[tuple[str, Refusal]]]] = {}
    remarks: dict[Filename, dict[str, None]] = {}
    for node in _nodes(told):
        for one in node.hidden:
            refusals = hidden.setdefault(one.file.filename, (one.file, []))[1]
            refusals += [(node.index, refusal) for refusal in one.refusals]
        for file in _unaccounted(node):
            unsaid = Refusal(node.index, "it leaves this file out and does not say why")
            hidden.setdefault(file.filename, (file, []))[1].append((node.index, unsaid))
        for filename, remark in node.remarks:
            remarks.setdefault(filename, {})[remark] = None
    found = [Fate(file, True, (), _remarks(file, remarks)) for file in shown.values()]
    left_out = (
        Fate(file, False, tuple(refusals), _remarks(file, remarks)) for file, refusals in hidden.values() if file.filename not in shown
    )
    return [*found, *left_out]


def document(told: Explanation, name: NormalizedName, version: str | None) -> dict[str, Any]:
    """
    The explanation as JSON: of the whole project, or of one release in any spelling. Slow for long pages, so call it on a thread.

    `shown` says whether the project, or the release, can be seen; `summary` is for people.
    """
    releases = _releases(told, name)
    if version is not None:
        wanted = same_version(version)
        releases = [release for release in releases if same_version(release["version"]) == wanted]
    # A project without any file is there all the same (law 3); one of which every file is hidden is not.
    seen = any(release["shown"] for release in releases)
    shown = seen or (version is None and told.outcome is Outcome.ANSWERS and not releases)
    return {
        "project": name,
        "version": version,
        "index": told.index,
        "outcome": told.outcome.value,
        "answers": told.answers,
        "sources": list(told.page.sources) if told.page is not None else [],
        "shown": shown,
        "summary": list(_summary(told, name, version, releases)),
        "refusals": [_refusal(told.index, refusal) for refusal in told.refusals],
        "releases": releases,
        "indexes": _node(told),
    }


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """That object as text. Of one release every file is named, of a project what is hidden."""
    for line in _lines(said):
        # What upstream wrote must not be taken for commands by a terminal.
        yield "".join(sign if sign.isprintable() else "?" for sign in line).rstrip()


def hidden_by(refusals: Sequence[Mapping[str, Any]]) -> str:
    """Those refusals as the end of a sentence: `by cooldown until 2026-03-01T00:00:00Z: uploaded ...; and by names: ...`."""
    return "; and ".join(map(_by, refusals))


def _by(refusal: Mapping[str, Any]) -> str:
    until, reason = refusal["until"], refusal["reason"]
    # A block is of people's making, and under no name that a configuration gave it.
    rule = "a block" if refusal["rule"] == BLOCKED else refusal["rule"]
    if not until:
        return f"by {rule}: {reason}"
    # Reasons stand alone elsewhere, and then have to say it themselves.
    return f"by {rule} until {until}: {reason.removesuffix(f'; shown from {until} on')}"


def no_address(label: str, known: Iterable[str]) -> str:
    """What to say of an index that cannot be asked about by its label, where these can."""
    return f"no index {label!r} has an address of its own; those that have: {' '.join(sorted(known))}; without --index it is the one at /simple/"


def ends(refusal: Refusal) -> str | None:
    """When it ends by time alone: the first whole second in which it holds no longer."""
    return None if refusal.until is None else written(math.ceil(refusal.until))


WAITING = "waiting for the line: it is not here, and upstream cannot be asked"
"""The remark on a file that nobody can have until upstream can be asked again."""


def plural(count: int, what: str, several: str = "") -> str:
    """That many of them: `1 file`, `2 files`; `several` where more than one is called otherwise than with an s."""
    return f"{count} {what if count == 1 else several or what + 's'}"


def enumerated(names: Sequence[str], most: int = 5) -> str:
    """These names for a line of the log, of many the first: `alpha, beta and 3 more`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _nodes(told: Explanation) -> Iterator[Explanation]:
    # What is behind comes first: an index that hides a file knows best why it is not in those before it.
    for one in told.below:
        yield from _nodes(one)
    yield told


def _unaccounted(node: Explanation) -> Iterator[File]:
    """The files on the pages behind an index that it neither shows nor says that it hides."""
    if node.page is None:
        return
    accounted = {file.filename for file in node.page.files} | {one.file.filename for one in node.hidden}
    for one in node.below:
        for file in one.page.files if one.page is not None else ():
            if file.filename not in accounted:
                yield file


def _remarks(file: File, remarks: Mapping[Filename, Mapping[str, None]]) -> tuple[str, ...]:
    yanked = () if file.yanked is None else ("yanked" + (f": {file.yanked}" if file.yanked else ""),)
    return (*yanked, *remarks.get(file.filename, ()))


def _releases(told: Explanation, name: NormalizedName) -> list[dict[str, Any]]:
    """The files by their releases, newest first; those that name no version are of the release ""."""
    found: dict[str, dict[str, Any]] = {}
    for fate in fates(told):
        version = version_of(fate.file.filename, name) or ""
        release = found.setdefault(same_version(version), {"version": version, "shown": 0, "hidden": 0, "files": []})
        release["shown" if fate.shown else "hidden"] += 1
        release["files"].append(
            {
                "filename": fate.file.filename,
                "size": fate.file.size,
                "upload_time": fate.file.upload_time,
                "shown": fate.shown,
                "refusals": [_refusal(index, refusal) for index, refusal in fate.refusals],
                "remarks": list(fate.remarks),
            }
        )
    return sorted(found.values(), key=_age, reverse=True)


def _age(release: Mapping[str, Any]) -> tuple[Any, ...]:
    version = known(release["version"])
    return (0, release["version"]) if version is None else (1, version)


def _refusal(index: str, refusal: Refusal) -> dict[str, Any]:
    return {"index": index, "rule": refusal.rule, "reason": refusal.reason, "until": ends(refusal)}


def _node(told: Explanation) -> dict[str, Any]:
    return {
        "index": told.index,
        "kind": told.kind,
        "outcome": told.outcome.value,
        "answers": told.answers,
        "facts": dict(told.facts),
        "files": None if told.page is None else len(told.page.files),
        "hidden": len(told.hidden),
        "below": [_node(one) for one in told.below],
    }


def _summary(told: Explanation, name: NormalizedName, version: str | None, releases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    match told.outcome:
        case Outcome.ABSENT:
            yield f"{told.index} has no such project: {name}"
        case Outcome.REFUSED:
            yield f"{name} is hidden {hidden_by([_refusal(told.index, refusal) for refusal in told.refusals])}"
        case Outcome.UNKNOWN:
            yield f"{told.index} cannot answer for {name}: {told.cause}"
        case _:
            yield from _answer(told, name, version, releases)
    sentences = [sentence for release in releases for sentence in _hidden(name, release)]
    yield from sentences[:MOST_SENTENCES]
    if len(sentences) > MOST_SENTENCES:
        yield f"and {len(sentences) - MOST_SENTENCES} more; ask about one release"


def _answer(told: Explanation, name: NormalizedName, version: str | None, releases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    assert told.page is not None  # it answers
    source = " and ".join(told.page.sources)
    by = told.index if source == told.index else f"{told.index}, from {source}"
    files = sum(release["shown"] for release in releases)
    waiting = sum(file["shown"] and WAITING in file["remarks"] for release in releases for file in release["files"])
    rest = f", of which {waiting} {'waits' if waiting == 1 else 'wait'} for the line" if waiting else ""
    if files and waiting == files:
        what = f"{name} {version}" if version else name
        yield f"{what} waits for the line: {plural(files, 'file')} that {by} knows of, none of them here, and upstream cannot be asked"
        return
    if version is None:
        seen = sum(1 for release in releases if release["shown"] and release["version"])
        if releases and not files:
            versions = sum(1 for release in releases if release["version"])
            all_of = f"all {versions} releases are" if versions > 1 else "the only release is" if versions else "all files are"
            yield f"{name}: {all_of} hidden in {told.index}"
            return
        yield f"{name} is shown by {by}: {plural(seen, 'release')}, {plural(files, 'file')}{rest}"
    elif files:
        yield f"{name} {version} is shown by {by}: {plural(files, 'file')}{rest}"
    elif not releases:
        yield f"{told.index} has no release {version} of {name}"


def _hidden(name: NormalizedName, release: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for all files of a release that the same rules hide; the reasons are those of the first of them."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for file in release["files"]:
        if not file["shown"]:
            groups.setdefault(tuple(refusal["rule"] for refusal in file["refusals"]), []).append(file)
    count = len(release["files"])
    for files in groups.values():
        what = f"{name} {release['version']}" if release["version"] else f"{name}, without a version in their names,"
        if len(files) == count and release["version"]:
            subject = f"{what} is hidden"
        else:
            subject = f"{len(files)} of {plural(count, 'file')} of {what} {'is' if len(files) == 1 else 'are'} hidden"
        yield f"{subject} {hidden_by(files[0]['refusals'])}"


def _lines(said: Mapping[str, Any]) -> Iterator[str]:
    yield from said.get("summary", ())
    yield ""
    if said.get("indexes"):
        yield from _tree(said["indexes"], 0)
    if said.get("version") is not None and said.get("releases"):
        yield ""
        for release in said["releases"]:
            for file in release["files"]:
                yield file["filename"]
                yield f"  {'shown' if file['shown'] else 'hidden ' + hidden_by(file['refusals'])}"
                yield from (f"  {remark}" for remark in file["remarks"])


def _tree(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    counts = f", {plural(node['files'], 'file')}" if node["files"] is not None else ""
    counts += f", {node['hidden']} hidden" if node["hidden"] else ""
    yield f"{indent}{node['index']} ({node['kind']}): {node['answers']}{counts}"
    for key, value in node["facts"].items():
        yield f"{indent}    {key}: {value}"
    for one in node["below"]:
        yield from _tree(one, depth + 1)
