"""Orders to have here what a project needs, over HTTP and on the control socket, and what came of them (C11)."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import orjson
from twisted.internet.defer import DeferredSemaphore
from twisted.logger import Logger

from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.packing.orders import LARGEST, Unreadable, read_order
from pypidaemon.rulemaking import insist
from pypidaemon.telling import no_address, plural
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

if TYPE_CHECKING:
    from pypidaemon.packing.means import Means
    from pypidaemon.packing.report import Report
    from pypidaemon.packing.run import Packing

AT_ONCE = 2
"""Packs that are at work at the same time; more wait."""
MOST_WAITING = 20
"""Packs that may be under way or wait; an order beyond them is refused."""
KEPT = 20
"""Packs that have ended of which it is told what came of them."""

_METHODS = (("Allow", "GET, POST"),)
log = Logger(namespace="pypidaemon")


@attrs.define
class _Run:
    """
    A pack, and how it ended.

    `packing` is None from then on: it has the texts of the order, and pages, and may be of hundreds of megabytes.
    """

    number: int
    packing: Packing | None
    error: str | None = None
    ended: bool = False
    report: orjson.Fragment | None = None
    """What came of it, as JSON: it may be of thousands of releases."""
    last: dict[str, Any] = attrs.field(factory=dict)
    """How far it was when it ended."""

    def tell(self) -> dict[str, Any]:
        """How far it has come, and once it has ended what came of it."""
        progress = self.packing.report.progress() if self.packing is not None else self.last
        running = {"running": not self.ended, "error": self.error, **progress}
        return {"pack": self.number, **running} | ({"report": self.report} if self.report is not None else {})


@attrs.define
class PackDesk:
    """
    Answers `POST /+pack?name=...` with the file as its body, which begins a pack, and `GET /+pack?run=N`, which tells of it, for who may `admin`
    everywhere; and the same as `/pack` on the control socket for the operator.

    A pack goes on whoever asks after it, and ends with the daemon; what it brought until then stays.
    """

    means: Means | None
    gate: Gate | None
    hosts: Hosts = Hosts()
    flights: Flights[int, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _runs: dict[int, _Run] = attrs.field(factory=dict, init=False)
    _places: DeferredSemaphore = attrs.field(factory=lambda: DeferredSemaphore(AT_ONCE), init=False)

    def go_on_from(self, other: PackDesk) -> None:
        """Have what that desk has under way, and tell of it; it is told to stop with this one then, and no more with that one."""
        self.flights, other.flights = other.flights, self.flights
        self._runs, self._places = other._runs, other._places

    def states(self) -> tuple[dict[str, Any], ...]:
        """How far each has come that is under way, and those that have just ended."""
        return tuple(run.tell() for run in self._runs.values())

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the public site."""
        return self._of_account(ask) if ask.method == "POST" and ask.segments == ("+pack",) else None

    def receive_operator(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the control socket."""
        return self._of_operator(ask) if ask.method == "POST" and ask.segments == ("pack",) else None

    async def answer(self, ask: Ask) -> Reply:
        """
        A question of an account, or an order without a file.

        :raises NotAllowed: the account may not.
        :raises NoSuchFile: nothing is known of that pack.
        """
        if ask.method in ("GET", "HEAD", "POST"):
            await self._insist(ask)
        return await self.operate(ask)

    async def operate(self, ask: Ask) -> Reply:
        """
        What the operator asks.

        :raises NoSuchFile: nothing is known of that pack.
        """
        if ask.method == "POST":
            return text(400, "send the file as the body, and say with name= what it is called", ask.id)
        if ask.method not in ("GET", "HEAD"):
            return text(405, "POST a file, or GET with run=", ask.id, _METHODS)
        number = dict(ask.query).get("run", "")
        return json_reply(200, self.told(number))

    def told(self, number: str) -> dict[str, Any]:
        """
        How far that pack has come, and once it has ended what came of it.

        :raises NoSuchFile: nothing is known of that pack.
        """
        run = self._runs.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
        if run is None:
            raise NoSuchFile(f"the pack {number}"[:60])
        return run.tell()

    async def _insist(self, ask: Ask) -> None:
        if self.gate is None:
            raise NoSuchFile("+pack")
        insist(await self.gate.admit(ask), "packing is for administrators")

    async def _of_account(self, ask: Ask) -> Receiver | Reply:
        if self.hosts.from_elsewhere(ask):
            return text(403, "pages of other sites may give no orders here", ask.id)
        await self._insist(ask)

        async def taken(body: bytes) -> Reply:
            # The rights are those of now: the body may have taken its time (S73).
            await self._insist(ask)
            kind = (ask.headers.first("content-type") or "").partition(";")[0].strip().lower()
            return await self._begun(ask, body, 202, is_json=kind == "application/json")

        return Collected(LARGEST, taken)

    async def _of_operator(self, ask: Ask) -> Receiver:
        return Collected(LARGEST, lambda body: self._begun(ask, body, 200, is_json=True))

    async def _begun(self, ask: Ask, body: bytes, status: int, *, is_json: bool) -> Reply:
        begun = await self.begin(ask, body, is_json=is_json)
        return begun if isinstance(begun, Reply) else json_reply(status, {"pack": begun})

    async def begin(self, ask: Ask, body: bytes, *, is_json: bool) -> int | Reply:
        """Begin a pack of somebody who was let in, as `read_order` reads it; answer its number, or why there is none."""
        if self.means is None:
            return text(404, "this daemon packs nothing", ask.id)
        if (refused := self._crowded(ask)) is not None:
            return refused
        try:
            order, label = await self.means.cpu(read_order, body, ask.query, is_json=is_json)
        except Unreadable as error:
            return text(400, str(error), ask.id)
        label = label or self.means.default
        if label not in self.means.indexes:
            return text(404, no_address(label, self.means.indexes), ask.id)
        # Others may have begun while that one was read.
        if (refused := self._crowded(ask)) is not None:
            return refused
        # Loaded by now: by who read the order, on a thread.
        from pypidaemon.packing.run import Packing

        packing = Packing(self.means, order, label)
        run = _Run(max(self._runs, default=0) + 1, packing)
        ended = [number for number, one in self._runs.items() if one.ended]
        for number in ended[: max(0, len(ended) - KEPT + 1)]:
            del self._runs[number]
        self._runs[run.number] = run
        self.flights.start(run.number, partial(self._work, run, packing))
        return run.number

    def _crowded(self, ask: Ask) -> Reply | None:
        """The answer to one order too many."""
        if sum(not run.ended for run in self._runs.values()) < MOST_WAITING:
            return None
        return text(503, f"{MOST_WAITING} packs are under way or wait already", ask.id, (("Retry-After", "60"),))

    async def _work(self, run: _Run, packing: Packing) -> None:
        whole = False
        try:
            await self._places.acquire()
            try:
                report = await packing.run()
                run.report = await packing.means.cpu(_written, report)
                whole = True
            finally:
                self._places.release()
        except PypidaemonError as error:
            run.error = str(error)
        finally:
            if not whole and run.error is None:
                run.error = "it was ended before everything was here; say it again to go on"
            run.ended = True
            run.last, run.packing = packing.report.progress(), None
            log.info("pack {number}: {said}", number=run.number, said=run.error or _line(packing.report))


def _written(report: Report) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(report.as_json()))


def _line(report: Report) -> str:
    missing = len(report.missing) + report.over
    return f"{plural(len(report.releases), 'release')}, {plural(report.files, 'file')} fetched, {plural(missing, 'thing')} missing"
