"""Values put into the configuration files of other programs, of which every other line stays as it was written. Text alone."""

from __future__ import annotations

import configparser
import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

_RISKY = "it is laid out in a way that cannot be changed without risk"


def with_options(text: str, section: str, values: Mapping[str, str], joined: Iterable[str] = ()) -> str:
    """
    That text in INI grammar, with these options in that section.

    :param joined: those whose value is a list of words: what is there stays, and ours is added to it.
    :raises ValueError: it is not in that grammar, or cannot be changed without changing something else.
    """
    return _with_its_ends(text, lambda plain: _with_options(plain, section, values, joined))


def _with_options(text: str, section: str, values: Mapping[str, str], joined: Iterable[str]) -> str:
    before = _options(text)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    start, end = _section(lines, section)
    if start is None:
        lines += ["\n"] * bool(text.strip()) + [f"[{section}]\n"]
        start = end = len(lines)
    body = lines[start:end]
    wanted = {}
    for name, given in values.items():
        said = before.get(section, {}).get(_plain(name))
        words = (said or "").split() if name in joined else []
        value = " ".join([*words, *(word for word in given.split() if word not in words)]) if words else given
        # What is there already stays as it is laid out.
        if said is not None and said.split() == value.split():
            continue
        wanted[name] = value
        body = _with_option(body, name, value)
    found = "".join([*lines[:start], *body, *lines[end:]])
    expected = copy.deepcopy(before)
    expected.setdefault(section, {}).update({_plain(name): value for name, value in wanted.items()})
    if _options(found) != expected:
        raise ValueError(_RISKY)
    return found


def options(text: str, section: str) -> Mapping[str, str]:
    """
    What a section of that text says, by names with `-` for `_`.

    :raises ValueError: it is not in that grammar.
    """
    return _options(text).get(section, {})


def sections(text: str) -> Mapping[str, Mapping[str, str]]:
    """
    Every section of that text, as `options` has one.

    :raises ValueError: it is not in that grammar.
    """
    return _options(text)


def _with_its_ends(text: str, change: Callable[[str], str]) -> str:
    """That text changed, with lines that end as all of its own do."""
    if 0 < text.count("\n") == text.count("\r\n") == text.count("\r"):
        return change(text.replace("\r\n", "\n")).replace("\n", "\r\n")
    return change(text)


def _options(text: str) -> dict[str, dict[str, str]]:
    if text.count("\r") != text.count("\r\n"):
        # To some who read it a line ends there, and to others it does not.
        raise ValueError("it has carriage returns within lines")
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    # The lines themselves are in no message: there may be passwords in them (S71).
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise ValueError(f"line {error.lineno} stands before any section") from None
    except configparser.ParsingError as error:
        raise ValueError(f"line {error.errors[0][0]} is no option") from None
    except AttributeError:
        # So it ends at an option without a value that goes on in the next line.
        raise ValueError("a line without a value goes on in the next") from None
    return {name: {_plain(key): value or "" for key, value in parser.items(name)} for name in parser.sections()}


def _plain(name: str) -> str:
    """A name as those programs compare them."""
    return name.strip().lower().replace("_", "-")


def _section(lines: Sequence[str], section: str) -> tuple[int | None, int]:
    """The first line of a section's body and the one behind its last, blank lines at its end left out."""
    heads = [place for place, line in enumerate(lines) if line.startswith("[")]
    for head, after in pairwise([*heads, len(lines)]):
        if lines[head].partition("]")[0] == f"[{section}":
            full = [place for place in range(head + 1, after) if lines[place].strip()]
            return head + 1, full[-1] + 1 if full else head + 1
    return None, len(lines)


def _named(line: str) -> str | None:
    """The name of the option that begins on that line; None where none does."""
    if line[:1].isspace() or line[:1] in ("#", ";", "["):
        return None
    ends = [end for sign in "=:" if (end := line.find(sign)) > 0]
    return _plain(line[: min(ends)]) if ends else None


def _with_option(body: list[str], name: str, value: str) -> list[str]:
    found: list[str] = []
    line = f"{name} = {value}\n"
    done = dropping = False
    for one in body:
        if dropping and one[:1] in " \t" and one.strip():
            if one.lstrip()[0] in "#;":
                raise ValueError(f"there are comments within {name}")
            continue
        dropping = _named(one) == _plain(name)
        if not dropping:
            found.append(one)
        elif not done:
            found.append(line)
            done = True
    return found if done else [*found, line]


@contextmanager
def _bounded() -> Iterator[None]:
    """Whoever reads TOML, copies or compares it goes down with it."""
    try:
        yield
    except RecursionError:
        raise ValueError("it is nested too deep") from None


@_bounded()
def with_table(text: str, path: Sequence[str], values: Mapping[str, str | bool]) -> str:
    """
    That text in TOML, with a table of these values in the array of tables at that path. A table whose first value is the same becomes this one.

    :raises ValueError: it is no TOML, has the array in another form, or cannot be changed without changing something else.
    """
    return _with_its_ends(text, lambda plain: _with_table(plain, path, values))


def _with_table(text: str, path: Sequence[str], values: Mapping[str, str | bool]) -> str:
    before = _document(text)
    tables = _tables(before, path)
    first = next(iter(values))
    place = next((place for place, table in enumerate(tables) if table.get(first) == values[first]), None)
    lines = [f"{key} = {_value(value)}\n" for key, value in values.items()]
    header = f"[[{'.'.join(path)}]]\n"
    if place is None:
        found = text + ("" if not text or text.endswith("\n") else "\n") + ("\n" if text.strip() else "") + header + "".join(lines)
        wanted = [*tables, dict(values)]
    elif all(tables[place].get(key) == value for key, value in values.items()):
        return text
    else:
        found = _with_keys(text, header, place, values)
        wanted = [{**table, **values} if number == place else table for number, table in enumerate(tables)]
    try:
        after = _tables(_document(found), path)
    except ValueError:
        after = []
    if after != wanted or _without(_document(found), path) != _without(before, path):
        raise ValueError(_RISKY)
    return found


@_bounded()
def tables(text: str, path: Sequence[str]) -> list[dict[str, Any]]:
    """
    The tables in the array of tables at that path.

    :raises ValueError: it is no TOML, or something else stands there.
    """
    return _tables(_document(text), path)


@_bounded()
def says(text: str, path: Sequence[str]) -> bool:
    """
    Whether anything stands at that path.

    :raises ValueError: it is no TOML.
    """
    found: Any = _document(text)
    for word in path:
        if not isinstance(found, Mapping) or word not in found:
            return False
        found = found[word]
    return True


def _document(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _tables(document: Mapping[str, Any], path: Sequence[str]) -> list[dict[str, Any]]:
    found: Any = document
    for word in path:
        if not isinstance(found, Mapping):
            break
        found = found.get(word, [] if word == path[-1] else {})
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"what it says of {'.'.join(path)} is no array of tables")
    return found


def _without(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The document without that array, and without tables that only held it."""
    found = copy.deepcopy(document)
    trail = [found]
    for word in path[:-1]:
        trail.append(trail[-1].get(word, {}))
    trail[-1].pop(path[-1], None)
    for inner, word in zip(reversed(trail[:-1]), reversed(path[:-1]), strict=True):
        if not inner.get(word):
            inner.pop(word, None)
    return found


def _with_keys(text: str, header: str, place: int, values: Mapping[str, str | bool]) -> str:
    lines = text.splitlines(keepends=True)
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    heads = [number for number, line in enumerate(lines) if re.sub(r"\s", "", line.partition("#")[0]) == header.strip()]
    if len(heads) <= place:
        raise ValueError(_RISKY)
    start = heads[place] + 1
    end = next((number for number in range(start, len(lines)) if lines[number].lstrip().startswith("[")), len(lines))
    left = dict(values)
    body = []
    for line in lines[start:end]:
        key = line.partition("=")[0].strip().strip("\"'")
        body.append(f"{key} = {_value(left.pop(key))}\n" if "=" in line and key in left else line)
    tail = len(body)
    while tail and not body[tail - 1].strip():
        tail -= 1
    body[tail:tail] = [f"{key} = {_value(value)}\n" for key, value in left.items()]
    return "".join([*lines[:start], *body, *lines[end:]])


def _value(value: str | bool) -> str:
    """A value as TOML has it, which spells both kinds as JSON does."""
    return json.dumps(value)
