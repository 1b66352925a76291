"""The worker that renders descriptions: a process that does nothing else, and ends where one takes too long or too much memory."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys

import orjson

from pypidaemon.inspection import speech
from pypidaemon.inspection.typesetting import Unfit, typeset
from pypidaemon.inspection.worker import _say, _take_limits


def main(memory: int) -> None:
    """Serve until standard input ends."""
    os.chdir("/")
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    # They are slow to come, and no description is to pay for that.
    from readme_renderer import markdown, rst

    assert markdown
    assert rst
    _take_limits(memory)
    _say(outgoing, speech.saying(speech.READY))
    while head := incoming.read(speech.HEAD):
        _say(outgoing, answer(incoming.read(speech.length(head))))


def answer(asked: bytes) -> bytes:
    """Render the description that is asked for, and give the answer's frame content."""
    told = orjson.loads(asked)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + told["seconds"] + 1, resource.RLIM_INFINITY))
    try:
        # What docutils has to say about it is for its author.
        with contextlib.redirect_stderr(io.StringIO()):
            made = typeset(told["text"], told["kind"])
    except Unfit as unfit:
        return speech.saying(speech.REFUSED, line=str(unfit))
    except Exception as error:  # noqa: BLE001  # renderers fail in every way there is (S80), and what fails is shown as it is
        return speech.saying(speech.REFUSED, line=f"it cannot be rendered: {type(error).__name__}")
    return orjson.dumps({"word": speech.FOUND, "html": made.html, "brief": made.brief, "closing": made.closing})
