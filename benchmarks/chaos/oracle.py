"""What has to be true after every fault, whatever it was: invariants I1 to I8 of the catalogue."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path

import attrs

from benchmarks.chaos.clients import HTML, JSON, get, offered
from benchmarks.chaos.scene import BREATH, Scene
from benchmarks.measuring import family, resident

LOOKS = 3
"""So often the two forms of a page are compared before they are said not to agree."""
GROWTH = 1.2
MEMORY = 64.0
"""MiB that a subject may have grown by besides: what it keeps of pages and files that it was asked for in the meantime, and what allocators do not give back."""
DESCRIPTORS = 12
"""Descriptors that it may have open besides: connections that are kept for a while, and threads' own."""


@attrs.frozen
class Vital:
    """What the processes of a subject take."""

    memory: float
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Vital:
        """Of a process and all below it; memory in MiB."""
        descriptors = 0
        for member in family(pid):
            with suppress(OSError):
                descriptors += len(os.listdir(f"/proc/{member}/fd"))
        return cls(resident(pid), descriptors)


def judge(scene: Scene, before: Vital) -> None:
    """
    Look at everything, now that upstream, network and disk are well and the subject runs; what is wrong goes to the tally.

    :param before: what the subject took before the fault.
    """
    hold_to_ledger(scene)
    _listed(scene)
    _reserved(scene)
    if "verify" in scene.subject.abilities:
        found: list[str] = ["never looked"]

        def is_whole() -> bool:
            found[:] = scene.subject.verify()
            return not found

        scene.eventually(is_whole, "I6: the store is whole", 5.0)
        for line in found:
            scene.tally.say(f"I6: {line}")
    for place in _databases(scene.subject.state):
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as database:
            said = database.execute("PRAGMA integrity_check").fetchone()[0]
            scene.expect(said == "ok", f"I6: {place.name}: {said}")
    for line in scene.subject.complaints():
        scene.tally.say(f"I7: {line}")
    _vital(scene, before)


def hold_to_ledger(scene: Scene, downloaded: Collection[str] | None = None) -> None:
    """
    I1: what was acknowledged is listed in HTML and JSON, and comes down whole.

    :param downloaded: the names of the files that are got; all where nothing is said.
    """
    by_project: dict[str, list[str]] = {}
    for filename, parcel in scene.ledger.acknowledged.items():
        by_project.setdefault(parcel.project, []).append(filename)

    def look(project: str) -> None:
        pages = [get(f"{scene.subject.uploaded()}{project}/", accept, keep=True) for accept in (JSON, HTML)]
        for filename in by_project[project]:
            right = scene.ledger.acknowledged[filename].sha256
            for page in pages:
                file = offered(page).get(filename)
                if file is None:
                    scene.tally.wrong("lost", f"{filename} is not on {page.url} ({page.status})")
                elif file.sha256 not in (None, right):
                    scene.tally.wrong("corrupt", f"{filename} has another hash on {page.url}")
            place = offered(pages[0]).get(filename)
            got = None if place is None or (downloaded is not None and filename not in downloaded) else get(place.url)
            if got is not None and (got.status != 200 or not got.complete):
                scene.tally.wrong("lost", f"{filename}: {got.status} {got.trouble}")
            elif got is not None and got.sha256 != right:
                scene.tally.wrong("corrupt", f"{filename} came down with other bytes")

    scene.at_once(look, by_project)


def _listed(scene: Scene) -> None:
    """I3 and I4: what pages of this fault's projects list is to be had, and the forms of a page agree."""

    def look(project: str) -> None:
        # Whoever answers with what he has and asks upstream behind it may have another answer for whoever asks second.
        for _ in range(LOOKS):
            forms = [get(f"{scene.subject.simple}{project}/", accept, keep=True) for accept in (JSON, HTML)]
            if any(form.status != 200 for form in forms):
                scene.tally.say(f"I3: {project}: {[form.status for form in forms]}")
                return
            as_json, as_html = map(offered, forms)
            if set(as_json) == set(as_html):
                break
            time.sleep(BREATH)
        scene.expect(set(as_json) == set(as_html), f"I4: {project} lists other files in HTML")
        for filename, file in as_json.items():
            got = get(file.url)
            if got.status != 200 or not got.complete:
                scene.tally.wrong("dangling", f"{filename}: {got.status} {got.trouble}")
            elif file.sha256 not in (None, got.sha256):
                scene.tally.wrong("corrupt", f"{filename} came down with other bytes than its page says")
            if file.metadata is not None and get(file.url + ".metadata").sha256 != file.metadata:
                scene.tally.wrong("corrupt", f"{filename}.metadata")

    names = list(scene.touched)
    scene.age()
    scene.at_once(look, names[: 6 if scene.quick else 40])


def _databases(folder: Path) -> Iterator[Path]:
    """The SQLite databases below a folder, whatever they are called."""
    for place in folder.rglob("*"):
        with suppress(OSError):
            if place.is_file():
                with place.open("rb") as file:
                    if file.read(16) == b"SQLite format 3\0":
                        yield place


def _reserved(scene: Scene) -> None:
    """I5: no upstream hears of names that are reserved."""
    if "reserved" in scene.subject.abilities:
        for spelling in ("acme-tool", "Acme.Tool", "acme__tool"):
            get(f"{scene.subject.simple}{spelling}/", JSON)
    asked = [seen.path for seen in scene.source.requests() if "acme" in seen.path.lower()]
    scene.expect(not asked, f"I5: the upstream was asked for {asked}")


def _vital(scene: Scene, before: Vital) -> None:
    """I8: the processes are as small as before."""
    memory, descriptors = before.memory * GROWTH + MEMORY, before.descriptors * GROWTH + DESCRIPTORS
    now = before

    def is_small() -> bool:
        nonlocal now
        now = Vital.of(scene.subject.pid)
        return now.memory <= memory and now.descriptors <= descriptors

    scene.eventually(is_small, "I8: memory and descriptors as before", 5.0)
    scene.tally.figures["memory_mib"], scene.tally.figures["descriptors"] = now.memory - before.memory, now.descriptors - before.descriptors
