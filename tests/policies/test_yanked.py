"""What its publishers took back."""

from __future__ import annotations

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.yanked import Yanked

FOO = NormalizedName("foo")


def refusal(yanked: str | None, *exempt: str) -> str | None:
    return Yanked("p", exempt).refusal(FOO, File(Filename("foo-1.0.tar.gz"), yanked=yanked), 0.0)


def test_R110_yanked_files_are_hidden_with_the_reason_of_who_yanked_them() -> None:
    assert refusal(None) is None
    assert refusal("") == "it is yanked"
    assert refusal("broken\n on  Windows") == "it is yanked: broken on Windows"
    assert refusal("x" * 1000) == "it is yanked: " + "x" * 200
    assert Yanked("p").refusal(FOO, None, 0.0) is None


def test_exempt_projects_show_theirs() -> None:
    assert refusal("broken", "f*") is None
    assert refusal("broken", "bar") is not None
