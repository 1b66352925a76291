"""
What a bundle says of one project of one index, as a line of text, and such a line read again: of a bundle nothing is believed before it has passed here.

A part says how the project is at its source now; of files only of those that changed since the moment that the bundle begins with. So parts of bundles can
be taken over in any order, and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import attrs
import orjson

from pypidaemon.backups.tape import Unreadable
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import belongs, filename, project_name
from pypidaemon.model import Digest, Fact, File, Filename, FileRecord, NormalizedName, ProjectStatus, Standing
from pypidaemon.simple.entries import LONGEST_TEXT, clean, entry, status_marker, whole
from pypidaemon.simple.links import blake2b_of
from pypidaemon.versions import LONGEST_VERSION

PRIVATE, MIRRORED, PINNED = "private", "mirrored", "pinned"
ROLES = (PRIVATE, MIRRORED, PINNED)
LONGEST_PART = 64 << 20
"""Bytes of a line: those of a project of some hundred thousand files."""

_BASE = "http://bundle.invalid/"
_NOWHERE = _BASE + "-"
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@attrs.frozen
class Sum:
    """How many files a project has in all, and what tells these from others."""

    count: int
    check: str

    @classmethod
    def of(cls, known: Iterable[tuple[str, str]]) -> Sum:
        """Of file names, each with what there is to tell it from another."""
        seen, count = blake2b(digest_size=8), 0
        for name, word in sorted(known):
            seen.update(f"{name}\0{word}\n".encode())
            count += 1
        return cls(count, seen.hexdigest())


@attrs.frozen
class Part:
    """
    One project of one index.

    :param serial: rises with every change at the source: a part below one that was taken over before is passed over.
    :param sum: of all files that the project has at the source.
    :param records: of a private project: those that changed.
    :param files: of another: the entries that came, as its index has them.
    :param yanked: of another: all that are yanked, with the reasons.
    :param gone: of another: files that its mirror offers no longer; `ended` is that the whole project went.
    :param documents: provenance, by file.
    :param facts: what was found out about files: pins of digests, and dates.
    :param pins: the releases that are kept from eviction; "" is all of the project.
    :param announced: the serial that upstream's list announced, and `page` that of its page.
    :param taken: when upstream was asked, seconds since the epoch.
    """

    role: str
    label: str
    name: NormalizedName
    serial: int
    sum: Sum
    records: tuple[FileRecord, ...] = ()
    files: tuple[File, ...] = ()
    versions: tuple[str, ...] = ()
    status: ProjectStatus = ProjectStatus()
    yanked: Mapping[Filename, str] = attrs.field(factory=dict)
    gone: tuple[Filename, ...] = ()
    ended: bool = False
    documents: Mapping[Filename, Digest] = attrs.field(factory=dict)
    facts: Mapping[Filename, Fact] = attrs.field(factory=dict)
    pins: tuple[str, ...] = ()
    announced: int = 0
    page: int = 0
    taken: float = 0.0
    complete: bool = True

    def needs(self) -> Iterator[tuple[Digest, int | None]]:
        """Every blob that it comes with, and how long that is where the part says so; some may come twice."""
        private = (record.file for record in self.records if record.standing is not Standing.DELETED)
        for file in (*private, *self.files):
            if file.digest is not None:
                yield file.digest, file.size
            if file.core_metadata:
                yield Digest(file.core_metadata), None
        for digest in self.documents.values():
            yield digest, None

    def written(self) -> bytes:
        """As a line."""
        said: dict[str, Any] = {
            "role": self.role, "index": self.label, "project": self.name, "serial": self.serial, "sum": [self.sum.count, self.sum.check]
        }  # fmt: skip
        if self.role == PRIVATE:
            said["files"] = [_record(one) for one in self.records]
            return orjson.dumps(said) + b"\n"
        said |= {
            "files": [_entry(file) for file in self.files],
            "versions": self.versions,
            "status": [self.status.marker, self.status.reason],
            "yanked": self.yanked,
            "gone": self.gone,
            "ended": self.ended,
            "documents": self.documents,
            "facts": {name: attrs.asdict(fact) for name, fact in self.facts.items()},
            "pins": self.pins,
            "announced": self.announced,
            "page": self.page,
            "taken": self.taken,
            "complete": self.complete,
        }
        return orjson.dumps(said) + b"\n"


def read(line: bytes) -> Part:
    """
    What such a line says.

    :raises Unreadable: it says nothing of that kind, or of files that cannot be ones of that project.
    """
    try:
        said = orjson.loads(line)
        return _private(said) if said["role"] == PRIVATE else _of_upstream(said)
    except (ValueError, TypeError, KeyError, AttributeError, InvalidName) as error:
        raise Unreadable("the bundle cannot be read: what it says of a project is damaged") from error


def sum_of_records(records: Iterable[FileRecord]) -> Sum:
    """Of a private project."""
    return Sum.of((one.file.filename, f"{one.file.digest} {one.standing.value} {one.file.yanked!a}") for one in records)


def sum_of_files(files: Iterable[File]) -> Sum:
    """Of another."""
    return Sum.of((one.filename, str(one.digest)) for one in files)


def _record(one: FileRecord) -> dict[str, Any]:
    return {
        "entry": _entry(one.file),
        "version": one.version,
        "uploader": one.uploader,
        "standing": one.standing.value,
        "uploaded": one.uploaded,
    }


def _entry(file: File) -> dict[str, Any]:
    """An entry as PEP 691 spells it, and the path that it has here."""
    said: dict[str, Any] = {"filename": file.filename, "hashes": dict(file.hashes)}
    words = {"url": file.url, "path": file.path, "upload-time": file.upload_time, "provenance": file.provenance}
    said |= {key: value for key, value in words.items() if value}
    more = {"size": file.size, "requires-python": file.requires_python, "gpg-sig": file.gpg_sig}
    said |= {key: value for key, value in more.items() if value is not None}
    if file.yanked is not None:
        said["yanked"] = file.yanked or True
    if file.core_metadata is not None:
        said["core-metadata"] = {"sha256": file.core_metadata} if file.core_metadata else True
    return said


def _private(said: Mapping[str, Any]) -> Part:
    name, label = _head(said)
    records = tuple(_read_record(one, name) for one in _list(said["files"]))
    _insist(len({one.file.filename for one in records}) == len(records))
    return Part(PRIVATE, label, name, _number(said["serial"]), _sum(said["sum"]), records)


def _of_upstream(said: Mapping[str, Any]) -> Part:
    name, label = _head(said)
    _insist(said["role"] in (MIRRORED, PINNED))
    files = tuple(_read_entry(one, name) for one in _list(said["files"]))
    _insist(len({one.filename for one in files}) == len(files))
    marker, reason = said["status"]
    known = {one.filename for one in files}
    documents = {_filename(key, name): _digest(value) for key, value in said["documents"].items()}
    facts = {_filename(key, name): _fact(value) for key, value in said["facts"].items()}
    _insist(known.issuperset(documents) and known.issuperset(facts))
    digests = {one.filename: one.digest for one in files}
    _insist(all(fact.digest in (None, digests[name]) for name, fact in facts.items()))
    versions, pins = (tuple(map(_version, _list(said[word]))) for word in ("versions", "pins"))
    taken = said["taken"]
    _insist(isinstance(taken, int | float) and 0 <= taken < 1e11)
    _insist(status_marker(marker) is not None and (reason is None or isinstance(reason, str)))
    return Part(
        said["role"],
        label,
        name,
        _number(said["serial"]),
        _sum(said["sum"]),
        files=files,
        versions=versions,
        status=ProjectStatus(marker, clean(reason)[:LONGEST_TEXT] if reason is not None else None),
        yanked={_filename(key, name): clean(_text(value)) for key, value in said["yanked"].items()},
        gone=tuple(_filename(one, name) for one in _list(said["gone"])),
        ended=said["ended"] is True,
        documents=documents,
        facts=facts,
        pins=pins,
        announced=_number(said["announced"]),
        page=_number(said["page"]),
        taken=float(taken),
        complete=said["complete"] is True,
    )


def _head(said: Mapping[str, Any]) -> tuple[NormalizedName, str]:
    name = project_name(_text(said["project"]))
    label = _text(said["index"])
    _insist(name == said["project"] and _LABEL.fullmatch(label) is not None)
    return name, label


def _read_record(said: Mapping[str, Any], name: NormalizedName) -> FileRecord:
    file = _read_entry(said["entry"], name)
    uploaded = said["uploaded"]
    _insist(isinstance(uploaded, int | float) and 0 <= uploaded < 1e11)
    return FileRecord(file, _version(said["version"]), clean(_text(said["uploader"]))[:200], Standing(said["standing"]), float(uploaded))


def _read_entry(said: Mapping[str, Any], name: NormalizedName) -> File:
    """The entry, by the same gate as one of an upstream's page."""
    file = entry({**said, "url": said.get("url") or _NOWHERE}, _BASE, name)
    if file is None or file.digest is None:
        raise ValueError("no entry")
    path = said.get("path", "")
    # Its own shape, or none: then the index that takes it over gives it one.
    path = path if isinstance(path, str) and blake2b_of(path) and path.endswith("/" + file.filename) else ""
    return attrs.evolve(file, url="" if file.url == _NOWHERE else file.url, path=path)


def _fact(said: Mapping[str, Any]) -> Fact:
    digest, metadata = (None if said[word] is None else _digest(said[word]) for word in ("digest", "metadata"))
    size, time, by = said["size"], said["upload_time"], said["dated_by"]
    _insist(size is None or whole(size) is not None)
    _insist(all(one is None or (isinstance(one, str) and len(one) < 100 and one.isprintable()) for one in (time, by)))
    return Fact(digest, size, metadata, said["metadata_broken"] is True, time, by)


def _sum(said: Sequence[Any]) -> Sum:
    count, check = said
    return Sum(_number(count), _text(check)[:32])


def _filename(raw: str, name: NormalizedName) -> Filename:
    found = filename(raw)
    _insist(belongs(found, name))
    return found


def _digest(raw: Any) -> Digest:
    _insist(isinstance(raw, str) and _DIGEST.fullmatch(raw) is not None)
    return Digest(raw)


def _number(raw: Any) -> int:
    found = whole(raw)
    if found is None:
        raise ValueError("no number")
    return found


def _version(raw: Any) -> str:
    text = _text(raw)
    _insist(len(text) <= LONGEST_VERSION and text.isprintable())
    return text


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > LONGEST_TEXT:
        raise ValueError("no text")
    return raw


def _list(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise TypeError("no list")
    return raw


def _insist(right: bool) -> None:
    if not right:
        raise ValueError("not right")
