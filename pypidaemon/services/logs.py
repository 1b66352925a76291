"""Where the foreground's log goes, and what is known of lines that could not be written: a full disk under the log stops nothing (F83)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

import attrs
from twisted.application.service import Service
from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogEvent,
    LogPublisher,
    formatEventAsClassicLogText,
    formatTime,
    globalLogPublisher,
)
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMeasured

_DISABLED = "Temporarily disabling observer"
"""How the line begins that Twisted's publisher gives to all observers but the one that raised."""
_NEWLINE = ord("\n")


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
    _torn: bool = attrs.field(init=False, default=False)
    """Whether what was written last ends within a line."""

    def write(self, text: str) -> None:
        """
        Write that, whole.

        :raises OSError: it cannot be written; what was written of it stays, and what is written next begins a new line.
        """
        if self.path is not None and self._descriptor is None:
            self.reopen()
        data = memoryview((f"\n{text}" if self._torn else text).encode("utf-8", "backslashreplace"))
        while data:
            written = os.write(1 if self._descriptor is None else self._descriptor, data)
            self._torn = data[written - 1] != _NEWLINE
            data = data[written:]

    def flush(self) -> None:
        """Nothing: nothing waits."""

    def reopen(self) -> None:
        """
        Go on in the file that has the name now; it is made where there is none.

        :raises OSError: it cannot be opened; the one that was open stays.
        """
        if self.path is None:
            return
        # A pipe that nobody reads would have us wait for a reader; once it is open it is as standard output is.
        fresh = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
        os.set_blocking(fresh, True)
        self.close()
        self._descriptor, self._torn = fresh, False

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

    _second: int = attrs.field(default=-1, init=False)
    _moment: str = attrs.field(default="", init=False)
    """How that second is written, which costs a third of a line."""

    def __attrs_post_init__(self) -> None:
        self.lines_to = FileLogObserver(cast(IO[Any], self.file), lambda event: formatEventAsClassicLogText(event, self._time))

    def _time(self, when: float | None) -> str:
        if when is None:
            return formatTime(None)
        if int(when) != self._second:
            self._second, self._moment = int(when), formatTime(when)
        return self._moment

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


@attrs.define(eq=False)
class Followed(LogFile):
    """A file that goes on in a new one by itself where it was moved away or removed: it needs no signal, and has nobody to send it one under twistd."""

    kept: bool = attrs.field(init=False, default=False)
    """Whether it stays open between one line and the next."""

    def write(self, text: str) -> None:
        """As `LogFile.write`, in the file that has the name now; whoever writes does so ten times a second at most, so it may be looked for each time."""
        if self._descriptor is not None and not self._has_its_name():
            self.reopen()
        try:
            LogFile.write(self, text)
        finally:
            if not self.kept:
                self.close()

    def _has_its_name(self) -> bool:
        assert self.path is not None
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False


class AccessFile(Service):
    """
    A file of its own for the access log: bare lines, without what stands before those of the daemon's log.

    :param lost: told how many lines could not be written.
    """

    def __init__(self, path: Path, lost: LostLines) -> None:
        self._file = Followed(path)
        self.publisher = LogPublisher(FileLogObserver(cast(IO[Any], self._file), lambda event: f"{event['line']}\n"), lost)

    def startService(self) -> None:
        """
        Open it.

        :raises PypidaemonError: it cannot be written.
        """
        try:
            self._file.reopen()
        except OSError as error:
            raise PypidaemonError(f"cannot write the access log {self._file.path}: {error.strerror or error}") from None
        self._file.kept = True
        Service.startService(self)

    def stopService(self) -> None:
        """Close it. Lines may still come, of what other processes have answered by an earlier configuration."""
        Service.stopService(self)
        self._file.kept = False
        self._file.close()
