"""Who comes in, who does not, and how soon a change counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon.accounts import doorkeeper as module
from pypidaemon.accounts.doorkeeper import KEPT, Doorkeeper
from pypidaemon.accounts.passwords import Passwords
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.accounts.throttle import LIMIT, MOST_TRYING
from pypidaemon.errors import NotAllowed, StorageFull, TooManyAttempts
from pypidaemon.interfaces import IAccount
from pypidaemon.model import NormalizedName
from pypidaemon.rights import Account
from tests.accounts.parts import HERE, Gate, basic, random_bytes
from tests.gear import later, now, waiting

ACME = NormalizedName("acme")


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.user()
    gate.calls.clear()
    return gate


@pytest.fixture
def said() -> Iterator[list[dict[str, Any]]]:
    """All that is logged."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def enter(gate: Gate, header: str | None, address: str = HERE) -> Account:
    return now(gate.doorkeeper.admit(header, address))


def wrong(gate: Gate, header: str, address: str = HERE) -> str:
    """What is said of credentials that are wrong."""
    with pytest.raises(NotAllowed) as caught:
        enter(gate, header, address)
    assert caught.value.would_help
    assert gate.doorkeeper.known(header) is None
    return str(caught.value)


def test_without_credentials_one_is_anonymous(gate: Gate) -> None:
    """And known from then on, until something changes."""
    assert gate.doorkeeper.known(None) is None
    nobody = enter(gate, None)
    assert verifyObject(IAccount, nobody)
    assert (nobody.name, nobody.authenticated, nobody.scope) == ("anonymous", False, "public")
    assert nobody.may("read", "private", ACME)
    assert gate.doorkeeper.known(None) is nobody
    now(gate.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    assert gate.doorkeeper.known(None) is None
    assert not enter(gate, None).may("read", "private", ACME)


def test_a_password_is_checked_once_and_then_known(gate: Gate) -> None:
    """For five minutes."""
    header = basic("ann", "right one")
    assert gate.doorkeeper.known(header) is None
    ann = enter(gate, header)
    assert (ann.name, ann.authenticated) == ("ann", True)
    assert gate.doorkeeper.known(header) is ann
    assert enter(gate, header) is ann
    assert gate.calls == ["_verify"]
    gate.clock.advance(KEPT - 1)
    assert gate.doorkeeper.known(header) is ann
    gate.clock.advance(1)
    assert gate.doorkeeper.known(header) is None
    assert enter(gate, header) == ann
    assert gate.calls == ["_verify"] * 2


@pytest.mark.parametrize("how", ["Bearer {}", "token {}", "bearer  {} "])
def test_R186_a_token_by_scheme(gate: Gate, how: str) -> None:
    header = how.format(gate.token())
    assert enter(gate, header).name == "ann"
    assert gate.doorkeeper.known(header)


def test_R186_a_token_as_password(gate: Gate) -> None:
    """Blanks around it do not matter."""
    assert enter(gate, basic("__token__", f" {gate.token()}\n")).name == "ann"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_R187_a_password_beyond_ascii(gate: Gate, encoding: str) -> None:
    gate.user("jo", "pä:ß pä:ß")
    assert enter(gate, basic("jo", "pä:ß pä:ß", encoding)).name == "jo"


def test_S68_all_wrong_credentials_are_answered_alike(gate: Gate) -> None:
    """Unknown, disabled and wrong cannot be told apart, by words or by work; no token takes a hash."""
    gate.user("off")
    gate.user("tokens", None)
    off = gate.token("off")
    now(gate.people.disable_user(OPERATOR, "off"))
    gate.calls.clear()
    passwords = [basic(*one) for one in [("ann", "x"), ("nobody", "x"), ("off", "right one"), ("tokens", ""), ("", ""), ("token:x", "x")]]
    lines = {wrong(gate, header) for header in passwords}
    assert gate.calls == ["_verify"] * len(passwords)
    good = gate.token()
    for text in (off, good[:-1] + ("a" if good[-1] != "a" else "b"), f"pypidaemon-{'a' * 12}-{'b' * 40}", "pypi-x", ""):
        lines |= {wrong(gate, basic("__token__", text))}
    lines |= {wrong(gate, header) for header in ("Digest x", "Basic ?", "Bearer", "")}
    assert lines == {"these credentials are not good"}
    assert gate.calls == ["_verify"] * len(passwords)


def test_S73_a_revoked_token_is_refused_at_once(gate: Gate) -> None:
    text = gate.token()
    enter(gate, f"Bearer {text}")
    now(gate.people.revoke_token(OPERATOR, text))
    wrong(gate, f"Bearer {text}")


def test_S73_a_disabled_user_is_refused_at_once(gate: Gate) -> None:
    """By password and by token."""
    headers = [basic("ann", "right one"), f"Bearer {gate.token()}"]
    for header in headers:
        enter(gate, header)
    now(gate.people.disable_user(OPERATOR, "ann"))
    for header in headers:
        wrong(gate, header)
    now(gate.people.enable_user(OPERATOR, "ann"))
    assert enter(gate, headers[0])
    wrong(gate, headers[1])


def test_S73_another_password_counts_at_once(gate: Gate) -> None:
    """And leaves the tokens as they are."""
    headers = [basic("ann", "right one"), f"Bearer {gate.token()}"]
    for header in headers:
        enter(gate, header)
    now(gate.people.set_password(OPERATOR, "ann", "another one"))
    wrong(gate, headers[0])
    assert enter(gate, headers[1])
    assert enter(gate, basic("ann", "another one"))


def test_S73_a_removed_user_is_refused_at_once(gate: Gate) -> None:
    """The next of that name has nothing of the one before."""
    headers = [basic("ann", "right one"), f"Bearer {gate.token()}"]
    for header in headers:
        enter(gate, header)
    now(gate.people.remove_user(OPERATOR, "ann"))
    for header in headers:
        wrong(gate, header)
    gate.user("ann", "another one")
    for header in headers:
        wrong(gate, header)


def test_S73_grants_count_at_once(gate: Gate) -> None:
    """Also by way of a group; and what is taken back is gone."""
    header = basic("ann", "right one")
    assert not enter(gate, header).may("upload", "private", ACME)
    now(gate.people.enrol(OPERATOR, "staff", "ann", True))
    now(gate.people.grant(OPERATOR, "group:staff", "upload", "private/ac*"))
    assert enter(gate, header).may("upload", "private", ACME)
    now(gate.people.enrol(OPERATOR, "staff", "ann", False))
    assert not enter(gate, header).may("upload", "private", ACME)


def test_a_token_ends_when_it_expires(gate: Gate) -> None:
    """Though it was known a moment before."""
    header = f"Bearer {gate.token(lifetime=60)}"
    assert enter(gate, header)
    gate.clock.advance(59.5)
    assert gate.doorkeeper.known(header)
    gate.clock.advance(0.5)
    wrong(gate, header)


def test_a_token_has_its_limits_and_is_noted_as_used(gate: Gate) -> None:
    now(gate.people.grant(OPERATOR, "ann", "admin", "*"))
    token = enter(gate, f"Bearer {gate.token(scope='upload', projects='acme')}")
    assert token.may("upload", "private", ACME)
    assert not token.may("delete", "private", ACME)
    assert not token.may("upload", "private", NormalizedName("other"))
    (kept,) = now(gate.people.tokens())
    assert kept.last_used == gate.clock.seconds()


class Slow:
    """Threads that begin when told to."""

    def __init__(self) -> None:
        self.begun: list[Deferred[None]] = []

    async def __call__(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> object:
        self.begun.append(turn := Deferred())
        await turn
        return function(*args, **kwargs)


def slow(gate: Gate) -> Slow:
    threads = Slow()
    gate.checker.users.passwords = Passwords(threads, passes=1, memory=8)  # type: ignore[arg-type]  # a fake
    return threads


def test_the_same_header_is_verified_once_at_a_time(gate: Gate) -> None:
    """As pip's first requests bring it."""
    threads = slow(gate)
    waiters = [later(gate.doorkeeper.admit(basic("ann", "right one"), HERE)) for _ in range(3 * LIMIT)]
    assert len(threads.begun) == 1
    threads.begun[0].callback(None)
    assert all(isinstance(waiter.result, Account) for waiter in waiters)
    assert len({id(waiter.result) for waiter in waiters}) == 1


def test_S73_what_was_begun_before_a_change_is_not_believed_after_it(gate: Gate) -> None:
    """Nor joined by who asks after it."""
    threads = slow(gate)
    header = basic("ann", "right one")
    first = later(gate.doorkeeper.admit(header, HERE))
    gate.doorkeeper.changed()
    second = later(gate.doorkeeper.admit(header, HERE))
    threads.begun[0].callback(None)
    assert isinstance(first.result, Account)
    assert gate.doorkeeper.known(header) is None
    assert waiting(second)
    assert len(threads.begun) == 2
    threads.begun[1].callback(None)
    assert gate.doorkeeper.known(header) is second.result


def test_who_founds_a_project_owns_it_at_once(gate: Gate) -> None:
    """Without a further look at the password; others do not."""
    gate.user("bob")
    headers = [basic("ann", "right one"), f"Bearer {gate.token(scope='upload', projects='acme')}", basic("bob", "right one"), None]
    for header in headers:
        enter(gate, header)
    gate.calls.clear()
    gate.doorkeeper.founded("ann", "private", ACME)
    known = [gate.doorkeeper.known(header) for header in headers]
    assert [account is not None and account.may("upload", "private", ACME) for account in known] == [True, True, False, False]
    assert [account is not None and account.may("delete", "private", ACME) for account in known] == [True, False, False, False]
    assert gate.calls == []


def test_S69_a_hundred_wrong_passwords_a_minute_and_no_more(gate: Gate) -> None:
    """Not even the right one then, save where it is known; from elsewhere it is let in, and so is a token."""
    right = basic("ann", "right one")
    token = f"Bearer {gate.token()}"
    for number in range(LIMIT):
        wrong(gate, basic("ann", f"guess {number}"))
    gate.calls.clear()
    with pytest.raises(TooManyAttempts) as caught:
        enter(gate, right)
    assert caught.value.retry_after == 60
    assert gate.calls == []
    assert enter(gate, right, "198.51.100.1").name == "ann"
    assert enter(gate, right).name == "ann"
    assert enter(gate, token).name == "ann"
    with pytest.raises(TooManyAttempts):
        enter(gate, f"Bearer pypidaemon-{'a' * 12}-{'b' * 40}")
    gate.doorkeeper.changed()
    gate.clock.advance(60)
    assert enter(gate, right).name == "ann"


def test_S69_a_right_password_is_never_counted(gate: Gate) -> None:
    for _ in range(2 * LIMIT):
        gate.doorkeeper.changed()
        enter(gate, basic("ann", "right one"))
    assert not gate.doorkeeper.throttle._failed
    assert not gate.doorkeeper.throttle._trying


def test_S69_a_thousand_tries_at_once_are_not_a_thousand_tries(gate: Gate) -> None:
    threads = slow(gate)
    tries = [later(gate.doorkeeper.admit(basic("ann", str(number)), HERE)) for number in range(1000)]
    refused = [one for one in tries if not waiting(one)]
    assert len(tries) - len(refused) == MOST_TRYING
    for turn in threads.begun:
        # The list grows while it is read: each that ends lets another begin.
        turn.callback(None)
    assert len(threads.begun) == MOST_TRYING
    kinds = [one.addErrback(lambda failure: type(failure.value)).result for one in tries]
    assert sorted(kinds.count(kind) for kind in (NotAllowed, TooManyAttempts)) == [MOST_TRYING, len(tries) - MOST_TRYING]


def test_a_fault_of_ours_is_nobodys_failure(gate: Gate) -> None:
    """And frees the place that the try had."""

    async def broken(*_: object) -> bool:
        raise StorageFull("there is no room")

    gate.checker.users.passwords = Passwords(broken, passes=1, memory=8)  # type: ignore[arg-type]  # a fake
    with pytest.raises(StorageFull):
        enter(gate, basic("ann", "right one"))
    assert not gate.doorkeeper.throttle._failed
    assert not gate.doorkeeper.throttle._trying


def test_memory_is_bounded(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header used last stays."""
    monkeypatch.setattr(module, "MOST", 3)
    tokens = [f"Bearer {gate.token()}" for _ in range(4)]
    for header in tokens[:3]:
        enter(gate, header)
    assert gate.doorkeeper.known(tokens[0])
    enter(gate, tokens[3])
    assert [gate.doorkeeper.known(header) is not None for header in tokens] == [True, False, True, True]


def test_S71_R196_no_credential_is_kept_logged_or_said(gate: Gate, said: list[dict[str, Any]]) -> None:
    """A canary goes through every path, and sings in none."""
    gate.user("eve", "a canary")
    token = gate.token()
    secret = token.rpartition("-")[2]
    lines = [wrong(gate, header) for header in (basic("canary", "canary"), basic("ann", "canary"), "Bearer canary", "canary canary")]
    enter(gate, basic("eve", "a canary"))
    enter(gate, f"Bearer {token}")
    for number in range(2 * LIMIT):
        with pytest.raises((NotAllowed, TooManyAttempts)):
            enter(gate, basic(f"canary{number}", "canary"))
    deeds = now(gate.records.accounts.deeds(0, 1000))
    everything = repr((lines, said, gate.doorkeeper, gate.doorkeeper._entries, deeds, now(gate.records.accounts.tokens())))
    everything += repr(now(gate.records.accounts.users()))
    assert "canary" not in everything
    assert secret not in everything
    assert [event["log_format"] for event in said] == ["too many failed attempts to log in from {address}"]


@given(st.text(max_size=50))
def test_no_header_breaks_in_or_breaks_down(header: str) -> None:
    """Whatever it holds, it is refused in the usual way."""
    gate = Gate()
    for shown in (header, "Basic " + header, basic(header, header), f"Bearer {header}"):
        wrong(gate, shown)


@implementer(ICredentialsChecker)
class Stranger:
    """A checker from elsewhere: it knows whoever is given, as cred plugins do, and no tokens."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, *names: bytes) -> None:
        self.names = names

    def requestAvatarId(self, credentials: IUsernamePassword) -> bytes:
        if credentials.username in self.names and credentials.checkPassword(b"right one"):
            return credentials.username
        raise UnauthorizedLogin


def test_another_checker_says_who_and_the_records_say_what(gate: Gate) -> None:
    """Tokens are looked up all the same. Names that could mean many are refused, whatever the checker says."""
    gate.doorkeeper = Doorkeeper(Stranger(b"zoe", b"ann", b"anonymous", b"admins", "ü".encode()), gate.records, gate.clock, random_bytes())
    gate.people.changed = gate.doorkeeper.changed
    gate.people.strangers = True
    now(gate.people.grant(OPERATOR, "zoe", "upload", "private"))
    assert enter(gate, basic("zoe", "right one")).may("upload", "private", ACME)
    assert enter(gate, f"Bearer {gate.token('zoe')}").may("upload", "private", ACME)
    for name in ("anonymous", "ü"):
        wrong(gate, basic(name, "right one"))
    now(gate.people.disable_user(OPERATOR, "zoe"))
    wrong(gate, basic("zoe", "right one"))
    wrong(gate, basic("ann", "wrong"))
