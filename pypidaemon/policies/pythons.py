"""Which Pythons files are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import product

import attrs
from packaging.specifiers import Specifier
from packaging.tags import compatible_tags, cpython_tags
from zope.interface import implementer

from pypidaemon.filenames import package_type, python_tag, wheel_tags
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting, words
from pypidaemon.versions import LONGEST_SPECIFIERS, Version, known, specifier_set

_PYTHON = re.compile(r"([23])\.(\d{1,2})(t?)", re.ASCII)
_LAST_MICRO = 999
"""No Python has had as many releases."""

MOST_CLAUSES = 20
"""Specifiers in a `Requires-Python` that is read; the longest that are published have a dozen."""

_NAMING = frozenset({"bdist_egg", "bdist_wininst", "bdist_msi"})
"""The kinds of files besides wheels whose names say for which Python they are."""


def pythons(raw: str) -> tuple[str, ...]:
    """
    Versions of CPython such as `3.11 3.12`; `3.14t` is the one with free threads.

    :raises ValueError: there is none, or one that is not written so.
    """
    found = tuple(dict.fromkeys(words(raw)))
    for word in found:
        if not _PYTHON.fullmatch(word):
            raise ValueError(f"{word[:80]!r} is not a Python such as 3.11")
    if not found:
        raise ValueError("must name a Python such as 3.11")
    return found


@implementer(IPolicy)
@attrs.frozen
class Pythons:
    """
    Hides what none of certain versions of CPython can use, by the tags of wheels, the names of eggs and installers, and `Requires-Python`.

    A `Requires-Python` that cannot be read excludes nothing.
    """

    label: str = given("label")
    versions: tuple[str, ...] = setting(pythons, help="The Pythons to show files for: `3.11 3.12`, or `3.14t` with free threads.")
    _tagged: Callable[[tuple[str, ...], tuple[str, ...]], bool] = attrs.field(init=False, repr=False, eq=False)
    _required: Callable[[str], bool] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Find out which tags fit, once."""
        fitting = frozenset(pair for version in self.versions for pair in _fitting(version))
        plain = tuple(dict.fromkeys(_minor(version) for version in self.versions))
        object.__setattr__(self, "_tagged", lru_cache(maxsize=1 << 12)(partial(_fits, fitting)))
        object.__setattr__(self, "_required", lru_cache(maxsize=1 << 12)(partial(_satisfied, plain)))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        tags = wheel_tags(file.filename)
        if tags is not None and not self._tagged(tags[0], tags[1]):
            return f"{'.'.join(tags[0])}-{'.'.join(tags[1])} fits none of {self._shown()}"
        if tags is None and package_type(file.filename) in _NAMING:
            named = python_tag(file.filename)
            if named != "any" and not any(version.removesuffix("t") == named for version in self.versions):
                return f"it is for Python {named} and for none of {self._shown()}"
        wanted = file.requires_python
        if wanted is not None and len(wanted) <= LONGEST_SPECIFIERS and not self._required(wanted):
            return f"it requires Python {' '.join(wanted.split())}, which excludes {self._shown()}"
        return None

    def _shown(self) -> str:
        return f"Python {', '.join(self.versions)}"


def _minor(version: str) -> tuple[int, int]:
    major, _, minor = version.removesuffix("t").partition(".")
    return int(major), int(minor)


def _fitting(version: str) -> set[tuple[str, str]]:
    """The Python and ABI tags that this Python can use together (PEP 425, PEP 384)."""
    match = _PYTHON.fullmatch(version)
    assert match is not None  # `pythons` takes no other
    major, minor, threads = int(match[1]), int(match[2]), match[3]
    interpreter = f"cp{major}{minor}"
    abis = [interpreter + threads]
    # Until 3.7 flags of the build were part of the ABI (PEP 3149).
    abis += [interpreter + flags for flags in ("m", "mu")] if (major, minor) < (3, 8) else []
    tags = [*cpython_tags((major, minor), abis, [""]), *compatible_tags((major, minor), interpreter, [""])]
    return {(tag.interpreter, tag.abi) for tag in tags}


def _fits(fitting: frozenset[tuple[str, str]], interpreters: tuple[str, ...], abis: tuple[str, ...]) -> bool:
    return any(pair in fitting for pair in product(interpreters, abis))


def _satisfied(minors: tuple[tuple[int, int], ...], requires: str) -> bool:
    """Whether some release of one of these Pythons is what `Requires-Python` asks for (R60: what cannot be read asks for nothing)."""
    if requires.count(",") >= MOST_CLAUSES:
        return True
    try:
        clauses = [(clause, known(clause.version.removesuffix(".*"))) for clause in specifier_set(requires)]
    except ValueError:
        return True
    return any(_leaves_some(minor, clauses) for minor in minors)


def _leaves_some(minor: tuple[int, int], clauses: Sequence[tuple[Specifier, Version | None]]) -> bool:
    """
    Whether some release of that Python is left by all clauses.

    A clause can tell the releases apart only where it names one of them: all older ones fare alike, and all newer ones. So three are tried, and
    not each release that there could be; what is asked of files comes from upstream and is another text in each.
    """
    low, high, without = 0, _LAST_MICRO, set()
    for clause, version in clauses:
        named = _micro(minor, version)
        if named is None:
            if not _passes(clause, minor, 0):
                return False
            continue
        exactly = _passes(clause, minor, named)
        if named and not _passes(clause, minor, named - 1):
            low = max(low, named if exactly else named + 1)
        if not _passes(clause, minor, named + 1):
            high = min(high, named if exactly else named - 1)
        if not exactly:
            without.add(named)
    return high - low >= sum(low <= micro <= high for micro in without)


def _micro(minor: tuple[int, int], version: Version | None) -> int | None:
    """The release of that Python which this version is, or comes before or after; None where it is no version of that Python."""
    if version is None or version.epoch or (version.major, version.minor) != minor:
        return None
    return version.micro


def _passes(clause: Specifier, minor: tuple[int, int], micro: int) -> bool:
    return clause.contains(Version(f"{minor[0]}.{minor[1]}.{micro}"), prereleases=True)
