"""The kinds of use that a configuration can begin with, each a commented file of its own beside this one."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from pypidaemon.schema import endpoints

_PLACE = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):(?P<port>[0-9]{1,5})")


@attrs.frozen
class Kind:
    """
    A kind of use.

    :param what: it in a few words.
    :param data: its data folder; empty for the one that goes by where the file stands.
    :param listen: where it listens.
    :param wide: whether a port alone means that of every interface, and not this machine's own.
    :param examples: what in its file has to be replaced, in words.
    """

    name: str
    what: str
    data: str = "/var/lib/pypidaemon"
    listen: str = "tcp:3141:interface=127.0.0.1"
    wide: bool = False
    examples: str = ""

    def text(self) -> str:
        """Its file, as it ships."""
        return Path(__file__).with_name(f"{self.name}.ini").read_text("utf-8")


_HOME = "~/.local/share/pypidaemon"
_SOCKET = "unix:/run/pypidaemon/http.sock:mode=660"

KINDS = (
    Kind("single", "this machine alone: your own packages, and a cache of the public index", data=""),
    Kind("home-server", "one cache for all machines in the house, and your own packages", listen="tcp:3141", wide=True),
    Kind("netbook", "a machine that is often off line: what was installed once installs again", data=_HOME),
    Kind(
        "workstation",
        "the public index and a company's own behind one address, the company's first",
        data=_HOME,
        examples="index.example and acme-*",
    ),
    Kind(
        "team",
        "a team's own packages, and of all others those that were agreed on",
        listen=_SOCKET,
        examples="packages.example, acme-* and the projects that are allowed",
    ),
    Kind(
        "mirror",
        "chosen projects with all that they need, here before anybody asks",
        listen=_SOCKET,
        examples="packages.example, acme-* and the projects that are mirrored",
    ),
)
"""The first is the default."""


def kind_of(said: str) -> Kind:
    """
    The kind of that name, or of that number in the list, which begins with 1.

    :raises ValueError: there is none.
    """
    for number, kind in enumerate(KINDS, 1):
        if said in (kind.name, str(number)):
            return kind
    raise ValueError(f"there is no kind {said!r}: say a number from 1 to {len(KINDS)}, or one of {' '.join(kind.name for kind in KINDS)}")


def listening(said: str, kind: Kind) -> str:
    """
    Where to listen, as the configuration has it: of a port, HOST:PORT, or endpoint descriptions.

    :raises ValueError: it is none of them.
    """
    found = " ".join(said.split())
    if found.isdecimal() and found.isascii():
        found = f"tcp:{found}" if kind.wide else f"tcp:{found}:interface=127.0.0.1"
    elif place := _PLACE.fullmatch(found):
        host = {"localhost": "127.0.0.1", "0.0.0.0": ""}.get(place["host"], place["host"].strip("[]"))  # noqa: S104  # recognised, not bound
        kept = host.replace(":", "\\:")
        found = f"{'tcp6' if ':' in host else 'tcp'}:{place['port']}" + (f":interface={kept}" if host else "")
    endpoints(found)
    return found


def written(kind: Kind, file: str, data: str | None, listen: str | None, beside: str) -> str:
    """
    The text of a configuration of that kind.

    :param data: its data folder, and `listen` where it listens; None for what the kind has.
    :param beside: the data folder that goes by where the file stands.
    """
    lines = [
        f"# Written by pypidaemon init. What it comes to says: pypidaemon check -c {file}. What runs it: pypidaemon run -c {file}",
        "#",
        *kind.text().splitlines(),
    ]
    if data is not None or not kind.data:
        _exchange(lines, "data", f"data = {_escaped(data)}" if data is not None else f"# data = {_escaped(beside)}")
    if listen is not None:
        place = _exchange(lines, "listen", f"listen = {_escaped(listen)}")
        # What stands above it may be true of the kind's own alone.
        if lines[place - 1].startswith("#"):
            lines[place - 1] = "# Where to listen: Twisted endpoint descriptions, separated by white space."
    return "\n".join(lines) + "\n"


def _exchange(lines: list[str], key: str, line: str) -> int:
    place = next(number for number, one in enumerate(lines) if one.startswith(f"{key} = "))
    lines[place] = line
    return place


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
