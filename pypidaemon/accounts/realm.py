"""From who somebody is to what they may: the `twisted.cred` realm that hands out accounts."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Interface, implementer

from pypidaemon.interfaces import IAccount, IRecords
from pypidaemon.model import Token
from pypidaemon.rights import Account, Rights, account_name

TOKEN = b"token:"
"""Begins the avatar id of a token; no account's name has a colon."""

Avatar = tuple[type[Interface], object, Callable[[], None]]
"""What cred wants of a realm: the interface, the account, and what to call when it leaves."""


def unexpired(token: Token, now: float) -> bool:
    """Whether that token is still good by the clock; `now` is in seconds since the epoch."""
    return token.expires is None or now < token.expires


@implementer(IRealm)
@attrs.define(eq=False)
class Realm:
    """
    Gives each avatar id its account with the rights that the records hold for it now.

    An id is `ANONYMOUS` (the empty tuple), a user's name, or `TOKEN` with a token's id. A name that the records have no user of is good:
    another checker may know more people than we do. One that is disabled there is not.
    """

    records: IRecords
    clock: IReactorTime

    def requestAvatar(self, avatarId: bytes | str | tuple[()], mind: object, *interfaces: type[Interface]) -> Deferred[Avatar]:
        """
        The account of that id, later.

        :raises UnauthorizedLogin: the user is disabled, the token is gone or has expired, or the name is none that an account can have.
        :raises NotImplementedError: something else than an `IAccount` is wanted.
        """
        if IAccount not in interfaces:
            raise NotImplementedError("this realm has accounts and nothing else")
        return maybeDeferred(self._avatar, avatarId)

    async def account(self, avatar: bytes | str | tuple[()]) -> Account:
        """
        The account of that id.

        :raises UnauthorizedLogin: as `requestAvatar`.
        """
        books = self.records.accounts
        if avatar == ():
            return Account(Rights(grants=tuple(await books.grants())))
        assert isinstance(avatar, bytes | str)
        raw = avatar.encode("utf-8") if isinstance(avatar, str) else avatar
        token = None
        if raw.startswith(TOKEN):
            token = await self._token(raw.removeprefix(TOKEN).decode("ascii"))
        name = token.account if token else self._name(raw)
        user = await books.user(name)
        if user is not None and user.disabled:
            raise UnauthorizedLogin
        rights = Rights(
            name=name,
            authenticated=True,
            groups=await books.groups(name),
            grants=tuple(await books.grants()),
            owned=await self.records.files.owned(name),
            token_scope=token.scope if token else "",
            token_projects=token.projects if token else "*",
        )
        return Account(rights, token.expires if token else None)

    async def _avatar(self, avatar: bytes | str | tuple[()]) -> Avatar:
        return IAccount, await self.account(avatar), _left

    async def _token(self, id: str) -> Token:
        now = self.clock.seconds()
        token = await self.records.accounts.token(id)
        if token is None or not unexpired(token, now):
            raise UnauthorizedLogin
        await self.records.accounts.used_token(id, now)
        return token

    def _name(self, raw: bytes) -> str:
        try:
            return account_name(raw.decode("utf-8"))
        except ValueError:
            # UnicodeDecodeError is one too. Another checker may know people by names such as `group:x`, which would mean more than one here.
            raise UnauthorizedLogin from None


def _left() -> None:
    """Nothing is held for an account while it is here, so nothing is to be let go."""
