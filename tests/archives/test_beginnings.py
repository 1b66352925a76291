"""How archives begin."""

from __future__ import annotations

import io
import tarfile

import pytest

from pypidaemon.archives.beginnings import LONGEST, begins_well
from pypidaemon.model import Filename
from pypidaemon.testing.archives import make_sdist, make_wheel


def tarred(mode: str) -> bytes:
    """An archive of that compression."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]  # a mode is a word to it
        archive.addfile(tarfile.TarInfo("foo"))
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        make_wheel("foo", "1.0"),
        make_sdist("foo", "1.0"),
        ("foo-1.0.zip", b"PK\x05\x06" + bytes(18)),
        ("foo-1.0.tar.bz2", tarred("w:bz2")),
        ("foo-1.0.tar.xz", tarred("w:xz")),
        ("foo-1.0.tar.gz", tarred("w:bz2")),
        ("foo-1.0.tar", tarred("w")),
        ("foo-1.0.win32.exe", b"MZ\x90\x00\x03"),
        ("foo-1.0.tar.gz.asc", b"-----BEGIN"),
    ],
)
def test_an_archive_begins_as_one(name: str, data: bytes) -> None:
    """Also one of another kind than its name says, and what is none by its name."""
    assert begins_well(Filename(name), data[:LONGEST])


@pytest.mark.parametrize("name", ["foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz", "FOO-1.0.ZIP", "foo-1.0.win32.exe"])
@pytest.mark.parametrize("data", [b"", b"P", b"<!doctype html>", b'{"error": "log in"}', b"\xef\xbb\xbf<html>"])
def test_a_page_of_somebody_else_s_does_not(name: str, data: bytes) -> None:
    assert not begins_well(Filename(name), data[:LONGEST])
