"""
An upstream's page as bytes, for the page cache and for what mirrors hold.

It is one line of JSON for the page and one for each file, so that a page of many files is written and read without holding up other
threads, and one file is read without the others. The form has a number. What a page cache has in a form that is not known is not understood, which
costs one request upstream and nothing else (law 8); but a mirror must do without upstream, so each form is read that was ever written.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import Any, cast

import orjson

from pypidaemon.model import File, Filename, NormalizedName, ProjectStatus, UpstreamPage, Validators

FORM = 3
"""The number of the form that is written."""

UNSOURCED = 2
"""The one before it, which is read as well: it does not say whose the validators are, so they are nobody's."""

_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_WHOLE_OR_NONE = (int, type(None))


class _Shape:
    """The types that each value of a list may have. There are few ways to have them, and a page has thousands of files, so those that were met are known."""

    def __init__(self, *types: tuple[type, ...]) -> None:
        self._types = types
        self._met: set[tuple[type, ...]] = set()

    def of(self, raw: object) -> list[Any]:
        """
        The list, if it has these types.

        :raises ValueError: it has not.
        """
        found = tuple(map(type, raw)) if isinstance(raw, list) else ()
        if found not in self._met:
            if len(found) != len(self._types) or not all(one in types for one, types in zip(found, self._types, strict=True)):
                raise ValueError("not a stored page of this form")
            self._met.add(found)
        known: Any = raw
        return known  # type: ignore[no-any-return]  # a list, or it would not have been of these types


_FILE = _Shape(_TEXT, _TEXT, _TEXT, (list,), _WHOLE_OR_NONE, *[_TEXT_OR_NONE] * 5, (bool, type(None)))
_PAIR = _Shape(_TEXT, _TEXT)
_HEAD = (
    (int,),
    _TEXT,
    (int,),
    _TEXT,
    _TEXT_OR_NONE,
    _WHOLE_OR_NONE,
    _TEXT_OR_NONE,
    _TEXT_OR_NONE,
    (float, int, type(None)),
    (int,),
    (list,),
)
_HEADS = {UNSOURCED: _Shape(*_HEAD), FORM: _Shape(*_HEAD, _TEXT)}


def encode(page: UpstreamPage) -> bytes:
    """The page as bytes that `decode` turns into an equal page. Pure but slow on large pages: run it off the reactor's thread."""
    head = [
        FORM,
        page.name,
        len(page.files),
        page.status.marker,
        page.status.reason,
        page.serial,
        page.validators.etag,
        page.validators.last_modified,
        page.max_age,
        page.refused,
        page.versions,
        page.validators.source,
    ]
    return b"\n".join([orjson.dumps(head), *(_row(file) for file in page.files), b""])


def decode(data: bytes) -> UpstreamPage:
    """
    The page that was encoded. Its names passed the gate before they were stored and are not judged again.

    Pure but slow on large pages: run it off the reactor's thread.

    :raises ValueError: these are not the bytes of a page in this form.
    """
    lines = _lines(data)
    head = _head(next(lines, b""))
    _, name, count, marker, reason, serial, etag, last_modified, max_age, refused, versions, *source = head
    files = tuple(_file(orjson.loads(line)) for line in lines)
    if len(files) != count:
        raise ValueError("not the whole of a stored page")
    return UpstreamPage(
        name=cast("NormalizedName", name),
        files=files,
        versions=_texts(versions),
        status=ProjectStatus(marker, reason),
        serial=serial,
        validators=Validators(etag, last_modified, *source),
        max_age=max_age,
        refused=refused,
    )


def cut(data: bytes, name: NormalizedName, filename: Filename) -> UpstreamPage:
    """
    The encoded page of that project cut down to one file, or to none where it has no such file; read without reading the rest.

    Of what else a page says only a status that hides the file is kept (PEP 792).

    :raises ValueError: these are not the bytes of a page in this form.
    """
    head = next(_lines(data), b"")
    _form(head)
    status = ProjectStatus()
    if b'"quarantined"' in head:
        _, _, _, marker, reason, *_ = _head(head)
        if marker == "quarantined":
            status = ProjectStatus(marker, reason)
    # A row begins with the file's name, and a clean name needs no escape; no line break stands within a row.
    start = data.find(b'\n["%s",' % filename.encode()) + 1
    if not start:
        return UpstreamPage(name, status=status)
    return UpstreamPage(name, (_file(orjson.loads(next(_lines(data, start)))),), status=status)


def _row(file: File) -> bytes:
    return orjson.dumps(
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
    )


def _lines(data: bytes, start: int = 0) -> Iterator[bytes]:
    """The lines from there on, without their breaks; one that has no break was cut short and is left out."""
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start:end]
        start = end + 1


def _form(head: bytes) -> int:
    # The number comes first, so that another form is not taken for a broken one of this form.
    form = next((known for known in _HEADS if head.startswith(b"[%d," % known)), None)
    if form is None:
        raise ValueError("not a stored page of this form")
    return form


def _head(head: bytes) -> list[Any]:
    return _HEADS[_form(head)].of(orjson.loads(head))


def _file(raw: object) -> File:
    filename, url, path, hashes, size, upload_time, requires_python, yanked, core_metadata, provenance, gpg_sig = _FILE.of(raw)
    return File(
        filename=Filename(filename),
        url=url,
        path=path,
        # Of these names there are few, as of what is required of Python, and one of each for every file.
        hashes=tuple([(intern(pair[0]), pair[1]) for pair in map(_PAIR.of, hashes)]),
        size=size,
        upload_time=upload_time,
        requires_python=None if requires_python is None else intern(requires_python),
        yanked=yanked,
        core_metadata=core_metadata,
        provenance=provenance,
        gpg_sig=gpg_sig,
    )


def _texts(raw: list[Any]) -> tuple[str, ...]:
    if not all(type(one) is str for one in raw):
        raise ValueError("not a stored page of this form")
    return tuple(raw)
