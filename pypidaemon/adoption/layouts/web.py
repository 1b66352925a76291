"""
The tree that pep381client and bandersnatch keep for a web server: `web/simple/NAME/` with a page, and `web/packages/` with what it links to.

A page is read as an upstream's page is, from the address that it was mirrored from, so that each entry has the URL and the place that upstream gives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

import attrs

from pypidaemon.adoption.folder import Entry, Folder, Unfit
from pypidaemon.adoption.found import Finding, Found, Passed, Project
from pypidaemon.adoption.layouts.naming import LINK, hidden, spelled
from pypidaemon.model import File, NormalizedName, UpstreamPage
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.reading import read_page

LARGEST_PAGE = 64 << 20
"""Bytes of a page at most; the largest known has some 20 MiB."""
HERE = "http://mirrored.invalid"
"""Whose links lead into the tree; a name that nobody can have (RFC 2606 §2). By http, since old pages link so, and only the path counts."""
PACKAGES = "/packages/"


_VERSIONS = "versions"
_VERSION = re.compile(r"index_(\d{1,16})_([0-9A-Za-z:.-]{1,40}?)(\.v1_json|\.v1_html|\.html)", re.ASCII)


@attrs.frozen
class Page:
    """A page in a tree: where it lies below the folder, the folder that its links start at, and the media type that it is read as."""

    path: str
    base: str
    content_type: str


@attrs.frozen
class Web:
    """
    Reads one such tree.

    :param pages: the names a page can have in a project's folder, the best first, with their media types.
    """

    folder: Folder
    pages: tuple[tuple[str, str], ...]
    root: str = "web"

    def find(self) -> Iterator[Finding]:
        """
        Every project, with what its page links to.

        :raises OSError: the folder cannot be read, or has no such tree.
        """
        for place in self._places(f"{self.root}/simple"):
            if isinstance(place, Passed):
                yield place
                continue
            yield from self._project(place)

    def _places(self, path: str, *, sorted_by_letter: bool = False) -> Iterator[Entry | Passed]:
        """The folders of projects; those that are sorted by a first letter (bandersnatch's `hash-index`) one folder deeper."""
        for entry in self.folder.entries(path):
            if entry.kind == "link":
                yield Passed(entry.path, LINK)
            elif entry.kind != "folder" or hidden(entry):
                yield Passed(entry.path, "no page of a project", wrong=False)
            elif len(entry.name) == 1 and not sorted_by_letter and self._lacks_page(entry):
                yield from self._deeper(entry)
            else:
                yield entry

    def _deeper(self, place: Entry) -> Iterator[Entry | Passed]:
        try:
            yield from self._places(place.path, sorted_by_letter=True)
        except OSError as error:
            yield Passed(place.path, error.strerror or type(error).__name__)

    def _lacks_page(self, place: Entry) -> bool:
        try:
            return self._page(place) is None
        except OSError:
            return False

    def _page(self, place: Entry) -> Page | None:
        for name, content_type in self.pages:
            if self.folder.has(f"{place.path}/{name}"):
                return Page(f"{place.path}/{name}", place.path, content_type)
        return self._kept_version(place)

    def _kept_version(self, place: Entry) -> Page | None:
        """The latest of the pages that bandersnatch keeps (`keep_index_versions`), where `index.html` is a link to it, and an absolute one."""
        if not self.folder.has(f"{place.path}/{_VERSIONS}"):
            return None
        entries = self.folder.entries(f"{place.path}/{_VERSIONS}")
        found = [match for one in entries if one.kind == "file" and (match := _VERSION.fullmatch(one.name))]
        for name, content_type in self.pages:
            of_kind = [match for match in found if name == f"index{match[3]}"]
            if of_kind:
                latest = max(of_kind, key=lambda match: (int(match[1]), match[2]))
                return Page(f"{place.path}/{_VERSIONS}/{latest[0]}", place.path, content_type)
        return None

    def _project(self, place: Entry) -> Iterator[Finding]:
        name = spelled(place.name)
        if name is None:
            yield Passed(place.path, "no project can have this name")
            return
        page = None
        try:
            page = self._page(place)
            if page is None:
                yield Passed(place.path, "there is no page in it")
                return
            said = self._read(page, name)
        except OSError as error:
            yield Passed(page.path if page else place.path, error.strerror or type(error).__name__)
            return
        except Unreadable as error:
            yield Passed(page.path if page else place.path, str(error))
            return
        yield Project(name, said.serial or 0, said.versions, said.status)
        for file in said.files:
            yield self._file(page, file, name)

    def _read(self, page: Page, name: NormalizedName) -> UpstreamPage:
        """
        What a page says.

        :raises Unreadable: it is no page of that project.
        """
        body = self.folder.read(page.path, LARGEST_PAGE)
        if PACKAGES.encode() not in body:
            # A project that never had a file, whose page may link to a home page, which is no fault.
            return UpstreamPage(name)
        return read_page(body, page.content_type, f"{HERE}{page.base.removeprefix(self.root)}/", name)

    def _file(self, page: Page, file: File, name: NormalizedName) -> Found | Passed:
        parts = urlsplit(file.url)
        path = unquote(parts.path)
        # bandersnatch can write absolute links; the place below packages is the same.
        inside = PACKAGES in path
        if not inside:
            return Passed(f"{page.path}: {file.filename}", "its page links to somewhere else, and nothing of it is here", wrong=False)
        path = f"{self.root}{path[path.index(PACKAGES) :]}"
        if path.rpartition("/")[2] != file.filename:
            return Passed(path, "its page calls it by another name")
        if not self.folder.has(path):
            return Passed(path, "its page lists it, and it is not there")
        url = file.url if not file.url.startswith(f"{HERE}/") else ""
        return Found(path, attrs.evolve(file, url=url), name)


def need(folder: Folder, path: str, what: str) -> str | None:
    """Why a folder without that is none of the layout; None where it has it."""
    with suppress(Unfit):
        if folder.has(path):
            return None
    return f"it has no {path}, {what}"
