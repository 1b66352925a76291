"""Verifications of what is stored, begun and followed on the control socket: one at a time, which goes on whoever follows it."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.flights import Flights
from pypidaemon.verification.findings import Finding
from pypidaemon.verification.run import QUIET, Means, Verification
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text

AT_ONCE = 1_000
"""Findings that one answer gives."""
MOST = 100_000
"""Findings that are kept; more are only counted, and stand in the log."""

log = Logger(namespace="pypidaemon")


@attrs.define
class _Run:
    """A verification, and what it has found."""

    number: int
    verification: Verification
    findings: list[dict[str, Any]]
    error: str | None = None
    ended: bool = False

    def tell(self, after: int) -> dict[str, Any]:
        """How far it has come, with what it found after so many findings."""
        some = self.findings[after : after + AT_ONCE]
        return {
            "run": self.number,
            "running": not self.ended or after + len(some) < len(self.findings),
            "error": self.error,
            "findings": some,
            **self.verification.as_json(),
        }


@attrs.define
class VerifyDesk:
    """
    Answers `POST /verify[?repair=yes][&project=NAME...]`, which begins one, and `GET /verify?after=N`, which tells of the last one begun.

    It ends with the daemon; what it put right until then stays so.
    """

    means: Means | None
    flights: Flights[int, None] = attrs.field(factory=Flights, init=False)
    _last: _Run | None = attrs.field(default=None, init=False)

    def go_on_from(self, other: VerifyDesk) -> None:
        """Have what that desk has under way, and tell of it; it is told to stop with this one then, and no more with that one."""
        self.flights, other.flights = other.flights, self.flights
        self._last = other._last

    def operate(self, ask: Ask) -> Reply:
        """
        What the operator asks.

        :raises InvalidName: a project's name cannot be one.
        """
        match ask.method:
            case "POST":
                return self._begin(ask)
            case "GET":
                return self._told(ask)
        return text(405, "GET or POST", ask.id, (("Allow", "GET, POST"),))

    def _begin(self, ask: Ask) -> Reply:
        projects = frozenset(project_name(value) for key, value in ask.query if key == "project")
        if self.means is None:
            return text(404, "this daemon verifies nothing", ask.id)
        if self._last is not None and not self._last.ended:
            return text(409, "a verification is under way already", ask.id)
        findings: list[dict[str, Any]] = []

        def found(finding: Finding) -> None:
            if len(findings) < MOST:
                findings.append(finding.as_json())

        verification = Verification(self.means, projects or None, ("repair", "yes") in ask.query, QUIET, found)
        self._last = run = _Run(self._last.number + 1 if self._last is not None else 1, verification, findings)
        self.flights.start(run.number, partial(self._work, run))
        return json_reply(200, run.tell(0))

    def _told(self, ask: Ask) -> Reply:
        after = dict(ask.query).get("after", "0")
        if self._last is None or not after.isascii() or not after.isdigit() or len(after) > 9:
            return text(404 if self._last is None else 400, "nothing was verified since the start of this daemon", ask.id)
        return json_reply(200, self._last.tell(int(after)))

    async def _work(self, run: _Run) -> None:
        try:
            await run.verification.run()
        except PypidaemonError as error:
            run.error = str(error)
        finally:
            run.error = run.error or (None if run.verification.whole else "the daemon stopped before everything was verified")
            run.ended = True
            log.info("verify: {state}", state=_line(run))


def _line(run: _Run) -> str:
    said = run.verification
    return run.error or f"{said.reading.blobs} blobs read, {said.problems} problems, {said.unrepaired} not repaired"
