"""What can be said on the command line, read off the parsers themselves: for completion in shells, and for the manual."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import attrs

from pypidaemon.commands.speech import Verbs

FILES = ("FILE", "OUT", "KEY")
"""How arguments are called that are files."""
FOLDERS = ("DIR", "DIR|URL")
"""And those that are folders."""


@attrs.frozen
class Word:
    """
    An option, or what stands without one.

    :param names: how the option is spelled, the long name last; none for what stands without one.
    :param metavar: how its value is called; empty for an option without one.
    :param help: what it means, in one line.
    :param choices: its values, where only these can be given.
    :param needed: whether it has to be said.
    :param many: whether several can be given.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    needed: bool = False
    many: bool = False

    @property
    def is_file(self) -> bool:
        """Whether its value is the name of a file."""
        return self.metavar in FILES

    @property
    def is_folder(self) -> bool:
        """Whether its value is the name of a folder."""
        return self.metavar in FOLDERS


@attrs.frozen
class Verb:
    """
    A verb, or a group of some.

    :param name: all words of it, without the program's own.
    :param help: what it does, in one line, and `description` in more.
    :param exits: what its exit statuses mean, where it says so.
    """

    name: str
    help: str
    description: str
    exits: str
    options: tuple[Word, ...]
    arguments: tuple[Word, ...]
    verbs: tuple[Verb, ...]

    def all(self) -> Iterator[Verb]:
        """It, and those in it."""
        yield self
        for verb in self.verbs:
            yield from verb.all()


def grammar(verbs: Verbs, before: str = "") -> tuple[Verb, ...]:
    """Every verb in the order in which help lists them."""
    helps = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
    return tuple(_verb(f"{before}{name}", helps.get(name, ""), parser) for name, parser in verbs.choices.items())


def _verb(name: str, help_: str, parser: argparse.ArgumentParser) -> Verb:
    # The public ways to a parser's arguments are its texts alone.
    actions = parser._actions
    words = [_word(action) for action in actions if not isinstance(action, argparse._SubParsersAction)]
    inner = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    return Verb(
        name,
        help_,
        parser.description or "",
        parser.epilog or "",
        tuple(word for word in words if word.names),
        tuple(word for word in words if not word.names),
        grammar(inner[0], f"{name} ") if inner else (),
    )


def _word(action: argparse.Action) -> Word:
    valued = action.nargs != 0
    choices = tuple(map(str, action.choices)) if action.choices is not None else ()
    needed = action.required if action.option_strings else action.nargs not in ("?", "*")
    many = action.nargs in ("*", "+") or isinstance(action, argparse._AppendAction)
    metavar = str(action.metavar or action.dest.upper()) if valued else ""
    return Word(tuple(action.option_strings), metavar, action.help or "", choices, needed, many)
