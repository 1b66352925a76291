"""What is never evicted has its bounds too: pages are forgotten, runs stop and uploads are refused before the disk is full (F53, F56)."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.assembly import weighed
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.budget import MIRRORED, PRIVATE
from pypidaemon.caches import YOUNG, Caches
from pypidaemon.errors import StorageFull
from pypidaemon.filenames import filename
from pypidaemon.model import File, FileRecord, Mirrored, NormalizedName, Pin, Remembered
from pypidaemon.services.evicting import EVERY, FIRST, RARELY, Evicting
from pypidaemon.verification.holdings import Holdings, Home
from pypidaemon.volume import Allotment, Allotments, Room, Space
from tests.contracts.blob_store import held, put
from tests.fakes import FakeUpstream, file, page
from tests.gear import inline, now
from tests.house import House
from tests.larder import digest_of
from tests.records_gear import sqlite_records
from tests.services.test_mirroring import Mill
from tests.test_caches import DATA, NAMES, Pantry
from tests.web.test_uploads import upload, wheel

GIB = 1 << 30
NOON = 1_780_000_000.0


@attrs.define
class Source:
    """As much of a proxy as whoever looks after its cache asks."""

    upstream: FakeUpstream = attrs.field(factory=FakeUpstream)


@attrs.define
class Attic:
    """A proxy's pages in records that are files, one an hour, of which nothing is here."""

    folder: Path
    clock: Clock = attrs.field(factory=Clock)
    source: Source = attrs.field(factory=Source)
    room: Room = attrs.field(init=False)
    caches: Caches = attrs.field(init=False)
    blobs: DirectoryBlobs = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        self.blobs = DirectoryBlobs(self.folder / "blobs", "blobs", inline)
        self.blobs.startService()
        records = sqlite_records(self.folder / "records.sqlite", self.clock)
        records.startService()
        homes = [
            Home("private", records, self.blobs),
            Home("pypi", records, self.blobs, self.source, remembers=True),  # type: ignore[arg-type]  # enough of one
        ]
        self.caches = Caches(records, Holdings(homes, {"blobs": self.blobs}), self.clock, lambda _: None)
        self.room = Room(self.folder, self.clock, inline, lambda _: Space(50 * GIB, 100 * GIB))
        for number in range(10):
            self.keep(f"p{number}")

    @property
    def records(self) -> Any:
        return self.caches.records

    def keep(self, name: str, *more: File) -> None:
        entry = file(f"{name}-1.0.tar.gz", name.encode(), requires_python=">=3." + "9" * 500)
        said = page(name, entry, *more)
        now(self.records.pages.keep("pypi", NormalizedName(name), Remembered(said, self.clock.seconds(), self.clock.seconds() + 600)))
        now(self.records.documents.keep("pypi", NormalizedName(name), entry.filename, b"{}" * 100, 0.0))
        self.clock.advance(3600)

    def left(self) -> list[str]:
        return [str(name) for name in now(self.records.pages.remembered("pypi"))]

    def weight(self) -> int:
        return now(self.caches.pages())


@pytest.fixture
def attic(tmp_path: Path) -> Any:
    found = Attic(tmp_path)
    yield found
    now(found.records.stopService())


class TestPages:
    """What upstreams said."""

    def test_what_was_confirmed_longest_ago_goes_first_with_its_documents(self, attic: Attic) -> None:
        before = attic.weight()
        # What is only confirmed weighs the same, and counts as of now.
        kept = now(attic.records.pages.recall("pypi", NormalizedName("p0")))
        now(attic.records.pages.keep("pypi", NormalizedName("p0"), attrs.evolve(kept, fetched=attic.clock.seconds() - 3600)))
        assert attic.weight() == before
        # They weigh about the same, so that is one and a half.
        gone = now(attic.caches.forget_pages(before * 3 // 20))
        assert (gone.files, gone.kept) == (2, 0)
        assert attic.left() == ["p0", "p3", "p4", "p5", "p6", "p7", "p8", "p9"]
        assert attic.weight() == before - gone.bytes
        assert now(attic.records.documents.recall("pypi", NormalizedName("p1"), "p1-1.0.tar.gz")) is None
        assert now(attic.records.documents.recall("pypi", NormalizedName("p3"), "p3-1.0.tar.gz")) is not None

    def test_what_tells_of_files_that_are_here_stays_and_so_does_what_is_pinned_or_taken_back(self, attic: Attic) -> None:
        records = attic.records
        now(put(attic.blobs, b"p0"))
        now(records.pins.pin(Pin(NormalizedName("p1"), "9.9"), True))
        now(records.withdrawn.withdraw("pypi", NormalizedName("p2"), (file("p2-0.9.tar.gz", b"gone"),), 1.0))
        now(records.mirrors.keep("pypi", NormalizedName("p3"), Mirrored(page("p3"), 1, True, 1.0)))
        gone = now(attic.caches.forget_pages(1 << 40))
        assert (gone.files, gone.kept) == (6, 4)
        assert attic.left() == ["p0", "p1", "p2", "p3"]

    def test_documents_of_files_that_are_not_here_are_no_reason_to_stay_and_go_along(self, attic: Attic) -> None:
        """Who resolves takes many of them. What a private file needs too stays."""
        sidecar, shared = b"Name: wheels\n", b"Name: shared\n"
        wheels = [
            file(f"wheels-{number}.0-py3-none-any.whl", b"%d" % number, core_metadata=digest_of(data))
            for number, data in enumerate((sidecar, shared))
        ]
        attic.keep("wheels", *wheels)
        for data in (sidecar, shared):
            now(put(attic.blobs, data))
        ours = File(filename("ours-1.0-py3-none-any.whl"), hashes=(("sha256", "a" * 64),), size=1, core_metadata=digest_of(shared))
        now(attic.records.files.add("private", NormalizedName("ours"), FileRecord(ours, "1.0"), "add", None))
        attic.clock.advance(time.time())
        now(attic.caches.forget_pages(1 << 40))
        assert attic.left() == []
        assert now(held(attic.blobs)) == {digest_of(shared)}

    def test_on_the_train_nothing_is_forgotten(self, attic: Attic) -> None:
        """What upstream said is all that there is then, and it cannot be asked again."""
        attic.source.upstream.health.state = "offline"
        assert now(attic.caches.forget_pages(1 << 40)).files == 0
        attic.source.upstream.health.state = "up"
        assert now(attic.caches.forget_pages(1 << 40)).files == 10

    def test_what_came_just_now_stays_until_it_is_known_what_comes_of_it(self, attic: Attic) -> None:
        now(attic.records.pages.keep("pypi", NormalizedName("new"), Remembered(page("new"), attic.clock.seconds(), 0.0)))
        now(attic.caches.forget_pages(1 << 40))
        assert attic.left() == ["new"]
        attic.clock.advance(YOUNG + 1)
        now(attic.caches.forget_pages(1 << 40))
        assert attic.left() == []

    def test_a_page_that_is_confirmed_meanwhile_is_not_forgotten(self, attic: Attic) -> None:
        (first, *_) = now(attic.records.pages.oldest(["pypi"], (-1.0, "", ""), 9))
        attic.keep("p0")
        assert now(attic.records.pages.let_go(first)) == 0
        assert "p0" in attic.left()

    def test_pages_of_several_indexes_come_in_one_order_and_in_parts(self, attic: Attic) -> None:
        for label in ("another", "zoo"):
            now(attic.records.pages.keep(label, NormalizedName("p0"), Remembered(page("p0"), NOON, 0.0)))
            now(attic.records.pages.keep(label, NormalizedName("none"), Remembered(None, NOON, 0.0)))
        pages, labels = attic.records.pages, ["another", "pypi", "zoo"]
        whole = now(pages.oldest(labels, (-1.0, "", ""), 100))
        assert [(one.label, one.name) for one in whole[:4]] == [("another", "p0"), ("pypi", "p0"), ("zoo", "p0"), ("pypi", "p1")]
        parts, after = [], (-1.0, "", "")
        while part := now(pages.oldest(labels, after, 2)):
            parts += part
            after = (part[-1].fetched, part[-1].label, part[-1].name)
        assert parts == whole
        assert len(whole) == 12

    def test_the_service_keeps_them_within_their_bound_and_says_so(self, attic: Attic) -> None:
        attic.room.pages = attic.weight() // 2
        service = Evicting(attic.caches, attic.room, attic.clock)
        service.startService()
        attic.clock.advance(FIRST)
        said = service.measures()
        assert said["pages"] == attic.weight() <= attic.room.pages
        assert said["forgotten"] == 10 - len(attic.left()) >= 5
        # Where none may go, it is not looked for again and again.
        for name in attic.left():
            now(attic.records.pins.pin(Pin(NormalizedName(name)), True))
        attic.room.pages = 1
        attic.clock.advance(EVERY)
        asked = []
        forget = type(attic.caches).forget_pages

        async def counting(caches: Caches, excess: int) -> Any:
            asked.append(excess)
            return await forget(caches, excess)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Caches, "forget_pages", counting)
            for _ in range(10):
                attic.clock.advance(EVERY)
            assert asked == []
            attic.clock.advance(RARELY)
            assert len(asked) == 1
        now(service.stopService())

    def test_records_that_are_no_files_have_no_bound(self, tmp_path: Path) -> None:
        pantry = Pantry(tmp_path)
        assert now(pantry.caches.pages()) == 0
        assert now(pantry.caches.forget_pages(1)).files == 0


class TestWhileUpstreamIsAway:
    """Files that could not be fetched again."""

    @pytest.mark.parametrize("state", ["down", "probing", "offline"])
    def test_none_is_evicted_and_all_are_served(self, tmp_path: Path, state: str) -> None:
        pantry = Pantry(tmp_path)
        pantry.take(*NAMES)
        pantry.house.upstream.health.state = state
        gone = now(pantry.caches.evict(1 << 40))
        assert (gone.files, gone.kept) == (0, len(NAMES))
        assert pantry.has() == set(NAMES)
        # By order of a person, who knows better, they are.
        assert now(pantry.caches.remove(NAMES[0], None)).files == 1
        pantry.house.upstream.health.state = "suspect"
        assert now(pantry.caches.evict(1 << 40)).files == len(NAMES) - 1


class TestInodes:
    """A volume may have bytes and no names for files."""

    def test_F56_below_the_floor_nothing_more_is_kept_and_files_are_evicted(self, tmp_path: Path) -> None:
        pantry = Pantry(tmp_path)
        pantry.take(*NAMES)
        space = Space(50 * GIB, 100 * GIB, 998, 20_000)
        assert (space.lacking_names, space.lacking(0)) == (2, "there is room for too few files: 998 inodes are free, 1000 must stay so")
        room = Room(tmp_path, pantry.clock, inline, lambda _: space)
        assert now(room.lacking()).startswith("there is room for too few files")
        assert not now(room.spare(1))
        service = Evicting(pantry.caches, room, pantry.clock)
        now(service.look())
        assert service.evicted == 2
        assert pantry.has() == set(NAMES[2:])
        assert sum(map(len, DATA.values())) == 5_000

    def test_a_file_system_that_makes_them_as_it_goes_lacks_none(self) -> None:
        assert Space(50 * GIB, 100 * GIB, 0, 0).lacking_names == 0


class TestRefused:
    """What would be too much of what is never evicted."""

    def test_it_is_refused_with_the_numbers_and_counted(self) -> None:
        one = Allotment(PRIVATE, None, 1_000, 990)
        now(one.insist(10))
        with pytest.raises(StorageFull, match=r"what is private may have 1000 bytes \(\[daemon\] budget\) and has 990 of them: 11 more"):
            now(one.insist(11))
        one.took(10)
        assert (one.held, one.refused) == (1_000, 1)
        now(Allotment(PRIVATE).insist(1 << 60))

    def test_what_is_also_elsewhere_leaves_the_floor_free(self) -> None:
        room = Room(Path("/data"), Clock(), inline, lambda _: Space(GIB + 1_000, 100 * GIB))
        one = Allotment(MIRRORED, room)
        now(one.insist(900))
        with pytest.raises(StorageFull, match="too little room"):
            now(one.insist(101))
        assert one.refused == 1
        # What is nowhere else may have it.
        now(Allotment(PRIVATE, None).insist(101))

    def test_F53_an_upload_beyond_it_is_507_leaves_nothing_and_the_same_again_succeeds(self) -> None:
        """What was acknowledged is acknowledged again (F99), and what is not here can be installed from elsewhere."""
        allotments = Allotments(private=Allotment(PRIVATE, None, 1 << 40))
        house = House()
        house.with_private(allotments=allotments)
        token = house.token("ann")
        house.grant("ann", "upload", "private")
        assert upload(house, token, wheel()).status == 200
        allotments.private.limit = allotments.private.held
        before = set(house.blobs._blobs)
        refused = upload(house, token, wheel(version="2.0"))
        assert refused.status == 507
        assert b"what is private may have" in refused.body
        assert set(house.blobs._blobs) == before
        assert upload(house, token, wheel()).status == 200
        assert allotments.private.refused == 1
        allotments.private.limit = None
        assert upload(house, token, wheel(version="2.0")).status == 200

    def test_a_run_stops_with_a_line_and_goes_on_where_there_is_room_again(self, tmp_path: Path) -> None:
        allotments = Allotments(mirrored=Allotment(MIRRORED, None, 1 << 40))
        mill = Mill(tmp_path, index_settings={"allotments": allotments})
        for name in ("alpha", "beta"):
            mill.upstream.add(name, f"{name}-1.0.tar.gz")
        assert mill.run()["complete"]
        held = allotments.mirrored.held
        assert held > 0
        allotments.mirrored.limit = held
        mill.upstream.add("beta", "beta-2.0.tar.gz")
        ended = mill.run()
        assert (ended["complete"], ended["ended"]) == (False, False)
        (said,) = ended["errors"]
        assert said.startswith(f"what is mirrored may have {held} bytes ([daemon] budget) and has {held} of them: ")
        assert mill.files("beta") == ["beta-1.0.tar.gz"]
        # What is lost here is brought back all the same: it is counted already.
        page = now(mill.index.project_page(NormalizedName("alpha")))
        now(mill.blobs.remove(page.files[0].digest))
        assert now(mill.index.take(NormalizedName("alpha"), page.files[0])) > 0
        allotments.mirrored.limit = None
        assert mill.run()["complete"]
        assert mill.files("beta") == ["beta-1.0.tar.gz", "beta-2.0.tar.gz"]

    def test_what_there_is_is_weighed_at_the_start_and_now_and_then(self, attic: Attic) -> None:
        records = attic.records
        entry = File(filename("ours-1.0.tar.gz"), hashes=(("sha256", "a" * 64),), size=700)
        for name in ("ours", "theirs"):
            # The same bytes twice are there once.
            spelled = attrs.evolve(entry, filename=filename(f"{name}-1.0.tar.gz"))
            now(records.files.add("private", NormalizedName(name), FileRecord(spelled, "1.0"), "add", None))
        now(records.mirrors.keep("pypi", NormalizedName("p3"), Mirrored(page("p3", file("p3-1.0.tar.gz", b"12345")), 1, True, 1.0)))
        allotments = Allotments(Allotment(PRIVATE, None, 10_000), Allotment(MIRRORED, None, 3))
        service = Evicting(attic.caches, attic.room, attic.clock, allotments)
        service.startService()
        attic.clock.advance(FIRST)
        said = service.measures()
        assert (said["private"], said["private_limit"], said["mirrored"], said["mirrored_limit"]) == (700, 10_000, 5, 3)
        allotments.private.took(50)
        now(records.files.forget("private", NormalizedName("ours"), None, "remove"))
        now(records.files.forget("private", NormalizedName("theirs"), None, "remove"))
        attic.clock.advance(EVERY)
        assert service.measures()["private"] == 750
        for _ in range(int(RARELY / EVERY) + 1):
            attic.clock.advance(EVERY)
        assert service.measures()["private"] == 0
        now(service.stopService())

    def test_a_command_that_fills_weighs_first(self, attic: Attic) -> None:
        now(attic.records.mirrors.keep("pypi", NormalizedName("p3"), Mirrored(page("p3", file("p3-1.0.tar.gz", b"12345")), 1, True, 1.0)))
        allotments = Allotments(mirrored=Allotment(MIRRORED))
        given = {"allotments": allotments, "holdings": attic.caches.holdings, "announcements": Announcements()}
        made: Any = SimpleNamespace(records=lambda: attic.records, given=given)
        now(weighed(made, attic.clock))
        assert allotments.mirrored.held == 0
        allotments.mirrored.limit = 5
        now(weighed(made, attic.clock))
        with pytest.raises(StorageFull):
            now(allotments.mirrored.insist(1))

    def test_where_nothing_is_said_nothing_is_weighed(self, attic: Attic) -> None:
        service = Evicting(attic.caches, attic.room, attic.clock)
        service.startService()
        with pytest.MonkeyPatch.context() as patched:
            patched.delattr(Caches, "weigh")
            attic.clock.advance(FIRST)
        now(service.stopService())
        assert service.failed == 0
