"""
All that advisories say of one project, laid out for being asked about its versions one by one. Pure.

Each version that is named anywhere is read once and gets a place among the others. So whoever asks about a version compares it with a few of them, and
all the rest is numbers, however many advisories there are and however many ranges they have: pages with hundreds of releases are judged while people
wait.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

import attrs
import orjson

from pypidaemon.advisories.affected import Range, fixes, read, spans
from pypidaemon.versions import Version, same_version


@attrs.frozen
class Concern:
    """What one advisory says of one project; its versions and ranges as those of `Affected`."""

    id: str
    summary: str
    versions: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()


@attrs.frozen
class Finding:
    """An advisory that is about some version. `fixed` is the first newer version in which the matter is mended, None where there is none."""

    id: str
    summary: str
    fixed: str | None = None

    def __str__(self) -> str:
        said = f"{self.id}: {self.summary}" if self.summary else self.id
        return f"{said} (fixed in {self.fixed})" if self.fixed is not None else said


@attrs.frozen(eq=False)
class _Said:
    """One advisory: where its ranges begin and end, where its fixes stand, and how these are spelled."""

    id: str
    summary: str
    spans: tuple[int, ...]
    fixes: tuple[int, ...]
    spelled: tuple[str, ...]

    def finding(self, place: int | None) -> Finding:
        """What is said of the version at that place; of what is no version the last of all fixes."""
        later = len(self.fixes) - 1 if place is None else bisect_right(self.fixes, place)
        return Finding(self.id, self.summary, self.spelled[later] if 0 <= later < len(self.fixes) else None)


@attrs.frozen(eq=False)
class Concerns:
    """
    What advisories say of one project, in their order.

    :param order: the versions that their ranges name, in the order of PEP 440. That at index `n` has the place `2 n + 1`, what lies before it `2 n`.
    :param listed: by version, as `same_version` has it, which of them list it.
    """

    order: Sequence[Version]
    listed: Mapping[str, Sequence[int]]
    said: Sequence[_Said]

    @classmethod
    def of(cls, concerns: Sequence[Concern]) -> Concerns:
        """Lay these out. Slow where there are many, so call it on a thread."""
        spelled = {version for concern in concerns for events in concern.ranges for _, version in events}
        readings = {version: found for version in spelled if (found := read(version)) is not None}
        order = sorted(set(readings.values()))
        numbers = {version: 2 * number + 1 for number, version in enumerate(order)}
        places = {version: numbers[found] for version, found in readings.items()}
        listed: dict[str, list[int]] = {}
        for number, concern in enumerate(concerns):
            for version in concern.versions:
                listed.setdefault(version, []).append(number)
        return cls(order, listed, [_said(concern, places) for concern in concerns])

    def on_version(self, spelled: str) -> tuple[Finding, ...]:
        """All advisories that are about that version, in any spelling. A local version is one of its own."""
        place = self._place(spelled)
        hits = set(self.listed.get(same_version(spelled), ()))
        if place is not None:
            hits.update(number for number, said in enumerate(self.said) if bisect_right(said.spans, place) & 1)
        return tuple(self.said[number].finding(place) for number in sorted(hits))

    def _place(self, spelled: str) -> int | None:
        version = read(spelled)
        if version is None:
            return None
        number = bisect_left(self.order, version)
        return 2 * number + (number < len(self.order) and self.order[number] == version)


def closed(concern: Concern) -> bytes:
    """It as bytes, of which several make what `opened` takes: a comma between each two, in brackets."""
    # A copy, since what orjson gives holds the whole buffer that it wrote into, ten times as large.
    return bytes(memoryview(orjson.dumps((concern.id, concern.summary, concern.versions, concern.ranges))))


def opened(written: bytes) -> Concerns:
    """What was closed, laid out."""
    return Concerns.of([Concern(*each) for each in orjson.loads(written)])


def _said(concern: Concern, places: Mapping[str, int]) -> _Said:
    fixed: dict[int, str] = {}
    for version in sorted(fixes(concern.ranges)):
        fixed.setdefault(places[version], version)
    order = tuple(sorted(fixed))
    return _Said(concern.id, concern.summary, spans(concern.ranges, places.__getitem__), order, tuple(fixed[place] for place in order))
