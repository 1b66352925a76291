"""
What a search among very many projects costs: the time of an answer, the room that the index takes, and what others wait for while it is made.

The daemon's upstream lists very many names, and the store knows the pages of some thousands of them. Its index is made from nothing while somebody asks `/+health` all the
time; then it is asked. After that an index of as many projects with a summary each is filled without a daemon, and asked in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import processes
from lists import PIP, Asker
from measuring import Watched, circumstances, cpu_seconds, get, table
from store import filled

from pypidaemon.searching.cards import CARDS, OWN, Described, Place
from pypidaemon.searching.index import FILE, SearchIndex
from pypidaemon.searching.words import read_question

QUERY = 50.0
"""Milliseconds that an answer may take, judged by its processor time: the machine has more to do."""
ROOM = 150.0
"""MB that the index may take."""
HELD_UP = 50.0
TIMES = 15

ASKED = ("project-00007", "made-up", "pr", "de-up-0", "project 12", "zzzz", "ect-1", 'a" OR "b', "made up 00 ff 1", "made-up up-a roject p")
_SAID = [
    "a",
    "the",
    "fast",
    "simple",
    "small",
    "library",
    "tool",
    "client",
    "server",
    "for",
    "python",
    "data",
    "web",
    "http",
    "json",
    "async",
    "api",
    "test",
    "tests",
    "plugin",
    "parser",
    "weather",
    "cloud",
    "machine",
    "learning",
]


def room(folder: Path) -> float:
    """MB of the index with what lies beside it."""
    return sum(file.stat().st_size for file in folder.glob(f"{FILE}*")) / 1e6


def asked(url: str, pid: int, words: str) -> tuple[list[float], float, int]:
    """The times of some answers to that question and the processor time of one, in ms, and the length of one."""
    spent, length, before = [], 0, cpu_seconds(pid)
    for _ in range(TIMES):
        answer = get(f"{url}/search/?q={quote(words)}", {"Accept": "application/json"})
        if answer.status != 200:
            raise RuntimeError(f"{words}: status {answer.status}")
        spent.append(answer.total * 1000)
        length = answer.length
    return spent, (cpu_seconds(pid) - before) * 1000 / TIMES, length


async def _inline(function: Any, /, *arguments: Any, **more: Any) -> Any:
    return function(*arguments, **more)


async def _with_summaries(folder: Path, projects: int) -> list[list[object]]:
    """An index of so many projects with a summary each: how big it is, and how long a question takes."""
    index = SearchIndex(folder / FILE, _inline, _inline)
    names = sorted({f"{random.choice(_SAID)}-{random.choice(_SAID)}-{number:06}" for number in range(projects)})  # no secret
    began = time.process_time()
    await index.take_in("private", CARDS, "all", iter([(name, 1) for name in names]), _inline)
    for start in range(0, len(names), 1000):
        part = names[start : start + 1000]
        said = {name: Described(name, "1.0", " ".join(random.choices(_SAID, k=9))) for name in part}
        await index.put("private", said)
    rows: list[list[object]] = [["filled, CPU s", time.process_time() - began], ["MB", room(folder)]]
    for words in ("weather", "fast json library", "python", "machine learning cloud weather server", "qqqq", names[1000]):
        question = read_question(words)
        assert question is not None
        spent = []
        for _ in range(TIMES):
            first = time.process_time()
            found = await index.find(question, (Place("private", OWN),), lambda *_: True)
            spent.append((time.process_time() - first) * 1000)
        rows.append([f"{words[:40]!r}, CPU ms ({len(found)} found)", median(spent)])
    return rows


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and answer 0 where every bar is met, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks/searching.py", description="Search among very many projects.")
    parser.add_argument("--listed", type=int, default=200_000)
    parser.add_argument("--stored", type=int, default=15_000, help="projects whose pages are here")
    options = parser.parse_args(arguments)
    print(circumstances())
    bars: list[list[object]] = []
    upstream, _ = processes.upstream("--projects", "2", "--each", "1", "--listed", str(options.listed), script="catalogue.py")
    with upstream, tempfile.TemporaryDirectory(prefix="searching-", dir=processes.scratch()) as name:
        folder = Path(name)
        data = folder / "data"
        shutil.copytree(filled(options.stored, 1), data)
        simple = f"{upstream.url}/simple/"
        get(simple)
        with processes.daemon(folder, simple, data) as running:
            get(f"{running.url}/simple/", PIP)
            with Watched(running.pid, 0.01) as watched, Asker(running.url) as asker:
                began = time.perf_counter()
                # The last name that the upstream lists is the last to be found.
                last = f"made-up-{'f' * 3}"
                while b'"name"' not in get(f"{running.url}/search/?q={last}", {"Accept": "application/json"}, keep=True).body:
                    time.sleep(0.2)
                made = time.perf_counter() - began
            size = room(data)
            print(
                f"made in {made:.1f} s, CPU {watched.cpu:.1f} s; {size:.1f} MB; RSS {watched.before:.0f} MiB before, {watched.peak:.0f} MiB at most;"
                f" others waited {asker.longest:.0f} ms at most"
            )
            with Asker(running.url) as idle:
                time.sleep(15)
            print(f"others waited {idle.longest:.0f} ms at most in 15 s after that")
            bars += [["MB of the index", size, ROOM], ["longest wait of others while it is made, ms", asker.longest, HELD_UP]]
            rows: list[list[object]] = []
            for words in ASKED:
                spent, cost, length = asked(running.url, running.pid, words)
                rows.append([repr(words), spent[0], median(spent), cost, length])
                bars.append([f"{words!r}, CPU ms", cost, QUERY])
        print(table(("question", "first ms", "median ms", "CPU ms", "bytes"), rows))
        other = folder / "other"
        other.mkdir(mode=0o700)
        with_summaries = asyncio.run(_with_summaries(other, options.listed))
    print(table((f"{options.listed} with summaries", ""), with_summaries))
    bars += [["MB with summaries", with_summaries[1][1], ROOM], *([what, value, QUERY] for what, value in with_summaries[2:])]
    judged = [[what, value, bar, "met" if value <= bar else "MISSED"] for what, value, bar in bars]  # type: ignore[operator]
    print(table(("bar", "is", "at most", ""), judged))
    return 0 if all(row[3] == "met" for row in judged) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
