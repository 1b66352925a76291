"""What every `IFileFacts` promises."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IFileFacts, IRecords
from pypidaemon.model import Digest, Fact, Replaced
from tests.examples import examples
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, WHEEL

OLD, NEW = "2020-01-02T03:04:05Z", "2024-01-02T03:04:05.678901Z"
DIGESTS = st.sampled_from([None, Digest("a" * 64), Digest("b" * 64)])
DATES = st.sampled_from([(None, None), (OLD, "other"), (NEW, "last-modified")])
FACTS = st.builds(
    lambda digest, size, metadata, broken, date: Fact(digest, size, metadata, broken, *date),
    DIGESTS,
    st.sampled_from([None, 0, 1, 2**40]),
    DIGESTS,
    st.booleans(),
    DATES,
)


class FileFactsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def facts(self, records: IRecords) -> IFileFacts:
        return records.facts

    def test_keeps_the_interface(self, facts: IFileFacts) -> None:
        verifyObject(IFileFacts, facts)

    def test_nothing_is_known_at_first(self, facts: IFileFacts) -> None:
        assert dict(now(facts.known("pypi", FOO))) == {}

    def test_what_was_learned_is_known(self, facts: IFileFacts) -> None:
        fact = Fact(Digest("a" * 64), 12, Digest("b" * 64), False, NEW, "other")
        assert now(facts.learn("pypi", FOO, WHEEL, fact)) == fact
        now(facts.learn("pypi", FOO, SDIST, Fact(metadata_broken=True)))
        assert dict(now(facts.known("pypi", FOO))) == {WHEEL: fact, SDIST: Fact(metadata_broken=True)}
        assert dict(now(facts.known("pypi", BAR))) == {}
        assert dict(now(facts.known("other", FOO))) == {}

    def test_S29_the_first_pin_stands(self, facts: IFileFacts) -> None:
        """Of two who learn at once the second is told the first one's pin."""
        first = Fact(Digest("a" * 64), 1)
        now(facts.learn("pypi", FOO, WHEEL, first))
        assert now(facts.learn("pypi", FOO, WHEEL, Fact(Digest("b" * 64), 2))) == first
        assert now(facts.known("pypi", FOO))[WHEEL] == first

    def test_gaps_are_filled(self, facts: IFileFacts) -> None:
        now(facts.learn("pypi", FOO, WHEEL, Fact(metadata=Digest("c" * 64))))
        assert now(facts.learn("pypi", FOO, WHEEL, Fact(Digest("a" * 64), 1))) == Fact(Digest("a" * 64), 1, Digest("c" * 64))

    def test_S30_a_broken_sidecar_stays_known(self, facts: IFileFacts) -> None:
        now(facts.learn("pypi", FOO, WHEEL, Fact(metadata_broken=True)))
        assert now(facts.learn("pypi", FOO, WHEEL, Fact(size=3))) == Fact(size=3, metadata_broken=True)

    def test_a_date_stays_and_so_does_who_said_it(self, facts: IFileFacts) -> None:
        """Neither is ever mixed with another's."""
        now(facts.learn("pypi", FOO, WHEEL, Fact(size=3)))
        assert now(facts.learn("pypi", FOO, WHEEL, Fact(upload_time=OLD))) == Fact(size=3, upload_time=OLD)
        assert now(facts.learn("pypi", FOO, WHEEL, Fact(upload_time=NEW, dated_by="other"))) == Fact(size=3, upload_time=OLD)
        now(facts.learn("pypi", FOO, SDIST, Fact(upload_time=NEW, dated_by="other")))
        assert now(facts.learn("pypi", FOO, SDIST, Fact(upload_time=OLD, dated_by="last-modified"))).dated_by == "other"
        assert now(facts.known("pypi", FOO))[SDIST] == Fact(upload_time=NEW, dated_by="other")

    def test_what_is_learned_together_is_known_as_if_one_by_one(self, facts: IFileFacts) -> None:
        first = Fact(Digest("a" * 64), 1)
        now(facts.learn("pypi", FOO, WHEEL, first))
        now(facts.learn_all("pypi", FOO, {WHEEL: Fact(Digest("b" * 64), 2), SDIST: Fact(Digest("c" * 64))}))
        assert dict(now(facts.known("pypi", FOO))) == {WHEEL: first, SDIST: Fact(Digest("c" * 64))}

    def test_S28_it_is_noted_which_files_are_promised_with_other_bytes(self, facts: IFileFacts) -> None:
        """Told as new once, for as long as it is the same other bytes; and forgotten when the first are promised again."""
        now(facts.learn("pypi", FOO, WHEEL, Fact(Digest("a" * 64), 1)))
        assert now(facts.differ("pypi", FOO, {WHEEL: "b" * 64, SDIST: ""}, 5.0)) == (WHEEL, SDIST)
        assert now(facts.differ("pypi", BAR, {WHEEL: "d" * 64}, 6.0)) == (WHEEL,)
        wheel = Replaced("pypi", FOO, WHEEL, Digest("a" * 64), "b" * 64, 5.0)
        rows = [Replaced("pypi", BAR, WHEEL, None, "d" * 64, 6.0), *sorted([wheel, Replaced("pypi", FOO, SDIST, None, "", 5.0)], key=str)]
        assert sorted(now(facts.replaced(("", "", ""), 9)), key=str) == sorted(rows, key=str)
        first = now(facts.replaced(("", "", ""), 1))
        assert [row.name for row in first] == [BAR]
        assert len(now(facts.replaced((first[0].label, first[0].name, first[0].filename), 9))) == 2
        assert now(facts.differ("pypi", FOO, {WHEEL: "b" * 64, SDIST: "e" * 64}, 7.0)) == (SDIST,)
        assert wheel in now(facts.replaced(("", "", ""), 9))
        assert now(facts.differ("pypi", FOO, {}, 8.0)) == ()
        assert [row.name for row in now(facts.replaced(("", "", ""), 9))] == [BAR]

    def test_S28_other_bytes_can_be_accepted_for_the_first(self, facts: IFileFacts) -> None:
        now(facts.learn("pypi", FOO, WHEEL, Fact(Digest("a" * 64), 1, Digest("c" * 64), True, OLD, "other")))
        now(facts.learn("pypi", FOO, SDIST, Fact(Digest("a" * 64), 1)))
        now(facts.differ("pypi", FOO, {WHEEL: "b" * 64, SDIST: ""}, 5.0))
        assert now(facts.accept("pypi", FOO, WHEEL)) == Replaced("pypi", FOO, WHEEL, Digest("a" * 64), "b" * 64, 5.0)
        assert dict(now(facts.known("pypi", FOO))) == {WHEEL: Fact(Digest("b" * 64)), SDIST: Fact(Digest("a" * 64), 1)}
        assert now(facts.accept("pypi", FOO, WHEEL)) is None
        assert now(facts.accept("pypi", BAR, SDIST)) is None
        assert now(facts.accept("pypi", FOO, SDIST)) is not None
        assert SDIST not in now(facts.known("pypi", FOO))
        assert now(facts.replaced(("", "", ""), 9)) == []

    @given(st.lists(FACTS, max_size=6), st.integers(0, 2**30))
    @settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_S29_what_is_known_only_grows(self, facts: IFileFacts, learned: list[Fact], label: int) -> None:
        """Every field keeps the first value it got, and `known` says what `learn` answered."""
        where = f"label-{label}"
        before = now(facts.known(where, FOO)).get(WHEEL, Fact())
        for fact in learned:
            after = now(facts.learn(where, FOO, WHEEL, fact))
            assert after == now(facts.known(where, FOO))[WHEEL]
            for field in ("digest", "size", "metadata", "upload_time", "dated_by"):
                old = getattr(before, field)
                assert getattr(after, field) == (getattr(fact, field) if old is None else old)
            assert after.metadata_broken == (before.metadata_broken or fact.metadata_broken)
            before = after
