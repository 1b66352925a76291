"""A project page in JSON, as an upstream sends it (PEP 691, 700, 792), read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import File, NormalizedName, ProjectStatus, UpstreamPage
from pypidaemon.simple.entries import Unreadable, clean, entry, serial, status_marker

_BOM = b"\xef\xbb\xbf"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_*-]{0,127}\Z", re.ASCII)


def read_json(body: bytes, base: str, name: NormalizedName) -> UpstreamPage:
    """
    The page in the body, its files in upstream's order and without `path`.

    Unknown keys are ignored, among them `tracks`, `alternate-locations` and `namespaces`, whose meaning ends at the index that
    says them (R61, R119, R120). Entries that are not clean are counted in `refused`.

    :param base: the absolute URL that answered, after redirects.
    :raises Unreadable: it is no JSON object with a list of files, its major version is not 1, or it is another project's page.
    """
    try:
        document = orjson.loads(body.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise Unreadable("the JSON is not an object")
    meta = document.get("meta")
    if not isinstance(meta, dict):
        meta = {}
    require_major(meta.get("api-version"))
    _require_name(document.get("name"), name)
    entries = document.get("files")
    if not isinstance(entries, list):
        raise Unreadable("the JSON has no list of files")
    files: list[File] = []
    for raw in entries:
        file = entry(raw, base, name) if isinstance(raw, dict) else None
        if file is not None:
            files.append(file)
    return UpstreamPage(
        name=name,
        files=tuple(files),
        versions=_versions(document.get("versions")),
        status=_status(document, meta),
        serial=serial(meta.get("_last-serial")),
        refused=len(entries) - len(files),
    )


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
    return ProjectStatus(marker, (clean(reason) or None) if isinstance(reason, str) else None)
