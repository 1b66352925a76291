"""The verb about what is fetched before anybody asks, `sync`, as far as it is a matter of words: what fills an index is loaded when it is to be filled."""

from __future__ import annotations

import argparse
from contextlib import suppress
from functools import partial

from pypidaemon.commands.foreground import spare_tls
from pypidaemon.commands.speech import Verbs, named_file, wrong
from pypidaemon.errors import InvalidName, PypidaemonError
from pypidaemon.filenames import project_name


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser("sync", parents=[shared], help="fill an index now, as its service does on its schedule", allow_abbrev=False)
    verb.add_argument("service", nargs="?", metavar="SERVICE", help="the label of the service; without it the only one there is")
    verb.add_argument("--once", action="store_true", help="one run, and wait for its end: what this does anyway")
    verb.add_argument("--dry-run", action="store_true", help="say what would be taken and removed, and change nothing")
    verb.add_argument("--project", metavar="NAME", help="bring this project alone up to date")
    verb.add_argument("-q", "--quiet", action="store_true", help="print nothing where all went well")
    verb.set_defaults(act=partial(sync, verb))


def sync(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """
    Fill an index, by the running daemon or without one, and print what came of it.

    The exit status is 1 where something failed or waits to be tried again.

    :raises PypidaemonError: there is no such service, or it cannot run.
    """
    try:
        if arguments.project is not None:
            arguments.project = project_name(arguments.project)
    except InvalidName as error:
        return wrong(verb, arguments, str(error))
    if arguments.dry_run and arguments.project:
        return wrong(verb, arguments, "--dry-run is of everything, so it takes no --project")
    with suppress(PypidaemonError):
        # What is wrong with the file is said by who needs all of it: a daemon that runs does not.
        spare_tls(named_file(arguments))
    # Only now, since what this imports is where Twisted looks for TLS.
    from pypidaemon.commands.filling import fill

    return fill(arguments)
