"""
A mirror filled from the same index by pypidaemon and by bandersnatch, each alone, one after the other; and what a list of 700,000 projects costs.

First everything is fetched, then nothing has changed. What both have is held against what the index was made of, byte by byte. `--list` does the other
part: the records of a mirror that has 700,000 projects, a list of as many, and 1,000 that changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import attrs
import processes
from catalogue import FIRST, invented
from measuring import circumstances, cpu_seconds, get, table
from processes import Spent
from store import page

from pypidaemon.model import Mirrored
from pypidaemon.records.packing import pack_mirrored

# The tests' folder is no package that is installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.clients.tools import TOOLS

LABEL = "mirror"
PEERS = ("bandersnatch-8", "bandersnatch-6")
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


@attrs.frozen
class Case:
    """One run of one mirror: what it took, and what it asked of the index, by kind."""

    who: str
    what: str
    spent: Spent
    asked: Mapping[str, int]

    def row(self, files: int) -> list[object]:
        """The line of the table."""
        requests = ", ".join(f"{count} {kind}" for kind, count in sorted(self.asked.items()))
        return [self.who, self.what, self.spent.seconds, files / self.spent.seconds, self.spent.cpu, self.spent.peak, requests]


HEADING = ("mirror", "run", "seconds", "files/s", "CPU s", "peak MiB", "requests")


def installed(name: str) -> Path:
    """
    Where a peer's programs are; the tests know which Python on this machine it runs with.

    :raises LookupError: it cannot be installed here.
    """
    python = TOOLS[name].python()
    if python is None:
        raise LookupError(f"this machine has no Python for {name}")
    return processes.installed(name, python)


def counted(upstream: processes.Running) -> dict[str, int]:
    """What was asked of the index since the last time."""
    found: dict[str, int] = json.loads(get(f"{upstream.url}/+count", keep=True).body)
    return found


def ours(folder: Path, upstream: str, more: str = "") -> Path:
    """The configuration of a daemon with a mirror of everything, as the manual has it."""
    configuration = folder / "config.ini"
    configuration.write_text(
        f"[daemon]\nlisten = tcp:{processes.free_port()}:interface=127.0.0.1\ndata = {folder / 'data'}\nindex = mirror\n\n"
        f"[index:mirror]\nuse = mirror\nupstream = pypi\n\n[upstream:pypi]\nuse = http\nurl = {upstream}/simple/\nproxy = none\n\n"
        f"[service:nightly]\nuse = mirroring\nindex = mirror\nprojects = *\nschedule = weekly sun 03:15\n{more}"
    )
    return configuration


def sync(folder: Path, configuration: Path, *words: str) -> Spent:
    """One run by the command line, from the start of its process to its end."""
    command = [sys.executable, "-m", "pypidaemon", "sync", "--once", "--json", *words, "-c", str(configuration)]
    return processes.finished(command, folder, "sync.log")


def theirs(folder: Path, upstream: str, workers: int) -> Path:
    """The configuration of a bandersnatch as its own manual has it, by the same API and with serials."""
    configuration = folder / "bandersnatch.conf"
    configuration.write_text(
        f"[mirror]\ndirectory = {folder / 'mirror'}\nmaster = {upstream}\nallow-non-https = true\njson = false\nrelease-files = true\n"
        f"hash-index = false\nworkers = {workers}\ntimeout = 10\nglobal-timeout = 1800\nstop-on-error = true\nverifiers = 3\n"
        "storage-backend = filesystem\ncompare-method = hash\ndigest_name = sha256\nsimple-format = ALL\napi-method = simple\n"
    )
    return configuration


def filled_by_us(folder: Path, upstream: processes.Running, files: Mapping[str, str]) -> tuple[list[Case], dict[str, float]]:
    """Everything, then nothing new; then nothing new in a running daemon, whose own seconds count; and what it serves, checked."""
    configuration = ours(folder, upstream.url)
    cases = []
    for what in ("everything", "nothing new"):
        counted(upstream)
        spent = sync(folder, configuration)
        cases.append(Case("pypidaemon", what, spent, counted(upstream)))
    first, second = (json.loads(case.spent.said) if case.spent.said.startswith("{") else {} for case in cases)
    with processes.start([sys.executable, "-m", "pypidaemon", "run", "-c", str(configuration)], folder, "daemon.log") as running:
        running.url = f"http://127.0.0.1:{configuration.read_text().partition('tcp:')[2].partition(':')[0]}"
        processes.await_answer(running, "/+ready", lambda answer: answer.status == 200, 60, folder / "daemon.log")
        before = cpu_seconds(running.pid)
        third = json.loads(sync(folder, configuration).said)
        cpu, asked = cpu_seconds(running.pid) - before, counted(upstream)
        cases.append(Case("pypidaemon", "nothing new, in the daemon", Spent(third["seconds"], cpu, 0.0, ""), asked))
        check_ours(running.url, files)
    return cases, {"everything": first.get("seconds", 0.0), "nothing": second.get("seconds", 0.0), "daemon": third["seconds"]}


def check_ours(url: str, files: Mapping[str, str]) -> None:
    """Insist that the daemon offers every file of the index and gives its bytes."""
    found = {}
    listed = json.loads(get(f"{url}/simple/", JSON, keep=True).body)["projects"]
    for project in listed:
        for entry in json.loads(get(f"{url}/simple/{project['name']}/", JSON, keep=True).body)["files"]:
            path = "/packages/" + entry["url"].partition("/packages/")[2]
            answer = get(url + path)
            assert answer.status == 200, path
            assert answer.sha256 == entry["hashes"]["sha256"], path
            found[path] = answer.sha256
    insist(found, files, "pypidaemon")


def filled_by_them(name: str, folder: Path, upstream: processes.Running, files: Mapping[str, str], workers: int) -> list[Case]:
    """The same by bandersnatch."""
    program, configuration = str(installed(name) / "bandersnatch"), theirs(folder, upstream.url, workers)
    cases = []
    for what in ("everything", "nothing new"):
        counted(upstream)
        spent = processes.finished([program, "-c", str(configuration), "mirror"], folder, "bandersnatch.log")
        cases.append(Case(name, what, spent, counted(upstream)))
    web = folder / "mirror" / "web"
    places = [place for place in (web / "packages").rglob("*") if place.is_file() and place.suffix != ".metadata"]
    insist({f"/{place.relative_to(web)}": hashlib.sha256(place.read_bytes()).hexdigest() for place in places}, files, name)
    return cases


def insist(found: Mapping[str, str], files: Mapping[str, str], who: str) -> None:
    """Fail where somebody has other files, or files with other bytes, than the index."""
    wrong = [path for path in {*found, *files} if found.get(path) != files.get(path)]
    if wrong:
        raise RuntimeError(f"{who}: {len(wrong)} of {len(files)} files are missing, too many, or other ones: {wrong[0]}")


def side_by_side(options: argparse.Namespace, folder: Path) -> bool:
    """The table of both; answer whether the bars are met."""
    arguments = ["--projects", str(options.projects), "--each", str(options.each), "--size", options.size]
    arguments += ["--no-metadata"] if options.no_metadata else []
    cases: list[Case] = []
    upstream, files = processes.upstream(*arguments, script="catalogue.py")
    runs: list[dict[str, float]] = []
    # What each leaves lies there until the end: a volume may take minutes to give away again what was freed, at the cost of whoever comes next.
    with upstream:
        for number in range(options.rounds):
            for name in options.peer:
                place = folder / f"{name}-{number}"
                place.mkdir()
                cases += filled_by_them(name, place, upstream, files, options.workers)
            place = folder / f"ours-{number}"
            place.mkdir()
            made, seconds = filled_by_us(place, upstream, files)
            cases += made
            runs.append(seconds)
    beside = "no metadata beside them" if options.no_metadata else "metadata beside each"
    print(f"\n{options.projects} projects, {len(files)} wheels of {options.size}, {beside}; bandersnatch has {options.workers} workers")
    print(table(HEADING, [case.row(len(files)) for case in cases]))
    print("all files of all of them are those of the index, byte by byte")
    met = [_verdict(name, cases, runs) for name in options.peer]
    return all(met)


def _verdict(name: str, cases: list[Case], runs: list[dict[str, float]]) -> bool:
    def middle(who: str, what: str, field: str) -> float:
        return median([getattr(case.spent, field) for case in cases if (case.who, case.what) == (who, what)])

    quiet = [case for case in cases if case.who == "pypidaemon" and case.what != "everything"]
    one = all(dict(case.asked) == {"list not modified": 1} for case in quiet)
    bars = [
        ("times as many files a second", middle(name, "everything", "seconds") / middle("pypidaemon", "everything", "seconds"), 3.0, False),
        ("of its processor seconds", middle("pypidaemon", "everything", "cpu") / middle(name, "everything", "cpu"), 0.4, True),
        ("seconds of a run without changes", max(run["daemon"] for run in runs), 0.3, True),
        ("one conditional request then", float(one), 1.0, False),
    ]
    return _report(name, bars)


def _report(name: str, bars: list[tuple[str, float, float, bool]]) -> bool:
    rows = [[what, is_, bar, "met" if (is_ <= bar if below else is_ >= bar) else "MISSED"] for what, is_, bar, below in bars]
    print("\n" + table((f"beside {name}, median of the rounds" if name else "bars", "is", "bar", ""), rows))
    return all(row[3] == "met" for row in rows)


def long_list(options: argparse.Namespace, folder: Path) -> bool:
    """What a run costs a mirror of so many projects when a thousand have changed, one, or none; answer whether the bars are met."""
    upstream, _ = processes.upstream("--projects", "1", "--each", "1", "--listed", str(options.list), script="catalogue.py")
    cases: list[Case] = []
    with upstream:
        configuration = ours(folder, upstream.url)
        # The databases are made with the first project.
        sync(folder, configuration, "--project", "seed-00000")
        populate(folder / "data" / "records-mirrors.sqlite", options.list)
        for changed in (options.changed, 1, 0):
            if changed:
                get(f"{upstream.url}/+touch?{changed}", deadline=600)
            counted(upstream)
            cases.append(Case("pypidaemon", f"{changed} changed", sync(folder, configuration), counted(upstream)))
    print(f"\na mirror of {options.list} projects")
    print(table(HEADING, [case.row(json.loads(case.spent.said)["files"]) for case in cases]))
    many, one, none = cases
    right = dict(many.asked) == {"list": 1, **dict.fromkeys(("page", "file", "metadata"), options.changed)}
    return _report(
        "",
        [
            ("MiB of the process at most", max(case.spent.peak for case in cases), 300.0, True),
            ("processor seconds of the run for one, all that compares the lists", one.spent.cpu, 20.0, True),
            ("requests are those for what changed", float(right and dict(none.asked) == {"list not modified": 1}), 1.0, False),
            ("seconds of the run for none", json.loads(none.spent.said)["seconds"], 0.3, True),
        ],
    )


def populate(records: Path, count: int) -> None:
    """
    Have that mirror hold so many projects of one wheel each.

    In one transaction and with one page for all, since the daemon's own way, a durable transaction for each, would take an hour.
    """
    names = [*map(invented, range(count))]
    body, now = pack_mirrored(Mirrored(page("made-up", 1), FIRST)), time.time()
    connection = sqlite3.connect(records)
    with connection:
        rows = ((LABEL, name, FIRST, 1, now) for name in names)
        connection.executemany("INSERT INTO mirrored (label, name, serial, complete, taken) VALUES (?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO mirrored_pages (label, name, body) VALUES (?, ?, ?)", ((LABEL, name, body) for name in names))
        connection.executemany(
            "INSERT INTO mirrored_blobs (digest, label, name, part, kind, filename) VALUES (?, ?, ?, 'offered', ?, ?)",
            (
                (hashlib.sha256(f"{kind} {name}".encode()).digest(), LABEL, name, kind, f"{name.replace('-', '_')}-1.0-py3-none-any.whl")
                for name in names
                for kind in ("file", "metadata")
            ),
        )
    connection.close()


def main(arguments: list[str]) -> int:
    """Measure, print, and answer 0 where every bar is met, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks/mirror.py", description="Filling a mirror, beside bandersnatch.")
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--each", type=int, default=10, help="releases of each project")
    parser.add_argument("--size", default="20kB", help="of each wheel")
    parser.add_argument("--no-metadata", action="store_true", help="an index without metadata beside the wheels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=3, help="of bandersnatch; 3 is its own default")
    parser.add_argument("--peer", action="append", choices=PEERS, help="measure beside this one alone")
    parser.add_argument("--list", type=int, nargs="?", const=700_000, default=0, metavar="PROJECTS", help="measure a long list instead")
    parser.add_argument("--changed", type=int, default=1000, help="projects of that list that have changed")
    options = parser.parse_args(arguments)
    print(circumstances())
    with tempfile.TemporaryDirectory(prefix="mirror-", dir=processes.scratch()) as name:
        try:
            if not options.list:
                options.peer = [peer for peer in options.peer or PEERS if installed(peer)]
            met = (long_list if options.list else side_by_side)(options, Path(name))
        except LookupError as error:
            print(f"skipped: {error}")
            return 0
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
