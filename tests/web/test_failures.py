"""The table from errors to replies."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from pypidaemon import errors
from pypidaemon.web.ask import BadRequest
from pypidaemon.web.failures import answer

TABLE = [
    (errors.NoSuchProject("a"), 404, "no such project: a"),
    (errors.NoSuchFile("a-1.zip"), 404, "no such file: a-1.zip"),
    (errors.NoSuchRelease("alpha", "7.7"), 404, "no such release: alpha==7.7"),
    (errors.InvalidName("not a name"), 404, "not a name"),
    (errors.UpstreamUnavailable("pypi", "refused"), 503, "upstream pypi is unavailable: refused"),
    (errors.UpstreamTooSlow("pypi", "became too slow"), 503, "upstream pypi is unavailable: became too slow"),
    (errors.UpstreamDeclines("pypi", "refused"), 503, "upstream pypi is unavailable: refused"),
    (errors.CorruptContent("wrong digest"), 502, "wrong digest"),
    (errors.Changed("a-1.zip"), 503, "a-1.zip changed while it was opened"),
    (errors.Damaged("the kept list is damaged"), 503, "the kept list is damaged"),
    (errors.PolicyFailed("big", ZeroDivisionError), 503, "the policy big failed: ZeroDivisionError"),
    (errors.TooLarge("too much"), 413, "too much"),
    (errors.StorageFull("no room"), 507, "no room"),
    (errors.StorageFailed("the disk failed"), 503, "the disk failed"),
    (errors.Loop("a loop"), 508, "a loop"),
    (BadRequest("no"), 400, "no"),
    (BadRequest("long", 414), 414, "long"),
]


@pytest.mark.parametrize(("error", "status", "line"), TABLE)
@pytest.mark.parametrize("of_file", [True, False])
def test_R10_R218_every_error_has_one_status(error: Exception, status: int, line: str, of_file: bool) -> None:
    """Absence is 404, an outage 503, never the other way, and never 504."""
    reply = answer(error, "0123", of_file)
    assert reply.status == status
    assert reply.body == f"{line}\nrequest id: 0123\n".encode()


@pytest.mark.parametrize(("given", "said"), [(-3, "1"), (2, "2"), (7, "2"), (4000, "2")])
def test_R217_an_outage_says_when_to_come_back_in_whole_seconds(given: int, said: str) -> None:
    assert dict(answer(errors.UpstreamUnavailable("pypi", "x", given), "0123", False).headers)["Retry-After"] == said


def test_a_refused_file_is_403_with_the_rule_in_phrase_and_body() -> None:
    """What pip shows is the reason phrase; people read the body."""
    reply = answer(errors.Refused("cooldown", "2 days old,\r\nnot 3"), "0123", True)
    assert (reply.status, reply.reason) == (403, "Refused by cooldown: 2 days old, not 3")
    assert reply.body.startswith(b"refused by cooldown: 2 days old, not 3\n")


def test_R10_a_refused_project_is_404() -> None:
    """A 403 on a page would stop uv."""
    reply = answer(errors.Refused("names", "denied"), "0123", False)
    assert (reply.status, reply.reason) == (404, "")
    assert b"refused by names: denied" in reply.body


@pytest.mark.parametrize("error", [errors.NoSuchBlob("a" * 64), errors.PypidaemonError("the records are busy")])
def test_F59_F68_trouble_of_ours_that_may_pass_is_503(error: Exception) -> None:
    """With the time after which to ask again."""
    reply = answer(error, "0123", False)
    assert reply.status == 503
    assert ("Retry-After", "5") in reply.headers


@pytest.mark.parametrize(("would_help", "status"), [(True, 401), (False, 403)])
def test_R188_R194_credentials_are_asked_for_where_they_would_help(would_help: bool, status: int) -> None:
    """In the words that old clients wait for."""
    reply = answer(errors.NotAllowed("who are you", would_help=would_help), "0123", False)
    assert (reply.status, reply.reason) == (status, "who are you")
    assert (("WWW-Authenticate", 'Basic realm="pypi"') in reply.headers) == would_help


@pytest.mark.parametrize("kind", [errors.TooManyAttempts, errors.TooManyRequests])
@pytest.mark.parametrize(("given", "said"), [(-3, "1"), (30, "30"), (4000, "60")])
def test_S58_S69_too_many_attempts_and_requests_are_429(kind: Any, given: int, said: str) -> None:
    """R217: with whole seconds. What lies behind on the connection is not read."""
    reply = answer(kind(given), "0123", False)
    assert reply.status == 429
    assert dict(reply.headers)["Retry-After"] == said
    assert dict(reply.headers)["Connection"] == "close"


@pytest.mark.parametrize("error", [errors.Conflict("File already exists"), errors.InvalidUpload("no sdist")])
def test_R167_a_refused_upload_is_400_with_its_line_in_reason_and_body(error: Exception) -> None:
    """Since twine shows nothing else."""
    reply = answer(error, "0123", False)
    assert (reply.status, reply.reason) == (400, str(error))
    assert reply.body.startswith(str(error).encode() + b"\n")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.EROFS])
def test_F59_F61_what_the_machine_has_run_out_of_is_trouble_that_may_pass(number: int) -> None:
    """No internal error, no traceback; and no path for the client."""
    reply = answer(OSError(number, os.strerror(number), "/secret/path"), "0123", True)
    assert (reply.status, reply.body) == (503, f"this machine has trouble: {os.strerror(number)}\nrequest id: 0123\n".encode())
    assert ("Retry-After", "5") in reply.headers


def test_F82_no_memory_is_trouble_that_may_pass() -> None:
    """Load is shed, with a word to come back later."""
    reply = answer(MemoryError(), "0123", False)
    assert (reply.status, reply.body) == (503, b"this machine has trouble: no memory is left\nrequest id: 0123\n")
    assert ("Retry-After", "5") in reply.headers


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOENT, "x", "/secret/path"), RuntimeError("/secret/path"), errors.ConfigError("/etc/x", "", "", "bad"), KeyError()],
)
def test_S91_anything_else_is_an_internal_error_that_says_nothing(error: Exception, no_logged_failures: list[dict[str, Any]]) -> None:
    """The client learns the id; the log has the id and the failure."""
    reply = answer(error, "0123", True)
    assert (reply.status, reply.body) == (500, b"internal error\nrequest id: 0123\n")
    (event,) = no_logged_failures
    assert event["id"] == "0123"
    assert event["log_failure"].value is error
    no_logged_failures.clear()


def test_every_error_we_have_is_in_the_table_or_meant_to_be_internal() -> None:
    """A new error must be given a status."""
    special = {errors.Refused, errors.PypidaemonError, errors.NoSuchBlob, errors.ConfigError, errors.NotAllowed, errors.TooManyAttempts}
    special.add(errors.TooManyRequests)
    # Raised are its two kinds alone.
    special.add(errors.CannotStore)
    # A full disk to whoever is told.
    special.add(errors.OnlyRead)
    known = {type(error) for error, _, _ in TABLE} | special | {errors.Conflict, errors.InvalidUpload}
    ours = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert ours <= known
