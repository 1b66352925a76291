"""Kept lists read in stretches."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon import stretched
from pypidaemon.blobs.descriptors import OpenFile
from pypidaemon.blobs.directory import FileContent
from pypidaemon.catalogues import whole
from pypidaemon.errors import Damaged
from pypidaemon.filenames import project_name
from pypidaemon.indexes.mirror.names import TOGETHER
from pypidaemon.model import Digest, NormalizedName
from pypidaemon.simple import names as names_module
from pypidaemon.simple.names import chunks
from pypidaemon.stretched import Places, Stretched, amended, differing
from tests.gear import inline, now
from tests.lists import Known, few_names, numbered, opener

ends = few_names | st.just("")


@given(numbered, st.lists(st.tuples(ends, ends), max_size=12), st.integers(1, 40))
def test_every_stretch_in_any_order_is_what_the_list_has_there(known: Known, asked: list[tuple[str, str]], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretched, "CHUNK", chunk)
        reading = Stretched(opener(known), Places(Digest("")))
        for start, end in asked:
            expected = sorted((name, serial) for name, serial in known.items() if start <= name and (not end or name < end))
            assert list(reading.entries(start, end)) == expected
            fresh = Stretched(opener(dict(expected)), Places(Digest("")))
            assert reading.mark(start, end) == fresh.mark("", "")


def test_where_names_stand_is_found_once() -> None:
    """A million bytes of lines: what stands before a stretch that is known is not read again."""
    known = {project_name(f"project-{number:06}"): number for number in range(40_000)}
    read = 0

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            piece = super().read(size)
            read += len(piece)
            return piece

    data = opener(known)().read()
    reading = Stretched(lambda: Counting(data), Places(Digest("")))
    borders = [f"project-{number:06}" for number in range(0, 40_000, 2000)]
    for start, end in zip(["", *borders], [*borders, ""], strict=True):
        reading.mark(start, end)
    assert read < 3 * len(data)
    read = 0
    assert len(list(reading.entries(borders[7], borders[8]))) == 2000
    assert read <= 3 * names_module.CHUNK
    read = 0
    reading.mark(borders[7], borders[8])
    assert read == 0


@pytest.mark.parametrize("data", [b"", b"a\t1\n", b"#x\na\n", b"#x\na\t1\nb"])
def test_what_is_no_kept_list_is_damaged(data: bytes) -> None:
    reading = Stretched(lambda: io.BytesIO(data), Places(Digest("")))
    with pytest.raises(Damaged):
        list(reading.entries("", "z"))
    with pytest.raises(Damaged):
        reading.mark("", "z")


@pytest.mark.parametrize("data", [b"#x\nb\t1\na\t2\n", b"#x\na\tx\n"])
def test_what_is_read_of_a_damaged_list_is_noticed(data: bytes) -> None:
    reading = Stretched(lambda: io.BytesIO(data), Places(Digest("")))
    with pytest.raises(Damaged):
        list(reading.entries("", ""))


def test_of_very_many_stretches_some_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretched, "MOST", 2)
    known = {project_name(name): 1 for name in "abcd"}
    places = Places(Digest(""))
    reading = Stretched(opener(known), places)
    marks = [reading.mark(start, end) for start, end in (("", "b"), ("b", "c"), ("c", "d"), ("d", ""))]
    assert len(places.marks) <= 2
    assert reading.mark("", "b") == marks[0]


def test_a_file_is_read_from_any_place_by_several_at_once(tmp_path: Path) -> None:
    known = {project_name(f"p{number:05}"): number for number in range(20_000)}
    path = tmp_path / "list"
    path.write_bytes(opener(known)().read())

    opened = now(whole(FileContent(str(path), None, None, OpenFile(os.open(path, os.O_RDONLY)), inline), inline))
    os.unlink(path)
    reading = Stretched(opened, Places(Digest("")))
    one, other = reading.entries("p10000", "p10002"), reading.entries("p00001", "")
    assert [next(one)[0], next(other)[0], next(one)[0], next(other)[0]] == ["p10000", "p00001", "p10001", "p00002"]


@given(numbered, st.dictionaries(few_names, st.none() | st.integers(1, 2**40), max_size=12), st.integers(1, 40))
def test_a_list_is_amended_where_it_changes_and_nowhere_else(known: Known, changes: dict[NormalizedName, int | None], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretched, "CHUNK", chunk)
        found, more = differing(opener(known), sorted(changes.items()))
        after = {name: serial for name, serial in {**known, **changes}.items() if serial is not None}
        assert found == sorted((name, serial) for name, serial in changes.items() if serial != known.get(name))
        assert more == len(after) - len(known)
        kept = b"#x\n" + b"".join(amended(opener(known), found))
    assert kept == opener(after, "x")().read()


def test_an_amended_list_comes_in_pieces_of_a_bounded_size() -> None:
    known = {project_name(f"project-{number:06}"): number for number in range(100_000)}
    sizes = [len(piece) for piece in chunks(amended(opener(known), [(project_name("project-050000-x"), 1)]), TOGETHER)]
    assert len(sizes) == 2
    assert sum(sizes) == len(opener(known, "")().read()) + len(b"project-050000-x\t1\n") - 2


@pytest.mark.parametrize("data", [b"", b"a\t1\n", b"#x\na\n", b"#x\na\t1\nb"])
def test_of_a_damaged_list_nothing_is_made(data: bytes) -> None:
    with pytest.raises(Damaged):
        list(amended(lambda: io.BytesIO(data), [(project_name("aa"), 1)]))
