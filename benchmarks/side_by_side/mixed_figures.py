"""
A page while there is much else to do: twenty files come from the upstream at 6 MiB a second each, which together fills a gigabit line, and four clients
upload wheels of 20 kB, each ten a second as long as the server keeps up.

What it takes then is compared with what it takes when nothing else is asked of the server.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs
from measuring import get

from benchmarks.side_by_side import clients
from benchmarks.side_by_side.posting import CLIENTS, parcels, post
from benchmarks.side_by_side.pressing import Unable, spent
from benchmarks.side_by_side.run import OURS, Run
from benchmarks.side_by_side.servers import Server, first_file
from tests.clients.posting import Parcel

FIGURES = ("mixed",)
LONG = frozenset({"devpi"})
"""These get one round."""
PAGE = "fifty-00"
PAUSE = 0.1
"""Seconds from one upload of a client to the next."""


@attrs.define(eq=False)
class Probe:
    """Asks for a page while it is entered; `told` is how long that took."""

    server: Server
    told: dict[str, Any] = attrs.field(factory=dict)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        words = [sys.executable, "-m", "benchmarks.side_by_side.probe", f"127.0.0.1:{self.server.port}", self.server.page(PAGE)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self.told = json.loads(self._process.communicate("")[0])


def measure(run: Run, servers: Mapping[str, Server]) -> None:
    """The figure, where it is asked for."""
    if not run.wants(*FIGURES):
        return
    taking = run.able("mixed", servers)
    for name in [name for name in taking if name == "nginx"]:
        del taking[name]
    some = max(1, run.scale.clients)
    for turn in range(run.scale.rounds):
        for name, server in taking.items():
            if turn and name in LONG:
                continue
            with run.trying(FIGURES, name):
                run.recorder.note("mixed", name, turn, _mixed(run, server, turn, [f"passing-{turn * some + n:02}" for n in range(some)]))
    if OURS in taking and run.profiler.place is not None:
        last = run.scale.rounds
        projects = [f"passing-{last * some + n:02}" for n in range(some)]
        ours = taking[OURS]
        load = Load(ours, [ours.url + first_file(ours, project) for project in projects], _uploads(last))
        run.profiler.during("mixed", ours.pid, 10, load.run, "twenty cold downloads and four uploads")


def _uploads(turn: int) -> list[list[Parcel]]:
    return [parcels(f"mixed-{turn}-{client}", 10, 100) for client in range(CLIENTS)]


@attrs.define(eq=False)
class Load:
    """All the downloads, and uploads until they have ended."""

    server: Server
    urls: Sequence[str]
    uploads: Sequence[Sequence[Parcel]]
    uploaded: int = 0
    seconds: float = 0.0

    def run(self) -> None:
        """
        Have it all done.

        :raises Unable: something of it was not.
        """
        over, troubles, login = threading.Event(), [], self.server.login()

        def download(url: str) -> None:
            try:
                if (answer := clients.get(url, hashing=False)).status != 200:
                    troubles.append(f"a download was answered {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                troubles.append(f"a download: {error}")

        def upload(some: Sequence[Parcel]) -> None:
            try:
                self.uploaded += post(self.server, login, some, over, PAUSE)
            except (OSError, http.client.HTTPException, Unable) as error:
                troubles.append(f"an upload: {error}")

        began = time.perf_counter()
        uploading = [threading.Thread(target=upload, args=(some,)) for some in self.uploads]
        downloading = [threading.Thread(target=download, args=(url,)) for url in self.urls]
        for thread in (*uploading, *downloading):
            thread.start()
        for thread in downloading:
            thread.join()
        self.seconds = time.perf_counter() - began
        over.set()
        for thread in uploading:
            thread.join()
        if troubles:
            raise Unable(f"{len(troubles)} failed: {troubles[0]}")


def _mixed(run: Run, server: Server, turn: int, projects: Sequence[str]) -> dict[str, float | str]:
    urls = [server.url + first_file(server, project) for project in projects]
    get(server.url + server.page(PAGE))
    load = Load(server, urls, _uploads(turn))
    with Probe(server) as idle:
        time.sleep(run.scale.idle)
    cost = spent(server.pid)
    with Probe(server) as busy:
        load.run()
    if busy.told["failed"] or idle.told["failed"]:
        raise Unable(f"{busy.told['failed']} of {busy.told['asked']} pages failed meanwhile")
    return {
        "ratio": busy.told["p99_ms"] / idle.told["p99_ms"],
        **{f"idle_{name}": value for name, value in idle.told.items() if name != "failed"},
        **{name: value for name, value in busy.told.items() if name != "failed"},
        "seconds": load.seconds,
        "uploads": load.uploaded,
        "busy": (spent(server.pid) - cost) / load.seconds,
    }
