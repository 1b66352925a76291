"""What the tests of faults share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chaos.source import QUICK, Source
from tests.faults.press import Salvage

SEED = 11


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """One upstream for all; each fault puts back what it does to it."""
    found = Source.begin(tmp_path_factory.mktemp("source"), SEED, QUICK)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory where there is one, since nothing has to be durable for real."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        yield Path(made).resolve()


@pytest.fixture
def salvage(quick: Path) -> Iterator[Salvage]:
    """What looks through wrecks."""
    made = Salvage(quick / "salvage")
    yield made
    made.end()
