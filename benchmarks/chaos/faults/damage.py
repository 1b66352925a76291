"""Damage to what lies on the disk: C24 to C26. What a store is made of is each subject's own business, so most of it is tried only with a `verify`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.chaos.clients import JSON, Listed, get, listed
from benchmarks.chaos.faults import fault
from benchmarks.chaos.oracle import hold_to_ledger
from benchmarks.chaos.scene import Scene


def _altered(scene: Scene, place: Path) -> None:
    """Turn one bit of it over."""
    data = bytearray(place.read_bytes())
    data[scene.chance.randrange(len(data))] ^= 1 << scene.chance.randrange(8)
    place.write_bytes(data)


@fault("C24", "bit rot in files that were fetched and in files that were uploaded, then a scrub", "F62", needs=("verify", "uploads"))
def bit_rot(scene: Scene) -> None:
    cached, own = (10, 4) if scene.quick else (100, 20)
    others, projects = scene.warm(3), scene.make(cached, versions=1)
    items = scene.items(projects)
    scene.all_good(scene.files(items), "before the fault")
    scene.at_once(lambda _: scene.upload(), range(own))
    parcels = list(scene.ledger.acknowledged.values())[-own:]
    places = scene.on_disk()
    for place in [places[item.sha256] for item in items] + [places[parcel.sha256] for parcel in parcels]:
        _altered(scene, place)
    with scene.fetching(others, 2) as stream:
        said = scene.subject.repair()
    scene.all_good(stream.failures(), "other files during the scrub")
    found = {one["sha256"] for one in said["findings"]}
    missed = [one.sha256 for one in (*items, *parcels) if one.sha256 not in found]
    scene.tally.figures["found"], scene.tally.figures["altered"] = cached + own - len(missed), cached + own
    scene.expect(not missed, f"{len(missed)} of {cached + own} altered files were not found")
    scene.expect(said["unrepaired"] == own, f"{said['unrepaired']} could not be repaired, of {own} that nobody else has")
    places = scene.on_disk()
    scene.tally.figures["refetched"] = sum(item.sha256 in places for item in items)
    scene.expect(all(item.sha256 in places for item in items), "some that were fetched are not whole again")
    scene.all_good(scene.files(items), "files that were repaired")
    urls = {file.filename: file.url for name in {one.project for one in parcels} for file in _uploaded(scene, name)}
    for parcel in parcels:
        got = get(urls[parcel.filename])
        scene.expect(got.status == 503, f"{parcel.filename}, which is damaged: {got.status}")
        if got.status == 200 and got.complete and got.sha256 != parcel.sha256:
            scene.tally.wrong("corrupt", f"{parcel.filename} came down altered")
    # Whoever has the file still can put it back.
    poster = scene.subject.poster()
    for parcel in parcels:
        scene.expect(scene.post(poster, parcel, always=True) == 200, f"{parcel.filename}, uploaded anew")
    poster.close()


def _uploaded(scene: Scene, project: str) -> list[Listed]:
    return list(listed(get(f"{scene.subject.uploaded()}{project}/", JSON, keep=True)).values())


@fault("C25", "files gone from the disk, files that nobody knows, files half written, and a kill", "F63 F64 F65")
def gone_and_strange(scene: Scene) -> None:
    """Without a `verify` only the first of these is done: no stranger can be put into a store that nobody knows."""
    has_verify = "verify" in scene.subject.abilities
    count = 10 if scene.quick else 50
    projects = scene.make(count, versions=1)
    items = scene.items(projects)
    scene.all_good(scene.files(items), "before the fault")
    scene.subject.kill()
    places = scene.on_disk()
    gone = [places[item.sha256] for item in items if item.sha256 in places]
    scene.tally.figures["gone"] = len(gone)
    scene.expect(len(gone) == len(items) if has_verify else bool(gone), "what was fetched does not lie on the disk as it is")
    for place in gone:
        place.unlink()
    strays = [scene.subject.stray(f"stray {number}".encode()) for number in range(count) if has_verify]
    drafts = [scene.subject.half(f"half {number}".encode()) for number in range(count) if has_verify]
    scene.subject.start()
    if has_verify:
        scene.expect(not any(draft.exists() for draft in drafts), "what was half written is still there after the start")
        said = scene.subject.repair()
        scene.tally.figures["findings"] = len(said["findings"])
        scene.expect(said["unrepaired"] == 0, f"{said['unrepaired']} could not be repaired")
        scene.expect(not any(stray.exists() for stray in strays), "what nobody knows is still there")
    scene.source.clear()
    scene.all_good(scene.files(items), "files that were gone")


@fault("C26", "a database that is gone, cut in half, altered, or without its log", "F66 F67", needs=("verify", "uploads"))
def broken_database(scene: Scene) -> None:
    known = scene.warm(3)
    for words, harm in _harms(scene).items():
        for _ in range(8):
            scene.upload()
        # A daemon that ends well leaves no log beside its database.
        if words == "without its log":
            scene.subject.kill()
        else:
            scene.subject.stop()
        harm(scene.subject.state / "records.sqlite")
        began = time.monotonic()
        try:
            scene.subject.start()
        except AssertionError:
            scene.tally.figures[f"refused, {words}"] = 1
            said = scene.subject.repair()
            scene.expect(not said["unrepaired"], f"{words}: not repaired: {said}")
            scene.subject.start()
        if words == "altered" and _says_so(scene):
            # A database that was closed well is not read through at each start: what is wrong in it shows where it is needed, and the log says what helps.
            scene.tally.figures[f"told of, {words}"] = 1
            scene.subject.stop()
            said = scene.subject.repair()
            scene.expect(not said["unrepaired"], f"{words}: not repaired: {said}")
            scene.subject.start()
        scene.tally.figures[f"s to be back, {words}"] = time.monotonic() - began
        hold_to_ledger(scene)
        scene.all_good(scene.files(scene.items(known)), f"cached files after the database was {words}")


def _says_so(scene: Scene) -> bool:
    """Whether it answers for one of the projects that were uploaded that its database is damaged."""
    pages = [
        get(f"{scene.subject.uploaded()}{name}/", JSON, keep=True) for name in {one.project for one in scene.ledger.acknowledged.values()}
    ]
    return any(page.status == 503 and b"database is damaged" in page.body for page in pages)


def _harms(scene: Scene) -> dict[str, Callable[[Path], None]]:
    def gone(place: Path) -> None:
        for one in place.parent.glob(f"{place.name}*"):
            one.unlink()

    def halved(place: Path) -> None:
        place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])

    def altered(place: Path) -> None:
        data = bytearray(place.read_bytes())
        for _ in range(100):
            data[scene.chance.randrange(len(data))] ^= 0xFF
        place.write_bytes(data)

    def without_log(place: Path) -> None:
        place.with_name(f"{place.name}-wal").unlink(missing_ok=True)

    return {"gone": gone, "cut in half": halved, "altered": altered, "without its log": without_log}
