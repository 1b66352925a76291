"""Passwords are hashed slowly, with salt, off the reactor, and two at a time."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.accounts.passwords import AT_ONCE, LONGEST, MOST_WAITING, Passwords
from pypidaemon.accounts.users import Users
from pypidaemon.errors import StorageFull, TooManyAttempts
from pypidaemon.interfaces import IAccountRecords
from pypidaemon.model import User
from pypidaemon.records.memory import MemoryRecords
from tests.accounts.parts import cheap
from tests.gear import inline, later, now, waiting


class Threads:
    """Threads that begin when told to."""

    def __init__(self) -> None:
        self.begun: list[Deferred[None]] = []

    async def __call__(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> object:
        self.begun.append(turn := Deferred())
        await turn
        return function(*args, **kwargs)


def users(passwords: Passwords) -> Users:
    return Users(MemoryRecords(label="records", clock=None), passwords)  # type: ignore[arg-type]  # no time passes


def test_S66_a_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    passwords = cheap()
    first, second = now(passwords.hash("pässword")), now(passwords.hash("pässword"))
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second
    assert now(passwords.check(first, "pässword"))
    assert not now(passwords.check(first, "password"))


def test_S66_the_usual_cost_is_what_was_decided() -> None:
    """Measured at about 0.1 s; 50 ms are wanted."""
    made = now(Passwords(inline).hash("x"))
    assert re.match(r"\$argon2id\$v=19\$m=47104,t=3,p=1\$", made)


@pytest.mark.parametrize("stored", ["", "no hash", "$argon2id$v=19$m=8,t=1,p=1$broken"])
def test_S68_what_cannot_be_checked_is_wrong_and_still_hashed(stored: str) -> None:
    """An empty one takes the time of a check, by the hash of nobody."""
    calls: list[str] = []
    assert not now(cheap(calls).check(stored, "x"))
    assert calls == ["_verify"]


def test_S68_the_hash_of_nobody_is_well_formed_and_costs_what_others_do() -> None:
    """Otherwise argon2 would refuse it at once."""
    passwords = cheap()
    assert not passwords.outdated(passwords._nobody)
    assert not now(passwords.check("", ""))
    assert passwords._hasher.verify(now(passwords.hash("x")), "x")
    assert len(passwords._nobody) == len(now(passwords.hash("x")))
    passwords._nobody = now(passwords.hash("x"))
    assert now(passwords.check("", "x")), "it is really what is checked against"


def test_a_password_too_long_is_wrong() -> None:
    """Even where its beginning is right."""
    passwords = cheap()
    stored = now(passwords.hash("x" * LONGEST))
    assert now(passwords.check(stored, "x" * LONGEST))
    assert not now(passwords.check(stored, "x" * (LONGEST + 1)))


def test_no_more_than_a_few_at_once_and_no_endless_queue() -> None:
    threads = Threads()
    passwords = Passwords(threads, passes=1, memory=8)  # type: ignore[arg-type]  # a fake
    checks = [later(passwords.check("", "x")) for _ in range(AT_ONCE + MOST_WAITING)]
    assert len(threads.begun) == AT_ONCE
    with pytest.raises(TooManyAttempts):
        now(passwords.check("", "x"))
    for number in range(len(checks)):
        threads.begun[number].callback(None)
        assert len(threads.begun) == min(number + 1 + AT_ONCE, len(checks))
    assert [check.result for check in checks] == [False] * len(checks)


def test_a_user_is_told_by_the_password_alone() -> None:
    """Unknown, disabled, without a password, wrong: all are one check and no."""
    calls: list[str] = []
    known = users(cheap(calls))
    assert now(known.add("ann", "right"))
    assert now(known.add("bob", "right"))
    assert now(known.add("ci", None))
    assert now(known.disable("bob", True))
    assert not now(known.disable("nobody", True))
    calls.clear()
    asked = [("ann", "right"), ("ann", "wrong"), ("bob", "right"), ("ci", ""), ("nobody", "x"), ("", "")]
    assert [now(known.check(*one)) for one in asked] == [True] + [False] * 5
    assert calls == ["_verify"] * len(asked)


def test_S66_an_old_hash_is_replaced_at_login() -> None:
    """And only when the password was right."""
    old, new = cheap(), attrs.evolve(cheap(), memory=16)
    known = users(old)
    now(known.add("ann", "right"))
    known.passwords = new
    before = now(known.records.accounts.user("ann"))
    assert not now(known.check("ann", "wrong"))
    assert now(known.records.accounts.user("ann")) == before
    assert now(known.check("ann", "right"))
    user = now(known.records.accounts.user("ann"))
    assert user is not None
    assert "m=16," in user.password_hash
    assert now(known.check("ann", "right"))


@implementer(IAccountRecords)
class FullDisk:
    """Accounts whose disk is full: they can be read."""

    def __init__(self, books: IAccountRecords) -> None:
        self.user = books.user

    async def keep_user(self, user: User) -> None:
        raise StorageFull("there is no room")


def test_S66_a_login_is_good_though_the_better_hash_cannot_be_kept() -> None:
    """A full disk keeps nobody out."""
    known = users(cheap())
    now(known.add("ann", "right"))
    known.passwords = attrs.evolve(cheap(), memory=16)
    known.records.accounts = FullDisk(known.records.accounts)
    assert now(known.check("ann", "right"))
    with pytest.raises(StorageFull):
        now(known.disable("ann", True))


def test_S73_a_hash_renewed_at_login_does_not_undo_a_disabling() -> None:
    """The two cross: the user is disabled while the better hash is made."""
    known = users(cheap())
    now(known.add("ann", "right"))
    threads = Threads()
    known.passwords = Passwords(threads, passes=1, memory=16)  # type: ignore[arg-type]  # a fake
    login = later(known.check("ann", "right"))
    threads.begun[0].callback(None)
    assert waiting(login)
    assert now(known.disable("ann", True))
    threads.begun[1].callback(None)
    assert login.result is True
    user = now(known.records.accounts.user("ann"))
    assert user is not None
    assert user.disabled
    assert not now(users(cheap()).check("ann", "right"))


def test_a_password_is_changed_and_nothing_else_is() -> None:
    """Nor does adding somebody again change anything."""
    known = users(cheap())
    assert now(known.add("ann", "one"))
    assert not now(known.add("ann", "two"))
    assert now(known.check("ann", "one"))
    assert now(known.disable("ann", True))
    assert now(known.set_password("ann", "two"))
    assert not now(known.check("ann", "two"))
    assert now(known.disable("ann", False))
    assert not now(known.check("ann", "one"))
    assert now(known.check("ann", "two"))
    assert now(known.remove("ann"))
    assert not now(known.remove("ann"))
    assert not now(known.set_password("ann", "three"))
    assert not now(known.check("ann", "two"))
