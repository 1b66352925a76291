"""A large page made of pieces: the bytes are those of the page made in one go, whatever happened to it before."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import File, ProjectPage
from pypidaemon.simple.pieces import STEP, Frame, Piece, pieced
from pypidaemon.simple.write_html import frame_html, render_html
from pypidaemon.simple.write_json import frame_json, render_json

FOO = project_name("foo")
FILES = tuple(File(filename(f"foo-1.{number}.tar.gz"), path=f"p/foo-1.{number}.tar.gz", size=number) for number in range(1000))


def page(*files: File, serial: int = 0) -> ProjectPage:
    return ProjectPage(FOO, files, tuple(sorted({file.filename for file in files})), serial=serial)


def made(frame: Frame, files: tuple[File, ...], before: tuple[Piece, ...] = ()) -> tuple[Piece, ...]:
    """The pieces of that page, which says the same to whoever unpacks it."""
    found = pieced(frame, files, before)
    plain = frame.head + frame.spelled(files) + frame.tail
    assert gzip.decompress(found.packed) == plain
    machine = zlib.decompressobj(31)
    # One member: whoever reads no further than the first has all of it.
    assert machine.decompress(found.packed) == plain
    assert machine.eof
    assert machine.unused_data == b""
    assert (found.length, found.crc) == (len(plain), zlib.crc32(plain))
    assert sum((piece.files for piece in found.pieces), ()) == files
    return found.pieces


@pytest.mark.parametrize(("frame", "render"), [(frame_json, render_json), (frame_html, render_html)])
@pytest.mark.parametrize("count", [0, 1, STEP, 2 * STEP, 1000])
def test_a_page_in_pieces_is_the_page(frame: Callable[[ProjectPage], Frame], render: Callable[[ProjectPage], bytes], count: int) -> None:
    whole = page(*FILES[:count], serial=7)
    framed = frame(whole)
    assert framed.head + framed.spelled(whole.files) + framed.tail == render(whole)
    assert all(len(piece.files) < 2 * STEP and piece.weight > len(piece.packed) for piece in made(framed, whole.files))


@pytest.mark.parametrize("place", [0, 1, 450, 989, 990])
def test_one_file_more_costs_one_piece(place: int) -> None:
    few = tuple(file for number, file in enumerate(FILES) if number % 100 != 50)
    before = made(frame_json(page(*few)), few)
    more = (*few[:place], FILES[50], *few[place:])
    after = made(frame_json(page(*more, serial=2)), more, before)
    assert len(set(after) - set(before)) == 1
    assert len(set(before) - set(after)) <= 1


def test_a_piece_that_has_grown_becomes_two() -> None:
    files = FILES[:STEP]
    pieces = made(frame_html(page(*files)), files)
    for file in FILES[STEP : 4 * STEP]:
        # In the middle, so that it is always the same piece that grows.
        files = (*files[:10], file, *files[10:])
        pieces = made(frame_html(page(*files)), files, pieces)
    assert len(pieces) > 2
    assert max(len(piece.files) for piece in pieces) < 2 * STEP


@pytest.mark.parametrize("at_the_end", [True, False])
def test_a_page_that_grows_at_one_end_is_not_made_of_crumbs(at_the_end: bool) -> None:
    """Each of which would have to be compressed without the others: the page would become three times as long."""
    files, pieces = FILES[:STEP], made(frame_html(page(*FILES[:STEP])), FILES[:STEP])
    for file in FILES[STEP : 6 * STEP]:
        files = (*files, file) if at_the_end else (file, *files)
        pieces = pieced(frame_html(page(*files)), files, pieces).pieces
    made(frame_html(page(*files)), files, pieces)
    assert len(pieces) <= 6


def test_what_is_left_of_the_first_piece_goes_to_the_second() -> None:
    before = made(frame_html(page(*FILES[: 2 * STEP])), FILES[: 2 * STEP], ())
    assert len(before) == 2
    left = FILES[STEP - 3 : 2 * STEP]
    assert [len(piece.files) for piece in made(frame_html(page(*left)), left, before)] == [STEP + 3]


lists = st.lists(st.integers(0, 40), unique=True, max_size=30).map(lambda numbers: tuple(FILES[number] for number in numbers))


@given(st.lists(lists, min_size=1, max_size=6), st.booleans())
def test_whatever_it_was_before(histories: list[tuple[File, ...]], in_json: bool) -> None:
    """Also where files went, came back or changed places, and where a later piece comes to be the first."""
    pieces: tuple[Piece, ...] = ()
    for files in histories:
        frame = (frame_json if in_json else frame_html)(page(*files))
        halves = made(frame, files[: len(files) // 2], pieces)
        pieces = made(frame, files, halves)
