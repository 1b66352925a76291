"""
What can go wrong, and whose fault it is.

No class here knows an HTTP status: the door (`pypidaemon.web.failures`) has the one table that maps them. The text of an error
is one plain line that may be shown to anyone: no path of this machine, no credential, no line break.
"""

from __future__ import annotations

from collections.abc import Iterable


class PypidaemonError(Exception):
    """Anything this daemon refuses, lacks or could not do; `str()` of it is one line fit for a client."""

    def __str__(self) -> str:
        # Names in it may come from outside, and a log or a terminal must not take their control characters for its own (S59).
        line = super().__str__()
        if not line.isprintable():
            line = " ".join("".join(letter if letter.isprintable() or letter.isspace() else "?" for letter in line).split())
        return line


class InvalidName(PypidaemonError):
    """A project or file name that the gate (`pypidaemon.filenames`) does not let through."""


class NoSuchProject(PypidaemonError):
    """
    The index knows that it has no such project. Only this lets a combiner ask its next index (law 1).

    :param until: how long that is known, seconds since the epoch; None where it holds until a change is announced.
    """

    def __init__(self, name: str, until: float | None = None) -> None:
        super().__init__(f"no such project: {name}")
        self.name = name
        self.until = until


class NoSuchFile(PypidaemonError):
    """The project's page does not list this file, or not under this path, or without this companion."""

    def __init__(self, filename: str) -> None:
        super().__init__(f"no such file: {filename}")
        self.filename = filename


class NoSuchRelease(NoSuchFile):
    """The project has no release of that version: so it has no file of it either."""

    def __init__(self, name: str, version: str) -> None:
        PypidaemonError.__init__(self, f"no such release: {name}=={version}")
        self.filename = f"{name}=={version}"


class NoSuchBlob(PypidaemonError):
    """A blob store holds no content of this digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"no content with sha256 {digest}")
        self.digest = digest


class Refused(PypidaemonError):
    """
    A policy hides this project or file. An answer, not an absence: it never falls through (law 1).

    :param rule: the label of the policy, as the configuration names it.
    :param reason: why, for a person.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"refused by {rule}: {reason}")
        self.rule = rule
        self.reason = reason


class PolicyFailed(PypidaemonError):
    """
    A policy could not judge: it raised what no policy may. Nothing that it would have judged is shown.

    :param rule: the label of the policy.
    :param kind: the class of what it raised. Its text may hold anything, so that stands in the log alone.
    """

    def __init__(self, rule: str, kind: type[BaseException]) -> None:
        super().__init__(f"the policy {rule} failed: {kind.__name__}")
        self.rule = rule


class UpstreamUnavailable(PypidaemonError):
    """
    An upstream could not be asked, or what it said cannot be believed. Never means absence (law 10).

    :param upstream: the upstream's label.
    :param cause: what happened, in a few words.
    :param retry_after: whole seconds after which asking again may help, 1 to 60 (R217).
    """

    def __init__(self, upstream: str, cause: str, retry_after: int = 5) -> None:
        super().__init__(f"upstream {upstream} is unavailable: {cause}")
        self.upstream = upstream
        self.cause = cause
        self.retry_after = min(max(retry_after, 1), 60)


class UpstreamTooSlow(UpstreamUnavailable):
    """What was under way came so slowly that it was given up (F30)."""


class UpstreamDeclines(UpstreamUnavailable):
    """It can be asked, and will not answer us: an answer, so nobody else is asked in its stead (M18)."""


class CorruptContent(PypidaemonError):
    """Bytes that are not the ones promised: wrong digest or wrong length. They are never stored (law 6)."""


class Damaged(PypidaemonError):
    """Something that this daemon wrote itself is no longer what it wrote."""


class Changed(PypidaemonError):
    """
    What an index opened is not what it had listed a moment before. Asking for both again may help.

    :param what: the file, or its companion.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} changed while it was opened")
        self.what = what


class NotAllowed(PypidaemonError):
    """
    The account may not do this.

    :param would_help: whether other, or any, credentials could: then the door asks for them (401, R188), else it refuses (403).
    """

    def __init__(self, what: str, *, would_help: bool) -> None:
        super().__init__(what)
        self.would_help = would_help


class TooManyAttempts(PypidaemonError):
    """
    Too many wrong credentials came from there, or for that account (S69).

    :param retry_after: whole seconds after which trying again may help, 1 to 60 (R217).
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many failed attempts to log in")
        self.retry_after = min(max(retry_after, 1), 60)


class TooManyRequests(PypidaemonError):
    """
    An address asks more often than it may (S58).

    :param retry_after: whole seconds after which it may ask again, 1 to 60 (R217).
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests from this address")
        self.retry_after = min(max(retry_after, 1), 60)


class Conflict(PypidaemonError):
    """What is there already is something else: another file of that name, another owner of that project (R166)."""


class InvalidUpload(PypidaemonError):
    """An upload whose form, archive or metadata cannot be accepted; the line says what and where (S9-S19)."""


class CannotStore(PypidaemonError):
    """What came cannot be kept here now. What is here can still be read."""


class StorageFull(CannotStore):
    """There is no room to store this: disk, inodes, quota or file-size limit."""


ONLY_READ = "this daemon only reads its data folder ([daemon] read-only = yes): nothing is taken or changed"
"""What is said to whoever wants to change something of a daemon that must not write."""


class OnlyRead(StorageFull):
    """The daemon was told to write nothing (N8). To whoever has something to store that is a full disk."""


class StorageFailed(CannotStore):
    """The disk takes nothing: it is read-only, or has failed (F58, F60)."""


class TooLarge(PypidaemonError):
    """Something exceeds its limit."""


class Loop(PypidaemonError):
    """A request came back to the daemon that sent it (its own id stands in `Via`, RFC 9110 §7.6.3)."""


class ConfigError(PypidaemonError):
    """
    The configuration cannot be used.

    :param file: the configuration file, as the user named it.
    :param section: the section at fault, or "".
    :param key: the key at fault, or "".
    :param problem: what is wrong, in a few words.
    :param known: what would have been understood in its place.
    """

    def __init__(self, file: str, section: str, key: str, problem: str, known: Iterable[str] = ()) -> None:
        place = file
        if section:
            place += f" [{section}]"
        if key:
            place += f" {key}"
        alternatives = " ".join(sorted(known))
        hint = f" (known: {alternatives})" if alternatives else ""
        super().__init__(" ".join(f"{place}: {problem}{hint}".split()))
        self.file = file
        self.section = section
        self.key = key
        self.problem = problem
