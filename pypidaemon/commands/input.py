"""What verbs read that is no option of a few words: secrets from standard input or a terminal, and times that end."""

from __future__ import annotations

import argparse
import getpass
import math
import sys

from pypidaemon.errors import PypidaemonError
from pypidaemon.settings import duration

_LINE = 8192
"""Bytes of a line at most."""


def password() -> str:
    """
    A password: of whom sits at a terminal, typed twice and not shown; else a line of standard input.

    :raises PypidaemonError: none was given.
    """
    if not sys.stdin.isatty():
        return line()
    try:
        typed = getpass.getpass("Password: ")
        again = getpass.getpass("Once more: ")
    except EOFError:
        raise PypidaemonError("no password was given") from None
    if typed != again:
        raise PypidaemonError("these were two different passwords; nothing was changed")
    return typed


def line() -> str:
    """
    One line of standard input, which is UTF-8 in any locale, without its end.

    :raises PypidaemonError: it is not UTF-8.
    """
    raw = sys.stdin.buffer.readline(_LINE)
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise PypidaemonError("standard input is not UTF-8") from None


def lifetime(raw: str) -> float:
    """
    How many seconds a token is good.

    :raises ArgumentTypeError: that is no such time.
    """
    try:
        seconds = duration(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    # A number too long to be one reads as infinite, which JSON has no word for.
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("a token is good for more than no time, and for a time that ends")
    return seconds
