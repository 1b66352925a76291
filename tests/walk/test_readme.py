"""Commands are found in a README as people find them: in a block first, and only where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.walk.readme import readme

TEXT = """
Do it::

    tool run
    tool stop NOW

or, for good::

    $ tool install

    [[index]]
    url = "here"

    other = 1

In words it is ``tool stop`` and ``tool
look``; ``tool ask A``, ``tool ask B``, and once more ``tool ask A``.
"""


def test_commands_are_found_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "README.rst").write_text(TEXT)
    found = readme(tmp_path / "README.rst")
    assert found.blocks[0] == ("tool run", "tool stop NOW")
    assert found.command("tool stop") == "tool stop NOW"
    assert found.command("tool install") == "tool install"
    assert found.command("tool look") == "tool look"
    assert found.passage("[[index]]") == '[[index]]\nurl = "here"\n'
    for beginning in ("tool ask", "tool fly", "tool"):
        with pytest.raises(AssertionError, match="commands that begin with"):
            found.command(beginning)
    with pytest.raises(AssertionError):
        found.passage("nowhere")
