"""Moving in: what becomes of what older tools have kept, in each kind of index."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from pypidaemon.adoption.beginning import Order, WrongOrder
from pypidaemon.adoption.outcomes import Fate, Outcome, line, summary
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import NoSuchProject, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.filenames import filename, project_name
from pypidaemon.interfaces import ISharing
from pypidaemon.model import Companion, File, ProjectStatus, Ruling, RulingKind
from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.adopting import bandersnatch, means, moved, pep381client, put, releases, sha256, z3c
from tests.fakes import file, page
from tests.filling import bring, read, shown
from tests.gear import inline, now
from tests.house import NOON, House

ALPHA, BETA = project_name("alpha"), project_name("beta")
FILES = releases("alpha", "1.0", "1.1")
WHEEL, SDIST = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"


def dashed(folder: str, name: str, version: str) -> bytes:
    """A source distribution as old tools named them, of which only the inside says where the name ends."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, text in (("PKG-INFO", f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n"), ("setup.py", "")):
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def entries(index: Any, name: str = "alpha") -> dict[str, File]:
    """The page of a project, by file name."""
    return {one.filename: one for one in now(index.project_page(project_name(name))).files}


def reads(index: Any, files: dict[str, bytes], name: str = "alpha") -> None:
    """Every one of them is given, with METADATA beside the wheels."""
    for spelled, data in files.items():
        assert read(index, project_name(name), spelled) == data
        if spelled.endswith(".whl"):
            assert read(index, project_name(name), spelled, Companion.METADATA).startswith(b"Metadata-Version")


class TestPrivate:
    """Files that are from nowhere else."""

    def test_all_facts_come_along_and_a_second_time_changes_nothing(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        put(tmp_path / "old" / "below", FILES)
        first = moved(means(house, private=private), "pypiserver", tmp_path / "old")
        assert first.counts == (4, 0, 0)
        assert first.adoption.tally.names == {"alpha": ""}
        assert {one.upload_time for one in entries(private).values()} == {"2017-07-14T02:40:00Z"}
        assert now(private.owner(ALPHA)) is None
        reads(private, FILES)
        serial, held = now(private.project_page(ALPHA)).serial, set(house.blobs._blobs)
        second = moved(means(house, private=private), "pypiserver", tmp_path / "old")
        assert second.counts == (0, 4, 0)
        assert second.adoption.tally.names == {}
        assert (now(private.project_page(ALPHA)).serial, set(house.blobs._blobs)) == (serial, held)
        [deed] = [deed for deed in now(house.records.accounts.deeds(0, 10)) if deed.action == "adopt"]
        assert "4 files" in deed.detail

    def test_a_rehearsal_says_the_same_and_changes_nothing(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        put(tmp_path, {**FILES, "cut-1.0.tar.gz": FILES[SDIST][:-9]})
        rehearsed = moved(means(house, private=private), "pypiserver", tmp_path, rehearsal=True)
        assert (house.blobs._blobs, now(house.records.files.names("private"))) == ({}, {})
        assert now(house.records.accounts.deeds(0, 10)) == []
        done = moved(means(house, private=private), "pypiserver", tmp_path)
        assert (done.fates, done.reasons, done.adoption.tally.names) == (rehearsed.fates, rehearsed.reasons, rehearsed.adoption.tally.names)
        assert done.counts == (4, 0, 1)

    def test_the_archive_says_whose_it_is_and_the_name_is_held_against_it(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        odd, data = "foo-2-bar-1.0.tar.gz", dashed("foo-2-bar-1.0", "foo-2-bar", "1.0")
        put(tmp_path, {odd: data, "beta-1.0-py3-none-any.whl": FILES[WHEEL], "alpha-9.tar.gz": FILES[SDIST], "alpha-2.zip": b"PK"})
        done = moved(means(house, private=private), "pypiserver", tmp_path)
        assert done.fates[odd] == "taken"
        assert list(entries(private, "foo-2-bar")) == [odd]
        assert done.counts == (1, 0, 3)
        assert "the file name says version '9', but the archive is version '1.0'" in done.reasons["alpha-9.tar.gz"]
        assert "dist-info" in done.reasons["beta-1.0-py3-none-any.whl"]
        assert "not accepted here" in done.reasons["alpha-2.zip"]

    def test_other_bytes_under_a_name_are_named_and_left(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        put(tmp_path / "a", {WHEEL: FILES[WHEEL]})
        put(tmp_path / "b", {WHEEL: make_wheel("alpha", "1.0", requires=["beta"])[1]})
        done = moved(means(house, private=private), "pypiserver", tmp_path)
        assert done.counts == (1, 0, 1)
        assert "already exists" in done.outcomes[-1].reason
        reads(private, {WHEEL: FILES[WHEEL]})

    def test_an_owner_owns_what_is_begun_and_gets_nothing_of_somebody_elses(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        put(tmp_path / "a", FILES)
        moved(means(house, private=private), "pypiserver", tmp_path / "a", owner="ada")
        assert now(private.owner(ALPHA)) == "ada"
        put(tmp_path / "b", releases("alpha", "3.0"))
        done = moved(means(house, private=private), "pypiserver", tmp_path / "b", owner="bob")
        assert done.counts == (0, 0, 2)
        with pytest.raises(PypidaemonError, match="there is no user 'cleo'"):
            moved(attrs.evolve(means(house, private=private), strangers=False), "pypiserver", tmp_path / "b", owner="cleo")

    def test_names_that_an_upstream_is_known_to_have_are_told(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        house.upstream.add("alpha", (SDIST, b"theirs"))
        now(house.proxy.project_page(ALPHA))
        house.upstream.asked.clear()
        put(tmp_path, {**FILES, **releases("beta", "1.0")})
        done = moved(means(house, private=private), "pypiserver", tmp_path)
        assert done.adoption.tally.names == {"alpha": "pypi", "beta": ""}
        assert house.upstream.asked == []
        said = list(summary({**done.adoption.as_json(), "names": done.adoption.tally.names}))
        assert said == [
            f"6 files with {sum(map(len, FILES.values())) + sum(map(len, releases('beta', '1.0').values()))} bytes taken into private; 0 already here, 0 skipped",
            "these names are private from now on, and no upstream is asked about them: alpha beta",
            "of these pypi knows projects of other people, which are hidden by ours: alpha",
        ]

    def test_a_strict_index_takes_no_name_that_an_upstream_has(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private(strict=True)
        house.upstream.add("alpha", (SDIST, b"theirs"))
        now(house.proxy.project_page(ALPHA))
        put(tmp_path, {WHEEL: FILES[WHEEL]})
        done = moved(means(house, private=private), "pypiserver", tmp_path)
        assert done.counts == (0, 0, 1)
        assert "strict" in done.reasons[WHEEL]

    def test_what_was_blocked_is_not_taken(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        house.rulings.replace([Ruling(RulingKind.BLOCK, f"sha256:{sha256(FILES[WHEEL])}", "evil", "ops", NOON)])
        put(tmp_path, {WHEEL: FILES[WHEEL]})
        done = moved(means(house, private=private), "pypiserver", tmp_path)
        assert done.counts == (0, 0, 1)
        assert "blocked" in done.reasons[WHEEL]

    def test_bytes_that_were_lost_come_back(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        put(tmp_path, FILES)
        moved(means(house, private=private), "pypiserver", tmp_path)
        house.blobs._blobs.clear()
        moved(means(house, private=private), "pypiserver", tmp_path)
        reads(private, FILES)

    def test_links_and_what_is_no_file_are_named_and_left(self, tmp_path: Path) -> None:
        house = House()
        put(tmp_path / "old", {WHEEL: FILES[WHEEL]})
        put(tmp_path / "elsewhere", {SDIST: FILES[SDIST]})
        (tmp_path / "old" / SDIST).symlink_to(tmp_path / "elsewhere" / SDIST)
        (tmp_path / "old" / "more").symlink_to(tmp_path / "elsewhere")
        os.mkfifo(tmp_path / "old" / "pipe-1.0.tar.gz")
        done = moved(means(house, private=house.with_private()), "pypiserver", tmp_path / "old")
        assert done.counts == (1, 0, 3)
        assert set(done.reasons) == {SDIST, "more", "pipe-1.0.tar.gz"}

    def test_a_full_disk_ends_it_with_one_line_and_what_came_stays(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        private.publisher.allotment.limit = len(FILES[WHEEL])
        put(tmp_path, FILES)
        outcomes: list[Outcome] = []
        adoption = means(house, private=private).adoption(Order("pypiserver", str(tmp_path)), outcomes.append)
        with pytest.raises(StorageFull):
            now(adoption.run())
        assert not adoption.ended
        private.publisher.allotment.limit = None
        assert moved(means(house, private=private), "pypiserver", tmp_path).counts[2] == 0
        reads(private, FILES)

    def test_a_folder_that_is_not_there_is_one_line(self, tmp_path: Path) -> None:
        house = House()
        with pytest.raises(PypidaemonError, match="No such file"):
            moved(means(house, private=house.with_private()), "pypiserver", tmp_path / "none")
        bandersnatch(tmp_path / "old", "alpha", FILES)
        for place in (tmp_path / "old", tmp_path / "old" / "web"):
            with pytest.raises(PypidaemonError, match="not of this layout"):
                moved(means(house, private=house.with_private()), "pypiserver", place)


class TestMirror:
    """Files of an upstream, in a mirror."""

    @pytest.fixture
    def house(self) -> House:
        return House()

    def test_what_upstream_says_now_rules_and_no_file_is_asked_for(self, house: House, tmp_path: Path) -> None:
        mirror = house.new_mirror()
        house.upstream.pages["alpha"] = page(
            "alpha", *(file(name, data, yanked="bad" if name == WHEEL else None) for name, data in FILES.items()), versions=("1.0", "1.1")
        )
        z3c(tmp_path, "Alpha", FILES)
        done = moved(means(house, mirror=mirror), "z3c", tmp_path)
        assert done.counts == (4, 0, 0)
        assert house.upstream.asked == ["page alpha"]
        house.upstream.health.doubt()
        found = entries(mirror)
        assert found[WHEEL].yanked == "bad"
        assert {one.upload_time for one in found.values()} == {"2026-01-02T03:04:05.678901Z"}
        reads(mirror, FILES)
        assert moved(means(house, mirror=mirror), "z3c", tmp_path, unasked=True).counts == (0, 4, 0)

    def test_the_next_run_fetches_nothing_that_is_here(self, house: House, tmp_path: Path) -> None:
        mirror = house.new_mirror()
        house.upstream.add("alpha", *FILES.items(), versions=("1.0", "1.1"))
        bandersnatch(tmp_path, "alpha", FILES)
        moved(means(house, mirror=mirror), "bandersnatch", tmp_path, unasked=True)
        assert house.upstream.asked == []
        bring(mirror, ALPHA)
        assert house.upstream.asked == ["page alpha"]

    @pytest.mark.parametrize("way", ["outage", "unasked"])
    def test_without_upstream_what_the_tool_kept_says_it(self, way: str, house: House, tmp_path: Path) -> None:
        mirror = house.new_mirror()
        facts = {
            WHEEL: {"yanked": "it breaks", "upload-time": "2020-01-01T00:00:00.000000Z", "requires-python": ">=3.8"},
            SDIST: {"upload-time": "2019-01-01T00:00:00.000000Z"},
        }
        house.upstream.fails(["alpha"])
        bandersnatch(tmp_path, "alpha", FILES, facts)
        done = moved(means(house, mirror=mirror), "bandersnatch", tmp_path, unasked=way == "unasked")
        assert done.counts == (4, 0, 0)
        assert bool(done.adoption.tally.unasked) is (way == "outage")
        found = entries(mirror)
        assert (found[WHEEL].yanked, found[WHEEL].requires_python, found[WHEEL].upload_time) == (
            "it breaks", ">=3.8", "2020-01-01T00:00:00.000000Z",
        )  # fmt: skip
        blake = hashlib.blake2b(FILES[SDIST], digest_size=32).hexdigest()
        assert found[SDIST].path == f"{blake[:2]}/{blake[2:4]}/{blake[4:]}/{SDIST}"
        reads(mirror, FILES)

    def test_a_stated_hash_that_differs_and_a_file_that_upstream_has_otherwise_are_left(self, house: House, tmp_path: Path) -> None:
        mirror = house.new_mirror()
        others = releases("beta", "1.0")
        bandersnatch(tmp_path, "alpha", FILES)
        bandersnatch(tmp_path, "beta", others)
        altered = next(tmp_path.rglob(WHEEL))
        altered.write_bytes(altered.read_bytes() + b"\n")
        house.upstream.pages["beta"] = page(
            "beta", file("beta-1.0.tar.gz", b"other bytes"), file("beta-1.0-py3-none-any.whl", others["beta-1.0-py3-none-any.whl"])
        )
        house.upstream.fails(["alpha"])
        done = moved(means(house, mirror=mirror), "bandersnatch", tmp_path)
        assert done.counts == (4, 0, 2)
        assert "bytes" in done.reasons[WHEEL]
        assert "upstream says" in done.reasons["beta-1.0.tar.gz"]
        assert set(entries(mirror)) == set(FILES) - {WHEEL}
        assert list(entries(mirror, "beta")) == ["beta-1.0-py3-none-any.whl"]

    def test_what_upstream_no_longer_has_is_taken_where_it_stays(self, house: House, tmp_path: Path) -> None:
        z3c(tmp_path, "alpha", FILES)
        z3c(tmp_path, "beta", releases("beta", "1.0"))
        house.upstream.pages["alpha"] = page("alpha", file(WHEEL, FILES[WHEEL]))
        follow, keep = house.new_mirror(), house.new_mirror("keeping", removal="keep")
        done = moved(means(house, mirror=follow), "z3c", tmp_path)
        assert (done.counts, list(entries(follow))) == ((1, 0, 5), [WHEEL])
        assert done.reasons[SDIST] == "upstream does not list it"
        assert done.reasons["beta-1.0.tar.gz"] == "upstream has no project of that name"
        done = moved(means(house, keeping=keep), "z3c", tmp_path)
        assert done.counts == (6, 0, 0)
        assert set(entries(keep)) == set(FILES)

    @pytest.mark.parametrize("kind", ["mirror", "pypi"])
    def test_what_upstream_has_other_bytes_of_is_not_told_to_be_here(self, kind: str, house: House, tmp_path: Path) -> None:
        """The tool's word was all there was; by upstream's, which came later, these are others."""
        index = house.new_mirror() if kind == "mirror" else house.proxy
        bandersnatch(tmp_path, "alpha", FILES)
        moved(means(house, **{kind: index}), "bandersnatch", tmp_path, unasked=True)
        house.upstream.add("alpha", *{**FILES, WHEEL: make_wheel("alpha", "1.0", requires=["x"])[1]}.items())
        house.clock.advance(1000)
        if kind == "mirror":
            bring(index, ALPHA)
        else:
            entries(index)
        for unasked in (True, False):
            done = moved(means(house, **{kind: index}), "bandersnatch", tmp_path, unasked=unasked)
            assert done.counts == (0, 3, 1)
            assert f"`accept alpha {WHEEL}`" in done.reasons[WHEEL]

    def test_a_quarantined_project_is_not_taken(self, house: House, tmp_path: Path) -> None:
        z3c(tmp_path, "alpha", FILES)
        house.upstream.pages["alpha"] = page("alpha", file(WHEEL, FILES[WHEEL]), status=ProjectStatus("quarantined", "evil"))
        mirror = house.new_mirror()
        done = moved(means(house, mirror=mirror), "z3c", tmp_path)
        assert (done.counts, set(done.reasons.values()) & {"upstream has put the project in quarantine"}) == (
            (0, 0, 4), {"upstream has put the project in quarantine"},
        )  # fmt: skip

    def test_what_the_mirror_has_already_stays(self, house: House, tmp_path: Path) -> None:
        mirror = house.new_mirror()
        house.upstream.add("alpha", (WHEEL, FILES[WHEEL]), ("alpha-1.1.tar.gz", FILES["alpha-1.1.tar.gz"]), versions=("1.0", "1.1"))
        bring(mirror, ALPHA, complete=True)
        house.upstream.fails(["alpha"])
        other = make_sdist("alpha", "1.1", requires=["x"])[1]
        z3c(tmp_path, "alpha", {SDIST: FILES[SDIST], "alpha-1.1.tar.gz": other})
        done = moved(means(house, mirror=mirror), "z3c", tmp_path)
        assert done.counts == (1, 0, 1)
        assert "that is here" in done.reasons["alpha-1.1.tar.gz"]
        assert set(shown(mirror, ALPHA)) == {WHEEL, SDIST, "alpha-1.1.tar.gz"}
        reads(mirror, {SDIST: FILES[SDIST], WHEEL: FILES[WHEEL], "alpha-1.1.tar.gz": FILES["alpha-1.1.tar.gz"]})

    def test_an_archive_that_nothing_vouches_for_is_looked_into(self, house: House, tmp_path: Path) -> None:
        """An md5 is worth little; a sha256 is worth more than what an old archive looks like inside."""
        house.upstream.fails(["alpha"])
        mirror = house.new_mirror()
        odd = {"alpha-0.1.tar.gz": b"of old, and no archive", SDIST: FILES[SDIST], "beta-1.0.tar.gz": FILES[SDIST]}
        z3c(tmp_path / "z", "alpha", odd)
        done = moved(means(house, mirror=mirror), "z3c", tmp_path / "z")
        assert (done.counts, sorted(done.reasons)) == ((1, 0, 2), ["alpha-0.1.tar.gz", "beta-1.0.tar.gz", "full.html", "index.html"])
        bandersnatch(tmp_path / "b", "alpha", {"alpha-0.1.tar.gz": b"of old, and no archive"})
        done = moved(means(house, mirror=mirror), "bandersnatch", tmp_path / "b")
        assert done.counts == (1, 0, 0)

    def test_a_rehearsal_changes_nothing(self, house: House, tmp_path: Path) -> None:
        mirror = house.new_mirror()
        house.upstream.add("alpha", *FILES.items())
        bandersnatch(tmp_path, "alpha", FILES)
        assert moved(means(house, mirror=mirror), "bandersnatch", tmp_path, rehearsal=True).counts == (4, 0, 0)
        assert house.blobs._blobs == {}
        with pytest.raises(NoSuchProject):
            now(mirror.project_page(ALPHA))
        assert now(house.records.pages.recall("mirror", ALPHA)) is None

    @pytest.mark.parametrize("way", [{}, {"rehearsal": True}, {"unasked": True}])
    @pytest.mark.parametrize("kind", ["mirror", "pypi"])
    def test_law_3_a_reserved_name_is_not_asked_about_and_nothing_is_taken_under_it(
        self, kind: str, way: dict[str, bool], tmp_path: Path
    ) -> None:
        house = House(reserved=("alpha",))
        z3c(tmp_path, "alpha", FILES)
        index = house.new_mirror(removal="keep") if kind == "mirror" else house.proxy
        done = moved(means(house, **{kind: index}), "z3c", tmp_path, **way)
        assert (done.counts, house.upstream.asked) == ((0, 0, 4), [])
        assert "reserved" in done.reasons[WHEEL]

    @pytest.mark.parametrize("rehearsal", [True, False])
    def test_P15_upstream_is_not_asked_about_a_name_of_ours(self, rehearsal: bool, tmp_path: Path) -> None:
        """Unless it knows of it by now; and whoever asks nobody gives nothing away."""
        house = House()
        private, mirror = house.with_private(), house.new_mirror()
        put(tmp_path / "ours", FILES)
        moved(means(house, private=private), "pypiserver", tmp_path / "ours")
        z3c(tmp_path / "old", "Alpha", FILES)
        done = moved(means(house, private=private, mirror=mirror), "z3c", tmp_path / "old", rehearsal=rehearsal)
        assert (done.counts, house.upstream.asked) == ((0, 0, 4), [])
        assert done.reasons[WHEEL].startswith("private has a project of that name")
        assert moved(means(house, private=private, mirror=mirror), "z3c", tmp_path / "old", unasked=True).counts == (4, 0, 0)
        moved(means(house, private=private, mirror=mirror), "z3c", tmp_path / "old")
        assert house.upstream.asked == []
        house.upstream.add("alpha", *FILES.items())
        bring(mirror, ALPHA)
        assert moved(means(house, private=private, mirror=mirror), "z3c", tmp_path / "old", rehearsal=rehearsal).counts == (0, 4, 0)
        assert house.upstream.asked == ["page alpha"] * 2

    @pytest.mark.parametrize("kind", ["mirror", "pypi"])
    def test_folders_for_several_spellings_of_one_name_make_one_page(self, kind: str, tmp_path: Path) -> None:
        """Each is taken by a worker of its own, and while one reads files another offers what it has."""
        house = House()
        house.upstream.fails(["alpha"])
        index = house.new_mirror() if kind == "mirror" else house.proxy
        every: dict[str, bytes] = {}
        for number, spelled in enumerate(("Alpha", "aLpha", "alPha", "alphA")):
            files = releases("alpha", f"{number}.0")
            z3c(tmp_path, spelled, files)
            every |= files
        queue: list[Deferred[None]] = []

        async def queued(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            queue.append(Deferred())
            await queue[-1]
            return function(*args, **kwargs)

        working = attrs.evolve(means(house, **{kind: index}), disk=queued, cpu=queued)
        outcomes: list[Outcome] = []
        running = Deferred.fromCoroutine(working.adoption(Order("z3c", str(tmp_path), unasked=True), outcomes.append).run())
        while queue:
            queue.pop(0).callback(None)
        now(running)
        assert sum(one.fate is Fate.TAKEN for one in outcomes) == len(every)
        assert set(entries(index)) == set(every)


class TestProxy:
    """Files of an upstream, in a proxy."""

    @pytest.mark.parametrize("known", [True, False])
    def test_what_was_adopted_is_given_while_upstream_is_down(self, known: bool, tmp_path: Path) -> None:
        house = House()
        house.upstream.add("alpha", *FILES.items(), versions=("1.0", "1.1"))
        if not known:
            house.upstream.fails(["alpha"])
        pep381client(tmp_path, "Alpha", FILES)
        done = moved(means(house, pypi=house.proxy), "pep381client", tmp_path)
        assert done.counts == (4, 0, 0)
        assert not [one for one in house.upstream.asked if one.startswith("body")]
        house.upstream.fails(["alpha"])
        house.upstream.bodies.clear()
        house.upstream.health.doubt()
        house.clock.advance(9999)
        assert set(shown(house.proxy, ALPHA)) == set(FILES)
        reads(house.proxy, FILES)
        assert moved(means(house, pypi=house.proxy), "pep381client", tmp_path).counts == (0, 4, 0)

    def test_what_upstream_said_last_rules_while_it_is_down(self, tmp_path: Path) -> None:
        house = House()
        house.upstream.add("alpha", (WHEEL, FILES[WHEEL]), (SDIST, b"other"))
        now(house.proxy.project_page(ALPHA))
        house.upstream.fails(["alpha"])
        pep381client(tmp_path, "Alpha", FILES)
        done = moved(means(house, pypi=house.proxy), "pep381client", tmp_path)
        assert done.counts == (1, 0, 3)
        assert "what upstream said last" in done.reasons[SDIST]
        assert done.reasons["alpha-1.1.tar.gz"] == "what upstream said last does not list it"

    def test_what_an_adoption_kept_is_not_taken_for_upstreams_word(self, tmp_path: Path) -> None:
        house = House()
        house.upstream.fails(["alpha"])
        z3c(tmp_path, "alpha", {WHEEL: FILES[WHEEL]})
        moved(means(house, pypi=house.proxy), "z3c", tmp_path)
        other = make_wheel("alpha", "1.0", requires=["x"])[1]
        z3c(tmp_path, "alpha", {WHEEL: other, SDIST: FILES[SDIST]})
        done = moved(means(house, pypi=house.proxy), "z3c", tmp_path)
        assert done.counts == (1, 0, 1)
        reads(house.proxy, {WHEEL: FILES[WHEEL], SDIST: FILES[SDIST]})

    def test_the_page_is_upstreams_as_soon_as_it_can_be_asked(self, tmp_path: Path) -> None:
        house = House()
        house.upstream.fails(["alpha"])
        z3c(tmp_path, "alpha", FILES)
        moved(means(house, pypi=house.proxy), "z3c", tmp_path)
        assert set(shown(house.proxy, ALPHA)) == set(FILES)
        house.upstream.add("alpha", *FILES.items(), ("alpha-2.0.tar.gz", b"new"), serial=77)
        house.clock.advance(100)
        assert set(shown(house.proxy, ALPHA)) == {*FILES, "alpha-2.0.tar.gz"}


class TestSharing:
    """The same bytes with two names."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> DirectoryBlobs:
        made = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
        made.startService()
        return made

    def house(self, blobs: DirectoryBlobs) -> House:
        return House(blobs=blobs)  # type: ignore[arg-type]  # of the same interfaces

    def test_a_file_is_shared_and_from_then_on_nobody_writes_to_it(self, blobs: DirectoryBlobs, tmp_path: Path) -> None:
        house = self.house(blobs)
        old = bandersnatch(tmp_path / "old", "alpha", FILES)
        done = moved(means(house, mirror=house.new_mirror()), "bandersnatch", old, unasked=True)
        assert done.adoption.tally.linked == 4
        one = next(old.rglob(WHEEL))
        assert (one.stat().st_nlink, one.stat().st_mode & 0o777) == (2, 0o444)
        assert os.listdir(blobs.path / "drafts") == []

    @pytest.mark.parametrize("mode", [0o664, 0o646, 0o777])
    def test_what_others_can_write_to_is_copied(self, mode: int, blobs: DirectoryBlobs, tmp_path: Path) -> None:
        house = self.house(blobs)
        old = bandersnatch(tmp_path / "old", "alpha", {WHEEL: FILES[WHEEL]})
        one = next(old.rglob(WHEEL))
        one.chmod(mode)
        done = moved(means(house, mirror=house.new_mirror()), "bandersnatch", old, unasked=True)
        assert (done.counts, done.adoption.tally.linked) == ((1, 0, 0), 0)
        assert (one.stat().st_nlink, one.stat().st_mode & 0o777) == (1, mode)

    def test_to_copy_can_be_ordered_and_private_files_are_always_copied(self, blobs: DirectoryBlobs, tmp_path: Path) -> None:
        house = self.house(blobs)
        old = bandersnatch(tmp_path / "old", "alpha", {WHEEL: FILES[WHEEL]})
        assert moved(means(house, mirror=house.new_mirror()), "bandersnatch", old, unasked=True, copy=True).adoption.tally.linked == 0
        flat = put(tmp_path / "flat", {WHEEL: FILES[WHEEL]})
        assert moved(means(house, private=house.with_private()), "pypiserver", flat).adoption.tally.linked == 0
        assert (flat / WHEEL).stat().st_nlink == 1

    def test_what_cannot_have_a_second_name_is_left_as_it_is(
        self, blobs: DirectoryBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is on another volume, the system does not want it, or another process has it locked."""
        verifyObject(ISharing, blobs)
        one = put(tmp_path, {WHEEL: FILES[WHEEL]}) / WHEEL
        descriptor, other = os.open(one, os.O_RDONLY), os.open(one, os.O_RDONLY)
        fcntl.flock(other, fcntl.LOCK_EX)
        assert now(blobs.share(descriptor, filename_digest(FILES[WHEEL]))) is False
        os.close(other)
        for code in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            monkeypatch.setattr(os, "link", failing(code))
            assert now(blobs.share(descriptor, filename_digest(FILES[WHEEL]))) is False
        monkeypatch.setattr(os, "link", failing(errno.ENOSPC))
        with pytest.raises(StorageFull):
            now(blobs.share(descriptor, filename_digest(FILES[WHEEL])))
        os.close(descriptor)
        assert (one.stat().st_mode & 0o777, one.stat().st_nlink, os.listdir(blobs.path / "drafts")) == (0o644, 1, [])

    def test_what_somebody_writes_to_is_copied(self, blobs: DirectoryBlobs, tmp_path: Path) -> None:
        """Permissions do not stop who has it open: its bytes could change in the store."""
        one = put(tmp_path, {WHEEL: FILES[WHEEL]}) / WHEEL
        descriptor = os.open(one, os.O_RDONLY)
        with one.open("r+b"):
            assert now(blobs.share(descriptor, filename_digest(FILES[WHEEL]))) is False
            assert (one.stat().st_mode & 0o777, one.stat().st_nlink, os.listdir(blobs.path / "drafts")) == (0o644, 1, [])
        assert now(blobs.share(descriptor, filename_digest(FILES[WHEEL]))) is True
        os.close(descriptor)

    def test_other_bytes_than_expected_are_not_shared(self, blobs: DirectoryBlobs, tmp_path: Path) -> None:
        one = put(tmp_path, {WHEEL: FILES[WHEEL]}) / WHEEL
        descriptor = os.open(one, os.O_RDONLY)
        with pytest.raises(PypidaemonError, match="promised"):
            now(blobs.share(descriptor, filename_digest(b"other")))
        assert one.stat().st_mode & 0o777 == 0o644
        assert now(blobs.share(descriptor, filename_digest(FILES[WHEEL]))) is True
        # Once more is the same once more.
        assert now(blobs.share(descriptor, filename_digest(FILES[WHEEL]))) is True
        os.close(descriptor)
        assert (one.stat().st_nlink, os.listdir(blobs.path / "drafts")) == (2, [])


def failing(code: int) -> Any:
    """A call to the system that fails so."""

    def call(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return call


def filename_digest(data: bytes) -> Any:
    """The digest of a blob with these bytes."""
    return sha256(data)


class TestOrders:
    """What is asked for, and which index takes it."""

    def label(self, house: House, layout: str, folder: Path, uploads: str | None = None, index: str = "", **indexes: Any) -> str:
        made = attrs.evolve(means(house, **indexes), uploads=uploads)
        return made.adoption(Order(layout, str(folder), index), lambda _: None).label

    def test_the_index_that_takes_it(self, tmp_path: Path) -> None:
        house = House()
        private, mirror = house.with_private(), house.new_mirror()
        other = attrs.evolve(private, label="other")
        every = {"private": private, "other": other, "mirror": mirror, "pypi": house.proxy}
        assert self.label(house, "pypiserver", tmp_path, private=private, pypi=house.proxy) == "private"
        assert self.label(house, "pypiserver", tmp_path, "other", **every) == "other"
        assert self.label(house, "pypiserver", tmp_path, "other", "private", **every) == "private"
        assert self.label(house, "z3c", tmp_path, **every) == "mirror"
        assert self.label(house, "z3c", tmp_path, None, "pypi", **every) == "pypi"
        assert self.label(house, "z3c", tmp_path, pypi=house.proxy) == "pypi"
        for index, wrong in (("mirror", "is not a private index"), ("none", "known: other private"), ("", "say --index")):
            with pytest.raises(WrongOrder, match=wrong):
                self.label(house, "pypiserver", tmp_path, None, index, **every)
        with pytest.raises(WrongOrder, match="has none"):
            self.label(house, "z3c", tmp_path, private=private)
        with pytest.raises(WrongOrder, match="there is none in the configuration"):
            self.label(house, "z3c", tmp_path, None, "x", private=private)

    @pytest.mark.parametrize(
        "order", [{}, {"layout": 1}, {"layout": "z3c", "source": "/x", "copy": 1}, {"more": []}, {"more": {"a": 1}}, {"index": None}]
    )
    def test_an_order_is_read_and_what_is_none_refused(self, order: dict[str, Any]) -> None:
        house = House()
        with pytest.raises(WrongOrder):
            means(house, mirror=house.new_mirror()).adoption(Order.read(order), lambda _: None)

    def test_an_order_travels_as_json(self) -> None:
        order = Order("z3c", "/old", "mirror", rehearsal=True, more={"user": "ada"})
        assert Order.read(order.as_json()) == order

    @pytest.mark.parametrize(("layout", "source"), [("none", "/old"), ("z3c", "old"), ("z3c", "/o\0d"), ("z3c", "https://index.example/")])
    def test_a_layout_or_place_that_there_is_not(self, layout: str, source: str) -> None:
        house = House()
        with pytest.raises(WrongOrder):
            means(house, mirror=house.new_mirror()).adoption(Order(layout, source), lambda _: None)

    def test_it_can_be_stopped(self, tmp_path: Path) -> None:
        house = House()
        private = house.with_private()
        put(tmp_path, FILES)
        adoption = means(house, private=private).adoption(Order("pypiserver", str(tmp_path)), lambda _: adoption.stop())
        with pytest.raises(PypidaemonError, match="stopped"):
            now(adoption.run())
        assert moved(means(house, private=private), "pypiserver", tmp_path).counts[2] == 0
        reads(private, FILES)


def test_lines_for_people() -> None:
    skipped = Outcome("a\x1b[1m/b-1.0.zip", Fate.SKIPPED, reason="it is no archive")
    assert line(skipped.as_json()) == "skipped 'a\\x1b[1m/b-1.0.zip': it is no archive"
    assert Outcome("x\udcff", Fate.TAKEN, size=3).as_json() == {"path": "x\\udcff", "fate": "taken", "bytes": 3}
    said = {"index": "private", "dry_run": True, "taken": 1, "bytes": 1, "here": 0, "skipped": 0, "linked": 1, "unasked": "it is silent"}
    names = {f"a{number:02}": "" for number in range(25)}
    *_, names_line, unasked = summary({**said, "names": names})
    assert names_line.endswith("a19 and 5 more")
    assert "it is silent; once it is asked, `replaced` tells" in unasked


def test_an_outage_is_no_reason_to_take_nothing(tmp_path: Path) -> None:
    """Law 10: of a project that upstream cannot be asked about, the tool's own word counts."""
    house = House()
    house.upstream.pages["alpha"] = UpstreamUnavailable("pypi", "it is silent")
    mirror = house.new_mirror()
    z3c(tmp_path, "alpha", {WHEEL: FILES[WHEEL]})
    done = moved(means(house, mirror=mirror), "z3c", tmp_path)
    assert (done.counts, done.adoption.tally.unasked) == ((1, 0, 0), "it is silent")
    assert filename(WHEEL) in entries(mirror)
