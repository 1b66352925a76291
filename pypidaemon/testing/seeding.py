"""A stock for a scriptable index: many projects, with files of all sizes, the same for the same number."""

from __future__ import annotations

import random

from pypidaemon.testing.index import TestIndex

SMALL = 1 << 16
"""Most files are at most this large, since most projects' are."""
LARGE = 20
"""One file in so many is larger."""


def seed(index: TestIndex, number: int, projects: int, files: int, largest: int) -> None:
    """
    Publish projects called `stock-000` and so on, with wheels (which have METADATA) and tiny source archives (which may be one byte long).

    :param number: chooses the sizes and the bytes.
    :param files: how many there are in all, dealt out among the projects in turn.
    :param largest: bytes of the largest file, which is there once; the least is one byte.
    """
    chance = random.Random(number)  # noqa: S311  # sizes and noise, no secrets
    for place in range(files):
        name, version = f"stock-{place % projects:03}", f"1.{place // projects}"
        if place == 0:
            index.add(name, version, size=largest)
        elif place % LARGE == 0:
            index.add(name, version, size=_between(chance, min(SMALL, largest), largest))
        elif place % 3 == 1:
            index.add_file(name, f"{name.replace('-', '_')}-{version}.tar.gz", chance.randbytes(_between(chance, 1, min(SMALL, largest))))
        else:
            index.add(name, version, size=_between(chance, 1, min(SMALL, largest)))


def _between(chance: random.Random, least: int, most: int) -> int:
    """As likely of one order of magnitude as of another."""
    return int(least * (most / least) ** chance.random())
