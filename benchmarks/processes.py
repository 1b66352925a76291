"""The processes that benchmarks start, each in a folder of its own, and how they are ended again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import attrs
from measuring import Answer, Watched, family, get

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"


@attrs.define(eq=False)
class Running:
    """A process that was started here; leaving the `with` block ends it and its descendants, and nothing else."""

    process: subprocess.Popen[str]
    url: str = ""
    started: float = 0.0
    """Seconds from the start of the process to its first good answer."""

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        members = family(self.pid) if self.process.poll() is None else []
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        for member in members[1:]:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGTERM)


def scratch() -> Path:
    """Where folders for one run are made: on this repository's volume, because /tmp may be memory, which costs no syncs."""
    folder = CACHE / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def start(command: Sequence[str], folder: Path, log: str, environment: Mapping[str, str] | None = None, began: float = 0.0) -> Running:
    """Start a process with its output in a file of that folder."""
    began = began or time.perf_counter()
    with open(folder / log, "w") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    return Running(process, started=began)


def await_answer(running: Running, path: str, good: Callable[[Answer], bool], seconds: float, log: Path) -> Running:
    """
    Ask every 5 ms until the answer is good; `started` then says how long that took.

    :raises RuntimeError: it ended, or did not answer in that time; with what it said.
    """
    began = running.started
    while time.perf_counter() - began < seconds and running.process.poll() is None:
        with suppress(OSError, ValueError):
            if good(get(running.url + path, deadline=seconds)):
                running.started = time.perf_counter() - began
                return running
        time.sleep(0.005)
    running.__exit__()
    raise RuntimeError(f"{running.process.args!r} does not answer:\n{log.read_text()[-2000:]}")


@attrs.frozen
class Spent:
    """What a process that ended came to, with all its descendants: seconds, processor seconds, and the most resident memory that was seen, in MiB."""

    seconds: float
    cpu: float
    peak: float
    said: str


def finished(command: Sequence[str], folder: Path, log: str) -> Spent:
    """
    Run a program to its end.

    :raises RuntimeError: it ended with another status than 0; with what it said.
    """
    began = time.perf_counter()
    with open(folder / log, "w") as output:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        # What the system itself calls the most memory of a child is at least what its parent had when it was started.
        with Watched(process.pid, 0.2) as watched:
            _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, said = time.perf_counter() - began, (folder / log).read_text()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said[-3000:]}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime, watched.peak, said)


def upstream(*arguments: str, script: str = "upstream.py") -> tuple[Running, dict[str, Any]]:
    """Start `upstream.py`, or a script that speaks as it does; answer it and what it says of its files."""
    command = [sys.executable, str(HERE / script), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    return Running(process, told["base"]), told["files"]


def transfers(upstream: Running, project: str) -> tuple[int, int]:
    """How often a made file was asked for, and how many bytes of it were sent."""
    counted = json.loads(get(f"{upstream.url}/+count", keep=True).body)[project]
    return counted["requests"], counted["sent"]


def daemon(folder: Path, simple: str, data: Path | None = None, first: str = "/+ready", sections: str = "", settings: str = "") -> Running:
    """
    Start a real daemon that proxies the simple index at a URL, and wait for its first good answer.

    :param data: its data folder; in `folder` where none is given.
    :param first: the path that has to be answered with 200.
    :param sections: more of the configuration.
    :param settings: more of its section `[daemon]`.
    """
    port = free_port()
    configuration = folder / "config.ini"
    configuration.write_text(
        f"[daemon]\nlisten = tcp:{port}:interface=127.0.0.1\ndata = {data or folder / 'data'}\nindex = pypi\n{settings}\n"
        f"[index:pypi]\nuse = proxy\nupstream = pypi\nexposed = yes\n\n[upstream:pypi]\nuse = http\nurl = {simple}\nproxy = none\n{sections}"
    )
    running = start([sys.executable, "-m", "pypidaemon", "run", "-c", str(configuration)], folder, "daemon.log")
    running.url = f"http://127.0.0.1:{port}"
    return await_answer(running, first, lambda answer: answer.status == 200, 60, folder / "daemon.log")


def peer(name: str, folder: Path, simple: str) -> tuple[Running, str]:
    """
    Start another index server that proxies the same upstream, installing it first; answer it and its simple index.

    :raises LookupError: it cannot be installed here.
    """
    binaries = installed(name)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    if name == "proxpi":
        environment = {"PROXPI_INDEX_URL": simple, "PROXPI_CACHE_DIR": str(folder / "cache"), "PROXPI_LOGGING_LEVEL": "WARNING"}
        command = [str(binaries / "gunicorn"), "--threads", "2", "--bind", f"127.0.0.1:{port}", "proxpi.server:app"]
        running = start(command, folder, "peer.log", environment)
        running.url = url
        return await_answer(running, "/", lambda answer: answer.status < 500, 60, folder / "peer.log"), f"{url}/index/"
    server = str(folder / "server")
    initialise = [str(binaries / "devpi-init"), "--serverdir", server, "--root-passwd", "benchmark"]
    subprocess.run(initialise, check=True, capture_output=True, timeout=120)
    command = [str(binaries / "devpi-server"), "--serverdir", server, "--host", "127.0.0.1", "--port", str(port)]
    running = start(command, folder, "peer.log")
    running.url = url
    await_answer(running, "/", lambda answer: answer.status < 500, 120, folder / "peer.log")
    client = str(binaries / "devpi")
    at = ["--clientdir", str(folder / "client")]
    for words in (
        ["use", *at, url],
        ["login", *at, "root", "--password", "benchmark"],
        ["index", *at, "root/pypi", f"mirror_url={simple}"],
    ):
        subprocess.run([client, *words], check=True, capture_output=True, timeout=120)
    return running, f"{url}/root/pypi/+simple/"


_PEERS: Mapping[str, Sequence[str]] = {
    "devpi": ("devpi-server", "devpi-client"),
    "proxpi": ("proxpi", "gunicorn"),
    "peryx": ("peryx",),
    "pypiserver": ("pypiserver", "gunicorn", "watchdog"),
    "py-spy": ("py-spy",),
    "bandersnatch-6": ("bandersnatch==6.8.0",),
    "bandersnatch-8": ("bandersnatch==8.2.0",),
}


def installed(name: str, python: str | None = None) -> Path:
    """
    The folder with the programs of a peer, which is installed the first time.

    :param python: the interpreter that it is to have, where uv's choice will not do.
    :raises LookupError: it cannot be installed here.
    """
    place = CACHE / "peers" / name
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        own = str(place / "bin" / "python")
        try:
            for command in (
                ["uv", "venv", "--quiet", "--no-project", *(["--python", python] if python else []), str(place)],
                ["uv", "pip", "install", "--quiet", "--python", own, *_PEERS[name], "setuptools<81"],
            ):
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise LookupError(f"{name} cannot be installed here: {said.strip()[-300:]}") from error
        (place / "complete").touch()
    return place / "bin"
