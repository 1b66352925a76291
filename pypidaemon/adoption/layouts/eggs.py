"""A folder for each project: the layouts of haufe.eggserver and EggBasket, whose files are private, and of collective.eggproxy, whose files are a cache."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Entry, Folder
from pypidaemon.adoption.found import Finding, Found, Passed, Project, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.naming import named
from pypidaemon.archives.rules import extension
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.reading import read_page

LARGEST_PAGE = 8 << 20
"""Bytes of a page of eggproxy's that are read at most: it has one line for each file."""

_PAGE = "index.html"
_DOWNLOAD = b' rel="download"'
_NOWHERE = "http://eggproxy.invalid/"
"""What eggproxy's links are relative to; nothing is ever asked there (RFC 6761 §6.4)."""


def unfit(folder: Folder) -> str | None:
    """Why that folder holds no folders of projects; None where it may."""
    kinds = {entry.kind for entry in folder.entries()}
    if "folder" in kinds:
        return "it is the tree of a mirror" if folder.has("web/simple") else None
    if "link" in kinds:
        return "it has no folders of projects, only links; name the folder that these lead to"
    return "it has no folders of projects"


def projects(folder: Folder) -> Iterator[tuple[NormalizedName, list[Entry]] | Passed]:
    """
    Each project, in the order of the names, and its folders, of which there is one for each spelling; then what else lies there.

    :raises OSError: the folder cannot be read.
    """
    spelled: dict[NormalizedName, list[Entry]] = {}
    others: list[Passed] = []
    for entry in folder.entries():
        if entry.kind == "folder" and not entry.name.startswith("."):
            try:
                spelled.setdefault(project_name(entry.name), []).append(entry)
            except InvalidName:
                others.append(Passed(entry.path, "its name is not that of a project"))
        elif entry.kind == "link":
            others.append(Passed(entry.path, "is a symbolic link"))
        else:
            wrong = entry.kind == "file" and bool(extension(entry.name))
            others.append(Passed(entry.path, "lies in no project's folder, so it was never offered", wrong))
    yield from sorted(spelled.items())
    yield from others


def files(folder: Folder, name: NormalizedName, place: Entry) -> Iterator[Found | Passed]:
    """What a project's folder has, but for its page; what cannot be read is passed."""
    try:
        entries = folder.entries(place.path)
    except OSError as error:
        yield Passed(place.path, error.strerror or type(error).__name__)
        return
    for entry in entries:
        if entry.name == _PAGE:
            continue
        if entry.kind == "folder":
            yield Passed(entry.path, "is a folder within a project's folder, of which nothing was offered", wrong=False)
        else:
            yield named(entry, name)


@attrs.frozen
class _Private:
    """What the two private layouts have in common."""

    role = Role.PRIVATE
    in_place = False

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        return unfit(folder)

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`: a project's folder is what the form of its upload said, so the archives say whose the files are."""
        for found in projects(folder):
            if isinstance(found, Passed):
                yield self._explained(found)
                continue
            name, places = found
            for place in places:
                yield from files(folder, name, place)

    def _explained(self, passed: Passed) -> Passed:
        return passed


@implementer(ILayout)
@attrs.frozen
class Haufe(_Private):
    """The `egg_directory` of haufe.eggserver. Its `index_directory` has nothing but links to the same files."""

    def describe(self) -> str:
        """As `ILayout`."""
        return "the egg_directory of haufe.eggserver: NAME/FILE"


@implementer(ILayout)
@attrs.frozen
class EggBasket(_Private):
    """The package root of EggBasket. Users and rights are in a database beside it, which says nothing of files."""

    def describe(self) -> str:
        """As `ILayout`."""
        return "the package root of EggBasket: NAME/FILE, and often eggbasket.sqlite"

    def _explained(self, passed: Passed) -> Passed:
        if passed.path == "eggbasket.sqlite":
            reason = "EggBasket's users, groups and rights: make them with `user add`, `group add` and `grant`; passwords cannot be taken"
            return Passed(passed.path, reason, wrong=False, note=True)
        return passed


@implementer(ILayout)
@attrs.frozen
class Eggproxy:
    """
    The `eggs_directory` of collective.eggproxy: what was fetched since somebody asked.

    A project's page names the md5 of each file that upstream listed with one; it was also made for what was never fetched, and written in place, so an
    outage can have left it empty.
    """

    role = Role.PROXIED
    in_place = False

    def describe(self) -> str:
        """As `ILayout`."""
        return "the eggs_directory of collective.eggproxy: NAME/FILE and NAME/index.html"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        return unfit(folder)

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        for found in projects(folder):
            if isinstance(found, Passed):
                yield Passed(found.path, found.reason, found.wrong and found.path != _PAGE)
                continue
            name, places = found
            held: dict[str, Found] = {}
            for place in places:
                for one in self._files(folder, name, place):
                    if isinstance(one, Passed):
                        yield one
                    elif one.file.filename in held:
                        yield Passed(one.path, "a file of this name lies in another folder of the same project")
                    else:
                        held[one.file.filename] = one
            if held:
                # Of a project without a file it was only the page that somebody asked for.
                yield Project(name)
                yield from held.values()

    def _files(self, folder: Folder, name: NormalizedName, place: Entry) -> Iterator[Found | Passed]:
        hashes: dict[str, tuple[tuple[str, str], ...]] = {}
        page = f"{place.path}/{_PAGE}"
        if folder.has(page):
            try:
                hashes = stated(folder.read(page, LARGEST_PAGE), name)
            except (OSError, Unreadable) as error:
                reason = str(error) if isinstance(error, Unreadable) else error.strerror
                yield Passed(page, f"is not used: {reason}; the files beside it are taken without the md5 in it", wrong=False)
        for found in files(folder, name, place):
            if isinstance(found, Passed):
                yield found
            else:
                yield attrs.evolve(found, file=attrs.evolve(found.file, hashes=hashes.get(found.file.filename, ())))


def stated(body: bytes, name: NormalizedName) -> dict[str, tuple[tuple[str, str], ...]]:
    """
    The hashes that eggproxy's page of a project states, by file name.

    :raises Unreadable: it is no such page.
    """
    # It writes that of all files; where PyPI wrote it, it led to other people's hosts (PEP 438).
    page = read_page(body.replace(_DOWNLOAD, b""), "text/html", f"{_NOWHERE}{name}/", name)
    return {file.filename: file.hashes for file in page.files}
