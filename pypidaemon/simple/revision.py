"""What tells one state of a page from another."""

from __future__ import annotations

from hashlib import blake2b

import attrs
import orjson

from pypidaemon.model import File, ProjectPage

MARK = 16
"""Bytes of what `mark` gives."""


def revise(page: ProjectPage) -> ProjectPage:
    """
    The page with its `revision`: 32 hexadecimal digits that change when, and only when, something changes that a client can see (R71).

    Serial, freshness, source, staleness and where bytes come from are no part of it. The same content has the same revision in
    every process and after every restart.
    """
    seen = blake2b(orjson.dumps([page.name, page.versions, [page.status.marker, page.status.reason], []])[:-2], digest_size=16)
    # File by file, so that a page of many never holds up other threads.
    for number, file in enumerate(page.files):
        seen.update((b"," if number else b"") + _seen(file))
    seen.update(b"]]")
    return attrs.evolve(page, revision=seen.hexdigest())


def mark(file: File) -> bytes:
    """What tells an entry from any other: `MARK` bytes."""
    return blake2b(_seen(file), digest_size=MARK).digest()


def revision(page: ProjectPage, marks: bytes | bytearray) -> str:
    """
    The `revision` of a page by the marks of its files, one after the other: what changes of it is worked out without looking at all of them again.

    It is another one than `revise` gives to the same page, so that each index sticks to one of the two.
    """
    seen = blake2b(orjson.dumps([page.name, page.versions, [page.status.marker, page.status.reason], "marks"]), digest_size=16)
    seen.update(marks)
    return seen.hexdigest()


def _seen(file: File) -> bytes:
    return orjson.dumps(
        [
            file.filename,
            file.path,
            file.hashes,
            file.size,
            file.upload_time,
            file.requires_python,
            file.yanked,
            file.core_metadata,
            file.provenance,
            file.gpg_sig,
        ]
    )
