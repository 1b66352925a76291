"""How large files are."""

from __future__ import annotations

import pytest

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.sizes import Sizes

FOO = NormalizedName("foo")


def refusal(policy: Sizes, size: int | None) -> str | None:
    return policy.refusal(FOO, File(Filename("foo-1.0.tar.gz"), size=size), 0.0)


def test_limits_are_shown_themselves() -> None:
    policy = Sizes("p", at_most=100, at_least=10)
    assert [size for size in (0, 9, 10, 100, 101) if refusal(policy, size) is None] == [10, 100]
    assert refusal(policy, 101) == "it has 101 bytes, which is more than 100"
    assert refusal(policy, 9) == "it has 9 bytes, which is less than 10"


def test_one_limit_is_enough_and_none_is_none() -> None:
    assert refusal(Sizes("p", at_most=100), 0) is None
    assert refusal(Sizes("p", at_least=10), 10**12) is None
    assert refusal(Sizes("p"), 5) is None
    assert Sizes("p", at_most=0).refusal(FOO, None, 0.0) is None


def test_an_unknown_size_is_shown_or_hidden() -> None:
    assert refusal(Sizes("p", at_most=1), None) is None
    assert refusal(Sizes("p", at_most=1, unknown="hide"), None) == "its size is not known"


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no file could be shown"):
        Sizes("p", at_most=10, at_least=11)
