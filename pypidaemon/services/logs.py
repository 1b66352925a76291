"""Where the foreground's log goes, and what is known of lines that could not be written: a full disk under the log stops nothing (F83)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

import attrs
from twisted.application.service import Service
from twisted.logger import FileLogObserver, ILogObserver, LogEvent, globalLogPublisher, textFileLogObserver
from zope.interface import implementer

from pypidaemon.interfaces import IMeasured

_DISABLED = "Temporarily disabling observer"
"""How the line begins that Twisted's publisher gives to all observers but the one that raised."""


@attrs.define(eq=False)
class LogFile:
    """
    Somewhere to write lines, without a buffer that could hold on to what cannot be written.

    A file is written at its end, wherever that is by now, so that it can be copied and truncated; and `reopen` goes on in a new one where it was
    moved away.

    :param path: the file; None is standard output, which whoever started us takes care of.
    """

    path: Path | None = None
    _descriptor: int | None = attrs.field(init=False, default=None)

    def write(self, text: str) -> None:
        """
        Write that, whole.

        :raises OSError: it cannot be written; what was written of it stays.
        """
        if self.path is not None and self._descriptor is None:
            self.reopen()
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(1 if self._descriptor is None else self._descriptor, data) :]

    def flush(self) -> None:
        """Nothing: nothing waits."""

    def reopen(self) -> None:
        """
        Go on in the file that has the name now; it is made where there is none.

        :raises OSError: it cannot be opened; the one that was open stays.
        """
        if self.path is None:
            return
        fresh = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self.close()
        self._descriptor = fresh

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


@implementer(ILogObserver)
@attrs.define(eq=False)
class Transcript:
    """
    Writes down what is logged, as one line for each event.

    :param dull: says of an event that it is not worth one.
    """

    file: LogFile
    dull: Callable[[LogEvent], bool] = lambda _: False
    lines_to: FileLogObserver = attrs.field(init=False)
    """As `Lines` asks: who writes."""

    def __attrs_post_init__(self) -> None:
        self.lines_to = textFileLogObserver(cast(IO[Any], self.file))

    def __call__(self, event: LogEvent) -> None:
        """
        As `ILogObserver`.

        :raises OSError: the file cannot be written.
        """
        if not self.dull(event):
            self.lines_to(event)


@implementer(IMeasured, ILogObserver)
@attrs.define(eq=False, slots=False)
class LostLines(Service):
    """
    Counts the lines that an observer of the log could not write, whatever that is: Twisted tells all other observers of it.

    Nothing is logged about that, since there is nowhere to.
    """

    name: str = "log"
    lines_to: None = attrs.field(init=False, default=None)
    """As `Lines` asks: this has no use for lines that were written."""
    lost: int = attrs.field(init=False, default=0)
    publisher: Any = globalLogPublisher

    def startService(self) -> None:
        """Begin to count."""
        Service.startService(self)
        self.publisher.addObserver(self)

    def stopService(self) -> None:
        """Count no more."""
        Service.stopService(self)
        self.publisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        """As `ILogObserver`."""
        if str(event.get("log_format") or "").startswith(_DISABLED):
            self.lost += 1

    def lines_lost(self, count: int) -> None:
        """So many lines, which no observer was told of one by one, could not be written."""
        self.lost += count

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: lines that were `lost`."""
        return {"lost": self.lost}
