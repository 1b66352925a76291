"""
The quickest faults of the catalogue, done to a real daemon behind a real upstream that fails: nothing lost, nothing wrong, nobody left waiting.

`python -m benchmarks.chaos` does all of them, and more of each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.chaos.faults import load
from benchmarks.chaos.ordeal import endure
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects.ours import Pypidaemon
from tests.clients.tools import ROOT
from tests.faults.conftest import SEED
from tests.needs import missing

pytestmark = pytest.mark.clients

Survives = Callable[[str], None]


@pytest.fixture
def survives(source: Source, tmp_path: Path) -> Survives:
    """Do a fault to a daemon of its own, and fail with what was not as it should be."""

    def survive(id: str) -> None:
        outcome = endure(load()[id], Pypidaemon.make, source, tmp_path / id, SEED, quick=True, timed=False)
        assert not outcome.skipped, outcome.skipped
        assert outcome.tally.survived, outcome.line(load()[id], "pypidaemon", SEED)
        assert outcome.tally.attempts > 0

    return survive


def apart(id: str, folder: Path) -> None:
    """Do a fault that needs to be root, in a world where this user is."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode:
        missing("unshare -rmn, or being root")
    command = [sys.executable, "-m", "benchmarks.chaos", "--fault", id, "--ci", "--untimed", "--seed", str(SEED), "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["survived"]


def test_C1_an_upstream_that_says_503(survives: Survives) -> None:
    survives("C1")


def test_C3_files_that_come_short(survives: Survives) -> None:
    survives("C3")


def test_C4_files_with_a_turned_bit(survives: Survives) -> None:
    survives("C4")


def test_C5_files_with_more_bytes_or_another_length(survives: Survives) -> None:
    survives("C5")


def test_C6_pages_that_are_empty_halved_strange_or_broken(survives: Survives) -> None:
    survives("C6")


def test_C8_a_captive_portal(survives: Survives) -> None:
    survives("C8")


def test_C9_known_files_with_other_bytes(survives: Survives) -> None:
    survives("C9")


def test_C10_a_quarantine_that_comes_and_goes(survives: Survives) -> None:
    survives("C10")


def test_C13_connections_that_are_reset(survives: Survives) -> None:
    survives("C13")


@pytest.mark.parametrize("id", ["C21", "C22"])
def test_C21_C22_F53_F56_F57_a_small_disk(id: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Full, without inodes, and with a limit on the size of files."""
    if os.geteuid() == 0:
        request.getfixturevalue("survives")(id)
    else:
        apart(id, tmp_path)


def test_C24_F62_bit_rot_and_a_scrub(survives: Survives) -> None:
    survives("C24")


def test_C25_F63_F64_F65_files_gone_and_files_that_nobody_knows(survives: Survives) -> None:
    survives("C25")


def test_C29_a_herd(survives: Survives) -> None:
    survives("C29")
