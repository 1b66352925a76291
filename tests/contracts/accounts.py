"""What every `IAccountRecords` promises."""

from __future__ import annotations

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.errors import Conflict
from pypidaemon.interfaces import IAccountRecords, IRecords
from pypidaemon.model import Deed, Grant, Token, User
from tests.gear import now

LOOK = [Grant("anonymous", "list", "*"), Grant("anonymous", "read", "*")]
PLAIN = Token("abcdefghijkl", "ada", "a" * 64)
FULL = Token("mnopqrstuvwx", "ada", "b" * 64, "upload", "foo-*", 1_700_000_000.5, 1_800_000_000.5, 1_750_000_000.5)


def deed(time: float, detail: str = "") -> Deed:
    """A row of the audit log."""
    return Deed(time, "ada", "192.0.2.1", "upload", "private/foo==1.0", detail)


class AccountRecordsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def accounts(self, records: IRecords) -> IAccountRecords:
        return records.accounts

    def test_keeps_the_interface(self, accounts: IAccountRecords) -> None:
        verifyObject(IAccountRecords, accounts)

    def test_S76_at_first_there_is_nobody_and_everybody_may_look(self, accounts: IAccountRecords) -> None:
        assert now(accounts.users()) == []
        assert now(accounts.tokens()) == []
        assert now(accounts.deeds(0.0, 10)) == []
        assert now(accounts.grants()) == LOOK

    # --- users and groups ---------------------------------------------------------------------------------------------------------

    def test_users_come_back_as_they_were_given(self, accounts: IAccountRecords) -> None:
        users = [User("Zoe"), User("ada", "$argon2id$...", True), User("ädä 'x' \u2028", "h")]
        for user in reversed(users):
            now(accounts.keep_user(user))
        assert now(accounts.users()) == users
        assert [now(accounts.user(user.name)) for user in users] == users
        assert now(accounts.user("ADA")) is None
        assert now(accounts.user("zo%")) is None

    def test_a_user_kept_again_is_replaced(self, accounts: IAccountRecords) -> None:
        now(accounts.keep_user(User("ada", "old")))
        now(accounts.enrol("staff", "ada", True))
        now(accounts.keep_user(User("ada", "new", True)))
        assert now(accounts.users()) == [User("ada", "new", True)]
        assert now(accounts.groups("ada")) == {"staff"}

    def test_groups(self, accounts: IAccountRecords) -> None:
        """Also of somebody who is known elsewhere alone."""
        assert now(accounts.groups("ada")) == frozenset()
        assert now(accounts.enrol("staff", "ada", True)) is True
        assert now(accounts.enrol("staff", "ada", True)) is False
        assert now(accounts.enrol("admins", "ada", True)) is True
        assert now(accounts.enrol("staff", "eve", True)) is True
        assert now(accounts.groups("ada")) == {"staff", "admins"}
        assert now(accounts.enrol("staff", "ada", False)) is True
        assert now(accounts.enrol("staff", "ada", False)) is False
        assert now(accounts.groups("ada")) == {"admins"}
        assert now(accounts.groups("eve")) == {"staff"}

    def test_a_removed_user_leaves_nothing(self, accounts: IAccountRecords) -> None:
        """And takes nothing of others along."""
        theirs, others = Grant("ada", "upload", "private"), Grant("group:ada", "upload", "private")
        for user in (User("ada", "h"), User("eve", "h")):
            now(accounts.keep_user(user))
        for token in (PLAIN, FULL, attrs.evolve(PLAIN, id="aaaaaaaaaaaa", account="eve")):
            now(accounts.keep_token(token))
        for grant in (theirs, others):
            now(accounts.grant(grant, True))
        for name in ("ada", "eve"):
            now(accounts.enrol("staff", name, True))
        now(accounts.enrol("ada", "eve", True))
        assert now(accounts.remove_user("ada")) is True
        assert now(accounts.remove_user("ada")) is False
        assert now(accounts.users()) == [User("eve", "h")]
        assert [token.account for token in now(accounts.tokens())] == ["eve"]
        assert now(accounts.grants()) == [*LOOK, others]
        assert (now(accounts.groups("ada")), now(accounts.groups("eve"))) == (frozenset(), {"staff", "ada"})
        now(accounts.enrol("staff", "ada", True))
        assert now(accounts.remove_user("ada")) is True

    # --- grants -------------------------------------------------------------------------------------------------------------------

    def test_grants_are_given_and_taken_back(self, accounts: IAccountRecords) -> None:
        upload = Grant("ada", "upload", "private", "foo-*")
        assert now(accounts.grant(upload, True)) is True
        assert now(accounts.grant(upload, True)) is False
        assert now(accounts.grants()) == [upload, *LOOK]
        for near in (attrs.evolve(upload, projects="*"), attrs.evolve(upload, index="*"), attrs.evolve(upload, right="read")):
            assert now(accounts.grant(near, False)) is False
        assert now(accounts.grant(upload, False)) is True
        assert now(accounts.grant(upload, False)) is False
        assert now(accounts.grants()) == LOOK

    def test_grants_have_an_order(self, accounts: IAccountRecords) -> None:
        given = [
            Grant("group:b", "read", "private"),
            Grant("Ada", "upload", "private", "foo"),
            Grant("Ada", "upload", "private", "bar-*"),
            Grant("Ada", "admin", "*"),
            Grant("éva", "read", "other"),
            Grant("Ada", "upload", "other"),
        ]
        for grant in given:
            now(accounts.grant(grant, True))
        assert now(accounts.grants()) == sorted([*given, *LOOK], key=attrs.astuple)

    def test_what_anonymous_may_can_be_taken_back(self, accounts: IAccountRecords) -> None:
        assert [now(accounts.grant(grant, False)) for grant in LOOK] == [True, True]
        assert now(accounts.grants()) == []

    # --- tokens -------------------------------------------------------------------------------------------------------------------

    def test_tokens_come_back_as_they_were_given_in_the_order_in_which_they_were_made(self, accounts: IAccountRecords) -> None:
        last = attrs.evolve(PLAIN, id="aaaaaaaaaaaa")
        for token in (PLAIN, FULL, last):
            now(accounts.keep_token(token))
        assert now(accounts.tokens()) == [PLAIN, FULL, last]
        assert now(accounts.token(FULL.id)) == FULL
        assert now(accounts.token("unknown")) is None
        assert now(accounts.token(FULL.id.upper())) is None

    def test_a_taken_token_id_is_a_conflict(self, accounts: IAccountRecords) -> None:
        now(accounts.keep_token(PLAIN))
        with pytest.raises(Conflict):
            now(accounts.keep_token(attrs.evolve(FULL, id=PLAIN.id)))
        assert now(accounts.tokens()) == [PLAIN]

    def test_S73_a_revoked_token_is_gone(self, accounts: IAccountRecords) -> None:
        now(accounts.keep_token(PLAIN))
        now(accounts.keep_token(FULL))
        assert now(accounts.revoke_token(PLAIN.id)) is True
        assert now(accounts.revoke_token(PLAIN.id)) is False
        assert now(accounts.token(PLAIN.id)) is None
        assert now(accounts.tokens()) == [FULL]
        now(accounts.used_token(PLAIN.id, 5.0))
        assert now(accounts.tokens()) == [FULL]
        now(accounts.keep_token(PLAIN))
        assert now(accounts.tokens()) == [FULL, PLAIN]

    def test_S70_a_tokens_last_use_is_the_latest(self, accounts: IAccountRecords) -> None:
        for token in (PLAIN, FULL):
            now(accounts.keep_token(token))
        for time, seen in ((10.0, 10.0), (30.0, 30.0), (20.0, 30.0)):
            now(accounts.used_token(PLAIN.id, time))
            assert now(accounts.token(PLAIN.id)) == attrs.evolve(PLAIN, last_used=seen)
        now(accounts.used_token(FULL.id, 1.0))
        assert now(accounts.tokens()) == [attrs.evolve(PLAIN, last_used=30.0), FULL]

    # --- audit --------------------------------------------------------------------------------------------------------------------

    def test_S78_deeds_come_back_as_they_were_noted(self, accounts: IAccountRecords) -> None:
        rows = [
            deed(1.0, "sha256:" + "a" * 64),
            Deed(2.5, "anonymous", "", "delete", "private/ünd 'x'", "refused: \u2028", False),
        ]
        for row in rows:
            now(accounts.note(row))
        assert now(accounts.deeds(0.0, 10)) == rows

    def test_S78_of_the_rows_asked_for_the_newest_are_told_oldest_first(self, accounts: IAccountRecords) -> None:
        """Rows of one time are in the order in which they were noted, also where the clock was set back."""
        for time, detail in ((1.0, "a"), (2.0, "b"), (2.0, "c"), (1.5, "d"), (3.0, "e")):
            now(accounts.note(deed(time, detail)))

        def told(since: float, limit: int) -> str:
            return "".join(row.detail for row in now(accounts.deeds(since, limit)))

        assert told(0.0, 10) == "adbce"
        assert told(0.0, 3) == "bce"
        assert told(0.0, 2) == "ce"
        assert told(2.0, 10) == "bce"
        assert told(2.0, 1) == told(3.0, 1) == "e"
        assert told(3.1, 10) == told(0.0, 0) == told(0.0, -1) == ""
        assert told(-1.0, 10**30) == "adbce"
