"""The one table from what went wrong to what the client is told (design, section 4)."""

from __future__ import annotations

import errno
import os

from twisted.logger import Logger
from twisted.python.failure import Failure

from pypidaemon.errors import (
    ConfigError,
    Conflict,
    CorruptContent,
    InvalidName,
    InvalidUpload,
    Loop,
    NoSuchFile,
    NoSuchProject,
    NotAllowed,
    PypidaemonError,
    Refused,
    StorageFull,
    TooLarge,
    TooManyAttempts,
    TooManyRequests,
    UpstreamUnavailable,
)
from pypidaemon.web.ask import BadRequest
from pypidaemon.web.reply import Reply, text

_log = Logger(namespace="pypidaemon.web")

SOON = 2
"""
Seconds after which a client may ask again for what an upstream has to give, whatever we wait ourselves.

pip waits as long as it is told, five times, without a word, and then says that there is no such version: longer waits only hide the reason.
"""

_MACHINE = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EIO,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.ENODEV,
        errno.ESTALE,
        errno.ENOBUFS,
    }
)
"""What the system says where it has run out of something, or a disk has failed: no fault of the request's, nor of ours (F59, F61)."""

_PLAIN: tuple[tuple[type[Exception], int], ...] = (
    (NoSuchProject, 404),
    (NoSuchFile, 404),
    (InvalidName, 404),
    (CorruptContent, 502),
    (TooLarge, 413),
    (StorageFull, 507),
    (Loop, 508),
)
"""Errors whose own line is the whole answer. An unclean name is one that we do not have (R2, R10)."""


def answer(error: BaseException, id: str, of_file: bool) -> Reply:
    """
    Answer the reply for an error; what is in no row of the table is logged here and tells the client nothing (S91).

    :param id: the request's id, for the client and the log.
    :param of_file: whether a file was asked for: a refused file is 403 with the rule in reason phrase and body, while a
        wholly refused project is 404, since a 403 on a page stops uv (R10).
    """
    match error:
        case BadRequest():
            return text(error.status, error.reason, id)
        case Refused():
            return text(403, str(error), id, reason=f"Refused by {error.rule}: {error.reason}") if of_file else text(404, str(error), id)
        case UpstreamUnavailable():
            # Whose upstream we are must not take ourselves for down, which we are not.
            return text(503, str(error), id, (("Retry-After", str(min(error.retry_after, SOON))), ("X-Pypidaemon-Waiting", "upstream")))
        case NotAllowed():
            # Twisted's own login and old clients wait for exactly this realm (P2, R188).
            asks = (("WWW-Authenticate", 'Basic realm="pypi"'),) if error.would_help else ()
            return text(401 if error.would_help else 403, str(error), id, asks, reason=str(error))
        case TooManyAttempts() | TooManyRequests():
            # What lies behind it on the same connection is more of the same, and need not even be read.
            return text(429, str(error), id, (("Retry-After", str(error.retry_after)), ("Connection", "close")))
        case Conflict() | InvalidUpload():
            # twine shows nothing but the reason phrase (R167).
            return text(400, str(error), id, reason=str(error))
    for kind, status in _PLAIN:
        if isinstance(error, kind):
            return text(status, str(error), id)
    if (why := passing(error)) is not None:
        _log.warn("request {id} cannot be answered now: {why} {file}", id=id, why=why, file=getattr(error, "filename", None) or "")
        return text(503, why, id, (("Retry-After", "5"),))
    _log.failure("request {id} failed", failure=Failure(error), id=id)
    return text(500, "internal error", id)


def passing(error: BaseException) -> str | None:
    """What to say of trouble of ours that may pass: a database that is busy or failing, a blob that is gone, no file left to open, no memory (F59, F61, F68, F82)."""
    if isinstance(error, PypidaemonError) and not isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, MemoryError):
        return "this machine has trouble: no memory is left"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        # Its own words may name a path.
        return f"this machine has trouble: {os.strerror(error.errno)}"
    return None
