"""Clients that see everything: what status, how long it took, whether the body was complete and what its sha256 is."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from html import unescape
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import attrs

DEADLINE = 20.0
"""Seconds that a client gives one request, from connecting to the last byte; a server that takes longer has hung."""
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
PIECE = 1 << 16


@attrs.frozen
class Got:
    """
    One answer. `status` is None where none came; `complete` says that all of the body came that was announced; `sha256` is that of the body.

    `seconds` is the whole time, and `trouble` what went wrong with the connection.
    """

    url: str
    status: int | None
    headers: Mapping[str, str]
    body: bytes
    sha256: str
    length: int
    complete: bool
    seconds: float
    trouble: str = ""

    @property
    def hung(self) -> bool:
        """Whether the server let the client wait for too long."""
        return self.trouble == "deadline"

    def json(self) -> Any:
        """The body as a JSON document."""
        return json.loads(self.body)


def get(url: str, accept: str = "*/*", *, deadline: float = DEADLINE, keep: bool = False, leave_after: int | None = None) -> Got:
    """
    Get a URL on a connection of its own, and go where redirects point, as installers do.

    :param keep: whether the body is kept, besides its digest.
    :param leave_after: so many bytes of the body, after which this client resets the connection.
    """
    began = time.monotonic()
    target = url
    for _ in range(4):
        found = _once(target, accept, began, deadline, keep, leave_after)
        if found.status not in (301, 302, 303, 307, 308) or "location" not in found.headers:
            break
        target = urljoin(target, found.headers["location"])
    return attrs.evolve(found, url=url)


def _once(url: str, accept: str, began: float, deadline: float, keep: bool, leave_after: int | None) -> Got:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=deadline)
    digest, length, kept = hashlib.sha256(), 0, []
    status, headers, trouble, is_complete = None, {}, "", False
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": accept, "Accept-Encoding": "identity", "Connection": "close"})
        answer = connection.getresponse()
        status, headers = answer.status, {name.lower(): value for name, value in answer.getheaders()}
        while piece := _piece(connection, answer, began + deadline):
            digest.update(piece)
            length += len(piece)
            if keep:
                kept.append(piece)
            if leave_after is not None and length >= leave_after:
                _reset(connection)
                trouble = "left"
                break
        # http.client takes an early end for a good one when it is read in pieces.
        is_complete = not trouble and length == int(headers.get("content-length", length))
        trouble = trouble or ("" if is_complete else "cut short")
    except TimeoutError:
        trouble = "deadline"
    except (OSError, HTTPException, ValueError) as error:
        trouble = f"{type(error).__name__}: {error}"[:200]
    finally:
        connection.close()
    return Got(url, status, headers, b"".join(kept), digest.hexdigest(), length, is_complete, time.monotonic() - began, trouble)


def _piece(connection: HTTPConnection, answer: HTTPResponse, until: float) -> bytes:
    """The next bytes of a body, in what is left of the time: each byte of a slow answer would begin a time-out of its own."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if connection.sock is not None:
        connection.sock.settimeout(left)
    return answer.read1(PIECE)


def _reset(connection: HTTPConnection) -> None:
    if connection.sock is not None:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@attrs.frozen
class Listed:
    """A file as a page lists it; a hash is None where the page has none."""

    filename: str
    url: str
    sha256: str | None
    metadata: str | None = None


def listed(page: Got) -> dict[str, Listed]:
    """
    The files of a page, in JSON or HTML, by name.

    :raises ValueError: it is no page of an index.
    """
    if "json" in page.headers.get("content-type", ""):
        found = {}
        for file in page.json()["files"]:
            metadata = file.get("core-metadata") or {}
            sha256 = metadata.get("sha256") if isinstance(metadata, dict) else None
            found[file["filename"]] = Listed(file["filename"], urljoin(page.url, file["url"]), file["hashes"].get("sha256"), sha256)
        return found
    return {file.filename: file for file in (_link(page.url, *link) for link in _LINK.findall(page.body.decode("utf-8", "replace")))}


def offered(page: Got) -> dict[str, Listed]:
    """The same; nothing where it is no page, or was not given."""
    with suppress(ValueError, KeyError, TypeError):
        return listed(page) if page.status == 200 else {}
    return {}


_LINK = re.compile(r"<a\s([^>]*)>([^<]*)</a>")
_FIELD = re.compile(r'([a-z-]+)="([^"]*)"')


def _link(base: str, attributes: str, text: str) -> Listed:
    fields = {name: unescape(value) for name, value in _FIELD.findall(attributes)}
    url, fragment = urldefrag(urljoin(base, fields.get("href", "")))
    hashes = [
        value.removeprefix("sha256=") if value.startswith("sha256=") else None for value in (fragment, fields.get("data-core-metadata", ""))
    ]
    return Listed(unescape(text).strip(), url, *hashes)


def serial(page: Got) -> int | None:
    """The serial that a page says it has; None where it says none."""
    raw = page.headers.get("x-pypi-last-serial", "")
    return int(raw) if raw.isdigit() else None
