"""The disk that forgets: what it may forget, and what never (F78)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.forgetful import Forgetful
from tests.wrecks import SECTOR, Tree, Volume


@pytest.fixture
def files(tmp_path: Path) -> Forgetful:
    return Forgetful(tmp_path)


def trees(files: Forgetful) -> list[Tree]:
    """What may be left at the end."""
    return [dict(wreck.tree) for wreck in files.wrecks(len(files.steps))]


def begun(files: Forgetful, name: str, data: bytes) -> int:
    """A file with that in it, which was not synced; its descriptor."""
    descriptor = files.create(f"{files.root}/{name}")
    assert files.write(descriptor, data, 0) == len(data)
    return descriptor


def test_of_what_was_not_synced_anything_may_be_left_and_of_the_last_bytes_the_first_sectors(files: Forgetful) -> None:
    os.close(begun(files, "new", b"x" * 3 * SECTOR))
    left = trees(files)
    assert {} in left
    assert [len(tree["new"] or b"") for tree in left if tree] == [3 * SECTOR, 0, SECTOR, 2 * SECTOR]
    assert len(left) == 5


def test_bytes_are_there_once_the_file_was_synced_and_its_name_once_the_folder_was(files: Forgetful) -> None:
    descriptor = begun(files, "new", b"data")
    files.sync(descriptor)
    os.close(descriptor)
    assert trees(files) == [{}, {"new": b"data"}]
    folder = files.folder(str(files.root))
    files.sync(folder)
    os.close(folder)
    assert trees(files) == [{"new": b"data"}]


def test_a_name_may_come_without_its_bytes_and_a_file_that_moves_is_never_nowhere(files: Forgetful) -> None:
    (files.root / "old").write_bytes(b"before")
    files.settle()
    os.close(begun(files, "draft", b"data"))
    files.rename(f"{files.root}/draft", f"{files.root}/old")
    left = trees(files)
    assert {"old": b""} in left
    assert {"old": b"data"} in left
    assert {"old": b"before"} in left
    assert all("old" in tree for tree in left)


def test_a_file_that_was_moved_and_whose_new_folder_was_synced_may_have_its_old_name_as_well(files: Forgetful) -> None:
    files.make(f"{files.root}/shelf")
    descriptor = begun(files, "draft", b"data")
    for place in (descriptor, files.folder(str(files.root))):
        files.sync(place)
        os.close(place)
    files.rename(f"{files.root}/draft", f"{files.root}/shelf/blob")
    shelf = files.folder(f"{files.root}/shelf")
    files.sync(shelf)
    os.close(shelf)
    moved = {"shelf": None, "shelf/blob": b"data"}
    assert trees(files) == [{**moved, "draft": b"data"}, moved]


def test_what_could_not_be_synced_is_lost_however_often_it_is_tried_again(files: Forgetful) -> None:
    descriptor = begun(files, "new", b"data")
    files.fails(1, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        files.sync(descriptor)
    files.sync(descriptor)
    assert os.pread(descriptor, 10, 0) == b"data"
    os.close(descriptor)
    assert trees(files) == [{}, {"new": b""}]


def test_on_a_full_disk_half_of_it_is_written(files: Forgetful) -> None:
    descriptor = files.create(f"{files.root}/new")
    files.fails(1, errno.ENOSPC, lasting=True)
    for size in (2, 1):
        with pytest.raises(OSError, match="No space"):
            files.write(descriptor, b"data", 0)
        assert os.fstat(descriptor).st_size == 2, size
    files.heals()
    files.shorten(descriptor, 0)
    os.close(descriptor)
    assert {"new": b""} in trees(files)


def test_a_wreck_is_laid_out_whatever_became_of_the_last_one(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.lay({"a": None, "a/one": b"1", "a/two": b"2", "three": b"3"})
    (tmp_path / "a" / "one").unlink()
    (tmp_path / "a" / "two").write_bytes(b"!")
    (tmp_path / "four").mkdir()
    (tmp_path / "three").unlink()
    (tmp_path / "three").mkdir()
    volume.lay({"a": None, "a/one": b"1", "a/two": b"2", "three": b"3"})
    assert {str(place.relative_to(tmp_path)) for place in tmp_path.rglob("*")} == {"a", "a/one", "a/two", "three"}
    assert [(tmp_path / name).read_bytes() for name in ("a/one", "a/two", "three")] == [b"1", b"2", b"3"]
    volume.lay({"a": b"a file"})
    assert (tmp_path / "a").read_bytes() == b"a file"
