"""Passwords: hashed by argon2id on threads, and checked in the same time whether there is anything to check against or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import DeferredSemaphore

from pypidaemon.errors import TooManyAttempts
from pypidaemon.model import InThread, T

AT_ONCE = 1
"""How many passwords are hashed at the same time: fewer than there are threads for computing, so that pages are made meanwhile."""

MOST_WAITING = 128
"""How many more may wait for that, some ten seconds' worth; who comes then is told to come again."""

SHORTEST, LONGEST = 8, 1024
"""Characters in a password that is set: the least (NIST SP 800-63B) and the most."""

PASSES = 3
MEMORY = 46 * 1024
"""Argon2id's cost: passes over so many KiB in one lane, about 0.1 s on a core of 2020; at least 50 ms are wanted (S66)."""

_SALT = 16
_HASH = 32


@attrs.define(eq=False)
class Passwords:
    """
    Hashes passwords and checks them against hashes, never on the reactor's thread.

    :param cpu: threads for computing.
    :param passes: argon2's time cost.
    :param memory: argon2's memory cost in KiB.
    """

    cpu: InThread
    passes: int = PASSES
    memory: int = MEMORY
    _hasher: PasswordHasher = attrs.field(init=False, repr=False)
    _nobody: str = attrs.field(init=False, repr=False)
    _turns: DeferredSemaphore = attrs.field(init=False, repr=False, factory=partial(DeferredSemaphore, AT_ONCE))

    def __attrs_post_init__(self) -> None:
        self._hasher = PasswordHasher(self.passes, self.memory, 1, _HASH, _SALT, type=Type.ID)
        # No password gives a hash of zeros but by an accident of 1 in 2**256. It is written down, not computed, so the first check costs no more.
        self._nobody = f"$argon2id$v=19$m={self.memory},t={self.passes},p=1${'A' * 22}${'A' * 43}"

    async def hash(self, password: str) -> str:
        """
        The hash to keep of a password, with its parameters and a salt of its own.

        :raises TooManyAttempts: too many wait already.
        """
        return await self._turn(self._hasher.hash, password)

    async def check(self, stored: str, password: str) -> bool:
        """
        Whether that is the password of this hash; never for "", which takes as long as any other answer (S68).

        :raises TooManyAttempts: too many wait already.
        """
        return await self._turn(self._verify, stored, password[:LONGEST]) and len(password) <= LONGEST

    def outdated(self, stored: str) -> bool:
        """Whether that hash was made with other parameters than new ones are (S66)."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _turn(self, function: Callable[..., T], *arguments: str) -> T:
        if len(self._turns.waiting) >= MOST_WAITING:
            raise TooManyAttempts(5)
        async with self._turns:
            return await self.cpu(function, *arguments)
