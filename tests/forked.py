"""Programs in processes of their own that need not import anything first, since a `tests.nursery` forks them."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import attrs

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.005
"""Seconds between two looks at a process that is to end, where one has to look."""
LARGEST = 1 << 20


@attrs.define(eq=False)
class Forked:
    """A process as `subprocess.Popen` shows one, as far as the tests ask."""

    nursery: Nursery
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for the signal that ended it; None as long as it runs."""
        if self.returncode is None:
            self.returncode = self.nursery.tell(["reap", self.pid])
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Its exit status, once it has ended.

        :param timeout: seconds to wait at most.
        :raises subprocess.TimeoutExpired: it still runs after that.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self._doze(left)
        return code

    def _doze(self, longest: float | None) -> None:
        """Until it has ended, or for that many seconds; a moment where the system cannot wake us, which is not its parent."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            time.sleep(PAUSE)
            return
        try:
            watch = select.poll()
            watch.register(descriptor, select.POLLIN)
            watch.poll(None if longest is None else longest * 1000)
        finally:
            os.close(descriptor)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended; its number stays its own until it was looked at."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


@attrs.define(eq=False)
class Nursery:
    """The other side of `tests.nursery`, in whichever Python."""

    process: subprocess.Popen[bytes]
    speaking: socket.socket
    _turn: threading.Lock = attrs.field(factory=threading.Lock)

    def begin(
        self,
        entry: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        said: IO[bytes],
        out: IO[bytes],
        err: IO[bytes],
    ) -> Forked:
        """Call `module:function` as a script does, in a process with these three files and that environment alone."""
        descriptors = [stream.fileno() for stream in (said, out, err)]
        return Forked(self, self.tell(["begin", entry, list(words), dict(environment), str(folder)], descriptors))

    def run(
        self, entry: str, words: Sequence[str], environment: Mapping[str, str], folder: Path, said: str, patience: float
    ) -> subprocess.CompletedProcess[str]:
        """
        The same to its end.

        :param said: its standard input.
        :param patience: seconds after which it is killed.
        :raises subprocess.TimeoutExpired: it was.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(said.encode())
            given.seek(0)
            process = self.begin(entry, words, environment, folder, given, out, err)
            try:
                code = process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess([entry, *words], code, out.read().decode(), err.read().decode())

    def tell(self, order: list[Any], descriptors: Sequence[int] = ()) -> Any:
        """Give an order; its answer."""
        with self._turn:
            socket.send_fds(self.speaking, [json.dumps(order).encode()], list(descriptors))
            answer = self.speaking.recv(LARGEST)
        assert answer, "the nursery is gone"
        return json.loads(answer)


@contextmanager
def nursery(python: str, environment: Mapping[str, str], *imported: str) -> Iterator[Nursery]:
    """A nursery with that Python, as long as the block lasts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        script = str(Path(__file__).with_name("nursery.py"))
        process = subprocess.Popen([python, script, str(theirs.fileno()), *imported], env=dict(environment), pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            yield Nursery(process, ours)
        finally:
            ours.close()
            process.wait(20)


@attrs.define(eq=False)
class Nurseries:
    """
    A nursery for each Python and what it imports, begun when it is first wanted.

    There are none but within `opened`, so that whoever uses the same code for measurements starts programs.
    """

    _place: Path | None = None
    _stack: ExitStack = attrs.field(factory=ExitStack)
    _begun: dict[tuple[str, ...], Nursery] = attrs.field(factory=dict)

    @contextmanager
    def opened(self, place: Path) -> Iterator[None]:
        """Have them in that folder, as long as the block lasts."""
        self._place = place
        try:
            with self._stack:
                yield
        finally:
            self._place = None
            self._begun.clear()

    def of(self, python: str, *imported: str) -> Nursery | None:
        """The one that imported these, by that Python."""
        if self._place is None:
            return None
        key = (python, *imported)
        if key not in self._begun:
            own = {"PYTHONPATH": str(ROOT)} if python == sys.executable else {}
            environment = {"PATH": "/usr/bin:/bin", "HOME": str(self._place), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **own}
            self._begun[key] = self._stack.enter_context(nursery(python, environment, *imported))
        return self._begun[key]


NURSERIES = Nurseries()
"""Those of this process."""
