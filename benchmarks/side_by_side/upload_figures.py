"""Wheels of 20 kB, uploaded by four clients; and how soon the page lists one more where there are 10,000 of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

from measuring import get

from benchmarks.side_by_side.posting import parcels, post, shared
from benchmarks.side_by_side.pressing import PIP, Unable, spent
from benchmarks.side_by_side.run import OURS, Run
from benchmarks.side_by_side.servers import Server
from pypidaemon.testing.archives import make_wheel
from tests.clients.posting import Parcel
from tests.clients.uploaders import Release

FIGURES = ("uploads", "upload-seen")
PROJECTS = 50
"""The stored files are those of so many projects."""
SEEN = 10
"""So often a page is looked at in each round, after one more upload."""
LONGEST = 100.0
"""Seconds that filling the store of another server by uploads may take."""


def measure(run: Run) -> None:
    """Those of the figures that are asked for."""
    if run.wants("uploads"):
        with run.started("uploads", run.servers, f"{run.source.url}/simple/", ["uploads"]) as servers:
            _rates(run, run.able("uploads", servers))
    if run.wants("upload-seen"):
        _seen(run)


def _rates(run: Run, servers: Mapping[str, Server]) -> None:
    # The first round warms all of them up.
    for turn in range(-1, run.scale.rounds):
        some = parcels(f"small-{turn + 1}", 10, max(1, run.scale.uploads // 10))
        for name, server in servers.items():
            with run.trying(["uploads"], name):
                cost = spent(server.pid)
                seconds = shared(server, some)
                cost = spent(server.pid) - cost
                if turn >= 0:
                    run.recorder.note("uploads", name, turn, {"per_second": len(some) / seconds, "cpu_ms": cost / len(some) * 1e3})
    if OURS in servers:
        ours, more = servers[OURS], parcels("profiled", 10, max(1, run.scale.uploads // 10))
        run.profiler.during("uploads", ours.pid, 3, lambda: shared(ours, more), "four clients upload wheels of 20 kB")


def _seen(run: Run) -> None:
    names = [name for name in run.servers if name != "nginx"]
    stored = run.scale.stored
    files = dict(make_wheel(f"stored-{number % PROJECTS}", f"1.{number // PROJECTS}", size=200) for number in range(stored))
    shelved: dict[str, bool] = {}

    def before(server: Server) -> None:
        if server.uploads:
            shelved[server.name] = server.shelve(files)

    figures = ["upload-seen"]
    with run.started("seen", names, f"{run.source.url}/simple/", figures, before) as servers:
        filled: dict[str, Server] = {}
        for name, server in servers.items():
            with run.trying(figures, name):
                if not server.uploads:
                    raise Unable("it takes no uploads")
                if not shelved[name]:
                    _fill(server, stored)
                filled[name] = server
        for turn in range(run.scale.rounds):
            for name, server in filled.items():
                with run.trying(figures, name):
                    run.recorder.note("upload-seen", name, turn, _look(server, turn, stored))


def _fill(server: Server, count: int) -> None:
    """Have so many files stored by uploads; small ones, since their number matters and not their size."""
    each = count // PROJECTS
    batch = [Parcel.of(Release(f"stored-{project}", f"1.{number}", edition=200)) for number in range(each) for project in range(PROJECTS)]
    some, seconds = max(8, count // 50), 0.0
    for begin in range(0, len(batch), some):
        # Some become slower with what they have, so what the beginning took says too little of all of it.
        if server.name != OURS and begin and seconds / begin * len(batch) > LONGEST:
            raise Unable(f"to fill its store by uploads takes more than {LONGEST:.0f} s: {begin} took {seconds:.0f}")
        seconds += shared(server, batch[begin : begin + some], 8)


def _look(server: Server, turn: int, stored: int) -> dict[str, float | str]:
    """
    How long it takes after an upload until its project's page has been read with the file on it.

    :raises Unable: it is not there within ten seconds.
    """
    login, waits, asked = server.login(), [], 0
    for number in range(SEEN):
        parcel = Parcel.of(Release("stored-7", f"2.{turn}.{number}", edition=19_000))
        post(server, login, [parcel])
        began = time.perf_counter()
        while True:
            answer = get(f"{server.url}{server.uploaded}stored-7/", {"Accept": PIP["Accept"]}, keep=True)
            asked += 1
            if parcel.filename.encode() in answer.body:
                break
            if time.perf_counter() - began > 10:
                raise Unable(f"a page without the file that was taken ten seconds ago: {answer.status}")
        waits.append(time.perf_counter() - began)
    values: dict[str, float | str] = {"page_ms": median(waits) * 1e3, "longest_ms": max(waits) * 1e3}
    return values | {"asked": asked / SEEN, "stored": stored}
