"""Halves of large files outlive the loss of a line, for a while (F8, F35)."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from pypidaemon.errors import CorruptContent, NoSuchFile, PypidaemonError, StorageFull, UpstreamDeclines, UpstreamUnavailable
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
    assert scene.spool.resumed == 1


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


@pytest.mark.parametrize("first", [DATA, b"\xff" + DATA[1:]])
def test_F13_where_upstreams_file_may_be_another_all_of_it_comes_anew(first: bytes) -> None:
    """Nobody was given anything of the half, so he who asks now does not suffer for what was wrong then."""
    scene = Scene()
    source = line(half(data=first), *DOWN, rest(validator='"b"'), ScriptedBody(validator='"b"').feed(DATA, b""))
    wanted = attrs.evolve(want(source, DATA), checks=(("md5", hashlib.md5(DATA).hexdigest()),))
    breaks(scene, wanted)
    assert whole(scene, wanted) == DATA
    assert source.asked[-2:] == [ENOUGH, 0]
    assert scene.spool.resumed == 0


def test_F35_nobody_is_given_a_half_that_is_followed_by_silence() -> None:
    """Where all of it has to come again, its first half does not come sooner than it does: installers wait for 15 seconds and no longer."""
    body = ScriptedBody()
    scene, _, wanted = cut(body)
    reader = now(scene.spool.open(wanted))
    reading = later(reader.read(0, 10))
    assert not reading.called
    body.feed(DATA[:10])
    assert now(reading) == DATA[:10]
    reader.close()


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


def test_nobody_who_asks_in_vain_makes_it_last_longer() -> None:
    """Or a file that upstream has, and cannot go on with, could not be had for as long as somebody asks for it."""
    scene, source, wanted = cut(*DOWN[:3], ScriptedBody().feed(DATA, b""))
    for _ in range(3):
        scene.clock.advance(LASTS / 4)
        with pytest.raises(UpstreamUnavailable):
            now(scene.spool.open(wanted))
    scene.clock.advance(LASTS / 4)
    assert scene.clock.getDelayedCalls() == []
    assert whole(scene, wanted) == DATA
    assert source.asked[-1] == 0


def test_G11_where_upstream_refuses_to_go_on_the_next_asks_for_all_of_it() -> None:
    """Some answer 416 or 403 to whoever asks for a part; and who refuses everything is asked no more often than he is wanted."""
    scene, source, wanted = cut(UpstreamDeclines("pypi", "it answers with status 416"), ScriptedBody().feed(DATA, b""))
    with pytest.raises(UpstreamUnavailable):
        now(scene.spool.open(wanted))
    assert scene.clock.getDelayedCalls() == []
    assert whole(scene, wanted) == DATA
    assert source.asked[-2:] == [ENOUGH, 0]


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


def test_F53_a_half_leaves_its_place_to_what_somebody_asks_for() -> None:
    """Else all would pass through for as long as it lasts, and nothing would tell that there is something to make room of."""
    scene, source, wanted = cut(ScriptedBody().feed(DATA, b""))
    asked: list[int] = []

    async def room(size: int) -> bool:
        asked.append(size)
        return False

    scene.spool.room = room
    other = want(line(ScriptedBody().feed(b"other", b"")), b"other")
    now(scene.spool.give(other)).close()
    assert scene.blobs._room.used == 0
    assert scene.clock.getDelayedCalls() == []
    now(scene.spool.give(wanted)).close()
    assert asked == [5, len(DATA)]
    assert source.asked[-1] == 0


def test_F53_what_is_half_here_needs_room_for_the_rest_alone() -> None:
    scene, source, wanted = cut(rest())
    asked: list[int] = []

    async def room(size: int) -> bool:
        asked.append(size)
        return True

    scene.spool.room = room
    now(scene.spool.give(wanted)).close()
    assert asked == [len(DATA) - ENOUGH]
    assert source.asked[-1] == ENOUGH


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


def test_F13_nor_is_what_upstream_has_no_name_for() -> None:
    """All of it would have to come again, and whoever asked for the rest would have asked in vain (G11)."""
    scene = Scene()
    source = line(ScriptedBody().feed(DATA[:ENOUGH], CUT), *DOWN, ScriptedBody().feed(DATA, b""))
    wanted = want(source, DATA)
    breaks(scene, wanted)
    assert scene.clock.getDelayedCalls() == []
    assert whole(scene, wanted) == DATA
    assert source.asked == [0] * (RESUMES + 2)


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


@attrs.define(eq=False)
class Lingering:
    """A draft that takes its time to go."""

    draft: Any
    gate: Deferred[None]

    async def abort(self) -> None:
        await self.gate
        await self.draft.abort()

    def close(self) -> None:
        self.draft.close()


def test_F79_the_daemon_ends_when_the_last_is_gone() -> None:
    """Also where the time of one was over a moment before that, and that of another is over meanwhile."""
    scene, gate = Scene(), Deferred[None]()
    wanted = []
    for number in range(3):
        data = bytes([number]) + DATA[1:]
        wanted.append(attrs.evolve(want(line(half(data=data), *DOWN), data), origin=str(number)))
    breaks(scene, wanted[0])
    scene.clock.advance(LASTS / 2)
    breaks(scene, wanted[1])
    breaks(scene, wanted[2])
    kept = scene.spool.halves._kept
    for flight, (one, timer) in list(kept.items()):
        kept[flight] = (attrs.evolve(one, draft=Lingering(one.draft, gate)), timer)
    scene.clock.advance(LASTS / 2)
    scene.spool.startService()
    stopping = scene.spool.stopService()
    scene.clock.advance(LASTS)
    assert not stopping.called
    gate.callback(None)
    assert stopping.called
    assert scene.blobs._room.used == 0
    assert scene.clock.getDelayedCalls() == []
