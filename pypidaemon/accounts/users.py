"""The users in the records, and their passwords: checked, set, and never changed by two at once."""

from __future__ import annotations

from collections.abc import Callable
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

    async def add(self, name: str, password: str | None) -> bool:
        """
        Add a user, with None one of no password; answer False and change nothing where there is one of that name.

        :raises StorageFull: there is no room.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        made = "" if password is None else await self.passwords.hash(password)
        async with self._changing:
            if await self.records.accounts.user(name) is not None:
                return False
            await self.records.accounts.keep_user(User(name, made))
            return True

    async def set_password(self, name: str, password: str) -> bool:
        """
        Give that user another password; answer False where there is none.

        :raises StorageFull: there is no room.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        made = await self.passwords.hash(password)
        return await self._change(name, lambda user: attrs.evolve(user, password_hash=made))

    async def disable(self, name: str, disabled: bool) -> bool:
        """
        Let that user in no more, or again; answer False where there is none.

        :raises StorageFull: there is no room.
        """
        return await self._change(name, lambda user: attrs.evolve(user, disabled=disabled))

    async def remove(self, name: str) -> bool:
        """
        Forget that user with all that the accounts have of it; answer whether there was anything.

        :raises StorageFull: there is no room.
        """
        async with self._changing:
            return await self.records.accounts.remove_user(name)

    async def _change(self, name: str, changed: Callable[[User], User]) -> bool:
        async with self._changing:
            user = await self.records.accounts.user(name)
            if user is None:
                return False
            await self.records.accounts.keep_user(changed(user))
            return True

    async def _renew(self, name: str, stored: str, password: str) -> None:
        made = await self.passwords.hash(password)
        async with self._changing:
            user = await self.records.accounts.user(name)
            if user is not None and user.password_hash == stored:
                await self.records.accounts.keep_user(attrs.evolve(user, password_hash=made))
