"""What is kept over restarts and can be made again: believed by its checksum alone, bounded, and missed by nobody."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.files import Files
from pypidaemon.rendered import Rendered, basis, program
from tests.gear import inline, now


def place(folder: Path, by: str = "one", limit: int = 1 << 20, **settings: Any) -> Rendered:
    """The place that a daemon has."""
    return Rendered(folder / "rendered" / "answers", by, limit, inline, **settings)


def only_file(folder: Path) -> Path:
    """The one file that there is."""
    (found,) = [path for path in folder.rglob("*") if path.is_file()]
    return found


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    now(place(tmp_path).keep("key", b"bytes"))
    assert now(place(tmp_path).find("key")) == b"bytes"
    assert now(place(tmp_path).find("other")) is None


def test_the_last_one_of_a_key_counts_and_takes_the_place_of_the_others(tmp_path: Path) -> None:
    kept = place(tmp_path)
    for data in (b"first", b"", b"last"):
        now(kept.keep("key", data))
        assert now(kept.find("key")) == data
    assert only_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_what_another_program_or_configuration_made_is_not_read(tmp_path: Path) -> None:
    now(place(tmp_path, "one").keep("key", b"bytes"))
    assert now(place(tmp_path, "two").find("key")) is None


def test_an_entry_is_only_believed_under_its_own_key(tmp_path: Path) -> None:
    kept = place(tmp_path)
    now(kept.keep("mine", b"my bytes"))
    now(kept.keep("yours", b"your bytes"))
    mine, yours = kept._path("mine"), kept._path("yours")
    os.replace(mine, yours)
    assert now(kept.find("yours")) is None


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b"", lambda data: data[:40], lambda data: bytes(len(data))]
)
def test_what_is_damaged_is_not_there_and_is_mended_by_the_next(tmp_path: Path, damage: Any) -> None:
    kept = place(tmp_path)
    now(kept.keep("key", b"bytes" * 100))
    file = only_file(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    assert now(kept.find("key")) is None
    now(kept.keep("key", b"again"))
    assert now(kept.find("key")) == b"again"


def test_S7_what_was_planted_there_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    kept = place(tmp_path)
    now(kept.keep("key", b"bytes"))
    file = only_file(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    os.rename(file, elsewhere)
    file.symlink_to(elsewhere)
    assert now(kept.find("key")) is None
    file.unlink()
    os.mkfifo(file)
    assert now(kept.find("key")) is None


def test_what_was_not_read_for_longest_goes_first_and_the_limit_holds(tmp_path: Path) -> None:
    kept = place(tmp_path, limit=10_000)
    for number in range(8):
        now(kept.keep(str(number), bytes(1000)))
        os.utime(kept._path(str(number)), (number, number))
    assert now(kept.find("0")) is not None
    for number in range(8, 12):
        now(kept.keep(str(number), bytes(1000)))
    held = [number for number in range(12) if now(kept.find(str(number))) is not None]
    assert {0, 11} <= set(held)
    assert not {1, 2} & set(held)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 10_000


def test_the_limit_counts_what_an_earlier_time_left(tmp_path: Path) -> None:
    for number in range(9):
        now(place(tmp_path, limit=10_000).keep(str(number), bytes(1000)))
    now(place(tmp_path, "two", limit=5_000).keep("new", bytes(1000)))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 5_000
    assert now(place(tmp_path, "two").find("new")) == bytes(1000)


class Full(Files):
    """A disk without room as long as `full`."""

    full = True

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(descriptor, data[:7], offset)


def test_F54_a_full_disk_costs_the_keeping_and_one_line(tmp_path: Path, lines: list[str]) -> None:
    disk = Full()
    kept = place(tmp_path, files=disk)
    for _ in range(3):
        now(kept.keep("key", b"bytes and more bytes"))
    assert now(kept.find("key")) is None
    assert len([line for line in lines if "No space left" in line]) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    disk.full = False
    now(kept.keep("key", b"bytes and more bytes"))
    assert now(kept.find("key")) == b"bytes and more bytes"


def test_F53_nothing_is_kept_while_there_is_too_little_room(tmp_path: Path) -> None:
    async def lacking() -> str:
        return "there is too little room"

    kept = place(tmp_path, lacking=lacking)
    now(kept.keep("key", b"bytes"))
    assert now(kept.find("key")) is None
    assert list(tmp_path.iterdir()) == []


def test_the_folder_may_be_removed_at_any_time(tmp_path: Path) -> None:
    import shutil

    kept = place(tmp_path)
    now(kept.keep("key", b"bytes"))
    shutil.rmtree(tmp_path / "rendered")
    assert now(kept.find("key")) is None
    now(kept.keep("key", b"bytes"))
    assert now(kept.find("key")) == b"bytes"


def test_every_change_of_the_program_or_of_the_configuration_is_another_basis(tmp_path: Path) -> None:
    module = tmp_path / "inner" / "module.py"
    module.parent.mkdir()
    module.write_text("one = 1\n")
    words = []

    def word(version: str = "1.0") -> str:
        """As another process has it."""
        program.cache_clear()
        words.append(program(version, tmp_path))
        return words[-1]

    first = word()
    assert program("1.0", tmp_path) == word() == first
    assert word("1.1") != first
    os.utime(module, (1, 1))
    assert word() not in words[:-1]
    module.write_text("one = 11\n")
    os.utime(module, (1, 1))
    assert word() not in words[:-1]
    module.rename(module.with_name("other.py"))
    assert word() not in words[:-1]
    assert basis(first, "[daemon]") != basis(first, "[daemon]\nlisten = tcp:1")
    assert basis(first, "[daemon]") != basis(words[-1], "[daemon]")
    program.cache_clear()


def test_a_process_is_what_it_was_when_it_began(tmp_path: Path) -> None:
    """Whatever is put in the place of its modules while it runs, and by whatever configuration it goes then."""
    module = tmp_path / "module.py"
    module.write_text("one = 1\n")
    program.cache_clear()
    before = program("1.0", tmp_path)
    module.write_text("one = 1000\n")
    assert program("1.0", tmp_path) == before
    program.cache_clear()
