"""Who may come in: from an Authorization header to an account, at once where it was seen before."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakSet

import attrs
from twisted.cred.checkers import ANONYMOUS, ICredentialsChecker
from twisted.cred.error import LoginFailed, Unauthorized
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.accounts import credentials
from pypidaemon.accounts.checker import TokenChecker
from pypidaemon.accounts.credentials import ITokenCredentials, PasswordCredentials, TokenCredentials
from pypidaemon.accounts.realm import Realm
from pypidaemon.accounts.throttle import Throttle
from pypidaemon.errors import NotAllowed, TooManyAttempts
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IRecords
from pypidaemon.model import NormalizedName
from pypidaemon.rights import Account

KEPT = 300.0
"""Seconds that verified credentials are believed without being verified again; a token never beyond its end."""

MOST = 4096
"""How many verified credentials are remembered."""


@attrs.frozen
class _Entry:
    account: Account
    until: float


@attrs.define(eq=False)
class Doorkeeper:
    """
    Knows accounts by the Authorization headers that they send.

    Nothing of a credential is logged, echoed or kept: what is remembered is a hash of the header with a key that dies with the process (S71).
    Headers are text as the door reads them, with each byte a character (RFC 9110 section 5.5).

    :param checker: says who it is; tokens are looked up in the records where it knows none.
    :param records: where rights and tokens are.
    :param random: gives that many bytes which nobody can guess.
    """

    checker: ICredentialsChecker
    records: IRecords
    clock: IReactorTime
    random: Callable[[int], bytes]
    throttle: Throttle = attrs.field(init=False)
    realm: Realm = attrs.field(init=False)
    _portal: Portal = attrs.field(init=False, repr=False)
    _key: bytes = attrs.field(init=False, repr=False)
    _anonymous: Account | None = attrs.field(init=False, default=None)
    _entries: OrderedDict[bytes, _Entry] = attrs.field(init=False, factory=OrderedDict, repr=False)
    _age: int = attrs.field(init=False, default=0)
    _flights: Flights[tuple[bytes, str, int], Account] = attrs.field(init=False, repr=False)
    _all: WeakSet[Doorkeeper] = attrs.field(init=False, factory=WeakSet, repr=False)
    """Those that let people in to the same records, this one among them."""
    forgotten: Callable[[], None] = attrs.field(init=False, default=lambda: None, repr=False)
    """Called whenever this has forgotten everything, for who keeps something that was made under the rights of before."""
    stirred: Callable[[], None] = attrs.field(init=False, default=lambda: None, repr=False)
    """Called whenever `known` may answer something else than it did, unless that comes with time."""
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self.throttle = Throttle(self.clock)
        self._all.add(self)
        self.realm = Realm(self.records, self.clock)
        self._key = self.random(32)
        self._flights = Flights(quiet=(NotAllowed, TooManyAttempts))
        self._portal = Portal(self.realm, [self.checker])
        if not any(ITokenCredentials.isOrExtends(kind) for kind in self.checker.credentialInterfaces):
            self._portal.registerChecker(TokenChecker(self.records, self.clock))

    def known(self, authorization: str | None) -> Account | None:
        """
        The account of that header, or with None of nobody, where it is known for certain without asking anything; else None.

        Credentials that were verified stay good for `KEPT` seconds, a token until it expires at most, and all of them until `changed`.
        """
        if authorization is None:
            return self._anonymous
        digest = self._digest(authorization)
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry.until <= self.clock.seconds():
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return entry.account

    def good_until(self, authorization: str | None) -> float:
        """When `known`, which has just answered an account for that header, will no longer, if nothing stirs this before."""
        if authorization is None:
            return math.inf
        entry = self._entries.get(self._digest(authorization))
        return -math.inf if entry is None else entry.until

    async def admit(self, authorization: str | None, address: str) -> Account:
        """
        The account of that header; without one, anonymous.

        The same header twice at the same time from one address is verified once.

        :param address: where it came from, "" where it has no address.
        :raises NotAllowed: the credentials are wrong, or none that we know; others would help (401).
        :raises TooManyAttempts: too many were wrong from there or for that account (S69). A right password from elsewhere still works, and
            so do a right token and what `known` knows.
        """
        known = self.known(authorization)
        if known is not None:
            return known
        # The age is part of the key: what was begun before a change must not answer who asks after it (S73).
        if authorization is None:
            return await self._flights.join((b"", "", self._age), self._nobody)
        header, digest = authorization, self._digest(authorization)
        return await self._flights.join((digest, address, self._age), lambda: self._verified(header, digest, address))

    @property
    def age(self) -> int:
        """How often accounts or rights have changed; `admit` begun at another age may answer what is not so any more."""
        return self._age

    def go_on_from(self, other: Doorkeeper) -> None:
        """
        Come in place of that one, which may have people to see to for a while: what either is told of accounts the other hears, and failures to log in
        are counted together.
        """
        self.throttle, self._all = other.throttle, other._all
        self._all.add(self)

    def changed(self) -> None:
        """Forget everything: users, tokens, groups or grants are not what they were (S73)."""
        for one in tuple(self._all):
            one._forget()

    def _forget(self) -> None:
        self._age += 1
        self._anonymous = None
        self._entries.clear()
        self.stirred()
        self.forgotten()

    def founded(self, account: str, label: str, project: NormalizedName) -> None:
        """Let that account own a project that it has just begun, without anybody having to be verified again."""
        self._age += 1
        for digest, entry in self._entries.items():
            rights = entry.account.rights
            if rights.authenticated and rights.name == account:
                owner = attrs.evolve(rights, owned=rights.owned | {(label, project)})
                self._entries[digest] = attrs.evolve(entry, account=attrs.evolve(entry.account, rights=owner))
        self.stirred()
        for one in tuple(self._all):
            if one is not self:
                one._forget()

    async def _nobody(self) -> Account:
        age = self._age
        account = await self.realm.account(ANONYMOUS)
        if age == self._age:
            self._anonymous = account
            self.stirred()
        return account

    async def _verified(self, header: str, digest: bytes, address: str) -> Account:
        age = self._age
        shown = credentials.read(header)
        match shown:
            case TokenCredentials():
                account = await self._by_token(shown, address)
            case PasswordCredentials():
                account = await self._by_password(shown, address)
            case None:
                self._refuse("", address)
                raise _wrong()
        until = self.clock.seconds() + KEPT
        if account.until is not None:
            until = min(until, account.until)
        if age == self._age:
            self._entries[digest] = _Entry(account, until)
            while len(self._entries) > MOST:
                self._entries.popitem(last=False)
        return account

    async def _by_password(self, shown: PasswordCredentials, address: str) -> Account:
        suspect = credentials.suspect(shown)
        self.throttle.enter(suspect, address)
        try:
            account = await self._login(shown)
            if account is None:
                self._refuse(suspect, address)
                raise _wrong()
            return account
        finally:
            self.throttle.leave(suspect, address)

    async def _by_token(self, shown: TokenCredentials, address: str) -> Account:
        # Nobody guesses a token and looking one up is cheap, so the right one is let in however many wrong ones came from there.
        account = await self._login(shown)
        if account is None:
            suspect = credentials.suspect(shown)
            self.throttle.ask(suspect, address)
            self._refuse(suspect, address)
            raise _wrong()
        return account

    async def _login(self, shown: TokenCredentials | PasswordCredentials) -> Account | None:
        try:
            _, account, _ = await self._portal.login(shown, None, IAccount)
        except (LoginFailed, Unauthorized):
            return None
        assert isinstance(account, Account)
        return account

    def _refuse(self, suspect: str, address: str) -> None:
        if self.throttle.failed(suspect, address):
            self._log.warn("too many failed attempts to log in from {address}", address=address or "a local socket")

    def _digest(self, header: str) -> bytes:
        return hashlib.blake2b(header.encode("utf-8", "surrogatepass"), digest_size=32, key=self._key).digest()


def _wrong() -> NotAllowed:
    return NotAllowed("these credentials are not good", would_help=True)
