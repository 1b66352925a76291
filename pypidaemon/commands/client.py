"""The verb `client`: how an installer or an uploader is told to use an index here, printed or put into that tool's own file."""

from __future__ import annotations

import argparse
import os
import re
from functools import partial
from pathlib import Path
from urllib.parse import quote

import attrs

from pypidaemon.assembly import plan
from pypidaemon.commands.input import line
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.telling_clients import TOOLS, Written, place, told
from pypidaemon.commands.writing import put, read
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IHostedIndex
from pypidaemon.schema import local_url
from pypidaemon.settings import url
from pypidaemon.telling import no_address
from pypidaemon.web.views.configurations import Configuration, configurations

NOWHERE = local_url(())
"""What is said of a daemon that listens at no port."""
_PLAIN = re.compile(r"[A-Za-z0-9:/.\-_~%@\[\],+=]*")
"""Addresses that mean the same in a shell, in TOML and in INI files as they do alone."""


@attrs.frozen
class Address:
    """
    An index as clients know it.

    :param base: its root, which ends in "/".
    :param uploads: whether uploads go there.
    """

    base: str
    uploads: bool = True


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "client",
        parents=[shared],
        help="print or write what a client has to be told to use an index here",
        description=(
            "Print what a tool has to be told to use an index here, or with --write put it into that tool's own file, in which everything else stays."
            " The address is that in the configuration; with --url no configuration is read, so it can be said on any machine."
        ),
        epilog="Exit status: 0 done, 1 it failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument(
        "tool", metavar="TOOL", nargs="?", choices=sorted(TOOLS), help=f"one of {' '.join(sorted(TOOLS))}; without it all are printed"
    )
    verb.add_argument("--index", metavar="LABEL", help="an index with an address (default: that at /simple/)")
    verb.add_argument("--url", metavar="URL", help="the daemon's address as that client reaches it")
    verb.add_argument("--login", action="store_true", help="print also where the name and the token of a login go")
    verb.add_argument("--write", action="store_true", help="put it into the tool's own file, and keep what that was beside it as FILE.bak")
    verb.add_argument("--file", metavar="FILE", type=Path, help="with --write: this file instead")
    verb.add_argument("--username", metavar="NAME", help="with --token-stdin: whose token it is (default: __token__)")
    verb.add_argument(
        "--token-stdin",
        action="store_true",
        help="with --write, of pip and twine: a token for that file, which is then for your own user alone",
    )
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        given = None if arguments.url is None else url(arguments.url)
    except ValueError as error:
        return wrong(verb, arguments, f"--url: {error}")
    if not arguments.write and (arguments.file or arguments.token_stdin):
        return wrong(verb, arguments, "--file and --token-stdin belong to --write")
    if arguments.username is not None and not arguments.token_stdin:
        return wrong(verb, arguments, "--username says whose token --token-stdin brings")
    if arguments.username is not None and not _is_word(arguments.username):
        return wrong(verb, arguments, "--username takes one word")
    if arguments.write and arguments.tool is None:
        return wrong(verb, arguments, f"--write takes one tool: {' '.join(sorted(TOOLS))}")
    if arguments.token_stdin and not TOOLS[arguments.tool].keeps_tokens:
        return wrong(verb, arguments, f"{arguments.tool} keeps its login elsewhere: pypidaemon client {arguments.tool} --login says where")
    return client(arguments, given)


def client(arguments: argparse.Namespace, given: str | None = None) -> int:
    """
    Print what the tool has to be told, or write it where the tool reads it. What is in that file already stays, and said again nothing changes.

    A token comes into no file that others can read, and is never printed.

    :raises PypidaemonError: there is no such index, it has no address, or the file cannot be changed; then it is as it was.
    """
    address = _given(given, arguments.index) if given is not None else _configured(arguments)
    if not _PLAIN.fullmatch(address.base):
        raise PypidaemonError("the address has characters that mean something else to a shell or in a file: write them as %XX")
    if arguments.tool == "twine" and not address.uploads:
        raise PypidaemonError(f"uploads to {address.base} are off: [daemon] uploads names no index")
    return _write(arguments, address) if arguments.write else _print(arguments, address)


def _given(base: str, label: str | None) -> Address:
    """By the address alone; whoever pastes that of the simple index means its root."""
    root = base.rstrip("/").removesuffix("/simple")
    return Address(f"{root}/index/{quote(label)}/" if label else f"{root}/")


def _configured(arguments: argparse.Namespace) -> Address:
    planned = plan(named_file(arguments))
    base = planned.daemon.public_url or local_url(planned.daemon.listen)
    if base == NOWHERE:
        raise PypidaemonError("the daemon listens at no port and its configuration has no public-url, so say its address with --url")
    base = base.rstrip("/") + "/"
    default = planned.parts[planned.index].section.label
    label = arguments.index or default
    part = planned.parts.get(f"index:{label}")
    if part is None or not (part.exposed or part.name == planned.index):
        exposed = [one.section.label for one in planned.parts.values() if one.exposed or one.name == planned.index]
        raise PypidaemonError(no_address(label, exposed))
    if label == default:
        return Address(base, uploads=planned.daemon.uploads is not None)
    return Address(f"{base}index/{quote(label)}/", uploads=IHostedIndex.implementedBy(part.component))


def _print(arguments: argparse.Namespace, address: Address) -> int:
    known = configurations(address.base, "legacy/" if address.uploads else None, secret=arguments.login)
    shown = [one for one in known if arguments.tool in (None, one.tool.lower())]
    said = {
        "address": address.base,
        "tools": [{"tool": one.tool.lower(), "parts": [attrs.asdict(part) for part in one.parts]} for one in shown],
    }
    say(arguments, "\n".join(_text(one, titled=arguments.tool is None) for one in shown), said)
    return 0


def _text(one: Configuration, *, titled: bool) -> str:
    blocks = [f"{part.about}\n\n{part.text.rstrip()}\n" for part in one.parts]
    return "\n".join([f"{one.tool}\n{'=' * len(one.tool)}\n", *blocks] if titled else blocks)


def _is_word(text: str) -> bool:
    return bool(text) and text.isprintable() and " " not in text


def _write(arguments: argparse.Namespace, address: Address) -> int:
    file = place(arguments.tool, arguments.file)
    # What is typed may take a while, in which others may write the file.
    token = line() if arguments.token_stdin else None
    if token is not None and not _is_word(token):
        raise PypidaemonError("standard input has no token in its first line")
    before = read(file)
    text = _decoded(file, before)
    login = None if token is None else (arguments.username or "__token__", token)
    try:
        written = told(arguments.tool, file.name, text, address.base, login)
    except ValueError as error:
        raise PypidaemonError(f"{file} stays as it is: {error}; pypidaemon client {arguments.tool} prints what to put there") from None
    secret = token is not None or (TOOLS[arguments.tool].keeps_passwords and not os.path.exists(file))
    changed = written.text != text or (token is not None and _others_read(file))
    kept = put(file, written.text, secret=secret, of=before) if changed else None
    said = {
        "tool": arguments.tool, "file": str(file), "changed": changed, "backup": None if kept is None else str(kept), "notes": list(written.notes),
    }  # fmt: skip
    say(arguments, "\n".join(_lines(file, kept, written, changed=changed)), said)
    return 0


def _others_read(file: Path) -> bool:
    try:
        return os.stat(file).st_mode & 0o077 != 0
    except FileNotFoundError:
        return True


def _lines(file: Path, kept: Path | None, written: Written, *, changed: bool) -> list[str]:
    before = f"; what it was is kept as {kept}" if kept is not None else ""
    return [f"wrote {file}{before}" if changed else f"{file} says so already", *written.notes]


def _decoded(file: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise PypidaemonError(f"{file} stays as it is: it is not UTF-8") from None
