"""What those who run a daemon ask it: is it alive, is it able, what has it done (R224, F96)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import orjson

from pypidaemon import __version__
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IRecords, IUpstream
from pypidaemon.web.ask import Ask
from pypidaemon.web.metrics import Metrics
from pypidaemon.web.reply import Reply

_FRESH = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


def json_reply(status: int, document: object) -> Reply:
    """A JSON answer that nobody keeps."""
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Reply(status, (("Content-Type", "application/json"), *_FRESH), body)


def upstream_states(upstreams: Mapping[str, IUpstream]) -> dict[str, dict[str, object]]:
    """The health of every upstream, as JSON."""
    return {
        label: {"state": upstream.health.state, "cause": upstream.health.cause, "since": upstream.health.since}
        for label, upstream in upstreams.items()
    }


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
            await self.records.identity()
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
