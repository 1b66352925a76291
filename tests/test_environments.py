"""Environments: which markers apply in them, and which files fit."""

from __future__ import annotations

import pytest

from pypidaemon.environments import Environment, cost, environments, platforms, pythons
from pypidaemon.model import NormalizedName
from tests import fakes

SEEDS = NormalizedName("seeds")
LINUX = Environment("3.11", "linux-x86_64")
MUSL = Environment("3.11", "musl-x86_64")
MAC = Environment("3.12", "macos-arm64")
WINDOWS = Environment("3.11", "windows-x86_64")


def fits(environment: Environment, filename: str, requires_python: str | None = None) -> bool:
    return environment.fits(SEEDS, fakes.file(filename, requires_python=requires_python))


def test_words_for_platforms_are_known_or_refused() -> None:
    """And each counts once."""
    assert platforms(" linux-x86_64\n macos-arm64 linux-x86_64") == ("linux-x86_64", "macos-arm64")
    with pytest.raises(ValueError, match="'beos' is no platform"):
        platforms("linux-x86_64 beos")
    with pytest.raises(ValueError, match="must name a platform"):
        platforms(" ")


def test_each_python_is_meant_on_each_platform() -> None:
    found = environments(pythons("3.11 3.14t"), platforms("linux-x86_64 macos-arm64"))
    assert [str(one) for one in found] == ["3.11 on linux-x86_64", "3.11 on macos-arm64", "3.14t on linux-x86_64", "3.14t on macos-arm64"]


@pytest.mark.parametrize(
    ("filename", "where"),
    [
        ("seeds-1.0-py3-none-any.whl", [LINUX, MUSL, MAC, WINDOWS]),
        ("seeds-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", [LINUX]),
        ("seeds-1.0-cp38-abi3-manylinux1_x86_64.whl", [LINUX]),
        ("seeds-1.0-cp311-cp311-musllinux_1_2_x86_64.whl", [MUSL]),
        ("seeds-1.0-cp311-cp311-linux_x86_64.whl", [LINUX, MUSL]),
        ("seeds-1.0-cp311-cp311-manylinux_2_17_aarch64.whl", []),
        ("seeds-1.0-cp312-cp312-macosx_11_0_arm64.whl", [MAC]),
        ("seeds-1.0-cp312-cp312-macosx_10_9_universal2.whl", [MAC]),
        ("seeds-1.0-cp312-cp312-macosx_10_9_x86_64.whl", []),
        ("seeds-1.0-cp311-cp311-win_amd64.whl", [WINDOWS]),
        ("seeds-1.0-cp311-cp311-win32.whl", []),
        ("seeds-1.0-cp310-cp310-manylinux_2_17_x86_64.whl", []),
        ("seeds-1.0.tar.gz", [LINUX, MUSL, MAC, WINDOWS]),
        ("seeds-1.0-py3.11.egg", []),
        ("seeds-1.0.win-amd64-py3.11.exe", []),
    ],
)
def test_a_file_fits_by_its_tags(filename: str, where: list[Environment]) -> None:
    """Eggs and installers are for no installer of today."""
    assert [one for one in (LINUX, MUSL, MAC, WINDOWS) if fits(one, filename)] == where


def test_a_file_fits_by_the_python_that_it_requires() -> None:
    """Some release of the Python has to do."""
    assert fits(LINUX, "seeds-1.0.tar.gz", ">=3.11.4")
    assert not fits(LINUX, "seeds-1.0.tar.gz", ">=3.12")


@pytest.mark.parametrize(
    ("marker", "where"),
    [
        ('sys_platform == "linux"', [LINUX, MUSL]),
        ('platform_system == "Windows" or os_name == "nt"', [WINDOWS]),
        ('python_version >= "3.12"', [MAC]),
        ('platform_machine == "arm64"', [MAC]),
        ('python_full_version < "3.11.4" and python_version == "3.11"', [LINUX, MUSL, WINDOWS]),
        ('python_full_version >= "3.11.4" and python_version == "3.11"', [LINUX, MUSL, WINDOWS]),
        ('implementation_name == "pypy"', []),
        ('extra == "socks"', []),
        ('platform_machine ~= "x"', [LINUX, MUSL, MAC, WINDOWS]),
        ("'x' in extras", [LINUX, MUSL, MAC, WINDOWS]),
    ],
)
def test_markers_apply_where_they_say(marker: str, where: list[Environment]) -> None:
    """What nobody can say applies."""
    assert [one for one in (LINUX, MUSL, MAC, WINDOWS) if one.applies(marker)] == where


def test_an_extra_counts_where_it_is_asked_for() -> None:
    assert LINUX.applies('extra == "Socks"', "socks")
    assert not WINDOWS.applies('extra == "socks" and sys_platform == "linux"', "socks")


def test_a_free_threaded_python_has_the_markers_of_its_version() -> None:
    free = Environment("3.14t", "linux-x86_64")
    assert free.applies('python_version == "3.14"')
    assert fits(free, "seeds-1.0-cp314-cp314t-manylinux_2_17_x86_64.whl")
    assert not fits(free, "seeds-1.0-cp314-cp314-manylinux_2_17_x86_64.whl")


def test_what_asks_for_whole_versions_costs_as_many_looks_as_there_are() -> None:
    plain, whole = "python_version >= '3.11'", "python_full_version >= '3.11.4'"
    assert cost(plain) == len(plain)
    assert cost(whole) > 2 * len(whole)
