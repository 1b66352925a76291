"""The verbs about releases and what was done to them: `yank`, `hide`, `delete`, `promote`, their opposites, `log` and `check-upstream`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pypidaemon.assembly import Made, Plan
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import alone, alone_writing, daemon_or_alone
from pypidaemon.errors import InvalidName, NoSuchProject, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.settings import duration

_LONG = 3600.0
"""Seconds for asking upstreams about every private name."""


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = _verb(verbs, shared, "yank", "let installers pass over a release that nobody asks for by its version", yank)
    verb.add_argument("--reason", metavar="TEXT", default="", help="why, which clients are told")
    verb.add_argument("--undo", action="store_true", help="take the yank back")
    _verb(verbs, shared, "hide", "take a release off the pages, until it is shown again", hide)
    _verb(verbs, shared, "unhide", "show a hidden release again", unhide)
    _verb(
        verbs, shared, "delete", "delete a release, or a whole project; names stay used, and bytes are kept for a while", delete, whole=True
    )
    _verb(verbs, shared, "undelete", "bring back what was deleted", undelete, whole=True)
    verb = _verb(verbs, shared, "promote", "offer a release in another index, without uploading it again", promote)
    verb.add_argument("to", metavar="INDEX", help="the label of the index to promote to")

    verb = verbs.add_parser("log", parents=[shared], help="print who did what to packages and accounts", allow_abbrev=False)
    verb.add_argument("--since", metavar="7d", type=_since, default="7d", help="how far to look back")
    verb.set_defaults(act=log)

    verb = verbs.add_parser(
        "check-upstream", parents=[shared], help="name the private projects that an upstream has as well", allow_abbrev=False
    )
    verb.add_argument("--ask", action="store_true", help="ask the upstreams, which then know the names, instead of what is remembered here")
    verb.set_defaults(act=check_upstream)


def yank(arguments: argparse.Namespace) -> int:
    """
    Yank a release, or with `--undo` take that back (PEP 592). Whoever has pinned it can still install it.

    :raises PypidaemonError: it cannot be done, and why.
    """
    if arguments.undo:
        return _release(arguments, "unyank", "no longer yanked")
    return _release(arguments, "yank", "yanked", reason=arguments.reason)


def hide(arguments: argparse.Namespace) -> int:
    """
    Take a release off pages and addresses; nothing of it is lost.

    :raises PypidaemonError: it cannot be done, and why.
    """
    return _release(arguments, "hide", "hidden")


def unhide(arguments: argparse.Namespace) -> int:
    """
    Show a hidden release again. What was deleted stays so.

    :raises PypidaemonError: it cannot be done, and why.
    """
    return _release(arguments, "unhide", "shown")


def delete(arguments: argparse.Namespace) -> int:
    """
    Delete a release, or every release of a project. The project's name stays claimed, and no file of these names can be uploaded again.

    :raises PypidaemonError: it cannot be done, and why.
    """
    return _release(arguments, "delete", "deleted")


def undelete(arguments: argparse.Namespace) -> int:
    """
    Bring back what was deleted. What is hidden stays so.

    :raises PypidaemonError: it cannot be done, and why, for instance because the bytes are gone.
    """
    return _release(arguments, "undelete", "back")


def promote(arguments: argparse.Namespace) -> int:
    """
    Offer a release in another index as it is in this one: same bytes, same hashes and upload times, yanked where it is. It stays here too.

    :raises PypidaemonError: it cannot be done, and why.
    """
    return _release(arguments, "promote", f"now in {arguments.to}", to=arguments.to)


def log(arguments: argparse.Namespace) -> int:
    """
    Print the audit log, oldest first: when, who, from where, what, to what, and digests, reasons, or why it was refused.

    At most the newest 10,000 rows are given; `complete` says in JSON whether those are all.

    :raises PypidaemonError: the records cannot be read.
    """

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.journal import journal

        return await journal(made.records().accounts, reactor.seconds(), duration(arguments.since))

    answer = _asked(named_file(arguments), f"/log?since={quote(arguments.since)}", work, {"log": [], "complete": True})
    say(arguments, "\n".join(_rows(answer)) or "nothing is on record for that time", answer)
    return 0


def check_upstream(arguments: argparse.Namespace) -> int:
    """
    Name each project of an index whose truth is here that an upstream is known to have, by the pages and the list that are remembered. No request is made.

    With `--ask` every upstream is asked for every one of them that is not reserved. The exit status is 1 where there is one.

    :raises PypidaemonError: the records cannot be read, or an upstream does not answer.
    """

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.clashes import Clashes
        from pypidaemon.web.inquiries import clashes_json

        clashes = Clashes(made.indexes(), made.upstreams(), made.plan.daemon.reserved)
        return clashes_json(await (clashes.ask() if arguments.ask else clashes.known()), arguments.ask)

    if arguments.ask:
        upstreams = " ".join(daemon_or_alone(named_file(arguments), _upstreams_asked, _upstreams_planned))
        sys.stderr.write(f"pypidaemon: the names of all private projects that are not reserved go to: {upstreams}\n")
    answer = _asked(named_file(arguments), "/check-upstream" + "?ask=yes" * arguments.ask, work, {"known": [], "asked": arguments.ask})
    lines = (f"{one['name']} in {one['index']}: {one['known']} has a project of that name" for one in answer["known"])
    nobody = "is" if arguments.ask else "is known to be"
    say(arguments, "\n".join(lines) or f"no private project {nobody} an upstream's as well", answer)
    return 1 if answer["known"] else 0


def _release(arguments: argparse.Namespace, verb: str, done: str, **more: str) -> int:
    name, version = arguments.release
    order = {"project": name, "version": version, "index": arguments.index, **more}
    try:
        answer = daemon_or_alone(
            named_file(arguments),
            lambda socket: control.ask(socket, "POST", f"/releases/{verb}", body=json.dumps(order).encode()),
            lambda planned: _without_daemon(planned, verb, order),
        )
    except PypidaemonError as error:
        if str(error) != str(NoSuchProject(name)):
            raise
        raise PypidaemonError(f"{error} among packages of your own; what comes from an upstream can be blocked") from None
    count = answer["files"]
    what = answer["project"] + (f" {answer['version']}" if answer["version"] else "")
    say(arguments, f"{what} in {answer['index']}: {count} {'file' if count == 1 else 'files'} {done}", answer)
    return 0


def _without_daemon(planned: Plan, verb: str, order: dict[str, Any]) -> dict[str, Any]:
    if not planned.data.is_dir():
        raise NoSuchProject(order["project"])
    # What is written belongs to the daemon's own user alone (S87).
    os.umask(0o077)

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.clashes import Clashes
        from pypidaemon.interfaces import IHostedIndex, IMirror
        from pypidaemon.releases import THE_OPERATOR, Releases, insist
        from pypidaemon.returns import Returns

        indexes = made.indexes()
        mirrors = {label: index for label, index in indexes.items() if IMirror.providedBy(index)}
        releases = Releases(
            indexes={label: index for label, index in indexes.items() if IHostedIndex.providedBy(index)},
            default=planned.daemon.uploads,
            clashes=Clashes(indexes, made.upstreams(), planned.daemon.reserved),
            audit=made.records().accounts,
            clock=reactor,
            founded=_nobody_to_tell,
            returns=Returns(mirrors, made.records().mirrors, made.given["announcements"]) if mirrors else None,
        )
        return await releases.perform(verb, order, THE_OPERATOR, insist)

    return alone_writing(planned, work, "blobs", "inspector")


def _nobody_to_tell(account: str, label: str, project: NormalizedName) -> None:
    """Without a daemon nobody remembers what was before."""


def _upstreams_asked(socket: Path) -> list[str]:
    return list(control.ask(socket, "GET", "/status").get("upstreams", ()))


def _upstreams_planned(planned: Plan) -> list[str]:
    return [part.section.label for part in planned.parts.values() if part.section.kind == "upstream" and part.needed]


def _asked(file: str, resource: str, work: Callable[[Made, Any], Awaitable[dict[str, Any]]], nothing: dict[str, Any]) -> dict[str, Any]:
    """What the running daemon answers, or the work does without one; `nothing` where there never was one."""
    return daemon_or_alone(
        file,
        lambda socket: control.ask(socket, "GET", resource, patience=_LONG),
        lambda planned: alone(planned, work, "blobs", "upstream") if planned.data.is_dir() else nothing,
    )


def _rows(answer: dict[str, Any]) -> Iterator[str]:
    if not answer["complete"]:
        yield f"(the newest {len(answer['log'])} rows; there are more: say a shorter --since)"
    for row in answer["log"]:
        refused = "" if row["done"] else "REFUSED "
        line = f"{row['time']} {row['account']} {row['address'] or '-'} {refused}{row['action']} {row['subject']} {row['detail']}"
        yield "".join(sign if sign.isprintable() else "?" for sign in line).rstrip()


def _verb(
    verbs: Verbs,
    shared: argparse.ArgumentParser,
    name: str,
    help_: str,
    act: Callable[[argparse.Namespace], int],
    *,
    whole: bool = False,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, parents=[shared], help=help_, allow_abbrev=False)
    verb.add_argument(
        "release",
        metavar="PROJECT[==VERSION]" if whole else "PROJECT==VERSION",
        help="a release, or a project with every release" if whole else "the release",
    )
    verb.add_argument(
        "--index", metavar="LABEL", help="the index; without this the one that has the release, and where several have it this is needed"
    )
    verb.set_defaults(act=partial(_checked, verb, _project_or_release if whole else _one_release, act))
    return verb


def _checked(
    verb: argparse.ArgumentParser,
    read: Callable[[str], tuple[str, str | None]],
    act: Callable[[argparse.Namespace], int],
    arguments: argparse.Namespace,
) -> int:
    """Read the release only now, since what argparse refuses itself is never said in JSON."""
    try:
        arguments.release = read(arguments.release)
    except argparse.ArgumentTypeError as error:
        return wrong(verb, arguments, str(error))
    return act(arguments)


def _project_or_release(raw: str) -> tuple[str, str | None]:
    name, marked, version = raw.partition("==")
    try:
        return project_name(name.strip()), _version(raw, version) if marked else None
    except InvalidName as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _one_release(raw: str) -> tuple[str, str | None]:
    if "==" not in raw:
        raise argparse.ArgumentTypeError(f"{raw!r} names no version: say PROJECT==VERSION")
    return _project_or_release(raw)


def _version(raw: str, version: str) -> str:
    if not version.strip():
        raise argparse.ArgumentTypeError(f"{raw!r} names no version: say PROJECT==VERSION")
    return version.strip()


def _since(raw: str) -> str:
    try:
        duration(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return raw.strip()
