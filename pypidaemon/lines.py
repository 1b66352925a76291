"""
Lines for the log that come by the ten thousand in a second, as those of an access log do, at a tenth of what an event of Twisted's costs.

An event is built, told to every observer, and formatted and written by itself by each: 20 to 30 microseconds for a line, as much as a ready answer costs
in all. Here lines are gathered, and go in one write to every observer that only writes them down. They look as the same event does, and where
somebody listens who may want more than the text, everybody is told of every line, one by one.

Of Twisted this relies on: the publisher of events has its observers in `_observers`, and a `FileLogObserver` writes what its `formatEvent` answers.
`tests/test_lines.py` notices when that changes.
"""

from __future__ import annotations

import copy
from itertools import groupby
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import FileLogObserver, LogEvent, Logger, LogLevel, globalLogPublisher

PATIENCE = 0.1
"""Seconds for which a line may wait for others."""
MOST = 512
"""Lines that wait at most."""

_FRAMES = 8
_UNKNOWN = object()
_MARK = "\N{REPLACEMENT CHARACTER}"
"""Stands for the line where what is written around it is found out."""


@attrs.define(eq=False)
class Lines:
    """
    Gathers lines of one namespace, in their order, and hands them over after `PATIENCE`, or when `MOST` have come.

    An observer may say by its attribute `lines_to` which `FileLogObserver` writes lines for it; with None it has no use for them. One that has a method
    `lines_lost` is told how many could not be written.
    """

    namespace: str
    clock: IReactorTime
    publisher: Any = globalLogPublisher
    _gathered: list[str] = attrs.field(factory=list, init=False, repr=False)
    _moments: list[float] = attrs.field(factory=list, init=False, repr=False)
    """When each of them came to be."""
    _framed: dict[Any, tuple[int, str, str]] = attrs.field(factory=dict, init=False, repr=False)
    """What stands around the lines of a second, by who formats them."""
    _due: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)
    _waits: bool = attrs.field(default=True, init=False)
    _logger: Logger = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._logger = Logger(namespace=self.namespace)

    def add(self, now: float, line: str) -> None:
        """A line that came to be at that moment; no character of it may end a line."""
        gathered = self._gathered
        gathered.append(line)
        self._moments.append(now)
        if len(gathered) >= MOST or not self._waits:
            self.flush()
        elif self._due is None:
            self._due = self.clock.callLater(PATIENCE, self._late)

    def wait_no_more(self) -> None:
        """Hand over what is here, and from now on every line when it comes: nobody may be there later."""
        self._waits = False
        self.flush()

    def flush(self) -> None:
        """Hand over what is here."""
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        gathered, self._gathered = self._gathered, []
        moments, self._moments = self._moments, []
        if not gathered:
            return
        writers = self._writers()
        if writers is None:
            for now, line in zip(moments, gathered, strict=True):
                self.publisher(self._event(now, line))
            return
        for writer in writers:
            try:
                writer(self._text(writer, moments, gathered))
            except Exception:  # noqa: BLE001  # a log that cannot be written stops nothing, whatever its file is (F83)
                self._lost(len(gathered))

    def _late(self) -> None:
        self._due = None
        self.flush()

    def _writers(self) -> list[Any] | None:
        """Those that write lines to files, ready to be given text; None where somebody else listens too."""
        found: list[Any] = []
        for observer in self.publisher._observers:
            target: Any = observer if type(observer) is FileLogObserver else getattr(observer, "lines_to", _UNKNOWN)
            if target is _UNKNOWN:
                return None
            if target is not None:
                found.append(_as_it_is(target))
        return found

    def _text(self, writer: Any, moments: list[float], gathered: list[str]) -> str:
        if int(min(moments)) == int(max(moments)):
            return self._within(writer, int(moments[0]), gathered)
        seconds = groupby(zip(moments, gathered, strict=True), lambda one: int(one[0]))
        return "".join(self._within(writer, second, [line for _, line in lines]) for second, lines in seconds)

    def _within(self, writer: Any, second: int, lines: list[str]) -> str:
        """The text of lines that came to be within one second."""
        framed = self._framed.get(writer.formatted)
        if framed is None or framed[0] != second:
            before, after = writer.formatted(self._event(second, _MARK)).split(_MARK)
            if len(self._framed) >= _FRAMES:
                # Observers that are gone by now.
                self._framed.clear()
            self._framed[writer.formatted] = framed = (second, before, after)
        _, before, after = framed
        return f"{before}{f'{after}{before}'.join(lines)}{after}"

    def _lost(self, count: int) -> None:
        for observer in self.publisher._observers:
            told = getattr(observer, "lines_lost", None)
            if told is not None:
                told(count)

    def _event(self, now: float, line: str) -> LogEvent:
        return {
            "log_logger": self._logger,
            "log_level": LogLevel.info,
            "log_namespace": self.namespace,
            "log_source": None,
            "log_format": "{line}",
            "log_time": float(now),
            "line": line,
        }


def _as_it_is(observer: FileLogObserver) -> Any:
    """An observer of the same file that writes text as it is, and has the other's way to format an event as `formatted`."""
    writer: Any = copy.copy(observer)
    writer.formatted = observer.formatEvent
    writer.formatEvent = lambda text: text
    return writer
