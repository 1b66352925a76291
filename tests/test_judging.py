"""Policies put to pages together: any mix of those that there are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface import classImplements

from pypidaemon.errors import PolicyFailed
from pypidaemon.filenames import filename, version_of
from pypidaemon.interfaces import IInformedPolicy, IPagePolicy, IPolicy, IRemarkingPolicy, ITimedPolicy
from pypidaemon.judging import Refusal, Rules, left_by, sooner
from pypidaemon.model import Described, File, Knowledge, NormalizedName, ProjectPage, ProjectStatus, Ruling, RulingKind
from pypidaemon.moments import moment
from pypidaemon.policies.blocked import Blocked
from pypidaemon.policies.classifiers import Classifiers
from pypidaemon.policies.filenames import Filenames
from pypidaemon.policies.kinds import Kinds
from pypidaemon.policies.licences import Licences
from pypidaemon.policies.maximum_age import MaximumAge
from pypidaemon.policies.names import Names
from pypidaemon.policies.newest import Newest
from pypidaemon.policies.platforms import Platforms
from pypidaemon.policies.pre_releases import PreReleases
from pypidaemon.policies.pythons import Pythons
from pypidaemon.policies.sizes import Sizes
from pypidaemon.policies.statuses import Statuses
from pypidaemon.policies.versions import Versions, bounds
from pypidaemon.policies.yanked import Yanked
from pypidaemon.rulings import Rulings
from pypidaemon.settings import Lines
from pypidaemon.simple.revision import revise
from pypidaemon.versions import same_version
from tests.contracts.policy import describeds
from tests.examples import examples
from tests.strategies import pages

FOO = NormalizedName("foo")
OLD, NEW = File(filename("foo-1.0.tar.gz")), File(filename("foo-2.0.tar.gz"))
WHEEL = File(filename("foo-2.0-py3-none-any.whl"))
DAY = 86400.0

POLICIES: tuple[IPolicy, ...] = (
    Names("names", allow=("*[a-n]*",), deny_regex=(".*zz.*",)),
    Filenames("filenames", deny=("*.exe", "*win32*")),
    Versions("versions", allow=bounds("a* >=1"), deny=bounds("* ==2.*")),
    PreReleases("pre-releases"),
    Newest("newest", 1),
    Newest("some", 2),
    Kinds("kinds", deny=("bdist_egg",)),
    Platforms("platforms", deny=("linux",)),
    Pythons("pythons", ("3.11",)),
    Sizes("sizes", at_most=2**50),
    MaximumAge("age", 1e9),
    MaximumAge("young", 3e8, "hide"),
    Yanked("yanked"),
    Statuses("statuses", ("archived",)),
    Licences("licences", deny=Lines(["MIT"])),
    Classifiers("classifiers", deny=Lines(["Private*"])),
)
mixes = st.lists(st.sampled_from(POLICIES), max_size=5, unique_by=id)
moments = st.floats(0, 4e9)


@st.composite
def knowledge(draw: st.DrawFn, page: ProjectPage) -> dict[str, File]:
    """What was found out about some of the files."""
    known = {file.filename: attrs.evolve(file, described=draw(describeds)) for file in page.files}
    return {name: file for name, file in known.items() if draw(st.booleans())}


@given(st.data(), pages(), mixes, moments)
@settings(max_examples=examples(40))
def test_what_is_left_and_what_is_hidden_are_the_page_whatever_the_order_of_the_policies(
    data: st.DataObject, page: ProjectPage, policies: list[IPolicy], now: float
) -> None:
    known = data.draw(knowledge(page))
    judged = Rules(tuple(policies)).judge(page, now, known)  # type: ignore[arg-type]  # these are names of files
    assert [file for file in page.files if file.filename not in judged.hidden] == list(judged.shown)
    assert len(judged.shown) + len(judged.hidden) == len(page.files)
    other = Rules(tuple(data.draw(st.permutations(policies)))).judge(page, now, known)  # type: ignore[arg-type]  # as above
    assert (other.shown, set(other.hidden), other.turns) == (judged.shown, set(judged.hidden), judged.turns)


@given(st.data(), pages(), mixes, moments)
def test_until_the_clock_turns_a_judgement_holds(data: st.DataObject, page: ProjectPage, policies: list[IPolicy], now: float) -> None:
    rules = Rules(tuple(policies))
    judged = rules.judge(page, now)
    assert judged.turns is None or judged.turns > now
    later = data.draw(st.floats(now, 1e10) if judged.turns is None else st.floats(now, judged.turns, exclude_max=True))
    assert rules.judge(page, later).shown == judged.shown


@given(pages(), mixes, moments)
def test_a_file_judged_by_itself_is_judged_as_on_its_page(page: ProjectPage, policies: list[IPolicy], now: float) -> None:
    """By all policies but those that look at pages."""
    rules = Rules(tuple(policy for policy in policies if not IPagePolicy.providedBy(policy)))
    judged = rules.judge(page, now)
    assert not rules.by_page
    for file in page.files:
        assert rules.on_file(page.name, file, now) == judged.hidden.get(file.filename)
        every = rules.every(page.name, file, now)
        assert every[:1] == [judged.hidden[file.filename]] if file.filename in judged.hidden else every == []
    if rules.on_project(page.name, now) is not None:
        assert judged.shown == ()


@given(st.data(), pages(), mixes, moments)
def test_all_reasons_are_given_for_just_the_files_that_are_hidden(
    data: st.DataObject, page: ProjectPage, policies: list[IPolicy], now: float
) -> None:
    rules, known = Rules(tuple(policies)), data.draw(knowledge(page))
    judged = rules.judge(page, now, known)  # type: ignore[arg-type]  # as above
    reasons = rules.refusals(page, now, known)  # type: ignore[arg-type]  # as above
    assert set(reasons) == set(judged.hidden)
    assert all(judged.hidden[name] in found for name, found in reasons.items())


@given(pages(), mixes, moments)
def test_a_version_goes_with_its_last_file_and_one_without_files_stays(page: ProjectPage, policies: list[IPolicy], now: float) -> None:
    page = revise(page)
    judged = Rules(tuple(policies)).judge(page, now)
    left = left_by(page, judged)

    def versions(files: Sequence[File]) -> set[str]:
        return {same_version(version) for file in files if (version := version_of(file.filename, page.name)) is not None}

    before, after = {same_version(version) for version in page.versions}, {same_version(version) for version in left.versions}
    assert after == before - (versions(page.files) - versions(judged.shown))
    assert [version for version in page.versions if version in left.versions] == list(left.versions)
    assert left.files == judged.shown
    assert (left.revision == page.revision) == (not judged.hidden)
    assert left.turns == judged.turns


def page_of(*files: File) -> ProjectPage:
    return revise(ProjectPage(FOO, files, ("1.0", "2.0"), ProjectStatus(), serial=7))


def test_a_page_of_which_nothing_is_hidden_is_the_page() -> None:
    page = page_of(OLD, NEW)
    assert left_by(page, Rules(()).judge(page, 0.0)) is page


def test_a_page_turns_when_the_first_of_its_files_does() -> None:
    """Or when the page behind does."""
    day = moment("2026-03-01")
    old = attrs.evolve(OLD, upload_time="2026-03-01T00:00:00Z")
    new = attrs.evolve(NEW, upload_time="2026-03-02T00:00:00Z")
    page = page_of(old, new)
    rules = Rules((MaximumAge("age", 3 * DAY), MaximumAge("other", 9 * DAY)))
    assert left_by(page, rules.judge(page, day)).turns == day + 3 * DAY
    assert left_by(attrs.evolve(page, turns=day + 1), rules.judge(page, day)).turns == day + 1
    shown = left_by(page, rules.judge(page, day + 3 * DAY))
    assert (shown.files, shown.turns) == ((new,), day + 4 * DAY)
    assert rules.turns(FOO, old, day + 3 * DAY) == day + 9 * DAY
    assert rules.turns(FOO, OLD, day) is None


def test_of_two_moments_the_sooner_counts_and_never_is_latest() -> None:
    assert sooner(None, None) is None
    assert sooner(1.0, None) == sooner(None, 1.0) == sooner(1.0, 2.0) == sooner(2.0, 1.0) == 1.0


def test_a_refusal_says_whose_it_is_and_when_time_ends_it() -> None:
    policy = Yanked("yanked"), MaximumAge("age", DAY)
    yanked = attrs.evolve(OLD, yanked="", upload_time="2026-03-01T00:00:00Z")
    assert Rules(policy).on_file(FOO, yanked, 0.0) == Refusal("yanked", "it is yanked", None)
    assert Rules(policy[::-1]).on_file(FOO, yanked, 1e10) == Refusal(
        "age", "uploaded 2026-03-01T00:00:00Z, and shown until 2026-03-02T00:00:00Z only", None
    )
    assert [refusal.rule for refusal in Rules(policy).every(FOO, yanked, 1e10)] == ["yanked", "age"]
    assert Rules((Names("none", deny=("foo",)),)).on_project(FOO, 0.0) == Refusal("none", "the name matches the denied pattern foo")


def test_policies_that_look_at_pages_see_what_the_others_leave_and_each_the_same() -> None:
    page = attrs.evolve(page_of(OLD, NEW, WHEEL), status=ProjectStatus("archived"))
    rules = Rules((Newest("newest", 1), Statuses("statuses", ("archived",)), Kinds("kinds", deny=("bdist_wheel",))))
    judged = rules.judge(page, 0.0)
    assert rules.by_page
    assert judged.shown == ()
    assert {name: refusal.rule for name, refusal in judged.hidden.items()} == {
        WHEEL.filename: "kinds",
        OLD.filename: "newest",
        NEW.filename: "statuses",
    }
    assert [refusal.rule for refusal in rules.refusals(page, 0.0)[OLD.filename]] == ["newest", "statuses"]


def test_what_was_found_out_is_judged_and_not_shown() -> None:
    known = attrs.evolve(WHEEL, described=Described("MIT"))
    rules = Rules((Licences("licences", deny=Lines(["MIT"])), Newest("newest", 9)))
    page = page_of(OLD, WHEEL)
    assert rules.judge(page, 0.0).shown == (OLD, WHEEL)
    assert rules.judge(page, 0.0, {WHEEL.filename: known}).shown == (OLD,)
    assert rules.judge(page, 0.0, {OLD.filename: attrs.evolve(OLD, described=Described("ISC"))}).shown == (OLD, WHEEL)


@pytest.mark.parametrize("policies", [(), (Licences("l", deny=Lines(["MIT"])),), (Yanked("y"), Classifiers("c"), Licences("l"))])
def test_policies_want_to_know_what_the_informed_ones_do(policies: tuple[IPolicy, ...]) -> None:
    rules, informed = Rules(policies), any(IInformedPolicy.providedBy(policy) for policy in policies)
    assert rules.informed == informed
    assert rules.wants(FOO, WHEEL, 0.0) == ({Knowledge.METADATA} if informed else frozenset())
    assert rules.wanted(page_of(OLD, WHEEL), 0.0) == ({Knowledge.METADATA: [OLD, WHEEL]} if informed else {})


def test_rules_have_another_revision_when_one_of_them_changes() -> None:
    """Whether by configuration or while the daemon runs."""
    rulings = Rulings()
    rules = Rules((Yanked("yanked"), Blocked("blocked", rulings)))
    before = rules.revision
    assert before == Rules((Yanked("yanked"), Blocked("blocked", Rulings()))).revision
    assert before != Rules((Yanked("yanked", ("a*",)), Blocked("blocked", rulings))).revision
    rulings.replace([Ruling(RulingKind.BLOCK, "foo")])
    assert rules.revision != before
    assert rules.judge(page_of(OLD), 0.0).shown == ()


def test_a_moment_before_time_ends_a_refusal_it_still_holds() -> None:
    """The turn is the first second of the new answer, not the last of the old one."""
    file = attrs.evolve(OLD, upload_time="2026-03-01T00:00:00Z")
    rules = Rules((MaximumAge("age", DAY),))
    end = moment("2026-03-02")
    assert rules.on_file(FOO, file, math.nextafter(end, 0)) is None
    assert rules.on_file(FOO, file, end) is not None


@attrs.frozen
class Broken:
    """A policy of one's own that fails wherever it is asked."""

    label: str = "mine"

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        raise KeyError(name)


@attrs.frozen
class Untimely:
    """One that fails only where it is asked for more than whether it refuses."""

    label: str = "mine"

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        return None

    def turns(self, name: NormalizedName, file: File, now: float) -> float | None:
        raise KeyError(name)

    remark = wants = turns


def test_a_policy_that_raises_is_named_shows_nothing_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is asked; and what it raised, whose text may hold anything, is in the log alone."""
    classImplements(Broken, IPolicy)
    rules = Rules((Broken(),))
    page = ProjectPage(FOO, (OLD, NEW))
    for ask in (
        lambda: rules.judge(page, 0.0),
        lambda: rules.on_project(FOO, 0.0),
        lambda: rules.frozen().on_file(FOO, OLD, 0.0),
        lambda: rules.every(FOO, OLD, 0.0),
        lambda: rules.refusals(page, 0.0),
    ):
        with pytest.raises(PolicyFailed, match=r"^the policy mine failed: KeyError$"):
            ask()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.getMessage() == "the policy mine failed; what it judges is not shown"


def test_a_policy_that_fails_at_anything_else_shows_nothing_either() -> None:
    classImplements(Untimely, ITimedPolicy, IInformedPolicy, IRemarkingPolicy)
    rules = Rules((Untimely(),))
    for ask in (
        lambda: rules.judge(ProjectPage(FOO, (OLD,)), 0.0),
        lambda: rules.wants(FOO, OLD, 0.0),
        lambda: rules.wanted(ProjectPage(FOO, (OLD,)), 0.0),
        lambda: rules.remarks(FOO, (OLD,), 0.0),
    ):
        with pytest.raises(PolicyFailed):
            ask()
