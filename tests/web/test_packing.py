"""Orders to pack something, over HTTP and on the control socket."""

from __future__ import annotations

import gc
import json
from typing import Any

import attrs
import pytest

from pypidaemon.errors import NoSuchFile
from pypidaemon.packing.orders import LARGEST, Unreadable, read_order
from pypidaemon.packing.run import Packing
from pypidaemon.testing.archives import make_wheel
from pypidaemon.waits import Bell
from pypidaemon.web import packs
from pypidaemon.web.reply import Reply
from tests.gear import later, now, waiting
from tests.house import House

LOCK = b"alpha==1.0\n"


@pytest.fixture
def house() -> House:
    """A proxy of which alpha can be packed, and everybody may order it."""
    made = House()
    made.upstream.add("alpha", make_wheel("alpha", "1.0"))
    made.grant("anonymous", "admin", "*")
    return made


def post(house: House, path: str, body: bytes = LOCK, operator: bool = False, **headers: str) -> Any:
    """One order with its body; the status, and what is answered."""
    ask = house.ask(path, "POST", **headers)
    if not operator:
        now(house.door.routes.gate.admit(ask))
    receiving: Any = house.door.desk.receive(ask) if operator else house.door.receive(ask)
    receiver = now(receiving)
    if not isinstance(receiver, Reply):
        now(receiver.write(body))
        receiver = now(receiver.finish())
    return receiver.status, json.loads(receiver.body) if receiver.status < 300 else receiver.body.decode()


def told(house: House, number: int = 1) -> Any:
    return json.loads(house.get(f"/+pack?run={number}").body)


def test_C11_an_order_is_answered_at_once_and_its_report_waits(house: House) -> None:
    """The file is the body; for whom, from where and how stand in the query."""
    status, answer = post(house, "/+pack?name=r.txt&python=3.12&platform=linux")
    assert (status, answer) == (202, {"pack": 1})
    said = told(house)
    assert (said["running"], said["error"], said["phase"], said["report"]["complete"]) == (False, None, "ended", True)
    assert [one["files"] for one in said["report"]["releases"]] == [["alpha-1.0-py3-none-any.whl"]]
    status, _ = post(
        house,
        "/+pack?index=pypi&rehearsal=yes&pin=no",
        json.dumps({"files": ["a.txt"], "texts": {"a.txt": "-r b", "b": "alpha"}}).encode(),
        content_type="application/json",
    )
    assert status == 202
    assert told(house, 2)["report"]["rehearsal"] is True
    with pytest.raises(NoSuchFile):
        house.get("/+pack?run=7")


def test_C11_the_operator_orders_on_the_control_socket(house: House) -> None:
    """By the same words, with all texts as JSON."""
    status, answer = post(
        house, "/pack?platform=linux", json.dumps({"files": ["r.txt"], "texts": {"r.txt": "alpha"}}).encode(), operator=True
    )
    assert (status, answer) == (200, {"pack": 1})
    reply = now(house.door.desk.handle(house.ask("/pack?run=1")))
    assert json.loads(reply.body)["report"]["complete"]
    assert now(house.door.desk.handle(house.ask("/pack?run=1", "DELETE"))).status == 405
    with pytest.raises(NoSuchFile):
        now(house.door.desk.handle(house.ask("/pack?run=x")))


@pytest.mark.parametrize(
    ("query", "body", "kind", "words"),
    [
        ("", LOCK, "", "say with name="),
        ("name=r.txt", b"\xff", "", "not UTF-8"),
        ("name=", LOCK, "", "no name of a file"),
        ("", b'{"files": ["a\\nb"], "texts": {}}', "application/json", "no name of a file"),
        ("", b"[", "application/json", "JSON object"),
        ("", b'{"files": [1], "texts": {}}', "application/json", "names"),
        ("", json.dumps({"files": ["a"], "texts": dict.fromkeys(map(str, range(2000)), "")}).encode(), "application/json", "more than"),
        ("name=r.txt&platform=solaris", LOCK, "", "no platform"),
        ("name=r.txt&python=four", LOCK, "", "not a Python"),
    ],
)
def test_what_makes_no_sense_is_one_line(house: House, query: str, body: bytes, kind: str, words: str) -> None:
    """And nothing is asked for."""
    status, line = post(house, f"/+pack?{query}", body, content_type=kind)
    assert (status, words in line) == (400, True), line
    assert house.upstream.asked == []
    with pytest.raises(Unreadable):
        read_order(body, [tuple(pair.split("=")) for pair in query.split("&") if pair], is_json=bool(kind))  # type: ignore[misc]  # pairs


def test_an_index_that_has_no_address_cannot_be_meant(house: House) -> None:
    """Those that have are named."""
    status, line = post(house, "/+pack?name=r.txt&index=nowhere")
    assert status == 404
    assert "nowhere" in line


def test_no_page_of_another_site_gives_orders(house: House) -> None:
    """Though the browser sends its user's credentials along."""
    assert post(house, "/+pack?name=r.txt", origin="https://evil.example")[0] == 403
    assert house.upstream.asked == []


def test_a_file_that_cannot_be_read_is_the_report(house: House) -> None:
    """The order was understood, and came to nothing."""
    post(house, "/+pack?name=uv.lock", b"[")
    assert "uv.lock" in told(house)["error"]
    assert "report" not in told(house)


def test_only_so_many_wait_and_only_so_many_are_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are at work; what ends with the daemon says so; over a new configuration they go on."""
    monkeypatch.setattr(packs, "MOST_WAITING", 3)
    monkeypatch.setattr(packs, "KEPT", 2)
    house.upstream.gate = Bell()
    for _ in range(3):
        assert post(house, "/+pack?name=r.txt")[0] == 202
    assert post(house, "/+pack?name=r.txt")[0] == 503
    assert [told(house, number)["phase"] for number in (1, 2, 3)] == ["resolves", "resolves", "reads"]
    before = house.door
    house.open({"pypi": house.proxy}, "pypi")
    house.door.go_on_from(before)
    assert told(house)["running"]
    house.upstream.gate.ring()
    house.upstream.gate = None
    assert told(house, 3)["report"]["complete"]
    post(house, "/+pack?name=r.txt")
    with pytest.raises(NoSuchFile):
        house.get("/+pack?run=1")
    assert told(house, 4)["report"]["complete"]
    house.upstream.gate = Bell()
    now(house.proxy.refresh(None))
    post(house, "/+pack?name=r.txt")
    now(house.door.stopService())
    assert "say it again" in told(house, 5)["error"]


def test_so_are_those_that_are_ordered_while_others_are_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a large order takes a while, and each has its texts until it has ended."""
    monkeypatch.setattr(packs, "MOST_WAITING", 2)
    desk, gate = house.door.routes.packs, Bell()
    assert desk.means is not None

    async def slow(function: Any, *args: Any, **kwargs: Any) -> Any:
        await gate.wait()
        return function(*args, **kwargs)

    desk.means = attrs.evolve(desk.means, cpu=slow)
    house.upstream.gate = Bell()
    ask = house.ask("/+pack?name=r.txt", "POST")
    orders = [later(desk.begin(ask, LOCK, is_json=False)) for _ in range(5)]
    assert all(waiting(order) for order in orders)
    gate.ring()
    assert [begun if isinstance(begun, int) else begun.status for begun in map(now, orders)] == [1, 2, 503, 503, 503]


def test_of_what_has_ended_only_the_report_is_kept(house: House) -> None:
    """The texts of an order have up to 24 MiB, and twenty packs are told of."""
    post(house, "/+pack?name=r.txt", b"alpha==1.0 # and no other")
    post(house, "/+pack?name=uv.lock", b"[ and no other")
    gc.collect()
    kept = [one for one in gc.get_objects() if isinstance(one, Packing)]
    assert not [text for one in kept for text in one.order.texts.values() if "and no other" in text]
    assert (told(house)["phase"], told(house)["looked"], told(house)["report"]["complete"]) == ("ended", 1, True)
    assert told(house, 2)["phase"] == "reads"


def test_a_lock_file_may_be_larger_than_other_orders(house: House) -> None:
    """Of a large project it has some megabytes; whatever else is posted is small."""
    desk, uploads = house.door.desk, house.door.uploads
    assert desk.room(b"POST", b"/pack?python=3.12") == uploads.room(b"POST", b"/+pack?name=uv.lock") == LARGEST
    assert desk.room(b"POST", b"/refresh") == uploads.room(b"POST", b"/+sync") == 1 << 20
