"""What every `IFileRecords` promises."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.interfaces import IFileRecords, IRecords
from pypidaemon.model import Change, Digest, File, FileRecord
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
)


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
        assert now(files.page("private", FOO)) == (2, [FileRecord(file, "1.0", "grace")])

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
