"""What those who run a daemon ask it: is it alive, is it able, what has it done (R224, F96)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import attrs
import orjson

from pypidaemon import __version__
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IHealth, IMeasured, IRecords, IStandIns, IUpstream
from pypidaemon.replacements import counts
from pypidaemon.web.ask import Ask
from pypidaemon.web.metrics import Metrics
from pypidaemon.web.reply import Reply

_FRESH = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


UNASKED = "not asked yet"
"""The state of an upstream before the first request to it: nobody knows whether it answers."""


def moment(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def json_reply(status: int, document: object) -> Reply:
    """A JSON answer that nobody keeps."""
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Reply(status, (("Content-Type", "application/json"), *_FRESH), body)


def upstream_states(upstreams: Mapping[str, IUpstream]) -> dict[str, dict[str, object]]:
    """
    The health of every upstream, as JSON. One that no request was made to is in the state `UNASKED`, since nothing.

    An upstream that does not count its requests has been asked if its state has ever begun. Where more hosts than one were asked for it, as those that
    hold its files or stand in for it, each of them is told of.
    """
    return {label: _state(upstream) for label, upstream in upstreams.items()}


def counted(upstream: IUpstream) -> dict[str, float]:
    """What an upstream has counted since the start; nothing where it does not count."""
    return dict(IMeasured(upstream).measures()) if IMeasured.providedBy(upstream) else {}


def _state(upstream: IUpstream) -> dict[str, object]:
    health = upstream.health
    hosts = IStandIns(upstream).hosts if IStandIns.providedBy(upstream) else {}
    more: dict[str, object] = {"hosts": {host: _said(one) for host, one in hosts.items()}} if len(hosts) > 1 else {}
    if health.state == "up" and not counted(upstream).get("requests", health.since):
        return {"state": UNASKED, "cause": "", "since": None, **more}
    return {**_said(health), **more}


def _said(health: IHealth) -> dict[str, object]:
    return {"state": health.state, "cause": health.cause, "since": moment(health.since)}


@attrs.define
class Operations:
    """Answers `/`, `/+health`, `/+ready` and `/+metrics`; a project's name cannot begin with `+`."""

    upstreams: Mapping[str, IUpstream]
    records: IRecords
    metrics: Metrics
    lacking: Callable[[], Awaitable[str]] | None = None
    """Why nothing is kept now; "" where it is."""
    count: Callable[[], Awaitable[None]] | None = None
    """Has the counts of the disk be those of now."""
    leaving: bool = attrs.field(init=False, default=False)
    """Whether the daemon is about to stop (F79)."""

    async def handle(self, ask: Ask, root: str) -> Reply:
        """One of the addresses above."""
        match ask.segments:
            case ("+health",):
                return json_reply(200, {"status": "alive", "version": __version__, "upstreams": upstream_states(self.upstreams)})
            case ("+ready",):
                return await self._ready()
            case ("+metrics",):
                if self.count is not None:
                    await self.count()
                return Reply(200, (("Content-Type", self.metrics.content_type), *_FRESH), self.metrics.expose(await self._replaced()))
        return self._welcome(root)

    async def _ready(self) -> Reply:
        """Whether this daemon itself can serve; an upstream that is down does not make it unready."""
        if self.leaving:
            return json_reply(503, {"ready": False, "reason": "the daemon is about to stop"})
        try:
            await self.records.ledger.high("")
        except PypidaemonError as error:
            return json_reply(503, {"ready": False, "reason": str(error)})
        # Without room it serves all the same, so whoever chooses between daemons must not leave this one out (F55, F96).
        lacking = await self.lacking() if self.lacking is not None else ""
        return json_reply(200, {"ready": True} | ({"keeps": False, "reason": lacking} if lacking else {}))

    async def _replaced(self) -> Mapping[str, int]:
        """How many files upstream has replaced, by index; nothing where the records cannot say."""
        try:
            return await counts(self.records)
        except PypidaemonError:
            return {}

    def _welcome(self, root: str) -> Reply:
        lines = [
            f"This is pypidaemon {__version__}, an index of Python packages.",
            "",
            f"  pip install --index-url {root}simple/ PROJECT",
            f"  uv pip install --default-index {root}simple/ PROJECT",
            "",
            f"State: {root}+health  {root}+ready  {root}+metrics",
            "",
        ]
        return Reply(200, (("Content-Type", "text/plain; charset=utf-8"), *_FRESH), "\n".join(lines).encode())
