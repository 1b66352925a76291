"""The upstream: a scripted index in a process of its own with a stock from a seed, a wire before it, and a log of every request."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from benchmarks.chaos.wire import NONE, Toxics, Wire
from tests.clients.daemon import Seen, Upstream


@attrs.frozen
class Size:
    """How much of everything there is: `full` is reliability's catalogue, `quick` what tests have time for."""

    projects: int
    files: int
    largest: int


FULL = Size(200, 600, 8 << 20)
QUICK = Size(60, 150, 2 << 20)


@attrs.frozen
class Item:
    """A file of the stock."""

    project: str
    filename: str
    path: str
    size: int
    sha256: str
    metadata: str | None


@attrs.define(eq=False)
class Source:
    """The upstream, and what it holds. `stock` is what its pages promise, and has to be told of what a fault does to it on purpose."""

    process: Upstream
    size: Size
    stock: dict[str, dict[str, Item]] = attrs.field(factory=dict, init=False)
    wire: Wire = attrs.field(init=False)

    @classmethod
    def begin(cls, folder: Path, number: int, size: Size) -> Source:
        """Start it and fill it; the same number always gives the same stock."""
        folder.mkdir(parents=True, exist_ok=True)
        found = cls(Upstream.begin(folder), size)
        found.tell("seed", number, size.projects, size.files, size.largest)
        found.tell("set", "cache_control", "max-age=0")
        found.learn()
        return found

    def attach(self, chance: random.Random) -> None:
        """A new wire, as each fault has one of its own."""
        self.wire = Wire(int(self.process.url.rpartition(":")[2]), chance)

    @property
    def simple(self) -> str:
        """The URL of its simple index, by way of the wire."""
        return f"http://127.0.0.1:{self.wire.port}/simple/"

    def tell(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        """As `Upstream.tell`."""
        return self.process.tell(name, *arguments, **keywords)

    def learn(self) -> None:
        """Take note of what it holds now."""
        self.stock = {
            project: {filename: Item(project, filename, *entry) for filename, entry in files.items()}
            for project, files in self.tell("holdings").items()
        }

    def publish(self, project: str, version: str, size: int = 100) -> Item:
        """A new wheel."""
        filename = self.tell("add", project, version, size=size)
        self.learn()
        return self.stock[project][filename]

    @contextmanager
    def broken(self, *path_globs: str, **fault: Any) -> Iterator[None]:
        """Answer requests for these paths with a fault (`pypidaemon.testing.Fault`) as long as the block lasts."""
        for path_glob in path_globs:
            self.tell("break_", path_glob, **fault)
        try:
            yield
        finally:
            self.heal(*path_globs)

    def heal(self, *path_globs: str) -> None:
        """Take back the faults of these paths, or all."""
        for path_glob in path_globs:
            self.tell("heal", path_glob)
        if not path_globs:
            self.tell("heal")

    @contextmanager
    def wired(self, **toxics: Any) -> Iterator[None]:
        """Treat the bytes so (`Toxics`) as long as the block lasts."""
        self.wire.toxics = Toxics(**toxics)
        try:
            yield
        finally:
            self.wire.toxics = NONE

    def requests(self, path_glob: str = "*") -> list[Seen]:
        """What it was asked since `clear`."""
        return self.process.requests(path_glob)

    def clear(self) -> None:
        """Forget what it was asked so far."""
        self.process.clear()

    def mend(self) -> None:
        """Back to health, with all that was promised."""
        self.heal()
        self.wire.toxics = NONE
        self.wire.accept()

    def sums(self) -> Mapping[str, set[str]]:
        """The right sha256 of each file and each metadata document, by file name."""
        found: dict[str, set[str]] = {}
        for files in self.stock.values():
            for item in files.values():
                found.setdefault(item.filename, set()).add(item.sha256)
                if item.metadata is not None:
                    found.setdefault(f"{item.filename}.metadata", set()).add(item.metadata)
        return found

    def end(self) -> None:
        """Stop it."""
        self.process.end()
