"""
Real provenance, as two projects have it on the public index, and ways to spoil it.

Both documents, and the wheel of the second, came with the tests of `pypi-attestations` 0.0.30.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import attrs

from pypidaemon.model import Digest, File, Filename, NormalizedName

RECORDED = Path(__file__).parent / "recorded"


@attrs.frozen
class Material:
    """A file whose provenance is known, and who attests it."""

    name: NormalizedName
    filename: Filename
    digest: Digest
    publisher: str

    @property
    def provenance(self) -> bytes:
        """Its provenance."""
        return (RECORDED / f"{self.filename}.provenance").read_bytes()

    @property
    def url(self) -> str:
        """Where a test's upstream has it."""
        return f"https://files.example/{self.filename}/provenance"

    def entry(self, **more: Any) -> File:
        """Its entry on a page."""
        known: dict[str, Any] = {
            "url": f"https://files.example/{self.filename}",
            "path": f"by-name/pypi/{self.name}/{self.filename}",
            "hashes": (("sha256", self.digest),),
            "size": 1,
            "upload_time": "2026-01-02T03:04:05Z",
            "provenance": self.url,
        }
        return File(self.filename, **{**known, **more})


GITHUB = Material(
    NormalizedName("pypi-attestations"),
    Filename("pypi_attestations-0.0.19.tar.gz"),
    Digest("9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3"),
    "github:trailofbits/pypi-attestations",
)
CIRCLECI = Material(
    NormalizedName("circleci-sign-publish-example"),
    Filename("circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl"),
    Digest("8cb34da1e27336f11a2c43f3f9c7433bd76f24f470c904724f06ad7f131d9e9f"),
    "circleci:fdd9283f-e619-46af-8f9c-851f7d3e8b2b",
)


def altered(document: bytes, *path: str | int, to: Any) -> bytes:
    """That document with another value in one place."""
    said = json.loads(document)
    place = said
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to(place[path[-1]]) if callable(to) else to
    return json.dumps(said).encode()


def another_bit(encoded: str) -> str:
    """Those bytes with one bit turned over, near their end."""
    raw = bytearray(base64.b64decode(encoded))
    raw[-9] ^= 1
    return base64.b64encode(bytes(raw)).decode()
