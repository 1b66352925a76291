"""Browsers that have signed in: by what they are known, and when they are no more (S69, S71, S73, S75)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.accounts.people import OPERATOR
from pypidaemon.accounts.sessions import IDLE, LONGEST, MOST, MOST_NOTES, MOST_OF_ONE, Note, Sessions
from pypidaemon.accounts.throttle import LIMIT
from pypidaemon.accounts.users import Users
from pypidaemon.accounts.words import Unacceptable
from pypidaemon.errors import NotAllowed, StorageFull, TooManyAttempts
from pypidaemon.web.people import PeopleDesk
from tests.accounts.parts import HERE, PASSWORD, Gate, random_bytes
from tests.examples import examples
from tests.gear import later, now, waiting


@attrs.define
class Lodge:
    """Accounts, and who has signed in."""

    gate: Gate = attrs.field(factory=Gate)
    sessions: Sessions = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sessions = Sessions(self.gate.doorkeeper, self.gate.clock, random_bytes())

    def sign_in(self, user: str = "ann", password: str = PASSWORD) -> str:
        """The word."""
        return now(self.sessions.sign_in(user, password, HERE))[0]

    def known(self, word: str) -> str | None:
        """The account of that word."""
        found = now(self.sessions.of(word))
        return found[1].name if found is not None else None


@pytest.fixture
def lodge() -> Lodge:
    """With ann in it."""
    made = Lodge()
    made.gate.user()
    return made


def test_who_may_log_in_may_sign_in_and_has_the_rights_of_now(lodge: Lodge) -> None:
    """By password and by token, as which it is limited."""
    word, limited = lodge.sign_in(), lodge.sign_in("__token__", lodge.gate.token(scope="read"))
    now(lodge.gate.people.grant(OPERATOR, "ann", "upload", "private"))
    for which, may in ((word, True), (limited, False)):
        found = now(lodge.sessions.of(which))
        assert found is not None
        assert (found[0].name, found[1].may("upload", "private", None)) == ("ann", may)
    assert lodge.known("x" * 43) is None
    assert word != limited
    assert len(word) == 43


@pytest.mark.parametrize(
    ("user", "password"), [("ann", "wrong one"), ("bob", PASSWORD), ("ann:right one", ""), ("__token__", "x"), ("", "")]
)
def test_S69_who_is_wrong_is_counted_as_by_basic(lodge: Lodge, user: str, password: str) -> None:
    """So that there are no more tries by this road than by that; whoever has signed in stays."""
    word = lodge.sign_in()
    for _ in range(LIMIT):
        with pytest.raises(NotAllowed):
            now(lodge.sessions.sign_in(user, password, HERE))
    with pytest.raises(TooManyAttempts):
        now(lodge.sessions.sign_in(user, "another", HERE))
    assert lodge.known(word) == "ann"


def test_S73_another_password_is_noticed_however_it_came(lodge: Lodge) -> None:
    """By the record alone, and of a user that was disabled and enabled again between two requests by what was ordered."""
    word, token = lodge.sign_in(), lodge.sign_in("__token__", lodge.gate.token())
    now(lodge.gate.people.set_password(OPERATOR, "ann", PASSWORD))
    assert (lodge.known(word), lodge.known(token)) == (None, "ann")
    word = lodge.sign_in()
    desk = PeopleDesk(lodge.gate.people, lodge.sessions.end)
    for verb in ("disable", "enable"):
        now(desk.carry_out(("user", verb), {"name": "ann"}, OPERATOR))
    assert lodge.known(word) is None
    word = lodge.sign_in()
    with pytest.raises(Unacceptable):
        now(desk.carry_out(("user", "password"), {"name": "ann", "password": "short"}, OPERATOR))
    with mock.patch.object(Users, "set_password", side_effect=StorageFull("no room")), pytest.raises(StorageFull):
        now(desk.carry_out(("user", "password"), {"name": "ann", "password": "another one"}, OPERATOR))
    assert lodge.known(word) == "ann"
    token = lodge.sign_in("__token__", lodge.gate.token())
    now(desk.carry_out(("user", "password"), {"name": "ann", "password": "another one"}, OPERATOR))
    assert (lodge.known(word), lodge.known(token)) == (None, None)


def test_a_name_with_a_colon_is_nobodys(lodge: Lodge) -> None:
    """Or the end of it would be taken for the beginning of the password."""
    lodge.gate.user("bob", "colon: here")
    lodge.sign_in("bob", "colon: here")
    with pytest.raises(NotAllowed):
        lodge.sign_in("bob:colon", " here")


def test_S71_nothing_kept_shows_the_word(lodge: Lodge) -> None:
    """Nor does anything that is written of it; of two words the forms are others."""
    word = lodge.sign_in()
    kept = f"{lodge.sessions!r} {lodge.sessions._open!r} {[attrs.astuple(one) for one in lodge.sessions._open.values()]!r}"
    assert word not in kept
    assert PASSWORD not in kept
    assert lodge.sessions.is_form_word(word, lodge.sessions.form_word(word))
    assert not lodge.sessions.is_form_word(word, lodge.sessions.form_word(lodge.sign_in()))
    assert not lodge.sessions.is_form_word(word, "é")
    assert "secret" not in repr(Note("said", "secret"))


def test_S75_what_is_idle_or_old_is_over(lodge: Lodge) -> None:
    """Use prolongs the one and not the other; a clock that is put back to before the beginning ends it too."""
    idle, used = lodge.sign_in(), lodge.sign_in()
    for _ in range(int(LONGEST // (IDLE - 1))):
        lodge.gate.clock.advance(IDLE - 1)
        assert lodge.known(used) == "ann"
    assert lodge.known(idle) is None
    lodge.gate.clock.advance(IDLE - 1)
    assert lodge.known(used) is None
    assert len(lodge.sessions) == 0
    late = lodge.sign_in()
    lodge.gate.clock.rightNow -= 1
    assert lodge.known(late) is None


def test_S73_a_password_that_changes_while_somebody_signs_in_lets_in_nobody(lodge: Lodge) -> None:
    """By the one from before."""
    books, reading = lodge.gate.records.accounts, Deferred[None]()
    user = type(books).user
    calls = 0

    async def slow(self: Any, name: str) -> Any:
        nonlocal calls
        calls += 1
        found = await user(self, name)
        if calls == 3:
            await reading
        return found

    with mock.patch.object(type(books), "user", slow):
        coming = later(lodge.sessions.sign_in("ann", PASSWORD, HERE))
        assert waiting(coming)
        now(lodge.gate.people.set_password(OPERATOR, "ann", "another one"))
        reading.callback(None)
        with pytest.raises(NotAllowed):
            now(coming)
    assert len(lodge.sessions) == 0


def test_S73_who_signs_out_while_a_request_is_on_its_way_is_out(lodge: Lodge) -> None:
    word = lodge.sign_in()
    books, reading = lodge.gate.records.accounts, Deferred[None]()
    grants = type(books).grants

    async def slow(self: Any) -> Any:
        await reading
        return await grants(self)

    with mock.patch.object(type(books), "grants", slow):
        asking = later(lodge.sessions.of(word))
        lodge.sessions.sign_out(word)
        reading.callback(None)
        assert now(asking) is None


def test_there_are_only_so_many(lodge: Lodge) -> None:
    """Of one account, of all, and of what waits to be shown."""
    first = lodge.sign_in()
    for _ in range(MOST_OF_ONE):
        last = lodge.sign_in()
    assert (len(lodge.sessions), lodge.known(first), lodge.known(last)) == (MOST_OF_ONE, None, "ann")
    with mock.patch("pypidaemon.accounts.sessions.MOST", MOST_OF_ONE):
        lodge.gate.user("bob")
        bob = lodge.sign_in("bob")
    assert (len(lodge.sessions), lodge.known(bob)) == (MOST_OF_ONE, "bob")
    assert MOST > MOST_OF_ONE
    [session, *_] = lodge.sessions._open.values()
    for place in range(MOST_NOTES + 2):
        session.note(Note(str(place)))
    assert [note.said for note in session.taken()] == [str(place) for place in range(2, MOST_NOTES + 2)]
    assert session.taken() == ()


@implementer(ICredentialsChecker)
class Anybody:
    """Another checker, which knows everybody."""

    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> bytes:
        return bytes(credentials.username)


def test_who_comes_in_its_place_knows_those_that_can_be_asked_about(lodge: Lodge) -> None:
    """After the configuration was read again."""
    word, token = lodge.sign_in(), lodge.sign_in("__token__", lodge.gate.token())
    after = Sessions(lodge.gate.doorkeeper, lodge.gate.clock, random_bytes())
    after.go_on_from(lodge.sessions)
    for one in (word, token):
        assert now(after.of(one)) is not None
        assert after.form_word(one) == lodge.sessions.form_word(one)
    lodge.sessions.sign_out(token)
    assert now(after.of(token)) is None


@pytest.mark.parametrize("known", [False, True])
def test_S73_whom_another_checker_vouched_for_signs_in_anew_after_a_reload(lodge: Lodge, known: bool) -> None:
    """Also where the records have such a user, of whom they know no password: for instance one that was disabled once."""

    def strangers() -> Sessions:
        return Sessions(Doorkeeper(Anybody(), lodge.gate.records, lodge.gate.clock, random_bytes()), lodge.gate.clock, random_bytes())

    if known:
        lodge.gate.user("zoe", None)
    before = strangers()
    zoe, token = now(before.sign_in("zoe", "whatever", HERE))[0], now(before.sign_in("__token__", lodge.gate.token(), HERE))[0]
    assert now(before.of(zoe)) is not None
    after = strangers()
    after.go_on_from(before)
    assert now(after.of(zoe)) is None
    assert now(after.of(token)) is not None


def test_S73_a_password_that_counts_no_more_after_a_reload_holds_no_session(lodge: Lodge) -> None:
    """The one in the records does not, once another checker is asked; and the other way round."""
    word = lodge.sign_in()
    after = Sessions(Doorkeeper(Anybody(), lodge.gate.records, lodge.gate.clock, random_bytes()), lodge.gate.clock, random_bytes())
    after.go_on_from(lodge.sessions)
    assert now(after.of(word)) is None
    word = now(after.sign_in("ann", "whatever", HERE))[0]
    again = Sessions(lodge.gate.doorkeeper, lodge.gate.clock, random_bytes())
    again.go_on_from(after)
    assert now(again.of(word)) is None


class Life(RuleBasedStateMachine):
    """Signing in and out while accounts change: who is known is who should be, on the very next request."""

    def __init__(self) -> None:
        super().__init__()
        self.lodge = Lodge()
        self.desk = PeopleDesk(self.lodge.gate.people, self.lodge.sessions.end)
        self.open: dict[str, str] = {}
        """By word what each was begun with: a name, or a token's id."""
        self.ended: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.passwords = {"ann": PASSWORD, "bob": PASSWORD}
        self.disabled: set[str] = set()
        for name in self.passwords:
            self.lodge.gate.user(name)

    def order(self, *words: str, **fields: str) -> Any:
        return now(self.desk.carry_out((words[0], words[1]), fields, OPERATOR))

    def over(self, gone: Callable[[str], bool]) -> None:
        for word, by in tuple(self.open.items()):
            if gone(by):
                del self.open[word]
                self.ended.add(word)

    @rule(name=st.sampled_from(["ann", "bob"]))
    def sign_in(self, name: str) -> None:
        if name in self.disabled:
            with pytest.raises(NotAllowed):
                self.lodge.sign_in(name, self.passwords[name])
        else:
            self.open[self.lodge.sign_in(name, self.passwords[name])] = name

    @rule()
    def sign_in_by_token(self) -> None:
        if "ann" not in self.disabled:
            text = self.order("token", "add", name="ann")["token"]
            id = text.split("-")[1]
            self.tokens[id] = text
            self.open[self.lodge.sign_in("__token__", text)] = id

    @rule(data=st.data())
    def sign_out(self, data: st.DataObject) -> None:
        if self.open:
            word = data.draw(st.sampled_from(sorted(self.open)))
            self.lodge.sessions.sign_out(word)
            del self.open[word]
            self.ended.add(word)

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        if self.tokens:
            id = data.draw(st.sampled_from(sorted(self.tokens)))
            self.order("token", "revoke", token=self.tokens.pop(id))
            self.over(lambda by: by == id)

    @rule(name=st.sampled_from(["ann", "bob"]), password=st.sampled_from([PASSWORD, "another one"]))
    def change_password(self, name: str, password: str) -> None:
        self.order("user", "password", name=name, password=password)
        self.passwords[name] = password
        self.over(lambda by: by == name or (name == "ann" and by in self.tokens))

    @rule(name=st.sampled_from(["ann", "bob"]))
    def disable(self, name: str) -> None:
        if name not in self.disabled:
            self.order("user", "disable", name=name)
            self.disabled.add(name)
            self.over(lambda by: by == name or (name == "ann" and by in self.tokens))
            if name == "ann":
                self.tokens.clear()

    @rule(name=st.sampled_from(["ann", "bob"]))
    def enable(self, name: str) -> None:
        if name in self.disabled:
            self.order("user", "enable", name=name)
            self.disabled.discard(name)

    @rule(share=st.sampled_from([0.1, 0.6]))
    def time_goes_by(self, share: float) -> None:
        # The invariant uses each of them after each step, so none is ever idle for long.
        self.lodge.gate.clock.advance(IDLE * share)

    @invariant()
    def known_are_those_that_should_be(self) -> None:
        began = {word for word in self.open if self.lodge.known(word) is not None}
        # The oldest of too many, and what is older than a session can be, go by themselves.
        for word in set(self.open) - began:
            session_age = len(self.open) > MOST_OF_ONE or self.lodge.gate.clock.seconds() - 1_780_000_000.0 >= LONGEST
            assert session_age
            del self.open[word]
            self.ended.add(word)
        assert all(self.lodge.known(word) is None for word in self.ended)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=examples(15), stateful_step_count=25)
