"""The verbs about a daemon as a whole: `run`, `check`, `status`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from pypidaemon.assembly import describe, describe_json, plan
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, outline, say
from pypidaemon.services.sockets import CONTROL


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser("run", parents=[shared], help="run the daemon in the foreground", allow_abbrev=False)
    verb.set_defaults(act=run)
    verb = verbs.add_parser("check", parents=[shared], help="check the configuration and print what it comes to", allow_abbrev=False)
    verb.set_defaults(act=check)
    verb = verbs.add_parser("status", parents=[shared], help="say how the running daemon is", allow_abbrev=False)
    verb.set_defaults(act=status)


def run(arguments: argparse.Namespace) -> int:
    """
    Be the daemon, in this process and in the foreground, until a signal ends it: `twistd` without its pid file.

    Files made by it are for its own user alone (S87).

    :raises ConfigError: the configuration cannot be used; nothing has been started.
    """
    file = named_file(arguments)
    plan(file)
    from twisted.application import app
    from twisted.application.service import ServiceMaker
    from twisted.scripts.twistd import (  # type: ignore[attr-defined]  # Twisted lists only one of the two in `__all__`
        ServerOptions,
        runApp,
    )

    from pypidaemon.tap import Options

    class OurOptions(ServerOptions):
        """twistd's options with one subcommand: a look through the plugins of the whole machine would load what nobody uses here."""

        @property
        def subCommands(self) -> list[tuple[str, None, Callable[[], Options], str]]:
            maker = ServiceMaker("pypidaemon", "pypidaemon.tap", "", "pypidaemon")
            self.loadedPlugins = {maker.tapname: maker}
            return [(maker.tapname, None, Options, maker.description)]

    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "--umask=077", "pypidaemon", "--config", file]
    app.run(runApp, OurOptions)
    return 0


def check(arguments: argparse.Namespace) -> int:
    """
    Print the configuration as it will be, with every default and everything implied.

    :raises ConfigError: it cannot be used; the one line is the same that twistd gives.
    """
    planned = plan(named_file(arguments))
    say(arguments, describe(planned), describe_json(planned))
    return 0


def status(arguments: argparse.Namespace) -> int:
    """
    Print what the running daemon says of itself.

    :raises NotRunning: there is none.
    """
    answer = control.ask(plan(named_file(arguments)).data / CONTROL, "GET", "/status")
    say(arguments, "\n".join(outline(answer)), answer)
    return 0
