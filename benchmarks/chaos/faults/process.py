"""Faults of the subject's own process, its limits and its clock: C27, C28, C30; and C29, too many clients at once."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.chaos.faults import Unable, fault
from benchmarks.chaos.faults.network import GRACE, SLOWER
from benchmarks.chaos.scene import Scene, Stream
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects import Wanted
from benchmarks.measuring import family

FEW = 64
MANY = 4096
"""Open files that the subject may have, with and without that limit."""
LOOKED = 1
"""Seconds after which the false clock looks again what it is to say; to look each time would cost a hundred times what the subject does."""
CUT = 30.0
"""Seconds in which a client that is too slow is sent away (S57)."""


def few_files(folder: Path, source: Source) -> Iterator[Wanted]:
    """A limit of open files that is read from a file at each start."""
    place = folder / "limit"
    place.write_text(str(FEW))
    yield Wanted(prefix=("/bin/sh", "-c", f'ulimit -n "$(cat {place})" && exec "$@"', "sh"))


@fault(
    "C27",
    "64 open files and 200 clients; then 500 that send headers slowly; then 50 that read slowly",
    "F61 S57 S58",
    needs=("prefix",),
    prepare=few_files,
)
def crowds(scene: Scene) -> None:
    known = scene.warm(3)
    clients = 80 if scene.quick else 200
    got = scene.at_once(lambda number: scene.page(known[number % len(known)]), range(clients), clients)
    scene.tally.figures["served_of_64"] = sum(one.status == 200 for one in got)
    scene.eventually(lambda: scene.page(known[0]).status == 200, "a page once the crowd is gone")
    scene.upload()
    scene.subject.stop()
    (scene.folder / "limit").write_text(str(MANY))
    scene.subject.start()
    with scene.fetching(known, 2) as before:
        time.sleep(1.0)
    seconds = 3.0 if scene.quick else CUT
    _slow_senders(scene, known, before, 100 if scene.quick else 500, seconds)
    _slow_readers(scene, known, before, 10 if scene.quick else 50, seconds)


def _slow_senders(scene: Scene, known: list[str], before: Stream, count: int, seconds: float) -> None:
    """They come from several addresses, since nobody has to bear so many from one."""
    port = int(scene.subject.url.rpartition(":")[2])
    with ExitStack() as stack:
        slow = []
        for number in range(count):
            with suppress(OSError):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10.0, (f"127.0.0.{2 + number // 100}", 0)))
                client.settimeout(0.0)
                slow.append(client)
        left = len(slow)
        began = time.monotonic()
        with scene.fetching(known, 2) as during:
            while slow and time.monotonic() - began < seconds:
                slow = [client for client in slow if _drips(client)]
                time.sleep(0.5)
        scene.tally.figures["slow_senders"], scene.tally.figures["slow_senders_left"] = left, len(slow)
        scene.expect(scene.quick or not slow, f"{len(slow)} of {left} that send headers slowly are still there after {seconds:.0f} s")
    _served(scene, before, during, "headers")


def _drips(client: socket.socket) -> bool:
    """Send another byte of a header that never ends; whether the connection is still there."""
    try:
        client.send(b"X")
        return client.recv(1000) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _slow_readers(scene: Scene, known: list[str], before: Stream, count: int, seconds: float) -> None:
    largest = max((item for files in scene.source.stock.values() for item in files.values()), key=lambda item: item.size)
    scene.all_good([scene.file(largest)], "a large file")
    target = scene.links[largest.project][largest.filename].url.removeprefix(scene.subject.url)
    port = int(scene.subject.url.rpartition(":")[2])
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.bind(("127.0.0.9", 0))
            client.connect(("127.0.0.1", port))
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        with scene.fetching(known, 2) as during:
            time.sleep(min(seconds, 5.0))
    _served(scene, before, during, "readers")


def _served(scene: Scene, before: Stream, during: Stream, words: str) -> None:
    scene.all_good(during.failures(), f"others, among slow {words}")
    scene.tally.figures["p99_before"], scene.tally.figures[f"p99_{words}"] = before.p99(), during.p99()
    scene.expect(
        not scene.timed or during.p99() <= max(before.p99() * SLOWER, GRACE),
        f"p99 among slow {words} {during.p99():.3f} s after {before.p99():.3f} s",
    )


SLEEPING = """
import select
import time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
"""
"""What Python programs under a false clock are given, since libfaketime fails `clock_nanosleep` (EINVAL) where it leaves the steady clock alone."""


def false_clock(folder: Path, source: Source) -> Iterator[Wanted]:
    """
    A clock that says what a file says, by way of libfaketime; what measures how much time has passed goes on as it is, and so do the times of files.
    """
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        raise Unable("no libfaketime")
    (folder / "clock").write_text("+0")
    (folder / "python").mkdir()
    (folder / "python" / "sitecustomize.py").write_text(SLEEPING)
    clock = (
        f"LD_PRELOAD={library}",
        f"FAKETIME_TIMESTAMP_FILE={folder / 'clock'}",
        f"FAKETIME_CACHE_DURATION={LOOKED}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "DONT_FAKE_MONOTONIC=1",
        "NO_FAKE_STAT=1",
    )
    words = f'PYTHONPATH="{folder / "python"}${{PYTHONPATH:+:$PYTHONPATH}}" exec "$@"'
    yield Wanted(prefix=("/bin/sh", "-c", words, "sh", "env", *clock))


@fault("C28", "a clock that jumps ten years ahead, twenty back, and to now", "F44", needs=("prefix",), prepare=false_clock)
def clock_jumps(scene: Scene) -> None:
    known = scene.warm(2)
    [own] = scene.make(1, versions=1)
    scene.source.tell("set", "cache_control", "max-age=1")
    try:
        scene.page(own)
        for number, words in enumerate(("+10y", "-10y", "+0")):
            (scene.folder / "clock").write_text(words)
            time.sleep(LOOKED + 0.2)
            scene.all_good(scene.pages(known), f"cached pages at {words}")
            scene.all_good(scene.files(scene.items(known)), f"cached files at {words}")
            scene.upload()
            new = scene.source.publish(own, f"2.{number}")
            scene.learn()

            def is_there(filename: str = new.filename) -> bool:
                return scene.page(own).status == 200 and filename in scene.links[own]

            scene.tally.figures[f"s to {new.filename} at {words}"] = scene.eventually(is_there, f"a new file at {words}", 15.0)
            scene.all_good([scene.file(new)], f"a new file at {words}")
            if words == "-10y":
                scene.restart()
                scene.all_good(scene.pages(known), "cached pages after a start in the past")
                scene.upload()
    finally:
        scene.source.tell("set", "cache_control", "max-age=0")


@fault("C29", "a herd: many want the same cold file at once, and some leave", "F45 F46 F47 F48")
def herd(scene: Scene) -> None:
    clients = 40 if scene.quick else 200
    largest = max((item for files in scene.source.stock.values() for item in files.values()), key=lambda item: item.size)
    scene.page(largest.project)
    scene.source.clear()
    leaving = set(scene.chance.sample(range(clients), clients // 4))
    points = {number: scene.chance.randrange(1, largest.size) for number in leaving}
    with scene.source.wired(bandwidth=largest.size):
        got = scene.at_once(lambda number: scene.file(largest, leave_after=points.get(number)), range(clients), clients)
    stayed = [one for number, one in enumerate(got) if number not in leaving]
    scene.all_good(stayed, "clients who stayed")
    asked = len(scene.source.requests(largest.path))
    scene.tally.figures["upstream"], scene.tally.figures["clients"] = asked, clients
    scene.expect(asked == 1, f"the upstream was asked {asked} times for one file")


@fault("C30", "told to end amid uploads and downloads; stopped for a while; a second one on the same state", "F79 F43 F71")
def ended_and_suspended(scene: Scene) -> None:
    known, cold = scene.warm(3), scene.make(10, size=150_000)
    scene.pages(cold)
    items = scene.items(cold)
    with scene.source.wired(bandwidth=200_000):
        fetched = scene.aside(lambda: scene.files(items, clients=20))
        with scene.sending(20):
            time.sleep(0.5)
            try:
                began = time.monotonic()
                scene.subject.stop()
                scene.tally.figures["stop_s"] = time.monotonic() - began
            except AssertionError as error:
                scene.tally.say(f"it does not end as it should: {str(error)[-300:]}")
        scene.tally.figures["whole"] = sum(got.status == 200 and got.complete for got in fetched.over())
    scene.subject.start()
    scene.settle()
    scene.all_good(scene.files(items), "files after it was ended amid them")
    members = family(scene.subject.pid)
    for pid in members:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.0 if scene.quick else 20.0)
    for pid in members:
        os.kill(pid, signal.SIGCONT)
    scene.all_good(scene.pages(known), "cached pages after it was stopped for a while")
    scene.recover()
    scene.upload()
    ended = scene.subject.second()
    scene.tally.figures["second"] = -1000 if ended is None else ended
    scene.expect(ended not in (None, 0), f"a second one on the same state {'runs as well' if ended is None else 'ends as if all was well'}")
    scene.all_good(scene.pages(known), "cached pages after a second one was tried")
    scene.upload()
