"""How verbs speak: text for people, one JSON object for programs, and the file that both are about."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

from pypidaemon.configuration import configuration_file
from pypidaemon.errors import PypidaemonError


class WrongUsage(PypidaemonError):
    """What was asked for cannot be meant so, which only the configuration, or the daemon, could tell: exit status 2."""


Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a group of verbs is added to; argparse has no public name for it."""


def say(arguments: argparse.Namespace, text: str, data: Mapping[str, Any]) -> None:
    """Print `data` as one line of JSON where `--json` was given, else `text`, if there is any."""
    if arguments.json:
        sys.stdout.write(json.dumps(data) + "\n")
    elif text:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


def wrong(verb: argparse.ArgumentParser, arguments: argparse.Namespace, line: str) -> int:
    """Say that the usage is wrong, as argparse does and in JSON where that was asked for; the exit status."""
    say(arguments, "", {"error": line})
    sys.stderr.write(f"{verb.format_usage()}{verb.prog}: error: {line}\n")
    return 2


def named_file(arguments: argparse.Namespace) -> str:
    """The configuration file that a verb is about."""
    return configuration_file(arguments.config, os.environ)
