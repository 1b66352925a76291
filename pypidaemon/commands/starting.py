"""The verb for the first five minutes: `init` writes a configuration to begin with."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pypidaemon.commands.speech import Verbs, say
from pypidaemon.configuration import PLACES
from pypidaemon.errors import PypidaemonError
from pypidaemon.schema import data_beside, endpoints, patterns
from pypidaemon.settings import path

_TEXT = """\
# pypidaemon: your own packages, and a caching proxy of the Python Package Index.
#
#   pypidaemon check -c {file}     says what this comes to
#   pypidaemon run -c {file}       runs it
#
# Comments stand on lines of their own. Relative paths start at the folder of this file, which is also what %(here)s means.

[daemon]
# Where to listen: Twisted endpoint descriptions, separated by white space. tcp:3141 alone listens on every interface.
{listen}
# The folder that everything is kept in.
{data}
# Names of your own projects (patterns): no upstream is ever asked about them.
{reserved}
# The index at /simple/.
index = root
# The index that uploads go to. Nobody may upload before you say so: pypidaemon user add NAME, pypidaemon grant NAME create private
uploads = private

# A project that is private is never taken from anywhere else, whatever its versions are.
[index:root]
use = first-match
indexes = private pypi

[index:private]
use = private

[index:pypi]
use = proxy
upstream = pypi

# The public Python Package Index. For another one: use = http, and url = https://index.example/simple/
[upstream:pypi]
use = pypi
"""


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser("init", parents=[shared], help="write a configuration file to begin with", allow_abbrev=False)
    verb.add_argument(
        "file", nargs="?", metavar="FILE", help=f"the file to write, - for standard output (as -c; without either {PLACES[0]})"
    )
    verb.set_defaults(act=init)


def init(arguments: argparse.Namespace) -> int:
    """
    Write a commented configuration. On a terminal three questions come first; elsewhere the defaults stand.

    `-` stands for standard output; with `--json` the text is then part of the object.

    :raises PypidaemonError: the file exists, which is never overwritten, cannot be written, or an answer makes no sense.
    """
    if arguments.file == "-":
        # Where the file will stand is not known, and so neither is an absolute path of its data folder.
        text = _written("FILE", "var")
        say(arguments, text, {"file": None, "text": text})
        return 0
    file = Path(arguments.file or arguments.config or os.environ.get("PYPIDAEMON_CONFIG") or PLACES[0])
    if file.exists():
        raise PypidaemonError(f"{file} exists and is not overwritten")
    text = _written(str(file), str(data_beside(Path(os.path.abspath(file)).parent)))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise PypidaemonError(f"cannot write {file}: {error.strerror or error}") from None
    say(arguments, f"wrote {file}; next: pypidaemon run -c {file}", {"file": str(file)})
    return 0


def _written(file: str, beside: str) -> str:
    data, listen, reserved = _answers(beside) if sys.stdin.isatty() else ("", "", "")
    return _TEXT.format(
        file=file,
        listen=f"listen = {_escaped(listen)}" if listen else "listen = tcp:3141:interface=127.0.0.1",
        data=f"data = {_escaped(data)}" if data else f"# data = {_escaped(beside)}",
        reserved=f"reserved = {_escaped(reserved)}" if reserved else "# reserved = acme-*",
    )


def _answers(data: str) -> tuple[str, str, str]:
    return (
        _answer(f"Folder for everything that is kept [{data}]: ", path),
        _answer("Where to listen [tcp:3141:interface=127.0.0.1]: ", endpoints),
        _answer("Names of your own projects, such as acme-*, which are never asked of others [none]: ", patterns),
    )


def _answer(question: str, convert: Callable[[str], Any]) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if answer:
        try:
            convert(answer)
        except ValueError as error:
            raise PypidaemonError(str(error)) from None
    return answer


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
