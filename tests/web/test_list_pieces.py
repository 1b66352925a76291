"""Rendered lists made of parts of those before: whatever changed, and in whatever order, they say what a list made in one go says."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping

import attrs
import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import Damaged
from pypidaemon.filenames import project_name
from pypidaemon.listings import Visible, seen
from pypidaemon.model import NormalizedName, ProjectList, Stretches
from pypidaemon.web import list_pieces
from pypidaemon.web.list_pieces import LAYOUTS, Copy, Rendering, Written
from tests.lists import Known, few_names, held, kept, numbered, together

Change = tuple[str, NormalizedName, int | None]
changes = st.lists(
    st.lists(st.tuples(st.sampled_from(["private", "proxy", "numbers"]), few_names, st.none() | st.integers(1, 2**40)), max_size=4),
    max_size=6,
)


def everything(_: str, __: NormalizedName) -> bool:
    return True


def made(
    listing: ProjectList, form: str, coding: str, before: Written, old: bytes, visible: Visible = everything
) -> tuple[bytes, Written, int]:
    """The list, what it is made of, and how many of its bytes were taken over."""
    rendering = Rendering(listing, visible, LAYOUTS[form], coding, before)
    whole, taken = b"", 0
    for piece in rendering.pieces():
        if isinstance(piece, Copy):
            taken += piece.size
            whole += piece.checked(old[piece.offset : piece.offset + piece.size])
        else:
            whole += piece
    return whole, rendering.written, taken


def plain(data: bytes, coding: str) -> bytes:
    """As a client reads it that reads no second member."""
    if coding == "gzip":
        machine = zlib.decompressobj(31)
        found = machine.decompress(data)
        assert machine.eof
        assert machine.unused_data == b""
        return found
    if coding == "zstd":
        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return data


def listing_of(known: Mapping[str, Known]) -> ProjectList:
    return together((held("private", known["private"]), together((kept("proxy", known["proxy"]),), {})), known["numbers"])


@given(
    st.fixed_dictionaries({"private": numbered, "proxy": numbered, "numbers": numbered}),
    changes,
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(["", "gzip", "zstd"]),
    st.integers(1, 5),
)
def test_R82_made_of_the_list_before_it_is_the_list_made_in_one_go(
    known: dict[str, dict[NormalizedName, int]], turns: list[list[Change]], form: str, coding: str, step: int
) -> None:
    def visible(label: str, name: NormalizedName) -> bool:
        return (label, name) != ("private", "c")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_pieces, "STEP", step)
        patch.setattr(list_pieces, "_BATCH", 1)
        patch.setattr(list_pieces, "PIECE", 300)
        patch.setattr(list_pieces, "_RUN", 200)
        listing = listing_of(known)
        body, written, taken = made(listing, form, coding, Written(), b"", visible)
        assert taken == 0
        for turn in [[], *turns]:
            for where, name, serial in turn:
                if serial is None:
                    known[where].pop(name, None)
                else:
                    known[where][name] = serial
            listing = listing_of(known)
            body, written, taken = made(listing, form, coding, written, body, visible)
            assert plain(body, coding) == b"".join(LAYOUTS[form].whole(seen(listing, visible), listing.serial))
            assert Written.of(orjson.loads(orjson.dumps(written.rows()))) == written
            assert sum(part.count for part in written.parts) == len(list(seen(listing, visible)))
            assert all(part.count <= 2 * step for part in written.parts)


def many(count: int) -> dict[NormalizedName, int]:
    return {project_name(f"project-{number:05}"): number + 1 for number in range(count)}


@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
def test_after_one_new_name_all_but_one_part_is_taken_over(coding: str) -> None:
    known: dict[str, dict[NormalizedName, int]] = {"private": {}, "proxy": many(20_000), "numbers": {}}
    body, written, _ = made(listing_of(known), "json", coding, Written(), b"")
    assert len(written.parts) == 10
    known["private"][project_name("project-12000-x")] = 1
    asked: list[str] = []

    def visible(label: str, name: NormalizedName) -> bool:
        asked.append(name)
        return True

    after, again, taken = made(listing_of(known), "json", coding, written, body, visible)
    assert len(asked) == list_pieces.STEP + 1
    assert len(body) - taken < len(body) // 8
    assert plain(after, coding).count(b'"name"') == 20_001
    assert len(again.parts) == 10


def test_a_part_that_grows_becomes_two() -> None:
    known: dict[str, dict[NormalizedName, int]] = {"private": {}, "proxy": many(2000), "numbers": {}}
    body, written, _ = made(listing_of(known), "json", "gzip", Written(), b"")
    known["private"] = {project_name(f"project-00500-{number:04}"): 1 for number in range(3000)}
    body, written, _ = made(listing_of(known), "json", "gzip", written, body)
    assert [part.count for part in written.parts] == [2500, 2500]
    _, _, taken = made(listing_of(known), "json", "gzip", written, body)
    assert taken == sum(part.size for part in written.parts)


def test_a_part_that_comes_to_have_very_many_names_is_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when upstream's list comes for the first time to a list of a few names of our own."""
    monkeypatch.setattr(list_pieces, "PIECE", 1)
    _, written, _ = made(held("private", many(1)), "json", "", Written(), b"")
    read = 0

    def entries(start: str, end: str) -> Iterator[tuple[NormalizedName, int]]:
        nonlocal read
        for entry in sorted(many(50_000).items()):
            read += 1
            yield entry

    listing = attrs.evolve(held("private", {}), stretches=Stretches(entries, lambda *_: b"other"))
    rendering = Rendering(listing, everything, LAYOUTS["json"], "", written)
    next(piece for piece in rendering.pieces() if isinstance(piece, bytes) and b"project" in piece)
    assert read <= 3 * list_pieces.STEP


def test_where_most_names_have_gone_all_is_made_anew() -> None:
    known: dict[str, dict[NormalizedName, int]] = {"private": {}, "proxy": many(40_000), "numbers": {}}
    body, written, _ = made(listing_of(known), "json", "", Written(), b"")
    known["proxy"] = many(30)
    body, written, _ = made(listing_of(known), "json", "", written, body)
    assert len(written.parts) == 20
    body, written, taken = made(listing_of(known), "json", "", written, body)
    assert (len(written.parts), taken) == (1, 0)


def test_a_list_without_stretches_is_made_anew() -> None:
    listing = attrs.evolve(held("elsewhere", many(30)), stretches=None)
    body, written, _ = made(listing, "json", "gzip", Written(), b"")
    again, _, taken = made(listing, "json", "gzip", written, body)
    assert taken == 0
    assert gzip.decompress(again) == gzip.decompress(body)


def test_what_was_damaged_meanwhile_is_not_taken_over() -> None:
    listing = held("private", many(30))
    body, written, _ = made(listing, "json", "", Written(), b"")
    with pytest.raises(Damaged):
        made(listing, "json", "", written, body.replace(b"project-00007", b"project-00008"))
