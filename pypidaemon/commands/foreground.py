"""The verb that is the daemon: `run`. It decides what is loaded, so it is loaded before anything else."""

from __future__ import annotations

import argparse
from pathlib import Path

from pypidaemon import configuration
from pypidaemon.commands.speech import Verbs, named_file
from pypidaemon.components import is_ours
from pypidaemon.configuration import DAEMON, Configuration
from pypidaemon.late_tls import is_plain, put_off


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser("run", parents=[shared], help="run the daemon in the foreground", allow_abbrev=False)
    verb.add_argument(
        "--log", metavar="FILE", help="log to the end of this file, opened again on SIGHUP and SIGUSR1 (default: standard output)"
    )
    verb.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """
    Be the daemon, in this process and in the foreground, until SIGINT or SIGTERM ends it, which is no failure. It logs to standard output, or to the file that `--log` names.

    Files made by it are for its own user alone (S87).

    :raises ConfigError: the configuration cannot be used; nothing has been started.
    :raises CannotStart: something could not be started, such as a port that is taken; the line says what.
    """
    file = named_file(arguments)
    spare_tls(file)
    # Only now, since what this imports is where Twisted looks for TLS.
    from pypidaemon.blueprints import plan
    from pypidaemon.tap import foreground

    foreground(plan(file), Path(arguments.log).absolute() if arguments.log is not None else None)
    return 0


def spare_tls(file: str) -> None:
    """
    Have Twisted loaded without TLS, where nothing in that file wants it to be loaded with it.

    :raises ConfigError: the file cannot be read.
    """
    if _can_do_without_tls(configuration.read(file)):
        put_off()


def _can_do_without_tls(read: Configuration) -> bool:
    """Whether nothing in that file may want of Twisted what it has only where it found TLS when it was loaded."""
    listening = read.daemon.values.get("listen", "").split()
    sections = (section for section in read.sections.values() if section.kind != DAEMON)
    return all(is_plain(one) for one in listening) and all(is_ours(one.kind, one.use) for one in sections)
