"""Adoptions by the control socket: begun, followed, stopped, one at a time, and ended with the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pypidaemon.web import adopt
from pypidaemon.web.adopt import AdoptDesk
from pypidaemon.web.intake import Collected
from tests.adopting import means, put, releases
from tests.gear import now
from tests.house import House

FILES = releases("alpha", "1.0", "1.1")


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def desk(house: House) -> AdoptDesk:
    private = house.with_private()
    return AdoptDesk(lambda: means(house, private=private))


def ask(desk: AdoptDesk, house: House, method: str, path: str, order: Any = None) -> tuple[int, Any]:
    """Status and answer, which is a line where it is no object."""
    asked = house.ask(path, method)
    receiving = desk.receive(asked)
    if receiving is None:
        reply = now(desk.operate(asked))
    else:
        receiver = now(receiving)  # type: ignore[arg-type]  # a coroutine
        assert isinstance(receiver, Collected)
        now(receiver.write(order if isinstance(order, bytes) else json.dumps(order).encode()))
        reply = now(receiver.finish())
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode().splitlines()[0]


def order(folder: Path, **more: Any) -> dict[str, Any]:
    """One for a folder of private files."""
    return {"layout": "pypiserver", "source": str(folder), **more}


def test_outcomes_are_told_from_where_one_is_and_then_forgotten(
    desk: AdoptDesk, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "AT_ONCE", 3)
    assert ask(desk, house, "GET", "/adopt") == (404, "nothing was adopted since the start of this daemon")
    put(tmp_path, FILES)
    status, said = ask(desk, house, "POST", "/adopt", order(tmp_path))
    assert (status, said["run"], said["running"], said["taken"], len(said["outcomes"])) == (200, 1, True, 4, 3)
    assert "names" not in said
    # Asked for once more, since the answer may have been lost on its way.
    assert len(ask(desk, house, "GET", "/adopt?after=0")[1]["outcomes"]) == 3
    said = ask(desk, house, "GET", "/adopt?after=3")[1]
    assert (said["running"], len(said["outcomes"]), said["error"], said["names"]) == (False, 1, None, {"alpha": ""})
    assert ask(desk, house, "GET", "/adopt?after=0")[1]["outcomes"] == said["outcomes"]
    for strange in ("-1", "x", "9" * 20, "\u0661"):
        assert ask(desk, house, "GET", f"/adopt?after={strange}")[0] == 400
    assert ask(desk, house, "DELETE", "/adopt")[0] == 405
    assert ask(desk, house, "POST", "/adopt", order(tmp_path))[1]["here"] == 4


def test_what_nobody_asks_for_is_only_counted(desk: AdoptDesk, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt, "MOST", 3)
    put(tmp_path, FILES)
    said = ask(desk, house, "POST", "/adopt", order(tmp_path))[1]
    assert (said["taken"], len(said["outcomes"]), said["untold"]) == (4, 3, 1)


@pytest.mark.parametrize(
    "wrong", [b"{", b"[]", {"layout": "none", "source": "/x"}, {"layout": "pypiserver", "source": "x"}, {"layout": "z3c", "source": "/x"}]
)
def test_an_order_that_cannot_be_meant_is_wrong_usage(wrong: Any, desk: AdoptDesk, house: House) -> None:
    assert ask(desk, house, "POST", "/adopt", wrong)[0] == 404
    assert ask(desk, house, "GET", "/adopt")[0] == 404


def test_there_is_one_at_a_time_which_can_be_stopped_and_ends_with_the_daemon(
    desk: AdoptDesk, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.blobs), "draft", lambda _: Deferred())
    put(tmp_path, FILES)
    assert ask(desk, house, "POST", "/adopt/stop")[1] == {"stopped": False}
    assert ask(desk, house, "POST", "/adopt", order(tmp_path))[0] == 200
    assert ask(desk, house, "POST", "/adopt", order(tmp_path)) == (400, "an adoption is under way already")
    assert ask(desk, house, "POST", "/adopt/stop")[1] == {"stopped": True}
    other = AdoptDesk(desk.means)
    other.go_on_from(desk)
    assert ask(other, house, "GET", "/adopt")[1]["running"]
    now(other.flights.land())
    said = ask(other, house, "GET", "/adopt")[1]
    assert (said["running"], said["error"]) == (False, "the daemon stopped, or failed, before everything was adopted")


def test_what_goes_wrong_is_said(desk: AdoptDesk, house: House, tmp_path: Path) -> None:
    said = ask(desk, house, "POST", "/adopt", order(tmp_path / "none"))[1]
    assert (said["running"], "No such file" in said["error"]) == (False, True)


def test_a_daemon_in_memory_alone_adopts_nothing(house: House, tmp_path: Path) -> None:
    assert ask(AdoptDesk(None), house, "POST", "/adopt", order(tmp_path))[0] == 400
