"""The pages of the documentation as tests read them: their blocks, and the commands in these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.rst") if "_build" not in page.parts)


@attrs.frozen
class Block:
    """A code block of a page, or a direction that only tests see (`.. walk: words`), whose language is `walk`."""

    page: Path
    line: int
    language: str
    caption: str
    """The file that it shows; empty where it shows none."""
    text: str
    inner: bool = False
    """Whether it stands inside of something, such as an entry of a list."""

    @property
    def where(self) -> str:
        """Page and line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The blocks of a page in these languages, in order; of all, where none is named."""
    return iter([block for block in _read(page) if not languages or block.language in languages])


@cache
def _read(page: Path) -> list[Block]:
    return list(_blocks(page, page.read_text("utf-8").splitlines()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    for number, line in enumerate(lines):
        if found := re.fullmatch(r"\.\. walk: (.+)", line):
            block = Block(page, number + 1, "walk", "", found[1])
        elif found := re.fullmatch(r"( *)\.\. code-block:: (\w+)", line):
            below = _below(lines[number + 1 :], len(found[1]) + 3)
            options = {
                name: value for option in below if (match := re.fullmatch(r":(\w+): (.*)", option)) for name, value in [match.groups()]
            }
            text = "\n".join(line for line in below if not re.fullmatch(r":\w+: .*", line)).strip("\n") + "\n"
            block = Block(page, number + 1, found[2], options.get("caption", ""), text, bool(found[1]))
        elif line.endswith("::") and not line.lstrip().startswith(".. "):
            # What begins with the section that every file has is a whole configuration, whether the page says so or not.
            margin = len(line) - len(line.lstrip()) + 4
            text = "\n".join(_below(lines[number + 1 :], margin)).strip("\n") + "\n"
            if not text.startswith("[daemon]"):
                continue
            block = Block(page, number + 1, "ini", "", text, margin > 4)
        else:
            continue
        yield block


def _below(lines: list[str], margin: int) -> list[str]:
    found = []
    for line in lines:
        if line.strip() and not line.startswith(" " * margin):
            break
        found.append(line[margin:])
    return found


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console, each with what it prints; a line that ends in a backslash goes on."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, said = part.replace("\\\n", " ").partition("\n")
        yield command.strip(), said.strip()
