"""
Bodies in pages of the system's own: what is sent from there again and again need not be copied each time, as what lies in our memory must.

It costs the bytes once more, and an open file. So there are only so many, those that were wanted last, and none of what is copied as quickly as it is
handed over.
"""

from __future__ import annotations

import os

import attrs

from pypidaemon.shelf import Shelf

SMALLEST = 24 << 10
"""Bytes of a body below which it is copied as quickly."""
LIMIT = 8 << 20
"""Bytes in all."""
MOST = 64
"""Open files."""


@attrs.define(eq=False)
class Copy:
    """One body, which never changes, in a file without a name; that is closed when nobody has this any more, if not before."""

    descriptor: int
    """The file; -1 where it is closed."""
    body: bytes = attrs.field(repr=False)

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


@attrs.define(eq=False)
class Copies:
    """Those there are, one for each body, however many answers it is in."""

    _shelf: Shelf[int, Copy] = attrs.field(factory=lambda: Shelf(LIMIT, lambda _, copy: copy.close()), init=False, repr=False)
    """By the identity of the body, which is no other's for as long as the copy holds on to it."""

    @property
    def weight(self) -> int:
        """Bytes held."""
        return self._shelf.weight

    def __len__(self) -> int:
        return len(self._shelf)

    def of(self, body: bytes) -> Copy | None:
        """A copy of that, good until others push it out; None where none is worth it, or the system gives none."""
        known = self._shelf.get(id(body))
        if known is not None:
            return known
        made = _made(body) if SMALLEST <= len(body) <= LIMIT // 8 else None
        if made is not None:
            # Each takes at least one of so many parts, so that there are no more files than that.
            self._shelf.put(id(body), made, max(len(body), LIMIT // MOST))
        return made


def _made(body: bytes) -> Copy | None:
    if not hasattr(os, "memfd_create") or not hasattr(os, "sendfile"):
        return None
    try:
        copy = Copy(os.memfd_create("body"), body)
        written = os.write(copy.descriptor, body)
    except OSError:
        # No file may be opened any more (F61), or there is no memory for it.
        return None
    return copy if written == len(body) else None
