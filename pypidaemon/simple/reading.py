"""A project page as an upstream sends it, whatever its format: read, completed and put in order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import attrs

from pypidaemon.filenames import version_of
from pypidaemon.model import File, NormalizedName, UpstreamPage
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.read_html import read_html
from pypidaemon.simple.read_json import read_json
from pypidaemon.versions import known, same_version

JSON_TYPES = frozenset({"application/vnd.pypi.simple.v1+json", "application/json"})
"""Media types read as JSON; the second is wrong (R44) and seen in the wild."""

HTML_TYPES = frozenset({"text/html", "application/vnd.pypi.simple.v1+html"})
"""Media types read as HTML."""

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


def read_page(body: bytes, content_type: str, base: str, name: NormalizedName) -> UpstreamPage:
    """
    What an upstream's answer says of a project: files in order of version and name (R64) with their `path` where it can be told,
    and versions that cover every file (R50). Of two entries for one file name the first counts.

    Pure but slow on large pages: run it off the reactor's thread.

    :param content_type: the header as it came; it alone decides how the body is read (F19).
    :param base: the absolute URL that answered, after redirects.
    :raises Unreadable: that is no page of this project. One of which no entry at all is a file of this project is another one's, mixed up
        on its way, or none (F7, S32); were it believed, everything known of the project would be gone.
    """
    kind = media_type(content_type)
    if kind in JSON_TYPES:
        page = read_json(body, base, name)
    elif kind in HTML_TYPES:
        charset = _CHARSET.search(content_type)
        page = read_html(body, charset[1] if charset else None, base, name)
    else:
        raise Unreadable("the content type is not that of an index page")
    if page.refused and not page.files:
        raise Unreadable("none of its entries is a file of this project")
    files: dict[str, File] = {}
    for file in page.files:
        files.setdefault(file.filename, file)
    ordered = in_order(name, files.values())
    return attrs.evolve(page, files=ordered, versions=covering(name, page.versions, ordered))


def media_type(content_type: str) -> str:
    """The media type of a Content-Type header, in lower case and without parameters."""
    return content_type.partition(";")[0].strip().lower()


def in_order(name: NormalizedName, files: Iterable[File]) -> tuple[File, ...]:
    """The files by version (PEP 440 order; what is no version first, in order of the alphabet), then by name (R64)."""
    return tuple(sorted(files, key=lambda file: place(name, file)))


def place(name: NormalizedName, file: File) -> str:
    """What files are sorted by: by the order of this they stand on a page."""
    return f"{version_order(version_of(file.filename, name) or '')}\0{file.filename}"


def covering(name: NormalizedName, versions: Iterable[str], files: Iterable[File]) -> tuple[str, ...]:
    """
    The versions, and with them those of all the files, in order, in normal form where they have one, without duplicates (R50).

    `1.0` and `1.0.0` are one version (R136); the spelling that comes first, stated versions before those of files, is kept.
    """
    found: dict[str, str] = {}
    spelled_by_files = (version_of(file.filename, name) for file in files)
    for version in (*versions, *(spelled for spelled in spelled_by_files if spelled)):
        found.setdefault(same_version(version), normal_version(version))
    return tuple(sorted(found.values(), key=version_order))


@lru_cache(1 << 14)
def normal_version(version: str) -> str:
    """The version in PEP 440's normal form, or as it is where it has none."""
    read = known(version)
    return version if read is None else str(read)


@lru_cache(1 << 14)
def version_order(version: str) -> str:
    """
    What to sort versions by: those that PEP 440 does not know first, by the alphabet.

    It is text because 100,000 `Version`s are a million objects, over which one full garbage collection takes half a second.
    """
    read = known(version)
    if read is None:
        return f"0{version}"
    release = "".join(map(_number, read.release)).rstrip("!")
    stage = "1" if read.post is None and read.dev is not None else "3"
    if read.pre is not None:
        stage = f"2{read.pre[0]}{_number(read.pre[1])}"
    post = "0" if read.post is None else f"1{_number(read.post)}"
    dev = "1" if read.dev is None else f"0{_number(read.dev)}"
    # A number beats a word, and what ends here comes before what goes on.
    local = "".join(f"2{_number(int(part))}" if part.isdigit() else f"1{part} " for part in (read.local or "").split(".") if part)
    return f"1{_number(read.epoch)}{release} {stage}{post}{dev}{local}"


def _number(number: int) -> str:
    """The number so that text sorts as numbers do, first by how many digits it has. Nought is a sign of its own, before all others."""
    digits = str(number)
    return f"{chr(48 + len(digits))}{digits}" if number else "!"
