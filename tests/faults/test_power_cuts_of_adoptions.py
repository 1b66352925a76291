"""
Adoptions that end at any moment, by a kill or a power cut: nothing is half here, what is offered is here and whole, and saying it again does the rest.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.filenames import project_name
from pypidaemon.indexes.mirror import Mirror
from pypidaemon.model import NormalizedName
from pypidaemon.testing.archives import make_wheel
from tests.adopting import bandersnatch, means, moved, put, releases
from tests.examples import examples
from tests.faults.press import Salvage, read_all
from tests.faults.test_power_cuts_of_copies import Watched, hold_against
from tests.gear import now
from tests.house import House

MOVED = project_name("moved")
TREE = {MOVED: releases("moved", "1.0"), project_name("other"): dict([make_wheel("other", "2.0")])}


@pytest.fixture
def old(quick: Path) -> Path:
    """The folder of an older tool."""
    for name, files in TREE.items():
        bandersnatch(quick / "old", name, files)
    return quick / "old"


@pytest.fixture
def flat(quick: Path) -> Path:
    """A folder of private files."""
    return put(quick / "flat", TREE[MOVED])


def filled(mirror: Mirror) -> dict[NormalizedName, dict[str, bytes]]:
    """All that the mirror offers of what was adopted; each file is read and held against its page."""
    return {name: read_all(mirror, name) for name in TREE if now(mirror.records.mirrors.page("mirror", name)) is not None}


def adopt(watched: Watched, old: Path, copy: bool) -> None:
    """Take it into the mirror, which asks nobody."""
    moved(means(watched.larder.house, mirror=watched.larder.mirror), "bandersnatch", old, unasked=True, copy=copy)


@pytest.mark.parametrize("copy", [False, True])
def test_S3_F78_what_was_adopted_is_here_after_every_power_cut(copy: bool, old: Path, quick: Path, salvage: Salvage) -> None:
    """Shared or copied."""
    watched = Watched(quick / "larder")
    adopt(watched, old, copy)
    assert filled(watched.larder.mirror) == TREE
    watched.look()
    hold_against(salvage, watched.files)
    assert salvage.explored >= 150


def kills(quick: Path, begin: Callable[[Watched], None], check: Callable[[Watched, bool], None]) -> int:
    """Kill it at each step that it takes on the disk; answer how many these were."""
    number = 0
    while True:
        number += 1
        watched = Watched(quick / f"larder{number}")
        watched.files.sees = lambda: None
        watched.files.fails(number, errno.EROFS, lasting=True)
        killed = False
        try:
            begin(watched)
        except PypidaemonError:
            killed = True
        watched.files.heals()
        watched.restart()
        check(watched, killed)
        if not killed:
            return number


def test_S3_a_mirror_is_killed_at_any_step_and_the_next_run_does_the_rest(old: Path, quick: Path) -> None:
    """Of a project all that is there is offered, or nothing."""

    def check(watched: Watched, killed: bool) -> None:
        found = filled(watched.larder.mirror)
        assert all(files == TREE[name] for name, files in found.items())
        adopt(watched, old, copy=False)
        assert filled(watched.larder.mirror) == TREE

    assert kills(quick, lambda watched: adopt(watched, old, copy=False), check) > 30


def test_S3_a_private_index_is_killed_at_any_step_and_the_next_run_does_the_rest(flat: Path, quick: Path) -> None:
    """Each file is there with all its facts, or not at all; when it was published does not depend on how often it was tried."""

    def begin(watched: Watched) -> None:
        house = watched.larder.house
        moved(means(house, private=watched.larder.private), "pypiserver", flat)

    def check(watched: Watched, killed: bool) -> None:
        larder = watched.larder
        private = larder.house.with_private()
        assert read_all(private, MOVED).items() <= TREE[MOVED].items()
        moved(means(larder.house, private=private), "pypiserver", flat)
        assert read_all(private, MOVED) == TREE[MOVED]
        assert {file.upload_time for file in now(private.project_page(MOVED)).files} == {"2017-07-14T02:40:00Z"}

    assert kills(quick, begin, check) > 30


class Dying(MemoryBlobs):
    """A store of which nothing comes back any more once so many drafts were begun."""

    left: int = 1 << 30

    async def draft(self) -> Any:
        self.left -= 1
        if self.left < 0:
            raise PypidaemonError("it was killed")
        return await super().draft()


@settings(max_examples=examples(15))
@given(st.integers(0, 8), st.sampled_from(["mirror", "pypi", "private"]))
def test_S3_the_records_are_written_last_of_all(moment: int, kind: str) -> None:
    """Whatever bytes are the last that arrive, all that is offered can be given, and the next run does the rest."""
    blobs = Dying()
    house = House(blobs=blobs)
    index: Any = {"mirror": house.new_mirror, "pypi": lambda: house.proxy, "private": house.with_private}[kind]()
    name = MOVED
    layout = "pypiserver" if kind == "private" else "bandersnatch"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        put(place, TREE[name]) if kind == "private" else bandersnatch(place, name, TREE[name])
        blobs.left = moment
        with suppress(PypidaemonError):
            moved(means(house, **{index.label: index}), layout, place, unasked=True)
        blobs.left = 1 << 30
        house.upstream.health.doubt()
        house.upstream.fails([name])
        found = {}
        with suppress(UpstreamUnavailable):
            found = read_all(index, name)
        assert found.items() <= TREE[name].items()
        moved(means(house, **{index.label: index}), layout, place, unasked=True)
        assert read_all(index, name) == TREE[name]
