"""A real Apache on loopback, as one process, with the modules that a configuration of ours needs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.daemon import PAUSE, TRIES, ask
from tests.clients.debian import program

MODULES = ("mpm_event", "authz_core", "env", "headers", "filter", "deflate", "proxy", "proxy_http")
"""What Debian has on, as far as it matters here, and what the page names."""


@contextmanager
def apache(folder: Path, port: int, text: str) -> Iterator[str]:
    """Apache with this in its only server, while the block lasts; its URL. It compresses what it is not told not to."""
    folder.mkdir()
    server = program("apache2", "apache2-bin", "libapr1", "libaprutil1")
    modules = Path(server.path).parents[1] / "lib" / "apache2" / "modules"
    lines = [f"LoadModule {one}_module {modules}/mod_{one}.so" for one in MODULES]
    lines += [f"ServerRoot {folder}", f"DefaultRuntimeDir {folder}", f"PidFile {folder}/pid", f"ErrorLog {folder}/error.log"]
    lines += [
        "ServerName 127.0.0.1",
        f"Listen 127.0.0.1:{port}",
        "SetOutputFilter DEFLATE",
        *(["User www-data"] if os.getuid() == 0 else []),
    ]
    (folder / "apache.conf").write_text("\n".join([*lines, text]) + "\n")
    url = f"http://127.0.0.1:{port}"
    with (folder / "said").open("w") as said:
        command = [server.path, "-X", "-f", str(folder / "apache.conf")]
        process = subprocess.Popen(command, env=server.environment, stdout=said, stderr=said)
    try:
        for _ in range(TRIES):
            assert process.poll() is None, "".join(one.read_text() for one in (folder / "said", folder / "error.log"))
            try:
                ask(url, "GET", "/")
                break
            except OSError:
                time.sleep(PAUSE)
        yield url
    finally:
        process.terminate()
        process.wait(20)
