"""Copies as they come: folders and archives, whole, broken and hostile."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.advisories import copies
from pypidaemon.advisories.copies import BadCopy, Mark, documents, marked, some
from pypidaemon.advisories.reading import LARGEST_DOCUMENT
from pypidaemon.archives import BadArchive
from pypidaemon.archives.zipfields import UPLOADED, Bounds
from tests.advisories.writing import malware, zipped

ONE, TWO = malware("MAL-1", "alpha"), malware("MAL-2", "beta")


def everything(path: Path) -> list[bytes | None]:
    """All documents, in slices as the daemon reads them."""
    rest = documents(path)
    found: list[bytes | None] = []
    while taken := some(rest):
        found.extend(taken)
    return found


def ids(path: Path) -> list[str]:
    return sorted(json.loads(document)["id"] for document in everything(path) if document is not None)


def archive(tmp_path: Path, data: bytes) -> Path:
    place = tmp_path / "all.zip"
    place.write_bytes(data)
    return place


def streamed(*members: tuple[str, bytes]) -> bytes:
    """An archive by who could not go back in what was written, so that sizes stand behind the data."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise OSError("not seekable")

    made = Stream()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members:
            written.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_is_read(tmp_path: Path, compression: int) -> None:
    """Whatever else is in it is passed over."""
    place = archive(tmp_path, zipped(ONE, ("notes.txt", b"x"), ("below/MAL-2.json", json.dumps(TWO).encode()), compression=compression))
    assert ids(place) == ["MAL-1", "MAL-2"]


def test_an_archive_that_was_written_to_a_stream_is_read(tmp_path: Path) -> None:
    place = archive(tmp_path, streamed(("MAL-1.json", json.dumps(ONE).encode()), ("MAL-2.json", json.dumps(TWO).encode())))
    assert ids(place) == ["MAL-1", "MAL-2"]


def test_an_archive_may_have_more_documents_than_an_upload_has_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are more advisories each year."""
    assert copies.BOUNDS.entries > 10 * UPLOADED.entries
    place = archive(tmp_path, zipped(ONE, TWO))
    monkeypatch.setattr(copies, "BOUNDS", Bounds(entries=1))
    with pytest.raises(BadArchive, match="more than 1 entries"):
        ids(place)


def test_a_folder_is_read_with_the_folders_in_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "MAL-1.json").write_text(json.dumps(ONE))
    (tmp_path / "a" / "b" / "MAL-2.json").write_text(json.dumps(TWO))
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "MAL-3.json").write_text("{}")
    (tmp_path / ".MAL-4.json").write_text("{}")
    (tmp_path / "folder.json").mkdir()
    assert ids(tmp_path) == ["MAL-1", "MAL-2"]
    assert marked(tmp_path).count == 2


def test_S7_no_link_leads_out_of_the_folder_and_nothing_is_waited_for(tmp_path: Path) -> None:
    folder, outside = tmp_path / "copy", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_text(json.dumps(ONE))
    (folder / "linked").symlink_to(outside)
    (folder / "secret.json").symlink_to(outside / "secret.json")
    os.mkfifo(folder / "pipe.json")
    assert everything(folder) == []
    (tmp_path / "current").symlink_to(outside)
    assert ids(tmp_path / "current") == ["MAL-1"]


def link(place: Path) -> None:
    secret = place.with_name("secret")
    secret.write_text("secret")
    place.symlink_to(secret)


@pytest.mark.parametrize("instead", [link, os.mkfifo, str], ids=["link", "pipe", "nothing"])
def test_what_became_another_thing_since_it_was_listed_is_not_had(tmp_path: Path, instead: Callable[[Path], object]) -> None:
    for number in range(3):
        (tmp_path / f"{number}.json").write_text("{}")
    rest = documents(tmp_path)
    assert next(rest) == b"{}"
    for place in tmp_path.glob("*.json"):
        place.unlink()
        instead(place)
    assert list(rest) == [None, None]


def test_a_document_that_is_too_large_is_not_had(tmp_path: Path) -> None:
    large = b"{" + b" " * LARGEST_DOCUMENT
    (tmp_path / "large.json").write_bytes(large)
    (tmp_path / "small.json").write_bytes(b"{}")
    assert set(everything(tmp_path)) == {None, b"{}"}
    assert everything(archive(tmp_path, zipped(("large.json", large), ("small.json", b"{}")))) == [None, b"{}"]


def test_slices_are_bounded_in_number_and_weight() -> None:
    many: Iterator[bytes | None] = iter([b"x"] * 1000)
    assert len(some(many)) == 200
    heavy: Iterator[bytes | None] = iter([b"x" * LARGEST_DOCUMENT] * 10)
    assert len(some(heavy)) == 3
    assert some(iter(())) == []


def test_a_folder_of_too_many_documents_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_DOCUMENTS", 2)
    for number in range(3):
        (tmp_path / f"{number}.json").write_text("{}")
    for ask in (everything, marked):
        with pytest.raises(BadCopy, match="more than 2"):
            ask(tmp_path)


def test_the_mark_changes_with_the_copy(tmp_path: Path) -> None:
    file = tmp_path / "MAL-1.json"
    file.write_text("{}")
    os.utime(file, (5, 5))
    assert marked(file) == Mark(5_000_000_000, 2, 1)
    assert marked(tmp_path) == Mark(5_000_000_000, 2, 1)
    (tmp_path / "MAL-2.json").write_text("{} ")
    os.utime(tmp_path / "MAL-2.json", (4, 4))
    assert marked(tmp_path) == Mark(5_000_000_000, 5, 2)
    with pytest.raises(FileNotFoundError):
        marked(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadCopy, match="neither"):
        marked(tmp_path / "pipe")


def bomb(size: int) -> bytes:
    """A small archive of which each member is within its limit and all together are far too much."""
    return zipped(*((f"{number}.json", b" " * LARGEST_DOCUMENT) for number in range(size)))


def lying(size: int) -> bytes:
    """An archive that says its member is small, and it is not."""
    data = b"{" + b" " * (LARGEST_DOCUMENT * 2)
    made = zipped(("MAL-1.json", data))
    return made.replace(struct.pack("<L", len(data)), struct.pack("<L", size))


def crowded() -> bytes:
    """An end record that promises more members than anybody has."""
    made = bytearray(zipped(ONE))
    struct.pack_into("<HH", made, len(made) - 14, 0xFFFE, 0xFFFE)
    return bytes(made)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an archive",
        zipped(ONE)[:-30],
        zipped(ONE)[:60],
        zipped(ONE) + b"x",
        zipped(("../../x.json", b"{}")),
        zipped(("/etc/x.json", b"{}")),
        zipped(("C:x.json", b"{}")),
        zipped(("a\\x.json", b"{}")),
        zipped(ONE, compression=zipfile.ZIP_BZIP2),
        partial(bomb, 60),
        partial(lying, 100),
        crowded,
    ],
    ids=["empty", "text", "cut", "cut-early", "more", "up", "absolute", "drive", "backslash", "bzip2", "bomb", "lying", "crowded"],
)
def test_S15_a_broken_or_hostile_archive_is_refused_as_a_whole(tmp_path: Path, data: bytes | Callable[[], bytes]) -> None:
    """The large ones are made here, since whoever only reads this module would wait for them too."""
    place = archive(tmp_path, data() if callable(data) else data)
    with pytest.raises(BadArchive):
        everything(place)
    assert [path.name for path in tmp_path.iterdir()] == ["all.zip"]


def test_every_cut_and_every_flipped_byte_is_read_or_refused(tmp_path: Path) -> None:
    """Nothing else ever comes out of the reading."""
    whole = zipped(ONE, TWO)
    changed = [whole[:length] for length in range(0, len(whole), 7)]
    changed += [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(len(whole))]
    for data in changed:
        with suppress(BadArchive):
            everything(archive(tmp_path, data))
