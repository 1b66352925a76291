"""Who may see and do what, asked in one place by every route (S42, S72)."""

from __future__ import annotations

import attrs

from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.errors import NoSuchProject, NotAllowed
from pypidaemon.interfaces import IAccount
from pypidaemon.model import NormalizedName
from pypidaemon.web.ask import Ask

_SEEING = ("list", "read")


@attrs.define
class Gate:
    """
    The rights of whoever asks.

    Rights are those on the index that holds a project, whichever combiner shows it: a private project is as private at the root as in its
    own index.

    :param conceal: whether a project that an account may not see is answered as if it were not there. That hides that it exists, and lets
        clients look for the name elsewhere, which is why it is off (R191).
    """

    doorkeeper: Doorkeeper
    conceal: bool = False

    def known(self, ask: Ask) -> IAccount | None:
        """Who asks, where that is known without waiting."""
        return self.doorkeeper.known(ask.headers.first("authorization"))

    async def admit(self, ask: Ask) -> IAccount:
        """
        Who asks.

        :raises NotAllowed: the credentials are wrong.
        :raises TooManyAttempts: there were too many wrong ones.
        """
        return await self.doorkeeper.admit(ask.headers.first("authorization"), ask.client)

    def check(self, account: IAccount, action: str, index: str, name: NormalizedName) -> None:
        """
        :raises NotAllowed: the account may not do that to the project.
        :raises NoSuchProject: the same, where it may not even know.
        """
        if account.may(action, index, name):
            return
        if self.conceal and action in _SEEING:
            raise NoSuchProject(name)
        raise NotAllowed(f"{_who(account)} may not {action} {name} in {index}", would_help=not account.authenticated)

    def check_index(self, account: IAccount, actions: tuple[str, ...], index: str) -> None:
        """
        :raises NotAllowed: the account may do none of these to any project of the index, so nothing needs to be asked or read.
        """
        if not any(account.may(action, index, None) for action in actions):
            raise NotAllowed(f"{_who(account)} may not {' or '.join(actions)} in {index}", would_help=not account.authenticated)

    def is_public(self, index: str, name: NormalizedName) -> bool:
        """Whether everybody may read the project; False also where that is not known at once."""
        anonymous = self.doorkeeper.known(None)
        return anonymous is not None and anonymous.may("read", index, name)


def _who(account: IAccount) -> str:
    return account.name if account.authenticated else "who does not log in"
