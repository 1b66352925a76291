"""Load by wrk on many URLs in turn, and what it cost the server: the processor time of its whole process tree."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from statistics import mean
from urllib.parse import urlsplit

import attrs
from measuring import Answer, family, get

PIP = {
    "User-Agent": 'pip/26.3 {"ci":null,"cpu":"x86_64","implementation":{"name":"CPython","version":"3.11.7"},"python":"3.11.7"}',
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip, deflate",
    "Cache-Control": "max-age=0",
    "Connection": "keep-alive",
}
"""What pip 26.3 asks a page with."""

UV = {
    "User-Agent": 'uv/0.13.9 {"installer":{"name":"uv","version":"0.13.9"},"implementation":{"name":"CPython","version":"3.11.7"},"cpu":"x86_64"}',
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",
    "Accept-Encoding": "gzip, deflate, zstd",
}
"""What uv 0.13.9 asks a page with."""

FILE = {**PIP, "Accept": "*/*", "Accept-Encoding": "identity"}
"""What pip asks a file with."""

CONNECTIONS, FEW = 16, 2
SLOW = 0.02
"""A server whose quickest answer takes so many seconds is asked over `FEW` connections: with more, most answers would come after the end."""
ENOUGH = 5
"""Of such a server so many paths are asked for."""
_TICKS = os.sysconf("SC_CLK_TCK")
_ALL = slice(11, 15)
"""Fields of `stat` behind the name: user and system time, its own and of children that were waited for."""

_SCRIPT = """
local requests = {%s}
local number = 0
request = function()
  number = number %% #requests + 1
  return requests[number]
end
done = function(summary, latency)
  io.write(string.format('JSON {"requests":%%d,"microseconds":%%d,"bytes":%%d,"p50":%%d,"p99":%%d,"refused":%%d,"failed":%%d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write))
end
"""


class Unable(Exception):
    """A server cannot do what is asked of it, and why."""


def spent(pid: int) -> float:
    """Processor seconds of a process, all its threads, all below it, and of those of its children that have ended by now."""
    ticks = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/stat") as file:
                ticks += sum(map(int, file.read().rpartition(")")[2].split()[_ALL]))
        except OSError:
            continue
    return ticks / _TICKS


@attrs.frozen
class Wish:
    """Some paths of one server that are asked for in turn, each with its own fields."""

    paths: Sequence[str]
    fields: Mapping[str, str]
    status: int = 200
    connections: int = CONNECTIONS


@attrs.frozen
class Ready:
    """Requests as they go over the wire, and what their answers are like."""

    url: str
    requests: Sequence[bytes]
    length: float
    """Bytes of a body."""
    connections: int
    encoding: str
    kind: str


def lua(requests: Sequence[bytes]) -> str:
    """wrk's script that sends these in turn and says what came of it."""
    quoted = (
        request.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
        for request in requests
    )
    return _SCRIPT % ",\n".join(f'"{request}"' for request in quoted)


def prepared(url: str, wish: Wish) -> Ready:
    """
    Ask for each path until the server has it ready, and have the requests made.

    :raises Unable: it answers with something else.
    """
    host = urlsplit(url).netloc
    requests: list[bytes] = []
    lengths: list[int] = []
    seconds: list[float] = []
    answer: Answer | None = None
    for path in wish.paths:
        if len(seconds) == ENOUGH and min(seconds) > SLOW:
            break
        fields = dict(wish.fields)
        once = fields | {"Connection": "close"}
        answer = get(url + path, once)
        answer = get(url + path, once)
        seconds.append(answer.total)
        if wish.status == 304 and answer.status == 200:
            if "etag" not in answer.headers:
                raise Unable("its pages have no ETag")
            fields["If-None-Match"] = answer.headers["etag"]
            answer = get(url + path, fields | {"Connection": "close"})
        if answer.status != wish.status:
            raise Unable(f"it answers {answer.status} instead of {wish.status}")
        lengths.append(answer.length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **fields}.items())
        requests.append(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    assert answer is not None
    connections = wish.connections if min(seconds) <= SLOW else min(wish.connections, FEW)
    encoding, kind = answer.headers.get("content-encoding", "identity"), answer.headers.get("content-type", "").partition(";")[0]
    return Ready(url, requests, mean(lengths), connections, encoding, kind)


def press(ready: Ready, pid: int, seconds: int) -> dict[str, float | str]:
    """
    Ask as fast as it answers.

    :raises Unable: it refuses some, or none was answered in that time.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(lua(ready.requests))
        script.flush()
        command = ["wrk", "-t1", f"-c{ready.connections}", f"-d{seconds}s", "--timeout", "60s", "-s", script.name, ready.url]
        before, began = spent(pid), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 120)
        cost, lasted = spent(pid) - before, time.perf_counter() - began
    _, _, said = done.stdout.partition("JSON ")
    if not said:
        raise Unable(f"wrk says: {(done.stdout + done.stderr).strip()[-200:]}")
    found = json.loads(said)
    count = found["requests"]
    if not count:
        raise Unable(f"none was answered within {seconds} s")
    if found["refused"] or found["failed"]:
        raise Unable(f"under load it refused {found['refused']} and broke off {found['failed']} of {count}")
    each = found["bytes"] / count
    # The count of bytes has the heads in it, and what had come of answers that were cut off at the end.
    if not 0.9 * ready.length <= each <= (1.2 + ready.connections / count) * ready.length + 2500:
        raise Unable(f"its answers had {each:.0f} bytes under load and {ready.length:.0f} before")
    return {
        "cpu_us": cost / count * 1e6,
        "cpu_s_gb": cost / found["bytes"] * 1e9,
        "per_second": count / found["microseconds"] * 1e6,
        "p50_ms": found["p50"] / 1e3,
        "p99_ms": found["p99"] / 1e3,
        "busy": cost / lasted,
        "requests": count,
        "bytes": ready.length,
        "connections": ready.connections,
        "encoding": ready.encoding,
        "type": ready.kind,
    }
