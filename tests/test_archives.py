"""Metadata out of wheels: the exact bytes, or `BadArchive`, whatever the bytes are."""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pypidaemon.archives import BadArchive, wheel_metadata
from pypidaemon.archives import sidecars as archives
from pypidaemon.filenames import filename
from tests.examples import examples

WHEEL = filename("Foo_Bar-1.0-py3-none-any.whl")
CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
METADATA = b"Metadata-Version: 2.1\r\nName: foo-bar\nVersion: 1.0\n\n" + "déjà vu".encode() + b"\xff\n"
DIRECTORY = "Foo_Bar-1.0.dist-info"


def archive(members: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in members:
            made.writestr(name, data)
    return out.getvalue()


def wheel(directory: str = DIRECTORY, data: bytes = METADATA, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An ordinary wheel."""
    members = [("foo_bar/__init__.py", b"x = 1\n"), (f"{directory}/METADATA", data), (f"{directory}/WHEEL", b"Wheel-Version: 1.0\n")]
    return archive(members, compression)


def refused(raw: bytes, name: str = WHEEL) -> str:
    """The one line that says why these bytes are refused."""
    with pytest.raises(BadArchive) as caught:
        wheel_metadata(io.BytesIO(raw), filename(name))
    text = str(caught.value)
    assert text
    assert text.isprintable()
    return text


def patched(raw: bytes, signature: bytes, offset: int, form: str, value: int) -> bytes:
    """The archive with one field changed in the header with that signature that names the member."""
    changed = bytearray(raw)
    place = raw.find(signature)
    while place >= 0:
        end = raw.find(b"PK", place + 4)
        if signature == END or b"/METADATA" in raw[place:end]:
            struct.pack_into(form, changed, place + offset, value)
        place = raw.find(signature, place + 4)
    assert changed != raw
    return bytes(changed)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_R98_the_exact_bytes(compression: int) -> None:
    """Line ends, and bytes that are not UTF-8, stay as they are; the source stays open."""
    source = io.BytesIO(wheel(compression=compression))
    assert wheel_metadata(source, WHEEL) == METADATA
    assert not source.closed


def test_R98_from_a_file_at_any_position(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(wheel())
    with path.open("rb") as source:
        source.seek(17)
        assert wheel_metadata(source, WHEEL) == METADATA


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("foo_bar-1.0-py3-none-any.whl", "Foo.Bar-1.0.dist-info"),
        ("foo_bar-1.0-py3-none-any.whl", "foo-bar-1.0.0.dist-info"),
        ("foo_bar-1.0.0-1-py3-none-any.whl", "foo_bar-1.dist-info"),
        ("foo-1.0+local.1-py3-none-any.whl", "foo-1.0+local.1.dist-info"),
        ("foo-1.0+local.1-py3-none-any.whl", "foo-1.0+Local_1.dist-info"),
        ("foo-1.0_1-py3-none-any.whl", "foo-1.0.post1.dist-info"),
        ("foo-2004d-py3-none-any.whl", "foo-2004d.dist-info"),
        ("foo-bar-1.0-py3-none-any.whl", "foo_bar-1.0.dist-info"),
    ],
)
def test_R136_names_and_versions_are_compared_normalised(name: str, directory: str) -> None:
    assert wheel_metadata(io.BytesIO(wheel(directory)), filename(name)) == METADATA


def test_the_directory_of_another_distribution_is_passed_over() -> None:
    raw = archive([("other-1.0.dist-info/METADATA", b"no"), (f"lib/{DIRECTORY}/METADATA", b"no"), (f"{DIRECTORY}/METADATA", b"yes")])
    assert wheel_metadata(io.BytesIO(raw), WHEEL) == b"yes"


@pytest.mark.parametrize("directory", ["other-1.0.dist-info", "foo_bar-1.1.dist-info", "foo_bar.dist-info", "foo_bar-1.0", "EGG-INFO"])
def test_metadata_of_something_else_is_refused(directory: str) -> None:
    assert "no dist-info directory" in refused(wheel(directory))


def test_missing_or_ambiguous_metadata_is_refused() -> None:
    assert "no METADATA" in refused(archive([(f"{DIRECTORY}/WHEEL", b"")]))
    assert "no dist-info" in refused(archive([(DIRECTORY, b"")]))
    assert "no dist-info" in refused(archive([]))
    assert "several dist-info" in refused(archive([(f"{DIRECTORY}/METADATA", b"a"), ("foo.bar-1.0.dist-info/METADATA", b"b")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_S14_two_members_of_that_name_are_refused() -> None:
    assert "several members" in refused(archive([(f"{DIRECTORY}/METADATA", b"a"), (f"{DIRECTORY}/METADATA", b"b")]))


@pytest.mark.parametrize("name", ["foo_bar-1.0.tar.gz", "foo_bar-1.0.egg", "foo_bar-1.0.zip"])
def test_only_wheels_have_it(name: str) -> None:
    assert "not the file name of a wheel" in refused(wheel(), name)


def test_S14_encrypted_members_are_refused() -> None:
    assert "METADATA is encrypted" in refused(patched(wheel(), CENTRAL, 8, "<H", 1))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
def test_S14_only_stored_and_deflated(method: int) -> None:
    assert "neither stored nor deflated" in refused(patched(wheel(), CENTRAL, 10, "<H", method))


def test_S14_features_that_no_wheel_needs_are_refused() -> None:
    """A later version of the format, patch data, strong encryption; and a name that is not the UTF-8 it says it is."""
    assert "version" in refused(patched(wheel(), CENTRAL, 6, "<H", 99))
    assert "not a readable zip" in refused(patched(wheel(), CENTRAL, 8, "<H", 0x20))
    assert "not a readable zip" in refused(patched(wheel(), CENTRAL, 8, "<H", 0x40))
    assert "not a readable zip" in refused(patched(wheel(), CENTRAL, 8, "<H", 0x800).replace(b"Foo_Bar-1.0.d", b"Foo\xffBar-1.0.d"))


def test_S14_a_nul_in_the_name_is_refused() -> None:
    raw = archive([(f"{DIRECTORY}/METADATA#x", METADATA)]).replace(b"METADATA#x", b"METADATA\0x")
    assert "NUL" in refused(raw)


def test_S14_local_and_central_name_must_agree() -> None:
    raw = archive([(f"{DIRECTORY}/METADATA", METADATA)])
    assert "not a readable zip" in refused(raw.replace(b"/METADATA", b"/METADATB", 1))


def test_S14_damaged_bytes_are_refused() -> None:
    stored = wheel(compression=zipfile.ZIP_STORED)
    assert "CRC" in refused(stored.replace(b"foo-bar\nVersion", b"foo-baz\nVersion"))
    assert "not a readable zip" in refused(patched(wheel(), CENTRAL, 20, "<I", 3))


def test_S14_sizes_that_lie_are_refused() -> None:
    """More bytes said than there are, or fewer, give no bytes at all."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for size in (len(METADATA) + 1, len(METADATA) - 1, 0):
            refused(patched(wheel(compression=compression), CENTRAL, 24, "<I", size))


def test_a_shortened_stream_with_the_right_checksum_is_refused() -> None:
    """The checksum of what is there is right, but there is less of it than the directory says."""
    assert "shorter" in refused(patched(wheel(), CENTRAL, 24, "<I", len(METADATA) + 1))


def test_S14_an_entry_outside_the_archive_is_refused() -> None:
    assert "outside" in refused(patched(wheel(), CENTRAL, 42, "<I", 2**31))


def test_S14_an_entry_before_the_archive_is_refused(tmp_path: Path) -> None:
    """The end record's offset of the directory moves all entries: here to before the first byte."""
    raw = patched(wheel(), END, 16, "<I", 2**20)
    refused(raw)
    path = tmp_path / "blob"
    path.write_bytes(raw)
    with path.open("rb") as source, pytest.raises(BadArchive):
        wheel_metadata(source, WHEEL)


def test_S17_a_size_cap_on_metadata() -> None:
    noise = bytes(range(256)) * 16 * 1024
    assert len(noise) == archives.LARGEST_METADATA
    assert wheel_metadata(io.BytesIO(wheel(data=noise, compression=zipfile.ZIP_STORED)), WHEEL) == noise
    assert "larger than" in refused(wheel(data=noise + b"x", compression=zipfile.ZIP_STORED))


def test_S15_a_bomb_is_refused_before_it_is_decoded() -> None:
    assert "expands" in refused(wheel(data=b"\0" * 2**20))
    assert wheel_metadata(io.BytesIO(wheel(data=b"\0" * archives.RATIO_FROM)), WHEEL) == b"\0" * archives.RATIO_FROM


def test_S15_too_many_entries_are_refused_before_they_are_listed() -> None:
    """The entries are counted in the raw directory, so a hundred thousand objects are never made of it."""
    entry = CENTRAL + b"\0" * 42
    directory = entry * (archives.MOST_ENTRIES + 1)
    end = END + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), 0, 0)
    assert "entries" in refused(directory + end)


class Hollow(io.RawIOBase):
    """A huge file of zeros that ends in given bytes, and remembers the largest read."""

    def __init__(self, size: int, tail: bytes) -> None:
        self.size, self.tail, self.place, self.largest = size, tail, 0, 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, size: int | None = -1, /) -> bytes:
        size = self.size - self.place if size is None or size < 0 else size
        self.largest = max(self.largest, size)
        begin = self.place - (self.size - len(self.tail))
        data = (b"\0" * max(0, -begin) + self.tail[max(0, begin) :])[:size]
        self.place += len(data)
        return data


def test_S15_a_huge_directory_is_never_read() -> None:
    """An end record may claim that gigabytes before it are the directory."""
    size = 3 * 2**30
    end = END + struct.pack("<HHHHIIH", 0, 0, 1, 1, size - 22, 0, 0)
    source = Hollow(size, b"\0" * 70_000 + end)
    with pytest.raises(BadArchive, match="larger than"):
        wheel_metadata(source, WHEEL)  # type: ignore[arg-type]  # a RawIOBase has what is used of a BinaryIO
    assert source.largest < 2**17


class Broken(io.BytesIO):
    """A source whose disk fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_failing_disk_is_not_a_bad_archive() -> None:
    """Or a file that is right would be remembered as wrong."""
    with pytest.raises(OSError, match="Input/output"):
        wheel_metadata(Broken(wheel()), WHEEL)


@pytest.mark.parametrize(
    "raw",
    [b"", b"PK", END, b"x" * 100, END + b"\xff" * 18, b"PK\x06\x07" + b"\xff" * 16 + END + b"\xff" * 18],
)
def test_what_is_no_archive_is_refused(raw: bytes, tmp_path: Path) -> None:
    refused(raw)
    path = tmp_path / "blob"
    path.write_bytes(raw)
    with path.open("rb") as source, pytest.raises(BadArchive):
        wheel_metadata(source, WHEEL)


def sources(raw: bytes) -> Iterator[BinaryIO]:
    """The same bytes in memory and on disk, whose errors differ."""
    yield io.BytesIO(raw)
    with tempfile.TemporaryFile() as source:
        source.write(raw)
        source.flush()
        yield source


def only_bad_archive(raw: bytes) -> None:
    """Anything but the bytes or `BadArchive` fails the test."""
    for source in sources(raw):
        with contextlib.suppress(BadArchive):
            assert isinstance(wheel_metadata(source, WHEEL), bytes)


@given(st.binary(max_size=200))
@example(END + b"\0" * 18)
def test_any_bytes_only_ever_raise_bad_archive(raw: bytes) -> None:
    only_bad_archive(raw)


SMALL = wheel()
PLACES = st.integers(0, len(SMALL) - 1) | st.integers(SMALL.index(CENTRAL), len(SMALL) - 1)


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(PLACES, st.sampled_from([0, 1, 8, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)), min_size=1, max_size=4))
def test_any_change_of_a_wheel_only_ever_raises_bad_archive(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(SMALL)
    for place, value in changes:
        raw[place] = value
    only_bad_archive(bytes(raw))


def test_a_wheel_cut_anywhere_or_with_any_one_byte_set_only_ever_raises_bad_archive() -> None:
    for place in range(len(SMALL)):
        for raw in (SMALL[:place], SMALL[:place] + b"\xff" + SMALL[place + 1 :], SMALL[:place] + b"\0" + SMALL[place + 1 :]):
            with contextlib.suppress(BadArchive):
                assert wheel_metadata(io.BytesIO(raw), WHEEL) == METADATA
