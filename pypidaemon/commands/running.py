"""The verbs about a daemon as a whole: `check`, `reload`, `status`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import NoReturn

from pypidaemon.assembly import Plan, describe, describe_json, plan
from pypidaemon.blueprints import data_folder
from pypidaemon.commands import control
from pypidaemon.commands.reporting import report
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import daemon_or_alone
from pypidaemon.errors import ConfigError
from pypidaemon.schema import local_url
from pypidaemon.services.sockets import CONTROL
from pypidaemon.settings import count
from pypidaemon.tap import rehearse


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser("check", parents=[shared], help="check the configuration and print what it comes to", allow_abbrev=False)
    verb.add_argument("--effect", action="store_true", help="print instead what it would hide and show that the running daemon does not")
    verb.add_argument("--against", metavar="FILE", help="with --effect: the configuration to compare with")
    verb.add_argument(
        "--limit", metavar="COUNT", type=count, default=50, help="with --effect: projects that are named at most (default: 50)"
    )
    verb.set_defaults(act=partial(_checked, verb))
    verb = verbs.add_parser("reload", parents=[shared], help="have the running daemon read its configuration again", allow_abbrev=False)
    verb.set_defaults(act=reload)
    verb = verbs.add_parser("status", parents=[shared], help="say how the running daemon is", allow_abbrev=False)
    verb.set_defaults(act=status)


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if arguments.against is not None and not arguments.effect:
        return wrong(verb, arguments, "--against belongs to --effect")
    return effect(arguments) if arguments.effect else check(arguments)


def effect(arguments: argparse.Namespace) -> int:
    """
    Print what the configuration would hide and show that another one does not: of every project of which a page is remembered, or whose home is here.

    The other one is the file named by `--against`, else what the running daemon has read, else the same without its policies. No upstream is asked and
    nothing is written, whether a daemon runs or not. The exit status is 1 where anything would change.

    :raises ConfigError: one of the two cannot be used.
    :raises PypidaemonError: what is remembered cannot be read.
    """
    from pypidaemon.commands import effect as effects

    planned = plan(named_file(arguments))
    answer = effects.effect(planned, effects.against(planned, arguments.against))
    say(arguments, "\n".join(effects.lines(answer, arguments.limit)), answer)
    return 1 if effects.changes_anything(answer) else 0


def check(arguments: argparse.Namespace) -> int:
    """
    Print the configuration as it will be, with every default and everything implied.

    Every component is made as the daemon would make it, and none is started.

    :raises ConfigError: it cannot be used; the one line is the same that twistd gives.
    :raises PypidaemonError: the installation lacks a module that a daemon would only load later.
    """
    planned = plan(named_file(arguments))
    rehearse(planned)
    say(arguments, describe(planned), describe_json(planned))
    return 0


def reload(arguments: argparse.Namespace) -> int:
    """
    Have the running daemon read its configuration again, as SIGHUP does, and come back when it is in force. What is under way goes on.

    :raises NotRunning: there is none.
    :raises PypidaemonError: what the file says cannot be used, or needs a restart; the daemon goes on as before.
    """
    answer = daemon_or_alone(named_file(arguments), lambda socket: control.ask(socket, "POST", "/reload"), _not_there)
    say(arguments, f"{answer['file']} was read again and is in force", answer)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """
    Print what the running daemon says of itself, and where it lies by the configuration.

    Where the configuration could not be used any more to start it again, `unusable` says why.

    In JSON times are in UTC, `uptime_seconds` is in seconds, and the rest are counts and bytes since the start.

    :raises NotRunning: there is none.
    """
    file = named_file(arguments)
    answer = daemon_or_alone(file, lambda socket: control.ask(socket, "GET", "/status"), _not_there)
    # The daemon does not tell where it lies: the socket it was asked by stands in its data folder.
    answer |= {"configuration": file, "data": str(data_folder(file))}
    try:
        planned = plan(file)
    except ConfigError as error:
        # The daemon is as well as it was; that it could not be started again is to be known before it has to be.
        answer |= {"unusable": str(error)}
    else:
        answer |= {"listen": list(planned.daemon.listen), "address": planned.daemon.public_url or local_url(planned.daemon.listen)}
    say(arguments, "\n".join(report(answer)), answer)
    return 0


def _not_there(planned: Plan) -> NoReturn:
    raise control.NotRunning(planned.data / CONTROL)
