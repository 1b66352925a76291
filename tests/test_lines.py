"""Lines of a log that are gathered: they look as events do, keep their order, and none is lost that could be written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import FileLogObserver, LogEvent, LogPublisher, eventAsText, formatEvent, globalLogPublisher, textFileLogObserver

from pypidaemon.lines import MOST, PATIENCE, Lines
from pypidaemon.services.logs import LogFile, LostLines, Transcript

NOON = 1_780_000_000.5


class Written(io.StringIO):
    """A file that knows how often it was written to."""

    times = 0

    def write(self, text: str) -> int:
        self.times += 1
        return super().write(text)


def lines(*observers: Any, clock: Clock | None = None) -> Lines:
    """Lines for these observers, at noon."""
    clock = clock or Clock()
    clock.advance(NOON)
    return Lines("pypidaemon.access", clock, LogPublisher(*observers))


@pytest.mark.parametrize("braces", ["GET /simple/", "GET /{simple}/ {", "\N{REPLACEMENT CHARACTER} é"])
def test_they_look_as_the_events_do_that_they_stand_for(braces: str) -> None:
    """To the byte, in whatever form their observer writes, over the turn of a second too; and in one write."""
    for form in ("%Y-%m-%dT%H:%M:%S%z", None, "%s"):
        file, slow = Written(), io.StringIO()
        observer = textFileLogObserver(file, form)
        gathered = lines(observer, LostLines())
        events: list[LogEvent] = []
        one_by_one = lines(events.append)
        for second in (0.0, 0.4, 0.6, 1.7):
            for on in (gathered, one_by_one):
                on.add(NOON + second, f"{braces} {second}")
        gathered.flush()
        one_by_one.flush()
        for event in events:
            textFileLogObserver(slow, form)(event)
        assert file.getvalue() == slow.getvalue()
        assert file.getvalue().count("\n") == 4
        assert file.times == 1


def test_what_stands_around_them_is_of_their_second_and_their_observer() -> None:
    """It is found out once for all of a second, and forgotten with observers that are gone."""
    clock, publisher = Clock(), LogPublisher()
    gathered = Lines("pypidaemon.access", clock, publisher)
    for number in range(20):
        file, slow = io.StringIO(), io.StringIO()
        observer = textFileLogObserver(file, f"{number} %S")
        publisher.addObserver(observer)
        for second in (0.0, 0.5, 1.0, 0.0):
            gathered.add(NOON + second, f"{second}")
            gathered.flush()
            textFileLogObserver(slow, f"{number} %S")(gathered._event(NOON + second, f"{second}"))
        publisher.removeObserver(observer)
        assert file.getvalue() == slow.getvalue()
    assert len(gathered._framed) <= 8


def test_they_wait_for_others_and_no_longer() -> None:
    """A tenth of a second at most, and no timer is left behind."""
    file, clock = io.StringIO(), Clock()
    gathered = lines(textFileLogObserver(file), clock=clock)
    gathered.add(NOON, "one")
    clock.advance(PATIENCE / 2)
    gathered.add(NOON, "two")
    assert file.getvalue() == ""
    clock.advance(PATIENCE / 2)
    assert [line.rpartition(" ")[2] for line in file.getvalue().splitlines()] == ["one", "two"]
    assert clock.getDelayedCalls() == []


def test_many_do_not_wait() -> None:
    file, clock = io.StringIO(), Clock()
    gathered = lines(textFileLogObserver(file), clock=clock)
    for number in range(MOST):
        gathered.add(NOON, str(number))
    assert [line.rpartition(" ")[2] for line in file.getvalue().splitlines()] == list(map(str, range(MOST)))
    assert clock.getDelayedCalls() == []


def test_at_the_end_nothing_waits() -> None:
    """What is here is said, and so is at once whatever comes after."""
    file, clock = io.StringIO(), Clock()
    gathered = lines(textFileLogObserver(file), clock=clock)
    gathered.add(NOON, "one")
    gathered.wait_no_more()
    gathered.add(NOON, "two")
    assert [line.rpartition(" ")[2] for line in file.getvalue().splitlines()] == ["one", "two"]
    assert clock.getDelayedCalls() == []


def test_who_wants_more_than_the_text_is_told_of_each() -> None:
    """An observer that nobody knows gets every line as an event of its own, and so do all others then."""
    file, events = Written(), list[LogEvent]()
    gathered = lines(textFileLogObserver(file), events.append)
    gathered.add(NOON, "one {two}")
    gathered.add(NOON + 1, "three")
    gathered.flush()
    assert [formatEvent(event) for event in events] == ["one {two}", "three"]
    assert [event["log_time"] for event in events] == [NOON, NOON + 1]
    assert all(event["log_namespace"] == "pypidaemon.access" for event in events)
    assert [eventAsText(event, includeTimestamp=False) for event in events] == [
        "[pypidaemon.access#info] one {two}",
        "[pypidaemon.access#info] three",
    ]
    assert file.times == 2


def test_F83_lines_that_could_not_be_written_are_counted_and_nothing_stops(tmp_path: Path) -> None:
    """By the one who counts all lost lines; who could write has them."""
    lost, kept = LostLines(), LogFile(tmp_path / "log")
    gathered = lines(Transcript(LogFile(Path("/dev/full"))), lost, Transcript(kept))
    gathered.add(NOON, "one")
    gathered.add(NOON, "two")
    gathered.flush()
    gathered.flush()
    assert lost.measures() == {"lost": 2}
    assert [line.rpartition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()] == ["one", "two"]
    kept.close()


def test_what_is_relied_on_of_twisted() -> None:
    """A Twisted that keeps its observers elsewhere, or writes something else than `formatEvent` says, is noticed here."""
    assert isinstance(globalLogPublisher._observers, list)
    observer = textFileLogObserver(io.StringIO())
    assert LogPublisher(observer)._observers == [observer]
    assert type(observer) is FileLogObserver
    file = io.StringIO()
    observer = textFileLogObserver(file)
    observer.formatEvent = lambda _: "as it is"
    observer({})
    assert file.getvalue() == "as it is"
