"""The bytes of project lists, in any form and content coding, made piece by piece on a thread (R82)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import zstandard
from isal import isal_zlib

from pypidaemon.listings import Entry
from pypidaemon.simple.names import render_names_html, render_names_json
from pypidaemon.simple.xml_rpc import render_names_array, render_names_struct

PIECE = 1 << 18
"""Bytes that are made at a time, about."""

RENDERINGS: Mapping[str, Callable[[Iterable[Entry], int], Iterator[bytes]]] = {
    "html": render_names_html,
    "json": render_names_json,
    "xml": render_names_array,
    "xml-serials": render_names_struct,
}
"""All forms of a list; the last two are answers of XML-RPC."""


def encoded(start: Callable[[], Iterator[bytes]], coding: str) -> Iterator[bytes]:
    """Those pieces in that content coding, begun only when the first is asked for."""
    if coding == "gzip":
        packer = isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)
        for piece in start():
            yield packer.compress(piece)
        yield packer.flush()
    elif coding == "zstd":
        squeezer = zstandard.ZstdCompressor(level=3).compressobj()
        for piece in start():
            yield squeezer.compress(piece)
        yield squeezer.flush()
    else:
        yield from start()


def gather(pieces: Iterator[bytes]) -> bytes:
    """The next quarter of a MiB of them, b"" at the end."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= PIECE:
            break
    return b"".join(gathered)
