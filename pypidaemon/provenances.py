"""
Provenance documents of an upstream (PEP 740): who says that they built these bytes, as upstream's index took it down.

Nothing in them is believed here: whoever goes by them checks the signatures within.
"""

from __future__ import annotations

from contextlib import closing

import orjson

from pypidaemon.interfaces import IUpstream
from pypidaemon.model import InThread

LARGEST = 2 << 20
"""Bytes of a document at most; real ones have some ten thousand (S53)."""


async def fetch(upstream: IUpstream, url: str, cpu: InThread) -> bytes:
    """
    The document behind that URL, which is upstream's word; where it may lead is judged as for every file (S47, S48).

    :raises NoSuchFile: upstream says that there is none.
    :raises UpstreamUnavailable: it cannot be had.
    :raises ValueError: what is there is none.
    """
    pieces: list[bytes] = []
    size = 0
    with closing(await upstream.fetch_body(url, 0)) as body:
        while piece := await body.read():
            size += len(piece)
            if size > LARGEST:
                raise ValueError(f"it has more than {LARGEST >> 20} MiB")
            pieces.append(piece)
    document = b"".join(pieces)
    await cpu(check, document)
    return document


def check(document: bytes) -> None:
    """
    See whether that can be a provenance at all. Slow for large ones, so call it on a thread.

    :raises ValueError: it is none.
    """
    said = orjson.loads(document)
    if not isinstance(said, dict) or "version" not in said or not isinstance(said.get("attestation_bundles"), list):
        raise ValueError("it is no object with `version` and `attestation_bundles`")
