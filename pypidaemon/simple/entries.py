"""
One upstream entry of a project page, checked.

Nothing that an upstream says is believed by its form: what is wrong with an optional fact loses the fact, what is wrong with the
file name or the URL loses the entry (S4, S36, S47, S51). JSON's null is the same as absence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from sys import intern
from typing import Any, TypeGuard
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import belongs
from pypidaemon.filenames import filename as checked_filename
from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.simple.links import packages_path

BIGGEST = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact (RFC 8259 §6); larger sizes and serials are not believed."""

LONGEST_TEXT = 4096
"""Characters in a text that people write: a reason, a `requires-python`. A longer one counts as not stated (S84)."""

LONGEST_URL = 4096
"""Characters in a link; a longer one is not followed."""

MOST_HASHES = 32
"""How many hashes of a file are looked at; there are nine algorithms that anyone has stated so far."""

MOST_ENTRIES = 50_000
"""How many entries a page may have, refused ones included; the largest known page has some 10,000 (S84)."""

_DIGITS = {
    "md5": 32,
    "sha1": 40,
    "sha224": 56,
    "sha256": 64,
    "sha384": 96,
    "sha512": 128,
    "blake2b": 128,
    "blake2b_256": 64,
    "blake2_256": 64,
}
_ALGORITHM = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{2,512}\Z", re.ASCII)
_UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UPLOAD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z\Z", re.ASCII)
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?\Z", re.ASCII)
_USUAL = re.compile(r"(https?)://[A-Za-z0-9_][A-Za-z0-9._-]*(?::\d{1,5})?/[A-Za-z0-9_.~/%:@!$&'()*+,=-]*", re.ASCII)
"""An absolute URL of which nothing has to be written in another way, as nearly all are."""
_MARKER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z", re.ASCII)
_SIDECAR_KEYS = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")

OBJECTS = frozenset({"hashes", *_SIDECAR_KEYS})
"""The keys of an entry whose value may be an object."""

KEYS = OBJECTS | {"filename", "url", "size", "upload-time", "requires-python", "yanked", "provenance", "gpg-sig"}
"""All keys of an entry that are looked at."""


class Unreadable(ValueError):
    """What an upstream sent is not the page or list it should be; the text is one line that says why (F7, F19, S32, S36)."""


@attrs.define
class Entries:
    """The entries of one page, taken one at a time."""

    base: str
    name: NormalizedName
    files: list[File] = attrs.field(factory=list)
    refused: int = 0

    def take(self, raw: object) -> None:
        """
        Keep the file that the entry describes, or count a refusal.

        :raises Unreadable: there are more than `MOST_ENTRIES`.
        """
        if len(self.files) + self.refused >= MOST_ENTRIES:
            raise Unreadable("the page has too many entries")
        file = entry(raw, self.base, self.name) if isinstance(raw, dict) else None
        if file is None:
            self.refused += 1
        else:
            self.files.append(file)


def entry(raw: Mapping[str, Any], base: str, name: NormalizedName) -> File | None:
    """
    The file that an entry in JSON's spelling describes (PEP 691, PEP 700), with its `path` where that can be told, or None where it must be refused. Never
    raises.

    Types of file that we do not know pass (R63); clients skip what they cannot read.

    :param base: the absolute URL of the page, against which `url` is resolved (R61); http files are taken from http pages only.
    :param name: the project that the file must belong to.
    """
    filename = _filename(raw.get("filename"), name)
    url = resolve(raw.get("url"), base)
    if filename is None or url is None:
        return None
    hashes = _hashes(raw.get("hashes"))
    requires_python = raw.get("requires-python")
    gpg_sig = raw.get("gpg-sig")
    return File(
        filename=filename,
        url=url,
        path=packages_path(url, dict(hashes), filename),
        hashes=hashes,
        size=whole(raw.get("size")),
        upload_time=_upload_time(raw.get("upload-time")),
        # There are few different ones, and one of these for each file.
        requires_python=intern(requires_python) if _is_clean(requires_python) else None,
        yanked=_yanked(raw.get("yanked")),
        core_metadata=_core_metadata(raw),
        provenance=_provenance(raw.get("provenance")),
        gpg_sig=gpg_sig if isinstance(gpg_sig, bool) else None,
    )


def resolve(raw: object, base: str) -> str | None:
    """
    The absolute URL meant by a link on the page at `base`, without userinfo and fragment; None where it must not be followed.

    Only https is followed, and http where the page itself came by http (S47). Never raises.
    """
    if not isinstance(raw, str) or len(raw) > LONGEST_URL or not raw.strip() or _UNCLEAN.search(raw) or "\\" in raw:
        return None
    usual = _USUAL.fullmatch(raw)
    if usual is not None and (usual[1] == "https" or base[:5].lower() == "http:"):
        return raw
    return resolved(raw, base)


def resolved(raw: str, base: str) -> str | None:
    """As `resolve`, for a text that has no characters in it that no URL may have."""
    try:
        parts = urlsplit(urljoin(base, raw.strip(" ")))
    except ValueError:
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and base[:5].lower() == "http:"):
        return None
    authority = parts.netloc.rpartition("@")[2]
    if not _AUTHORITY.match(authority):
        return None
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return urlunsplit((parts.scheme, authority, path, query, ""))


def whole(raw: object) -> int | None:
    """A whole number from 0 to `BIGGEST`, or None for anything else; JSON's booleans are no numbers."""
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= BIGGEST:
        return raw
    return None


def serial(raw: object) -> int | None:
    """A serial, as a number or in digits as some mirrors write it (R61); None for anything else."""
    if isinstance(raw, str) and len(raw) <= 16 and raw.isascii() and raw.isdigit():
        return whole(int(raw))
    return whole(raw)


def clean(text: str) -> str:
    """The text without control characters, line separators and lone surrogates."""
    return _UNCLEAN.sub("", text)


def remark(raw: object) -> str | None:
    """What someone wrote for people to read, cleaned; None where it is no text, is empty, or is longer than `LONGEST_TEXT`."""
    return (clean(raw) or None) if isinstance(raw, str) and len(raw) <= LONGEST_TEXT else None


def status_marker(raw: object) -> str | None:
    """A project status as PEP 792 spells them, known or not, or None where it is no such word."""
    return raw if isinstance(raw, str) and _MARKER.match(raw) else None


def _is_clean(raw: object) -> TypeGuard[str]:
    return isinstance(raw, str) and len(raw) <= LONGEST_TEXT and bool(raw.strip()) and not _UNCLEAN.search(raw)


def _filename(raw: object, name: NormalizedName) -> Filename | None:
    if not isinstance(raw, str):
        return None
    try:
        filename = checked_filename(raw)
    except InvalidName:
        return None
    return filename if belongs(filename, name) else None


def _hashes(raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict):
        return ()
    digest = raw.get("sha256") if len(raw) == 1 else None
    if isinstance(digest, str) and _SHA256.fullmatch(digest) is not None:
        # Nearly all are like this, and there is one for each file.
        return (("sha256", digest),)
    found: dict[str, str] = {}
    for algorithm, digest in islice(raw.items(), MOST_HASHES):
        if not isinstance(algorithm, str) or not isinstance(digest, str) or len(algorithm) + len(digest) > LONGEST_TEXT:
            continue
        known, value = algorithm.lower(), digest.lower()
        if _ALGORITHM.match(known) and _HEX.match(value) and len(value) == _DIGITS.get(known, len(value)):
            found.setdefault(known, value)
    return tuple(sorted(found.items(), key=lambda item: (item[0] != "sha256", item[0])))


def _upload_time(raw: object) -> str | None:
    if not isinstance(raw, str) or len(raw) > 64:
        return None
    try:
        moment = datetime.fromisoformat(raw)
        if _UPLOAD_TIME.match(raw):
            return raw
        if moment.tzinfo is None:
            return None
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except (ValueError, OverflowError):
        return None


def _yanked(raw: object) -> str | None:
    # JSON's "" means "not yanked" to the installer that most people use (R54), so it does here.
    if raw is True:
        return ""
    if not isinstance(raw, str) or not raw:
        return None
    # A reason too long to keep is no reason to offer a file that upstream has yanked.
    return remark(raw) or ""


def _core_metadata(raw: Mapping[str, Any]) -> str | None:
    said = next((raw[key] for key in _SIDECAR_KEYS if raw.get(key) is not None), None)
    if said is True:
        return ""
    if isinstance(said, dict):
        return dict(_hashes(said)).get("sha256", "")
    return None


def _provenance(raw: object) -> str | None:
    if not isinstance(raw, str) or len(raw) > LONGEST_URL or not raw.isascii() or " " in raw or "\\" in raw or _UNCLEAN.search(raw):
        return None
    try:
        parts = urlsplit(raw)
    except ValueError:
        return None
    return raw if parts.scheme == "https" and raw.startswith("https://") and _AUTHORITY.match(parts.netloc) else None
