"""A doorkeeper over records in memory, and headers to show it."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable

import attrs
from twisted.internet.task import Clock

from pypidaemon.accounts.checker import LocalAccounts
from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR, People
from pypidaemon.accounts.users import Users
from pypidaemon.records.memory import MemoryRecords
from tests.gear import inline, now

NOON = 1_780_000_000.0
HERE = "192.0.2.1"
PASSWORD = "right one"


def random_bytes() -> Callable[[int], bytes]:
    """Bytes that are never twice the same, and the same in every run."""
    numbers = itertools.count(1)
    return lambda count: next(numbers).to_bytes(count, "little")


def cheap(calls: list[str] | None = None) -> Passwords:
    """Real hashes that cost next to nothing; notes what was run."""

    async def run(function: Callable[..., object], /, *args: object, **kwargs: object) -> object:
        if calls is not None:
            calls.append(function.__name__)
        return await inline(function, *args, **kwargs)

    return Passwords(run, passes=1, memory=8)  # type: ignore[arg-type]  # a fake may take what it likes


def basic(user: str, password: str, encoding: str = "utf-8") -> str:
    """The header that clients make of these."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode(encoding)).decode()


@attrs.define
class Gate:
    """Everything about accounts, in memory."""

    clock: Clock = attrs.field(factory=Clock)
    calls: list[str] = attrs.field(factory=list)
    records: MemoryRecords = attrs.field(init=False)
    checker: LocalAccounts = attrs.field(init=False)
    doorkeeper: Doorkeeper = attrs.field(init=False)
    people: People = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)
        self.records = MemoryRecords(label="records", clock=self.clock)
        self.checker = LocalAccounts(label="accounts", records=self.records, clock=self.clock, cpu=inline)
        self.checker.users = Users(self.records, cheap(self.calls))
        self.doorkeeper = Doorkeeper(self.checker, self.records, self.clock, random_bytes())
        self.people = People(
            records=self.records,
            users=self.checker.users,
            clock=self.clock,
            random=random_bytes(),
            labels={"private": (), "pypi": (), "root": ("private", "pypi")},
            changed=self.doorkeeper.changed,
        )

    def user(self, name: str = "ann", password: str | None = PASSWORD) -> None:
        """A new user."""
        now(self.people.add_user(OPERATOR, name, password))

    def token(self, name: str = "ann", scope: str = "", projects: str = "*", lifetime: float | None = None) -> str:
        """A new token's text."""
        return now(self.people.add_token(OPERATOR, name, scope, projects, lifetime))[1]
