"""
The same for mirrors and caches, and for whoever tidies up among them: whatever a power cut leaves, all that a mirror offers is here and whole, and what it
does not offer yet is fetched again by the next run (F74, F75, F77, F78).
"""

from __future__ import annotations

import errno
from pathlib import Path

import attrs

from pypidaemon.caches import Caches
from pypidaemon.errors import PypidaemonError
from pypidaemon.services.janitor import DAY, Janitor
from tests.fakes import file, page
from tests.faults.press import Salvage, digest_of
from tests.filling import bring, read
from tests.forgetful import Forgetful
from tests.gear import now
from tests.house import House
from tests.larder import A_WHEEL, ALPHA, BETA, SDIST, SDIST_BYTES, SIDECAR, WHEEL_BYTES, Larder, told

LATER_WHEEL, LATER_BYTES = "alpha-2.0-py3-none-any.whl", b"another release of alpha, which is longer " * 60
A_LATER = file(LATER_WHEEL, LATER_BYTES)


@attrs.frozen
class Needed:
    """
    What the records say now has to be here.

    :param sick: what is known to be damaged, so that nothing can be said of it.
    """

    digests: frozenset[str]
    sick: frozenset[str]


@attrs.define
class Watched:
    """A larder on a disk that forgets, and what its records need at every moment."""

    folder: Path
    files: Forgetful = attrs.field(init=False)
    larder: Larder = attrs.field(init=False)
    sick: frozenset[str] = frozenset()
    _last: Needed | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.files = Forgetful(self.folder)
        self.larder = Larder(self.folder, self.files)
        self.larder.house.upstream.bodies[A_LATER.url] = LATER_BYTES
        self.files.sees = self.look

    def look(self) -> None:
        """Note what is needed, where that has changed."""

        async def needed() -> frozenset[str]:
            return frozenset([one.digest async for _, one in self.larder.holdings.named() if one.role.needed])

        found = Needed(now(needed()), self.sick)
        if found != self._last:
            self._last = found
            self.files.note(found)

    def restart(self) -> None:
        """Another process over the same disk, and the same records."""
        before, self.larder = self.larder, Larder(self.folder, self.files)
        self.larder.house.records = before.house.records
        self.larder.mirror = self.larder.house.new_mirror()
        self.larder.holdings = before.holdings

    def spoil(self, *contents: bytes) -> None:
        """Damage these for good."""
        self.sick |= {self.larder.damage(data) for data in contents}
        self.files.settle()
        self._last = None
        self.look()

    def mended(self) -> None:
        """Nothing is damaged any more, as somebody was told."""
        self.sick = frozenset()
        self.look()


def a_life(watched: Watched) -> None:
    """A mirror is filled twice, a cache once; somebody tidies up, takes away, and repairs."""
    larder = watched.larder
    larder.fill()
    larder.house.upstream.pages["alpha"] = page("alpha", A_WHEEL, A_LATER, serial=11, versions=("1.0", "2.0"))
    bring(larder.mirror, ALPHA)
    larder.stray(b"nobody's")
    larder.house.upstream.pages["alpha"] = page("alpha", A_LATER, serial=12, versions=("2.0",))
    bring(larder.mirror, ALPHA)
    larder.clock.advance(8 * DAY)
    now(larder.house.records.mirrors.forget_leaving("mirror", larder.clock.seconds()))
    larder.age()
    janitor = Janitor(label="tidy", holdings=larder.holdings, clock=larder.clock)
    janitor.startService()
    larder.clock.advance(DAY)
    now(janitor.stopService())
    assert digest_of(WHEEL_BYTES) not in larder.held()
    caches = Caches(larder.house.records, larder.holdings, larder.clock, lambda _: None)
    now(caches.survey())
    assert now(caches.evict(1 << 30)).files == 1
    watched.look()


def hold_against(salvage: Salvage, files: Forgetful, since: int = 0) -> None:
    """Hold every wreck against what the records needed then, and have a proxy over it asked for a file, which is here or is fetched again (F74)."""
    asked: set[frozenset[str]] = set()
    for wreck in files.wrecks(since):
        needs: Needed = next((note for note in reversed(wreck.notes)), Needed(frozenset(), frozenset()))
        blobs = salvage.store(wreck, needs.sick)
        held = {place.rpartition("/")[2] for place in wreck.tree if place.count("/") == 3}
        assert not needs.digests - held - needs.sick, (wreck.step, "something is on record and lost")
        left = frozenset(place for place in wreck.tree if place.count("/") == 3)
        if left not in asked:
            asked.add(left)
            house = House(blobs=blobs)  # type: ignore[arg-type]  # of the same interfaces
            house.upstream.add("beta", (SDIST, SDIST_BYTES))
            assert read(house.proxy, BETA, SDIST) == SDIST_BYTES


def test_F74_F75_F77_F78_what_mirrors_offer_is_here_after_every_power_cut_and_caches_hold_no_half_files(
    quick: Path, salvage: Salvage
) -> None:
    watched = Watched(quick / "larder")
    a_life(watched)
    hold_against(salvage, watched.files)
    assert salvage.explored >= 700


def test_F62_F78_what_was_repaired_is_here_after_every_power_cut(quick: Path, salvage: Salvage) -> None:
    watched = Watched(quick / "larder")
    watched.larder.fill()
    watched.spoil(WHEEL_BYTES, SIDECAR)
    assert {problem for problem, _ in told(watched.larder.verify(repair=True))} == {"altered"}
    watched.mended()
    hold_against(salvage, watched.files, 1)
    assert salvage.explored >= 50


def test_F75_what_a_killed_run_left_is_not_relied_on_before_it_is_durable(quick: Path, salvage: Salvage) -> None:
    """The process is killed, which loses nothing; another one finds files in their places and puts them on record; then the power goes."""
    number = 0
    while True:
        number += 1
        watched = Watched(quick / f"larder{number}")
        watched.files.fails(number, errno.EROFS, lasting=True)
        killed = False
        try:
            bring(watched.larder.mirror, ALPHA)
        except PypidaemonError:
            killed = True
        watched.files.heals()
        watched.restart()
        bring(watched.larder.mirror, ALPHA)
        watched.look()
        hold_against(salvage, watched.files, len(watched.files.steps))
        if not killed:
            break
    assert number > 20
