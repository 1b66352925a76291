"""A tree of plain files: what goes into it, and how it is brought up to date while it is read (S2 of switching.md)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import NoSuchBlob, NoSuchProject, PypidaemonError, Refused, UpstreamUnavailable
from pypidaemon.exports import staging
from pypidaemon.exports.gathering import Export, Exported, known, summary, synchronised
from pypidaemon.exports.items import Item, Source
from pypidaemon.exports.staging import STAGE
from pypidaemon.exports.tree import MARKER, Tree
from pypidaemon.globs import Globs
from pypidaemon.indexes.directory import Directory
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.interfaces import IIndex
from pypidaemon.model import Companion, Digest, Filename, NormalizedName, Progress, ProjectPage, ProjectStatus, Ruling, RulingKind
from pypidaemon.simple.reading import read_page
from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.fakes import file
from tests.filling import bring
from tests.gear import inline, now
from tests.house import House

ALPHA, BETA = NormalizedName("alpha"), NormalizedName("beta")
OLD, NEW = make_wheel("alpha", "1.0"), make_wheel("alpha", "1.1")
SDIST = make_sdist("beta", "1.0+local")
HERE = "https://tree.example/simple/"


@attrs.define
class Yard:
    """A house whose blobs lie on a disk, and a folder to export to."""

    folder: Path
    house: House
    blobs: DirectoryBlobs
    everything: bool = True
    index: IIndex | None = None

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def export(self, *globs: str, stamp: bytes = b"20260528T20:26:40\n") -> tuple[Exported, Tree]:
        """Bring the tree up to date, with nobody to ask."""
        index = self.index or self.house.proxy
        self.house.upstream.health.doubt()
        tree = Tree.open(self.tree)
        try:
            work = Export(index, [self.blobs], tree, self.visible, inline, inline, lambda *_: None)
            done = now(work.run(now(known(index, self.house.records)), Globs(globs) if globs else None, stamp))
        finally:
            tree.close()
            self.house.upstream.health.recover()
        assert not (self.tree / STAGE).exists()
        return done, tree

    def visible(self, page: ProjectPage) -> bool:
        return self.everything

    def files(self) -> dict[str, bytes]:
        """Every file of the tree but the mark."""
        return {str(one.relative_to(self.tree)): one.read_bytes() for one in self.tree.rglob("*") if one.is_file() and one.name != MARKER}

    def page(self, name: str) -> dict[str, Any]:
        """The JSON page, of which the HTML page says the same; each file that it names is there with the promised hash."""
        folder = self.tree / "simple" / name
        body = (folder / "index.v1_json").read_bytes()
        said = read_page(body, "application/vnd.pypi.simple.v1+json", f"{HERE}{name}/", NormalizedName(name))
        html = read_page((folder / "index.html").read_bytes(), "text/html", f"{HERE}{name}/", NormalizedName(name))
        assert [(one.url, one.hashes, one.yanked) for one in html.files] == [(one.url, one.hashes, one.yanked) for one in said.files]
        for one in said.files:
            data = (self.tree / one.url.removeprefix("https://tree.example/").replace("%2B", "+")).read_bytes()
            assert hashlib.sha256(data).hexdigest() == one.digest
            assert (folder / one.filename).read_bytes() == data
        assert {entry.name for entry in folder.iterdir()} == {"index.html", "index.v1_json", *(one.filename for one in said.files)}
        found: dict[str, Any] = json.loads(body)
        return found

    def names(self) -> list[str]:
        """The projects of the root pages, which agree with each other and with what is there."""
        simple = self.tree / "simple"
        found = [one["name"] for one in json.loads((simple / "index.v1_json").read_bytes())["projects"]]
        assert [name for name in found if f'<a href="{name}/">' in (simple / "index.html").read_text()] == found
        assert sorted(entry.name for entry in simple.iterdir() if entry.is_dir()) == found
        return found

    def looks(self) -> dict[str, tuple[int, int, int]]:
        """What rsync goes by, and which file it is."""
        return {
            str(one.relative_to(self.tree)): (one.stat().st_size, one.stat().st_mtime_ns, one.stat().st_ino)
            for one in self.tree.rglob("*")
            if one.is_file()
        }


@attrs.define
class Failing:
    """An index that has nothing, and fails for beta."""

    label: str
    error: Exception

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        raise self.error if name == BETA else NoSuchProject(name)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """With alpha's two wheels on upstream, of which one is here, and the source distribution of beta."""
    blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    blobs.startService()
    house = House(blobs=blobs)  # type: ignore[arg-type]  # any store will do
    house.upstream.add("alpha", OLD, NEW, versions=("1.0", "1.1"))
    house.upstream.add("beta", SDIST, versions=("1.0+local",))
    made = Yard(tmp_path, house, blobs)
    take(made, "alpha", OLD[0])
    take(made, "beta", SDIST[0])
    yield made
    now(blobs.stopService() or inline(lambda: None))  # type: ignore[func-returns-value]


def take(yard: Yard, name: str, filename: str, companion: Companion = Companion.FILE) -> None:
    """Have a client take a file."""
    content = now(yard.house.proxy.open_file(NormalizedName(name), filename, companion))  # type: ignore[arg-type]
    now(content.read(content.size or 0, 1))
    content.close()


def test_S2_what_is_here_is_in_the_tree_and_what_is_not_is_told_of(yard: Yard) -> None:
    done, tree = yard.export()
    assert (done.projects, done.files, done.left_out) == ([ALPHA, BETA], 2, {ALPHA: [NEW[0]]})
    assert (yard.names(), [one["filename"] for one in yard.page("alpha")["files"]]) == (["alpha", "beta"], [OLD[0]])
    assert yard.page("alpha")["versions"] == ["1.0"]
    assert yard.page("beta")["files"][0]["url"].endswith("beta-1.0%2Blocal.tar.gz")
    assert (yard.tree / "last-modified").read_text() == "20260528T20:26:40\n"
    assert (tree.added, tree.removed) == (3, 0)
    assert yard.house.upstream.asked.count("page alpha") == 1


def test_S2_metadata_and_provenance_stand_beside_the_file(yard: Yard) -> None:
    """METADATA is taken out of the wheel where no client has asked for it."""
    provenance = b'{"version":1,"attestation_bundles":[]}'
    filename, data = make_wheel("gamma", "1.0")
    entry = file(filename, data, core_metadata="", provenance="https://index.example/provenance")
    yard.house.upstream.add("gamma", (filename, data))
    yard.house.upstream.pages["gamma"] = attrs.evolve(yard.house.upstream.pages["gamma"], files=(entry,))  # type: ignore[arg-type]
    yard.house.upstream.bodies["https://index.example/provenance"] = provenance
    take(yard, "gamma", filename)
    take(yard, "gamma", filename, Companion.PROVENANCE)
    yard.export()
    (shown,) = yard.page("gamma")["files"]
    place = yard.tree / "packages" / entry.path
    assert shown["core-metadata"] == {"sha256": hashlib.sha256(place.with_name(f"{filename}.metadata").read_bytes()).hexdigest()}
    assert place.with_name(f"{filename}.provenance").read_bytes() == provenance
    assert shown["provenance"] == "https://index.example/provenance"


@pytest.mark.parametrize("name", [OLD, SDIST, ("beta-1.0-py3-none-any.whl", b"no archive")], ids=["wheel", "sdist", "damaged"])
def test_metadata_that_cannot_be_had_is_not_promised(yard: Yard, name: tuple[str, bytes]) -> None:
    """A client that is promised one fails without it (R99). What is in the wheel may be other than what upstream promises."""
    filename, data = name
    project = filename.partition("-")[0]
    entry = attrs.evolve(file(filename, data), core_metadata="0" * 64)
    yard.house.upstream.bodies[entry.url] = data
    yard.house.upstream.pages[project] = attrs.evolve(yard.house.upstream.pages[project], files=(entry,))  # type: ignore[arg-type]
    now(yard.house.proxy.refresh(None))
    take(yard, project, filename)
    yard.export()
    assert yard.page(project)["files"][0]["core-metadata"] is False


def test_S2_blobs_have_a_second_name_and_nobody_writes_to_them(yard: Yard) -> None:
    """One inode in store, packages/ and simple/; readable to a web server of another user."""
    yard.export()
    blob = yard.blobs.path / (digest := hashlib.sha256(OLD[1]).hexdigest())[:2] / digest[2:4] / digest
    places = [*yard.tree.rglob(OLD[0])]
    assert len(places) == 2
    assert all(place.samefile(blob) for place in places)
    assert stat.S_IMODE(blob.stat().st_mode) == 0o444
    assert {stat.S_IMODE(one.stat().st_mode) for one in yard.tree.rglob("*") if one.is_file()} == {0o444, 0o644}


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.EPERM])
def test_S2_where_there_is_no_second_name_there_is_a_copy(yard: Yard, refusal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is not made anew, nor read, by the next export."""

    def link(*arguments: object, **more: object) -> None:
        raise OSError(refusal, "no")

    monkeypatch.setattr(staging.os, "link", link)
    yard.export()
    yard.page("alpha")
    before = yard.looks()
    assert len({look[2] for name, look in before.items() if name.endswith(OLD[0])}) == 2
    copied = staging.Staging.copied

    def copy(self: staging.Staging, path: str, digest: Digest | None) -> str:
        assert digest is None  # a companion, which is small
        return copied(self, path, digest)

    monkeypatch.setattr(staging.Staging, "copied", copy)
    _, tree = yard.export()
    assert (yard.looks(), tree.added) == (before, 0)
    assert stat.S_IMODE(next(yard.tree.rglob(OLD[0])).stat().st_mode) == 0o444


def test_S2_a_second_export_changes_only_what_has_changed(yard: Yard) -> None:
    """So that copies of the tree take only what is new."""
    yard.export()
    before = yard.looks()
    _, tree = yard.export()
    assert (yard.looks(), tree.added, tree.removed) == (before, 0, 0)
    take(yard, "alpha", NEW[0])
    done, tree = yard.export()
    after = yard.looks()
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert {Path(name).name for name in changed} == {NEW[0], f"{NEW[0]}.metadata", "index.html", "index.v1_json"}
    assert "simple/index.html" not in changed
    assert done.left_out == {}
    assert yard.page("alpha")["versions"] == ["1.0", "1.1"]


def test_S2_what_is_shown_no_longer_goes(yard: Yard) -> None:
    """A blocked project with all that is its own, a blocked release from its page; what was not ours below the two folders too."""
    yard.index = yard.house.barred(yard.house.proxy)
    take(yard, "alpha", NEW[0])
    yard.export()
    yard.house.rulings.replace([Ruling(RulingKind.BLOCK, "alpha==1", "bad"), Ruling(RulingKind.BLOCK, "beta", "bad")])
    (yard.tree / "packages" / "strange.txt").write_text("somebody's")
    (yard.tree / "simple" / "alpha" / "strange").mkdir()
    (yard.tree / "robots.txt").write_text("also somebody's, and none of our business")
    done, tree = yard.export()
    assert (yard.names(), [one["filename"] for one in yard.page("alpha")["files"]]) == (["alpha"], [NEW[0]])
    assert not [*yard.tree.rglob(OLD[0]), *yard.tree.rglob(SDIST[0]), *yard.tree.rglob("strange*")]
    assert (yard.tree / "robots.txt").exists()
    assert len([*(yard.tree / "packages").iterdir()]) == 1
    assert tree.removed == 4
    assert done.left_out == {}


def test_a_project_without_a_file_here_is_not_there(yard: Yard) -> None:
    """A page without files would tell whoever falls back to another index that there are none. One that has none is there, as it is (law 3)."""
    yard.house.upstream.add("delta", make_wheel("delta", "1.0"))
    yard.house.upstream.add("empty", status=ProjectStatus("archived"))
    for name in ("delta", "empty"):
        now(yard.house.proxy.project_page(NormalizedName(name)))
    done, _ = yard.export()
    assert (yard.names(), list(done.left_out)) == (["alpha", "beta", "empty"], ["alpha", "delta"])
    assert yard.page("empty")["project-status"] == {"status": "archived"}


def test_S2_the_projects_can_be_chosen(yard: Yard) -> None:
    """And what is not chosen any more goes."""
    yard.export()
    done, _ = yard.export("b*")
    assert (done.projects, yard.names()) == ([BETA], ["beta"])


def test_nothing_at_all_removes_nothing(yard: Yard) -> None:
    """Of a mistake in a pattern, or a data folder that is not there, a whole index would be gone."""
    yard.export()
    before = yard.files()
    with pytest.raises(PypidaemonError, match="the export that is there stays"):
        yard.export("x*")
    assert yard.files() == before


def test_an_export_of_nothing_is_an_index_without_projects(yard: Yard) -> None:
    yard.export("x*")
    assert yard.names() == []


def test_what_needs_a_login_is_left_out(yard: Yard) -> None:
    yard.everything = False
    done, _ = yard.export()
    assert (done.projects, done.concealed, done.left_out) == ([], [ALPHA, BETA], {})
    assert not [*yard.tree.rglob("alpha*")]


def test_L3_an_index_that_cannot_be_read_changes_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its absence is no answer, so the export ends, and the tree is as it was."""
    yard.export()
    before = yard.files()

    async def broken(name: NormalizedName) -> ProjectPage:
        raise PypidaemonError("the records cannot be read")

    class Broken:
        label = "broken"
        project_page = staticmethod(broken)

    now(yard.house.proxy.refresh(None))
    yard.index = FirstMatch("root", (Broken(), yard.house.proxy), yard.house.records)  # type: ignore[arg-type]
    take(yard, "alpha", NEW[0])
    with pytest.raises(PypidaemonError, match="cannot be read"):
        yard.export()
    assert yard.files() == before


def test_what_a_project_has_may_not_be_known_here(yard: Yard) -> None:
    """An index before it might have it, and cannot be asked (law 10)."""
    other = yard.house.new_proxy("other")
    yard.index = FirstMatch("root", (other, yard.house.proxy), yard.house.records)
    done, _ = yard.export()
    assert (done.projects, set(done.unknown)) == ([], {ALPHA, BETA})
    assert "upstream pypi" in done.unknown[ALPHA]


def test_law_10_a_project_that_cannot_be_told_of_stays_as_it_was(yard: Yard) -> None:
    """One that is refused goes."""
    yard.export()
    before = yard.files()
    failing = Failing("first", UpstreamUnavailable("mirror", "what is recorded of it is damaged", 60.0))
    yard.index = FirstMatch("root", (failing, yard.house.proxy), yard.house.records)  # type: ignore[arg-type]
    done, tree = yard.export()
    assert (done.projects, done.kept, set(done.unknown)) == ([ALPHA], [BETA], {BETA})
    assert (yard.files(), yard.names(), tree.removed) == (before, ["alpha", "beta"], 0)
    failing.error = Refused("blocks", "bad")
    assert (yard.export()[0].kept, yard.names()) == ([], ["alpha"])
    assert not [*yard.tree.rglob(f"{SDIST[0]}*")]


def test_law_10_a_project_whose_bytes_are_not_here_just_now_stays_as_it_was(yard: Yard) -> None:
    take(yard, "alpha", OLD[0], Companion.METADATA)
    yard.export()
    before = yard.files()
    now(yard.blobs.remove(Digest(hashlib.sha256(OLD[1]).hexdigest())))
    done, _ = yard.export()
    assert (done.projects, done.kept) == ([ALPHA, BETA], [])
    assert (done.standing, done.left_out) == ({ALPHA: [OLD[0]]}, {ALPHA: [NEW[0]]})
    assert (yard.files(), yard.names()) == (before, ["alpha", "beta"])


def test_law_10_a_file_whose_bytes_are_not_here_just_now_stays_as_it_was(yard: Yard) -> None:
    """Beside those that are, with its metadata, and also where a new one has come; and no longer than the index lists it."""
    yard.index = yard.house.barred(yard.house.proxy)
    take(yard, "alpha", OLD[0], Companion.METADATA)
    yard.export()
    before = yard.page("alpha")["files"]
    now(yard.blobs.remove(Digest(hashlib.sha256(OLD[1]).hexdigest())))
    take(yard, "alpha", NEW[0])
    done, tree = yard.export()
    assert (done.standing, done.left_out, done.files, tree.removed) == ({ALPHA: [OLD[0]]}, {}, 3, 0)
    files = yard.page("alpha")["files"]
    assert [one["filename"] for one in files] == [OLD[0], NEW[0]]
    assert [files[0]] == before
    assert (yard.tree / "packages" / f"{files[0]['url'].removeprefix('../../packages/')}.metadata").exists()
    assert list(summary(done, tree))[1:] == ["1 file of 1 project is not here any more and stays in the export as it was; --json lists it"]
    yard.house.rulings.replace([Ruling(RulingKind.BLOCK, "alpha==1", "bad")])
    done, tree = yard.export()
    assert (done.standing, [one["filename"] for one in yard.page("alpha")["files"]]) == ({}, [NEW[0]])
    assert tree.removed == 2


def test_a_file_of_unknown_size_stays_if_it_has_its_bytes(yard: Yard) -> None:
    """Then they are read."""
    yard.export()
    [listed] = [one for one in now(yard.house.proxy.project_page(ALPHA)).files if one.filename == OLD[0]]
    for size, data, stays in ((None, OLD[1], True), (None, b"x" + OLD[1][1:], False), (len(OLD[1]), OLD[1], True)):
        place = next(one for one in (yard.tree / "packages").rglob(OLD[0]))
        place.unlink()
        place.write_bytes(data)
        tree = Tree.open(yard.tree)
        try:
            assert (OLD[0] in tree.retain(ALPHA, [attrs.evolve(listed, size=size)])) is stays
        finally:
            tree.close()


@pytest.mark.parametrize("spoilt", [b"", OLD[1][:-1], None])
def test_a_file_in_the_tree_that_is_not_whole_does_not_stay(yard: Yard, spoilt: bytes | None) -> None:
    """It may be another name of the very blob that is spoilt."""
    take(yard, "alpha", NEW[0])
    yard.export()
    digest = hashlib.sha256(OLD[1]).hexdigest()
    place = next(one for one in (yard.tree / "packages").rglob(OLD[0]))
    now(yard.blobs.remove(Digest(digest)))
    place.unlink()
    if spoilt is not None:
        place.write_bytes(spoilt)
    done, _ = yard.export()
    assert (done.standing, done.left_out) == ({}, {ALPHA: [OLD[0]]})
    assert [one["filename"] for one in yard.page("alpha")["files"]] == [NEW[0]]


def test_a_project_whose_bytes_are_not_here_does_not_stay_with_what_is_shown_no_longer(yard: Yard) -> None:
    yard.index = yard.house.barred(yard.house.proxy)
    take(yard, "alpha", NEW[0])
    yard.export()
    yard.house.rulings.replace([Ruling(RulingKind.BLOCK, "alpha==1", "bad")])
    now(yard.blobs.remove(Digest(hashlib.sha256(NEW[1]).hexdigest())))
    done, _ = yard.export()
    assert (done.kept, done.standing, yard.names()) == ([], {ALPHA: [NEW[0]]}, ["alpha", "beta"])
    assert [one["filename"] for one in yard.page("alpha")["files"]] == [NEW[0]]


def test_a_project_whose_page_in_the_tree_cannot_be_read_does_not_stay(yard: Yard) -> None:
    yard.export()
    (yard.tree / "simple" / "beta" / "index.v1_json").write_bytes(b"{")
    now(yard.blobs.remove(Digest(hashlib.sha256(SDIST[1]).hexdigest())))
    assert (yard.export()[0].kept, yard.names()) == ([], ["alpha"])


def test_bytes_that_are_not_whole_are_not_exported(yard: Yard) -> None:
    """Of a blob that the disk has cut, or that goes away between two looks."""
    digest = hashlib.sha256(OLD[1]).hexdigest()
    blob = yard.blobs.path / digest[:2] / digest[2:4] / digest
    blob.write_bytes(OLD[1][:-1])
    done, _ = yard.export()
    assert (done.projects, done.left_out[ALPHA]) == ([BETA], [OLD[0], NEW[0]])


def test_P7_a_folder_of_somebody_s_is_copied_and_stays_his_to_write_to(yard: Yard, tmp_path: Path) -> None:
    """What changes in it is in the next export."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "alpha-1.0-py3-none-any.whl").write_bytes(OLD[1])
    (mine / SDIST[0]).write_bytes(SDIST[1])
    yard.house.clock.advance(10)
    folder = Directory("mine", mine, yard.house.records, yard.house.clock, inline, yard.house.announcements)
    now(folder.look())
    yard.house.clock.advance(10)
    yard.index = folder
    done, _ = yard.export()
    assert done.left_out == {}
    assert yard.names() == ["alpha", "beta"]
    assert not next((yard.tree / "packages").rglob(OLD[0])).samefile(mine / OLD[0])
    assert os.access(mine / OLD[0], os.W_OK)
    assert yard.page("alpha")["files"][0]["core-metadata"] != {}
    assert yard.page("alpha")["files"][0]["core-metadata"]
    before = yard.looks()
    yard.export()
    assert yard.looks() == before


def test_a_web_server_of_another_user_can_read_it_all(yard: Yard) -> None:
    """Whatever mask the export runs with, and though the store is for the daemon alone."""
    before = os.umask(0o077)
    try:
        yard.export()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(one.stat().st_mode) for one in [yard.tree, *yard.tree.rglob("*")] if one.is_dir()} == {0o755}
    assert {stat.S_IMODE(one.stat().st_mode) for one in yard.tree.rglob("*") if one.is_file() and one.name != MARKER} == {0o444, 0o644}


def test_a_store_in_memory_is_exported_too(yard: Yard) -> None:
    """Its blobs have no file that could get a second name; nor do these come anew with each export."""
    house = House()
    house.upstream.add("alpha", OLD)
    entry = attrs.evolve(file(*OLD), core_metadata="")
    house.upstream.pages["alpha"] = attrs.evolve(house.upstream.pages["alpha"], files=(entry,))  # type: ignore[arg-type]
    other = Yard(yard.folder, house, house.blobs)  # type: ignore[arg-type]  # any store will do
    take(other, "alpha", OLD[0])
    done, _ = other.export()
    assert (done.projects, other.names()) == ([ALPHA], ["alpha"])
    other.page("alpha")
    before = other.looks()
    other.export()
    assert other.looks() == before


@pytest.mark.parametrize("trouble", [NoSuchBlob(Digest("0" * 64)), OSError(errno.EIO, "the disk is broken")])
def test_a_blob_that_cannot_be_opened_is_not_here(yard: Yard, trouble: Exception) -> None:
    """It may have gone since it was looked for."""

    async def opened(digest: Digest) -> None:
        raise trouble

    yard.blobs.open = opened  # type: ignore[method-assign,assignment]
    done, _ = yard.export()
    assert done.left_out == {ALPHA: [OLD[0], NEW[0]], BETA: [SDIST[0]]}


def test_provenance_that_was_never_fetched_is_not_in_it(yard: Yard) -> None:
    """The page goes on naming upstream's."""
    entry = attrs.evolve(file(*OLD), provenance="https://index.example/provenance")
    yard.house.upstream.pages["alpha"] = attrs.evolve(yard.house.upstream.pages["alpha"], files=(entry,))  # type: ignore[arg-type]
    now(yard.house.proxy.refresh(ALPHA))
    now(yard.house.proxy.project_page(ALPHA))
    yard.export()
    assert yard.page("alpha")["files"][0]["provenance"] == "https://index.example/provenance"
    assert not [*yard.tree.rglob("*.provenance")]


def test_other_bytes_under_the_same_path_replace_the_first(tmp_path: Path) -> None:
    """An index of ours may let a file be overwritten, and it has the same address if that does not come from its contents."""
    blob = tmp_path / "blob"
    for data, source in ((b"one", Source(b"one")), (b"two", Source(path=str(blob), shared=True)), (b"six", Source(path=str(blob)))):
        blob.unlink(missing_ok=True)
        blob.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        tree = Tree.open(tmp_path / "tree")
        item = Item(
            Filename("alpha-1.zip"), "by-name/private/alpha/alpha-1.zip", Digest(digest), source, {Companion.METADATA: Source(data)}
        )
        assert tree.hold(ALPHA, [item]) == frozenset()
        page = {"files": [{"url": "../../packages/" + item.path, "hashes": {"sha256": digest}}]}
        tree.show(ALPHA, {"index.html": data, "index.v1_json": json.dumps(page).encode()}, ["alpha-1.zip"])
        tree.publish(["alpha"])
        tree.close()
        found = {str(one.relative_to(tmp_path / "tree")): one.read_bytes() for one in (tmp_path / "tree").rglob("*") if one.suffix != ".v1_json"
                 and one.is_file() and one.name != MARKER}  # fmt: skip
        assert found == dict.fromkeys(
            ["packages/" + item.path, "packages/" + item.path + ".metadata", "simple/alpha/alpha-1.zip", "simple/alpha/index.html"], data
        )


def test_bytes_that_are_gone_or_others_by_now_are_told_of(tmp_path: Path) -> None:
    """So that no page names them. A blob is believed, and what lies in somebody's folder is looked at."""
    blob, link = tmp_path / "blob", tmp_path / "link"
    blob.write_bytes(b"other")
    link.symlink_to(blob)
    tree = Tree.open(tmp_path / "tree")
    sources = {
        "gone": Source(path=str(tmp_path / "gone"), shared=True),
        "other": Source(path=str(blob)),
        "link": Source(path=str(link), shared=True),
    }
    items = [Item(Filename(f"{word}-1.zip"), f"by-name/x/alpha/{word}-1.zip", Digest("0" * 64), source) for word, source in sources.items()]
    assert tree.hold(ALPHA, items) == {item.filename for item in items}
    assert tree.is_empty()
    tree.close()


def test_a_blob_of_somebody_else_s_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second name would be as unreadable as the first."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    blob = tmp_path / "blob"
    blob.write_bytes(b"mine")
    blob.chmod(0o600)
    tree = Tree.open(tmp_path / "tree")
    real, calls = os.fchmod, iter([refuse])

    def fchmod(descriptor: int, mode: int) -> None:
        next(calls, real)(descriptor, mode)

    monkeypatch.setattr(staging.os, "fchmod", fchmod)
    item = Item(Filename("alpha-1.zip"), "by-name/x/alpha/alpha-1.zip", None, Source(path=str(blob), shared=True))
    assert tree.hold(ALPHA, [item]) == frozenset()
    tree.close()
    assert [stat.S_IMODE(one.stat().st_mode) for one in (blob, *(tmp_path / "tree").rglob("*.zip"))] == [0o600, 0o444, 0o444]


@pytest.mark.parametrize("page", [b"", b"{}", b'{"files":[{"url":7,"hashes":{"sha256":""}}]}', b"[]", b"\xff"])
def test_a_page_that_somebody_spoilt_is_made_anew(yard: Yard, page: bytes) -> None:
    yard.export()
    (yard.tree / "simple" / "alpha" / "index.v1_json").write_bytes(page)
    yard.export()
    yard.page("alpha")


def test_a_file_called_like_a_page_does_not_take_its_place(yard: Yard) -> None:
    """Whatever upstream calls its files."""
    entry = file("index.html", b"not ours")
    yard.house.upstream.bodies[entry.url] = b"not ours"
    found = yard.house.upstream.pages["alpha"]
    yard.house.upstream.pages["alpha"] = attrs.evolve(found, files=(entry, *found.files))  # type: ignore[union-attr,arg-type]
    now(yard.house.proxy.refresh(ALPHA))
    now(yard.house.proxy.project_page(ALPHA))
    take(yard, "alpha", "index.html")
    yard.export()
    assert b"not ours" not in (yard.tree / "simple" / "alpha" / "index.html").read_bytes()


def test_a_full_disk_is_one_line_and_changes_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.export()
    before = yard.files()
    take(yard, "alpha", NEW[0])

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(staging.os, "sync", full)
    with pytest.raises(PypidaemonError, match="No space left"):
        yard.export()
    after = yard.files()
    assert {name for name in before if after[name] != before[name]} == set()
    yard.names()


def test_a_mirror_says_since_when_it_is_complete(yard: Yard) -> None:
    """Any other index is as complete as it can be."""
    mirror = yard.house.new_mirror()
    bring(mirror, BETA)
    yard.index = mirror
    assert now(synchronised(mirror, yard.house.records, 5.0)) == 5.0
    now(yard.house.records.mirrors.advance("mirror", Progress(started=3.0)))
    assert now(synchronised(mirror, yard.house.records, 5.0)) == 3.0
    done, _ = yard.export()
    assert (done.projects, yard.names()) == ([BETA], ["beta"])


def test_a_folder_with_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear aunt")
    with pytest.raises(PypidaemonError, match="neither empty nor an export"):
        Tree.open(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


def test_of_two_exports_to_one_folder_the_second_ends_at_once(tmp_path: Path) -> None:
    first = Tree.open(tmp_path)
    with pytest.raises(PypidaemonError, match="another export"):
        Tree.open(tmp_path)
    first.close()
    Tree.open(tmp_path).close()


def test_nothing_is_written_once_a_tree_is_closed(tmp_path: Path) -> None:
    """Whoever is interrupted may have a thread left that goes on; the numbers of its files may be others' by then."""
    tree = Tree.open(tmp_path)
    tree.close()
    with pytest.raises(PypidaemonError, match="was ended"):
        tree.publish([])
    assert [one.name for one in tmp_path.iterdir()] == [MARKER]


def test_what_a_killed_export_left_is_cleared_away(yard: Yard) -> None:
    yard.export()
    (yard.tree / STAGE).mkdir()
    (yard.tree / STAGE / "7").write_bytes(b"half")
    yard.export()
    yard.names()


@pytest.mark.parametrize("place", ["simple", "simple/alpha", "packages", STAGE])
def test_no_link_leads_out_of_the_folder(yard: Yard, tmp_path: Path, place: str) -> None:
    """Whoever may write there must not make an export write, or remove, elsewhere."""
    yard.export()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    link = yard.tree / place
    if link.is_dir():
        shutil.rmtree(link)
    link.symlink_to(outside)
    with pytest.raises(PypidaemonError) as raised:
        yard.export()
    assert "\n" not in str(raised.value)
    assert [one.name for one in outside.iterdir()] == ["kept"]


def test_no_link_is_read_or_written_through(yard: Yard, tmp_path: Path) -> None:
    """A link in the place of a page or a file is replaced, and what it leads to stays."""
    yard.export()
    secret = tmp_path / "secret"
    secret.write_bytes(OLD[1])
    for place in (yard.tree / "simple" / "alpha" / "index.html", next((yard.tree / "packages").rglob(OLD[0])), yard.tree / "last-modified"):
        place.unlink()
        place.symlink_to(secret)
    yard.export(stamp=b"other\n")
    yard.page("alpha")
    assert not [one for one in yard.tree.rglob("*") if one.is_symlink()]
    assert secret.read_bytes() == OLD[1]


def test_S2_a_reader_sees_no_half_state(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """After every single step of an export each page is whole, each file that one names is there, and so is each project of the list."""
    yard.index = yard.house.barred(yard.house.proxy)
    yard.export()
    take(yard, "alpha", NEW[0])
    yard.house.upstream.add("aaa", make_wheel("aaa", "1.0"))
    take(yard, "aaa", make_wheel("aaa", "1.0")[0])
    yard.house.rulings.replace([Ruling(RulingKind.BLOCK, "alpha==1", "bad"), Ruling(RulingKind.BLOCK, "beta", "bad")])
    steps: list[set[str]] = []
    troubles: list[Exception] = []

    def look() -> None:
        try:
            steps.append(seen())
        except (OSError, AssertionError) as error:
            # Raised here it might be taken for the export's own.
            troubles.append(error)

    def seen() -> set[str]:
        found = set()
        for folder in (yard.tree / "simple").iterdir():
            if (folder / "index.v1_json").is_file():
                for entry in json.loads((folder / "index.v1_json").read_bytes())["files"]:
                    place = yard.tree / entry["url"].removeprefix("../../").replace("%2B", "+")
                    assert hashlib.sha256(place.read_bytes()).hexdigest() == entry["hashes"]["sha256"]
                    assert entry["core-metadata"] is False or place.with_name(place.name + ".metadata").is_file()
                    found.add(entry["filename"])
        for project in json.loads((yard.tree / "simple" / "index.v1_json").read_bytes())["projects"]:
            assert (yard.tree / "simple" / project["name"] / "index.html").read_bytes().endswith(b"</html>\n")
            assert (yard.tree / "simple" / project["name"] / "index.v1_json").is_file()
        return found

    watched(monkeypatch, look)
    yard.export()
    assert troubles == []
    assert len(steps) > 15
    assert (steps[0], steps[-1]) == ({OLD[0], SDIST[0]}, {NEW[0], make_wheel("aaa", "1.0")[0]})


def watched(monkeypatch: pytest.MonkeyPatch, look: Any) -> None:
    """Have `look` called after every call to the system that changes a folder."""
    for name in ("rename", "unlink", "link", "mkdir", "rmdir"):
        real = getattr(os, name)

        def call(*arguments: Any, _real: Any = real, **more: Any) -> Any:
            try:
                return _real(*arguments, **more)
            finally:
                look()

        monkeypatch.setattr(staging.os, name, call)
