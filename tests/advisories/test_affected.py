"""Which versions an advisory is about, held against another way of saying the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from pypidaemon.advisories.affected import Event, Range, arranged, is_whole
from pypidaemon.advisories.concerns import Concern, Concerns, Finding, closed, opened
from pypidaemon.versions import same_version
from tests.strategies import versions

FEW = st.sampled_from(["0.dev0", "0", "0.1", "1.0a1", "1.0", "1.0+local.1", "1.0.post1", "1!0.5", "2", "2.0.1"]) | versions
EVENTS = st.lists(st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), FEW) | st.just(("introduced", "0")), max_size=7)


def found(version: str, versions: Sequence[str] = (), ranges: Sequence[Range] = ()) -> Finding | None:
    """What an advisory about these versions and ranges says of that version."""
    return next(iter(Concerns.of([Concern("GHSA-a", "", tuple(versions), tuple(ranges))]).on_version(version)), None)


def inside(version: str, *events: Event) -> bool:
    return found(version, (), [arranged(events)]) is not None


def oracle(version: Version, events: list[Event]) -> bool:
    """What the last event says that came no later than that version; what is last affected ends just behind its version."""
    state, reached = False, (False, Version("0"), False)
    for kind, spelled in events:
        begins = kind == "introduced" and spelled == "0"
        point = (not begins, Version("0") if begins else Version(spelled), kind == "last_affected")
        if point[:2] <= (True, version) and (kind != "last_affected" or Version(spelled) < version) and point >= reached:
            state, reached = kind == "introduced", point
    return state


@given(FEW, EVENTS)
def test_a_range_is_what_its_events_come_to_in_any_order(version: str, events: list[Event]) -> None:
    if any(kind == "introduced" for kind, _ in events):
        assert inside(version, *events) is oracle(Version(version), events)
    else:
        with pytest.raises(ValueError, match="beginning"):
            arranged(events)


@given(FEW, EVENTS, st.lists(FEW | st.just("*"), max_size=3))
def test_a_version_behind_all_limits_is_in_no_range(version: str, events: list[Event], limits: list[str]) -> None:
    events = [("introduced", "0"), *events]
    below = not limits or "*" in limits or any(Version(version) < Version(limit) for limit in limits)
    assert inside(version, *events, *(("limit", limit) for limit in limits)) is (below and inside(version, *events))


@given(FEW, st.lists(FEW, max_size=6), st.sampled_from(["{}", "v{}", "00{}", " {} "]))
def test_a_listed_version_is_affected_in_any_spelling(version: str, listed: list[str], spelling: str) -> None:
    spelled = spelling.format(version)
    known = tuple(sorted({same_version(one) for one in listed}))
    assert (found(spelled, known) is not None) is any(Version(spelled) == Version(one) for one in listed)


def test_what_is_no_version_is_affected_only_where_it_is_listed() -> None:
    always = [arranged([("introduced", "0")])]
    for spelled in ("2004d-final", "9" * 5000):
        assert found(spelled, (), always) is None
        assert found(spelled, (spelled,), always) is not None


def test_a_single_version_is_introduced_and_last_affected() -> None:
    """Whichever of the two is written first."""
    for events in ([("introduced", "1.0"), ("last_affected", "1.0")], [("last_affected", "1.0"), ("introduced", "1.0")]):
        assert [inside(version, *events) for version in ("0.9", "1.0.0", "1.0.post1")] == [False, True, False]


def test_a_range_with_a_version_that_nobody_can_place_is_none() -> None:
    for kind in ("introduced", "fixed", "last_affected", "limit"):
        for spelled in ("one", "", "*", "9" * 5000):
            if (kind, spelled) != ("limit", "*"):
                with pytest.raises(ValueError, match="PEP 440"):
                    arranged([("introduced", "0"), (kind, spelled)])


def test_only_what_begins_at_nothing_and_never_ends_is_whole() -> None:
    assert is_whole([arranged([("introduced", "1")]), arranged([("introduced", "0"), ("limit", "*")])])
    assert not is_whole([])
    for event in (("introduced", "0.0"), ("fixed", "9"), ("last_affected", "9"), ("limit", "9")):
        assert not is_whole([arranged([("introduced", "0"), event])])


@given(FEW, st.lists(EVENTS.filter(lambda events: ("introduced", "0") in events), max_size=3))
def test_a_version_in_one_of_several_ranges_is_affected(version: str, ranges: list[list[Event]]) -> None:
    assert (found(version, (), [arranged(events) for events in ranges]) is not None) is any(inside(version, *events) for events in ranges)


@given(FEW, st.lists(FEW, max_size=5))
def test_the_fix_is_the_first_newer_version_of_all_that_fix(version: str, fixes: list[str]) -> None:
    ranges = [arranged([("introduced", "0")]), *(arranged([("introduced", "0"), ("fixed", fix)]) for fix in fixes)]
    finding = found(version, (), ranges)
    newer = [Version(fix) for fix in fixes if Version(fix) > Version(version)]
    assert finding is not None
    assert (None if finding.fixed is None else Version(finding.fixed)) == min(newer, default=None)


def test_after_what_is_no_version_the_last_fix_counts() -> None:
    ranges = [arranged([("introduced", "0"), ("fixed", "1.2"), ("introduced", "2"), ("fixed", "2.10")])]
    assert found("old", ["old"], ranges) == Finding("GHSA-a", "", "2.10")
    assert found("old", ["old"]) == Finding("GHSA-a", "")


@given(st.lists(st.tuples(st.lists(FEW, max_size=2), st.lists(EVENTS, max_size=2)), max_size=6), FEW)
def test_advisories_do_not_mind_one_another(advisories: list[tuple[list[str], list[list[Event]]]], version: str) -> None:
    """Although all are laid out together; and closed and opened they say the same."""
    concerns = [
        Concern(f"GHSA-{number}", "", tuple(versions), tuple(arranged([("introduced", "1"), *events]) for events in ranges))
        for number, (versions, ranges) in enumerate(advisories)
    ]
    alone = [finding for concern in concerns for finding in Concerns.of([concern]).on_version(version)]
    assert list(Concerns.of(concerns).on_version(version)) == alone
    assert list(opened(b"[" + b",".join(map(closed, concerns)) + b"]").on_version(version)) == alone


def test_a_version_costs_a_few_comparisons_however_many_ranges_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a project with hundreds of advisories and hundreds of releases is judged while somebody waits."""
    events: list[Event] = []
    for number in range(100):
        events += [("introduced", f"1.{10 * number}"), ("fixed", f"1.{10 * number + 5}")]
    concerns = Concerns.of([Concern(f"GHSA-{number}", "", (), (arranged(events),)) for number in range(50)])
    below, compared = Version.__lt__, []

    def counted(one: Version, other: Version) -> bool:
        compared.append(other)
        return below(one, other)

    monkeypatch.setattr(Version, "__lt__", counted)
    assert len(concerns.on_version("1.102")) == 50
    assert concerns.on_version("1.107") == ()
    assert len(compared) < 20
