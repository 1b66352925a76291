"""What every `IFileRecords` promises."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.errors import Conflict, NoSuchFile, NoSuchProject
from pypidaemon.interfaces import IFileRecords, IRecords
from pypidaemon.model import Change, Deed, Digest, Entered, File, Filename, FileRecord, NormalizedName, OnRecord, Settled, Standing
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, WHEEL, record

FULL = FileRecord(
    File(
        WHEEL,
        url="https://files.example/foo",
        path="by-name/private/foo/" + WHEEL,
        hashes=(("sha256", "a" * 64), ("md5", "b" * 32)),
        size=7,
        upload_time="2024-01-02T03:04:05Z",
        requires_python=">=3.8, <4",
        yanked="bröken \u2028 'quoted'",
        core_metadata="c" * 64,
        provenance="https://files.example/p",
        gpg_sig=True,
    ),
    "1.0",
    "grace",
    Standing.HIDDEN,
    1_700_000_000.25,
)
A, B = "a" * 64, "b" * 64


class FileRecordsContract:
    """Run by every place of records; a subclass's module has the fixtures `records` and `clock`."""

    @pytest.fixture
    def files(self, records: IRecords) -> IFileRecords:
        return records.files

    def test_keeps_the_interface(self, files: IFileRecords) -> None:
        verifyObject(IFileRecords, files)

    def test_nothing_at_first(self, files: IFileRecords) -> None:
        assert dict(now(files.names("private"))) == {}
        assert now(files.changes("private", 0, 10)) == []
        with pytest.raises(NoSuchProject):
            now(files.page("private", FOO))

    @pytest.mark.parametrize("one", [FULL, FileRecord(File(WHEEL), "1.0"), FileRecord(File(WHEEL, yanked=""), "1.0")])
    def test_a_record_comes_back_as_it_was_given(self, files: IFileRecords, one: FileRecord) -> None:
        serial = now(files.record("private", FOO, one, "add"))
        assert now(files.page("private", FOO)) == (serial, [one])

    def test_a_page_is_in_the_order_of_the_file_names(self, files: IFileRecords) -> None:
        names = ["foo-1.0.zip", "Foo-1.0.tar.gz", "foo-1.0-py3-none-any.whl", "foo-1.0.1.tar.gz"]
        for name in names:
            now(files.record("private", FOO, record(name), "add"))
        assert [one.file.filename for one in now(files.page("private", FOO))[1]] == sorted(names)

    def test_recording_again_replaces(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, FULL, "add"))
        other = record(WHEEL, "1.0", "d" * 64)
        assert now(files.record("private", FOO, other, "add")) == 2
        assert now(files.page("private", FOO)) == (2, [other])

    def test_R68_every_change_takes_the_next_serial_of_its_label(self, files: IFileRecords) -> None:
        assert now(files.record("private", FOO, record(WHEEL), "add")) == 1
        assert now(files.record("private", BAR, record("bar-1.tar.gz"), "add")) == 2
        assert now(files.record("other", FOO, record(WHEEL), "add")) == 1
        assert now(files.record("private", FOO, record(SDIST), "add")) == 3
        assert now(files.amend("private", FOO, WHEEL, File(WHEEL, yanked="no"), "yank release")) == 4
        assert now(files.forget("private", FOO, SDIST, "remove file")) == 5
        assert now(files.forget("private", BAR, None, "remove project")) == 6
        assert dict(now(files.names("private"))) == {FOO: 5}

    def test_amend_changes_what_the_page_says_alone(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, FULL, "add"))
        file = attrs.evolve(FULL.file, yanked=None)
        assert now(files.amend("private", FOO, WHEEL, file, "unyank release")) == 2
        assert now(files.page("private", FOO)) == (2, [attrs.evolve(FULL, file=file)])

    def test_amend_what_is_not_there(self, files: IFileRecords) -> None:
        with pytest.raises(NoSuchFile):
            now(files.amend("private", FOO, WHEEL, File(WHEEL), "yank release"))
        now(files.record("private", FOO, record(SDIST), "add"))
        with pytest.raises(NoSuchFile):
            now(files.amend("private", FOO, WHEEL, File(WHEEL), "yank release"))
        assert len(now(files.changes("private", 0, 10))) == 1

    def test_law_3_a_project_without_files_stays(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, record(WHEEL), "add"))
        now(files.forget("private", FOO, WHEEL, "remove file"))
        assert now(files.page("private", FOO)) == (2, [])
        assert dict(now(files.names("private"))) == {FOO: 2}

    def test_a_forgotten_project_is_gone_and_its_numbers_go_on(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, record(WHEEL), "add"))
        now(files.forget("private", FOO, None, "remove project"))
        with pytest.raises(NoSuchProject):
            now(files.page("private", FOO))
        assert dict(now(files.names("private"))) == {}
        assert now(files.record("private", FOO, record(SDIST), "add")) == 3
        assert [one.file.filename for one in now(files.page("private", FOO))[1]] == [SDIST]

    def test_forget_what_is_not_there(self, files: IFileRecords) -> None:
        with pytest.raises(NoSuchProject):
            now(files.forget("private", FOO, None, "remove project"))
        with pytest.raises(NoSuchProject):
            now(files.forget("private", FOO, WHEEL, "remove file"))
        now(files.record("private", FOO, record(SDIST), "add"))
        with pytest.raises(NoSuchFile):
            now(files.forget("private", FOO, WHEEL, "remove file"))
        assert len(now(files.changes("private", 0, 10))) == 1

    def test_R146_changes_tell_the_story(self, files: IFileRecords, clock: Clock) -> None:
        clock.advance(1)
        now(files.record("private", FOO, record(WHEEL, "1.0"), "add py3 file"))
        clock.advance(1)
        now(files.amend("private", FOO, WHEEL, File(WHEEL, yanked=""), "yank release"))
        clock.advance(1)
        now(files.forget("private", FOO, WHEEL, "remove file"))
        clock.advance(1)
        now(files.forget("private", FOO, None, "remove project"))
        story = [
            Change(FOO, "1.0", 1.0, "add py3 file", 1),
            Change(FOO, "1.0", 2.0, "yank release", 2),
            Change(FOO, "1.0", 3.0, "remove file", 3),
            Change(FOO, None, 4.0, "remove project", 4),
        ]
        assert now(files.changes("private", 0, 10)) == story
        assert now(files.changes("private", 0, 4)) == story
        assert now(files.changes("private", 1, 2)) == story[1:3]
        assert now(files.changes("private", 4, 10)) == []
        assert now(files.changes("private", -1, 1)) == story[:1]
        assert now(files.changes("private", 10**30, 10**30)) == []
        assert now(files.changes("other", 0, 10)) == []

    def test_a_look_at_one_name_says_what_the_page_says_of_it(self, files: IFileRecords) -> None:
        with pytest.raises(NoSuchProject):
            now(files.look("private", FOO, WHEEL))
        now(files.add("private", FOO, FULL, "add", "ann"))
        assert now(files.look("private", FOO, WHEEL)) == OnRecord(1, "ann", FULL)
        assert now(files.look("private", FOO, SDIST)) == OnRecord(1, "ann", None)
        with pytest.raises(NoSuchProject):
            now(files.look("other", FOO, WHEEL))

    def test_who_enters_a_file_hears_what_was_before(self, files: IFileRecords, records: IRecords) -> None:
        deed = Deed(1.0, "ann", "192.0.2.1", "upload", f"private/foo==1.0 {WHEEL}", "sha256:" + A)
        first = now(files.enter("private", FOO, record(WHEEL, digest=A), "add", "ann", deed))
        assert first == Entered(1, None, noted=first.noted)
        again = now(files.enter("private", FOO, record(WHEEL, digest=A), "add", "ann", deed))
        assert again == Entered(1, 1, is_new=False)
        with pytest.raises(Conflict):
            now(files.enter("private", FOO, record(WHEEL, digest=B), "add", None, deed))
        with pytest.raises(Conflict):
            now(files.enter("private", FOO, record(SDIST), "add", "eve", deed))
        assert now(files.enter("private", FOO, record(SDIST), "add", None, None)) == Entered(2, 1)
        # It says truly whether the audit log has it, and what was not done is not in there.
        assert now(records.accounts.deeds(0.0, 10)) == ([deed] if first.noted else [])

    def test_a_file_entered_in_place_of_another_is_noted_with_it_and_takes_no_tombstones_place(
        self, files: IFileRecords, records: IRecords
    ) -> None:
        deed = Deed(1.0, "ann", "192.0.2.1", "upload", f"private/foo==1.0 {WHEEL}", "sha256:" + B)
        now(files.enter("private", FOO, record(WHEEL, digest=A), "add", "ann", None, "replace"))
        with pytest.raises(Conflict):
            now(files.enter("private", FOO, record(WHEEL, digest=B), "add", "eve", deed, "replace"))
        with pytest.raises(Conflict):
            now(files.enter("private", BAR, record(WHEEL, digest=B), "add", None, deed, "replace"))
        replaced = now(files.enter("private", FOO, record(WHEEL, digest=B), "add", "ann", deed, "replace"))
        assert replaced == Entered(2, 1, noted=replaced.noted)
        assert now(files.enter("private", FOO, record(WHEEL, digest=B), "add", None, deed, "replace")) == Entered(2, 2, is_new=False)
        now(files.place("private", FOO, (WHEEL,), Standing.DELETED, "remove"))
        with pytest.raises(Conflict, match="used before"):
            now(files.enter("private", FOO, record(WHEEL, digest=A), "add", None, deed, "replace"))
        assert [row.action for row in now(files.changes("private", 0, 10))] == ["add", "replace", "remove"]
        assert now(records.accounts.deeds(0.0, 10)) == ([deed] if replaced.noted else [])

    def test_references_count_records_of_every_label(self, files: IFileRecords) -> None:
        """A record that names a content as its METADATA needs it as much as one whose bytes it is."""
        content = Digest("a" * 64)
        assert now(files.references(content)) == 0
        now(files.record("private", FOO, record(WHEEL, digest=content), "add"))
        now(files.record("other", FOO, record(WHEEL, digest=content), "add"))
        now(files.record("other", FOO, record(SDIST, digest="b" * 64, core_metadata=content), "add"))
        now(files.record("other", BAR, record("bar-1.zip", digest=content, core_metadata=content), "add"))
        assert now(files.references(content)) == 4
        now(files.forget("private", FOO, WHEEL, "remove file"))
        assert now(files.references(content)) == 3
        now(files.amend("other", FOO, SDIST, File(SDIST), "amend"))
        assert now(files.references(content)) == 2
        now(files.forget("other", BAR, None, "remove project"))
        now(files.record("other", FOO, record(WHEEL, digest="c" * 64), "add"))
        assert now(files.references(content)) == 0

    def test_who_holds_a_content_is_known_by_its_bytes(self, files: IFileRecords) -> None:
        """Not by what it is the METADATA of."""
        content = Digest("a" * 64)
        assert now(files.holders(content)) == frozenset()
        now(files.record("private", FOO, record(WHEEL, digest=content), "add"))
        now(files.record("other", FOO, record(WHEEL, digest=content), "add"))
        now(files.record("other", BAR, record("bar-1.zip", digest=content, standing=Standing.HIDDEN), "add"))
        now(files.record("other", BAR, record(SDIST, digest="b" * 64, core_metadata=content), "add"))
        assert now(files.holders(content)) == {FOO, BAR}

    @pytest.mark.parametrize("standing", list(Standing))
    def test_references_count_every_standing(self, files: IFileRecords, standing: Standing) -> None:
        """What is hidden or deleted can come back, so its bytes are needed."""
        now(files.record("private", FOO, record(WHEEL, digest=A, standing=standing), "add"))
        assert now(files.references(Digest(A))) == 1

    # --- adding -------------------------------------------------------------------------------------------------------------------

    def test_add_what_is_new(self, files: IFileRecords, clock: Clock) -> None:
        clock.advance(5)
        assert now(files.add("private", FOO, FULL, "new release", None)) == 1
        assert now(files.page("private", FOO)) == (1, [FULL])
        assert now(files.add("private", FOO, record(SDIST, digest=A), "add source file", None)) == 2
        assert now(files.changes("private", 1, 9)) == [Change(FOO, "1.0", 5.0, "add source file", 2)]

    @pytest.mark.parametrize("standing", [Standing.SHOWN, Standing.HIDDEN])
    def test_R165_the_same_bytes_once_more_change_nothing(self, files: IFileRecords, standing: Standing) -> None:
        """F99: whoever lost the answer may ask again; uploader, standing and all else stay as they were."""
        first = record(WHEEL, digest=A, standing=standing)
        now(files.add("private", FOO, first, "new release", None))
        now(files.add("private", FOO, record(SDIST, digest=B), "add source file", None))
        assert now(files.add("private", FOO, attrs.evolve(record(WHEEL, digest=A), uploader="eve"), "add", None)) == 2
        assert now(files.page("private", FOO))[1][0] == first
        assert len(now(files.changes("private", 0, 9))) == 2

    @pytest.mark.parametrize(("before", "after"), [(A, B), (A, None), (None, A), (None, None)])
    def test_R166_other_bytes_are_a_conflict(self, files: IFileRecords, before: str | None, after: str | None) -> None:
        """Bytes of which nobody knows the digest are never the same."""
        now(files.record("private", FOO, record(WHEEL, digest=before), "add"))
        with pytest.raises(Conflict, match="already exists"):
            now(files.add("private", FOO, record(WHEEL, digest=after), "add", None))
        assert now(files.page("private", FOO)) == (1, [record(WHEEL, digest=before)])
        assert len(now(files.changes("private", 0, 9))) == 1

    def test_R181_a_tombstone_is_a_conflict_for_the_same_bytes_too(self, files: IFileRecords) -> None:
        now(files.add("private", FOO, record(WHEEL, digest=A), "add", None))
        now(files.place("private", FOO, (WHEEL,), Standing.DELETED, "remove file"))
        for digest in (A, B):
            with pytest.raises(Conflict, match="cannot be used again"):
                now(files.add("private", FOO, record(WHEEL, digest=digest), "add", None))
        assert now(files.page("private", FOO)) == (2, [record(WHEEL, digest=A, standing=Standing.DELETED)])

    def test_a_file_name_is_one_projects_of_the_index(self, files: IFileRecords) -> None:
        """Else two pages would list one name with other bytes."""
        now(files.add("private", FOO, record(WHEEL, digest=A), "add", None))
        with pytest.raises(Conflict, match="another project"):
            now(files.add("private", BAR, record(WHEEL, digest=A), "add", None))
        with pytest.raises(NoSuchProject):
            now(files.page("private", BAR))
        assert now(files.add("other", BAR, record(WHEEL, digest=B), "add", None)) == 1

    def test_a_name_that_two_projects_have_is_judged_by_the_projects_own(self, files: IFileRecords) -> None:
        """`record` does not ask who else has it."""
        for name, digest in ((FOO, A), (BAR, B)):
            now(files.record("private", name, record(WHEEL, digest=digest), "add"))
        assert now(files.add("private", FOO, record(WHEEL, digest=A), "add", None)) == 1
        assert now(files.add("private", BAR, record(WHEEL, digest=B), "add", None)) == 2

    # --- owners -------------------------------------------------------------------------------------------------------------------

    def test_of_two_founders_one_wins(self, files: IFileRecords) -> None:
        """The other gets nothing in, not even the same bytes; and no word that an uploader takes for success."""
        assert now(files.add("private", FOO, record(WHEEL, digest=A), "add", "ada")) == 1
        for filename, digest in ((WHEEL, A), (WHEEL, B), (SDIST, B)):
            with pytest.raises(Conflict) as caught:
                now(files.add("private", FOO, record(filename, digest=digest), "add", "eve"))
            assert "already exist" not in str(caught.value)
        assert now(files.owner("private", FOO)) == "ada"
        assert now(files.page("private", FOO)) == (1, [record(WHEEL, digest=A)])

    def test_F100_a_founder_may_found_with_many_files_at_once(self, files: IFileRecords) -> None:
        """Those that were authorised while the project was new arrive when it is not; a retry (F99) is one of these."""
        assert now(files.add("private", FOO, record(WHEEL, digest=A), "add", "ada")) == 1
        assert now(files.add("private", FOO, record(SDIST, digest=B), "add", "ada")) == 2
        assert now(files.add("private", FOO, record(WHEEL, digest=A), "add", "ada")) == 2
        assert now(files.owner("private", FOO)) == "ada"

    def test_nobody_founds_what_nobody_owns(self, files: IFileRecords) -> None:
        """Also where the project has no file left (law 3)."""
        now(files.add("private", FOO, record(WHEEL, digest=A), "add", None))
        now(files.forget("private", FOO, WHEEL, "remove file"))
        assert now(files.owner("private", FOO)) is None
        with pytest.raises(Conflict):
            now(files.add("private", FOO, record(SDIST, digest=A), "add", "ada"))
        assert now(files.owner("private", FOO)) is None

    def test_a_founding_that_fails_founds_nothing(self, files: IFileRecords) -> None:
        now(files.add("private", FOO, record(WHEEL, digest=A), "add", None))
        with pytest.raises(Conflict):
            now(files.add("private", BAR, record(WHEEL, digest=A), "add", "ada"))
        assert now(files.owner("private", BAR)) is None
        assert dict(now(files.names("private"))) == {FOO: 1}

    def test_an_owner_stays_whatever_happens_to_the_files(self, files: IFileRecords) -> None:
        now(files.add("private", FOO, record(WHEEL, digest=A), "add", "ada"))
        now(files.record("private", FOO, record(SDIST, digest=A), "add"))
        now(files.amend("private", FOO, SDIST, File(SDIST, yanked=""), "yank"))
        now(files.place("private", FOO, (WHEEL,), Standing.HIDDEN, "hide"))
        now(files.add("private", FOO, record("foo-2.tar.gz", "2", digest=B), "add", None))
        now(files.forget("private", FOO, WHEEL, "remove file"))
        assert now(files.owner("private", FOO)) == "ada"
        now(files.forget("private", FOO, None, "remove project"))
        assert now(files.owner("private", FOO)) is None
        assert now(files.owned("ada")) == frozenset()
        assert now(files.add("private", FOO, record(WHEEL, digest=B), "add", "eve")) == 8
        assert now(files.owner("private", FOO)) == "eve"

    def test_giving_and_owning(self, files: IFileRecords) -> None:
        """Per label, without a serial, and an end to what the one before owned (S73)."""
        with pytest.raises(NoSuchProject):
            now(files.give("private", FOO, "ada"))
        now(files.record("private", FOO, record(WHEEL), "add"))
        now(files.record("private", BAR, record(SDIST), "add"))
        now(files.record("other", FOO, record(WHEEL), "add"))
        for label, name in (("private", FOO), ("private", BAR), ("other", FOO)):
            now(files.give(label, name, "ada"))
        assert now(files.owned("ada")) == {("private", FOO), ("private", BAR), ("other", FOO)}
        now(files.give("private", FOO, "eve"))
        now(files.give("private", BAR, None))
        assert now(files.owned("ada")) == {("other", FOO)}
        assert now(files.owned("eve")) == {("private", FOO)}
        assert now(files.owned("nobody")) == frozenset()
        assert now(files.owner("private", FOO)) == "eve"
        assert now(files.owner("private", BAR)) is None
        assert now(files.owner("nowhere", FOO)) is None
        assert dict(now(files.names("private"))) == {FOO: 1, BAR: 2}

    # --- standings ----------------------------------------------------------------------------------------------------------------

    def test_place_changes_the_standing_alone(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, FULL, "add"))
        for serial, standing in enumerate((Standing.DELETED, Standing.SHOWN, Standing.HIDDEN), 2):
            assert now(files.place("private", FOO, (WHEEL,), standing, "place")) == serial
            assert now(files.page("private", FOO)) == (serial, [attrs.evolve(FULL, standing=standing)])

    def test_place_is_one_change_for_all_files(self, files: IFileRecords, clock: Clock) -> None:
        """The history names the version where it is one; a file named twice is one file."""
        now(files.record("private", FOO, record(WHEEL, "1.0"), "add"))
        now(files.record("private", FOO, record(SDIST, "1.0"), "add"))
        now(files.record("private", FOO, record("foo-2.zip", "2"), "add"))
        clock.advance(3)
        assert now(files.place("private", FOO, (WHEEL, SDIST, WHEEL), Standing.HIDDEN, "hide")) == 4
        assert now(files.place("private", FOO, (WHEEL, Filename("foo-2.zip")), Standing.DELETED, "delete")) == 5
        assert now(files.changes("private", 3, 9)) == [Change(FOO, "1.0", 3.0, "hide", 4), Change(FOO, None, 3.0, "delete", 5)]
        standings = {one.file.filename: one.standing for one in now(files.page("private", FOO))[1]}
        assert standings == {WHEEL: Standing.DELETED, SDIST: Standing.HIDDEN, "foo-2.zip": Standing.DELETED}

    def test_place_where_it_is_already_is_no_change(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, record(WHEEL, "1.0"), "add"))
        now(files.record("private", FOO, record(SDIST, "2"), "add"))
        assert now(files.place("private", FOO, (WHEEL, SDIST), Standing.SHOWN, "show")) == 2
        assert now(files.place("private", FOO, (), Standing.HIDDEN, "hide")) == 2
        assert now(files.place("private", BAR, (), Standing.HIDDEN, "hide")) == 0
        now(files.place("private", FOO, (SDIST,), Standing.HIDDEN, "hide"))
        now(files.place("private", FOO, (WHEEL, SDIST), Standing.HIDDEN, "hide"))
        assert [change.version for change in now(files.changes("private", 2, 9))] == ["2", "1.0"]

    def test_place_is_all_or_nothing(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, record(WHEEL), "add"))
        for name in (FOO, BAR):
            with pytest.raises(NoSuchFile):
                now(files.place("private", name, (WHEEL, SDIST), Standing.DELETED, "delete"))
        assert now(files.page("private", FOO)) == (1, [record(WHEEL)])
        assert len(now(files.changes("private", 0, 9))) == 1

    def test_amend_keeps_a_tombstone_and_record_replaces_it(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, record(WHEEL, digest=A, standing=Standing.DELETED), "add"))
        now(files.amend("private", FOO, WHEEL, File(WHEEL, yanked=""), "yank"))
        assert now(files.page("private", FOO))[1][0].standing is Standing.DELETED
        now(files.record("private", FOO, record(WHEEL, digest=B), "add"))
        assert now(files.page("private", FOO))[1] == [record(WHEEL, digest=B)]

    def test_records_are_taken_over_by_one_serial_and_a_second_time_nothing_changes(self, files: IFileRecords) -> None:
        taken = [FULL, record(SDIST, "1.0", A)]
        settled = now(files.settle("private", FOO, taken, "take over"))
        assert settled == Settled(1, (WHEEL, SDIST))
        assert now(files.page("private", FOO)) == (1, sorted(taken, key=lambda one: one.file.filename))
        assert now(files.settle("private", FOO, taken, "take over")) == Settled(1)
        yanked = attrs.evolve(FULL, file=attrs.evolve(FULL.file, yanked="it eats files"), standing=Standing.SHOWN)
        assert now(files.settle("private", FOO, [yanked, taken[1]], "take over")) == Settled(2, (WHEEL,))
        assert [row.action for row in now(files.changes("private", 0, 10))] == ["take over", "take over"]

    def test_what_means_something_else_here_is_left_out_when_records_are_taken_over(self, files: IFileRecords) -> None:
        now(files.record("private", FOO, record(SDIST, "1.0", A), "add"))
        now(files.record("private", BAR, record(WHEEL, "1.0", A), "add"))
        settled = now(
            files.settle("private", FOO, [record(SDIST, "1.0", B), record(WHEEL, "1.0", A), record("foo-2.0.tar.gz", "2.0", B)], "take")
        )
        assert settled == Settled(3, (Filename("foo-2.0.tar.gz"),), (SDIST, WHEEL))
        assert now(files.settle("private", FOO, [record(SDIST, "1.0", None)], "take")) == Settled(3, (), (SDIST,))
        assert now(files.settle("private", NormalizedName("empty"), [], "take")) == Settled(4)
        assert now(files.page("private", NormalizedName("empty"))) == (4, [])
