"""What is asked for when everything is ready: pages in several forms, pages not modified, files; and what the servers hold afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from measuring import get, resident
from upstream import size

from benchmarks.side_by_side import cold_figures, mixed_figures, source
from benchmarks.side_by_side.ours import Nginx, Pypidaemon
from benchmarks.side_by_side.pressing import FILE, PIP, UV, Ready, Unable, Wish, prepared, press
from benchmarks.side_by_side.run import OURS, Run
from benchmarks.side_by_side.servers import Peryx, Pypiserver, Server, first_file

PAGES = ("page", "page-uv", "page-token", "not-modified", "not-modified-token", "large-page", "large-page-uv", "large-page-token")
FILES = ("small-file", "large-file")
FIGURES = ("idle", *PAGES, *FILES, *cold_figures.FIGURES, *mixed_figures.FIGURES, "after")
WHOLE = frozenset((*PAGES, *FILES, *cold_figures.FIGURES))
"""Only after all of these it is worth saying what is held."""
SAME = "it answers uv as it answers pip"


def measure(run: Run) -> None:
    """All of these figures that are asked for, on servers that live through all of them."""
    wanted = run.wants(*FIGURES)
    if not wanted:
        return

    def before(server: Server) -> None:
        if isinstance(server, Pypiserver):
            server.shelve(_shelf(run))

    with run.started("warm", run.servers, f"{run.source.url}/simple/", wanted, before) as servers:
        if "idle" in wanted:
            time.sleep(run.scale.idle)
            for name, server in run.able("idle", servers).items():
                run.recorder.note("idle", name, 0, {"mib": resident(server.pid)})
        _pressed(run, servers, [figure for figure in wanted if figure in (*PAGES, *FILES)])
        cold_figures.measure(run, servers)
        mixed_figures.measure(run, servers)
        if "after" in wanted:
            for name, server in run.able("after", servers).items():
                if set(run.figures) >= WHOLE:
                    run.recorder.note("after", name, 0, {"mib": resident(server.pid)})
                else:
                    run.recorder.absent("after", name, "only a part of the figures was run")


def _pressed(run: Run, servers: Mapping[str, Server], figures: Sequence[str]) -> None:
    ready: dict[str, dict[str, Ready]] = {}
    for figure in figures:
        for name, server in run.able(figure, servers).items():
            with run.trying([figure], name):
                if figure.endswith("-token") and name != OURS:
                    # Our own pages without a token are what it is compared with.
                    continue
                if figure.endswith("-uv") and not isinstance(server, Pypidaemon | Nginx | Peryx):
                    raise Unable(SAME)
                ready.setdefault(figure, {})[name] = prepared(server.url, wish(run, figure, server, servers[OURS]))
    for number in range(run.scale.rounds):
        for figure, asked in ready.items():
            for name, requests in asked.items():
                with run.trying([figure], name):
                    run.recorder.note(figure, name, number, press(requests, servers[name].pid, run.scale.seconds))
    for figure, asked in ready.items():
        if OURS in asked:
            pid, seconds = servers[OURS].pid, max(run.scale.seconds, 2)
            run.profiler.during(figure, pid, seconds, _pressing(asked[OURS], pid, seconds), "wrk asks as fast as it answers")


def _pressing(requests: Ready, pid: int, seconds: int) -> Callable[[], object]:
    return lambda: press(requests, pid, seconds)


def wish(run: Run, figure: str, server: Server, ours: Server) -> Wish:
    """
    What a server is asked for in a figure.

    :raises Unable: it cannot be asked for that.
    """
    if figure in FILES:
        return _files(run, figure, server, ours)
    is_large = figure.startswith("large-")
    fields = UV if figure.endswith("-uv") else PIP
    if figure.endswith("-token"):
        assert isinstance(server, Pypidaemon)
        fields = fields | server.login()
    projects = [f"thousands-{number}" for number in range(run.scale.thousands)] if is_large else fifties(run)
    if isinstance(server, Nginx):
        for project in projects:
            server.copy(ours, project)
    if isinstance(server, Pypiserver):
        projects = projects[:1] if is_large else projects
    return Wish([server.page(project) for project in projects], fields, 304 if figure.startswith("not-modified") else 200)


def fifties(run: Run) -> list[str]:
    """The projects of fifty files."""
    return [f"fifty-{number:02}" for number in range(run.scale.fifty)]


def _shelf(run: Run) -> dict[str, bytes]:
    """What a server without an upstream is to have: the same files, of the pages of 3,000 one and next to no bytes."""
    shelves = source.projects()
    files = {filename: source.content(filename) for project in fifties(run) for filename in map(shelves[project].filename, range(50))}
    files |= {shelves["thousands-0"].filename(number): b"-" for number in range(3000)}
    return files | {"warm_large-1.0-py3-none-any.whl": bytes(size(run.scale.large))}


def _files(run: Run, figure: str, server: Server, ours: Server) -> Wish:
    is_large = figure == "large-file"
    projects = ["warm-large"] if is_large else fifties(run)
    if not isinstance(server, Nginx):
        return Wish([first_file(server, project) for project in projects], FILE, connections=2 if is_large else 16)
    paths = []
    for project in projects:
        server.put(f"/files/{project}", get(ours.url + first_file(ours, project), keep=True).body)
        paths.append(f"/files/{project}")
    return Wish(paths, FILE, connections=2 if is_large else 16)
