"""Which contents a web server in front may be told to send by itself, and under which names."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface import implementer

from pypidaemon.interfaces import IContent, IOnDisk
from pypidaemon.pace import Held
from pypidaemon.schema import location
from pypidaemon.web.accel import Accel

DIGEST = "ab12" + "0" * 60
ACCEL = Accel("/internal/", "/var/blobs")


@implementer(IContent, IOnDisk)
@attrs.define
class Lying(Held):
    """Bytes that lie somewhere."""

    path: str = ""


def test_a_blob_of_the_store_is_named_below_the_location() -> None:
    assert ACCEL.place(Lying(b"", path=f"/var/blobs/ab/12/{DIGEST}")) == f"/internal/ab/12/{DIGEST}"
    assert Accel("/a/b/", "/var/blobs/").place(Lying(b"", path=f"/var/blobs/ab/12/{DIGEST}")) == f"/a/b/ab/12/{DIGEST}"


@pytest.mark.parametrize(
    "path",
    [
        f"/var/blobs2/ab/12/{DIGEST}",
        f"/elsewhere/ab/12/{DIGEST}",
        f"/var/blobs/ab/13/{DIGEST}",
        f"/var/blobs/drafts/{'0' * 32}",
        f"/var/blobs/ab/12/{DIGEST}\n",
        f"/var/blobs/ab/12/{DIGEST.upper()}",
        "/var/blobs/",
        "",
    ],
)
def test_S4_nothing_else_is_ever_named(path: str) -> None:
    assert ACCEL.place(Lying(b"", path=path)) is None


@given(st.text(max_size=90))
def test_S4_whatever_the_path_a_name_is_that_of_a_blob(below: str) -> None:
    place = ACCEL.place(Lying(b"", path=f"/var/blobs/{below}"))
    assert place is None or (len(place) == 80 and ".." not in place and place.isascii())


def test_bytes_that_lie_in_no_file_are_sent_from_here() -> None:
    assert ACCEL.place(Held(b"x")) is None


@pytest.mark.parametrize("raw", ["/internal/", " /a-b/c_1/ "])
def test_a_location_is_a_plain_path(raw: str) -> None:
    assert location(raw) == raw.strip()


@pytest.mark.parametrize("raw", ["", "/", "internal/", "/internal", "/a b/", "/../", "/a/$uri/", "//", "http://x/", "/a\n/"])
def test_nothing_else_is_a_location(raw: str) -> None:
    with pytest.raises(ValueError, match="is not a location"):
        location(raw)
