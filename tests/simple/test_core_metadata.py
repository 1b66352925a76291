"""Core metadata of anyone's making."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.simple import core_metadata
from pypidaemon.simple.core_metadata import LONGEST_DESCRIPTION, read_metadata

HEAD = b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_R139_fields_and_the_description_after_them(ending: bytes) -> None:
    said = read_metadata((HEAD + b"Requires-Dist: a\nRequires-Dist: b\nLicense: one\n  two\n\nText\n\nmore\n").replace(b"\n", ending))
    assert (said["name"], said["requires_dist"]) == ("foo", ["a", "b"])
    assert said["license"].split() == ["one", "two"]
    assert said["description"] == (b"Text\n\nmore\n").replace(b"\n", ending).decode()


def test_R139_a_description_among_the_fields() -> None:
    assert read_metadata(HEAD + b"Description: inner\n        text\n")["description"].split() == ["inner", "text"]
    assert read_metadata(HEAD + b"Description: inner\n\nouter")["description"] == "outer"


def test_S84_the_description_is_bounded_and_cut_between_characters() -> None:
    text = "x" + "\u00fc" * LONGEST_DESCRIPTION
    said = read_metadata(HEAD + b"\n" + text.encode())["description"]
    assert text.startswith(said)
    assert LONGEST_DESCRIPTION - 2 < len(said.encode()) <= LONGEST_DESCRIPTION


def test_R139_a_description_in_another_charset_is_still_there() -> None:
    assert read_metadata(HEAD + b"\nM\xfcller\x00")["description"] == "M\ufffdller"


def test_S84_nested_parts_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ninety of them in 4 MiB kept a thread busy for minutes: they, and whatever follows the fields, are never given to a mail parser."""
    document = HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (depth, depth) for depth in range(90))
    seen: list[bytes] = []
    real = core_metadata._parsed
    monkeypatch.setattr(core_metadata, "_parsed", lambda fields: (seen.append(fields), real(fields))[1])
    said = read_metadata(document + b"-\n" * (1 << 20))
    assert seen == [HEAD]
    assert said["description"].startswith("--b0\n")


def test_S84_a_million_fields_without_a_meaning_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(core_metadata, "_parsed", lambda fields: seen.append(fields) or {})
    read_metadata(HEAD + b"".join(b"x%d: y\n z\n" % number for number in range(100_000)) + b"Requires-Dist: a\n")
    assert seen == [HEAD + b"Requires-Dist: a\n"]


def test_S84_the_fields_that_are_read_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_metadata, "LONGEST_HEADERS", 100)
    assert len(read_metadata(HEAD + b"Classifier: x\n" * 1000)["classifiers"]) == 4


def test_a_line_that_is_no_field_ends_the_fields() -> None:
    """As installers read it, so nobody sees requirements that they do not."""
    said = read_metadata(HEAD + b"no field\nRequires-Dist: a\n")
    assert "requires_dist" not in said
    assert said["description"] == "no field\nRequires-Dist: a\n"


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: HEAD + rest))
def test_any_bytes_are_read(document: bytes) -> None:
    read_metadata(document)


def test_a_document_that_the_library_chokes_on_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It did so before over bytes that nobody had thought of."""

    def chokes(_: bytes) -> None:
        raise LookupError("unknown encoding")

    monkeypatch.setattr("packaging.metadata.parse_email", chokes)
    assert "name" not in read_metadata(HEAD)
