"""
Law 6 at the wire: of thousands of transfers that a seed spoils or cuts, none reaches a client as a complete wrong body (S26, S27, F8-F15).

From the client's bytes through the real site, proxy, spool and upstream to Twisted's own HTTP client, all in memory. Time is a `Clock` that is moved on to
whatever is due next, so a stall costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.testing.archives import make_wheel
from pypidaemon.testing.stock import stocked
from pypidaemon.transfers import SMALL, TAIL
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.volume import Space
from pypidaemon.web.site import Caps, DoorSite
from pypidaemon.web.skin import Skin
from tests.faults.crooked import WAYS, Crooked, shuffled
from tests.gear import inline
from tests.house import House
from tests.web.wire import Client, get

BLOCKS = 8
ROUNDS = 6
"""How often clients ask for one file, which mostly spoils more than one transfer."""
SPOILED = 2_000
"""How many transfers must have been spoiled by all blocks together."""
PATIENT = 300.0
"""Seconds after which a client without an end to its answer was left hanging."""
ERRORS = frozenset((404, 416, 502, 503, 507))
"""What a client may be told instead of the bytes."""
NO_ROOM = Space(0, 100 << 30)


@attrs.frozen
class Got:
    """What a client has of an answer, and whether it knows that this is all."""

    status: int
    body: bytes
    complete: bool
    begins: int | None
    """Where in the file, by the answer's word; None where it is no part."""


def got(raw: bytes) -> Got:
    """Read an answer as a client does: whole is what has all the bytes that it announced."""
    assert b"\r\n\r\n" in raw, raw[:200]
    top, body = raw.split(b"\r\n\r\n", 1)
    text = top.decode("latin-1").lower()
    length = re.search(r"\r\ncontent-length: (\d+)", text)
    assert length is not None, text
    begins = re.search(r"\r\ncontent-range: bytes (\d+)-", text)
    return Got(int(text.split(" ")[1]), body, len(body) >= int(length[1]), int(begins[1]) if begins is not None else None)


def judged(answer: Got, data: bytes) -> str:
    """What became of it; fails where it is a complete body of other bytes than those, or an answer that no fault excuses."""
    if answer.status in (200, 206):
        begins = answer.begins or 0
        right = data[begins : begins + len(answer.body)]
        if answer.complete:
            assert hashlib.sha256(answer.body).digest() == hashlib.sha256(right).digest(), "a complete body with wrong bytes"
            assert answer.status == 206 or len(answer.body) == len(data), "a complete body that is not the whole file"
            return "whole"
        return "cut"
    assert answer.status in ERRORS, answer
    assert answer.complete
    return "refused"


@attrs.define
class Trial:
    """A daemon with one file, whose host is crooked, and how it came out."""

    random: random.Random
    ways: Iterator[str]
    house: House = attrs.field(init=False)
    host: Crooked = attrs.field(init=False)
    data: bytes = attrs.field(init=False)
    path: str = attrs.field(init=False)
    site: DoorSite = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        chance = self.random
        full = chance.choice(("", "", "", "from the start", "meanwhile"))
        self.house = House(blobs=MemoryBlobs(limit=chance.randrange(1, SMALL) if full == "meanwhile" else None))
        if full == "from the start":
            self.house.space = NO_ROOM
        self.host = Crooked(self.house.clock, chance, self.ways, honest=chance.choice((0.0, 0.0, 0.3)))
        self._publish()
        self.begin()

    def _publish(self) -> None:
        """One file, and a page that promises more or less of it."""
        chance = self.random
        sidecar = chance.random() < 0.1
        size = chance.choice(
            (
                chance.randrange(2, 5_000),
                chance.randrange(2, 5_000),
                chance.randrange(SMALL // 4),
                SMALL + TAIL + chance.randrange(2, 90_000),
            )
        )
        filename, data = make_wheel("alpha", "1.0") if sidecar else ("alpha-1.0.tar.gz", chance.randbytes(size))
        file = stocked(filename, data, None, "2020-01-01T00:00:00.000000Z")
        entry: dict[str, Any] = {"filename": filename, "url": file.path, "hashes": {"sha256": file.said}}
        match chance.choice(("all", "all", "sha256", "md5")):
            case "all":
                entry["size"] = len(data)
            case "md5":
                entry |= {"hashes": {"md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}, "size": len(data)}
        self.host.files[file.path] = data
        self.path, self.data = file.path, data
        if sidecar:
            assert file.metadata is not None
            self.path, self.data = f"{file.path}.metadata", file.metadata
            entry["core-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
            self.host.files[self.path] = file.metadata
        for path, known in self.host.files.items():
            self.host.others[path] = chance.randbytes(len(known))
        said = {"meta": {"api-version": "1.1"}, "name": "alpha", "versions": ["1.0"], "files": [entry]}
        self.host.pages["/simple/alpha/"] = json.dumps(said).encode()

    def begin(self) -> None:
        """A daemon over these stores."""
        upstream: Any = Guarded(
            HttpUpstream(
                label="pypi",
                url="http://index.example/simple/",
                clock=self.house.clock,
                reactor=self.house.clock,
                cpu=inline,
                records=self.house.records,
                agent=self.host.agent(),
                random=lambda: 0.5,
            ),
            (),
        )
        self.house.upstream = upstream
        self.house.restart()
        routes = self.house.door.routes
        skin = Skin(routes.handle, routes.quick, self.house.clock, lambda count: b"\x07" * count)
        self.site = DoorSite(skin, self.house.clock, caps=Caps())

    def ask(self, *fields: str) -> Client:
        """A client that has asked for the file."""
        client = Client(self.site)
        client.channel.dataReceived(get(self.path, "Connection: close", *fields))
        return client

    def until(self, done: Callable[[], bool]) -> None:
        """Move time on, to whatever is due next."""
        clock, late = self.house.clock, self.house.clock.seconds() + PATIENT
        while not done():
            due = min((call.getTime() for call in clock.getDelayedCalls()), default=late + 1)
            assert due <= late, "a client was left hanging"
            clock.advance(max(due - clock.seconds(), 0.0))

    def run(self) -> list[str]:
        """Clients ask a daemon after another, which knows as little of its host as the first, until the file is kept; answer what became of them."""
        ends = self.round()
        for _ in range(ROUNDS - 1):
            if not self.house.blobs._blobs:
                self.until(lambda: not self.house.spool.flights_now())
                self.begin()
                ends += self.round()
        return ends

    def round(self) -> list[str]:
        """Some clients ask at once; answer what became of them."""
        clients: list[Client] = []
        left = 0
        for _ in range(self.random.choice((1, 1, 2, 3))):
            start = self.random.randrange(len(self.data))
            client = self.ask(*([f"Range: bytes={start}-"] if self.random.random() < 0.3 else []))
            if self.random.random() < 0.1 and not client.wire.closed:
                client.hang_up()
                left += 1
            else:
                clients.append(client)
        self.until(lambda: all(client.wire.closed for client in clients))
        return ["left"] * left + [judged(got(client.wire.out), self.data) for client in clients]

    def heal(self) -> None:
        """All is well again: whoever asks now has the file, and nothing wrong was kept."""
        for digest, kept in self.house.blobs._blobs.items():
            assert hashlib.sha256(kept).hexdigest() == digest
        self.until(lambda: not self.house.spool.flights_now())
        self.host.honest = 1.0
        self.house.space = Space(50 << 30, 100 << 30)
        self.house.blobs._room.limit = None
        self.begin()
        client = self.ask()
        self.until(lambda: client.wire.closed)
        assert got(client.wire.out) == Got(200, self.data, True, None)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_S26_F15_no_spoiled_or_cut_transfer_is_ever_a_complete_wrong_body(block: int) -> None:
    """Whatever its host does to a file, and whether or not there is room for it here; and afterwards the file is to be had."""
    chance = random.Random(block)
    ways = shuffled(chance)
    done: list[str] = []
    ends: list[str] = []
    while len(done) < SPOILED / BLOCKS:
        trial = Trial(random.Random(chance.random()), ways)
        try:
            ends += trial.run()
            done += trial.host.done
            trial.heal()
        except AssertionError as error:
            raise AssertionError(f"after {len(done)} spoiled transfers, the last {trial.host.done[-5:]}: {error}") from error
    # Each way was tried, and clients came to each end.
    assert set(done) == set(WAYS)
    assert {"whole", "cut", "refused", "left"} <= set(ends), ends


def test_the_judge_knows_a_complete_wrong_body_from_one_that_was_cut() -> None:
    """Else the test above could not fail."""
    top = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    assert judged(got(top + b"good"), b"good") == "whole"
    assert judged(got(top + b"goo"), b"good") == "cut"
    assert judged(got(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 2-3/4\r\n\r\nod"), b"good") == "whole"
    for wrong in (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\ngo", top + b"goof", b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"):
        with pytest.raises(AssertionError):
            judged(got(wrong), b"good")
