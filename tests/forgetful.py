"""
A disk that forgets what was not synced, and fails when it is told to: for tests of what is left after a power cut (reliability 7.3, F60, F78).

`Forgetful` is given to a store in place of `Files`. It does everything for real, below one folder, and notes it. Afterwards it tells of every disk that a
power cut might have left, at any moment; `wrecks.Volume` makes a real folder of one, for a store to start on.

SQLite has guarantees of its own, so its files are none of this: `note` says when a transaction is durable, or when somebody was told that something is done.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from pypidaemon.files import Files
from tests.wrecks import Change, Disk, Moved, Named, Node, Noted, Step, Synced, Wreck, Written, wrecks

ELSEWHERE = -1
"""What lies above the folder, of which nothing is forgotten."""


@attrs.define(eq=False)
class Forgetful(Files):
    """
    As `Files`, below that folder.

    :param sees: told before each change.
    :param lies: of which it is said that they were synced while they were not, told whether it is a folder: for tests of tests.
    :param whole: whether it is synced as a whole where it is asked to be.
    """

    root: Path
    sees: Callable[[], None] = lambda: None
    lies: Callable[[bool], bool] = lambda _: False
    whole: bool = False
    calls: int = attrs.field(default=0, init=False)
    """How many times something was to be changed or synced."""
    steps: list[Step] = attrs.field(factory=list, init=False)
    _failing: Callable[[int], int] = attrs.field(default=lambda _: 0, init=False)
    _begun: Disk = attrs.field(init=False)
    _now: Disk = attrs.field(init=False)
    _nodes: Iterator[Node] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _descriptors: dict[int, Node] = attrs.field(factory=dict, init=False)
    _opened: dict[int, int] = attrs.field(factory=dict, init=False)
    """After how many steps a folder was."""

    def __attrs_post_init__(self) -> None:
        self._now = Disk({0: {}}, {})
        self.settle()

    def settle(self) -> None:
        """Begin here: what is there now is durable, and nothing was done or noted before."""
        self._now = Disk({0: {}}, {})
        self._descriptors.clear()
        for place, folders, files in os.walk(self.root):
            folder = self._node(place)
            for name in folders:
                Named(folder, name, next(self._nodes), is_folder=True).do(self._now)
            for name in files:
                node = next(self._nodes)
                Named(folder, name, node).do(self._now)
                self._now.bytes[node] = Path(place, name).read_bytes()
        self._begun = self._now.copy()
        self.steps.clear()

    def fails(self, number: int, code: int, lasting: bool = False) -> None:
        """
        Let that call from now on, the first is 1, fail with that number of an error; and all after it, where it lasts.

        What could not be synced is lost for good, but where nothing can be written any more (EROFS): who fails so for ever does nothing more, like one that
        was killed.
        """
        first = self.calls + number
        self._failing = lambda call: code if call == first or (lasting and call > first) else 0

    def heals(self) -> None:
        """Nothing fails from now on."""
        self._failing = lambda _: 0

    def note(self, what: Any) -> None:
        """This is so from now on."""
        self.steps.append(Noted(what))

    def make(self, folder: str) -> None:
        """As `Files.make`."""
        if os.path.lexists(folder):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), folder)
        self._call()
        Files.make(self, folder)
        self._do(Named(*self._place(folder), next(self._nodes), is_folder=True))

    def create(self, path: str) -> int:
        """As `Files.create`."""
        self._call()
        descriptor = Files.create(self, path)
        node = self._descriptors[descriptor] = next(self._nodes)
        self._do(Named(*self._place(path), node))
        return descriptor

    def open(self, path: str) -> int:
        """As `Files.open`."""
        descriptor = Files.open(self, path)
        self._descriptors[descriptor] = self._node(path)
        return descriptor

    def another(self, descriptor: int) -> int:
        """As `Files.another`."""
        other = Files.another(self, descriptor)
        self._descriptors[other] = self._descriptors[descriptor]
        return other

    def folder(self, path: str) -> int:
        """As `Files.folder`."""
        descriptor = Files.folder(self, path)
        self._descriptors[descriptor] = self._node(path)
        self._opened[descriptor] = len(self.steps)
        return descriptor

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """As `Files.write`. On a full disk half of it is written."""
        code = self._failure()
        if code == errno.ENOSPC and len(data) > 1:
            data = data[: len(data) // 2]
        elif code:
            raise OSError(code, os.strerror(code))
        count = Files.write(self, descriptor, data, offset)
        self._do(Written(self._descriptors[descriptor], offset, bytes(data[:count])))
        if code:
            raise OSError(code, os.strerror(code))
        return count

    def shorten(self, descriptor: int, size: int) -> None:
        """As `Files.shorten`."""
        self._call()
        Files.shorten(self, descriptor, size)
        self._do(Written(self._descriptors[descriptor], size, None))

    def sync(self, descriptor: int) -> None:
        """As `Files.sync`, without waiting for any disk."""
        node = self._descriptors[descriptor]
        code = self._failure()
        if code:
            if code != errno.EROFS:
                self.steps.append(Synced(node, failed=True))
            raise OSError(code, os.strerror(code))
        if not self.lies(node in self._now.names):
            self.steps.append(Synced(node))

    def sync_together(self, folder: int, count: int) -> bool:
        """
        As `Files.sync_together`, for however few. It is silent of all that was written before there was that descriptor, and has lost it.

        Where somebody's file has no room it says no; where it fails, all bytes are lost that were not on the disk.
        """
        code = self._failure() if self.whole else 0
        if not self.whole or code in (errno.ENOSPC, errno.EDQUOT):
            return False
        if code:
            if code != errno.EROFS:
                self.steps += [Synced(node, failed=True) for node in self._now.bytes]
            raise OSError(code, os.strerror(code))
        lost: set[Node] = set()
        for step in self.steps[: self._opened[folder]]:
            if isinstance(step, Written):
                lost.add(step.node)
            elif isinstance(step, Synced):
                lost.discard(step.node)
        synced = {*self._now.names, *self._now.bytes} - lost
        self.steps += [Synced(node) for node in synced if not self.lies(node in self._now.names)]
        return True

    def rename(self, path: str, target: str) -> None:
        """As `Files.rename`."""
        self._call()
        Files.rename(self, path, target)
        node = self._node(path)
        self._do(Moved(Named(*self._place(path), None), Named(*self._place(target), node, node in self._now.names)))

    def double(self, path: str, target: str) -> None:
        """As `Files.double`."""
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        self._call()
        Files.double(self, path, target)
        self._do(Named(*self._place(target), self._node(path)))

    def remove(self, path: str) -> None:
        """As `Files.remove`."""
        self._call()
        Files.remove(self, path)
        self._do(Named(*self._place(path), None))

    def link(self, descriptor: int, folder: int, name: str) -> None:
        """As `Files.link`: of a file that lies elsewhere, whose bytes nobody has synced yet."""
        self._call()
        Files.link(self, descriptor, folder, name)
        node = self._descriptors[descriptor] = next(self._nodes)
        self._do(Named(self._descriptors[folder], name, node))
        self._do(Written(node, 0, os.pread(descriptor, 1 << 24, 0)))

    def seal(self, descriptor: int) -> int:
        """As `Files.seal`; permissions are not noted."""
        self._call()
        return Files.seal(self, descriptor)

    def touch(self, path: str) -> None:
        """As `Files.touch`; times are not noted."""
        self._call()
        Files.touch(self, path)

    def wrecks(self, since: int = 0) -> Iterator[Wreck]:
        """Every disk that a power cut might have left since it was settled; as `wrecks.wrecks`."""
        return wrecks(self._begun, self.steps, since)

    def _failure(self) -> int:
        self.sees()
        self.calls += 1
        return self._failing(self.calls)

    def _call(self) -> None:
        code = self._failure()
        if code:
            raise OSError(code, os.strerror(code))

    def _do(self, change: Change) -> None:
        change.do(self._now)
        self.steps.append(change)

    def _node(self, path: str) -> Node:
        above, root, below = path.partition(str(self.root))
        if above or not root:
            return ELSEWHERE
        node = 0
        for name in below.split("/")[1:]:
            node = self._now.names[node][name]
        return node

    def _place(self, path: str) -> tuple[Node, str]:
        folder, name = os.path.split(path)
        return self._node(folder), name
