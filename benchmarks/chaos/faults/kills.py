"""A subject that is killed by signal 9 at any moment, again and again: C18 to C20. `--kills` says how often."""

from __future__ import annotations

import time
from contextlib import suppress

from benchmarks.chaos.clients import JSON, get, listed
from benchmarks.chaos.faults import fault, wanting
from benchmarks.chaos.oracle import hold_to_ledger
from benchmarks.chaos.scene import Scene

MOST = 10
"""Files that a run of a mirror may have under way when it is killed."""


@fault("C18", "kill -9 at any moment of uploads, again and again", "F73 F99", needs=("uploads",))
def amid_uploads(scene: Scene) -> None:
    kills = scene.rounds(2, 10)
    for _ in range(kills):
        scene.ledger.fresh.clear()
        with scene.sending():
            time.sleep(scene.chance.uniform(0.0, 0.6))
            scene.subject.kill()
        scene.subject.start()
        hold_to_ledger(scene, {parcel.filename for parcel in scene.ledger.fresh})
    scene.settle()
    scene.tally.figures["kills"], scene.tally.figures["acknowledged"] = kills, len(scene.ledger.acknowledged)
    scene.tally.figures["without_an_answer"] = scene.tally.cut


@fault("C19", "kill -9 amid downloads of files never seen, again and again", "F74 F45")
def amid_fills(scene: Scene) -> None:
    kills = scene.rounds(2, 8)
    for _ in range(kills):
        projects = scene.make(4 if scene.quick else 10, size=200_000)
        items = scene.items(projects)
        scene.all_good(scene.pages(projects), "before the kill")
        with scene.source.wired(bandwidth=600_000):
            filling = scene.aside(lambda: scene.files(scene.chance.sample(items * 8, len(items) * 8)))  # noqa: B023  # it is over within the round
            time.sleep(scene.chance.uniform(0.1, 0.8))
            scene.subject.kill()
            filling.over()
        scene.subject.start()
        # An installer begins with the page.
        scene.all_good(scene.pages(projects), "after the kill")
        scene.source.clear()
        scene.all_good(scene.files(scene.chance.sample(items * 4, len(items) * 4)), "after the kill")
        twice = {item.filename: asked for item in items if (asked := len(scene.source.requests(item.path))) > 1}
        scene.expect(not twice, f"files that were asked for more than once after the kill: {dict(list(twice.items())[:3])}")
    scene.tally.figures["kills"] = kills


@fault("C20", "kill -9 amid runs of the mirror, again and again", "F75", needs=("sync",), prepare=wanting(mirrored="own-*"))
def amid_runs(scene: Scene) -> None:
    kills = scene.rounds(2, 8)
    projects = scene.make(10 if scene.quick else 40, size=60_000)
    items = scene.items(projects)
    scene.source.clear()

    def run() -> None:
        # Its daemon goes while it is being told of the run.
        with suppress(ValueError):
            scene.subject.sync()

    for number in range(kills):
        for name in projects:
            scene.source.tell("add", name, f"2.{number}", size=60_000)
        before = len(scene.source.requests("/packages/*"))
        with scene.source.wired(bandwidth=200_000):
            running = scene.aside(run)
            scene.eventually(lambda: len(scene.source.requests("/packages/*")) > before, "a run fetches something", 20.0)  # noqa: B023  # within the round
            time.sleep(scene.chance.uniform(0.0, 1.0))
            scene.subject.kill()
            running.over()
        scene.subject.start()
    scene.eventually(lambda: bool(scene.subject.sync().get("complete")), "the mirror is filled in the end", 60.0)
    scene.learn()
    items = scene.items(projects)
    asked = sum(len(scene.source.requests(item.path)) for item in items)
    scene.tally.figures["kills"], scene.tally.figures["files"], scene.tally.figures["asked_for"] = kills, len(items), asked
    scene.expect(asked <= len(items) + kills * MOST, f"{asked} files were asked for, of {len(items)}: some that were here already")
    for name in projects:
        page = get(f"{scene.subject.mirrored()}{name}/", JSON, keep=True)
        files = listed(page) if page.status == 200 else {}
        scene.expect(set(files) == set(scene.source.stock[name]), f"the mirror's page of {name} is not upstream's: {page.status}")
        for filename, file in files.items():
            got = get(file.url)
            if got.sha256 != scene.source.stock[name][filename].sha256:
                scene.tally.wrong("corrupt" if got.status == 200 else "dangling", f"{filename} of the mirror: {got.status}")
