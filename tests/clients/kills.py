"""
Uploads to a daemon that is killed again and again, and what must be true after each time.

An upload that was answered 200 is written to a ledger outside the daemon and synced before the next one is sent. After each start all that
the ledger has is on the pages, and whatever else is on them was sent and is whole.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from pathlib import Path

import attrs

from tests.clients.looking import eventually, files
from tests.clients.posting import Parcel, Poster
from tests.clients.store import Store
from tests.clients.uploaders import Release

PROJECTS = 8
SENDERS = 4
LONGEST = 0.5
"""Seconds of uploading at most before the daemon is killed; they begin when it says that it is ready."""


@attrs.define(eq=False)
class Ledger:
    """What was acknowledged, in a file, and what was sent without an answer."""

    place: Path
    acknowledged: dict[str, Parcel] = attrs.field(factory=dict)
    """By file name."""
    unsure: dict[str, Parcel] = attrs.field(factory=dict)
    fresh: list[Parcel] = attrs.field(factory=list)
    """What was acknowledged since the daemon was last looked at."""
    refused: list[tuple[str, int]] = attrs.field(factory=list)
    _numbers: int = 0
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def next(self) -> Parcel:
        """Something that was never sent, or that was sent without an answer."""
        with self._lock:
            if self.unsure and self._numbers % 2:
                self._numbers += 1
                return self.unsure.pop(next(iter(self.unsure)))
            number = self._numbers
            self._numbers += 1
        return Parcel.of(Release(f"seeds-kill-{number % PROJECTS}", f"1.{number}", edition=number % 3 * 20_000))

    def note(self, parcel: Parcel, status: int | None) -> None:
        """Write down what became of it, durably."""
        with self._lock:
            if status is None:
                self.unsure[parcel.filename] = parcel
            elif status == 200:
                with self.place.open("a") as file:
                    file.write(f"{parcel.filename} {parcel.sha256}\n")
                    file.flush()
                    os.fsync(file.fileno())
                self.acknowledged[parcel.filename] = parcel
                self.fresh.append(parcel)
            else:
                self.refused.append((parcel.filename, status))

    def count(self) -> int:
        """How many uploads the file says were acknowledged, each counted once."""
        return len({line.split()[0] for line in self.place.read_text().splitlines()}) if self.place.exists() else 0


@attrs.define(eq=False)
class Ordeal:
    """A store, and what is done to it. `chance` decides on the moments."""

    store: Store
    ledger: Ledger
    chance: random.Random
    longest: float = LONGEST
    kills: int = 0

    def round(self) -> None:
        """
        Upload, kill the daemon at some moment, start it again, and look.

        :raises AssertionError: something is lost, or half there.
        """
        daemon = self.store.daemon
        assert daemon.process is not None
        family = _descendants(daemon.process.pid)
        over = threading.Event()
        senders = [threading.Thread(target=self._send, args=(over,)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(self.chance.uniform(0.0, self.longest))
        family |= _descendants(daemon.process.pid)
        daemon.kill()
        over.set()
        for sender in senders:
            sender.join(60)
        self.kills += 1
        # Nobody else is there to end what it had started.
        eventually(lambda: not any(_runs(pid, started) for pid, started in family))
        daemon.start()
        self.look(self.ledger.fresh)
        self.ledger.fresh.clear()

    def look(self, downloaded: list[Parcel]) -> None:
        """
        Hold the pages against the ledger, and download these, and whatever came without being acknowledged.

        :raises AssertionError: as `round`.
        """
        ledger, daemon = self.ledger, self.store.daemon
        assert not ledger.refused, ledger.refused
        names = {parcel.project for parcel in [*ledger.acknowledged.values(), *ledger.unsure.values()]}
        # Before the first upload a project is asked of the upstream, which has none of these.
        known = {name for name in sorted(names) if self.store.knows(name)}
        pages = {name: files(daemon, name) for name in known}
        listed = {filename: file for page in pages.values() for filename, file in page.items()}
        sent = ledger.acknowledged | ledger.unsure
        lost = sorted(set(ledger.acknowledged) - set(listed))
        assert not lost, f"lost: {lost}"
        strange = {filename for filename, file in listed.items() if sent[filename].sha256 != file["hashes"]["sha256"]}
        assert not strange, f"other bytes: {strange}"
        wanted = {parcel.filename for parcel in downloaded} | (set(listed) - set(ledger.acknowledged))
        for filename in sorted(wanted):
            file = listed[filename]
            for path, digest in ((file["path"], file["hashes"]["sha256"]), (file["path"] + ".metadata", file["core-metadata"]["sha256"])):
                answer = daemon.ask("GET", path)
                assert answer.status == 200, f"half visible: {path} {answer.status}"
                assert hashlib.sha256(answer.body).hexdigest() == digest, f"half visible: {path}"
            assert len(daemon.ask("GET", file["path"]).body) == file["size"]
        drafts = daemon.folder / "var" / "blobs" / "drafts"
        assert [one for one in drafts.iterdir() if not _is_a_blob(one)] == [], "drafts are left"
        daemon.check_log()

    def finish(self) -> None:
        """
        Send again what nobody knows of, and look at everything.

        :raises AssertionError: as `round`.
        """
        poster = Poster(self.store.daemon.port, self.store.uploader)
        for parcel in list(self.ledger.unsure.values()):
            assert poster.post(parcel) == 200
            del self.ledger.unsure[parcel.filename]
            self.ledger.note(parcel, 200)
        poster.close()
        assert self.ledger.count() == len(self.ledger.acknowledged)
        self.look(list(self.ledger.acknowledged.values()))

    def _send(self, over: threading.Event) -> None:
        poster = Poster(self.store.daemon.port, self.store.uploader)
        while not over.is_set():
            parcel = self.ledger.next()
            status = poster.post(parcel)
            self.ledger.note(parcel, status)
            if status is None:
                break
        poster.close()


def _descendants(pid: int) -> set[tuple[int, str]]:
    """The processes below that one, each with the moment at which it began, since numbers are used again."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = set(), list(parents.get(pid, ()))
    while waiting:
        member = waiting.pop()
        if fields := _stat(member):
            found.add((member, fields[19]))
        waiting.extend(parents.get(member, ()))
    return found


def _runs(pid: int, started: str) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[19] == started and fields[0] != "Z"


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_a_blob(draft: Path) -> bool:
    """Whether that is the other name that a blob has for a second after it was stored."""
    digest = draft.name.partition("-")[2]
    try:
        return bool(digest) and draft.samefile(draft.parent.parent / digest[:2] / digest[2:4] / digest)
    except FileNotFoundError:
        # It is gone by now; or there is no blob.
        return not draft.exists()
