"""Who may see and do what, asked in one place by every route (S42, S72)."""

from __future__ import annotations

import attrs

from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.errors import NoSuchProject, NotAllowed
from pypidaemon.interfaces import IAccount
from pypidaemon.model import NormalizedName
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.web.ask import Ask

_SEEING = ("list", "read")


@attrs.define
class Gate:
    """
    The rights of whoever asks.

    Rights are those on the index that holds a project, whichever combiner shows it: a private project is as private at the root as in its
    own index. What is made of several indexes is for those alone who may read each of them.

    :param conceal: whether a project that an account may not see is answered as if it were not there. That hides that it exists, and lets
        clients look for the name elsewhere, which is why it is off (R191).
    """

    doorkeeper: Doorkeeper
    conceal: bool = False
    rulemaking: Rulemaking | None = None
    """Knows what was blocked. Until it does nobody is let in, so that not one request is answered as if nothing were."""

    def known(self, ask: Ask) -> IAccount | None:
        """Who asks, where that is known without waiting."""
        if self.rulemaking is not None and not self.rulemaking.known:
            return None
        account = self.doorkeeper.known(ask.headers.first("authorization"))
        return None if account is None else _noted(ask, account)

    def until(self, ask: Ask) -> float:
        """How long `known` will go on answering what it has just answered, by the clock alone."""
        return self.doorkeeper.good_until(ask.headers.first("authorization"))

    async def admit(self, ask: Ask) -> IAccount:
        """
        Who asks.

        :raises NotAllowed: the credentials are wrong.
        :raises TooManyAttempts: there were too many wrong ones.
        :raises PypidaemonError: it cannot be found out what was blocked.
        """
        if self.rulemaking is not None:
            await self.rulemaking.learn()
        while True:
            age = self.doorkeeper.age
            account = await self.doorkeeper.admit(ask.headers.first("authorization"), ask.client)
            # What changed meanwhile counts too: whoever goes on from here has the rights of this moment, and keeps answers under them (S73).
            if age == self.doorkeeper.age:
                return _noted(ask, account)

    def check(self, account: IAccount, action: str, index: str, name: NormalizedName) -> None:
        """
        :raises NotAllowed: the account may not do that to the project.
        :raises NoSuchProject: the same, where it may not even know.
        """
        if account.may(action, index, name):
            return
        if self.conceal and action in _SEEING:
            raise NoSuchProject(name)
        limit = account.limit(action, index, name)
        raise NotAllowed(_line(account, limit, f"{action} {name} in {index}"), would_help=not account.authenticated)

    def check_sources(self, account: IAccount, sources: tuple[str, ...], name: NormalizedName) -> None:
        """
        :raises NotAllowed: the account may not read the project in one of these indexes.
        :raises NoSuchProject: the same, where it may not even know.
        """
        for source in sources:
            self.check(account, "read", source, name)

    def check_index(self, account: IAccount, actions: tuple[str, ...], index: str) -> None:
        """
        :raises NotAllowed: the account may do none of these to any project of the index, so nothing needs to be asked or read.
        """
        if not any(account.may(action, index, None) for action in actions):
            limits = [account.limit(action, index, None) for action in actions]
            # Where one of these is the account's own affair, no other token would do.
            limit = limits[0] if all(limits) else ""
            raise NotAllowed(_line(account, limit, f"{' or '.join(actions)} in {index}"), would_help=not account.authenticated)

    def is_public(self, sources: tuple[str, ...], name: NormalizedName) -> bool:
        """Whether everybody may read the project in each of these indexes; False also where that is not known at once."""
        anonymous = self.doorkeeper.known(None)
        return anonymous is not None and may_read(anonymous, sources, name)


def may_read(account: IAccount, sources: tuple[str, ...], name: NormalizedName) -> bool:
    """Whether the account may read the project in each of these indexes."""
    return all(account.may("read", source, name) for source in sources)


def _noted(ask: Ask, account: IAccount) -> IAccount:
    """That account, whose name the access log is to have."""
    if account.authenticated:
        ask.notes.account = account.name
    return account


def _line(account: IAccount, limit: str, what: str) -> str:
    """Who may not, or which limit of a token is in the way: another token is then what helps, and no grant would."""
    if limit:
        return f"{limit}: it may not {what}"
    return f"{account.name if account.authenticated else 'who does not log in'} may not {what}"
