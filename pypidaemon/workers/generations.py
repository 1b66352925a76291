"""
How the keeper takes ready answers back from all processes at once: counters in memory that they share.

One counter stands for everything, and each of the others for the projects whose names fall to it. The keeper counts one on before anybody is told of a
change; a front looks at the two counters of an answer before it gives it, with every request. So what it gives was right when the request came.
"""

from __future__ import annotations

import mmap
import os
import zlib
from typing import Self

SLOTS = 1024
"""Counters for projects: where two share one, a change of the one costs the other a question."""
_BYTES = 8


class Generations:
    """
    The counters: `counts[0]` is that of everything.

    :param descriptor: of the memory; this closes it with itself.
    :param own: whether this process is the one that counts.
    """

    def __init__(self, descriptor: int, own: bool) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, (SLOTS + 1) * _BYTES, prot=mmap.PROT_READ | (mmap.PROT_WRITE if own else 0))
        # A machine word is read and written in one piece.
        self.counts = memoryview(self._memory).cast("Q")

    @classmethod
    def begun(cls) -> Self:
        """New counters, which live as long as a process has them."""
        descriptor = os.memfd_create("pypidaemon-generations", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, (SLOTS + 1) * _BYTES)
        return cls(descriptor, True)

    @staticmethod
    def slot(project: str) -> int:
        """Which counter that project has."""
        return 1 + zlib.crc32(project.encode("utf-8", "surrogatepass")) % SLOTS

    def change(self, project: str | None) -> None:
        """From now on no answer about that project holds that was given before; with None, none at all."""
        self.counts[0 if project is None else self.slot(project)] += 1

    def close(self) -> None:
        """Let go of the memory."""
        self.counts.release()
        self._memory.close()
        os.close(self.descriptor)
