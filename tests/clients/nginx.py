"""A real nginx on loopback, as one process and as nobody else than who runs the tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.daemon import PAUSE, TRIES, ask
from tests.clients.debian import program


@contextmanager
def nginx(folder: Path, http: str, url: str) -> Iterator[None]:
    """
    nginx with this inside its `http` block, while the block lasts.

    :param url: of one of its servers, which answers anything once it is ready.
    """
    folder.mkdir()
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
        f" events {{}} http {{ access_log off; {temporary}\n{http}\n}}\n"
    )
    server = program("nginx", "nginx")
    process = subprocess.Popen([server.path, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(conf)], env=server.environment)
    try:
        for _ in range(TRIES):
            assert process.poll() is None, (folder / "error.log").read_text()
            try:
                ask(url, "GET", "/")
                break
            except OSError:
                time.sleep(PAUSE)
        yield
    finally:
        process.terminate()
        process.wait(20)
