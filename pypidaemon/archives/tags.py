"""Platform tags of wheels that PyPI takes (R129); private indexes take any, because `linux_x86_64` is what builds give by default."""

from __future__ import annotations

import re

_KNOWN = frozenset({"any", "win32", "win_amd64", "win_arm64", "win_ia64"})
_PATTERNS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"manylinux(1_(x86_64|i686)|2010_(x86_64|i686)|2014_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x))",
        r"(manylinux|musllinux)_\d+_\d+_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x|riscv64|loongarch64)",
        r"macosx_10_\d+_(i386|x86_64|intel|fat|fat32|fat64|universal|ppc|ppc64)",
        r"macosx_\d{2}_\d+_(x86_64|arm64|universal2)",
        r"macosx_10_\d+_universal2",
        r"linux_(armv6l|armv7l)",
        r"ios_\d+_\d+_(arm64|x86_64)_iphone(os|simulator)",
        r"android_\d+_(armeabi_v7a|arm64_v8a|x86|x86_64)",
        r"(pyodide|pyemscripten)_\d{4}_\d+_wasm32",
    )
)


def unknown_platform(filename: str) -> str | None:
    """The first platform tag in a wheel's file name that PyPI would not take, or None."""
    platforms = filename.removesuffix(".whl").rpartition("-")[2].split(".")
    return next((tag for tag in platforms if tag not in _KNOWN and not any(pattern.fullmatch(tag) for pattern in _PATTERNS)), None)
