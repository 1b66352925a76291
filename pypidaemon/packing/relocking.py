"""
The addresses in a lock file, made those of another index that has the same files at the same paths; every other character stays as it is. Pure.

Which addresses are meant is found out from what the lock says, read as the TOML or JSON that it is; each is then exchanged where it stands between quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from packaging.utils import canonicalize_name

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import candidates, filename, package_type
from pypidaemon.locks import LONGEST, NO_REQUIREMENTS, is_lock, read_lock, read_toml
from pypidaemon.model import Digest, Filename, NormalizedName
from pypidaemon.settings import url as checked_url
from pypidaemon.versions import known

MOST = 200_000
"""Addresses in one lock."""

_QUOTED = re.compile(r"\"([^\"\\\r\n]*+)\"|'([^'\r\n]*+)'")
_PLAIN = re.compile(r"https?://[^\s\"'<>;]++")
_INDEX_OPTION = re.compile(r"^\s*(?:-i|--index-url|--extra-index-url)(?:\s*=\s*|\s+)$")
_SHA256 = re.compile(r"(?:^|[#&])sha256[=:]([0-9a-f]{64})", re.IGNORECASE)


@attrs.frozen
class Held:
    """One file that the lock names; `url` is where it is to be had once the lock is rewritten, None where the lock says no address of it."""

    name: NormalizedName
    filename: Filename
    digest: Digest | None
    url: str | None = None


@attrs.frozen
class Relocked:
    """
    The lock with its new addresses, the files that have to be there, and how many addresses were exchanged.

    :param left: addresses that stay, in sentences.
    """

    text: str
    files: tuple[Held, ...]
    changed: int
    left: tuple[str, ...] = ()


@attrs.frozen
class _Address:
    """An address in a lock: that of an index, or that of a file which came from an index, where the lock says from which."""

    url: str
    index: str | None = None
    is_index: bool = False


@attrs.frozen
class Move:
    """
    From one index to another, both by the URLs of their simple pages.

    :raises ValueError: one of them is no such URL.
    """

    to: str = attrs.field(converter=checked_url)
    source: str | None = attrs.field(default=None, converter=attrs.converters.optional(checked_url))

    def index(self, spelled: str) -> str | None:
        """The URL that takes the place of that of an index; None where that index is not meant. It ends in a slash where that one does."""
        if self.source is not None and _bare(spelled) != _bare(self.source):
            return None
        return self.to.rstrip("/") + ("/" if spelled.endswith("/") else "")

    def file(self, address: _Address) -> str | None:
        """The URL that takes the place of that of a file; None where that file is not meant, or it cannot be told where it would be."""
        below = ""
        if self.source is not None:
            root = _root(self.source)
            if address.url.startswith(root):
                return _root(self.to) + address.url[len(root) :]
            if address.index is None or _bare(address.index) != _bare(self.source):
                return None
        _, packages, below = address.url.rpartition("/packages/")
        return f"{_root(self.to)}packages/{below}" if packages else None


def relocked(name: str, text: str, move: Move) -> Relocked:
    """
    Exchange the addresses in a lock file.

    :param name: what it is called, without its folder.
    :raises ValueError: it is none, or it has several indexes and nobody said which is meant; the text is one line.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{name} is longer than {LONGEST >> 20} Mi characters")
    if not is_lock(name) and name != "Pipfile.lock" and name.endswith(NO_REQUIREMENTS):
        raise ValueError(f"{name[:80]!r} is no lock file that is known here: uv.lock pylock.toml poetry.lock pdm.lock Pipfile.lock")
    plain = not is_lock(name) and name != "Pipfile.lock"
    addresses = _addresses(name, text)
    if len(addresses) > MOST:
        raise ValueError(f"{name} has more than {MOST} addresses")
    indexes = sorted({_bare(one.url) for one in addresses if one.is_index})
    if move.source is None and len(indexes) > 1:
        raise ValueError(f"{name} has several indexes, so say with --from which is meant: {' '.join(map(_shown, indexes[:5]))}")
    mapping: dict[str, str] = {}
    left: dict[str, None] = {}
    for address in addresses:
        found = move.index(address.url) if address.is_index else move.file(address)
        if found is not None:
            mapping[address.url] = found
        elif not address.is_index and move.source is None:
            left[f"{_shown(address.url)} stays: nothing in it says where the same file would be on another index"] = None
    exchanged = _Exchange(mapping)
    written = _PLAIN.sub(exchanged.plain, text) if plain else _QUOTED.sub(exchanged.quoted, text)
    # One address may be spelled in several ways, and all of them have to be exchanged.
    again = _addresses(name, written) if exchanged.count else addresses
    lost = {old.url for old, new in zip(addresses, again, strict=True) if new.url != mapping.get(old.url, old.url)}
    if lost:
        raise ValueError(f"{name} spells {_shown(min(lost))} in a way that cannot be exchanged, with escapes or over several lines")
    return Relocked(written, tuple(_files(name, text, addresses, mapping, move)), exchanged.count, tuple(left))


@attrs.define
class _Exchange:
    mapping: Mapping[str, str]
    count: int = 0

    def quoted(self, found: re.Match[str]) -> str:
        """A text between quotes."""
        sign = found[0][0]
        return f"{sign}{self._exchanged(found[1] if sign == chr(34) else found[2])}{sign}"

    def plain(self, found: re.Match[str]) -> str:
        """A text that stands by itself."""
        return self._exchanged(found[0])

    def _exchanged(self, url: str) -> str:
        new = self.mapping.get(url)
        if new is None:
            return url
        self.count += new != url
        return new


def _addresses(name: str, text: str) -> list[_Address]:
    if name == "Pipfile.lock":
        return [*_of_pipfile(name, text)]
    return [*(_of_toml(name, text) if is_lock(name) else _of_requirements(text))]


def _of_toml(name: str, text: str) -> Iterator[_Address]:
    document = read_toml(name, text, "lock file")
    packages = document.get("package", document.get("packages", []))
    for package in packages if isinstance(packages, list) else []:
        if not isinstance(package, dict):
            continue
        index = _index(package)
        if index is not None and _is_url(index):
            yield _Address(index, is_index=True)
        elif package.get("source"):
            # A repository, or a folder.
            continue
        files = [*_list(package.get("wheels")), *_list(package.get("files")), *_list([package.get("sdist")])]
        for file in files:
            if isinstance(file, dict) and _is_url(file.get("url")):
                yield _Address(file["url"], index if isinstance(index, str) else None)


def _of_pipfile(name: str, text: str) -> Iterator[_Address]:
    try:
        sources = json.loads(text)["_meta"]["sources"]
        for source in sources:
            if _is_url(source["url"]):
                yield _Address(source["url"], is_index=True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{name} is no Pipfile.lock that can be read: {' '.join(str(error).split())[:200]}") from None


def _of_requirements(text: str) -> Iterator[_Address]:
    for line in map(str.lstrip, text.splitlines()):
        if line.startswith("#"):
            continue
        for found in _PLAIN.finditer(line):
            if _INDEX_OPTION.match(line, 0, found.start()):
                yield _Address(found[0], is_index=True)
            elif _archive(found[0]) is not None:
                yield _Address(found[0])


def _files(name: str, text: str, addresses: list[_Address], mapping: Mapping[str, str], move: Move) -> Iterator[Held]:
    """The files that the other index has to have."""
    moved = {last: mapping.get(one.url) for one in addresses if not one.is_index and (last := _archive(one.url)) is not None}
    if is_lock(name):
        others = _others(name, text, move)
        elsewhere = {last for one in addresses if not one.is_index and one.url not in mapping and (last := _archive(one.url)) is not None}
        for package in read_lock(name, text).packages:
            if (package.name, str(package.version)) in others:
                continue
            for file, digest in package.files:
                if move.source is None or file not in elsewhere:
                    yield Held(package.name, file, digest, _without_fragment(moved.get(file)))
        return
    for address in addresses:
        file_name = None if address.is_index else _archive(address.url)
        if file_name is not None and address.url in mapping:
            found = _SHA256.search(urlsplit(address.url).fragment)
            names = candidates(file_name)
            if names:
                yield Held(names[0], file_name, Digest(found[1].lower()) if found else None, _without_fragment(mapping[address.url]))


def _others(name: str, text: str, move: Move) -> set[tuple[NormalizedName, str]]:
    """The releases that come from another index than the one that is meant."""
    document = read_toml(name, text, "lock file")
    found: set[tuple[NormalizedName, str]] = set()
    for package in _list(document.get("package", document.get("packages"))):
        index = _index(package) if isinstance(package, dict) else None
        if isinstance(index, str) and _is_url(index) and move.index(index) is None:
            found.add((canonicalize_name(str(package.get("name"))), str(known(str(package.get("version"))))))
    return found


def _index(package: Mapping[str, Any]) -> Any:
    """The index that a package comes from, in uv's word, Poetry's, or that of PEP 751."""
    said = package.get("source")
    source = said if isinstance(said, dict) else {}
    return source.get("registry") or (source.get("url") if source.get("type") == "legacy" else None) or package.get("index")


def _archive(url: str) -> Filename | None:
    """The file that is behind that URL, where it can be one of a project."""
    try:
        last = filename(unquote(urlsplit(url).path.rpartition("/")[2]))
    except (ValueError, InvalidName):
        return None
    return last if package_type(last) in ("bdist_wheel", "sdist") else None


def _without_fragment(url: str | None) -> str | None:
    return None if url is None else url.partition("#")[0]


def _root(index: str) -> str:
    """Where an index has its `packages/`: beside `simple/`."""
    bare = index.rstrip("/")
    above, _, last = bare.rpartition("/")
    return f"{above}/" if last in ("simple", "+simple") else f"{bare}/"


def _bare(index: str) -> str:
    """What all spellings of an index's URL have in common, without a password."""
    try:
        parts = urlsplit(index)
        return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"
    except ValueError:
        return index


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _shown(url: str) -> str:
    """A URL without the password in it (S71)."""
    return ascii(_bare(url))[1:-1][:200]
