"""The mirror: whole without upstream, asked by nobody on its behalf, and never half of anything."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.explaining import explain
from pypidaemon.filenames import filename
from pypidaemon.handfuls import Handful
from pypidaemon.indexes.mirror import Mirror
from pypidaemon.indexes.mirror.hold import FORGOTTEN, OFTEN
from pypidaemon.interfaces import ITurn
from pypidaemon.model import Companion, Digest, File, NormalizedName, NotModified, Outcome, ProjectStatus, Validators
from pypidaemon.moments import written
from pypidaemon.simple.reading import read_page
from pypidaemon.spool import Spool
from pypidaemon.upstream_files import holding
from tests.contracts.fillable import (
    A_WHEEL,
    ALPHA,
    AN_SDIST,
    DOCUMENT,
    PROVENANCE,
    SDIST,
    SDIST_BYTES,
    SIDECAR,
    WHEEL,
    WHEEL_BYTES,
)
from tests.fakes import file, page
from tests.filling import bring, listed, read, shown
from tests.gear import inline, later, now
from tests.house import NOON, House, header
from tests.records_gear import sqlite_records

BETA = NormalizedName("beta")
QUARANTINED = ProjectStatus("quarantined", "it steals")
NEWER, NEWER_BYTES = "alpha-2.0.tar.gz", b"a newer one"


@pytest.fixture
def house() -> House:
    """Alpha with a wheel that has everything, and a sdist."""
    house = House()
    house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, serial=9, etag='"a9"')
    house.upstream.bodies = {
        A_WHEEL.url: WHEEL_BYTES,
        A_WHEEL.url + ".metadata": SIDECAR,
        PROVENANCE: DOCUMENT,
        AN_SDIST.url: SDIST_BYTES,
    }
    return house


@pytest.fixture
def mirror(house: House) -> Mirror:
    """A mirror that has nothing yet."""
    return house.new_mirror()


def says(house: House, *files: tuple[str, bytes], serial: int = 20, **more: Any) -> None:
    """From now on upstream's page of alpha has these files, each without companions."""
    house.upstream.add("alpha", *files, serial=serial, **more)


def waits(house: House, label: str = "mirror") -> list[str]:
    """The projects that wait, with their reasons."""
    return [f"{one.name}: {one.reason}" for one in now(house.records.mirrors.waiting(label))]


class Over:
    """Something of which one question is answered otherwise."""

    def __init__(self, inner: Any, **others: Any) -> None:
        self._inner, self._others = inner, others

    def __getattr__(self, name: str) -> Any:
        return self._others.get(name) or getattr(self._inner, name)


async def full(*_: object) -> None:
    """The disk is full just now."""
    raise StorageFull("there is no room")


def leaves(house: House) -> list[tuple[str | None, float]]:
    """The files that leave, and when they will have gone."""
    return [(one.filename, one.until) for one in now(house.records.mirrors.leaving("mirror"))]


def shown_file(mirror: Mirror, spelled: str) -> File:
    """That entry of the page of alpha."""
    found = now(mirror.project_page(ALPHA)).file(filename(spelled))
    assert found is not None
    return found


class TestWhole:
    """What was brought is here, whatever becomes of upstream."""

    def test_it_gives_everything_through_the_door_while_upstream_is_down_also_after_a_restart(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.upstream.fails(["alpha"])
        house.upstream.bodies.clear()
        house.upstream.health.doubt()
        house.upstream.asked.clear()
        house.restart()
        house.open({"mirror": house.new_mirror()}, "mirror")
        found = house.get("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
        assert found.status == 200
        assert header(found, "X-Pypidaemon-Index") == "mirror"
        assert header(found, "X-PyPI-Last-Serial") == "9"
        assert house.body(house.get("/packages/" + A_WHEEL.path)) == WHEEL_BYTES
        assert house.body(house.get("/packages/" + A_WHEEL.path + ".metadata")) == SIDECAR
        assert house.body(house.get("/packages/" + AN_SDIST.path)) == SDIST_BYTES
        assert house.body(house.get(f"/integrity/alpha/1.0/{WHEEL}/provenance")) == DOCUMENT
        assert b'"name":"alpha"' in house.body(house.get("/simple/", accept="application/vnd.pypi.simple.v1+json"))
        assert house.upstream.asked == []

    def test_what_it_lacks_is_absent_without_a_question_to_upstream(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9, [SDIST])
        house.upstream.pages["beta"] = page("beta")
        house.upstream.asked.clear()
        for question in (mirror.project_page(BETA), mirror.find(BETA, filename("beta-1.0.tar.gz"))):
            with pytest.raises(NoSuchProject):
                now(question)
        with pytest.raises(NoSuchFile):
            now(mirror.find(ALPHA, WHEEL))  # type: ignore[arg-type]  # a clean name
        with pytest.raises(NoSuchFile):
            read(mirror, ALPHA, SDIST, Companion.METADATA)
        assert not now(mirror.knows(BETA))
        assert now(mirror.knows(ALPHA))
        assert now(mirror.project_names()).serial >= 9
        assert house.upstream.asked == []

    def test_law_12_a_page_holds_until_something_changes_and_says_what_upstream_said(self, house: House, mirror: Mirror) -> None:
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=9, versions=("0.9", "1.0"), status=ProjectStatus("archived", "done"))
        bring(mirror, ALPHA, 9)
        found = now(mirror.project_page(ALPHA))
        assert (found.files, found.versions, found.status) == ((AN_SDIST,), ("0.9", "1.0"), ProjectStatus("archived", "done"))
        assert (found.serial, found.source, found.fresh_until) == (9, "mirror", None)

    def test_R213_versions_of_which_nothing_was_chosen_are_on_no_page(self, house: House, mirror: Mirror) -> None:
        says(house, (SDIST, SDIST_BYTES), (NEWER, NEWER_BYTES), versions=("0.9", "1.0", "2.0"))
        bring(mirror, ALPHA, 20, [NEWER])
        assert now(mirror.project_page(ALPHA)).versions == ("0.9", "2.0")

    def test_law_3_a_project_without_files_is_a_page_without_files(self, house: House, mirror: Mirror) -> None:
        house.upstream.pages["beta"] = page("beta")
        bring(mirror, BETA)
        assert shown(mirror, BETA) == []

    def test_law_3_a_name_that_is_reserved_later_is_absent_whatever_was_taken_of_it(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.reserved = ("alph*",)
        later = house.new_mirror()
        with pytest.raises(NoSuchProject):
            now(later.project_page(ALPHA))
        assert listed(later) == []
        assert now(later.changes(0)) == []
        assert not now(later.knows(ALPHA))
        assert now(explain(later, ALPHA)).facts == (("reserved", "no upstream is ever asked about a name like this"),)

    def test_hostile_names_do_not_get_here(self, house: House, mirror: Mirror) -> None:
        """S1, R214: what the gate does not let through is on no page that is offered."""
        spelled = ["../../alpha-1.0.tar.gz", "alpha-1.0.tar.gz\0", "/etc/passwd", "alpha-1.0/..tar.gz", "beta-1.0.tar.gz", SDIST]
        entries = b",".join(
            b'{"filename":"%b","url":"%b","hashes":{}}' % (one.encode().replace(b"\0", rb"\u0000"), AN_SDIST.url.encode())
            for one in spelled
        )
        body = b'{"meta":{"api-version":"1.4"},"name":"alpha","versions":["1.0"],"files":[%b]}' % entries
        house.upstream.pages["alpha"] = read_page(body, "application/vnd.pypi.simple.v1+json", "https://index.example/simple/alpha/", ALPHA)
        bring(mirror, ALPHA)
        assert shown(mirror, ALPHA) == [SDIST]

    def test_it_is_the_same_on_disks_after_a_restart(self, house: House, tmp_path: Path) -> None:
        def opened() -> Mirror:
            records, blobs = sqlite_records(tmp_path / "r.sqlite", house.clock), DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
            records.startService()
            blobs.startService()
            house.records, house.blobs = records, blobs  # type: ignore[assignment]  # of the same interfaces
            house.spool = Spool(blobs, house.clock)
            return house.new_mirror()

        before = opened()
        bring(before, ALPHA, 9)
        expected = now(before.project_page(ALPHA))
        house.records.stopService()
        house.upstream.asked.clear()
        after = opened()
        assert now(after.project_page(ALPHA)) == expected
        assert expected.files == (A_WHEEL, AN_SDIST)
        assert listed(after) == ["alpha"]
        for spelled, companion, data in (
            (WHEEL, Companion.FILE, WHEEL_BYTES),
            (WHEEL, Companion.METADATA, SIDECAR),
            (WHEEL, Companion.PROVENANCE, DOCUMENT),
        ):
            assert read(after, ALPHA, spelled, companion) == data
        assert house.upstream.asked == []
        assert bring(after, ALPHA, 9) == 0
        assert house.upstream.asked == ["page alpha"]
        house.records.stopService()

    def test_S28_bytes_that_upstream_replaced_are_not_taken_for_the_first_ones(self, house: House, mirror: Mirror) -> None:
        bare = attrs.evolve(AN_SDIST, hashes=(), size=None)
        house.upstream.pages["alpha"] = page("alpha", bare, serial=9)
        bring(mirror, ALPHA, 9)
        says(house, (SDIST, b"replaced"))
        assert bring(mirror, ALPHA, 20) == 0
        assert read(mirror, ALPHA, SDIST) == SDIST_BYTES
        now(house.blobs.remove(Digest(AN_SDIST.digest or "")))
        with pytest.raises(CorruptContent):
            bring(mirror, ALPHA, 20)

    def test_S28_a_replaced_file_keeps_its_provenance_and_what_else_was_said_of_it(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        other = file(WHEEL, b"another", provenance="https://files.example/other/provenance", requires_python=">=9")
        house.upstream.pages["alpha"] = page("alpha", other, AN_SDIST, serial=20)
        assert bring(mirror, ALPHA, 20) == 0
        assert attrs.evolve(shown_file(mirror, WHEEL), yanked="broken") == attrs.evolve(A_WHEEL, url=other.url)
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT

    def test_S28_a_weaker_hash_tells_other_bytes_too(self, house: House, mirror: Mirror) -> None:
        weak = attrs.evolve(AN_SDIST, hashes=(*AN_SDIST.hashes, ("md5", hashlib.md5(SDIST_BYTES).hexdigest())))
        house.upstream.pages["alpha"] = page("alpha", weak, serial=9)
        bring(mirror, ALPHA, 9)
        for hashes in (weak.hashes[1:], (("md5", "0" * 32),)):
            house.upstream.pages["alpha"] = page("alpha", attrs.evolve(weak, hashes=hashes), serial=20)
            assert bring(mirror, ALPHA, 20) == 0
            assert shown_file(mirror, SDIST) == weak

    def test_F26_a_file_that_comes_back_with_other_bytes_is_still_the_first_one(self, house: House) -> None:
        mirror = house.new_mirror(removal_delay=100.0)
        bring(mirror, ALPHA, 9)
        says(house, (NEWER, NEWER_BYTES))
        bring(mirror, ALPHA, 20)
        says(house, (NEWER, NEWER_BYTES), (SDIST, b"other bytes"), serial=30)
        assert bring(mirror, ALPHA, 30) == 0
        assert read(mirror, ALPHA, SDIST) == SDIST_BYTES

    def test_F26_and_where_the_first_bytes_are_gone_it_is_not_offered(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        says(house, (NEWER, NEWER_BYTES))
        bring(mirror, ALPHA, 20)
        now(house.records.mirrors.forget_leaving("mirror", house.clock.seconds() + 1e9))
        now(house.blobs.remove(Digest(AN_SDIST.digest or "")))
        says(house, (NEWER, NEWER_BYTES), (SDIST, b"other bytes"), serial=30)
        house.upstream.asked.clear()
        assert bring(mirror, ALPHA, 30) == 0
        assert shown(mirror, ALPHA) == [NEWER]
        assert house.upstream.asked == ["page alpha"]

    def test_long_pages_are_worked_on_where_they_disturb_nobody(self, house: House) -> None:
        calls: list[str] = []

        async def cpu(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            calls.append(function.__name__)
            return function(*args, **kwargs)

        mirror = house.new_mirror()
        mirror.pages.cpu = cpu
        says(house, *((f"alpha-{number}.tar.gz", b"%d" % number) for number in range(201)))
        bring(mirror, ALPHA, 20)
        bring(mirror, ALPHA, 20, [], complete=False)
        assert len(shown(mirror, ALPHA)) == 201
        assert {"with_firsts", "show", "_made", "filled"} <= set(calls)


class TestOnDisk:
    """Over a store in a folder, whose every call is counted."""

    @pytest.fixture
    def calls(self, house: House, mirror: Mirror, tmp_path: Path) -> list[str]:
        """The calls to the disk from now on, by the names of what is called."""
        said: list[str] = []

        async def disk(function: Any, /, *args: Any, **kwargs: Any) -> Any:
            said.append(function.__name__)
            return function(*args, **kwargs)

        blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", disk)
        blobs.startService()
        house.spool.blobs = mirror.files.blobs = mirror.files.sidecars.blobs = mirror.filling.blobs = mirror.blobs = blobs
        mirror.filling.documents = attrs.evolve(mirror.filling.documents, blobs=blobs)
        mirror.files.sidecars.disk = disk
        return said

    def test_a_wheel_and_its_metadata_are_stored_by_one_call(self, house: House, mirror: Mirror, calls: list[str]) -> None:
        offered = now(mirror.offered(ALPHA, 9))
        files = [attrs.evolve(one, provenance=None) for one in offered.files]
        now(mirror.foresee(files))
        assert [now(mirror.take(ALPHA, one)) for one in files] == [len(WHEEL_BYTES), len(SDIST_BYTES)]
        assert calls == ["_holding", "keep", "keep"]
        assert A_WHEEL.url + ".metadata" not in house.upstream.asked
        assert now(mirror.blobs.open(Digest(A_WHEEL.core_metadata or ""))).size == len(SIDECAR)

    def test_what_is_here_is_not_fetched_again_whatever_was_foreseen(self, house: House, mirror: Mirror, calls: list[str]) -> None:
        files = [attrs.evolve(one, provenance=None) for one in now(mirror.offered(ALPHA, 9)).files]
        now(mirror.take(ALPHA, files[0]))
        calls.clear()
        now(mirror.foresee(files))
        assert [now(mirror.take(ALPHA, one)) for one in files] == [0, len(SDIST_BYTES)]
        # What was foreseen counts once: a second time the store is asked.
        assert now(mirror.take(ALPHA, files[1])) == 0

    def test_law_9_what_somebody_was_given_meanwhile_is_not_fetched_again(self, house: House, mirror: Mirror, calls: list[str]) -> None:
        files = [attrs.evolve(one, provenance=None) for one in now(mirror.offered(ALPHA, 9)).files]
        now(mirror.foresee(files))
        now(mirror.files.open(ALPHA, files[1])).close()
        assert now(mirror.take(ALPHA, files[1])) == 0
        assert house.upstream.asked == ["page alpha", "body alpha-1.0.tar.gz"]

    def test_a_promise_that_the_wheel_does_not_keep_is_kept_by_upstream(self, house: House, mirror: Mirror, calls: list[str]) -> None:
        other = attrs.evolve(A_WHEEL, provenance=None, core_metadata=hashlib.sha256(b"another").hexdigest())
        house.upstream.bodies[A_WHEEL.url + ".metadata"] = b"another"
        assert now(mirror.take(ALPHA, other)) == len(WHEEL_BYTES) + len(b"another")
        assert now(mirror.blobs.open(Digest(other.core_metadata or ""))).size == len(b"another")

    def test_R210_nothing_of_a_file_stays_in_memory_while_its_sidecar_waits_for_a_turn(
        self, house: House, mirror: Mirror, calls: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Any number may wait for theirs, and of those that are stored beside only so many bytes may be in memory."""
        held: list[Handful] = []

        class Noted(Handful):
            def __init__(self, *given: Any) -> None:
                super().__init__(*given)
                held.append(self)

        monkeypatch.setattr("pypidaemon.spool.Handful", Noted)
        other = attrs.evolve(A_WHEEL, provenance=None, core_metadata="")
        house.upstream.bodies[A_WHEEL.url + ".metadata"] = b"another"
        turn = Never()
        taking = later(mirror.take(ALPHA, other, turn))
        assert turn.waiting
        assert [[len(piece) for piece in one._pieces] for one in held] == [[]]
        turn.waiting.callback(None)
        assert now(taking) == len(WHEEL_BYTES) + len(b"another")


@implementer(ITurn)
@attrs.define
class Never:
    """A turn that comes when the test says so."""

    waiting: Deferred[None] | None = None

    async def enter(self) -> None:
        self.waiting = Deferred()
        await self.waiting

    def leave(self, count: int) -> None:
        pass


@implementer(ITurn)
@attrs.define
class Noting:
    """A turn that notes among what is asked of upstream when it is entered and left, and whether the wheel is stored by then."""

    house: House

    async def enter(self) -> None:
        self.house.upstream.asked.append("enter")

    def leave(self, count: int) -> None:
        stored = bool(now(holding(self.house.blobs, [Digest(A_WHEEL.digest or "")])))
        self.house.upstream.asked.append(f"leave {count} {stored}")


@pytest.mark.parametrize("proxied", [False, True])
def test_R210_whoever_takes_a_file_leaves_his_turn_before_it_is_stored_and_enters_it_before_each_further_request(
    house: House, mirror: Mirror, proxied: bool
) -> None:
    """Of a sidecar that is not in its wheel, and of a provenance; what is here already takes no turn."""
    other = attrs.evolve(A_WHEEL, core_metadata=hashlib.sha256(b"another").hexdigest())
    house.upstream.pages["alpha"] = page("alpha", other, serial=9)
    house.upstream.bodies[A_WHEEL.url + ".metadata"] = b"another"
    index: Any = house.proxy if proxied else mirror
    offered = now(index.offered(ALPHA, 9)).files[0]
    house.upstream.asked.clear()
    fetched = now(index.take(ALPHA, offered, Noting(house)))
    asked = list(house.upstream.asked)
    assert asked[:2] == [f"body {WHEEL}", f"leave {len(WHEEL_BYTES)} False"]
    assert asked[2:] == ["enter", f"body {WHEEL}.metadata", "enter", "body provenance"]
    assert fetched == len(WHEEL_BYTES) + len(b"another") + len(DOCUMENT)
    house.upstream.asked.clear()
    assert now(index.take(ALPHA, offered, Noting(house))) == 0
    assert house.upstream.asked == []


class TestUnderWay:
    """A project whose bytes take longer than what is nobody's may lie about."""

    def test_M3_law_7_what_was_taken_stays_young_while_more_of_it_arrives(self, house: House, mirror: Mirror) -> None:
        house.blobs.clock = house.clock
        offered = now(mirror.offered(ALPHA, 9))
        now(mirror.take(ALPHA, offered.files[0]))
        house.clock.advance(OFTEN)
        young = house.clock.seconds()
        now(mirror.take(ALPHA, offered.files[1]))
        for digest in (A_WHEEL.digest, A_WHEEL.core_metadata, AN_SDIST.digest, hashlib.sha256(DOCUMENT).hexdigest()):
            assert not now(house.blobs.clear(Digest(digest or ""), young)), digest

    def test_what_was_filled_in_or_given_up_is_held_no_longer(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.upstream.add("beta", ("beta-1.0.tar.gz", b"b"))
        now(mirror.take(BETA, now(mirror.offered(BETA, 0)).files[0]))
        house.clock.advance(FORGOTTEN)
        now(mirror.take(ALPHA, AN_SDIST))
        assert list(mirror.filling.hold._taken) == ["alpha"]

    def test_where_it_cannot_be_renewed_what_was_taken_is_none_the_worse(self, house: House, mirror: Mirror) -> None:
        offered = now(mirror.offered(ALPHA, 9))
        now(mirror.take(ALPHA, offered.files[0]))
        house.clock.advance(OFTEN)
        real = house.records.facts
        house.records.facts = Over(real, known=full)
        assert now(mirror.take(ALPHA, offered.files[1])) == len(SDIST_BYTES)
        house.records.facts = real
        now(mirror.fill(offered, offered.files, 9, True))
        assert shown(mirror, ALPHA) == [WHEEL, SDIST]


class TestNothingHalf:
    """What is offered changes in one step, after all bytes are here (law 7)."""

    def test_M3_nothing_is_shown_before_it_is_filled_in(self, house: House, mirror: Mirror) -> None:
        offered = now(mirror.offered(ALPHA, 9))
        for one in offered.files:
            now(mirror.take(ALPHA, one))
            with pytest.raises(NoSuchProject):
                now(mirror.project_page(ALPHA))
            assert listed(mirror) == []
        now(mirror.fill(offered, offered.files, 9, True))
        assert shown(mirror, ALPHA) == [WHEEL, SDIST]
        says(house, (NEWER, NEWER_BYTES))
        changed = now(mirror.offered(ALPHA, 20))
        now(mirror.take(ALPHA, changed.files[0]))
        assert shown(mirror, ALPHA) == [WHEEL, SDIST]
        assert read(mirror, ALPHA, SDIST) == SDIST_BYTES

    def test_law_7_what_is_not_here_cannot_be_filled_in(self, house: House, mirror: Mirror) -> None:
        offered = now(mirror.offered(ALPHA, 9))
        now(mirror.take(ALPHA, offered.files[0]))
        with pytest.raises(PypidaemonError, match="something of alpha is not here"):
            now(mirror.fill(offered, offered.files, 9, True))
        hashless = attrs.evolve(AN_SDIST, hashes=())
        with pytest.raises(PypidaemonError, match=r"alpha-1\.0\.tar\.gz"):
            now(mirror.fill(offered, [hashless], 9, True))
        with pytest.raises(NoSuchProject):
            now(mirror.project_page(ALPHA))

    def test_M3_a_run_that_was_killed_between_the_files_and_the_record_fetches_nothing_again(self, house: House, mirror: Mirror) -> None:
        offered = now(mirror.offered(ALPHA, 9))
        for one in offered.files:
            now(mirror.take(ALPHA, one))
        house.restart()
        after = house.new_mirror()
        assert bring(after, ALPHA, 9) == 0
        assert sorted(house.upstream.asked) == [
            f"body {WHEEL}", f"body {SDIST}", "body provenance", "page alpha", "page alpha",
        ]  # fmt: skip
        assert read(after, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT

    def test_what_the_wheel_says_of_itself_is_not_asked_for_where_the_page_promises_just_that(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        assert f"body {WHEEL}.metadata" not in house.upstream.asked
        assert read(mirror, ALPHA, WHEEL, Companion.METADATA) == SIDECAR

    @pytest.mark.parametrize("body", [WHEEL_BYTES, b"no archive"])
    def test_S30_a_sidecar_other_than_what_the_wheel_says_is_asked_for(self, house: House, mirror: Mirror, body: bytes) -> None:
        """What the page promises counts, whatever the wheel holds (law 12)."""
        other = SIDECAR + b"Summary: mended\n"
        entry = file(WHEEL, body, core_metadata=hashlib.sha256(other).hexdigest())
        house.upstream.pages["alpha"] = page("alpha", entry, serial=9)
        house.upstream.bodies = {entry.url: body, entry.url + ".metadata": other}
        assert bring(mirror, ALPHA, 9) == len(body) + len(other)
        assert read(mirror, ALPHA, WHEEL, Companion.METADATA) == other

    def test_M3_what_was_in_flight_when_it_was_killed_is_all_that_is_fetched_again(self, house: House, mirror: Mirror) -> None:
        offered = now(mirror.offered(ALPHA, 9))
        now(mirror.take(ALPHA, offered.files[0]))
        house.restart()
        after = house.new_mirror()
        bring(after, ALPHA, 9)
        assert [house.upstream.asked.count(f"body {one}") for one in (WHEEL, "provenance", SDIST)] == [1] * 3

    def test_a_failure_takes_nothing_away_that_was_offered(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, file(NEWER, NEWER_BYTES), serial=20)
        bring(mirror, ALPHA, 20, [SDIST], complete=False)
        assert shown(mirror, ALPHA) == [WHEEL, SDIST]
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT
        bring(mirror, ALPHA, 20, [SDIST])
        assert shown(mirror, ALPHA) == [SDIST]
        assert leaves(house) == []

    def test_S28_a_failure_leaves_offered_what_upstream_has_as_something_else(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        says(house, (SDIST, b"other bytes"))
        bring(mirror, ALPHA, 20, [], complete=False)
        assert shown(mirror, ALPHA) == [SDIST]
        assert read(mirror, ALPHA, SDIST) == SDIST_BYTES

    def test_S28_whoever_asked_before_replaces_nothing_either(self, house: House, mirror: Mirror) -> None:
        says(house, (SDIST, b"other bytes"))
        early = now(mirror.offered(ALPHA, 20))
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=21)
        house.upstream.bodies[AN_SDIST.url] = SDIST_BYTES
        bring(mirror, ALPHA, 21)
        now(mirror.fill(early, early.files, 20, True))
        assert read(mirror, ALPHA, SDIST) == SDIST_BYTES

    def test_what_fails_while_it_is_recorded_leaves_the_page_as_it_was(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        says(house, (SDIST, SDIST_BYTES), (NEWER, NEWER_BYTES))
        offered = now(mirror.offered(ALPHA, 20))
        for one in offered.files:
            now(mirror.take(ALPHA, one))
        real = house.records.mirrors
        house.records.mirrors = Over(real, keep=full)
        with pytest.raises(StorageFull):
            now(mirror.fill(offered, offered.files, 20, True))
        house.records.mirrors = real
        assert SDIST in shown(mirror, ALPHA)
        assert NEWER not in shown(mirror, ALPHA)


class TestLost:
    """Bytes that were here and are not: an outage, and no absence (law 10)."""

    @pytest.mark.parametrize(
        ("digest", "spelled", "companion"),
        [
            (AN_SDIST.digest, SDIST, Companion.FILE),
            (A_WHEEL.core_metadata, WHEEL, Companion.METADATA),
            (hashlib.sha256(DOCUMENT).hexdigest(), WHEEL, Companion.PROVENANCE),
        ],
    )
    def test_lost_bytes_are_an_outage_and_the_next_run_brings_them_back(
        self, house: House, mirror: Mirror, digest: str, spelled: str, companion: Companion
    ) -> None:
        bring(mirror, ALPHA, 9)
        now(house.blobs.remove(Digest(digest)))
        house.upstream.asked.clear()
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="its bytes are lost here; the next run brings them back"):
                read(mirror, ALPHA, spelled, companion)
        assert house.upstream.asked == []
        assert waits(house) == [f"alpha: {spelled}{companion.value} is lost"]
        # METADATA is in the wheel, which is here.
        assert (bring(mirror, ALPHA, 9) > 0) is (companion is not Companion.METADATA)
        assert waits(house) == []
        assert read(mirror, ALPHA, spelled, companion)
        now(house.blobs.remove(Digest(digest)))
        with pytest.raises(UpstreamUnavailable):
            read(mirror, ALPHA, spelled, companion)
        assert len(waits(house)) == 1

    def test_F62_bytes_of_another_length_are_lost(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        assert AN_SDIST.digest is not None
        house.blobs._blobs[AN_SDIST.digest] = SDIST_BYTES[:-1]  # the disk has cut it
        with pytest.raises(UpstreamUnavailable):
            read(mirror, ALPHA, SDIST)
        bring(mirror, ALPHA, 9)
        assert read(mirror, ALPHA, SDIST) == SDIST_BYTES

    def test_law_10_a_damaged_record_is_no_absence(self, house: House, tmp_path: Path) -> None:
        records = sqlite_records(tmp_path / "r.sqlite", house.clock)
        records.startService()
        house.records = records  # type: ignore[assignment]  # of the same interface
        mirror = house.new_mirror()
        bring(mirror, ALPHA, 9)
        with closing(sqlite3.connect(tmp_path / "r-mirrors.sqlite")) as connection, connection:
            connection.execute("UPDATE mirrored_pages SET body = x'00'")
        house.announcements.announce(ALPHA)
        for question in (mirror.project_page(ALPHA), mirror.find(ALPHA, filename(SDIST))):
            with pytest.raises(UpstreamUnavailable, match="is damaged; the next run brings it back"):
                now(question)
        for near in ("alph", "alpha-", "alphb", "alpgz", "a"):
            with pytest.raises(NoSuchProject):
                now(mirror.project_page(NormalizedName(near)))
        assert bring(mirror, ALPHA, 9) == 0
        assert shown(mirror, ALPHA) == [WHEEL, SDIST]
        records.stopService()

    def test_that_it_waits_need_not_be_recorded_for_the_answer(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        now(house.blobs.remove(Digest(AN_SDIST.digest or "")))
        real = house.records.mirrors
        house.records.mirrors = Over(real, wait=full)
        with pytest.raises(UpstreamUnavailable):
            read(mirror, ALPHA, SDIST)
        house.records.mirrors = real
        with pytest.raises(UpstreamUnavailable):
            read(mirror, ALPHA, SDIST)
        assert len(waits(house)) == 1

    def test_a_store_that_cannot_be_read_is_an_outage(self, house: House, mirror: Mirror) -> None:
        async def broken(digest: Digest) -> None:
            raise OSError(5, "Input/output error")

        bring(mirror, ALPHA, 9)
        house.blobs = Over(house.blobs, open=broken)
        mirror = house.new_mirror()
        with pytest.raises(PypidaemonError, match="cannot be read: Input/output error"):
            read(mirror, ALPHA, SDIST)


class TestQuarantine:
    """PEP 792, R113."""

    def test_what_is_in_quarantine_is_hidden_and_comes_back_without_being_fetched_again(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, serial=20, status=QUARANTINED)
        assert bring(mirror, ALPHA, 20) == 0
        found = now(mirror.project_page(ALPHA))
        assert (found.files, found.status) == ((), QUARANTINED)
        with pytest.raises(NoSuchFile):
            read(mirror, ALPHA, SDIST)
        told = now(explain(mirror, ALPHA))
        assert [one.file.filename for one in told.hidden] == [WHEEL, SDIST]
        assert told.hidden[0].refusals[0].reason == "upstream has quarantined the project: it steals"
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, serial=30)
        assert bring(mirror, ALPHA, 30) == 0
        assert now(mirror.project_page(ALPHA)).files == (A_WHEEL, AN_SDIST)
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT
        assert leaves(house) == []

    def test_a_project_that_was_in_quarantine_from_the_beginning_is_a_page_without_files(self, house: House, mirror: Mirror) -> None:
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, serial=20, status=QUARANTINED)
        bring(mirror, ALPHA, 20)
        bring(mirror, ALPHA, 20)
        assert shown(mirror, ALPHA) == []
        assert now(explain(mirror, ALPHA)).hidden == ()

    def test_what_goes_by_way_of_a_quarantine_is_not_kept(self, house: House) -> None:
        mirror = house.new_mirror(removal="keep")
        bring(mirror, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, serial=20, status=QUARANTINED)
        bring(mirror, ALPHA, 20)
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, serial=30)
        bring(mirror, ALPHA, 30)
        assert shown(mirror, ALPHA) == [WHEEL]


class TestRemoval:
    """M5, R211: what upstream takes away."""

    def test_M5_a_file_that_upstream_lists_no_longer_leaves_and_waits(self, house: House) -> None:
        mirror = house.new_mirror(removal_delay=100.0)
        bring(mirror, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=20)
        bring(mirror, ALPHA, 20)
        assert shown(mirror, ALPHA) == [SDIST]
        with pytest.raises(NoSuchFile):
            read(mirror, ALPHA, WHEEL)
        assert leaves(house) == [(WHEEL, NOON + 100)]
        (left,) = now(house.records.mirrors.leaving("mirror"))
        assert [one.filename for one in left.mirrored.page.files] == [WHEEL]
        assert left.mirrored.documents == ((WHEEL, hashlib.sha256(DOCUMENT).hexdigest()),)

    def test_what_was_brought_back_and_pinned_stays(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=20)
        bring(mirror, ALPHA, 20)
        now(house.records.mirrors.pin("mirror", ALPHA, True))
        assert now(house.records.mirrors.bring_back("mirror", ALPHA)) == 1
        house.announcements.announce(ALPHA)
        says(house, (SDIST, SDIST_BYTES), (NEWER, NEWER_BYTES), serial=30)
        bring(mirror, ALPHA, 30)
        assert shown(mirror, ALPHA) == [WHEEL, SDIST, NEWER]
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT
        assert leaves(house) == []

    def test_with_keep_it_goes_on_being_offered_until_upstream_lists_it_again(self, house: House) -> None:
        mirror = house.new_mirror(removal="keep")
        bring(mirror, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=20)
        for _ in range(2):
            bring(mirror, ALPHA, 20)
            assert shown(mirror, ALPHA) == [WHEEL, SDIST]
        assert read(mirror, ALPHA, WHEEL) == WHEEL_BYTES
        assert leaves(house) == []

    def test_what_was_filtered_off_the_page_that_is_given_did_not_leave_upstream(self, house: House, mirror: Mirror) -> None:
        """Filters say what is chosen, so what they hide is offered no longer and leaves nothing behind."""
        bring(mirror, ALPHA, 9)
        offered = now(mirror.offered(ALPHA, 9))
        filtered = attrs.evolve(offered, files=offered.files[1:])
        now(mirror.fill(filtered, filtered.files, 9, True))
        assert shown(mirror, ALPHA) == [SDIST]
        assert leaves(house) == []


class TestSerials:
    """R48, R67-R71."""

    def test_R71_each_change_has_a_higher_serial_before_anybody_asks(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        before = now(mirror.project_page(ALPHA))
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(AN_SDIST, yanked="bad"), serial=9)
        bring(mirror, ALPHA, 9)
        assert [(row.name, row.serial) for row in now(mirror.changes(9))] == [(ALPHA, 10)]
        after = now(mirror.project_page(ALPHA))
        assert after.revision != before.revision
        assert (before.serial, after.serial) == (9, 10)
        assert list(now(mirror.project_names()).entries()) == [(ALPHA, 10)]

    def test_a_serial_is_at_least_what_upstreams_list_announced(self, house: House, mirror: Mirror) -> None:
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=None)
        bring(mirror, ALPHA, 77)
        assert now(mirror.project_page(ALPHA)).serial == 77
        assert now(house.records.mirrors.serials("mirror", "", 9)) == [(ALPHA, 77)]

    def test_R48_a_project_that_upstream_does_not_number_gets_a_number(self, house: House, mirror: Mirror) -> None:
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=None)
        bring(mirror, ALPHA)
        assert list(now(mirror.project_names()).entries()) == [(ALPHA, 1)]


class TestSwitching:
    """N9: what a section is used as can be changed, and nothing is fetched again."""

    def test_N9_a_proxy_that_was_filled_is_a_mirror_at_once(self, house: House) -> None:
        bring(house.new_proxy("one"), ALPHA, 9)
        house.upstream.asked.clear()
        mirror = house.new_mirror("one")
        assert shown(mirror, ALPHA) == [WHEEL, SDIST]
        assert listed(mirror) == ["alpha"]
        assert read(mirror, ALPHA, WHEEL) == WHEEL_BYTES
        assert house.upstream.asked == []
        assert bring(mirror, ALPHA, 9) == 0
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT
        assert house.upstream.asked == ["page alpha"]

    def test_a_provenance_that_a_proxy_kept_as_its_own_is_brought_by_the_next_run(self, house: House) -> None:
        bring(house.new_proxy("one"), ALPHA, 9)
        mirror = house.new_mirror("one")
        with pytest.raises(UpstreamUnavailable):
            read(mirror, ALPHA, WHEEL, Companion.PROVENANCE)
        assert waits(house, "one") == [f"alpha: {WHEEL}.provenance is lost"]

    def test_N9_a_mirror_that_becomes_a_proxy_has_its_files(self, house: House) -> None:
        bring(house.new_mirror("one"), ALPHA, 9)
        house.upstream.asked.clear()
        proxy = house.new_proxy("one")
        assert read(proxy, ALPHA, WHEEL) == WHEEL_BYTES
        assert read(proxy, ALPHA, WHEEL, Companion.METADATA) == SIDECAR
        assert read(proxy, ALPHA, SDIST) == SDIST_BYTES
        assert house.upstream.asked == ["page alpha"]

    def test_N9_pins_of_files_without_hashes_hold_in_both(self, house: House) -> None:
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(AN_SDIST, hashes=(), size=None), serial=9)
        assert read(house.new_proxy("one"), ALPHA, SDIST) == SDIST_BYTES
        assert bring(house.new_mirror("one"), ALPHA, 9) == 0


class TestTold:
    """What it says of itself."""

    def test_it_explains_what_it_was_filled_with_and_what_it_waits_for(self, house: House, mirror: Mirror) -> None:
        absent = now(explain(mirror, ALPHA))
        assert (absent.outcome, absent.facts) == (Outcome.ABSENT, (("mirrored", "no"),))
        bring(mirror, ALPHA, 9)
        now(house.blobs.remove(Digest(AN_SDIST.digest or "")))
        with pytest.raises(UpstreamUnavailable):
            read(mirror, ALPHA, SDIST)
        assert now(explain(mirror, ALPHA)).facts == (
            ("mirrored", "all that was chosen"),
            ("upstream asked", written(NOON)),
            ("serial", "9"),
            ("to be fetched", f"from {written(NOON)} on, after 0 tries: {SDIST} is lost"),
            ("held here", "1 of 2 files"),
        )
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, serial=None)
        bring(mirror, ALPHA, 0, [WHEEL], complete=False)
        assert ("mirrored", "not all that was chosen") in now(explain(mirror, ALPHA)).facts

    def test_records_that_cannot_be_read_are_said_to_be_trouble(self, house: House, mirror: Mirror) -> None:
        async def broken(*_: object) -> None:
            raise PypidaemonError("the records cannot be read")

        house.records.mirrors = Over(house.records.mirrors, page=broken)
        told = now(explain(mirror, ALPHA))
        assert (told.outcome, told.facts) == (Outcome.UNKNOWN, (("trouble", "the records cannot be read"),))

    def test_R118_a_refresh_lets_the_next_run_ask_for_provenance_again(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        grown = DOCUMENT.replace(b"[]", b"[{}]")
        house.upstream.bodies[PROVENANCE] = grown
        assert bring(mirror, ALPHA, 9) == 0
        assert now(mirror.refresh(ALPHA)) >= 1
        assert bring(mirror, ALPHA, 9) == len(grown)
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == grown

    def test_law_8_a_provenance_that_is_offered_outlives_the_book_of_documents(self, house: House, mirror: Mirror) -> None:
        bring(mirror, ALPHA, 9)
        house.records.documents._documents.clear()  # type: ignore[attr-defined]  # somebody deletes the cache
        offered = now(mirror.offered(ALPHA, 9))
        now(mirror.fill(offered, offered.files, 9, True))
        assert read(mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT

    def test_a_confirmation_of_a_page_that_is_not_held_is_an_outage(self, house: House, mirror: Mirror) -> None:
        async def confirms(name: NormalizedName, validators: Validators) -> NotModified:
            return NotModified()

        mirror = house.new_mirror(upstream=Over(house.upstream, fetch_page=confirms))
        with pytest.raises(UpstreamUnavailable, match="confirms a page that we do not hold"):
            now(mirror.offered(ALPHA, 9))

    def test_what_is_under_way_ends_with_the_daemon(self, mirror: Mirror) -> None:
        now(mirror.stopService())
