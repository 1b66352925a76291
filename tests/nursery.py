"""
A process that has imported much, and forks for each program that is wanted: it begins at once, where it would import for a second.

A program of its own, spoken to by `tests.forked` over the socket whose descriptor is its first argument; the others are what to import:
modules, packages with all that is in them as `name.*`, and functions to be called as `module:function`. A message is
`["begin", entry, words, environment, folder]` with three descriptors, answered by the child's number, or `["reap", number]`, answered
by how it ended, null as long as it runs.
Once nobody can speak to it any more, it kills what still runs and ends.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

LARGEST = 1 << 20


def prepare(names: Sequence[str]) -> None:
    """
    Import what a child would import.

    :raises RuntimeError: a reactor is among it; children would share its descriptors.
    """
    for name in names:
        module, _, function = name.partition(":")
        if function:
            # It remembers what it found out.
            getattr(importlib.import_module(module), function)()
            continue
        package = importlib.import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                if not module.name.endswith("__main__"):
                    # What an extra is missing for is of no use to a child either.
                    with suppress(ImportError):
                        importlib.import_module(module.name)
    if "twisted.internet.reactor" in sys.modules:
        raise RuntimeError("a reactor is never shared")
    # What is here stays for ever, so a child's collector need not touch, and thereby copy, it.
    gc.collect()
    gc.freeze()


def attend(speaking: socket.socket) -> Callable[[], None] | None:
    """Do as one is told until the other side is gone; in a child, answer with what it is to do."""
    running: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(speaking, LARGEST, 3)
        if not data:
            for pid in running:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return None
        order, *rest = json.loads(data)
        if order == "begin":
            entry, words, environment, folder = rest
            pid = os.fork()
            if pid == 0:
                speaking.close()
                become(descriptors, environment, folder)
                return lambda: play(entry, words)
            running.add(pid)
            for descriptor in descriptors:
                os.close(descriptor)
            speaking.send(json.dumps(pid).encode())
        else:
            ended, status = os.waitpid(rest[0], os.WNOHANG)
            running.discard(ended)
            speaking.send(json.dumps(os.waitstatus_to_exitcode(status) if ended else None).encode())


def become(descriptors: Sequence[int], environment: dict[str, str], folder: str) -> None:
    """Be what a process begun for this program would be: its standard streams, environment and folder."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


def play(entry: str, words: Sequence[str]) -> None:
    """
    Call the function that is written `module:function`, as the script that pip would make for it does, and end as that would.

    All but taking apart what was imported, for which it would have to be copied: that is more than many a program does.
    """
    module, _, function = entry.partition(":")
    sys.argv = [function, *words]
    sys.path.insert(0, "")
    try:
        code = getattr(importlib.import_module(module), function)()
    except SystemExit as ended:
        code = ended.code
    if code is not None and not isinstance(code, int):
        sys.exit(code)
    # What Python itself calls: it waits for threads, and tells their pools.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # Whoever read it may be gone, and the program may have closed it.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    # The modules of tests are not what these programs mean by such names.
    del sys.path[0]
    prepare(sys.argv[2:])
    following = attend(socket.socket(fileno=int(sys.argv[1])))
    if following is not None:
        following()
