"""
Pages that became empty, or lost most of their files, while upstream does not say that anything changed: not believed at first sight (F5, F6).

Upstreams have given out such pages, valid in every other way, by mistake. One whose serial grew is believed at once: that is how upstream says that it
means it. What is doubted here is held in memory, so a restart only begins the waiting anew.
"""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from pypidaemon.model import Filename, NormalizedName, UpstreamPage
from pypidaemon.shelf import Shelf

LOOKS = 3
"""So many looks have to find the very same smaller page before it is believed (F5: N confirmations)."""
CONFIRMED = 3600.0
"""Seconds that have to lie between the first of them and the last: a copy gone stale or bad on the way is replaced by then, as for `SETTLED`."""
AGAIN = 60.0
"""Seconds after which a page that is doubted is asked for again, if anybody wants it."""
FEW = 3
"""A page of fewer files than that may lose any of them, as long as it does not become empty: one of two is half, and often replaced on purpose."""
_MOST = 10_000

log = Logger()


@attrs.frozen
class Doubt:
    """
    A smaller page that is not believed yet, by the names of its files.

    :param since: when it was seen first, seconds since the epoch.
    :param looks: how often it was seen.
    :param ordered: whether somebody said that it is right.
    """

    files: frozenset[Filename]
    lost: int
    of: int
    since: float
    looks: int = 1
    ordered: bool = False

    def __str__(self) -> str:
        return f"without a new serial, upstream's page lists no longer {self.lost} of {self.of} files"


@attrs.define
class Doubts:
    """The doubts about one proxy's pages; of very many, those nobody looked at for longest are forgotten, and begin anew."""

    label: str
    begun: int = attrs.field(default=0, init=False)
    believed: int = attrs.field(default=0, init=False)
    _held: Shelf[NormalizedName, Doubt] = attrs.field(factory=lambda: Shelf(_MOST), init=False)

    def of(self, name: NormalizedName) -> Doubt | None:
        """What is doubted of a project; None where nothing is."""
        return self._held.get(name)

    def accept(self, name: NormalizedName) -> None:
        """Believe what is doubted of that project as soon as it is seen once more: whoever gave the order has looked at it."""
        doubt = self._held.get(name)
        if doubt is not None:
            self._held.put(name, attrs.evolve(doubt, ordered=True), 1)

    def clear(self, name: NormalizedName) -> None:
        """Upstream gave another answer, so nothing of that project is in doubt."""
        self._held.drop(name)

    def rejects(self, name: NormalizedName, known: UpstreamPage, said: UpstreamPage, now: float) -> bool:
        """Whether what is said now is not to take the place of what is known, for the time being."""
        lost = _lost(known, said)
        if not lost:
            self.clear(name)
            return False
        files = frozenset(file.filename for file in said.files)
        before = self._held.get(name)
        if before is None or before.files != files:
            doubt = Doubt(files, lost, len(known.files), now)
            self._held.put(name, doubt, 1)
            self.begun += 1
            log.warn("{label}: {name}: {doubt}; the page before stays until that was seen for {minutes:.0f} minutes or "
                     "`pypidaemon refresh {name}` is said", label=self.label, name=name, doubt=str(doubt), minutes=CONFIRMED / 60)  # fmt: skip
            return True
        doubt = attrs.evolve(before, looks=before.looks + 1)
        if not doubt.ordered and (doubt.looks < LOOKS or now - doubt.since < CONFIRMED):
            self._held.put(name, doubt, 1)
            return True
        self.clear(name)
        self.believed += 1
        log.warn("{label}: {name}: {doubt}; that is believed by now", label=self.label, name=name, doubt=str(doubt))
        return False


def _lost(known: UpstreamPage, said: UpstreamPage) -> int:
    """How many files are gone, where that makes the page doubtful; 0 where it does not."""
    if said.status.marker == "quarantined":
        # That it lists nothing is what a quarantine is (PEP 792).
        return 0
    if known.serial is not None and said.serial is not None and said.serial > known.serial:
        return 0
    lost = len({file.filename for file in known.files} - {file.filename for file in said.files})
    if (known.files and not said.files) or (len(known.files) >= FEW and 2 * lost > len(known.files)):
        return lost
    return 0
