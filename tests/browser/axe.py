"""axe-core, which finds what keeps people out of a page: a tool of tests alone, fetched as the other tools are."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from functools import cache

from tests.browser.chromium import Tab
from tests.clients.debian import PLACES
from tests.clients.tools import HOME
from tests.needs import missing

VERSION = "4.14.1"
_RUN = """axe.run(document, {resultTypes: ["violations"], %s}).then(told => told.violations
  .filter(one => ["serious", "critical", "moderate"].includes(one.impact))
  .flatMap(one => one.nodes.map(node => `${one.impact} ${one.id}: ${node.html.slice(0, 120)}: ${node.failureSummary}`)))"""


@cache
def script() -> str:
    """
    All of it, to be run in a page.

    Where it cannot be had the test is skipped, or fails under `CI=true`.
    """
    folder = HOME / f"axe-core-{VERSION}"
    file = folder / "node_modules" / "axe-core" / "axe.min.js"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            npm = shutil.which("npm", path=PLACES)
            if npm is None:
                missing("there is no npm to fetch axe-core with")
            folder.mkdir(exist_ok=True)
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), f"axe-core@{VERSION}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
            if done.returncode:
                missing(f"axe-core cannot be had here: {done.stderr.strip()[-300:]}")
    return file.read_text("utf-8")


def hindrances(tab: Tab, *, contrast_alone: bool = False) -> list[str]:
    """
    What is in the way of somebody on the page that is shown: every finding of axe's that is worse than minor.

    :param contrast_alone: look at nothing but colours, which takes a part of the time.
    """
    if not tab.run("typeof axe == 'object'"):
        tab.run(f"{script()}; true")
    found: list[str] = tab.run(
        _RUN
        % (
            'runOnly: ["color-contrast"]'
            if contrast_alone
            else "runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
        )
    )
    return found
