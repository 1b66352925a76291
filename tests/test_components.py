"""Names become classes, or one line that says why not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from zope.interface.verify import verifyClass

from pypidaemon import components
from pypidaemon.components import BUILT_IN, INTERFACES, Unloadable, load, offered, vouch
from pypidaemon.configuration import KINDS
from pypidaemon.interfaces import IPolicy
from tests import parts

EVERY = [(kind, use) for kind, table in BUILT_IN.items() for use in table]


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """A folder on the path that says an example distribution is installed, without installing it."""
    info = tmp_path / "example-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[pypidaemon.index]\nfixed = tests.parts:Fixed\nproxy = tests.parts:Fixed\n")
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


def test_every_kind_but_daemon_has_an_interface_and_a_table() -> None:
    """The three tables agree on what kinds there are."""
    assert set(INTERFACES) == set(BUILT_IN) == set(KINDS) - {"daemon"}


@pytest.mark.parametrize(("kind", "use"), EVERY, ids=[f"{kind}-{use}" for kind, use in EVERY])
def test_every_built_in_loads_and_promises_what_its_kind_must(kind: str, use: str) -> None:
    """The literal table holds no dead entry."""
    found = load(kind, use)
    assert attrs.has(found)
    assert verifyClass(INTERFACES[kind], found)


def test_a_one_off_is_named_by_module_and_class() -> None:
    """`use = package.module:Class`, for a class of one's own."""
    assert load("index", "tests.parts:Fixed") is parts.Fixed


def test_an_entry_point_offers_a_component(installed: Path) -> None:
    """The group is `pypidaemon.<kind>`."""
    assert load("index", "fixed") is parts.Fixed
    assert "fixed" in offered("index")
    assert "fixed" not in offered("policy")


def test_an_entry_point_cannot_take_a_built_in_name(installed: Path) -> None:
    """What ships with the daemon stays what it is."""
    assert load("index", "proxy") is not parts.Fixed


def test_two_packages_that_offer_one_name_are_refused(installed: Path) -> None:
    """Which of them is meant must not hang on the order of the path."""
    other = installed / "other-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (other / "entry_points.txt").write_text("[pypidaemon.index]\nfixed = tests.parts:Silent\n")
    with pytest.raises(Unloadable, match="two installed packages offer index 'fixed'"):
        load("index", "fixed")


@pytest.mark.parametrize(
    ("kind", "use", "words"),
    [
        ("index", "prxy", "there is no index 'prxy'"),
        ("policy", "nowhere.at.all:Thing", "cannot import nowhere.at.all: ModuleNotFoundError"),
        ("policy", "broken_module:Thing", "cannot import broken_module: RuntimeError: no luck today"),
        ("policy", "tests.parts:Missing", "module tests.parts has no Missing"),
        ("policy", "parts:", "is not package.module:Class"),
        ("policy", ":Thing", "is not package.module:Class"),
        ("policy", ".tests.parts:Thing", "is not package.module:Class"),
        ("policy", "tests.parts:A_FUNCTION", "is not a class"),
        ("policy", "tests.parts:Fixed", "is no IPolicy"),
        ("policy", "tests.parts:Short", "is no IPolicy"),
        ("index", "tests.parts:Short", "is no IIndex"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(kind: str, use: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with somebody else's code."""
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no luck\\ntoday')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unloadable) as caught:
        load(kind, use)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_comes_with_the_known_ones() -> None:
    """So that a misspelling is mended at once."""
    with pytest.raises(Unloadable) as caught:
        load("index", "prxy")
    assert {"proxy", "first-match", "policed", "package.module:Class"} <= set(caught.value.known)


def test_an_object_is_looked_at_for_its_attributes_too() -> None:
    """Which a class cannot show."""
    load("policy", "tests.parts:Nameless")
    with pytest.raises(Unloadable, match="label"):
        vouch(IPolicy, parts.Nameless())


def test_loading_components_imports_none_of_them() -> None:
    """The module stays light: `twistd --help` reads nothing it does not need."""
    import subprocess

    code = "import sys, pypidaemon.components, pypidaemon.tap; print(*[m for m in sys.modules if m.startswith('pypidaemon.')])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(components.__file__).parents[1]
    )
    for package in ("indexes", "upstreams", "web", "records", "blobs"):
        assert f"pypidaemon.{package}" not in loaded.stdout
