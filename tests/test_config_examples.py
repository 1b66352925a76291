"""Every configuration that we show can be used as it stands."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from pypidaemon.assembly import describe, plan

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "etc").glob("*.ini"))
# A block of ours begins with a section; other tools' blocks look different.
BLOCK = re.compile(r"(?:^|\n)((?: {4}[^\n]*\n|\n)+)")


def shown() -> list[str]:
    """The INI blocks of the README."""
    blocks = [textwrap.dedent(match[1]).strip() + "\n" for match in BLOCK.finditer((ROOT / "README.rst").read_text("utf-8"))]
    return [block for block in blocks if block.startswith("[daemon]")]


def test_there_is_one_file_for_each_kind_of_user() -> None:
    """And the one that `make run` starts."""
    assert {file.name for file in SHIPPED} >= {"config.ini", "home-server.ini", "netbook.ini", "workstation.ini", "team.ini", "mirror.ini"}


@pytest.mark.parametrize("file", SHIPPED, ids=[file.name for file in SHIPPED])
def test_each_shipped_file_can_be_used(file: Path) -> None:
    """With everything in it leading somewhere, and a comment at its head."""
    found = plan(str(file))
    assert all(part.needed for part in found.parts.values())
    assert file.read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("file", SHIPPED, ids=[file.name for file in SHIPPED])
def test_the_readme_names_each_shipped_file(file: Path) -> None:
    """Else nobody finds it."""
    assert f"etc/{file.name}" in (ROOT / "README.rst").read_text("utf-8")


@pytest.mark.parametrize("index", range(len(shown())))
def test_each_block_of_the_readme_can_be_used(index: int, tmp_path: Path) -> None:
    """As a file of its own."""
    file = tmp_path / "c.ini"
    file.write_text(shown()[index])
    assert describe(plan(str(file)))


def test_the_readme_has_such_blocks() -> None:
    """The test above must have something to look at."""
    assert len(shown()) >= 2


def test_the_shipped_default_listens_on_loopback_and_keeps_things_in_var() -> None:
    """Nothing is offered to a network that nobody asked for."""
    found = plan(str(ROOT / "etc" / "config.ini"))
    assert found.daemon.listen == ("tcp:3141:interface=127.0.0.1",)
    assert found.data == ROOT / "var"


def test_the_shipped_default_is_the_default_written_out(tmp_path: Path) -> None:
    """So whoever reads it knows what an empty file means: private packages first, and they take the uploads."""
    empty = tmp_path / "etc" / "config.ini"
    empty.parent.mkdir()
    empty.write_text("[daemon]\n")
    shipped, implied = plan(str(ROOT / "etc" / "config.ini")), plan(str(empty))
    assert list(shipped.parts) == list(implied.parts)
    assert (shipped.index, shipped.daemon.uploads) == (implied.index, implied.daemon.uploads) == ("index:root", "private")
    assert shipped.parts["index:root"].references == implied.parts["index:root"].references
