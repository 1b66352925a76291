"""The verbs about people: `user`, `grant`, `ungrant`, `group` and `token`."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pypidaemon.assembly import Made, Plan, plan
from pypidaemon.assembly import people as made_people
from pypidaemon.commands import control
from pypidaemon.commands.speech import Verbs, named_file, say
from pypidaemon.commands.standalone import alone
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import ACTIONS
from pypidaemon.services.sockets import CONTROL
from pypidaemon.settings import duration

_PASSWORD_BYTES = 8192


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    user = _group(verbs, "user", "add, disable and list users")
    verb = _verb(user, shared, "add", "add a user, or enable one again and set its password", _user_add)
    verb.add_argument("name", metavar="NAME")
    verb.add_argument("--password-stdin", action="store_true", help="read a password, one line; without it the user has tokens alone")
    verb = _verb(user, shared, "disable", "let a user in no more", _user_disable)
    verb.add_argument("name", metavar="NAME")
    _verb(user, shared, "ls", "list users, their groups and rights", _user_ls)

    for name, help_, act in (("grant", "give a right", _grant), ("ungrant", "take a right back", _ungrant)):
        verb = _verb(verbs, shared, name, help_, act)
        verb.add_argument("name", metavar="NAME", help="a user, group:NAME, anonymous (everybody) or authenticated")
        verb.add_argument("right", metavar="RIGHT", choices=ACTIONS, help=f"one of {' '.join(ACTIONS)}")
        verb.add_argument("place", metavar="INDEX[/GLOB]", help="an index of the configuration or *, and a pattern of project names")

    group = _group(verbs, "group", "put users into groups")
    for name, help_, act in (("add", "put a user into a group", _group_add), ("remove", "take a user out of a group", _group_remove)):
        verb = _verb(group, shared, name, help_, act)
        verb.add_argument("group", metavar="GROUP")
        verb.add_argument("name", metavar="NAME")

    token = _group(verbs, "token", "make, revoke and list tokens")
    verb = _verb(token, shared, "add", "make a token and print it, this once", _token_add)
    verb.add_argument("name", metavar="NAME", help="the account that it is for")
    verb.add_argument("--scope", choices=("read", "upload"), help="the most it can do; without this whatever the account may")
    verb.add_argument("--project", metavar="GLOB", dest="projects", help="the projects it can be used for")
    verb.add_argument("--expires", metavar="30d", type=_lifetime, dest="lifetime", help="how long it is good; without this for ever")
    verb = _verb(token, shared, "revoke", "let a token be good no more", _token_revoke)
    verb.add_argument("token", metavar="ID-OR-TOKEN", help="its id, the token itself, or - to read that from standard input")
    _verb(token, shared, "ls", "list tokens, never their secrets", _token_ls)


def order(arguments: argparse.Namespace, words: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """
    Have an order carried out, by the running daemon or else straight in the records, and give its answer.

    :raises PypidaemonError: it cannot be, and why.
    """
    planned = plan(named_file(arguments))
    try:
        return control.ask(planned.data / CONTROL, "POST", f"/people/{words[0]}/{words[1]}", body=json.dumps(fields).encode())
    except control.NotRunning:
        return _without_daemon(planned, words, fields)


def _without_daemon(planned: Plan, words: tuple[str, str], fields: dict[str, Any]) -> dict[str, Any]:
    from pypidaemon.accounts.orders import perform
    from pypidaemon.accounts.people import OPERATOR

    try:
        # As the daemon makes it: for its own user alone.
        planned.data.parent.mkdir(parents=True, exist_ok=True)
        planned.data.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PypidaemonError(f"cannot use the data folder {planned.data}: {error.strerror or error}") from None
    os.umask(0o077)

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        people = made_people(made, reactor, _nobody_to_tell)
        return await perform(people, OPERATOR, words, fields)

    return alone(planned, work)


def _nobody_to_tell() -> None:
    """Without a daemon nobody remembers what was before."""


def _user_add(arguments: argparse.Namespace) -> int:
    password = _line() if arguments.password_stdin else None
    answer = order(arguments, ("user", "add"), name=arguments.name, password=password)
    hint = "" if arguments.password_stdin else "; without a password here, so it needs tokens: pypidaemon token add"
    say(arguments, f"{'added' if answer['new'] else 'changed'} {answer['user']}{hint if answer['new'] else ''}", answer)
    return 0


def _user_disable(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("user", "disable"), name=arguments.name)
    say(arguments, f"disabled {answer['user']}", answer)
    return 0


def _user_ls(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("user", "ls"))
    say(arguments, "\n".join(_people(answer)), answer)
    return 0


def _people(answer: dict[str, Any]) -> Iterator[str]:
    for user in answer["users"]:
        notes = ["disabled"] * user["disabled"] + ["no password"] * (not user["password"])
        yield user["name"] + (f" ({', '.join(notes)})" if notes else "")
        if user["groups"]:
            yield f"  groups: {' '.join(user['groups'])}"
        yield from (f"  {right}" for right in user["grants"])
    for subject, rights in answer["others"].items():
        yield subject
        yield from (f"  {right}" for right in rights)


def _grant(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("grant", "add"), name=arguments.name, right=arguments.right, place=arguments.place)
    done = "granted" if answer["changed"] else "was granted already:"
    say(arguments, f"{done} {arguments.name} {arguments.right} on {arguments.place}", answer)
    return 0


def _ungrant(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("grant", "remove"), name=arguments.name, right=arguments.right, place=arguments.place)
    say(arguments, f"took back {arguments.name} {arguments.right} on {arguments.place}", answer)
    return 0


def _group_add(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("group", "add"), group=arguments.group, name=arguments.name)
    say(arguments, f"{arguments.name} is {'now' if answer['changed'] else 'already'} in {arguments.group}", answer)
    return 0


def _group_remove(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("group", "remove"), group=arguments.group, name=arguments.name)
    say(arguments, f"{arguments.name} is {'no longer' if answer['changed'] else 'not'} in {arguments.group}", answer)
    return 0


def _token_add(arguments: argparse.Namespace) -> int:
    answer = order(
        arguments,
        ("token", "add"),
        name=arguments.name,
        scope=arguments.scope,
        projects=arguments.projects,
        lifetime=arguments.lifetime,
    )
    # The token alone, so that it can be caught in a variable or a file.
    say(arguments, answer["token"], answer)
    return 0


def _token_revoke(arguments: argparse.Namespace) -> int:
    shown: str = arguments.token
    answer = order(arguments, ("token", "revoke"), token=shown if shown.strip("-") else _line())
    say(arguments, f"revoked {answer['revoked']}", answer)
    return 0


def _token_ls(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("token", "ls"))
    lines = (
        f"{token['id']} {token['account']} scope={token['scope']} projects={token['projects']}"
        f" expires={token['expires'] or 'never'} last-used={token['last_used'] or 'never'}"
        for token in answer["tokens"]
    )
    say(arguments, "\n".join(lines), answer)
    return 0


def _line() -> str:
    """One line of standard input, which is UTF-8 in any locale, without its end."""
    raw = sys.stdin.buffer.readline(_PASSWORD_BYTES)
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise PypidaemonError("standard input is not UTF-8") from None


def _lifetime(raw: str) -> float:
    try:
        seconds = duration(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    # A number too long to be one reads as infinite, which JSON has no word for.
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("a token is good for more than no time, and for a time that ends")
    return seconds


def _group(verbs: Verbs, name: str, help_: str) -> Verbs:
    parser = verbs.add_parser(name, help=help_, description=help_, allow_abbrev=False)
    return parser.add_subparsers(title="verbs", metavar="VERB", required=True)


def _verb(
    verbs: Verbs, shared: argparse.ArgumentParser, name: str, help_: str, act: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, parents=[shared], help=help_, description=help_, allow_abbrev=False)
    verb.set_defaults(act=act)
    return verb
