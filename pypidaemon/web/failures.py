"""The one table from what went wrong to what the client is told (design, section 4)."""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from pypidaemon.errors import (
    CorruptContent,
    InvalidName,
    Loop,
    NoSuchFile,
    NoSuchProject,
    Refused,
    StorageFull,
    TooLarge,
    UpstreamUnavailable,
)
from pypidaemon.web.ask import BadRequest
from pypidaemon.web.reply import Reply, text

_log = Logger(namespace="pypidaemon.web")

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
            return text(503, str(error), id, (("Retry-After", str(error.retry_after)),))
    for kind, status in _PLAIN:
        if isinstance(error, kind):
            return text(status, str(error), id)
    _log.failure("request {id} failed", failure=Failure(error), id=id)
    return text(500, "internal error", id)
