"""The hostile set: each archive is refused by its own rule, in one line; and what is sound passes (S13-S19)."""

from __future__ import annotations

import io

import pytest

from pypidaemon.archives import BadArchive, tarred
from pypidaemon.archives.inspecting import inspect
from pypidaemon.archives.rules import Rules
from pypidaemon.errors import InvalidUpload
from pypidaemon.model import Upload
from pypidaemon.uploads import agree, read_upload
from tests import hostile

ARCHIVES = hostile.plain()
GOOD = list(hostile.good())


def upload(filename: str, *more: tuple[str, str]) -> Upload:
    """What the form of foo-bar 1.0 says of that file."""
    return read_upload([(":action", "file_upload"), ("name", "foo-bar"), ("version", "1.0"), *more], filename)


def verdict(filename: str, data: bytes, rules: Rules) -> str:
    """The line that refuses an archive, or "" where it passes."""
    asked = upload(filename)
    try:
        agree(asked, inspect(io.BytesIO(data), asked, rules), rules)
    except (BadArchive, InvalidUpload) as error:
        return str(error)
    return ""


def refused(bad: hostile.Bad) -> None:
    """By its own rule, in one line."""
    line = verdict(bad.filename, bad.data, Rules(kinds=bad.kinds))
    assert bad.words in line
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("bad", ARCHIVES, ids=[bad.rule for bad in ARCHIVES])
def test_S13_to_S19_each_bad_archive_is_refused_by_the_rule_it_breaks(bad: hostile.Bad) -> None:
    refused(bad)


def test_S15_S16_each_bomb_is_refused() -> None:
    """They are made here, since whoever only reads this module would wait for them too."""
    made = 0
    for bomb in hostile.bombs():
        refused(bomb)
        made += 1
    assert made == 3


@pytest.mark.parametrize(("filename", "data"), GOOD, ids=[f"{position}-{name}" for position, (name, _) in enumerate(GOOD)])
def test_no_sound_archive_is_refused(filename: str, data: bytes) -> None:
    assert verdict(filename, data, Rules()) == ""


def test_S16_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred thousand, here a hundred: to look at each is what takes long."""
    assert tarred.MOST_ENTRIES == 100_000
    monkeypatch.setattr(tarred, "MOST_ENTRIES", 100)
    for count, refused in ((99, False), (100, True)):
        members = [hostile.tar_member(f"foo_bar-1.0/{number}".encode()) for number in range(count)]
        line = verdict(hostile.SDIST, hostile.tarred(hostile.INFO_MEMBER, *members), Rules())
        assert line == ("more than 100 entries" if refused else ""), line


def test_there_are_enough_of_them() -> None:
    assert len({bad.rule for bad in ARCHIVES}) == len(ARCHIVES) >= 40
