"""What every `IMirrorRecords` promises."""

from __future__ import annotations

import math

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IMirrorRecords, IRecords
from pypidaemon.model import (
    Attested,
    Described,
    Digest,
    File,
    Filename,
    Leaving,
    Mirrored,
    NormalizedName,
    Progress,
    ProjectStatus,
    UpstreamPage,
    Validators,
    Waiting,
)
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, WHEEL

A, B, C, D, E = (Digest(letter * 64) for letter in "abcde")
WHEEL_FILE = File(
    WHEEL,
    url="https://files.example/foo-1.0-py3-none-any.whl",
    path="aa/bb/" + "c" * 60 + "/" + WHEEL,
    hashes=(("sha256", A), ("md5", "b" * 32)),
    size=12,
    upload_time="2024-01-02T03:04:05.678901Z",
    requires_python=">=3.11",
    yanked="",
    core_metadata=B,
    provenance="https://files.example/provenance",
    gpg_sig=False,
)
SDIST_FILE = File(SDIST, hashes=(("sha256", C),), core_metadata="")
PAGE = UpstreamPage(
    FOO,
    files=(WHEEL_FILE, SDIST_FILE),
    versions=("1.0", "2.0"),
    status=ProjectStatus("archived", "enough"),
    serial=17,
    validators=Validators('"tag"', "Mon, 01 Jan 2024 00:00:00 GMT", "https://index.example/simple/"),
    max_age=600.0,
    refused=1,
)
HELD = Mirrored(PAGE, 17, False, 1_700_000_000.25, ((WHEEL, D),), frozenset([SDIST]))
BOTH = {WHEEL, SDIST}


def mirrored(name: NormalizedName = BAR, *files: File, serial: int = 1, versions: tuple[str, ...] = ()) -> Mirrored:
    """A project with these files."""
    return Mirrored(UpstreamPage(name, files, versions), serial)


def leaves(what: Mirrored, filename: Filename | None = None, since: float = 1.0, until: float = 2.0) -> Leaving:
    """That project, or file of it, leaves."""
    return Leaving(what.page.name, filename, since, until, what)


def filenames(found: Mirrored | None) -> list[str]:
    """Which files are offered, in their order; fails where nothing is."""
    assert found is not None
    return [file.filename for file in found.page.files]


class MirrorRecordsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def mirrors(self, records: IRecords) -> IMirrorRecords:
        return records.mirrors

    def test_keeps_the_interface(self, mirrors: IMirrorRecords) -> None:
        verifyObject(IMirrorRecords, mirrors)

    def test_at_first_there_is_nothing(self, mirrors: IMirrorRecords) -> None:
        assert now(mirrors.page("mirror", FOO)) is None
        assert now(mirrors.serials("mirror", "", 10)) == []
        assert now(mirrors.count("mirror")) == 0
        assert now(mirrors.leaving("mirror")) == []
        assert now(mirrors.bring_back("mirror", FOO)) == 0
        assert now(mirrors.forget_leaving("mirror", 9e9)) == []
        assert now(mirrors.pinned("mirror")) == frozenset()
        assert now(mirrors.waiting("mirror")) == []
        assert now(mirrors.waiting_of("mirror", FOO)) is None
        assert now(mirrors.queue("mirror")) == (0, math.inf)
        assert now(mirrors.progress("mirror")) == Progress()
        assert now(mirrors.references(A)) == 0
        assert now(mirrors.digests("", 10)) == []
        assert now(mirrors.page("mirror", FOO)) is None

    # --- what is offered

    def test_a_project_comes_back_as_it_was_kept(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        assert now(mirrors.page("mirror", FOO)) == HELD
        assert now(mirrors.count("mirror")) == 1

    def test_a_project_without_files_is_one(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, mirrored(FOO)))
        assert now(mirrors.page("mirror", FOO)) == mirrored(FOO)

    def test_the_last_kept_counts(self, mirrors: IMirrorRecords) -> None:
        """With its blobs, and with none of those before."""
        now(mirrors.keep("mirror", FOO, HELD))
        later = Mirrored(attrs.evolve(PAGE, files=(SDIST_FILE,)), 18, True, 5.0, ((SDIST, E),))
        now(mirrors.keep("mirror", FOO, later))
        assert now(mirrors.page("mirror", FOO)) == later
        assert now(mirrors.count("mirror")) == 1
        assert now(mirrors.digests("", 10)) == [C, E]

    def test_labels_and_names_are_apart(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        assert now(mirrors.page("other", FOO)) is None
        assert now(mirrors.page("mirror", BAR)) is None
        assert now(mirrors.count("other")) == 0
        now(mirrors.keep("other", FOO, mirrored(FOO)))
        assert now(mirrors.page("mirror", FOO)) == HELD

    def test_what_was_gathered_for_policies_is_not_kept(self, mirrors: IMirrorRecords) -> None:
        """Neither of what is offered nor of what leaves."""
        gathered = attrs.evolve(SDIST_FILE, described=Described("MIT"), attested=Attested(("github:a/b",)))
        now(mirrors.keep("mirror", FOO, mirrored(FOO, gathered)))
        assert now(mirrors.page("mirror", FOO)) == mirrored(FOO, SDIST_FILE)
        now(mirrors.leave("mirror", [leaves(mirrored(FOO, gathered))]))
        assert now(mirrors.leaving("mirror")) == [leaves(mirrored(FOO, SDIST_FILE))]

    def test_serials_come_page_by_page_in_the_order_of_names(self, mirrors: IMirrorRecords) -> None:
        names = [NormalizedName(name) for name in ("zope", "a-b", "a", "a0", "bar")]
        for serial, name in enumerate(names):
            now(mirrors.keep("mirror", name, mirrored(name, serial=serial)))
        now(mirrors.keep("other", FOO, mirrored(FOO, serial=9)))
        everything = [("a", 2), ("a-b", 1), ("a0", 3), ("bar", 4), ("zope", 0)]
        assert now(mirrors.serials("mirror", "", 10)) == everything
        assert now(mirrors.serials("mirror", "", 2)) == everything[:2]
        assert now(mirrors.serials("mirror", "a-b", 2)) == everything[2:4]
        assert now(mirrors.serials("mirror", "b", 10)) == everything[3:]
        assert now(mirrors.serials("mirror", "zope", 10)) == []
        assert now(mirrors.serials("mirror", "", 0)) == now(mirrors.serials("mirror", "", -1)) == []

    # --- blobs

    def test_all_that_is_needed_is_referred_to(self, mirrors: IMirrorRecords) -> None:
        """Files, METADATA of known digest and documents; of whatever label, and as often as they are needed."""
        now(mirrors.keep("mirror", FOO, HELD))
        assert [now(mirrors.references(digest)) for digest in (A, B, C, D, E)] == [1, 1, 1, 1, 0]
        now(mirrors.keep("other", FOO, HELD))
        twice = attrs.evolve(SDIST_FILE, filename=Filename("foo-1.0.zip"), core_metadata=C)
        now(mirrors.keep("mirror", BAR, mirrored(BAR, SDIST_FILE, twice)))
        assert [now(mirrors.references(digest)) for digest in (A, B, C, D, E)] == [2, 2, 5, 2, 0]

    def test_digests_come_page_by_page_each_once(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.keep("other", FOO, HELD))
        assert now(mirrors.digests("", 10)) == [A, B, C, D]
        assert now(mirrors.digests("", 3)) == [A, B, C]
        assert now(mirrors.digests(C, 3)) == [D]
        assert now(mirrors.digests(D, 3)) == now(mirrors.digests("", 0)) == now(mirrors.digests("", -1)) == []

    def test_a_file_without_a_digest_refers_to_nothing(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, mirrored(FOO, File(SDIST, hashes=(("md5", "b" * 32),)))))
        assert now(mirrors.digests("", 10)) == []

    # --- what leaves

    def test_a_project_that_leaves_is_offered_no_longer_and_its_bytes_wait(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.keep("mirror", BAR, mirrored()))
        now(mirrors.leave("mirror", [leaves(HELD)]))
        assert now(mirrors.page("mirror", FOO)) is None
        assert now(mirrors.serials("mirror", "", 10)) == [(BAR, 1)]
        assert now(mirrors.leaving("mirror")) == [leaves(HELD)]
        assert now(mirrors.digests("", 10)) == [A, B, C, D]
        assert now(mirrors.references(A)) == 1

    def test_a_file_that_leaves_is_offered_no_longer_and_the_others_are(self, mirrors: IMirrorRecords) -> None:
        """What is kept of it is nothing of the others."""
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.leave("mirror", [leaves(HELD, WHEEL)]))
        rest = attrs.evolve(HELD, page=attrs.evolve(PAGE, files=(SDIST_FILE,)), documents=())
        assert now(mirrors.page("mirror", FOO)) == rest
        alone = attrs.evolve(HELD, page=attrs.evolve(PAGE, files=(WHEEL_FILE,)))
        assert now(mirrors.leaving("mirror")) == [leaves(alone, WHEEL)]
        assert [now(mirrors.references(digest)) for digest in (A, B, C, D)] == [1, 1, 1, 1]

    def test_all_leave_at_once_and_are_told_in_order(self, mirrors: IMirrorRecords) -> None:
        """Projects before their files; what the order is given in makes no difference."""
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.keep("mirror", BAR, mirrored()))
        now(mirrors.leave("mirror", [leaves(HELD, SDIST), leaves(HELD), leaves(HELD, WHEEL), leaves(mirrored())]))
        told = now(mirrors.leaving("mirror"))
        assert [(one.name, one.filename) for one in told] == [(BAR, None), (FOO, None), (FOO, WHEEL), (FOO, SDIST)]
        assert now(mirrors.count("mirror")) == 0
        assert now(mirrors.leaving("other")) == []

    def test_leaving_nothing_changes_nothing(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.leave("mirror", []))
        assert now(mirrors.page("mirror", FOO)) == HELD

    def test_what_was_never_offered_may_leave(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.leave("mirror", [leaves(HELD, WHEEL)]))
        assert now(mirrors.page("mirror", FOO)) is None
        assert len(now(mirrors.leaving("mirror"))) == 1

    def test_a_project_that_leaves_twice_keeps_the_files_of_both_times(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.leave("mirror", [leaves(HELD, since=1.0, until=9.0)]))
        later = mirrored(FOO, attrs.evolve(SDIST_FILE, hashes=(("sha256", E),)), serial=20, versions=("3.0",))
        now(mirrors.leave("mirror", [leaves(later, since=3.0, until=5.0)]))
        (one,) = now(mirrors.leaving("mirror"))
        assert (one.since, one.until, one.mirrored.serial) == (3.0, 9.0, 20)
        assert one.mirrored.page.files == (*later.page.files, WHEEL_FILE)
        assert one.mirrored.documents == ((WHEEL, D),)
        assert one.mirrored.page.versions == ("3.0", "1.0", "2.0")
        assert now(mirrors.digests("", 10)) == [A, B, D, E]

    def test_of_a_file_that_leaves_twice_the_last_is_kept(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.leave("mirror", [leaves(HELD, SDIST)]))
        other = mirrored(FOO, attrs.evolve(SDIST_FILE, hashes=(("sha256", E),)))
        now(mirrors.leave("mirror", [leaves(other, SDIST, 3.0, 4.0)]))
        assert now(mirrors.leaving("mirror")) == [leaves(other, SDIST, 3.0, 4.0)]
        assert now(mirrors.digests("", 10)) == [E]

    def test_what_is_kept_again_leaves_no_longer(self, mirrors: IMirrorRecords) -> None:
        """A file, a whole project, or what of it is there again; the rest of it goes on waiting."""
        now(mirrors.leave("mirror", [leaves(HELD), leaves(mirrored(BAR, SDIST_FILE), SDIST)]))
        now(mirrors.keep("mirror", BAR, mirrored(BAR, SDIST_FILE)))
        assert [one.name for one in now(mirrors.leaving("mirror"))] == [FOO]
        now(mirrors.keep("mirror", FOO, mirrored(FOO, WHEEL_FILE)))
        rest = attrs.evolve(HELD, page=attrs.evolve(PAGE, files=(SDIST_FILE,)), documents=())
        assert now(mirrors.leaving("mirror")) == [leaves(rest)]
        assert now(mirrors.references(C)) == 2
        assert now(mirrors.references(D)) == 0
        now(mirrors.keep("mirror", FOO, mirrored(FOO, WHEEL_FILE, SDIST_FILE)))
        assert now(mirrors.leaving("mirror")) == []

    def test_a_project_without_files_that_is_kept_again_leaves_no_longer(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.leave("mirror", [leaves(mirrored())]))
        now(mirrors.keep("mirror", BAR, mirrored()))
        assert now(mirrors.leaving("mirror")) == []

    def test_S29_other_bytes_under_the_name_do_not_end_the_wait(self, mirrors: IMirrorRecords) -> None:
        """Nor can what left be brought back beside them."""
        left = leaves(mirrored(BAR, SDIST_FILE), SDIST)
        now(mirrors.leave("mirror", [left]))
        other = mirrored(BAR, attrs.evolve(SDIST_FILE, hashes=(("sha256", E),)))
        now(mirrors.keep("mirror", BAR, other))
        assert now(mirrors.leaving("mirror")) == [left]
        assert now(mirrors.bring_back("mirror", BAR)) == 0
        assert now(mirrors.page("mirror", BAR)) == other
        assert now(mirrors.leaving("mirror")) == [left]
        assert now(mirrors.digests("", 10)) == [C, E]

    def test_a_project_is_brought_back_as_it_was(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.leave("mirror", [leaves(HELD)]))
        assert now(mirrors.bring_back("other", FOO)) == now(mirrors.bring_back("mirror", BAR)) == 0
        assert now(mirrors.bring_back("mirror", FOO)) == 2
        assert now(mirrors.page("mirror", FOO)) == HELD
        assert now(mirrors.leaving("mirror")) == []
        assert now(mirrors.bring_back("mirror", FOO)) == 0
        assert [now(mirrors.references(digest)) for digest in (A, B, C, D)] == [1, 1, 1, 1]

    def test_a_project_without_files_is_brought_back(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.leave("mirror", [leaves(mirrored())]))
        assert now(mirrors.bring_back("mirror", BAR)) == 0
        assert now(mirrors.page("mirror", BAR)) == mirrored()
        assert now(mirrors.leaving("mirror")) == []

    def test_files_are_brought_back_beside_what_is_offered(self, mirrors: IMirrorRecords) -> None:
        """With their documents and versions; all else is as it is now."""
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.leave("mirror", [leaves(HELD, WHEEL)]))
        later = Mirrored(UpstreamPage(FOO, (SDIST_FILE,), ("3.0",)), 20, True, 5.0, ((SDIST, E),))
        now(mirrors.keep("mirror", FOO, later))
        assert now(mirrors.bring_back("mirror", FOO)) == 1
        page = attrs.evolve(later.page, files=(SDIST_FILE, WHEEL_FILE), versions=("3.0", "1.0", "2.0"))
        assert now(mirrors.page("mirror", FOO)) == attrs.evolve(later, page=page, documents=((SDIST, E), (WHEEL, D)))
        assert now(mirrors.leaving("mirror")) == []

    def test_files_are_brought_back_where_nothing_is_offered(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.leave("mirror", [leaves(HELD, WHEEL)]))
        now(mirrors.leave("mirror", [leaves(mirrored(FOO, SDIST_FILE))]))
        assert now(mirrors.bring_back("mirror", FOO)) == 2
        assert set(filenames(now(mirrors.page("mirror", FOO)))) == BOTH
        now(mirrors.leave("mirror", [leaves(HELD, SDIST), leaves(HELD, WHEEL)]))
        assert filenames(now(mirrors.page("mirror", FOO))) == []
        assert now(mirrors.bring_back("mirror", FOO)) == 2
        assert set(filenames(now(mirrors.page("mirror", FOO)))) == BOTH

    def test_those_whose_time_is_over_are_forgotten(self, mirrors: IMirrorRecords) -> None:
        """With their blobs, unless something else needs them; the moment itself is over."""
        first, second, third = leaves(HELD, WHEEL, until=5.0), leaves(HELD, SDIST, until=6.0), leaves(mirrored(BAR, SDIST_FILE), until=5.0)
        now(mirrors.leave("mirror", [first, second, third]))
        now(mirrors.leave("other", [first]))
        assert now(mirrors.forget_leaving("mirror", 4.9)) == []
        gone = now(mirrors.forget_leaving("mirror", 5.0))
        assert [(one.name, one.filename) for one in gone] == [(BAR, None), (FOO, WHEEL)]
        assert gone[0] == third
        assert [one.filename for one in now(mirrors.leaving("mirror"))] == [SDIST]
        assert [now(mirrors.references(digest)) for digest in (A, B, C, D)] == [1, 1, 1, 1]
        assert now(mirrors.forget_leaving("mirror", 9.0)) != []
        assert now(mirrors.forget_leaving("other", 9.0)) != []
        assert now(mirrors.digests("", 10)) == []

    def test_what_is_offered_needs_its_blobs_after_what_left_is_forgotten(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.keep("mirror", FOO, HELD))
        now(mirrors.leave("mirror", [leaves(HELD, WHEEL)]))
        now(mirrors.forget_leaving("mirror", 9.0))
        assert now(mirrors.digests("", 10)) == [C]

    # --- pins, what waits, and progress

    def test_pins_are_of_a_label_and_may_be_taken_away(self, mirrors: IMirrorRecords) -> None:
        for name in (FOO, FOO, BAR):
            now(mirrors.pin("mirror", name, True))
        assert now(mirrors.pinned("mirror")) == {FOO, BAR}
        assert now(mirrors.pinned("other")) == frozenset()
        for _ in range(2):
            now(mirrors.pin("mirror", FOO, False))
        assert now(mirrors.pinned("mirror")) == {BAR}

    def test_what_waits_is_told_in_order_and_the_last_word_counts(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.wait("mirror", [Waiting(FOO, 7), Waiting(BAR, 8, 2, 5.5, "it is down")]))
        now(mirrors.wait("other", [Waiting(FOO, 1)]))
        now(mirrors.wait("mirror", []))
        assert now(mirrors.waiting("mirror")) == [Waiting(BAR, 8, 2, 5.5, "it is down"), Waiting(FOO, 7)]
        assert now(mirrors.waiting_of("mirror", BAR)) == Waiting(BAR, 8, 2, 5.5, "it is down")
        assert now(mirrors.waiting_of("other", BAR)) is None
        assert (now(mirrors.queue("mirror")), now(mirrors.queue("other"))) == ((2, 0.0), (1, 0.0))
        now(mirrors.wait("mirror", [Waiting(FOO, 9, 1, 6.5, "older than announced")]))
        assert now(mirrors.queue("mirror")) == (2, 5.5)
        assert [one.name for one in now(mirrors.first_waiting("mirror", 1))] == [BAR]
        assert [len(now(mirrors.first_waiting("mirror", limit))) for limit in (-1, 0, 2, 9)] == [0, 0, 2, 2]
        assert now(mirrors.waiting("mirror"))[1] == Waiting(FOO, 9, 1, 6.5, "older than announced")
        for _ in range(2):
            now(mirrors.done("mirror", BAR))
        assert [one.name for one in now(mirrors.waiting("mirror"))] == [FOO]
        assert now(mirrors.waiting("other")) == [Waiting(FOO, 1)]

    def test_what_failed_or_is_due_is_counted_apart_from_what_only_waits(self, mirrors: IMirrorRecords) -> None:
        assert now(mirrors.failing("mirror", 9.0)) == 0
        now(mirrors.wait("mirror", [Waiting(FOO, 7, 0, 6.0), Waiting(BAR, 8, 2, 99.0, "it is down")]))
        now(mirrors.wait("other", [Waiting(FOO, 1)]))
        assert [now(mirrors.failing("mirror", moment)) for moment in (5.0, 6.0)] == [1, 2]

    def test_what_is_kept_waits_no_longer(self, mirrors: IMirrorRecords) -> None:
        now(mirrors.wait("mirror", [Waiting(FOO, 7), Waiting(BAR, 8)]))
        now(mirrors.keep("mirror", FOO, HELD))
        assert [one.name for one in now(mirrors.waiting("mirror"))] == [BAR]

    def test_progress_is_remembered_by_label(self, mirrors: IMirrorRecords) -> None:
        far = Progress(
            99, Validators('"list"', "Mon, 01 Jan 2024 00:00:00 GMT"), "abc", 5.25, 6.5, "3 projects; all is here", 3, "there", 4.5, 5.5
        )
        now(mirrors.advance("mirror", far))
        assert now(mirrors.progress("mirror")) == far
        assert now(mirrors.progress("other")) == Progress()
        now(mirrors.advance("mirror", Progress(tried=7.0)))
        assert now(mirrors.progress("mirror")) == Progress(tried=7.0)
