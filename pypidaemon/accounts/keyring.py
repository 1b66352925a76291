"""The tokens of accounts, made and revoked; and what every change of an account takes: who did it, noted and in force at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts import tokens
from pypidaemon.accounts.words import Unacceptable, named, pattern
from pypidaemon.errors import Conflict, PypidaemonError
from pypidaemon.interfaces import IRecords
from pypidaemon.model import Deed, Token
from pypidaemon.rights import SCOPES

LONGEST_LIFE = 100 * 365 * 86400.0
"""Seconds that a token which expires can be good for; one for longer is one that does not expire."""


@attrs.frozen
class Actor:
    """Who changes something, and from where, as the audit log has it (S78)."""

    account: str
    address: str = ""


OPERATOR = Actor("(operator)", "local")
"""Whoever may use this machine's own files and control socket; no account's name has parentheses."""


@attrs.define(eq=False, kw_only=True)
class Keyring:
    """
    Makes and revokes tokens.

    :param random: gives that many bytes which nobody can guess.
    :param changed: called after each change and before the answer: `Doorkeeper.changed`.
    :param strangers: whether somebody else knows who there is (`use = strcred`), so that names the records lack can be good.
    """

    records: IRecords
    clock: IReactorTime
    random: Callable[[int], bytes]
    changed: Callable[[], None]
    strangers: bool = False
    _changing: DeferredLock = attrs.field(init=False, factory=DeferredLock, repr=False)
    """Who is disabled or removed gets no token and no right from somebody who looked just before."""

    async def add_token(self, actor: Actor, name: str, scope: str, projects: str, lifetime: float | None) -> tuple[Token, str]:
        """
        Make a token for an account; answer it as it is kept and the text to be shown, this once.

        :param scope: "read", "upload", or "" for whatever the account may.
        :param projects: a pattern of project names, `*` for all.
        :param lifetime: seconds until it expires; None is never.
        :raises Unacceptable: one of these means nothing here, or the user is disabled.
        """
        if scope not in SCOPES:
            raise Unacceptable(f"there is no scope {scope} (known: {' '.join(sorted(filter(None, SCOPES)))})")
        if lifetime is not None and not 0 < lifetime <= LONGEST_LIFE:
            raise Unacceptable("a token is good for more than no time and at most 100 years")
        only, now = pattern(projects), self.clock.seconds()
        shown = tokens.make(self.random)
        token = Token(
            id=shown.id,
            account=name,
            secret_hash=tokens.secret_hash(shown.secret),
            scope=scope,
            projects=only,
            created=now,
            expires=None if lifetime is None else float(math.ceil(now + lifetime)),
        )
        async with self._changing:
            await self._known(name)
            try:
                await self.records.accounts.keep_token(token)
            except Conflict:
                raise PypidaemonError("the random numbers of this machine repeat themselves; no token was made") from None
        await self._did(actor, "token add", name, f"{token.id} scope={scope or 'all'} projects={only}")
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

    async def _revoke_all(self, name: str) -> int:
        held = [token.id for token in await self.records.accounts.tokens() if token.account == name]
        return sum([await self.records.accounts.revoke_token(id) for id in held])

    async def _known(self, name: str) -> None:
        """Refuse a name that nobody has, and a user that is disabled."""
        named(name)
        user = await self.records.accounts.user(name)
        if user is None and not self.strangers:
            raise Unacceptable(f"there is no user {name}")
        if user is not None and user.disabled:
            raise Unacceptable(f"the user {name} is disabled")

    async def _did(self, actor: Actor, action: str, subject: str, detail: str = "") -> None:
        # In force first: should the note fail, the change is still made.
        self.changed()
        await self.records.accounts.note(Deed(self.clock.seconds(), actor.account, actor.address, action, subject, detail))
