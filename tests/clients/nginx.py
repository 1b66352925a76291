"""A real nginx on loopback, as one process and as nobody else than who runs the tests."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.daemon import PAUSE, TRIES, ask
from tests.clients.tools import HOME
from tests.needs import missing

PLACES = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def program() -> str:
    """
    The machine's nginx, else one of Debian's, unpacked beside the other tools the first time: so no service of the machine is started for it.

    Where there is none and none can be had the test is skipped, or fails under `CI=true`.
    """
    found = shutil.which("nginx", path=PLACES)
    unpacked = HOME / "nginx"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found is None and not (unpacked / "usr" / "sbin" / "nginx").exists():
            _unpack(unpacked)
    return found or str(unpacked / "usr" / "sbin" / "nginx")


def _unpack(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    reason = "neither nginx nor apt-get is here"
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "download", "nginx"]):
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        except FileNotFoundError:
            missing(reason)
        # Only root may update, and may have done so before.
        reason = f"nginx cannot be had: {done.stderr.strip()[-300:]}"
    archives = [*folder.glob("nginx_*.deb")]
    if not archives:
        missing(reason)
    subprocess.run(["dpkg-deb", "-x", str(archives[0]), str(folder)], check=True)


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
    process = subprocess.Popen([program(), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(conf)])
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
