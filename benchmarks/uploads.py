"""
Uploads: what one of 1 GiB costs while pages are asked for, and how many small ones there are in a second, beside devpi.

The bars: for the large one all processes together grow by at most 64 MiB and no page waits more than 50 ms for it; and of wheels of 20 kB, each durable
before it is answered, five times as many as devpi takes, in the same run. devpi syncs nothing to disk, which makes it look better than it is.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Self

import attrs
import processes
from measuring import circumstances, cpu_seconds, family, table

# The tests' folder is no package that is installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from pypidaemon.testing.archives import core_metadata
from tests.clients.posting import BOUNDARY, Parcel
from tests.clients.store import SECTIONS
from tests.clients.uploaders import Release

MEMBER = 64 << 20
GROWTH, GAP, AHEAD = 64.0, 0.050, 5.0
"""The bars: MiB, seconds, and how many times devpi's rate."""

_INDEXES = f"""{SECTIONS}
[upstream:pypi]
use = http
url = http://127.0.0.1:9/simple/
proxy = none
"""


def daemon(folder: Path) -> tuple[processes.Running, str]:
    """Start a daemon with a private index; answer it and a token for uploads."""
    port = processes.free_port()
    configuration = folder / "config.ini"
    configuration.write_text(
        f"[daemon]\nlisten = tcp:{port}:interface=127.0.0.1\ndata = {folder / 'data'}\nindex = root\nuploads = private\n{_INDEXES}"
    )
    command = [sys.executable, "-m", "pypidaemon"]
    running = processes.start([*command, "run", "-c", str(configuration)], folder, "daemon.log")
    running.url = f"http://127.0.0.1:{port}"
    processes.await_answer(running, "/+ready", lambda answer: answer.status == 200, 60, folder / "daemon.log")
    token = ""
    for words in (["user", "add", "ann"], ["grant", "ann", "upload", "private"], ["token", "add", "ann"]):
        done = subprocess.run([*command, *words, "-c", str(configuration)], check=True, capture_output=True, text=True, timeout=60)
        token = done.stdout.strip()
    return running, token


def devpi(folder: Path) -> tuple[processes.Running, str, str]:
    """
    Start devpi with an index for uploads; answer it, the path to upload to, and a login header's value as its own client sends it.

    :raises LookupError: it cannot be installed here.
    """
    running, _ = processes.peer("devpi", folder, "http://127.0.0.1:9/simple/")
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=60)

    def order(method: str, path: str, body: dict[str, object], login: str = "") -> dict[str, object]:
        fields = {"Content-Type": "application/json", "Accept": "application/json"} | ({"X-Devpi-Auth": login} if login else {})
        connection.request(method, path, json.dumps(body), fields)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status not in (200, 201):
            raise RuntimeError(f"devpi: {method} {path}: {answer.status} {told}")
        result: dict[str, object] = told.get("result", {})
        return result

    order("PUT", "/ann", {"password": "benchmark"})
    login = base64.b64encode(f"ann:{order('POST', '/+login', {'user': 'ann', 'password': 'benchmark'})['password']}".encode()).decode()
    order("PUT", "/ann/dev", {"bases": [], "type": "stage"}, login)
    connection.close()
    return running, "/ann/dev/", login


def proportional(pid: int) -> float:
    """The memory of a process and all below it in MiB, what they share counted once."""
    found = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/smaps_rollup") as file:
                found += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return found / 1024


@attrs.define(eq=False)
class Memory:
    """Looks at the memory of a family of processes again and again while it is entered; `peak` is the most it saw, in MiB."""

    pid: int
    before: float = 0.0
    peak: float = 0.0
    _over: threading.Event = attrs.field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.before = self.peak = proportional(self.pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, proportional(self.pid))


def heartbeat(address: str, ticks: float = 0.01) -> int:
    """Ask for `/+health` every 10 ms until standard input ends; print how long answers took, and how late the clock itself was."""
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.connect()
    waits: list[float] = []
    lates: list[float] = []
    print("ready", flush=True)
    while not over.is_set():
        began = time.perf_counter()
        time.sleep(ticks)
        lates.append(time.perf_counter() - began - ticks)
        began = time.perf_counter()
        connection.request("GET", "/+health")
        connection.getresponse().read()
        waits.append(time.perf_counter() - began)
    print(json.dumps({"asked": len(waits), "median": median(waits), "longest": sorted(waits)[-5:], "late": sorted(lates)[-5:]}), flush=True)
    return 0


@attrs.define(eq=False)
class Heart:
    """A heartbeat in a process of its own while it is entered; `told` is what it saw."""

    address: str
    told: dict[str, Any] = attrs.field(factory=dict)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, "--heartbeat", self.address]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self.told = json.loads(self._process.communicate("")[0])


def large_wheel(place: Path, size: int) -> tuple[Path, str]:
    """A wheel of about that many bytes, made in little memory; answer it and its sha256."""
    file, info = place / "large_one-1.0-py3-none-any.whl", "large_one-1.0.dist-info"
    noise = os.urandom(1 << 20)
    files = {
        f"{info}/METADATA": core_metadata("large-one", "1.0"),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
            record.write(f"{path},{_recorded(hashlib.sha256(data))},{len(data)}\n")
        for number in range(max(1, size // MEMBER)):
            path, digest = f"large_one/noise{number}.bin", hashlib.sha256()
            with archive.open(path, "w") as member:
                for piece in range(min(size, MEMBER) >> 20):
                    data = bytes([number, piece]) + noise[2:]
                    digest.update(data)
                    member.write(data)
            record.write(f"{path},{_recorded(digest)},{min(size, MEMBER) >> 20 << 20}\n")
        archive.writestr(f"{info}/RECORD", record.getvalue() + f"{info}/RECORD,,\n")
    with file.open("rb") as source:
        return file, hashlib.file_digest(source, "sha256").hexdigest()


def _recorded(digest: hashlib._Hash) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def send(address: str, token: str, file: Path, digest: str) -> tuple[float, float]:
    """
    Upload a file in pieces; answer the seconds until all was sent and until it was answered.

    :raises RuntimeError: it was not taken.
    """
    fields = {
        ":action": "file_upload",
        "name": "large-one",
        "version": "1.0",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": digest,
    }
    before = "".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items())
    before += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{file.name}"\r\n\r\n'
    after = f"\r\n--{BOUNDARY}--\r\n"
    connection = http.client.HTTPConnection(address, timeout=600)
    connection.putrequest("POST", "/legacy/")
    connection.putheader("Authorization", "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode())
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(before) + file.stat().st_size + len(after)))
    began = time.perf_counter()
    connection.endheaders(before.encode())
    with file.open("rb") as source:
        while data := source.read(1 << 18):
            connection.send(data)
    connection.send(after.encode())
    sent = time.perf_counter() - began
    answer = connection.getresponse()
    said = answer.read().decode()
    if answer.status != 200:
        raise RuntimeError(f"the large upload was answered {answer.status}: {said}")
    connection.close()
    return sent, time.perf_counter() - began


def large(folder: Path, size: int) -> tuple[str, list[list[object]]]:
    """Upload one large file; answer what came of it in lines, and its bars."""
    running, token = daemon(folder)
    address = running.url.removeprefix("http://")
    with running:
        file, digest = large_wheel(folder, size)
        idle = proportional(running.pid)
        rows: list[list[object]] = []
        with Heart(address) as quiet:
            time.sleep(5)
        post(address, "/legacy/", _bearer(token), [Parcel.of(Release("first-one", "1.0"))])
        spent = cpu_seconds(running.pid)
        with Memory(running.pid) as memory, Heart(address) as heart:
            sent, answered = send(address, token, file, digest)
        spent = cpu_seconds(running.pid) - spent
        for what, told in (("idle", quiet.told), ("during the upload", heart.told)):
            rows.append([what, told["asked"], told["median"] * 1e3, _milliseconds(told["longest"]), _milliseconds(told["late"])])
    growth, gap = memory.peak - idle, max(heart.told["longest"])
    bars: list[list[object]] = [
        ["growth of all processes, MiB", round(growth, 1), GROWTH, growth <= GROWTH],
        ["longest wait of a request, ms", round(gap * 1e3, 1), GAP * 1e3, gap <= GAP],
    ]
    said = (
        f"upload of {size >> 20} MiB: sent in {sent:.1f} s, answered after {answered:.1f} s, CPU {spent:.1f} s\n"
        f"memory, MiB: {idle:.1f} before any upload, {memory.before:.1f} after a small one, {memory.peak:.1f} at most"
        f" ({memory.peak - memory.before:+.1f}, and {memory.peak - idle:+.1f} with the inspector's process that the first upload starts)\n"
        + table(("/+health every 10 ms", "asked", "median ms", "longest five, ms", "the clock's own delays, ms"), rows)
    )
    return said, bars


def _milliseconds(seconds: Sequence[float]) -> str:
    return " ".join(f"{value * 1e3:.0f}" for value in seconds)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()}


def post(address: str, path: str, login: dict[str, str], parcels: Sequence[Parcel]) -> None:
    """
    Upload one after the other on one connection.

    :raises RuntimeError: one was not taken.
    """
    connection = http.client.HTTPConnection(address, timeout=60)
    fields = {**login, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    for parcel in parcels:
        connection.request("POST", path, parcel.body, fields)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{parcel.filename} was answered {answer.status}: {said!r}")
    connection.close()


def rate(address: str, path: str, login: dict[str, str], parcels: Sequence[Parcel], clients: int) -> float:
    """Let so many clients share these uploads; answer how many there were in a second."""
    troubles: list[BaseException] = []

    def client(own: Sequence[Parcel]) -> None:
        try:
            post(address, path, login, own)
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            troubles.append(error)

    threads = [threading.Thread(target=client, args=(parcels[number::clients],)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    return len(parcels) / (time.perf_counter() - began)


def small(folder: Path, count: int, rounds: int) -> tuple[str, list[list[object]]]:
    """Upload small wheels to both servers in turn; answer a table, and its bars."""
    with ExitStack() as stack:
        servers: dict[str, tuple[processes.Running, str, dict[str, str]]] = {}
        running, token = daemon(_made(folder / "ours"))
        servers["pypidaemon"] = (stack.enter_context(running), "/legacy/", _bearer(token))
        try:
            theirs, path, login = devpi(_made(folder / "theirs"))
            servers["devpi"] = (stack.enter_context(theirs), path, {"X-Devpi-Auth": login})
        except LookupError as error:
            print(error)
        found: dict[tuple[str, int], list[float]] = {}
        spent: dict[tuple[str, int], float] = {}
        for number in range(rounds + 1):
            for clients in (1, 4):
                parcels = [
                    Parcel.of(Release(f"small-{piece % 10}", f"{number}.{clients}.{piece}", edition=19_000 + piece))
                    for piece in range(count)
                ]
                for name, (server, path, login_header) in servers.items():
                    before = cpu_seconds(server.pid)
                    reached = rate(server.url.removeprefix("http://"), path, login_header, parcels, clients)
                    if number:
                        # The first round warms both up.
                        found.setdefault((name, clients), []).append(reached)
                        spent[name, clients] = spent.get((name, clients), 0.0) + cpu_seconds(server.pid) - before
    rows: list[list[object]] = []
    bars: list[list[object]] = []
    for clients in (1, 4):
        ours = median(found["pypidaemon", clients])
        row: list[object] = [clients, round(ours, 1), round(spent["pypidaemon", clients] / count / rounds * 1e3, 2)]
        if "devpi" in servers:
            theirs_rate = median(found["devpi", clients])
            row += [round(theirs_rate, 1), round(spent["devpi", clients] / count / rounds * 1e3, 2), round(ours / theirs_rate, 1)]
            bars.append([f"times devpi, clients: {clients}", round(ours / theirs_rate, 1), AHEAD, ours / theirs_rate >= AHEAD])
        rows.append(row)
    heading = ("clients", "uploads/s", "CPU ms each", "devpi uploads/s", "CPU ms each", "times devpi")
    return table(heading[: len(rows[0])], rows), bars


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main(arguments: list[str]) -> int:
    """Measure and print; the exit status is 1 where a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks/uploads.py", description="One large upload, and many small ones beside devpi.")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large one; 0 for none")
    parser.add_argument("--uploads", type=int, default=100, help="small ones in each round; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--heartbeat", metavar="HOST:PORT", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.heartbeat:
        return heartbeat(options.heartbeat)
    print(circumstances())
    with tempfile.TemporaryDirectory(prefix="uploads-", dir=processes.scratch()) as name:
        bars: list[list[object]] = []
        for wanted, measure in (
            (options.size, lambda: large(_made(Path(name) / "large"), options.size << 20)),
            (options.uploads, lambda: small(_made(Path(name) / "small"), options.uploads, options.rounds)),
        ):
            if wanted:
                said, judged = measure()
                print(said, end="\n\n", flush=True)
                bars += judged
    print(table(("bar", "measured", "limit", "met"), [[*bar[:3], "yes" if bar[3] else "no"] for bar in bars]))
    return 0 if all(bar[3] for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
