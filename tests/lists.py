"""Project lists as indexes give them, made of dictionaries, for those who read them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from hypothesis import strategies as st

from pypidaemon.listings import Numbers, combined, in_stretches
from pypidaemon.model import Digest, NormalizedName, ProjectList
from pypidaemon.simple.names import write_lines
from pypidaemon.stretched import Places, Stretched
from tests.strategies import names

Known = Mapping[NormalizedName, int]

few_names = st.sampled_from([NormalizedName(name) for name in ("a", "a-b", "a0", "b", "c", "c-c", "d", "d1", "e", "z")]) | names
numbered = st.dictionaries(few_names, st.integers(1, 2**40), max_size=25)


def opener(known: Known, label: str = "upstream") -> Callable[[], BinaryIO]:
    """Reads the kept list of these."""
    kept = b"#%b\n" % label.encode() + b"".join(write_lines(known.items()))
    return lambda: io.BytesIO(kept)


def kept(label: str, known: Known, places: Places | None = None) -> ProjectList:
    """A leaf that has these in a kept list."""
    stretched = Stretched(opener(known, label), places or Places(Digest("")))

    def entries() -> Iterator[tuple[NormalizedName, int]]:
        return iter(sorted(known.items()))

    return ProjectList(entries, "r", max(known.values(), default=0), source=label, stretches=stretched.stretches)


def held(label: str, known: Known) -> ProjectList:
    """A leaf that has these in memory."""
    entries = sorted(known.items())
    return ProjectList(lambda: iter(entries), "r", max(known.values(), default=0), source=label, stretches=in_stretches(entries))


def together(parts: tuple[ProjectList, ...], numbers: Known, hidden: frozenset[NormalizedName] = frozenset()) -> ProjectList:
    """A combiner of these with numbers of its own, which does not show what is hidden."""

    def shown(name: NormalizedName, serial: int) -> int | None:
        return None if name in hidden else max(serial, numbers.get(name, 0))

    given, word = Numbers(numbers), repr(sorted(hidden)).encode()
    high = max([part.serial for part in parts] + [*numbers.values()], default=0)
    whole = ProjectList(lambda: iter(()), "r", high, source="root")
    return combined(parts, shown, whole, lambda start, end: word + given.mark(start, end))
