"""
Lock files, read for the files that they name: `uv.lock`, `pylock.toml` (PEP 751), `poetry.lock` and `pdm.lock`. Pure.

A lock is for many machines at once, so all files of all its packages count, whatever their markers and tags say. What comes from no index (a
repository, a folder, a URL of its own) is passed over, and the project itself, the folder that the lock stands in, without a word.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockValidationError
from packaging.utils import canonicalize_name

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Digest, Filename, NormalizedName
from pypidaemon.versions import Version, known

LONGEST = 16 << 20
"""Characters of a lock file; those of large projects have a fifth of that."""

DEEPEST = 16
"""Parts of a dotted key. `tomllib` takes memory with the square of their number: 40 KB of dots would fill a gigabyte."""

LONGEST_MARKER = 4000
"""Characters of a marker that is read; reading one takes time with the square of them."""

MOST_FILES = 10_000
"""Files of one package in a lock."""

NO_REQUIREMENTS = (".lock", ".toml", ".json")
"""How files end that are no requirements files, whatever they are."""

_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")
# Strings and bare words where TOML has them, one after the other, and such as are a key of too many parts. What is not closed reaches as far as it
# can, so that no character is looked at more than a few times; a document with that in it is none, and is read no further.
_WORD = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?)"""
_TOKEN = re.compile(
    rf"""#[^\n]*+|\"\"\"(?:[^"\\]|\\[\s\S]|"(?!""))*+(?:"{{3,5}}|\Z)|'''(?:[^']|'(?!''))*+(?:'{{3,5}}|\Z)"""
    rf"""|(?P<deep>{_WORD}(?:[ \t]*+\.[ \t]*+{_WORD}){{{DEEPEST}}})|{_WORD}"""
)
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)


@attrs.frozen
class Edge:
    """That a package needs another: which, where the lock says it in which version, with which extras, and on which machines; no marker is all."""

    name: NormalizedName
    version: Version | None = None
    marker: str = ""
    extras: frozenset[str] = frozenset()


@attrs.frozen
class Locked:
    """
    One version of a project, or any where the lock names none, with its files; a digest is None where the lock does not say it.

    `marker` says on which machines it is needed, where the lock says so of the package itself; `edges` what it needs, by the extra that needs it, "" is none.
    """

    name: NormalizedName
    version: Version | None
    files: tuple[tuple[Filename, Digest | None], ...] = ()
    marker: str = attrs.field(default="", eq=False)
    edges: Mapping[str, tuple[Edge, ...]] = attrs.field(factory=dict, eq=False)


@attrs.frozen
class Lock:
    """
    What a lock file names, in its own order, and for people what was passed over, and why.

    `roots` are what the project itself needs; None where the lock does not say that.
    """

    packages: tuple[Locked, ...]
    passed_over: tuple[str, ...] = ()
    roots: tuple[Edge, ...] | None = attrs.field(default=None, eq=False)


def is_lock(name: str) -> bool:
    """Whether a file of that name, without its folder, is a lock file that `read_lock` knows; any other may be a requirements file."""
    return _PYLOCK.fullmatch(name) is not None or name in _READERS


def read_lock(name: str, text: str) -> Lock:
    """
    The packages of a lock file.

    :param name: what it is called, without its folder: that says what kind it is.
    :raises ValueError: it is of no known kind, is no such file, or names what can be no project, version or file; the text is one line.
    """
    reader = _pylock if _PYLOCK.fullmatch(name) else _READERS.get(name)
    if reader is None:
        raise ValueError(f"{name[:80]!r} is none of {' '.join(sorted(_READERS))} pylock.toml")
    document, beside = read_toml(name, text, "lock file"), _Beside()
    try:
        packages = tuple(reader(document, beside))
    except (ValueError, InvalidName, PylockValidationError) as error:
        raise ValueError(f"{name} is no lock file that can be read: {' '.join(str(error).split())[:300]}") from None
    return Lock(packages, tuple(beside.passed_over), None if beside.roots is None else tuple(beside.roots))


def read_toml(name: str, text: str, what: str) -> dict[str, Any]:
    """
    What stands in a TOML file that somebody else wrote.

    :param what: what it should be, for the message.
    :raises ValueError: it is none, or one that would take too much to read; the text is one line.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{name} is longer than {LONGEST >> 20} Mi characters")
    if any(token.lastgroup is not None for token in _TOKEN.finditer(text)):
        raise ValueError(f"{name} is no {what}: it has a key of more than {DEEPEST} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{name} is no {what}: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{name} is no {what} that can be read: {' '.join(str(error).split())[:300]}") from None


@attrs.define
class _Beside:
    """What a reader finds beside packages."""

    passed_over: list[str] = attrs.field(factory=list)
    roots: list[Edge] | None = None


def _uv(document: Mapping[str, Any], beside: _Beside) -> Iterator[Locked]:
    """`[[package]]` with `source`, `sdist` and `wheels`; what is developed here has a source that is no index, and is what the rest is for."""
    beside.roots = []
    for package in _packages(document):
        name, source = _name(package), _table(package, "source")
        if "registry" not in source:
            beside.roots += [edge for edges in _uv_edges(package).values() for edge in edges]
            if any(source.get(kind) == "." for kind in ("virtual", "editable", "directory")):
                # What the lock was made for, which nobody expects from an index.
                continue
            beside.passed_over.append(f"{name}, which is from {_first(source)}")
            continue
        files = [*_tables(package, "wheels"), *([sdist] if (sdist := _table(package, "sdist")) else [])]
        yield Locked(name, _version(package), _files((_called(file), file.get("hash")) for file in files), edges=_uv_edges(package))


def _uv_edges(package: Mapping[str, Any]) -> dict[str, tuple[Edge, ...]]:
    """What a package of uv's needs: always, for an extra, and for a group of those who develop it, which has a name that no extra can have."""
    listed = {"": _tables(package, "dependencies")}
    listed.update((extra, _tables(_table(package, "optional-dependencies"), extra)) for extra in _table(package, "optional-dependencies"))
    listed.update((f"+{group}", _tables(_table(package, "dev-dependencies"), group)) for group in _table(package, "dev-dependencies"))
    return {
        extra: tuple(Edge(_name(one), _version(one), _marker(one, "marker"), _words(one.get("extra", []))) for one in edges)
        for extra, edges in listed.items()
    }


def _poetry(document: Mapping[str, Any], beside: _Beside) -> Iterator[Locked]:
    """`[[package]]` with `files`, which old ones have below `[metadata.files]` by name, and `source` only where that is not PyPI."""
    elsewhere = _table(_table(document, "metadata"), "files")
    for package in _packages(document):
        name, source = _name(package), _table(package, "source")
        if source and source.get("type") != "legacy":
            beside.passed_over.append(f"{name}, which is from {_shown(source.get('type'))}")
            continue
        files = _tables(package, "files") or _tables(elsewhere, _text(package, "name"))
        found = _files((_called(file), file.get("hash")) for file in files)
        yield Locked(name, _version(package), found, _marker(package, "markers"), {"": tuple(_poetry_edges(package))})


def _poetry_edges(package: Mapping[str, Any]) -> Iterator[Edge]:
    """`[package.dependencies]`: a version, a table that may have markers, or a list of such."""
    for spelled, said in _table(package, "dependencies").items():
        for one in said if isinstance(said, list) else [said]:
            table = one if isinstance(one, dict) else {}
            yield Edge(project_name(spelled), None, _marker(table, "markers"), _words(table.get("extras", [])))


def _pdm(document: Mapping[str, Any], beside: _Beside) -> Iterator[Locked]:
    """`[[package]]` with `files`, and a key that says so where it is not from an index."""
    for package in _packages(document):
        name = _name(package)
        kind = next((kind for kind in ("git", "hg", "svn", "bzr", "path", "url") if kind in package), None)
        if kind is not None:
            beside.passed_over.append(f"{name}, which is from {kind}")
            continue
        found = _files((_called(file), file.get("hash")) for file in _tables(package, "files"))
        yield Locked(name, _version(package), found, _marker(package, "marker"))


def _pylock(document: Mapping[str, Any], beside: _Beside) -> Iterator[Locked]:
    """PEP 751, as `packaging` reads and checks it."""
    for package in Pylock.from_dict(document).packages:
        if package.directory and package.directory.path == ".":
            continue
        if package.vcs or package.directory or package.archive:
            beside.passed_over.append(f"{package.name}, which is from {_kind(package)}")
            continue
        files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
        if package.sdist is not None:
            files.append(package.sdist)
        found = _files((file.filename, file.hashes.get("sha256")) for file in files)
        yield Locked(project_name(package.name), package.version, found, str(package.marker) if package.marker is not None else "")


_READERS: Mapping[str, Callable[[Mapping[str, Any], _Beside], Iterator[Locked]]] = {
    "uv.lock": _uv,
    "poetry.lock": _poetry,
    "pdm.lock": _pdm,
}


def _packages(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "package" not in document and "metadata" not in document and "version" not in document:
        raise ValueError("it has neither packages nor a version")
    return _tables(document, "package")


def _tables(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The tables under that key, none where it is missing."""
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{_shown(key)} is no list of tables")
    return found


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table under that key, an empty one where it is missing."""
    found = document.get(key, {})
    if isinstance(found, dict):
        return found
    raise ValueError(f"{_shown(key)} is no table")


def _text(document: Mapping[str, Any], key: str) -> str:
    found = document.get(key)
    if isinstance(found, str):
        return found
    raise ValueError(f"{_shown(key)} is missing or no text")


def _name(package: Mapping[str, Any]) -> NormalizedName:
    return project_name(_text(package, "name"))


def _version(package: Mapping[str, Any]) -> Version | None:
    if "version" not in package:
        return None
    spelled = _text(package, "version")
    found = known(spelled)
    if found is None:
        raise ValueError(f"not a version: {_shown(spelled)}")
    return found


def _marker(package: Mapping[str, Any], key: str) -> str:
    """The marker under that key; where there are several, one for each group, whether any of them applies cannot be said by one, so it is none."""
    found = package.get(key, "")
    return found if isinstance(found, str) and len(found) <= LONGEST_MARKER else ""


def _words(raw: object) -> frozenset[str]:
    return frozenset(canonicalize_name(one) for one in raw if isinstance(one, str)) if isinstance(raw, list) else frozenset()


def _called(file: Mapping[str, Any]) -> str:
    """A file's name: `filename` or `file`, or else the end of its URL or path."""
    for key in ("filename", "file"):
        if key in file:
            return _text(file, key)
    if "url" in file:
        return unquote(urlsplit(_text(file, "url")).path.rpartition("/")[2])
    return re.split(r"[/\\]", _text(file, "path"))[-1]


def _files(named: Iterable[tuple[str, object]]) -> tuple[tuple[Filename, Digest | None], ...]:
    """These names, checked, each with the digest in what stands for its hash; a hash of another kind is as good as none."""
    found: dict[Filename, Digest | None] = {}
    for name, hash in named:
        match = _SHA256.fullmatch(hash) if isinstance(hash, str) else None
        found[filename(name)] = Digest(match[1].lower()) if match else None
        if len(found) > MOST_FILES:
            raise ValueError(f"a package has more than {MOST_FILES} files")
    return tuple(found.items())


def _kind(package: Package) -> str:
    return "version control" if package.vcs else "a folder" if package.directory else "an archive"


def _first(source: Mapping[str, Any]) -> str:
    return _shown(next(iter(source), "nowhere"))


def _shown(value: object) -> str:
    return ascii(value)[:80]
