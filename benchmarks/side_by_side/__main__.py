"""`python -m benchmarks.side_by_side`: this daemon and others, figure by figure; lines of JSON, and tables at the end."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import attrs
import processes
from measuring import circumstances, machine

from benchmarks.side_by_side import long_figures, mirror_figures, upload_figures, warm_figures
from benchmarks.side_by_side.figures import OURS
from benchmarks.side_by_side.profiles import Profiler
from benchmarks.side_by_side.recording import Recorder
from benchmarks.side_by_side.run import MAKES, QUICK, Part, Run, Scale
from benchmarks.side_by_side.servers import PROCESSORS, release
from benchmarks.side_by_side.table import PAGE, PROFILES, RESULTS, keep, summary, written

PARTS: Sequence[tuple[Sequence[str], Part]] = (
    (warm_figures.FIGURES, warm_figures.measure),
    (long_figures.FIGURES, long_figures.measure),
    (upload_figures.FIGURES, upload_figures.measure),
    (mirror_figures.FIGURES, mirror_figures.measure),
)
FIGURES = [figure for figures, _ in PARTS for figure in figures]
PEERS = [*(name for name in MAKES if name != OURS), mirror_figures.PEER]
SECONDS = {"cold": 6.5, "stampede": 8.0, "mixed": 18.0, "list": 5.0, "start": 5.0, "uploads": 4.0, "upload-seen": 4.0, "mirror": 18.0}
"""About how long one server takes for one round; pages and files take `--seconds` and a little."""
ONCE = {
    "idle": 40.0, "first-page": 40.0, "list": 40.0, "start": 30.0, "uploads": 30.0, "upload-seen": 100.0, "mirror": 20.0, "stampede": 30.0, "mixed": 35.0
}  # fmt: skip
"""About what comes once on top of that: servers are started, stores are filled, the slowest have their one round, our daemon is looked at."""
TAKING = {
    "mirror": 2,
    "mixed": 2,
    "cold": 5,
    "stampede": 4,
    "uploads": 4,
    "upload-seen": 4,
    "page-uv": 3,
    "large-page-uv": 3,
    "not-modified": 2,
}
"""So many servers at most have a part in a figure; in one by token ours alone."""


def estimate(figures: Sequence[str], servers: int, scale: Scale) -> float:
    """About how many seconds a run takes."""
    found = 0.0
    for figure in figures:
        some = min(servers, 1 if figure.endswith("-token") else TAKING.get(figure, servers))
        each = SECONDS.get(figure, 0.0 if figure in {"idle", "after", "first-page"} else scale.seconds + 0.5)
        found += scale.rounds * some * each + ONCE.get(figure, scale.seconds + 3.0)
    return found


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument("--figure", default="", help=f"some of {', '.join(FIGURES)}, with commas between; all where none is given")
    parser.add_argument("--peer", default="", help=f"some of {', '.join(PEERS)}; all where none is given")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of load for each page or file, server and round")
    parser.add_argument("--quick", action="store_true", help="less of everything, to see that it works; its figures say little")
    parser.add_argument("--output", type=Path, help="where the lines go; without it to a file in .cache/benchmarks")
    parser.add_argument("--no-profiles", action="store_true", help="do not look where our daemon's time goes")
    parser.add_argument("--keep", action="store_true", help="put what comes of it into benchmarks/results and into the documentation")
    found = parser.parse_args(arguments)
    for word, chosen, known in (("figure", found.figure, FIGURES), ("peer", found.peer, PEERS)):
        unknown = [name for name in chosen.split(",") if name and name not in known]
        if unknown:
            parser.error(f"there is no {word} {', '.join(unknown)}; there are {', '.join(known)}")
    found.figures = [name for name in FIGURES if name in found.figure.split(",")] or FIGURES
    found.peers = [name for name in PEERS if name in found.peer.split(",")] or PEERS
    return found


def usable(names: Sequence[str]) -> dict[str, str]:
    """What those servers are, with versions, as far as they are to be had here; they are installed the first time."""
    found = {OURS: f"pypidaemon {version('pypidaemon')}, Twisted {version('Twisted')}"}
    for name in names:
        try:
            found[name] = release(mirror_figures.RELEASE if name == mirror_figures.PEER else name)
        except (LookupError, OSError, KeyError) as error:
            print(f"without {name}: {error}", file=sys.stderr)
    return found


def said(wanted: argparse.Namespace) -> str:
    """The words that make another run like this one."""
    given = [f"--{name} {value}" for name in ("figure", "peer", "rounds", "seconds") if (value := getattr(wanted, name))]
    return " ".join([*given, "--quick"] if wanted.quick else given)


def _can_profile() -> bool:
    """Whether py-spy is to be had here; it is installed the first time."""
    try:
        processes.installed("py-spy")
    except LookupError as error:
        print(f"without profiles: {error}", file=sys.stderr)
        return False
    return True


def upstream(scale: Scale) -> processes.Running:
    """Start the upstream of all servers."""
    words = ["--large", scale.large, "--passing", scale.passing, "--names", str(scale.names)]
    command = [sys.executable, "-m", "benchmarks.side_by_side.source", *words]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    return processes.Running(process, json.loads(process.stdout.readline())["base"])


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for; the exit status is 0 whether bars are met or not, since the tables say so."""
    wanted = options(arguments)
    if shutil.which("wrk") is None:
        print("wrk is not installed, and nothing can be measured without it", file=sys.stderr)
        return 2
    # What ends us by a signal is to end the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scale = QUICK if wanted.quick else Scale()
    scale = attrs.evolve(scale, **{name: value for name in ("rounds", "seconds") if (value := getattr(wanted, name)) is not None})
    releases = usable(wanted.peers)
    servers = [name for name in MAKES if name in releases]
    print(circumstances())
    print(f"about {estimate(wanted.figures, len(servers), scale) / 60:.0f} minutes", flush=True)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="side-by-side-", dir=processes.scratch()))
    place = wanted.output or processes.scratch() / f"side-by-side-{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    profiles = None if wanted.no_profiles else RESULTS / PROFILES if wanted.keep else folder.with_name(f"{place.stem}-profiles")
    about = {
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "python": sys.version.split()[0],
        "load": f"{os.getloadavg()[0]:.1f}",
        "how": said(wanted),
    }
    recorder = Recorder(about, releases, place)
    # The servers have the first processor, all else the last, and all of them go before what else the machine does, where this user may say so.
    if os.geteuid() == 0:
        os.nice(-5)
    os.sched_setaffinity(0, {max(PROCESSORS)})
    try:
        with upstream(scale) as source:
            run = Run(scale, wanted.figures, servers, recorder, Profiler(profiles), folder, source)
            if profiles is not None and not _can_profile():
                run.profiler.place = None
            for figures, part in PARTS:
                if run.wants(*figures):
                    print(f"{', '.join(run.wants(*figures))} ({(time.monotonic() - began) / 60:.1f} minutes so far)", flush=True)
                    part(run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{summary(recorder.lines)}\n\n{(time.monotonic() - began) / 60:.1f} minutes; lines are in {os.path.relpath(place)}")
    if wanted.keep:
        keep([place])
        PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
