"""What a run consists of: what was asked for, the servers on it, and where its figures go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from subprocess import SubprocessError

import attrs
import processes

from benchmarks.side_by_side.ours import Nginx, Pypidaemon
from benchmarks.side_by_side.pressing import Unable
from benchmarks.side_by_side.profiles import Profiler
from benchmarks.side_by_side.recording import Recorder
from benchmarks.side_by_side.servers import Devpi, Peryx, Proxpi, Pypiserver, Server

MAKES: Mapping[str, type[Server]] = {made.name: made for made in (Nginx, Pypidaemon, Peryx, Devpi, Proxpi, Pypiserver)}
OURS = Pypidaemon.name
FAILURES = (Unable, HTTPException, SubprocessError, OSError, ValueError, RuntimeError, LookupError, AssertionError)
"""What a server that does something else than it should comes to here; it then has no part in the figure, and the run goes on."""


@attrs.frozen
class Scale:
    """How much of everything there is."""

    rounds: int = 3
    seconds: int = 2
    fifty: int = 50
    thousands: int = 5
    large: str = "100MB"
    passing: str = "60MB"
    clients: int = 20
    names: int = 700_000
    uploads: int = 200
    stored: int = 10_000
    mirrored: int = 200
    idle: float = 5.0


QUICK = Scale(
    rounds=1,
    seconds=1,
    fifty=5,
    thousands=1,
    large="8MB",
    passing="6MB",
    clients=5,
    names=20_000,
    uploads=20,
    stored=200,
    mirrored=10,
    idle=1.0,
)


@attrs.define(eq=False)
class Run:
    """All that the figures need."""

    scale: Scale
    figures: Sequence[str]
    servers: Sequence[str]
    """The names of those to compare; ours is among them."""
    recorder: Recorder
    profiler: Profiler
    folder: Path
    source: processes.Running

    def wants(self, *figures: str) -> list[str]:
        """Which of these are asked for."""
        return [figure for figure in figures if figure in self.figures]

    @contextmanager
    def started(
        self,
        where: str,
        names: Sequence[str],
        upstream: str,
        figures: Sequence[str],
        before: Callable[[Server], object] | None = None,
    ) -> Iterator[dict[str, Server]]:
        """
        Those servers, running until the block ends; who does not start has no part in the figures.

        :param before: what is done to each of them before it is started.
        """
        found: dict[str, Server] = {}
        try:
            for name in names:
                with self.trying(figures, name):
                    server = MAKES[name](self.folder / where / name, upstream)
                    found[name] = server
                    if before is not None:
                        before(server)
                    server.start()
            yield {name: server for name, server in found.items() if server.running is not None}
        finally:
            for server in found.values():
                server.stop()

    @contextmanager
    def trying(self, figures: Sequence[str], name: str) -> Iterator[None]:
        """Whatever fails in the block is noted as why that server has no part in these figures."""
        try:
            yield
        except FAILURES as error:
            for figure in figures:
                self.recorder.absent(figure, name, str(error) or type(error).__name__)

    def able(self, figure: str, servers: Mapping[str, Server]) -> dict[str, Server]:
        """Those of the servers that take part in a figure; of the others it is noted why not."""
        found = {}
        for name, server in servers.items():
            if figure in server.lacks:
                self.recorder.absent(figure, name, server.lacks[figure])
            else:
                found[name] = server
        return found


Part = Callable[[Run], None]
