"""Requirements files and lock files side by side."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.requirement_files import Wanted, requirement_files
from pypidaemon.policies.requirements import Requirements
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.settings import Lines

A, B = "a" * 64, "b" * 64

PDM = f"""
[[package]]
name = "attrs"
version = "25.1.0"
files = [{{ file = "attrs-25.1.0.tar.gz", hash = "sha256:{A}" }}, {{ file = "attrs-25.1.0-py3-none-any.whl", hash = "sha256:{B}" }}]

[[package]]
name = "attrs"
version = "24.1.0"
files = [{{ file = "attrs-24.1.0.tar.gz", hash = "sha256:{A}" }}, {{ file = "attrs-24.1.0-py3-none-any.whl" }}]

[[package]]
name = "any"

[[package]]
name = "forked"
git = "https://code.index.example/forked"
"""


@pytest.fixture
def paths(tmp_path: Path) -> Lines:
    (tmp_path / "pdm.lock").write_text(PDM)
    (tmp_path / "requirements.txt").write_text("attrs >=20\nidna\n")
    (tmp_path / "more.in").write_text("zope.interface==7.2\n-c constraints.txt\n")
    (tmp_path / "constraints.txt").write_text("attrs <26\n")
    return Lines(tmp_path / name for name in ("pdm.lock", "requirements.txt", "more.in"))


def test_M21_what_either_kind_names_is_wanted(paths: Lines, caplog: pytest.LogCaptureFixture) -> None:
    """Hashes count only where a lock says those of all files of a version."""
    with caplog.at_level(logging.WARNING):
        named = wanted_files(paths)
    assert dict(named.wanted) == {
        "attrs": (
            Wanted(SpecifierSet(">=20")),
            Wanted(SpecifierSet("==25.1.0"), frozenset({("sha256", A), ("sha256", B)})),
            Wanted(SpecifierSet("==24.1.0")),
        ),
        "idna": (Wanted(SpecifierSet()),),
        "zope-interface": (Wanted(SpecifierSet("==7.2")),),
        "any": (Wanted(SpecifierSet()),),
    }
    assert dict(named.limits) == {"attrs": (Wanted(SpecifierSet("<26")),)}
    assert str(named) == "\n".join(str(path) for path in paths)
    assert [message.partition(": ")[2] for message in caplog.messages] == ["forked, which is from git, is left out, since no index has it"]


def test_M21_a_policy_shows_what_a_lock_names(paths: Lines) -> None:
    policy = Requirements("wanted", wanted_files(Lines(paths[:1])))

    def refusal(name: str, filename: str, digest: str) -> str | None:
        return policy.refusal(NormalizedName(name), File(Filename(filename), hashes=(("sha256", digest),)), 0.0)

    assert refusal("attrs", "attrs-25.1.0.tar.gz", A) is None
    assert refusal("attrs", "attrs-25.1.0.tar.gz", "c" * 64) is not None
    assert refusal("attrs", "attrs-24.1.0-py3-none-any.whl", "c" * 64) is None
    assert refusal("attrs", "attrs-26.1.0.tar.gz", A) is not None
    assert refusal("any", "any-3.zip", A) is None
    assert policy.refusal(NormalizedName("forked"), None, 0.0) is not None


def test_the_digest_changes_with_what_any_of_the_files_says(paths: Lines) -> None:
    digests = [wanted_files(paths).digest]
    assert wanted_files(paths).digest == digests[0]
    for path in (paths[0], paths[0].with_name("constraints.txt")):
        path.write_text(path.read_text() + "\n")
        digests.append(wanted_files(paths).digest)
    assert len(set(digests)) == 3


def test_requirements_files_alone_are_read_as_ever(paths: Lines) -> None:
    only = Lines(paths[1:])
    assert dict(wanted_files(only).wanted) == dict(requirement_files(only).wanted)


def test_a_lock_that_cannot_be_read_is_named_with_its_place(tmp_path: Path) -> None:
    place = tmp_path / "uv.lock"
    with pytest.raises(ValueError, match=rf"cannot read {place}"):
        wanted_files(Lines([place]))
    place.write_text("[[package]]\n")
    with pytest.raises(ValueError, match=f"{place}: uv.lock is no lock file that can be read: 'name' is missing or no text"):
        wanted_files(Lines([place]))
