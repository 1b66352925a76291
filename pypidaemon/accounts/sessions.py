"""
Browsers that have signed in: each known by a word that only it has, of which a keyed hash is kept, for as long as clock and rights allow (S71, S73, S75).

A session holds no rights. Those of its account are asked of the realm for each request, so what changed counts for the next one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable

import attrs
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts import credentials
from pypidaemon.accounts.checker import LocalAccounts
from pypidaemon.accounts.credentials import TokenCredentials
from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.accounts.realm import TOKEN
from pypidaemon.accounts.tokens import parse
from pypidaemon.errors import NotAllowed
from pypidaemon.rights import Account

IDLE = 1800.0
"""Seconds without a request after which a session is over."""
LONGEST = 12 * 3600.0
"""Seconds after which it is over in any case."""
MOST = 1024
"""Sessions at the same time; of more, the one goes that was idle for longest."""
MOST_OF_ONE = 16
"""Those of one account, so that no account can end everybody else's."""
MOST_NOTES = 8
"""What waits to be shown in one session."""
WORD_BYTES = 32
"""Random bytes of the word that a browser keeps: 256 bits."""


@attrs.frozen
class Note:
    """What is to be shown once, on the next page: what was done, and a text to copy that is shown nowhere else, as a token's; "" is none."""

    said: str
    secret: str = attrs.field(default="", repr=False)


@attrs.define(eq=False)
class Session:
    """
    A browser that has signed in.

    :param avatar: as the realm takes it.
    :param mark: what the user's record looked like; None where a token was shown, or there is none, since somebody else knows the password.
    """

    name: str
    avatar: bytes
    mark: bytes | None
    began: float
    used: float
    notes: list[Note] = attrs.field(factory=list, repr=False)

    @property
    def by_token(self) -> bool:
        """Whether it was begun by a token, and not by a password."""
        return self.avatar.startswith(TOKEN)

    def note(self, note: Note) -> None:
        """Have that shown on the next page."""
        self.notes[:] = [*self.notes[-MOST_NOTES + 1 :], note]

    def taken(self) -> tuple[Note, ...]:
        """What is to be shown now, which is not shown again."""
        notes, self.notes = tuple(self.notes), []
        return notes

    def over(self, now: float) -> bool:
        """Whether it is, by the clock alone; one that was put back to before the beginning ends it too."""
        return not self.began <= now < self.began + LONGEST or now - self.used >= IDLE


@attrs.define(eq=False)
class Sessions:
    """
    Signs browsers in and out, and knows them.

    :param random: gives that many bytes which nobody can guess.
    """

    doorkeeper: Doorkeeper
    clock: IReactorTime
    random: Callable[[int], bytes]
    _key: bytes = attrs.field(init=False, repr=False)
    _open: OrderedDict[bytes, Session] = attrs.field(init=False, factory=OrderedDict, repr=False)

    def __attrs_post_init__(self) -> None:
        self._key = self.random(32)

    def __len__(self) -> int:
        return len(self._open)

    async def sign_in(self, user: str, password: str, address: str) -> tuple[str, Session]:
        """
        Begin a session; answer it and the word that the browser is to keep.

        Whoever may log in by Basic may sign in by the same words, a token's among them, and who fails is counted with those who fail there (S69).

        :raises NotAllowed: the credentials are wrong.
        :raises TooManyAttempts: there were too many wrong ones.
        """
        if ":" in user:
            # Where Basic is read, all behind it would be password.
            user, password = "", ""
        header = "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode("ascii")
        while True:
            age = self.doorkeeper.age
            account = await self.doorkeeper.admit(header, address)
            avatar, mark = await self._holder(account, header)
            # Of a password that changed meanwhile nobody may be let in by the old one and be held for who knows the new one.
            if age == self.doorkeeper.age:
                break
        word = base64.urlsafe_b64encode(self.random(WORD_BYTES)).decode("ascii").rstrip("=")
        now = self.clock.seconds()
        self._make_room(account.name, now)
        session = self._open[self._digest(word)] = Session(account.name, avatar, mark, now, now)
        return word, session

    def sign_out(self, word: str) -> None:
        """End that session, if there is one."""
        self._open.pop(self._digest(word), None)

    def end(self, name: str) -> None:
        """End all sessions of that account: it was disabled or removed, or has another password."""
        for digest in [digest for digest, session in self._open.items() if session.name == name]:
            del self._open[digest]

    async def of(self, word: str) -> tuple[Session, Account] | None:
        """
        The session of that word and its account with the rights of now, to which this request counts as use; None where there is none any more.

        :raises PypidaemonError: the records cannot be read.
        """
        digest = self._digest(word)
        session = self._open.get(digest)
        if session is None:
            return None
        if session.over(self.clock.seconds()):
            del self._open[digest]
            return None
        account = await self._account(session)
        if account is None:
            self._open.pop(digest, None)
            return None
        if digest not in self._open:
            # It was ended meanwhile.
            return None
        session.used = self.clock.seconds()
        self._open.move_to_end(digest)
        return session, account

    def form_word(self, word: str) -> str:
        """What each form of that session holds, so that a form of anybody else's is known as such (S74)."""
        return hashlib.blake2b(word.encode("ascii", "replace"), digest_size=24, key=self._key, person=b"form").hexdigest()

    def is_form_word(self, word: str, shown: str) -> bool:
        """Whether that is it, in a time that tells nothing."""
        return hmac.compare_digest(self.form_word(word).encode(), shown.encode("utf-8", "replace"))

    def go_on_from(self, other: Sessions) -> None:
        """
        Know who signed in there, by a token or by a password of the records that counts here as it did there.

        Nobody can ask another checker again about a password that it vouched for, and one of the records means nothing where another is asked.
        """
        # One and the same: who signs out at the other, which may have people to see to for a while, is out here.
        self._key, self._open = other._key, other._open
        if all(isinstance(one.doorkeeper.checker, LocalAccounts) for one in (self, other)):
            return
        for digest, session in tuple(self._open.items()):
            if not session.by_token:
                del self._open[digest]

    async def _account(self, session: Session) -> Account | None:
        while True:
            age = self.doorkeeper.age
            try:
                account = await self.doorkeeper.realm.account(session.avatar)
            except UnauthorizedLogin:
                return None
            same = session.by_token or await self._mark(session.name) == session.mark
            if age == self.doorkeeper.age:
                return account if same else None

    async def _holder(self, account: Account, header: str) -> tuple[bytes, bytes | None]:
        """What the realm is to be asked with, and how it is noticed that the password is another one."""
        shown = credentials.read(header)
        if isinstance(shown, TokenCredentials):
            token = parse(shown.token.reveal())
            if token is None:
                raise NotAllowed("these credentials are not good", would_help=True)
            return TOKEN + token.id.encode("ascii"), None
        return account.name.encode("utf-8"), await self._mark(account.name)

    async def _mark(self, name: str) -> bytes | None:
        user = await self.doorkeeper.records.accounts.user(name)
        if user is None:
            return None
        return hashlib.blake2b(user.password_hash.encode("utf-8"), digest_size=16, key=self._key, person=b"mark").digest()

    def _make_room(self, name: str, now: float) -> None:
        for digest, session in tuple(self._open.items()):
            if session.over(now):
                del self._open[digest]
        own = [digest for digest, session in self._open.items() if session.name == name]
        for digest in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._open[digest]
        while len(self._open) >= MOST:
            self._open.popitem(last=False)

    def _digest(self, word: str) -> bytes:
        return hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=32, key=self._key, person=b"word").digest()
