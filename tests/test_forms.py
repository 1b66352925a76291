"""Upload forms as clients send them, in pieces of any size; and forms that nobody should send (S23)."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pypidaemon import forms
from pypidaemon.errors import InvalidUpload
from pypidaemon.forms import Event, Field, FileBegins, FileBytes, FileEnds, FormLimits, FormReader
from tests import hostile
from tests.hostile import CLOSE, CONTENT, MULTIPART, part

RECORDED = Path(__file__).parent / "recorded"
FORMS = hostile.forms()
SPECIAL = [b"\r", b"\n", b"\r\n", b"-", b"--", b"--b", b"\n--b", b"\r\n--b", b"--b--", b"--b\r\n", b"x", b":", b"\xff", b'"']


LIMITS = FormLimits()


def read(content_type: str, pieces: Iterable[bytes], limits: FormLimits = LIMITS) -> list[Event]:
    """All events of a form, with the bytes of each file in one."""
    reader = FormReader(content_type, limits)
    return list(joined(event for piece in pieces for event in reader.feed(piece))) + list(reader.end())


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The same events however the bytes of a file came."""
    waiting = b""
    for event in events:
        if isinstance(event, FileBytes):
            assert event.data
            waiting += event.data
            continue
        if waiting:
            yield FileBytes(waiting)
            waiting = b""
        yield event


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data, cut at these places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def recorded(name: str) -> tuple[str, bytes]:
    """Content-Type and body of a form that a real client sent."""
    head, _, body = (RECORDED / f"{name}.form").read_bytes().partition(b"\n")
    return head.decode("ascii"), body


def test_R159_parts_in_any_order_become_events() -> None:
    body = CONTENT + part("name", b"foo") + part("classifiers", b"A") + part("classifiers", b"B") + part(":action", b"file_upload") + CLOSE
    assert read(MULTIPART, [body]) == [
        FileBegins("content", "a-1.tar.gz", ""),
        FileBytes(b"data"),
        FileEnds(),
        Field("name", "foo"),
        Field("classifiers", "A"),
        Field("classifiers", "B"),
        Field(":action", "file_upload"),
    ]


def test_S24_bytes_of_the_file_are_given_on_as_they_come() -> None:
    """Of a file being sent the reader holds back no more than could be the beginning of a boundary."""
    reader = FormReader(MULTIPART)
    list(reader.feed(part("content", b"", '; filename="a-1.tar.gz"')[:-2]))
    for _ in range(5):
        given_on = sum(len(event.data) for event in reader.feed(b"x" * 10_000) if isinstance(event, FileBytes))
        assert given_on >= 10_000 - 8


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.11"])
def test_P1_what_distutils_uploads(version: str) -> None:
    content_type, body = recorded(f"distutils-{version}-upload")
    events = read(content_type, [body])
    fields = {event.name: event.value for event in events if isinstance(event, Field)}
    assert fields[":action"] == "file_upload"
    assert (fields["name"], fields["version"]) == ("seeds-priv", "1.0")
    assert fields["summary"] == "d\xe9j\xe0 vu"
    assert fields["description"] == "one\ntwo\n"
    assert [event.value for event in events if isinstance(event, Field) and event.name == "classifiers"] == ["A :: B", "C"]
    position = next(position for position, event in enumerate(events) if isinstance(event, FileBegins))
    begins, content, ends = events[position : position + 3]
    assert begins == FileBegins("content", "seeds-priv-1.0.tar.gz", "")
    assert isinstance(content, FileBytes)
    assert content.data.startswith(b"\x1f\x8b")
    assert ends == FileEnds()


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.11"])
def test_P2_the_bare_line_feeds_of_register(version: str) -> None:
    content_type, body = recorded(f"distutils-{version}-register")
    assert b"\r\n" not in body
    fields = [(event.name, event.value) for event in read(content_type, [body]) if isinstance(event, Field)]
    assert (":action", "submit") in fields
    assert ("description", "one\ntwo\n") in fields
    assert ("summary", "d\xe9j\xe0 vu") in fields
    assert ("platform", "UNKNOWN") in fields


@pytest.mark.parametrize("name", ["uv-0.13-wheel", "uv-0.13-sdist"])
def test_R160_what_uv_uploads(name: str) -> None:
    content_type, body = recorded(name)
    events = read(content_type, [body])
    assert any(isinstance(event, FileBegins) and event.filename.startswith("seeds_priv-1.0") for event in events)
    assert Field(":action", "file_upload") in events


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("*.form")))
def test_recorded_forms_byte_by_byte(name: str) -> None:
    content_type, body = recorded(name)
    assert read(content_type, [body[place : place + 1] for place in range(len(body))]) == read(content_type, [body])


@pytest.mark.parametrize(
    ("header", "name", "filename"),
    [
        ('form-data; name="content"; filename="a b-1.tar.gz"', "content", "a b-1.tar.gz"),
        ('form-data; name="content";filename="a-1.tar.gz"', "content", "a-1.tar.gz"),
        ("form-data; name=content; filename=a-1.tar.gz", "content", "a-1.tar.gz"),
        ('form-data; filename="a-1.tar.gz"; name="content"', "content", "a-1.tar.gz"),
        (r'form-data; name="content"; filename="a\"b\\c.whl"', "content", 'a"b\\c.whl'),
        ('form-data; name="content"; filename="a%22b%0D%0A.whl"', "content", 'a"b\r\n.whl'),
        ("form-data; name=\"content\"; filename*=UTF-8''na%C3%AFve-1.whl", "content", "na\xefve-1.whl"),
        ('form-data; name="content"; filename="x.whl"; filename*=utf-8\'en\'y%2Bz.whl', "content", "y+z.whl"),
        ("form-data; name=\"content\"; filename*=iso-8859-1''%E9.whl", "content", "\xe9.whl"),
        ('form-data; name="content"; filename="../../etc/passwd"', "content", "../../etc/passwd"),
        ('form-data; name="gpg_signature"; filename="a.asc"', "gpg_signature", "a.asc"),
        ("FORM-DATA; NAME=\"content\"; FileName=''", "content", "''"),
    ],
)
def test_R160_file_names_in_every_quoting(header: str, name: str, filename: str) -> None:
    body = f"--b\r\nContent-Disposition: {header}\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n".encode() + CLOSE
    assert read(MULTIPART, [body])[0] == FileBegins(name, filename, "application/octet-stream")


def test_a_file_name_that_is_not_in_its_charset_is_refused() -> None:
    with pytest.raises(InvalidUpload, match="charset"):
        read(MULTIPART, [part("content", more="; filename*=UTF-8''%ff") + CLOSE])


@pytest.mark.parametrize(("raw", "text"), [("dé ☃".encode(), "dé ☃"), (b"d\xe9j\xe0", "d\xe9j\xe0"), (b"", ""), (b"\r\n\r\n", "\r\n\r\n")])
def test_R182_text_without_a_charset(raw: bytes, text: str) -> None:
    assert read(MULTIPART, [part("summary", raw) + CLOSE]) == [Field("summary", text)]


@pytest.mark.parametrize("content_type", ['multipart/form-data; boundary="b"', "Multipart/Form-Data; charset=utf-8; boundary=b"])
def test_the_content_type_in_other_spellings(content_type: str) -> None:
    assert read(content_type, [part("a") + CLOSE]) == [Field("a", "x")]


@pytest.mark.parametrize("body", [CLOSE, b"--b--", b"\r\n\r\n" + CLOSE])
def test_a_form_without_parts(body: bytes) -> None:
    assert read(MULTIPART, [body]) == []


def test_what_follows_the_end_is_passed_over() -> None:
    assert read(MULTIPART, [part("a") + CLOSE, b"epilogue"]) == [Field("a", "x")]
    assert read(MULTIPART, [b'--b\nContent-Disposition: form-data; name="a"\n\nx\n--b--\nepi', b"logue"]) == [Field("a", "x")]


def test_bare_line_feeds_leave_the_file_as_it_is() -> None:
    data = b"\r\n\n--c\r\n--b\r\r\n\r"
    body = b'--b\nContent-Disposition: form-data; name="content"; filename="a"\n\n' + data.replace(b"\n--b", b"\n-b") + b"\n--b--\n"
    assert read(MULTIPART, [body])[1] == FileBytes(data.replace(b"\n--b", b"\n-b"))


@pytest.mark.parametrize("bad", FORMS, ids=[bad.rule for bad in FORMS])
@pytest.mark.parametrize("size", [1 << 16, 777])
def test_S23_bad_forms_are_refused_in_one_line(bad: hostile.BadForm, size: int) -> None:
    with pytest.raises(InvalidUpload) as caught:
        read(bad.content_type, [bad.body[place : place + size] for place in range(0, len(bad.body), size)])
    line = str(caught.value)
    assert bad.words in line
    assert line.isprintable()
    assert len(line) < 300


def test_S23_what_is_just_within_the_limits_passes() -> None:
    limits = FormLimits(parts=3, field=4, long_field=8, fields=16)
    body = part("a", b"1234") + part("description", b"12345678") + part("b", b"1234") + CLOSE
    assert len(read(MULTIPART, [body], limits)) == 3
    assert (
        len(read("multipart/form-data; boundary=" + "b" * 70, [part("a").replace(b"--b", b"--" + b"b" * 70) + b"--" + b"b" * 70 + b"--"]))
        == 1
    )
    for tight in (FormLimits(parts=2), FormLimits(field=3), FormLimits(long_field=7), FormLimits(fields=15)):
        with pytest.raises(InvalidUpload):
            read(MULTIPART, [body], tight)


def test_S23_content_may_be_of_any_size() -> None:
    assert len(read(MULTIPART, [part("content", b"x" * 100, '; filename="a"') + CLOSE], FormLimits(field=1, long_field=1, fields=1))) == 3


def test_S23_the_header_of_a_part_is_limited_as_a_whole() -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 3000) for number in range(3))
    with pytest.raises(InvalidUpload, match="header of a part"):
        read(MULTIPART, [part("a").replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n", 1) + CLOSE])


def test_nothing_fed_is_nothing_given() -> None:
    assert read(MULTIPART, [b"", part("a"), b"", CLOSE, b""]) == [Field("a", "x")]


VALUES = st.lists(st.sampled_from([*SPECIAL, b"\n--", b"\r\r\n"]), max_size=8).map(b"".join).filter(lambda value: b"--b" not in value)


@given(
    st.lists(st.tuples(st.sampled_from(["name", "classifiers", "gpg_signature"]), VALUES), max_size=5),
    VALUES,
    st.sampled_from([b"\r\n", b"\n"]),
    st.lists(st.integers(min_value=0), max_size=12),
)
@example([], b"\r", b"\n", [])
@example([("name", b"\n--")], b"\r\n--", b"\r\n", [1, 2, 3])
def test_any_chunking_gives_the_same_events(fields: list[tuple[str, bytes]], data: bytes, end: bytes, places: list[int]) -> None:
    def piece(name: str, value: bytes, more: bytes = b"") -> bytes:
        return b'--b%bContent-Disposition: form-data; name="%b"%b%b%b' % (end, name.encode(), more, end * 2, value) + end

    body = b"".join(piece(name, value) for name, value in fields)
    body += piece("content", data, b'; filename="a.whl"') + b"--b--" + end
    expected: list[Event] = []
    for name, value in fields:
        try:
            expected.append(Field(name, value.decode()))
        except UnicodeDecodeError:
            expected.append(Field(name, value.decode("latin-1")))
    expected += [FileBegins("content", "a.whl", ""), *([FileBytes(data)] if data else []), FileEnds()]
    assert read(MULTIPART, [body]) == expected
    assert read(MULTIPART, cut(body, places)) == expected


@given(
    st.lists(
        st.one_of(st.sampled_from([*SPECIAL, part("a"), CONTENT, CLOSE, b"Content-Disposition: form-data"]), st.binary(max_size=9)),
        max_size=20,
    ),
    st.lists(st.integers(min_value=0), max_size=12),
)
def test_S23_any_bytes_are_a_form_or_refused(pieces: list[bytes], places: list[int]) -> None:
    """Whatever comes, and however it is cut, the only error is InvalidUpload, and the verdict is the same."""
    body = b"".join(pieces)
    verdicts = []
    for way in ([body], cut(body, places), [body[place : place + 1] for place in range(len(body))]):
        try:
            verdicts.append(read(MULTIPART, way))
        except InvalidUpload as error:
            verdicts.append([Field("refused", "")] if str(error).isprintable() else [])
    assert verdicts[0] == verdicts[1] == verdicts[2]


HEADS = [
    *[b'"%b"' % name for name in (b"name", b"a" * 81, b"na%22me", b"", b"content")],
    *[b'"content"; filename="%b"' % name for name in (b"f-1.0.tar.gz", b"f%22.whl", b"a/b", b"x" * 251, b"")],
    b'"gpg_signature"; filename="f.asc"',
    b"name",
]
LINES = [
    b"",
    *[b"Content-Type: %b\r\n" % kind for kind in (b"text/plain", b"a/b; charset=x", b"application/.", b"a")],
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Length: 1\r\n",
]
NEAR = [b"", b"\r\n", b"\n", b"-", b"--", b" ", b"x"]
ENDS = [b"--\r\n", b"--", b"--more", b"--\r\n--b\r\n", b"-", b"", b"\r\n"]
ODD = [
    *SPECIAL,
    b"",
    b"\0",
    b"\xc3\xa4",
    b'\r\n--b\rxContent-Disposition: form-data; name="q"\r\n\r\n',
    *[b"%b--b%b" % near for near in itertools.product(NEAR, NEAR)],
]


def nearly_plain() -> Iterator[tuple[bytes, FormLimits]]:
    """Forms as uploaders write them, but for something in one of their parts."""

    def form(head: bytes = b'"version"', line: bytes = b"", value: bytes = b"1", data: bytes = b"x", end: bytes = ENDS[0]) -> bytes:
        parts = ((b'"name"', b"", b"1"), (head, line, value), (b'"content"; filename="f.whl"', b"", data))
        return b"".join(b"--b\r\nContent-Disposition: form-data; name=%b\r\n%b\r\n%b\r\n" % part for part in parts) + b"--b" + end

    for head, line, end in itertools.product(HEADS, LINES, ENDS):
        yield form(head, line, end=end), LIMITS
    for odd, end in itertools.product(ODD, ENDS):
        yield form(value=odd, end=end), LIMITS
        yield form(data=odd, end=end), LIMITS
    for parts, field, fields in itertools.product(range(1, 5), range(1, 4), range(1, 6)):
        yield form(value=b"12"), FormLimits(parts=parts, field=field, fields=fields)


def test_what_is_read_without_the_parser_is_what_the_parser_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def verdict(body: bytes, limits: FormLimits) -> list[Event] | None:
        try:
            return read(MULTIPART, [body], limits)
        except InvalidUpload:
            return None

    cases = list(nearly_plain())
    found = [verdict(*case) for case in cases]
    for name in ("_PLAIN_FIELD", "_PLAIN_FILE"):
        monkeypatch.setattr(forms, name, re.compile(b"(?!)"))
    for case, one in zip(cases, found, strict=True):
        assert one == verdict(*case), case


@given(st.text(max_size=40))
def test_S23_any_content_type_is_taken_or_refused(text: str) -> None:
    for content_type in (text, f"multipart/form-data; {text}", f"multipart/form-data; boundary={text}"):
        with contextlib.suppress(InvalidUpload):
            FormReader(content_type)
