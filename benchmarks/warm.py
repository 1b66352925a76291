"""
What a request costs when everything is ready: pages, a page not modified, a small file, a part of one, a large one; beside nginx serving the same bytes.
And what it costs more where who asks says who he is, by a token.

The figure to look at is the server's processor time for each request; of the large file, for each GB. A first look, without bars. The daemon has its
accounts, counts everything, and writes a line for each request into a file; nginx does nothing of that.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import attrs
import processes
from measuring import circumstances, cpu_seconds, family, first_link, get, table
from store import with_pages

PIP = {
    "User-Agent": 'pip/26.3 {"ci":null,"cpu":"x86_64","implementation":{"name":"CPython","version":"3.11.7"}}',
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip, deflate",
    "Cache-Control": "max-age=0",
    "Connection": "keep-alive",
}
"""What pip asks a page with."""

FILE = {**PIP, "Accept": "*/*", "Accept-Encoding": "identity"}
"""What pip asks a file with."""

PAGES = {"fifty": 50, "three-thousand": 3000}
"""The projects whose pages are asked for, and how many files they have."""


@attrs.frozen
class Case:
    """One request, as either server is asked it; `ours` and `theirs` are what goes after the server's address."""

    what: str
    fields: Mapping[str, str]
    ours: str
    theirs: str
    status: int = 200
    connections: int | None = None
    """How many ask at once, where that is not for the options to say."""
    without: str = ""
    """The case that is the same but for a token."""


@attrs.frozen
class Load:
    """What came of some seconds of one request over and over: CPU in microseconds for each, and answers in a second."""

    cost: float
    speed: float


def press(case: Case, running: processes.Running, path: str, seconds: int, connections: int) -> Load:
    """
    Ask a server for one thing as fast as it answers.

    :raises RuntimeError: it answered with something else than it should, or not at all.
    """
    fields = dict(case.fields)
    if case.status == 304:
        fields["If-None-Match"] = get(running.url + path, fields).headers["etag"]
    answer = get(running.url + path, {**fields, "Connection": "close"})
    if answer.status != case.status:
        raise RuntimeError(f"{case.what}: status {answer.status} instead of {case.status} from {running.url}{path}")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
    for name, value in fields.items():
        command += ["-H", f"{name}: {value}"]
    before = cpu_seconds(running.pid)
    done = subprocess.run(
        [*command, running.url + path], capture_output=True, text=True, check=False, timeout=seconds + 60, preexec_fn=_apart
    )
    spent = cpu_seconds(running.pid) - before
    match = re.search(r"(\d+) requests in ([\d.]+)(m?s|m)", done.stdout)
    if match is None or "Non-2xx" in done.stdout or not int(match[1]):
        raise RuntimeError(f"{case.what}: {done.stdout}{done.stderr}")
    return Load(spent / int(match[1]) * 1e6, int(match[1]) / seconds)


def _apart() -> None:
    # The load comes from the last processor, the servers have the first, so neither takes the other's time.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def pinned(running: processes.Running) -> None:
    """Keep a server and all its threads on the first processor."""
    first = {min(os.sched_getaffinity(0))}
    for member in family(running.pid):
        for thread in os.listdir(f"/proc/{member}/task"):
            os.sched_setaffinity(int(thread), first)


def nginx(folder: Path, served: Mapping[str, tuple[str, bytes, bytes | None]]) -> processes.Running:
    """
    An nginx with these things to serve: by path, the content type, the bytes, and the same compressed.

    One process, no log, open files kept: as little as it can do for each request.
    """
    root = folder / "root"
    root.mkdir()
    locations = ""
    for path, (content_type, plain, zipped) in served.items():
        (root / path).write_bytes(plain)
        if zipped is not None:
            (root / f"{path}.gz").write_bytes(zipped)
        locations += f"location = /{path} {{ types {{ }} default_type {content_type}; gzip_static on; gzip_vary on; }}\n"
    port = processes.free_port()
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        f"{user} daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; sendfile on; tcp_nopush on; etag on; keepalive_requests 1000000000;\n"
        f"open_file_cache max=1000 inactive=60s; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {root};\n{locations} }} }}\n"
    )
    running = processes.start(["nginx", "-p", str(folder), "-c", str(configuration)], folder, "nginx.log")
    running.url = f"http://127.0.0.1:{port}"
    return processes.await_answer(running, "/", lambda answer: answer.status < 500, 10, folder / "nginx.log")


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks/warm.py", description="The cost of a request when everything is ready.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="for each case, server and round")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        print("skipped: wrk is not installed")
        return 0
    print(circumstances())
    for size, measure in (("50kB", _small), ("100MB", _large)):
        upstream, _ = processes.upstream("--files", "1", "--size", size, "--name", "file")
        with tempfile.TemporaryDirectory(prefix="warm-", dir=processes.scratch()) as name, upstream:
            folder = Path(name)
            data = folder / "data"
            with_pages(data, PAGES)
            with processes.daemon(folder, f"{upstream.url}/simple/", data) as daemon:
                print(measure(options, folder, daemon))
    return 0


def _large(options: argparse.Namespace, folder: Path, daemon: processes.Running) -> str:
    link = first_link(f"{daemon.url}/simple/file0/")
    served = {"large": ("application/octet-stream", get(link, keep=True).body, None)}
    case = Case("file, 100 MB, so 0.1 GB", FILE, link.removeprefix(daemon.url), "/large", connections=2)
    # Few of them are whole within a second where the machine has other things to do.
    longer = argparse.Namespace(**{**vars(options), "seconds": max(options.seconds, 5)})
    return _beside(longer, folder, daemon, served, [case])


def _small(options: argparse.Namespace, folder: Path, daemon: processes.Running) -> str:
    served: dict[str, tuple[str, bytes, bytes | None]] = {}
    for project in PAGES:
        zipped = get(f"{daemon.url}/simple/{project}/", {**PIP, "Connection": "close"}, keep=True)
        plain = get(f"{daemon.url}/simple/{project}/", {"Accept": PIP["Accept"]}, keep=True)
        served[project] = (plain.headers["content-type"], plain.body, zipped.body)
    link = first_link(f"{daemon.url}/simple/file0/")
    served["small"] = ("application/octet-stream", get(link, keep=True).body, None)
    path = link.removeprefix(daemon.url)
    cases = [
        *(Case(f"page of {files} files, {len(served[name][2] or b'') / 1e3:.0f} kB", PIP, f"/simple/{name}/", f"/{name}") for name, files in PAGES.items()),
        Case("page not modified", PIP, "/simple/fifty/", "/fifty", 304),
        Case("file, 50 kB", FILE, path, "/small"),
        Case("part of it, 20 kB", {**FILE, "Range": "bytes=10000-29999"}, path, "/small", 206),
    ]  # fmt: skip
    basic = {"Authorization": "Basic " + base64.b64encode(f"__token__:{_token(folder)}".encode()).decode()}
    cases += [
        attrs.evolve(case, what=f"{case.what}, token", fields={**case.fields, **basic}, without=case.what)
        for case in cases
        if case.status != 206
    ]
    return _beside(options, folder, daemon, served, cases)


def _token(folder: Path) -> str:
    """A token of a new user of the daemon in that folder."""
    command = [sys.executable, "-m", "pypidaemon"]
    at = ["ann", "-c", str(folder / "config.ini")]
    subprocess.run([*command, "user", "add", *at], check=True, capture_output=True, timeout=60)
    return subprocess.run([*command, "token", "add", *at], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def _beside(
    options: argparse.Namespace,
    folder: Path,
    daemon: processes.Running,
    served: Mapping[str, tuple[str, bytes, bytes | None]],
    cases: Sequence[Case],
) -> str:
    """The table of these cases, beside an nginx that serves the same."""
    if shutil.which("nginx") is None:
        print("nginx is not installed, so there is nothing to compare with")
        return _measured(options, cases, {"pypidaemon": daemon})
    with nginx(folder, served) as anchor:
        return _measured(options, cases, {"nginx": anchor, "pypidaemon": daemon})


def _measured(options: argparse.Namespace, cases: Sequence[Case], servers: Mapping[str, processes.Running]) -> str:
    loads: dict[tuple[str, str], list[Load]] = {}
    for running in servers.values():
        pinned(running)
    for _ in range(options.rounds):
        for case in cases:
            for name, running in servers.items():
                path = case.theirs if name == "nginx" else case.ours
                connections = case.connections or options.connections
                loads.setdefault((case.what, name), []).append(press(case, running, path, options.seconds, connections))
    rows: list[list[object]] = []
    more: list[str] = []
    for case in cases:
        ours = median([load.cost for load in loads[case.what, "pypidaemon"]])
        if case.without:
            pairs = zip(loads[case.what, "pypidaemon"], loads[case.without, "pypidaemon"], strict=True)
            more.append(
                f"{case.without}: {median([by_token.cost / plain.cost for by_token, plain in pairs]):.2f} x as much by a token as without"
            )
        row: list[object] = [case.what, ours, median([load.speed for load in loads[case.what, "pypidaemon"]])]
        if "nginx" in servers:
            theirs = median([load.cost for load in loads[case.what, "nginx"]])
            row += [theirs, median([load.speed for load in loads[case.what, "nginx"]]), ours / theirs]
        rows.append(row)
    heading = ("request", "CPU us", "requests/s", "nginx CPU us", "requests/s", "CPU ratio")
    return "\n".join([table(heading[: len(rows[0])], rows), *more])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
