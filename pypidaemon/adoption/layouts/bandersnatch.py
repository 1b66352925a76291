"""
The folder of bandersnatch: the tree for a web server in `web`, and beside it `status` and `todo`, which only it needs.

A project has `index.v1_json` (PEP 691), or, by older versions, only `index.html`; with `json = true` also `web/json/NAME`, upstream's legacy JSON, which
knows hashes and times that an old page does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Found, Passed, Project, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.web import LARGEST_PAGE, Web, need
from pypidaemon.model import File, NormalizedName
from pypidaemon.simple.entries import entry
from pypidaemon.simple.extracts import extracts, in_pieces

_PAGES = (
    ("index.v1_json", "application/vnd.pypi.simple.v1+json"),
    ("index.v1_html", "text/html"),
    ("index.html", "text/html"),
)


@implementer(ILayout)
@attrs.frozen
class Bandersnatch:
    """Pages with the sha256 of every file; it writes each file elsewhere and moves it to its place, so a shared one is never written over."""

    role: Role = Role.MIRRORED
    in_place: bool = False

    def describe(self) -> str:
        """As `ILayout`."""
        return "web/simple/name/index.v1_json or index.html, web/packages/ and web/json/, as bandersnatch keeps them"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        return need(folder, "web/simple", "where bandersnatch keeps pages")

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        legacy: Mapping[str, File] = {}
        for one in Web(folder, _PAGES).find():
            if isinstance(one, Project):
                try:
                    legacy = _legacy(folder, one.name)
                except (OSError, ValueError) as error:
                    legacy = {}
                    yield Passed(f"web/json/{one.name}", f"cannot be read: {getattr(error, 'strerror', None) or 'it is no such document'}")
            yield _completed(one, legacy) if isinstance(one, Found) else one


def _completed(found: Found, legacy: Mapping[str, File]) -> Found:
    """With what the page does not say and the legacy document does; where both say something, both are checked."""
    file, other = found.file, legacy.get(found.file.filename)
    if other is None:
        return found
    said = dict(file.hashes)
    more = tuple(pair for pair in other.hashes if pair[0] not in said)
    hashes = tuple(sorted((*file.hashes, *more), key=lambda pair: pair[0] != "sha256"))
    return attrs.evolve(
        found,
        file=attrs.evolve(
            file,
            url=file.url or other.url,
            hashes=hashes,
            size=other.size if file.size is None else file.size,
            upload_time=file.upload_time or other.upload_time,
            requires_python=file.requires_python or other.requires_python,
            yanked=other.yanked if file.yanked is None else file.yanked,
        ),
    )


def _legacy(folder: Folder, name: NormalizedName) -> dict[str, File]:
    """
    The files that the legacy document of a project lists, by name; none where there is no document.

    :raises ValueError: it is none.
    """
    path = f"web/json/{name}"
    if not folder.has(path):
        return {}
    found: dict[str, File] = {}
    # In pieces: who reads such a document at one stroke keeps all other threads waiting meanwhile.
    for _, raw in extracts(in_pieces(folder.read(path, LARGEST_PAGE)), _wanted):
        file = _file(raw, name)
        if file is not None:
            found.setdefault(file.filename, file)
    return found


def _wanted(keys: Sequence[str]) -> bool:
    return len(keys) == 3 and keys[0] == "releases" and not keys[2]


def _file(raw: Mapping[str, Any], name: NormalizedName) -> File | None:
    yanked = raw.get("yanked")
    digests = raw.get("digests")
    said = {
        "filename": raw.get("filename"),
        "url": raw.get("url"),
        "hashes": digests if isinstance(digests, dict) else {"md5": raw.get("md5_digest")},
        "size": raw.get("size"),
        "upload-time": raw.get("upload_time_iso_8601"),
        "requires-python": raw.get("requires_python"),
        "yanked": (raw.get("yanked_reason") or True) if yanked is True else False,
    }
    return entry(said, "https://mirrored.invalid/", name)
