"""Bodies in the system's own pages: few, those that were wanted last, and every file is closed in the end."""

from __future__ import annotations

import gc
import os

import pytest

from pypidaemon.web import copies as module
from pypidaemon.web.copies import LIMIT, MOST, SMALLEST, Copies, Copy


def body(size: int = SMALLEST) -> bytes:
    return os.urandom(size)


def made(copies: Copies, of: bytes) -> Copy:
    copy = copies.of(of)
    assert copy is not None
    return copy


def is_open(descriptor: int) -> bool:
    try:
        return bool(os.fstat(descriptor))
    except OSError:
        return False


def test_it_is_the_body_and_one_for_all_who_have_it() -> None:
    copies, one = Copies(), body(100_000)
    copy = made(copies, one)
    assert os.pread(copy.descriptor, 200_000, 0) == one
    assert copies.of(one) is copy
    # Equal bytes elsewhere are another body: nothing here compares them.
    assert copies.of(bytes(bytearray(one))) is not copy
    assert len(copies) == 2


@pytest.mark.parametrize("size", [0, SMALLEST - 1, LIMIT // 8 + 1])
def test_what_is_not_worth_it_has_none(size: int) -> None:
    assert Copies().of(b"x" * size) is None


@pytest.mark.parametrize("size", [SMALLEST, LIMIT // 8])
def test_there_are_so_many_and_no_more_whatever_their_size(size: int) -> None:
    """The oldest goes first, and its file is closed, though an answer may still know of it."""
    copies = Copies()
    bodies = [body(size) for _ in range(MOST + 3)]
    all_made = [made(copies, one) for one in bodies]
    still = [copy for copy in all_made if copy.descriptor >= 0]
    assert still == all_made[-len(copies) :]
    assert copies.weight <= LIMIT
    assert len(copies) == min(MOST, LIMIT // size)
    again = made(copies, bodies[-len(copies)])
    assert again is still[0]
    made(copies, body(size))
    assert (still[0].descriptor >= 0, still[1].descriptor) == (True, -1)


def test_no_file_stays_open_behind_it() -> None:
    copies = Copies()
    descriptors = [made(copies, body()).descriptor for _ in range(5)]
    assert all(map(is_open, descriptors))
    del copies
    gc.collect()
    assert not any(map(is_open, descriptors))


@pytest.mark.parametrize("missing", ["memfd_create", "sendfile"])
def test_a_system_that_has_no_such_thing_goes_without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delattr(module.os, missing)
    assert Copies().of(body()) is None


def test_F61_where_no_file_may_be_opened_it_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_name: str) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module.os, "memfd_create", refused)
    copies = Copies()
    assert copies.of(body()) is None
    assert len(copies) == 0


def test_a_body_that_is_not_taken_whole_is_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "write", lambda _descriptor, data: len(data) - 1)
    assert Copies().of(body()) is None
