"""What is read plainly of METADATA is what the reader of mail says of it, and the usual is read plainly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email

from pypidaemon.archives.metadata import describe
from pypidaemon.archives.plain import MANY, ONCE, plainly
from pypidaemon.archives.rules import Rules
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Upload

USUAL = b"""\
Metadata-Version: 2.1
Name: foo
Version: 1.0
Summary: bars
Home-page: https://index.example/
Requires-Python: >=3.8
Requires-Dist: bar>=1
Requires-Dist: baz; extra == "all"
Provides-Extra: all

It: has
 a description in \xc3\xa4ny letters.
"""
KEPT = {*ONCE.values(), "requires_dist"}

names = st.sampled_from(
    [*ONCE, MANY, "Name", "NAME", "summary", "author", "description", "content-type", "from", "x-other", "From ", "project-url", "a"]
)
values = st.sampled_from(["1.0", "foo", "a; b", "", " x ", "=?utf-8?q?x?=", "\t1", "\x0b", "\u00e4", "a\n b", "x\r", "\0", "a:b"])
lines = st.builds(lambda name, colon, value: f"{name}{colon}{value}", names, st.sampled_from([": ", ":", " : ", ":\t", ""]), values)
texts = st.builds(
    lambda some, end, body: "\n".join(some) + end + body,
    st.lists(lines, max_size=6),
    st.sampled_from(["\n\n", "\n", "", "\r\n\r\n"]),
    st.text(max_size=9),
)


@given(texts.map(str.encode) | st.binary(max_size=60))
def test_it_is_what_the_reader_of_mail_says(raw: bytes) -> None:
    found = plainly(raw)
    if found is not None:
        assert found == {key: value for key, value in parse_email(raw)[0].items() if key in KEPT}


def test_the_usual_is_read_so_whatever_the_description_is() -> None:
    found = plainly(USUAL)
    assert found == {
        "metadata_version": "2.1",
        "name": "foo",
        "version": "1.0",
        "requires_python": ">=3.8",
        "requires_dist": ["bar>=1", 'baz; extra == "all"'],
    }
    assert plainly(USUAL.partition(b"\n\n")[0]) == found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Summary: bars", b"Summary: b\xc3\xa4rs"),
        (b"Summary: bars", b"Summary: bars\n and more"),
        (b"Summary: bars", b"Summary: bars\r"),
        (b"Summary: bars", b"Content-Type: multipart/mixed"),
        (b"Name: foo", b"Name: foo\nname: bar"),
        (b"Name: foo", b"no field"),
    ],
)
def test_what_could_mean_something_else_is_left_to_that_reader(old: bytes, new: bytes) -> None:
    assert plainly(USUAL.replace(old, new, 1)) is None


def test_two_names_are_none_in_either_way() -> None:
    upload = Upload(project_name("foo"), "1.0", filename("foo-1.0-py3-none-any.whl"), "bdist_wheel", (), ())
    assert describe(USUAL, upload, Rules(), lambda _: True).requires_python == ">=3.8"
    with pytest.raises(BadArchive, match="no readable Name, or more than one"):
        describe(USUAL.replace(b"\nVersion", b"\nName: bar\nVersion", 1), upload, Rules(), lambda _: True)
