"""What a fault has at hand: the subject, its upstream, clients for both, and a place to say what is not as it should be."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import attrs

from benchmarks.chaos.clients import DEADLINE, JSON, Got, Listed, get, listed, serial
from benchmarks.chaos.source import Item, Source
from benchmarks.chaos.subjects import Subject
from benchmarks.chaos.tally import Tally
from tests.clients.kills import Ledger
from tests.clients.posting import Parcel, Poster

FETCHERS = 8
SENDERS = 4
BREATH = 0.05
"""Seconds between two requests of a client that goes on and on: it is there to see what others do, not to press."""
RECOVERY = 35.0
"""Seconds in which a subject has to notice that its upstream is well again (F40)."""
_T = TypeVar("_T")
_R = TypeVar("_R")


@attrs.frozen
class Aside(Generic[_R]):
    """Something that is going on in the background."""

    running: Future[_R]

    def wait(self, seconds: float) -> None:
        """Give it some time; it may take longer."""
        wait([self.running], seconds)

    def over(self) -> _R:
        """What came of it, once it is over."""
        return self.running.result()


@attrs.define(eq=False)
class Stream:
    """What clients got that went on and on in the background."""

    got: list[Got] = attrs.field(factory=list)

    def p99(self) -> float:
        """Seconds that all but the slowest hundredth took at most."""
        times = sorted(one.seconds for one in self.got)
        return times[min(len(times) * 99 // 100, len(times) - 1)] if times else 0.0

    def failures(self) -> list[Got]:
        """Those that are not 200 and complete."""
        return [one for one in self.got if one.status != 200 or not one.complete]


@attrs.define(eq=False)
class Scene:
    """One fault's surroundings. `quick` asks for less of everything, as a test has the time for; `timed` says that seconds count, which in a test they never do."""

    subject: Subject
    source: Source
    chance: random.Random
    folder: Path
    quick: bool
    timed: bool = True
    kills: int | None = None
    """How often a subject is killed, where that is said."""
    tally: Tally = attrs.field(factory=Tally)
    ledger: Ledger = attrs.field(init=False)
    touched: dict[str, None] = attrs.field(factory=dict, init=False)
    """Projects of the upstream that the subject was asked about."""
    links: dict[str, dict[str, Listed]] = attrs.field(factory=dict, init=False)
    """What the subject's page listed when it was last got, by project."""
    serials: dict[str, int] = attrs.field(factory=dict, init=False)
    own: list[str] = attrs.field(factory=list, init=False)
    """Projects that were made for this fault."""
    _left: list[str] = attrs.field(init=False)
    _sums: dict[str, set[str]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ledger = Ledger(self.folder / "ledger")
        self._left = sorted(self.source.stock)
        self.chance.shuffle(self._left)
        self._sums = dict(self.source.sums())

    # Saying what should be

    @property
    def prompt(self) -> float:
        """Seconds that what is cached may take while upstream says nothing: whoever is the first to ask waits two for it (G9)."""
        return 3.0 if self.timed else DEADLINE

    def expect(self, so: bool, words: str) -> None:
        """Say these words where it is not so."""
        if not so:
            self.tally.say(words)

    def all_good(self, got: Iterable[Got], what: str, within: float = DEADLINE) -> None:
        """All of them have to be 200 and complete, within so many seconds."""
        for one in got:
            self.expect(one.seconds <= within, f"{what}: {one.url} took {one.seconds:.1f} s")
            self.expect(one.status == 200 and one.complete, f"{what}: {one.url} {one.status} {one.trouble}")

    def all_unavailable(self, got: Iterable[Got], what: str, statuses: Collection[int] = (502, 503)) -> None:
        """All of them have to be one of these statuses; a 503 says when to come again (law 10)."""
        for one in got:
            wait = one.headers.get("retry-after", "")
            self.expect(one.status in statuses, f"{what}: {one.url} {one.status} {one.trouble}")
            self.expect(one.status != 503 or wait.isdigit(), f"{what}: {one.url} 503 with Retry-After {wait!r}")

    # What there is

    def take(self, count: int, most: int | None = None, least: int = 0) -> list[str]:
        """So many projects that the subject was never asked about, whose files are all of at most and at least so many bytes."""
        fitting = [
            name for name in self._left
            if all(least <= item.size <= (most or self.source.size.largest) for item in self.source.stock[name].values())
        ]  # fmt: skip
        assert len(fitting) >= count, f"the stock has no {count} more projects like that"
        for name in fitting[:count]:
            self._left.remove(name)
        return fitting[:count]

    def warm(self, count: int, most: int = 1 << 17) -> list[str]:
        """So many projects that the subject knows and has files of."""
        names = self.take(count, most)
        self.all_good(self.pages(names), "before the fault")
        self.all_good(self.files(self.items(names)), "before the fault")
        self._put_away(names)
        return names

    def _put_away(self, names: list[str]) -> None:
        """Ask for their files until upstream is asked for none: some store a file only after the client has had it."""
        until = time.monotonic() + self.subject.settling
        while time.monotonic() < until:
            self.source.clear()
            self.files(self.items(names))
            if not self.source.requests("/packages/*"):
                break
            time.sleep(BREATH)

    def items(self, projects: Iterable[str]) -> list[Item]:
        """Their files, as the upstream has them."""
        return [item for name in projects for item in self.source.stock[name].values()]

    def make(self, count: int, versions: int = 2, size: int = 2000) -> list[str]:
        """So many projects that are there for this fault alone, which may do to them what it likes."""
        names = [f"own-{len(self.own) + number}" for number in range(count)]
        for name in names:
            for version in range(versions):
                self.source.tell("add", name, f"1.{version}", size=size)
        self.own += names
        self.learn()
        return names

    def learn(self) -> None:
        """Take note of what the upstream has now; what it had before remains right as well."""
        self.source.learn()
        for filename, sums in self.source.sums().items():
            self._sums[filename] = self._sums.get(filename, set()) | sums

    def age(self) -> None:
        """Let the subject's pages become stale."""
        if self.subject.freshness:
            time.sleep(self.subject.freshness + 0.1)

    # Asking

    def page(self, project: str, accept: str = JSON, *, deadline: float = DEADLINE) -> Got:
        """A project's page, as an installer asks for it."""
        got = get(f"{self.subject.simple}{project}/", accept, keep=True, deadline=deadline)
        self.tally.page(got, self._look(project, got))
        return got

    def pages(self, projects: Iterable[str], *, deadline: float = DEADLINE) -> list[Got]:
        """Their pages, by several clients at once."""
        return self.at_once(lambda name: self.page(name, deadline=deadline), projects)

    def file(self, item: Item, *, deadline: float = DEADLINE, leave_after: int | None = None, patient: bool = False) -> Got:
        """
        A file, from where the page said it is; the page is asked for first where nobody has yet.

        :param patient: this client knows that the file is under way, slowly, and gives up by itself after its deadline; nothing hangs.
        """
        if item.project not in self.links:
            page = self.page(item.project)
            if page.status != 200:
                return page
        place = self.links[item.project].get(item.filename)
        if place is None:
            return Got(f"{self.subject.simple}{item.project}/#{item.filename}", 404, {}, b"", "", 0, True, 0.0, "it is not listed")
        got = get(place.url, deadline=deadline, leave_after=leave_after)
        if patient and got.hung:
            got = attrs.evolve(got, trouble="left")
        self.tally.file(got, self._sums[item.filename] if got.status == 200 and got.complete else None)
        return got

    def files(self, items: Iterable[Item], *, deadline: float = DEADLINE, clients: int = FETCHERS) -> list[Got]:
        """Those files, by several clients at once."""
        return self.at_once(lambda item: self.file(item, deadline=deadline), items, clients)

    def at_once(self, work: Callable[[_T], _R], things: Iterable[_T], clients: int = FETCHERS) -> list[_R]:
        """Do something with each of them, several at a time; the answers in their order."""
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(work, things))

    @contextmanager
    def fetching(self, projects: Sequence[str], clients: int = FETCHERS) -> Iterator[Stream]:
        """Clients that get pages and files of these again and again as long as the block lasts."""
        stream = Stream()

        def client(number: int, over: threading.Event) -> None:
            items = self.items(projects)
            while not over.wait(BREATH):
                item = items[number % len(items)]
                number += clients
                stream.got += [self.page(item.project), self.file(item)]

        with self._meanwhile(client, clients):
            yield stream

    @contextmanager
    def uploading(self, clients: int = SENDERS, *, always: bool = True) -> Iterator[None]:
        """
        Clients that upload as long as the block lasts, if the subject takes uploads.

        :param always: whether every upload has to succeed; else a clean refusal is as good.
        """

        def client(number: int, over: threading.Event) -> None:
            poster = self.subject.poster()
            while not over.wait(BREATH * 2):
                began = time.monotonic()
                parcel = self.ledger.next()
                status = poster.post(parcel)
                if status == 200 or status is None or always:
                    self.ledger.note(parcel, status)
                self.tally.upload(parcel.filename, status, time.monotonic() - began, always)
            poster.close()

        if "uploads" not in self.subject.abilities:
            yield
            return
        before = len(self.ledger.acknowledged)
        with self._meanwhile(client, clients):
            yield
            self.eventually(lambda: not always or len(self.ledger.acknowledged) > before, "an upload during the fault")

    @contextmanager
    def _meanwhile(self, client: Callable[[int, threading.Event], None], clients: int) -> Iterator[None]:
        over = threading.Event()
        with ThreadPoolExecutor(max(clients, 1)) as pool:
            running = [pool.submit(client, number, over) for number in range(clients)]
            try:
                yield
            finally:
                over.set()
            for one in running:
                one.result()

    def aside(self, work: Callable[[], _R]) -> Aside[_R]:
        """Do something in the background; `wait` gives it some time, `over` answers what came of it."""
        pool = ThreadPoolExecutor(1)
        running = pool.submit(work)
        pool.shutdown(wait=False)
        return Aside(running)

    def upload(self) -> None:
        """One upload, which has to succeed, if the subject takes uploads."""
        if "uploads" in self.subject.abilities:
            poster, parcel = self.subject.poster(), self.ledger.next()
            began = time.monotonic()
            status = poster.post(parcel)
            self.ledger.note(parcel, status)
            self.tally.upload(parcel.filename, status, time.monotonic() - began, True)
            poster.close()

    def restart(self) -> bool:
        """End it as a service manager would, and start it; where it does not stop or does not start, that is said, and it is killed. Whether it runs."""
        began = time.monotonic()
        try:
            self.subject.stop()
        except AssertionError as error:
            self.tally.say(f"it does not stop: {str(error)[-300:]}")
        stopped = time.monotonic()
        try:
            self.subject.start()
        except AssertionError as error:
            self.tally.say(f"it does not start: {str(error)[-300:]}")
            self.subject.kill()
            return False
        self.tally.figures["stop_s"], self.tally.figures["start_s"] = stopped - began, time.monotonic() - stopped
        return True

    def rounds(self, few: int, many: int) -> int:
        """How often something is done again: `few` times where there is little time, `many` times else, unless it is said how often."""
        return self.kills or (few if self.quick else many)

    @contextmanager
    def sending(self, clients: int = SENDERS) -> Iterator[None]:
        """
        Clients that upload whatever happens as long as the block lasts, if the subject takes uploads.

        Each answer that comes has to be 200, and an end without one says nothing.
        """

        def client(number: int, over: threading.Event) -> None:
            poster = self.subject.poster()
            # Whoever got no answer stops, since what is not there takes thousands a second.
            while not over.wait(BREATH / 2) and self.post(poster, self.ledger.next(), always=True) is not None:
                pass
            poster.close()

        with self._meanwhile(client, clients if "uploads" in self.subject.abilities else 0):
            yield

    def post(self, poster: Poster, parcel: Parcel, *, always: bool = False) -> int | None:
        """Send that, and note what came of it. `always` says that every answer has to be 200; else only clean refusals are as good."""
        began = time.monotonic()
        status = poster.post(parcel)
        if status in (200, None) or always:
            self.ledger.note(parcel, status)
        self.tally.upload(parcel.filename, status, time.monotonic() - began, always and status is not None)
        return status

    def settle(self) -> None:
        """Send again what nobody knows of; all of it has to be taken (F99)."""
        if not self.ledger.unsure:
            return
        poster = self.subject.poster()
        for parcel in list(self.ledger.unsure.values()):
            del self.ledger.unsure[parcel.filename]
            self.expect(self.post(poster, parcel, always=True) == 200, f"{parcel.filename}, sent again")
        poster.close()

    def on_disk(self) -> dict[str, Path]:
        """The files of the subject's state, by the sha256 of their contents."""
        return {hashlib.sha256(place.read_bytes()).hexdigest(): place for place in self.subject.state.rglob("*") if place.is_file()}

    def eventually(self, look: Callable[[], bool], words: str, seconds: float = 10.0) -> float:
        """Look again and again; say the words if it is not so in that time. Answers how long it took."""
        began = time.monotonic()
        while not (is_so := look()) and time.monotonic() - began < seconds:
            time.sleep(BREATH)
        self.expect(is_so, f"{words} (not within {seconds:.0f} s)")
        return time.monotonic() - began

    def recover(self, seconds: float = RECOVERY) -> None:
        """The upstream is well again: something new has to be had within that time."""
        [name] = self.take(1, 1 << 16)
        self.tally.recovery_s = self.eventually(lambda: self.page(name).status == 200, "something new after the fault", seconds)

    def _look(self, project: str, got: Got) -> str:
        """What is wrong with what a page lists; empty where nothing is."""
        if project in self.source.stock:
            self.touched[project] = None
        if got.status != 200 or not got.complete:
            return ""
        try:
            found = listed(got)
        except (ValueError, KeyError, TypeError) as error:
            return f"no page of an index: {error}"
        self.links[project] = found
        before, now = self.serials.get(project), serial(got)
        if now is not None:
            self.serials[project] = max(now, before or 0)
            if before is not None and now < before:
                return f"serial {now} after {before}"
        strange = [
            file.filename for file in found.values()
            if file.sha256 is not None and file.sha256 not in self._sums.get(file.filename, {file.sha256})
        ]  # fmt: skip
        return f"other hashes than the upstream's: {strange[:3]}" if strange else ""
