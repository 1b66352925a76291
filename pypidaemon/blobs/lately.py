"""
What came to a store a moment ago: its files are given no new time when somebody wants them again, which takes several calls to the system for each.

Whoever clears up goes by that time. Other processes that do are further away from it; this one also asks here, since what it brought itself it may take back
at once.
"""

from __future__ import annotations

import os
import stat
import time

import attrs

from pypidaemon.model import Digest

YOUNG = 60.0
"""Seconds after which a file is given a new time."""

REMEMBERED = 10_000
"""Blobs, at least, of which that is known."""


@attrs.define(eq=False)
class Lately:
    """The blobs that came lately, and when somebody wanted them last. All of it may be asked on any thread."""

    _inodes: dict[Digest, int] = attrs.field(init=False, factory=dict)
    _moments: dict[Digest, float] = attrs.field(init=False, factory=dict)
    """When they came or were renewed."""
    _former_moments: dict[Digest, float] = attrs.field(init=False, factory=dict)

    def came(self, digest: Digest, inode: int) -> None:
        """That blob is in its place, in the file of that inode; 0 where that is of no interest."""
        if len(self._inodes) >= REMEMBERED:
            self._inodes.clear()
        self._inodes[digest] = inode

    def note(self, digest: Digest) -> None:
        """That blob is of now, though its file may say otherwise."""
        if len(self._moments) >= REMEMBERED:
            self._former_moments, self._moments = self._moments, {}
        self._moments[digest] = time.time()

    def renew(self, digest: Digest, place: str) -> bool:
        """
        Have that blob be of now, if it is the very file that came a moment ago; answer whether it is.

        One that another process put in its place is his to take back.
        """
        if digest in self._inodes:
            self.note(digest)
        # After that: whoever clears it away forgets it first and asks `is_newer` then, so one of the two hears of the other.
        inode = self._inodes.get(digest, 0)
        try:
            found = os.lstat(place) if inode else None
        except OSError:
            found = None
        return found is not None and stat.S_ISREG(found.st_mode) and found.st_ino == inode and 0 <= time.time() - found.st_mtime < YOUNG

    def forget(self, digest: Digest) -> None:
        """Whoever renews that blob from now on has to give it a new time."""
        self._inodes.pop(digest, None)

    def is_newer(self, digest: Digest, place: str, before: float) -> bool:
        """
        Whether that blob came or was renewed since then, though its file may be older: by no more than one that was left alone for its youth.

        :raises FileNotFoundError: it is not here.
        """
        moment = max(self._moments.get(digest, 0.0), self._former_moments.get(digest, 0.0))
        return moment >= before and moment - os.lstat(place).st_mtime < YOUNG
