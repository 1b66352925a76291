"""Who there is, what they may and what they did, as long as the process lasts."""

from __future__ import annotations

from typing import TypeVar

import attrs
from zope.interface import implementer

from pypidaemon.errors import Conflict
from pypidaemon.interfaces import IAccountRecords
from pypidaemon.model import Deed, Grant, Token, User
from pypidaemon.records.rules import FIRST_GRANTS, MOST_DEEDS, later, order

T = TypeVar("T")


@implementer(IAccountRecords)
@attrs.define(eq=False)
class MemoryAccounts:
    """`IAccountRecords` in dictionaries, sets and a list."""

    _users: dict[str, User] = attrs.field(factory=dict, init=False)
    _members: set[tuple[str, str]] = attrs.field(factory=set, init=False)
    _grants: set[Grant] = attrs.field(factory=lambda: set(FIRST_GRANTS), init=False)
    _tokens: dict[str, Token] = attrs.field(factory=dict, init=False)
    _deeds: list[Deed] = attrs.field(factory=list, init=False)

    async def users(self) -> list[User]:
        """All users in the order of their names."""
        return [self._users[name] for name in sorted(self._users)]

    async def user(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    async def keep_user(self, user: User) -> None:
        """Add this user, or replace the one of that name."""
        self._users[user.name] = user

    async def remove_user(self, name: str) -> bool:
        """Forget that user with its tokens, grants and memberships; answer whether there was anything."""
        tokens = [token.id for token in self._tokens.values() if token.account == name]
        grants = {grant for grant in self._grants if grant.subject == name}
        members = {pair for pair in self._members if pair[1] == name}
        found = self._users.pop(name, None) is not None or bool(tokens or grants or members)
        for id in tokens:
            del self._tokens[id]
        self._grants -= grants
        self._members -= members
        return found

    async def groups(self, name: str) -> frozenset[str]:
        """The groups that the user is in."""
        return frozenset(group for group, member in self._members if member == name)

    async def enrol(self, group: str, name: str, member: bool) -> bool:
        """Put the user into the group, or take it out; answer whether that changed anything. Neither need be known otherwise."""
        return _put(self._members, (group, name), member)

    async def grants(self) -> list[Grant]:
        """Every grant, ordered by subject, right, index and projects."""
        return sorted(self._grants, key=order)

    async def grant(self, grant: Grant, given: bool) -> bool:
        """Give this grant, or take it back; answer whether that changed anything."""
        return _put(self._grants, grant, given)

    async def tokens(self) -> list[Token]:
        """All tokens that were not revoked, in the order in which they were made."""
        return list(self._tokens.values())

    async def token(self, id: str) -> Token | None:
        """The token of that id, unless it was revoked."""
        return self._tokens.get(id)

    async def keep_token(self, token: Token) -> None:
        """
        Keep a new token.

        :raises Conflict: that id is taken.
        """
        if token.id in self._tokens:
            raise Conflict("that token id is taken")
        self._tokens[token.id] = token

    async def revoke_token(self, id: str) -> bool:
        """Forget the token; answer whether there was one."""
        return self._tokens.pop(id, None) is not None

    async def used_token(self, id: str, time: float) -> None:
        """Note when the token was last used; the latest time stays, and an unknown token is no fault."""
        if id in self._tokens:
            self._tokens[id] = attrs.evolve(self._tokens[id], last_used=later(self._tokens[id].last_used, time))

    async def note(self, deed: Deed) -> None:
        """Append to the audit log (S78)."""
        self._deeds.append(deed)

    async def deeds(self, since: float, limit: int) -> list[Deed]:
        """The rows at or after that time, oldest first, at most `limit` and `MOST_DEEDS`, and of those the newest."""
        rows = sorted((deed for deed in self._deeds if deed.time >= since), key=lambda deed: deed.time)
        return rows[max(len(rows) - min(max(limit, 0), MOST_DEEDS), 0) :]


def _put(them: set[T], one: T, inside: bool) -> bool:
    """Let `one` be in the set or not; answer whether that changed anything."""
    before = one in them
    if inside:
        them.add(one)
    else:
        them.discard(one)
    return before is not inside
