"""The verbs about a daemon as a whole: `run`, `check`, `status`."""

from __future__ import annotations

import argparse

from pypidaemon.assembly import describe, describe_json, plan
from pypidaemon.commands import control
from pypidaemon.commands.reporting import report
from pypidaemon.commands.speech import Verbs, named_file, say
from pypidaemon.schema import local_url
from pypidaemon.services.sockets import CONTROL
from pypidaemon.tap import foreground, rehearse


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
    Be the daemon, in this process and in the foreground, until SIGINT or SIGTERM ends it, which is no failure. It logs to standard output.

    Files made by it are for its own user alone (S87).

    :raises ConfigError: the configuration cannot be used; nothing has been started.
    :raises CannotStart: something could not be started, such as a port that is taken; the line says what.
    """
    foreground(plan(named_file(arguments)))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """
    Print the configuration as it will be, with every default and everything implied.

    Every component is made as the daemon would make it, and none is started.

    :raises ConfigError: it cannot be used; the one line is the same that twistd gives.
    """
    planned = plan(named_file(arguments))
    rehearse(planned)
    say(arguments, describe(planned), describe_json(planned))
    return 0


def status(arguments: argparse.Namespace) -> int:
    """
    Print what the running daemon says of itself, and where it lies by the configuration.

    In JSON times are in UTC, `uptime_seconds` is in seconds, and the rest are counts and bytes since the start.

    :raises NotRunning: there is none.
    """
    planned = plan(named_file(arguments))
    answer = control.ask(planned.data / CONTROL, "GET", "/status")
    # The daemon does not tell where it lies: the socket it was asked by stands in its data folder.
    answer |= {
        "configuration": planned.file,
        "data": str(planned.data),
        "listen": list(planned.daemon.listen),
        "address": planned.daemon.public_url or local_url(planned.daemon.listen),
    }
    say(arguments, "\n".join(report(answer)), answer)
    return 0
