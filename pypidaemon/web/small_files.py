"""
Small files in memory: most of what installers take is a few kilobytes, and what was taken just now is taken again.

What is kept is the answer to the two questions that a file costs: which entry of the page has this path, and what are its bytes. The bytes are those of
the digest that the entry promises, checked when they are put here, so they are good for as long as that entry is. That is until something is announced of
the project, until the page that it is from ends, or until a rule that goes by the clock turns; and no longer than `LASTS`, since whoever asks the index
for a file leaves a note that it is in use. Rights are asked with every request, elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.model import Listed, NormalizedName
from pypidaemon.readings import Reading, Readings
from pypidaemon.shelf import Shelf

LARGEST = 128 << 10
"""The most bytes of a file that is kept; larger ones the system sends from the disk at less than copying them costs."""
LIMIT = 16 << 20
"""Bytes held in all."""
LASTS = 60.0
"""Seconds after which the index is asked again, whatever else holds."""
_OVERHEAD = 2048

Key = tuple[str, tuple[str, ...]]
"""The label of an exposed index, and the segments below its `packages`."""


@attrs.frozen(eq=False)
class SmallFile:
    """A file or sidecar, and the entry that it belongs to; good from `since` until before `until`."""

    listed: Listed
    digest: str
    data: bytes = attrs.field(repr=False)
    since: float
    until: float

    def holds(self, now: float) -> bool:
        """Whether it may be given at that moment; a clock that was put back makes it one of the future."""
        return self.since <= now < self.until


@attrs.define(eq=False)
class SmallFiles:
    """Those in use, bounded by bytes; what was asked for longest ago goes first."""

    clock: IReactorTime
    announcements: Announcements
    changed: Callable[[NormalizedName], None] = attrs.field(default=lambda _: None, init=False, repr=False)
    """Called with a project of which something went that was kept here."""
    readings: Readings[NormalizedName] = attrs.field(factory=Readings, init=False, repr=False)
    _shelf: Shelf[Key, SmallFile] = attrs.field(init=False, repr=False)
    _of: dict[NormalizedName, set[Key]] = attrs.field(factory=dict, init=False, repr=False)
    """The keys of each project."""

    def __attrs_post_init__(self) -> None:
        self._shelf = Shelf(LIMIT, self._gone)
        self.announcements.listen(self.forget)

    @property
    def weight(self) -> int:
        """Bytes held."""
        return self._shelf.weight

    def __len__(self) -> int:
        return len(self._shelf)

    def get(self, key: Key) -> SmallFile | None:
        """What is kept under that key, if it may be given now."""
        small = self._shelf.get(key)
        if small is not None and not small.holds(self.clock.seconds()):
            self._shelf.drop(key)
            return None
        return small

    def keeps(self, key: Key, small: SmallFile) -> bool:
        """Whether that is still what is kept under that key. It counts as having been asked for."""
        return self._shelf.get(key) is small

    def put(self, key: Key, listed: Listed, digest: str, data: bytes, reading: Reading) -> None:
        """
        Keep a file that has just been read, if its bytes are what they should be.

        :param reading: begun by `readings.of` before the index was asked; what was overtaken by a change is not kept.
        """
        now = self.clock.seconds()
        until = min(end for end in (listed.fresh_until, listed.turns, now + LASTS) if end is not None)
        if not reading.holds or until <= now or len(data) > LARGEST:
            return
        # At most 0.1 ms; where they are damaged on the disk, whoever asks gets them from there, as always, and sees it by the digest.
        if hashlib.sha256(data).hexdigest() == digest:
            self._shelf.put(key, SmallFile(listed, digest, data, now, until), len(data) + _OVERHEAD)
            self._of.setdefault(listed.name, set()).add(key)

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: drop what is of that project, or all."""
        self.readings.spoil(name)
        for one in tuple(self._of) if name is None else (name,):
            for key in tuple(self._of.get(one, ())):
                self._shelf.drop(key)

    def _gone(self, key: Key, small: SmallFile) -> None:
        name = small.listed.name
        keys = self._of[name]
        keys.discard(key)
        if not keys:
            del self._of[name]
        self.changed(name)
