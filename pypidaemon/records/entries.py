"""An entry of a page as a column holds it: JSON of what is not as it is by default, in the form that was released."""

from __future__ import annotations

import json

import attrs

from pypidaemon.model import File

_GATHERED = ("described", "attested")
"""What is no part of it."""
_KEPT = tuple((field.name, field.default) for field in attrs.fields(File) if field.name not in _GATHERED)
_JSON = json.JSONEncoder(separators=(",", ":"))


def bare(file: File) -> File:
    """The entry without what was only gathered for policies: that is on no page, and is found out anew by whoever wants to know."""
    if file.described is None and file.attested is None:
        return file
    return attrs.evolve(file, described=None, attested=None)


def write(file: File) -> str:
    """The entry, bare, as text that `read` turns into an equal one."""
    # What is kept is text, numbers and pairs of text, so that nothing has to be taken apart first.
    said = {name: value for name, default in _KEPT if (value := getattr(file, name)) != default}
    return _JSON.encode(said)


def read(entry: str) -> File:
    """
    The entry that was written. It passed the gate before it was stored and is not judged again.

    :raises ValueError: it is not what was written.
    """
    try:
        raw = json.loads(entry)
        raw["hashes"] = tuple((algorithm, value) for algorithm, value in raw.get("hashes", ()))
        return File(**raw)
    except (AttributeError, TypeError) as error:
        raise ValueError("not a stored entry") from error
