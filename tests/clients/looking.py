"""Ways to look at a daemon's pages that several modules of tests share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

from tests.clients.daemon import PAUSE, TRIES, Daemon

JSON = "application/vnd.pypi.simple.v1+json"
PROJECTS = ("seeds-alpha", "seeds-beta", "seeds-gamma", "seeds-delta", "seeds-epsilon", "seeds-zeta", "seeds-local", "seeds-timely")


def files(daemon: Daemon, project: str) -> dict[str, dict[str, Any]]:
    """A page's files by name, with the paths of their URLs as `path`."""
    return {file["filename"]: file | {"path": urljoin(f"/simple/{project}/", file["url"])} for file in daemon.page(project)["files"]}


def html(daemon: Daemon, project: str) -> str:
    """A project's HTML page."""
    answer = daemon.ask("GET", f"/simple/{project}/", {"Accept": "text/html"})
    assert answer.status == 200
    return answer.body.decode()


def links(page: str) -> dict[str, str]:
    """The opening tags of a page's links, by text."""
    return {text: tag for tag, text in re.findall(r"(<a [^>]*>)([^<]*)</a>", page)}


def eventually(look: Callable[[], bool]) -> None:
    """Look again and again until it is so. For what the daemon does after it has answered."""
    for _ in range(TRIES):
        if look():
            return
        time.sleep(PAUSE)
    raise AssertionError(f"it is still not so after {TRIES * PAUSE:.0f} s")
