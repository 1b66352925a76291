"""The verbs about what proxies keep: `cache ls`, `cache rm`, `cache pin` and `cache unpin`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pypidaemon.assembly import Made, Plan, caches
from pypidaemon.commands import control
from pypidaemon.commands.reporting import amount
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import alone, alone_writing, daemon_or_alone
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.telling import plural
from pypidaemon.versions import is_exact, same_version
from pypidaemon.web.cache import listed, ordered

_EVERY = 1 << 40
"""More projects than there can be."""
_NOTHING = {"files": 0, "bytes": 0, "pins": [], "projects": [], "more": False}


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser("cache", help="what proxies keep of what they fetched", allow_abbrev=False)
    inner = verb.add_subparsers(title="verbs", metavar="VERB", required=True)
    one = inner.add_parser("ls", parents=[shared], help="what is kept, how large it is and when it was last asked for", allow_abbrev=False)
    one.add_argument("target", nargs="?", metavar="PROJECT", help="the files of this project alone")
    one.set_defaults(act=partial(_checked, one), order="ls")
    for order, help in (
        ("rm", "take it out of the cache; it is fetched again when somebody asks for it"),
        ("pin", "keep it from being evicted"),
        ("unpin", "let it be evicted again"),
    ):
        one = inner.add_parser(order, parents=[shared], help=help, allow_abbrev=False)
        one.add_argument("target", metavar="PROJECT[==VERSION]", help="a project, or one release of it")
        one.set_defaults(act=partial(_checked, one), order=order)


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    spelled, equals, version = (arguments.target or "").partition("==")
    if equals and (arguments.order == "ls" or not is_exact(version)):
        return wrong(verb, arguments, f"{arguments.target}: say PROJECT{'' if arguments.order == 'ls' else ' or PROJECT==VERSION'}")
    try:
        name = project_name(spelled.strip()) if spelled else None
    except InvalidName as error:
        return wrong(verb, arguments, str(error))
    if name is None:
        return ls(arguments, None) if arguments.order == "ls" else wrong(verb, arguments, "say which project")
    return ls(arguments, name) if arguments.order == "ls" else order(arguments, name, same_version(version.strip()) if equals else None)


def ls(arguments: argparse.Namespace, name: NormalizedName | None) -> int:
    """
    List what is kept, by project or of one.

    :raises PypidaemonError: the daemon refuses, or the records cannot be read.
    """
    after = ""
    projects: list[Any] = []
    while True:
        answer = daemon_or_alone(
            named_file(arguments),
            lambda socket, after=after: control.ask(socket, "GET", "/cache", [("after", after), *([("project", name)] if name else [])]),  # type: ignore[misc]  # the default binds
            lambda planned: _listed_alone(planned, name),
        )
        projects += answer["projects"]
        if not answer["more"]:
            break
        after = projects[-1]["project"]
    answer = {**answer, "projects": projects}
    del answer["more"]
    say(arguments, "\n".join(_lines(answer, name)) or f"nothing of {name} is kept", answer)
    return 0


def order(arguments: argparse.Namespace, name: NormalizedName, version: str | None) -> int:
    """
    Take away, pin or unpin. The exit status is 1 where that changed nothing.

    :raises PypidaemonError: the daemon refuses, or it cannot be done.
    """
    query = [("project", str(name)), *([("version", version)] if version else [])]
    answer = daemon_or_alone(
        named_file(arguments),
        lambda socket: control.ask(socket, "POST", f"/cache/{arguments.order}", query),
        lambda planned: alone_writing(
            planned, lambda made, reactor: ordered(caches(made, reactor), arguments.order, name, version), "blobs"
        ),
    )
    # As it was typed: what the records know it by has no zeros at its end.
    title = f"{name}=={arguments.target.partition('==')[2].strip()}" if version else name
    if arguments.order == "rm":
        words = f"{title}: {plural(answer['files'], 'file')} with {amount(answer['bytes'])} taken out"
        if answer["kept"]:
            words += f"; {plural(answer['kept'], 'file')} stay, since others need them or they came within the last minute"
        say(arguments, words, answer)
        return 0 if answer["files"] else 1
    done = {"pin": "is kept from being evicted", "unpin": "may be evicted again"}[arguments.order]
    before = {"pin": "was pinned already", "unpin": "was not pinned"}[arguments.order]
    say(arguments, f"{title} {done if answer['changed'] else before}", answer)
    return 0 if answer["changed"] else 1


def _listed_alone(planned: Plan, name: NormalizedName | None) -> dict[str, Any]:
    if not planned.data.is_dir():
        return dict(_NOTHING)

    async def work(made: Made, reactor: Any) -> dict[str, Any]:
        return await listed(caches(made, reactor), name, "", _EVERY)

    return alone(planned, work)


def _lines(answer: Mapping[str, Any], name: NormalizedName | None) -> Iterator[str]:
    rows = [one for project in answer["projects"] for one in (project["held"] if name else [project])]
    titles = [row["file"] if name else row["project"] for row in rows]
    width = max(map(len, titles), default=0)
    for title, row in zip(titles, rows, strict=True):
        files = "" if name else f"{plural(row['files'], 'file'):>10} "
        pinned = "  pinned" if row["pinned"] else ""
        yield f"{title.ljust(width)} {files}{amount(row['bytes']):>10}  {row['used'] or 'not asked for lately'}{pinned}"
    if name is None:
        yield f"{plural(answer['files'], 'file')} with {amount(answer['bytes'])}"
        if answer["pins"]:
            yield f"pinned: {' '.join(answer['pins'])}"
