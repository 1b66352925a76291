"""The verb `relock`: a lock file for another index, which has the same files at the same paths."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pypidaemon.commands.speech import Verbs, say, wrong
from pypidaemon.commands.standalone import reacting
from pypidaemon.commands.writing import replace
from pypidaemon.errors import PypidaemonError
from pypidaemon.locks import LONGEST
from pypidaemon.packing.relocking import Held, Move, Relocked, relocked
from pypidaemon.settings import Secret, secret
from pypidaemon.telling import plural

if TYPE_CHECKING:
    from pypidaemon.packing.lacking import Lack

LARGEST = 4 * LONGEST
"""Bytes of a lock file: none of its characters has more than four."""


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "relock",
        parents=[shared],
        help="have a lock file name another index, and say what that lacks",
        description=(
            "Rewrite the addresses in a lock file so that they are those of another index that has the same files at the same paths, such as a daemon like"
            " this one, and leave every other byte as it is. The index is asked for the pages of the projects, and what it lacks is said. No configuration"
            " is read."
        ),
        epilog="Exit status: 0 the index has every file, 1 it lacks some, or it failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument(
        "file", metavar="FILE", type=Path, help="uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock or a requirements file with URLs"
    )
    verb.add_argument("--to", metavar="URL", required=True, help="the index that it is to name, by the URL that installers are given")
    verb.add_argument("--from", metavar="URL", dest="source", help="the index in its place, where the file names several")
    verb.add_argument("-o", "--output", metavar="OUT", type=Path, help="write it there, and leave FILE as it is")
    verb.add_argument("--dry-run", action="store_true", help="say what would change and what the index lacks, and write nothing")
    verb.add_argument("--username", metavar="NAME", help="who asks that index; no name and no password comes into the file")
    verb.add_argument("--password", metavar="env:NAME|file:PATH", help="where the password or the token of that name is")
    verb.add_argument("--ca-file", metavar="FILE", type=Path, help="certificates of authorities to trust besides the machine's own (PEM)")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        move = Move(arguments.to, arguments.source)
        password = secret(arguments.password) if arguments.password is not None else None
    except ValueError as error:
        return wrong(verb, arguments, str(error))
    return relock(arguments, move, password)


def relock(arguments: argparse.Namespace, move: Move, password: Secret | None) -> int:
    """
    Rewrite it, and say what came of it. The exit status is 1 where the index lacks a file.

    :raises PypidaemonError: the file cannot be read or written, or the index does not answer; then nothing was written.
    """
    file: Path = arguments.file
    raw, mode = _read(file)
    try:
        found = relocked(file.name, raw.decode("utf-8"), move)
    except UnicodeDecodeError:
        raise PypidaemonError(f"{file}: it is not UTF-8") from None
    except ValueError as error:
        raise PypidaemonError(f"{file}: {error}") from None
    lacks = reacting(lambda reactor: _lacks(move.to, arguments, password, found.files, reactor)) if found.files else []
    written = None if arguments.dry_run else arguments.output or file
    if written is not None and (found.changed or arguments.output is not None):
        if written == file and _read(file)[0] != raw:
            # An index may take minutes, in which an installer may lock anew.
            raise PypidaemonError(f"{file} stays as it is: somebody else changed it just now, so say it again")
        replace(written, found.text.encode("utf-8"), mode)
    hint = _why_none(found, move) if not found.changed else ""
    said = {
        "file": str(file),
        "written": str(written) if written is not None else None,
        "addresses": found.changed,
        "files": len(found.files),
        "lacking": [{"project": one.project, "file": one.file, "reason": one.reason} for one in lacks],
        "left": list(found.left),
        "hint": hint or None,
    }
    count = plural(found.changed, "address", "addresses")
    lines = [f"{file}: {count} {'would be ' if arguments.dry_run else ''}exchanged; it names {plural(len(found.files), 'file')}"]
    lines += [f"  {line}" for line in found.left]
    lines += [hint] if hint else []
    if lacks:
        lines.append(f"{move.to} lacks {len(lacks)} of them:")
        lines += [f"  {one.line}" for one in lacks]
    say(arguments, "\n".join(lines), said)
    return 1 if lacks else 0


def _why_none(found: Relocked, move: Move) -> str:
    """Why no address was exchanged, and what to do; empty where what is said of those that stay is enough."""
    if found.left:
        return ""
    if move.to.rstrip("/") in found.text:
        return f"it names {move.to} already"
    if move.source is not None:
        return f"no address in it is one of {move.source}: leave --from out to see which indexes it names"
    return "it has no addresses: an installer takes these files from the index that it is given, so that is to be another one (pypidaemon client)"


async def _lacks(index: str, arguments: argparse.Namespace, password: Secret | None, files: Sequence[Held], reactor: Any) -> list[Lack]:
    from pypidaemon.packing.lacking import lacking
    from pypidaemon.records.memory import MemoryRecords
    from pypidaemon.services.ordered import OrderedService
    from pypidaemon.threads import Threads
    from pypidaemon.upstreams.http import HttpUpstream

    cpu = Threads(reactor, "cpu", 2)
    records = MemoryRecords("records", reactor)
    try:
        upstream = HttpUpstream(
            label=index,
            url=index,
            username=arguments.username,
            password=password,
            ca_file=arguments.ca_file,
            clock=reactor,
            reactor=reactor,
            cpu=cpu,
            records=records,
        )
    except ValueError as error:
        raise PypidaemonError(f"--to: {error}") from None
    running = OrderedService((cpu, records, upstream))
    running.startService()
    try:
        return await lacking(upstream, files)
    finally:
        await running.stopService()


def _read(file: Path) -> tuple[bytes, int]:
    """What it says, and the rights that it has."""
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode & 0o777
            raw = stream.read(LARGEST + 1)
    except OSError as error:
        raise PypidaemonError(f"cannot read {file}: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise PypidaemonError(f"{file} is larger than {LARGEST >> 20} MiB")
    return raw, mode
