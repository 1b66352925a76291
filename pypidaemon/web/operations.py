"""What those who run a daemon ask it: is it alive, is it able, what has it done (R224, F96)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import orjson

from pypidaemon import __version__
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMeasured, IRecords, IUpstream
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

    An upstream that does not count its requests has been asked if its state has ever begun.
    """
    return {label: _state(upstream) for label, upstream in upstreams.items()}


def counted(upstream: IUpstream) -> dict[str, float]:
    """What an upstream has counted since the start; nothing where it does not count."""
    return dict(IMeasured(upstream).measures()) if IMeasured.providedBy(upstream) else {}


def _state(upstream: IUpstream) -> dict[str, object]:
    health = upstream.health
    if health.state == "up" and not counted(upstream).get("requests", health.since):
        return {"state": UNASKED, "cause": "", "since": None}
    return {"state": health.state, "cause": health.cause, "since": moment(health.since)}


@attrs.define
class Operations:
    """Answers `/`, `/+health`, `/+ready` and `/+metrics`; a project's name cannot begin with `+`."""

    upstreams: Mapping[str, IUpstream]
    records: IRecords
    metrics: Metrics

    async def handle(self, ask: Ask, root: str) -> Reply:
        """One of the addresses above."""
        match ask.segments:
            case ("+health",):
                return json_reply(200, {"status": "alive", "version": __version__, "upstreams": upstream_states(self.upstreams)})
            case ("+ready",):
                return await self._ready()
            case ("+metrics",):
                return Reply(200, (("Content-Type", self.metrics.content_type), *_FRESH), self.metrics.expose())
        return self._welcome(root)

    async def _ready(self) -> Reply:
        """Whether this daemon itself can serve; an upstream that is down does not make it unready."""
        try:
            await self.records.ledger.high("")
        except PypidaemonError as error:
            return json_reply(503, {"ready": False, "reason": str(error)})
        return json_reply(200, {"ready": True})

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
