"""
The legacy JSON document of a project or release, as PyPI writes it (R138-R145).

Built from our own page and one METADATA document, so whatever a policy hides is hidden here too. Never standardised; its keys are
those that software in the wild reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from typing import Any

import orjson

from pypidaemon.filenames import package_type, python_tag, version_of
from pypidaemon.model import File, ProjectPage
from pypidaemon.simple.core_metadata import read_metadata
from pypidaemon.simple.links import BLAKE2B_256, blake2b_of, quote_path
from pypidaemon.simple.reading import normal_version, version_order
from pypidaemon.versions import known, same_version

_DIGESTS = ("md5", "sha256", "sha384", "sha512")


def legacy_json(page: ProjectPage, version: str | None, metadata: bytes | None, base: str) -> bytes | None:
    """
    The document of the project, with all `releases` and the newest one's `info`, or with `version` that of one release.

    None where that version, or the project, has no files. Never raises on odd metadata: what cannot be read is left out. Pure but slow on
    large pages: run it off the reactor's thread.

    :param version: the release asked for, in any spelling (R136), or None for the project's document.
    :param metadata: the METADATA of a file of that release, or of the newest; None where there is none at hand.
    :param base: the absolute URL of the index's root, ending in "/"; its files are below `packages/` (R13, R143).
    """
    releases = _releases(page)
    if version is None:
        choice = newest(page)
        if choice is None:
            return None
        spelled, files = choice
    else:
        key = same_version(version)
        found = next((item for item in releases.items() if same_version(item[0]) == key), None)
        if found is None or not found[1]:
            return None
        spelled, files = found
    info = orjson.dumps(_info(page, spelled, files, read_metadata(metadata or b""), base))
    # Piece by piece, so that a project of many files never holds up other threads.
    pieces = [b'{"info":', info, b',"last_serial":%d' % page.serial]
    if version is None:
        its_releases = b",".join(orjson.dumps(each) + b":" + _files(its, base) for each, its in releases.items())
        pieces += [b',"releases":{', its_releases, b"}"]
    pieces += [b',"urls":', _files(files, base), b',"vulnerabilities":[],"ownership":{"roles":[],"organization":null}}']
    return b"".join(pieces)


def newest(page: ProjectPage) -> tuple[str, list[File]] | None:
    """The version that stands for the project, with its files; None where no version has any. Slow on large pages, as `newest_first`."""
    return next(iter(newest_first(page, 1)), None)


def newest_first(page: ProjectPage, most: int) -> list[tuple[str, list[File]]]:
    """
    At most so many versions that have files, with these: the one that stands for the project, then the one that would without it, and so on.

    One that is not yanked before one that is, a final before a pre-release, then the highest (R142). Pure but slow on large pages: run it
    off the reactor's thread.
    """
    offered = [(version, files) for version, files in _releases(page).items() if files]
    return nlargest(most, offered, key=lambda item: _standing(item[0], item[1]))


def _releases(page: ProjectPage) -> dict[str, list[File]]:
    """Every version with its files, also those without any, in order."""
    spelled = {same_version(version): version for version in page.versions}
    found: dict[str, list[File]] = {version: [] for version in spelled.values()}
    for file in page.files:
        version = version_of(file.filename, page.name)
        if version is not None:
            found.setdefault(spelled.setdefault(same_version(version), normal_version(version)), []).append(file)
    return dict(sorted(found.items(), key=lambda item: version_order(item[0])))


def _standing(version: str, files: Iterable[File]) -> tuple[bool, bool, str]:
    read = known(version)
    return not _is_yanked(files), read is not None and not read.is_prerelease, version_order(version)


def _is_yanked(files: Iterable[File]) -> bool:
    return all(file.yanked is not None for file in files)


def _info(page: ProjectPage, version: str, files: list[File], said: dict[str, Any], base: str) -> dict[str, Any]:
    project_url = f"{base}project/{page.name}/"
    yanked = _is_yanked(files)
    return {
        "author": said.get("author"),
        "author_email": said.get("author_email"),
        "bugtrack_url": None,
        "classifiers": said.get("classifiers", []),
        "description": said.get("description", ""),
        "description_content_type": said.get("description_content_type"),
        "docs_url": None,
        "download_url": said.get("download_url"),
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "dynamic": said.get("dynamic"),
        "home_page": said.get("home_page"),
        "keywords": ",".join(said["keywords"]) if said.get("keywords") else None,
        "license": said.get("license"),
        "license_expression": said.get("license_expression"),
        "license_files": said.get("license_files"),
        "maintainer": said.get("maintainer"),
        "maintainer_email": said.get("maintainer_email"),
        "name": said.get("name") or page.name,
        "package_url": project_url,
        "platform": ",".join(said["platforms"]) if said.get("platforms") else None,
        "project_url": project_url,
        "project_urls": said.get("project_urls"),
        "provides_extra": said.get("provides_extra"),
        "release_url": f"{project_url}{quote_path(version)}/",
        "requires_dist": said.get("requires_dist"),
        "requires_python": said.get("requires_python") or next((file.requires_python for file in files if file.requires_python), None),
        "summary": said.get("summary"),
        "version": version,
        "yanked": yanked,
        "yanked_reason": next((file.yanked for file in files if file.yanked), None) if yanked else None,
    }


def _files(files: Iterable[File], base: str) -> bytes:
    return b"[" + b",".join(orjson.dumps(_file(file, base)) for file in files) + b"]"


def _file(file: File, base: str) -> dict[str, Any]:
    known = dict(file.hashes)
    digests = {algorithm: known[algorithm] for algorithm in _DIGESTS if algorithm in known}
    blake2b = next((known[algorithm] for algorithm in BLAKE2B_256 if algorithm in known), None) or blake2b_of(file.path)
    if blake2b is not None:
        digests["blake2b_256"] = blake2b
    sidecar: Any = False
    if file.core_metadata is not None:
        sidecar = {"sha256": file.core_metadata} if file.core_metadata else True
    entry = {
        "comment_text": None,
        "core-metadata": sidecar,
        "digests": digests,
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "packagetype": package_type(file.filename),
        "python_version": python_tag(file.filename),
        "requires_python": file.requires_python,
        "size": file.size,
        "upload_time": None if file.upload_time is None else file.upload_time[:19],
        "upload_time_iso_8601": file.upload_time,
        "url": f"{base}packages/{quote_path(file.path)}",
        "yanked": file.yanked is not None,
        "yanked_reason": file.yanked or None,
    }
    if "md5" in digests:
        entry["md5_digest"] = digests["md5"]
    return entry
