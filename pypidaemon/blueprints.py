"""
From the text of a configuration to a plan: every class loaded, every value read, every reference followed, nothing made.

Reading a plan has no effect on the machine, so `twistd`, `pypidaemon check` and the tests all do it the same way and say the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs
from zope.interface.interface import InterfaceClass

from pypidaemon import components, configuration
from pypidaemon.configuration import DAEMON, Configuration, Section
from pypidaemon.errors import ConfigError
from pypidaemon.interfaces import IFillable, IHostedIndex, IIndex
from pypidaemon.schema import Daemon, Wish, data_beside, unknown, wishes
from pypidaemon.services.sockets import CONTROL, LONGEST_SOCKET
from pypidaemon.settings import Given, Reference, Setting, flag

PRIVATE = "private"
"""The label of the index that takes uploads where the file says nothing of indexes."""

_EXPOSED = "exposed"

_LACKING: Mapping[InterfaceClass, str] = {IFillable: "can not be filled: it is neither a mirror nor a proxy"}
"""What is wrong with a part that lacks a capability, where the capability's own name says nothing to who writes a configuration."""


@attrs.frozen
class Entry:
    """One key of a section as it will be: its value for people, and whether the file says so or it is the default."""

    key: str
    value: Any
    written: bool
    help: str


@attrs.frozen
class Part:
    """
    One component to be made.

    :param implied: it stands in no section of the file; something refers to it and everybody knows what it is.
    :param values: arguments that the section gives.
    :param references: arguments that are other parts, by the names of these.
    :param givens: arguments that the daemon gives, by what it calls them.
    :param bare: those of `references` that ask for more than every index is, such as to be filled: they get a leaf itself, without the orders that
        stand before it, which say what is shown and not what is here.
    :param exposed: whether it is an index that the door shows.
    :param needed: whether the daemon makes it; a section that nothing leads to is checked and left alone.
    """

    section: Section
    implied: bool
    component: type
    values: Mapping[str, Any]
    references: Mapping[str, str | tuple[str, ...]]
    givens: Mapping[str, str]
    entries: tuple[Entry, ...]
    exposed: bool = False
    needed: bool = False
    bare: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of its section, as in `index:root`."""
        return self.section.name

    def leads_to(self) -> tuple[str, ...]:
        """The names of the parts that it refers to."""
        return tuple(name for value in self.references.values() for name in ((value,) if isinstance(value, str) else value))


@attrs.frozen
class Plan:
    """
    A whole daemon, resolved.

    :param parts: by name, each after all those that it refers to.
    :param data: the data folder, absolute.
    :param index: the name of the default index's part; so `blobs`, `records` and `accounts`.
    :param origin: the file, absolute, whatever the working directory is later.
    :param text: what stood in it.
    """

    file: str
    daemon: Daemon
    data: Path
    index: str
    blobs: str
    records: str
    accounts: str
    parts: Mapping[str, Part]
    entries: tuple[Entry, ...]
    origin: Path
    text: str = attrs.field(repr=False)


def plan(file: str) -> Plan:
    """
    Read and check a configuration file.

    :raises ConfigError: anything at all is wrong with it; one line that names file, section and key, and what would be understood.
    """
    return resolve(configuration.read(file))


def data_folder(file: str) -> Path:
    """
    The data folder by a configuration file, and nothing else of it: so a daemon can be asked though the file it was started with is right no more.

    :raises ConfigError: the file cannot be read, breaks the grammar, or names no data folder that could be one.
    """
    read = configuration.read(file)
    section = read.daemon
    values, _ = _settings(read, section, tuple(wish for wish in wishes(Daemon) if wish.key == "data"))
    return _data(read, values)


def resolve(read: Configuration) -> Plan:
    """
    The plan of a configuration that was read, or parsed.

    :raises ConfigError: as `plan`.
    """
    file = read.file
    section = read.daemon
    wanted = wishes(Daemon)
    key = unknown(section.values, tuple(wish.key for wish in wanted))
    if key is not None:
        raise ConfigError(file, DAEMON, key, "unknown key", [wish.key for wish in wanted])
    values, entries = _settings(read, section, wanted)
    if "index" not in section.values and "uploads" not in section.values:
        # Nothing is said of any index, so ours are the ones that everybody knows, and one of them takes uploads (design, section 6).
        values["uploads"] = PRIVATE
        entries = [attrs.evolve(entry, value=PRIVATE) if entry.key == "uploads" else entry for entry in entries]
    data = _data(read, values)
    labels = {
        wish.argument: section.values.get(wish.key, str(wish.source.default)) for wish in wanted if isinstance(wish.source, Reference)
    }
    resolver = _Resolver(read, data, labels)
    names: dict[str, str] = {}
    for wish in wanted:
        if isinstance(wish.source, Reference):
            (names[wish.argument],) = resolver.follow(section, wish, section.values.get(wish.key))
            entries.append(Entry(wish.key, labels[wish.argument], wish.key in section.values, wish.source.help))
    if "uploads" in values:
        names["uploads"] = resolver.hosted(section, values["uploads"])
    for other in read.sections.values():
        if other.kind != DAEMON:
            resolver.part(other.kind, other.label, other, "")
    entries = [attrs.evolve(entry, value=str(data)) if entry.key == "data" else entry for entry in entries]
    parts = _marked(resolver.parts, names)
    return Plan(
        file,
        Daemon(**{**values, **labels}),
        data,
        names["index"],
        names["blobs"],
        names["records"],
        names["accounts"],
        parts,
        tuple(entries),
        read.here / Path(file).name,
        read.text,
    )


@attrs.define
class _Resolver:
    """Follows references depth first, so that a part is finished after all that it refers to."""

    read: Configuration
    data: Path
    labels: Mapping[str, str]
    parts: dict[str, Part] = attrs.field(factory=dict)
    path: list[str] = attrs.field(factory=list)

    def part(self, kind: str, label: str, asker: Section, key: str) -> Part:
        """The part of that kind and label, which `key` of `asker` refers to."""
        name = f"{kind}:{label}"
        if name in self.path:
            circle = " -> ".join([*self.path[self.path.index(name) :], name])
            raise ConfigError(self.read.file, asker.name, key, f"circle: {circle}")
        if name not in self.parts:
            section = self.read.sections.get(name)
            implied = section is None
            self.path.append(name)
            self.parts[name] = self._resolved(section or self._implied(kind, label, asker, key), implied)
            self.path.pop()
        return self.parts[name]

    def hosted(self, section: Section, label: str) -> str:
        """The name of the index that uploads go to."""
        found = self.part("index", label, section, "uploads")
        if not IHostedIndex.implementedBy(found.component):
            known = [part.section.label for part in self.parts.values() if IHostedIndex.implementedBy(part.component)]
            self._fail(section, "uploads", f"[{found.name}] takes no uploads", known)
        return found.name

    def follow(self, section: Section, wish: Wish, raw: str | None) -> tuple[str, ...]:
        """The names of the parts that a reference's text means; without text, its default."""
        source = wish.source
        assert isinstance(source, Reference)
        kind = _kind(source.interface)
        if raw is None:
            default = source.default
            if default is None:
                self._fail(section, wish.key, f"is missing: it names {_article(kind)}", self._labels(kind))
            # "records" and "blobs" as defaults mean those of the daemon, which may have been given other labels.
            labels = (self.labels.get(default, default) if kind == default else default,) if isinstance(default, str) else default
        else:
            labels = tuple(raw.split())
            if not labels:
                self._fail(section, wish.key, f"must name {_article(kind)}", self._labels(kind))
        remark = next((label for label in labels if label.startswith((";", "#"))), None)
        hint = "; comments stand on lines of their own" if remark is not None else ""
        if not source.many and len(labels) > 1:
            self._fail(section, wish.key, f"names {len(labels)} sections where there can be one{hint}")
        if remark is not None:
            self._fail(section, wish.key, f"{remark!r} is no label{hint}")
        if len(set(labels)) < len(labels):
            self._fail(section, wish.key, "names a section twice")
        for label in labels:
            found = self.part(kind, label, section, wish.key)
            if not source.interface.implementedBy(found.component):
                self._fail(section, wish.key, f"[{found.name}] {_LACKING.get(source.interface, f'is no {source.interface.__name__}')}")
        return tuple(f"{kind}:{label}" for label in labels)

    def _resolved(self, section: Section, implied: bool) -> Part:
        try:
            if not section.use:
                self._fail(section, "use", "is missing", components.offered(section.kind))
            component = components.load(section.kind, section.use)
            wanted = wishes(component)
        except components.Unloadable as error:
            self._fail(section, "use", str(error), error.known)
        known = tuple(wish.key for wish in wanted if not isinstance(wish.source, Given))
        if section.kind == "index":
            known += (_EXPOSED,)
        key = unknown(section.values, known)
        if key is not None:
            self._fail(section, key, "unknown key", [*known, "use"])
        values, entries = _settings(self.read, section, wanted)
        references: dict[str, str | tuple[str, ...]] = {}
        bare = set()
        for wish in wanted:
            if isinstance(wish.source, Reference):
                names = self.follow(section, wish, section.values.get(wish.key))
                references[wish.argument] = names if wish.source.many else names[0]
                if wish.source.interface.extends(IIndex):
                    bare.add(wish.argument)
                shown = " ".join(name.partition(":")[2] for name in names)
                entries.append(Entry(wish.key, shown, wish.key in section.values, wish.source.help))
        givens = {wish.argument: wish.source.name for wish in wanted if isinstance(wish.source, Given)}
        exposed = section.kind == "index"
        if _EXPOSED in section.values:
            try:
                exposed = flag(section.values[_EXPOSED])
            except ValueError as error:
                self._fail(section, _EXPOSED, str(error))
        return Part(section, implied, component, values, references, givens, tuple(entries), exposed, bare=frozenset(bare))

    def _implied(self, kind: str, label: str, asker: Section, key: str) -> Section:
        sections = {
            f"index:{PRIVATE}": Section("index", PRIVATE, "private", {}),
            "index:pypi": Section("index", "pypi", "proxy", {"upstream": "pypi"}),
            "upstream:pypi": Section("upstream", "pypi", "pypi", {}),
        }
        if "index" not in self.read.daemon.values:
            sections["index:root"] = Section("index", "root", "first-match", {"indexes": f"{PRIVATE} pypi"})
        if not any(section.kind == kind for section in self.read.sections.values()):
            sections["blobs:blobs"] = Section("blobs", "blobs", "directory", {"path": str(self.data / "blobs")})
            sections["records:records"] = Section("records", "records", "sqlite", {"path": str(self.data / "records.sqlite")})
            sections["accounts:accounts"] = Section("accounts", "accounts", "local", {})
        found = sections.get(f"{kind}:{label}")
        if found is not None:
            return found
        others = [section.name for section in self.read.sections.values() if section.label == label]
        hint = f", and [{others[0]}] is no {kind}" if others else ""
        raise ConfigError(self.read.file, asker.name, key, f"there is no section [{kind}:{label}]{hint}", self._labels(kind))

    def _labels(self, kind: str) -> list[str]:
        return [section.label for section in self.read.sections.values() if section.kind == kind]

    def _fail(self, section: Section, key: str, problem: str, known: Any = ()) -> NoReturn:
        raise ConfigError(self.read.file, section.name, key, problem, known)


def _data(read: Configuration, values: Mapping[str, Any]) -> Path:
    data: Path = values.get("data") or data_beside(read.here)
    if len(os.fsencode(data / CONTROL)) > LONGEST_SOCKET:
        problem = f"the path is too long for the socket in it: {data / CONTROL} has more than {LONGEST_SOCKET} bytes"
        raise ConfigError(read.file, DAEMON, "data", problem)
    return data


def _settings(read: Configuration, section: Section, wanted: tuple[Wish, ...]) -> tuple[dict[str, Any], list[Entry]]:
    values: dict[str, Any] = {}
    entries = []
    for wish in wanted:
        if not isinstance(wish.source, Setting):
            continue
        written = wish.key in section.values
        if not written and wish.default is attrs.NOTHING:
            raise ConfigError(read.file, section.name, wish.key, f"is missing{': ' * bool(wish.source.help)}{wish.source.help}")
        if written:
            try:
                values[wish.argument] = wish.value(section.values[wish.key], read.here)
            except ValueError as error:
                raise ConfigError(read.file, section.name, wish.key, str(error)) from None
        entries.append(Entry(wish.key, wish.shown(values.get(wish.argument, wish.default)), written, wish.source.help))
    return values, entries


def _kind(interface: InterfaceClass) -> str:
    for kind, promised in components.INTERFACES.items():
        if interface.isOrExtends(promised):
            return kind
    raise TypeError(f"no section can provide {interface.__name__}")


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aiu' else 'a'} [{kind}:...] section"


def _marked(parts: Mapping[str, Part], names: Mapping[str, str]) -> dict[str, Part]:
    """The parts with what is exposed and what is needed filled in, now that all are known (design, section 5)."""
    # Whatever stands behind policies, however deep, would be a way around them.
    wrapped: set[str] = set()
    behind = [name for part in parts.values() if any(other.startswith("policy:") for other in part.leads_to()) for name in part.leads_to()]
    while behind:
        name = behind.pop()
        if name.startswith("index:") and name not in wrapped:
            wrapped.add(name)
            behind.extend(parts[name].leads_to())
    shown = {
        name
        for name, part in parts.items()
        if name == names["index"] or (part.exposed and (_EXPOSED in part.section.values or name not in wrapped))
    }
    waiting = [*names.values(), *shown, *(name for name in parts if name.startswith("service:"))]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(parts[name].leads_to())
    return {name: attrs.evolve(part, exposed=name in shown, needed=name in needed) for name, part in parts.items()}
