"""
The configuration file as text: sections, keys and raw values, before anybody asks what they mean.

The grammar is PasteDeploy's: `[kind:label]` sections, `use` picks the component, `%(here)s` is the folder of the file and the only
thing that is interpolated. Comments stand on lines of their own, and a value goes on over indented lines. See
`docs/decisions/0001-configuration-grammar.md`.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from pypidaemon.errors import ConfigError

KINDS = ("daemon", "index", "upstream", "policy", "blobs", "records", "accounts", "service")
"""What a section can be; every kind but `daemon` takes a label."""

DAEMON = "daemon"
"""The one section that every file has."""

PLACES = ("etc/config.ini", "/etc/pypidaemon/config.ini")
"""Where the configuration is looked for when nobody names it: first below the working directory."""

_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_KEY = re.compile(r"[a-z][a-z0-9-]*\Z")
_INTERPOLATION = re.compile(r"%%|%\(([^)]*)\)s")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@attrs.frozen
class Section:
    """One section; `values` are its keys but `use`, with `%(here)s` already put in. `label` and `use` are "" for `[daemon]`."""

    kind: str
    label: str
    use: str
    values: Mapping[str, str]

    @property
    def name(self) -> str:
        """How the section is written between the brackets."""
        return f"{self.kind}:{self.label}" if self.label else self.kind


@attrs.frozen
class Configuration:
    """
    A whole file.

    :param file: the file as the user named it, for messages.
    :param here: its folder, absolute: what relative paths start at.
    :param sections: by name (`daemon`, `index:root`), in the order of the file; `daemon` is always there.
    :param text: all of it as it was read.
    """

    file: str
    here: Path
    sections: Mapping[str, Section]
    text: str = attrs.field(default="", repr=False)

    @property
    def daemon(self) -> Section:
        """The `[daemon]` section."""
        return self.sections[DAEMON]


class _Parser(configparser.RawConfigParser):
    """`RawConfigParser` without its three surprises: folded keys, a magic `[DEFAULT]`, and junk allowed after a header's bracket."""

    SECTCRE = re.compile(r"\[(?P<header>[^\[\]]+)\]\s*\Z")

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def configuration_file(named: str | None, environment: Mapping[str, str]) -> str:
    """
    Which file to read: the one named, else `$PYPIDAEMON_CONFIG`, else the first of `PLACES` that exists.

    Where none exists it is the first place, so that the message about it names a place to put one.
    """
    if named:
        return named
    return environment.get("PYPIDAEMON_CONFIG") or next((place for place in PLACES if os.path.exists(place)), PLACES[0])


def read(file: str) -> Configuration:
    """
    Read a configuration file.

    :raises ConfigError: it cannot be read, is not UTF-8, breaks the grammar, repeats a section or key, or names an unknown kind.
    """
    try:
        with open(file, "rb") as stream:
            raw = stream.read()
    except OSError as error:
        raise ConfigError(file, "", "", f"cannot be read: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, "", "", f"line {line}: is not UTF-8") from None
    return parse(text, file)


def parse(text: str, file: str) -> Configuration:
    """
    Read the text of a configuration file.

    :param file: its name, for messages and for `%(here)s`; it need not exist.
    :raises ConfigError: as `read`.
    """
    here = Path(os.path.abspath(file)).parent
    parser = _parsed(text, file)
    sections = {}
    for header in parser.sections():
        section = _section(file, header, dict(parser.items(header)), str(here))
        sections[section.name] = section
    if DAEMON not in sections:
        raise ConfigError(file, DAEMON, "", "this section is missing; it may be empty, but it must be there")
    return Configuration(file, here, sections, text)


def _parsed(text: str, file: str) -> _Parser:
    # No header can hold a line break, so no section of a file is ever taken for the parser's section of defaults.
    parser = _Parser(strict=True, default_section="\n")
    try:
        parser.read_string(text, file)
    except configparser.DuplicateSectionError as error:
        raise ConfigError(file, error.section, "", f"line {error.lineno}: the section is there twice") from None
    except configparser.DuplicateOptionError as error:
        raise ConfigError(file, error.section, error.option, f"line {error.lineno}: the key is there twice") from None
    except configparser.MissingSectionHeaderError as error:
        raise ConfigError(file, "", "", f"line {error.lineno}: a key stands before the first [section], or a header is misspelt") from None
    except configparser.ParsingError as error:
        line = error.errors[0][0]
        raise ConfigError(file, "", "", f"line {line}: neither a [section], nor a `key = value`, nor a comment") from None
    return parser


def _section(file: str, header: str, items: dict[str, str], here: str) -> Section:
    kind, colon, label = header.partition(":")
    if kind not in KINDS:
        raise ConfigError(file, header, "", f"unknown kind of section {kind!r}", KINDS)
    if kind == DAEMON and colon:
        raise ConfigError(file, header, "", "this section takes no label: write [daemon]")
    if kind != DAEMON and not _LABEL.match(label):
        wanted = "lower-case letters, digits and `-`, beginning with a letter or digit"
        raise ConfigError(file, header, "", f"the section needs a label, as in [{kind}:main]: {wanted}")
    values = {}
    for key, raw in items.items():
        if key.startswith("["):
            raise ConfigError(file, header, key, "a header stands alone on its line, as in [index:main]")
        if not _KEY.match(key):
            raise ConfigError(file, header, key, "is not a key: keys are lower-case letters, digits and `-`")
        values[key] = _interpolated(file, header, key, raw, here)
    if kind == DAEMON:
        if "use" in values:
            raise ConfigError(file, header, "use", "this section is no component, so it takes no `use`")
        return Section(kind, "", "", values)
    return Section(kind, label, values.pop("use", ""), values)


def _interpolated(file: str, header: str, key: str, raw: str, here: str) -> str:
    if _CONTROL.search(raw):
        raise ConfigError(file, header, key, "the value holds a control character")

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if match[1] == "here":
            return here
        raise ConfigError(file, header, key, f"{match[0]} is not known; write %% for a plain per cent sign", ["%(here)s"])

    return _INTERPOLATION.sub(replacement, raw)
