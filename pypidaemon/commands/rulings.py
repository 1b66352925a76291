"""The verbs about what is blocked, what is exempt, and who took what: `block`, `exempt`, their opposites, `rulings`, `who` and `downloads`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from pypidaemon.assembly import Made, Plan
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import alone, alone_writing, daemon_or_alone
from pypidaemon.errors import InvalidName
from pypidaemon.rulings import target
from pypidaemon.settings import duration

_DONE = {"block": "blocked", "unblock": "blocked no longer", "exempt": "exempt from waiting", "unexempt": "exempt no longer"}
_WHAT = "PROJECT[==VERSION]|sha256:HEX"
_SINCE = "how far to look back (default: as far as it is on record)"
_HELP = "a project, a release, or the sha256 of a file, in every index"


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = _verb(verbs, shared, "block", "hide a project, a release or bytes in every index, also where the bytes are here", order)
    verb.add_argument("--reason", metavar="TEXT", required=True, help="why, which clients are told")
    _verb(verbs, shared, "unblock", "take a block back", order)
    verb = _verb(verbs, shared, "exempt", "show something for a while though it is younger than a minimum-age policy wants", order)
    verb.add_argument("--for", dest="lasting", metavar="7d", default="7d", help="how long, 365d at most (default: 7d)")
    verb.add_argument("--reason", metavar="TEXT", required=True, help="why, for the audit log")
    _verb(verbs, shared, "unexempt", "take an exemption back", order)
    verb = verbs.add_parser("rulings", parents=[shared], help="print what is blocked or exempt, by whom and why", allow_abbrev=False)
    verb.set_defaults(act=rulings)
    verb = _verb(verbs, shared, "who", "print who took a file of a project, of a release, or with these bytes", who)
    verb.add_argument("--since", metavar="30d", help=_SINCE)
    verb = verbs.add_parser("downloads", parents=[shared], help="print what was taken, by whom and from where", allow_abbrev=False)
    verb.add_argument("--since", metavar="30d", help=_SINCE)
    verb.add_argument("--account", metavar="NAME", help="what this account took; '' is whoever had not logged in")
    verb.add_argument("--address", metavar="ADDRESS", help="what was taken from this address, as it is on record")
    verb.set_defaults(act=partial(_timed, verb))


def order(arguments: argparse.Namespace) -> int:
    """
    Block or exempt, or take that back. When this ends the daemon's next answer follows it.

    :raises PypidaemonError: it cannot be done, and why.
    """
    verb: str = arguments.verb
    wanted = {"target": arguments.what, "reason": getattr(arguments, "reason", None), "for": getattr(arguments, "lasting", None)}
    said = {field: value for field, value in wanted.items() if value is not None}
    answer = daemon_or_alone(
        named_file(arguments),
        lambda socket: control.ask(socket, "POST", f"/rulings/{verb}", body=json.dumps(said).encode()),
        lambda planned: _without_daemon(planned, verb, said),
    )
    until = f" until {answer['until']}" if verb == "exempt" else ""
    say(arguments, f"{answer['target']} is {_DONE[verb]}{until}" + (_hint(answer) if verb == "block" else ""), answer)
    return 0


def rulings(arguments: argparse.Namespace) -> int:
    """
    Print all rulings in force: kind, target, who made it and when, until when it holds, and why.

    :raises PypidaemonError: the records cannot be read.
    """

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.assembly import rulemaking

        return await rulemaking(made, reactor).listed()

    answer = _asked(named_file(arguments), "/rulings", (), work, {"rulings": []})
    lines = (
        f"{one['kind']} {one['target']} {one['account']} {one['time']}{' until ' + one['until'] if one['until'] else ''}: {one['reason']}"
        for one in answer["rulings"]
    )
    say(arguments, "\n".join(map(_printable, lines)) or "nothing is blocked or exempt", answer)
    return 0


def who(arguments: argparse.Namespace) -> int:
    """
    Print who took it, oldest first: when, account, address, client, index, file and digest. At most the newest 10,000 fetches are given.

    :raises PypidaemonError: the records cannot be read.
    """
    since: str | None = arguments.since

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.takers import takers

        back = duration(since) if since else None
        return await takers(made.records().fetches, arguments.what, reactor.seconds(), back, made.given["cpu"])

    query = (("what", arguments.what), *((("since", since),) if since else ()))
    nothing = {"target": arguments.what, "fetches": [], "complete": True}
    answer = _asked(named_file(arguments), "/who", query, work, nothing)
    say(arguments, "\n".join(map(_printable, _rows(answer))) or "nobody is on record as having taken it", answer)
    return 0


def downloads(arguments: argparse.Namespace) -> int:
    """
    Print what was taken, oldest first, as `who` does. `access-records` in `[daemon]` says how long it is on record, and `client-addresses` how much
    of an address.

    :raises PypidaemonError: the records cannot be read.
    """
    since: str | None = arguments.since

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.takers import taken

        back = duration(since) if since else None
        return await taken(made.records().fetches, arguments.account, arguments.address, reactor.seconds(), back, made.given["cpu"])

    said = {"since": since, "account": arguments.account, "address": arguments.address}
    query = tuple((word, value) for word, value in said.items() if value is not None)
    answer = _asked(named_file(arguments), "/downloads", query, work, {"fetches": [], "complete": True})
    say(arguments, "\n".join(map(_printable, _rows(answer))) or "nothing is on record as having been taken", answer)
    return 0


def _timed(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        if arguments.since is not None:
            duration(arguments.since)
        # What is no text (PEP 383) is nobody's name, and can be put neither to the daemon nor to the records.
        f"{arguments.account}{arguments.address}".encode()
    except UnicodeEncodeError:
        return wrong(verb, arguments, "--account and --address are text in UTF-8")
    except ValueError as error:
        return wrong(verb, arguments, str(error))
    return downloads(arguments)


def _rows(answer: dict[str, Any]) -> Iterator[str]:
    if not answer["complete"]:
        yield f"(the newest {len(answer['fetches'])} fetches; there are more: say a shorter --since)"
    for one in answer["fetches"]:
        digest = f" sha256:{one['sha256']}" if one["sha256"] else ""
        yield f"{one['time']} {one['account'] or '-'} {one['address'] or '-'} {one['agent']} {one['index']} {one['filename']}{digest}"


def _hint(answer: dict[str, Any]) -> str:
    """Whether somebody has it already, since no block reaches what was installed before."""
    count: int | None = answer["fetched"]
    if not count:
        return "; nobody is on record as having taken it" if count == 0 else ""
    fetches = "1 fetch of it is" if count == 1 else f"{count} fetches of it are"
    return f"\n{fetches} on record: pypidaemon who {answer['target']}"


def _without_daemon(planned: Plan, verb: str, said: dict[str, Any]) -> dict[str, Any]:
    # What is written belongs to the daemon's own user alone (S87).
    os.umask(0o077)
    planned.data.parent.mkdir(parents=True, exist_ok=True)
    planned.data.mkdir(mode=0o700, exist_ok=True)

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        from pypidaemon.assembly import rulemaking
        from pypidaemon.callers import THE_OPERATOR

        return await rulemaking(made, reactor).perform(verb, said, THE_OPERATOR)

    return alone_writing(planned, work)


def _asked(
    file: str,
    resource: str,
    query: tuple[tuple[str, str], ...],
    work: Callable[[Made, Any], Awaitable[dict[str, Any]]],
    nothing: dict[str, Any],
) -> dict[str, Any]:
    """What the running daemon answers, or the work does without one; `nothing` where there never was one."""
    return daemon_or_alone(
        file,
        lambda socket: control.ask(socket, "GET", resource, query),
        lambda planned: alone(planned, work) if planned.data.is_dir() else nothing,
    )


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line)


def _verb(
    verbs: Verbs, shared: argparse.ArgumentParser, name: str, help_: str, act: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, parents=[shared], help=help_, allow_abbrev=False)
    verb.add_argument("what", metavar=_WHAT, help=_HELP)
    verb.set_defaults(act=partial(_checked, verb, act), verb=name)
    return verb


def _checked(verb: argparse.ArgumentParser, act: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Read what it is about and durations only now, since what argparse refuses itself is never said in JSON."""
    try:
        arguments.what = target(arguments.what)
        for word in ("since", "lasting"):
            if getattr(arguments, word, None) is not None:
                duration(getattr(arguments, word))
        if getattr(arguments, "reason", "-").strip() == "":
            raise ValueError("--reason: must not be empty")
    except (InvalidName, ValueError) as error:
        return wrong(verb, arguments, str(error))
    return act(arguments)
