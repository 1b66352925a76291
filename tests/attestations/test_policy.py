"""Only what is attested: by itself, on a page, and when a file is opened."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon import components
from pypidaemon.attestations import policy as module
from pypidaemon.attestations.informant import Attestations
from pypidaemon.attestations.policy import AttestedOnly, on_change, required, trusted
from pypidaemon.errors import Refused, UpstreamUnavailable
from pypidaemon.explaining import explain
from pypidaemon.filenames import filename
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IPagePolicy, IPolicy, IRemarkingPolicy, ISamplingPolicy, ITimedPolicy
from pypidaemon.model import Attested, Companion, File, Filename, Knowledge, NormalizedName, ProjectPage
from tests.attested import CIRCLECI, GITHUB, altered
from tests.contracts.policy import InformedPolicyContract
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House

ALPHA = NormalizedName("alpha")
WANTED = frozenset({Knowledge.PROVENANCE})
SOMEBODY = Attested(("github:acme/alpha",))
STRANGER = Attested(("github:evil/alpha",), newcomers=("github:evil/alpha",))


class TestAttestedOnly(InformedPolicyContract):
    policy = AttestedOnly("attested")


class TestAttestedOnlyByNamedPublishers(InformedPolicyContract):
    policy = AttestedOnly("attested", (), trusted("a* github:acme/*"), "refuse")


def entry(version: str = "1.0", **more: Any) -> File:
    """A file of alpha that has a provenance."""
    known = {"provenance": f"https://files.example/{version}"}
    return file(f"alpha-{version}.tar.gz", version.encode(), **{**known, **more})


def refusal(policy: AttestedOnly, attested: Attested | None, **more: Any) -> str:
    return policy.refusal(ALPHA, entry(attested=attested, **more), 0.0) or ""


def test_it_keeps_its_interfaces() -> None:
    for interface in (ISamplingPolicy, ITimedPolicy, IRemarkingPolicy):
        verifyObject(interface, AttestedOnly("attested"))


def test_no_project_is_hidden_as_a_whole() -> None:
    assert AttestedOnly("attested").refusal(ALPHA, None, 0.0) is None


def test_what_has_no_provenance_is_refused_where_it_is_required_without_a_question() -> None:
    policy = AttestedOnly("attested", require=("alp*",))
    assert policy.refusal(ALPHA, entry(provenance=None), 0.0) == "nobody attests it: it has no provenance (PEP 740)"
    assert policy.wants(ALPHA, entry(provenance=None), 0.0) == frozenset()
    assert policy.refusal(NormalizedName("beta"), entry(provenance=None), 0.0) is None


def test_what_does_not_hold_is_refused_where_it_is_required() -> None:
    assert refusal(AttestedOnly("attested"), Attested(problem="it does not hold")) == "it does not hold"
    assert refusal(AttestedOnly("attested", require=()), Attested(problem="it does not hold")) == ""
    assert refusal(AttestedOnly("attested"), SOMEBODY) == ""


def test_the_first_line_that_matches_a_project_says_who_may_attest_it() -> None:
    policy = AttestedOnly("attested", (), trusted("ALPHA GitHub:acme/* gitlab:acme/*\nalp* github:evil/*\n* google:*"))
    assert refusal(policy, SOMEBODY) == ""
    assert refusal(policy, Attested(("gitlab:acme/x",))) == ""
    assert refusal(policy, Attested(("google:who@x.example", "github:acme/alpha"))) == ""
    said = "it is attested by github:evil/alpha, and must be by github:acme/* or gitlab:acme/*"
    assert refusal(policy, attrs.evolve(STRANGER, newcomers=())) == said
    assert refusal(policy, None, provenance=None) == "nobody attests it: it has no provenance (PEP 740)"
    assert policy.refusal(NormalizedName("alpaca"), entry(attested=STRANGER), 0.0) is None


def test_S31_a_newcomer_is_refused_only_where_the_rule_says_so_and_nobody_named_him() -> None:
    assert refusal(AttestedOnly("a", change="refuse"), STRANGER).startswith("it is attested by github:evil/alpha, who never")
    for policy in (AttestedOnly("a"), AttestedOnly("a", change="ignore"), AttestedOnly("a", (), trusted("* github:evil/*"), "refuse")):
        assert refusal(policy, STRANGER) == ""


def test_S31_who_asks_why_is_told_of_a_newcomer() -> None:
    assert "github:evil/alpha, who never" in (AttestedOnly("a").remark(ALPHA, entry(attested=STRANGER), 0.0) or "")
    assert AttestedOnly("a").remark(ALPHA, entry(attested=SOMEBODY), 0.0) is None
    assert AttestedOnly("a").remark(ALPHA, entry(), 0.0) is None
    assert AttestedOnly("a", change="ignore").remark(ALPHA, entry(attested=STRANGER), 0.0) is None


def test_a_file_is_asked_about_where_the_answer_matters() -> None:
    for wanting in (AttestedOnly("a"), AttestedOnly("a", require=()), AttestedOnly("a", (), trusted("alpha github:x/*"), "ignore")):
        assert wanting.wants(ALPHA, entry(), 0.0) == WANTED
    assert AttestedOnly("a", (), trusted("beta github:x/*"), "ignore").wants(ALPHA, entry(), 0.0) == frozenset()


def test_what_could_not_be_had_is_tried_again_soon() -> None:
    policy = AttestedOnly("attested")
    assert policy.turns(ALPHA, entry(attested=Attested(problem="not now", lasting=False)), 100.0) == 130.0
    assert policy.turns(ALPHA, entry(attested=Attested(problem="never")), 100.0) is None
    assert policy.turns(ALPHA, entry(), 100.0) is None


def test_the_newest_releases_with_provenance_are_looked_at_and_pre_releases_apart() -> None:
    spelled = ["1.0", "2.0", "3.0", "4.0a1", "4.0", "5.0rc1", "5.0rc2"]
    files = [entry(version) for version in spelled]
    files += [entry("9.0", provenance=None), entry("8.0", yanked=""), file("alpha-4.0-py3-none-any.whl", provenance="https://x.example/")]
    files += [entry("weird-thing"), file("other-1.0.tar.gz", provenance="https://x.example/")]
    sampled = AttestedOnly("attested", look_ahead=2).concerns(ProjectPage(ALPHA, tuple(files)), 0.0)
    assert sorted(sampled) == [
        "alpha-3.0.tar.gz",
        "alpha-4.0-py3-none-any.whl",
        "alpha-4.0.tar.gz",
        "alpha-5.0rc1.tar.gz",
        "alpha-5.0rc2.tar.gz",
    ]
    assert AttestedOnly("attested", look_ahead=0).concerns(ProjectPage(ALPHA, tuple(files)), 0.0) == frozenset()


@pytest.mark.parametrize(
    ("convert", "raw", "words"),
    [
        (trusted, "", "must not be empty"),
        (trusted, "acme-*", "names no publisher"),
        (trusted, "acme-* acme", "is no publisher"),
        (trusted, "acme-* gitea:acme/x", "is no publisher"),
        (trusted, "-acme github:acme/x", "separator"),
        (on_change, "shout", "alert refuse ignore"),
        (required, "-x", "separator"),
    ],
)
def test_a_bad_setting_says_what_is_wrong(convert: Any, raw: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        convert(raw)


def test_settings_read_back_as_they_are_shown() -> None:
    assert [str(line) for line in trusted("A_b github:X/*  gitlab:y/z\n\n * google:*")] == ["a-b github:x/* gitlab:y/z", "* google:*"]
    assert required("") == ()
    assert required("a* B") == ("a*", "b")
    assert on_change(" Refuse ") == "refuse"


def test_without_the_library_the_configuration_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)
    monkeypatch.delitem(sys.modules, "pypidaemon.attestations.policy")
    with pytest.raises(components.Unloadable, match=r"pip install 'pypidaemon\[attestations\]'"):
        components.load("policy", "attested")
    monkeypatch.undo()
    importlib.invalidate_caches()
    assert components.load("policy", "attested") is module.AttestedOnly


@pytest.fixture
def house() -> House:
    """An upstream with one really attested release of each project, a newer one without, and an old one that is not what it says."""
    house = House()
    for material in (GITHUB, CIRCLECI):
        house.upstream.bodies[material.url] = material.provenance
    stem = "pypi_attestations"
    old = file(f"{stem}-0.0.1.tar.gz", b"old", provenance="https://files.example/old", upload_time="2020-01-01T00:00:00Z")
    house.upstream.bodies[old.provenance or ""] = GITHUB.provenance
    house.upstream.bodies[old.url] = b"old"
    new = file(f"{stem}-9.0.tar.gz", b"new")
    house.upstream.pages[GITHUB.name] = page(GITHUB.name, old, GITHUB.entry(), new, versions=("0.0.1", "0.0.19", "9.0"))
    return house


def policed(house: House, *policies: IPolicy) -> Policed:
    """The proxy seen through these, with a real informant."""
    informants = {Knowledge.PROVENANCE: Attestations(house.records, house.clock, inline, house.announcements)}
    return Policed("policed", house.proxy, policies, house.records, house.clock, inline, informants)


def shown(index: Policed) -> list[str]:
    return [file.filename for file in now(index.project_page(GITHUB.name)).files]


def documents(house: House) -> list[str]:
    """The provenance documents that upstream was asked for."""
    return [asked for asked in house.upstream.asked if asked.startswith("body")]


def test_law_2_what_is_not_attested_is_on_no_page_and_is_not_opened(house: House) -> None:
    index = policed(house, AttestedOnly("attested"))
    assert shown(index) == [GITHUB.filename]
    assert now(index.find(GITHUB.name, GITHUB.filename)).file.attested is None
    for name, words in (("pypi_attestations-9.0.tar.gz", "it has no provenance"), ("pypi_attestations-0.0.1.tar.gz", "do not hold")):
        for companion in Companion:
            with pytest.raises(Refused, match=words):
                now(index.open_file(GITHUB.name, filename(name), companion))


def test_law_2_an_old_file_is_checked_before_a_byte_of_it_is_given(house: House) -> None:
    """Its page lists it unseen; when it is opened it turns out not to be what it says."""
    index = policed(house, AttestedOnly("attested", look_ahead=1))
    assert shown(index) == ["pypi_attestations-0.0.1.tar.gz", GITHUB.filename]
    assert documents(house) == ["body provenance"]
    with pytest.raises(Refused, match="do not hold: they are about"):
        now(index.open_file(GITHUB.name, filename("pypi_attestations-0.0.1.tar.gz"), Companion.FILE))
    assert documents(house) == ["body provenance", "body old"]


@implementer(IPagePolicy)
@attrs.frozen
class WholePages:
    """A policy that sees pages and minds nothing."""

    label: str = "whole"

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        return None

    def refusals(self, page: ProjectPage, now: float) -> Mapping[Filename, str]:
        return {}


def test_law_2_an_old_file_is_checked_also_beside_a_policy_that_goes_by_pages(house: House) -> None:
    """What that one makes of the page is no verdict on what nobody looked at."""
    index = policed(house, WholePages(), AttestedOnly("attested", look_ahead=1))
    assert shown(index) == ["pypi_attestations-0.0.1.tar.gz", GITHUB.filename]
    with pytest.raises(Refused, match="do not hold"):
        now(index.open_file(GITHUB.name, filename("pypi_attestations-0.0.1.tar.gz"), Companion.FILE))


@implementer(IPolicy)
@attrs.frozen
class NoOld:
    """Hides what is old, and needs to know nothing for it."""

    label: str = "no-old"

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        return "it is old" if file is not None and "-0.0.1." in file.filename else None


def test_what_other_rules_hide_anyway_is_not_looked_at(house: House) -> None:
    index = policed(house, AttestedOnly("attested", look_ahead=5), NoOld())
    assert shown(index) == [GITHUB.filename]
    assert documents(house) == ["body provenance"]


def test_the_page_holds_only_until_what_was_missing_is_asked_for_again(house: House) -> None:
    """An outage is no verdict for ten minutes."""
    house.upstream.bodies[GITHUB.url] = UpstreamUnavailable("pypi", "it is down")
    index = policed(house, AttestedOnly("attested"))
    first = now(index.project_page(GITHUB.name))
    assert (first.files, first.turns) == ((), house.clock.seconds() + 30)
    house.upstream.bodies[GITHUB.url] = GITHUB.provenance
    house.clock.advance(31)
    assert shown(index) == [GITHUB.filename]


def test_law_10_what_was_checked_once_stays_shown_while_upstream_is_down(house: House) -> None:
    index = policed(house, AttestedOnly("attested", look_ahead=1))
    shown(index)
    house.upstream.bodies[GITHUB.url] = UpstreamUnavailable("pypi", "it is down")
    house.upstream.fails([GITHUB.name])
    house.clock.advance(5000)
    assert GITHUB.filename in shown(index)
    assert now(index.find(GITHUB.name, GITHUB.filename)).file.filename == GITHUB.filename


def test_a_publisher_that_is_not_named_is_refused_whatever_holds(house: House) -> None:
    index = policed(house, AttestedOnly("attested", (), trusted("pypi-* github:acme/*")))
    assert shown(index) == []
    with pytest.raises(Refused, match=r"attested by github:trailofbits/pypi-attestations, and must be by github:acme/\*"):
        now(index.find(GITHUB.name, GITHUB.filename))


def test_an_altered_document_is_noticed_once_the_old_one_is_stale(house: House) -> None:
    index = policed(house, AttestedOnly("attested"))
    assert shown(index) == [GITHUB.filename]
    house.upstream.bodies[GITHUB.url] = altered(
        GITHUB.provenance, "attestation_bundles", 0, "publisher", "repository", to="evil/pypi-attestations"
    )
    house.clock.advance(601)
    assert shown(index) == []


def test_S31_a_remark_on_a_newcomer_is_in_the_explanation(house: House) -> None:
    now(house.records.publishers.met("pypi", GITHUB.name, "github:somebody/else", house.clock.seconds() - 100))
    house.upstream.pages[GITHUB.name] = page(GITHUB.name, GITHUB.entry(upload_time="2030-01-01T00:00:00Z"))
    told = now(explain(policed(house, AttestedOnly("attested")), GITHUB.name))
    assert told.remarks == ((GITHUB.filename, f"attested by {GITHUB.publisher}, who never attested this project before, while others did"),)
    assert shown(policed(house, AttestedOnly("attested", change="refuse"))) == []
