"""Pythons and platforms by all their names, and which wheels fit them."""

from __future__ import annotations

import sys

import pytest

from pypidaemon.filenames import wheel_tags
from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.packing.targets import MOST, Target, is_sdist, is_wheel, own_platform, own_python, targets

SEEDS = NormalizedName("seeds")


def fits(platform: str, tag: str, python: str = "3.12") -> bool:
    return Target(python, platform).fits(SEEDS, File(Filename(f"seeds-1.0-{tag}.whl")))


@pytest.mark.parametrize(
    ("platform", "tag", "fitting"),
    [
        ("linux", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("linux", "cp312-cp312-manylinux_2_39_x86_64", True),
        ("linux", "cp312-cp312-musllinux_1_2_x86_64", False),
        ("linux", "cp38-abi3-manylinux1_x86_64", True),
        ("linux", "cp313-cp313-linux_x86_64", False),
        ("linux_x86_64", "cp312-cp312-linux_x86_64", True),
        ("linux-aarch64", "cp312-cp312-manylinux2014_aarch64", True),
        ("manylinux_2_28_x86_64", "cp312-cp312-manylinux_2_28_x86_64", True),
        ("manylinux_2_28_x86_64", "cp312-cp312-manylinux_2_31_x86_64", False),
        ("manylinux2014_x86_64", "cp312-cp312-manylinux_2_17_x86_64", True),
        ("manylinux2014_x86_64", "cp312-cp312-manylinux_2_28_x86_64", False),
        ("x86_64-manylinux_2_28", "cp312-cp312-manylinux2010_x86_64", True),
        ("x86_64-unknown-linux-gnu", "cp312-cp312-manylinux_2_28_x86_64", True),
        ("musllinux_1_1_aarch64", "cp312-cp312-musllinux_1_1_aarch64", True),
        ("musllinux_1_1_aarch64", "cp312-cp312-musllinux_1_2_aarch64", False),
        ("musl-x86_64", "cp312-cp312-musllinux_1_2_x86_64", True),
        ("macos", "cp312-cp312-macosx_15_0_arm64", True),
        ("macosx_14_0_arm64", "cp312-cp312-macosx_15_0_arm64", False),
        ("macosx_14_0_arm64", "cp312-cp312-macosx_10_9_universal2", True),
        ("macosx_14_0_x86_64", "cp312-cp312-macosx_10_9_x86_64", True),
        ("aarch64-apple-darwin", "cp312-cp312-macosx_11_0_arm64", True),
        ("windows", "cp312-cp312-win_amd64", True),
        ("win32", "cp312-cp312-win_amd64", False),
        ("win_arm64", "py3-none-win_arm64", True),
        ("windows", "py2.py3-none-any", True),
    ],
)
def test_a_platform_takes_what_runs_there(platform: str, tag: str, fitting: bool) -> None:
    """As pip, uv and this program name them."""
    assert fits(platform, tag) is fitting


def test_free_threads_are_a_python_of_their_own() -> None:
    """PEP 703: neither takes the other's wheels."""
    assert fits("linux", "cp313-cp313t-manylinux_2_28_x86_64", "3.13t")
    assert not fits("linux", "cp313-cp313-manylinux_2_28_x86_64", "3.13t")
    assert not fits("linux", "cp313-cp313t-manylinux_2_28_x86_64", "3.13")


def test_requires_python_and_kinds_of_files_count() -> None:
    """Source distributions fit everybody, eggs nobody."""
    target = Target("3.12", "linux")
    assert target.fits(SEEDS, File(Filename("seeds-1.0.tar.gz")))
    assert not target.fits(SEEDS, File(Filename("seeds-1.0.tar.gz"), requires_python="<3.10"))
    assert not target.fits(SEEDS, File(Filename("seeds-1.0-py3.12.egg")))
    assert is_sdist(File(Filename("seeds-1.0.zip")))
    assert is_wheel(File(Filename("seeds-1.0-py3-none-any.whl")))


def test_markers_are_those_of_the_target() -> None:
    """With extras or without."""
    target = Target("3.12", "windows")
    assert target.applies("")
    assert target.applies("sys_platform == 'win32' and python_version >= '3.12'")
    assert not target.applies("sys_platform == 'darwin'")
    assert not target.applies("extra == 'tests'")
    assert target.applies("extra == 'tests'", frozenset({"tests"}))
    assert str(target) == "3.12 on windows"


@pytest.mark.parametrize(
    ("python", "platform", "words"),
    [
        ("3.12", "solaris", "no platform"),
        ("3.12", "manylinux_2_28_ppc64le", "no platform"),
        ("3.12", "macosx_14_0_ppc", "no platform"),
        ("three", "linux", "not a Python"),
    ],
)
def test_what_nobody_knows_is_one_line(python: str, platform: str, words: str) -> None:
    """It says what can be said."""
    with pytest.raises(ValueError, match=words):
        targets((python,), (platform,))


def test_too_many_are_refused() -> None:
    """Each is resolved by itself."""
    with pytest.raises(ValueError, match="more than"):
        targets(tuple(f"3.{minor}" for minor in range(MOST + 1)), ("linux",))


def test_this_machine_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own Python takes wheels for it, whatever the system."""
    [here] = targets((), ())
    assert (here.python, here.platform) == (own_python(), own_platform())
    tags = wheel_tags(Filename(f"seeds-1.0-cp3{sys.version_info[1]}-none-any.whl"))
    assert tags is not None
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert own_platform() == "musl-x86_64"
    monkeypatch.setattr("sys.platform", "darwin")
    assert own_platform() == "macos-x86_64"
