"""Verifications by the control socket: begun, followed, one at a time, and ended with the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pypidaemon.errors import InvalidName, PypidaemonError
from pypidaemon.verification.run import Means
from pypidaemon.web import verify
from pypidaemon.web.verify import VerifyDesk
from tests.gear import inline, now
from tests.larder import OUR_BYTES, SDIST_BYTES, SIDECAR, WHEEL_BYTES, Larder


@pytest.fixture
def larder(tmp_path: Path) -> Larder:
    made = Larder(tmp_path)
    made.fill()
    return made


@pytest.fixture
def desk(larder: Larder) -> VerifyDesk:
    return VerifyDesk(Means(larder.holdings, larder.clock, inline, inline, larder.folder))


def ask(desk: VerifyDesk, larder: Larder, method: str, query: str = "") -> tuple[int, Any]:
    """Status and answer, which is a line where it is no object."""
    reply = desk.operate(larder.house.ask(f"/verify?{query}", method))
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode().splitlines()[0]


def test_findings_are_told_from_where_one_is(desk: VerifyDesk, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "AT_ONCE", 2)
    assert ask(desk, larder, "GET") == (404, "nothing was verified since the start of this daemon")
    for data in (OUR_BYTES, WHEEL_BYTES, SIDECAR):
        larder.lose(data)
    status, said = ask(desk, larder, "POST")
    assert (status, said["run"], said["running"]) == (200, 1, True)
    larder.clock.pump([10] * 10)
    said = ask(desk, larder, "GET")[1]
    assert (said["running"], len(said["findings"]), said["problems"]) == (True, 2, 3)
    said = ask(desk, larder, "GET", "after=2")[1]
    assert (said["running"], len(said["findings"]), said["error"]) == (False, 1, None)
    for strange in ("-1", "x", "9" * 20, "\u0661"):
        assert ask(desk, larder, "GET", f"after={strange}")[0] == 400
    assert ask(desk, larder, "DELETE")[0] == 405


def test_what_is_asked_for_is_done(desk: VerifyDesk, larder: Larder) -> None:
    larder.lose(OUR_BYTES)
    larder.damage(SDIST_BYTES)
    ask(desk, larder, "POST", "project=Beta&repair=yes")
    larder.clock.pump([10] * 10)
    said = ask(desk, larder, "GET")[1]
    assert (said["running"], [one["outcome"] for one in said["findings"]]) == (False, ["fetched again"])
    with pytest.raises(InvalidName):
        ask(desk, larder, "POST", "project=../etc")
    assert ask(desk, larder, "POST")[1]["run"] == 2


def test_there_is_one_at_a_time_and_it_ends_with_the_daemon(desk: VerifyDesk, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
    slow: Deferred[int] = Deferred()

    async def asked(*_: object) -> int:
        return await slow

    monkeypatch.setattr(type(larder.house.records.files), "names", asked)
    assert ask(desk, larder, "POST")[0] == 200
    larder.clock.pump([10] * 10)
    assert ask(desk, larder, "POST") == (409, "a verification is under way already")
    assert ask(desk, larder, "GET")[1]["running"]
    now(desk.flights.land())
    said = ask(desk, larder, "GET")[1]
    assert (said["running"], said["error"]) == (False, "the daemon stopped before everything was verified")


def test_what_cannot_be_read_is_said(desk: VerifyDesk, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> int:
        raise PypidaemonError("the database is busy")

    monkeypatch.setattr(type(larder.house.records.files), "names", broken)
    ask(desk, larder, "POST")
    larder.clock.pump([10] * 10)
    assert ask(desk, larder, "GET")[1]["error"] == "the database is busy"


def test_a_daemon_in_memory_alone_verifies_nothing(larder: Larder) -> None:
    assert ask(VerifyDesk(None), larder, "POST")[0] == 404
