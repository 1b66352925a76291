"""What is done to accounts: users, groups, grants and tokens changed, each change noted and in force on the next request."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pypidaemon.accounts.keyring import OPERATOR as OPERATOR
from pypidaemon.accounts.keyring import Actor as Actor
from pypidaemon.accounts.keyring import Keyring
from pypidaemon.accounts.users import Users
from pypidaemon.accounts.words import Unacceptable as Unacceptable
from pypidaemon.accounts.words import fit_password, grant_of, named
from pypidaemon.model import Grant, User
from pypidaemon.rights import ANONYMOUS, AUTHENTICATED, EVERY, GROUP


@attrs.frozen
class Person:
    """A user with what the records say of them."""

    user: User
    groups: frozenset[str]


@attrs.define(eq=False, kw_only=True)
class People(Keyring):
    """
    Changes accounts. Nothing here asks whether the actor may: the door does, and who can open the control socket may everything.

    :param users: the users of `records`; the checker's own where it has them (`LocalAccounts.users`).
    :param labels: the indexes that the configuration has, each with the leaves below it; a leaf has none. Rights are asked of leaves alone, save `list`.
    """

    users: Users
    labels: Mapping[str, tuple[str, ...]]

    async def add_user(self, actor: Actor, name: str, password: str | None) -> None:
        """
        Add a user.

        :param password: None for a user of tokens alone.
        :raises Unacceptable: the name or the password cannot be one, there is such a user, or passwords are not kept here.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        named(name)
        self._fit(password)
        if not await self.users.add(name, password):
            raise Unacceptable(f"there is a user {name} already (user password gives a new password, user enable lets a disabled one in)")
        await self._did(actor, "user add", name, "" if password is None else "with a password")

    async def set_password(self, actor: Actor, name: str, password: str) -> None:
        """
        Give a user another password; tokens stay good, and one that is disabled stays so.

        :raises Unacceptable: there is no such user, the password cannot be one, or passwords are not kept here.
        :raises TooManyAttempts: too many passwords are being hashed.
        """
        named(name)
        self._fit(password)
        if not await self.users.set_password(name, password):
            raise Unacceptable(f"there is no user {name}")
        await self._did(actor, "user password", name)

    async def disable_user(self, actor: Actor, name: str) -> int:
        """
        Let a user in no more, from the next request on, and revoke all tokens; answer how many.

        Password, groups and rights stay for `enable_user`. A user that only somebody else knows is added as one that is disabled.

        :raises Unacceptable: there is no such user.
        """
        named(name)
        async with self._changing:
            if self.strangers:
                await self.users.add(name, None)
            if not await self.users.disable(name, True):
                raise Unacceptable(f"there is no user {name}")
            revoked = await self._revoke_all(name)
        await self._did(actor, "user disable", name, f"tokens revoked: {revoked}" if revoked else "")
        return revoked

    async def enable_user(self, actor: Actor, name: str) -> None:
        """
        Let a disabled user in again, with the password and the rights from before and without tokens.

        :raises Unacceptable: there is no such user, or it is not disabled.
        """
        named(name)
        async with self._changing:
            user = await self.records.accounts.user(name)
            if user is None:
                raise Unacceptable(f"there is no user {name}")
            if not user.disabled:
                raise Unacceptable(f"the user {name} is not disabled")
            # Where disabling was cut short, some are left.
            await self._revoke_all(name)
            await self.users.disable(name, False)
        await self._did(actor, "user enable", name)

    async def remove_user(self, actor: Actor, name: str) -> int:
        """
        Remove a user with its tokens, rights and memberships; answer how many projects it owned, which are nobody's from now on.

        Whoever gets the name later must not get with it what the one before had.

        :raises Unacceptable: nothing is known of such a user.
        """
        named(name)
        async with self._changing:
            owned = await self.records.files.owned(name)
            for label, project in owned:
                await self.records.files.give(label, project, None)
            if not await self.users.remove(name) and not owned:
                raise Unacceptable(f"there is no user {name}")
        await self._did(actor, "user rm", name, f"projects owned: {len(owned)}" if owned else "")
        return len(owned)

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
        wanted = grant_of(subject, right, place)
        if wanted.index != EVERY and wanted.index not in self.labels:
            raise Unacceptable(f"there is no index {wanted.index} (known: {' '.join(sorted(self.labels))} {EVERY})")
        below = self.labels.get(wanted.index)
        # A pinned index's list of names is its own, whoever has the projects.
        if below and right != "list":
            raise Unacceptable(f"{wanted.index} only shows what other indexes have, and rights are given on those: {' '.join(below)}")
        async with self._changing:
            if subject not in (ANONYMOUS, AUTHENTICATED) and not subject.startswith(GROUP):
                await self._known(subject)
            return await self._give(actor, wanted, True)

    async def ungrant(self, actor: Actor, subject: str, right: str, place: str) -> None:
        """
        Take back a right that was given in these words; index and subject may be gone by now.

        :raises Unacceptable: it was not given so.
        """
        wanted = grant_of(subject, right, place)
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
        named(group)
        async with self._changing:
            if member:
                await self._known(name)
            changed = await self.records.accounts.enrol(group, name, member)
        if changed:
            await self._did(actor, "group add" if member else "group remove", group, name)
        return changed

    async def _give(self, actor: Actor, wanted: Grant, given: bool) -> bool:
        changed = await self.records.accounts.grant(wanted, given)
        if changed:
            await self._did(actor, "grant" if given else "ungrant", wanted.subject, f"{wanted.right} {wanted.index}/{wanted.projects}")
        return changed

    def _fit(self, password: str | None) -> None:
        if password is None:
            return
        if self.strangers:
            raise Unacceptable("passwords are not kept here: the configured accounts ask somebody else")
        fit_password(password)
