"""One fault done to one subject, from an empty folder to the oracle's words."""

from __future__ import annotations

import json
import random
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from benchmarks.chaos.faults import Fault, Unable
from benchmarks.chaos.oracle import Vital, judge
from benchmarks.chaos.scene import Scene
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects import Make, runs
from benchmarks.chaos.tally import Tally


@attrs.frozen
class Outcome:
    """What a fault came to; `skipped` says why it was not done at all."""

    tally: Tally
    seconds: float
    skipped: str = ""

    def line(self, fault: Fault, subject: str, number: int) -> str:
        """One line of the report, in JSON."""
        if self.skipped:
            return json.dumps({"id": fault.id, "subject": subject, "seed": number, "survived": None, "skipped": self.skipped})
        return self.tally.line(fault.id, subject, number, self.seconds)


def endure(
    fault: Fault, make: Make, source: Source, folder: Path, number: int, *, quick: bool, timed: bool = True, kills: int | None = None
) -> Outcome:
    """
    Do it, on a subject that is started for it and ended afterwards. Whatever breaks in the harness or in the subject is among the unmet.

    :param folder: one that is not there yet; it is removed where all went well.
    :param quick: less of everything.
    :param timed: whether seconds count, apart from what nobody waits for.
    :param kills: how often a subject is killed, in faults that do so.
    :param number: decides on everything that is left to chance, together with the fault's own number.
    """
    began = time.monotonic()
    chance = random.Random(f"{number}-{fault.id}")
    folder.mkdir(parents=True)
    source.attach(chance)
    tally = Tally()
    try:
        with contextmanager(fault.prepare)(folder, source) as wanted:
            subject = make(folder / "subject", source.simple, wanted)
            lacking = sorted(fault.needs - subject.abilities)
            if lacking:
                return Outcome(tally, 0.0, " and ".join(subject.lacks.get(one, f"{subject.name} has no {one}") for one in lacking))
            source.clear()
            scene = Scene(subject, source, chance, folder, quick, timed, kills, tally)
            subject.start()
            try:
                # What comes with the first requests and stays, such as threads and a process that inspects archives, is no growth.
                scene.warm(3)
                scene.at_once(lambda _: scene.upload(), range(4))
                before = Vital.of(subject.pid)
                fault.run(scene)
                source.mend()
                if subject.pid and not runs(subject.pid):
                    tally.say("its process has ended by itself")
                    # What it holds is asked of one that runs.
                    subject.start()
                judge(scene, before)
            finally:
                with suppress(ProcessLookupError):
                    subject.stop()
                source.mend()
                for name in scene.own:
                    source.tell("thaw", name)
                    source.tell("remove", name)
                source.learn()
    except Unable as error:
        return Outcome(tally, 0.0, str(error))
    except Exception as error:
        tally.say(f"{type(error).__name__}: {str(error)[-300:]}")
    finally:
        source.wire.end()
    if tally.survived:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(tally, time.monotonic() - began)
