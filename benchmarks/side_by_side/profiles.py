"""Where our daemon's time goes during a figure: py-spy looks at it a hundred times a second, perf where that may not."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import processes

TOP = 25
RATE = 200
"""Looks a second."""
WAITING = ("_Pool._work ", "Condition.wait ", "wait (", "_work (")
"""How the innermost frame begins of a thread that has nothing to do: py-spy does not always tell such a one from one at work."""


@attrs.define(eq=False)
class Profiler:
    """Keeps a summary for each figure in a folder; without one it does nothing."""

    place: Path | None

    def during(self, figure: str, pid: int, seconds: int, load: Callable[[], object], about: str) -> None:
        """Look at a process and all below it for so long while the load runs, which lasts as long."""
        raw = self._raw(figure)
        if raw is None:
            return
        looking = self._spy(raw, seconds, ["--pid", str(pid)])
        load()
        said, _ = looking.communicate(timeout=seconds + 120)
        self._keep(figure, about, raw, lambda: self._by_perf(pid, seconds, load) or f"py-spy: {said.strip()[-300:]}\n")

    def starting(self, figure: str, command: Sequence[str], folder: Path, seconds: int, about: str) -> None:
        """Start a program, look at it for so long, and end it."""
        raw = self._raw(figure)
        if raw is None:
            return
        looking = self._spy(raw, seconds, ["--", *command], folder)
        said, _ = looking.communicate(timeout=seconds + 120)
        self._keep(figure, about, raw, lambda: f"py-spy: {said.strip()[-300:]}\n")

    def _raw(self, figure: str) -> Path | None:
        """Where the stacks of a figure go; None where nobody is to look."""
        if self.place is None:
            return None
        self.place.mkdir(parents=True, exist_ok=True)
        return self.place / f"{figure}.raw"

    def _spy(self, raw: Path, seconds: int, whom: Sequence[str], folder: Path | None = None) -> subprocess.Popen[str]:
        place = raw.absolute()
        words = [
            "--subprocesses",
            "--full-filenames",
            "--format",
            "raw",
            "--rate",
            str(RATE),
            "--duration",
            str(seconds),
            "--output",
            str(place),
        ]
        command = [str(processes.installed("py-spy") / "py-spy"), "record", *words, *whom]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)

    def _keep(self, figure: str, about: str, raw: Path, other: Callable[[], str]) -> None:
        assert self.place is not None
        if raw.exists():
            text = summary(raw.read_text("utf-8").splitlines())
            raw.unlink()
        else:
            text = other()
        (self.place / f"{figure}.txt").write_text(f"{figure}: {about}\n\n{text}", "utf-8")

    def _by_perf(self, pid: int, seconds: int, load: Callable[[], object]) -> str:
        """The symbols of the interpreter and the system, where Python's own cannot be had."""
        assert self.place is not None
        data = self.place / "perf.data"
        command = ["perf", "record", "-q", "-F", str(RATE), "-p", str(pid), "-o", str(data), "--", "sleep", str(seconds)]
        try:
            looking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            load()
            looking.wait(seconds + 60)
            report = ["perf", "report", "-i", str(data), "--stdio", "--no-children", "--sort", "symbol", "--percent-limit", "0.5"]
            said = subprocess.run(report, capture_output=True, text=True, check=False, timeout=120).stdout
        except (OSError, subprocess.SubprocessError):
            return ""
        finally:
            data.unlink(missing_ok=True)
        return "by perf:\n" + "\n".join([line for line in said.splitlines() if "%" in line][:TOP]) + "\n"


def summary(stacks: Sequence[str]) -> str:
    """
    The functions with the largest shares, by themselves and with all they call, from stacks as py-spy writes them: frames from the outermost on,
    separated by semicolons, and how often that was seen.
    """
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    total = 0
    for line in stacks:
        words, _, count = line.rpartition(" ")
        if not count.isdigit() or not words:
            continue
        frames = [_named(frame) for frame in words.split(";") if not frame.startswith(("process ", "thread "))]
        if not frames or frames[-1].startswith(WAITING):
            continue
        total += int(count)
        alone[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    if not total:
        return "nothing was seen at work\n"
    parts = [f"{total} looks at a thread at work, or in the loop that waits for the network"]
    for heading, counted in (("by itself", alone), ("with all that it calls", within)):
        parts.append(f"\n{heading}")
        parts += [f"{count / total:7.1%}  {frame}" for frame, count in counted.most_common(TOP)]
    return "\n".join(parts) + "\n"


def _named(frame: str) -> str:
    """`function (place.py)`, without line numbers and without the folders of this machine."""
    match = re.fullmatch(r"(.+) \((.+?)(?::\d+)?\)", frame)
    if match is None:
        return frame
    name, place = match[1], match[2]
    for folder in ("site-packages/", "/pypidaemon/"):
        if folder in place:
            place = ("pypidaemon/" if folder == "/pypidaemon/" else "") + place.rpartition(folder)[2]
            break
    else:
        place = "/".join(place.split("/")[-2:])
    return f"{name} ({place})"
