"""Bytes that are written to the disk before they are synced: asked of the system where it can, and never a fault."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from pypidaemon import hastening
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.drafts import PORTION
from pypidaemon.files import Files
from tests.gear import inline, now

BLOCK = bytes(1 << 20)


@pytest.fixture
def anew() -> Iterator[None]:
    """What is known of the system is found out anew."""
    hastening._call.cache_clear()
    yield
    hastening._call.cache_clear()


@attrs.define(eq=False)
class Watched(Files):
    """Notes what was hastened, and what was synced."""

    said: list[tuple[int, int]] = attrs.field(factory=list)

    def hasten(self, descriptor: int, offset: int, count: int) -> None:
        assert os.fstat(descriptor).st_size >= offset + count
        self.said.append((offset, count))
        super().hasten(descriptor, offset, count)


def test_the_systems_own_call_is_made_and_its_answer_is_heard(tmp_path: Path, anew: None) -> None:
    with open(tmp_path / "file", "wb") as file:
        file.write(BLOCK)
        file.flush()
        assert hastening.hastened(file.fileno(), 0, len(BLOCK)) is (sys.platform == "linux")
    assert not hastening.hastened(-1, 0, 1)


def test_a_system_without_the_call_is_no_fault(monkeypatch: pytest.MonkeyPatch, anew: None) -> None:
    def none(*_: Any) -> Any:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", none)
        assert not hastening.hastened(0, 0, 1)
    hastening._call.cache_clear()
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname="Other"))
    assert not hastening.hastened(0, 0, 1)


def test_of_a_large_draft_each_portion_is_hastened_once_and_what_is_stored_is_what_came(tmp_path: Path) -> None:
    files = Watched()
    store = DirectoryBlobs(tmp_path / "blobs", "blobs", inline, files=files)
    store.startService()
    draft = now(store.draft())
    for _ in range(19):
        now(draft.write(BLOCK))
    assert files.said == [(0, PORTION), (PORTION, PORTION)]
    now(draft.write(bytes(2 * PORTION)))
    assert files.said[2:] == [(2 * PORTION, 19 * len(BLOCK))]
    now(draft.write(b"the end"))
    digest = now(draft.commit(None))
    draft.close()
    assert len(files.said) == 3
    assert digest == hashlib.sha256(BLOCK * 35 + b"the end").hexdigest()
