"""The users in the records, and their passwords: checked, set, and never changed by two at once."""

from __future__ import annotations

from contextlib import suppress

import attrs
from twisted.internet.defer import DeferredLock

from pypidaemon.accounts.passwords import Passwords
from pypidaemon.errors import StorageFull, TooManyAttempts
from pypidaemon.interfaces import IRecords
from pypidaemon.model import User


@attrs.define(eq=False)
class Users:
    """
    The users of one place of records.

    A process has one of these for a place: reading a user and keeping it again is one step here, so that a hash renewed at login
    cannot undo that the user was disabled meanwhile.
    """

    records: IRecords
    passwords: Passwords
    _changing: DeferredLock = attrs.field(init=False, factory=DeferredLock, repr=False)

    async def check(self, name: str, password: str) -> bool:
        """
        Whether there is such a user, not disabled, with that password; the same time passes for every answer (S68).

        A hash of other parameters than today's is replaced, now that the password is at hand (S66).

        :raises TooManyAttempts: too many are being checked.
        """
        user = await self.records.accounts.user(name)
        stored = user.password_hash if user else ""
        right = await self.passwords.check(stored, password)
        if user is None or user.disabled or not right:
            return False
        if self.passwords.outdated(stored):
            # The login is good whether or not there is room, or a turn, to note the better hash.
            with suppress(StorageFull, TooManyAttempts):
                await self._renew(name, stored, password)
        return True

    async def put(self, name: str, password: str | None) -> bool:
        """
        Add a user, or enable one again and give it this password (None leaves the one it has); answer whether it is new.

        :raises StorageFull: there is no room.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        made = None if password is None else await self.passwords.hash(password)
        async with self._changing:
            user = await self.records.accounts.user(name)
            before = user.password_hash if user else ""
            await self.records.accounts.keep_user(User(name, before if made is None else made))
            return user is None

    async def disable(self, name: str) -> bool:
        """
        Let that user in no more; answer False where there is none.

        :raises StorageFull: there is no room.
        """
        async with self._changing:
            user = await self.records.accounts.user(name)
            if user is None:
                return False
            await self.records.accounts.keep_user(attrs.evolve(user, disabled=True))
            return True

    async def _renew(self, name: str, stored: str, password: str) -> None:
        made = await self.passwords.hash(password)
        async with self._changing:
            user = await self.records.accounts.user(name)
            if user is not None and user.password_hash == stored:
                await self.records.accounts.keep_user(attrs.evolve(user, password_hash=made))
