"""2,000 wheels of 20 kB from an index with metadata beside each, into an empty folder by our daemon and by bandersnatch; and then once more."""

from __future__ import annotations

import subprocess
import sys

import mirror
import processes

from benchmarks.side_by_side.ours import everywhere
from benchmarks.side_by_side.run import OURS, Run

FIGURES = ("mirror",)
PEER = "bandersnatch"
RELEASE = "bandersnatch-8"
WORKERS = 3
"""bandersnatch's own default."""
EACH = 10


def measure(run: Run) -> None:
    """The figure, where it is asked for. Nobody is kept to one processor here, as both have work for two."""
    if not run.wants(*FIGURES):
        return
    for name in run.servers:
        if name != OURS:
            run.recorder.absent(
                "mirror",
                name,
                "it fills no mirror" if name != "peryx" else "its own command for mirrors was not compared",
            )
    arguments = ["--projects", str(run.scale.mirrored), "--each", str(EACH), "--size", "20kB"]
    with everywhere():
        upstream, files = processes.upstream(*arguments, script="catalogue.py")
        with upstream:
            for turn in range(run.scale.rounds):
                _theirs(run, turn, upstream, files)
                _ours(run, turn, upstream, files)
            _profile(run, upstream)


def _theirs(run: Run, turn: int, upstream: processes.Running, files: dict[str, str]) -> None:
    with run.trying(FIGURES, PEER):
        place = run.folder / "mirror" / f"{PEER}-{turn}"
        place.mkdir(parents=True)
        cases = mirror.filled_by_them(RELEASE, place, upstream, files, WORKERS)
        run.recorder.note("mirror", PEER, turn, _values(cases, len(files), cases[1].spent.seconds))


def _ours(run: Run, turn: int, upstream: processes.Running, files: dict[str, str]) -> None:
    with run.trying(FIGURES, OURS):
        place = run.folder / "mirror" / f"ours-{turn}"
        place.mkdir(parents=True)
        cases, seconds = mirror.filled_by_us(place, upstream, files)
        run.recorder.note("mirror", OURS, turn, _values(cases, len(files), seconds["daemon"]))


def _values(cases: list[mirror.Case], files: int, quiet: float) -> dict[str, float | str]:
    first = cases[0].spent
    return {
        "per_second": files / first.seconds,
        "cpu_ms": first.cpu / files * 1e3,
        "seconds": first.seconds,
        "peak_mib": first.peak,
        "quiet_s": quiet,
        "requests": sum(cases[0].asked.values()),
    }


def _profile(run: Run, upstream: processes.Running) -> None:
    if run.profiler.place is None:
        return
    place = run.folder / "mirror" / "profiled"
    place.mkdir(parents=True)
    configuration = mirror.ours(place, upstream.url)
    command = [sys.executable, "-m", "pypidaemon"]
    with run.trying([], OURS), processes.start([*command, "run", "-c", str(configuration)], place, "daemon.log") as running:
        running.url = f"http://127.0.0.1:{configuration.read_text().partition('tcp:')[2].partition(':')[0]}"
        processes.await_answer(running, "/+ready", lambda answer: answer.status == 200, 60, place / "daemon.log")
        words = [*command, "sync", "--once", "-c", str(configuration)]
        run.profiler.during(
            "mirror",
            running.pid,
            10,
            lambda: subprocess.run(words, check=True, capture_output=True, timeout=300),
            "everything is fetched by a daemon",
        )
