"""
A provenance held against the file that it is about: signatures, certificates, log entries, name and sha256 (PEP 740).

The library takes 60 MiB and half a second to load, so that happens with the first document. All of this is slow: call it on a thread.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from pypidaemon.model import Attested, Digest, Filename

if TYPE_CHECKING:
    from pypi_attestations import Attestation, AttestationBundle
    from sigstore.verify import Verifier

MOST = 32
"""Attestations of one file that are checked; real files have one or two, and each costs some milliseconds."""
_STATEMENT = "https://in-toto.io/Statement/v1"
_LONGEST = 200


class DoesNotHold(Exception):
    """An attestation that is not one of this file by this publisher; `str()` says why."""


def checked(document: bytes, filename: Filename, digest: Digest) -> Attested:
    """
    What becomes of that provenance as one of a file of that name and sha256. Never raises, whatever the document is.

    Every attestation in it has to hold: one that does not is no oversight. Publishers of kinds that nobody here knows count for nothing.
    """
    try:
        from pypi_attestations import AttestationBundle
    except ImportError:
        return Attested(problem="attestations cannot be checked here; pip install 'pypidaemon[attestations]'")
    try:
        publishers: dict[str, None] = {}
        for raw in _bundles(document):
            bundle = AttestationBundle.model_validate(raw)
            for attestation in bundle.attestations:
                _verify(attestation, bundle, filename, digest)
            if bundle.attestations:
                publishers[_who(bundle)] = None
    except Exception as error:  # noqa: BLE001  # the document is anybody's, and what is raised on it depends on four libraries
        return Attested(problem=f"its attestations do not hold: {_line(error)}")
    if not publishers:
        return Attested(problem="its provenance holds no attestation by a publisher of a known kind")
    return Attested(tuple(publishers))


def _bundles(document: bytes) -> list[Any]:
    """The bundles by publishers of the kinds that can be checked."""
    try:
        said = orjson.loads(document)
        version = said["version"]
        bundles = [raw for raw in said["attestation_bundles"] if raw["publisher"]["kind"] in _KINDS]
        total = sum(len(raw["attestations"]) for raw in bundles)
    except (KeyError, TypeError, ValueError) as error:
        raise DoesNotHold("the document is no provenance") from error
    if version != 1:
        raise DoesNotHold("the provenance is of a version that nobody here knows")
    if total > MOST:
        raise DoesNotHold(f"there are more than {MOST}")
    return bundles


_KINDS = {"GitHub": "repository", "GitLab": "repository", "Google": "email", "CircleCI": "project_id"}
"""The kinds of publishers, each with what says who it is; all of these stand in certificates too, and are held against them."""


def _who(bundle: AttestationBundle) -> str:
    """A publisher as patterns are written: `github:owner/repository`. In lower case, since the builders' own names mean the same in any."""
    publisher = bundle.publisher
    who = f"{publisher.kind}:{getattr(publisher, _KINDS[publisher.kind])}".lower()
    if not who.isprintable() or " " in who or len(who) > _LONGEST:
        raise DoesNotHold("nobody can be called as its publisher is")
    return who


def _verify(attestation: Attestation, bundle: AttestationBundle, filename: Filename, digest: Digest) -> None:
    """
    As the library's own `Attestation.verify`, which finds its root of trust in the user's home folder and leaves it there (docs/decisions/0009).

    :raises Exception: it does not hold.
    """
    from pypi_attestations import AttestationType

    kind, payload = _verifier().verify_dsse(attestation.to_bundle(), bundle.publisher._as_policy())
    statement = orjson.loads(payload)
    if kind != "application/vnd.in-toto+json" or statement["_type"] != _STATEMENT:
        raise DoesNotHold("what is signed is no statement about files")
    AttestationType(statement["predicateType"])
    [subject] = statement["subject"]
    if _named(subject["name"]) != _named(filename):
        raise DoesNotHold(f"they are about {subject['name']}")
    if subject["digest"].get("sha256") != digest:
        raise DoesNotHold("they are about other bytes under this name")


def _named(filename: str) -> tuple[Any, ...]:
    """What a file name says, which has more than one spelling: project, version, and of a wheel its build and tags."""
    return parse_wheel_filename(filename) if filename.endswith(".whl") else parse_sdist_filename(filename)


@functools.cache
def _verifier() -> Verifier:
    """What checks signatures, by the root of trust that came with the library; it asks nobody."""
    from sigstore._internal.tuf import DEFAULT_TUF_URL
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier

    stored = resources.files("sigstore._store") / quote(DEFAULT_TUF_URL, safe="") / "trusted_root.json"
    with resources.as_file(stored) as path:
        return Verifier(trusted_root=TrustedRoot.from_file(str(path)))


def _line(error: Exception) -> str:
    """An error in one short line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in said)[:_LONGEST]
