"""What every `IHostedIndex` promises, and the yard in which one is tried."""

from __future__ import annotations

import hashlib
import io
import tarfile
from contextlib import closing

import attrs
import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon.announcements import Announcements
from pypidaemon.archives import BadArchive, wheel_metadata
from pypidaemon.archives.rules import Rules
from pypidaemon.errors import Conflict, CorruptContent, InvalidUpload, NoSuchFile, NoSuchProject
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IBlobStore, IContent, IDraft, IHostedIndex, IInspector, IRecords
from pypidaemon.model import Companion, Earlier, File, Filename, Inspected, NormalizedName, Published, Standing, Upload
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.waits import Bell
from tests.gear import later, now, waiting

ALPHA, ABSENT = NormalizedName("alpha"), NormalizedName("absent")
NOON = 1_780_000_000.25
WHEEL, WHEEL_BYTES = make_wheel("alpha", "1.0")
SDIST, SDIST_BYTES = make_sdist("alpha", "1.0")
OTHER_BYTES = make_wheel("alpha", "1.0", requires=["beta"])[1]
LATER, LATER_BYTES = make_wheel("alpha", "1.10")


@implementer(IInspector)
@attrs.define
class PlainInspectors:
    """
    Inspects here and now, and believes everything but what cannot be read.

    :param gate: where it is set, an inspection waits for its ring before the verdict.
    """

    gate: Bell | None = None
    rules: list[Rules] = attrs.field(factory=list)
    seen: list[str] = attrs.field(factory=list)

    def under(self, rules: Rules) -> PlainInspectors:
        """Itself; `rules` is what was asked for."""
        self.rules.append(rules)
        return self

    async def inspect(self, content: IContent, upload: Upload) -> Inspected:
        self.seen.append(upload.filename)
        data = b"".join([piece async for piece in pieces(content)])
        if self.gate is not None:
            await self.gate.wait()
        try:
            document = wheel_metadata(io.BytesIO(data), upload.filename) if upload.filename.endswith(".whl") else _pkg_info(data)
        except (BadArchive, tarfile.TarError, EOFError) as error:
            raise InvalidUpload(str(error)) from error
        said = dict(line.split(": ", 1) for line in document.decode().partition("\n\n")[0].splitlines())
        return Inspected(document, NormalizedName(said["Name"]), said["Version"], said.get("Requires-Python"))


def _pkg_info(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        member = archive.extractfile(next(name for name in archive.getnames() if name.endswith("PKG-INFO")))
        assert member is not None
        return member.read()


@attrs.define
class Yard:
    """An index with what it stands on."""

    records: IRecords
    blobs: IBlobStore
    clock: Clock = attrs.field(factory=Clock)
    announcements: Announcements = attrs.field(factory=Announcements)
    inspectors: PlainInspectors = attrs.field(factory=PlainInspectors)
    announced: list[NormalizedName | None] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self.announced.append)

    def draft(self, data: bytes) -> IDraft:
        """A draft with these bytes in it."""
        draft: IDraft = now(self.blobs.draft())
        for offset in range(0, len(data), 1000):
            now(draft.write(data[offset : offset + 1000]))
        return draft

    def held(self) -> set[str]:
        """Every digest in the store."""

        async def all_() -> set[str]:
            return {digest async for digest in self.blobs.digests()}

        return now(all_())


def upload(filename: str, *digests: tuple[str, str], name: str = "alpha", **metadata: str) -> Upload:
    """What a form says of such a file; the version is that in the file's name."""
    version = filename.removesuffix(".tar.gz").split("-")[1]
    filetype = "bdist_wheel" if filename.endswith(".whl") else "sdist"
    metadata.setdefault("pyversion", "py3" if filetype == "bdist_wheel" else "source")
    return Upload(NormalizedName(name), version, Filename(filename), filetype, digests, tuple(metadata.items()))


def publish(
    yard: Yard,
    index: IHostedIndex,
    filename: str = WHEEL,
    data: bytes = WHEEL_BYTES,
    account: str = "ada",
    *,
    founding: bool = False,
    replacing: bool = False,
    said: Upload | None = None,
) -> Published:
    """Upload that, and give what the index answers."""
    published: Published = now(index.publish(said or upload(filename), yard.draft(data), account, founding, replacing))
    return published


def content(index: IHostedIndex, filename: str, companion: Companion = Companion.FILE, name: NormalizedName = ALPHA) -> bytes:
    """The bytes that the index gives under that name."""
    opened = now(index.open_file(name, Filename(filename), companion))
    data: bytes = now(opened.read(0, 1 << 24))
    opened.close()
    return data


def files(index: IHostedIndex, name: NormalizedName = ALPHA) -> dict[str, File]:
    """What the very next page lists."""
    return {file.filename: file for file in now(index.project_page(name)).files}


def _draft(index: IHostedIndex, data: bytes) -> IDraft:
    draft: IDraft = now(index.draft())
    now(draft.write(data))
    return draft


class HostedIndexContract:
    """Run by every hosted index; a subclass gives the `yard` and the `index` in it, which has no project yet."""

    @pytest.fixture
    def yard(self) -> Yard:
        raise NotImplementedError

    @pytest.fixture
    def index(self, yard: Yard) -> IHostedIndex:
        raise NotImplementedError

    def source(self) -> IHostedIndex:
        """Another index, in a yard of its own, in which it is a day later."""
        raise NotImplementedError

    def test_keeps_the_interface(self, index: IHostedIndex) -> None:
        verifyObject(IHostedIndex, index)

    # --- publishing ---------------------------------------------------------------------------------------------------------------

    def test_R174_what_was_acknowledged_is_on_the_very_next_page(self, yard: Yard, index: IHostedIndex) -> None:
        for number, (filename, data) in enumerate(((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (LATER, LATER_BYTES)), 1):
            published = publish(yard, index, filename, data)
            page = now(index.project_page(ALPHA))
            assert page.file(filename) == published.file
            assert (published.repeated, published.serial, len(page.files)) == (False, page.serial, number)
            assert content(index, filename) == data
            assert dict(now(index.project_names()).entries())[ALPHA] == page.serial
        assert now(index.project_page(ALPHA)).versions == ("1.0", "1.10")

    def test_the_entry_has_every_fact_that_clients_use(self, yard: Yard, index: IHostedIndex) -> None:
        """R15: PyPI's own path; R55: the time in its form; the archive's word on Python (R132)."""
        file = publish(yard, index).file
        blake = hashlib.blake2b(WHEEL_BYTES, digest_size=32).hexdigest()
        assert file.path == f"{blake[:2]}/{blake[2:4]}/{blake[4:]}/{WHEEL}"
        assert file.hashes == (("sha256", hashlib.sha256(WHEEL_BYTES).hexdigest()),)
        assert (file.size, file.url, file.requires_python, file.yanked) == (len(WHEEL_BYTES), "", ">=3.8", None)
        assert file.upload_time == "2026-05-28T20:26:40.250000Z"

    def test_R102_a_wheel_has_its_metadata_beside_it(self, yard: Yard, index: IHostedIndex) -> None:
        file = publish(yard, index).file
        document = content(index, WHEEL, Companion.METADATA)
        assert document == wheel_metadata(io.BytesIO(WHEEL_BYTES), Filename(WHEEL))
        assert file.core_metadata == hashlib.sha256(document).hexdigest()

    def test_R102_a_source_distribution_of_old_metadata_has_none(self, yard: Yard, index: IHostedIndex) -> None:
        assert publish(yard, index, SDIST, SDIST_BYTES).file.core_metadata is None
        with pytest.raises(NoSuchFile):
            content(index, SDIST, Companion.METADATA)

    def test_R165_the_same_bytes_once_more_succeed_and_change_nothing(self, yard: Yard, index: IHostedIndex) -> None:
        """F99: whoever lost the answer may ask again."""
        first = publish(yard, index)
        before, held = now(index.project_page(ALPHA)), yard.held()
        yard.clock.advance(100)
        again = publish(yard, index, account="eve")
        assert again == attrs.evolve(first, repeated=True)
        assert now(index.project_page(ALPHA)) == before
        assert yard.held() == held

    def test_R166_other_bytes_are_a_conflict(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index)
        held = yard.held()
        with pytest.raises(Conflict, match=r"^File already exists"):
            publish(yard, index, data=OTHER_BYTES)
        assert content(index, WHEEL) == WHEEL_BYTES
        assert yard.held() == held

    @pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("md5", 32), ("blake2b_256", 64)])
    def test_S9_a_wrong_digest_is_refused_and_nothing_is_stored(self, yard: Yard, index: IHostedIndex, algorithm: str, length: int) -> None:
        with pytest.raises(InvalidUpload, match=algorithm):
            publish(yard, index, said=upload(WHEEL, (algorithm, "0" * length)))
        assert yard.held() == set()
        assert not now(index.has(ALPHA))
        assert yard.inspectors.seen == []

    def test_R163_every_digest_that_holds_is_taken(self, yard: Yard, index: IHostedIndex) -> None:
        sent = (
            ("sha256", hashlib.sha256(WHEEL_BYTES).hexdigest()),
            ("md5", hashlib.md5(WHEEL_BYTES).hexdigest()),
            ("blake2b_256", hashlib.blake2b(WHEEL_BYTES, digest_size=32).hexdigest()),
        )
        file = publish(yard, index, said=upload(WHEEL, *sent)).file
        assert file.hashes == sent[:2]

    def test_S19_an_archive_of_another_project_is_refused(self, yard: Yard, index: IHostedIndex) -> None:
        beta = make_sdist("beta", "1.0")[1]
        with pytest.raises(InvalidUpload, match="beta"):
            publish(yard, index, SDIST, beta)
        assert yard.held() == set()

    def test_S4_a_file_name_of_another_project_is_refused(self, yard: Yard, index: IHostedIndex) -> None:
        with pytest.raises(InvalidUpload, match="not one of the project"):
            publish(yard, index, said=upload(WHEEL, name="beta"))
        assert yard.held() == set()

    def test_what_is_no_archive_is_refused(self, yard: Yard, index: IHostedIndex) -> None:
        with pytest.raises(InvalidUpload):
            publish(yard, index, data=b"no archive at all")
        assert yard.held() == set()
        with pytest.raises(NoSuchProject):
            now(index.project_page(ALPHA))

    def test_a_refused_draft_is_gone_and_a_taken_one_is_a_blob(self, yard: Yard, index: IHostedIndex) -> None:
        refused = yard.draft(b"no archive at all")
        with pytest.raises(InvalidUpload):
            now(index.publish(upload(WHEEL), refused, "ada", False))
        with pytest.raises((CorruptContent, ValueError)):
            now(refused.read(0, 10))
        taken = yard.draft(WHEEL_BYTES)
        now(index.publish(upload(WHEEL), taken, "ada", False))
        assert taken.digest in yard.held()

    def test_F100_of_many_uploads_of_one_file_name_exactly_one_wins(self, yard: Yard, index: IHostedIndex) -> None:
        """They are all inspected before the first is recorded."""
        yard.inspectors.gate = Bell()
        rivals = [make_wheel("alpha", "1.0", requires=[f"beta=={number}"])[1] for number in range(20)]
        running = [later(index.publish(upload(WHEEL), yard.draft(data), "ada", False)) for data in rivals]
        assert all(map(waiting, running))
        yard.inspectors.gate.ring()
        ends: list[object] = []
        for one in running:
            one.addBoth(ends.append)
        won = [data for data, end in zip(rivals, ends, strict=True) if isinstance(end, Published)]
        assert len(won) == 1
        assert all(end.check(Conflict) for end in ends if not isinstance(end, Published))  # type: ignore[attr-defined]  # failures
        assert content(index, WHEEL) == won[0]

    def test_F100_many_files_of_a_first_release_at_once_are_all_taken(self, yard: Yard, index: IHostedIndex) -> None:
        yard.inspectors.gate = Bell()
        made = [make_wheel("alpha", "1.0", tag=f"py3-none-linux_{number}") for number in range(20)]
        running = [later(index.publish(upload(filename), yard.draft(data), "ada", True)) for filename, data in made]
        yard.inspectors.gate.ring()
        for one in running:
            now(one)
        assert set(files(index)) == {filename for filename, _ in made}
        assert now(index.owner(ALPHA)) == "ada"

    # --- whose it is --------------------------------------------------------------------------------------------------------------

    def test_who_founds_a_project_owns_it(self, yard: Yard, index: IHostedIndex) -> None:
        assert (now(index.has(ALPHA)), now(index.owner(ALPHA))) == (False, None)
        publish(yard, index, founding=True)
        assert (now(index.has(ALPHA)), now(index.owner(ALPHA))) == (True, "ada")
        publish(yard, index, LATER, LATER_BYTES, "eve")
        assert now(index.owner(ALPHA)) == "ada"

    def test_nobody_founds_what_exists(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index, founding=True)
        for filename, data in ((LATER, LATER_BYTES), (WHEEL, WHEEL_BYTES)):
            with pytest.raises(Conflict):
                publish(yard, index, filename, data, "eve", founding=True)
        assert set(files(index)) == {WHEEL}

    # --- yanking ------------------------------------------------------------------------------------------------------------------

    def test_a_release_is_yanked_and_the_yank_taken_back(self, yard: Yard, index: IHostedIndex) -> None:
        """PEP 592: every file of it, and no other; also by another spelling of its version (R136)."""
        for filename, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (LATER, LATER_BYTES)):
            publish(yard, index, filename, data)
        before = now(index.project_page(ALPHA))
        assert now(index.yank(ALPHA, "1.0.0", "it eats\n disks")) == 2
        assert {name: file.yanked for name, file in files(index).items()} == {WHEEL: "it eats disks", SDIST: "it eats disks", LATER: None}
        assert now(index.project_page(ALPHA)).serial > before.serial
        assert now(index.yank(ALPHA, "1.0", "it eats disks")) == 0
        assert now(index.yank(ALPHA, "1.0", "")) == 2
        assert files(index)[WHEEL].yanked == ""
        assert now(index.yank(ALPHA, "1.0", None)) == 2
        after = now(index.project_page(ALPHA))
        assert (after.files, after.revision) == (before.files, before.revision)

    @pytest.mark.parametrize("reason", ["x" * 100_000, "a\u2028b\x1b[31m\udc80"])
    def test_S71_a_reason_is_one_line_of_decent_length(self, yard: Yard, index: IHostedIndex, reason: str) -> None:
        publish(yard, index)
        now(index.yank(ALPHA, "1.0", reason))
        said = files(index)[WHEEL].yanked
        assert said
        assert said.isprintable()
        assert len(said) <= 1000

    def test_what_is_not_there_cannot_be_changed(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index)
        for change in (index.yank(ABSENT, "1.0", ""), index.place(ABSENT, None, Standing.HIDDEN), index.place(ABSENT, "1", Standing.SHOWN)):
            with pytest.raises(NoSuchProject):
                now(change)
        for change in (index.yank(ALPHA, "9", ""), index.place(ALPHA, "9", Standing.HIDDEN)):
            with pytest.raises(NoSuchFile):
                now(change)

    # --- standings ----------------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("standing", [Standing.HIDDEN, Standing.DELETED])
    def test_a_release_goes_and_comes_back(self, yard: Yard, index: IHostedIndex, standing: Standing) -> None:
        """Law 2: what is off the page cannot be opened. The bytes stay for the way back."""
        for filename, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (LATER, LATER_BYTES)):
            publish(yard, index, filename, data)
        before = now(index.project_page(ALPHA))
        assert now(index.place(ALPHA, "1.0.0", standing)) == 2
        page = now(index.project_page(ALPHA))
        assert ([file.filename for file in page.files], page.versions) == ([LATER], ("1.10",))
        with pytest.raises(NoSuchFile):
            content(index, WHEEL)
        assert now(index.place(ALPHA, "1.0", standing)) == 0
        assert now(index.place(ALPHA, "1.0", Standing.SHOWN)) == 2
        after = now(index.project_page(ALPHA))
        assert (after.files, after.versions) == (before.files, before.versions)
        assert after.serial > page.serial > before.serial
        assert content(index, WHEEL) == WHEEL_BYTES

    @pytest.mark.parametrize("standing", [Standing.HIDDEN, Standing.DELETED])
    def test_law_3_a_project_without_shown_files_is_an_empty_page(self, yard: Yard, index: IHostedIndex, standing: Standing) -> None:
        publish(yard, index)
        assert now(index.place(ALPHA, None, standing)) == 1
        page = now(index.project_page(ALPHA))
        assert (page.files, page.versions) == ((), ())
        assert now(index.has(ALPHA))
        assert ALPHA in dict(now(index.project_names()).entries())

    def test_S12_a_deleted_file_name_stays_used(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index, founding=True)
        now(index.place(ALPHA, "1.0", Standing.DELETED))
        for data in (WHEEL_BYTES, OTHER_BYTES):
            with pytest.raises(Conflict):
                publish(yard, index, data=data)
        with pytest.raises(Conflict):
            publish(yard, index, LATER, LATER_BYTES, "eve", founding=True)
        assert files(index) == {}

    def test_hiding_brings_nothing_halfway_back(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index)
        now(index.place(ALPHA, "1.0", Standing.DELETED))
        assert now(index.place(ALPHA, "1.0", Standing.HIDDEN)) == 0
        with pytest.raises(NoSuchFile):
            now(index.yank(ALPHA, "1.0", ""))

    def test_only_what_is_of_the_standing_named_changes(self, yard: Yard, index: IHostedIndex) -> None:
        """So that undeleting shows nothing that somebody hid."""
        publish(yard, index)
        publish(yard, index, LATER, LATER_BYTES)
        now(index.place(ALPHA, "1.0", Standing.HIDDEN))
        now(index.place(ALPHA, "1.10", Standing.DELETED))
        assert now(index.place(ALPHA, None, Standing.SHOWN, Standing.DELETED)) == 1
        assert set(files(index)) == {LATER}
        assert [record.standing for record in now(index.release(ALPHA, None))] == [Standing.HIDDEN, Standing.SHOWN]

    # --- taking over --------------------------------------------------------------------------------------------------------------

    def test_a_release_is_taken_as_it_is(self, yard: Yard, index: IHostedIndex) -> None:
        """Law 12: same bytes, times and yanks; no other release, and nothing that is hidden."""
        source = self.source()
        for filename, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (LATER, LATER_BYTES)):
            published: Published = now(source.publish(upload(filename), _draft(source, data), "eve", False))
            assert published.file.upload_time != "2026-05-28T20:26:40.250000Z"
        now(source.yank(ALPHA, "1.0", "it eats disks"))
        taken = now(index.take(ALPHA, "1.0.0", source, "ada", True))
        expected = {name: file for name, file in files(source).items() if name != LATER}
        assert files(index) == expected
        assert {record.file.filename: record.file for record in taken} == expected
        assert content(index, WHEEL) == WHEEL_BYTES
        assert content(index, WHEEL, Companion.METADATA) == content(source, WHEEL, Companion.METADATA)
        assert (now(index.owner(ALPHA)), {record.uploader for record in taken}) == ("ada", {"eve"})
        assert set(yard.announced) == {ALPHA}
        serial = now(index.project_page(ALPHA)).serial
        assert now(index.take(ALPHA, "1.0", source, "ada", False)) == taken
        assert now(index.project_page(ALPHA)).serial == serial
        with pytest.raises(NoSuchFile):
            now(index.take(ALPHA, "2.0", source, "ada", False))
        with pytest.raises(NoSuchProject):
            now(index.take(ABSENT, "2.0", source, "ada", False))
        now(source.place(ALPHA, "1.10", Standing.HIDDEN))
        with pytest.raises(NoSuchFile):
            now(index.take(ALPHA, "1.10", source, "ada", False))
        beside, data = make_sdist("alpha", "1.10")
        now(source.publish(upload(beside), _draft(source, data), "eve", False))
        assert [record.file.filename for record in now(index.take(ALPHA, "1.10", source, "ada", False))] == [beside]

    def test_R166_what_collides_is_not_taken_at_all(self, yard: Yard, index: IHostedIndex) -> None:
        source = self.source()
        for filename, data in ((SDIST, SDIST_BYTES), (WHEEL, WHEEL_BYTES)):
            now(source.publish(upload(filename), _draft(source, data), "eve", False))
        publish(yard, index, WHEEL, OTHER_BYTES, "ada", founding=True)
        with pytest.raises(Conflict, match=r"^File already exists"):
            now(index.take(ALPHA, "1.0", source, "ada", False))
        with pytest.raises(Conflict, match="somebody else"):
            now(index.take(ALPHA, "1.0", source, "bob", True))
        assert set(files(index)) == {WHEEL}
        now(index.place(ALPHA, None, Standing.DELETED))
        with pytest.raises(Conflict, match="used before"):
            now(index.take(ALPHA, "1.0", source, "ada", False))
        assert len(now(index.release(ALPHA, None))) == 1

    def test_a_file_that_is_hidden_here_is_shown_when_it_is_taken(self, yard: Yard, index: IHostedIndex) -> None:
        """That is also how a promotion that a crash broke off is finished."""
        source = self.source()
        now(source.publish(upload(WHEEL), _draft(source, WHEEL_BYTES), "eve", False))
        publish(yard, index)
        now(index.place(ALPHA, "1.0", Standing.HIDDEN))
        now(index.take(ALPHA, "1.0", source, "ada", False))
        assert set(files(index)) == {WHEEL}

    # --- who learns of it ---------------------------------------------------------------------------------------------------------

    def test_every_change_is_announced_and_has_a_row(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index)
        now(index.yank(ALPHA, "1.0", ""))
        now(index.place(ALPHA, "1.0", Standing.HIDDEN))
        now(index.place(ALPHA, None, Standing.DELETED))
        now(index.place(ALPHA, None, Standing.SHOWN))
        assert yard.announced == [ALPHA] * 5
        rows = now(index.changes(0))
        assert [row.action for row in rows] == [
            f"add py3 file {WHEEL}",
            "yank release",
            "hide release",
            "remove project",
            "show project",
        ]
        assert [row.serial for row in rows] == sorted({row.serial for row in rows})
        assert now(index.changes(rows[-2].serial)) == rows[-1:]
        assert now(index.project_page(ALPHA)).serial == rows[-1].serial

    def test_R71_each_visible_change_changes_serial_and_revision(self, yard: Yard, index: IHostedIndex) -> None:
        publish(yard, index)
        seen = [now(index.project_page(ALPHA))]
        for change in (
            lambda: publish(yard, index, LATER, LATER_BYTES),
            lambda: now(index.yank(ALPHA, "1.0", "")),
            lambda: now(index.place(ALPHA, "1.10", Standing.HIDDEN)),
            lambda: now(index.place(ALPHA, "1.0", Standing.DELETED)),
        ):
            change()
            seen.append(now(index.project_page(ALPHA)))
        assert len({page.revision for page in seen}) == len(seen)
        assert [page.serial for page in seen] == sorted({page.serial for page in seen})

    # --- what was published elsewhere before ----------------------------------------------------------------------------------------

    def adopt(self, yard: Yard, index: IHostedIndex, data: bytes = WHEEL_BYTES, *, account: str = "", rehearsal: bool = False) -> Published:
        """Adopt the wheel, with facts from elsewhere."""
        found = {"sha256": hashlib.sha256(data).hexdigest(), "blake2b_256": hashlib.blake2b(data, digest_size=32).hexdigest()}
        earlier = Earlier("2017-07-14T02:40:00Z", "it breaks")
        with closing(yard.draft(data)) as content:
            try:
                return now(index.adopt(upload(WHEEL), content, found, account, bool(account), earlier, rehearsal))
            finally:
                now(content.abort())

    def test_what_was_published_elsewhere_keeps_its_facts(self, yard: Yard, index: IHostedIndex) -> None:
        assert not self.adopt(yard, index, rehearsal=True).repeated
        assert (yard.held(), now(index.has(ALPHA))) == (set(), False)
        assert not self.adopt(yard, index).repeated
        [entry] = now(index.project_page(ALPHA)).files
        assert (entry.upload_time, entry.yanked, now(index.owner(ALPHA))) == ("2017-07-14T02:40:00Z", "it breaks", None)
        held, serial = yard.held(), now(index.project_page(ALPHA)).serial
        for rehearsal in (True, False):
            assert self.adopt(yard, index, rehearsal=rehearsal).repeated
            with pytest.raises(Conflict):
                self.adopt(yard, index, OTHER_BYTES, rehearsal=rehearsal)
        assert (yard.held(), now(index.project_page(ALPHA)).serial) == (held, serial)

    def test_who_adopts_for_an_account_founds_for_it(self, yard: Yard, index: IHostedIndex) -> None:
        self.adopt(yard, index, account="ada")
        assert now(index.owner(ALPHA)) == "ada"
        with pytest.raises(Conflict):
            self.adopt(yard, index, OTHER_BYTES, account="bob")

    def test_bytes_that_changed_since_they_were_looked_at_are_not_taken(self, yard: Yard, index: IHostedIndex) -> None:
        found = {"sha256": hashlib.sha256(OTHER_BYTES).hexdigest(), "blake2b_256": "0" * 64}
        with closing(yard.draft(WHEEL_BYTES)) as content:
            with pytest.raises(CorruptContent):
                now(index.adopt(upload(WHEEL), content, found, "", False, Earlier(), False))
            now(content.abort())
        assert not now(index.has(ALPHA))
        # Its METADATA may have been kept meanwhile, and is nobody's (law 7).
        assert not yard.held() & {hashlib.sha256(data).hexdigest() for data in (WHEEL_BYTES, OTHER_BYTES)}

    # --- clients that leave -------------------------------------------------------------------------------------------------------

    def test_F98_who_leaves_before_the_verdict_leaves_nothing(self, yard: Yard, index: IHostedIndex) -> None:
        yard.inspectors.gate = Bell()
        running = later(index.publish(upload(WHEEL), yard.draft(WHEEL_BYTES), "ada", False))
        running.cancel()
        with pytest.raises(CancelledError):
            now(running)
        assert yard.held() == set()
        assert not now(index.has(ALPHA))
        yard.inspectors.gate = None
        assert not publish(yard, index).repeated
