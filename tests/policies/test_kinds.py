"""What kind of package a file is."""

from __future__ import annotations

import pytest

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.kinds import Kinds, kinds

FOO = NormalizedName("foo")
WHEEL, SDIST, EGG, STRANGE = "foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz", "foo-1.0-py3.6.egg", "foo-1.0-variants.json"


def shown(policy: Kinds) -> list[str]:
    return [name for name in (WHEEL, SDIST, EGG, STRANGE) if policy.refusal(FOO, File(Filename(name)), 0.0) is None]


def test_allow_and_deny_go_by_the_kind() -> None:
    assert shown(Kinds("p")) == [WHEEL, SDIST, EGG, STRANGE]
    assert shown(Kinds("p", allow=kinds("wheel other"))) == [WHEEL, STRANGE]
    assert shown(Kinds("p", deny=kinds("sdist bdist_egg"))) == [WHEEL, STRANGE]
    assert shown(Kinds("p", allow=kinds("wheel egg"), deny=kinds("egg"))) == [WHEEL]


def test_a_signature_is_of_the_kind_of_its_file() -> None:
    """It comes and goes with it."""
    for name, kind in ((SDIST, "sdist"), (WHEEL, "bdist_wheel")):
        signature = File(Filename(f"{name}.asc"))
        assert Kinds("p", deny=kinds(kind)).refusal(FOO, signature, 0.0) == f"its kind, {kind}, is denied"
        assert Kinds("p", allow=kinds(kind)).refusal(FOO, signature, 0.0) is None


def test_the_reason_names_the_kind() -> None:
    file = File(Filename("foo-1.0.win32.exe"))
    assert Kinds("p", deny=kinds("bdist_wininst")).refusal(FOO, file, 0.0) == "its kind, bdist_wininst, is denied"
    assert Kinds("p", allow=kinds("wheel")).refusal(FOO, file, 0.0) == "its kind, bdist_wininst, is not among the allowed ones"
    assert Kinds("p", allow=kinds("wheel")).refusal(FOO, None, 0.0) is None


def test_kinds_are_words() -> None:
    assert kinds("Wheel bdist_wheel sdist") == ("bdist_wheel", "sdist")
    for raw in ("", "wheels", "sdist,wheel"):
        with pytest.raises(ValueError, match=r"empty|is none of wheel, egg"):
            kinds(raw)
