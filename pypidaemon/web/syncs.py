"""Orders to fill an index now, and how the services are that fill indexes (M16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pypidaemon.errors import InvalidName, NoSuchFile
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IAccount, IMirroring
from pypidaemon.model import NormalizedName
from pypidaemon.rulemaking import insist
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.operations import json_reply
from pypidaemon.web.reply import Reply, text


@attrs.define
class SyncDesk:
    """
    Answers `POST /+sync?service=LABEL[&project=NAME]` for who may `admin` the index that the service fills, and `POST /sync` and `GET /sync` on the
    control socket for the operator. An order is answered at once; however many come while a run goes on, it is one.
    """

    services: Mapping[str, IMirroring]
    gate: Gate
    hosts: Hosts = Hosts()

    async def answer(self, ask: Ask) -> Reply:
        """
        An order of an account.

        :raises NotAllowed: the account may not.
        :raises NoSuchFile: there is no such service.
        """
        if ask.method != "POST":
            return text(405, "POST, with service= and perhaps project= in the query", ask.id, (("Allow", "POST"),))
        if self.hosts.from_elsewhere(ask):
            return text(403, "pages of other sites may give no orders here", ask.id)
        account = await self.gate.admit(ask)
        try:
            return json_reply(202, self.order(account, dict(ask.query)))
        except InvalidName as error:
            return text(400, f"project: {error}", ask.id)

    def order(self, account: IAccount, asked: Mapping[str, str]) -> dict[str, Any]:
        """
        Begin what `service` and perhaps `project` say; answer these and the number of the run.

        :raises NotAllowed: the account may not.
        :raises NoSuchFile: there is no such service.
        :raises InvalidName: that is no project's name.
        """
        service = self.services.get(asked.get("service", ""))
        project = _project(asked)
        # No pattern but one of everything has the project without a name: what is ordered for all takes the right for all.
        name = project if isinstance(project, str) else NormalizedName("")
        if service is None or not account.may("admin", service.index.label, name):
            # In the same words whether there is such a service or not: only who may administrate everything is told which there are.
            insist(account, "filling indexes is for their administrators")
        if service is None:
            raise NoSuchFile(f"the service {asked.get('service', '')}"[:200])
        self.gate.check(account, "admin", service.index.label, name)
        if isinstance(project, InvalidName):
            raise project
        return {"service": service.label, "project": project, "run": service.begin(project, False)}

    async def operate(self, ask: Ask) -> Reply:
        """
        What the operator asks on the control socket: `POST` begins, of one service or of the only one there is, `GET` tells how they are.

        :raises NoSuchFile: there is no such service.
        :raises InvalidName: the project's name cannot be one.
        """
        asked = dict(ask.query)
        match ask.method:
            case "GET":
                return json_reply(200, {"services": await self.states()})
            case "POST":
                return self._begun(ask, asked)
        return text(405, "GET or POST", ask.id, (("Allow", "GET, POST"),))

    async def states(self) -> dict[str, Any]:
        """How each service is, by its label."""
        return {label: await service.state() for label, service in sorted(self.services.items())}

    async def in_short(self) -> dict[str, Any]:
        """The same without what rehearsals planned, which is long and of interest to whoever ordered them alone."""
        states = await self.states()
        for state in states.values():
            state["ended"] = {
                number: {word: said[word] for word in said if word != "plan"} for number, said in state.get("ended", {}).items()
            }
        return states

    def _begun(self, ask: Ask, asked: Mapping[str, str]) -> Reply:
        label = asked.get("service")
        if label is None and len(self.services) == 1:
            [label] = self.services
        if label is None or label not in self.services:
            if not self.services:
                return text(404, "the configuration has no mirroring service", ask.id)
            known = " ".join(sorted(self.services))
            return text(404, f"there is no such service: say one of those that fill indexes: {known}", ask.id)
        project = project_name(asked["project"]) if "project" in asked else None
        service = self.services[label]
        number = service.begin(project, asked.get("rehearsal") == "yes")
        return json_reply(200, {"service": label, "run": number})


def _project(asked: Mapping[str, str]) -> NormalizedName | InvalidName | None:
    if "project" not in asked:
        return None
    try:
        return project_name(asked["project"])
    except InvalidName as error:
        return error
