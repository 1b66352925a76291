"""
Where packages are to be installed: a Python on a platform, as markers (PEP 508) and the names of files (PEP 425) tell them apart. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import attrs
from packaging.markers import Marker

from pypidaemon.filenames import package_type
from pypidaemon.model import File, NormalizedName
from pypidaemon.policies.platforms import Platforms
from pypidaemon.policies.pythons import Pythons
from pypidaemon.policies.pythons import pythons as pythons
from pypidaemon.settings import words

SYSTEMS: Mapping[str, Mapping[str, str]] = {
    "linux": {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"},
    "macos": {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"},
    "windows": {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"},
}
"""What markers call the systems."""

# By word: the system, the machine as markers call it, and patterns of the tags of wheels that fit. Which glibc or macOS somebody has is not asked:
# whatever fits some release of the system is taken.
_MACHINES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    **{f"linux-{cpu}": ("linux", cpu, (f"linux_{cpu}", f"manylinux*_{cpu}")) for cpu in ("x86_64", "aarch64", "i686", "armv7l")},
    **{f"musl-{cpu}": ("linux", cpu, (f"linux_{cpu}", f"musllinux*_{cpu}")) for cpu in ("x86_64", "aarch64", "i686", "armv7l")},
    "macos-arm64": ("macos", "arm64", ("macosx_*_arm64", "macosx_*_universal2")),
    "macos-x86_64": (
        "macos",
        "x86_64",
        tuple(f"macosx_*_{kind}" for kind in ("x86_64", "universal2", "universal", "intel", "fat64", "fat3")),
    ),
    "windows-x86_64": ("windows", "AMD64", ("win_amd64",)),
    "windows-x86": ("windows", "x86", ("win32",)),
    "windows-arm64": ("windows", "ARM64", ("win_arm64",)),
}

_MICROS = (*range(32), 99)
"""The releases of a Python that are tried where a marker may tell them apart."""

_REMEMBERED = 1 << 14


def platforms(raw: str) -> tuple[str, ...]:
    """
    Platforms such as `linux-x86_64 macos-arm64 windows-x86_64`; `musl-` are Linux systems with another C library, such as Alpine.

    :raises ValueError: there is none, or one that is not known.
    """
    found = tuple(dict.fromkeys(words(raw)))
    for word in found:
        if word not in _MACHINES:
            raise ValueError(f"{word[:40]!r} is no platform (known: {' '.join(_MACHINES)})")
    if not found:
        raise ValueError("must name a platform such as linux-x86_64")
    return found


@attrs.frozen
class Environment:
    """One Python, such as `3.11` or `3.14t`, on one platform, both words as `pythons` and `platforms` take them."""

    python: str
    platform: str
    _pythons: Pythons = attrs.field(init=False, repr=False, eq=False)
    _platforms: Platforms = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Find out which tags fit, once."""
        object.__setattr__(self, "_pythons", Pythons("pythons", (self.python,)))
        object.__setattr__(self, "_platforms", Platforms("platforms", allow=_MACHINES[self.platform][2]))

    def __str__(self) -> str:
        return f"{self.python} on {self.platform}"

    def fits(self, name: NormalizedName, file: File) -> bool:
        """Whether that file is a wheel for it, or a source distribution that may be built for it; installers take no others."""
        if package_type(file.filename) not in ("bdist_wheel", "sdist"):
            return False
        return self._pythons.refusal(name, file, 0.0) is None and self._platforms.refusal(name, file, 0.0) is None

    def applies(self, marker: str, extra: str = "") -> bool:
        """Whether a requirement with that marker counts here, when that extra is asked for; where nobody can say, it does."""
        return _applies(self, marker, extra)

    def _variants(self, marker: str) -> list[dict[str, str]]:
        """What markers see, for each release of the Python that this one may tell apart."""
        system, machine, _ = _MACHINES[self.platform]
        plain = self.python.removesuffix("t")
        return [
            {
                **SYSTEMS[system],
                "platform_machine": machine,
                "platform_release": "",
                "platform_version": "",
                "python_version": plain,
                "python_full_version": f"{plain}.{micro}",
                "implementation_version": f"{plain}.{micro}",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
            }
            for micro in _micros(marker)
        ]


def environments(pythons: tuple[str, ...], platforms: tuple[str, ...]) -> tuple[Environment, ...]:
    """Each of these Pythons on each of these platforms."""
    return tuple(Environment(python, platform) for python in pythons for platform in platforms)


def cost(marker: str) -> int:
    """What it takes to evaluate a marker for one environment, in characters that are looked at; three million of them take a second."""
    return len(marker) * len(_micros(marker))


def _micros(marker: str) -> Sequence[int]:
    return _MICROS if "full_version" in marker or "implementation_version" in marker else (0,)


@lru_cache(maxsize=_REMEMBERED)
def _applies(environment: Environment, marker: str, extra: str) -> bool:
    try:
        read = Marker(marker)
        return any(read.evaluate({**variant, "extra": extra}) for variant in environment._variants(marker))
    except (ValueError, LookupError, RecursionError):
        # Comparisons that mean nothing, or words of a newer standard: better one project too many than one too few.
        return True
