"""Which releases are not final yet."""

from __future__ import annotations

import pytest

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.pre_releases import ALL, PreReleases, kinds_of_pre_release

FOO = NormalizedName("foo")


def refusal(policy: PreReleases, version: str) -> str | None:
    return policy.refusal(FOO, File(Filename(f"foo-{version}-py3-none-any.whl")), 0.0)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1.0a1", "version 1.0a1 is an alpha release"),
        ("1.0beta2", "version 1.0b2 is a beta release"),
        ("1.0rc1", "version 1.0rc1 is a release candidate"),
        ("1.0.dev3", "version 1.0.dev3 is a development release"),
        ("1.0a1.post1", "version 1.0a1.post1 is an alpha release"),
        ("1.0.post1.dev1", "version 1.0.post1.dev1 is a development release"),
    ],
)
def test_what_is_not_final_is_hidden(version: str, reason: str) -> None:
    assert refusal(PreReleases("p"), version) == reason


@pytest.mark.parametrize("version", ["1.0", "1.0.post1", "1!2.0", "1.0+local.1", "nonsense"])
def test_what_is_final_or_no_version_is_shown(version: str) -> None:
    assert refusal(PreReleases("p"), version) is None


def test_only_the_kinds_that_are_named_are_hidden() -> None:
    """A development release of an alpha is both."""
    policy = PreReleases("p", ("dev",))
    assert refusal(policy, "1.0a1") is None
    assert refusal(policy, "1.0a1.dev2") == "version 1.0a1.dev2 is a development release"
    assert refusal(PreReleases("p", ("alpha",)), "1.0a1.dev2") == "version 1.0a1.dev2 is an alpha release"


def test_exempt_projects_show_theirs() -> None:
    assert refusal(PreReleases("p", exempt=("f*",)), "1.0a1") is None
    assert refusal(PreReleases("p", exempt=("other",)), "1.0a1") is not None


def test_no_project_is_refused_as_a_whole() -> None:
    assert PreReleases("p").refusal(FOO, None, 0.0) is None
    assert PreReleases("p").refusal(FOO, File(Filename("foo.tar.gz")), 0.0) is None


def test_kinds_are_words() -> None:
    assert kinds_of_pre_release("Dev alpha dev") == ("dev", "alpha")
    assert kinds_of_pre_release(" ".join(ALL)) == ALL
    for raw in ("", "gamma", "alpha rc"):
        with pytest.raises(ValueError, match="is none of alpha, beta"):
            kinds_of_pre_release(raw)
