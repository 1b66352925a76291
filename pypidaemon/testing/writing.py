"""The documents of a scriptable index. Written here on their own, so that they do not share the mistakes of the daemon's writers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from html import escape
from typing import Any

from pypidaemon.testing.stock import Project, Stocked

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"


def page_json(project: Project, base: str, *, hashes: bool, sidecars: bool, serials: bool) -> bytes:
    """A project page (PEP 691, 700, 714, 792)."""
    meta: dict[str, Any] = {"api-version": "1.4"}
    if serials:
        meta["_last-serial"] = project.serial
    document: dict[str, Any] = {
        "meta": meta,
        "name": project.name,
        "versions": project.versions(),
        "files": [_entry(file, base, hashes=hashes, sidecars=sidecars) for file in project.files.values()],
    }
    if project.status is not None:
        document["project-status"] = {"status": project.status} | ({"reason": project.reason} if project.reason else {})
    return json.dumps(document).encode()


def page_html(project: Project, base: str, *, hashes: bool, sidecars: bool, serials: bool) -> bytes:
    """A project page (PEP 503, 592, 658, 714, 792)."""
    head = '<meta name="pypi:repository-version" content="1.4">'
    if project.status is not None:
        head += f'<meta name="pypi:project-status" content="{escape(project.status)}">'
    lines = ["<!DOCTYPE html>", f"<html><head>{head}<title>Links for {escape(project.name)}</title></head><body>"]
    for file in project.files.values():
        attributes = f'href="{escape(base + file.path)}{"#sha256=" + file.said if hashes else ""}"'
        if file.requires_python:
            attributes += f' data-requires-python="{escape(file.requires_python)}"'
        if file.yanked is not None:
            attributes += f' data-yanked="{escape(file.yanked)}"'
        if sidecars and file.metadata is not None:
            digest = hashlib.sha256(file.metadata).hexdigest()
            attributes += f' data-core-metadata="sha256={digest}" data-dist-info-metadata="sha256={digest}"'
        lines.append(f"<a {attributes}>{escape(file.filename)}</a><br>")
    lines.append("</body></html>")
    if serials:
        lines.append(f"<!--SERIAL {project.serial}-->")
    return "\n".join(lines).encode()


def names_json(projects: Iterable[Project], serial: int) -> bytes:
    """The list of projects (PEP 691)."""
    entries = [{"name": project.name, "_last-serial": project.serial} for project in projects]
    return json.dumps({"meta": {"api-version": "1.4", "_last-serial": serial}, "projects": entries}).encode()


def names_html(projects: Iterable[Project], serial: int) -> bytes:
    """The list of projects (PEP 503)."""
    links = "\n".join(f'<a href="{escape(project.name)}/">{escape(project.name)}</a><br>' for project in projects)
    head = '<meta name="pypi:repository-version" content="1.4"><title>Simple index</title>'
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{links}\n</body></html>\n<!--SERIAL {serial}-->".encode()


def legacy_json(project: Project, base: str) -> bytes:
    """As much of the legacy document as installers and mirrors look at."""
    versions = project.versions()
    releases: dict[str, list[dict[str, Any]]] = {version: [] for version in versions}
    for file in project.files.values():
        for version in versions:
            if f"-{version}" in file.filename:
                entry = {
                    "filename": file.filename,
                    "url": base + file.path,
                    "digests": {"sha256": file.said},
                    "size": file.said_size,
                    "upload_time_iso_8601": file.upload_time,
                    "packagetype": "bdist_wheel" if file.filename.endswith(".whl") else "sdist",
                    "yanked": file.yanked is not None,
                    "requires_python": file.requires_python,
                }
                releases[version].append(entry)
                break
    newest = versions[-1] if versions else ""
    document = {
        "info": {"name": project.name, "version": newest, "requires_python": ">=3.8"},
        "last_serial": project.serial,
        "releases": releases,
        "urls": releases.get(newest, []),
    }
    return json.dumps(document).encode()


def _entry(file: Stocked, base: str, *, hashes: bool, sidecars: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": base + file.path,
        "hashes": {"sha256": file.said} if hashes else {},
        "size": file.said_size,
        "upload-time": file.upload_time,
        "yanked": False if file.yanked is None else file.yanked or True,
        "core-metadata": False,
    }
    if file.requires_python:
        entry["requires-python"] = file.requires_python
    if sidecars and file.metadata is not None:
        entry["core-metadata"] = entry["dist-info-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return entry
