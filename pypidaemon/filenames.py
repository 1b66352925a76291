"""
The one gate between text from outside and names (law 5), and what a file name says of itself.

`project_name` and `filename` are the only makers of `NormalizedName` and `Filename`; the rest takes what they made. Nothing here
decides where a byte lies on disk: blobs are named by their digest (S6).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from packaging.utils import canonicalize_name

from pypidaemon.errors import InvalidName
from pypidaemon.model import Companion, Filename, NormalizedName
from pypidaemon.versions import known

LONGEST_PROJECT = 200
"""Characters in a project name, as spelled; PyPI's own longest are far below."""

LONGEST_FILENAME = 255 - len(".provenance")
"""Characters in a file name: a companion's name beside it still fits every file system (R126)."""

MOST_CANDIDATES = 4
"""How many projects `candidates` names at most, so that one URL never starts more look-ups than that."""

_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~@,()=-]*")
_ARCHIVES = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.z", ".tar.lzma", ".tar.lz", ".tar.zst", ".tar")
_TYPES = {
    ".whl": "bdist_wheel",
    ".egg": "bdist_egg",
    ".exe": "bdist_wininst",
    ".msi": "bdist_msi",
    ".rpm": "bdist_rpm",
    ".dmg": "bdist_dmg",
    ".deb": "bdist_dumb",
}
_COMPANIONS = (Companion.METADATA.value, Companion.PROVENANCE.value)
_KINDS = {"bdist_wheel": "wheel", "bdist_egg": "egg", "sdist": "sdist"}
_MOST_ENDINGS = 2
"""Endings of what stands beside a file, as of its signature."""
_VARIANTS = "-variants.json"
_VERSION_BEGINS = re.compile(r"-(?=\d)", re.ASCII)
_PLATFORM = re.compile(
    r"\.(?:linux|macosx|darwin|win32|win|cygwin|mingw|freebsd|openbsd|netbsd|dragonfly|solaris|sunos|aix|irix|java)(?=[-.]|\Z)"
)
_PYTHON = re.compile(r"-py(\d[\d.]*)(?=-|\Z)", re.ASCII)


def project_name(raw: str) -> NormalizedName:
    """
    The one spelling of a project's name: lower case, each run of `-`, `_` and `.` a single `-` (PEP 503, R1).

    :raises InvalidName: it is not ASCII letters, digits, `.`, `_` and `-` that begin and end with a letter or digit (R2), or it is
        longer than `LONGEST_PROJECT`.
    """
    name = _normal(raw)
    if name is None:
        raise InvalidName(f"not a project name: {_shown(raw)}")
    return name


def filename(raw: str) -> Filename:
    """
    A file name that is safe as one URL path segment and on every file system, unchanged (S1, S3, S4, R126).

    Beside letters, digits, `.`, `_` and `-` it may hold `+` and `!` (local versions and epochs, PEP 440) and `~ @ , ( ) =`, which old
    releases have and which mean nothing in a path (RFC 3986 §3.3). Spaces, all other signs, and anything beyond ASCII are refused: they
    are escapes, separators, wildcards or drive marks somewhere. A name that ends in `.metadata` or `.provenance` would hide behind the
    companion of another file (PEP 658, PEP 740), so it is refused too.

    :raises InvalidName: it is not such a name, does not begin with a letter, digit or `_`, holds `..`, has no extension, or is longer
        than `LONGEST_FILENAME`.
    """
    if len(raw) > LONGEST_FILENAME:
        raise InvalidName(f"file name longer than {LONGEST_FILENAME} characters: {_shown(raw)}")
    extension = raw.rpartition(".")[2]
    if not _FILENAME.fullmatch(raw) or ".." in raw:
        raise InvalidName(f"not a file name: {_shown(raw)}")
    if extension == raw or not extension.isalnum() or extension.isdigit():
        raise InvalidName(f"file name without an extension: {_shown(raw)}")
    if raw.lower().endswith(_COMPANIONS):
        raise InvalidName(f"file name that is kept for the metadata or provenance of another file: {_shown(raw)}")
    return Filename(raw)


def split_companion(segment: str) -> tuple[str, Companion]:
    """
    What the last segment of a URL asks for: a file's name, still unchecked, and which of the documents beside it (PEP 658, PEP 740).

    Signatures are files, so `.asc` is no suffix.
    """
    for companion in (Companion.METADATA, Companion.PROVENANCE):
        stem = segment.removesuffix(companion.value)
        if stem and stem != segment:
            return stem, companion
    return segment, Companion.FILE


def package_type(filename: Filename) -> str:
    """The legacy JSON's word for this kind of file (`bdist_wheel`, `sdist`, ...), "" where it has none."""
    lowered = filename.lower()
    type_ = _TYPES.get(lowered[lowered.rfind(".") :])
    if type_ is not None:
        return type_
    for extension in _ARCHIVES:
        if lowered.endswith(extension):
            stem = filename[: -len(extension)]
            return "bdist_dumb" if _platform_begins(stem) < len(stem) else "sdist"
    return ""


def signed(filename: Filename) -> Filename:
    """
    The file beside which this one stands, where its name is that of a distribution with more behind it: `foo-1.0.tar.gz` of `foo-1.0.tar.gz.asc`.

    That is the file itself where it stands beside none. Two endings are taken off at most, as of `foo-1.0.tar.gz.sigstore.json`.
    """
    stem: str = filename
    for _ in range(_MOST_ENDINGS + 1):
        if package_type(Filename(stem)):
            return Filename(stem)
        stem = stem.rpartition(".")[0]
    return filename


def changes(filename: Filename) -> bool:
    """Whether a file of that name is rewritten by its nature: the list of a release's variants is, with each new one (PEP 825, R123)."""
    return filename.endswith(_VARIANTS)


def kind(filename: Filename) -> str:
    """`wheel`, `sdist`, `egg` or `other`."""
    return _KINDS.get(package_type(filename), "other")


def python_tag(filename: Filename) -> str:
    """
    The legacy JSON's `python_version`: the Python tag of a wheel, `source` for a source distribution, the version that an egg or
    installer names, and `any` for all that name none.
    """
    type_ = package_type(filename)
    if type_ == "sdist":
        return "source"
    stem = _stem(filename)
    if type_ == "bdist_wheel":
        parts = stem.split("-")
        if len(parts) < 5:
            return "any"
        return parts[3] if parts[2][:1].isdigit() else parts[2]
    found = _PYTHON.findall(stem[len(_without_tags(stem, type_)) :])
    return found[-1] if found else "any"


def wheel_tags(filename: Filename) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None:
    """
    The Python, ABI and platform tags of a wheel (PEP 425), in lower case, each as many as its name holds (PEP 600 and others compress them).

    None where the file is no wheel, or one whose name holds fewer parts.
    """
    return _wheel_tags(filename)


@lru_cache(maxsize=1 << 14)
def _wheel_tags(filename: Filename) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None:
    lowered = filename.lower()
    parts = lowered[:-4].rsplit("-", 3)
    if not lowered.endswith(".whl") or len(parts) < 4 or "-" not in parts[0]:
        return None
    return tuple(parts[1].split(".")), tuple(parts[2].split(".")), tuple(parts[3].split("."))


def platform(filename: Filename) -> str:
    """
    The platform that an egg, an installer or a dumb archive is for, spelled as in a wheel's tag: `win32`, `linux_x86_64`; "" where nothing says so.

    Installers of one system are for it even where their names do not say so.
    """
    type_ = package_type(filename)
    stem = _stem(filename)
    if type_ == "bdist_egg":
        *_, last = (len(stem), *(match.end() for match in _PYTHON.finditer(stem)))
        return _as_tag(stem[last + 1 :])
    if type_ == "bdist_rpm" or filename.endswith(".deb"):
        machine = stem.rpartition("." if type_ == "bdist_rpm" else "_")[2]
        return {"noarch": "any", "all": "any", "src": ""}.get(machine, f"linux_{_as_tag(machine)}")
    if type_ == "bdist_dmg":
        return _as_tag(stem[_platform_begins(stem) + 1 :]) or "macosx"
    if type_ in {"bdist_wininst", "bdist_msi", "bdist_dumb"}:
        named = _as_tag(_PYTHON.sub("", stem[_platform_begins(stem) + 1 :]))
        return named if named or type_ == "bdist_dumb" else "win32"
    return ""


def candidates(filename: Filename) -> tuple[NormalizedName, ...]:
    """
    The projects that this file may belong to, likeliest first, at most `MOST_CANDIDATES`.

    A wheel or egg names its project before the first dash (PEP 427). A source distribution ends in a dash and its version (PEP 625), but
    old ones have dashes in their versions, so every dash before a digit may be the border. The same holds for all other types.
    """
    names: dict[NormalizedName, None] = {}
    for spelled, _ in _splits(filename):
        name = _normal(spelled)
        if name is not None:
            names[name] = None
    return tuple(names)[:MOST_CANDIDATES]


def belongs(filename: Filename, name: NormalizedName) -> bool:
    """Whether this may be a file of that project: whether it is one of its `candidates` (S4)."""
    # What nearly every wheel's name is.
    if filename.endswith(".whl") and _normal(filename[:-4].partition("-")[0]) == name:
        return True
    return name in candidates(filename)


def version_of(filename: Filename, name: NormalizedName) -> str | None:
    """The version of that project in this file's name, as spelled there; None where it names none, or another project."""
    return _version_of(filename, name)


@lru_cache(maxsize=1 << 14)
def _version_of(filename: Filename, name: NormalizedName) -> str | None:
    # Remembered for nearly every page whole, in some four megabytes: a page is judged by many rules, one after the other.
    if filename.endswith(".whl"):
        # What nearly every wheel's name is, and `_splits` would say first.
        first, _, rest = filename[:-4].partition("-")
        if _normal(first) == name:
            return _unescaped(rest.partition("-")[0]) or None
    others: set[NormalizedName] = set()
    for spelled, version in _splits(filename):
        found = _normal(spelled)
        if found == name:
            return version or None
        if found is not None:
            others.add(found)
            if len(others) == MOST_CANDIDATES:
                break
    return None


def _normal(raw: str) -> NormalizedName | None:
    # Only what is short is remembered.
    return _spelled_normally(raw) if len(raw) <= LONGEST_PROJECT else None


@lru_cache(maxsize=1 << 12)
def _spelled_normally(raw: str) -> NormalizedName | None:
    return canonicalize_name(raw) if _PROJECT.fullmatch(raw) else None


def _shown(raw: str) -> str:
    return ascii(raw[:80])


def _stem(filename: Filename) -> str:
    """The file name without its extension."""
    lowered = filename.lower()
    if lowered.endswith(".whl"):
        return filename[:-4]
    for extension in (*_ARCHIVES, _VARIANTS):
        if lowered.endswith(extension):
            return filename[: -len(extension)]
    return filename.rpartition(".")[0]


def _as_tag(platform: str) -> str:
    """A platform as wheels spell it (PEP 425)."""
    return platform.lower().replace("-", "_").replace(".", "_")


def _platform_begins(stem: str) -> int:
    """Where the platform of a dumb or installer file begins, as in `foo-1.0.linux-x86_64`, or the length where it names none."""
    version = _VERSION_BEGINS.search(stem)
    platform = _PLATFORM.search(stem, version.end()) if version else None
    return platform.start() if platform and not _is_local(stem, platform.start()) else len(stem)


def _is_local(stem: str, place: int) -> bool:
    """Whether what stands there is within the local part of a version, as the last word of `foo-1.0+ours.linux`: so pip reads it."""
    borders = (border for border, letter in enumerate(stem[: max(0, stem.find("+", 0, place))]) if letter == "-")
    return any(known(stem[border + 1 :]) is not None for border in borders)


def _unescaped(version: str) -> str:
    """The version of a wheel or egg, whose name has `_` for a dash (PEP 427): PEP 440 takes that for a dash as well, save before a number."""
    if "_" not in version or known(version) is not None:
        return version
    dashed = version.replace("_", "-")
    return version if known(dashed) is None else dashed


def _without_tags(stem: str, type_: str) -> str:
    """What is left of a stem when Python version, platform, release and architecture are cut off: `name-version`."""
    if type_ == "bdist_egg":
        *_, last = (0, *(match.start() for match in _PYTHON.finditer(stem)))
        return stem[:last] if last else stem
    if type_ == "bdist_rpm" and stem.count("-") > 1:
        return stem.rpartition("-")[0]
    stem = stem[: _platform_begins(stem)]
    if type_ in {"bdist_wininst", "bdist_msi"}:
        *_, last = (len(stem), *(match.start() for match in _PYTHON.finditer(stem) if match.end() == len(stem)))
        return stem[:last]
    return stem


def _version_begins(stem: str) -> list[int]:
    """The dashes before digits."""
    found, at = [], 0
    # Not by `finditer`, each call of which leaves a text in CPython's cache of attributes: among those of a long page they would keep its memory in use.
    while (match := _VERSION_BEGINS.search(stem, at)) is not None:
        found.append(match.start())
        at = match.end()
    return found


def _splits(filename: Filename) -> Iterator[tuple[str, str]]:
    """Every way to read the file name as project and version, as spelled, likeliest first; the names are unchecked."""
    filename = signed(filename)
    type_ = package_type(filename)
    stem = _stem(filename)
    if filename.endswith(".deb"):
        name, _, version = stem.partition("_")
        yield name, version.partition("_")[0]
        return
    if type_ == "bdist_wheel" or filename.endswith(".whlx"):
        name, *rest = stem.split("-")
        yield name, _unescaped(rest[0]) if rest else ""
        if not rest or rest[0][:1].isdigit() or len(rest) < 5:
            return
        stem = stem.rsplit("-", 3)[0]
    else:
        stem = _without_tags(stem, type_)
        name, _, version = stem.partition("-")
        if type_ == "bdist_egg":
            yield name, _unescaped(version)
            if version[:1].isdigit():
                return
    name, _, version = stem.rpartition("-")
    if type_ == "sdist" and name and known(version) is not None:
        yield name, version
    borders = _version_begins(stem)
    if not borders:
        borders = [place for place, letter in enumerate(stem) if letter == "-"][::-1]
    for border in borders:
        yield stem[:border], stem[border + 1 :]
    if not borders:
        yield stem, ""
