"""What devpi says of files, indexes and users, in its documents and in what `devpi-export` writes. Pure; all of it is hostile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote

from pypidaemon.adoption.found import Found, Passed
from pypidaemon.model import NormalizedName
from pypidaemon.moments import written
from pypidaemon.simple.entries import clean, entry

LONGEST_WORD = 200
"""Characters of a user's or an index's name that are shown."""

MOST_WORDS = 20
"""Names of a list of rights that are shown."""

_EVERYBODY = {":ANONYMOUS:": "anonymous", ":AUTHENTICATED:": "authenticated"}


def found(path: str, url: str, raw: Mapping[str, Any], name: NormalizedName, requires_python: object = None) -> Found | Passed:
    """
    A release file as devpi describes it, with `hashes` or `hash_spec`, and the `log` of what was done with it.

    :param path: as `Found.path`.
    :param url: the absolute URL of it, which ends in its name; where nobody knows one, anything that does.
    """
    when, who = uploaded(raw.get("log"))
    said: dict[str, object] = {
        "filename": unquote(url.rpartition("/")[2]),
        "url": url,
        "hashes": _hashes(raw),
        "upload-time": when or _moment(raw.get("last_modified")),
        "requires-python": requires_python,
    }
    file = entry(said, url, name)
    if file is None:
        return Passed(path, f"its name is not that of a file of {name}")
    return Found(path, file, name, who)


def uploaded(log: object) -> tuple[str | None, str]:
    """When, in the form of PEP 700, and by whom a file was uploaded first; a `push` to another index keeps the log."""
    for line in log if isinstance(log, list) else ():
        if isinstance(line, dict) and line.get("what") == "upload":
            who = line.get("who")
            return _time(line.get("when")), word(who) if isinstance(who, str) else ""
    return None, ""


def rights(index: str, config: Mapping[str, Any]) -> Iterator[Passed]:
    """What is told of an index besides its files, with what says the same here."""
    for key, right in (("acl_upload", "upload"), ("acl_read", "read")):
        names = [_EVERYBODY.get(name, name) for name in words(config.get(key))]
        if names:
            yield Passed(index, f"{key} is {' '.join(names)}: grant that with `grant NAME {right} INDEX`", wrong=False, note=True)
    bases = words(config.get("bases"))
    if bases:
        yield Passed(index, f"its bases are {' '.join(bases)}: name these in a first-match index", wrong=False, note=True)
    if config.get("volatile") is True:
        yield Passed(index, "it is volatile: here the right to overwrite and delete is granted to people", wrong=False, note=True)


def people(index: str, config: Mapping[str, Any]) -> set[str]:
    """The users that an index is about: whose it is, and who may do something; groups may be among them."""
    named = {index.partition("/")[0], *words(config.get("acl_upload")), *words(config.get("acl_read"))}
    return {name for name in named if not name.startswith(":")}


def mirror(index: str, config: Mapping[str, Any]) -> Passed:
    """That an index is a mirror, of which nothing is taken."""
    url = config.get("mirror_url")
    where = f" of {word(url)}" if isinstance(url, str) and url else ""
    return Passed(index, f"is a mirror{where}: a proxy with that upstream has the same, from upstream itself", wrong=False, note=True)


def user(name: str) -> Passed:
    """That there is a user of that name."""
    return Passed(
        word(name),
        "is a user or group there: `user add` makes one here; passwords cannot be taken, since only their hashes are kept",
        wrong=False,
        note=True,
    )


def words(raw: object) -> list[str]:
    """The texts of a list, cleaned, and no more than a line holds."""
    if not isinstance(raw, list):
        return []
    said = [word(one) for one in raw if isinstance(one, str) and one]
    return said if len(said) <= MOST_WORDS else [*said[:MOST_WORDS], f"and {len(said) - MOST_WORDS} more"]


def word(raw: str) -> str:
    """A name as it may be shown."""
    return clean(raw[:LONGEST_WORD])


def _hashes(raw: Mapping[str, Any]) -> dict[str, Any]:
    hashes, spec = raw.get("hashes"), raw.get("hash_spec")
    found = dict(hashes) if isinstance(hashes, dict) else {}
    if isinstance(spec, str) and "=" in spec:
        algorithm, _, digest = spec.partition("=")
        found.setdefault(algorithm, digest)
    if isinstance(raw.get("md5"), str):
        # As devpi-server 2.1 has it.
        found.setdefault("md5", raw["md5"])
    return found


def _time(raw: object) -> str | None:
    """From a list of numbers in UTC, from the year to the second."""
    match raw:
        case [int(year), int(month), int(day), int(hour), int(minute), int(second)]:
            try:
                return written(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
            except (ValueError, OverflowError):
                return None
    return None


def _moment(raw: object) -> str | None:
    """From an HTTP date."""
    try:
        moment = parsedate_to_datetime(raw if isinstance(raw, str) else "")
        return written((moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp())
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
