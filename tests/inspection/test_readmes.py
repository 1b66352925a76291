"""Descriptions rendered by a process of its own: the same HTML, whatever they do to it, and each but once (S80)."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pypidaemon.inspection import readmes
from pypidaemon.inspection.readmes import AS_IT_IS, NOT_YET, Readme, Readmes
from pypidaemon.inspection.typesetting import BRIEF, typeset
from pypidaemon.rendered import Rendered
from tests.gear import inline, now

LONG = "\n\n".join(f"## Part {number}\n\n{'word ' * 50}" for number in range(200))
READY = """
import os, struct, sys, time
def say(data): sys.stdout.buffer.write(struct.pack(">L", len(data)) + data); sys.stdout.buffer.flush()
say(b'{"word":"ready"}')
sys.stdin.buffer.read(4)
"""


class ProcessTests(TestCase):
    """With a real process."""

    def readmes(self, *scripts: str, kept: Rendered | None = None) -> Readmes:
        """What renders until the test is over; its first processes run these scripts instead. It waits for as long as it takes."""
        self.patch(readmes, "AT_ONCE", 600.0)
        self.patch(readmes, "PATIENCE", 600.0)
        if scripts:
            left, real = list(scripts), readmes.command
            self.patch(readmes, "command", lambda memory: [sys.executable, "-I", "-S", "-c", left.pop(0)] if left else real(memory))
        made = Readmes(reactor, kept)
        made.startService()
        self.addCleanup(made.stopService)
        return made

    async def test_it_is_what_the_renderer_makes_and_is_made_once(self) -> None:
        """Also after a restart; and what kills the process costs one description and no more."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        kept = Rendered(Path(folder.name) / "rendered" / "readmes", "basis", 1 << 20, inline)
        kept.folder.parent.mkdir()
        made = self.readmes(READY + "os._exit(1)", kept=kept)
        assert await made.render("# killer", "text/markdown") == AS_IT_IS
        assert made.lost == 1
        expected = typeset(LONG, "text/markdown")
        found = await made.render(LONG, "text/markdown")
        assert found == Readme(expected.html, expected.html[: expected.brief] + expected.closing)
        assert len(found.brief) < BRIEF + 100 < len(found.html)
        assert await made.render(LONG, "text/markdown") is found
        # What nothing can be made of: nested lists, on which the parser runs out of stack; and what is refused for its markup.
        nested = "\n\n".join("  " * depth + "* x" for depth in range(300))
        assert await made.render(nested, "text/x-rst") == AS_IT_IS
        assert await made.render(".. raw:: html\n\n   <b>", "") == AS_IT_IS
        assert (made.rendered, made.lost) == (3, 1)
        again = self.readmes(kept=kept)
        assert await again.render(LONG, "text/markdown") == found
        assert await again.render(nested, "text/x-rst") == AS_IT_IS
        assert again.rendered == 0

    async def test_what_it_says_is_not_believed(self) -> None:
        """Whatever hostile text has made of the process: it may change what is shown of itself, and nothing else."""
        for said in (
            b'{"word":"found"}',
            b'{"word":"found","html":3,"brief":1,"closing":""}',
            b'{"word":"found","html":"abc","brief":9,"closing":""}',
            b'{"word":"found","html":"abc","brief":1,"closing":"<script>"}',
            b'{"word":"evil","html":"abc","brief":1,"closing":""}',
            b"nothing",
        ):
            made = self.readmes(READY + f"say({said!r})\ntime.sleep(600)")
            assert await made.render("words", "text/markdown") == AS_IT_IS
            await made.stopService()


def test_plain_text_needs_no_process() -> None:
    made = Readmes(Clock())
    for text, kind in (("words", "text/plain; charset=UTF-8"), ("  \n", "text/markdown")):
        assert now(made.render(text, kind)) == AS_IT_IS


def test_without_the_renderer_it_is_shown_as_it_is() -> None:
    """The extra may be installed later, so that is not kept."""
    assert now(Readmes(Clock(), able=lambda: False).render("# x", "text/markdown")) == NOT_YET


@pytest.mark.parametrize("name", ["readme_renderer", "nh3", "docutils"])
def test_the_daemon_itself_never_reads_a_description(name: str) -> None:
    """None of what renders is imported by it."""
    folder = Path(readmes.__file__).parents[1]
    users: list[Any] = [
        path.name
        for path in folder.rglob("*.py")
        if f"import {name}" in path.read_text("utf-8") or f"from {name}" in path.read_text("utf-8")
    ]
    assert set(users) <= {"typesetting.py", "typesetter.py"}
