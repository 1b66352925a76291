"""Orders to fill an index, over HTTP and on the control socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import NotAllowed
from pypidaemon.web.reply import Reply
from tests.gear import now
from tests.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A proxy, and a service that has gamma here before anybody asks."""
    made = House()
    made.upstream.add("gamma", ("gamma-1.0.tar.gz", b"public"))
    made.mirroring(tmp_path, projects=("gamma",))
    made.open({"pypi": made.proxy}, "pypi")
    made.grant("anonymous", "admin", "*")
    return made


def ask(house: House, path: str, method: str = "POST", **headers: str) -> Reply:
    """One order."""
    return house.get(path, method, **headers)


def control(house: House, path: str, method: str) -> Any:
    """One question or order of the operator."""
    handle: Any = house.door.control.resource
    reply: Reply = now(handle.handle(house.ask(path, method)))
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode()


def test_M16_an_order_is_answered_at_once_and_carried_out(house: House) -> None:
    """Of the whole service, and of one project."""
    reply = ask(house, "/+sync?service=nightly")
    assert reply.status == 202
    assert json.loads(reply.body) == {"service": "nightly", "project": None, "run": 1}
    assert "body gamma-1.0.tar.gz" in house.upstream.asked
    reply = ask(house, "/+sync?service=nightly&project=Gamma")
    assert json.loads(reply.body) == {"service": "nightly", "project": "gamma", "run": 2}


def test_M16_no_page_of_another_site_gives_orders(house: House) -> None:
    """Though the browser sends its user's credentials along."""
    assert ask(house, "/+sync?service=nightly", origin="https://evil.example").status == 403
    assert house.upstream.asked == []


def test_M16_who_may_not_is_told_so_and_nothing_is_asked(house: House) -> None:
    """Of a service that there is and of one that there is not, in the same words."""
    now(house.door.people.ungrant(OPERATOR, "anonymous", "admin", "*"))
    said = set()
    for query in ("service=nightly", "service=nothing", "service=nightly&project=gamma", "service=nothing&project=-", "project=gamma"):
        with pytest.raises(NotAllowed) as refused:
            ask(house, f"/+sync?{query}")
        said.add((str(refused.value), refused.value.would_help))
    assert len(said) == 1
    assert house.upstream.asked == []


def test_the_operator_is_told_how_services_are_and_has_them_run(house: House) -> None:
    """The only service there is need not be named; a rehearsal changes nothing."""
    status, said = control(house, "/sync?rehearsal=yes", "POST")
    assert (status, said) == (200, {"service": "nightly", "run": 1})
    state = control(house, "/sync", "GET")[1]["services"]["nightly"]
    assert state["ended"]["1"]["plan"] == {"take": ["gamma gamma-1.0.tar.gz"]}
    assert (state["projects"], state["tried"]) == (0, None)
    assert control(house, "/sync?service=nightly", "POST")[1]["run"] == 2
    assert control(house, "/sync?project=gamma", "POST")[1]["run"] == 3
    state = control(house, "/status", "GET")[1]["services"]["nightly"]
    assert (state["index"], state["projects"], state["outcome"].split()[0]) == ("pypi", 1, "complete")


def test_the_operator_is_told_what_there_is(house: House) -> None:
    """Instead of a service that there is not; and that nothing else can be done to one."""
    assert control(house, "/sync?service=nothing", "POST")[0] == 404
    assert "nightly" in control(house, "/sync?service=nothing", "POST")[1]
    assert control(house, "/sync", "DELETE")[0] == 405
