"""How verbs speak: text for people, one JSON object for programs, one line where the usage is wrong, and the file that all of it is about."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias

from pypidaemon.configuration import PLACES, configuration_file
from pypidaemon.errors import PypidaemonError


class WrongUsage(PypidaemonError):
    """
    What was asked for cannot be meant so: exit status 2.

    :param verb: whose help says more; empty where the line itself says what to do, since only the configuration, or the daemon, could tell.
    """

    def __init__(self, line: str, verb: str = "") -> None:
        super().__init__(line)
        self.verb = verb

    @property
    def hint(self) -> str:
        """The end of the line for people."""
        return f"; see {self.verb} --help" if self.verb else ""


class Parser(argparse.ArgumentParser):
    """Refuses by exception, so that whatever is wrong is said in one way: one line, that names what to do next, and JSON where that is wanted."""

    def error(self, message: str) -> NoReturn:
        """
        :raises WrongUsage: always.
        """
        raise WrongUsage(" ".join(message.split()), self.prog)

    def parse_known_args(  # type: ignore[override]  # argparse has overloads for namespaces of other types, which nobody here gives
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does; what no verb knows is refused by that verb, which can say what it would have known, and not by the whole command."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{_meant(rest[0], self._option_string_actions)}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            raise argparse.ArgumentError(None, f"there is no verb {value!r}{_meant(value, action.choices)}")
        super()._check_value(action, value)


def _meant(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word.partition("=")[0], list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a group of verbs is added to; argparse has no public name for it."""


class Unheard(PypidaemonError):
    """Standard output takes nothing."""


def say(arguments: argparse.Namespace, text: str, data: Mapping[str, Any]) -> None:
    """
    Print `data` as one line of JSON where `--json` was given, else `text`, if there is any.

    :raises BrokenPipeError: whoever read has seen enough.
    :raises Unheard: it cannot be written.
    """
    if arguments.json:
        write(json.dumps(data) + "\n")
    elif text:
        write(text if text.endswith("\n") else text + "\n")


def flush() -> None:
    """
    Have all that was said written.

    :raises BrokenPipeError: as `say`.
    :raises Unheard: as `say`.
    """
    with _heard():
        sys.stdout.flush()


def write(text: str) -> None:
    """
    Print that as it is.

    :raises BrokenPipeError: as `say`.
    :raises Unheard: as `say`.
    """
    with _heard():
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            # Names of files may be any bytes, and not every terminal has every character.
            coding = sys.stdout.encoding
            sys.stdout.write(text.encode(coding, "backslashreplace").decode(coding))


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unheard(f"cannot write to standard output: {error.strerror}") from None


def wrong(verb: argparse.ArgumentParser, arguments: argparse.Namespace, line: str) -> NoReturn:
    """
    Refuse the usage, which the verb itself had to look at.

    :raises WrongUsage: always; it is said as what the parser refuses.
    """
    raise WrongUsage(line, verb.prog)


def named_file(arguments: argparse.Namespace) -> str:
    """
    The configuration file that a verb is about.

    :raises PypidaemonError: none is named, and there is none in any of the places where one is looked for.
    """
    file = configuration_file(arguments.config, os.environ)
    if not arguments.config and not os.environ.get("PYPIDAEMON_CONFIG") and not os.path.lexists(file):
        raise PypidaemonError(
            f"there is no configuration: neither {PLACES[0]} below {os.getcwd()} nor {PLACES[1]}; name one with -c FILE or $PYPIDAEMON_CONFIG,"
            " or write one with pypidaemon init"
        )
    return file
