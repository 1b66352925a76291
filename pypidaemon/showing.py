"""What an index shows of what its upstream said, and of what was found out here. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from pypidaemon.filenames import version_of
from pypidaemon.model import Digest, Fact, File, Filename, NormalizedName, ProjectPage, UpstreamPage
from pypidaemon.simple.links import by_name
from pypidaemon.simple.reading import covering, in_order
from pypidaemon.versions import same_version


def show(label: str, said: UpstreamPage, facts: Mapping[Filename, Fact]) -> ProjectPage:
    """
    The page: upstream's facts unchanged (law 12), each file with a path of ours, and what we found out where upstream said nothing.

    A quarantined project offers no files (PEP 792, R113). A file that was seen with other bytes stays the one first seen (S28, S29).
    """
    if quarantined(said):
        return ProjectPage(name=said.name, status=said.status, source=label)
    files = completed(label, said.name, said.files, facts)
    return ProjectPage(name=said.name, files=files, versions=said.versions, status=said.status, source=label)


def completed(label: str, name: NormalizedName, files: Iterable[File], facts: Mapping[Filename, Fact]) -> tuple[File, ...]:
    """The entries with a path of ours, and with what we found out where upstream said nothing."""
    # Of most nothing was found out, and they say where they lie.
    return tuple(
        file if fact is None and file.path else _with_facts(label, name, file, fact)
        for file, fact in ((file, facts.get(file.filename)) for file in files)
    )


def chosen(page: ProjectPage, files: Iterable[File]) -> UpstreamPage:
    """
    That page with these files alone, to be kept: without the versions of which no file was chosen.

    A version that never had a file stays (PEP 700).
    """
    kept = in_order(page.name, files)
    left_out = _versions(page.name, page.files) - _versions(page.name, kept)
    versions = covering(page.name, (version for version in page.versions if same_version(version) not in left_out), kept)
    return UpstreamPage(page.name, kept, versions, page.status, page.serial or None)


def changed(said: UpstreamPage, facts: Mapping[Filename, Fact]) -> list[Filename]:
    """The files whose bytes upstream now says are others than those first seen under their names."""
    return [file.filename for file in said.files if is_another(file, facts.get(file.filename))]


def weight(page: ProjectPage | None) -> int:
    """About how many bytes of memory that page takes."""
    if page is None:
        return 500
    return 1000 + sum(
        600 + len(file.url) + len(file.path) + len(file.yanked or "") + len(file.requires_python or "") + len(file.provenance or "")
        for file in page.files
    )


def is_another(file: File, fact: Fact | None) -> bool:
    """Whether upstream says that the file has other bytes than those first seen under its name."""
    return fact is not None and fact.digest is not None and file.digest is not None and file.digest != fact.digest


def bytes_of(file: File, fact: Fact | None) -> Digest | None:
    """The bytes that are given for that file: those first seen under its name, else those that upstream promises."""
    return file.digest if fact is None or fact.digest is None else fact.digest


def quarantined(page: UpstreamPage | None) -> bool:
    """Whether upstream has put the project aside, so that nothing of it is offered (PEP 792, R113)."""
    return page is not None and page.status.marker == "quarantined"


def _versions(name: NormalizedName, files: Iterable[File]) -> set[str]:
    spelled = (version_of(file.filename, name) for file in files)
    return {same_version(version) for version in spelled if version is not None}


def _with_facts(label: str, name: NormalizedName, file: File, fact: Fact | None) -> File:
    path = file.path or by_name(label, name, file.filename)
    if fact is None:
        return attrs.evolve(file, path=path)
    # A date is only found where upstream gives none, and its own goes before one found earlier (law 12).
    date = file.upload_time if file.upload_time is not None else fact.upload_time
    if is_another(file, fact):
        assert fact.digest is not None
        pinned = attrs.evolve(file, path=path, hashes=(("sha256", fact.digest),), size=fact.size, core_metadata=fact.metadata)
        # Its provenance is about the other bytes (PEP 740).
        return attrs.evolve(pinned, upload_time=date, provenance=None)
    hashes, size, sidecar = file.hashes, file.size, file.core_metadata
    if file.digest is None and fact.digest is not None:
        hashes = (("sha256", fact.digest), *file.hashes)
        # Of the pinned bytes, also where upstream tells of others by their size alone (S28).
        size = fact.size if fact.size is not None else size
    if size is None:
        size = fact.size
    if fact.metadata_broken:
        sidecar = None
    if not sidecar and fact.metadata is not None:
        sidecar = fact.metadata
    return attrs.evolve(file, path=path, hashes=hashes, size=size, core_metadata=sidecar, upload_time=date)
