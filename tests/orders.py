"""Verbs of the command line as people give them: each in a process of its own, since each runs a reactor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.clients.daemon import IMPORTS
from tests.forked import NURSERIES

PATIENCE = 120.0
"""Seconds that an order may take."""


def ordered(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """
    What comes of `pypidaemon` with these words.

    :param said: its standard input.
    """
    if nursery := NURSERIES.of(sys.executable, *IMPORTS):
        return nursery.run("pypidaemon.commands:main", words, dict(os.environ), Path.cwd(), said, PATIENCE)
    command = [sys.executable, "-m", "pypidaemon", *words]
    return subprocess.run(command, input=said, capture_output=True, text=True, timeout=PATIENCE, check=False)
