"""
The worker: a process that inspects one archive after the other, and can do nothing else.

It is started as `workers.command` says, takes on its limits, says that it is ready, and then answers on standard output what is asked on standard
input, until that ends. Whatever goes wrong beyond a broken rule ends the process; the daemon makes a new one.
"""

from __future__ import annotations

import gc
import io
import os
import resource
import sys
from typing import BinaryIO

from pypidaemon.archives.inspecting import inspect
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.inspection import speech

MOST_FILES = 16
"""Descriptors a worker may have open: standard streams, the archive, and some for modules that are imported late."""


def main(memory: int) -> None:
    """Serve until standard input ends."""
    os.chdir("/")
    _take_limits(memory)
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    # What it consists of need not be looked through for garbage again and again.
    gc.freeze()
    _say(outgoing, speech.saying(speech.READY))
    while head := incoming.read(speech.HEAD):
        _say(outgoing, answer(incoming, outgoing, incoming.read(speech.length(head))))


def answer(incoming: BinaryIO, outgoing: BinaryIO, asked: bytes) -> bytes:
    """
    Inspect the archive that is asked about, and give the answer's frame content.

    :raises OSError: the archive cannot be read.
    """
    upload, rules, path, seconds, whole = speech.understood(asked)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(spent.ru_utime + spent.ru_stime) + seconds + 1
    # The daemon counts the time as well; this one holds also when it is gone.
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
    with _given(incoming, outgoing, whole) if path is None else _opened(path) as source:
        try:
            return speech.found(inspect(source, upload, rules))
        except BadArchive as error:
            return speech.saying(
                speech.REFUSED, line=ascii(str(error)[:500]).strip("'\"") if not str(error).isprintable() else str(error)[:500]
            )


def _opened(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _given(incoming: BinaryIO, outgoing: BinaryIO, whole: bool) -> BinaryIO:
    """The bytes that follow, in memory: of a small archive at once; of another each piece is asked for, so that no more than one waits anywhere."""
    if whole:
        return io.BytesIO(incoming.read(speech.length(incoming.read(speech.HEAD))))
    data = io.BytesIO()
    while True:
        _say(outgoing, speech.saying(speech.MORE))
        piece = incoming.read(speech.length(incoming.read(speech.HEAD)))
        if not piece:
            return data
        data.write(piece)


def _say(outgoing: BinaryIO, data: bytes) -> None:
    outgoing.write(speech.frame(data))
    outgoing.flush()


def _take_limits(memory: int) -> None:
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_AS, memory),
    ):
        resource.setrlimit(what, (limit, limit))
