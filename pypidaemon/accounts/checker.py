"""Who is that? Users and tokens in the records, as `twisted.cred` checkers."""

from __future__ import annotations

from typing import ClassVar

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Interface, implementer

from pypidaemon.accounts.credentials import ITokenCredentials
from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.realm import TOKEN, unexpired
from pypidaemon.accounts.tokens import fits, parse
from pypidaemon.accounts.users import Users
from pypidaemon.interfaces import IRecords
from pypidaemon.model import InThread
from pypidaemon.settings import given, reference

AvatarId = bytes | tuple[()]
"""What cred wants of a checker; ours know no anonymous, so it is bytes."""

_NO_HASH = "0" * 64


@implementer(ICredentialsChecker)
@attrs.define(eq=False)
class TokenChecker:
    """
    Knows the tokens in the records. What it answers is `TOKEN` and the token's id.

    A token that was revoked, has expired or never was fails as one with a wrong secret does.
    """

    credentialInterfaces: ClassVar[tuple[type[Interface], ...]] = (ITokenCredentials,)

    records: IRecords
    clock: IReactorTime

    def requestAvatarId(self, credentials: ITokenCredentials) -> Deferred[AvatarId]:
        """
        The avatar's id, later.

        :raises UnauthorizedLogin: the token is not good.
        """
        return maybeDeferred(self._check, credentials)

    async def _check(self, credentials: ITokenCredentials) -> AvatarId:
        shown = parse(credentials.token.reveal())
        if shown is None:
            raise UnauthorizedLogin
        token = await self.records.accounts.token(shown.id)
        right = fits(shown.secret, token.secret_hash if token else _NO_HASH)
        if token is None or not right or not unexpired(token, self.clock.seconds()):
            raise UnauthorizedLogin
        return TOKEN + token.id.encode("ascii")


@implementer(ICredentialsChecker)
@attrs.define(eq=False)
class LocalAccounts:
    """
    Users with passwords, and tokens, both in the records.

    A user who is disabled, one who does not exist and one with another password cannot be told apart (S68).
    """

    credentialInterfaces: ClassVar[tuple[type[Interface], ...]] = (IUsernamePassword, ITokenCredentials)

    label: str = given("label")
    records: IRecords = reference(IRecords, default="records", help="where users, tokens and rights are kept")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")
    users: Users = attrs.field(init=False, repr=False)
    _tokens: TokenChecker = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.users = Users(self.records, Passwords(self.cpu))
        self._tokens = TokenChecker(self.records, self.clock)

    def requestAvatarId(self, credentials: IUsernamePassword | ITokenCredentials) -> Deferred[AvatarId]:
        """
        The user's name, or `TOKEN` and the token's id, later.

        :raises UnauthorizedLogin: the credentials are not good.
        :raises TooManyAttempts: too many passwords are being checked.
        """
        if ITokenCredentials.providedBy(credentials):
            return self._tokens.requestAvatarId(credentials)
        return maybeDeferred(self._check, credentials)

    async def _check(self, credentials: IUsernamePassword) -> AvatarId:
        try:
            name, password = credentials.username.decode("utf-8"), credentials.password.decode("utf-8")
        except UnicodeDecodeError:
            raise UnauthorizedLogin from None
        if not await self.users.check(name, password):
            raise UnauthorizedLogin
        return credentials.username
