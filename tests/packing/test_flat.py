"""The folder of all files in a tree, for those who are given a folder and no index (`--find-links`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypidaemon.errors import PypidaemonError
from pypidaemon.exports.items import Item, Source
from pypidaemon.exports.tree import JSON, MARKER, Tree
from pypidaemon.model import Digest, Filename, NormalizedName, ProjectPage
from pypidaemon.simple.write_json import render_json
from tests.fakes import file

ALPHA = NormalizedName("alpha")


def write(place: Path, *names: str, kept: bool = False, flat: bool = True) -> Tree:
    """Bring a tree up to date with these files of alpha, or leave them as they are."""
    tree = Tree.open(place, flat=flat)
    try:
        files = [file(name, name.encode()) for name in names]
        if kept:
            assert tree.keep(ALPHA, None)
        else:
            items = [Item(Filename(one.filename), one.path, Digest(one.digest or ""), Source(one.filename.encode())) for one in files]
            assert tree.hold(ALPHA, items) == frozenset()
            tree.show(ALPHA, {JSON: render_json(ProjectPage(ALPHA, tuple(files)))}, set(names))
        tree.publish({ALPHA})
    finally:
        tree.close()
    return tree


def flat(place: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in (place / "files").iterdir() if entry.name != MARKER}


def test_each_file_has_a_name_there_as_long_as_it_is_in_the_tree(tmp_path: Path) -> None:
    """It is the same file, and goes with the page that named it."""
    write(tmp_path / "tree", "alpha-1.0.tar.gz", "alpha-1.1.tar.gz")
    assert flat(tmp_path / "tree") == {"alpha-1.0.tar.gz": b"alpha-1.0.tar.gz", "alpha-1.1.tar.gz": b"alpha-1.1.tar.gz"}
    [stored] = (tmp_path / "tree" / "packages").rglob("alpha-1.1.tar.gz")
    assert (tmp_path / "tree" / "files" / "alpha-1.1.tar.gz").samefile(stored)
    write(tmp_path / "tree", kept=True)
    assert len(flat(tmp_path / "tree")) == 2
    (tmp_path / "tree" / "files" / "stray").write_text("x")
    assert write(tmp_path / "tree", "alpha-1.1.tar.gz").removed == 1
    assert flat(tmp_path / "tree") == {"alpha-1.1.tar.gz": b"alpha-1.1.tar.gz"}


def test_an_export_into_such_a_tree_keeps_that_folder_true(tmp_path: Path) -> None:
    """What is in the tree no more stays nowhere in it, whoever took it out."""
    write(tmp_path, "alpha-1.0.tar.gz", "alpha-1.1.tar.gz")
    write(tmp_path, "alpha-1.1.tar.gz", flat=False)
    assert flat(tmp_path) == {"alpha-1.1.tar.gz": b"alpha-1.1.tar.gz"}


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """An export has no folder `files`, so what stands there beside one is not to be swept out."""
    write(tmp_path, "alpha-1.0.tar.gz", flat=False)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine").write_text("x")
    with pytest.raises(PypidaemonError, match="not of ours"):
        write(tmp_path, "alpha-1.0.tar.gz")
    write(tmp_path, "alpha-1.1.tar.gz", flat=False)
    assert flat(tmp_path) == {"mine": b"x"}
