"""The verbs that say how this command line itself is used: `completion` for shells, and `manual` for `man`."""

from __future__ import annotations

import argparse
from functools import partial

from pypidaemon.commands.grammar import grammar
from pypidaemon.commands.manual import page
from pypidaemon.commands.shells import SHELLS
from pypidaemon.commands.speech import Verbs, say


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser(
        "completion",
        parents=[shared],
        help="print what has a shell complete these commands: verbs, options and their values",
        allow_abbrev=False,
    )
    verb.add_argument("shell", metavar="SHELL", choices=sorted(SHELLS), help=f"one of {' '.join(sorted(SHELLS))}")
    # Which verbs there are is known when all have been added.
    verb.set_defaults(act=partial(completion, verbs))
    verb = verbs.add_parser("manual", parents=[shared], help="print the manual page of all verbs, as man reads it", allow_abbrev=False)
    verb.set_defaults(act=partial(manual, verbs))


def completion(verbs: Verbs, arguments: argparse.Namespace) -> int:
    """
    Print a program of that shell. With bash and zsh, `source <(pypidaemon completion bash)` in the file that the shell begins with; with fish,
    `pypidaemon completion fish | source`.

    Nothing is started and no daemon is asked while somebody types.
    """
    text = SHELLS[arguments.shell](grammar(verbs))
    say(arguments, text, {"shell": arguments.shell, "text": text})
    return 0


def manual(verbs: Verbs, arguments: argparse.Namespace) -> int:
    """Print the manual page: `pypidaemon manual | man -l -` shows it, and an installed package has it where `man pypidaemon` looks."""
    text = page(grammar(verbs))
    say(arguments, text, {"text": text})
    return 0
