"""What files are classified as."""

from __future__ import annotations

import pytest

from pypidaemon.model import Described, File, Filename, Knowledge, NormalizedName
from pypidaemon.patterns import text_globs
from pypidaemon.policies.classifiers import Classifiers

FOO = NormalizedName("foo")
FILE = File(Filename("foo-1.0-py3-none-any.whl"))
STABLE, TYPED = "Development Status :: 5 - Production/Stable", "Typing :: Typed"


def refusal(policy: Classifiers, *classifiers: str) -> str | None:
    return policy.refusal(FOO, File(FILE.filename, described=Described(classifiers=classifiers)), 0.0)


def test_a_file_needs_one_that_is_allowed_and_none_that_is_denied() -> None:
    policy = Classifiers("p", text_globs("Development Status :: [56]*\n* :: typed"), text_globs("Private :: *"))
    assert refusal(policy, STABLE) is None
    assert refusal(policy, "Topic :: Utilities", TYPED) is None
    assert refusal(policy, "Topic :: Utilities") == "none of its classifiers is among the allowed ones"
    assert refusal(policy) == "none of its classifiers is among the allowed ones"
    assert refusal(policy, STABLE, "Private :: Do Not Upload") == "its classifier Private :: Do Not Upload is denied"


def test_without_allow_none_is_needed() -> None:
    assert refusal(Classifiers("p", deny=text_globs("Private :: *"))) is None


def test_a_long_one_is_repeated_in_part() -> None:
    assert refusal(Classifiers("p", deny=text_globs("a*")), "a\n" + "b" * 500) == f"its classifier a {'b' * 98} is denied"


def test_metadata_that_is_not_here_is_unknown_and_wanted() -> None:
    policy = Classifiers("p", text_globs("x"))
    assert policy.refusal(FOO, FILE, 0.0) is None
    assert Classifiers("p", text_globs("x"), unknown="hide").refusal(FOO, FILE, 0.0) == "its metadata is not known"
    assert policy.wants(FOO, FILE, 0.0) == {Knowledge.METADATA}
    assert policy.refusal(FOO, None, 0.0) is None


def test_patterns_stand_on_lines_of_their_own() -> None:
    assert text_globs(" a :: b \n\nc  d") == ("a :: b", "c d")
    for raw in ("", "[z-a]"):
        with pytest.raises(ValueError, match=r"empty|backwards"):
            text_globs(raw)
