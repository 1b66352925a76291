"""Faults of the disk that the state lies on: C21 to C23."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.chaos.faults import Prepare, Unable, fault
from benchmarks.chaos.scene import Scene
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects import Wanted
from benchmarks.measuring import family
from tests.clients.posting import Parcel
from tests.clients.uploaders import Release

REFUSALS = (503, 507)
"""What an upload is told that cannot be stored."""
MIB = 1 << 20


def _mounted(*words: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unable(f"mount {' '.join(map(str, words[:4]))}: {done.stderr.strip()[:200]}")


@contextmanager
def _mounts(place: Path, *words: str | Path) -> Iterator[None]:
    place.mkdir()
    _mounted(*words, place)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def small_disk(options: str) -> Prepare:
    """A small volume in memory, with the state on it."""

    def prepare(folder: Path, source: Source) -> Iterator[Wanted]:
        with _mounts(folder / "disk", "-t", "tmpfs", "-o", options, "tmpfs"):
            (folder / "disk" / "state").mkdir(mode=0o700)
            yield Wanted(state=folder / "disk" / "state")

    return prepare


@fault("C21", "a disk that is full, and grows later", "F53 F54", prepare=small_disk("size=48m"))
def full_disk(scene: Scene) -> None:
    disk = scene.folder / "disk"

    def fill() -> None:
        with suppress(OSError), (disk / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    _without_room(scene, fill, lambda: _mounted("-o", "remount,size=96m", disk), 20_000)


@fault(
    "C22", "a disk without inodes, and files that may not be larger than 1 MiB", "F56 F57", prepare=small_disk("size=96m,nr_inodes=3000")
)
def few_names(scene: Scene) -> None:
    disk = scene.folder / "disk"
    (disk / "names").mkdir()
    numbers = iter(range(10_000))

    def use_up() -> None:
        with suppress(OSError):
            for number in numbers:
                (disk / "names" / str(number)).touch()

    _without_room(scene, use_up, lambda: _mounted("-o", "remount,nr_inodes=6000", disk), 20_000)
    # Some processes have a limit of their own, and keep that.
    limits = {
        pid: before
        for pid in family(scene.subject.pid)
        if (before := resource.prlimit(pid, resource.RLIMIT_FSIZE))[1] == resource.RLIM_INFINITY
    }

    def limit(most: int | None) -> None:
        for pid, before in limits.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before if most is None else (most, before[1]))

    _without_room(scene, lambda: limit(MIB), lambda: limit(None), MIB + 200_000)


def _without_room(scene: Scene, fill: Callable[[], None], make_room: Callable[[], None], size: int) -> None:
    """Nothing of that size can be stored for a while: uploads are refused, and everything can be fetched."""
    known, cold = scene.warm(3), scene.make(4, versions=1, size=size)
    fill()
    if "uploads" in scene.subject.abilities:
        poster = scene.subject.poster()
        told = []
        for number in range(4):
            fill()
            parcel = Parcel.of(Release("seeds-large", f"{len(scene.own)}.{number}", edition=size))
            told.append(scene.post(poster, parcel))
        poster.close()
        scene.expect(all(status in (200, *REFUSALS) for status in told), f"uploads without room: {told}")
        scene.expect(any(status in REFUSALS for status in told), f"no upload was refused, so there was room: {told}")
    scene.all_good(scene.pages(known), "cached pages without room")
    scene.all_good(scene.files(scene.items(known)), "cached files without room")
    fill()
    scene.all_good(scene.pages(cold), "pages never seen, without room")
    scene.all_good(scene.files(scene.items(cold)), "files never seen, passed through without room")
    make_room()
    if "uploads" in scene.subject.abilities:
        poster = scene.subject.poster()
        scene.tally.recovery_s = scene.eventually(
            lambda: scene.post(poster, scene.ledger.next()) == 200, "an upload once there is room, without a restart", 20.0
        )
        poster.close()
    scene.upload()
    scene.all_good(scene.files(scene.items(cold)), "files never seen, once there is room")


def fragile_disk(folder: Path, source: Source) -> Iterator[Wanted]:
    """
    A real file system that turns read-only at its first error, as those of most machines do.

    Others cannot be made read-only while files are open for writing on them.
    """
    image, disk = folder / "image", folder / "disk"
    image.touch()
    os.truncate(image, 96 * MIB)
    if subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, check=False).returncode:
        raise Unable("no mkfs.ext4")
    with _mounts(disk, "-o", "loop,errors=remount-ro", image):
        if _trigger(disk) is None:
            raise Unable("the file system cannot be told to fail")
        (disk / "state").mkdir(mode=0o700)
        yield Wanted(state=disk / "state")


def _trigger(disk: Path) -> Path | None:
    """What to write to for the file system to find an error."""
    device = os.stat(disk).st_dev
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))
    place = Path("/sys/fs/ext4") / name / "trigger_fs_error"
    return place if os.access(place, os.W_OK) else None


@fault("C23", "a file system that turns read-only, and is mounted anew later", "F58", prepare=fragile_disk)
def read_only(scene: Scene) -> None:
    disk = scene.folder / "disk"
    known, cold = scene.warm(4), scene.take(4, 1 << 17)
    for _ in range(4):
        scene.upload()
    trigger = _trigger(disk)
    assert trigger is not None
    trigger.write_text("1")
    if "uploads" in scene.subject.abilities:
        poster = scene.subject.poster()
        told = [scene.post(poster, scene.ledger.next()) for _ in range(4)]
        poster.close()
        scene.expect(all(status in REFUSALS for status in told), f"uploads to a disk that cannot be written: {told}")
    scene.all_good(scene.pages(known), "cached pages")
    scene.all_good(scene.files(scene.items(known)), "cached files")
    scene.all_good(scene.pages(cold), "pages never seen")
    scene.all_good(scene.files(scene.items(cold)), "files never seen, passed through")
    # No file system that found itself broken can be written again before it was mounted anew, so nobody can go on without a restart.
    try:
        scene.subject.stop()
    except AssertionError as error:
        scene.tally.say(f"it does not stop: {str(error)[-300:]}")
    subprocess.run(["umount", str(disk)], check=True)
    subprocess.run(["fsck.ext4", "-p", str(scene.folder / "image")], capture_output=True, check=False)
    _mounted("-o", "loop,errors=remount-ro", scene.folder / "image", disk)
    scene.subject.start()
    scene.upload()
    scene.all_good(scene.files(scene.items(cold)), "files never seen, once it can be written")
