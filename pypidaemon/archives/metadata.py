"""What METADATA or PKG-INFO says, read leniently, and held against the form (S19, R132, R133)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from email.errors import MessageError

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pypidaemon import filenames
from pypidaemon.archives.names import shown
from pypidaemon.archives.plain import plainly
from pypidaemon.archives.rules import Rules
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.errors import InvalidName
from pypidaemon.model import Inspected, Upload
from pypidaemon.versions import LONGEST_SPECIFIERS, LONGEST_VERSION

VERSIONS = frozenset({"1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"})
"""Metadata versions that are taken (R133); 2.0 was withdrawn, but years of wheels say it."""

_EARLY = "introduced in metadata version"
_LICENSED = "2.4"
"""The first version whose License-File promises a file (PEP 639)."""

MOST_FIELDS, MOST_NAMES = 20_000, 200
"""Lines that begin a field, and different names of fields. There are some 40 names, and the largest release known has 1,500 requirements; the mail
parser needs time as one number times the other."""

_ODD = re.compile(r"[\x00-\x1f\x7f]")
_WRONG = (ValueError, TypeError, LookupError, AttributeError, AssertionError, MessageError, RecursionError)
"""What the readers of mail that `packaging` builds on raise over bytes that are no mail."""


def describe(raw: bytes, upload: Upload, rules: Rules, has: Callable[[str], bool]) -> Inspected:
    """
    Read the metadata of a distribution.

    The form's requirements, where it gives any, must be those of the metadata (S19): what a client is told before it downloads must be
    what it then finds.

    :param has: whether the archive has a licence file of that name, for strict rules (R135).
    :raises BadArchive: it cannot be read, lacks version, name or metadata version, differs from the form, or breaks a strict rule.
    """
    _insist_on_few(raw)
    # Strict rules want to know more than the few fields that it reads.
    found = None if rules.strict else plainly(raw)
    if found is None:
        try:
            found, _ = parse_email(raw)
        except _WRONG as error:
            raise BadArchive("the metadata cannot be read") from error
    version = _text(found, "metadata_version")
    if version not in VERSIONS:
        raise BadArchive(f"the metadata version {shown(version)} is not known")
    told = [value for field, value in upload.metadata if field == "requires_dist"]
    if told and _requirements(told) != _requirements(found.get("requires_dist", ())):
        raise BadArchive("the form's requires_dist differ from the metadata in the archive")
    if rules.strict:
        _insist_on_strictness(raw, found, has)
    try:
        name = filenames.project_name(_text(found, "name"))
    except InvalidName as error:
        raise BadArchive(f"the metadata names no project: {error}") from error
    release, wanted = _text(found, "version"), _text(found, "requires_python", needed=False)
    # Whoever compares them later does so where nothing may take long.
    if len(release) > LONGEST_VERSION or len(wanted) > LONGEST_SPECIFIERS:
        raise BadArchive("the Version or Requires-Python in the metadata is too long")
    return Inspected(raw, name, release, wanted or None)


def _insist_on_few(raw: bytes) -> None:
    names: set[bytes] = set()
    fields = 0
    for line in raw.splitlines():
        if not line:
            break
        if line[:1] not in b" \t":
            fields += 1
            names.add(line.partition(b":")[0].lower())
        if fields > MOST_FIELDS or len(names) > MOST_NAMES:
            raise BadArchive("the metadata has too many fields")


def _text(found: RawMetadata, field: str, *, needed: bool = True) -> str:
    """A field that stands there once, without line breaks."""
    value = found.get(field)
    text = value.strip() if isinstance(value, str) else ""
    if (needed and not text) or _ODD.search(text):
        raise BadArchive(f"the metadata has no readable {field.replace('_', '-').title()}, or more than one")
    return text


def _requirements(raw: Iterable[str]) -> frozenset[str]:
    """Equal for requirements that differ in spelling alone."""
    return frozenset(_requirement(each) for each in raw)


def _requirement(raw: str) -> str:
    try:
        read = Requirement(raw)
        read.name = canonicalize_name(read.name)
        read.extras = {canonicalize_name(extra) for extra in read.extras}
        return str(read)
    except (ValueError, RecursionError):
        # Beside what is no requirement: versions with numbers too long to be read, which it may notice as late as here.
        return "".join(raw.split()).lower()


def _insist_on_strictness(raw: bytes, found: RawMetadata, has: Callable[[str], bool]) -> None:
    try:
        Metadata.from_email(raw)
    except ExceptionGroup as group:
        # Build tools wrote fields long before the version of the metadata that has them, and PyPI takes that.
        _, rest = group.split(lambda error: isinstance(error, InvalidMetadata) and _EARLY in str(error))
        if rest is not None:
            first = rest.exceptions[0]
            field = f" {first.field}" if isinstance(first, InvalidMetadata) else ""
            raise BadArchive(f"the metadata is invalid:{field} {shown(str(first))}") from group
    except _WRONG as error:
        # Numbers too long to be read come as a plain error, beside the group.
        raise BadArchive("the metadata is invalid") from error
    if found.get("metadata_version", "") < _LICENSED:
        return
    for path in found.get("license_files", ()):
        if not has(path):
            raise BadArchive(f"the archive lacks the License-File {shown(path)}")
