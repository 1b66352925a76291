"""
The words in which a component declares what it wants from the configuration (design: the attrs class is the schema).

A component is an attrs class. Each field says where its value comes from: `setting` from a key of its section, `reference` and
`references` from another section, `given` from the daemon itself. A key is the field's name with `-` for `_`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from zope.interface.interface import InterfaceClass

KEY = "pypidaemon"
"""The name of the entry in a field's metadata that holds one of the classes below."""

LONGEST_CONTENTS = 64 << 20
"""Bytes of a file that a setting names; a list of all projects of the public index has a fifth of that."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?\Z")
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Lines(tuple[Any, ...]):
    """Values that may hold blanks, so each stands on a line of its own."""

    __slots__ = ()


@attrs.frozen
class Setting:
    """
    A value written in the component's own section, and how to read it; `convert` raises ValueError with a reason.

    `read`, where there is one, is given what `convert` made once its paths are absolute; it raises the same, and its value reads as these paths.
    """

    convert: Callable[[str], Any]
    help: str
    read: Callable[[Any], Any] | None = None


@attrs.frozen
class Reference:
    """One other component (`many` False) or several in order, named by the labels of their sections."""

    interface: InterfaceClass
    default: str | tuple[str, ...] | None
    many: bool
    help: str


@attrs.frozen
class Given:
    """Something the daemon hands to who asks for it by name: its clock, its threads, the component's own label."""

    name: str


def setting(convert: Callable[[str], Any], default: Any = attrs.NOTHING, help: str = "", read: Callable[[Any], Any] | None = None) -> Any:
    """
    A field read from a key of the component's section.

    :param convert: turns the text into the value; raises ValueError whose text says what is wrong.
    :param default: the value (not the text) where the key is missing; without one the key must be given.
    :param help: one line for the reference documentation.
    :param read: reads the file, or files, that `convert` made paths of, when the configuration is read; `str()` of what it answers are these paths.
    """
    return attrs.field(default=default, metadata={KEY: Setting(convert, help, read)})


def reference(interface: InterfaceClass, default: str | None = None, help: str = "") -> Any:
    """A field that holds another component; `default` is the label of the section meant where the key is missing."""
    return attrs.field(metadata={KEY: Reference(interface, default, many=False, help=help)})


def references(interface: InterfaceClass, default: tuple[str, ...] | None = None, help: str = "") -> Any:
    """A field that holds several other components, in the order in which the key names them."""
    return attrs.field(metadata={KEY: Reference(interface, default, many=True, help=help)})


def given(name: str, factory: Callable[[], Any] | None = None) -> Any:
    """
    A field that the daemon fills: see `pypidaemon.assembly` for the names it knows.

    :param factory: makes what stands there where nobody fills it, in a test for instance.
    """
    default = attrs.NOTHING if factory is None else attrs.Factory(factory)
    return attrs.field(default=default, repr=False, metadata={KEY: Given(name)})


def text(raw: str) -> str:
    """Any text that is not empty."""
    if not raw.strip():
        raise ValueError("must not be empty")
    return raw.strip()


def words(raw: str) -> tuple[str, ...]:
    """A list separated by white space, also over lines."""
    return tuple(raw.split())


def lines(raw: str) -> Lines:
    """A list with one item on each line, since items may hold blanks."""
    found = Lines(" ".join(line.split()) for line in raw.splitlines() if line.strip())
    if not found:
        raise ValueError("must not be empty; leave the key out instead")
    return found


def show_or_hide(raw: str) -> str:
    """`show` or `hide`."""
    word = raw.strip().lower()
    if word not in {"show", "hide"}:
        raise ValueError(f"{raw.strip()!r} is neither show nor hide")
    return word


def flag(raw: str) -> bool:
    """`yes` or `no`."""
    known = {"yes": True, "no": False, "on": True, "off": False, "true": True, "false": False}
    try:
        return known[raw.strip().lower()]
    except KeyError:
        raise ValueError(f"{raw.strip()!r} is neither yes nor no") from None


def count(raw: str) -> int:
    """A whole number that is not negative."""
    if not re.fullmatch(r"\d{1,12}", raw.strip(), re.ASCII):
        raise ValueError(f"{raw.strip()!r} is not a whole number")
    return int(raw)


def duration(raw: str) -> float:
    """Seconds, written `30s`, `15m`, `6h`, `3d` or `2w`."""
    match = _DURATION.match(raw.strip())
    if match is None:
        raise ValueError(f"{raw.strip()!r} is not a duration such as 30s, 15m, 6h or 3d")
    return float(match[1]) * _SECONDS[match[2]]


def size(raw: str) -> int:
    """Bytes, written `512`, `64KiB`, `10GiB` or `5GB`."""
    match = _SIZE.match(raw.strip())
    if match is None:
        raise ValueError(f"{raw.strip()!r} is not a size such as 64KiB or 10GiB")
    return int(float(match[1]) * _BYTES[match[2] or "B"])


def path(raw: str) -> Path:
    """A file or folder; whoever reads the configuration resolves a relative one against the file's own folder."""
    return Path(text(raw)).expanduser()


def paths(raw: str) -> Lines:
    """Files or folders, one on each line; relative ones as of `path`."""
    return Lines(path(line) for line in lines(raw))


def contents(file: Path) -> str:
    """
    The text of a file that a setting names.

    :raises ValueError: it cannot be read, is not UTF-8, or has more than `LONGEST_CONTENTS` bytes.
    """
    try:
        with file.open("rb") as stream:
            read = stream.read(LONGEST_CONTENTS + 1)
        if len(read) > LONGEST_CONTENTS:
            raise ValueError(f"{file} is longer than {LONGEST_CONTENTS >> 20} MiB")
        return read.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read {file}: it is not UTF-8") from None
    except ValueError:
        if "\0" not in str(file):
            raise
        raise ValueError(f"cannot read {ascii(str(file))[1:-1][:200]}: no file has such a name") from None


def url(raw: str) -> str:
    """An absolute http or https URL without credentials, query or fragment."""
    from urllib.parse import urlsplit

    value = text(raw)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from None
    # The value itself is in no message: it may hold a credential in any of its parts (S71).
    if parts.scheme not in ("http", "https") or not host or not value.isascii() or re.search(r"[\x00-\x20\x7f]", value):
        raise ValueError("is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials; use the keys username and password")
    if parts.query or parts.fragment:
        raise ValueError("must have neither query nor fragment")
    return value


def urls(raw: str) -> tuple[str, ...]:
    """URLs as of `url`, separated by white space, also over lines, in order, none twice."""
    found = tuple(url(one) for one in raw.split())
    if len({one.rstrip("/") for one in found}) != len(found):
        raise ValueError("names the same URL twice")
    return found


@attrs.frozen(repr=False)
class Secret:
    """Something that must not be shown: neither `repr` nor `str` reveals it."""

    _value: str

    def reveal(self) -> str:
        """The secret itself; call this where it is used and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"


def secret(raw: str) -> Secret:
    """A secret by way of `env:NAME` (environment variable) or `file:PATH` (first line), never written in the file itself."""
    scheme, _, rest = raw.strip().partition(":")
    if scheme == "env" and rest:
        try:
            return Secret(os.environ[rest])
        except KeyError:
            raise ValueError(f"environment variable {rest} is not set") from None
    if scheme == "file" and rest:
        try:
            lines = Path(rest).expanduser().read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read {rest}: {error}") from None
        return Secret(lines[0] if lines else "")
    raise ValueError("must be env:NAME or file:PATH")
