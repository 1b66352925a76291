"""What a fault came to: the numbers of the report, and the words for whatever was not as it should be."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection

import attrs

from benchmarks.chaos.clients import DEADLINE, Got

CLEAN = frozenset({304, 400, 401, 403, 404, 405, 409, 410, 411, 413, 414, 415, 416, 421, 429, 431, 501, 502, 503, 504, 507})
"""Statuses that say honestly that something is not to be had (reliability.md §5)."""
SUMMED = ("lost", "corrupt", "dangling", "hung", "bad_5xx")
WORDS = 12
"""So many complaints are kept of each fault; one thing that is wrong is often wrong a hundred times."""


@attrs.define(eq=False)
class Tally:
    """
    The numbers of one fault. `attempts` is of requests that somebody waited for; `cut` those whose connection broke off, which `clean_errors` counts as well.

    `lost` acknowledged uploads that are not there; `corrupt` complete bodies with wrong bytes, or pages with wrong hashes; `dangling` files that a
    page lists and nobody can get; `hung` requests that took too long; `bad_5xx` statuses that say nothing; `unmet` what the fault's row promises besides.
    """

    attempts: int = 0
    ok: int = 0
    clean_errors: int = 0
    cut: int = 0
    lost: int = 0
    corrupt: int = 0
    dangling: int = 0
    hung: int = 0
    bad_5xx: int = 0
    recovery_s: float | None = None
    unmet: list[str] = attrs.field(factory=list)
    figures: dict[str, float] = attrs.field(factory=dict)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    @property
    def survived(self) -> bool:
        """Whether all was as it should be."""
        return not self.unmet and not any(getattr(self, name) for name in SUMMED)

    def say(self, words: str) -> None:
        """Note something that is not as it should be."""
        with self._lock:
            if len(self.unmet) < WORDS:
                self.unmet.append(words[:400])

    def wrong(self, kind: str, words: str) -> None:
        """Count one of `SUMMED`, and say of what."""
        with self._lock:
            setattr(self, kind, getattr(self, kind) + 1)
        self.say(f"{kind}: {words}")

    def file(self, got: Got, right: Collection[str] | None) -> None:
        """Count the answer to a request for a file; `right` are the digests that its bytes may have, None where any will do."""
        self._count(got, right is None or got.sha256 in right)

    def page(self, got: Got, strange: str) -> None:
        """Count the answer to a request for a page; `strange` says what is wrong with what it lists, and is empty where nothing is."""
        self._count(got, not strange, strange)

    def upload(self, filename: str, status: int | None, seconds: float, always: bool) -> None:
        """Count an upload; `always` says that it had to succeed."""
        with self._lock:
            self.attempts += 1
            self.ok += status == 200
            self.clean_errors += status is None or status in CLEAN
            self.cut += status is None
        if status is not None and status != 200 and status not in CLEAN:
            self.wrong("bad_5xx", f"upload of {filename}: {status}")
        elif always and status != 200:
            self.say(f"upload of {filename}: {status}")
        if seconds > DEADLINE:
            self.wrong("hung", f"upload of {filename}: {seconds:.1f} s")

    def _count(self, got: Got, is_right: bool, words: str = "") -> None:
        what = f"{got.url} {got.status} {got.trouble}"
        with self._lock:
            self.attempts += 1
        if got.hung:
            self.wrong("hung", f"{what} after {got.seconds:.1f} s")
        elif got.status is None or (not got.complete and got.trouble != "left"):
            with self._lock:
                self.cut += 1
                self.clean_errors += 1
        elif got.status == 200 and got.complete and not is_right:
            self.wrong("corrupt", f"{what} {words or got.sha256[:12]}")
        elif got.status in (200, 304):
            with self._lock:
                self.ok += 1
        elif got.status in CLEAN:
            with self._lock:
                self.clean_errors += 1
        else:
            self.wrong("bad_5xx", f"{what} {got.body[:100]!r}")

    def line(self, id: str, subject: str, number: int, seconds: float) -> str:
        """One line of the report, in JSON."""
        said = {
            "id": id,
            "subject": subject,
            "seed": number,
            "survived": self.survived,
            **{name: getattr(self, name) for name in ("attempts", "ok", "clean_errors", "cut", *SUMMED)},
            "recovery_s": None if self.recovery_s is None else round(self.recovery_s, 2),
            "seconds": round(seconds, 1),
            **({"figures": {name: round(value, 4) for name, value in self.figures.items()}} if self.figures else {}),
            "unmet": self.unmet,
        }
        return json.dumps(said)
