"""Bundles taken in on the control socket, one at a time: begun by the operator, who names a file, and followed by whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.moments import written
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

if TYPE_CHECKING:
    from pypidaemon.bundles.importing import Importing, Means

Bundling: TypeAlias = "Callable[[], Means]"

log = Logger(namespace="pypidaemon")


@attrs.define
class _Run:
    """An import, and how it ended."""

    number: int
    importing: Importing
    error: str | None = None
    ended: bool = False

    def tell(self) -> dict[str, Any]:
        state = attrs.asdict(self.importing.state)
        return {
            "run": self.number,
            "running": not self.ended,
            "error": self.error,
            "rehearsal": self.importing.rehearsal,
            **state,
            "taken": written(state["taken"]),
        }


@attrs.define
class BundleDesk:
    """
    Answers `POST /bundle?file=PATH[&key=PUBLIC][&as=FROM%20TO...][&rehearsal=yes]`, which begins one, and `GET /bundle`, which tells of the last one
    begun. It ends with the daemon; what it took over until then stays, and saying it again does the rest.
    """

    means: Bundling | None
    flights: Flights[int, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _last: _Run | None = attrs.field(default=None, init=False)

    def go_on_from(self, other: BundleDesk) -> None:
        """Have what that desk has under way, and tell of it."""
        self.flights, other.flights = other.flights, self.flights
        self._last = other._last

    def state(self) -> dict[str, Any] | None:
        """How far the last one has come; None where none was taken in since the start."""
        return self._last.tell() if self._last is not None else None

    async def operate(self, ask: Ask) -> Reply:
        """What the operator asks."""
        match ask.method:
            case "POST":
                return self._begin(ask)
            case "GET" if self._last is not None:
                return json_reply(200, self._last.tell())
            case "GET":
                return text(404, "no bundle was taken in since the start of this daemon", ask.id)
        return text(405, "GET or POST", ask.id, (("Allow", "GET, POST"),))

    def _begin(self, ask: Ask) -> Reply:
        from pypidaemon.bundles.importing import Importing
        from pypidaemon.bundles.keys import Trust, public_key

        asked = dict(ask.query)
        path = Path(asked.get("file", ""))
        if self.means is None:
            return text(404, "this daemon takes no bundles in", ask.id)
        if not path.is_absolute() or "\0" in str(path):
            return text(400, "say file=PATH, an absolute one", ask.id)
        if self._last is not None and not self._last.ended:
            return text(409, "a bundle is being taken in already", ask.id)
        means = self.means()
        try:
            trust = Trust((public_key(asked["key"]),), unsigned=False) if asked.get("key") else means.trust
        except ValueError as error:
            return text(400, str(error), ask.id)
        names = dict(value.split(" ", 1) for key, value in ask.query if key == "as" and " " in value)
        importing = Importing(means, trust, names, asked.get("rehearsal") == "yes")
        self._last = run = _Run(self._last.number + 1 if self._last is not None else 1, importing)
        self.flights.start(run.number, partial(self._work, run, path))
        return json_reply(200, run.tell())

    async def _work(self, run: _Run, path: Path) -> None:
        done = False
        try:
            await run.importing.read(path)
            done = True
        except PypidaemonError as error:
            run.error = str(error)
        finally:
            run.error = run.error or (None if done else "the daemon stopped, or failed, before everything was taken in")
            run.ended = True
            state = run.importing.state
            log.info(
                "bundle {path}: {outcome}",
                path=str(path),
                outcome=run.error or f"{state.changed} files of {state.projects} projects changed, {len(state.conflicts)} conflicts",
            )
