"""Which platforms files are for."""

from __future__ import annotations

import pytest

from pypidaemon.filenames import platform
from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.platforms import Platforms, platforms

FOO = NormalizedName("foo")
SDIST, PURE = "foo-1.0.tar.gz", "foo-1.0-py3-none-any.whl"
LINUX = "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
MUSL = "foo-1.0-cp311-cp311-musllinux_1_2_aarch64.whl"
MAC = "foo-1.0-cp311-cp311-macosx_11_0_arm64.whl"
WINDOWS = "foo-1.0-cp311-cp311-win_amd64.whl"
BSD = "foo-1.0-cp311-cp311-freebsd_14_0_release_amd64.whl"
OLD = "foo-1.0.win32-py2.7.exe"
ALL = (SDIST, PURE, LINUX, MUSL, MAC, WINDOWS, BSD, OLD)


def shown(policy: Platforms) -> list[str]:
    return [name for name in ALL if policy.refusal(FOO, File(Filename(name)), 0.0) is None]


def test_words_stand_for_systems_and_what_is_for_any_stays() -> None:
    assert shown(Platforms("p")) == list(ALL)
    assert shown(Platforms("p", allow=("linux",))) == [SDIST, PURE, LINUX, MUSL]
    assert shown(Platforms("p", allow=("macos", "FreeBSD"))) == [SDIST, PURE, MAC, BSD]
    assert shown(Platforms("p", deny=("windows",))) == [SDIST, PURE, LINUX, MUSL, MAC, BSD]


def test_tags_are_patterns() -> None:
    assert shown(Platforms("p", allow=("manylinux*_x86_64", "win32", "macosx_*_arm64"))) == [SDIST, PURE, LINUX, MAC, OLD]
    assert shown(Platforms("p", allow=("linux",), deny=("*_aarch64",))) == [SDIST, PURE, LINUX]


def test_any_is_hidden_only_where_it_is_denied() -> None:
    assert shown(Platforms("p", allow=("any",))) == [SDIST, PURE]
    assert shown(Platforms("p", deny=("any",))) == [SDIST, *ALL[2:]]
    assert shown(Platforms("p", allow=("linux",), deny=("*",))) == [SDIST]


def test_of_several_platforms_one_will_do() -> None:
    """A wheel that also runs where it may is not hidden because of where it may not."""
    both = File(Filename("foo-1.0-py3-none-macosx_11_0_arm64.win32.whl"))
    assert Platforms("p", deny=("windows",)).refusal(FOO, both, 0.0) is None
    assert Platforms("p", allow=("windows",)).refusal(FOO, both, 0.0) is None
    assert Platforms("p", allow=("windows",), deny=("win32",)).refusal(FOO, both, 0.0) is not None


def test_the_reason_names_the_platform() -> None:
    file = File(Filename(WINDOWS))
    assert Platforms("p", deny=("windows",)).refusal(FOO, file, 0.0) == "its platform, win_amd64, is denied"
    assert Platforms("p", allow=("linux",)).refusal(FOO, file, 0.0) == "its platform, win_amd64, is not among the allowed ones"
    assert Platforms("p", allow=("linux",)).refusal(FOO, None, 0.0) is None


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("foo-1.0-py2.7-linux-x86_64.egg", ("linux_x86_64",)),
        ("foo-1.0-py2.7-macosx-10.9-x86_64.egg", ("macosx_10_9_x86_64",)),
        ("foo-1.0-py2.7.egg", ()),
        ("foo-1.0.egg", ()),
        ("foo-1.0.linux-x86_64.tar.gz", ("linux_x86_64",)),
        ("foo-1.0.macosx-10.9-x86_64-py2.7.zip", ("macosx_10_9_x86_64",)),
        ("foo-1.0.zip", ()),
        ("foo-1.0.win-amd64-py3.6.exe", ("win_amd64",)),
        ("foo-1.0.exe", ("win32",)),
        ("foo-1.0.msi", ("win32",)),
        ("foo-1.0-1.noarch.rpm", ("any",)),
        ("foo-1.0-1.x86_64.rpm", ("linux_x86_64",)),
        ("foo-1.0-1.src.rpm", ()),
        ("foo_1.0_all.deb", ("any",)),
        ("foo_1.0_amd64.deb", ("linux_amd64",)),
        ("foo-1.0.dmg", ("macosx",)),
        ("foo-1.0.macosx-10.9-intel.dmg", ("macosx_10_9_intel",)),
        ("foo-1.0-py3-none-win32.WHL", ("win32",)),
        ("foo-1.0-any.whl", ()),
        ("foo-1.0.txt", ()),
    ],
)
def test_old_kinds_of_files_say_it_in_their_names(name: str, tags: tuple[str, ...]) -> None:
    assert platforms(Filename(name)) == tags
    assert platform(Filename(name)) == ("" if name.lower().endswith(".whl") else "".join(tags))
