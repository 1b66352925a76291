"""The form of a legacy upload, made of a record and of the metadata in its archive: fields first, the file last, its length known before it begins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from packaging.metadata import parse_email

from pypidaemon.filenames import package_type, python_tag
from pypidaemon.model import FileRecord, NormalizedName
from pypidaemon.simple.links import blake2b_of

_RENAMED = {"platforms": "platform", "supported_platforms": "supported_platform"}
_LEFT_OUT = frozenset({"metadata_version", "name", "version", "license_files"})
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError)
"""What the readers of mail that `packaging` builds on raise over bytes that are no mail."""


def fields(name: NormalizedName, record: FileRecord, metadata: bytes | None) -> list[tuple[str, str]]:
    """
    The fields of the form, in order.

    :param metadata: METADATA or PKG-INFO, None where it cannot be had: whoever takes the file reads it there.
    """
    file = record.file
    said = dict(_described(metadata)) if metadata is not None else {}
    found = [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", str(said.pop("metadata_version", None) or "2.1")),
        ("name", str(said.pop("name", None) or name)),
        ("version", record.version),
        ("filetype", package_type(file.filename)),
        ("pyversion", python_tag(file.filename)),
    ]
    found += [(f"{algorithm}_digest", value) for algorithm, value in file.hashes if algorithm in ("sha256", "md5")]
    if (blake := blake2b_of(file.path)) is not None:
        found.append(("blake2_256_digest", blake))
    for key, value in said.items():
        if key not in _LEFT_OUT:
            found += [(_RENAMED.get(key, key), each) for each in _spelled(key, value)]
    return found


def written(said: list[tuple[str, str]], filename: str) -> tuple[str, bytes, bytes]:
    """The content type of the form, and what stands before and behind the bytes of the file."""
    boundary = os.urandom(16).hex()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode("utf-8", "replace") for key, value in said
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, head.encode()]), f"\r\n--{boundary}--\r\n".encode()


def _described(metadata: bytes) -> Mapping[str, object]:
    try:
        found, _ = parse_email(metadata)
    except _UNREADABLE:
        return {}
    return dict(found)


def _spelled(key: str, value: object) -> Iterator[str]:
    """The values of a field, as uploaders write them."""
    if isinstance(value, str):
        yield value
    elif key == "keywords" and isinstance(value, list):
        yield ",".join(value)
    elif isinstance(value, dict):
        yield from (f"{label}, {url}" for label, url in value.items())
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))
