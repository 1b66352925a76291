"""Who gives an order about releases: an account at some address, or whoever may use this machine's own files and control socket."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.accounts.people import OPERATOR, Actor
from pypidaemon.interfaces import IAccount
from pypidaemon.model import NormalizedName


@implementer(IAccount)
@attrs.frozen
class Operator:
    """Whoever may use this machine's own files and control socket: an account that may everything."""

    name: str = OPERATOR.account
    authenticated: bool = True
    scope: str = OPERATOR.account
    sight: str = OPERATOR.account

    def may(self, action: str, index_label: str, project: NormalizedName | None) -> bool:
        """Yes."""
        return True

    def limit(self, action: str, index_label: str, project: NormalizedName | None) -> str:
        """Nothing."""
        return ""


@attrs.frozen
class Caller:
    """Who gives an order, and from where."""

    account: IAccount
    client: str

    @property
    def actor(self) -> Actor:
        """As the audit log has it."""
        return Actor(self.account.name, self.client)


THE_OPERATOR = Caller(Operator(), OPERATOR.address)
