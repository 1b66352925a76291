"""A project page as HTML: what it is, how to install it, what it says of itself, its files and its releases, each in a page's worth (60 KB)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote as quoted
from typing import Any
from urllib.parse import quote

import attrs

from pypidaemon.inspection.readmes import Readme
from pypidaemon.model import Explanation, NormalizedName, ProjectPage
from pypidaemon.simple.links import quote_path
from pypidaemon.telling import hidden_by, plural
from pypidaemon.web.views.frame import View, copyable, document, notice, number, size, table
from pypidaemon.web.views.markup import Content, Markup, joined, tag
from pypidaemon.web.views.project_aside import aside
from pypidaemon.web.views.project_facts import Entry, Release, short

FILES = 20
"""Files on the page that shows other things as well."""
VERSIONS = 40
"""Releases there."""
FILES_EACH = 60
"""Files on one page of nothing else."""
VERSIONS_EACH = 150
"""Releases on one page of nothing else."""
BRIEF = 20_000
"""Characters of a description that is shown as it is, on the page that shows other things as well."""

_STATUS = {
    "archived": ("warn", "This project is archived: nothing new is to be expected."),
    "quarantined": ("bad", "This project is quarantined: nothing of it can be installed."),
    "deprecated": ("warn", "This project is deprecated."),
}


@attrs.frozen
class Project:
    """
    All that a page is made of.

    :param release: the one that the page is about; None where there is none.
    :param pinned: whether it was asked for by its version.
    :param said: what METADATA says.
    :param part: which part is shown at length: "files", "versions", "description"; "" is all in brief.
    :param number: which page of that, from 1.
    :param away: which of its upstreams give nothing now, in words; "" where all may.
    """

    name: NormalizedName
    told: Explanation
    page: ProjectPage
    releases: Sequence[Release]
    release: Release | None
    pinned: bool
    said: Mapping[str, Any]
    description: str
    readme: Readme
    part: str = ""
    number: int = 1
    away: str = ""

    @property
    def missing(self) -> int:
        """How many files that the release shows cannot be had now, since they are not here and nobody is there to ask."""
        release = self.release
        return sum(entry.shown and entry.here is False for entry in release.entries) if release is not None and self.away else 0


def html(project: Project, up: str, root: str, base: str) -> bytes:
    """
    The page in UTF-8.

    :param up: the way to the daemon's root.
    :param root: as `ProjectPages.page`.
    :param base: the absolute address of the index's root.
    """
    title = f"{project.name} {project.release.version}" if project.pinned and project.release is not None else project.name
    # The past has no feeds: nothing is new there.
    feeds = () if root.startswith("at/") else ((f"Releases of {project.name}", f"{up}{root}rss/project/{project.name}/releases.xml"),)
    view = View(title, joined(*_parts(project, up, root, base)), description=short(project.said.get("summary")), feeds=feeds)
    return document(view, up)


def _parts(project: Project, up: str, root: str, base: str) -> Iterator[Content]:
    yield _heading(project)
    yield _notices(project)
    if not project.part:
        yield _jumps(project)
    here = "" if not project.pinned else "../"
    match project.part:
        case "files":
            yield _files(project, up + root, FILES_EACH, whole=True)
        case "versions":
            yield _versions(project, here, VERSIONS_EACH, whole=True)
        case "description":
            yield tag("section", tag("h2", "Description", id="description"), _description(project, whole=True))
        case _:
            main = joined(
                _install(project, base),
                tag("section", tag("h2", "Description", id="description"), _description(project, whole=False)),
            )
            yield tag(
                "div",
                tag("div", main),
                aside(project.name, project.said, project.release, project.page, up + root, _admin(project, up, root)),
                tag("div", _files(project, up + root, FILES, whole=False), _versions(project, here, VERSIONS, whole=False), class_="wide"),
                class_="columns",
            )


def _admin(project: Project, up: str, root: str) -> str:
    """Where the project, or the release that was asked for, is administrated; of the past nothing is."""
    release = f"{quote(project.release.version, safe='')}/" if project.pinned and project.release is not None else ""
    return "" if root.startswith("at/") else f"{up}+admin/project/{project.name}/{release}"


def _heading(project: Project) -> Markup:
    release, said = project.release, project.said
    whole = "./" if project.part else None
    name = short(said.get("name")) or project.name
    shown = name if _same(name, project.name) else project.name
    version = release.version if release is not None else ""
    about = [tag("a", "Overview", href=whole) if whole else None, f" of {project.told.index}" if whole else f"In {project.told.index}"]
    if project.pinned:
        about += [" · ", tag("a", "Newest release", href="../")]
    return joined(
        tag("p", about, class_="eyebrow"),
        tag("h1", shown, " ", tag("span", version, class_="quiet") if version else None),
        tag("p", short(said.get("summary")), class_="lead") if said.get("summary") else None,
    )


def _jumps(project: Project) -> Content:
    """What is further down."""
    files = len(project.release.entries) if project.release is not None else 0
    places = [tag("a", "Description", href="#description")]
    if files:
        places.append(tag("a", plural(files, "file"), href="#files"))
    if len(project.releases) > 1:
        places.append(tag("a", plural(len(project.releases), "release"), href="#releases"))
    return tag("nav", places, class_="jumps small", aria_label="On this page") if len(places) > 1 else None


def _same(name: str, normal: NormalizedName) -> bool:
    return name.lower().replace("_", "-").replace(".", "-") == normal


def _notices(project: Project) -> Markup:
    page, release = project.page, project.release
    said: list[Content] = []
    if page.status.marker in _STATUS:
        kind, words = _STATUS[page.status.marker]
        said.append(notice(kind, words, f" Reason: {page.status.reason}" if page.status.reason else None))
    if project.away:
        said.append(notice("warn", project.away, " ", _left(project)))
    elif page.stale:
        said.append(
            notice("warn", "This is upstream's last known word, which is asked again; files that are here can be had all the same.")
        )
    if release is not None and release.yanked is not None:
        said.append(notice("bad", "This release is yanked", f": {release.yanked}" if release.yanked else "", "."))
    if release is not None and (refusal := release.refusal) is not None:
        said.append(notice("bad", "This release is hidden ", _hidden([refusal]), "."))
    if release is not None and release.pre_release and not project.pinned:
        said.append(notice("note", "All releases are pre-releases; pip takes them with ", tag("code", "--pre"), "."))
    if release is None:
        said.append(notice("note", "The name is taken, and there are no releases."))
    return joined(said)


def _left(project: Project) -> Content:
    """What can be had of it while an upstream is away."""
    if project.release is None:
        return "This is what is known of it here."
    shown = sum(entry.shown for entry in project.release.entries)
    if not project.missing:
        return "All that is shown of this release is here." if shown else "This is what is known of it here."
    if project.missing < shown:
        return f"Of the {plural(shown, 'file')} of this release {shown - project.missing} can be had; the others are not here."
    here = next((one for one in project.releases if any(entry.shown and entry.here for entry in one.entries)), None)
    if here is None or not here.version:
        return "Nothing of this release is here, so it cannot be installed now."
    way = "../" if project.pinned else ""
    link = tag("a", here.version, href=f"{way}{quote(here.version, safe='')}/")
    return "Nothing of this release is here, so it cannot be installed now. The newest of which something is here: ", link, "."


def _hidden(refusals: Sequence[tuple[str, Any]]) -> str:
    from pypidaemon.moments import written

    return hidden_by(
        [
            {"index": index, "rule": one.rule, "reason": one.reason, "until": written(one.until) if one.until is not None else None}
            for index, one in refusals
        ]
    )


def _install(project: Project, base: str) -> Markup | None:
    release = project.release
    shown = sum(entry.shown for entry in release.entries) if release is not None else 0
    if release is None or shown == project.missing or project.page.status.marker == "quarantined":
        return None
    # No installer takes a yanked release without its version.
    exact = release.version and (project.pinned or release.yanked is not None)
    # To a shell the sign of an epoch (PEP 440) is an order of its own.
    what = quoted(f"{project.name}=={release.version}") if exact else project.name
    address = f"{base}simple/"
    return tag(
        "section",
        tag("h2", "Install"),
        copyable(f"pip install --index-url {address} {what}", "Install with pip"),
        copyable(f"uv add --default-index {address} {what}", "Add with uv"),
    )


def _description(project: Project, *, whole: bool) -> Content:
    readme, text = project.readme, project.description
    if not text.strip():
        return tag("p", _undescribed(project), class_="quiet")
    more = tag("p", tag("a", "Read the whole description", href="?show=description"))
    if readme.html:
        cut = len(readme.brief) < len(readme.html) and not whole
        # Cleaned by the process that rendered it.
        return tag("div", Markup(readme.brief if cut else readme.html), class_="readme"), more if cut else None
    cut = len(text) > BRIEF and not whole
    return tag("pre", text[:BRIEF] if cut else text, class_="readme raw"), more if cut else None


def _undescribed(project: Project) -> str:
    """Why there is no description: METADATA that was read says none, or there is no METADATA."""
    if project.release is not None and project.release.refusal is not None:
        return "What is hidden is not described."
    if project.said:
        return "This release has none."
    return "None is known yet: it is read from a wheel of the release once that is here."


def _files(project: Project, root: str, most: int, *, whole: bool) -> Content:
    release = project.release
    if release is None or not release.entries:
        return None
    first = (project.number - 1) * most if whole else 0
    entries = release.entries[first : first + most]
    rows = [_file(entry, root) for entry in entries]
    caption = f"{plural(len(release.entries), 'file')} of {project.name} {release.version}"
    return tag(
        "section",
        tag("h2", "Files", id="files"),
        table(("File", "Size", "Uploaded", "For", "From", "State"), rows, caption, class_="files stack"),
        _pages(project, "files", len(release.entries), most, whole=whole),
    )


def _file(entry: Entry, root: str) -> list[Content]:
    file = entry.file
    label = tag("a", file.filename, href=f"{root}packages/{quote_path(file.path)}") if entry.shown and file.path else file.filename
    digest = tag("span", "sha256 ", file.digest, class_="hash") if file.digest else None
    requires = tag("span", "Python ", short(file.requires_python), class_="hash") if file.requires_python else None
    return [
        (label, digest, requires),
        tag("span", size(file.size), class_="nowrap num"),
        _day(file.upload_time),
        entry.made_for or None,
        entry.origin or None,
        _state(entry),
    ]


def _state(entry: Entry) -> Content:
    if not entry.shown:
        return tag("span", "hidden", class_="tag bad"), " ", tag("span", _hidden(entry.refusals), class_="small quiet")
    found: list[Content] = []
    if entry.here is not None:
        found.append(tag("span", "here" if entry.here else "upstream", class_="tag good" if entry.here else "tag"))
    if entry.file.yanked is not None:
        found += [" ", tag("span", "yanked", class_="tag warn", title=entry.file.yanked or None)]
        found += [" ", tag("span", short(entry.file.yanked), class_="small quiet")] if entry.file.yanked else []
    return found


def _versions(project: Project, here: str, most: int, *, whole: bool) -> Content:
    of = project.releases
    if len(of) < 2 and not whole:
        return None
    first = (project.number - 1) * most if whole else 0
    rows = [_version(release, project, here) for release in of[first : first + most]]
    return tag(
        "section",
        tag("h2", "Releases", id="releases"),
        tag("ul", rows, class_="plain rows"),
        _pages(project, "versions", len(of), most, whole=whole),
    )


def _version(release: Release, project: Project, here: str) -> Markup:
    said: list[Content] = []
    if release.pre_release:
        said.append(tag("span", "pre-release", class_="tag"))
    if release.yanked is not None:
        said.append(tag("span", "yanked", class_="tag warn"))
        said.append(tag("span", short(release.yanked), class_="small quiet") if release.yanked else None)
    if (refusal := release.refusal) is not None:
        said += [tag("span", "hidden", class_="tag bad"), tag("span", _hidden([refusal])[:200], class_="small quiet")]
    end = tag(
        "span", plural(len(release.entries), "file"), " · " if release.uploaded else None, _day(release.uploaded or None), class_="end num"
    )
    if not release.version:
        return tag("li", tag("span", "without a version", class_="quiet"), said, end)
    current = project.release is release
    link = tag(
        "a",
        release.version,
        href=f"{here}{quote(release.version, safe='')}/",
        class_=None if release.shown else "gone",
        aria_current="true" if current else None,
    )
    return tag("li", tag("strong", link) if current else link, said, end)


def _pages(project: Project, part: str, count: int, most: int, *, whole: bool) -> Content:
    """Where the rest is."""
    if not whole:
        more = f"All {number(count)} {'files of this release' if part == 'files' else 'releases'}"
        return tag("p", tag("a", more, href=f"?show={part}")) if count > most else None
    last = -(-count // most)
    at = project.number
    if last <= 1 and at == 1:
        return None
    return tag(
        "nav",
        tag("a", "Newer" if part == "versions" else "Previous", href=f"?show={part}&page={at - 1}", rel="prev") if 1 < at <= last else None,
        tag("span", f"Page {at} of {max(last, 1)}", class_="quiet"),
        tag("a", "Older" if part == "versions" else "Next", href=f"?show={part}&page={at + 1}", rel="next") if at < last else None,
        class_="pages",
        aria_label="Pages of this list",
    )


def _day(moment: str | None) -> Content:
    if not moment:
        return None
    return tag("time", moment[:10], datetime=moment[:40], class_="nowrap num")
