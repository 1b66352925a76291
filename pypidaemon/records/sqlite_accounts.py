"""Who there is, what they may and what they did, in SQLite."""

from __future__ import annotations

import sqlite3

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import Conflict, PypidaemonError
from pypidaemon.interfaces import IAccountRecords
from pypidaemon.model import Deed, Grant, Token, User
from pypidaemon.records import deeds
from pypidaemon.records.database import Database
from pypidaemon.records.rules import later, order

BETWEEN_USES = 60.0
"""How many seconds pass at least from one writing down of a token's last use to the next: each costs a sync to the disk."""

_SELECT = "SELECT id, account, secret_hash, scope, projects, created, expires, last_used FROM tokens"


def _users(connection: sqlite3.Connection) -> list[User]:
    rows = connection.execute("SELECT name, password_hash, disabled FROM users ORDER BY name").fetchall()
    return [User(name, password_hash, bool(disabled)) for name, password_hash, disabled in rows]


def _user(connection: sqlite3.Connection, name: str) -> User | None:
    row = connection.execute("SELECT name, password_hash, disabled FROM users WHERE name = ?", (name,)).fetchone()
    return User(row[0], row[1], bool(row[2])) if row else None


def _keep_user(connection: sqlite3.Connection, user: User) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO users (name, password_hash, disabled) VALUES (?, ?, ?)", (user.name, user.password_hash, int(user.disabled))
    )


_FORGET_USER = (
    "DELETE FROM users WHERE name = ?",
    "DELETE FROM tokens WHERE account = ?",
    "DELETE FROM grants WHERE subject = ?",
    "DELETE FROM members WHERE name = ?",
)


def _remove_user(connection: sqlite3.Connection, name: str) -> bool:
    return sum([connection.execute(statement, (name,)).rowcount for statement in _FORGET_USER]) > 0


def _groups(connection: sqlite3.Connection, name: str) -> frozenset[str]:
    return frozenset(group for (group,) in connection.execute("SELECT team FROM members WHERE name = ?", (name,)).fetchall())


def _enrol(connection: sqlite3.Connection, group: str, name: str, member: bool) -> bool:
    if member:
        changed = connection.execute("INSERT OR IGNORE INTO members (name, team) VALUES (?, ?)", (name, group))
    else:
        changed = connection.execute("DELETE FROM members WHERE name = ? AND team = ?", (name, group))
    return changed.rowcount > 0


def _grants(connection: sqlite3.Connection) -> list[Grant]:
    return sorted((Grant(*row) for row in connection.execute("SELECT subject, action, label, projects FROM grants")), key=order)


def _grant(connection: sqlite3.Connection, grant: Grant, given: bool) -> bool:
    row = (grant.subject, grant.right, grant.index, grant.projects)
    if given:
        changed = connection.execute("INSERT OR IGNORE INTO grants (subject, action, label, projects) VALUES (?, ?, ?, ?)", row)
    else:
        changed = connection.execute("DELETE FROM grants WHERE subject = ? AND action = ? AND label = ? AND projects = ?", row)
    return changed.rowcount > 0


def _tokens(connection: sqlite3.Connection) -> list[Token]:
    return [Token(*row) for row in connection.execute(f"{_SELECT} ORDER BY number").fetchall()]


def _token(connection: sqlite3.Connection, id: str) -> Token | None:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
    return Token(*row) if row else None


def _keep_token(connection: sqlite3.Connection, token: Token) -> None:
    kept = connection.execute(
        "INSERT OR IGNORE INTO tokens (id, account, secret_hash, scope, projects, created, expires, last_used)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        attrs.astuple(token),
    )
    if not kept.rowcount:
        raise Conflict("that token id is taken")


def _revoke_token(connection: sqlite3.Connection, id: str) -> bool:
    return connection.execute("DELETE FROM tokens WHERE id = ?", (id,)).rowcount > 0


def _used(connection: sqlite3.Connection, uses: dict[str, float]) -> None:
    # Another process may have noted a later use.
    connection.executemany(
        "UPDATE tokens SET last_used = max(coalesce(last_used, ?1), ?1) WHERE id = ?2", [(time, id) for id, time in uses.items()]
    )


@implementer(IAccountRecords)
@attrs.frozen(eq=False)
class SqliteAccounts:
    """
    `IAccountRecords` in a database that survives a loss of power.

    When a token was last used stays in memory for up to `BETWEEN_USES`, and until the next note if that comes later; `settle` writes what is
    left. All else is asked of the database each time, so that what another process changed holds here with the next question (S73).
    """

    database: Database
    clock: IReactorTime
    _unwritten: dict[str, float] = attrs.field(factory=dict, init=False)
    _written: dict[str, float] = attrs.field(factory=dict, init=False)

    log = Logger()

    async def users(self) -> list[User]:
        """All users in the order of their names."""
        return await self.database.read(_users)

    async def user(self, name: str) -> User | None:
        """The user of that name."""
        return await self.database.read(_user, name)

    async def keep_user(self, user: User) -> None:
        """Add this user, or replace the one of that name."""
        await self.database.write(_keep_user, user)

    async def remove_user(self, name: str) -> bool:
        """Forget that user with its tokens, grants and memberships, all in one transaction; answer whether there was anything."""
        return await self.database.write(_remove_user, name)

    async def groups(self, name: str) -> frozenset[str]:
        """The groups that the user is in."""
        return await self.database.read(_groups, name)

    async def enrol(self, group: str, name: str, member: bool) -> bool:
        """Put the user into the group, or take it out; answer whether that changed anything. Neither need be known otherwise."""
        return await self.database.write(_enrol, group, name, member)

    async def grants(self) -> list[Grant]:
        """Every grant, ordered by subject, right, index and projects."""
        return await self.database.read(_grants)

    async def grant(self, grant: Grant, given: bool) -> bool:
        """Give this grant, or take it back; answer whether that changed anything."""
        return await self.database.write(_grant, grant, given)

    async def tokens(self) -> list[Token]:
        """All tokens that were not revoked, in the order in which they were made."""
        return [self._up_to_date(token) for token in await self.database.read(_tokens)]

    async def token(self, id: str) -> Token | None:
        """The token of that id, unless it was revoked."""
        token = await self.database.read(_token, id)
        return token and self._up_to_date(token)

    async def keep_token(self, token: Token) -> None:
        """
        Keep a new token.

        :raises Conflict: that id is taken.
        """
        await self.database.write(_keep_token, token)
        self._unwritten.pop(token.id, None)

    async def revoke_token(self, id: str) -> bool:
        """Forget the token; answer whether there was one."""
        revoked = await self.database.write(_revoke_token, id)
        self._unwritten.pop(id, None)
        return revoked

    async def used_token(self, id: str, time: float) -> None:
        """Note when the token was last used; the latest time stays, and neither an unknown token nor a full disk is a fault."""
        self._unwritten[id] = later(self._unwritten.get(id), time)
        now = self.clock.seconds()
        for known in [known for known, then in self._written.items() if now - then >= BETWEEN_USES]:
            del self._written[known]
        due = {known: used for known, used in self._unwritten.items() if known not in self._written}
        if not due:
            return
        self._written.update(dict.fromkeys(due, now))
        try:
            await self.database.write(_used, due)
        except PypidaemonError as error:
            self._complain(error)
            return
        for known, used in due.items():
            if self._unwritten.get(known) == used:
                del self._unwritten[known]

    def settle(self) -> None:
        """Write what is only in memory, in this thread: for the stop, when the writing thread has ended."""
        left = dict(self._unwritten)
        self._unwritten.clear()
        self._written.clear()
        if not left:
            return
        try:
            self.database.at_once(_used, left)
        except PypidaemonError as error:
            self._complain(error)

    async def note(self, deed: Deed) -> None:
        """Append to the audit log (S78)."""
        await self.database.write(deeds.note, deed)

    async def deeds(self, since: float, limit: int) -> list[Deed]:
        """The rows at or after that time, oldest first, at most `limit` and `MOST_DEEDS`, and of those the newest."""
        return await self.database.read(deeds.read, since, limit)

    def _up_to_date(self, token: Token) -> Token:
        """The token with what memory knows of its use."""
        used = self._unwritten.get(token.id)
        return token if used is None else attrs.evolve(token, last_used=later(token.last_used, used))

    def _complain(self, error: PypidaemonError) -> None:
        self.log.warn("When tokens were last used is not kept: {error}", error=str(error))
