"""What there is to look up about private packages: the audit log, and names that an upstream has as well."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.clashes import Clash, Clashes
from pypidaemon.errors import NotAllowed
from pypidaemon.interfaces import IAccount, IAccountRecords
from pypidaemon.journal import SINCE, journal
from pypidaemon.model import NormalizedName
from pypidaemon.settings import duration
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text


def clashes_json(found: list[Clash], asked: bool) -> dict[str, Any]:
    """The answer about names, as the command line prints it too."""
    return {"known": [attrs.asdict(clash) for clash in found], "asked": asked}


@attrs.define
class Inquiries:
    """Answers `GET /+api/log` for who may `admin` everywhere, and `GET /log` and `/check-upstream` on the control socket for the operator."""

    audit: IAccountRecords
    clashes: Clashes
    clock: IReactorTime

    async def log_for(self, ask: Ask, account: IAccount) -> Reply:
        """
        The audit log.

        :raises NotAllowed: the account may not read it.
        """
        # To ask with None would be to ask whether it may in any project. No pattern but `*` has the project without a name.
        if not account.may("admin", "*", NormalizedName("")):
            raise NotAllowed("the audit log is for administrators", would_help=not account.authenticated)
        return await self.log(ask)

    async def log(self, ask: Ask) -> Reply:
        """The audit log for who was let in; `?since=7d` says how far back."""
        try:
            back = duration(dict(ask.query)["since"]) if "since" in dict(ask.query) else SINCE
        except ValueError as error:
            return text(400, f"since: {error}", ask.id)
        return json_reply(200, await journal(self.audit, self.clock.seconds(), back))

    async def check_upstream(self, ask: Ask) -> Reply:
        """
        The private names that an upstream has; with `?ask=yes` by asking the upstreams, else by what is remembered.

        :raises UpstreamUnavailable: one that was asked does not say.
        """
        asks = ("ask", "yes") in ask.query
        return json_reply(200, clashes_json(await (self.clashes.ask() if asks else self.clashes.known()), asks))
