"""
What an upload says of itself, and whether form, file name and archive say the same.

The rules are those of the legacy upload (R156-R163, R182) and of file names (R127-R130); the archive itself is judged by
`pypidaemon.archives`. Whatever is wrong is an InvalidUpload whose one line says what and where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pypidaemon import filenames
from pypidaemon.archives.rules import Rules as Rules
from pypidaemon.archives.rules import extension, same_version
from pypidaemon.archives.tags import unknown_platform
from pypidaemon.errors import InvalidName, InvalidUpload
from pypidaemon.model import Filename, Inspected, NormalizedName, Upload
from pypidaemon.versions import LONGEST_SPECIFIERS, LONGEST_VERSION, known, specifiers

ACTION = ":action"
PROTOCOLS = ("protocol_version", "protcol_version")
"""The second is how distutils of Python 2.7 spells it (P1)."""

DIGESTS = {"sha256_digest": ("sha256", 64), "md5_digest": ("md5", 32), "blake2_256_digest": ("blake2b_256", 64)}
"""Field, our word for the algorithm, and how many hexadecimal digits there are (R163)."""

_READ = frozenset({*PROTOCOLS, *DIGESTS, "name", "version", "filetype", "requires_python"})
"""The fields that are looked at before the file is."""

WIDE_BLAKE = ("blake2b", 128)
"""What distutils of Python 3.9 to 3.11 puts into `blake2_256_digest` instead: BLAKE2b of 64 bytes (P1)."""

CLASSIFIERS = frozenset(
    {
        "Development Status",
        "Environment",
        "Framework",
        "Intended Audience",
        "License",
        "Natural Language",
        "Operating System",
        "Programming Language",
        "Topic",
        "Typing",
    }
)
"""What PyPI's classifiers begin with; `Private` is the one that it promises never to know."""

_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")


def action(fields: Sequence[tuple[str, str]], query: Sequence[tuple[str, str]]) -> str:
    """
    What the form asks for, by `:action` in a field or in the URL (R156): `file_upload`, `submit`, ...; "" where it says nothing.

    :raises InvalidUpload: it asks for two different things.
    """
    asked = {value for name, value in (*query, *fields) if name == ACTION and value}
    if len(asked) > 1:
        raise InvalidUpload("the form names two different actions")
    return next(iter(asked), "")


def read_upload(fields: Sequence[tuple[str, str]], filename: str, *, query: Sequence[tuple[str, str]] = ()) -> Upload:
    """
    Read the fields of an upload form, in any order, and the name of its file.

    Fields that are empty or `UNKNOWN` count as absent, and unknown ones are kept but mean nothing (R161). `protocol_version`, digests and
    `filetype` need not be there (P1, S10), but what is there must be right.

    :raises InvalidUpload: it is no file upload of protocol 1; a field holds NUL; name, version, digest or file name is malformed; or
        file name and fields do not agree on name, version (R136, S2) and type (R130).
    """
    for name, value in fields:
        if "\0" in value or "\0" in name:
            raise InvalidUpload(f"the field {_shown(name)} holds a NUL character")
    all_told = [(name, value) for name, value in fields if value.strip() not in {"", "UNKNOWN"}]
    asked = action(all_told, query)
    if asked != "file_upload":
        raise InvalidUpload(f"the form's :action is {_shown(asked)}, not file_upload" if asked else "the form has no :action")
    told = [(name, value) for name, value in all_told if name in _READ]
    for field in PROTOCOLS:
        if _one(told, field) not in {"", "1"}:
            raise InvalidUpload("the form's protocol_version is not 1")
    project, version = _name(_needed(told, "name")), _version(_needed(told, "version"))
    if len(_one(told, "requires_python")) > LONGEST_SPECIFIERS:
        raise InvalidUpload(f"the form's requires_python is longer than {LONGEST_SPECIFIERS} characters")
    named = _filename(filename)
    _fits(named, project, version)
    return Upload(
        name=project,
        version=version,
        filename=named,
        filetype=_filetype(named, _one(told, "filetype")),
        digests=_digests(told),
        metadata=tuple((name, value) for name, value in all_told if name != ACTION and name not in PROTOCOLS),
    )


def check_digests(upload: Upload, found: Mapping[str, str]) -> None:
    """
    Hold the digests that were sent against those of the bytes that came (S9, R163); one that was not computed is passed over.

    :param found: lower-case hexadecimal values by algorithm, as in `Upload.digests`.
    :raises InvalidUpload: one of them differs.
    """
    for algorithm, promised in upload.digests:
        actual = found.get(algorithm, promised)
        if actual != promised:
            raise InvalidUpload(f"the file has {algorithm} {actual}, but the form says {promised}")


def agree(upload: Upload, inspected: Inspected, rules: Rules, form: str = "the form") -> None:
    """
    Hold form, file name and what the archive says against each other.

    :param form: what says that which a form says, where there is none.

    Always: name and version (S2, S19, R128, R136), and `requires_python` where the form gives one (S19). Under `strict` also R127, R130,
    R134 and R163; with `platforms` R129.

    :raises InvalidUpload: they do not agree, or are not acceptable.
    """
    if inspected.name != upload.name:
        raise InvalidUpload(f"{form} names the project {upload.name}, but the metadata in the archive names {inspected.name}")
    if not same_version(inspected.version, upload.version):
        raise InvalidUpload(f"{form} says version {_shown(upload.version)}, but the archive is version {_shown(inspected.version)}")
    told = _one(upload.metadata, "requires_python")
    if told and specifiers(told) != specifiers(inspected.requires_python or ""):
        raise InvalidUpload(
            f"the form says requires_python {_shown(told)}, but the archive says {_shown(inspected.requires_python or 'nothing')}"
        )
    if extension(upload.filename) not in rules.kinds:
        raise InvalidUpload(f"files like {upload.filename} are not accepted here; accepted are {' '.join(sorted(rules.kinds))}")
    if rules.platforms and upload.filetype == "bdist_wheel" and (tag := unknown_platform(upload.filename)):
        raise InvalidUpload(f"the platform tag {_shown(tag)} of the wheel is not one of those accepted here")
    if rules.strict:
        _strictly(upload, inspected)


def _strictly(upload: Upload, inspected: Inspected) -> None:
    version = known(inspected.version)
    if version is None:
        raise InvalidUpload(f"the version {_shown(inspected.version)} is not one that PEP 440 knows")
    if version.local:
        raise InvalidUpload(f"the version {version} is a local one, which strict rules refuse")
    stem = upload.name.replace("-", "_")
    if upload.filetype == "sdist" and upload.filename != f"{stem}-{version}.tar.gz":
        raise InvalidUpload(f"a source distribution of this release must be called {stem}-{version}.tar.gz (PEP 625)")
    if upload.filetype == "bdist_wheel" and upload.filename.partition("-")[0] != stem:
        raise InvalidUpload(f"the name of a wheel of this project must begin with {stem}-")
    pyversion = _one(upload.metadata, "pyversion")
    if upload.filetype == "bdist_wheel" and not pyversion:
        raise InvalidUpload("the form has no pyversion, which a wheel needs")
    if upload.filetype == "sdist" and pyversion not in {"", "source"}:
        raise InvalidUpload("the form's pyversion for a source distribution is not source")
    for name, value in upload.metadata:
        if name == "classifiers" and value.partition(" :: ")[0] not in CLASSIFIERS:
            raise InvalidUpload(f"unknown classifier {_shown(value)}")
    if not upload.digests:
        raise InvalidUpload("the form has no digest of the file")


def _fits(filename: Filename, project: NormalizedName, version: str) -> None:
    """The file name must be one of that project and version (S2, R127, R128)."""
    named = filenames.version_of(filename, project)
    if named is None:
        raise InvalidUpload(f"the file name {filename} is not one of the project {project}")
    if filename.endswith(".whl"):
        parts = filename.removesuffix(".whl").split("-")
        if len(parts) not in {5, 6} or not all(parts) or (len(parts) == 6 and not parts[2][0].isdigit()):
            raise InvalidUpload(f"the file name {filename} is not that of a wheel (PEP 427)")
    if not same_version(named, version):
        raise InvalidUpload(f"the file name {filename} is not one of version {_shown(version)}")


def _filetype(filename: Filename, told: str) -> str:
    found = filenames.package_type(filename)
    if not found:
        raise InvalidUpload(f"the file name {filename} is not that of a distribution")
    if not told or told == found:
        return found
    # An archive without a platform in its name may still be what bdist_dumb made; by its name it is a source distribution.
    raise InvalidUpload(f"the form says filetype {_shown(told)}, but the file name {filename} is that of a {found}")


def _digests(told: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    digests: list[tuple[str, str]] = []
    for field, (algorithm, length) in DIGESTS.items():
        value = _one(told, field)
        if not value:
            continue
        wide = algorithm == "blake2b_256" and len(value) == WIDE_BLAKE[1]
        if not (wide or len(value) == length) or not _HEXADECIMAL.fullmatch(value):
            raise InvalidUpload(f"the form's {field} is not {length} hexadecimal digits")
        digests.append((WIDE_BLAKE[0] if wide else algorithm, value.lower()))
    return tuple(digests)


def _one(told: Sequence[tuple[str, str]], field: str) -> str:
    """The value of a field that may stand there once, "" where it does not stand there."""
    values = [value.strip() for name, value in told if name == field]
    if len(set(values)) > 1:
        raise InvalidUpload(f"the form has several values for {field}")
    return values[0] if values else ""


def _needed(told: Sequence[tuple[str, str]], field: str) -> str:
    value = _one(told, field)
    if not value:
        raise InvalidUpload(f"the form has no {field}")
    return value


def _name(raw: str) -> NormalizedName:
    try:
        return filenames.project_name(raw)
    except InvalidName as error:
        raise InvalidUpload(str(error)) from error


def _filename(raw: str) -> Filename:
    try:
        return filenames.filename(raw)
    except InvalidName as error:
        raise InvalidUpload(str(error)) from error


def _version(raw: str) -> str:
    # Private releases may have versions older than PEP 440, but none with characters that mean something in a path or a page.
    if len(raw) > LONGEST_VERSION or not raw.isascii() or not raw.isprintable() or any(sign in raw for sign in " /\\<>&\"'"):
        raise InvalidUpload(f"the version {_shown(raw)} is malformed")
    return raw


def _shown(text: str) -> str:
    return ascii(text[:120])
