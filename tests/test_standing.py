"""What is shown while another index stands in: the upstream's last word, and what is newer (M18, S28, S33)."""

from __future__ import annotations

import attrs
import pytest

from pypidaemon.model import File, Filename, ProjectStatus, UpstreamPage
from pypidaemon.moments import moment
from pypidaemon.standing import SLACK, together
from tests.fakes import file, page

CONFIRMED = moment("2026-03-01T12:00:00Z")
OLD, NEW = "2026-02-01T00:00:00Z", "2026-03-02T00:00:00.5Z"
ONE, TWO = file("alpha-1.0.tar.gz", b"one", upload_time=OLD), file("alpha-2.0.tar.gz", b"two", upload_time=NEW)
KNOWN = page("alpha", ONE, serial=10, etag='"a"')


def names(said: UpstreamPage, known: UpstreamPage | None = KNOWN, gone: tuple[str, ...] = ()) -> list[str] | None:
    """The files on the page that is made, None where none is."""
    made = together(known, CONFIRMED, said, [Filename(one) for one in gone])
    return None if made is None else [entry.filename for entry in made.page.files]


def test_where_the_upstream_was_never_asked_all_of_it_is_shown_that_can_be_held_to_its_word() -> None:
    odd = attrs.evolve(file("alpha-3.0.tar.gz"), hashes=(("md5", "0" * 32),))
    promised = attrs.evolve(ONE, core_metadata="0" * 64, provenance="https://other.example/p")
    made = together(None, 0.0, page("alpha", promised, odd, serial=99, etag='"x"'), [])
    assert made is not None
    assert made.page.files == (attrs.evolve(ONE, core_metadata=None, provenance=None),)
    assert (made.page.versions, made.page.serial, made.added) == (("1.0",), None, {"alpha-1.0.tar.gz"})


def test_what_is_newer_is_added_to_what_is_known() -> None:
    made = together(KNOWN, CONFIRMED, page("alpha", TWO, serial=None), [])
    assert made is not None
    assert made.page.files == (ONE, TWO)
    assert made.added == {"alpha-2.0.tar.gz"}
    assert (made.page.versions, made.page.serial, made.page.validators) == (("1.0", "2.0"), 10, KNOWN.validators)


@pytest.mark.parametrize("serial", [None, 9, 10])
def test_S33_a_page_that_is_older_or_says_no_more_changes_nothing(serial: int | None) -> None:
    assert names(page("alpha", ONE, serial=serial)) is None
    assert names(page("alpha", serial=serial)) is None


def test_S33_an_older_page_adds_nothing_whatever_it_says() -> None:
    assert names(page("alpha", ONE, TWO, serial=9)) is None


def test_what_was_there_when_the_upstream_did_not_list_it_was_taken_away() -> None:
    assert names(page("alpha", ONE, attrs.evolve(TWO, upload_time=OLD), serial=11)) is None
    assert names(page("alpha", ONE, TWO, serial=11), gone=("alpha-2.0.tar.gz",)) is None


def test_pages_lie_in_caches_so_what_is_a_little_older_may_be_new() -> None:
    known = attrs.evolve(TWO, upload_time="2026-03-01T11:50:00Z")
    assert 600 < SLACK < 1800
    assert names(page("alpha", known)) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


@pytest.mark.parametrize(("serial", "there"), [(11, True), (10, False), (None, False)])
@pytest.mark.parametrize("said", [None, "yesterday"])
def test_without_an_upload_time_the_serial_says_what_is_newer(serial: int | None, said: str | None, there: bool) -> None:
    found = names(page("alpha", ONE, attrs.evolve(TWO, upload_time=said), serial=serial))
    assert (found == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]) is there


def test_S28_what_the_upstream_promised_of_a_file_stays() -> None:
    other = attrs.evolve(file("alpha-1.0.tar.gz", b"evil", upload_time=NEW), yanked="no")
    made = together(KNOWN, CONFIRMED, page("alpha", other, TWO, serial=11), [])
    assert made is not None
    assert made.page.files == (ONE, TWO)


def _yanked(serial: int | None) -> File | None:
    made = together(KNOWN, CONFIRMED, page("alpha", attrs.evolve(ONE, yanked="broken"), serial=serial), [])
    return made.page.files[0] if made is not None else None


def test_F27_a_yank_counts_where_the_page_is_later() -> None:
    said = _yanked(11)
    assert said is not None
    assert said.yanked == "broken"
    assert _yanked(10) is None
    assert _yanked(None) is None


def test_S45_a_quarantine_counts_where_the_page_is_later_and_is_never_lifted() -> None:
    aside = ProjectStatus("quarantined", "bad")
    made = together(KNOWN, CONFIRMED, page("alpha", ONE, serial=11, status=aside), [])
    assert made is not None
    assert made.page.status == aside
    assert names(page("alpha", ONE, serial=12), attrs.evolve(KNOWN, status=aside)) is None


def test_F22_a_page_of_which_the_upstream_gave_no_serial_is_compared_by_times_alone() -> None:
    assert names(page("alpha", ONE, TWO, serial=1), attrs.evolve(KNOWN, serial=None)) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
