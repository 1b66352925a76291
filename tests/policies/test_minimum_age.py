"""What is new waits: how long, what spares it, and when that ends."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.filenames import filename
from pypidaemon.interfaces import IChangingPolicy, IInformedPolicy, ITimedPolicy
from pypidaemon.judging import Rules
from pypidaemon.model import Attested, File, Knowledge, NormalizedName, ProjectPage, Ruling, RulingKind
from pypidaemon.moments import moment, written
from pypidaemon.policies.exemptions import exemptions
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.rulings import Rulings

ALPHA = NormalizedName("alpha")
DAY = 86400.0
UPLOADED = "2026-11-25T10:00:00.250000Z"
SINCE = moment("2026-11-25T10:00:00Z") + 0.25
READY = SINCE + 3 * DAY
FILE = File(
    filename("alpha-2.0-py3-none-any.whl"), hashes=(("sha256", "ab" * 32),), upload_time=UPLOADED, provenance="https://index.example/p"
)
DATELESS = attrs.evolve(FILE, upload_time=None)
HELD = Attested(("github:Acme/Rocket",))


def policy(exempt: str = "", unknown: str = "hide", *rulings: Ruling) -> MinimumAge:
    """Three days for everybody who is not exempt."""
    ordered = Rulings()
    ordered.replace(rulings)
    return MinimumAge("cooldown", ordered, 3 * DAY, exemptions(exempt) if exempt else (), unknown)


def spared(target: str, until: float | None) -> Ruling:
    return Ruling(RulingKind.EXEMPT, target, "the fix of today", until=until)


def test_it_keeps_its_interfaces() -> None:
    for interface in (ITimedPolicy, IInformedPolicy, IChangingPolicy):
        assert verifyObject(interface, policy())


def test_a_young_file_is_hidden_until_the_very_moment() -> None:
    """The reason says when it came, and a second at which it is surely shown."""
    rule = policy()
    reason = "uploaded 2026-11-25T10:00:00Z, less than 3d ago; shown from 2026-11-28T10:00:01Z on"
    assert rule.refusal(ALPHA, FILE, SINCE) == reason
    assert rule.refusal(ALPHA, FILE, READY - 0.001) == reason
    assert rule.refusal(ALPHA, FILE, READY) is None
    assert rule.turns(ALPHA, FILE, READY - 0.001) == READY
    assert rule.turns(ALPHA, FILE, READY) is None


def test_a_file_dated_after_now_waits_as_well() -> None:
    """Clocks differ, and upstream's word is the one that counts."""
    assert policy().refusal(ALPHA, FILE, SINCE - 10 * DAY) is not None


def test_no_project_is_hidden_as_a_whole() -> None:
    assert policy().refusal(ALPHA, None, SINCE) is None


@pytest.mark.parametrize(("age", "said"), [(3 * DAY, "3d"), (36 * 3600.0, "36h"), (90.0, "90s"), (900.0, "15m"), (1.5, "1.5s")])
def test_the_age_is_said_as_it_is_set(age: float, said: str) -> None:
    assert f"less than {said} ago" in str(MinimumAge("c", Rulings(), age).refusal(ALPHA, FILE, SINCE))


def test_no_age_at_all_hides_nothing_that_is_dated() -> None:
    assert MinimumAge("c", Rulings(), 0.0).refusal(ALPHA, FILE, SINCE) is None


@pytest.mark.parametrize("unreadable", [None, "2026-11-25", "2026-11-25T10:00:00+01:00"])
def test_what_nobody_can_date_is_hidden_for_ever_unless_the_rule_says_otherwise(unreadable: str | None) -> None:
    """Never by when it was first seen here: a page of old releases would be new in every new daemon."""
    file = attrs.evolve(FILE, upload_time=unreadable)
    for now in (0.0, READY * 2):
        assert policy().refusal(ALPHA, file, now) == "its upload time is not known"
        assert policy().turns(ALPHA, file, now) is None
        assert policy(unknown="show").refusal(ALPHA, file, now) is None
        assert policy(unknown="show").turns(ALPHA, file, now) is None


@pytest.mark.parametrize("exempt", ["alpha", "al*", "other ALPHA", "alpha==2.0", "alpha==2", "Alpha==1.0 alpha==2.0.0"])
@pytest.mark.parametrize("file", [FILE, DATELESS])
def test_projects_and_releases_can_be_exempt(exempt: str, file: File) -> None:
    rule = policy(exempt)
    assert rule.refusal(ALPHA, file, SINCE) is None
    assert rule.turns(ALPHA, file, SINCE) is None


@pytest.mark.parametrize("exempt", ["beta", "alph", "alpha-*", "alpha==2.1", "beta==2.0", "publisher:github:acme/*"])
def test_others_are_not(exempt: str) -> None:
    assert policy(exempt).refusal(ALPHA, FILE, SINCE) is not None


def test_a_file_without_a_version_is_of_no_exempt_release() -> None:
    assert policy("alpha==2.0").refusal(ALPHA, attrs.evolve(FILE, filename=filename("alpha.zip")), SINCE) is not None


@pytest.mark.parametrize(
    ("exempt", "held", "shown"),
    [
        ("publisher:github:acme/rocket", HELD, True),
        ("publisher:GitHub:Acme/*", HELD, True),
        ("publisher:*:acme/r?cket", HELD, True),
        ("publisher:github:acme/rock", HELD, False),
        ("publisher:gitlab:acme/rocket", HELD, False),
        ("publisher:github:acme/rocket", Attested(("gitlab:x/y", "github:acme/rocket")), True),
        ("publisher:github:acme/rocket", Attested(("github:acme/rocket",), problem="it does not hold"), False),
        ("publisher:github:acme/rocket", Attested(), False),
        ("publisher:github:acme/rocket", None, False),
    ],
)
def test_a_publisher_is_exempt_where_what_he_attests_holds(exempt: str, held: Attested | None, shown: bool) -> None:
    rule, file = policy(exempt), attrs.evolve(FILE, attested=held)
    assert (rule.refusal(ALPHA, file, SINCE) is None) == shown
    assert rule.turns(ALPHA, file, SINCE) == (None if shown else READY)


def test_the_provenance_is_wanted_of_young_files_alone_and_only_where_a_publisher_is_exempt() -> None:
    """And of none that somebody else spares."""
    rule = policy("publisher:github:acme/* beta alpha==3.0")
    assert rule.wants(ALPHA, FILE, SINCE) == {Knowledge.PROVENANCE}
    assert rule.wants(ALPHA, DATELESS, SINCE) == {Knowledge.PROVENANCE}
    assert rule.wants(ALPHA, FILE, READY) == frozenset()
    assert rule.wants(ALPHA, attrs.evolve(FILE, provenance=None), SINCE) == frozenset()
    assert rule.wants(NormalizedName("beta"), FILE, SINCE) == frozenset()
    assert policy("alpha==1.0").wants(ALPHA, FILE, SINCE) == frozenset()
    assert policy("publisher:github:acme/*", "hide", spared("alpha", None)).wants(ALPHA, FILE, SINCE) == frozenset()


@pytest.mark.parametrize("target", ["alpha", "alpha==2", f"sha256:{'ab' * 32}"])
def test_what_is_exempt_by_order_is_shown_until_the_order_ends(target: str) -> None:
    """Break-glass: the end is one more moment at which the page changes."""
    end = SINCE + DAY
    rule = policy("", "hide", spared(target, end))
    assert rule.refusal(ALPHA, FILE, end - 1) is None
    assert rule.turns(ALPHA, FILE, end - 1) == end
    assert rule.refusal(ALPHA, FILE, end) is not None
    assert rule.turns(ALPHA, FILE, end) == READY
    assert rule.refusal(ALPHA, DATELESS, end - 1) is None
    assert rule.turns(ALPHA, DATELESS, end - 1) == end
    assert rule.turns(ALPHA, DATELESS, end) is None


def test_an_order_that_outlasts_the_wait_ends_nothing() -> None:
    rule = policy("", "hide", spared("alpha", READY + DAY))
    assert rule.turns(ALPHA, FILE, SINCE) == READY
    assert policy("", "hide", spared("alpha", None)).turns(ALPHA, FILE, SINCE) == READY


def test_a_block_spares_nobody() -> None:
    assert policy("", "hide", Ruling(RulingKind.BLOCK, "alpha")).refusal(ALPHA, FILE, SINCE) is not None


def test_an_order_is_another_revision() -> None:
    """So that nothing judged before it is shown after it."""
    rule = policy()
    before = rule.revision
    rule.rulings.replace((spared("alpha", None),))
    assert rule.revision != before
    assert Rules((rule,)).revision != Rules((policy(),)).revision


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("Acme_*  acme-*", ("acme-*",)),
        ("Django==5.0.1.0", ("django==5.0.1",)),
        ("a.b==1!2.0rc1\n publisher:GitHub:Owner/Repo", ("a-b==1!2rc1", "publisher:github:owner/repo")),
        ("publisher:google:robot@acme.example", ("publisher:google:robot@acme.example",)),
    ],
)
def test_exemptions_have_one_spelling(raw: str, normal: tuple[str, ...]) -> None:
    assert exemptions(raw) == normal
    assert exemptions(" ".join(normal)) == normal


@pytest.mark.parametrize(
    "raw",
    ["", " \n", "foo/bar", "==1.0", "a==", "a==1.*", "a==one", "a b==c", "-a==1.0", "publisher:", "publisher:github", "publisher:github:", "publisher::x/y",
     "publisher:github:ä", "sha256:" + "ab" * 32],
)  # fmt: skip
def test_what_exempts_nothing_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        exemptions(raw)


def test_a_policy_cannot_be_made_of_bad_exemptions() -> None:
    with pytest.raises(ValueError, match="no release"):
        MinimumAge("c", Rulings(), 1.0, ("a==x",))


MOMENTS = st.integers(0, 100).map(lambda number: number * DAY / 4)
PAGES = st.lists(st.none() | MOMENTS, max_size=6)
ORDERS = st.lists(st.tuples(st.sampled_from(["alpha", "alpha==1", "alpha==2", "beta"]), st.none() | MOMENTS), max_size=3)


@given(PAGES, MOMENTS, ORDERS, st.sampled_from(["", "alpha==0", "alpha==3 beta"]), st.sampled_from(["show", "hide"]))
def test_between_two_turns_nothing_changes(
    uploads: list[float | None], now: float, orders: list[tuple[str, float | None]], exempt: str, unknown: str
) -> None:
    """What was judged holds until the moment that was told, not a moment longer than told, and for ever where none was."""
    rules = Rules((policy(exempt, unknown, *(spared(target, until) for target, until in orders)),))
    names = [filename(f"alpha-{number}.tar.gz") for number in range(len(uploads))]
    files = tuple(File(name, upload_time=None if since is None else written(since)) for name, since in zip(names, uploads, strict=True))
    page = ProjectPage(ALPHA, files)
    first = rules.judge(page, now)
    assert first.turns is None or first.turns > now
    last = now + 200 * DAY if first.turns is None else first.turns - 1
    for later in (now + (last - now) / 2, last):
        then = rules.judge(page, later)
        assert then.shown == first.shown
        assert then.hidden.keys() == first.hidden.keys()
    for name, refusal in first.hidden.items():
        assert refusal.until is None or refusal.until > now, name


def test_what_an_order_spares_is_remarked_with_its_end_and_reason() -> None:
    """Unless it need not wait any more, or waits all the same."""
    assert policy("", "hide", spared("alpha", SINCE + DAY)).remark(ALPHA, FILE, SINCE) == (
        "exempt from waiting until 2026-11-26T10:00:01Z: the fix of today"
    )
    assert policy("", "hide", spared("alpha", None)).remark(ALPHA, FILE, SINCE) == "exempt from waiting: the fix of today"
    assert policy("", "hide", spared("alpha", None)).remark(ALPHA, FILE, READY) is None
    assert policy().remark(ALPHA, FILE, SINCE) is None
