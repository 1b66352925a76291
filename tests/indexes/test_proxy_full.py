"""A proxy on a full disk: pages, files and metadata are had all the same, and nothing is kept (F53, F54, F55)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import attrs
import pytest

from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import StorageFull
from pypidaemon.model import NormalizedName
from pypidaemon.testing.archives import core_metadata, make_wheel
from pypidaemon.volume import Space
from tests.contracts.blob_store import held
from tests.fakes import file, page
from tests.gear import now
from tests.house import House

WHEEL, BYTES = make_wheel("alpha", "1.0")
SIDECAR = core_metadata("alpha", "1.0")
JSON = {"accept": "application/vnd.pypi.simple.v1+json"}


def stocked(house: House, **changes: Any) -> None:
    """Upstream has a wheel with its metadata."""
    entry = attrs.evolve(file(WHEEL, BYTES, core_metadata=sha256(SIDECAR).hexdigest()), **changes)
    house.upstream.pages["alpha"] = page("alpha", entry)
    house.upstream.bodies.update({entry.url: BYTES, entry.url + ".metadata": SIDECAR})


def url(house: House) -> str:
    """The path of the wheel, off the page."""
    reply = house.get("/simple/alpha/", **JSON)
    assert reply.status == 200
    (entry,) = json.loads(reply.body)["files"]
    return "/" + str(entry["url"]).lstrip("./")


def body(house: House, path: str) -> tuple[int, bytes]:
    """What is given there."""
    reply = house.get(path)
    if reply.stream is None:
        return reply.status, reply.body
    content = reply.stream.content
    data = now(content.read(0, 1 << 20))
    content.close()
    return reply.status, data


def full(*_: Any, **__: Any) -> Any:
    raise StorageFull("there is no room left")


def test_F53_F54_what_cannot_be_kept_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(blobs=MemoryBlobs(limit=0))
    stocked(house)
    for book, word in ((house.records.ledger, "number"), (house.records.facts, "learn"), (house.records.withdrawn, "note_status")):
        monkeypatch.setattr(type(book), word, full)
    path = url(house)
    assert body(house, path) == (200, BYTES)
    assert body(house, f"{path}.metadata") == (200, SIDECAR)
    assert now(held(house.blobs)) == set()
    assert now(house.records.uses.weight()) == (0, 0)


def test_F53_what_would_have_to_be_pinned_is_not_given() -> None:
    house = House(blobs=MemoryBlobs(limit=0))
    stocked(house, hashes=())
    with pytest.raises(StorageFull):
        body(house, url(house))


def test_F53_below_the_floor_nothing_is_kept_and_that_is_told() -> None:
    house = House()
    stocked(house)
    assert json.loads(house.get("/+ready").body) == {"ready": True}
    house.space = Space((1 << 30) + 10, 100 << 30)
    house.clock.advance(2)
    assert body(house, url(house)) == (200, BYTES)
    assert now(held(house.blobs)) == set()
    house.space = Space((1 << 30) - 10, 100 << 30)
    house.clock.advance(2)
    reply = house.get("/+ready")
    said = json.loads(reply.body)
    assert (reply.status, said["ready"], said["keeps"]) == (200, True, False)
    assert "too little room" in said["reason"]
    house.space = Space(50 << 30, 100 << 30)
    house.clock.advance(10)
    assert body(house, url(house)) == (200, BYTES)
    assert len(now(held(house.blobs))) == 1
    assert [use.filename for use in now(house.records.uses.listed(NormalizedName("alpha")))] == [WHEEL]


def test_F60_a_disk_that_failed_is_told_of() -> None:
    house = House()
    house.room.failed = lambda: "the disk failed to keep what was written"
    assert json.loads(house.get("/+ready").body)["reason"] == "the disk failed to keep what was written"
