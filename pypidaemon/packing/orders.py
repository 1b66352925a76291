"""Orders to pack something, as they come from the command line and over HTTP, read and checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pypidaemon.errors import PypidaemonError

if TYPE_CHECKING:
    from pypidaemon.packing.run import Order

LARGEST = 24 << 20
"""Bytes of an order: a lock of 16 Mi characters, which no project has, and something beside it."""

MOST_FILES = 1000
"""Files of one order, those that others include counted."""

LONGEST_NAME = 4096
"""Characters of a file's name with its folders, as systems have it."""


class Unreadable(PypidaemonError):
    """That is no order; why, in one line."""


def read_order(body: bytes, asked: Sequence[tuple[str, str]], *, is_json: bool) -> tuple[Order, str | None]:
    """
    What is to be packed, and the label of the index that it is to be had from, None where nobody said that.

    :param asked: what else was said of it, as in a URL's query: `name` of a file that is the body itself, `python` and `platform`, as often as need be,
        `index`, `pin=no` and `rehearsal=yes`.
    :param is_json: whether the body is an object with `files`, a list of names, and `texts`, by name those of them and of what they include.
    :raises Unreadable: it makes no sense.
    """
    # With the first order, on a thread, is what packs.
    from pypidaemon.packing.run import Order
    from pypidaemon.packing.targets import targets

    query = {key: [value for other, value in asked if other == key] for key, _ in asked}
    names, texts = _files(body) if is_json else _file(body, query.get("name", []))
    try:
        whose = targets(tuple(query.get("python", [])), tuple(query.get("platform", [])))
    except ValueError as error:
        raise Unreadable(str(error)) from None
    order = Order(names, texts, whose, query.get("pin") != ["no"], query.get("rehearsal") == ["yes"])
    return order, query["index"][-1] if "index" in query else None


def _file(body: bytes, names: Sequence[str]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if len(names) != 1:
        raise Unreadable("say with name= what the file is called, such as uv.lock")
    _insist_on_names(names)
    try:
        return tuple(names), {names[0]: body.decode("utf-8")}
    except UnicodeDecodeError:
        raise Unreadable(f"{names[0]}: it is not UTF-8") from None


def _files(body: bytes) -> tuple[tuple[str, ...], Mapping[str, str]]:
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    names, texts = (document.get("files"), document.get("texts")) if isinstance(document, dict) else (None, None)
    if not isinstance(names, list) or not isinstance(texts, dict) or not names:
        raise Unreadable("the body must be a JSON object with files and texts")
    if not all(isinstance(one, str) for one in (*names, *texts, *texts.values())):
        raise Unreadable("files are names, and texts are texts by name")
    if len(texts) > MOST_FILES:
        raise Unreadable(f"more than {MOST_FILES} files")
    _insist_on_names((*names, *texts))
    return tuple(names), texts


def _insist_on_names(names: Iterable[str]) -> None:
    """They come into messages and logs."""
    for name in names:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise Unreadable(f"{ascii(name)[:80]} is no name of a file")
