"""
What a power cut leaves of a disk: all that it may be, for tests (reliability 7.3, F78).

Bytes are sure to be there once their file was synced, names once their folder was. Of all else any part may be there or not, the last bytes in part.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""
WINDOW = 8
"""Changes, of those that may be lost, of which every choice is tried; the older ones are all there or all lost."""
FEW = 3
"""So many of them are there, and all others lost; or lost, and all others there."""

Node = int
Tree = dict[str, bytes | None]
"""What lies below a folder: the bytes of files; None for a folder. Paths are relative."""


@attrs.define
class Disk:
    """Names and bytes. `names` are of folders, `bytes` of files."""

    names: dict[Node, dict[str, Node]]
    bytes: dict[Node, bytes]

    def copy(self) -> Disk:
        """Another one like it."""
        return Disk({node: dict(names) for node, names in self.names.items()}, dict(self.bytes))

    def tree(self) -> Tree:
        """What can be reached from the root."""
        found: Tree = {}
        waiting = [("", 0)]
        while waiting:
            path, node = waiting.pop()
            for name, inner in self.names.get(node, {}).items():
                place = f"{path}{name}"
                found[place] = self.bytes.get(inner)
                if inner in self.names:
                    waiting.append((f"{place}/", inner))
        return found


@attrs.frozen
class Named:
    """A name was given, or, where `node` is None, taken away."""

    folder: Node
    name: str
    node: Node | None
    is_folder: bool = False

    def do(self, disk: Disk) -> None:
        """Do it on that disk."""
        names = disk.names.setdefault(self.folder, {})
        if self.node is None:
            names.pop(self.name, None)
            return
        names[self.name] = self.node
        if self.is_folder:
            disk.names.setdefault(self.node, {})
        else:
            disk.bytes.setdefault(self.node, b"")


@attrs.frozen
class Moved:
    """A file came from one name to another, in place of what was there; it is never without one."""

    old: Named
    new: Named

    def do(self, disk: Disk) -> None:
        """Do it on that disk."""
        self.new.do(disk)
        names = disk.names.get(self.old.folder, {})
        if names.get(self.old.name) == self.new.node:
            del names[self.old.name]


@attrs.frozen
class Written:
    """Bytes were put there; where `data` is None, the file ends there now."""

    node: Node
    offset: int
    data: bytes | None

    def do(self, disk: Disk) -> None:
        """Do it on that disk."""
        disk.bytes[self.node] = _with(disk.bytes.get(self.node, b""), self.offset, self.data)


Change = Named | Moved | Written


@attrs.frozen
class Synced:
    """
    All that was done to it until now is durable; where it failed, bytes are lost for good, though they still look to be there (F60).

    Of names that is not so: they are written in order, and a disk that cannot do that is not written to at all any more.
    """

    node: Node
    failed: bool = False


@attrs.frozen
class Noted:
    """What a test has to say of this moment."""

    what: Any


@attrs.frozen
class Wreck:
    """
    What a power cut may have left.

    :param step: after how many steps it was.
    :param notes: all that was noted before.
    """

    step: int
    tree: Mapping[str, bytes | None]
    notes: tuple[Any, ...]


Step = Change | Synced | Noted


def wrecks(begun: Disk, steps: Iterable[Step], since: int = 0) -> Iterator[Wreck]:
    """
    Every disk that a power cut might have left of that one during these steps, each once for each moment at which something else was noted.

    :param since: how many steps it comes after at the earliest.
    """
    kept, changes, notes = begun.copy(), list[Change](), list[Any]()
    seen: set[Any] = set()
    for number, step in enumerate(itertools.chain([None], steps)):
        match step:
            case None:
                pass
            case Noted(what):
                notes.append(what)
                seen.clear()
            case Synced():
                changes = _synced(kept, changes, step)
            case _:
                changes.append(step)
        # What is there without the latest change might have been there before it as well.
        last = changes[-1] if isinstance(step, Change) and number > since else None
        for chosen in itertools.chain(_choices(changes, last), _torn(changes)) if number >= since else ():
            disk = kept.copy()
            for change in chosen:
                change.do(disk)
            tree = disk.tree()
            key = frozenset(tree.items())
            if key not in seen:
                seen.add(key)
                yield Wreck(number, tree, tuple(notes))


@attrs.define
class Volume:
    """A real folder in which wrecks are laid out, one after the other."""

    root: Path
    _laid: Mapping[str, bytes | None] = attrs.field(factory=dict, init=False)
    _stamps: dict[str, tuple[int, int]] = attrs.field(factory=dict, init=False)

    def lay(self, tree: Mapping[str, bytes | None]) -> None:
        """Have exactly that in it, whatever has come of it since the last time; what is as it is to be is left alone."""
        there = set()
        for place, as_laid in sorted(self._there(f"{self.root}/", ""), reverse=True):
            if as_laid and place in tree and self._laid[place] == tree[place]:
                there.add(place)
                continue
            path = f"{self.root}/{place}"
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        for place in sorted(tree.keys() - there):
            data, path = tree[place], f"{self.root}/{place}"
            if data is None:
                os.mkdir(path, 0o700)
            else:
                Path(path).write_bytes(data)
                self._stamps[place] = _stamp(os.lstat(path))
        self._laid = tree

    def _there(self, root: str, below: str) -> Iterator[tuple[str, bool]]:
        """All that is there, and whether it is as it was laid."""
        with os.scandir(root + below) as entries:
            for entry in entries:
                place = below + entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield place, self._laid.get(place, b"") is None
                    yield from self._there(root, f"{place}/")
                else:
                    yield place, self._laid.get(place) is not None and _stamp(entry.stat(follow_symlinks=False)) == self._stamps[place]


def _stamp(found: os.stat_result) -> tuple[int, int]:
    return found.st_ino, found.st_mtime_ns


@lru_cache(1 << 12)
def _with(before: bytes, offset: int, data: bytes | None) -> bytes:
    if data is None:
        return before[:offset].ljust(offset, b"\0")
    return before[:offset].ljust(offset, b"\0") + data + before[offset + len(data) :]


def _synced(kept: Disk, changes: list[Change], step: Synced) -> list[Change]:
    """Do for good what that sync is about; give what still may be lost."""
    left: list[Change] = []
    for change in changes:
        match change:
            case Moved(old, new) if step.node in (old.folder, new.folder):
                if step.failed:
                    left.append(change)
                    continue
                new.do(kept)
                # Its folder was not synced, so the old name may still be there.
                if old.folder == step.node:
                    change.do(kept)
                else:
                    left.append(old)
            case Named(folder=node) | Written(node=node) if node == step.node:
                if not step.failed:
                    change.do(kept)
                elif isinstance(change, Named):
                    left.append(change)
            case _:
                left.append(change)
    return left


def _choices(changes: list[Change], last: Change | None) -> Iterator[list[Change]]:
    """What may be there of changes that are not durable, each time in order; where one is the last, only what is there with it."""
    for chosen in _all_choices(changes):
        if last is None or (chosen and chosen[-1] is last):
            yield chosen


def _all_choices(changes: list[Change]) -> Iterator[list[Change]]:
    yield []
    yield changes
    older, newer = changes[:-WINDOW], changes[-WINDOW:]
    for base in (older, []) if older else ([],):
        for few in range(min(FEW, len(newer)) + 1):
            for chosen in itertools.combinations(range(len(newer)), few):
                yield base + [newer[number] for number in chosen]
                yield base + [change for number, change in enumerate(newer) if number not in chosen]


def _torn(changes: list[Change]) -> Iterator[list[Change]]:
    """The same where of the bytes that were written last only the first sectors are there."""
    if changes and isinstance(last := changes[-1], Written) and last.data is not None:
        for size in range(SECTOR - last.offset % SECTOR, len(last.data), SECTOR):
            torn = attrs.evolve(last, data=last.data[:size])
            yield [*changes[:-1], torn]
            # The name came, and of the bytes only these.
            yield [*(change for change in changes if not isinstance(change, Written)), torn]
