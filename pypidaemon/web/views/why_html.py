"""An explanation as a page for people, in a page's worth (60 KB): what is shown, which indexes were asked, and what became of each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pypidaemon.telling import hidden_by, plural
from pypidaemon.web.views.frame import View, document, size, table
from pypidaemon.web.views.markup import Content, Markup, joined, tag

EACH = 100
"""Files on one page."""
MOST_SENTENCES = 40
"""Sentences about all of it, on each page."""
MOST_FACTS = 40
"""Facts that one index tells of itself."""
LONGEST = 300
"""Characters of what somebody else wrote, each time it is told."""


def html(said: Mapping[str, Any], up: str, root: str, number: int = 1) -> bytes:
    """
    The page in UTF-8.

    :param said: as `telling.document`.
    :param up: the way to the daemon's root.
    :param root: where the index's own addresses are below that: "" or `index/LABEL/`.
    :param number: which page of the files, from 1.
    """
    project, version = str(said["project"]), said["version"]
    what = project if version is None else f"{project} {_cut(version)}"
    link = f"{up}{root}project/{quote(project, safe='')}/"
    body = joined(
        tag("p", tag("a", f"{project} in {said['index']}", href=link), class_="eyebrow"),
        tag("h1", f"Why {what} looks like this"),
        tag("ul", [tag("li", _cut(sentence)) for sentence in said["summary"][:MOST_SENTENCES]], class_="plain"),
        _files(said["releases"], number),
        tag("section", tag("h2", "The indexes that were asked"), tag("ul", _index(said["indexes"]), class_="plain")),
    )
    return document(View(f"Why: {what}", body), up)


def _index(node: Mapping[str, Any]) -> Markup:
    counts = [plural(node["files"], "file")] if node["files"] is not None else []
    counts += [f"{node['hidden']} hidden"] if node["hidden"] else []
    answers = ", ".join([_cut(node["answers"]), *counts])
    facts = [tag("div", tag("dt", key), tag("dd", _cut(value))) for key, value in [*node["facts"].items()][:MOST_FACTS]]
    return tag(
        "li",
        tag("p", tag("strong", node["index"]), " ", tag("span", node["kind"], class_="tag"), " ", answers),
        tag("dl", facts, class_="facts across") if facts else None,
        tag("ul", [_index(one) for one in node["below"]], class_="below") if node["below"] else None,
        class_="asked",
    )


def _files(releases: Sequence[Mapping[str, Any]], number: int) -> Content:
    files = [(release["version"], file) for release in releases for file in release["files"]]
    if not files:
        return None
    last = -(-len(files) // EACH)
    at = min(number, last)
    rows = [_row(version, file) for version, file in files[(at - 1) * EACH : at * EACH]]
    hidden = sum(not file["shown"] for _, file in files)
    caption = plural(len(files), "file") + (f", of which {hidden} {'is' if hidden == 1 else 'are'} hidden" if hidden else "")
    return tag(
        "section",
        tag("h2", "Files"),
        table(("File", "Release", "Size", "Uploaded (UTC)", "Shown"), rows, caption, class_="files stack"),
        _pages(at, last) if last > 1 else None,
    )


def _row(version: str, file: Mapping[str, Any]) -> tuple[Content, ...]:
    fate: Content = tag("span", "yes", class_="tag good")
    if not file["shown"]:
        fate = (tag("span", "hidden", class_="tag bad"), " ", _cut(hidden_by(file["refusals"])))
    remarks = [tag("span", _cut(remark), class_="remark") for remark in file["remarks"]]
    return (
        file["filename"],
        version or "-",
        tag("span", size(file["size"]), class_="nowrap num"),
        tag("span", str(file["upload_time"] or "-")[:16].replace("T", " "), class_="nowrap num"),
        (fate, remarks),
    )


def _pages(at: int, last: int) -> Markup:
    return tag(
        "nav",
        tag("a", "Newer", href=f"?page={at - 1}", rel="prev") if at > 1 else None,
        tag("span", f"Page {at} of {last}", class_="quiet"),
        tag("a", "Older", href=f"?page={at + 1}", rel="next") if at < last else None,
        class_="pages",
        aria_label="Pages of this list",
    )


def _cut(text: object) -> str:
    said = str(text)
    return said if len(said) <= LONGEST else said[:LONGEST] + "…"
