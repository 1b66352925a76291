"""What every `ILedger` promises."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import ILedger, IRecords
from pypidaemon.model import Change, NormalizedName
from tests.examples import examples
from tests.gear import now
from tests.records_gear import BAR, FOO

NAMES = [NormalizedName(name) for name in ("alpha", "beta", "gamma")]
QUESTIONS = st.tuples(st.sampled_from(NAMES), st.sampled_from(["r1", "r2", "r3"]), st.integers(0, 12))


class LedgerContract:
    """Run by every place of records; a subclass's module has the fixtures `records` and `clock`."""

    @pytest.fixture
    def ledger(self, records: IRecords) -> ILedger:
        return records.ledger

    def test_keeps_the_interface(self, ledger: ILedger) -> None:
        verifyObject(ILedger, ledger)

    def test_an_unused_label_has_no_numbers(self, ledger: ILedger) -> None:
        assert now(ledger.high("root")) == 0
        assert dict(now(ledger.serials("root"))) == {}
        assert now(ledger.changes("root", 0, 10)) == []

    def test_a_number_that_is_given_is_counted_for_its_label_alone(self, ledger: ILedger) -> None:
        before = ledger.changed("root"), ledger.changed("other")
        now(ledger.number("root", NAMES[0], "r1", 7))
        after = ledger.changed("root"), ledger.changed("other")
        assert after[0] > before[0]
        assert after[1] == before[1]
        now(ledger.number("root", NAMES[0], "r1", 7))
        assert ledger.changed("root") == after[0]
        now(ledger.number("root", NAMES[0], "r2", 0))
        assert ledger.changed("root") > after[0]

    def test_the_numbers_are_given_in_parts_in_order_of_names(self, ledger: ILedger) -> None:
        for name in (NAMES[2], NAMES[0], NAMES[1]):
            now(ledger.number("root", name, "r1", 7))
        assert now(ledger.numbers("root", "", 2)) == [(NAMES[0], 7), (NAMES[1], 7)]
        assert now(ledger.numbers("root", NAMES[1], 2)) == [(NAMES[2], 7)]
        assert now(ledger.numbers("root", NAMES[2], 2)) == now(ledger.numbers("other", "", 2)) == []

    def test_a_first_revision_gets_what_upstream_says(self, ledger: ILedger) -> None:
        assert now(ledger.number("root", FOO, "r1", 23_000_000)) == 23_000_000

    def test_a_first_revision_without_a_number_gets_the_next(self, ledger: ILedger) -> None:
        assert now(ledger.number("root", FOO, "r1", 0)) == 1
        now(ledger.number("root", FOO, "r2", 500))
        assert now(ledger.number("root", BAR, "r1", 0)) == 501

    def test_the_number_of_one_project_is_the_last_that_it_got(self, ledger: ILedger) -> None:
        assert now(ledger.serial("root", FOO)) == 0
        now(ledger.number("root", FOO, "r1", 0))
        now(ledger.number("root", FOO, "r2", 7))
        now(ledger.number("other", BAR, "r1", 9))
        assert [now(ledger.serial(label, name)) for label, name in (("root", FOO), ("other", FOO), ("root", BAR))] == [7, 0, 0]

    def test_the_same_revision_keeps_its_number(self, ledger: ILedger) -> None:
        first = now(ledger.number("root", FOO, "r1", 0))
        now(ledger.number("root", BAR, "r1", 0))
        assert now(ledger.number("root", FOO, "r1", 0)) == first

    def test_the_same_revision_is_raised_to_what_upstream_says(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "r1", 5))
        assert now(ledger.number("root", FOO, "r1", 9)) == 9
        assert now(ledger.number("root", FOO, "r1", 7)) == 9

    def test_R71_another_revision_gets_the_next_number_of_all(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "r1", 5))
        now(ledger.number("root", BAR, "r1", 100))
        assert now(ledger.number("root", FOO, "r2", 5)) == 101
        assert now(ledger.number("root", FOO, "r3", 400)) == 400

    def test_R71_a_revision_that_comes_back_is_a_change_too(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "r1", 0))
        now(ledger.number("root", FOO, "r2", 0))
        assert now(ledger.number("root", FOO, "r1", 0)) == 3

    def test_R68_labels_have_spaces_of_their_own(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "r1", 70))
        assert now(ledger.number("other", FOO, "r1", 0)) == 1
        assert now(ledger.high("root")) == 70

    def test_serials_and_high_say_what_was_given(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "r1", 7))
        now(ledger.number("root", BAR, "r1", 3))
        assert dict(now(ledger.serials("root"))) == {FOO: 7, BAR: 3}
        assert now(ledger.high("root")) == 7

    def test_late_says_the_same_as_serials_when_it_is_asked(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "one", 7))
        late, nobody = ledger.late("root"), ledger.late("nobody")
        assert (late.get(FOO, 0), late.get(BAR, 0), late[FOO], len(late)) == (7, 0, 7, 1)
        assert dict(late) == dict(now(ledger.serials("root")))
        assert dict(nobody) == {}

    def test_R146_changes_are_the_latest_of_each_project(self, ledger: ILedger, clock: Clock) -> None:
        clock.advance(10)
        now(ledger.number("root", FOO, "r1", 0))
        clock.advance(10)
        now(ledger.number("root", BAR, "r1", 0))
        clock.advance(10)
        now(ledger.number("root", FOO, "r2", 0))
        rows = [Change(BAR, None, 20.0, "create", 2), Change(FOO, None, 30.0, "change", 3)]
        assert now(ledger.changes("root", 0, 10)) == rows
        assert now(ledger.changes("root", 2, 10)) == rows[1:]
        assert now(ledger.changes("root", 0, 1)) == rows[:1]
        assert now(ledger.changes("root", 3, 10)) == []
        assert now(ledger.changes("root", 0, 0)) == []

    def test_R146_a_question_beyond_all_numbers_has_an_empty_answer(self, ledger: ILedger) -> None:
        now(ledger.number("root", FOO, "r1", 0))
        assert now(ledger.changes("root", 10**30, 10**30)) == []
        assert len(now(ledger.changes("root", 0, 10**30))) == 1

    def test_an_old_number_asked_again_is_no_change(self, ledger: ILedger, clock: Clock) -> None:
        now(ledger.number("root", FOO, "r1", 4))
        before = now(ledger.changes("root", 0, 10))
        clock.advance(10)
        now(ledger.number("root", FOO, "r1", 4))
        assert now(ledger.changes("root", 0, 10)) == before

    @given(st.lists(QUESTIONS, max_size=12), st.integers(0, 2**30))
    @settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_R69_serials_never_fall(self, ledger: ILedger, questions: list[tuple[NormalizedName, str, int]], label: int) -> None:
        """At least what upstream says, the same for the same, above all before for another, and paging through misses nobody."""
        where = f"label-{label}"
        serials = dict(now(ledger.serials(where)))
        revisions: dict[NormalizedName, str] = {}
        for name, revision, at_least in questions:
            high = now(ledger.high(where))
            serial = now(ledger.number(where, name, revision, at_least))
            assert serial >= max(at_least, serials.get(name, 0), 1)
            if revisions.get(name) == revision:
                assert serial == max(serials[name], at_least)
            elif name in revisions:
                assert serial > high
            serials[name], revisions[name] = serial, revision
            assert dict(now(ledger.serials(where))) == serials
            assert now(ledger.high(where)) == max(serials.values())
        seen: list[Change] = []
        while rows := now(ledger.changes(where, seen[-1].serial if seen else 0, len(NAMES))):
            seen += rows
        assert [(row.serial, row.name) for row in seen] == sorted((serial, name) for name, serial in serials.items())

    def test_projects_of_one_number_are_not_torn_apart(self, ledger: ILedger) -> None:
        """Who asks on from the last serial of an answer misses nobody, although upstream's numbers may be equal."""
        for name, serial in zip(NAMES, (1, 2, 2), strict=True):
            now(ledger.number("root", name, "r1", serial))
        assert [row.serial for row in now(ledger.changes("root", 0, 2))] == [1]
        assert [row.serial for row in now(ledger.changes("root", 1, 2))] == [2, 2]
