"""What the benchmarks measure with: processes seen through /proc, a plain HTTP client that hashes what it gets, and tables."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Self
from urllib.parse import urljoin, urlsplit

import attrs

_TICKS = os.sysconf("SC_CLK_TCK")
_REDIRECTS = (301, 302, 303, 307, 308)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(children.get(found[-1], ()))
    return found


def cpu_seconds(pid: int) -> float:
    """The processor time, user and system, of a process and its descendants, in steps of 10 ms."""
    spent = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        spent += int(fields[11]) + int(fields[12])
    return spent / _TICKS


def resident(pid: int) -> float:
    """The resident memory of a process and its descendants, in MiB; shared pages count for each."""
    pages = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/statm") as file:
                pages += int(file.read().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@attrs.define(eq=False)
class Watched:
    """Looks at a process's resident memory every `interval` seconds while it is entered; `peak` is the most it saw."""

    pid: int
    interval: float = 0.05
    before: float = 0.0
    peak: float = 0.0
    after: float = 0.0
    cpu: float = 0.0
    _stop: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def __enter__(self) -> Self:
        self.before = self.peak = resident(self.pid)
        self.cpu = cpu_seconds(self.pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        self.cpu = cpu_seconds(self.pid) - self.cpu
        self.after = resident(self.pid)

    def _look(self) -> None:
        while not self._stop.wait(self.interval):
            self.peak = max(self.peak, resident(self.pid))


@attrs.frozen
class Answer:
    """One answer; times in seconds from just before connecting. `hops` are the hosts of redirects that were followed."""

    status: int
    headers: Mapping[str, str]
    first: float
    total: float
    length: int
    sha256: str
    hops: tuple[str, ...] = ()
    body: bytes = b""


def get(url: str, fields: Mapping[str, str] | None = None, *, keep: bool = False, deadline: float = 300.0) -> Answer:
    """
    Get a URL over a connection of its own, hashing the body, which is kept only where that is asked for.

    :param deadline: seconds for each step; a server that says nothing for so long fails the benchmark.
    :raises OSError: the connection failed.
    :raises ValueError: there were too many redirects, or no answer.
    """
    hops: list[str] = []
    began = time.perf_counter()
    while len(hops) <= 5:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=deadline) as connection:
            sent = {"Host": parts.netloc, "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", **(fields or {})}
            lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
            status, headers, rest = _head(connection)
            if status in _REDIRECTS:
                url = urljoin(url, headers["location"])
                hops.append(urlsplit(url).netloc)
                continue
            return _body(connection, status, headers, rest, began, hops=tuple(hops), keep=keep)
    raise ValueError(f"too many redirects from {url}")


def _head(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ValueError("the connection closed without an answer")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, rest


def _body(
    connection: socket.socket, status: int, headers: dict[str, str], rest: bytes, began: float, *, hops: tuple[str, ...], keep: bool
) -> Answer:
    digest = hashlib.sha256(rest)
    kept = [rest] if keep else []
    expected = int(headers["content-length"]) if "content-length" in headers else None
    length = len(rest)
    first = time.perf_counter() - began if rest else 0.0
    buffer = memoryview(bytearray(256 << 10))
    while (expected is None or length < expected) and (count := connection.recv_into(buffer)):
        first = first or time.perf_counter() - began
        digest.update(buffer[:count])
        length += count
        if keep:
            kept.append(bytes(buffer[:count]))
    body = b"".join(kept)
    if "chunked" in headers.get("transfer-encoding", ""):
        body = _unchunked(body)
    return Answer(status, headers, first, time.perf_counter() - began, length, digest.hexdigest(), hops, body)


def _unchunked(raw: bytes) -> bytes:
    pieces = []
    while raw:
        line, _, raw = raw.partition(b"\r\n")
        count = int(line.partition(b";")[0], 16)
        pieces.append(raw[:count])
        raw = raw[count + 2 :]
    return b"".join(pieces)


def at_once(url: str, clients: int) -> list[Answer]:
    """Let so many clients get a URL at the same time, each in a thread of its own."""
    answers: list[Answer] = []
    troubles: list[BaseException] = []
    gate = threading.Barrier(clients)

    def client() -> None:
        gate.wait()
        try:
            answers.append(get(url))
        except (OSError, ValueError) as error:
            troubles.append(error)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    return answers


def first_link(page: str) -> str:
    """
    The URL of the first file that an HTML simple page lists.

    :raises ValueError: it lists none.
    """
    answer = get(page, {"Accept": "text/html"}, keep=True)
    for link in re.findall(r'href="([^"#]+)', answer.body.decode()):
        if ".metadata" not in link:
            return urljoin(page, str(link))
    raise ValueError(f"{page} (status {answer.status}) lists no file")


def table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lines of aligned columns: text to the left, numbers to the right."""
    cells: list[list[str]] = [
        [*map(str, heading)],
        *([f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heading))]
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(heading))]
    lines: list[str] = []
    for line in cells:
        aligned = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, numeric, strict=True))
        lines.append("  ".join(aligned).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def machine() -> str:
    """What it is, and its system."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}"


def circumstances() -> str:
    """The line that every benchmark begins with: when, on what, with what, and how busy the machine was."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pypidaemon", "Twisted"))
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{moment}; {machine()}; CPython {sys.version.split()[0]}, {libraries}; load {load}"
