"""
For whom something is packed: a Python on a platform, by the names that pip and uv have for them, or by those of `pypidaemon.environments`. Pure.

A platform with a number in it, such as `manylinux_2_28_x86_64` or `macosx_14_0_arm64`, takes what runs on systems as old as that; one without any takes
what runs on some release of the system, since nobody has said which.
"""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache

import attrs
from packaging.tags import compatible_tags, cpython_tags, mac_platforms

from pypidaemon.environments import Environment, platforms
from pypidaemon.filenames import package_type, wheel_tags
from pypidaemon.model import File, NormalizedName
from pypidaemon.policies.pythons import pythons

MOST = 64
"""Targets of one pack; there are 7 Pythons and some 10 platforms that anybody has wheels for."""

_ANY = 99
"""The minor release of a C library that is later than all there are."""
_ANY_MACOS = (40, 0)
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
"""What PEP 600 calls by the release of glibc had names before (PEP 513, 571, 599)."""

_SHORT = {"linux": "linux-x86_64", "macos": "macos-arm64", "windows": "windows-x86_64"}
"""As uv understands them."""
_WINDOWS = {"win_amd64": "windows-x86_64", "win32": "windows-x86", "win_arm64": "windows-arm64"}
_TRIPLES = {
    "x86_64-unknown-linux-gnu": "linux-x86_64",
    "aarch64-unknown-linux-gnu": "linux-aarch64",
    "x86_64-unknown-linux-musl": "musl-x86_64",
    "aarch64-unknown-linux-musl": "musl-aarch64",
    "x86_64-apple-darwin": "macos-x86_64",
    "aarch64-apple-darwin": "macos-arm64",
    "x86_64-pc-windows-msvc": "windows-x86_64",
    "aarch64-pc-windows-msvc": "windows-arm64",
    "i686-pc-windows-msvc": "windows-x86",
}
_NUMBERED = re.compile(r"(manylinux_2|musllinux_1)_([0-9]{1,2})_([a-z0-9_]+)|(manylinux(?:1|2010|2014))_([a-z0-9_]+)")
_TRIPLE = re.compile(r"(x86_64|aarch64)-(manylinux(?:_2_[0-9]{1,2}|2014))")
_MACOS = re.compile(r"macosx_([0-9]{1,2})_([0-9]{1,2})_(arm64|x86_64)")
_LINUX = re.compile(r"linux_([a-z0-9_]+)")


@attrs.frozen
class Target:
    """
    One Python on one platform, both words as somebody said them.

    :raises ValueError: nobody knows such a Python or such a platform; the line says what can be said.
    """

    python: str
    platform: str
    environment: Environment = attrs.field(init=False, repr=False, eq=False)
    _tags: frozenset[tuple[str, str, str]] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Find out which tags fit, once."""
        [python] = pythons(self.python)
        word, named = _read(self.platform)
        object.__setattr__(self, "environment", Environment(python, word))
        object.__setattr__(self, "_tags", _tags(python, tuple(named)))

    def __str__(self) -> str:
        return f"{self.python} on {self.platform}"

    def fits(self, name: NormalizedName, file: File) -> bool:
        """Whether that file is a wheel for it, or a source distribution that may be built for it; installers take no others."""
        tags = wheel_tags(file.filename)
        return (tags is None or self.takes(tags)) and self.environment.fits(name, file)

    def takes(self, tags: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]) -> bool:
        """Whether a wheel with these tags fits it."""
        interpreters, abis, systems = tags
        return any((interpreter, abi, system) in self._tags for system in systems for interpreter in interpreters for abi in abis)

    def applies(self, marker: str, extras: frozenset[str] = frozenset()) -> bool:
        """Whether a requirement with that marker counts here; where nobody can say, it does."""
        return not marker or any(self.environment.applies(marker, extra) for extra in ("", *sorted(extras)))


def targets(versions: tuple[str, ...], systems: tuple[str, ...]) -> tuple[Target, ...]:
    """
    Each of these Pythons on each of these platforms; where none is named, this machine's.

    :raises ValueError: as `Target`, or there are too many.
    """
    versions, systems = tuple(dict.fromkeys(versions)) or (own_python(),), tuple(dict.fromkeys(systems)) or (own_platform(),)
    if len(versions) * len(systems) > MOST:
        raise ValueError(f"more than {MOST} Pythons and platforms together")
    return tuple(Target(version, system) for version in versions for system in systems)


def own_python() -> str:
    """The Python that runs this."""
    free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info[0]}.{sys.version_info[1]}{free}"


def own_platform() -> str:
    """The platform that this runs on."""
    machine, (library, version) = platform.machine(), platform.libc_ver()
    if sys.platform == "darwin":
        return f"macos-{machine}"
    return f"manylinux_{version.replace('.', '_')}_{machine}" if library == "glibc" else f"musl-{machine}"


def is_wheel(file: File) -> bool:
    """Whether that file is a wheel."""
    return package_type(file.filename) == "bdist_wheel"


def is_sdist(file: File) -> bool:
    """Whether that file is a source distribution."""
    return package_type(file.filename) == "sdist"


def _read(spelled: str) -> tuple[str, Iterator[str]]:
    """A platform as `pypidaemon.environments` has it, and the tags of wheels that fit, best first."""
    word = spelled.lower()
    if found := _TRIPLE.fullmatch(word):
        word = f"{found[2]}_{found[1]}"
    word = _SHORT.get(word) or _WINDOWS.get(word) or _TRIPLES.get(word) or word
    if found := _NUMBERED.fullmatch(word):
        old = {name: minor for minor, name in _LEGACY.items()}
        kind, minor, machine = ("manylinux_2", old[found[4]], found[5]) if found[4] else (found[1], int(found[2]), found[3])
        return _known("linux" if kind == "manylinux_2" else "musl", machine, spelled), _of_linux(kind, minor, machine)
    if found := _MACOS.fullmatch(word):
        return _known("macos", found[3], spelled), mac_platforms((int(found[1]), int(found[2])), found[3])
    if found := _LINUX.fullmatch(word):
        word = f"linux-{found[1]}"
    system, _, machine = word.partition("-")
    word = _known(system, machine, spelled)
    if system == "windows":
        return word, iter([tag for tag, known in _WINDOWS.items() if known == word])
    if system == "macos":
        return word, mac_platforms(_ANY_MACOS, machine)
    return word, _of_linux("manylinux_2" if system == "linux" else "musllinux_1", _ANY, machine)


def _known(system: str, machine: str, spelled: str) -> str:
    try:
        [word] = platforms(f"{system}-{machine}")
    except ValueError:
        known = "linux macos windows manylinux_2_28_x86_64 musllinux_1_2_x86_64 macosx_14_0_arm64 win_amd64, and other machines of these"
        raise ValueError(f"{spelled[:60]!r} is no platform that is known here (such as {known})") from None
    return word


def _of_linux(kind: str, last: int, machine: str) -> Iterator[str]:
    for minor in range(last, -1, -1):
        yield f"{kind}_{minor}_{machine}"
        if kind == "manylinux_2" and minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{machine}"
    yield f"linux_{machine}"


@lru_cache(maxsize=MOST)
def _tags(python: str, named: tuple[str, ...]) -> frozenset[tuple[str, str, str]]:
    """What fits, as `packaging` says it."""
    plain = python.removesuffix("t")
    major, minor = (int(part) for part in plain.split("."))
    interpreter = f"cp{major}{minor}"
    own = cpython_tags((major, minor), [f"cp{python.replace('.', '')}"], list(named))
    found = (*own, *compatible_tags((major, minor), interpreter, list(named)))
    return frozenset((tag.interpreter, tag.abi, tag.platform) for tag in found)
