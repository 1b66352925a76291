"""A page of a private index with one file more on it is the page that all records together make."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename, project_name
from pypidaemon.indexes.private.held import COMING, Held
from pypidaemon.model import File, FileRecord, Standing
from pypidaemon.simple.revision import MARK, mark, revision

FOO = project_name("foo")


def record(version: str, tag: str = "", told: str | None = None, standing: Standing = Standing.SHOWN) -> FileRecord:
    """A file of that version, whose metadata says `told`."""
    spelled = filename(f"foo-{version}{tag or '.tar.gz'}")
    return FileRecord(File(spelled, path=f"p/{spelled}", yanked="x" if tag else None), told or version, standing=standing)


records = st.builds(
    record,
    st.sampled_from(["1", "1.0", "1.0.0", "1.10", "1.9", "2!1", "1a1", "1.post1", "0.1+l.1"]),
    st.sampled_from(["", "-py3-none-any.whl", ".zip"]),
    st.sampled_from([None, None, "1", "1.0.0", "3"]),
    st.sampled_from([Standing.SHOWN] * 3 + [Standing.HIDDEN, Standing.DELETED]),
)


@given(st.lists(records, max_size=12, unique_by=lambda one: one.file.filename), st.integers(0, 12), st.lists(st.booleans(), min_size=1))
def test_one_file_more_makes_the_same_of_a_page_as_all_of_them_do(some: list[FileRecord], beginning: int, asked: list[bool]) -> None:
    held = Held.made("private", FOO, 1, _in_order(some[:beginning]))
    known = some[:beginning]
    for number, one in enumerate(some[beginning:], 2):
        known = [*known, one]
        fresh = Held.made("private", FOO, number, _in_order(known))
        if not held.add(one, number):
            held = fresh
            continue
        assert held.serial == number
        if not asked[number % len(asked)]:
            # Nobody wants to see it yet, and others come.
            continue
        if not held.settle():
            assert not held.settle()
            held = fresh
        assert held == _like(held, fresh)
        assert held.page == fresh.page


def _in_order(some: list[FileRecord]) -> list[FileRecord]:
    """As the records give them."""
    return sorted(some, key=lambda one: one.file.filename)


def _like(held: Held, fresh: Held) -> Held:
    """The first of two that hold the same."""
    for field in attrs.fields(Held):
        if field.name != "page":
            assert getattr(held, field.name) == getattr(fresh, field.name), field.name
    return held


def test_most_files_can_be_put_on_a_page_that_is_held() -> None:
    held = Held.made("private", FOO, 1, [record("1.0"), record("2.0")])
    weight = held.weight
    for number, (version, tag) in enumerate([("1.5", ""), ("1.0", ".zip"), ("3.0", ""), ("0.1", "")], 2):
        assert held.add(record(version, tag), number)
    assert held.page.serial == 1
    assert held.settle()
    assert [file.filename for file in held.page.files] == [
        "foo-0.1.tar.gz",
        "foo-1.0.tar.gz",
        "foo-1.0.zip",
        "foo-1.5.tar.gz",
        "foo-2.0.tar.gz",
        "foo-3.0.tar.gz",
    ]
    assert held.page.versions == ("0.1", "1.0", "1.5", "2.0", "3.0")
    assert held.page.serial == 5
    assert held.weight > weight


def test_what_is_there_or_is_not_shown_is_a_matter_for_all_records() -> None:
    held = Held.made("private", FOO, 1, [record("1.0"), record("2.0", standing=Standing.DELETED)])
    page = held.page
    assert not held.add(record("1.0"), 2)
    assert not held.add(record("2.0"), 2)
    assert not held.add(record("3.0", standing=Standing.HIDDEN), 2)
    assert held.settle()
    assert held.page is page
    assert held.add(record("1.0.0"), 2)
    assert not held.settle()
    assert not held.settle()


def test_what_broke_off_is_made_of_all_records_and_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held.made("private", FOO, 1, [record("1.0")])
    assert held.add(record("2.0"), 2)

    def no_memory(*_: object) -> str:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr("pypidaemon.indexes.private.held.revision", no_memory)
        with pytest.raises(MemoryError):
            held.settle()
    assert not held.settle()


def test_a_page_that_nobody_asks_for_is_made_now_and_then_all_the_same() -> None:
    """Else who asks for it after ten thousand uploads would have all others wait for it."""
    held = Held.made("private", FOO, 1, [record("1.0")])
    for number in range(2, COMING + 1):
        assert held.add(record(f"{number}.0"), number)
    assert len(held.page.files) == 1
    assert held.add(record("0.1"), COMING + 1)
    assert len(held.page.files) == COMING + 1
    for number in range(COMING):
        assert held.add(record(f"{number}.{'1' if number else '1.0'}"), COMING + 2 + number) == (number < COMING - 1)


def test_R71_a_revision_by_marks_tells_what_is_on_the_page_and_where() -> None:
    one, other = record("1.0").file, record("2.0").file
    page = Held.made("private", FOO, 1, [record("1.0"), record("2.0")]).page
    assert len(mark(one)) == MARK
    assert revision(page, mark(one) + mark(other)) == page.revision
    assert revision(page, mark(other) + mark(one)) != page.revision
    assert revision(attrs.evolve(page, versions=("1.0",)), mark(one) + mark(other)) != page.revision
    assert revision(attrs.evolve(page, serial=9), mark(one) + mark(other)) == page.revision
