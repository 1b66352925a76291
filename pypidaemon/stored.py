"""
An upstream's page as bytes, for the page cache.

The form has a number; after a change of form what is stored is not understood, which costs one request upstream and nothing else (law 8).
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, cast

import orjson

from pypidaemon.model import File, Filename, NormalizedName, ProjectStatus, UpstreamPage, Validators

FORM = 1
"""The number of the form that is written, and the only one that is read."""

_DECODER = json.JSONDecoder()
_LONGEST_ROW = 256 * 1024
_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_WHOLE_OR_NONE = (int, type(None))
_FILE = (_TEXT, _TEXT, _TEXT, (list,), _WHOLE_OR_NONE, *[_TEXT_OR_NONE] * 5, (bool, type(None)))
_PAGE = (
    (int,),
    _TEXT,
    (list,),
    (list,),
    _TEXT,
    _TEXT_OR_NONE,
    _WHOLE_OR_NONE,
    _TEXT_OR_NONE,
    _TEXT_OR_NONE,
    (float, int, type(None)),
    (int,),
)


def encode(page: UpstreamPage) -> bytes:
    """The page as bytes that `decode` turns into an equal page."""
    files = [
        [
            file.filename,
            file.url,
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
        for file in page.files
    ]
    return orjson.dumps(
        [
            FORM,
            page.name,
            files,
            page.versions,
            page.status.marker,
            page.status.reason,
            page.serial,
            page.validators.etag,
            page.validators.last_modified,
            page.max_age,
            page.refused,
        ]
    )


def decode(data: bytes) -> UpstreamPage:
    """
    The page that was encoded. Its names passed the gate before they were stored and are not judged again.

    :raises ValueError: these are not the bytes of a page in this form.
    """
    document = orjson.loads(data)
    # The number comes first, so that another form is not taken for a broken one of this form.
    if not isinstance(document, list) or document[:1] != [FORM]:
        raise ValueError("not a stored page of this form")
    _, name, files, versions, marker, reason, serial, etag, last_modified, max_age, refused = _shaped(document, _PAGE)
    return UpstreamPage(
        name=cast("NormalizedName", name),
        files=tuple(_file(raw) for raw in files),
        versions=tuple(version for (version,) in (_shaped([version], (_TEXT,)) for version in versions)),
        status=ProjectStatus(marker, reason),
        serial=serial,
        validators=Validators(etag, last_modified),
        max_age=max_age,
        refused=refused,
    )


def cut(data: bytes, name: NormalizedName, filename: Filename) -> UpstreamPage:
    """
    The encoded page of that project cut down to one file, or to none where it has no such file; read without reading the rest.

    Of what else a page says only a status that hides the file is kept (PEP 792).

    :raises ValueError: these are not the bytes of a page in this form.
    """
    if not data.startswith(b"[%d," % FORM):
        raise ValueError("not a stored page of this form")
    if b'"quarantined"' in data:
        page = decode(data)
        return UpstreamPage(name, tuple(file for file in page.files if file.filename == filename), status=page.status)
    # A file's row begins with its name, and a clean name needs no escape, so this finds every row of that name.
    start = 0
    while (start := data.find(b'["%s",' % filename.encode(), start)) >= 0:
        row, _ = _DECODER.raw_decode(data[start : start + _LONGEST_ROW].decode("utf-8", "replace"))
        start += 1
        with suppress(ValueError):
            return UpstreamPage(name, (_file(row),))
    return UpstreamPage(name)


def _file(raw: object) -> File:
    filename, url, path, hashes, size, upload_time, requires_python, yanked, core_metadata, provenance, gpg_sig = _shaped(raw, _FILE)
    return File(
        filename=Filename(filename),
        url=url,
        path=path,
        hashes=tuple((algorithm, digest) for algorithm, digest in (_shaped(pair, (_TEXT, _TEXT)) for pair in hashes)),
        size=size,
        upload_time=upload_time,
        requires_python=requires_python,
        yanked=yanked,
        core_metadata=core_metadata,
        provenance=provenance,
        gpg_sig=gpg_sig,
    )


def _shaped(raw: object, shape: tuple[tuple[type, ...], ...]) -> list[Any]:
    """
    The list, if it has these types.

    :raises ValueError: it has not.
    """
    if not isinstance(raw, list) or len(raw) != len(shape):
        raise ValueError("not a stored page of this form")
    for value, types in zip(raw, shape, strict=True):
        if type(value) not in types:
            raise ValueError("not a stored page of this form")
    return raw
