"""Faults of what the upstream answers: C1 to C10, and C17."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.chaos.clients import JSON, get, offered
from benchmarks.chaos.faults import fault, wanting
from benchmarks.chaos.scene import Scene
from benchmarks.chaos.source import Item, Source
from benchmarks.chaos.subjects import Wanted
from benchmarks.measuring import Watched

SMALL = 1 << 17
BOMB = 32.0
"""MiB that a bomb may cost (S53)."""
WAITED = 2.0
"""Seconds, of the three that upstream asked for, in which its requests are counted: what comes at their very end may come after it."""
ENOUGH = 6 << 20
"""KiB of addresses that a subject may have when it is given one."""


@fault("C1", "upstream says 503 to everything", "F1")
def unavailable(scene: Scene) -> None:
    known, unknown = scene.warm(6), scene.take(4, SMALL)
    scene.age()
    with scene.source.broken("*", status=503), scene.uploading():
        scene.all_good(scene.pages(known), "cached pages")
        scene.all_good(scene.files(scene.items(known)), "cached files")
        scene.all_unavailable(scene.pages(unknown), "pages never seen")
    scene.recover()
    scene.all_good(scene.pages(unknown), "pages never seen, once it is well")


@fault("C2", "429 with Retry-After: 3", "F2", prepare=wanting(mirrored="own-*"))
def too_many(scene: Scene) -> None:
    known, unknown = scene.warm(4), scene.take(4, SMALL)
    has_mirror = "sync" in scene.subject.abilities
    scene.make(4)
    scene.age()
    with scene.source.broken("*", status=429, headers=[("Retry-After", "3")]):
        scene.page(known[0])
        scene.source.clear()
        counted = scene.aside(lambda: _asked(scene, WAITED))
        done = scene.subject.sync() if has_mirror else {"complete": False}
        scene.all_good(scene.pages(known), "cached pages")
        # A proxy may pass on what it was told.
        scene.all_unavailable(scene.pages(unknown), "pages never seen", (429, 502, 503))
        asked = counted.over()
        scene.expect(asked <= 1, f"{asked} requests within {WAITED} of the three seconds")
        scene.tally.figures["requests_while_429"] = asked
        scene.expect(not done["complete"], "a run that fetched nothing says that it is complete")
    scene.recover()
    if has_mirror:
        scene.eventually(lambda: bool(scene.subject.sync()["complete"]), "the mirror is filled once it is well")


def _asked(scene: Scene, seconds: float) -> int:
    """How much the upstream is asked in that time."""
    time.sleep(seconds)
    return len(scene.source.requests())


@fault("C3", "a third of the files come shortened", "F8 F9")
def cut_short(scene: Scene) -> None:
    _spoiled(scene, lambda item: {"truncate": scene.chance.randrange(item.size)})


@fault("C4", "one bit of a third of the files is turned", "F15 S26")
def turned(scene: Scene) -> None:
    before = scene.subject.metric("pypidaemon_spool_total", 'what="corrupt"') if "metrics" in scene.subject.abilities else 0
    spoiled = _spoiled(scene, lambda item: {"flip": scene.chance.randrange(item.size)})
    if "metrics" in scene.subject.abilities:
        counted = scene.subject.metric("pypidaemon_spool_total", 'what="corrupt"') - before
        scene.expect(counted >= spoiled, f"{counted:.0f} of {spoiled} turned files were counted")


@fault("C5", "a third of the files come with more bytes, or another length than they have", "F10 F11")
def other_length(scene: Scene) -> None:
    def wrong(item: Item) -> dict[str, object]:
        length = item.size + scene.chance.choice((-1, 1))
        return scene.chance.choice(({"extra": "more"}, {"length": length}, {"no_length": True, "extra": "more"}))

    _spoiled(scene, wrong)


def _spoiled(scene: Scene, wrong: Callable[[Item], dict[str, object]]) -> int:
    """Spoil the transfer of a third of the files of projects never seen, and get all; then again, once they are well. How many were spoiled and asked for."""
    projects = scene.take(12 if scene.quick else 50)
    items = [item for item in scene.items(projects) if item.size > 1]
    scene.pages(projects)
    spoiled = scene.chance.sample(items, len(items) // 3)
    for item in spoiled:
        scene.source.tell("break_", item.path, **wrong(item))
    got = dict(zip((item.path for item in items), scene.files(items), strict=True))
    bad = {item.path for item in spoiled}
    # So many that fail may well bring the whole upstream into disrepute, as the row allows.
    scene.tally.figures["good_refused"] = sum(answer.status != 200 for path, answer in got.items() if path not in bad)
    scene.source.heal()
    # What is tried again at once may have been put off for a moment.
    for item in spoiled:
        scene.eventually(lambda item=item: scene.file(item).status == 200, f"{item.filename} once it comes well")  # type: ignore[misc]
    scene.tally.figures["spoiled"] = len(spoiled)
    return len(spoiled)


@fault("C6", "pages that are empty, lost half, of another project, or no JSON", "F5 F6 S32 F19")
def odd_pages(scene: Scene) -> None:
    projects = scene.make(4, versions=6)
    before = {name: set(offered(page)) for name, page in zip(projects, scene.pages(projects), strict=True)}
    scene.all_good(scene.files(scene.items(projects)), "before the fault")
    whole = get(f"{scene.source.process.simple}{projects[1]}/", JSON, keep=True).json()
    empty, half, stranger = ({**whole, "name": name} for name in (projects[0], projects[1], "own-stranger"))
    empty["files"], half["files"] = [], whole["files"][: len(whole["files"]) // 3]
    bodies = [json.dumps(empty), json.dumps(half), json.dumps(stranger), '{"meta": {"api-version": "1.4"}, "files": [']
    scene.age()
    for name, body in zip(projects, bodies, strict=True):
        scene.source.tell("serve_page", name, body, JSON)
    for _ in range(2):
        scene.age()
        for name, words in zip(projects, ("empty", "half", "another project's", "broken"), strict=True):
            page = scene.page(name)
            kept = set(offered(page)) == before[name]
            scene.expect(kept, f"the page that was {words} is taken: {page.status}, {len(offered(page))} of {len(before[name])} files")
        scene.all_good(scene.files(scene.items(projects)), "files of odd pages")
    scene.source.heal()
    scene.age()
    scene.eventually(
        lambda: all(set(offered(page)) == before[page.url.split("/")[-2]] for page in scene.pages(projects)), "the pages as before"
    )


@fault("C7", "older pages for some projects", "F20 F86", needs=("sync",), prepare=wanting(mirrored="own-*"))
def older(scene: Scene) -> None:
    projects = scene.make(12 if scene.quick else 60)
    stale = projects[:5]
    scene.expect(bool(scene.subject.sync()["complete"]), "the mirror is filled before the fault")
    for name in stale:
        scene.source.tell("freeze", name)
    new = [scene.source.publish(name, "2.0") for name in projects]
    scene.learn()
    done = scene.subject.sync()
    scene.expect(not done["complete"], f"a run that got older pages says that it is complete: {done}")
    for item in new:
        on_page = item.filename in _mirrored(scene, item.project)
        scene.expect(on_page is (item.project not in stale), f"{item.filename} is {'' if on_page else 'not '}in the mirror")
    for name in stale:
        scene.source.tell("thaw", name)
    scene.eventually(lambda: bool(scene.subject.sync()["complete"]), "the mirror is filled once the pages are new")
    for item in new:
        scene.expect(item.filename in _mirrored(scene, item.project), f"{item.filename} is still not in the mirror")


def _mirrored(scene: Scene, project: str) -> set[str]:
    page = get(f"{scene.subject.mirrored()}{project}/", JSON, keep=True)
    return set(offered(page))


@fault("C8", "a captive portal: a login page for everything", "F7")
def portal(scene: Scene) -> None:
    known, unknown = scene.warm(6), scene.take(4, SMALL)
    before = {name: set(scene.links[name]) for name in known}
    cold = scene.items(scene.take(2, SMALL))
    scene.pages({item.project for item in cold})
    scene.age()
    scene.source.tell("fault", "*", "portal")
    with scene.uploading():
        for page, name in zip(scene.pages(known), known, strict=True):
            scene.expect(
                set(offered(page)) == before[name],
                f"cached page of {name}: {page.status}, {len(offered(page))} of {len(before[name])} files",
            )
        scene.all_good(scene.files(scene.items(known)), "cached files")
        scene.all_unavailable(scene.pages(unknown), "pages never seen")
        for got in scene.files(cold):
            scene.expect(got.status != 200 or not got.complete, f"{got.url} is {got.length} bytes of a portal")
    scene.source.heal()
    scene.recover()
    scene.eventually(lambda: all(got.status == 200 for got in scene.files(cold)), "files never seen, once the portal is gone")


@fault("C9", "known files get other bytes and another hash", "S28")
def changed(scene: Scene) -> None:
    projects = scene.make(10, versions=1)
    scene.all_good(scene.pages(projects), "before the fault")
    items = scene.items(projects)
    scene.all_good(scene.files(items), "before the fault")
    for item in items:
        scene.source.tell("add_text", item.project, item.filename, f"other bytes of {item.filename}")
    # Both are what upstream promised at some time; which of them is given out is what this row is about.
    scene.learn()
    scene.age()
    for page, item in zip(scene.pages(projects), items, strict=True):
        file = offered(page).get(item.filename)
        scene.expect(file is None or file.sha256 == item.sha256, f"{item.filename} is listed with its new hash")
    scene.links.clear()
    for got, item in zip(scene.files(items), items, strict=True):
        if "alerts" in scene.subject.abilities:
            scene.expect(scene.subject.alerted(item.filename), f"nobody was told of {item.filename}")
        scene.expect(got.status == 200 and got.sha256 == item.sha256, f"old bytes of {item.filename}: {got.status} {got.trouble}")


@fault("C10", "a project is quarantined, and let go again", "S45 F28")
def quarantined(scene: Scene) -> None:
    projects = scene.make(3)
    scene.all_good(scene.pages(projects), "before the fault")
    links = {name: dict(scene.links[name]) for name in projects}
    scene.all_good(scene.files(scene.items(projects)), "before the fault")
    for name in projects:
        scene.source.tell("quarantine", name)
        # An index offers no files of a project that it has quarantined (PEP 792).
        page = get(f"{scene.source.process.simple}{name}/", JSON, keep=True).json()
        scene.source.tell("serve_page", name, json.dumps({**page, "files": [], "versions": []}), JSON)
    scene.age()
    scene.eventually(lambda: not any(offered(page) for page in scene.pages(projects)), "no file of a quarantined project is offered", 5.0)
    for name in projects:
        for file in links[name].values():
            got = get(file.url)
            scene.expect(got.status in (403, 404, 410), f"{file.filename} of a quarantined project: {got.status}")
    scene.source.heal()
    for name in projects:
        scene.source.tell("quarantine", name, None)
    scene.age()
    scene.eventually(lambda: all(offered(page) for page in scene.pages(projects)), "the files are offered again", 5.0)


def enough_memory(folder: Path, source: Source) -> Iterator[Wanted]:
    """So much address space that nobody needs it, and that this machine can bear: who swallows a bomb must not take others with him."""
    yield Wanted(prefix=("/bin/sh", "-c", f'ulimit -v {ENOUGH} && exec "$@"', "sh"))


@fault(
    "C17",
    "a gzip bomb, 20,000 header fields, an endless page, a million links",
    "S53 S54",
    needs=("prefix",),
    prepare=enough_memory,
)
def bombs(scene: Scene) -> None:
    names = scene.make(5)
    known = scene.warm(2)
    scene.page(names[4])
    links = "".join(f'<a href="../../packages/x/own_0-1.{number}.tar.gz">own_0-1.{number}.tar.gz</a>\n' for number in range(1000))
    faults: list[tuple[str, Callable[[str], object]]] = [
        ("a gzip bomb", lambda path: scene.source.tell("fault", path, "gzip_bomb", (64 << 20) if scene.quick else (1 << 30))),
        ("20,000 header fields", lambda path: scene.source.tell("break_", path, header_flood=20_000)),
        ("an endless page", lambda path: scene.source.tell("break_", path, endless=True)),
        ("a million links", lambda path: scene.source.tell("fault", path, "repeated", links, 100 if scene.quick else 1000)),
    ]
    for (words, harm), name in zip(faults, names, strict=False):
        harm(f"/simple/{name}/")
        with Watched(scene.subject.pid) as watched, scene.fetching(known, 1) as stream:
            page = scene.page(name)
        scene.source.heal()
        # What has no end is still under way, unless somebody gave it up.
        scene.source.wire.cut()
        grown = watched.peak - watched.before
        scene.tally.figures[f"MiB of {words}"] = grown
        scene.expect(page.status in (502, 503), f"{words}: {page.status} {page.trouble} after {page.seconds:.1f} s")
        scene.expect(grown <= BOMB, f"{words} cost {grown:.0f} MiB")
        scene.expect(not stream.failures(), f"{words}: others got {[(got.url, got.status) for got in stream.failures()][:3]}")
