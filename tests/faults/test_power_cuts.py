"""
Whatever a power cut leaves of the disk, at whatever moment: what somebody was told is done is there and right, and all else is there or not, but never in
part (F73-F78, F91).
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from pypidaemon.blobs.directory import SETTLED
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Standing
from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.contracts.hosted_index import (
    ALPHA,
    LATER,
    LATER_BYTES,
    OTHER_BYTES,
    SDIST,
    SDIST_BYTES,
    WHEEL,
    WHEEL_BYTES,
    publish,
    upload,
)
from tests.faults.press import Begun, Press, Salvage, Told, digest_of, promised, read_all
from tests.forgetful import Forgetful
from tests.gear import now
from tests.records_gear import record

FIRST = {WHEEL: WHEEL_BYTES, SDIST: SDIST_BYTES, LATER: LATER_BYTES}
SECOND = dict([make_wheel("alpha", "1.11"), make_sdist("alpha", "1.11"), make_wheel("alpha", "1.12")])
THIRD = dict([make_wheel("alpha", "1.13"), make_sdist("alpha", "1.13"), make_wheel("alpha", "1.14")])
AGAIN = 8
"""Of so many steps, after one is tried what whoever was not answered does."""


def a_life(press: Press) -> None:
    """Uploads of all kinds, three of them at a time, and what else owners do with them."""
    together(press, FIRST, large=True)
    with press.doing():
        now(press.index.yank(ALPHA, "1.0", "it breaks"))
    with press.doing(**{WHEEL: OTHER_BYTES}):
        publish(press.yard, press.index, WHEEL, OTHER_BYTES, replacing=True)
    with press.doing(**{LATER: None}):
        now(press.index.place(ALPHA, "1.10", Standing.DELETED))
    with press.doing():
        publish(press.yard, press.index, SDIST, SDIST_BYTES)
    with press.doing(), pytest.raises(PypidaemonError):
        publish(press.yard, press.index, SDIST, SDIST_BYTES + b"more")
    together(press, SECOND, large=True)
    together(press, THIRD)


def together(press: Press, files: Mapping[str, bytes], *, large: bool = False) -> None:
    """Upload these, whose bytes come in turn; `large` as files are that do not stay in memory until they are stored."""
    drafts = {name: now(press.blobs.draft() if large else press.index.draft()) for name in files}
    for offset in range(0, 4000, 700):
        for name, data in files.items():
            now(drafts[name].write(data[offset : offset + 700]))
    for name, draft in drafts.items():
        with press.doing(**{name: files[name]}):
            now(press.index.publish(upload(name), draft, "ada", False, False))


def hold_against(salvage: Salvage, press: Press) -> None:
    """Hold every wreck of that life against what was told."""
    tried: set[int] = set()
    for wreck in press.files.wrecks():
        blobs = salvage.store(wreck)
        assert salvage.reads(wreck, blobs) in promised(wreck), wreck.step
        if wreck.step % AGAIN == 0 and wreck.step not in tried:
            # Of a disk on which nothing is that need not be.
            tried.add(wreck.step)
            *_, wanted = promised(wreck)
            yard, index = salvage.private(blobs, salvage.raised(wreck, own=True))
            for name, data in wanted.items():
                publish(yard, index, name, data, replacing=True)
            found = read_all(index)
            assert {name: found[name] for name in wanted} == wanted


def test_F73_F78_F91_an_upload_that_was_answered_survives_every_power_cut(quick: Path, salvage: Salvage) -> None:
    press = Press(quick / "press")
    a_life(press)
    press.end()
    hold_against(salvage, press)
    assert salvage.explored >= 5000


def test_F78_the_same_where_the_whole_volume_is_synced_and_where_that_fails(quick: Path, salvage: Salvage) -> None:
    class Fickle(Forgetful):
        turn = itertools.cycle((True, True, False))

        def sync_together(self, folder: int, count: int) -> bool:
            return next(self.turn) and super().sync_together(folder, count)

    press = Press(quick / "press", lambda root: Fickle(root, whole=True))
    together(press, FIRST)
    together(press, dict([*SECOND.items()][:2]), large=True)
    press.end()
    hold_against(salvage, press)
    assert salvage.explored >= 300


def a_life_ahead(press: Press) -> None:
    """Uploads that wait for the disk once; what they left is settled by the next, by the clock, by a new start, and by one after a crash in the midst of one."""
    (first, *_), second, third = FIRST, [*SECOND.items()], [*THIRD.items()]
    upload_one(press, first, FIRST[first])
    upload_one(press, *second[0])
    press.clock.advance(SETTLED)
    upload_one(press, *second[1])
    upload_one(press, first, OTHER_BYTES)
    upload_one(press, first, FIRST[first])
    upload_one(press, *second[2])
    press.start()
    press.files.note(Begun(press.shown))
    # Killed when all is written and nothing synced: what the next start finds in memory would not be there after a power cut.
    press.files.kills_at_sync = True
    with suppress(PypidaemonError):
        send(press, *third[0])
    press.files.kills_at_sync = False
    press.files.heals()
    press.start()
    press.files.note(Told())
    upload_one(press, *third[0])


def upload_one(press: Press, name: str, data: bytes) -> None:
    """Upload that, perhaps in another's place."""
    with press.doing(**{name: data}):
        send(press, name, data)


def send(press: Press, name: str, data: bytes) -> None:
    """As the door does it, of a file that stays in memory until it is stored."""
    draft = now(press.index.draft())
    now(draft.write(data))
    now(press.index.publish(upload(name), draft, "ada", False, True))


class Deadly(Forgetful):
    """May kill who wants to sync the volume, and is asked for that in turns."""

    kills_at_sync = False
    turn: Iterator[bool]

    def sync_together(self, folder: int, count: int) -> bool:
        if self.kills_at_sync:
            self.fails(1, errno.EROFS, lasting=True)
            raise OSError(errno.EROFS, "killed")
        return next(self.turn) and super().sync_together(folder, count)


class Linkless(Deadly):
    """Gives no file a second name."""

    def double(self, path: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "files have but one name here")


@pytest.mark.parametrize(
    ("turns", "kind"),
    [((True,), Deadly), ((True, True, False, False), Deadly), ((True,), Linkless)],
    ids=["always", "sometimes", "where files have but one name"],
)
def test_F78_the_same_where_who_stores_something_waits_for_the_disk_once(
    quick: Path, salvage: Salvage, turns: tuple[bool, ...], kind: type[Deadly]
) -> None:
    def made(root: Path) -> Deadly:
        files = kind(root, whole=True)
        files.turn = itertools.cycle(turns)
        return files

    press = Press(quick / "press", made, ahead=True)
    a_life_ahead(press)
    press.end()
    hold_against(salvage, press)
    assert salvage.explored >= 200


class TestOfTheTests:
    """Each of these mistakes is found, so what is found nowhere is made nowhere."""

    def careless(self, quick: Path, salvage: Salvage, lies: Callable[[bool], bool], says: str, whole: bool = False) -> None:
        press = Press(quick / "press", lambda root: Forgetful(root, lies=lies, whole=whole))
        together(press, FIRST) if whole else a_life(press)
        press.end()
        with pytest.raises((AssertionError, PypidaemonError), match=says):
            hold_against(salvage, press)

    def test_a_store_that_syncs_no_folder_loses_files(self, quick: Path, salvage: Salvage) -> None:
        self.careless(quick, salvage, lambda is_folder: is_folder, "missing from the store")

    def test_a_store_that_syncs_no_file_has_half_a_blob(self, quick: Path, salvage: Salvage) -> None:
        self.careless(quick, salvage, lambda is_folder: not is_folder, "a blob is not whole")

    def test_a_volume_that_is_said_to_be_synced_and_is_not_loses_files(self, quick: Path, salvage: Salvage) -> None:
        self.careless(quick, salvage, lambda _: True, "missing from the store|not whole", whole=True)

    def test_a_first_name_that_goes_before_the_place_is_on_the_disk_loses_files(self, quick: Path, salvage: Salvage) -> None:
        class Hasty(Forgetful):
            def double(self, path: str, target: str) -> None:
                super().double(path, target)
                self.remove(path)

        press = Press(quick / "press", lambda root: Hasty(root, whole=True), ahead=True)
        together(press, FIRST)
        press.end()
        with pytest.raises((AssertionError, PypidaemonError), match="missing from the store"):
            hold_against(salvage, press)

    def test_a_store_that_syncs_once_more_what_failed_has_half_a_blob(self, quick: Path, salvage: Salvage) -> None:
        """F60: the second time the disk claims to have what it has lost."""

        class Insisting(Forgetful):
            def sync(self, descriptor: int) -> None:
                with suppress(OSError):
                    super().sync(descriptor)
                super().sync(descriptor)

        press = Press(quick / "press", Insisting)
        before = press.files.calls
        draft = press.yard.draft(WHEEL_BYTES)
        press.files.fails(1, errno.EIO)
        assert now(draft.commit(None))
        draft.close()
        assert press.files.calls > before
        press.end()
        with pytest.raises(AssertionError, match="a blob is not whole"):
            hold_against(salvage, press)

    def test_a_record_before_its_blob_is_found(self, quick: Path, salvage: Salvage) -> None:
        press = Press(quick / "press")
        with press.doing(**{WHEEL: WHEEL_BYTES}):
            draft = press.yard.draft(WHEEL_BYTES)
            now(press.records.files.add("private", ALPHA, record(digest=digest_of(WHEEL_BYTES)), "add", None))
            now(draft.commit(None))
            draft.close()
        press.end()
        with pytest.raises((AssertionError, PypidaemonError), match="missing from the store"):
            hold_against(salvage, press)

    def test_an_answer_before_the_record_is_found(self, quick: Path, salvage: Salvage) -> None:
        press = Press(quick / "press")
        with press.doing(**{WHEEL: WHEEL_BYTES}):
            pass
        publish(press.yard, press.index)
        press.end()
        with pytest.raises(AssertionError):
            hold_against(salvage, press)
