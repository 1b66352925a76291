"""The layout of basketweaver: distributions anywhere in a folder, and an `index/` of pages beside them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Entry, Folder
from pypidaemon.adoption.found import Finding, Passed, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.naming import named

DEEPEST = 16
"""How many folders within folders are looked into."""

_INDEX = "index"


@implementer(ILayout)
@attrs.frozen
class Basketweaver:
    """
    A folder in which `makeindex` was run, which takes names from inside of the archives and leaves these where they are.

    Its pages have no hashes and only links to those files, so nothing is read of them: the files are the truth.
    """

    role = Role.PRIVATE
    in_place = False

    def describe(self) -> str:
        """As `ILayout`."""
        return "a folder in which basketweaver's makeindex was run: files, also in folders, and index/"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        return None if folder.has(f"{_INDEX}/index.html") else "it has no index/index.html, which makeindex writes"

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        yield from below(folder, "", DEEPEST, frozenset({_INDEX}))


def below(folder: Folder, path: str, deepest: int, skipped: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """
    Every file in that folder and in the folders in it, as deep as that.

    :param skipped: paths of folders that are not looked into.
    :raises OSError: the folder itself cannot be read.
    """
    entries = folder.entries(path)
    yield from (named(entry) for entry in entries if entry.kind != "folder")
    for entry in entries:
        if entry.kind == "folder" and entry.path not in skipped and not entry.name.startswith("."):
            yield from _inside(folder, entry, deepest, skipped)


def _inside(folder: Folder, entry: Entry, deepest: int, skipped: frozenset[str]) -> Iterator[Finding]:
    if not deepest:
        yield Passed(entry.path, "is nested too deep to be looked into")
        return
    try:
        yield from below(folder, entry.path, deepest - 1, skipped)
    except OSError as error:
        yield Passed(entry.path, error.strerror or type(error).__name__)
