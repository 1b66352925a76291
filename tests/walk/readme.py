"""What the README tells people to type, as it stands there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.clients.tools import ROOT


@attrs.frozen
class Readme:
    """
    Its commands.

    :param blocks: the lines of its literal blocks.
    :param literals: what stands in its sentences as literal text.
    """

    blocks: tuple[tuple[str, ...], ...]
    literals: tuple[str, ...]

    def command(self, beginning: str) -> str:
        """
        The one command that begins so, in a block or else in a sentence.

        :raises AssertionError: there is none, or there are several: then whoever walks has to guess which.
        """
        lines = [line for block in self.blocks for line in block if line.startswith(beginning)]
        found = lines or [one for one in dict.fromkeys(self.literals) if one.startswith(beginning)]
        assert len(found) == 1, f"the README has {len(found)} commands that begin with {beginning!r}: {found}"
        return found[0]

    def passage(self, first: str) -> str:
        """The lines of a block from that one on to the next that is empty, as they go into a file."""
        for block in self.blocks:
            if first in block:
                rest = block[block.index(first) :]
                return "\n".join(rest[: rest.index("")] if "" in rest else rest) + "\n"
        raise AssertionError(f"the README has no line {first!r}")


def readme(path: Path = ROOT / "README.rst") -> Readme:
    """The README of this tree."""
    text = path.read_text("utf-8")
    return Readme(tuple(_blocks(text.splitlines())), tuple(" ".join(one.split()) for one in re.findall(r"``([^`]+)``", text)))


def _blocks(lines: list[str]) -> Iterator[tuple[str, ...]]:
    """The literal blocks that a `::` or a `code-block` announces, without their indent."""
    number = 0
    while number < len(lines):
        announced = lines[number].endswith("::") or re.match(r"\.\. code-block:: (console|sh|shell|text|toml)\b", lines[number])
        number += 1
        if not announced or number >= len(lines) or lines[number].strip():
            continue
        block: list[str] = []
        while number < len(lines) and (not lines[number].strip() or lines[number].startswith(" ")):
            block.append(lines[number])
            number += 1
        text = textwrap.dedent("\n".join(block)).strip("\n")
        if text:
            yield tuple(line.rstrip().removeprefix("$ ") for line in text.split("\n"))
