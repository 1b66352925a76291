"""What a source distribution says without being built: what it needs, and what it takes to build it (PEP 518, PEP 621, PEP 643)."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import attrs

from pypidaemon.archives import tarred, zipped
from pypidaemon.archives.expanding import CODECS, Expanded
from pypidaemon.archives.names import parts
from pypidaemon.archives.rules import extension
from pypidaemon.archives.sidecars import LARGEST_METADATA, BadArchive, wheel_metadata
from pypidaemon.closure import Stated, stated
from pypidaemon.locks import read_toml
from pypidaemon.model import Filename
from pypidaemon.packing.projects import DEFAULT_BUILD, build_requirements
from pypidaemon.simple.core_metadata import read_metadata
from pypidaemon.versions import Version, known

LARGEST_PROJECT = 1 << 20
"""Bytes of a pyproject.toml."""

_SAYS_WHAT_IS_DYNAMIC = Version("2.2")
"""The release of core metadata since which what is not marked as dynamic holds for whatever is built (PEP 643)."""

_WANTED = {"PKG-INFO": LARGEST_METADATA, "pyproject.toml": LARGEST_PROJECT}


@attrs.frozen
class Source:
    """
    What it says.

    :param builds: what it takes to build it, as requirements are written.
    :param sure: whether what it needs holds for whatever is built of it.
    """

    needs: Stated
    builds: tuple[str, ...]
    sure: bool


def wheel_needs(place: str | bytes, filename: Filename) -> Stated:
    """
    What the wheel in that file, or of these bytes, needs. Blocks.

    :raises BadArchive: it is none.
    """
    with _opened(place) as stream:
        return stated(wheel_metadata(stream, filename))


def source(place: str | bytes, filename: Filename) -> Source:
    """
    Read the source distribution in that file, or of these bytes. Blocks, for as long as it takes to look through it.

    :raises BadArchive: it is none that can be read, or says what it should not.
    """
    with _opened(place) as stream:
        found = _found(stream, filename)
    document: Mapping[str, Any] = {}
    if "pyproject.toml" in found:
        try:
            document = read_toml("pyproject.toml", found["pyproject.toml"].decode("utf-8"), "pyproject.toml")
            builds = build_requirements(document)
        except ValueError as error:
            raise BadArchive(str(error)) from None
    else:
        builds = DEFAULT_BUILD
    info = found.get("PKG-INFO", b"")
    said = read_metadata(info)
    dynamic = {str(field).lower() for field in said.get("dynamic", [])}
    # Whoever wrote it may have written anything, such as a number of a million digits.
    since = known(str(said.get("metadata_version", "0")))
    sure = since is not None and since >= _SAYS_WHAT_IS_DYNAMIC and "requires-dist" not in dynamic
    needs = stated(info)
    project = document.get("project")
    if not sure and isinstance(project, dict) and not _leaves(project, "dependencies"):
        needs, sure = stated(_as_metadata(project)), True
    return Source(needs, builds, sure)


def _leaves(project: Mapping[str, Any], field: str) -> bool:
    """Whether a project leaves that to whatever builds it, or says in no way that makes sense whether it does."""
    dynamic = project.get("dynamic", [])
    return not isinstance(dynamic, list) or field in dynamic


def _as_metadata(project: Mapping[str, Any]) -> bytes:
    """What a project says in its pyproject.toml, as its METADATA will say it."""
    dependencies = project.get("dependencies", [])
    lines = [f"Requires-Dist: {line}" for line in dependencies if isinstance(line, str)] if isinstance(dependencies, list) else []
    extras = project.get("optional-dependencies", {})
    for extra, some in extras.items() if isinstance(extras, dict) else ():
        for line in some if isinstance(some, list) else ():
            requirement, _, marker = str(line).partition(";")
            condition = f"({marker.strip()}) and " if marker.strip() else ""
            lines.append(f"Requires-Dist: {requirement.strip()} ; {condition}extra == '{extra}'")
    return "\n".join(" ".join(line.split()) for line in lines).encode() + b"\n"


def _found(stream: BinaryIO, filename: Filename) -> dict[str, bytes]:
    """The documents at the top of an archive."""
    kind = extension(filename)
    if kind == ".zip":
        entries = zipped.members(stream)
        return {
            parts(name)[1]: zipped.whole(stream, entry, _WANTED[parts(name)[1]])
            for name, entry in entries.items()
            if _wanted(name) is not None and not entry.is_folder
        }
    if kind not in CODECS:
        raise BadArchive("it is an archive of a kind that nobody here reads")
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    found: dict[str, bytes] = {}
    for member in tarred.members(Expanded(stream, kind, size), _wanted):
        if member.data is not None:
            found[parts(member.name)[1]] = member.data
        if len(found) == len(_WANTED):
            break
    return found


def _wanted(name: str) -> int | None:
    below = parts(name)
    return _WANTED.get(below[1]) if len(below) == 2 else None


def _opened(place: str | bytes) -> BinaryIO:
    if isinstance(place, bytes):
        return io.BytesIO(place)
    return open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
