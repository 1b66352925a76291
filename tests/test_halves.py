"""Halves of large files outlive the loss of a line, for a while (F8, F35)."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from pypidaemon.errors import CorruptContent, NoSuchFile, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.halves import LASTS, MOST
from pypidaemon.spool import Want
from pypidaemon.transfers import SMALL, Transfer
from pypidaemon.tries import ENOUGH, RESUMES
from tests.gear import later, now
from tests.test_spool import CUT, PATIENCE, Line, Scene, ScriptedBody, line, want

DATA = bytes(range(256)) * ((ENOUGH + SMALL) // 256)
DOWN = [UpstreamUnavailable("pypi", "down")] * RESUMES


def half(end: int = ENOUGH, data: bytes = DATA) -> ScriptedBody:
    """A body that breaks off there."""
    return ScriptedBody(validator='"a"').feed(data[:end], CUT)


def rest(data: bytes = DATA, validator: str = '"a"') -> ScriptedBody:
    return ScriptedBody(ENOUGH, validator=validator).feed(data[ENOUGH:], b"")


def breaks(scene: Scene, wanted: Want) -> None:
    """Ask for it, and hear that it broke off."""
    reader = now(scene.spool.open(wanted))
    reading = later(reader.read(ENOUGH, 10))
    for number in range(RESUMES):
        scene.clock.advance(PATIENCE * 2**number)
    with pytest.raises(PypidaemonError):
        now(reading)
    reader.close()


def whole(scene: Scene, wanted: Want) -> bytes:
    """All of it."""

    async def read() -> bytes:
        reader = await scene.spool.open(wanted)
        got = b""
        while piece := await reader.read(len(got), ENOUGH):
            got += piece
        reader.close()
        return got

    return now(read())


def cut(*answers: Any) -> tuple[Scene, Line, Want]:
    """A scene in which a half has come, and what comes of the next questions."""
    scene = Scene()
    source = line(half(), *DOWN, *answers)
    wanted = want(source, DATA)
    breaks(scene, wanted)
    return scene, source, wanted


def test_F35_who_asks_again_when_the_line_is_back_has_it_from_where_it_broke_off() -> None:
    scene, source, wanted = cut(rest())
    assert whole(scene, wanted) == DATA
    assert source.asked == [0, *[ENOUGH] * (RESUMES + 1)]
    assert scene.clock.getDelayedCalls() == []


def test_F33_who_asks_while_it_is_down_is_told_at_once_and_nothing_is_lost() -> None:
    """He is given no first half of something of which nobody knows whether there will be more."""
    scene, source, wanted = cut(*DOWN[:2], rest())
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            now(scene.spool.open(wanted))
    assert whole(scene, wanted) == DATA
    assert source.asked[-1] == ENOUGH


def test_F35_hashes_besides_sha256_go_on_as_well() -> None:
    scene = Scene()
    for known, right in ((hashlib.md5(DATA).hexdigest(), True), ("0" * 32, False)):
        wanted = attrs.evolve(want(line(half(), *DOWN, rest()), DATA), checks=(("md5", known),))
        breaks(scene, wanted)
        if right:
            assert whole(scene, wanted) == DATA
            now(scene.blobs.remove(wanted.digest))  # type: ignore[arg-type]  # there is one
        else:
            with pytest.raises(CorruptContent):
                whole(scene, wanted)


def test_F13_where_upstreams_file_may_be_another_all_of_it_comes_and_must_agree() -> None:
    scene, source, wanted = cut(rest(validator='"b"'), ScriptedBody(validator='"b"').feed(DATA, b""))
    assert whole(scene, wanted) == DATA
    assert source.asked[-2:] == [ENOUGH, 0]


def test_S26_a_half_that_was_wrong_is_not_kept_any_longer() -> None:
    wrong = b"\xff" + DATA[1:]
    scene = Scene()
    source = line(half(data=wrong), *DOWN, rest(), ScriptedBody().feed(DATA, b""))
    wanted = want(source, DATA)
    breaks(scene, wanted)
    with pytest.raises(CorruptContent):
        whole(scene, wanted)
    assert whole(scene, wanted) == DATA
    assert source.asked[-1] == 0


def test_a_file_that_is_gone_takes_its_half_along() -> None:
    """Whoever asks anew is given nothing of it, so that is no outage but an absence (law 10)."""
    scene, source, wanted = cut(NoSuchFile("x"), ScriptedBody().feed(DATA, b""))
    with pytest.raises(NoSuchFile):
        now(scene.spool.open(wanted))
    assert whole(scene, wanted) == DATA
    assert source.asked[-2:] == [ENOUGH, 0]
    assert scene.clock.getDelayedCalls() == []


def test_one_is_kept_for_a_while_and_no_longer() -> None:
    scene, source, wanted = cut(ScriptedBody().feed(DATA, b""))
    scene.clock.advance(LASTS)
    assert scene.clock.getDelayedCalls() == []
    assert whole(scene, wanted) == DATA
    assert source.asked[-1] == 0


def test_few_are_kept() -> None:
    scene = Scene()
    wants = []
    for number in range(MOST + 1):
        data = bytes([number]) + DATA[1:]
        source = line(half(data=data), *DOWN, rest(data) if number else ScriptedBody().feed(data, b""))
        # Of each origin little may be asked again.
        wants.append((data, source, attrs.evolve(want(source, data), origin=str(number))))
        breaks(scene, wants[-1][2])
    assert len(scene.clock.getDelayedCalls()) == MOST
    for data, source, wanted in wants:
        assert whole(scene, wanted) == data
        assert source.asked[-1] == (ENOUGH if data[0] else 0)


def test_F53_none_is_kept_where_there_is_no_room_for_others() -> None:
    scene, source, wanted = cut(ScriptedBody().feed(DATA, b""))
    scene.spool.halves.keep(Transfer(attrs.evolve(wanted, key="other"), len(DATA)), StorageFull("no room"))
    assert scene.clock.getDelayedCalls() == []
    assert whole(scene, wanted) == DATA
    assert source.asked[-1] == 0


@pytest.mark.parametrize("changes", [{"digest": None}, {"elsewhere": True}])
def test_what_nobody_could_tell_the_truth_of_is_not_kept(changes: dict[str, Any]) -> None:
    """Of bytes from several places nobody would know who had sent the wrong ones (M18)."""
    scene = Scene()
    source = line(half(), *DOWN, ScriptedBody().feed(DATA, b""))
    wanted = attrs.evolve(want(source, DATA), **changes)
    opened: Deferred[Any] = later(scene.spool.open(wanted))
    for number in range(RESUMES):
        scene.clock.advance(PATIENCE * 2**number)
    now(opened).close()
    assert scene.clock.getDelayedCalls() == []
    later(scene.spool.open(wanted))
    assert source.asked[-1] == 0


def test_a_little_is_not_worth_it() -> None:
    scene = Scene()
    source = line(half(ENOUGH - 256), *DOWN, ScriptedBody().feed(DATA, b""))
    breaks(scene, want(source, DATA))
    assert scene.clock.getDelayedCalls() == []


def test_F79_none_is_kept_when_the_daemon_ends() -> None:
    scene, _, wanted = cut()
    scene.spool.startService()
    assert scene.spool.stopService().called
    assert scene.clock.getDelayedCalls() == []
    assert wanted.digest is not None
    assert scene.held() == set()
