"""The control socket: HTTP over a Unix socket that only the daemon's own user can open, for the commands that change or look inside."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon import __version__
from pypidaemon.errors import NoSuchFile
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IIndex, IMeasured, IUpstream
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply, upstream_states
from pypidaemon.web.reply import Reply, text


@attrs.define
class Control:
    """Answers `GET /status` and `POST /refresh?name=...` or `POST /refresh?all=yes`."""

    default: str
    indexes: Mapping[str, IIndex]
    upstreams: Mapping[str, IUpstream]
    spool: IMeasured
    answers: Answers
    clock: IReactorTime
    started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.seconds()

    async def handle(self, ask: Ask) -> Reply:
        """
        One request of the command line.

        :raises InvalidName: a name to refresh is no project's name.
        """
        match (ask.method, ask.segments):
            case ("GET", ("status",)):
                return json_reply(200, self._status())
            case ("POST", ("refresh",)):
                return await self._refresh(ask)
            case (_, ("status",)) | (_, ("refresh",)):
                return text(405, "GET /status or POST /refresh", ask.id, (("Allow", "GET" if ask.segments == ("status",) else "POST"),))
        raise NoSuchFile("/".join(ask.segments)[:200])

    async def _refresh(self, ask: Ask) -> Reply:
        names = [project_name(value) for key, value in ask.query if key == "name"]
        everything = ("all", "yes") in ask.query
        if not names and not everything:
            return text(400, "say name=PROJECT or all=yes", ask.id)
        refreshed = 0
        for index in self.indexes.values():
            for name in [None] if everything else names:
                refreshed += await index.refresh(name)
        return json_reply(200, {"refreshed": refreshed})

    def _status(self) -> dict[str, object]:
        return {
            "version": __version__,
            "uptime": round(self.clock.seconds() - self.started, 1),
            "index": self.default,
            "indexes": sorted(self.indexes),
            "upstreams": upstream_states(self.upstreams),
            "downloads": dict(self.spool.measures()),
            "answers": {
                "held": len(self.answers),
                "bytes": self.answers.weight,
                "ready": self.answers.hits,
                "rendered": self.answers.misses,
            },
        }
