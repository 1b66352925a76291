"""
Whichever call of the system fails, once or from then on, for want of room or because the disk is broken: who asked hears of it in so many words, what was
there stays, nothing is there in part, and when all is well again the next attempt works (F53, F60; SQLite's method).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pypidaemon.errors import PypidaemonError, StorageFailed, StorageFull
from pypidaemon.indexes.private import Private
from pypidaemon.services.janitor import DAY, Janitor
from tests.contracts.hosted_index import LATER, LATER_BYTES, OTHER_BYTES, SDIST, SDIST_BYTES, WHEEL, WHEEL_BYTES, upload
from tests.faults.press import Press, digest_of, read_all
from tests.faults.test_power_cuts_of_copies import Watched
from tests.filling import bring, read
from tests.forgetful import Forgetful
from tests.gear import now
from tests.larder import ALPHA, BETA
from tests.larder import SDIST as THEIR_SDIST
from tests.larder import SDIST_BYTES as THEIR_BYTES

UPLOADS = ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (WHEEL, OTHER_BYTES), (LATER, LATER_BYTES))
FAILURES = pytest.mark.parametrize(("code", "lasting"), list(itertools.product((errno.ENOSPC, errno.EIO), (False, True))))


def numbers() -> Iterator[int]:
    """Of the calls that fail, one after the other; whoever counts them ends when none has failed."""
    return itertools.count(1)


async def uploaded(index: Private, name: str, data: bytes) -> None:
    """As the door does it."""
    draft = await index.draft()
    try:
        for offset in range(0, len(data), 1000):
            await draft.write(data[offset : offset + 1000])
    except BaseException:
        await draft.abort()
        draft.close()
        raise
    await index.publish(upload(name), draft, "ada", False, True)


def started(press: Press) -> None:
    """Start over what is there, once more where that is refused, in one line."""
    refused = ""
    try:
        press.start()
    except PypidaemonError as error:
        refused = str(error)
    if refused:
        assert "cannot be used" in refused
        assert "\n" not in refused
        press.files.heals()
        press.start()


def all_there(press: Press) -> None:
    """Everything that is offered can be read, and would be there after a power cut, in its place or where the next start looks for it."""
    assert read_all(press.index) == press.shown
    needed = {digest_of(data) for data in press.shown.values()}
    for wreck in itertools.islice(press.files.wrecks(len(press.files.steps)), 2):
        whole = {
            place[-64:]
            for place, data in wreck.tree.items()
            if (place.count("/") == 3 or "-" in place) and digest_of(data or b"") == place[-64:]
        }
        assert needed <= whole


@pytest.mark.parametrize(("whole", "ahead"), [(False, False), (True, False), (True, True)])
@FAILURES
def test_F53_F60_an_upload_fails_in_so_many_words_and_nothing_that_was_there_is_lost(
    quick: Path, code: int, lasting: bool, whole: bool, ahead: bool
) -> None:
    heard = StorageFull if code == errno.ENOSPC else StorageFailed
    for number in numbers():
        press = Press(quick / f"press{number}", partial(Forgetful, whole=whole), durable=False, ahead=ahead)
        press.files.fails(number, code, lasting)
        started(press)
        failed = 0
        for name, data in UPLOADS:
            try:
                now(uploaded(press.index, name, data))
            except heard:
                failed += 1
            else:
                press.shown[name] = data
            assert read_all(press.index) == press.shown
        if press.files.calls < number:
            assert number > 40
            assert not failed
            break
        all_there(press)
        press.files.heals()
        if press.blobs.failed:
            assert code == errno.EIO
            press.start()
        # There is room again, or another disk, and nobody has to do more than ask again.
        for name, data in UPLOADS:
            now(uploaded(press.index, name, data))
            press.shown[name] = data
        press.start()
        assert read_all(press.index) == press.shown
        assert os.listdir(press.blobs.path / "drafts") == []


@FAILURES
def test_F53_F60_who_only_wants_to_read_is_served_and_whoever_tidies_up_comes_back(quick: Path, code: int, lasting: bool) -> None:
    for number in numbers():
        watched = Watched(quick / f"larder{number}")
        larder = watched.larder
        before = watched.files.calls
        watched.files.fails(number, code, lasting)
        with contextlib.suppress(StorageFull, StorageFailed):
            bring(larder.mirror, ALPHA)
        assert read(larder.house.proxy, BETA, THEIR_SDIST) == THEIR_BYTES
        janitor = Janitor(label="tidy", holdings=larder.holdings, clock=larder.clock)
        janitor.startService()
        larder.clock.advance(8 * DAY)
        now(janitor.stopService())
        watched.look()
        if watched.files.calls - before < number:
            assert number > 30
            break
        watched.files.heals()
        watched.restart()
        bring(watched.larder.mirror, ALPHA)
        assert [one for one in watched.larder.verify() if one.problem.value != "unowned"] == []
