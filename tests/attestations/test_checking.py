"""Real provenance, real signatures: what holds, and all that must not (PEP 740, S31)."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pypidaemon.attestations.checking import MOST, checked
from pypidaemon.model import Attested, Digest, Filename
from tests.attested import CIRCLECI, GITHUB, Material, altered, another_bit

BUNDLE = ("attestation_bundles", 0)
ATTESTATION = (*BUNDLE, "attestations", 0)


def verdict(document: bytes, material: Material = GITHUB) -> Attested:
    return checked(document, material.filename, material.digest)


@pytest.mark.parametrize("material", [GITHUB, CIRCLECI], ids=["github", "circleci"])
def test_S31_what_is_attested_holds_and_names_its_publisher(material: Material) -> None:
    assert verdict(material.provenance, material) == Attested((material.publisher,))


def test_nobody_is_asked_and_no_home_is_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The root of trust is the one that came with the library."""

    def refuse(*_: object) -> None:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert verdict(GITHUB.provenance).problem is None
    assert list(tmp_path.rglob("*")) == []


def test_another_spelling_of_the_file_name_is_the_same_file() -> None:
    assert checked(GITHUB.provenance, Filename("pypi-attestations-0.0.19.tar.gz"), GITHUB.digest).problem is None


@pytest.mark.parametrize(
    ("document", "filename", "digest", "words"),
    [
        (GITHUB.provenance, GITHUB.filename, "0" * 64, "about other bytes"),
        (GITHUB.provenance, "pypi_attestations-0.0.20.tar.gz", GITHUB.digest, "they are about pypi_attestations-0.0.19.tar.gz"),
        (GITHUB.provenance, "pypi_attestations-0.0.19-py3-none-any.whl", GITHUB.digest, "they are about"),
        (GITHUB.provenance, "pypi_attestations-0.0.19.exe", GITHUB.digest, "do not hold"),
        (CIRCLECI.provenance, GITHUB.filename, GITHUB.digest, "they are about"),
        (altered(GITHUB.provenance, *ATTESTATION, "envelope", "signature", to=another_bit), GITHUB.filename, GITHUB.digest, "do not hold"),
        (altered(GITHUB.provenance, *ATTESTATION, "envelope", "statement", to=another_bit), GITHUB.filename, GITHUB.digest, "do not hold"),
        (
            altered(GITHUB.provenance, *ATTESTATION, "verification_material", "certificate", to=another_bit),
            GITHUB.filename,
            GITHUB.digest,
            "do not hold",
        ),
        (
            altered(GITHUB.provenance, *ATTESTATION, "verification_material", "transparency_entries", to=[]),
            GITHUB.filename,
            GITHUB.digest,
            "do not hold",
        ),
        (altered(GITHUB.provenance, *BUNDLE, "publisher", "repository", to="evil/attestations"), GITHUB.filename, GITHUB.digest, "do not"),
        (altered(GITHUB.provenance, *BUNDLE, "publisher", "workflow", to="other.yml"), GITHUB.filename, GITHUB.digest, "do not hold"),
        (altered(GITHUB.provenance, *BUNDLE, "publisher", "kind", to="GitLab"), GITHUB.filename, GITHUB.digest, "do not hold"),
        (altered(CIRCLECI.provenance, *BUNDLE, "publisher", "project_id", to="x"), CIRCLECI.filename, CIRCLECI.digest, "do not hold"),
        (altered(GITHUB.provenance, *BUNDLE, "publisher", "kind", to="Stranger"), GITHUB.filename, GITHUB.digest, "of a known kind"),
        (altered(GITHUB.provenance, *BUNDLE, "attestations", to=[]), GITHUB.filename, GITHUB.digest, "of a known kind"),
        (altered(GITHUB.provenance, "attestation_bundles", to=[]), GITHUB.filename, GITHUB.digest, "of a known kind"),
        (altered(GITHUB.provenance, "version", to=2), GITHUB.filename, GITHUB.digest, "version that nobody here knows"),
        (altered(GITHUB.provenance, *BUNDLE, "attestations", to=lambda one: one * (MOST + 1)), GITHUB.filename, GITHUB.digest, "more than"),
        (b"", GITHUB.filename, GITHUB.digest, "the document is no provenance"),
        (b"[]", GITHUB.filename, GITHUB.digest, "the document is no provenance"),
        (b'{"version":1,"attestation_bundles":[7]}', GITHUB.filename, GITHUB.digest, "the document is no provenance"),
    ],
)
def test_S31_what_does_not_hold_attests_nothing_and_says_why(document: bytes, filename: str, digest: str, words: str) -> None:
    told = checked(document, Filename(filename), Digest(digest))
    assert told.publishers == ()
    assert told.problem is not None
    assert words in told.problem
    assert told.problem.isprintable()
    assert told.lasting


def test_one_attestation_that_does_not_hold_spoils_those_that_do() -> None:
    good = json.loads(GITHUB.provenance)["attestation_bundles"]
    bad = json.loads(altered(GITHUB.provenance, *BUNDLE, "publisher", "repository", to="evil/attestations"))["attestation_bundles"]
    for bundles in (good + bad, bad + good):
        assert verdict(altered(GITHUB.provenance, "attestation_bundles", to=bundles)).publishers == ()


def test_a_publisher_of_a_kind_to_come_does_not_spoil_one_that_is_known() -> None:
    bundles = json.loads(GITHUB.provenance)["attestation_bundles"]
    unknown = {"publisher": {"kind": "Stranger"}, "attestations": []}
    assert verdict(altered(GITHUB.provenance, "attestation_bundles", to=[unknown, *bundles])).publishers == (GITHUB.publisher,)


def test_without_the_library_nothing_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)
    assert "pypidaemon[attestations]" in (verdict(GITHUB.provenance).problem or "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["version", "attestation_bundles", "publisher", "kind", "attestations"]), inner, max_size=4)
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_hostile_document_is_a_problem_and_no_error(document: bytes) -> None:
    told = verdict(document)
    assert told.publishers == ()
    assert told.problem
    assert told.problem.isprintable()


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.data())
def test_no_single_byte_of_what_is_signed_can_be_another(data: st.DataObject) -> None:
    """A change of a byte either breaks the document or what it says, or it is of no account: then it says the same of the same publisher."""
    document = bytearray(GITHUB.provenance)
    place = data.draw(st.integers(0, len(document) - 1))
    document[place] = data.draw(st.sampled_from(b"Aa0/+= x}"))
    told = verdict(bytes(document))
    assert told.publishers in ((), (GITHUB.publisher,))
    assert (told.problem is None) == bool(told.publishers)
