"""Files of which upstreams have other bytes by now: listed and accepted, by orders on the control socket (S28)."""

from __future__ import annotations

import attrs

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.filenames import filename, project_name
from pypidaemon.replacements import Replacements
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text


@attrs.frozen
class ReplacedDesk:
    """Answers `GET /replaced`, and `POST /replaced/accept` with `project=NAME&file=FILENAME[&index=LABEL]`."""

    replacements: Replacements | None

    async def operate(self, ask: Ask) -> Reply:
        """
        What the operator asks.

        :raises InvalidName: the project's name or the file's cannot be one.
        :raises PypidaemonError: the records cannot be read or written.
        """
        if self.replacements is None:
            return text(404, "this daemon has no upstream", ask.id)
        asked = dict(ask.query)
        match (ask.method, ask.segments[1:]):
            case ("GET", ()):
                return json_reply(200, await self.replacements.listed())
            case ("POST", ("accept",)) if asked.get("project") and asked.get("file"):
                try:
                    done = await self.replacements.accept(
                        project_name(asked["project"]), filename(asked["file"]), asked.get("index"), THE_OPERATOR
                    )
                except Unacceptable as error:
                    return text(400, str(error), ask.id)
                return json_reply(200, done)
        return text(405, "GET /replaced, or POST /replaced/accept with project= and file=", ask.id, (("Allow", "GET, POST"),))
