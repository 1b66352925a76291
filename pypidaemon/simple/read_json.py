"""A project page in JSON, as an upstream sends it (PEP 691, 700, 792), read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName, ProjectStatus, UpstreamPage
from pypidaemon.simple.entries import Entries, Unreadable, remark, serial, status_marker
from pypidaemon.simple.large_json import LARGE, MOST_VERSIONS, take_apart

_BOM = b"\xef\xbb\xbf"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_*-]{0,127}\Z", re.ASCII)


def read_json(body: bytes, base: str, name: NormalizedName) -> UpstreamPage:
    """
    The page in the body, its files in upstream's order and without `path`.

    Unknown keys are ignored, among them `tracks`, `alternate-locations` and `namespaces`, whose meaning ends at the index that
    says them (R61, R119, R120). Entries that are not clean are counted in `refused`.

    :param base: the absolute URL that answered, after redirects.
    Never holds up other threads for more than 50 ms at a time, however large or hostile the body is.

    :raises Unreadable: it is no JSON object with a list of files, its major version is not 1, it is another project's page, or it has
        more entries or versions than a page may have (S84).
    """
    entries = Entries(base, name)
    document = take_apart(body, len(_BOM) * body.startswith(_BOM), entries.take) if len(body) > LARGE else _taken_whole(body, entries)
    meta = document.get("meta")
    if not isinstance(meta, dict):
        meta = {}
    require_major(meta.get("api-version"))
    _require_name(document.get("name"), name)
    if document.get("files") != ():
        raise Unreadable("the JSON has no list of files")
    return UpstreamPage(
        name=name,
        files=tuple(entries.files),
        versions=_versions(document.get("versions")),
        status=_status(document, meta),
        serial=serial(meta.get("_last-serial")),
        refused=entries.refused,
    )


def _taken_whole(body: bytes, entries: Entries) -> dict[str, Any]:
    """The document as `take_apart` has it."""
    try:
        document = orjson.loads(body.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise Unreadable("the JSON is not an object")
    files = document.get("files")
    if isinstance(files, list):
        for raw in files:
            entries.take(raw)
        document["files"] = ()
    return document


def require_major(version: object) -> None:
    """
    Let every 1.x pass, and an index that states no version, which means 1.0 (PEP 629).

    :raises Unreadable: the major number is another one, or none (S36).
    """
    if version is not None and str(version).strip().partition(".")[0] != "1":
        raise Unreadable("the API version is not 1.x")


def _require_name(said: object, name: NormalizedName) -> None:
    # Caches in between mix pages up now and then; believing one would give a project another one's files (S32).
    if said is None:
        return
    try:
        matches = isinstance(said, str) and project_name(said) == name
    except InvalidName:
        matches = False
    if not matches:
        raise Unreadable("the page is that of another project")


def _versions(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list):
        return ()
    if len(raw) > MOST_VERSIONS:
        raise Unreadable("the page has too many versions")
    return tuple(dict.fromkeys(version for version in raw if isinstance(version, str) and _VERSION.match(version)))


def _status(document: Mapping[str, Any], meta: Mapping[str, Any]) -> ProjectStatus:
    # The texts disagree on where it stands and what its key is called; every place is read, one is written (R59).
    raw = document.get("project-status")
    if raw is None:
        raw = meta.get("project-status")
    reason: object = meta.get("project-status-reason")
    if isinstance(raw, dict):
        reason = raw.get("reason")
        raw = raw.get("status", raw.get("state"))
    marker = status_marker(raw)
    if marker is None:
        return ProjectStatus()
    return ProjectStatus(marker, remark(reason))
