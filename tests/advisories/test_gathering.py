"""Many advisories together: what is heeded, what is found, and what changed."""

from __future__ import annotations

import json
from typing import Any

from pypidaemon.advisories import gathering as module
from pypidaemon.advisories.concerns import Finding
from pypidaemon.advisories.gathering import Gathered, Gathering, changed
from pypidaemon.advisories.reading import Kind
from pypidaemon.model import NormalizedName
from tests.advisories.writing import affected, malware, osv, vulnerable

ALPHA, BETA = NormalizedName("alpha"), NormalizedName("beta")


def gathered(gathering: Gathering, *documents: Any) -> Gathered:
    gathering.take(json.dumps(document).encode() for document in documents)
    return gathering.gathered()


def found(gathered: Gathered, name: NormalizedName, version: str) -> list[str]:
    return [str(finding) for finding in gathered.on_version(name, version)]


def test_findings_are_in_the_order_of_their_ids_with_the_fix_that_comes_next() -> None:
    two = osv("GHSA-b", affected("alpha", [], [("introduced", "0"), ("fixed", "1.2"), ("introduced", "2"), ("fixed", "2.1")]))
    known = gathered(Gathering(Kind.VULNERABLE), two, vulnerable("GHSA-a", "Alpha", None))
    assert found(known, ALPHA, "1.0") == ["GHSA-a: It falls over", "GHSA-b (fixed in 1.2)"]
    assert found(known, ALPHA, "2.0") == ["GHSA-a: It falls over", "GHSA-b (fixed in 2.1)"]
    assert found(known, ALPHA, "1.5") == ["GHSA-a: It falls over"]
    assert found(known, BETA, "1.0") == []


def test_only_advisories_of_the_kind_are_kept_and_all_are_counted() -> None:
    documents = [malware("MAL-1", "alpha"), vulnerable("GHSA-a", "alpha", "2"), osv("GHSA-b")]
    gathering = Gathering(Kind.MALWARE)
    known = gathered(gathering, *documents)
    gathering.take([None, b"nothing", json.dumps(osv("GHSA-c", affected("a/b"))).encode()])
    assert (gathering.understood, gathering.misread, gathering.left_out) == (3, 2, 1)
    assert known.on_project(ALPHA) == Finding("MAL-1", "Malicious code in alpha (PyPI)")
    assert gathered(Gathering(Kind.VULNERABLE), *documents).on_project(ALPHA) is None


def test_a_project_is_affected_as_a_whole_only_where_an_advisory_is_about_all_versions() -> None:
    known = gathered(Gathering(Kind.MALWARE), malware("MAL-1", "alpha", "1.0"), malware("MAL-2", "alpha"), malware("MAL-3", "beta", "1.0"))
    assert known.on_project(ALPHA) == Finding("MAL-2", "Malicious code in alpha (PyPI)")
    assert known.on_project(BETA) is None


def test_what_is_ignored_by_id_or_alias_is_not_heeded() -> None:
    ignore = frozenset({"GHSA-A", "CVE-2"})
    documents = [
        vulnerable("GHSA-a", "alpha", "2"),
        vulnerable("PYSEC-1", "alpha", "2", aliases=["GHSA-a"]),
        vulnerable("GHSA-b", "alpha", "2", aliases=["CVE-2"]),
        vulnerable("GHSA-c", "alpha", "2", aliases=["CVE-3"]),
    ]
    assert found(gathered(Gathering(Kind.VULNERABLE, ignore), *documents), ALPHA, "1") == ["GHSA-c: It falls over (fixed in 2)"]


def test_what_is_less_severe_is_not_heeded_and_who_does_not_say_is_as_severe_as_the_others_about_it() -> None:
    """PYSEC says nothing of severity, and most of what it tells the GitHub database tells as well."""

    def rated(id: str, severity: str | None, *aliases: str) -> Any:
        return vulnerable(id, "alpha", None, aliases=list(aliases), database_specific={"severity": severity})

    documents = [
        rated("GHSA-low", "LOW", "CVE-1"),
        rated("GHSA-high", "HIGH", "CVE-2"),
        rated("GHSA-lower", "LOW", "CVE-2"),
        rated("PYSEC-1", None, "CVE-1"),
        rated("PYSEC-2", None, "CVE-2"),
        rated("PYSEC-3", None, "GHSA-low"),
        rated("PYSEC-4", None),
    ]
    for least, left in (("low", 7), ("moderate", 3), ("high", 3), ("critical", 1)):
        known = gathered(Gathering(Kind.VULNERABLE, least=least), *documents)
        assert len(known.on_version(ALPHA, "1")) == left, least
    ids = [finding.id for finding in gathered(Gathering(Kind.VULNERABLE, least="high"), *documents).on_version(ALPHA, "1")]
    assert ids == ["GHSA-high", "PYSEC-2", "PYSEC-4"]


def test_the_revision_is_that_of_what_is_heeded() -> None:
    one, other = malware("MAL-1", "alpha"), malware("MAL-2", "beta", "1.0")
    first = gathered(Gathering(Kind.MALWARE), one, other)
    assert gathered(Gathering(Kind.MALWARE), other, vulnerable("GHSA-a", "alpha", "1"), one).revision == first.revision
    assert gathered(Gathering(Kind.MALWARE), one).revision != first.revision
    assert gathered(Gathering(Kind.MALWARE), one, malware("MAL-2", "beta", "1.1")).revision != first.revision


def test_what_changed_is_named() -> None:
    before = gathered(Gathering(Kind.MALWARE), malware("MAL-1", "alpha", "1.0"), malware("MAL-2", "beta"), malware("MAL-4", "same"))
    after = gathered(Gathering(Kind.MALWARE), malware("MAL-1", "alpha", "1.1"), malware("MAL-3", "gamma"), malware("MAL-4", "same"))
    assert changed(before, after) == ["alpha", "beta", "gamma"]
    assert changed(after, after) == []


def test_an_advisory_about_no_version_of_a_project_concerns_it_not() -> None:
    assert gathered(Gathering(Kind.VULNERABLE), osv("GHSA-a", affected("alpha"))).concerns == {}


def test_what_was_read_and_answered_is_remembered_up_to_a_bound(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    monkeypatch.setattr(module, "_OPEN", 2)
    known = gathered(Gathering(Kind.VULNERABLE), *(vulnerable(f"GHSA-{letter}", letter, "5") for letter in "abcdef"))
    for number in range(10):
        for letter in "abcdef":
            name = NormalizedName(letter)
            assert found(known, name, str(number)) == ([f"GHSA-{letter}: It falls over (fixed in 5)"] if number < 5 else [])
            assert known.on_version(name, str(number)) is known.on_version(name, str(number))
            assert len(known._known) <= 3
            assert len(known._open) <= 2


def test_what_is_said_survives_being_closed() -> None:
    """Versions of any spelling, and texts in any script."""
    about = affected("alpha", ["2004 d", "1.0"], [("introduced", "2"), ("last_affected", "3"), ("limit", "9")])
    known = gathered(Gathering(Kind.VULNERABLE), osv("GHSA-a", about, summary="“ß” 漢"))
    for version, hit in (("2004 d", True), ("1", True), ("1.5", False), ("3", True), ("3.1", False)):
        assert found(known, ALPHA, version) == (["GHSA-a: “ß” 漢"] if hit else []), version
