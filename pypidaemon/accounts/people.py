"""What is done to accounts: users, groups, grants and tokens changed, each change noted and in force on the next request."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts import tokens
from pypidaemon.accounts.passwords import LONGEST
from pypidaemon.accounts.users import Users
from pypidaemon.errors import Conflict, PypidaemonError
from pypidaemon.interfaces import IRecords
from pypidaemon.model import ACTIONS, Deed, Grant, Token, User
from pypidaemon.policies import globs
from pypidaemon.rights import ANONYMOUS, AUTHENTICATED, EVERY, GROUP, SCOPES, account_name

LONGEST_LIFE = 100 * 365 * 86400.0
"""Seconds that a token which expires can be good for; one for longer is one that does not expire."""


class Unacceptable(PypidaemonError):
    """What is asked for makes no sense: a name, right, index, pattern or time that there is not. The line says which."""


@attrs.frozen
class Actor:
    """Who changes something, and from where, as the audit log has it (S78)."""

    account: str
    address: str = ""


OPERATOR = Actor("(operator)", "local")
"""Whoever may use this machine's own files and control socket; no account's name has parentheses."""


@attrs.frozen
class Person:
    """A user with what the records say of them."""

    user: User
    groups: frozenset[str]


@attrs.define(eq=False)
class People:
    """
    Changes accounts. Nothing here asks whether the actor may: the door does, and who can open the control socket may everything.

    :param users: the users of `records`; the checker's own where it has them (`LocalAccounts.users`).
    :param random: gives that many bytes which nobody can guess.
    :param labels: the indexes that the configuration has.
    :param changed: called after each change and before the answer: `Doorkeeper.changed`.
    :param strangers: whether somebody else knows who there is (`use = strcred`), so that names the records lack can be good.
    """

    records: IRecords
    users: Users
    clock: IReactorTime
    random: Callable[[int], bytes]
    labels: Collection[str]
    changed: Callable[[], None]
    strangers: bool = False

    async def add_user(self, actor: Actor, name: str, password: str | None) -> bool:
        """
        Add a user, or enable one again and give it a new password; answer whether it is new.

        :param password: None for a user of tokens alone, or to leave the password as it is.
        :raises Unacceptable: the name or the password cannot be one, or passwords are not kept here.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        _named(name)
        if password is not None:
            if self.strangers:
                raise Unacceptable("passwords are not kept here: the configured accounts ask somebody else")
            if not password or len(password) > LONGEST or not password.isprintable():
                raise Unacceptable(f"a password has 1 to {LONGEST} printable characters")
        new = await self.users.put(name, password)
        await self._did(actor, "user add", name, "" if password is None else "with a password")
        return new

    async def disable_user(self, actor: Actor, name: str) -> None:
        """
        Let a user in no more, by password or token, from the next request on.

        A user that only somebody else knows is added as one that is disabled.

        :raises Unacceptable: there is no such user.
        """
        _named(name)
        if self.strangers and await self.records.accounts.user(name) is None:
            await self.users.put(name, None)
        if not await self.users.disable(name):
            raise Unacceptable(f"there is no user {name}")
        await self._did(actor, "user disable", name)

    async def everybody(self) -> list[Person]:
        """All users of the records, in the order of their names."""
        books = self.records.accounts
        return [Person(user, await books.groups(user.name)) for user in await books.users()]

    async def grant(self, actor: Actor, subject: str, right: str, place: str) -> bool:
        """
        Give a right; answer whether that changed anything.

        :param subject: a user, `group:NAME`, `anonymous` or `authenticated`.
        :param place: `INDEX` or `INDEX/GLOB`; the index can be `*`.
        :raises Unacceptable: one of the three means nothing here.
        """
        wanted = _grant(subject, right, place)
        if wanted.index != EVERY and wanted.index not in self.labels:
            raise Unacceptable(f"there is no index {wanted.index} (known: {' '.join(sorted(self.labels))} {EVERY})")
        if subject not in (ANONYMOUS, AUTHENTICATED) and not subject.startswith(GROUP):
            await self._known(subject)
        return await self._give(actor, wanted, True)

    async def ungrant(self, actor: Actor, subject: str, right: str, place: str) -> None:
        """
        Take back a right that was given in these words; index and subject may be gone by now.

        :raises Unacceptable: it was not given so.
        """
        wanted = _grant(subject, right, place)
        if not await self._give(actor, wanted, False):
            raise Unacceptable(f"{subject} was not granted {right} on {place}")

    async def grants(self) -> list[Grant]:
        """All grants."""
        return await self.records.accounts.grants()

    async def enrol(self, actor: Actor, group: str, name: str, member: bool) -> bool:
        """
        Put a user into a group, which needs no making, or take it out; answer whether that changed anything.

        :raises Unacceptable: the group's name cannot be one, or there is no such user.
        """
        _named(group)
        if member:
            await self._known(name)
        changed = await self.records.accounts.enrol(group, name, member)
        if changed:
            await self._did(actor, "group add" if member else "group remove", group, name)
        return changed

    async def add_token(self, actor: Actor, name: str, scope: str, projects: str, lifetime: float | None) -> tuple[Token, str]:
        """
        Make a token for an account; answer it as it is kept and the text to be shown, this once.

        :param scope: "read", "upload", or "" for whatever the account may.
        :param projects: a pattern of project names, `*` for all.
        :param lifetime: seconds until it expires; None is never.
        :raises Unacceptable: one of these means nothing here, or the user is disabled.
        """
        await self._known(name)
        if scope not in SCOPES:
            raise Unacceptable(f"there is no scope {scope} (known: {' '.join(sorted(filter(None, SCOPES)))})")
        if lifetime is not None and not 0 < lifetime <= LONGEST_LIFE:
            raise Unacceptable("a token is good for more than no time and at most 100 years")
        pattern, now = _pattern(projects), self.clock.seconds()
        shown = tokens.make(self.random)
        token = Token(
            id=shown.id,
            account=name,
            secret_hash=tokens.secret_hash(shown.secret),
            scope=scope,
            projects=pattern,
            created=now,
            expires=None if lifetime is None else float(math.ceil(now + lifetime)),
        )
        try:
            await self.records.accounts.keep_token(token)
        except Conflict:
            raise PypidaemonError("the random numbers of this machine repeat themselves; no token was made") from None
        await self._did(actor, "token add", name, f"{token.id} scope={scope or 'all'} projects={pattern}")
        return token, shown.text()

    async def revoke_token(self, actor: Actor, text: str) -> str:
        """
        Let a token be good no more, from the next request on; answer its id.

        :param text: its id, or the token itself.
        :raises Unacceptable: there is no such token.
        """
        id = tokens.token_id(text)
        token = None if id is None else await self.records.accounts.token(id)
        if id is None or token is None or not await self.records.accounts.revoke_token(id):
            # What was given may be a token after all, so it is not repeated (S71).
            raise Unacceptable("there is no such token")
        await self._did(actor, "token revoke", token.account, id)
        return id

    async def tokens(self) -> list[Token]:
        """All tokens that were not revoked, expired ones too."""
        return await self.records.accounts.tokens()

    async def _give(self, actor: Actor, wanted: Grant, given: bool) -> bool:
        changed = await self.records.accounts.grant(wanted, given)
        if changed:
            await self._did(actor, "grant" if given else "ungrant", wanted.subject, f"{wanted.right} {wanted.index}/{wanted.projects}")
        return changed

    async def _known(self, name: str) -> None:
        """Refuse a name that nobody has, and a user that is disabled."""
        _named(name)
        user = await self.records.accounts.user(name)
        if user is None and not self.strangers:
            raise Unacceptable(f"there is no user {name}")
        if user is not None and user.disabled:
            raise Unacceptable(f"the user {name} is disabled")

    async def _did(self, actor: Actor, action: str, subject: str, detail: str = "") -> None:
        # In force first: should the note fail, the change is still made.
        self.changed()
        await self.records.accounts.note(Deed(self.clock.seconds(), actor.account, actor.address, action, subject, detail))


def _named(name: str) -> None:
    try:
        account_name(name)
    except ValueError as error:
        raise Unacceptable(str(error)) from None


def _grant(subject: str, right: str, place: str) -> Grant:
    if right not in ACTIONS:
        raise Unacceptable(f"there is no right {right} (known: {' '.join(ACTIONS)})")
    if subject not in (ANONYMOUS, AUTHENTICATED):
        _named(subject.removeprefix(GROUP))
    index, slash, projects = place.partition("/")
    if not index or (slash and not projects):
        raise Unacceptable("say where as INDEX or INDEX/GLOB")
    return Grant(subject, right, index, _pattern(projects or EVERY))


def _pattern(raw: str) -> str:
    """One pattern in its normal spelling, so that it is found again however it is written."""
    try:
        found = globs(raw)
    except ValueError as error:
        raise Unacceptable(str(error)) from None
    if len(found) != 1:
        raise Unacceptable("there must be one pattern of project names")
    return found[0]
