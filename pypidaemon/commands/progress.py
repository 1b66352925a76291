"""How far a long verb has come: one line of a terminal, with a bar where the end is known, what is done by the second, and how long it may still take."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

import attrs

from pypidaemon.commands.reporting import amount, span

EVERY = 0.2
"""Seconds from one drawing to the next, at least."""
WIDTH = 30
"""Characters of the bar."""
SETTLED = 2.0
"""Seconds after which the pace so far says something of the rest."""


@attrs.define
class Progress:
    """
    Drawn again and again in the same place, and taken away in the end; silent where nobody sits at the terminal.

    :param stream: where it is drawn, which is not where a verb's own words go.
    :param clock: seconds that only ever grow.
    :param width: asks how wide the terminal is, since a line that is broken cannot be drawn over.
    """

    shown: bool
    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    width: Callable[[], int] = lambda: shutil.get_terminal_size().columns
    _begun: float | None = None
    _last: float | None = None
    _phase: str = ""

    def show(self, done: int, of: int | None, *words: str, size: int | None = None, phase: str = "") -> None:
        """
        Say how far it is, where it was not said just now.

        :param of: how many there are in all; None or 0 where that is not known, or not yet.
        :param words: the same in words, as they are to be read.
        :param size: how many bytes came so far.
        :param phase: what is being done; another one begins anew.
        """
        if not self.shown:
            return
        now = self.clock()
        if self._begun is None or phase != self._phase:
            self._begun, self._phase, self._last = now, phase, None
        # The end of a bar is drawn in any case, since nothing comes after it.
        if self._last is not None and now - self._last < EVERY and done != of:
            return
        self._last = now
        self._draw(", ".join(_parts(done, of, words, size, now - self._begun)), min(done / of, 1.0) if of else None)

    def clear(self) -> None:
        """Take it away."""
        if self._last is not None:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._last = None

    def _draw(self, text: str, part: float | None) -> None:
        bar = f"[{'#' * int(part * WIDTH):{WIDTH}}] " if part is not None else ""
        phase = f"{self._phase}: " if self._phase else ""
        self.stream.write(f"\r{(bar + phase + text)[: max(self.width() - 1, 1)]}\x1b[K")
        self.stream.flush()


def progress(arguments: argparse.Namespace) -> Progress:
    """That of a verb: on a terminal, and never with `--json` or `--quiet`."""
    quiet = arguments.json or getattr(arguments, "quiet", False)
    return Progress(shown=sys.stderr.isatty() and not quiet, stream=sys.stderr)


def _parts(done: int, of: int | None, words: tuple[str, ...], size: int | None, passed: float) -> list[str]:
    found = list(words)
    if size is not None:
        found.append(amount(size))
    if passed >= SETTLED:
        if size:
            found.append(f"{amount(size / passed)}/s")
        elif done:
            found.append(f"{done / passed:.0f}/s" if done >= passed else f"{done * 60 / passed:.0f}/min")
        if of and 0 < done < of:
            found.append(f"about {span(passed * (of - done) / done)} left")
    return found
