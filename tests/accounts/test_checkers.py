"""The parts that `twisted.cred` sees: checkers and the realm."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.cred.checkers import ANONYMOUS, ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IReactorTime
from zope.interface.verify import verifyClass, verifyObject

from pypidaemon.accounts.checker import LocalAccounts, TokenChecker
from pypidaemon.accounts.credentials import ITokenCredentials, read
from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.accounts.plugin import PluginAccounts, checker
from pypidaemon.accounts.realm import TOKEN, Realm
from pypidaemon.components import load
from pypidaemon.interfaces import IAccount
from pypidaemon.schema import wishes
from tests.accounts.parts import HERE, Gate, basic, random_bytes
from tests.gear import now


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.user()
    return gate


def test_they_are_what_cred_wants(gate: Gate, tmp_path: Path) -> None:
    """And what the configuration can make."""
    (tmp_path / "passwords").write_text("zoe:right one\n")
    plugin = PluginAccounts(label="accounts", checker=checker(f"file:{tmp_path}/passwords"))
    for one in (gate.checker, TokenChecker(gate.records, gate.clock), plugin):
        assert verifyObject(ICredentialsChecker, one)
    for kind in (LocalAccounts, PluginAccounts):
        assert verifyClass(ICredentialsChecker, kind)
        assert load("accounts", f"{kind.__module__}:{kind.__name__}") is kind
    assert verifyObject(IRealm, gate.doorkeeper.realm)
    assert [wish.key for wish in wishes(LocalAccounts)] == ["label", "records", "clock", "cpu"]
    assert [wish.key for wish in wishes(PluginAccounts)] == ["label", "checker"]
    assert IReactorTime.providedBy(gate.clock)


def test_cred_portal_gives_an_account_by_either_kind_of_credential(gate: Gate) -> None:
    portal = Portal(Realm(gate.records, gate.clock), [gate.checker])
    for header in (basic("ann", "right one"), f"Bearer {gate.token()}"):
        interface, account, leave = now(portal.login(read(header), None, IAccount))
        assert interface is IAccount
        assert IAccount.providedBy(account)
        leave()
    with pytest.raises(UnauthorizedLogin):
        now(portal.login(read(basic("ann", "wrong")), None, IAccount))


def test_avatar_ids(gate: Gate) -> None:
    """A token's cannot be taken for a user's."""
    id = gate.token().split("-")[1]
    realm = gate.doorkeeper.realm
    assert now(realm.account(ANONYMOUS)).name == "anonymous"
    assert now(realm.account(b"ann")) == now(realm.account("ann"))
    assert now(realm.account(TOKEN + id.encode())).name == "ann"
    with pytest.raises(UnauthorizedLogin):
        now(realm.account(TOKEN + b"ann"))
    with pytest.raises(UnauthorizedLogin):
        now(realm.account(b"group:ann"))
    with pytest.raises(UnauthorizedLogin):
        now(realm.account(b"\xff"))
    with pytest.raises(NotImplementedError):
        realm.requestAvatar(b"ann", None, ITokenCredentials)


def test_the_realm_alone_refuses_what_ended_meanwhile(gate: Gate) -> None:
    """Between the checker's look and its own, a token can be revoked or expire and a user be disabled."""
    realm = gate.doorkeeper.realm
    gone, short, lasting = gate.token(), gate.token(lifetime=10), gate.token()
    now(gate.people.revoke_token(OPERATOR, gone))
    gate.clock.advance(10)
    for text in (gone, short):
        with pytest.raises(UnauthorizedLogin):
            now(realm.account(TOKEN + text.split("-")[1].encode()))
    now(gate.people.disable_user(OPERATOR, "ann"))
    for id in (TOKEN + lasting.split("-")[1].encode(), b"ann"):
        with pytest.raises(UnauthorizedLogin):
            now(realm.account(id))


def test_the_checker_alone_refuses_what_ended(gate: Gate) -> None:
    """Whatever a realm would say."""
    gone, short = gate.token(), gate.token(lifetime=10)
    for text in (gone, short):
        assert now(gate.checker.requestAvatarId(read(f"Bearer {text}"))) == TOKEN + text.split("-")[1].encode()
    now(gate.people.revoke_token(OPERATOR, gone))
    gate.clock.advance(10)
    for text in (gone, short):
        with pytest.raises(UnauthorizedLogin):
            now(gate.checker.requestAvatarId(read(f"Bearer {text}")))


def test_local_accounts_take_no_name_or_password_that_is_no_text(gate: Gate) -> None:
    """As a client of cred could bring."""
    from pypidaemon.accounts.credentials import PasswordCredentials

    for name, password in ((b"ann", b"\xff"), (b"\xff", b"right one")):
        with pytest.raises(UnauthorizedLogin):
            now(gate.checker.requestAvatarId(PasswordCredentials(name, password)))


def test_a_password_file_says_who_and_the_records_say_what(gate: Gate, tmp_path: Path) -> None:
    """By strcred's own plugin for files."""
    file = tmp_path / "passwords"
    file.write_text("zoe:right one\nann:other\n")
    plugin = PluginAccounts(label="accounts", checker=checker(f"file:{file}"))
    doorkeeper = Doorkeeper(plugin, gate.records, gate.clock, random_bytes())
    assert now(doorkeeper.admit(basic("zoe", "right one"), HERE)).name == "zoe"
    assert now(doorkeeper.admit(basic("ann", "other"), HERE)).name == "ann"
    assert now(doorkeeper.admit(f"Bearer {gate.token()}", HERE)).name == "ann"
    for header in (basic("ann", "right one"), basic("nobody", "x")):
        with pytest.raises(Exception, match="credentials"):
            now(doorkeeper.admit(header, HERE))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("fly:canary", "no cred plugin 'fly'"),
        ("memory:canary:canary", "use file:PATH"),
        ("file:canary", "absolute path"),
        ("file:/no/such/canary", "no such file"),
        ("anonymous", "knows no user names"),
        ("", "no cred plugin"),
    ],
)
def test_a_checker_that_cannot_be_made_is_refused_in_words_without_its_arguments(raw: str, words: str) -> None:
    """Which may be secret (S71)."""
    with pytest.raises(ValueError, match=words) as caught:
        checker(raw)
    assert "canary" not in str(caught.value)


def test_S71_a_made_checker_shows_its_kind_alone(tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("")
    made = checker(f"file:{tmp_path}/canary")
    assert str(made) == "file:..."
    assert "canary" not in repr(made)
    assert "canary" not in repr(PluginAccounts(label="x", checker=made))
