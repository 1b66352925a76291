"""Adoptions on the control socket: begun by the operator, one at a time, and followed, or stopped, by whoever asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import orjson
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.web.ask import Ask
from pypidaemon.web.intake import Collected, Receiver
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

if TYPE_CHECKING:
    from pypidaemon.adoption.beginning import Means
    from pypidaemon.adoption.outcomes import Outcome
    from pypidaemon.adoption.run import Adoption

Adopting: TypeAlias = "Callable[[], Means]"

AT_ONCE = 1_000
"""Outcomes that one answer gives."""
MOST = 20_000
"""Outcomes that wait to be asked for; while nobody asks, more are only counted."""
LARGEST = 65_536
"""Bytes of an order."""

log = Logger(namespace="pypidaemon")


@attrs.define(eq=False)
class _Run:
    """An adoption, and what became of what it found, as far as nobody has asked for it yet."""

    number: int
    adoption: Adoption | None = None
    outcomes: list[dict[str, Any]] = attrs.field(factory=list)
    first: int = 0
    """How many came before those."""
    untold: int = 0
    error: str | None = None
    ended: bool = False

    def told(self, outcome: Outcome) -> None:
        if len(self.outcomes) < MOST:
            self.outcomes.append(outcome.as_json())
        else:
            self.untold += 1

    def tell(self, after: int) -> dict[str, Any]:
        """How far it has come, with what came after so many outcomes; those before are forgotten."""
        gone = min(max(after - self.first, 0), len(self.outcomes))
        del self.outcomes[:gone]
        self.first += gone
        some = self.outcomes[:AT_ONCE]
        running = not self.ended or len(some) < len(self.outcomes)
        assert self.adoption is not None  # it is given before anybody can ask
        names = {} if running else {"names": self.adoption.tally.names}
        return {
            "run": self.number,
            "running": running,
            "error": self.error,
            "outcomes": some,
            "untold": self.untold,
            **names,
            **self.adoption.as_json(),
        }


@attrs.define
class AdoptDesk:
    """
    Answers `POST /adopt`, whose body is an order (`beginning.Order`) and which begins one, `GET /adopt?after=N`, which tells of the last one begun, and
    `POST /adopt/stop`. It ends with the daemon; what it took until then stays, and saying it again does the rest.
    """

    means: Adopting | None
    flights: Flights[int, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _last: _Run | None = attrs.field(default=None, init=False)

    def go_on_from(self, other: AdoptDesk) -> None:
        """Have what that desk has under way, and tell of it."""
        self.flights, other.flights = other.flights, self.flights
        self._last = other._last

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`, of the control socket."""
        return self._collected() if ask.method == "POST" and ask.segments == ("adopt",) else None

    async def _collected(self) -> Receiver:
        return Collected(LARGEST, self._begin)

    async def operate(self, ask: Ask) -> Reply:
        """What the operator asks without a body."""
        if ask.method == "POST" and ask.segments == ("adopt", "stop"):
            if self._last is not None and self._last.adoption is not None:
                self._last.adoption.stop()
            return json_reply(200, {"stopped": self._last is not None and not self._last.ended})
        if ask.method == "GET" and ask.segments == ("adopt",):
            after = dict(ask.query).get("after", "0")
            if self._last is None or not after.isascii() or not after.isdigit() or len(after) > 9:
                return text(404 if self._last is None else 400, "nothing was adopted since the start of this daemon", ask.id)
            return json_reply(200, self._last.tell(int(after)))
        return text(405, "GET, or POST a JSON object", ask.id, (("Allow", "GET, POST"),))

    async def _begin(self, body: bytes) -> Reply:
        from pypidaemon.adoption.beginning import Order, WrongOrder

        if self.means is None:
            return text(400, "this daemon adopts nothing", "")
        if self._last is not None and not self._last.ended:
            return text(400, "an adoption is under way already", "")
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            said = None
        run = _Run(self._last.number + 1 if self._last is not None else 1)
        try:
            order = Order.read(said if isinstance(said, dict) else {})
            run.adoption = self.means().adoption(order, run.told)
        except WrongOrder as error:
            # So the command knows that it is the usage that is wrong.
            return text(404, str(error), "")
        self._last = run
        self.flights.start(run.number, partial(self._work, run, run.adoption))
        return json_reply(200, run.tell(0))

    async def _work(self, run: _Run, adoption: Adoption) -> None:
        try:
            await adoption.run()
        except PypidaemonError as error:
            run.error = str(error)
        finally:
            run.error = run.error or (None if adoption.ended else "the daemon stopped, or failed, before everything was adopted")
            run.ended = True
            said = adoption.tally
            log.info(
                "adopt {title} into {index}{rehearsal}: {outcome}",
                title=adoption.title,
                index=adoption.label,
                rehearsal=", rehearsed" if adoption.rehearsal else "",
                outcome=run.error or f"{said.taken} files taken, {said.here} here already, {said.skipped} skipped",
            )
