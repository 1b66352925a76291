"""
A hundred slow uploads and a hundred slow downloads at once, to a daemon that may have 512 MiB of address space (F82).

Bars: every upload is taken or told to come back later, no download is cut, health checks are answered meanwhile, no traceback; and the memory is told.
"""

from __future__ import annotations

import argparse
import base64
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from measuring import circumstances, table

sys.path.insert(0, str(Path(__file__).parents[1]))

from pypidaemon.testing.archives import make_wheel
from tests.clients.daemon import Daemon
from tests.web.test_uploads import BOUNDARY, form

UPLOAD, DOWNLOAD, PIECE, PAUSE = 2 << 20, 8 << 20, 256 << 10, 0.3
LONGEST = 120.0


def main() -> int:
    """Start a daemon under that limit, and keep it busy."""
    arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    arguments.add_argument("--clients", type=int, default=100, help="how many of each")
    arguments.add_argument(
        "--mebibytes", type=int, default=512, help="address space of the daemon; its workers for archives have as much each"
    )
    given = arguments.parse_args()
    limited = ("/bin/sh", "-c", f'ulimit -v {given.mebibytes * 1024} && export MALLOC_ARENA_MAX=2 && exec "$@"', "sh")
    with tempfile.TemporaryDirectory() as folder:
        sections = "[index:private]\nuse = private\n"
        daemon = Daemon(Path(folder), "http://127.0.0.1:9/simple/", sections, index="private", uploads="private", prefix=limited)
        try:
            daemon.start()
            return press(daemon, given.clients)
        finally:
            daemon.stop()


def press(daemon: Daemon, clients: int) -> int:
    """One round."""
    daemon.order("user", "add", "ann", "--password-stdin", said="a long password\n")
    daemon.order("grant", "ann", "upload", "private")
    token = daemon.order("token", "add", "ann").split()[-1]
    assert upload(daemon, token, "big", DOWNLOAD, 0.0) == "200"
    path = "/" + daemon.page("big")["files"][0]["url"].removeprefix("../../")
    downloads = [begun(daemon, path) for _ in range(clients)]
    outcomes: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(upload(daemon, token, f"p{n}", UPLOAD, PAUSE)), daemon=True)
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    ends, checks = time.monotonic() + LONGEST, []
    while any(thread.is_alive() for thread in threads) and time.monotonic() < ends:
        asked = time.monotonic()
        assert daemon.ask("GET", "/+health").status == 200
        checks.append(time.monotonic() - asked)
        time.sleep(0.5)
    whole = sum(read(connection) for connection in downloads)
    found, traces = Counter(outcomes), daemon.log.count("Traceback")
    print(circumstances())
    print(
        table(
            ["of the daemon, MiB", "now", "most"],
            [["resident", *memory(daemon, "VmRSS", "VmHWM")], ["address space", *memory(daemon, "VmSize", "VmPeak")]],
        )
    )
    good = set(found) <= {"200", "503"} and sum(found.values()) == clients and whole == clients and not traces
    print(f"uploads {dict(found)}; {whole} of {clients} downloads whole; slowest health check {max(checks):.2f} s; {traces} tracebacks")
    print("all bars hold" if good else "a bar is missed")
    return 0 if good else 1


def upload(daemon: Daemon, token: str, project: str, size: int, pause: float) -> str:
    """Upload a wheel of that size, piece by piece; answer the status, or what went wrong."""
    filename, data = make_wheel(project, "1.0", size=size)
    body = form(filename, data, name=project, version="1.0", filetype="bdist_wheel", pyversion="py3")
    login = base64.b64encode(f"__token__:{token}".encode()).decode()
    head = f"POST /legacy/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    try:
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            for start in range(0, len(body), PIECE):
                connection.sendall(body[start : start + PIECE])
                time.sleep(pause)
            return connection.recv(100)[9:12].decode()
    except OSError as error:
        return str(error)


def begun(daemon: Daemon, path: str) -> socket.socket:
    """A download that takes nothing for now."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", daemon.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    return connection


def read(connection: socket.socket) -> bool:
    """Whether the rest comes, all of it."""
    with connection:
        taken = 0
        try:
            while piece := connection.recv(1 << 20):
                taken += len(piece)
        except OSError:
            return False
        return taken > DOWNLOAD


def memory(daemon: Daemon, *names: str) -> list[int]:
    """What the system says of the daemon's memory, in MiB."""
    assert daemon.process is not None
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    known = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return [int(known[name]) // 1024 for name in names]


if __name__ == "__main__":
    sys.exit(main())
