"""The faults, by area. Each is a function that does one row of the catalogue (reliability.md §6), and is found by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from benchmarks.chaos.scene import Scene
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects import Wanted


class Unable(Exception):
    """This machine lacks what a fault needs; the words say what."""


Prepare = Callable[[Path, Source], Iterator[Wanted]]
"""What has to be there before the subject is made, such as a certificate; yields what the fault wants to be otherwise with it."""


@attrs.frozen
class Fault:
    """One row. `needs` are abilities without which a subject cannot be tried with it; without others, such as uploads, it is tried with less load."""

    id: str
    title: str
    covers: str
    run: Callable[[Scene], None]
    needs: frozenset[str]
    prepare: Callable[[Path, Source], Iterator[Wanted]]


FAULTS: dict[str, Fault] = {}
"""By number; filled by the modules of this folder."""


def _nothing(folder: Path, source: Source) -> Iterator[Wanted]:
    yield Wanted()


def fault(
    id: str, title: str, covers: str, *, needs: tuple[str, ...] = (), prepare: Prepare = _nothing
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """
    Make a function a fault.

    :param covers: the requirements that the row names.
    """

    def keep(run: Callable[[Scene], None]) -> Callable[[Scene], None]:
        assert id not in FAULTS, f"{id} is there twice"
        FAULTS[id] = Fault(id, title, covers, run, frozenset(needs), prepare)
        return run

    return keep


def wanting(**wanted: str) -> Prepare:
    """For a fault that wants no more than another configuration."""

    def prepare(folder: Path, source: Source) -> Iterator[Wanted]:
        yield Wanted(**wanted)  # type: ignore[arg-type]  # the keywords are its fields

    return prepare


def load() -> dict[str, Fault]:
    """All of them, in the order of their numbers."""
    from benchmarks.chaos.faults import answers, damage, kills, network, process, storage

    assert answers, (damage, kills, network, process, storage)
    return dict(sorted(FAULTS.items(), key=lambda entry: int(entry[0][1:])))
