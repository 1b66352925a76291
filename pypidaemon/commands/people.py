"""The verbs about people: `user`, `grant`, `ungrant`, `group` and `token`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pypidaemon.assembly import Made, Plan
from pypidaemon.assembly import people as made_people
from pypidaemon.commands import control
from pypidaemon.commands.input import lifetime, line, password
from pypidaemon.commands.speech import Verbs, named_file, say
from pypidaemon.commands.standalone import alone, alone_writing, daemon_or_alone
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import ACTIONS

_ONE_LINE = "read a password of at least 8 characters from standard input, one line; on a terminal it is asked for twice and not shown"
_SCOPE = (
    "the most it can do, of what the account may: read (the rights list and read) or upload (list, read, upload and create);"
    " without this all that the account may"
)


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    user = _group(verbs, "user", "add, change, disable, remove and list users")
    verb = _verb(user, shared, "add", "add a user", _user_add)
    verb.add_argument("name", metavar="NAME", help="a name that no user has yet")
    verb.add_argument("--password-stdin", action="store_true", help=f"{_ONE_LINE}; without it the user has tokens alone")
    verb = _verb(user, shared, "password", "give a user another password; tokens stay good", _user_password)
    verb.add_argument("name", metavar="NAME", help="the user")
    verb.add_argument("--password-stdin", action="store_true", required=True, help=_ONE_LINE)
    for name, help_, act in (
        ("disable", "let a user in no more and revoke all its tokens; password, groups and rights stay", _user_disable),
        ("enable", "let a disabled user in again, by its password or new tokens", _user_enable),
        ("rm", "remove a user with its tokens, rights and groups; what it owned is nobody's, and packages stay", _user_rm),
    ):
        _verb(user, shared, name, help_, act).add_argument("name", metavar="NAME", help="the user")
    _verb(user, shared, "ls", "list users, their groups and rights", _user_ls)

    for name, help_, act in (("grant", "give a right", _grant), ("ungrant", "take a right back", _ungrant)):
        verb = _verb(verbs, shared, name, help_, act)
        verb.add_argument("name", metavar="NAME", help="a user, group:NAME, anonymous (everybody) or authenticated")
        verb.add_argument("right", metavar="RIGHT", choices=ACTIONS, help=f"one of {' '.join(ACTIONS)}")
        verb.add_argument(
            "place",
            metavar="INDEX[/GLOB]",
            help="an index that has packages itself, such as private or pypi, or *; and a pattern of project names",
        )

    group = _group(verbs, "group", "put users into groups")
    for name, help_, act in (("add", "put a user into a group", _group_add), ("remove", "take a user out of a group", _group_remove)):
        verb = _verb(group, shared, name, help_, act)
        verb.add_argument("group", metavar="GROUP", help="the group, which is there as long as somebody is in it")
        verb.add_argument("name", metavar="NAME", help="the user")

    token = _group(verbs, "token", "make, revoke and list tokens")
    verb = _verb(token, shared, "add", "make a token and print it, this once; its id goes to standard error", _token_add)
    verb.add_argument("name", metavar="NAME", help="the account that it is for")
    verb.add_argument("--scope", metavar="read|upload", choices=("read", "upload"), help=_SCOPE)
    verb.add_argument("--project", metavar="GLOB", dest="projects", help="the projects it can be used for")
    verb.add_argument("--expires", metavar="30d", type=lifetime, dest="lifetime", help="how long it is good; without this for ever")
    verb = _verb(token, shared, "revoke", "let a token be good no more", _token_revoke)
    verb.add_argument("token", metavar="ID-OR-TOKEN", help="its id, the token itself, or - to read that from standard input")
    _verb(token, shared, "ls", "list tokens, expired ones too, and never their secrets", _token_ls)


def order(arguments: argparse.Namespace, words: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """
    Have an order carried out, by the running daemon or else straight in the records, and give its answer.

    :raises PypidaemonError: it cannot be, and why.
    """
    return daemon_or_alone(
        named_file(arguments),
        lambda socket: control.ask(socket, "POST", f"/people/{words[0]}/{words[1]}", body=json.dumps(fields).encode()),
        lambda planned: _without_daemon(planned, words, fields),
    )


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

    return (alone if words[1] == "ls" else alone_writing)(planned, work)


def _nobody_to_tell() -> None:
    """Without a daemon nobody remembers what was before."""


def _user_add(arguments: argparse.Namespace) -> int:
    given = password() if arguments.password_stdin else None
    answer = order(arguments, ("user", "add"), name=arguments.name, password=given)
    hint = "" if arguments.password_stdin else "; without a password here, so it needs tokens: pypidaemon token add"
    say(arguments, f"added {answer['user']}{hint}", answer)
    return 0


def _user_password(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("user", "password"), name=arguments.name, password=password())
    say(arguments, f"{answer['user']} has another password", answer)
    return 0


def _user_disable(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("user", "disable"), name=arguments.name)
    say(arguments, f"disabled {answer['user']}" + (f"; tokens revoked: {answer['revoked']}" if answer["revoked"] else ""), answer)
    return 0


def _user_enable(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("user", "enable"), name=arguments.name)
    say(arguments, f"enabled {answer['user']}; its tokens were revoked: pypidaemon token add", answer)
    return 0


def _user_rm(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("user", "rm"), name=arguments.name)
    say(
        arguments, f"removed {answer['user']}" + (f"; projects that are nobody's now: {answer['owned']}" if answer["owned"] else ""), answer
    )
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
    nobody = "; nobody is in that group yet" if answer["nobody"] else ""
    say(arguments, f"{done} {arguments.name} {arguments.right} on {arguments.place}{nobody}", answer)
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
    if not arguments.json:
        sys.stderr.write(f"its id, by which pypidaemon token revoke ends it, is {answer['id']}\n")
    return 0


def _token_revoke(arguments: argparse.Namespace) -> int:
    shown: str = arguments.token
    answer = order(arguments, ("token", "revoke"), token=shown if shown.strip("-") else line())
    say(arguments, f"revoked {answer['revoked']}", answer)
    return 0


def _token_ls(arguments: argparse.Namespace) -> int:
    answer = order(arguments, ("token", "ls"))
    lines = (
        f"{token['id']} {token['account']} scope={token['scope']} projects={token['projects']}"
        f" expires={token['expires'] or 'never'}{' (expired)' if token['expired'] else ''} last-used={token['last_used'] or 'never'}"
        for token in answer["tokens"]
    )
    say(arguments, "\n".join(lines) or "there are no tokens", answer)
    return 0


def _group(verbs: Verbs, name: str, help_: str) -> Verbs:
    parser = verbs.add_parser(name, help=help_, description=help_, allow_abbrev=False)
    return parser.add_subparsers(title="verbs", metavar="VERB", required=True)


def _verb(
    verbs: Verbs, shared: argparse.ArgumentParser, name: str, help_: str, act: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, parents=[shared], help=help_, description=help_, allow_abbrev=False)
    verb.set_defaults(act=act)
    return verb
