"""The service that brings what was published here to another index, whenever there is something new and that index can be reached (N7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights, landing
from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IHostedIndex, IMeasured, IPushing, IRecords
from pypidaemon.model import InThread, NormalizedName
from pypidaemon.moments import written
from pypidaemon.pushes.pushing import Declined, Outcome, Pushing, inspection_rules
from pypidaemon.settings import Secret, duration, given, path, reference, secret, setting, text
from pypidaemon.settings import url as url_setting
from pypidaemon.upstreams.routes import proxy_choice
from pypidaemon.upstreams.uploading import Destination, addresses

FIRST = 5.0
"""Seconds after the start, and after an upload, until it begins: what is uploaded together goes together."""
SHORTEST, LONGEST = 30.0, 900.0
"""Seconds until it is tried again where the other index could not be reached, or took nothing: twice as many each time."""

log = Logger(namespace="pypidaemon")


@implementer(IPushing, IMeasured)
@attrs.define(eq=False, slots=False)
class PushService(Service):
    """
    Pushes the files of a private index by the legacy upload.

    Nothing is pushed twice, and nothing over other bytes: such conflicts stand in the log, in `status` and in `why`, until somebody settles them.

    :raises ValueError: at construction, where `to`, `ca-file` or `proxy` cannot be used.
    """

    label: str = given("label")
    index: IHostedIndex = reference(IHostedIndex, default="private", help="the index whose files are pushed")
    to: str = setting(url_setting, help="where to: the other daemon's address, or an upload URL that ends in /legacy/")
    records: IRecords = reference(IRecords, default="records", help="where it is remembered what was pushed")
    reactor: Any = given("reactor")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")
    announcements: Announcements = given("announcements")
    inspector: Any = given("inspector")
    offline: bool = given("offline", factory=bool)
    simple: str | None = setting(url_setting, default=None, help="the simple index there, where it is not /simple/ beside /legacy/")
    username: str | None = setting(text, default=None, help="who we are there")
    password: Secret | None = setting(secret, default=None, help="the password or token, as env:NAME or file:PATH")
    ca_file: Path | None = setting(path, default=None, help="certificates of authorities to trust besides the machine's own (PEM)")
    proxy: str | Secret = setting(proxy_choice, default="env", help="env (HTTP_PROXY and the like), none, or an HTTP proxy's URL")
    projects: tuple[str, ...] = setting(globs, default=("*",), help="patterns of the projects that are pushed")
    every: float = setting(duration, default=3600.0, help="how often it is looked whether all is there, where nothing was uploaded")
    destination: Any = attrs.field(default=None, repr=False)
    pushed: int = attrs.field(init=False, default=0)
    failed: int = attrs.field(init=False, default=0)
    """Rounds that were not done to their end."""
    last: Outcome | None = attrs.field(init=False, default=None, repr=False)
    trouble: str = attrs.field(init=False, default="")
    _ended: float = attrs.field(init=False, default=0.0)
    _number: int = attrs.field(init=False, default=0)
    _failures: int = attrs.field(init=False, default=0)
    _anew: bool = attrs.field(init=False, default=False)
    _again: bool = attrs.field(init=False, default=False)
    """Whether something was published while a round was under way."""
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _flights: Flights[str, None] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)), repr=False)

    def __attrs_post_init__(self) -> None:
        addresses(self.to)
        if self.destination is None:
            self.destination = self._destination()

    def _destination(self) -> Destination:
        return Destination(
            self.label,
            self.to,
            self.reactor,
            self.cpu,
            self.records,
            self.username,
            self.password,
            self.ca_file,
            self.proxy,
            self.simple,
        )

    def startService(self) -> None:
        """Begin to push, in a moment."""
        Service.startService(self)
        self.announcements.listen(self._heard)
        self._wait(FIRST)

    def stopService(self) -> Deferred[None]:
        """End what is under way; fires when it has ended. The next start does the rest."""
        Service.stopService(self)
        self._rest()
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        await landing(self._flights)
        if isinstance(self.destination, Destination):
            await self.destination.close()

    def begin(self) -> int:
        """As `IPushing`."""
        if not self.running:
            raise PypidaemonError(f"{self.label} has stopped: the configuration was read again, or the daemon is about to stop")
        if self._flights.flying(""):
            return self._number
        self._anew = True
        self._rest()
        self._begin()
        return self._number

    def state(self) -> dict[str, Any]:
        """As `IPushing`."""
        last = self.last.as_json() if self.last is not None else {}
        return {
            "index": self.index.label,
            "to": self.to,
            "run": self._number,
            "running": self._flights.flying(""),
            "trouble": "the daemon is offline" if self.offline else self.trouble,
            "ended": written(self._ended) if self._ended else None,
            "next": written(self._due.getTime()) if self._due is not None and self._due.active() else None,
            "pushed_in_all": self.pushed,
            **last,
        }

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`."""
        return {
            "pushed": self.pushed,
            "failed": self.failed,
            "conflicts": len(self.last.conflicts) if self.last is not None else 0,
        }

    def _heard(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`."""
        if not self.running or name is None or Globs(self.projects).first(name) is None:
            return
        if self._flights.flying(""):
            self._again = True
        elif not self._failures:
            # Where it cannot be reached anyway, one more upload does not make it try earlier.
            self._wait(FIRST)

    def _wait(self, seconds: float) -> None:
        self._rest()
        if self.running and not self.offline:
            self._due = self.clock.callLater(seconds, self._begin)

    def _rest(self) -> None:
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()

    def _begin(self) -> None:
        self._due = None
        self._number += 1
        self._flights.start("", self._round)

    async def _round(self) -> None:
        wait = self.every
        anew, self._anew, self._again = self._anew, False, False
        try:
            if self.offline:
                raise Declined("the daemon is offline")
            inspector = self.inspector.under(inspection_rules())
            pushing = Pushing(
                self.label, self.index, self.records, self.destination, inspector, self.clock, Globs(self.projects), anew=anew
            )
            done = await pushing.run()
        except PypidaemonError as error:
            self.failed += 1
            self._failures += 1
            wait = min(SHORTEST * 2.0 ** min(self._failures - 1, 10), LONGEST)
            wait = max(wait, min((error.wait or 0.0) if isinstance(error, Declined) else 0.0, LONGEST))
            line = error.cause if isinstance(error, UpstreamUnavailable) else str(error)
            if line != self.trouble:
                log.warn("{label}: {to} cannot be pushed to: {error}", label=self.label, to=self.to, error=line)
            self.trouble = line
        else:
            self._failures, self.trouble = 0, ""
            self.pushed += len(done.pushed)
            self._tell(done)
            self.last = done
        finally:
            self._ended = self.clock.seconds()
            self._wait(FIRST if self._again and not self._failures else wait)

    def _tell(self, done: Outcome) -> None:
        """Let the log have what is new of it."""
        before = self.last or Outcome()
        for word in ("conflicts", "refused", "differs"):
            known = set(getattr(before, word))
            for line in getattr(done, word):
                if line not in known:
                    log.warn("{label}: {line} ({to})", label=self.label, line=line, to=self.to)
