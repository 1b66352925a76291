"""
The two ways to be the daemon: what twistd asks for, which is options and the service that they describe, and `foreground`, which needs no twistd.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from twisted.logger import LogEvent, globalLogBeginner
from twisted.python import usage

from pypidaemon import __version__, long_lived
from pypidaemon.blueprints import Plan, plan
from pypidaemon.configuration import configuration_file
from pypidaemon.errors import ConfigError, PypidaemonError

if TYPE_CHECKING:
    from pypidaemon.services.lifetime import Lifetime


class Options(usage.Options):
    """The command line of `twistd pypidaemon`; `plan` is there once it has been parsed."""

    synopsis = "[-c FILE]"
    longdesc = "A Python package index in one daemon; see pypidaemon --help for commands that work beside it."
    optParameters = (("config", "c", None, "The configuration file: else $PYPIDAEMON_CONFIG, etc/config.ini, /etc/pypidaemon/config.ini."),)
    plan: Plan

    def postOptions(self) -> None:
        """
        Read and check the whole configuration before anything forks, binds or opens.

        :raises usage.UsageError: one line that says what is wrong with it.
        """
        try:
            self.plan = plan(configuration_file(self["config"], os.environ))
        except ConfigError as error:
            # The fault is not in the command line, so how to use it is no help: twistd prints this text before the line.
            self.longdesc = ""
            raise usage.UsageError(str(error)) from None


def makeService(options: Options) -> IService:
    """
    The daemon, not yet started.

    :raises SystemExit: a component could not be made; the line says which.
    """
    from twisted.internet import reactor

    try:
        return lifetime(options.plan, reactor)
    except ConfigError as error:
        raise SystemExit(f"pypidaemon: {error}") from error


def lifetime(planned: Plan, reactor: Any) -> Lifetime:
    """
    The daemon, not yet started, with the lines that it leaves in the log when it answers and when it stops.

    :raises ConfigError: a component could not be made.
    """
    from twisted.internet.threads import deferToThreadPool

    from pypidaemon.assembly import build
    from pypidaemon.services.lifetime import Lifetime
    from pypidaemon.services.notifying import Notifying
    from pypidaemon.services.signals import Signals
    from pypidaemon.web.turns import quicken

    quicken(reactor)

    async def reload() -> None:
        await life.reload()

    whole = build(planned, reactor, reload)

    def greeting() -> str:
        now = whole.house.plan
        places = ", ".join(socket.address() for socket in whole.sockets)
        public = f", for clients at {now.daemon.public_url}" if now.daemon.public_url else ""
        return f"pypidaemon {__version__} answers at {places}{public} (configuration {planned.file}, data folder {now.data})"

    async def renew() -> None:
        # By its absolute name: a daemon's working directory is not that of who started it.
        await whole.renew(await deferToThreadPool(reactor, reactor.getThreadPool(), _read_again, str(planned.origin)))
        long_lived.stir()

    async def probe() -> None:
        await whole.house.made.records().ledger.high("")

    life = Lifetime(whole, reactor, greeting, renew, Notifying.by(os.environ, reactor, probe))
    life.signals = Signals(reactor, life.hang_up, reactor.stop)
    return life


def _read_again(origin: str) -> Plan:
    """That configuration, with what takes long to load for it: its parts are made where the reactor runs, which may not wait for that."""
    found = plan(origin)
    if any(part.values.get("ca_file") is not None for part in found.parts.values()):
        # It is checked at once, by OpenSSL.
        importlib.import_module("pypidaemon.upstreams.authorities")
    return found


def rehearse(planned: Plan) -> None:
    """
    Make the whole daemon, with what it loads only when that is wanted, start nothing, and let go of it.

    :raises ConfigError: a component could not be made.
    :raises PypidaemonError: a module is missing, which the daemon itself would notice with the first request for a page.
    """
    from twisted.internet import reactor

    from pypidaemon.assembly import build

    routes = build(planned, reactor).house.door.routes
    try:
        for late in (routes.views, routes.admin):
            late.load()
    except ImportError as error:
        raise PypidaemonError(f"this installation is not whole: {error}") from None


_CHATTER = re.compile(r"\w+ starting on .+|\((?:TCP|UNIX) Port .+ Closed\)|Main loop terminated\.")
"""What Twisted says of each socket, and of itself at the end; the lines of `Lifetime` say it better."""


def foreground(planned: Plan, log: Path | None = None) -> None:
    """
    Be the daemon, in this process, until SIGINT or SIGTERM ends it; log to standard output. Files are made for our own user alone (S87).

    Nothing is logged before everything has started, so that a start which fails leaves its reason to the caller.

    :param log: a file to log to instead, which is opened again on SIGHUP and SIGUSR1.
    :raises ConfigError: a component could not be made.
    :raises PypidaemonError: that file cannot be opened.
    :raises CannotStart: a part could not be started; its reason is the line.
    """
    from twisted.internet import reactor

    from pypidaemon.services.logs import LogFile, Transcript
    from pypidaemon.services.spare_memory import share_heaps

    share_heaps()
    running: Any = reactor
    os.umask(0o077)
    file = LogFile(log)
    try:
        file.reopen()
    except OSError as error:
        raise PypidaemonError(f"cannot write the log {log}: {error.strerror or error}") from None
    whole = lifetime(planned, running)
    if whole.signals is not None and log is not None:
        whole.signals.reopen = file.reopen
    whole.privilegedStartService()
    whole.startService()
    running.callWhenRunning(long_lived.settle)
    running.addSystemEventTrigger("before", "shutdown", whole.stopService)
    globalLogBeginner.beginLoggingTo([Transcript(file, _is_chatter)])
    running.run()


def _is_chatter(event: LogEvent) -> bool:
    return _CHATTER.fullmatch(str(event.get("log_text") or event.get("log_format") or "")) is not None
