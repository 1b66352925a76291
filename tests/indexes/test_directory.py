"""A folder as an index (P7): what is whole appears, what is gone disappears, and nothing leads out of it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError
from pypidaemon.indexes.directory import Directory
from pypidaemon.indexes.directory.index import interval
from pypidaemon.indexes.directory.looking import Distribution, Mark, misnamed, read, walk
from pypidaemon.indexes.directory.watching import Watched
from pypidaemon.model import Companion, File, Filename, NormalizedName
from pypidaemon.simple.links import blake2b_of
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.waits import Bell
from tests.gear import inline, later, now, waiting
from tests.house import NOON, House

ALPHA = NormalizedName("alpha")
WHEEL, WHEEL_BYTES = make_wheel("alpha", "1.0")
SDIST, SDIST_BYTES = make_sdist("alpha", "1.0")


def put(folder: Path, name: str, data: bytes, changed: float = NOON - 3600) -> Path:
    """A file that was last changed then."""
    place = folder / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data)
    os.utime(place, (changed, changed))
    return place


def directory(house: House, folder: Path, disk: Any = inline) -> Directory:
    return Directory("files", folder, house.records, house.clock, disk, house.announcements)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


@pytest.fixture
def index(house: House, folder: Path) -> Directory:
    return directory(house, folder)


def names(index: Directory, name: NormalizedName = ALPHA) -> list[str]:
    return [file.filename for file in now(index.project_page(name)).files]


def look(house: House, index: Directory) -> None:
    house.clock.advance(2)
    now(index.look())


def with_version(version: str) -> bytes:
    """The wheel, of which the metadata says that version."""
    said = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WHEEL_BYTES)) as known, zipfile.ZipFile(said, "w") as made:
        for name in known.namelist():
            data = known.read(name)
            made.writestr(name, data.replace(b"Version: 1.0\n", f"Version: {version}\n".encode()) if name.endswith("METADATA") else data)
    return said.getvalue()


@pytest.mark.parametrize("version", ["1." + "9" * 5000, "9" * 5000, "1+" + "9" * 5000, "1." * 300 + "0"])
def test_S19_a_version_of_absurd_length_hides_its_own_file_alone(house: House, folder: Path, index: Directory, version: str) -> None:
    put(folder, WHEEL, with_version(version))
    put(folder, SDIST, SDIST_BYTES)
    assert names(index) == [SDIST]


def test_P7_what_nobody_foresaw_hides_the_file_that_it_came_of_alone(house: House, folder: Path) -> None:
    """It is read again only when it has changed."""
    beta, beta_bytes = make_wheel("beta", "1.0")
    put(folder, WHEEL, WHEEL_BYTES)
    put(folder, beta, beta_bytes)
    tried: list[str] = []

    def disk(function: Any, *given: Any) -> Any:
        if function is read and given[1] == WHEEL:
            tried.append(given[1])
            if len(tried) == 1:
                raise RuntimeError("unheard\nof")
        return inline(function, *given)

    index = directory(house, folder, disk)
    assert names(index, NormalizedName("beta")) == [beta]
    for _ in range(2):
        look(house, index)
    with pytest.raises(NoSuchProject):
        names(index)
    assert len(tried) == 1
    put(folder, WHEEL, WHEEL_BYTES, NOON - 60)
    for _ in range(2):
        look(house, index)
    assert names(index) == [WHEEL]


def test_P7_what_was_there_before_the_start_is_there_at_once(house: House, folder: Path, index: Directory) -> None:
    """Beside and in folders of any name, with every fact that a client uses."""
    put(folder, WHEEL, WHEEL_BYTES)
    put(folder, f"Alpha_things/{SDIST}", SDIST_BYTES)
    page = now(index.project_page(ALPHA))
    assert [file.filename for file in page.files] == [WHEEL, SDIST]
    wheel = page.files[0]
    assert (wheel.size, wheel.requires_python, wheel.upload_time) == (len(WHEEL_BYTES), ">=3.8", "2026-05-28T19:26:40.000000Z")
    assert blake2b_of(wheel.path)
    assert wheel.core_metadata
    assert page.files[1].core_metadata is None
    assert (page.versions, page.source, page.fresh_until) == (("1.0",), "files", None)
    assert page.serial > 0


def test_P7_a_file_appears_when_two_looks_found_it_the_same(house: House, folder: Path, index: Directory) -> None:
    now(index.look())
    announced: list[Any] = []
    house.announcements.listen(announced.append)
    put(folder, WHEEL, WHEEL_BYTES[:1000], NOON)
    look(house, index)
    put(folder, WHEEL, WHEEL_BYTES[:2000], NOON + 2)
    look(house, index)
    put(folder, WHEEL, WHEEL_BYTES, NOON + 4)
    look(house, index)
    with pytest.raises(NoSuchProject):
        now(index.project_page(ALPHA))
    assert announced == []
    look(house, index)
    assert names(index) == [WHEEL]
    assert announced == [ALPHA]
    look(house, index)
    assert announced == [ALPHA]


def test_P7_a_copy_that_stalls_is_not_shown_either(house: House, folder: Path, index: Directory) -> None:
    """Half an archive is no archive, however long it stays the same; the rest brings it."""
    now(index.look())
    for name, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES)):
        put(folder, name, data[: len(data) * 2 // 3])
    for _ in range(3):
        look(house, index)
    with pytest.raises(NoSuchProject):
        now(index.project_page(ALPHA))
    for name, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES)):
        put(folder, name, data)
    look(house, index)
    look(house, index)
    assert names(index) == [WHEEL, SDIST]


def test_a_broken_file_is_read_once_until_it_changes(house: House, folder: Path, index: Directory) -> None:
    put(folder, WHEEL, b"not a wheel")
    for _ in range(4):
        look(house, index)
    assert set(index.watched.broken) == {WHEEL}
    put(folder, WHEEL, WHEEL_BYTES)
    look(house, index)
    look(house, index)
    assert names(index) == [WHEEL]


def test_P7_a_removed_file_disappears_and_its_project_stays_claimed(house: House, folder: Path, index: Directory) -> None:
    """Law 3: else a stranger's project would take the name over."""
    place = put(folder, WHEEL, WHEEL_BYTES)
    before = now(index.project_page(ALPHA))
    place.unlink()
    look(house, index)
    after = now(index.project_page(ALPHA))
    assert (after.files, after.versions) == ((), ())
    assert after.serial > before.serial
    with pytest.raises(NoSuchFile):
        now(index.find(ALPHA, Filename(WHEEL)))
    again = directory(house, folder)
    assert now(again.project_page(ALPHA)) == after
    assert [name for name, _ in now(again.project_names()).entries()] == [ALPHA]


def test_R71_a_change_raises_the_serial_before_anybody_asks_again(house: House, folder: Path, index: Directory) -> None:
    put(folder, WHEEL, WHEEL_BYTES)
    before = now(index.project_page(ALPHA)).serial
    put(folder, SDIST, SDIST_BYTES)
    look(house, index)
    look(house, index)
    assert dict(now(index.project_names()).entries())[ALPHA] > before
    assert [row.name for row in now(index.changes(before))] == [ALPHA]


def test_a_file_changed_in_place_is_off_the_page_at_once(house: House, folder: Path, index: Directory) -> None:
    """Its old bytes are gone, and of its new ones nobody knows yet whether they are all there."""
    put(folder, WHEEL, WHEEL_BYTES)
    assert names(index) == [WHEEL]
    put(folder, WHEEL, make_wheel("alpha", "1.0", requires=["beta"])[1])
    look(house, index)
    assert names(index) == []
    look(house, index)
    assert names(index) == [WHEEL]


@pytest.mark.parametrize("companion", [Companion.FILE, Companion.METADATA])
def test_law_2_a_file_changed_since_the_last_look_is_not_opened(house: House, folder: Path, index: Directory, companion: Companion) -> None:
    put(folder, WHEEL, WHEEL_BYTES)
    assert names(index) == [WHEEL]
    put(folder, WHEEL, make_wheel("alpha", "1.0", requires=["beta"])[1], NOON)
    with pytest.raises(NoSuchFile):
        now(index.open_file(ALPHA, Filename(WHEEL), companion))
    assert names(index) == []


def test_names_that_are_hidden_or_unfinished_or_no_distributions_are_passed_over(folder: Path) -> None:
    for name in (
        f".{WHEEL}",
        f"{WHEEL}.part",
        f"{WHEEL}.tmp",
        f"{WHEEL}~",
        f"{WHEEL}.metadata",
        "notes.txt",
        "README",
        f".hidden/{WHEEL}",
        f"lost+found/{WHEEL}",
        "an image.whl",
        "deep/er.tar.gz.d",
    ):
        put(folder, name, WHEEL_BYTES)
    (folder / "deep" / "deeper").mkdir()
    put(folder / "deep" / "deeper", WHEEL, WHEEL_BYTES)
    assert walk(str(folder)) == {}
    assert misnamed(str(folder)) == ["an image.whl"]


def test_S7_no_link_leads_out_of_the_folder(house: House, tmp_path: Path, folder: Path, index: Directory) -> None:
    outside = tmp_path / "files-of-others"
    outside.mkdir()
    secret = put(outside, WHEEL, WHEEL_BYTES)
    (folder / WHEEL).symlink_to(secret)
    (folder / "linked").symlink_to(outside)
    (folder / SDIST).symlink_to(folder / "nowhere")
    assert walk(str(folder)) == {}
    inside = put(folder, f"real/{WHEEL}", WHEEL_BYTES)
    (folder / WHEEL).unlink()
    (folder / WHEEL).symlink_to(inside)
    assert names(index) == [WHEEL]
    (folder / WHEEL).unlink()
    (folder / WHEEL).symlink_to(secret)
    inside.unlink()
    with pytest.raises(NoSuchFile):
        now(index.open_file(ALPHA, Filename(WHEEL), Companion.FILE))


def test_F_what_is_no_file_is_neither_read_nor_waited_for(folder: Path) -> None:
    os.mkfifo(folder / WHEEL)
    (folder / SDIST).mkdir()
    assert walk(str(folder)) == {}


def test_a_file_of_another_project_or_version_is_not_shown(house: House, folder: Path, index: Directory) -> None:
    """The name inside counts, and the file name must agree with it (S1 of switching.md)."""
    put(folder, "alpha-1.0.tar.gz", make_sdist("beta", "1.0")[1])
    put(folder, "gamma-2.0.tar.gz", make_sdist("gamma", "1.0")[1])
    put(folder, "alpha-2.0-py3-none-any.whl", WHEEL_BYTES)
    assert list(now(index.project_names()).entries()) == []
    assert len(index.watched.broken) == 3


def test_of_two_files_of_one_name_the_first_by_path_is_shown(house: House, folder: Path, index: Directory) -> None:
    put(folder, f"b/{WHEEL}", WHEEL_BYTES)
    put(folder, f"a/{WHEEL}", make_wheel("alpha", "1.0", requires=["beta"])[1])
    shown = now(index.find(ALPHA, Filename(WHEEL))).file
    assert shown.size != len(WHEEL_BYTES)
    (folder / "a" / WHEEL).unlink()
    look(house, index)
    assert now(index.find(ALPHA, Filename(WHEEL))).file.size == len(WHEEL_BYTES)


def test_L3_a_folder_that_cannot_be_read_is_no_empty_one(house: House, tmp_path: Path, folder: Path, index: Directory) -> None:
    """A volume that is not mounted must not let names fall through; when it is back, all is as before."""
    put(folder, WHEEL, WHEEL_BYTES)
    before = now(index.project_page(ALPHA))
    folder.rename(tmp_path / "aside")
    look(house, index)
    for question in (index.project_page(ALPHA), index.find(ALPHA, Filename(WHEEL)), index.project_names()):
        with pytest.raises(PypidaemonError, match="cannot be read") as caught:
            now(question)
        assert type(caught.value) is PypidaemonError
    (tmp_path / "aside").rename(folder)
    look(house, index)
    assert now(index.project_page(ALPHA)) == before


def test_a_question_waits_a_while_for_the_first_look(house: House, folder: Path) -> None:
    put(folder, WHEEL, WHEEL_BYTES)
    bell = Bell()

    async def slow(function: Any, /, *arguments: Any) -> Any:
        await bell.wait()
        return function(*arguments)

    index = directory(house, folder, slow)
    index.startService()
    early = later(index.project_page(ALPHA))
    assert waiting(early)
    house.clock.advance(2)
    with pytest.raises(PypidaemonError, match="still being read"):
        now(early)
    second = later(index.project_page(ALPHA))
    bell.ring()
    bell.ring()
    assert len(now(second).files) == 1
    now(index.stopService())


def test_as_a_service_it_looks_again_and_again_whatever_happens(house: House, tmp_path: Path, folder: Path, index: Directory) -> None:
    index.startService()
    put(folder, WHEEL, WHEEL_BYTES)
    folder.rename(tmp_path / "aside")
    house.clock.advance(2)
    assert index.trouble
    (tmp_path / "aside").rename(folder)
    house.clock.advance(2)
    house.clock.advance(2)
    assert names(index) == [WHEEL]
    now(index.stopService())
    assert house.clock.getDelayedCalls() == []


def test_nothing_is_executed_or_unpacked(house: House, tmp_path: Path, folder: Path) -> None:
    """And what is read is bounded by the rules for archives."""
    put(folder, SDIST, SDIST_BYTES)
    found = walk(str(folder))
    assert read(str(folder), SDIST, found[SDIST]).name == "alpha"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [SDIST, "files"]


def test_the_interval_is_at_most_two_seconds() -> None:
    assert interval("500ms".replace("500ms", "1s")) == 1.0
    for raw in ("3s", "0s", "1h"):
        with pytest.raises(ValueError, match="2s"):
            interval(raw)


def _distribution(content: int) -> Distribution:
    return Distribution(ALPHA, "1.0", File(Filename(WHEEL), hashes=(("sha256", f"{content:064x}"),)))


@given(st.lists(st.integers(0, 3), max_size=12))
def test_what_is_shown_is_what_the_last_two_looks_agree_on(looks: list[int]) -> None:
    """For any life of a file: 0 is that it is not there, any other number is its content."""
    watched = Watched("files")
    watched.look({}, NOON)
    before = 0
    for content in looks:
        found = {WHEEL: Mark(content, 0, 1, 1)} if content else {}
        for path in watched.look(found, NOON):
            watched.took(path, found[path], _distribution(content))
        watched.show()
        shown = watched.pages.get(ALPHA)
        expected = content if content == before else 0
        assert (int(shown.files[0].hashes[0][1], 16) if shown else 0) == expected
        before = content
