"""Advisories as they come: what is kept of them, and what hostile ones come to."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.advisories.affected import is_whole
from pypidaemon.advisories.reading import LARGEST_DOCUMENT, LONGEST_SUMMARY, Advisory, Affected, BadAdvisory, Kind, advisory
from pypidaemon.model import NormalizedName
from tests.advisories.writing import affected, malware, osv

ALPHA = NormalizedName("alpha")


def read(document: Any) -> Advisory | None:
    return advisory(json.dumps(document).encode())


def must(document: Any) -> Advisory:
    found = read(document)
    assert found is not None
    return found


def test_an_advisory_is_read() -> None:
    about = affected("Al_pha", ["1.0", "v1.0.0", "0.9"], [("introduced", "0"), ("fixed", "1.1")])
    more = {"aliases": ["CVE-2026-1", "not an id", 7], "database_specific": {"severity": "HIGH"}, "summary": "It falls  over\n"}
    assert must(osv("GHSA-a", about, **more)) == Advisory(
        "GHSA-a",
        Kind.VULNERABLE,
        "It falls over",
        ("CVE-2026-1",),
        "high",
        (Affected(NormalizedName("al-pha"), ("0.9", "1"), ((("introduced", "0"), ("fixed", "1.1")),)),),
    )


def test_malware_is_told_by_its_id_or_an_alias() -> None:
    assert must(malware("MAL-2026-1", "alpha")).kind is Kind.MALWARE
    assert must({**malware("GHSA-x", "alpha"), "aliases": ["CVE-1", "MAL-2026-2"]}).kind is Kind.MALWARE
    assert must({**malware("GHSA-x", "alpha"), "related": ["MAL-2026-2"]}).kind is Kind.VULNERABLE


def test_what_was_withdrawn_or_is_of_another_ecosystem_is_passed_over() -> None:
    assert read({**malware("MAL-1", "alpha"), "withdrawn": "2026-01-02T00:00:00Z"}) is None
    assert read(osv("MAL-1", {"package": {"ecosystem": "npm", "name": "alpha"}, "versions": ["1.0"]})) is None
    assert read(osv("MAL-1")) is None


def test_several_entries_about_one_project_are_one() -> None:
    one, other = [("introduced", "0"), ("fixed", "1")], [("introduced", "2"), ("fixed", "3")]
    [found] = must(osv("GHSA-a", affected("alpha", ["0.1"], one), affected("ALPHA", ["2.0", "0.1"], other, one))).affected
    assert found == Affected(ALPHA, ("0.1", "2"), (tuple(one), tuple(other)))


def test_commits_and_the_versions_of_others_are_no_ranges() -> None:
    about = affected("alpha", ["1.0"])
    about["ranges"] = [{"type": kind, "events": [{"introduced": "0"}]} for kind in ("GIT", "SEMVER", "ecosystem", None)]
    assert must(osv("GHSA-a", about)) == Advisory("GHSA-a", Kind.VULNERABLE, affected=(Affected(ALPHA, ("1",)),))


@pytest.mark.parametrize(("said", "meant"), [("LOW", "low"), ("MEDIUM", "moderate"), ("Critical", "critical"), ("dire", None), (9, None)])
def test_severity_is_read_in_the_words_of_the_databases(said: object, meant: str | None) -> None:
    assert must({**malware("MAL-1", "alpha"), "database_specific": {"severity": said}}).severity == meant


def test_S59_a_summary_is_one_short_line_without_control_characters() -> None:
    found = must({**malware("MAL-1", "alpha"), "summary": "a\r\nb\x1b[31m\u202e\u2028" + "x" * 1000})
    assert found.summary.startswith("a b?[31m? x")
    assert len(found.summary) == LONGEST_SUMMARY
    assert found.summary.isprintable()
    assert must({**malware("MAL-1", "alpha"), "summary": ["no text"]}).summary == ""


@pytest.mark.parametrize("events", [None, {}, [], [7], [{}], [{"fixed": "1"}], [{"introduced": "what"}], [{"introduced": "0"}] * 1001])
def test_a_range_that_cannot_be_understood_is_left_out_and_counted(events: object) -> None:
    about = affected("alpha", ["1.0"])
    about["ranges"] = [{"type": "ECOSYSTEM", "events": events}, 7]
    found = must(osv("GHSA-a", about))
    assert (found.affected, found.left_out) == ((Affected(ALPHA, ("1",)),), 1)


def test_M7_a_range_of_malware_that_cannot_be_understood_is_every_version() -> None:
    about = affected("alpha", ["1.0"], [("introduced", "1"), ("fixed", "what")], [("introduced", "5")])
    found = must(osv("MAL-1", about))
    assert (found.left_out, found.widened) == (0, 1)
    assert is_whole(found.affected[0].ranges)
    assert must(osv("GHSA-a", about)).widened == must(malware("MAL-1", "alpha")).widened == 0


@pytest.mark.parametrize("package", [{"ecosystem": "PyPI"}, {"ecosystem": "PyPI", "name": "../x"}, {"ecosystem": "PyPI", "name": 7.5e300}])
def test_a_project_whose_name_does_not_pass_the_gate_is_left_out_and_counted(package: object) -> None:
    found = must(osv("GHSA-a", {"package": package, "versions": ["1"]}, affected("alpha", ["1.0"])))
    assert [one.name for one in found.affected] == [ALPHA]
    assert found.left_out == 1
    assert must(osv("GHSA-a", {"package": package})).affected == ()


def test_versions_that_are_none_or_too_long_are_passed_over() -> None:
    [found] = must(osv("GHSA-a", affected("alpha", ["1.0", "", "9" * 201, "2004d"]))).affected
    assert found.versions == ("1", "2004d")
    [found] = must(osv("GHSA-a", {"package": {"ecosystem": "PyPI", "name": "alpha"}, "versions": 7, "ranges": None})).affected
    assert found == Affected(ALPHA)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"id": 7}',
        b'{"id": "a b"}',
        b'{"id": "MAL-1\\n"}',
        b"[" * 100_000,
        b'{"id": "MAL-1", "x": "' + b"x" * LARGEST_DOCUMENT + b'"}',
    ],
    ids=range(11),
)
def test_what_is_no_advisory_is_said_to_be_none(document: bytes) -> None:
    with pytest.raises(BadAdvisory, match=r"larger|not JSON|no id"):
        advisory(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PACKAGES = st.fixed_dictionaries({"ecosystem": st.just("PyPI") | JSON, "name": st.just("alpha") | JSON})
EVENTS = st.dictionaries(st.sampled_from(["introduced", "fixed", "last_affected", "limit"]), st.sampled_from(["0", "1", "*"]) | JSON)
RANGES = st.fixed_dictionaries({"type": st.just("ECOSYSTEM") | JSON, "events": st.lists(EVENTS | JSON, max_size=4) | JSON})
ENTRIES = st.fixed_dictionaries(
    {"package": PACKAGES | JSON, "versions": st.lists(JSON, max_size=3) | JSON, "ranges": st.lists(RANGES | JSON, max_size=3) | JSON}
)
HOSTILE = st.fixed_dictionaries(
    {"id": st.sampled_from(["MAL-1", "GHSA-a"]) | JSON},
    optional={
        "affected": st.lists(ENTRIES | JSON, max_size=3) | JSON,
        "aliases": JSON,
        "summary": JSON,
        "withdrawn": JSON,
        "database_specific": st.fixed_dictionaries({"severity": JSON}) | JSON,
    },
)


@given(HOSTILE | JSON)
def test_whatever_is_in_a_document_it_is_an_advisory_or_none_or_said_to_be_bad(document: object) -> None:
    try:
        found = read(document)
    except BadAdvisory:
        return
    if found is not None:
        assert found.summary.isprintable()
        assert all(list(one.versions) == sorted(set(one.versions)) for one in found.affected)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_no_more_than_bad(document: bytes) -> None:
    with suppress(BadAdvisory):
        assert advisory(document) is None
