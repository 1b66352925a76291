"""
What was given out and what was fetched for it, in steps of five minutes for thirty days: a ring of fixed size. Pure.

The ring lies in memory as it lies in a file, each step at a place of its own, so that a step costs one small write and what was torn is noticed alone.
"""

from __future__ import annotations

import struct
import zlib

import attrs

STEP = 300
"""Seconds of a step."""

KEPT = 30 * 86_400 // STEP
"""Steps that are remembered; the next one takes the place of the oldest."""

_STEP = struct.Struct("<IIIQQ")
_CHECK = struct.Struct("<I")
_WHOLE = struct.Struct("<IIIQQI")
LENGTH = _STEP.size + _CHECK.size
"""Bytes of a step as it is written."""
SIZE = KEPT * LENGTH
"""Bytes of the whole ring."""
_MOST, _MOST_BYTES = 2**32 - 1, 2**64 - 1


@attrs.frozen
class Traffic:
    """
    Of a time, or since the start.

    :param files: files, and their sidecars, that were given out.
    :param waited: those of them that had to be fetched first.
    :param served: bytes given out.
    :param fetched: bytes that came from upstreams.
    """

    files: int = 0
    waited: int = 0
    served: int = 0
    fetched: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        """Both together."""
        return Traffic(self.files + other.files, self.waited + other.waited, self.served + other.served, self.fetched + other.fetched)

    def since(self, before: Traffic) -> Traffic:
        """What came to that; nothing where there were more before, since then it was counted anew."""
        pairs = zip(attrs.astuple(self), attrs.astuple(before), strict=True)
        return Traffic(*(max(now - then, 0) for now, then in pairs))

    @property
    def hits(self) -> int:
        """Files that were here."""
        return max(self.files - self.waited, 0)

    @property
    def rate(self) -> float | None:
        """Which part of the files was here, 0 to 1; None where there were none."""
        return self.hits / self.files if self.files else None

    @property
    def saved(self) -> int:
        """Bytes given out that needed not come from an upstream; 0 where more was fetched, as by a mirror."""
        return max(self.served - self.fetched, 0)


@attrs.define(eq=False)
class TrafficRing:
    """The steps of the last thirty days. One whose checksum does not hold, or that is of another time, is one without traffic."""

    image: bytearray = attrs.field(factory=lambda: bytearray(SIZE), repr=False)

    @classmethod
    def read(cls, data: bytes) -> TrafficRing:
        """The ring that these bytes were, whatever became of them: what is no step is left out, and so is what lies beyond."""
        found = cls()
        for place in range(min(len(data) // LENGTH, KEPT)):
            piece = data[place * LENGTH : (place + 1) * LENGTH]
            number = _STEP.unpack_from(piece)[0]
            if number and number % KEPT == place and _checksum(piece) == piece[_STEP.size :]:
                found.image[place * LENGTH : (place + 1) * LENGTH] = piece
        return found

    def add(self, moment: float, traffic: Traffic) -> int:
        """Count that to the step of a moment, seconds since the epoch; answer the place of the step in the ring."""
        number = step(moment)
        place = number % KEPT
        known = self._at(place)
        total = traffic + known[1] if known[0] == number else traffic
        piece = _STEP.pack(
            number, min(total.files, _MOST), min(total.waited, _MOST), min(total.served, _MOST_BYTES), min(total.fetched, _MOST_BYTES)
        )
        self.image[place * LENGTH : (place + 1) * LENGTH] = piece + _checksum(piece)
        return place

    def piece(self, place: int) -> bytes:
        """The step at that place, as it is written."""
        return bytes(self.image[place * LENGTH : (place + 1) * LENGTH])

    def spans(self, until: float, width: int, count: int) -> list[Traffic]:
        """
        So many spans of `width` seconds, oldest first, the last of which has the moment `until` in it; spans begin at multiples of their width.

        Takes some milliseconds, however much there is.
        """
        last = int(until) // width
        found = [[0, 0, 0, 0] for _ in range(count)]
        # Numbers and no values, since there are thousands of steps.
        for number, files, waited, served, fetched, _ in _WHOLE.iter_unpack(self.image):
            place = count - 1 - (last - number * STEP // width)
            if number and 0 <= place < count:
                sums = found[place]
                sums[0] += files
                sums[1] += waited
                sums[2] += served
                sums[3] += fetched
        return [Traffic(*sums) for sums in found]

    def between(self, since: float, until: float) -> Traffic:
        """All of that time, from one step to another; takes as long as `spans`."""
        first, last = step(since), step(until)
        steps = [known for known in _WHOLE.iter_unpack(self.image) if first <= known[0] <= last]
        return Traffic(*(sum(known[field] for known in steps) for field in range(1, 5)))

    def _at(self, place: int) -> tuple[int, Traffic]:
        number, *counts = _STEP.unpack_from(self.image, place * LENGTH)
        return number, Traffic(*counts)


def step(moment: float) -> int:
    """The number of the step that a moment lies in; of one that a clock cannot mean, the first or last there is."""
    return min(max(int(moment) // STEP, 1), _MOST)


def _checksum(piece: bytes) -> bytes:
    return _CHECK.pack(zlib.crc32(piece[: _STEP.size]))
