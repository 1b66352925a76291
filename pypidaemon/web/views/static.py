"""Style and scripts of the pages: files beside this module, each served for ever below a word that its content gives."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files

import attrs
from isal import igzip

from pypidaemon.errors import NoSuchFile
from pypidaemon.simple.negotiation import choose_coding
from pypidaemon.web.ask import Ask
from pypidaemon.web.browsing import STATIC
from pypidaemon.web.reply import Reply

FOLDER = STATIC
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Vary", "Accept-Encoding"),
    # An image is a document where somebody opens it by itself.
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


@attrs.frozen
class Asset:
    """One file: its type, its bytes as they are and compressed, and the word that changes with them."""

    content_type: str
    body: bytes
    packed: bytes
    word: str


def _read() -> Mapping[str, Asset]:
    found: dict[str, Asset] = {}
    for file in files(__package__).iterdir():
        kind = _TYPES.get(file.name[file.name.rfind(".") :])
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = Asset(kind, body, igzip.compress(body, 3, mtime=0), blake2b(body, digest_size=8).hexdigest())
    return found


ASSETS: Mapping[str, Asset] = _read()
"""All that there are, by their names; read once, since a process stays what it was when it began."""


def path(name: str) -> str:
    """
    Where that file is, below the root: `+static/WORD/style.css`.

    :raises KeyError: there is none of that name.
    """
    return f"{FOLDER}/{ASSETS[name].word}/{name}"


def answer(ask: Ask, word: str, name: str) -> Reply:
    """
    That file. Who asks by the word of an earlier version has a page of that time in hand, and is better served by the file of now than by none.

    :raises NoSuchFile: there is none of that name.
    """
    asset = ASSETS.get(name)
    if asset is None:
        raise NoSuchFile(f"{FOLDER}/{name}"[:200])
    lifetime = _FOR_EVER if word == asset.word else "no-cache"
    headers = (("Cache-Control", lifetime), *_HEADERS, ("Content-Type", asset.content_type))
    if choose_coding(ask.headers.every("accept-encoding"), ("gzip",)) == "gzip":
        return Reply(200, (*headers, ("Content-Encoding", "gzip")), asset.packed)
    return Reply(200, headers, asset.body)
