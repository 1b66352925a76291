"""RECORD: whether a wheel holds what it says that it holds, and nothing else (S18, R131)."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
from collections.abc import Iterable, Mapping
from typing import BinaryIO

import attrs

from pypidaemon.archives.names import shown
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.archives.zipped import Entry, content

LARGEST_RECORD = 24 * 2**20
"""Bytes of RECORD: as many lines as an archive may have members, with long names."""

MOST_HASHED = 512 * 2**20
"""Bytes that are hashed, of the whole wheel, expanded. Of a larger one names and sizes are held against RECORD: uploaders wait 10 to 15 s for an
answer (R171), and installers hash what they unpack."""

HASHES = frozenset({"sha256", "sha384", "sha512"})
"""sha256 or better (PEP 427, "The .dist-info directory")."""

_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


@attrs.frozen
class Line:
    """One line of RECORD: "" and None where it does not say."""

    algorithm: str
    digest: str
    size: int | None


def insist_on_record(source: BinaryIO, entries: Mapping[str, Entry], folder: str, raw: bytes) -> None:
    """
    Hold every member of a wheel against its RECORD.

    Itself and its signatures need no line, folders have none. A line without a hash stands for the file whatever it is, as old tools
    wrote for some.

    :param folder: the dist-info folder.
    :raises BadArchive: RECORD is malformed; it does not list a member, or lists what is not there; or size or hash differ.
    """
    lines = _lines(raw)
    exempt = {f"{folder}/{name}" for name in ("RECORD", *_SIGNATURES)}
    files = {name for name, entry in entries.items() if not entry.is_folder}
    _insist_on_none(files - lines.keys() - exempt, "the wheel has {} which RECORD does not list")
    _insist_on_none({path for path in lines.keys() - files - exempt if not path.endswith("/")}, "RECORD lists {} which is not in the wheel")
    hashed = sum(entry.header.size for entry in entries.values()) <= MOST_HASHED
    for name, line in lines.items():
        entry = entries.get(name)
        if entry is None or name in exempt:
            continue
        if line.size not in {None, entry.header.size}:
            raise BadArchive(f"{shown(name)} has another size than RECORD says")
        if hashed and line.algorithm and _digest(source, entry, line.algorithm) != line.digest:
            raise BadArchive(f"{shown(name)} has another hash than RECORD says")


def _insist_on_none(paths: Iterable[str], line: str) -> None:
    path = min(paths, default=None)
    if path is not None:
        raise BadArchive(line.format(shown(path)))


def _lines(raw: bytes) -> dict[str, Line]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadArchive("RECORD is not UTF-8") from error
    lines: dict[str, Line] = {}
    try:
        for row in csv.reader(text.splitlines()):
            if not row:
                continue
            line = _line(row)
            path = row[0].removeprefix("./")
            if lines.setdefault(path, line) != line:
                raise BadArchive(f"RECORD lists {shown(path)} twice, differently")
    except csv.Error as error:
        raise BadArchive("RECORD is malformed") from error
    return lines


def _line(row: list[str]) -> Line:
    if len(row) != 3:
        raise BadArchive("a line of RECORD has not three parts")
    path, hash_, size = row
    algorithm, _, value = hash_.partition("=")
    if algorithm and algorithm not in HASHES:
        raise BadArchive(f"RECORD has a hash by {shown(algorithm)} of {shown(path)}")
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):
        raise BadArchive(f"RECORD has a malformed size of {shown(path)}")
    return Line(algorithm, _hexadecimal(value, path), int(size) if size else None)


def _hexadecimal(value: str, path: str) -> str:
    try:
        return base64.urlsafe_b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)).hex()
    except (binascii.Error, ValueError) as error:
        raise BadArchive(f"RECORD has a malformed hash of {shown(path)}") from error


def _digest(source: BinaryIO, entry: Entry, algorithm: str) -> str:
    state = hashlib.new(algorithm)
    for piece in content(source, entry):
        state.update(piece)
    return state.hexdigest()
