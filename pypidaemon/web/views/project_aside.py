"""What stands beside a project's description: who made it, under which licence, what it needs, and where else it is to be found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pypidaemon.model import NormalizedName, ProjectPage
from pypidaemon.web.views.markup import Content, Markup, is_address, joined, tag
from pypidaemon.web.views.project_facts import Need, Release, links, listed, needs, short

AT_ONCE = 12
"""Entries of a list that stand open."""


def aside(name: NormalizedName, said: Mapping[str, Any], release: Release | None, page: ProjectPage, root: str, admin: str) -> Markup:
    """
    The column.

    :param root: the way to the index's root.
    :param admin: the way to the page from which the project is administrated; "" where there is none.
    """
    version = release.version if release is not None else ""
    why = f"{root}+why/{name}" + (f"/{quote(version, safe='')}" if version else "")
    licence = short(said.get("license_expression")) or short(said.get("license"))
    facts = [
        ("Requires Python", _python(said, release)),
        ("Licence", licence if len(licence) < 120 else licence[:118] + "…"),
        ("Author", _person(said, "author")),
        ("Maintainer", _person(said, "maintainer")),
        ("Keywords", ", ".join(listed(said, "keywords"))[:300]),
        ("From", ", ".join(page.sources)),
        ("Serial", str(page.serial) if page.serial else ""),
    ]
    described = tag("dl", [(tag("dt", title), tag("dd", value)) for title, value in facts if value], class_="facts")
    return tag(
        "aside",
        tag("h2", "About"),
        described,
        _links(said),
        _needs(needs(said), root),
        _details("Classifiers", [tag("li", one) for one in listed(said, "classifiers")]),
        tag("p", tag("a", "Why does it look like this?", href=why), class_="small"),
        tag("p", tag("a", "What can be done about it here", href=admin), class_="small") if admin else None,
        aria_label="About this project",
    )


def _python(said: Mapping[str, Any], release: Release | None) -> str:
    found = short(said.get("requires_python"))
    if found or release is None:
        return found
    return next((short(entry.file.requires_python) for entry in release.entries if entry.file.requires_python), "")


def _person(said: Mapping[str, Any], kind: str) -> str:
    return short(said.get(kind)) or short(said.get(f"{kind}_email"))


def _links(said: Mapping[str, Any]) -> Content:
    found = [(label, url) for label, url in links(said) if url.lower().startswith(("http://", "https://")) and is_address(url)]
    entries = [tag("li", tag("a", label or url, href=url, rel="nofollow noreferrer noopener")) for label, url in found]
    return joined(tag("h2", "Links"), tag("ul", entries, class_="plain")) if entries else None


def _needs(of: list[Need], root: str) -> Content:
    if not of:
        return None
    plain = [need for need in of if not need.extra]
    extra = [need for need in of if need.extra]
    return joined(
        tag("h2", "Needs"),
        tag("ul", [_need(need, root) for need in plain[:AT_ONCE]], class_="plain") if plain else tag("p", "Nothing else.", class_="quiet"),
        _details(f"{len(plain) - AT_ONCE} more", [_need(need, root) for need in plain[AT_ONCE:]]),
        _details("With extras", [_need(need, root) for need in extra]),
    )


def _need(need: Need, root: str) -> Markup:
    if need.name is None:
        return tag("li", need.text)
    length = len(need.text) - len(need.text.lstrip())
    end = next(
        (place for place in range(length, len(need.text)) if not (need.text[place].isalnum() or need.text[place] in "._-")), len(need.text)
    )
    return tag("li", tag("a", need.text[:end], href=f"{root}project/{need.name}/"), tag("span", need.text[end:], class_="quiet"))


def _details(title: str, entries: list[Markup]) -> Content:
    return tag("details", tag("summary", title), tag("ul", entries, class_="plain small")) if entries else None
