"""A project page in JSON (PEP 691, 700, 714, 740, 792), as strictly as the strictest client wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import orjson

from pypidaemon.model import File, NormalizedName, ProjectPage, ProjectStatus
from pypidaemon.simple.links import from_page
from pypidaemon.simple.pieces import Frame

API_VERSION = "1.4"
"""What we implement, whatever upstream does (R47, R120)."""

SIZELESS_API_VERSION = "1.0"
"""What a page may claim of which a file's size is unknown: `size` is mandatory from 1.1 on (R62)."""

_AT_ONCE = 100
_SHOWN_HASHES = ("sha256", "sha512", "sha384", "md5")


Provenance = Callable[[NormalizedName, File], str | None]
"""From a file of a project to the URL of its provenance, None where it has none."""


def of_upstream(name: NormalizedName, file: File) -> str | None:
    """The URL that upstream has for a file's provenance, unchanged (R116)."""
    return file.provenance


def render_json(page: ProjectPage, link: Callable[[str], str] = from_page, provenance: Provenance = of_upstream) -> bytes:
    """
    The page as `application/vnd.pypi.simple.v1+json`, in UTF-8, without a final line break (R47-R65).

    Nothing is null: some clients give the whole page up for one (R52). The URLs are relative (R12).

    :param link: from a file's path to its URL.
    :param provenance: where the provenance of a file of that project is.
    """
    framed = frame_json(page, link, provenance)
    return framed.head + framed.spelled(page.files) + framed.tail


def frame_json(page: ProjectPage, link: Callable[[str], str] = from_page, provenance: Provenance = of_upstream) -> Frame:
    """What `render_json` renders, taken apart."""
    sized = None not in map(attrgetter("size"), page.files)
    meta: dict[str, Any] = {"api-version": API_VERSION if sized else SIZELESS_API_VERSION}
    if page.serial:
        meta["_last-serial"] = page.serial
    document: dict[str, Any] = {"meta": meta, "name": page.name}
    if page.status != ProjectStatus():
        status = {"status": page.status.marker}
        if page.status.reason:
            status["reason"] = page.status.reason
        document["project-status"] = status
    document["versions"] = page.versions

    def spelled(files: Sequence[File]) -> bytes:
        # Some at a time, so that a page of many never holds up other threads.
        return b",".join(
            orjson.dumps([_file(file, link, provenance(page.name, file)) for file in files[start : start + _AT_ONCE]])[1:-1]
            for start in range(0, len(files), _AT_ONCE)
        )

    return Frame(orjson.dumps(document)[:-1] + b',"files":[', b"]}", spelled, b",")


def shown_hash(file: File) -> tuple[str, str] | None:
    """
    The one hash that clients are shown, or None where none is known that all of them understand.

    pip verifies only the first of several (R53), and uv gives a page up for a name that it does not know (R22).
    """
    if file.hashes and file.hashes[0][0] == _SHOWN_HASHES[0]:
        return file.hashes[0]
    known = dict(file.hashes)
    return next(((algorithm, known[algorithm]) for algorithm in _SHOWN_HASHES if algorithm in known), None)


def _file(file: File, link: Callable[[str], str], provenance: str | None) -> dict[str, Any]:
    shown = shown_hash(file)
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": link(file.path),
        "hashes": {shown[0]: shown[1]} if shown else {},
        "yanked": False if file.yanked is None else file.yanked or True,
    }
    if file.requires_python:
        entry["requires-python"] = file.requires_python
    if file.size is not None:
        entry["size"] = file.size
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time
    sidecar: Any = False
    if file.core_metadata is not None:
        sidecar = {"sha256": file.core_metadata} if file.core_metadata else True
    # The second name is from before PEP 714; old clients know only that one (R58).
    entry["core-metadata"] = entry["dist-info-metadata"] = sidecar
    if is_secure(provenance):
        entry["provenance"] = provenance
    if file.gpg_sig is not None:
        entry["gpg-sig"] = file.gpg_sig
    return entry


def is_secure(url: str | None) -> bool:
    """Whether this is an absolute https URL, as PEP 740 demands of `provenance` (R29, R116)."""
    return url is not None and url.startswith("https://")
